"""What differs between two snapshots at some places, as tables to be kept."""

from __future__ import annotations

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.edits import REPLACED, EditSet, packed_places
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.schema import POINTS
from tabular_labels.store.snapshot import Snapshot

__all__ = ["edits_between", "rows_at"]


def edits_between(old: Snapshot, new: Snapshot, changed: pl.DataFrame) -> EditSet:
    """Gather the rows of all places that differ.

    Args:
        old: What was committed last.
        new: How things stand now.
        changed: ``video_id``, ``frame_idx`` and ``points`` (whether points must be
            written again), sorted and unique.
    """
    keys = packed_places(changed)
    frames, rows = rows_at(new, keys)
    _, before = rows_at(old, keys)
    now_ids, old_ids = (
        snapshot.structure.instances["instance_id"].gather(mine).to_numpy()
        for snapshot, mine in ((new, rows), (old, before))
    )
    now_at, old_at = (_place_of(s, mine, keys) for s, mine in ((new, rows), (old, before)))
    is_gone = ~np.isin(old_ids, now_ids)
    with_points = changed["points"].to_numpy() | _reordered(
        now_ids, now_at, old_ids[~is_gone], old_at[~is_gone], len(keys)
    )
    empty = np.bincount(now_at, minlength=len(keys)) == 0
    with_points = with_points | empty
    left_out = is_gone & ~with_points[old_at]
    removed = _lists(old_ids[left_out], np.bincount(old_at[left_out], minlength=len(keys)))
    chosen = rows[with_points[now_at]]
    points = new.read_points(tuple(POINTS.memory_columns), chosen)
    replaced = changed.select("video_id", "frame_idx").with_columns(
        points=pl.Series(with_points), removed=removed
    )
    structure = new.structure
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

    ends = offsets_of_counts(counts).astype(np.int32)
    lists = pa.ListArray.from_arrays(pa.array(ends), pa.array(ids.astype(np.uint32)))
    return pl.Series("removed", lists, dtype=REPLACED["removed"])


def rows_at(snapshot: Snapshot, keys: IntArray) -> tuple[IntArray, IntArray]:
    """Return the frame rows and the instance rows at packed places, ascending."""
    structure = snapshot.structure
    frames = np.flatnonzero(np.isin(packed_places(structure.frames), keys))
    offsets = structure.instance_offsets
    return frames, ranges(offsets[:-1][frames], np.diff(offsets)[frames])


def _place_of(snapshot: Snapshot, rows: IntArray, keys: IntArray) -> IntArray:
    """Return which place each instance is at."""
    structure = snapshot.structure
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
