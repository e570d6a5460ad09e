"""Which frames and instances answer a question, as rows."""

from __future__ import annotations

from collections.abc import Container

import numpy as np

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.errors import QueryError
from tabular_labels.model.buffers import key_values
from tabular_labels.model.schema import KIND
from tabular_labels.model.tables import Structure
from tabular_labels.queries.places import frame_rows, instances_of_frames, rows_of_video

__all__ = [
    "FILTERS",
    "count_kind",
    "filtered_frame_rows",
    "find_track_instances",
    "rotated",
    "user_frame_rows",
]

FILTERS = ("", "user", "predicted")
"""The classic frame filters: all frames, or those with such an instance."""


def count_kind(structure: Structure, kind: str) -> IntArray:
    """Count the instances of one kind in each frame: int64, ``(n_frames,)``."""
    code = KIND.categories.to_list().index(kind)
    is_kind = structure.instances["kind"].to_physical().to_numpy() == code
    before = np.zeros(len(is_kind) + 1, np.int64)
    np.cumsum(is_kind, out=before[1:])
    return np.diff(before[structure.instance_offsets])


def filtered_frame_rows(structure: Structure, filter: str = "") -> IntArray:
    """Return the rows of frames that pass a classic filter.

    Args:
        structure: Frames and instances in canonical order.
        filter: ``""`` for all frames, ``"user"`` or ``"predicted"`` for those with at
            least one such instance.

    Returns:
        int64 rows, ascending: by video key and frame index.

    Raises:
        QueryError: Another filter.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> filtered_frame_rows(LabelTables().structure, "user").tolist()
        []
    """
    if filter not in FILTERS:
        message = f"found frame filter {filter!r}, expected one of {FILTERS}. Use one of those."
        raise QueryError(message)
    if not filter:
        return np.arange(structure.frames.height)
    return np.flatnonzero(count_kind(structure, filter))


def user_frame_rows(structure: Structure) -> IntArray:
    """Return the rows of frames with at least one user instance, ascending (int64)."""
    return filtered_frame_rows(structure, "user")


def rotated(frame_idx: IntArray, from_frame_idx: int = -1, *, reverse: bool = False) -> IntArray:
    """Order one video's frames to begin beside a given index, and wrap around.

    Args:
        frame_idx: Frame indices, ascending; repeats are allowed.
        from_frame_idx: Begin at the smallest index above this, or when reversed at the
            largest below it; from the other end if there is none.
        reverse: Go down instead of up.

    Returns:
        Places in ``frame_idx``, each once: int64, ``(n_frames,)``.

    Examples:
        >>> index = np.array([3, 5, 9])
        >>> index[rotated(index, 3)].tolist()
        [5, 9, 3]
        >>> index[rotated(index, 9, reverse=True)].tolist()
        [5, 3, 9]

    Source:
        ``LabelsDataCache.find_fancy_frame_idxs``, which went up when reversed, too.
    """
    places = np.arange(len(frame_idx))
    if reverse:
        below = int(np.searchsorted(frame_idx, from_frame_idx, side="left"))
        return np.roll(places[::-1], below)
    above = int(np.searchsorted(frame_idx, from_frame_idx, side="right"))
    return np.roll(places, -above)


def find_track_instances(
    structure: Structure,
    video_id: int,
    track_id: int | None,
    *,
    pseudo_track: int | None = None,
    frame_range: tuple[int, int] | Container[int] | None = None,
) -> IntArray:
    """Return the instances of one track in one video, in frame list order.

    Args:
        structure: Frames and instances in canonical order.
        video_id: Key of the video.
        track_id: Key of the track; None to use ``pseudo_track``.
        pseudo_track: A place in the frame's list of instances, for the untracked
            instances that stand there. With neither, nothing is found.
        frame_range: ``(start, stop)``, half-open, or a container of frame indices;
            None for all.

    Returns:
        int64 instance rows.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> find_track_instances(LabelTables().structure, 0, 0).tolist()
        []

    Source:
        ``Labels.find_track_occupancy``.
    """
    rows = instances_of_frames(structure, rows_of_video(structure, video_id))
    track = key_values(structure.instances["track_id"][rows])
    if track_id is not None:
        found = track == track_id
    elif pseudo_track is not None:
        place = structure.instances["instance_idx"][rows].to_numpy()
        found = (track < 0) & (place == pseudo_track)
    else:
        return np.empty(0, np.int64)
    chosen: IntArray = np.flatnonzero(found) + rows.start
    of_frame = frame_rows(structure, chosen)
    if frame_range is not None:
        inside = _in_range(structure.frames["frame_idx"].to_numpy()[of_frame], frame_range)
        chosen, of_frame = chosen[inside], of_frame[inside]
    position = structure.frames["position"].to_numpy()[of_frame]
    return chosen[np.argsort(position, kind="stable")]


def _in_range(frame_idx: IntArray, wanted: tuple[int, int] | Container[int]) -> BoolArray:
    """Tell which indices are wanted; any container is asked about each index once."""
    if isinstance(wanted, tuple) and len(wanted) == 2:
        return (frame_idx >= wanted[0]) & (frame_idx < wanted[1])
    if isinstance(wanted, range) and wanted.step == 1:
        return (frame_idx >= wanted.start) & (frame_idx < wanted.stop)
    unique, places = np.unique(frame_idx, return_inverse=True)
    asked: BoolArray = np.fromiter((int(i) in wanted for i in unique), np.bool_, len(unique))
    return asked[places]
