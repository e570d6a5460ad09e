"""Frames that are left out so that the parts of a split stay apart."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.errors import QueryError
from tabular_labels.queries.split_assign import LEFT_OUT

__all__ = ["clear_gap", "near_frames"]


def clear_gap(frames: pl.DataFrame, part: IntArray, gap: int, ranking: Sequence[int]) -> IntArray:
    """Leave frames out that are too near to frames of another part.

    Args:
        frames: Frames in canonical order, with ``video_id`` and ``frame_idx``.
        part: The part of each frame.
        gap: Frames of two parts are too near when their indices are no more than this
            apart in one video.
        ranking: Parts; of two frames too near to each other the one in the part listed
            later is left out.

    Returns:
        ``part`` with -1 for frames that are left out.

    Raises:
        QueryError: A part would lose all of its frames.

    Examples:
        >>> frames = pl.DataFrame({"video_id": [0] * 6, "frame_idx": range(6)})
        >>> clear_gap(frames, np.array([0, 0, 0, 0, 1, 1]), 2, [1, 0]).tolist()
        [0, 0, -1, -1, 1, 1]
    """
    cleared = part.copy()
    for place, number in enumerate(ranking[1:], 1):
        stronger = np.isin(cleared, ranking[:place])
        cleared[(part == number) & near_frames(frames, stronger, gap)] = LEFT_OUT
        if not bool((cleared == number).any()):
            message = (
                f"a gap of {gap} leaves no frame of {int((part == number).sum())} in part "
                f"{number + 1}, expected some. Make the gap smaller, or use fewer blocks."
            )
            raise QueryError(message)
    return cleared


def near_frames(frames: pl.DataFrame, chosen: BoolArray, gap: int) -> BoolArray:
    """Tell which frames are at most ``gap`` indices from a chosen one of their video.

    Args:
        frames: Frames in canonical order, with ``video_id`` and ``frame_idx``.
        chosen: bool, shape ``(n_frames,)``.
        gap: At least 0.

    Returns:
        bool, shape ``(n_frames,)``; chosen frames are near themselves.

    Examples:
        >>> frames = pl.DataFrame({"video_id": [0, 0, 0, 1], "frame_idx": [3, 5, 9, 9]})
        >>> near_frames(frames, np.array([True, False, False, False]), 2).tolist()
        [True, True, False, False]
    """
    if not frames.height:
        return chosen
    index = frames["frame_idx"].to_numpy()
    video = frames["video_id"].to_numpy()
    # Videos lie so far apart on one line that no gap reaches from one to the next.
    length = int(index.max()) + 1
    apart = min(gap, length)
    line = np.cumsum(np.diff(video, prepend=video[:1]) != 0) * (2 * length) + index
    far = np.iinfo(np.int64).max // 2
    near: BoolArray = line - np.maximum.accumulate(np.where(chosen, line, -far)) <= apart
    after = np.minimum.accumulate(np.where(chosen, line, far)[::-1])[::-1]
    near |= after - line <= apart
    return near
