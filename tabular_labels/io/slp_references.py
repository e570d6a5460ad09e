"""What the rows of a ``.slp`` file may refer to, and that no two claim the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.hdf5.guard import broken
from tabular_labels.io.hdf5_records import Records

__all__ = ["NO_ROW", "Known", "require_apart", "resolve_videos"]

NO_ROW = np.uint32(2**32 - 1)
"""Stands for nothing where rows and ids are uint32."""


@dataclass(frozen=True)
class Known:
    """What frames and instances may refer to.

    Attributes:
        n_videos: Number of videos.
        n_tracks: Number of tracks.
        n_nodes: Number of nodes by skeleton: int64, shape ``(n_skeletons,)``.
        n_points: Rows of the user and of the predicted points.
        embedded: Row of the video whose pictures are in ``video<k>``, by k.
        negative: Video, frame index and row (or -1) of each negative frame: int64, ``(n, 3)``.
    """

    n_videos: int
    n_tracks: int
    n_nodes: IntArray
    n_points: tuple[int, int]
    embedded: Mapping[int, int] = field(default_factory=dict)
    negative: IntArray = field(default_factory=lambda: np.zeros((0, 3), np.int64))


def resolve_videos(used: IntArray, n_videos: int, embedded: Mapping[int, int]) -> IntArray:
    """Say which video each number in a file's frames means.

    Normally it is the video's row. In packages from which videos were removed it is the
    number k of the group ``video<k>`` with its pictures.

    Args:
        used: The different numbers in the frames, sorted.
        n_videos: Number of videos.
        embedded: Row of the video whose pictures are in ``video<k>``, by k.

    Returns:
        Rows, -1 where there is no such video.

    Examples:
        >>> resolve_videos(np.array([3, 5]), 2, {3: 0, 5: 1}).tolist()
        [0, 1]
    """
    plain = np.where((used >= 0) & (used < n_videos), used, -1)
    every_row = len(used) == n_videos and bool((plain >= 0).all())
    if every_row or all(k == row for k, row in embedded.items()):
        return plain
    rows = plain.copy()
    for k, row in embedded.items():
        rows[used == k] = row
    return rows


def require_apart(
    records: Records,
    start: IntArray,
    count: IntArray,
    what: str,
    row_of: IntArray | None = None,
) -> None:
    """Raise when two ranges share a row.

    Args:
        records: The table that names the ranges, for messages.
        start: First row of each range.
        count: Number of rows of each.
        what: What the rows are, for messages.
        row_of: The row that names each range; None when these are all rows.

    Raises:
        FileFormatError: Two do.
    """
    stop = start + count
    if bool((start[1:] >= stop[:-1]).all()):
        return
    filled = np.flatnonzero(count)
    order = filled[np.argsort(start[filled], kind="stable")]
    overlaps = np.flatnonzero(start[order][1:] < stop[order][:-1])
    if len(overlaps):
        first, second = order[overlaps[0]], order[overlaps[0] + 1]
        if row_of is not None:
            first, second = row_of[first], row_of[second]
        raise broken(
            records.state.path,
            f"{records.place}, rows {first} and {second}",
            f"the same {what} in both (and in {len(overlaps) - 1} more pairs)",
            f"each of the {what} once",
        )
