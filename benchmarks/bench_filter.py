"""Filter frames, instances and points."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl

import tabular_labels as tl
from benchmarks import limits
from benchmarks.bench import Bench, Way

__all__ = ["run"]


def run(bench: Bench) -> None:
    if bench.is_large:
        return  # two copies of every point would not fit an ordinary memory
    tables = bench.files.tables()
    low, high = bench.files.n_frames // 40, bench.files.n_frames // 8
    index, score = pl.col("frame_idx"), pl.col("score")
    _filter(
        bench,
        "filter(points=score >= 0.5)",
        lambda labels: labels.filter(points=score >= 0.5),
        lambda: limits.filter_points(tables, 0.5),
    )
    _filter(
        bench,
        "filter(instances=score >= 0.5)",
        lambda labels: labels.filter(instances=score >= 0.5),
        lambda: limits.filter_instances(tables, 0.5),
    )
    _filter(
        bench,
        "filter(frames=a range)",
        lambda labels: labels.filter(frames=(index >= low) & (index < high)),
        lambda: limits.filter_frames(tables, low, high),
    )


def _filter(
    bench: Bench,
    work: str,
    ours: Callable[[tl.Labels], tl.Labels],
    by_hand: Callable[[], tl.LabelTables],
) -> None:
    def prepare() -> Callable[[], tl.Labels]:
        labels = bench.files.labels()
        return lambda: ours(labels)

    bench.compare(
        work,
        Way(prepare, lambda labels: _tables(labels._snapshot.tables())),
        Way(lambda: by_hand, _tables),
        result_bytes=lambda labels: _bytes(labels._snapshot.tables()),
    )


def _tables(tables: tl.LabelTables) -> dict[str, Any]:
    return {name: getattr(tables, name) for name in ("frames", "instances", "points")}


def _bytes(tables: tl.LabelTables) -> int:
    return sum(int(table.estimated_size()) for table in _tables(tables).values())
