"""Edits of a Parquet project on disk: commits, queries over them, versions, folding."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import polars as pl

from benchmarks.bench import Bench, Way
from benchmarks.files import file_bytes, remove
from benchmarks.measure import median_call
from benchmarks.report import Bound, Row, at_most, times_limit
from tabular_labels._types import IntArray
from tabular_labels.differences import diff_sources
from tabular_labels.io.parquet_commit import append_delta
from tabular_labels.io.parquet_rewrite import compact, rewrite
from tabular_labels.io.parquet_scan import ParquetSource, open_parquet
from tabular_labels.io.project_versions import version_path
from tabular_labels.io.validate import validate_project
from tabular_labels.model.edits import EditSet
from tabular_labels.model.offsets import ranges
from tabular_labels.model.schema import POINTS
from tabular_labels.model.tables import Structure
from tabular_labels.store.derived import DerivedSource

__all__ = ["run"]

_SMALL = Bound("< 1 MB", lambda row: row.ours < 1e6, "L")


def run(bench: Bench) -> None:
    path = bench.files.scratch(".parquet")
    shutil.copytree(bench.files.parquet(4), path)
    try:
        source = open_parquet(path)
        structure = source.load_structure()
        _queries(bench, source, structure)
        _commits(bench, source, structure)
        _bulk(bench, path)
        _versions(bench)
    finally:
        remove(path)


def _edit(
    source: ParquetSource, structure: Structure, rows: IntArray, *, with_points: bool
) -> EditSet:
    """Add 1 to the scores of the instances of some frames; points come along, or stay."""
    offsets, points = structure.instance_offsets, structure.point_offsets
    chosen = ranges(offsets[rows], offsets[rows + 1] - offsets[rows])
    instances = structure.instances[chosen].with_columns(pl.col("score") + 1)
    starts = points[:-1] if structure.point_start is None else structure.point_start
    count = points[chosen + 1] - points[chosen]
    values = source.read_points(None, starts[chosen], count, list(POINTS.memory_columns))
    frames = structure.frames[rows]
    replaced = frames.select(
        "video_id",
        "frame_idx",
        points=pl.lit(with_points),
        removed=pl.lit([], pl.List(pl.UInt32)),
    )
    held = values if with_points else values.clear()
    return EditSet(source.catalog, replaced, frames, instances, held, source.counts)


def _choose(structure: Structure, n: int, seed: int) -> IntArray:
    height = structure.frames.height
    rng = np.random.default_rng(seed)
    return np.sort(rng.choice(height, min(n, height // 2), replace=False))


def _queries(bench: Bench, source: ParquetSource, structure: Structure) -> None:
    """Ask the same with and without 1,000 scattered edits that are not on the disk."""
    edits = _edit(source, structure, _choose(structure, 1000, 0), with_points=True)
    for name, query in (("extremes of x and y", _extremes), ("visible points by node", _by_node)):
        bench.compare(
            f"{name} over 1,000 edits, beside none",
            _asking(source.with_edits(edits), query),
            _asking(source, query),
            bounds=[times_limit(1.6, "L")],
        )
    _range(bench, source, edits)
    bench.compare(
        "frames and instances with 1,000 edits, beside all from the disk",
        Way(lambda: lambda: source.with_edits(edits).load_structure(structure), _instances),
        Way(lambda: lambda: source.with_edits(edits).load_structure(), _instances),
        bounds=[times_limit(0.5, "L")],
    )


def _asking(source: ParquetSource, query: Callable[[pl.LazyFrame], pl.LazyFrame]) -> Way:
    """Ask a source that has read nothing of its edits yet."""

    def prepare() -> Callable[[], pl.DataFrame]:
        fresh = source.with_edits(source.uncommitted)
        return lambda: query(fresh.scan("points")).collect()

    return Way(prepare)


def _extremes(points: pl.LazyFrame) -> pl.LazyFrame:
    return points.select(pl.col("x", "y").max().name.suffix("_max"), pl.col("x", "y").min())


def _by_node(points: pl.LazyFrame) -> pl.LazyFrame:
    sums = points.group_by("node_id").agg(pl.col("visible").sum(), pl.col("x").max())
    return sums.sort("node_id")


def _instances(structure: Structure) -> pl.DataFrame:
    return structure.instances.rechunk()


def _range(bench: Bench, source: ParquetSource, edits: EditSet) -> None:
    """Take the points of a thousand frames in a row."""
    video = int(source.load_structure().frames["video_id"].to_numpy().max(initial=0))
    here = (pl.col("video_id") == video) & pl.col("frame_idx").is_between(0, 999)

    def ask(kept: EditSet | None) -> pl.DataFrame:
        return source.with_edits(kept).scan("points").filter(here).collect()

    work = "points of 1,000 frames over 1,000 edits"
    bench.check(work, ask(edits), ask(None))
    seconds = median_call(ask, [(edits,)] * (15 if bench.seconds else 1))
    bench.add(Row(work, seconds, "s wall"), [at_most(0.04, "< 40 ms wall", "L")])


def _commits(bench: Bench, source: ParquetSource, structure: Structure) -> None:
    """Commit 100 edits, again and again; deltas merge meanwhile."""
    n = 9 if bench.seconds else 2
    for with_points in (False, True):
        taken, written = [], []
        for number in range(n):
            rows = _choose(structure, 100, 10 + number)
            edits = _edit(source, structure, rows, with_points=with_points)
            before = file_bytes(source.path)
            start = time.perf_counter()
            source = append_delta(source, edits, message="bench", structure=structure)
            taken.append(time.perf_counter() - start)
            written.append(file_bytes(source.path) - before)
        what = "with their points" if with_points else "of tracks and scores"
        limit = [at_most(0.1, "< 100 ms wall", "L")]
        bench.add(Row(f"commit of 100 edits {what}", median(taken), "s wall"), limit)
        bench.add(Row(f"bytes of that commit {what}", median(written), "B"), [_SMALL])
        found = (
            source.with_edits(None)
            .load_structure()
            .instances.filter(pl.col("frame_id").is_in(edits.frames["frame_id"].implode()))
        )
        bench.check(f"commit {what}", found.rechunk(), edits.instances)


def _bulk(bench: Bench, path: Path) -> None:
    """Untrack a tenth of the first video, compare with the version before, fold all deltas."""
    source = open_parquet(path)
    structure = source.load_structure()
    frames = structure.frames.filter(video_id=0)
    frames = frames.head(max(frames.height // 10, 1))
    mine = pl.col("frame_id").is_in(frames["frame_id"].implode())
    instances = structure.instances.with_columns(
        track_id=pl.when(mine).then(pl.lit(None, pl.UInt32)).otherwise("track_id")
    )
    changed = frames.select("video_id", "frame_idx", points=pl.lit(value=False))
    cost = _timed(lambda: compact(path))
    bench.add(Row("compact", cost, "s wall"))
    base = open_parquet(path)
    kept = Structure(structure.frames, instances, structure.n_nodes)
    before = file_bytes(path)
    cost = _timed(lambda: rewrite(base, DerivedSource(base, kept), changed))
    bench.add(Row("rewrite after untracking a tenth of a video", cost, "s wall"))
    bench.add(Row("bytes of that rewrite", file_bytes(path) - before, "B"))
    after = open_parquet(path)
    bench.check("rewrite", after.load_structure().instances, instances)
    start = time.perf_counter()
    changes = diff_sources(base, after)
    bench.add(Row("difference of those versions", time.perf_counter() - start, "s wall"))
    n_tracked = structure.instances.filter(mine)["track_id"].count()
    bench.check("difference", changes["instances"].changed.height, n_tracked)
    if not bench.is_large:
        bench.check("validity", validate_project(path), [])


def _timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _versions(bench: Bench) -> None:
    """Open the newest of a thousand versions, beside the only one."""
    few, many = bench.files.parquet(4), bench.files.scratch(".parquet")
    shutil.copytree(few, many)
    document = json.loads(version_path(few, 1).read_bytes())
    for number in range(2, 1001 if bench.seconds else 21):
        text = json.dumps({**document, "version": number, "parent": number - 1})
        version_path(many, number).write_text(text)
        version_path(many, number, ".views.sql").write_text("")
    bench.compare(
        "open one of 1,000 versions, beside the only one",
        Way(lambda: lambda: open_parquet(many), lambda source: source.counts),
        Way(lambda: lambda: open_parquet(few), lambda source: source.counts),
        bounds=[times_limit(2, "L")],
    )
    remove(many)
