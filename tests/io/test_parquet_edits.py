"""Versions with deltas are read as if they had been written whole."""

import pickle
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tabular_labels.io import parquet_edits, parquet_points
from tabular_labels.io.parquet_scan import open_parquet, project_files
from tabular_labels.io.parquet_write import write_parquet
from tabular_labels.model.checks import check_tables
from tabular_labels.model.schema import POINTS, TABLES
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import make_tables
from tests.io.project_edits import (
    EditedProject,
    at,
    count,
    disk_rows,
    make_edited_project,
    replaced,
    write_delta,
)

LARGE = ("frames", "instances", "points")


@pytest.fixture(scope="module")
def full() -> LabelTables:
    return make_tables(
        240, n_videos=4, n_nodes=3, n_skeletons=2, user_fraction=0.3, gap_fraction=0.1,
        untracked_fraction=0.1, shuffled=True,
    )  # fmt: skip


@pytest.fixture(scope="module", params=[(2_000_000, 0), (400, 1), (400, 2), (1, 3)])
def project(
    request: pytest.FixtureRequest, full: LabelTables, tmp_path_factory: pytest.TempPathFactory
) -> EditedProject:
    points_per_shard, seed = request.param
    path = tmp_path_factory.mktemp("edited") / "mice"
    return make_edited_project(path, full, points_per_shard=points_per_shard, seed=seed)


def test_the_edits_of_these_tests_are_sound(project: EditedProject) -> None:
    assert check_tables(project.expected) == []
    videos = project.expected.frames["video_id"]
    first = open_parquet(project.path, version=1)
    assert videos.n_unique() > first.load().frames["video_id"].n_unique()
    shards = first.manifest.shards
    assert {shard.first for shard in shards} & set(project.touched)
    assert {shard.last for shard in shards} & set(project.touched)


def test_a_version_with_edits_is_read_whole(project: EditedProject) -> None:
    source = open_parquet(project.path)
    found = source.load()
    for name in LARGE:
        assert_frame_equal(getattr(found, name), getattr(project.expected, name))
    assert source.counts == count(project.rows)
    assert check_tables(found) == []


@pytest.mark.parametrize("name", LARGE)
def test_a_scan_merges_edits_in_canonical_order(project: EditedProject, name: str) -> None:
    found = open_parquet(project.path).scan(name).collect()
    assert_frame_equal(found, project.rows[name])
    assert found.schema == pl.Schema(TABLES[name].disk_columns)


@pytest.mark.parametrize(
    "predicate",
    [
        pl.col("video_id") == 1,
        (pl.col("video_id") == 0) & pl.col("frame_idx").is_between(10, 30),
        pl.col("frame_idx") > 40,
        pl.col("video_id") == 99,
    ],
)
def test_filters_reach_through_the_merge(project: EditedProject, predicate: pl.Expr) -> None:
    source = open_parquet(project.path)
    for name in LARGE:
        found = source.scan(name).filter(predicate).collect()
        assert_frame_equal(found, project.rows[name].filter(predicate))
        counted = source.scan(name).filter(predicate).select(pl.len()).collect().item()
        assert counted == found.height


def test_slices_of_a_scan_are_in_order(project: EditedProject) -> None:
    plan = open_parquet(project.path).scan("points")
    assert_frame_equal(plan.head(500).collect(), project.rows["points"].head(500))
    assert_frame_equal(plan.slice(333, 400).collect(), project.rows["points"].slice(333, 400))


def test_every_frame_is_found_with_its_newest_rows(
    project: EditedProject, full: LabelTables
) -> None:
    source = open_parquet(project.path)
    for place in disk_rows(full)["frames"].select("video_id", "frame_idx").unique().rows():
        here = pl.DataFrame(
            [place], schema={"video_id": pl.UInt32, "frame_idx": pl.Int64}, orient="row"
        )
        expected, found = at(project.rows, here), source.find_frame(*place)
        assert_frame_equal(found.frames, expected["frames"])
        for name in ("instances", "points"):
            columns = list(TABLES[name].memory_columns)
            assert_frame_equal(getattr(found, name), expected[name].select(columns))


@pytest.mark.parametrize("place", [(0, -1), (0, 2**40), (2**32 - 1, 0), (2**40, 0)])
def test_a_frame_that_is_nowhere_gives_empty_tables(
    project: EditedProject, place: tuple[int, int]
) -> None:
    assert open_parquet(project.path).find_frame(*place).frames.height == 0


