"""Labels to and from sleap-io's objects; the mark is sleap-io's own building of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tabular_labels as tl
from benchmarks import limits_slp, peers
from benchmarks.bench import Bench, Way
from benchmarks.report import at_most, times_limit

__all__ = ["run"]


def run(bench: Bench) -> None:
    if not peers.has_peers():
        return
    path = bench.files.slp(4)
    bench.files.forget()
    _take_over(bench, path)
    _build(bench, path)


def _take_over(bench: Bench, path: Path) -> None:
    lazy = peers.load(path, lazy=True)
    bench.compare(
        "from_sleap_io, lazily loaded, beside reading the file by hand",
        Way(lambda: lambda: tl.Labels.from_sleap_io(lazy), _large_tables),
        Way(lambda: lambda: limits_slp.read_slp(path)),
        bounds=[at_most(1.0, "< 1 s", "M")],
    )


def _large_tables(labels: tl.Labels) -> dict[str, Any]:
    tables = labels._snapshot.tables()
    return {name: getattr(tables, name) for name in ("frames", "instances", "points")}


def _build(bench: Bench, path: Path) -> None:
    if bench.is_large:
        return  # an object for every instance
    labels, lazy = tl.read_slp(path), peers.load(path, lazy=True)
    bench.compare(
        "to_sleap_io, beside sleap-io's materialize",
        Way(lambda: labels.to_sleap_io, _told),
        Way(lambda: lazy.materialize, _told),
        bounds=[times_limit(1.2)],
    )


def _told(labels: Any) -> Any:
    return [peers.frame_values(frame) for frame in labels.labeled_frames[:50]]
