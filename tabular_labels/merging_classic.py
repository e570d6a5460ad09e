"""The classic merge: what fits is merged, what does not is handed back to be chosen from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.merging import Decided, side_of
from tabular_labels.model.objects import Objects
from tabular_labels.model.offsets import offsets_of_counts
from tabular_labels.model.source import MemorySource
from tabular_labels.model.tables import Catalog, LabelTables
from tabular_labels.queries.match import CatalogMatch, match_catalogs
from tabular_labels.queries.merge_assemble import assemble
from tabular_labels.queries.merge_catalog import Keys, MergedCatalog, merge_catalogs
from tabular_labels.queries.merge_compare import CONFLICTING, REDUNDANT, compare_instances
from tabular_labels.queries.merge_places import meet
from tabular_labels.queries.merge_side import Side
from tabular_labels.queries.merge_strategies import Decision
from tabular_labels.queries.select import select_instances
from tabular_labels.store.merged import Parent, merge_sources
from tabular_labels.store.snapshot import Snapshot

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


def match_classic(base: Catalog, new: Catalog) -> CatalogMatch:
    """Match as the classic ``unify``: by paths, node names, and values of tracks."""
    return match_catalogs(base, new, videos="classic", tracks="classic")


def match_objects(base: tuple[Catalog, Objects], new: tuple[Catalog, Objects]) -> CatalogMatch:
    """Match as without ``unify``: videos and tracks by identity, skeletons by what they say."""
    match = match_catalogs(base[0], new[0], videos="none", tracks="none")
    mine, theirs = base[1], new[1]
    same = {key: mine.video_ids.get(one) for key, one in theirs.video_by_id.items()}
    tracks = {key: mine.track_ids.get(one) for key, one in theirs.track_by_id.items()}
    return match.with_keys("videos", same).with_keys("tracks", tracks)


def decide_classic(
    base: Snapshot, new: Snapshot, match: CatalogMatch, *, hold_conflicts: bool
) -> ClassicMerge:
    """Decide a classic merge.

    A frame of both is in conflict when each has instances of one kind that the other
    lacks. Then only the instances that both have stay, and the rest is handed back.

    Args:
        base: What takes the other in.
        new: What is taken in.
        match: What is the same in both.
        hold_conflicts: Whether frames in conflict are handed back; otherwise all is kept.
    """
    catalog = merge_catalogs(match)
    alike = _alike(catalog.catalog)
    meeting = meet(side_of(base, catalog.base, alike), side_of(new, catalog.new, alike))
    found = compare_instances(meeting)
    mine, theirs = meeting.base, meeting.new
    at_odds = np.zeros(len(meeting.is_shared), np.bool_)
    if hold_conflicts:
        rows = np.flatnonzero(found.status == CONFLICTING)
        at_odds[meeting.place_of_new[theirs.frame[rows]]] = True
    new_frames = at_odds[meeting.place_of_new]
    # Frames at no shared place have the number -1: that of one more that never is.
    base_frames = np.append(at_odds, False)[meeting.place_of_base]
    held_new = (found.status != REDUNDANT) & new_frames[theirs.frame]
    held_base = ~found.is_met & base_frames[mine.frame]
    decision = Decision(
        found, (found.status != REDUNDANT) & ~held_new, held_base, np.empty(0, np.int64)
    )
    decided = Decided(base, new, catalog, decision, "complex_merge_between", 0.0)
    return ClassicMerge(
        decided,
        _held_base(base, base_frames, held_base),
        _held_new(new, theirs, catalog, held_new),
        _emptied(mine, base_frames, held_base),
    )


def _alike(catalog: Catalog) -> Mapping[int, int]:
    """Name for each track the first that says the same."""
    first: dict[tuple[Any, ...], int] = {}
    rows = catalog.tracks.select("track_id", "name", "spawned_on").iter_rows()
    return {key: first.setdefault(said, key) for key, *said_ in rows for said in [tuple(said_)]}


def _held_base(base: Snapshot, frames: BoolArray, instances: BoolArray) -> Snapshot:
    occupied = _occupied(base.structure.instance_offsets, instances)
    structure = select_instances(base.structure, frames & occupied, instances)
    return base.restricted(structure)


def _occupied(offsets: IntArray, instances: BoolArray) -> BoolArray:
    occupied: BoolArray = np.diff(offsets_of_counts(instances.view(np.uint8))[offsets]) > 0
    return occupied


def _emptied(base: Side, frames: BoolArray, instances: BoolArray) -> list[tuple[int, int]]:
    left = _occupied(base.structure.instance_offsets, ~instances)
    place = base.place[np.flatnonzero(frames & ~left)]
    return [(key >> 32, key & (2**32 - 1)) for key in place.tolist()]


def _held_new(new: Snapshot, side: Side, catalog: MergedCatalog, instances: BoolArray) -> Snapshot:
    """Give what is handed back the merged keys, by merging it into nothing."""
    frames = _occupied(new.structure.instance_offsets, instances)
    kept = new.restricted(select_instances(new.structure, frames, instances))
    none = MemorySource(LabelTables(catalog.catalog))
    empty = Side(none.load_structure(), Keys({}, {}, {}), lambda *_: none.tables.points)
    meeting = meet(empty, side_of(kept, catalog.new, side.alike))
    found = compare_instances(meeting)
    decision = Decision(found, found.status != REDUNDANT, found.is_met, np.empty(0, np.int64))
    made = assemble(decision)
    parents = [
        Parent(none, none.load_structure(), {}),
        Parent(kept.source, kept.structure, catalog.new.skeletons),
    ]
    source = merge_sources(
        catalog.catalog, made.frames, made.instances, parents, made.is_new, made.row
    )
    return Snapshot.of(source.load()) if new.in_memory else Snapshot(source)


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
