"""Bring edits of one version onto a newer one, when both sides edited different places."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.errors import ConflictError
from tabular_labels.io.manifest import NextIds
from tabular_labels.model import schema
from tabular_labels.model.edits import EditSet
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import Catalog

__all__ = ["merge_catalogs", "new_track_ids", "rebased_counts", "renumber_new_rows"]

_KEYED = ("videos", "skeletons", "nodes", "edges", "tracks")
_UNKEYED = ("suggestions", "negative_anchors")


def merge_catalogs(base: Catalog, mine: Catalog, theirs: Catalog, where: object) -> Catalog:
    """Put together what two sides made of one catalog.

    Row by row, by key: a row that one side changed, added or removed is so afterwards.
    Rows that both added, or both changed alike, are there once. Suggestions and negative
    anchors have no keys: one side may change them freely, or both add rows, which follow
    each other. Members of the provenance are taken like rows. Attachments are theirs.

    Args:
        base: Before both.
        mine: Of the edits; tracks that both sides added have different ids.
        theirs: Of the newest version.
        where: The project, for messages.

    Raises:
        ConflictError: Both sides changed one row, or one side's rows need what the
            other removed.
    """
    tables = {}
    for name in (*_KEYED, *_UNKEYED):
        merged = _merged_rows if name in _KEYED else _merged_lists
        old, ours, other = (each.tables()[name] for each in (base, mine, theirs))
        if ours.equals(old):
            tables[name] = other
        elif other.equals(old) or ours.equals(other):
            tables[name] = ours
        else:
            tables[name] = merged(name, old, ours, other, where)
    provenance = _merged_mapping(base.provenance, mine.provenance, theirs.provenance, where)
    return replace(theirs, **tables, provenance=provenance)  # type: ignore[arg-type]  # tables only


def _merged_rows(
    name: str, base: pl.DataFrame, mine: pl.DataFrame, theirs: pl.DataFrame, where: object
) -> pl.DataFrame:
    # Small tables: as a mapping from key to row, in their order.
    key = schema.TABLES[name].key
    old, ours, other = ({_key(row, key): row for row in t.to_dicts()} for t in (base, mine, theirs))
    merged: dict[object, dict[str, Any]] = {}
    for each in [*other, *(key for key in ours if key not in other)]:
        kept = _chosen(old.get(each), ours.get(each), other.get(each))
        if kept is _CLASH:
            raise _conflict(where, f"both sides changed {name} {each}")
        if kept is not None:
            merged[each] = kept
    return pl.DataFrame(list(merged.values()), schema=base.schema, orient="row")


def _key(row: dict[str, Any], key: tuple[str, ...]) -> object:
    return tuple(row[name] for name in key)


_CLASH: Any = object()


def _chosen(old: Any, mine: Any, theirs: Any) -> Any:
    """Return the side that differs from what was, or a mark when both do."""
    if mine in (old, theirs):
        return theirs
    return mine if theirs == old else _CLASH


def _merged_lists(
    name: str, base: pl.DataFrame, mine: pl.DataFrame, theirs: pl.DataFrame, where: object
) -> pl.DataFrame:
    n = base.height
    if mine[:n].equals(base) and theirs[:n].equals(base):
        added = mine[n:].join(theirs[n:], on=mine.columns, how="anti", nulls_equal=True)
        return pl.concat([theirs, added])
    raise _conflict(where, f"both sides changed the {name.replace('_', ' ')}")


def _merged_mapping(
    base: Mapping[str, Any], mine: Mapping[str, Any], theirs: Mapping[str, Any], where: object
) -> dict[str, Any]:
    missing: Any = object()
    merged = {}
    for key in [*theirs, *(key for key in mine if key not in theirs)]:
        kept = _chosen(*(side.get(key, missing) for side in (base, mine, theirs)))
        if kept is _CLASH:
            raise _conflict(where, f"both sides changed {key!r} of the provenance")
        if kept is not missing:
            merged[key] = kept
    return merged


def _conflict(where: object, what: str) -> ConflictError:
    text = (
        f"{where}: found that {what} since they had a version in common, expected one side to. "
        "Nothing was written: open the newest version and make the change again."
    )
    return ConflictError(text)


def new_track_ids(base: Catalog, mine: Catalog, theirs: Catalog) -> Mapping[int, int]:
    """Return other ids for tracks that both sides added under one id.

    Tracks added twice with equal name and ``spawned_on`` stay two: whether they are the
    same animal is for a person to say.
    """
    old, ours, other = (set(each.tracks["track_id"].to_list()) for each in (base, mine, theirs))
    clashes = sorted((ours - old) & (other - old))
    first = max(old | ours | other, default=-1) + 1
    return {key: first + k for k, key in enumerate(clashes)}


@dataclass(frozen=True)
class _Renumbering:
    old: IntArray
    new: IntArray

    def column(self, column: pl.Series) -> pl.Series:
        changed = column.replace(
            pl.Series(self.old, dtype=column.dtype), pl.Series(self.new, dtype=column.dtype)
        )
        return changed.rename(column.name)


def renumber_new_rows(
    edits: EditSet,
    base: NextIds,
    newest: NextIds,
    tracks: Mapping[int, int],
) -> EditSet:
    """Give the new rows of edits ids and positions above those that the other side gave.

    Args:
        edits: Relative to ``base``.
        base: What was next when the edits were made.
        newest: What is next now.
        tracks: Other ids for new tracks.

    Returns:
        Edits whose frames and instances collide with none of the newest version.
        Rows that are not new, also those that came back, keep their ids.

    Examples:
        >>> _above(pl.Series([7, 4, 9]), 5, 20).new.tolist()
        [20, 21]
    """
    of_frames = _above(edits.frames["frame_id"], base.frame_id, newest.frame_id)
    of_instances = _above(edits.instances["instance_id"], base.instance_id, newest.instance_id)
    of_positions = _above(edits.frames["position"], base.position, newest.position)
    of_tracks = _Renumbering(
        np.array(list(tracks), np.int64), np.array(list(tracks.values()), np.int64)
    )
    frames, instances = edits.frames, edits.instances
    return replace(
        edits,
        frames=frames.with_columns(
            of_frames.column(frames["frame_id"]), of_positions.column(frames["position"])
        ),
        instances=instances.with_columns(
            of_frames.column(instances["frame_id"]),
            of_instances.column(instances["instance_id"]),
            of_instances.column(instances["from_predicted"]),
            of_tracks.column(instances["track_id"]),
        ),
    )


def _above(column: pl.Series, start: int, stop: int) -> _Renumbering:
    """Move the numbers from ``start``, which are new, to ``stop``, in their order."""
    values = column.to_numpy()
    fresh = np.sort(values[values >= start]) if stop > start else values[:0]
    return _Renumbering(fresh, stop + np.arange(len(fresh)))


def rebased_counts(edits: EditSet, before: Counts, newest: Counts) -> Counts:
    """Count rows after edits that were made of another version."""
    return Counts(
        *(
            getattr(newest, name) + getattr(edits.counts, name) - getattr(before, name)
            for name in ("frames", "instances", "points")
        )
    )
