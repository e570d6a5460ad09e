"""Commits of edits: what is written, what is read, who wins."""

import pickle
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from tabular_labels.errors import ConflictError, InvariantError, QueryError
from tabular_labels.io import delta_tables, parquet_parts, parquet_tables
from tabular_labels.io.parquet_commit import append_delta
from tabular_labels.io.parquet_scan import open_parquet
from tabular_labels.io.project_versions import list_versions, read_history
from tabular_labels.io.validate import validate_project
from tabular_labels.model.edits import EditSet
from tabular_labels.model.schema import TABLES
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import make_tables
from tests.io.committed import LARGE, assert_holds, assert_structure, draw_edits
from tests.io.project_edits import PLACE, at, in_memory, make_edited_project


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


@pytest.mark.parametrize("at_once", [16_384, 3])
def test_commits_are_read_as_what_they_say(
    path: Path, full: LabelTables, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(delta_tables, "_INSTANCES_AT_ONCE", at_once)
    source = open_parquet(path)
    for number, edit in enumerate(draw_edits(path, full, 9), start=1):
        structure = source.load_structure() if number % 2 else None
        edits = edit.edit_set(full)
        wrong = replace(edits, counts=replace(edits.counts, frames=edits.counts.frames + 1))
        with pytest.raises(InvariantError, match="those of the new state"):
            append_delta(source, wrong, structure=structure)
        source = append_delta(source, edits, message=f"edit {number}", structure=structure)
        assert_holds(source, edit.rows, full)
        assert_holds(open_parquet(path), edit.rows, full)
        assert validate_project(path) == []
        assert len(source.manifest.deltas) == number.bit_count()
        assert sum(delta.commits for delta in source.manifest.deltas) == number
    assert [info.message for info in read_history(path)][1:] == [f"edit {n}" for n in range(1, 10)]


def test_every_version_stays_as_it_was(path: Path, full: LabelTables) -> None:
    source, rows = open_parquet(path), []
    for edit in draw_edits(path, full, 5, seed=1):
        source = append_delta(source, edit.edit_set(full))
        rows.append(edit.rows)
    for number, each in enumerate(rows, start=2):
        assert_holds(open_parquet(path, version=number), each, full)


def test_what_was_read_of_a_version_is_not_read_again_below_edits(
    path: Path, full: LabelTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = draw_edits(path, full, 2, seed=3)
    source = append_delta(open_parquet(path), first.edit_set(full))
    base = source.load_structure()
    edits = second.edit_set(full)

    def refuse(*_arguments: object) -> None:
        raise AssertionError

    with monkeypatch.context() as patched:
        for name in ("verify_file", "scan_files", "read_edits"):
            patched.setattr(parquet_parts, name, refuse)
        seen = source.with_edits(edits)
        structure = seen.load_structure(base)
    assert_structure(seen, structure, in_memory(second.rows, full))


@pytest.mark.parametrize("most", [0, 500_000])
def test_edits_that_are_not_on_the_disk_are_read_as_if_they_were(
    path: Path, full: LabelTables, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(parquet_tables, "MOST_EDITED_ROWS", most)
    source = open_parquet(path)
    for edit in draw_edits(path, full, 6, seed=2):
        edits = edit.edit_set(full)
        base = source.load_structure()
        seen = source.with_edits(edits)
        assert_holds(seen, edit.rows, full)
        assert_structure(seen, seen.load_structure(base), in_memory(edit.rows, full))
        assert_holds(pickle.loads(pickle.dumps(seen)), edit.rows, full)
        assert seen.with_edits(None).counts == source.counts
        after = append_delta(source, edits)
        assert_structure(after, after.load_structure(base), in_memory(edit.rows, full))
        source = after


def test_points_that_were_not_touched_are_not_written(path: Path, full: LabelTables) -> None:
    source = open_parquet(path)
    (edit,) = draw_edits(path, full, 1, share=0.3)
    edits = edit.edit_set(full)
    assert not edits.replaced["points"].all()
    assert edits.replaced["removed"].list.len().sum()
    after = append_delta(source, edits)
    (delta,) = after.manifest.deltas
    assert delta.points.rows == edits.points.height < at(edit.rows, edit.replaced)["points"].height
    assert after.manifest.shards == source.manifest.shards


def test_the_second_of_two_writers_is_told_what_to_do(path: Path, full: LabelTables) -> None:
    source = open_parquet(path)
    (edit,) = draw_edits(path, full, 1)
    append_delta(source, edit.edit_set(full))
    before = sorted(path.rglob("*"))
    with pytest.raises(ConflictError, match=r"found version 2, expected 1.*rebase=True"):
        append_delta(source, edit.edit_set(full))
    assert sorted(path.rglob("*")) == before


def test_nothing_edited_is_a_version_without_a_delta(path: Path, full: LabelTables) -> None:
    source = open_parquet(path)
    (edit,) = draw_edits(path, full, 1, share=0.0)
    renamed = full.catalog.tracks.with_columns(name=pl.lit("mouse"))
    edits = replace(edit.edit_set(full), catalog=replace(full.catalog, tracks=renamed))
    after = append_delta(source, edits)
    assert after.manifest.deltas == ()
    assert open_parquet(path).catalog.tracks["name"].unique().to_list() == ["mouse"]


def wrong(edits: EditSet, name: str, table: pl.DataFrame) -> EditSet:
    return replace(edits, **{name: table})  # type: ignore[arg-type]  # tables only


def test_edits_that_break_rules_are_refused(path: Path, full: LabelTables) -> None:
    source = open_parquet(path)
    (edit,) = draw_edits(path, full, 1)
    good = edit.edit_set(full)
    assert isinstance(good.points, pl.DataFrame)
    n = good.counts
    cases = {
        "those of the new state": replace(good, counts=replace(n, points=n.points - 3)),
        "one row for each node": wrong(good, "points", good.points[:-1]),
        "sorted and unique": wrong(good, "replaced", good.replaced.reverse()),
        "at a place that was replaced": wrong(good, "replaced", good.replaced[:-3]),
        "grouped by frame": wrong(good, "instances", good.instances.reverse()),
        "is unique": wrong(good, "frames", pl.concat([good.frames[:1], good.frames])),
    }
    before = sorted(path.rglob("*"))
    for rule, edits in cases.items():
        with pytest.raises(InvariantError, match=rule):
            append_delta(source, edits)
    assert sorted(path.rglob("*")) == before


def test_other_nodes_and_other_projects_are_refused(path: Path, full: LabelTables) -> None:
    source = open_parquet(path)
    (edit,) = draw_edits(path, full, 1, share=0.0)
    edits = edit.edit_set(full)
    fewer = replace(full.catalog, nodes=full.catalog.nodes[:-1], edges=full.catalog.edges.clear())
    with pytest.raises(QueryError, match="bulk edit"):
        append_delta(source, replace(edits, catalog=fewer))
    with pytest.raises(QueryError, match="write_parquet"):
        append_delta(source, replace(edits, catalog=replace(full.catalog, project_id="other")))


def test_numbers_are_never_given_again(path: Path, full: LabelTables) -> None:
    source = open_parquet(path)
    ids = source.manifest.next_ids
    places = source.load_structure().frames.select(PLACE).unique().sort(PLACE)
    none = pl.lit([], pl.List(pl.UInt32))
    edits = EditSet(
        full.catalog,
        places.select(*PLACE, points=pl.lit(value=True), removed=none),
        **{name: TABLES[name].empty() for name in LARGE},
        counts=Counts(0, 0, 0),
    )
    after = append_delta(source, edits)
    assert after.load().frames.height == 0
    assert after.manifest.next_ids == ids
    assert ids.instance_id > 0
    assert list_versions(path) == [1, 2]
