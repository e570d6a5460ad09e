"""Split frames: at random, by groups, in blocks with a gap, by kind; in memory and scanned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl

import tabular_labels as tl
from benchmarks import limits, peers
from benchmarks.bench import Bench, Peer, Way
from benchmarks.files import labels_of
from benchmarks.measure import fresh_process
from benchmarks.report import Bound, Row, times_limit, times_peer, times_result
from tabular_labels._types import BoolArray
from tabular_labels.partition import SplitRules, deal
from tabular_labels.queries.split_sizes import pair_sizes

__all__ = ["run"]

_SHARE = 0.8
_OTHERS: dict[str, dict[str, Any]] = {
    'by="video"': {"by": "video"},
    'by="track"': {"by": "track"},
    "by an expression": {"by": pl.col("frame_idx") // 10},
    "blocks=10, gap=30": {"blocks": 10, "gap": 30},
    'stratify="kind"': {"stratify": "kind"},
}


def run(bench: Bench) -> None:
    _plain(bench)
    if not bench.is_large:
        for name, options in _OTHERS.items():
            _other(bench, name, options)
    for name in ("", "by video", "in blocks"):
        _scanned(bench, bench.files.parquet(4), "scan_parquet", name)
    _scanned(bench, bench.files.slp(4), "scan_slp", "")


def _plain(bench: Bench) -> None:
    tables = bench.files.tables()

    def prepare() -> Callable[[], tuple[tl.Labels, tl.Labels]]:
        labels = bench.files.labels()
        return lambda: labels.split(_SHARE, seed=0)

    bench.compare(
        f"split({_SHARE})",
        Way(prepare, _parts),
        Way(lambda: lambda: limits.split_frames(tables, _SHARE, 0), _tables),
        _peers(bench),
        [times_limit(2.0), times_limit(2.0, "L"), times_peer(1), times_result(2.5)],
        result_bytes=_bytes,
    )


def _other(bench: Bench, name: str, options: dict[str, Any]) -> None:
    """Hold a split against cutting by masks that are known already."""
    tables = _cut_into_shifts(bench) if name == 'by="track"' else bench.files.tables()

    def prepare() -> Callable[[], tuple[tl.Labels, tl.Labels]]:
        labels = labels_of(tables)
        return lambda: labels.split(_SHARE, seed=0, **options)

    part = deal(
        labels_of(tables)._snapshot,
        lambda total: pair_sizes(total, _SHARE),
        SplitRules(seed=0, **options),
    )
    masks: tuple[BoolArray, BoolArray] = part == 0, part == 1
    bench.compare(
        f"split({_SHARE}, {name})",
        Way(prepare, _parts),
        Way(lambda: lambda: limits.cut_frames(tables, masks), _tables),
        (),
        [times_limit(3.0), times_result(2.5)],
        result_bytes=_bytes,
    )
    _keep_their_rules(bench, name, labels_of(tables), options)


def _cut_into_shifts(bench: Bench) -> tl.LabelTables:
    """Give the animals tracks of their own in each shift of a thousand frames, in chains."""
    tables = bench.files.tables()
    return limits.with_shifts(tables, max(tables.frames.height // 1000, 10))


def _keep_their_rules(bench: Bench, name: str, labels: tl.Labels, options: dict[str, Any]) -> None:
    first, second = labels.split(_SHARE, seed=0, **options)
    work = f"rules of {name}"
    if options.get("gap"):
        near = tl.leakage_report(first, second, within=[options["gap"]])
        bench.check(work, int(near[f"within_{options['gap']}"].sum()), 0)
        return
    bench.check(work, len(first) + len(second), len(labels))
    if "by" in options:
        key = {"video": pl.col("video_id"), "track": pl.col("track_id")}
        by = options["by"]
        wanted = key[by] if isinstance(by, str) else by
        level: Any = "instances" if name == 'by="track"' else "frames"
        groups = [set(part.lazy(level).select(wanted).collect().rows()) for part in (first, second)]
        bench.check(work, len(groups[0] & groups[1]), 0)


def _scanned(bench: Bench, path: Path, opened: str, how: str) -> None:
    """Split in a process of its own, whose peak is that of the split."""
    runs = [
        fresh_process("benchmarks.probes", "split", str(path), how) for _ in range(bench.repeats)
    ]
    run = min(runs, key=lambda found: float(found["cpu"]))
    work = f"{opened}(...).split({_SHARE}{f', {how}' if how else ''})"
    total = bench.files.n_frames
    bench.check(work, [run["scanned"], sum(run["answer"]) <= total], [True, True])
    if not how:
        bench.check(work, run["answer"], [round(_SHARE * total), total - round(_SHARE * total)])
    bench.add(Row(work, float(run["cpu"])))
    lean = Bound("< 200 MB resident", lambda row: row.ours < 200e6, "L")
    bench.add(Row(f"{work}: resident", float(run["resident"]), "B"), [lean])


def _parts(parts: tuple[tl.Labels, tl.Labels]) -> list[dict[str, pl.DataFrame]]:
    return _tables(tuple(part._snapshot.tables() for part in parts))


def _tables(parts: tuple[tl.LabelTables, ...]) -> list[dict[str, pl.DataFrame]]:
    names = ("frames", "instances", "points")
    return [{name: getattr(part, name) for name in names} for part in parts]


def _bytes(parts: tuple[tl.Labels, tl.Labels]) -> int:
    return sum(int(t.estimated_size()) for part in _parts(parts) for t in part.values())


def _peers(bench: Bench) -> list[Peer]:
    if not bench.peers:
        return []
    path = bench.files.slp(4)

    def eagerly() -> Callable[[], Any]:
        labels = peers.kept_labels(path, lazy=False)
        return lambda: labels.split(_SHARE, seed=0)

    # It draws other frames, and as many.
    return [Peer("eager", eagerly, lambda parts: [*map(len, parts)], lambda p: [*map(len, p)])]
