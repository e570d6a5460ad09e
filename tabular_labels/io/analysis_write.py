"""Write SLEAP's analysis files: dense arrays of one video in HDF5."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import h5py
import numpy as np

from tabular_labels._types import FloatArray, IntArray

__all__ = ["AnalysisHeader", "Block", "write_analysis"]

# Shuffled bytes pack better at any level, and level 1 is forty times faster than 9.
_PACKED = {"compression": "gzip", "compression_opts": 1, "shuffle": True}
# Where each axis of (frame, track, node, xy) goes.
_AXES: Mapping[bool, Mapping[str, tuple[str, ...]]] = {
    True: {
        "track_occupancy": ("frame", "track"),
        "tracks": ("track", "xy", "node", "frame"),
        "point_scores": ("track", "node", "frame"),
        "instance_scores": ("track", "frame"),
        "tracking_scores": ("track", "frame"),
    },
    False: {
        "track_occupancy": ("track", "frame"),
        "tracks": ("frame", "node", "xy", "track"),
        "point_scores": ("frame", "node", "track"),
        "instance_scores": ("frame", "track"),
        "tracking_scores": ("frame", "track"),
    },
}
_ORDER = ("frame", "track", "node", "xy")


class Block(Protocol):
    """Some rows of the arrays, frames first; see `queries.analysis.AnalysisBlock`."""

    @property
    def start(self) -> int:
        """First row."""
        ...

    @property
    def stop(self) -> int:
        """One past the last."""
        ...

    @property
    def occupancy(self) -> IntArray:
        """``(n, n_tracks)``."""
        ...

    @property
    def xy(self) -> FloatArray:
        """``(n, n_tracks, n_nodes, 2)``."""
        ...

    @property
    def point_scores(self) -> FloatArray:
        """``(n, n_tracks, n_nodes)``."""
        ...

    @property
    def instance_scores(self) -> FloatArray:
        """``(n, n_tracks)``."""
        ...

    @property
    def tracking_scores(self) -> FloatArray:
        """``(n, n_tracks)``."""
        ...


@dataclass(frozen=True)
class AnalysisHeader:
    """What an analysis file holds beside its arrays.

    Attributes:
        n_frames: Number of rows.
        n_tracks: Number of columns.
        frames_at_once: Largest number of rows of a block.
        node_names: Names of the nodes.
        track_names: Names of the columns; none when the project has no tracks.
        edges: Positions of source and target, in order.
        video_path: Where the video is.
        video_ind: Its place in the list of videos.
        labels_path: Where the labels come from.
        provenance: JSON-able facts.
        first_frame: Frame index of the first row.
        n_untracked: How many of the last columns are no tracks.
        skeleton_name: Name of the skeleton.
        symmetries: Pairs of node names.
    """

    n_frames: int
    n_tracks: int
    frames_at_once: int
    node_names: list[str]
    track_names: list[str]
    edges: list[tuple[int, int]]
    video_path: str
    video_ind: int
    labels_path: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    first_frame: int = 0
    n_untracked: int = 0
    skeleton_name: str | None = None
    symmetries: list[tuple[str, str]] = field(default_factory=list)


def write_analysis(
    path: Path,
    header: AnalysisHeader,
    blocks: Iterable[Block],
    *,
    transpose: bool = True,
    progress: Callable[[int], object] | None = None,
) -> None:
    """Write one file at a path where nothing is yet.

    Args:
        path: Where.
        header: Sizes, names and facts.
        blocks: Rows of the arrays, in order.
        transpose: The classic layout, in which MATLAB finds frames first: ``tracks`` is
            ``(n_tracks, 2, n_nodes, n_frames)``. Otherwise
            ``(n_frames, n_nodes, 2, n_tracks)``, and the others likewise.
        progress: Called with the number of rows written.
    """
    axes = _AXES[transpose]
    with h5py.File(path, "w-") as file:
        made = {name: _create(file, name, axes[name], header) for name in axes}
        _write_names(file, header)
        file.attrs["format"] = "analysis"
        file.attrs["preset"] = "matlab" if transpose else "custom"
        file.attrs["first_frame"] = header.first_frame
        file.attrs["skeleton_name"] = header.skeleton_name or ""
        file.attrs["skeleton_symmetries"] = json.dumps(header.symmetries)
        for block in blocks:
            arrays = {
                "track_occupancy": block.occupancy,
                "tracks": block.xy,
                "point_scores": block.point_scores,
                "instance_scores": block.instance_scores,
                "tracking_scores": block.tracking_scores,
            }
            for name, values in arrays.items():
                if values.size:
                    _put(made[name], axes[name], values, block.start, block.stop)
            if progress is not None:
                progress(block.stop)


def _create(
    file: h5py.File, name: str, axes: tuple[str, ...], header: AnalysisHeader
) -> h5py.Dataset:
    n_nodes = len(header.node_names)
    size = {"frame": header.n_frames, "track": header.n_tracks, "node": n_nodes, "xy": 2}
    shape = tuple(size[axis] for axis in axes)
    rows = max(min(header.frames_at_once, header.n_frames), 1)
    # One column a chunk, so that a track is read alone.
    chunk = {"frame": rows, "track": 1, "node": max(n_nodes, 1), "xy": 1}
    dtype = np.uint8 if name == "track_occupancy" else np.float64
    packed = {"chunks": tuple(chunk[axis] for axis in axes), **_PACKED} if 0 not in shape else {}
    made = file.create_dataset(name, shape=shape, dtype=dtype, **packed)
    made.attrs["dims"] = json.dumps(axes)
    return made


def _put(
    dataset: h5py.Dataset,
    axes: tuple[str, ...],
    values: np.ndarray[Any, Any],
    start: int,
    stop: int,
) -> None:
    where = tuple(slice(start, stop) if axis == "frame" else slice(None) for axis in axes)
    order = [_ORDER.index(axis) for axis in axes]
    dataset[where] = np.ascontiguousarray(values.transpose(order))


def _write_names(file: h5py.File, header: AnalysisHeader) -> None:
    names = header.node_names
    file["node_names"] = _texts(names)
    tracks = file.create_dataset("track_names", data=_texts(header.track_names))
    tracks.attrs["n_untracked"] = header.n_untracked
    edges = [[names[a].encode(), names[b].encode()] for a, b in header.edges]
    file["edge_names"] = np.array(edges)
    file["edge_inds"] = np.array(header.edges)
    file["labels_path"] = str(header.labels_path)
    file["video_path"] = header.video_path
    file["video_ind"] = header.video_ind
    file["provenance"] = json.dumps(dict(header.provenance))


def _texts(names: list[str]) -> np.ndarray[Any, Any]:
    """Fixed-length bytes; an empty list is the empty float64 that numpy makes of it."""
    return np.array([name.encode() for name in names])
