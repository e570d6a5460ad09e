"""Which instances at one place are versions of one another: poses that are near, or one track."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.model.buffers import float_columns
from tabular_labels.model.offsets import ranges
from tabular_labels.queries.merge_equal import pose_hashes
from tabular_labels.queries.merge_side import Side

__all__ = ["Pairs", "find_near", "nearest", "pair_tracks"]

_PAIRS = 500_000  # compared together
_POINTS = 4_000_000

Pairs = tuple[IntArray, IntArray, FloatArray]
"""Base rows, new rows and their distances in pixels."""


def find_near(
    base: Side,
    new: Side,
    base_rows: IntArray,
    new_rows: IntArray,
    base_at: Any,
    new_at: Any,
    tolerance: float,
) -> Pairs:
    """Find all pairs of instances of one skeleton at one place that are near each other.

    The distance of two instances is the largest one, in pixels, between nodes that both
    have. Instances without a node in common have none.

    Args:
        base: One project.
        new: The other.
        base_rows: Instance rows, grouped by place.
        new_rows: Instance rows, grouped by place.
        base_at: Number of each row's place, ascending.
        new_at: Number of each row's place, ascending.
        tolerance: The largest distance in pixels; 0 for equal coordinates.

    Returns:
        The pairs in the order of the new rows.
    """
    first = np.searchsorted(base_at, new_at)
    counts = np.searchsorted(base_at, new_at, side="right") - first
    ends = np.cumsum(counts)
    hashes = None
    if tolerance == 0 and len(ends) and ends[-1]:
        # Equal coordinates have equal hashes, so most pairs need no look at their points.
        hashes = pose_hashes(base, base_rows), pose_hashes(new, new_rows)
    found: list[Pairs] = []
    start = 0
    while start < len(new_rows):
        before = int(ends[start] - counts[start])
        stop = max(int(np.searchsorted(ends, before + _PAIRS, side="right")), start + 1)
        theirs = np.repeat(np.arange(start, stop), counts[start:stop])
        ours = ranges(first[start:stop], counts[start:stop])
        keep = base.skeleton[base_rows[ours]] == new.skeleton[new_rows[theirs]]
        if hashes is not None:
            keep &= hashes[0][ours] == hashes[1][theirs]
        a, b = base_rows[ours[keep]], new_rows[theirs[keep]]
        far = distances(base, new, a, b)
        near = far <= tolerance
        found.append((a[near], b[near], far[near]))
        start = stop
    if not found:
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    return tuple(np.concatenate(part) for part in zip(*found, strict=True))  # type: ignore[return-value]  # three of them


def distances(base: Side, new: Side, base_rows: IntArray, new_rows: IntArray) -> FloatArray:
    """Measure pairs of instances of one skeleton each, NaN without a node in common."""
    found = np.full(len(base_rows), np.nan)
    keys = [side.structure.instances["skeleton_id"].to_numpy() for side in (base, new)]
    both = keys[0][base_rows].astype(np.int64) << 16 | keys[1][new_rows]
    for key in np.unique(both).tolist():
        group = np.flatnonzero(both == key)
        n_nodes = max(new.keys.skeletons[key & 0xFFFF].n_after, 1)
        size = max(_POINTS // n_nodes, 1)
        for at in range(0, len(group), size):
            some = group[at : at + size]
            found[some] = _distances(base, new, base_rows[some], new_rows[some])
    return found


def _distances(base: Side, new: Side, base_rows: IntArray, new_rows: IntArray) -> FloatArray:
    poses = []
    for side, rows in ((base, base_rows), (new, new_rows)):
        once, back = np.unique(rows, return_inverse=True)
        x, y = float_columns(side.points(("x", "y"), once).get_columns())
        poses.append((x.reshape(len(once), -1)[back], y.reshape(len(once), -1)[back]))
    (ax, ay), (bx, by) = poses
    if not ax.shape[1]:
        return np.full(len(base_rows), np.nan)
    apart = np.hypot(ax - bx, ay - by)
    # The largest number that is none of the NaN, without a warning where all are.
    apart[np.isnan(apart)] = -1.0
    largest: FloatArray = apart.max(axis=1)
    return np.where(largest < 0, np.nan, largest)


def nearest(pairs: Pairs, n_base: int, n_new: int) -> Pairs:
    """Choose pairs so that no instance is in two: the nearest of all, then of the rest.

    Of pairs that are as near the one with the first base row counts, then the first new row.

    Args:
        pairs: Base rows, new rows, distances.
        n_base: More than the largest base row.
        n_new: More than the largest new row.

    Returns:
        The chosen pairs, in any order.

    Examples:
        >>> rows = np.array([0, 0, 1]), np.array([0, 1, 1]), np.array([2.0, 1.0, 3.0])
        >>> [part.tolist() for part in nearest(rows, 2, 2)]
        [[0], [1], [1.0]]
    """
    a, b, far = pairs
    order = np.lexsort((b, a, far))
    a, b, far = a[order], b[order], far[order]
    chosen: list[IntArray] = []
    left = np.arange(len(a))
    first_a, first_b = np.empty(n_base, np.int64), np.empty(n_new, np.int64)
    used_a, used_b = np.zeros(n_base, np.bool_), np.zeros(n_new, np.bool_)
    while len(left):
        # A pair that is the first for both of its instances is chosen by any greedy order.
        first_a[a[left][::-1]] = left[::-1]
        first_b[b[left][::-1]] = left[::-1]
        good = left[(first_a[a[left]] == left) & (first_b[b[left]] == left)]
        chosen.append(good)
        used_a[a[good]] = used_b[b[good]] = True
        left = left[~(used_a[a[left]] | used_b[b[left]])]
    at = np.concatenate(chosen) if chosen else np.empty(0, np.int64)
    return a[at], b[at], far[at]


def pair_tracks(
    base: Side, new: Side, base_rows: IntArray, new_rows: IntArray, base_at: Any, new_at: Any
) -> tuple[IntArray, IntArray]:
    """Pair the first instances of one kind, skeleton and track at each place."""
    a, b = (_first_of_track(side, rows, at) for side, rows, at in (
        (base, base_rows, base_at), (new, new_rows, new_at)
    ))  # fmt: skip
    both = np.concatenate([a[1], b[1]])
    if not len(a[0]) or not len(b[0]):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    _, code = np.unique(both, axis=0, return_inverse=True)
    code = code.reshape(-1)
    _, ia, ib = np.intersect1d(
        code[: len(a[0])], code[len(a[0]) :], assume_unique=True, return_indices=True
    )
    return a[0][ia], b[0][ib]


def _first_of_track(side: Side, rows: IntArray, at: Any) -> tuple[IntArray, IntArray]:
    has_track: BoolArray = side.track[rows] >= 0
    rows, at = rows[has_track], np.asarray(at)[has_track].astype(np.int64)
    what = np.stack([at, side.kind[rows], side.skeleton[rows], side.track[rows]], axis=1)
    _, first = np.unique(what.astype(np.int64), axis=0, return_index=True)
    first.sort()
    return rows[first], what[first].astype(np.int64)
