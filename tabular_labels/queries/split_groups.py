"""Frames that must stay together when labels are split.

Groups are told by *leaders*: for each frame the row of the first frame of its group, in
canonical order. So a frame that leads itself and nobody else is a group of its own.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.errors import QueryError
from tabular_labels.model.arguments import as_index
from tabular_labels.queries.split import hash_keys

__all__ = [
    "connect",
    "group_blocks",
    "group_neighbours",
    "group_values",
    "group_videos",
    "require_count",
    "unite_groups",
]


def group_videos(frames: pl.DataFrame) -> IntArray:
    """Keep the frames of each video together.

    Args:
        frames: Frames in canonical order with ``video_id``.

    Returns:
        int64 leaders, shape ``(n_frames,)``.

    Examples:
        >>> group_videos(pl.DataFrame({"video_id": [0, 0, 3]})).tolist()
        [0, 0, 2]
    """
    return _lead(_starts_video(frames))


def group_neighbours(frames: pl.DataFrame, gap: int) -> IntArray:
    """Keep frames together that are at most ``gap`` indices apart, and what hangs on them.

    Args:
        frames: Frames in canonical order with ``video_id`` and ``frame_idx``.
        gap: 0 joins only frames at the same index.

    Returns:
        int64 leaders, shape ``(n_frames,)``.

    Raises:
        QueryError: ``gap`` is no whole number, or negative.

    Examples:
        >>> frames = pl.DataFrame({"video_id": [0] * 4, "frame_idx": [3, 5, 9, 10]})
        >>> group_neighbours(frames, 2).tolist()
        [0, 0, 2, 2]
    """
    apart = require_count(gap, "gap", 0)
    steps = np.diff(frames["frame_idx"].to_numpy(), prepend=0)
    return _lead(_starts_video(frames) | (steps > apart))


def group_blocks(frames: pl.DataFrame, n_blocks: int) -> IntArray:
    """Cut each video into contiguous blocks of about equally many labelled places.

    Frames at one index stay together. A video with fewer places than blocks gets a block
    for each place.

    Args:
        frames: Frames in canonical order with ``video_id`` and ``frame_idx``.
        n_blocks: Blocks of each video.

    Returns:
        int64 leaders, shape ``(n_frames,)``.

    Raises:
        QueryError: ``n_blocks`` is no whole number, or less than 1.

    Examples:
        >>> frames = pl.DataFrame({"video_id": [0] * 5, "frame_idx": [0, 1, 2, 8, 9]})
        >>> group_blocks(frames, 2).tolist()
        [0, 0, 0, 3, 3]
    """
    n = frames.height
    # No more than frames: the product below stays under 2**63.
    wanted = min(require_count(n_blocks, "blocks", 1), max(n, 1))
    first = _starts_video(frames)
    starts = np.flatnonzero(first)
    index = frames["frame_idx"].to_numpy()
    is_new = first.copy()
    is_new[1:] |= index[1:] != index[:-1]
    place = np.cumsum(is_new) - 1  # counts places through all videos
    counts = np.diff(place[starts], append=place[-1:] + 1)
    n_frames = np.diff(starts, append=n)
    # The block of each place in its video: its rank there, in parts of all places.
    block = place - np.repeat(place[starts], n_frames)
    block *= np.repeat(np.minimum(wanted, counts), n_frames)
    block //= np.repeat(counts, n_frames)
    first[1:] |= block[1:] != block[:-1]
    return _lead(first)


def group_values(values: pl.Series) -> IntArray:
    """Keep frames together that have the same value; null is a value, too.

    Args:
        values: One value per frame.

    Returns:
        int64 leaders, shape ``(n_frames,)``.

    Raises:
        QueryError: Values of that kind cannot be compared.

    Examples:
        >>> group_values(pl.Series(["a", None, "a", None])).tolist()
        [0, 1, 0, 1]
    """
    table = values.to_frame("value").with_columns(row=pl.int_range(pl.len(), dtype=pl.Int64))
    try:
        first = table.select(pl.col("row").min().over("value"))
    except pl.exceptions.PolarsError as error:
        message = (
            f"values of type {values.dtype} cannot be grouped, expected numbers, text or booleans. "
            "Make the expression give one of those."
        )
        raise QueryError(message) from error
    leaders: IntArray = first.to_series().to_numpy()
    return leaders


def unite_groups(one: IntArray, other: IntArray) -> IntArray:
    """Keep together what is together in either of two groupings.

    Args:
        one: Leaders.
        other: Leaders of the same frames.

    Returns:
        int64 leaders.

    Examples:
        >>> unite_groups(np.array([0, 0, 2, 3]), np.array([0, 1, 1, 3])).tolist()
        [0, 0, 0, 3]
    """
    # Who leads in the one is connected with who leads in the other; frames beside each other
    # mostly say the same.
    is_new: BoolArray = np.ones(len(one), np.bool_)
    is_new[1:] = (one[1:] != one[:-1]) | (other[1:] != other[:-1])
    root = connect(len(one), one[is_new], other[is_new])
    return root[one]


def connect(n: int, one: IntArray, other: IntArray) -> IntArray:
    """Find what is connected by pairs, directly or through others.

    In each round every root that has a neighbour with a smaller hash hangs itself below
    one. At least half of those with neighbours do, whatever the graph looks like, so that
    rounds shrink fast and the cost is linear in practice, also on long chains.

    Args:
        n: How many things there are, numbered from 0.
        one: One end of each pair.
        other: The other end.

    Returns:
        int64, shape ``(n,)``: the smallest number that each is connected with.

    Examples:
        >>> connect(5, np.array([4, 1]), np.array([1, 3])).tolist()
        [0, 1, 2, 1, 1]
    """
    root = np.arange(n)
    turn = 0
    joined = one != other
    one, other = one[joined], other[joined]
    while len(one):
        # Another order each time: a fixed one could be unlucky with a graph for ever.
        is_above = hash_keys([one], turn) > hash_keys([other], turn)
        above, below = np.where(is_above, one, other), np.where(is_above, other, one)
        root[above] = below  # of several the last one counts
        while not np.array_equal(up := root[root[above]], root[above]):
            root[above] = up
        one, other = root[one], root[other]
        joined = one != other
        one, other = one[joined], other[joined]
        turn += 1
    while not np.array_equal(up := root[root], root):
        root = up
    least = np.arange(n)
    least[root[::-1]] = np.arange(n)[::-1]
    return least[root]


def require_count(value: object, what: str, least: int) -> int:
    """Return a whole number that is large enough.

    Raises:
        QueryError: It is not.
    """
    number = as_index(value)
    if number is None or number < least:
        message = f"{what}: found {value!r}, expected a whole number from {least}. Pass one."
        raise QueryError(message)
    return number


def _starts_video(frames: pl.DataFrame) -> BoolArray:
    """Tell which frames are the first of their video."""
    video = frames["video_id"].to_numpy()
    starts: BoolArray = np.ones(len(video), np.bool_)
    starts[1:] = video[1:] != video[:-1]
    return starts


def _lead(starts: BoolArray) -> IntArray:
    """Lead each run of frames by its first."""
    leaders: IntArray = np.maximum.accumulate(np.where(starts, np.arange(len(starts)), 0))
    return leaders
