"""Parquet projects: how large, how fast to open, to read whole and by frame, to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

import tabular_labels as tl
from benchmarks import limits
from benchmarks.bench import Bench, Way
from benchmarks.files import file_bytes, remove
from benchmarks.measure import median_call
from benchmarks.report import Bound, Row, at_most
from tabular_labels._types import FloatArray
from tabular_labels.io.parquet_scan import project_files

__all__ = ["run"]


def run(bench: Bench) -> None:
    for n_videos in (4, *bench.variants):
        _size(bench, n_videos)
    path = bench.files.parquet(4)
    _open(bench, path)
    _one_frame(bench, path)
    if not bench.is_large:
        _whole(bench, path)
        _write(bench)


def _size(bench: Bench, n_videos: int) -> None:
    row = Row(
        f"size of the project beside .slp, {n_videos} videos",
        file_bytes(bench.files.parquet(n_videos)),
        "B",
        limit=file_bytes(bench.files.slp(n_videos)),
    )
    small = Bound("<= 0.32 of .slp", lambda row: row.ratio is not None and row.ratio <= 0.32)
    bench.add(row, [small])


def _open(bench: Bench, path: Path) -> None:
    work = "scan_parquet"
    bench.check(work, len(tl.scan_parquet(path)), bench.files.n_frames)
    seconds = median_call(tl.scan_parquet, [(path,)] * (50 if bench.seconds else 1))
    bench.add(Row(work, seconds), [at_most(0.01, "< 10 ms wall", bench.size)])


def _one_frame(bench: Bench, path: Path) -> None:
    """Find frames of labels that were just opened, and read their points."""
    tables = bench.files.tables()
    rows = np.random.default_rng(0).integers(0, tables.frames.height, 30 if bench.seconds else 2)
    places = tables.frames.select("video_id", "frame_idx")[rows].rows()
    files = project_files(path, "points")
    n_nodes = tables.catalog.nodes.height
    work = "one frame from disk"
    bench.check(
        work,
        [_read_frame(tl.scan_parquet(path), *place) for place in places],
        [_frame_by_hand(files, n_nodes, *place) for place in places],
    )
    opened = [(tl.scan_parquet(path), *place) for place in places]
    row = Row(work, median_call(_read_frame, opened))
    row.limit = median_call(limits.parquet_frame, [(files, *place) for place in places])
    bench.add(row, [at_most(0.01, "< 10 ms wall", "L")])


def _read_frame(labels: tl.Labels, video: int, frame_idx: int) -> FloatArray:
    return labels.find(video, frame_idx)[0].numpy()


def _frame_by_hand(files: list[str], n_nodes: int, video: int, frame_idx: int) -> FloatArray:
    points = limits.parquet_frame(files, video, frame_idx)
    return points.select("x", "y").to_numpy().reshape(-1, n_nodes, 2)


def _whole(bench: Bench, path: Path) -> None:
    bench.compare(
        "read_parquet",
        Way(lambda: lambda: tl.read_parquet(path), _tables),
        Way(lambda: lambda: limits.parquet_tables(_files(path))),
    )


def _write(bench: Bench) -> None:
    made: list[Path] = []

    def write() -> Path:
        made.append(bench.files.scratch(".parquet"))
        tl.write_parquet(bench.files.labels(), made[-1])
        return made[-1]

    def by_hand() -> Path:
        made.append(bench.files.scratch(".parquet"))
        limits.write_parquet(bench.files.tables(), made[-1])
        return made[-1]

    bench.compare(
        "write_parquet",
        Way(lambda: write, lambda path: limits.parquet_tables(_files(path))),
        Way(lambda: by_hand, lambda path: limits.parquet_tables(_written(path))),
    )
    for path in made:
        remove(path)


def _written(path: Path) -> dict[str, list[str]]:
    return {name: [str(path / f"{name}.parquet")] for name in ("frames", "instances", "points")}


def _files(path: Path) -> dict[str, list[str]]:
    return {name: project_files(path, name) for name in ("frames", "instances", "points")}


def _tables(labels: tl.Labels) -> dict[str, Any]:
    tables = labels._snapshot.tables()
    return {name: getattr(tables, name) for name in ("frames", "instances", "points")}
