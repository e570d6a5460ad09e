"""Make the dense arrays of all videos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import tabular_labels as tl
from benchmarks import limits, peers
from benchmarks.bench import Bench, Peer, Way
from benchmarks.report import times_limit, times_peer
from tabular_labels._types import FloatArray, IntArray

__all__ = ["run"]


def run(bench: Bench) -> None:
    for n_videos in (4, *bench.variants):
        _all_videos(bench, n_videos)


def _all_videos(bench: Bench, n_videos: int) -> None:
    tables = bench.files.tables(n_videos)
    others: list[Peer] = []
    if n_videos == 4 and bench.peers:
        others = _peers(bench.files.slp(4), _frames_of_users(tables))
    bench.compare(
        f"numpy() of {n_videos} videos",
        Way(lambda: _arrays(bench.files.labels(n_videos))),
        Way(lambda: lambda: limits.dense_arrays(tables)),
        others,
        [times_limit(1.5), *([times_peer(1)] if others else [])],
        result_bytes=lambda arrays: sum(array.nbytes for array in arrays),
    )


def _arrays(labels: tl.Labels) -> Callable[[], list[FloatArray]]:
    return lambda: [labels.numpy(video) for video in labels.videos]


def _peers(path: Path, of_users: list[IntArray]) -> list[Peer]:
    def eagerly() -> Callable[[], Any]:
        labels = peers.kept_labels(path, lazy=False)
        return lambda: peers.array_of(labels)

    def lazily() -> Callable[[], Any]:
        labels = peers.kept_labels(path, lazy=True)
        return lambda: peers.array_of(labels)

    def without(arrays: list[FloatArray]) -> list[FloatArray]:
        # In frames that a person labelled it keeps the predictions of other tracks.
        return [np.delete(a, rows, axis=0) for a, rows in zip(arrays, of_users, strict=True)]

    return [Peer("eager", eagerly, without, without), Peer("lazy", lazily, without, without)]


def _frames_of_users(tables: tl.LabelTables) -> list[IntArray]:
    """Return the indices of the frames of each video that hold user instances."""
    users = tables.instances.filter(kind="user").select("frame_id").unique()
    frames = tables.frames.join(users, on="frame_id", how="semi")
    return [
        frames.filter(video_id=video)["frame_idx"].to_numpy()
        for video in tables.catalog.videos["video_id"].to_list()
    ]
