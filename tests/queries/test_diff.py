"""Differences between states: each row added, removed or changed, by table."""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tabular_labels.model.schema import TABLES
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries import diff, unequal
from tabular_labels.queries.compare import renumber
from tabular_labels.queries.diff import Changes, changed_places, find_changes
from tabular_labels.queries.select import select_instances
from tabular_labels.queries.state import SharedPoints, State
from tabular_labels.queries.unequal import unequal_places
from tabular_labels.testing.builders import make_tables
from tabular_labels.testing.strategies import label_tables
from tests import reference


@pytest.fixture(scope="module")
def tables() -> LabelTables:
    return make_tables(40, n_nodes=3, user_fraction=0.3, n_skeletons=2)


def of_one_project(tables: LabelTables) -> LabelTables:
    return replace(tables, catalog=replace(tables.catalog, project_id="one", provenance={}))


def changes_of(old: LabelTables, new: LabelTables) -> Changes:
    return find_changes(State.of(old), State.of(new))


def as_rows(table: pl.DataFrame) -> list[str]:
    return sorted(map(str, table.to_dicts()))


def assert_as_reference(old: LabelTables, new: LabelTables) -> None:
    found, expected = changes_of(old, new), reference.differences(old, new)
    for name, (added, removed, changed) in expected.items():
        assert as_rows(found[name].added) == sorted(map(str, added))
        assert as_rows(found[name].removed) == sorted(map(str, removed))
        pairs = []
        for row in found[name].changed.to_dicts():
            plain = {key: value for key, value in row.items() if not key.endswith(("_old", "_new"))}
            sides = {
                side: {key.removesuffix(f"_{side}"): row[key] for key in row if key.endswith(side)}
                for side in ("old", "new")
            }
            pairs.append({side: plain | values for side, values in sides.items()})
        if name == "points":  # listed at the new place
            for pair in changed:
                pair["old"] |= {key: pair["new"][key] for key in ("video_id", "frame_idx")}
        assert sort_pairs(pairs) == sort_pairs(changed)


def sort_pairs(pairs: list[Any]) -> list[str]:
    plain = [{side: dict(sorted(row.items())) for side, row in pair.items()} for pair in pairs]
    return sorted(map(str, plain))


@settings(max_examples=50)
@given(old=label_tables(), new=label_tables())
def test_any_two_states_of_a_project_differ_as_row_by_row(
    old: LabelTables, new: LabelTables
) -> None:
    old, new = of_one_project(old), of_one_project(new)
    assert_as_reference(old, new)
    found = changed_places(State.of(old), State.of(new))
    expected = reference.differing_places(old, new)
    assert found.rows() == [(*place, points) for place, points in expected.items()]
    assert dict(found.schema) == {
        "video_id": pl.UInt32,
        "frame_idx": pl.Int64,
        "points": pl.Boolean,
    }


@settings(max_examples=50)
@given(tables=label_tables(), seed=st.integers(0, 2**16))
def test_an_edited_state_differs_as_row_by_row(tables: LabelTables, seed: int) -> None:
    old = of_one_project(tables)
    new = edited(old, np.random.default_rng(seed))
    assert_as_reference(old, new)
    there, back = changes_of(old, new), changes_of(new, old)
    for name in there:
        assert as_rows(there[name].added) == as_rows(back[name].removed)
        assert there[name].changed.height == back[name].changed.height


def edited(tables: LabelTables, rng: np.random.Generator) -> LabelTables:
    """Change some scores and points, and remove instances that nobody refers to."""
    n = tables.instances.height
    is_hit = pl.Series(rng.random(n) < 0.3)
    linked = tables.instances["from_predicted"].drop_nulls()
    stays = (rng.random(n) < 0.7) | tables.instances["instance_id"].is_in(
        linked.implode()
    ).to_numpy()
    place = pl.int_range(pl.len()).over("frame_id").cast(pl.UInt16)
    instances = tables.instances.with_columns(
        score=pl.when(is_hit).then(pl.lit(0.25, pl.Float32)).otherwise("score")
    )
    kept = np.repeat(stays, np.diff(tables.point_offsets))
    is_moved = pl.Series(rng.random(tables.points.height) < 0.2)
    points = tables.points.with_columns(x=pl.when(is_moved).then(pl.lit(-5.0)).otherwise("x"))
    return replace(
        tables,
        instances=instances.filter(pl.Series(stays)).with_columns(instance_idx=place),
        points=points.filter(pl.Series(kept)),
    )


@given(tables=label_tables())
def test_a_project_does_not_differ_from_itself_nor_from_one_that_says_the_same(
    tables: LabelTables,
) -> None:
    assert changes_of(tables, tables).is_empty
    assert changed_places(State.of(tables), State.of(tables)).height == 0
    other = renumber(replace(tables, catalog=replace(tables.catalog, project_id="other")))
    same = renumber(tables)
    assert changes_of(same, other).is_empty


