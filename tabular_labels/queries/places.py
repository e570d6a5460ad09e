"""Where each instance is: columns of frames repeated onto instances and points.

Rows stand in canonical order, so the frame of an instance is found by its place,
never by a join.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.tables import Structure

__all__ = [
    "Rows",
    "frame_rows",
    "frames_of_instances",
    "instance_places",
    "instances_of_frames",
    "repeat_frames",
    "rows_of_video",
]

Rows: TypeAlias = slice | IntArray | None
"""Rows of a table: a slice with step 1, row numbers in any order, or None for all."""

Scalar = TypeVar("Scalar", bound=np.generic)


def rows_of_video(structure: Structure, video_id: int) -> slice:
    """Return the frame rows of one video, which stand together.

    Args:
        structure: Frames in canonical order.
        video_id: Key of the video; one without frames has no rows.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> rows_of_video(LabelTables().structure, 0)
        slice(0, 0, None)
    """
    ids = structure.frames["video_id"].to_numpy()
    if not 0 <= video_id < 2**32:
        return slice(len(ids), len(ids)) if video_id > 0 else slice(0, 0)
    # Asked in their own dtype: any other would have all of them converted first.
    key = np.uint32(video_id)
    start, stop = np.searchsorted(ids, key), np.searchsorted(ids, key, side="right")
    return slice(int(start), int(stop))


def instances_of_frames(structure: Structure, rows: slice) -> slice:
    """Return the instance rows of a range of frame rows."""
    start, stop, _ = rows.indices(structure.frames.height)
    offsets = structure.instance_offsets
    return slice(int(offsets[start]), int(offsets[max(start, stop)]))


def frames_of_instances(structure: Structure, rows: slice) -> tuple[slice, IntArray]:
    """Return the frame rows of a range of instance rows, and how many are of each frame."""
    offsets = structure.instance_offsets
    start, stop, _ = rows.indices(int(offsets[-1]))
    if stop <= start:
        return slice(0, 0), np.empty(0, np.int64)
    first = int(np.searchsorted(offsets, start, side="right")) - 1
    last = int(np.searchsorted(offsets, stop, side="left"))
    inside: IntArray = np.clip(offsets[first : last + 1], start, stop)
    return slice(first, last), np.diff(inside)


def repeat_frames(
    structure: Structure, column: npt.NDArray[Scalar], rows: Rows = None
) -> npt.NDArray[Scalar]:
    """Repeat one value per frame onto the instances of each frame.

    Args:
        structure: Frames and instances in canonical order.
        column: Shape ``(n_frames,)``.
        rows: Instance rows; None for all.

    Returns:
        The value of each instance's frame, in the order of ``rows``.

    Examples:
        >>> import polars as pl
        >>> from tabular_labels.model.tables import Structure
        >>> structure = Structure(
        ...     pl.DataFrame({"frame_id": [0, 1, 2]}),
        ...     pl.DataFrame({"frame_id": [0, 0, 2]}),
        ...     np.array([1]),
        ... )
        >>> repeat_frames(structure, np.array([10, 11, 12])).tolist()
        [10, 10, 12]
        >>> repeat_frames(structure, np.array([10, 11, 12]), np.array([2, 0])).tolist()
        [12, 10]
    """
    offsets = structure.instance_offsets
    if rows is None:
        return np.repeat(column, np.diff(offsets))
    if not isinstance(rows, slice):
        return column[_frames_at(offsets, rows)]
    of_frames, counts = frames_of_instances(structure, rows)
    return np.repeat(column[of_frames], counts)


def _frames_at(offsets: IntArray, rows: IntArray) -> IntArray:
    # Empty frames share their offset with the next one; the last of equals has the row.
    return np.searchsorted(offsets, rows, side="right") - 1


def frame_rows(structure: Structure, rows: Rows = None) -> IntArray:
    """Return the row of each instance's frame: int64, in the order of ``rows``."""
    if isinstance(rows, np.ndarray):
        return _frames_at(structure.instance_offsets, rows)
    return repeat_frames(structure, np.arange(structure.frames.height), rows)


def instance_places(
    structure: Structure,
    columns: Sequence[str] = ("video_id", "frame_idx"),
    rows: Rows = None,
) -> pl.DataFrame:
    """Repeat columns of the frames onto instances.

    Args:
        structure: Frames and instances in canonical order.
        columns: Names of frame columns.
        rows: Instance rows; None for all.

    Returns:
        One row per instance with the asked columns and their dtypes.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> instance_places(LabelTables().structure).columns
        ['video_id', 'frame_idx']
    """
    repeated: dict[str, npt.NDArray[Any]] = {
        name: repeat_frames(structure, structure.frames[name].to_numpy(), rows) for name in columns
    }
    return pl.DataFrame(repeated)
