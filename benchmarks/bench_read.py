"""Read and scan ``.slp`` files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tabular_labels as tl
from benchmarks import limits_slp, peers
from benchmarks.bench import Bench, Peer, Way
from benchmarks.files import Layout
from benchmarks.measure import fresh_process
from benchmarks.report import Bound, Row, at_most, times_limit, times_peer
from tabular_labels.store.snapshot import Snapshot

__all__ = ["run"]

_LAYOUTS: tuple[Layout, ...] = ("contiguous", "chunked")


def run(bench: Bench) -> None:
    for layout in _LAYOUTS:
        path = bench.files.slp(4, layout)
        bench.files.forget()
        others = [_peer(path, lazy=lazy) for lazy in (True, False)]
        others = others if layout == "contiguous" and bench.peers else []
        bounds = [times_limit(1.3), *([times_peer(1)] if others else [])]
        _read(bench, f"read_slp, {layout}", path, others, bounds)
    for n_videos in bench.variants:
        path = bench.files.slp(n_videos)
        _read(bench, f"read_slp, {n_videos} videos", path, [], [times_limit(1.3)])
    _scan(bench, bench.files.slp(4))


def _read(bench: Bench, work: str, path: Path, others: list[Peer], bounds: list[Bound]) -> None:
    bench.compare(
        work,
        Way(lambda: lambda: tl.read_slp(path), _large_tables),
        Way(lambda: lambda: limits_slp.read_slp(path)),
        others,
        bounds,
        result_bytes=_bytes,
    )


def _large_tables(labels: tl.Labels) -> dict[str, Any]:
    tables = _tables(labels)
    return {name: getattr(tables, name) for name in ("frames", "instances", "points")}


def _tables(labels: tl.Labels) -> tl.LabelTables:
    snapshot: Snapshot = labels._snapshot
    return snapshot.tables()


def _bytes(labels: tl.Labels) -> int:
    return sum(table.estimated_size() for table in _large_tables(labels).values())


def _peer(path: Path, *, lazy: bool) -> Peer:
    name = "lazy" if lazy else "eager"
    return Peer(name, lambda: lambda: peers.load(path, lazy=lazy), peers.summary, _summary)


def _summary(labels: tl.Labels) -> dict[str, Any]:
    return {
        "frames": len(labels),
        "videos": [video.filename for video in labels.videos],
        "tracks": [track.name for track in labels.tracks],
        "nodes": labels.skeleton.node_names,
        "first": peers.frame_values(labels[0]),
        "last": peers.frame_values(labels[len(labels) - 1]),
    }


def _scan(bench: Bench, path: Path) -> None:
    """Open in a fresh process, whose whole memory counts; the fastest of some counts."""
    works = {
        "scan": ("scan_slp", 0.05, 150),
        "structure": ("scan_slp, frames and instances, first find", 1.0, 400),
    }
    for name, (work, seconds, megabytes) in works.items():
        runs = [fresh_process("benchmarks.probes", name, str(path)) for _ in range(bench.repeats)]
        found = min(runs, key=lambda run: float(run["wall"]))
        expected = bench.files.n_frames if name == "scan" else _first(bench)
        bench.check(work, found["answer"], expected)
        bench.add(
            Row(work, found["wall"], "s", details=found),
            [at_most(seconds, f"< {seconds * 1e3:g} ms wall", "L")],
        )
        bench.add(
            Row(f"{work}: memory", found["resident"], "B", details=found),
            [at_most(megabytes * 1e6, f"< {megabytes} MB resident", "L")],
        )
    bench.add(Row("... and its points: memory", found["resident with points"], "B", details=found))


def _first(bench: Bench) -> list[Any]:
    labels = bench.files.labels()
    frame = labels.find(0, 0)[0]
    return [len(frame), round(float(frame[0].numpy()[0, 0]), 6)]
