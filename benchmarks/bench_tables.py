"""Make the table of all points, with every named column."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

import tabular_labels as tl
from benchmarks import limits, peers
from benchmarks.bench import Bench, Peer, Way
from benchmarks.report import times_limit, times_peer, times_result

__all__ = ["run"]


def run(bench: Bench) -> None:
    if bench.is_large:
        return  # two tables of every point would take tens of GB
    for n_videos in (4, *bench.variants):
        _points(bench, n_videos)


def _points(bench: Bench, n_videos: int) -> None:
    tables = bench.files.tables(n_videos)
    others = _peers(bench.files.slp(4)) if n_videos == 4 and bench.peers else []
    bench.compare(
        f'to_polars("points"), {n_videos} videos',
        Way(lambda: _to_polars(bench.files.labels(n_videos))),
        Way(lambda: lambda: limits.points_table(tables)),
        others,
        [times_limit(1.5), times_result(2.5), *([times_peer(200)] if others else [])],
        result_bytes=lambda table: int(table.estimated_size()),
    )


def _to_polars(labels: tl.Labels) -> Callable[[], pl.DataFrame]:
    return lambda: labels.to_polars("points")


def _peers(path: Path) -> list[Peer]:
    def lazily() -> Callable[[], Any]:
        labels = peers.kept_labels(path, lazy=True)
        return lambda: peers.table_of_points(labels)

    def eagerly() -> Callable[[], Any]:
        labels = peers.kept_labels(path, lazy=False)
        return lambda: peers.table_of_points(labels)

    return [
        Peer("lazy", lazily, _comparable, _expected),
        Peer("eager", eagerly, lambda t: _sorted(_comparable(t)), lambda t: _sorted(_expected(t))),
    ]


_TEXTS = ("video_path", "track", "node")
_NUMBERS = ("x", "y", "score", "track_score", "instance_score")


def _comparable(table: pl.DataFrame) -> pl.DataFrame:
    """Bring sleap-io's table to one form; it cannot tell a user's row from a prediction's."""
    return table.select("frame_idx", *_TEXTS, pl.col(_NUMBERS).cast(pl.Float64).fill_nan(None))


def _expected(table: pl.DataFrame) -> pl.DataFrame:
    names = {"video": "video_path", "tracking_score": "track_score"}
    texts = pl.col(_TEXTS).cast(pl.String)
    return table.rename(names).select("frame_idx", texts, pl.col(_NUMBERS).cast(pl.Float64))


def _sorted(table: pl.DataFrame) -> pl.DataFrame:
    """Sort: eager labels list the users' instances of a frame first."""
    is_user = pl.col("instance_score").is_null()
    return table.sort("video_path", "frame_idx", is_user, "track", "node", maintain_order=True)
