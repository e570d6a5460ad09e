"""Merge projects that overlap by half: in memory, the classic way, and from Parquet to Parquet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

import tabular_labels as tl
from benchmarks import peers
from benchmarks.bench import Bench, Peer, Way
from benchmarks.files import file_bytes, labels_of, remove
from benchmarks.limits_merge import merge_tables
from benchmarks.measure import fresh_process, measure, rounds
from benchmarks.report import Bound, Row, at_most, times_limit, times_peer, times_result
from tabular_labels.queries.select import select_instances
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.testing.builders import make_tables

__all__ = ["halves", "run"]

CLASSIC_FRAMES = 20_000


def run(bench: Bench) -> None:
    base, new = halves(bench.files.n_frames)
    if not bench.is_large:
        _in_memory(bench, base, new)
        _classic(bench)
    _from_parquet(bench, base, new)


def halves(n_frames: int) -> tuple[tl.LabelTables, tl.LabelTables]:
    """Make two projects of so many frames, of which half are in both.

    In these, one instance of a hundred of the second project was moved by a pixel.
    """
    whole = Snapshot.of(make_tables(n_frames * 3 // 2))
    index = whole.structure.frames["frame_idx"].to_numpy()
    third = max((int(index.max(initial=0)) + 1) // 3, 1)
    base, new = (
        whole.restricted(select_instances(whole.structure, mask)).tables()
        for mask in (index < 2 * third, index >= third)
    )
    counts = np.diff(new.instance_offsets)
    shared = np.repeat(new.frames["frame_idx"].to_numpy() < 2 * third, counts)
    moved = np.repeat(shared & (np.arange(len(shared)) % 100 == 7), np.diff(new.point_offsets))
    x = new.points["x"] + pl.Series(moved.astype(np.float64))
    points = new.points.with_columns(x=x.fill_null(float("nan")).fill_nan(None))
    return base, tl.LabelTables(new.catalog, new.frames, new.instances, points)


def _in_memory(bench: Bench, base: tl.LabelTables, new: tl.LabelTables) -> None:
    def prepare() -> Callable[[], tl.Labels]:
        ours, theirs = labels_of(base), labels_of(new)

        def call() -> tl.Labels:
            ours.merge(theirs)
            return ours

        return call

    bench.compare(
        "merge, half in both",
        Way(prepare, lambda labels: _tables(labels._snapshot.tables())),
        Way(lambda: lambda: merge_tables(base, new), _tables),
        _peers(bench, base, new),
        [times_limit(2.0), times_peer(30), times_result(3.0)],
        # Of what goes in: the bound is meant for the inputs.
        result_bytes=lambda _: _bytes(base) + _bytes(new),
    )


def _classic(bench: Bench) -> None:
    n = min(bench.files.n_frames, CLASSIC_FRAMES)
    base, new = halves(n)

    def prepare() -> Callable[[], Any]:
        ours, theirs = labels_of(base), labels_of(new)
        return lambda: (tl.Labels.complex_merge_between(ours, theirs), ours)

    cost, (answer, merged) = measure(prepare())
    cleanly, of_base, of_new = answer
    expected = merge_tables(base, new)
    held = sum(len(frame) for frame in of_new)
    bench.check("complex_merge_between", len(merged), expected.frames.height)
    found = merged._snapshot.counts.instances + sum(len(frame) for frame in of_base) + held
    bench.check("complex_merge_between, instances", found, expected.instances.height)
    bench.check("complex_merge_between, added", sum(map(len, cleanly.values())) > 0, True)
    timing = rounds([prepare], bench.seconds)[0]
    row = Row(f"complex_merge_between, {n:,} + {n:,} frames", timing.median, extra=cost.extra)
    bench.add(row, [at_most(0.5, "< 0.5 s")])


def _from_parquet(bench: Bench, base: tl.LabelTables, new: tl.LabelTables) -> None:
    """Merge scanned projects and write the result, in a process of its own."""
    paths = [bench.files.scratch(".parquet") for _ in range(3)]
    expected = [base.frames.height + new.frames.height]
    for tables, path in zip((base, new), paths, strict=False):
        tl.write_parquet(labels_of(tables), path)
    shared = np.isin(_places(new), _places(base)).sum()
    expected = [base.frames.height + new.frames.height - int(shared)]
    del base, new
    bench.files.forget()
    found = fresh_process("benchmarks.probes", "merge", *map(str, paths))
    bench.check("merge from Parquet to Parquet", [found["answer"]], expected)
    work = "tl.merge of two scan_parquet, write_parquet"
    bench.add(Row(work, float(found["cpu"]), details={"bytes": file_bytes(paths[2])}))
    lean = Bound("< 1 GB resident", lambda row: row.ours < 1e9, "L")
    bench.add(Row(f"{work}: resident", float(found["resident"]), "B"), [lean])
    for path in paths:
        remove(path)


def _places(tables: tl.LabelTables) -> Any:
    frames = tables.frames
    return frames["video_id"].to_numpy().astype(np.int64) << 32 | frames["frame_idx"].to_numpy()


def _tables(tables: tl.LabelTables) -> dict[str, pl.DataFrame]:
    return {name: getattr(tables, name) for name in ("frames", "instances", "points")}


def _bytes(tables: tl.LabelTables) -> int:
    return sum(int(table.estimated_size()) for table in _tables(tables).values())


def _peers(bench: Bench, base: tl.LabelTables, new: tl.LabelTables) -> list[Peer]:
    if not bench.peers:
        return []
    paths = [bench.files.scratch(".slp") for _ in range(2)]
    for tables, path in zip((base, new), paths, strict=True):
        tl.write_slp(labels_of(tables), path)

    def eagerly() -> Callable[[], Any]:
        ours, theirs = (peers.load(path, lazy=False) for path in paths)

        def call() -> Any:
            ours.merge(theirs, video="path", track="name", frame="keep_both")
            return ours

        return call

    # It keeps what both say twice, and has the same frames.
    return [Peer("eager", eagerly, len, len)]