def test_ids_of_another_project_are_told_by_content(tables: LabelTables) -> None:
    rng = np.random.default_rng(0)
    other = of_one_project(edited(tables, rng))
    shift = pl.lit(1000, pl.UInt32)
    moved = replace(
        other,
        catalog=replace(
            other.catalog,
            tracks=other.catalog.tracks.with_columns(pl.col("track_id") + shift),
            provenance=tables.catalog.provenance,
        ),
        frames=other.frames.with_columns(pl.col("frame_id") + shift),
        instances=other.instances.with_columns(
            pl.col("frame_id", "instance_id", "track_id", "from_predicted") + shift
        ),
    )
    found = changes_of(tables, moved)
    assert not found["frames"]
    assert not found["tracks"]
    assert not found["videos"]
    assert found["instances"].removed.height > 0
    assert found["instances"].added.height == 0
    assert found["points"].changed.filter(x_new=-5.0).height > 0


def test_places_limit_what_is_compared(tables: LabelTables) -> None:
    moved = replace(tables, points=tables.points.with_columns(pl.col("x") + 1))
    places = tables.frames[3:5].select("video_id", "frame_idx")
    asked: list[int] = []

    def spied(state: State) -> State:
        def read(columns: Any, rows: Any) -> pl.DataFrame:
            asked.extend(rows.tolist())
            return state.read_points(columns, rows)

        return replace(state, read_points=read)

    old, new = spied(State.of(tables)), spied(State.of(moved))
    found = find_changes(old, new, places)
    first, stop = tables.instance_offsets[[3, 5]].tolist()
    assert set(asked) == set(range(first, stop))
    whole = find_changes(State.of(tables), State.of(moved))["points"].changed
    here = whole.join(places, on=["video_id", "frame_idx"], how="semi", maintain_order="left")
    assert_frame_equal(found["points"].changed, here)
    assert_frame_equal(
        changed_places(old, new, places), places.with_columns(points=pl.lit(value=True))
    )


def test_chunks_make_no_difference(tables: LabelTables, monkeypatch: pytest.MonkeyPatch) -> None:
    new = edited(tables, np.random.default_rng(1))
    whole = changes_of(tables, new)["points"]
    monkeypatch.setattr(diff, "_CHUNK", 7)
    parts = changes_of(tables, new)["points"]
    assert_frame_equal(parts.changed, whole.changed)


def test_only_places_that_may_differ_are_looked_at_where_points_are_shared(
    tables: LabelTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, structure = SharedPoints("these", 2**48), tables.structure
    kept = np.arange(structure.instances.height) != 7
    moved = select_instances(structure, None, kept)
    score = moved.instances["score"].scatter(20, 0.125)
    made = replace(moved, instances=moved.instances.with_columns(score))
    made.with_offsets(moved.instance_offsets)
    old, new = State.of(tables, shared=shared), State.of(tables, made, shared)
    frames = np.searchsorted(structure.instance_offsets, [7, 21], side="right") - 1
    places = structure.frames[frames].select("video_id", "frame_idx")
    monkeypatch.setattr(unequal, "_PIECE", 1)
    found_places = unequal_places(old, new)
    assert found_places is not None
    assert_frame_equal(found_places, places)
    for piece in (1, 3, 10**6):
        monkeypatch.setattr(unequal, "_PIECE", piece)
        found = find_changes(old, new)
        expected = find_changes(replace(old, shared=None), replace(new, shared=None))
        for name in ("frames", "instances", "points"):
            assert_frame_equal(found[name].removed, expected[name].removed)
            assert_frame_equal(found[name].changed, expected[name].changed)
            assert not found[name].added.height
    assert unequal_places(old, State.of(tables)) is None


def test_facts_and_lists_are_compared(tables: LabelTables) -> None:
    suggestions = pl.DataFrame(
        [(0, 1, None), (0, 1, None), (0, 2, 3)],
        schema=TABLES["suggestions"].columns,
        orient="row",
    )
    old = replace(tables.catalog, suggestions=suggestions, provenance={"a": 1, "b": [2]})
    new = replace(tables.catalog, suggestions=suggestions[1:], provenance={"a": 1, "b": [3]})
    found = changes_of(replace(tables, catalog=old), replace(tables, catalog=new))
    assert found["suggestions"].removed.rows() == [(0, 1, None)]
    assert found["provenance"].changed.rows() == [("b", "[2]", "[3]")]
    assert repr(found) == "Changes(suggestions: +0 -1 ~0, provenance: +0 -0 ~1)"
    assert not found.is_empty
    counted = found.counts().filter(pl.col("removed") > 0)
    assert counted.rows() == [("suggestions", 0, 1, 0)]
