"""Seeking through the frames suggested for labelling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.errors import QueryError
from tabular_labels.model.tables import Structure
from tabular_labels.queries.find import count_kind

__all__ = ["is_unlabeled", "next_suggestion"]


def next_suggestion(
    suggestions: pl.DataFrame,
    videos: Sequence[int],
    video_id: int,
    frame_idx: int,
    direction: int = 1,
) -> int | None:
    """Find the next or the previous suggestion, seen from a frame.

    Standing on a suggestion, its neighbour in list order, wrapping around. Otherwise the
    nearest one in the video; past the last, the first suggestion of the following videos
    (before the first, the last one of the preceding videos), wrapping around. A place
    that is suggested twice counts once, where it is listed first.

    Args:
        suggestions: Suggestions in list order, with ``video_id`` and ``frame_idx``.
        videos: Keys of all videos in list order.
        video_id: Key of the video we are in.
        frame_idx: Where we are in it.
        direction: 1 for the next, -1 for the previous.

    Returns:
        The row of the suggestion; None if there is none or the video is not listed.

    Raises:
        QueryError: ``direction`` is neither 1 nor -1.

    Examples:
        >>> suggestions = pl.DataFrame({"video_id": [0, 2], "frame_idx": [5, 1]})
        >>> (
        ...     next_suggestion(suggestions, [0, 1, 2], 0, 7),
        ...     next_suggestion(suggestions, [0, 1, 2], 0, 3),
        ... )
        (1, 0)

    Source:
        ``Labels.get_next_suggestion``, which looked one video further only.
    """
    if direction not in (-1, 1):
        message = f"found direction {direction!r}, expected 1 or -1. Use one of them."
        raise QueryError(message)
    if video_id not in videos or not suggestions.height:
        return None
    of_video = suggestions["video_id"].to_numpy().astype(np.int64)
    index = suggestions["frame_idx"].to_numpy()
    is_first = suggestions.select(pl.struct("video_id", "frame_idx").is_first_distinct())
    listed = np.flatnonzero(is_first.to_series().to_numpy())
    here = np.flatnonzero((of_video[listed] == video_id) & (index[listed] == frame_idx))
    if len(here):
        return int(listed[(int(here[0]) + direction) % len(listed)])
    ahead = listed[
        (of_video[listed] == video_id)
        & ((index[listed] > frame_idx) if direction > 0 else (index[listed] < frame_idx))
    ]
    if len(ahead):
        return _nearest(ahead, index, direction)
    start = list(videos).index(video_id)
    for step in range(1, len(videos) + 1):
        there = listed[of_video[listed] == videos[(start + direction * step) % len(videos)]]
        if len(there):
            return _nearest(there, index, direction)
    return None


def _nearest(rows: IntArray, index: IntArray, direction: int) -> int:
    """Return the row with the smallest index going up, with the largest going down."""
    return int(rows[np.argmin(index[rows] * direction)])


def is_unlabeled(suggestions: pl.DataFrame, structure: Structure) -> BoolArray:
    """Tell which suggestions are of frames without user instances.

    Args:
        suggestions: Suggestions with ``video_id`` and ``frame_idx``.
        structure: Frames and instances in canonical order.

    Returns:
        bool, shape ``(n_suggestions,)``: true also where there is no frame at all.
    """
    rows = np.flatnonzero(count_kind(structure, "user"))
    found: BoolArray = ~np.isin(_places(suggestions), _places(structure.frames)[rows])
    return found


def _places(table: pl.DataFrame) -> IntArray:
    """Pack video and frame index, which is below 2**32, into one number."""
    video, index = (table[name].to_numpy().astype(np.uint64) for name in ("video_id", "frame_idx"))
    packed: IntArray = (video << np.uint64(32)) | index
    return packed
