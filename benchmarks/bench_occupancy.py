"""Find where every track is present."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

import tabular_labels as tl
from benchmarks import limits, peers
from benchmarks.bench import Bench, Peer, Way
from benchmarks.report import at_most, times_limit
from tabular_labels.io.parquet_scan import project_files

__all__ = ["run"]


def run(bench: Bench) -> None:
    for n_videos in (4, *bench.variants):
        _in_memory(bench, n_videos)
    _from_parquet(bench, bench.files.parquet(4))


def _in_memory(bench: Bench, n_videos: int) -> None:
    tables = bench.files.tables(n_videos)
    others = _peers(bench.files.slp(4)) if n_videos == 4 and bench.peers else []
    bench.compare(
        f"occupancy(), {n_videos} videos",
        Way(lambda: _occupancy(bench.files.labels(n_videos)), _keys),
        Way(lambda: lambda: limits.track_runs(tables)),
        others,
        [times_limit(1.5)],
    )


def _from_parquet(bench: Bench, path: Path) -> None:
    files = project_files(path, "instances")
    bench.compare(
        "scan_parquet(...).occupancy()",
        Way(lambda: lambda: tl.scan_parquet(path).occupancy(), _keys),
        Way(lambda: lambda: limits.parquet_runs(files)),
        (),
        [at_most(0.3, "< 0.3 s", "L")],
    )


def _occupancy(labels: tl.Labels) -> Callable[[], pl.DataFrame]:
    return labels.occupancy


def _keys(runs: pl.DataFrame) -> pl.DataFrame:
    return runs.drop("video", "track")


def _peers(path: Path) -> list[Peer]:
    def eagerly() -> Callable[[], Any]:
        labels = peers.kept_labels(path, lazy=False)
        return lambda: peers.track_runs(labels)

    return [Peer("eager", eagerly, lambda runs: runs, _named)]


def _named(runs: pl.DataFrame) -> list[tuple[Any, ...]]:
    texts = pl.col("video", "track").cast(pl.String)
    return sorted(runs.select(texts, "start", "stop").rows())
