"""What is written is read: all at once, by table, by frame and by rows of points."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tabular_labels.io.parquet_scan import ParquetSource, open_parquet, read_parquet
from tabular_labels.io.parquet_write import disk_table, write_parquet
from tabular_labels.model.schema import POINTS, TABLES
from tabular_labels.model.source import Counts, Source
from tabular_labels.model.tables import Catalog, LabelTables
from tabular_labels.testing.builders import make_tables

LARGE = ("frames", "instances", "points")


def assert_tables_equal(found: LabelTables, expected: LabelTables) -> None:
    for name in LARGE:
        assert_frame_equal(getattr(found, name), getattr(expected, name), check_exact=True)
    for name, table in expected.catalog.tables().items():
        assert_frame_equal(getattr(found.catalog, name), table, check_exact=True)
    assert found.catalog.provenance == expected.catalog.provenance
    assert found.catalog.project_id == expected.catalog.project_id
    assert found.catalog.attachments.counts == expected.catalog.attachments.counts
    assert found.catalog.attachments.metadata == expected.catalog.attachments.metadata


@pytest.fixture(scope="module")
def tables() -> LabelTables:
    return make_tables(
        300, n_videos=3, n_nodes=5, n_skeletons=2, user_fraction=0.2, gap_fraction=0.1,
        untracked_fraction=0.1, shuffled=True,
    )  # fmt: skip


@pytest.fixture(scope="module", params=[2_000_000, 700, 1])
def source(
    request: pytest.FixtureRequest, tables: LabelTables, tmp_path_factory: pytest.TempPathFactory
) -> ParquetSource:
    path = tmp_path_factory.mktemp("project") / "mice"
    write_parquet(tables, path, points_per_shard=request.param)
    return open_parquet(path)


def test_what_is_written_is_read(source: ParquetSource, tables: LabelTables) -> None:
    assert_tables_equal(source.load(), tables)
    assert_tables_equal(read_parquet(source.path, version=1), tables)
    assert source.counts == Counts(
        tables.frames.height, tables.instances.height, tables.points.height
    )


def test_floats_have_nan_under_their_nulls(source: ParquetSource) -> None:
    for table in (source.load().points, source.load().instances):
        for column in table.select(pl.col(pl.Float32, pl.Float64)):
            values = np.frombuffer(column.to_arrow().buffers()[1], column.to_numpy().dtype)
            np.testing.assert_array_equal(values[: len(column)], column.to_numpy())


@pytest.mark.parametrize("name", LARGE)
def test_a_scan_has_every_key_in_canonical_order(
    source: ParquetSource, tables: LabelTables, name: str
) -> None:
    found = source.scan(name).collect()
    assert_frame_equal(found, disk_table(tables, name), check_exact=True)
    assert found.schema == pl.Schema(TABLES[name].disk_columns)


def test_structure_is_read_without_points(source: ParquetSource, tables: LabelTables) -> None:
    structure = source.load_structure()
    assert structure.part is None
    assert_frame_equal(structure.frames, tables.frames)
    assert_frame_equal(structure.instances, tables.instances)


def test_every_frame_is_found_by_its_place(source: ParquetSource, tables: LabelTables) -> None:
    offsets = tables.point_offsets[tables.instance_offsets]
    for row in range(0, tables.frames.height, 17):
        frame = tables.frames[row]
        found = source.find_frame(frame["video_id"][0], frame["frame_idx"][0])
        assert_frame_equal(found.frames, frame)
        assert_frame_equal(found.points, tables.points[offsets[row] : offsets[row + 1]])
        assert_frame_equal(found.instances, tables.instances.filter(frame_id=frame["frame_id"][0]))


@pytest.mark.parametrize("place", [(0, -1), (0, 2**40), (2**32 - 1, 0)])
def test_a_frame_that_is_nowhere_gives_empty_tables(
    source: ParquetSource, place: tuple[int, int]
) -> None:
    assert_tables_equal(source.find_frame(*place), LabelTables(source.catalog))


RUNS = {
    "nothing": [],
    "one": [7],
    "a few": [3, 4, 5, 90, 12],
    "all": list(range(1200)),
    "backwards": list(range(1199, -1, -1)),
    "twice": [5, 5, 6, 6],
    "every third": list(range(0, 1200, 3)),
}


@pytest.mark.parametrize("rows", RUNS.values(), ids=RUNS)
@pytest.mark.parametrize("columns", [["score"], ["y", "x"], list(POINTS.memory_columns)])
def test_points_of_any_instances_are_read(
    source: ParquetSource, tables: LabelTables, rows: list[int], columns: list[str]
) -> None:
    offsets, chosen = tables.point_offsets, np.array(rows, dtype=np.int64)
    start, count = offsets[chosen], np.diff(offsets)[chosen]
    slices = [tables.points[offsets[row] : offsets[row + 1]] for row in rows]
    expected = pl.concat(slices) if slices else tables.points.clear()
    found = source.read_points(None, start, count, columns)
    assert_frame_equal(found, expected.select(columns), check_exact=True)


def test_a_source_pickles_as_path_and_version(tables: LabelTables, tmp_path: Path) -> None:
    write_parquet(tables, tmp_path / "mice")
    source = open_parquet(tmp_path / "mice")
    data = pickle.dumps(source)
    write_parquet(LabelTables(), tmp_path / "mice", overwrite=True)
    assert len(data) < 1000
    assert_tables_equal(pickle.loads(data).load(), tables)


def test_a_project_is_a_source(source: ParquetSource) -> None:
    as_source: Source = source
    assert as_source.counts == source.counts


def test_threads_read_the_same_rows(source: ParquetSource, tables: LabelTables) -> None:
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: source.load(), range(4)):
            assert_tables_equal(found, tables)


def test_an_empty_project_is_written_and_read(tmp_path: Path) -> None:
    empty = LabelTables(Catalog(provenance={"note": "nothing yet"}))
    write_parquet(empty, tmp_path / "mice")
    source = open_parquet(tmp_path / "mice")
    assert_tables_equal(source.load(), empty)
    for name in LARGE:
        assert source.scan(name).collect().schema == pl.Schema(TABLES[name].disk_columns)
    assert source.find_frame(0, 0).frames.height == 0


@pytest.mark.parametrize("points_per_shard", [1, 50, 333, 1000])
def test_shards_hold_whole_frames_and_not_too_many_points(
    tables: LabelTables, tmp_path: Path, points_per_shard: int
) -> None:
    write_parquet(tables, tmp_path / "mice", points_per_shard=points_per_shard)
    shards = open_parquet(tmp_path / "mice").manifest.shards
    assert sum(shard.points.rows for shard in shards) == tables.points.height
    for shard in shards:
        assert shard.points.rows <= points_per_shard or shard.first == shard.last
    assert all(before.last < after.first for before, after in pairwise(shards))
