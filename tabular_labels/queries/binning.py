"""Many rows as few bins, for drawings: counts by frame index, by score and by node."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabular_labels._types import BoolArray, FloatArray, IntArray

__all__ = ["FrameBins", "LevelCounts", "level_quantiles", "sum_by_frame"]


@dataclass(frozen=True)
class FrameBins:
    """Bins of equally many frame indices, from a first one on.

    Attributes:
        first: Frame index at which the first bin begins.
        stop: One past the last frame index; the last bin may be cut short.
        width: Frame indices of each bin.
    """

    first: int
    stop: int
    width: int

    @classmethod
    def over(cls, first: int, stop: int, most: int) -> FrameBins:
        """Cut a range into at most so many bins.

        Examples:
            >>> FrameBins.over(10, 20, most=4)
            FrameBins(first=10, stop=20, width=3)
        """
        return cls(first, stop, max(-(-(stop - first) // most), 1))

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return -(-(self.stop - self.first) // self.width)

    def bin_of(self, frame_idx: IntArray) -> IntArray:
        """Return the bin of each frame index."""
        shifted: IntArray = frame_idx - self.first
        return shifted // self.width if self.width > 1 else shifted


class LevelCounts:
    """Scores counted by row and level, in one pass over any number of them.

    Levels are equal steps from 0 to ``top``, which begins at 1 and doubles while larger
    scores come, as pairs of levels become one. A level holds its upper end. Scores below
    0 are counted in the first; what is not finite is left out.

    Attributes:
        counts: int64 (n_rows, n_levels).
        top: Where the last level ends.

    Examples:
        >>> levels = LevelCounts(2, n_levels=4)
        >>> levels.add(np.array([0, 0, 1, 1]), np.array([0.1, 0.3, 0.9, np.nan]))
        >>> levels.counts.tolist(), levels.top
        ([[1, 1, 0, 0], [0, 0, 0, 1]], 1.0)
        >>> levels.add(np.array([0]), np.array([1.9]))
        >>> levels.counts.tolist(), levels.top
        ([[2, 0, 0, 1], [0, 1, 0, 0]], 2.0)
    """

    def __init__(self, n_rows: int, *, n_levels: int = 256) -> None:
        self.counts: IntArray = np.zeros((n_rows, n_levels), np.int64)
        self.top = 1.0

    def add(self, row: IntArray, score: FloatArray) -> None:
        """Count more scores.

        Args:
            row: int (n,), the row of each score.
            score: float (n,).
        """
        is_known = np.isfinite(score)
        if not is_known.all():
            row, score = row[is_known], score[is_known]
        if not len(score):
            return
        n_rows, n_levels = self.counts.shape
        largest = float(score.max())
        while largest > self.top:
            self._double()
        # Powers of two and upper ends: a score is in one level whenever doubling happened.
        level = np.ceil(score * (n_levels / self.top)).clip(1).astype(np.int64) - 1
        added = np.bincount(row * n_levels + level, minlength=n_rows * n_levels)
        self.counts += added.reshape(n_rows, n_levels)

    def _double(self) -> None:
        n_rows, n_levels = self.counts.shape
        pairs = self.counts.reshape(n_rows, n_levels // 2, 2).sum(axis=2)
        self.counts = np.concatenate([pairs, np.zeros_like(pairs)], axis=1)
        self.top *= 2


def sum_by_frame(present: BoolArray, frame_bin: IntArray, n_bins: int) -> IntArray:
    """Count by frame bin and node where points are present.

    Args:
        present: bool (n_instances, n_nodes).
        frame_bin: int (n_instances,), ascending.
        n_bins: Frame bins.

    Returns:
        int64 (n_bins, n_nodes).

    Examples:
        >>> present = np.array([[True, False], [True, True], [False, True]])
        >>> sum_by_frame(present, np.array([0, 0, 2]), 3).tolist()
        [[2, 1], [0, 0], [0, 1]]
    """
    counts = np.zeros((n_bins, present.shape[1]), np.int64)
    if len(present):
        starts = np.flatnonzero(np.diff(frame_bin, prepend=-1))
        counts[frame_bin[starts]] = np.add.reduceat(present, starts, axis=0, dtype=np.int64)
    return counts


def level_quantiles(counts: IntArray, parts: tuple[float, ...], *, top: float) -> FloatArray:
    """Return quantiles of what was counted by level, to within one level.

    Args:
        counts: int (..., n_levels), of levels from 0 to ``top``.
        parts: Which quantiles, above 0 and below 1.
        top: Where the last level ends.

    Returns:
        float64 (..., n_parts): the middle of the level up to which that part of all is
        counted, halfway to the next one that is used where it is met exactly, as medians
        of even numbers are; NaN where nothing is counted.

    Examples:
        >>> level_quantiles(np.array([[1, 0, 2, 1], [0, 0, 0, 0]]), (0.5, 0.75), top=4).tolist()
        [[2.5, 3.0], [nan, nan]]
    """
    reached = counts.cumsum(axis=-1)
    total = reached[..., -1:]
    found = []
    for part in parts:
        # Ranks from 1; rounding guards parts such as 0.1 that are no exact fractions.
        rank = np.round(part * total, 9)
        low = (reached >= np.maximum(np.ceil(rank), 1)).argmax(axis=-1)
        high = (reached >= np.minimum(np.floor(rank) + 1, total)).argmax(axis=-1)
        found.append((low + high + 1) / 2)
    middles = np.stack(found, axis=-1) * (top / counts.shape[-1])
    quantiles: FloatArray = np.where(total > 0, middles, np.nan)
    return quantiles
