"""Which instances of a video go where in a dense array of frames, tracks and nodes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.buffers import key_values
from tabular_labels.model.offsets import rows_of_ids
from tabular_labels.model.tables import Catalog, Structure
from tabular_labels.queries.places import instances_of_frames, rows_of_video

__all__ = ["DenseLayout", "DenseLayouts", "dense_layout"]

# From this share of a video's instances on, one run of points is read rather than many.
READ_ALL = 0.75


@dataclass(frozen=True)
class DenseLayout:
    """Which instances go where in a dense array.

    Attributes:
        shape: ``(n_frames, n_tracks, n_nodes)``.
        first_frame: Frame index of the array's first row.
        rows: Instance rows whose points to read: a slice, or int64, ascending.
        slots: Place of each of them in the flattened first two axes; of several that
            claim one, the last has it; -1 for those that have none.
        counts: Number of nodes of each of them; one number if all have as many.
        is_user: Which of them are user instances.
        is_by_track: Whether columns are tracks; places in the frame otherwise.
        n_left_out: Number of untracked instances that have no column.
    """

    shape: tuple[int, int, int]
    first_frame: int
    rows: slice | IntArray
    slots: IntArray
    counts: IntArray | int
    is_user: BoolArray
    is_by_track: bool = True
    n_left_out: int = 0

    @property
    def instance_rows(self) -> IntArray:
        """The rows one by one: int64."""
        rows = self.rows
        return np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows

    @property
    def first_row(self) -> int:
        """The first of the rows; there must be one, or a slice of none."""
        return int(self.rows.start if isinstance(self.rows, slice) else self.rows[0])

    def narrowed(self) -> DenseLayout:
        """Leave out instances without a slot, if these are so many that it pays to."""
        at = np.flatnonzero(self.slots >= 0)
        if len(at) > READ_ALL * len(self.slots):
            return self
        return replace(
            self,
            rows=_run_or_rows(self.instance_rows[at]),
            slots=self.slots[at],
            counts=_some(self.counts, at),
            is_user=self.is_user[at],
        )


def dense_layout(
    structure: Structure,
    catalog: Catalog,
    video_id: int,
    *,
    all_frames: bool = True,
    untracked: bool = False,
    n_video_frames: int | None = None,
) -> DenseLayout:
    """Decide the shape of one video's dense array, and which instance goes where.

    Where a frame has user instances its predicted ones are left out. Columns follow the
    list of tracks, and untracked instances are left out; with ``untracked``, or when no
    frame has more than one instance, columns are places among the frame's instances.
    Two instances that claim one place: the later in list order is kept. That holds for
    several frames at one index, too.

    Args:
        structure: Frames and instances in canonical order.
        catalog: Tracks and skeletons.
        video_id: Key of the video.
        all_frames: Begin at frame 0 and run to the video's length, or to the last frame
            when that is later or the length is unknown; otherwise from the first to
            the last frame.
        untracked: One column per place in the frame.
        n_video_frames: Length of the video, None if unknown.

    Returns:
        The layout; ``n_nodes`` is that of the largest skeleton. A video without frames
        has no rows, and one without instances has the columns of the tracks.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> tables = LabelTables()
        >>> dense_layout(tables.structure, tables.catalog, 0).shape
        (0, 0, 0)

    Source:
        ``Labels.numpy``, which opened the video to learn its length.
    """
    frames = rows_of_video(structure, video_id)
    layouts = DenseLayouts(structure, catalog, frames, all_frames=all_frames, untracked=untracked)
    return layouts.of(video_id, n_video_frames).narrowed()


class DenseLayouts:
    """The layouts of videos that stand together, worked out in one go.

    Args:
        structure: Frames and instances in canonical order.
        catalog: Tracks and skeletons.
        frames: Frame rows, which hold all frames of their videos.
        all_frames: As `dense_layout` has it.
        untracked: As `dense_layout` has it.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> tables = LabelTables()
        >>> layouts = DenseLayouts(tables.structure, tables.catalog, slice(0, 0))
        >>> 7 in layouts, layouts.of(7, n_video_frames=20).shape
        (False, (0, 0, 0))
    """

    def __init__(
        self,
        structure: Structure,
        catalog: Catalog,
        frames: slice,
        *,
        all_frames: bool = True,
        untracked: bool = False,
    ) -> None:
        self.rows = rows = instances_of_frames(structure, frames)
        n_tracks = 0 if untracked else catalog.tracks.height
        self._of_none = 0, n_tracks, int(structure.n_nodes.max(initial=0))
        self._all_frames, self._is_by_track = all_frames, not untracked
        videos = structure.frames["video_id"].to_numpy()[frames]
        index = structure.frames["frame_idx"].to_numpy()[frames]
        offsets = structure.instance_offsets[frames.start : frames.stop + 1] - rows.start
        bounds = _bounds(videos)
        first, n_frames = bounds[:-1], _steps(bounds)
        low, stop = index[first], index[bounds[1:] - 1] + 1
        if all_frames:
            # A negative index is odd but must not be lost.
            low, stop = np.minimum(low, 0), np.maximum(stop, 0)

        self._is_user = structure.is_user[rows]
        hidden, n_shown = _hidden(self._is_user, offsets)
        most = np.maximum.reduceat(n_shown, first) if len(first) else n_shown
        by_track = np.full(len(most), not untracked) & (most != 1)
        n_columns = np.where(by_track, n_tracks, most)
        starts = offsets[bounds]
        column = _columns(structure, catalog, rows, offsets, hidden, by_track, _steps(starts))

        of_frames = (index - np.repeat(low, n_frames)) * np.repeat(n_columns, n_frames)
        self._slots = np.repeat(of_frames, _steps(offsets))
        self._slots += column
        gone = column < 0
        n_left_out = _sums(gone & ~hidden, starts)
        gone |= hidden
        np.putmask(self._slots, gone, -1)
        self._counts = _node_counts(structure, rows)
        facts = (starts[:-1], starts[1:], low, stop, n_columns, by_track, n_left_out)
        videos_facts = zip(*(values.tolist() for values in facts), strict=True)
        self._facts = dict(zip(videos[first].tolist(), videos_facts, strict=True))

    def __contains__(self, video_id: int) -> bool:
        """Tell whether a video has frames here."""
        return video_id in self._facts

    def of(self, video_id: int, n_video_frames: int | None = None) -> DenseLayout:
        """Return the layout of one video; one without frames here has no rows.

        Args:
            video_id: Key of the video.
            n_video_frames: Length of the video, None if unknown.
        """
        if video_id not in self._facts:
            nothing = slice(0, 0)
            return DenseLayout(
                self._of_none,
                0,
                nothing,
                self._slots[nothing],
                _some(self._counts, nothing),
                self._is_user[nothing],
                self._is_by_track,
            )
        start, end, low, stop, n_columns, by_track, n_left_out = self._facts[video_id]
        if self._all_frames and n_video_frames is not None:
            stop = max(stop, n_video_frames)
        here = slice(start, end)
        return DenseLayout(
            (stop - low, n_columns, self._of_none[2]),
            low,
            slice(self.rows.start + start, self.rows.start + end),
            self._slots[here],
            _some(self._counts, here),
            self._is_user[here],
            by_track,
            n_left_out,
        )


def _some(counts: IntArray | int, rows: slice | IntArray) -> IntArray | int:
    return counts if isinstance(counts, int) else counts[rows]


def _run_or_rows(rows: IntArray) -> slice | IntArray:
    """Return a slice if ascending rows follow each other."""
    if len(rows) and int(rows[-1]) - int(rows[0]) == len(rows) - 1:
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _bounds(videos: IntArray) -> IntArray:
    """Return where each video begins, and where the last one ends."""
    if not len(videos):
        return np.zeros(1, np.int64)
    changes = np.flatnonzero(videos[1:] != videos[:-1]) + 1
    return np.concatenate([[0], changes, [len(videos)]])


def _steps(offsets: IntArray) -> IntArray:
    return offsets[1:] - offsets[:-1]


def _sums(flags: BoolArray, starts: IntArray) -> IntArray:
    """Count the flags that are set from each start to the next."""
    if not flags.any():
        return np.zeros(len(starts) - 1, np.int64)
    return _steps(_before(flags)[starts])


def _before(flags: BoolArray) -> IntArray:
    """Count the flags that are set before each place, and all of them."""
    before = np.zeros(len(flags) + 1, np.int64)
    np.cumsum(flags, out=before[1:])
    return before


def _hidden(is_user: BoolArray, offsets: IntArray) -> tuple[BoolArray, IntArray]:
    """Tell which predictions stand beside user instances; count the others of each frame."""
    counts = _steps(offsets)
    n_user = _sums(is_user, offsets)
    has_user = n_user > 0
    hidden: BoolArray = np.repeat(has_user, counts)
    hidden &= ~is_user
    return hidden, np.where(has_user, n_user, counts)


def _columns(
    structure: Structure,
    catalog: Catalog,
    rows: slice,
    offsets: IntArray,
    hidden: BoolArray,
    by_track: BoolArray,
    n_instances: IntArray,
) -> IntArray:
    """Return each instance's column: its track, -1 for none, or its place in the frame."""
    if by_track.all():
        return _tracks(structure, catalog, rows)
    before = _before(~hidden)
    places = before[:-1] - np.repeat(before[offsets[:-1]], _steps(offsets))
    if not by_track.any():
        return places
    is_by_track = np.repeat(by_track, n_instances)
    return np.where(is_by_track, _tracks(structure, catalog, rows), places)


def _tracks(structure: Structure, catalog: Catalog, rows: slice) -> IntArray:
    # -1 is no key, so that untracked instances stand in no column.
    keys = key_values(structure.instances["track_id"].slice(rows.start, rows.stop - rows.start))
    return rows_of_ids(catalog.tracks["track_id"].to_numpy(), keys)


def _node_counts(structure: Structure, rows: slice) -> IntArray | int:
    if len(structure.n_nodes) == 1:
        return int(structure.n_nodes[0])
    counts: IntArray = structure.n_nodes[structure.instances["skeleton_id"].to_numpy()[rows]]
    return counts
