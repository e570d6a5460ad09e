"""Edits that follow each other, and comparisons of every way to read them."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from polars.testing import assert_frame_equal

from tabular_labels.io.parquet_scan import ParquetSource, open_parquet
from tabular_labels.model.checks import check_tables
from tabular_labels.model.edits import REPLACED, EditSet
from tabular_labels.model.schema import FRAMES, INSTANCES, POINTS, TABLES
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import Catalog, LabelTables, Structure
from tests.io.project_edits import PLACE, Edit, Rows, at, count, disk_rows, draw_edit, in_memory

LARGE = ("frames", "instances", "points")
KEYS = {"video_id": pl.UInt32, "frame_idx": pl.Int64}


def draw_edits(
    path: Path, full: LabelTables, n: int, *, seed: int = 0, share: float = 0.1
) -> Iterator[Edit]:
    """Draw edits that follow each other; the positions of new frames are above all."""
    rng = np.random.default_rng(seed)
    rows = disk_rows(open_parquet(path).load())
    everything = disk_rows(full)
    position = rows["frames"].select("frame_id", at="position")
    everything["frames"] = (
        everything["frames"]
        .join(position, on="frame_id", how="left", maintain_order="left")
        .with_columns(position=pl.coalesce("at", pl.col("position") + 1000).cast(pl.UInt32))
        .drop("at")
    )
    places = everything["frames"].select(PLACE).unique(maintain_order=True)
    for number in range(1, n + 1):
        chosen = places.filter(rng.random(places.height) < share)
        edit = draw_edit(rows, everything, chosen, rng, number)
        yield edit
        rows = edit.rows


def assert_holds(source: ParquetSource, rows: Rows, full: LabelTables) -> None:
    """Compare every way to read with the plain truth."""
    expected = in_memory(rows, full)
    assert source.counts == count(rows)
    for name in LARGE:
        assert_frame_equal(source.scan(name).collect(), rows[name])
    assert_structure(source, source.load_structure(), expected)
    assert_tables(source.load(), expected)
    for place in disk_rows(full)["frames"].select(PLACE).unique().rows()[::7]:
        here = pl.DataFrame(
            [place], schema=dict(zip(PLACE, (pl.UInt32, pl.Int64), strict=True)), orient="row"
        )
        found, there = source.find_frame(*place), at(rows, here)
        for name in LARGE:
            columns = list(TABLES[name].memory_columns)
            assert_frame_equal(getattr(found, name), there[name].select(columns))


def assert_tables(found: LabelTables, expected: LabelTables) -> None:
    assert check_tables(found) == []
    for name in LARGE:
        assert_frame_equal(getattr(found, name), getattr(expected, name))


def assert_structure(source: ParquetSource, found: Structure, expected: LabelTables) -> None:
    assert_frame_equal(found.frames, expected.frames)
    assert_frame_equal(found.instances, expected.instances)
    np.testing.assert_array_equal(found.instance_offsets, expected.instance_offsets)
    start = found.point_offsets[:-1] if found.point_start is None else found.point_start
    count = np.diff(found.point_offsets)
    points = source.read_points(found.part, start, count, list(POINTS.memory_columns))
    assert_frame_equal(points, expected.points)


def add_frame(source: ParquetSource, place: tuple[int, int], x: float, **change: object) -> EditSet:
    """Add a frame with a prediction and its correction, with the ids that are next."""
    ids, n_nodes = source.manifest.next_ids, int(source.catalog.n_nodes[0])
    frames = pl.DataFrame(
        [(ids.frame_id, *place, ids.position, False)], schema=FRAMES.columns, orient="row"
    )
    first = ids.instance_id
    rows = [
        (first, ids.frame_id, 0, 0, None, "predicted", 0.5, None, None),
        (first + 1, ids.frame_id, 1, 0, None, "user", None, None, first),
    ]
    instances = pl.DataFrame(rows, schema=INSTANCES.columns, orient="row")
    points = pl.DataFrame(
        [(x, 2.0, True, False, None)] * (2 * n_nodes), schema=POINTS.memory_columns, orient="row"
    )
    replaced = pl.DataFrame([(*place, True, [])], schema=dict(REPLACED), orient="row")
    before = source.counts
    counts = Counts(before.frames + 1, before.instances + 2, before.points + 2 * n_nodes)
    catalog = change.get("catalog", source.catalog)
    assert isinstance(catalog, Catalog)
    return EditSet(catalog, replaced, frames, instances, points, counts)
