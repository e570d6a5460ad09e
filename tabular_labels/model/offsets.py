"""Offsets and repetition: what canonical order gives instead of joins."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray

__all__ = [
    "IdRows",
    "counts_from_zero",
    "instance_offsets",
    "narrow_rows",
    "offsets_of_counts",
    "point_offsets",
    "ranges",
    "rows_of_ids",
    "rows_of_mask",
]

_STEP = 2**18
_COUNTED = 2**20  # rows that are counted together


def offsets_of_counts(counts: IntArray) -> IntArray:
    """Return running offsets of counts: int64, one longer than ``counts``.

    Examples:
        >>> offsets_of_counts(np.array([2, 0, 3])).tolist()
        [0, 2, 2, 5]
    """
    if len(counts) and counts.strides == (0,):  # one number for all, as `np.broadcast_to` has it
        return np.arange(len(counts) + 1, dtype=np.int64) * int(counts[0])
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def narrow_rows(rows: IntArray) -> IntArray:
    """Keep row numbers in 32 bits where they fit, which takes half the memory.

    Examples:
        >>> narrow_rows(np.array([7, 2**31 - 1])).dtype, narrow_rows(np.array([2**31])).dtype
        (dtype('int32'), dtype('int64'))
    """
    fits = rows.dtype != np.int32 and int(rows.max(initial=0)) < 2**31
    return rows.astype(np.int32) if fits else rows


def rows_of_mask(mask: BoolArray) -> IntArray:
    """Return the rows at which a mask is true, in 32 bits where they fit.

    Examples:
        >>> rows_of_mask(np.array([False, True, True]))
        array([1, 2], dtype=int32)
    """
    dtype: type[np.signedinteger[Any]] = np.int32 if len(mask) < 2**31 else np.int64
    rows: IntArray = np.empty(int(np.count_nonzero(mask)), dtype)
    # In steps: of a long mask the rows would first stand there in 64 bits.
    n = 0
    for start in range(0, len(mask), _STEP):
        found = np.flatnonzero(mask[start : start + _STEP])
        rows[n : n + len(found)] = found + start
        n += len(found)
    return rows


def rows_of_ids(ids: IntArray, wanted: IntArray) -> IntArray:
    """Return the row at which each wanted id stands, -1 where it does not.

    Args:
        ids: Unique ids, any order.
        wanted: Ids to look up.

    Returns:
        int64 rows, shape of ``wanted``.

    Examples:
        >>> rows_of_ids(np.array([7, 3]), np.array([3, 3, 9])).tolist()
        [1, 1, -1]
    """
    return IdRows(ids).find(wanted)


class IdRows:
    """The rows at which ids stand, to look up again and again; see `rows_of_ids`.

    Args:
        ids: Unique ids, any order.

    Examples:
        >>> IdRows(np.array([7, 3])).find(np.array([3, 3, 9])).tolist()
        [1, 1, -1]
    """

    def __init__(self, ids: IntArray) -> None:
        self._ids = ids
        self._order: IntArray | None = None
        self._are_rows = len(ids) > 0 and counts_from_zero(ids)
        if not self._are_rows and not bool((ids[1:] > ids[:-1]).all()):
            self._order = np.argsort(ids, kind="stable")

    def find(self, wanted: IntArray) -> IntArray:
        """Return the row of each wanted id, -1 where it has none: int64."""
        ids, order, n = self._ids, self._order, len(self._ids)
        if n == 0:
            return np.full(len(wanted), -1, np.int64)
        wanted = wanted.astype(np.int64, copy=False)
        if self._are_rows:
            if not len(wanted) or (int(wanted.min()) >= 0 and int(wanted.max()) < n):
                return wanted
            return np.where((wanted >= 0) & (wanted < n), wanted, -1)
        if order is None:
            # In their own dtype: for any other one all of them would be converted.
            there = (wanted >= 0) & (wanted <= np.iinfo(ids.dtype).max)
            asked = np.where(there, wanted, 0).astype(ids.dtype)
            rows = np.minimum(np.searchsorted(ids, asked), n - 1)
        else:
            rows = order[np.minimum(np.searchsorted(ids, wanted, sorter=order), n - 1)]
        return np.where(ids[rows].astype(np.int64) == wanted, rows, -1)


def counts_from_zero(ids: IntArray) -> bool:
    """Tell whether ids are their own rows; there is one at least.

    Examples:
        >>> counts_from_zero(np.array([0, 1, 2])), counts_from_zero(np.array([0, 2]))
        (True, False)
    """
    return int(ids[0]) == 0 and int(ids[-1]) == len(ids) - 1 and bool((ids[1:] > ids[:-1]).all())


def instance_offsets(frames: pl.DataFrame, instances: pl.DataFrame) -> IntArray:
    """Return the first instance row of each frame, and the total.

    Args:
        frames: Frames in canonical order with ``frame_id``.
        instances: Instances in canonical order with ``frame_id``.

    Returns:
        int64, shape ``(n_frames + 1,)``.

    Examples:
        >>> frames = pl.DataFrame({"frame_id": [5, 6, 9]})
        >>> instances = pl.DataFrame({"frame_id": [5, 5, 9]})
        >>> instance_offsets(frames, instances).tolist()
        [0, 2, 2, 3]
    """
    ids, mine = frames["frame_id"].to_numpy(), instances["frame_id"].to_numpy()
    if len(ids) and len(mine) and counts_from_zero(ids) and int(mine.max()) < len(ids):
        return offsets_of_counts(_count(mine, len(ids)))
    # The instances of a frame follow each other, so each frame is looked up once.
    first = np.append(0, np.flatnonzero(mine[1:] != mine[:-1]) + 1)[: len(mine)]
    counts = np.diff(first, append=len(mine))
    rows = rows_of_ids(ids, mine[first])
    if len(rows) and int(rows.min()) < 0:
        # Invariants were broken; leave the report to the checks, not to numpy.
        rows, counts = rows[rows >= 0], counts[rows >= 0]
    found = np.bincount(rows, weights=counts, minlength=frames.height)
    return offsets_of_counts(found.astype(np.int64))


def _count(rows: IntArray, n: int) -> IntArray:
    """Count how often each row below ``n`` is named: int64."""
    counts = np.bincount(rows[:_COUNTED], minlength=n)
    # In steps: all rows at once would be converted to 64 bits.
    for first in range(_COUNTED, len(rows), _COUNTED):
        some = rows[first : first + _COUNTED]
        lowest = int(some.min())
        found = np.bincount(some - some.dtype.type(lowest))
        counts[lowest : lowest + len(found)] += found
    return counts


def point_offsets(instances: pl.DataFrame, n_nodes: IntArray) -> IntArray:
    """Return the first point row of each instance, and the total.

    Args:
        instances: Instances with ``skeleton_id``.
        n_nodes: Number of nodes by ``skeleton_id``.

    Returns:
        int64, shape ``(n_instances + 1,)``.

    Examples:
        >>> instances = pl.DataFrame({"skeleton_id": [0, 1, 0]})
        >>> point_offsets(instances, np.array([2, 3])).tolist()
        [0, 2, 5, 7]
    """
    if len(n_nodes) == 1:
        return np.arange(instances.height + 1, dtype=np.int64) * int(n_nodes[0])
    return offsets_of_counts(n_nodes[instances["skeleton_id"].to_numpy()])


def ranges(starts: IntArray, counts: IntArray) -> IntArray:
    """Concatenate ``arange(start, start + count)`` for every pair.

    Returns:
        int64, shape ``(counts.sum(),)``.

    Examples:
        >>> ranges(np.array([4, 0]), np.array([2, 3])).tolist()
        [4, 5, 0, 1, 2]
    """
    ends = np.cumsum(counts, dtype=np.int64)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - counts), counts) + np.arange(total, dtype=np.int64)
