"""Bulk edits and compaction rewrite touched shards and share the rest."""

from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tabular_labels.errors import ConflictError, InvariantError, SchemaMismatchError
from tabular_labels.io.parquet_commit import append_delta
from tabular_labels.io.parquet_rewrite import compact, rewrite
from tabular_labels.io.parquet_scan import ParquetSource, open_parquet
from tabular_labels.io.project_versions import list_versions
from tabular_labels.io.validate import validate_project
from tabular_labels.model.source import MemorySource
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import make_tables
from tests.io.committed import assert_holds, draw_edits
from tests.io.project_edits import PLACE, disk_rows, make_edited_project


@pytest.fixture(scope="module")
def full() -> LabelTables:
    return make_tables(
        240, n_videos=4, n_nodes=3, n_skeletons=2, user_fraction=0.3, gap_fraction=0.1,
        untracked_fraction=0.1, shuffled=True,
    )  # fmt: skip


@pytest.fixture
def path(full: LabelTables, tmp_path: Path) -> Path:
    make_edited_project(tmp_path / "mice", full, points_per_shard=400, seed=0, n_deltas=0)
    return tmp_path / "mice"


def names(source: ParquetSource, table: str) -> set[str]:
    return {file.path for file in source.manifest.files(table)}


@pytest.mark.parametrize("points_per_shard", [150, 400, 1_000_000])
def test_compacting_changes_files_and_no_row(
    path: Path, full: LabelTables, points_per_shard: int
) -> None:
    source = open_parquet(path)
    for edit in draw_edits(path, full, 5, share=0.05):
        source = append_delta(source, edit.edit_set(full))
    after = compact(path, points_per_shard=points_per_shard)
    assert_holds(after, edit.rows, full)
    assert_holds(open_parquet(path, version=6), edit.rows, full)
    assert after.manifest.deltas == ()
    assert validate_project(path) == []
    assert compact(path).manifest.info.version == 7
    assert not list((path / "staging").iterdir())


def test_shards_without_edits_are_shared(path: Path, full: LabelTables) -> None:
    source = open_parquet(path)
    (edit,) = draw_edits(path, full, 1, share=0.005)
    source = append_delta(source, edit.edit_set(full))
    after = compact(path)
    shared = set(source.manifest.shards) & set(after.manifest.shards)
    assert 0 < len(shared) < len(source.manifest.shards)
    assert_holds(after, edit.rows, full)


def test_a_change_of_tracks_shares_every_file_of_points(path: Path, full: LabelTables) -> None:
    source = open_parquet(path)
    tables = source.load()
    is_mine = (tables.frames["video_id"] == 1) & tables.frames["frame_idx"].is_between(3, 30)
    frames = tables.frames.filter(is_mine)
    untracked = tables.instances.with_columns(
        track_id=pl.when(pl.col("frame_id").is_in(frames["frame_id"].implode()))
        .then(pl.lit(None, pl.UInt32))
        .otherwise("track_id")
    )
    state = replace(tables, instances=untracked)
    changed = frames.select(*PLACE, points=pl.lit(value=False))
    after = rewrite(source, MemorySource(state), changed, message="untrack")
    assert_holds(after, disk_rows(state), full)
    assert names(after, "points") == names(source, "points")
    assert names(after, "frames") == names(source, "frames")
    new = names(after, "instances") - names(source, "instances")
    assert 0 < len(new) < len(source.manifest.shards)
    assert validate_project(path) == []
    assert after.manifest.info.message == "untrack"


def test_points_that_changed_are_written_whatever_else_stayed(
    path: Path, full: LabelTables
) -> None:
    source = open_parquet(path)
    tables = source.load()
    state = replace(tables, points=tables.points.with_columns(pl.col("x") + 1))
    after = rewrite(source, MemorySource(state), tables.frames.select(PLACE))
    assert_holds(after, disk_rows(state), full)
    assert not names(after, "points") & names(source, "points")


def test_removed_instances_take_their_points_with_them(path: Path, full: LabelTables) -> None:
    """Also when the caller says that points did not change."""
    source = open_parquet(path)
    (edit,) = draw_edits(path, full, 1, seed=3)
    state = source.with_edits(edit.edit_set(full))
    changed = edit.replaced.select(*PLACE, "points")
    after = rewrite(source, state, changed)
    assert_holds(after, edit.rows, full)
    assert after.manifest.deltas == ()


def test_a_bulk_edit_over_live_deltas_leaves_none(path: Path, full: LabelTables) -> None:
    source = open_parquet(path)
    edits = list(draw_edits(path, full, 3, seed=4, share=0.03))
    for edit in edits[:2]:
        source = append_delta(source, edit.edit_set(full))
    state = source.with_edits(edits[2].edit_set(full))
    after = rewrite(source, state, edits[2].replaced.select(*PLACE, "points"))
    assert_holds(after, edits[2].rows, full)
    assert after.manifest.deltas == ()
    assert validate_project(path) == []


def test_a_project_may_be_emptied_and_filled_again(path: Path, full: LabelTables) -> None:
    source = open_parquet(path)
    tables = source.load()
    empty = LabelTables(full.catalog)
    after = rewrite(source, MemorySource(empty), tables.frames.select(PLACE))
    assert after.manifest.shards == ()
    assert_holds(after, disk_rows(empty), full)
    again = rewrite(after, MemorySource(tables), tables.frames.select(PLACE), points_per_shard=300)
    assert_holds(again, disk_rows(tables), full)
    assert len(again.manifest.shards) > 1


def test_a_rewrite_conflicts_with_any_other_commit(path: Path, full: LabelTables) -> None:
    source = open_parquet(path)
    (edit,) = draw_edits(path, full, 1)
    append_delta(source, edit.edit_set(full))
    before = sorted(path.rglob("*"))
    with pytest.raises(ConflictError, match="found version 2, expected 1"):
        rewrite(source, source, edit.replaced.select(PLACE))
    assert sorted(path.rglob("*")) == before


def test_a_state_that_breaks_rules_is_not_written(path: Path) -> None:
    source = open_parquet(path)
    tables = source.load()
    wrong = MemorySource(replace(tables, instances=tables.instances.reverse()))
    with pytest.raises(InvariantError):
        rewrite(source, wrong, tables.frames.select(PLACE))
    with pytest.raises(SchemaMismatchError, match="changed"):
        rewrite(source, source, tables.frames.select("frame_id"))
    assert list_versions(path) == [1]
