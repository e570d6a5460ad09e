import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from polars.testing import assert_frame_equal

from tabular_labels.errors import (
    ConflictError,
    FileFormatError,
    InvariantError,
    ProjectExistsError,
    QueryError,
    TabularLabelsError,
)
from tabular_labels.io import parquet_files, project_versions
from tabular_labels.io.parquet_files import ROW_GROUP_ROWS
from tabular_labels.io.parquet_scan import open_parquet, project_files, read_parquet
from tabular_labels.io.parquet_write import write_parquet
from tabular_labels.io.project_versions import list_versions, read_manifest, version_path
from tabular_labels.model.schema import TABLES
from tabular_labels.model.source import MemorySource
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries.compare import find_differences
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.testing.builders import make_tables

KEYS = ("video_id", "frame_idx", "instance_id", "node_id")


@pytest.fixture(scope="module")
def tables() -> LabelTables:
    return make_tables(60, n_nodes=3, user_fraction=0.2)


def files_under(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_an_existing_project_is_not_overwritten_unasked(
    tables: LabelTables, tmp_path: Path
) -> None:
    write_parquet(tables, tmp_path / "mice")
    before = files_under(tmp_path)
    with pytest.raises(ProjectExistsError, match="overwrite=True") as raised:
        write_parquet(LabelTables(), tmp_path / "mice")
    assert isinstance(raised.value, FileExistsError)
    assert isinstance(raised.value, TabularLabelsError)
    assert files_under(tmp_path) == before


def test_overwriting_adds_a_version_of_new_files(tables: LabelTables, tmp_path: Path) -> None:
    path = tmp_path / "mice"
    write_parquet(tables, path)
    before = files_under(path)
    write_parquet(LabelTables(tables.catalog), path, overwrite=True)
    after = files_under(path)
    assert {name: after[name] for name in before} == before
    assert list_versions(path) == [1, 2]
    assert project_files(path) == []
    assert_frame_equal(read_parquet(path, version=1).points, tables.points)
    assert read_parquet(path).frames.height == 0


def test_an_empty_directory_becomes_a_project(tables: LabelTables, tmp_path: Path) -> None:
    write_parquet(tables, tmp_path)
    assert_frame_equal(read_parquet(tmp_path).points, tables.points)


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("name", ["folder", "file.slp"])
def test_what_is_no_project_is_never_written_to(
    tables: LabelTables, tmp_path: Path, name: str, overwrite: bool
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "thesis.tex").write_text("years of work")
    (tmp_path / "file.slp").write_text("labels")
    before = files_under(tmp_path)
    with pytest.raises(FileFormatError, match="Choose another path"):
        write_parquet(tables, tmp_path / name, overwrite=overwrite)
    assert files_under(tmp_path) == before


def test_tables_that_break_rules_are_not_written(tables: LabelTables, tmp_path: Path) -> None:
    wrong = LabelTables(tables.catalog, tables.frames.reverse(), tables.instances, tables.points)
    with pytest.raises(InvariantError, match="sorted by video_id"):
        write_parquet(wrong, tmp_path / "mice")
    assert not (tmp_path / "mice").exists()


def test_shards_of_no_points_are_refused(tables: LabelTables, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="found 0, expected at least 1"):
        write_parquet(tables, tmp_path / "mice", points_per_shard=0)


def test_the_number_of_a_removed_version_is_used_again(tables: LabelTables, tmp_path: Path) -> None:
    path = tmp_path / "mice"
    write_parquet(tables, path)
    write_parquet(tables, path, overwrite=True, message="removed")
    version_path(path, 2).unlink()
    write_parquet(tables, path, overwrite=True, message="again")
    assert [info.message for info in project_versions.read_history(path)] == ["", "again"]


def fail(*_: object, **__: object) -> NoReturn:
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupt(*_: object, **__: object) -> NoReturn:
    raise KeyboardInterrupt


def fail_after(calls: int, function: Callable[..., Any]) -> Callable[..., Any]:
    left = iter(range(calls))

    def call(*arguments: Any, **options: Any) -> Any:
        if next(left, None) is None:
            fail()
        return function(*arguments, **options)

    return call


FAILURES: dict[str, tuple[str, Callable[..., Any]]] = {
    "at the first file": ("parquet_files.pq.ParquetWriter.write_table", fail),
    "at a later file": (
        "parquet_files.pq.ParquetWriter.write_table",
        fail_after(4, pq.ParquetWriter.write_table),
    ),
    "while describing": ("parquet_files.describe_file", fail),
    "at the manifest": ("parquet_files.publish", fail),
    "when interrupted": ("parquet_files.pq.ParquetWriter.write_table", interrupt),
    "when interrupted late": ("parquet_files.publish", interrupt),
}


@pytest.mark.parametrize(("target", "failure"), FAILURES.values(), ids=FAILURES)
def test_a_failed_new_version_leaves_the_old_ones_alone(
    tables: LabelTables,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    target: str,
    failure: Callable[..., Any],
) -> None:
    write_parquet(tables, tmp_path / "mice")
    before = files_under(tmp_path)
    monkeypatch.setattr(f"tabular_labels.io.{target}", failure)
    with pytest.raises((OSError, KeyboardInterrupt)):
        write_parquet(tables, tmp_path / "mice", overwrite=True, points_per_shard=100)
    assert files_under(tmp_path) == before


def test_a_failed_first_write_leaves_nothing(
    tables: LabelTables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        failing = fail_after(4, pq.ParquetWriter.write_table)
        patch.setattr(pq.ParquetWriter, "write_table", failing)
        with pytest.raises(OSError, match="No space left"):
            write_parquet(tables, tmp_path / "mice", points_per_shard=100)
    assert list(tmp_path.iterdir()) == []
    write_parquet(tables, tmp_path / "mice")
    assert list_versions(tmp_path / "mice") == [1]


def test_a_failure_after_publishing_keeps_the_version(
    tables: LabelTables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def publish_and_stop(*arguments: Any) -> NoReturn:
        project_versions.publish(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(parquet_files, "publish", publish_and_stop)
    with pytest.raises(KeyboardInterrupt):
        write_parquet(tables, tmp_path / "mice")
    assert_frame_equal(read_parquet(tmp_path / "mice").points, tables.points)


def test_of_concurrent_writers_one_wins_and_all_leave_a_whole_project(
    tables: LabelTables, tmp_path: Path
) -> None:
    path = tmp_path / "mice"
    write_parquet(tables, path)

    def write(writer: int) -> bool:
        try:
            write_parquet(tables, path, overwrite=True, message=str(writer))
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        won = sum(pool.map(write, range(8)))
    versions = list_versions(path)
    assert len(versions) == 1 + won
    listed = {file for version in versions for file in project_files(path, version=version)}
    assert listed == {str(file) for file in (path / "data").iterdir()}
    for version in versions:
        assert_frame_equal(read_parquet(path, version=version).points, tables.points)


def test_progress_counts_files(tables: LabelTables, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    write_parquet(
        tables,
        tmp_path / "mice",
        points_per_shard=400,
        progress=lambda done, total: seen.append((done, total)),
    )
    total = len(project_files(tmp_path / "mice"))
    assert seen == [(done, total) for done in range(1, total + 1)]


def test_a_progress_report_that_fails_stops_the_write(tables: LabelTables, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        raise RuntimeError

    with pytest.raises(RuntimeError):
        write_parquet(tables, tmp_path / "mice", progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_files_are_plain_parquet_with_small_sorted_row_groups(tmp_path: Path) -> None:
    tables = make_tables(2000, n_videos=2)
    write_parquet(tables, tmp_path / "mice")
    for name in ("frames", "instances", "points"):
        (file,) = project_files(tmp_path / "mice", name)
        metadata = pq.read_metadata(file)
        groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
        assert all(group.num_rows <= ROW_GROUP_ROWS for group in groups)
        assert metadata.num_columns == len(TABLES[name].disk_columns)
        for column in (groups[0].column(i) for i in range(metadata.num_columns)):
            assert column.compression == "ZSTD"
            if column.path_in_schema in KEYS:
                assert column.is_stats_set
                assert "DELTA_BINARY_PACKED" in column.encodings
            if column.path_in_schema in ("x", "y", "score"):
                assert "BYTE_STREAM_SPLIT" in column.encodings
                assert "RLE_DICTIONARY" not in column.encodings


def test_a_list_of_files_is_all_that_polars_needs(tables: LabelTables, tmp_path: Path) -> None:
    write_parquet(tables, tmp_path / "mice", points_per_shard=200)
    files = project_files(tmp_path / "mice", "points")
    assert len(files) > 2
    assert all(os.path.isabs(file) for file in files)  # noqa: PTH117 - texts by contract
    found = pl.scan_parquet(files).collect()
    assert_frame_equal(found.select(tables.points.columns), tables.points)
    kinds = pl.read_parquet(project_files(tmp_path / "mice", "instances"))["kind"]
    assert kinds.cast(pl.String).to_list() == tables.instances["kind"].cast(pl.String).to_list()


def test_pandas_reads_kinds_as_text(tables: LabelTables, tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    write_parquet(tables, tmp_path / "mice")
    (file,) = project_files(tmp_path / "mice", "instances")
    found = pandas.read_parquet(file)["kind"].astype(str).to_list()
    assert found == tables.instances["kind"].cast(pl.String).to_list()


@pytest.mark.parametrize("name", ["a[1]*?b", "video=3", "naïve 🐭", "it's"])
def test_any_name_of_a_directory_will_do(tables: LabelTables, tmp_path: Path, name: str) -> None:
    write_parquet(tables, tmp_path / name / "mice", points_per_shard=300)
    assert_frame_equal(read_parquet(tmp_path / name / "mice").points, tables.points)


def test_a_relative_path_survives_a_change_of_directory(
    tables: LabelTables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_parquet(tables, "mice")
    source = open_parquet("mice")
    monkeypatch.chdir("mice")
    assert_frame_equal(source.load().points, tables.points)


def test_views_are_written_beside_the_manifest(tables: LabelTables, tmp_path: Path) -> None:
    write_parquet(tables, tmp_path / "mice")
    text = version_path(tmp_path / "mice", 1, ".views.sql").read_text(encoding="utf-8")
    assert text.count("CREATE OR REPLACE VIEW") == len(TABLES)
    assert str(tmp_path) not in text


def test_large_frames_and_ids_are_exact(tmp_path: Path) -> None:
    tables = make_tables(30, n_videos=1, n_nodes=2)
    top = 2**32 - 2
    frames = tables.frames.with_columns(
        frame_idx=pl.Series(np.arange(30, dtype=np.int64) + top - 29),
        frame_id=pl.Series(np.arange(30, dtype=np.uint32) + np.uint32(2**32 - 30)),
    )
    offset = pl.lit(2**32 - 30, pl.UInt32)
    instances = tables.instances.with_columns(frame_id=pl.col("frame_id") + offset)
    large = LabelTables(tables.catalog, frames, instances, tables.points)
    write_parquet(large, tmp_path / "mice", points_per_shard=50)
    found = read_parquet(tmp_path / "mice")
    assert_frame_equal(found.frames, frames)
    assert_frame_equal(found.instances, instances)


def test_labels_that_are_not_in_memory_are_written_range_by_range(tmp_path: Path) -> None:
    tables = make_tables(90, n_videos=3, n_skeletons=2, untracked_fraction=0.3)
    seen: list[tuple[int, int]] = []
    write_parquet(
        Snapshot(MemorySource(tables)),
        tmp_path / "a",
        points_per_shard=700,
        progress=lambda done, total: seen.append((done, total)),
    )
    assert find_differences(read_parquet(tmp_path / "a"), tables) == []
    assert len(read_manifest(tmp_path / "a").shards) > 3
    assert seen[-1][0] == seen[-1][1] == len(seen)


def test_a_source_whose_points_break_a_rule_leaves_nothing(tmp_path: Path) -> None:
    tables = make_tables(30)
    broken = tables.points.with_columns(x=pl.lit(float("nan")))
    source = MemorySource(LabelTables(tables.catalog, tables.frames, tables.instances, broken))
    with pytest.raises(InvariantError, match="x is not NaN"):
        write_parquet(Snapshot(source), tmp_path / "a")
    assert not (tmp_path / "a").exists()
