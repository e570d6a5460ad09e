"""Frames as examples to train from, in plain arrays."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.model.arguments import require_places
from tabular_labels.model.buffers import any_hidden, float_columns, key_values
from tabular_labels.model.offsets import offsets_of_counts, ranges, rows_of_ids
from tabular_labels.store.snapshot import Snapshot

__all__ = ["Arrays", "Examples", "read_examples"]

Arrays = dict[str, npt.NDArray[np.generic]]
"""Values of examples by their key."""

# Instances whose points are in memory twice while they are read.
_CHUNK = 65_536


@dataclass(frozen=True)
class Examples:
    """Frames as examples, without their images.

    Holds numpy arrays alone, so that it may be pickled, or taken along into a forked process.

    Attributes:
        example_ind: int64 (n_examples,): places in the list of frames.
        video_ind: int32 (n_examples,): places in the list of videos.
        frame_ind: int64 (n_examples,): frame indices.
        starts: int64 (n_examples,): where an example's instances begin in the next three.
        counts: int64 (n_examples,): how many it has.
        instances: float32 (n_instances + 1, n_nodes, 2): pixels, NaN for missing and invisible.
            The last row stands for none.
        skeleton_inds: int32 (n_instances + 1,): places in the list of skeletons, last -1.
        track_inds: int32 (n_instances + 1,): places in the list of tracks, -1 for none.
        n_tracks: Tracks in the project.
    """

    example_ind: IntArray
    video_ind: IntArray
    frame_ind: IntArray
    starts: IntArray
    counts: IntArray
    instances: npt.NDArray[np.float32]
    skeleton_inds: IntArray
    track_inds: IntArray
    n_tracks: int

    def __len__(self) -> int:
        return len(self.example_ind)

    @property
    def most_instances(self) -> int:
        """Instances of the example that has most."""
        return int(self.counts.max(initial=0))

    def of(self, rows: IntArray) -> Examples:
        """Choose examples, in this order; their instances are shared."""
        names = ("example_ind", "video_ind", "frame_ind", "starts", "counts")
        return replace(self, **{name: getattr(self, name)[rows] for name in names})

    def padded(self, rows: IntArray) -> Arrays:
        """Gather a batch whose examples all have places for the most instances of any.

        Args:
            rows: Which examples.

        Returns:
            ``instances`` float32 (n_rows, most, n_nodes, 2), NaN in free places;
            ``skeleton_inds`` and ``track_inds`` int32 (n_rows, most), -1 there; and what
            `facts` returns.
        """
        place = np.arange(self.most_instances)
        counts = self.counts[rows, None]
        last = len(self.instances) - 1
        return self._gather(rows, np.where(place < counts, self.starts[rows, None] + place, last))

    def ragged(self, rows: IntArray) -> Arrays:
        """Gather a batch with the instances of all its examples one after the other.

        Args:
            rows: Which examples.

        Returns:
            ``instances`` float32 (n, n_nodes, 2), ``skeleton_inds`` and ``track_inds`` int32
            (n,), ``n`` being the sum of ``n_instances``; and what `facts` returns.
        """
        return self._gather(rows, ranges(self.starts[rows], self.counts[rows]))

    def _gather(self, rows: IntArray, taken: IntArray) -> Arrays:
        return {
            **self.facts(rows),
            "instances": self.instances[taken],
            "skeleton_inds": self.skeleton_inds[taken],
            "track_inds": self.track_inds[taken],
        }

    def facts(self, rows: IntArray) -> Arrays:
        """Gather what has one value an example.

        Returns:
            ``example_ind`` and ``frame_ind`` int64 (n_rows,), ``video_ind``, ``n_instances`` and
            ``n_tracks`` int32 (n_rows,), ``scale`` float32 (n_rows, 2), which is 1.
        """
        return {
            "example_ind": self.example_ind[rows],
            "video_ind": self.video_ind[rows],
            "frame_ind": self.frame_ind[rows],
            "scale": np.ones((len(rows), 2), np.float32),
            "n_instances": self.counts[rows].astype(np.int32),
            "n_tracks": np.full(len(rows), self.n_tracks, np.int32),
        }


def read_examples(
    snapshot: Snapshot,
    places: IntArray | None = None,
    *,
    user_instances_only: bool = False,
    with_track_only: bool = False,
) -> Examples:
    """Read frames as examples; points in chunks, so that a scan is never in memory whole.

    Instances without a visible point are left out. Where skeletons differ in size, the
    smaller ones are padded with NaN.

    Args:
        snapshot: The project.
        places: int64: places in the list of frames, in any order; None for all.
        user_instances_only: Leave predicted instances out.
        with_track_only: Leave untracked instances out.

    Raises:
        IndexError: There is no such place.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> read_examples(Snapshot.of(LabelTables())).instances.shape
        (1, 0, 2)
    """
    structure, catalog = snapshot.structure, snapshot.catalog
    places = np.arange(snapshot.n_frames) if places is None else np.asarray(places, np.int64)
    require_places(places, snapshot.n_frames)
    rows = np.asarray(snapshot.list_order, np.int64)[places]
    # Points are read in the order in which they lie, those of a frame once.
    frame_rows, example = np.unique(rows, return_inverse=True)
    wanted = snapshot.instance_rows(frame_rows)
    owner = np.repeat(np.arange(len(frame_rows)), np.diff(structure.instance_offsets)[frame_rows])
    kept = np.ones(len(wanted), np.bool_)
    if user_instances_only:
        kept &= structure.is_user[wanted]
    if with_track_only:
        kept &= key_values(structure.instances["track_id"])[wanted] >= 0
    xy, shown = _read_points(snapshot, wanted[kept])
    wanted, owner = wanted[kept][shown], owner[kept][shown]
    counts = np.bincount(owner, minlength=len(frame_rows))
    frames = structure.frames
    video = frames["video_id"].to_numpy()[rows]
    skeleton = structure.instances["skeleton_id"].to_numpy()[wanted]
    track = key_values(structure.instances["track_id"])[wanted]
    return Examples(
        example_ind=places,
        video_ind=rows_of_ids(catalog.videos["video_id"].to_numpy(), video).astype(np.int32),
        frame_ind=frames["frame_idx"].to_numpy()[rows].astype(np.int64),
        starts=offsets_of_counts(counts)[:-1][example],
        counts=counts[example],
        instances=xy,
        skeleton_inds=_with_none(
            rows_of_ids(catalog.skeletons["skeleton_id"].to_numpy(), skeleton)
        ),
        track_inds=_with_none(rows_of_ids(catalog.tracks["track_id"].to_numpy(), track)),
        n_tracks=catalog.tracks.height,
    )


def _with_none(inds: IntArray) -> npt.NDArray[np.int32]:
    return np.append(inds, -1).astype(np.int32)


def _read_points(snapshot: Snapshot, rows: IntArray) -> tuple[npt.NDArray[np.float32], BoolArray]:
    """Read the points of the instances that show any; tell also which these are."""
    structure = snapshot.structure
    n_nodes = int(structure.n_nodes.max(initial=0))
    xy = np.empty((len(rows) + 1, n_nodes, 2), np.float32)
    shown = np.zeros(len(rows), np.bool_)
    filled = 0
    for first in range(0, len(rows), _CHUNK):
        chunk = rows[first : first + _CHUNK]
        points = _points_of(snapshot, chunk, n_nodes)
        placed = ~np.isnan(points[..., 0] + points[..., 1])
        mine = placed.any(axis=1)
        shown[first : first + len(chunk)] = mine
        n_mine = int(np.count_nonzero(mine))
        xy[filled : filled + n_mine] = points if n_mine == len(chunk) else points[mine]
        filled += n_mine
    xy[filled] = np.nan
    return xy[: filled + 1], shown


def _points_of(snapshot: Snapshot, rows: IntArray, n_nodes: int) -> FloatArray:
    """Read points as float (n_rows, n_nodes, 2), missing and invisible ones NaN."""
    structure = snapshot.structure
    table = snapshot.read_points(("x", "y", "visible"), rows)
    axes = float_columns([table["x"], table["y"]])
    if any_hidden(table["visible"], table["x"], table["y"]):
        visible = table["visible"].to_numpy()
        axes = [np.where(visible, values, np.nan) for values in axes]
    flat = np.stack(axes, axis=-1).astype(np.float32)
    counts = structure.point_counts(rows)
    if bool((counts == n_nodes).all()):
        return flat.reshape(len(rows), n_nodes, 2)
    points = np.full((len(rows), n_nodes, 2), np.nan, np.float32)
    points[np.arange(n_nodes) < counts[:, None]] = flat
    return points