@pytest.mark.parametrize(("gap_rows", "at_once"), [(32_768, 10**6), (32_768, 20), (10, 7), (0, 1)])
def test_points_are_read_from_shards_and_deltas(
    project: EditedProject, monkeypatch: pytest.MonkeyPatch, gap_rows: int, at_once: int
) -> None:
    monkeypatch.setattr(parquet_points, "GAP_ROWS", gap_rows)
    monkeypatch.setattr(parquet_points, "ROWS_AT_ONCE", at_once)
    source = open_parquet(project.path)
    structure = source.load_structure()
    assert structure.part is None
    assert structure.point_start is not None
    offsets, rng = structure.point_offsets, np.random.default_rng(0)
    n = structure.instances.height
    for rows in (
        np.arange(0),
        np.array([n - 1]),
        np.arange(n),
        np.arange(0, n, 3),
        rng.permutation(n),
        rng.integers(0, n, 5),
        rng.integers(0, n, 50),
    ):
        count = np.diff(offsets)[rows]
        found = source.read_points(
            None, structure.point_start[rows], count, list(POINTS.memory_columns)
        )
        expected = [project.expected.points[offsets[row] : offsets[row + 1]] for row in rows]
        whole = pl.concat(expected) if expected else project.expected.points.clear()
        assert_frame_equal(found, whole)


def test_earlier_versions_stay_readable(full: LabelTables, tmp_path: Path) -> None:
    project = make_edited_project(tmp_path / "mice", full, points_per_shard=300, seed=5)
    whole = [open_parquet(project.path, version=version).load() for version in (1, 2, 3, 4)]
    assert_frame_equal(whole[-1].points, project.expected.points)
    assert len({tables.points.height for tables in whole}) == 4


def test_a_source_with_edits_pickles(project: EditedProject) -> None:
    source = open_parquet(project.path, version=3)
    again = pickle.loads(pickle.dumps(source))
    assert_frame_equal(again.load().points, source.load().points)


def test_every_frame_may_be_deleted_and_come_back(full: LabelTables, tmp_path: Path) -> None:
    path = tmp_path / "mice"
    project = make_edited_project(path, full, points_per_shard=300, seed=6, n_deltas=1)
    everything = disk_rows(full)
    places = everything["frames"].select("video_id", "frame_idx").unique()
    nothing = {name: table.clear() for name, table in everything.items()}
    write_delta(path, places, nothing, Counts(0, 0, 0))
    assert open_parquet(path).load().frames.height == 0
    assert open_parquet(path).scan("points").collect().height == 0
    rows = replaced(project.rows, places, everything)
    write_delta(path, places, everything, count(rows))
    for name in LARGE:
        assert_frame_equal(getattr(open_parquet(path).load(), name), getattr(full, name))


def test_edits_fill_an_empty_project(full: LabelTables, tmp_path: Path) -> None:
    path, rows = tmp_path / "mice", disk_rows(full)
    write_parquet(LabelTables(full.catalog), path)
    places = rows["frames"].select("video_id", "frame_idx").unique()
    write_delta(path, places, rows, count(rows))
    source = open_parquet(path)
    for name in LARGE:
        assert_frame_equal(getattr(source.load(), name), getattr(full, name))
        assert_frame_equal(source.scan(name).collect(), rows[name])


def test_the_files_of_edits_follow_those_of_shards(project: EditedProject) -> None:
    source = open_parquet(project.path)
    files = project_files(project.path, "points")
    n_shards = len(source.manifest.shards)
    assert len(files) == n_shards + 3
    assert {Path(file).parent.name for file in files[:n_shards]} == {"data"}
    assert {Path(file).parent.name for file in files[n_shards:]} == {"edits"}
    assert len(project_files(project.path)) == 3 * n_shards + 4 * 3


@pytest.mark.parametrize(
    ("touched", "expected"),
    [
        ([True], [range(1)]),
        ([False, True, True, False], [range(1), range(1, 3), range(3, 4)]),
        ([True, False, True], [range(1), range(1, 2), range(2, 3)]),
        ([False, True, False, True, False, True, False], [range(1), range(1, 6), range(6, 7)]),
        ([True, False, True, False, True], [range(5)]),
    ],
)
def test_touched_shards_come_together(touched: list[bool], expected: list[range]) -> None:
    assert parquet_edits._grouped(touched) == expected
