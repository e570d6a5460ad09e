"""Read SLEAP's analysis files, and those of sleap-io, whatever the order of their axes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import h5py
import numpy as np

from tabular_labels._types import BoolArray, FloatArray, PathLike
from tabular_labels.errors import UnknownNodeError
from tabular_labels.hdf5.guard import (
    broken,
    member,
    open_guarded,
    parse_json,
    read_attribute,
    read_text,
    read_texts,
    shown,
    translated,
)
from tabular_labels.io.slp_layout import LARGEST_FRAME_IDX
from tabular_labels.model.skeleton import Skeleton

__all__ = ["AnalysisArrays", "read_analysis"]

_ORDER = ("frame", "track", "node", "xy")
_CLASSIC = ("track", "xy", "node", "frame")
_UNTRANSPOSED = ("frame", "node", "xy", "track")
_SCORES = {
    "point_scores": ("frame", "track", "node"),
    "instance_scores": ("frame", "track"),
    "tracking_scores": ("frame", "track"),
}


@dataclass(frozen=True)
class AnalysisArrays:
    """One video as an analysis file holds it; arrays begin with frames and tracks.

    Attributes:
        xy: ``(n_frames, n_tracks, n_nodes, 2)``, pixels, NaN = missing.
        present: ``(n_frames, n_tracks)``.
        scores: ``point_scores``, ``instance_scores``, ``tracking_scores`` where there.
        skeleton: With made-up names of nodes where the file has none.
        track_names: Name of each column, None for untracked ones.
        video_path: Where the video is.
        provenance: JSON-able facts.
        first_frame: Frame index of the first row.
    """

    xy: FloatArray
    present: BoolArray
    scores: Mapping[str, FloatArray]
    skeleton: Skeleton
    track_names: list[str | None]
    video_path: str
    provenance: dict[str, Any]
    first_frame: int


def read_analysis(path: PathLike) -> AnalysisArrays:
    """Read an analysis file.

    Args:
        path: The file.

    Returns:
        Its arrays and names.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is no analysis file, or a broken one.
        UnsafeFileError: It refers to other files, or needs plugins.
    """
    with open_guarded(path) as file, translated(path, "the file"):
        return _Reader(file, os.fspath(path)).read()


class _Reader:
    """Reads one file."""

    def __init__(self, file: h5py.File, path: str) -> None:
        self.file, self.path = file, path

    def read(self) -> AnalysisArrays:
        tracks = self._array("tracks", 4)
        occupancy = self._array("track_occupancy", 2)
        nodes = self._texts("node_names")
        axes = self._axes(tracks.shape, occupancy.shape, nodes)
        xy = tracks.transpose([axes.index(axis) for axis in _ORDER])
        n_frames, n_tracks, n_nodes, _ = xy.shape
        if occupancy.shape != (n_frames, n_tracks):
            occupancy = occupancy.T
        self._require("track_occupancy", occupancy.shape, (n_frames, n_tracks))
        if nodes and len(nodes) != n_nodes:
            self._fail("node_names", f"{len(nodes)} names", f"{n_nodes}")
        first = read_attribute(self.file, "first_frame", self.path)
        first = 0 if first is None else int(first)
        if not 0 <= first <= LARGEST_FRAME_IDX - n_frames:
            self._fail("attribute first_frame", str(first), "a frame index")
        return AnalysisArrays(
            xy,
            (occupancy != 0) | ~np.isnan(xy).all(axis=(2, 3)),
            self._scores(axes, xy.shape),
            self._skeleton(nodes or [f"node {k}" for k in range(n_nodes)]),
            self._track_names(n_tracks),
            self._text("video_path") or "",
            self._provenance(),
            first,
        )

    def _skeleton(self, nodes: list[str]) -> Skeleton:
        name = read_attribute(self.file, "skeleton_name", self.path)
        # sleap-io may list a pair in either direction.
        symmetries = {frozenset(pair): pair for pair in self._symmetries()}.values()
        edges = dict.fromkeys(self._pairs("edge_names"))
        try:
            return Skeleton(
                nodes, edges, symmetries, name if isinstance(name, str) and name else None
            )
        except (ValueError, UnknownNodeError) as error:
            self._fail("node_names, edge_names", f"no skeleton ({error})", "nodes and edges")

    def _array(self, name: str, ndim: int) -> np.ndarray[Any, Any]:
        dataset = member(self.file, name, self.path)
        if not isinstance(dataset, h5py.Dataset) or dataset.ndim != ndim:
            self._fail(name, "no such array", f"an array of {ndim} dimensions")
        if dataset.dtype.kind not in "fiub":
            self._fail(name, f"values of type {dataset.dtype}", "numbers")
        values: np.ndarray[Any, Any] = dataset[()]
        return values if name == "track_occupancy" else values.astype(np.float64, copy=False)

    def _axes(
        self, shape: tuple[int, ...], occupied: tuple[int, ...], nodes: list[str]
    ) -> tuple[str, ...]:
        """Tell the order of the axes: stated, or that which fits names and occupancy."""
        stated = self._stated_axes()
        fitting = [
            axes
            for axes in ((stated,) if stated else (_CLASSIC, _UNTRANSPOSED))
            if _fits(dict(zip(axes, shape, strict=True)), axes, occupied, len(nodes), bool(stated))
        ]
        if not fitting:
            expected = "(n_tracks, 2, n_nodes, n_frames), as names and track_occupancy say"
            self._fail("tracks", f"the shape {shape} beside {occupied}", expected)
        return fitting[0]

    def _stated_axes(self) -> tuple[str, ...] | None:
        text = read_attribute(self.file["tracks"], "dims", self.path)
        if text is None:
            return None
        place = "tracks, attribute dims"
        axes = parse_json(read_text(text, self.path, place), self.path, place)
        if not isinstance(axes, list) or sorted(map(str, axes)) != sorted(_ORDER):
            self._fail(place, shown(axes), f"the axes {_ORDER}")
        return tuple(axes)

    def _scores(self, axes: tuple[str, ...], shape: tuple[int, ...]) -> dict[str, FloatArray]:
        size = dict(zip(_ORDER, shape, strict=True))
        found = {}
        for name, wanted in _SCORES.items():
            if member(self.file, name, self.path) is None:
                continue
            values = self._array(name, len(wanted))
            here = [axis for axis in axes if axis in wanted]
            values = values.transpose([here.index(axis) for axis in wanted])
            self._require(name, values.shape, tuple(size[axis] for axis in wanted))
            found[name] = values
        return found

    def _track_names(self, n_tracks: int) -> list[str | None]:
        names: list[str | None] = list(self._texts("track_names"))
        if not names:
            # Without tracks there is one column; more are told apart by made-up names.
            return [None] if n_tracks == 1 else [f"track_{k}" for k in range(n_tracks)]
        self._require("track_names", (len(names),), (n_tracks,))
        marked = read_attribute(self.file["track_names"], "n_untracked", self.path)
        n_untracked = 0 if marked is None else int(marked)
        if not 0 <= n_untracked <= n_tracks:
            self._fail("track_names, attribute n_untracked", str(n_untracked), f"0 to {n_tracks}")
        return names[: n_tracks - n_untracked] + [None] * n_untracked

    def _texts(self, name: str) -> list[str]:
        dataset = member(self.file, name, self.path)
        return [] if dataset is None else read_texts(dataset, self.path)

    def _pairs(self, name: str) -> list[tuple[str, str]]:
        dataset = member(self.file, name, self.path)
        if dataset is None or not dataset.size:
            return []
        if dataset.ndim != 2 or dataset.shape[1] != 2 or dataset.dtype.kind not in "SO":
            self._fail(name, f"the shape {dataset.shape}", "pairs of node names")
        values = dataset[()].reshape(-1).tolist()
        texts = [read_text(value, self.path, name) for value in values]
        return list(zip(texts[::2], texts[1::2], strict=True))

    def _symmetries(self) -> list[tuple[str, str]]:
        place = "attribute skeleton_symmetries"
        value = read_attribute(self.file, "skeleton_symmetries", self.path)
        if value is None:
            return []
        pairs = parse_json(read_text(value, self.path, place), self.path, place)
        if not isinstance(pairs, list):
            self._fail(place, shown(pairs), "a list of pairs")
        good = [p for p in pairs if isinstance(p, list) and len(p) == 2]
        if len(good) != len(pairs) or not all(isinstance(n, str) for pair in good for n in pair):
            self._fail(place, shown(pairs), "a list of pairs of node names")
        return [(a, b) for a, b in good]

    def _text(self, name: str) -> str | None:
        dataset = member(self.file, name, self.path)
        if dataset is None or dataset.shape != ():
            return None
        return read_text(dataset[()], self.path, name)

    def _provenance(self) -> dict[str, Any]:
        text = self._text("provenance")
        value = parse_json(text, self.path, "provenance") if text else {}
        if not isinstance(value, dict):
            self._fail("provenance", shown(value), "an object")
        return value

    def _require(self, name: str, found: tuple[int, ...], expected: tuple[int, ...]) -> None:
        if found != expected:
            self._fail(name, f"the shape {found}", f"{expected}")

    def _fail(self, place: str, found: str, expected: str) -> NoReturn:
        raise broken(self.path, place, found, expected)


def _fits(
    size: Mapping[str, int],
    axes: tuple[str, ...],
    occupied: tuple[int, ...],
    n_nodes: int,
    is_stated: bool,
) -> bool:
    """Tell whether axes agree with names and occupancy, whose own order may be either if stated."""
    shape = size["frame"], size["track"]
    shapes = (shape, shape[::-1]) if is_stated else (shape if axes == _CLASSIC else shape[::-1],)
    return size["xy"] == 2 and n_nodes in (0, size["node"]) and occupied in shapes
