"""Dense arrays of videos, worked out ahead while these are asked for one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tabular_labels._types import FloatArray
from tabular_labels.model.shown import ShownColumn
from tabular_labels.model.tables import Structure
from tabular_labels.queries.dense import fill, scatter, shown_column
from tabular_labels.queries.dense_layout import DenseLayout, DenseLayouts
from tabular_labels.queries.places import rows_of_video
from tabular_labels.store.snapshot import Snapshot

__all__ = ["dense_array"]

# So many instances are worked out ahead at most: some 200 kB.
MOST_AHEAD = 16_384


@dataclass(frozen=True)
class _Run:
    """Videos that stand together.

    Attributes:
        options: Of the layouts.
        frames: Their frame rows.
        layouts: Where their instances go.
    """

    options: tuple[bool, bool]
    frames: slice
    layouts: DenseLayouts

    @property
    def n_instances(self) -> int:
        rows = self.layouts.rows
        return int(rows.stop - rows.start)


class _Latest:
    """Holds the run of a snapshot that was made last."""

    run: _Run | None = None


def dense_array(
    snapshot: Snapshot,
    video_id: int,
    names: Sequence[str] = ("x", "y"),
    *,
    all_frames: bool = True,
    untracked: bool = False,
    n_video_frames: int | None = None,
) -> tuple[DenseLayout, FloatArray]:
    """Make the dense array of one video.

    Where each small video follows the one before, as in a loop over all videos, twice as
    many as before are worked out together, and kept with the snapshot until others are.

    Args:
        snapshot: The rows.
        video_id: Key of the video.
        names: ``x`` and ``y``, and perhaps ``score``.
        all_frames: As `dense_layout` has it.
        untracked: As `dense_layout` has it.
        n_video_frames: Length of the video, None if unknown.

    Returns:
        The layout of all of the video's instances, and its array: float32
        ``(n_frames, n_tracks, n_nodes, len(names))``, pixels, NaN = missing.
    """
    latest = snapshot.once("dense run", _Latest)
    run, options = latest.run, (all_frames, untracked)
    if run is None or run.options != options or video_id not in run.layouts:
        run = _next_run(snapshot, video_id, options, run)
        if run.n_instances <= 2 * MOST_AHEAD and video_id in run.layouts:
            latest.run = run
    layout = run.layouts.of(video_id, n_video_frames)
    held = snapshot.once("shown columns", lambda: _shown_columns(snapshot))
    if held:
        first = snapshot.structure.point_bounds[layout.first_row]
        return layout, fill(layout, [held[name] for name in names], first_point=first)
    wanted = layout.narrowed()
    return layout, scatter(wanted, snapshot.read_points([*names, "visible"], wanted.rows))


def _shown_columns(snapshot: Snapshot) -> dict[str, ShownColumn]:
    """Return columns that are in memory, each in one piece; none otherwise."""
    if not snapshot.in_memory:
        return {}
    points = snapshot.tables().points
    # What was edited stands between slices of what was not, and is not to be copied.
    if any(column.n_chunks() > 1 for column in points.iter_columns()):
        return {}
    return {name: shown_column(points, name) for name in ("x", "y", "score")}


def _next_run(
    snapshot: Snapshot, video_id: int, options: tuple[bool, bool], last: _Run | None
) -> _Run:
    structure = snapshot.structure
    frames = rows_of_video(structure, video_id)
    if last is not None and last.options == options and last.frames.stop == frames.start:
        frames = _ahead(structure, frames, min(2 * last.n_instances, MOST_AHEAD))
    layouts = DenseLayouts(
        structure, snapshot.catalog, frames, all_frames=options[0], untracked=options[1]
    )
    return _Run(options, frames, layouts)


def _ahead(structure: Structure, frames: slice, n_instances: int) -> slice:
    """Take in the videos that follow, as long as there are no more instances than so many."""
    offsets = structure.instance_offsets
    limit = offsets[frames.start] + n_instances
    stop = int(np.searchsorted(offsets, limit, side="right")) - 1
    if stop < structure.frames.height:
        videos = structure.frames["video_id"].to_numpy()
        stop = int(np.searchsorted(videos, videos[stop]))
    return slice(frames.start, max(stop, frames.stop))
