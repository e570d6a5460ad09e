"""Bins for charts of labels, counted in one pass over instances or points."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.errors import ForkedProcessError
from tabular_labels.model.buffers import float_values, is_forked
from tabular_labels.queries.binning import FrameBins, LevelCounts, sum_by_frame
from tabular_labels.queries.charts import Coverage, FrameScores, NodeScores
from tabular_labels.store.snapshot import Snapshot

__all__ = ["bin_coverage", "bin_frame_scores", "bin_node_scores"]

MOST_BINS = 1200
# Wide enough to hold several scores each.
MOST_SCORE_BINS = 300
CHUNK_INSTANCES = 32_768
_SHOWN = ("x", "y", "visible")


@dataclass(frozen=True)
class _Nodes:
    """Nodes of all skeletons in one row of places."""

    names: list[str]
    start: dict[int, int]
    count: dict[int, int]

    @classmethod
    def of(cls, snapshot: Snapshot) -> _Nodes:
        catalog = snapshot.catalog
        several = catalog.skeletons.height > 1
        names: list[str] = []
        start: dict[int, int] = {}
        count: dict[int, int] = {}
        for key, skeleton in catalog.skeletons.select("skeleton_id", "name").iter_rows():
            mine = catalog.nodes.filter(skeleton_id=key).sort("node_id")["name"].to_list()
            start[key], count[key] = len(names), len(mine)
            names += [f"{skeleton or key}: {name}" if several else name for name in mine]
        return cls(names, start, count)


@dataclass(frozen=True)
class _VideoRows:
    """The instances of one video: their rows, and the frame index of each."""

    video: str
    start: int
    frame_idx: IntArray

    def bins(self, most: int) -> FrameBins:
        return FrameBins.over(int(self.frame_idx[0]), int(self.frame_idx[-1]) + 1, most)


def bin_coverage(snapshot: Snapshot) -> list[Coverage]:
    """Count present points by video, bin of frame indices, and node."""
    nodes, found = _Nodes.of(snapshot), []
    for video in _videos(snapshot):
        bins = video.bins(MOST_BINS)
        shape = bins.n_bins, len(nodes.names)
        n_present, n_instances = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
        for skeleton, rows in _pieces(snapshot, video.start, video.start + len(video.frame_idx)):
            frame_bin = bins.bin_of(video.frame_idx[_shifted(rows, video.start)])
            places = slice(nodes.start[skeleton], nodes.start[skeleton] + nodes.count[skeleton])
            present = _present(snapshot.read_points(_SHOWN, rows))
            present = present.reshape(len(frame_bin), nodes.count[skeleton])
            n_present[:, places] += sum_by_frame(present, frame_bin, bins.n_bins)
            per_bin = np.bincount(frame_bin, minlength=bins.n_bins)
            n_instances[:, places] += per_bin[:, np.newaxis]
        found.append(Coverage(video.video, nodes.names, bins, n_instances, n_present))
    return found


def bin_node_scores(snapshot: Snapshot) -> NodeScores:
    """Count scores of points by node and level.

    Missing points are left out: programs store 0 or anything as their score.
    """
    nodes = _Nodes.of(snapshot)
    levels = LevelCounts(len(nodes.names))
    for skeleton, rows in _pieces(snapshot, 0, snapshot.structure.instances.height):
        points = snapshot.read_points([*_SHOWN, "score"], rows)
        score, present = float_values(points["score"]), _present(points)
        if not present.all():
            score = np.where(present, score, np.nan)
        n_nodes = nodes.count[skeleton]
        if n_nodes:
            place = np.arange(nodes.start[skeleton], nodes.start[skeleton] + n_nodes)
            levels.add(np.tile(place, len(score) // n_nodes), score)
    return NodeScores(nodes.names, levels.counts, levels.top)


def bin_frame_scores(snapshot: Snapshot) -> list[FrameScores]:
    """Count scores of instances by video, bin of frame indices, and level."""
    found = []
    score = float_values(snapshot.structure.instances["score"])
    for video in _videos(snapshot):
        bins = video.bins(MOST_SCORE_BINS)
        levels = LevelCounts(bins.n_bins)
        mine = score[video.start : video.start + len(video.frame_idx)]
        levels.add(bins.bin_of(video.frame_idx), mine)
        if levels.counts.any():
            found.append(FrameScores(video.video, bins, levels.counts, levels.top))
    return found


def _videos(snapshot: Snapshot) -> Iterator[_VideoRows]:
    """Yield the videos that have instances, in canonical order."""
    if is_forked():
        what = "a chart"
        raise ForkedProcessError(what)
    names = dict(snapshot.catalog.videos.select("video_id", "filename").iter_rows())
    frames, offsets = snapshot.structure.frames, snapshot.structure.instance_offsets
    video_id, frame_idx = frames["video_id"].to_numpy(), frames["frame_idx"].to_numpy()
    starts = np.flatnonzero(np.diff(video_id.astype(np.int64), prepend=-1))
    for start, stop in zip(starts, np.append(starts, len(video_id))[1:], strict=True):
        counts = np.diff(offsets[start : stop + 1])
        if counts.any():
            places = np.repeat(frame_idx[start:stop], counts)
            yield _VideoRows(names[int(video_id[start])], int(offsets[start]), places)


def _pieces(snapshot: Snapshot, start: int, stop: int) -> Iterator[tuple[int, slice | IntArray]]:
    """Yield instance rows of one skeleton at a time, ascending, few enough to hold."""
    if is_forked():
        what = "a chart"
        raise ForkedProcessError(what)
    skeleton = snapshot.structure.instances["skeleton_id"].to_numpy()
    for first in range(start, stop, CHUNK_INSTANCES):
        last = min(first + CHUNK_INSTANCES, stop)
        mine = skeleton[first:last]
        if (mine == mine[0]).all():
            yield int(mine[0]), slice(first, last)
            continue
        for key in np.unique(mine).tolist():
            yield key, first + np.flatnonzero(mine == key)


def _shifted(rows: slice | IntArray, by: int) -> slice | IntArray:
    return slice(rows.start - by, rows.stop - by) if isinstance(rows, slice) else rows - by


def _present(points: pl.DataFrame) -> BoolArray:
    """Tell of each point whether it is visible and has coordinates."""
    shown = points["visible"] & points["x"].is_not_null() & points["y"].is_not_null()
    present: BoolArray = shown.to_numpy()
    return present
