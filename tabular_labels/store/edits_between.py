"""What differs between two snapshots at some places, as tables to be kept."""

from __future__ import annotations

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.edits import EditSet, PointsLater, packed_places, rows_at
from tabular_labels.model.offsets import offsets_of_counts
from tabular_labels.model.schema import POINTS
from tabular_labels.model.tables import Structure
from tabular_labels.store.snapshot import Snapshot

__all__ = ["edits_between"]


def edits_between(old: Structure, new: Snapshot, changed: pl.DataFrame) -> EditSet:
    """Gather the rows of all places that differ.

    Args:
        old: What was committed last, at these places at least.
        new: How things stand now.
        changed: ``video_id``, ``frame_idx`` and ``points`` (whether points must be
            written again), sorted and unique.
    """
    keys = packed_places(changed)
    structure = new.structure
    frames, rows = rows_at(structure, keys)
    _, before = rows_at(old, keys)
    sides = (structure, rows), (old, before)
    now_ids, old_ids = (
        each.instances["instance_id"].gather(mine).to_numpy() for each, mine in sides
    )
    now_at, old_at = (_place_of(each, mine, keys) for each, mine in sides)
    is_gone = ~np.isin(old_ids, now_ids)
    with_points = changed["points"].to_numpy() | _reordered(
        now_ids, now_at, old_ids[~is_gone], old_at[~is_gone], len(keys)
    )
    empty = np.bincount(now_at, minlength=len(keys)) == 0
    with_points = with_points | empty
    left_out = is_gone & ~with_points[old_at]
    removed = _lists(old_ids[left_out], np.bincount(old_at[left_out], minlength=len(keys)))
    chosen = rows[with_points[now_at]]
    points = PointsLater(
        int(structure.point_counts(chosen).sum()),
        lambda some: new.read_points(tuple(POINTS.memory_columns), chosen[some]),
    )
    replaced = changed.select("video_id", "frame_idx").with_columns(
        points=pl.Series(with_points), removed=removed
    )
    return EditSet(
        new.catalog,
        replaced,
        structure.frames[frames],
        structure.instances[rows],
        points,
        new.counts,
    )


def _lists(ids: IntArray, counts: IntArray) -> pl.Series:
    """Cut ids into lists, without a loop over places."""
    import pyarrow as pa  # not when the package is imported

    # From buffers: `pa.array` of an array would import pandas, where that is installed.
    ends, values = (
        pa.Array.from_buffers(dtype, len(array), [None, pa.py_buffer(array)])
        for dtype, array in (
            (pa.int32(), offsets_of_counts(counts).astype(np.int32)),
            (pa.uint32(), ids.astype(np.uint32)),
        )
    )
    return pl.Series("removed", pa.ListArray.from_arrays(ends, values))


def _place_of(structure: Structure, rows: IntArray, keys: IntArray) -> IntArray:
    """Return which place each instance is at."""
    frame = np.searchsorted(structure.instance_offsets, rows, side="right") - 1
    return np.searchsorted(keys, packed_places(structure.frames[frame]))


def _reordered(
    now: IntArray, now_at: IntArray, kept: IntArray, kept_at: IntArray, n_places: int
) -> BoolArray:
    """Tell where the instances are not those that were left, in their order."""
    counts = (np.bincount(at, minlength=n_places) for at in (now_at, kept_at))
    differs: BoolArray = np.not_equal(*counts)
    alike_now, alike_kept = ~differs[now_at], ~differs[kept_at]
    unequal = now[alike_now] != kept[alike_kept]
    differs[now_at[alike_now][unequal]] = True
    return differs
