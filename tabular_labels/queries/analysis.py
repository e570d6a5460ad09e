"""One video as the dense arrays of an analysis file: a column for each track."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.model.buffers import float_columns, float_values, key_values
from tabular_labels.model.offsets import rows_of_ids
from tabular_labels.model.tables import Catalog, Structure
from tabular_labels.queries.places import instances_of_frames, rows_of_video

__all__ = ["AnalysisBlock", "AnalysisLayout", "Untracked", "analysis_blocks", "analysis_layout"]

Untracked: TypeAlias = Literal["drop", "keep"]
ReadPoints: TypeAlias = Callable[[Sequence[str], slice | IntArray], pl.DataFrame]

_VALUES_AT_ONCE = 2_000_000
_MOST_FRAMES, _FEWEST_FRAMES = 8192, 64


@dataclass(frozen=True)
class AnalysisLayout:
    """Which instances go where, and what has no place.

    Attributes:
        first_frame: Frame index of the first row.
        n_frames: Number of rows: up to the last labelled frame.
        tracks: Place in the list of tracks of each column; -1 for untracked ones, last.
        instance_rows: Instance rows that have a place: int64, ascending.
        frame: Row of each of them.
        column: Column of each of them.
        skeleton_id: The skeleton whose nodes are written; None when there is none.
        n_nodes: Number of its nodes.
        n_untracked: Untracked instances left out, since there are tracks.
        n_outdone: Instances left out for a later one of the same kind on their track; in
            a project without tracks, for any other one that was not made from them.
        n_other: Instances of other skeletons left out.
    """

    first_frame: int
    n_frames: int
    tracks: IntArray
    instance_rows: IntArray
    frame: IntArray
    column: IntArray
    skeleton_id: int | None
    n_nodes: int
    n_untracked: int
    n_outdone: int
    n_other: int

    @property
    def frames_at_once(self) -> int:
        """How many rows to hold at a time, whatever the number of columns."""
        width = max(len(self.tracks) * max(self.n_nodes, 1) * 3, 1)
        return int(np.clip(_VALUES_AT_ONCE // width, _FEWEST_FRAMES, _MOST_FRAMES))


@dataclass(frozen=True)
class AnalysisBlock:
    """Rows ``start`` to ``stop`` of the arrays; NaN = missing.

    Attributes:
        start: First row.
        stop: One past the last.
        occupancy: uint8 ``(n, n_tracks)``.
        xy: float64 ``(n, n_tracks, n_nodes, 2)``, pixels.
        point_scores: float64 ``(n, n_tracks, n_nodes)``.
        instance_scores: float64 ``(n, n_tracks)``.
        tracking_scores: float64 ``(n, n_tracks)``.
    """

    start: int
    stop: int
    occupancy: IntArray
    xy: FloatArray
    point_scores: FloatArray
    instance_scores: FloatArray
    tracking_scores: FloatArray


def analysis_layout(
    structure: Structure,
    catalog: Catalog,
    video_id: int,
    *,
    all_frames: bool = True,
    untracked: Untracked = "drop",
    min_occupancy: float = 0.0,
) -> AnalysisLayout:
    """Decide which instance of a video goes where in an analysis file.

    In one place a user instance comes before predicted ones, and among equals the last
    in list order. Instances of other skeletons than the first are left out.

    Args:
        structure: Frames and instances in canonical order.
        catalog: Tracks and skeletons.
        video_id: Key of the video.
        all_frames: Begin at frame 0, otherwise at the first labelled frame.
        untracked: ``"drop"``: where the project has tracks, untracked instances are left
            out; where it has none, there is one column. ``"keep"``: they get columns of
            their own after the tracks, by their place among the frame's untracked ones;
            a prediction that a person corrected in this frame is left out.
        min_occupancy: Leave out columns that are filled in a smaller share of the rows;
            those that are empty always.

    Returns:
        The layout; without rows when the video has no frames.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> tables = LabelTables()
        >>> analysis_layout(tables.structure, tables.catalog, 0).n_frames
        0

    Source:
        ``sleap.info.write_tracking_h5``.
    """
    frames = rows_of_video(structure, video_id)
    rows = instances_of_frames(structure, frames)
    index = structure.frames["frame_idx"].to_numpy()[frames]
    first = 0 if all_frames or not len(index) else int(index[0])
    n_frames = int(index[-1]) + 1 - first if len(index) else 0
    skeleton_id = next(iter(catalog.skeletons["skeleton_id"]), None)
    counts = np.diff(structure.instance_offsets[frames.start : frames.stop + 1])
    frame = np.repeat(index - first, counts)
    is_user = structure.is_user[rows]
    is_ours = structure.instances["skeleton_id"].to_numpy()[rows] == skeleton_id
    track = key_values(structure.instances["track_id"][rows])
    place = rows_of_ids(catalog.tracks["track_id"].to_numpy(), track)
    n_tracks = catalog.tracks.height
    has_place = is_ours.copy()
    n_untracked = 0
    if untracked == "keep":
        loose = is_ours & (place < 0) & ~_corrected(structure, rows)
        has_place &= (place >= 0) | loose
        place = np.where(loose, n_tracks + _place_among(frame, loose), place)
    elif n_tracks:
        n_untracked = int((is_ours & (place < 0)).sum())
        has_place &= place >= 0
    else:
        place = np.zeros(len(frame), np.int64)
    at = np.flatnonzero(has_place)
    winners, outdone = _winners(frame[at], place[at], is_user[at])
    if untracked == "drop" and not n_tracks:
        # Nothing says that they are the same animal, but for a link to the prediction.
        lost = np.setdiff1d(np.arange(len(at)), winners)
        outdone = lost[~_corrected(structure, rows)[at[lost]]]
    n_outdone, at = len(outdone), at[winners]
    n_columns = int(place[at].max(initial=-1)) + 1
    filled = np.bincount(place[at], minlength=n_columns)
    kept = np.flatnonzero((filled > 0) & (filled >= min_occupancy * n_frames))
    new = np.full(n_columns + 1, -1, np.int64)
    new[kept] = np.arange(len(kept))
    column = new[place[at]]
    at, column = at[column >= 0], column[column >= 0]
    return AnalysisLayout(
        first_frame=first,
        n_frames=n_frames,
        tracks=np.where(kept < n_tracks, kept, -1),
        instance_rows=at + rows.start,
        frame=frame[at],
        column=column,
        skeleton_id=skeleton_id,
        n_nodes=0 if skeleton_id is None else int(structure.n_nodes[skeleton_id]),
        n_untracked=n_untracked,
        n_outdone=n_outdone,
        n_other=int((~is_ours).sum()),
    )


def _corrected(structure: Structure, rows: slice) -> BoolArray:
    """Mark the predictions that a user instance of the same frame was made from."""
    instances = structure.instances[rows]
    origin = rows_of_ids(
        instances["instance_id"].to_numpy(), key_values(instances["from_predicted"])
    )
    frame_id = instances["frame_id"].to_numpy()
    made = np.flatnonzero((origin >= 0) & structure.is_user[rows])
    same = frame_id[made] == frame_id[origin[made]]
    marked = np.zeros(instances.height, bool)
    marked[origin[made[same]]] = True
    return marked & ~structure.is_user[rows]


def _place_among(frame: IntArray, chosen: BoolArray) -> IntArray:
    """Count the chosen ones before each in its frame; frames stand together."""
    before: IntArray = np.cumsum(chosen) - chosen
    starts = np.flatnonzero(np.diff(frame, prepend=-1))
    return before - np.repeat(before[starts], np.diff(np.append(starts, len(frame))))


def _winners(frame: IntArray, place: IntArray, is_user: BoolArray) -> tuple[IntArray, IntArray]:
    """Return who keeps each place, in row order, and who loses it to one of their kind."""
    slot = frame * (int(place.max(initial=0)) + 1) + place
    if not len(slot) or bool((slot[1:] > slot[:-1]).all()):
        return np.arange(len(slot)), np.empty(0, np.int64)
    order = np.lexsort((np.arange(len(slot)), is_user, slot))
    is_last = np.append(np.diff(slot[order]) > 0, values=True)
    last = order[is_last]
    winner = last[np.cumsum(is_last) - is_last]
    lost = (is_user[order] == is_user[winner]) & ~is_last
    return np.sort(last), order[lost]


def analysis_blocks(
    structure: Structure, layout: AnalysisLayout, read: ReadPoints
) -> Iterator[AnalysisBlock]:
    """Fill the arrays, some rows at a time.

    Args:
        structure: Frames and instances in canonical order.
        layout: Where each instance goes.
        read: Reads point columns of instance rows.

    Yields:
        Blocks of at most ``layout.frames_at_once`` rows, in order.
    """
    for start in range(0, layout.n_frames, layout.frames_at_once):
        stop = min(start + layout.frames_at_once, layout.n_frames)
        first, last = np.searchsorted(layout.frame, [start, stop])
        yield _block(structure, layout, read, slice(int(first), int(last)), start, stop)


def _block(
    structure: Structure,
    layout: AnalysisLayout,
    read: ReadPoints,
    chosen: slice,
    start: int,
    stop: int,
) -> AnalysisBlock:
    n, n_tracks, n_nodes = stop - start, len(layout.tracks), layout.n_nodes
    rows = layout.instance_rows[chosen]
    slot = (layout.frame[chosen] - start) * n_tracks + layout.column[chosen]
    instances, is_user = structure.instances[rows], structure.is_user[rows]
    points = read(("x", "y", "visible", "score"), rows)
    hidden = ~points["visible"].to_numpy()
    of_users = np.repeat(is_user, n_nodes)

    def laid(values: FloatArray, gone: BoolArray, *shape: int) -> FloatArray:
        made = np.full((n * n_tracks, *shape), np.nan)
        made[slot] = np.where(gone, np.nan, values).reshape(-1, *shape)
        return made.reshape(n, n_tracks, *shape)

    xy = np.full((n * n_tracks, n_nodes, 2), np.nan)
    for k, values in enumerate(float_columns([points["x"], points["y"]])):
        xy[slot, :, k] = np.where(hidden, np.nan, values).reshape(-1, n_nodes)
    occupancy = np.zeros(n * n_tracks, np.uint8)
    occupancy[slot] = 1
    return AnalysisBlock(
        start,
        stop,
        occupancy.reshape(n, n_tracks),
        xy.reshape(n, n_tracks, n_nodes, 2),
        laid(float_values(points["score"]), of_users, n_nodes),
        laid(float_values(instances["score"]).astype(np.float64), is_user),
        laid(float_values(instances["tracking_score"]).astype(np.float64), is_user),
    )
