"""The classic merge: what fits is merged, what does not is handed back to be chosen from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.merging import Decided, decide_by, merged_snapshot
from tabular_labels.model.objects import Objects
from tabular_labels.model.offsets import offsets_of_counts
from tabular_labels.model.tables import Catalog, LabelTables
from tabular_labels.queries.match import CatalogMatch, match_catalogs
from tabular_labels.queries.merge_catalog import Keys, MergedCatalog, merge_catalogs
from tabular_labels.queries.merge_compare import CONFLICTING, REDUNDANT, Comparison
from tabular_labels.queries.merge_strategies import Decision, decide
from tabular_labels.queries.select import select_instances
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.video_marks import mark_videos

__all__ = [
    "ClassicMerge",
    "decide_classic",
    "match_classic",
    "match_objects",
    "merge_container_dicts",
]

Key = TypeVar("Key")


@dataclass(frozen=True)
class ClassicMerge:
    """What a classic merge does.

    Attributes:
        decided: What is merged.
        extra_base: The base instances of frames in conflict that the others lack, with
            their frames.
        extra_new: Likewise of the other project, with the merged keys.
        emptied: Places where no base instance is left.
    """

    decided: Decided
    extra_base: Snapshot
    extra_new: Snapshot
    emptied: list[tuple[int, int]]


def match_classic(base: tuple[Catalog, Objects], new: tuple[Catalog, Objects]) -> CatalogMatch:
    """Match as the classic ``unify``: by paths or arrays, node names, and values of tracks."""
    marks = mark_videos(base[1], new[1])
    return match_catalogs(base[0], new[0], videos="classic", tracks="classic", marks=marks)


def match_objects(base: tuple[Catalog, Objects], new: tuple[Catalog, Objects]) -> CatalogMatch:
    """Match as without ``unify``: videos and tracks by identity, skeletons by what they say."""
    match = match_catalogs(base[0], new[0], videos="none", tracks="none")
    mine, theirs = base[1], new[1]
    same = {key: mine.video_ids.get(one) for key, one in theirs.video_by_id.items()}
    tracks = {key: mine.track_ids.get(one) for key, one in theirs.track_by_id.items()}
    return match.with_keys("videos", same).with_keys("tracks", tracks)


def decide_classic(
    base: Snapshot,
    new: Snapshot,
    match: CatalogMatch,
    first: Mapping[str, int] | None = None,
    *,
    hold_conflicts: bool,
) -> ClassicMerge:
    """Decide a classic merge.

    A frame of both is in conflict when each has instances of one kind that the other
    lacks. Then only the instances that both have stay, and the rest is handed back.

    Args:
        base: What takes the other in.
        new: What is taken in.
        match: What is the same in both.
        first: See `merging.Decided`.
        hold_conflicts: Whether frames in conflict are handed back; otherwise all is kept.
    """
    catalog = merge_catalogs(match, first)
    decided = decide_by(
        _hold if hold_conflicts else _keep_all,
        base,
        new,
        catalog,
        strategy="complex_merge_between",
        alike=_alike(catalog.catalog),
    )
    decided = replace(decided, first=first or {})
    held_new = np.concatenate([(p.status != REDUNDANT) & ~p.is_added for p in decided.parts])
    return ClassicMerge(
        decided,
        _held_base(base, decided.is_dropped),
        _held_new(new, catalog, held_new),
        _emptied(base, decided.is_dropped),
    )


def _keep_all(found: Comparison) -> Decision:
    return decide(found, "keep_both")


def _hold(found: Comparison) -> Decision:
    """Add nothing to places in conflict, and take away what the others lack there."""
    meeting = found.meeting
    at_odds = np.zeros(len(meeting.is_shared) + 1, np.bool_)  # the last is no place, number -1
    rows = np.flatnonzero(found.status == CONFLICTING)
    at_odds[meeting.place_of_new[meeting.new.frame[rows]]] = True
    is_held = at_odds[meeting.place_of_new][meeting.new.frame]
    is_dropped = at_odds[meeting.place_of_base][meeting.base.frame] & ~found.is_met
    is_added = (found.status != REDUNDANT) & ~is_held
    return Decision(found, is_added, is_dropped, np.empty(0, np.int64))


def _alike(catalog: Catalog) -> Mapping[int, int]:
    """Name for each track the first that says the same."""
    first: dict[tuple[Any, ...], int] = {}
    rows = catalog.tracks.select("track_id", "name", "spawned_on").iter_rows()
    return {key: first.setdefault(said, key) for key, *said_ in rows for said in [tuple(said_)]}


def _held_base(base: Snapshot, held: BoolArray) -> Snapshot:
    frames = _count(base, held) > 0
    return base.restricted(select_instances(base.structure, frames, held))


def _count(snapshot: Snapshot, instances: BoolArray) -> IntArray:
    """Count the marked instances of each frame."""
    return np.diff(offsets_of_counts(instances.view(np.uint8))[snapshot.structure.instance_offsets])


def _emptied(base: Snapshot, held: BoolArray) -> list[tuple[int, int]]:
    gone = (_count(base, held) > 0) & (_count(base, ~held) == 0)
    frames = base.structure.frames.filter(pl.Series(gone))
    return frames.select("video_id", "frame_idx").rows()


def _held_new(new: Snapshot, catalog: MergedCatalog, held: BoolArray) -> Snapshot:
    """Give what is handed back the merged keys, by merging it into nothing."""
    kept = new.restricted(select_instances(new.structure, _count(new, held) > 0, held))
    nothing = Snapshot.of(LabelTables(catalog.catalog))
    keys = replace(catalog, base=Keys({}, {}, {}))
    alike = _alike(catalog.catalog)
    decided = decide_by(_keep_all, nothing, kept, keys, strategy="keep_both", alike=alike)
    return merged_snapshot(decided)[0]


def bare(catalog: Catalog) -> Catalog:
    """Leave out what a classic extension does not take over."""
    return replace(
        catalog,
        suggestions=catalog.suggestions.clear(),
        negative_anchors=catalog.negative_anchors.clear(),
    )


def merge_container_dicts(
    dict_a: dict[Key, list[Any]], dict_b: Mapping[Key, Sequence[Any]]
) -> dict[Key, list[Any]]:
    """Extend the lists of one dict by those of another, without repeats.

    Args:
        dict_a: Is changed. A list of it is replaced by a new one.
        dict_b: Stays as it is; no list is shared with it.

    Returns:
        ``dict_a``. The first of equal items stays; items may be lists.

    Examples:
        >>> merge_container_dicts({"a": [1, [2]]}, {"a": [[2], 3], "b": [4, 4]})
        {'a': [1, [2], 3], 'b': [4]}

    Source:
        ``Labels.merge_container_dicts``, which returned nothing and kept repeats.
    """
    for key in dict.fromkeys([*dict_a, *dict_b]):
        dict_a[key] = _without_repeats([*dict_a.get(key, ()), *dict_b.get(key, ())])
    return dict_a


def _without_repeats(items: Sequence[Any]) -> list[Any]:
    kept: list[Any] = []
    by_hash: defaultdict[int, list[Any]] = defaultdict(list)
    for item in items:
        near = by_hash[hash(_hashable(item))]
        if not any(item == other for other in near):
            near.append(item)
            kept.append(item)
    return kept


def _hashable(item: Any) -> Any:
    """Return something of which equal items have equal ones."""
    if isinstance(item, list | tuple):
        return len(item), *map(_hashable, item)
    try:
        hash(item)
    except TypeError:
        return type(item).__name__
    return item
