"""Versions of a project: listed, compared, folded and deleted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels.differences import diff_sources
from tabular_labels.errors import QueryError
from tabular_labels.io import parquet_scan
from tabular_labels.io.parquet_commit import append_delta
from tabular_labels.io.parquet_compare import differing_places
from tabular_labels.io.parquet_edits import Columns, scan_files
from tabular_labels.io.parquet_rewrite import rewrite
from tabular_labels.io.parquet_scan import open_parquet
from tabular_labels.model.schema import TABLES
from tabular_labels.model.source import MemorySource
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries.diff import State, changed_places, find_changes
from tabular_labels.testing.builders import make_tables
from tests.io.committed import draw_edits
from tests.io.project_edits import in_memory, make_edited_project

PLACE = ["video_id", "frame_idx"]


@pytest.fixture(scope="module")
def full() -> LabelTables:
    return make_tables(160, n_nodes=3, user_fraction=0.3, gap_fraction=0.1, shuffled=True)


@pytest.fixture
def path(full: LabelTables, tmp_path: Path) -> Path:
    """A project of seven versions, the fifth a compacted fourth."""
    path = tmp_path / "mice"
    make_edited_project(path, full, points_per_shard=300, seed=0, n_deltas=0)
    source = open_parquet(path)
    for number, edit in enumerate(draw_edits(path, full, 5, share=0.03)):
        if number == 3:
            tl.compact(path)
            source = open_parquet(path)
        source = append_delta(source, edit.edit_set(full), message=f"edit {number}")
    return path


def test_history_says_when_and_why(path: Path) -> None:
    table = tl.history(path)
    assert table["version"].to_list() == list(range(1, 8))
    assert table["parent"].to_list() == [None, *range(1, 7)]
    assert table["message"].to_list()[3:6] == ["edit 2", "compact", "edit 3"]
    assert table["points"][-1] == open_parquet(path).counts.points
    assert table["created"].is_sorted()
    assert datetime.now(UTC) - table["created"][-1] < timedelta(minutes=5)


@pytest.mark.parametrize(("a", "b"), [(1, 2), (3, 2), (1, 7), (4, 5), (5, 7), (7, 7)])
def test_versions_differ_as_their_tables_do(path: Path, a: int, b: int) -> None:
    old, new = (open_parquet(path, version=version) for version in (a, b))
    found = diff_sources(old, new)
    expected = find_changes(State.of(old.load()), State.of(new.load()))
    for name in expected:
        for kind, table in vars(expected[name]).items():
            assert_frame_equal(getattr(found[name], kind), table)
    assert found.is_empty == ((a, b) in [(4, 5), (7, 7)])


def test_only_files_that_differ_are_looked_at(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = (open_parquet(path, version=version) for version in (5, 6))
    places = differing_places(old, new)
    (delta,) = new.manifest.deltas
    assert places.height == delta.replaced.rows
    shards = new.manifest.shards
    keys = [(shard.first, shard.last) for shard in shards]
    held = {k for k, (a, b) in enumerate(keys) if any(a <= place <= b for place in places.rows())}
    assert len(held) < len(shards)
    seen: set[str] = set()

    def spied(files: list[Path], columns: Columns) -> pl.LazyFrame:
        seen.update(file.name for file in files)
        return scan_files(files, columns)

    monkeypatch.setattr(parquet_scan, "scan_files", spied)
    assert not diff_sources(old, new).is_empty
    others = [file for k, shard in enumerate(shards) if k not in held for file in shard.files()]
    assert seen
    assert not seen & {Path(file.path).name for file in others}


def test_a_rewrite_by_changed_places_restores_any_version(path: Path) -> None:
    newest, first = open_parquet(path), open_parquet(path, version=2)
    places = changed_places(State.of(newest), State.of(first))
    state = MemorySource(first.load())
    after = rewrite(newest, state, places, message="back")
    for name in ("frames", "instances", "points"):
        assert_frame_equal(after.scan(name).collect(), first.scan(name).collect())
    assert diff_sources(first, after).is_empty


def test_rows_at_places_are_those_of_the_whole(path: Path, full: LabelTables) -> None:
    source = open_parquet(path)
    (edit,) = list(draw_edits(path, full, 1, seed=9))
    for each in (source, source.with_edits(edit.edit_set(full)), open_parquet(path, version=5)):
        rows = {name: each.scan(name).collect() for name in ("frames", "instances", "points")}
        places = full.frames[::5].select(PLACE)
        found = each.load_places(places)
        here = {
            name: table.join(places, on=PLACE, how="semi", maintain_order="left")
            for name, table in rows.items()
        }
        expected = in_memory(here, full)
        assert_frame_equal(found.frames, expected.frames)
        assert_frame_equal(found.instances, expected.instances)
        state = State.of(each, found)
        points = state.read_points(
            list(TABLES["points"].memory_columns), np.arange(found.instances.height)
        )
        assert_frame_equal(points, expected.points)


def test_vacuum_is_offered_with_its_report(path: Path) -> None:
    done = tl.vacuum(path, keep=2)
    assert done.versions == (1, 2, 3, 4, 5)
    assert done.bytes > 0
    with pytest.raises(QueryError):
        tl.scan_parquet(path, version=3)
    assert len(tl.history(path)) == 2
