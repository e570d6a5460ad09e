"""Commits of edits: what is written, what is read, who wins."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tabular_labels.errors import ConflictError, InvariantError, QueryError
from tabular_labels.io import parquet_scan
from tabular_labels.io.manifest import list_versions, read_history
from tabular_labels.io.parquet_commit import append_delta
from tabular_labels.io.parquet_scan import ParquetSource, open_parquet
from tabular_labels.io.validate import validate_project
from tabular_labels.model.checks import check_tables
from tabular_labels.model.edits import EditSet
from tabular_labels.model.schema import POINTS, TABLES
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import LabelTables, Structure
from tabular_labels.testing.builders import make_tables
from tests.io.project_edits import (
    PLACE,
    Edit,
    Rows,
    at,
    count,
    disk_rows,
    draw_edit,
    in_memory,
    make_edited_project,
)

LARGE = ("frames", "instances", "points")
KEYS = {"video_id": pl.UInt32, "frame_idx": pl.Int64}


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


def test_commits_are_read_as_what_they_say(path: Path, full: LabelTables) -> None:
    source = open_parquet(path)
    for number, edit in enumerate(draw_edits(path, full, 9), start=1):
        source = append_delta(source, edit.edit_set(full), message=f"edit {number}")
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


@pytest.mark.parametrize("most", [0, 500_000])
def test_edits_that_are_not_on_the_disk_are_read_as_if_they_were(
    path: Path, full: LabelTables, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(parquet_scan, "MOST_EDITED_ROWS", most)
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
    cases = {
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
