"""Each rule is reported when it is broken: how often, and where first."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.errors import InvariantError, Violation
from tabular_labels.model import checks, schema
from tabular_labels.model.checks import (
    FRAME_IDX_STOP,
    check_catalog,
    check_points,
    check_structure,
    check_tables,
    require,
)
from tabular_labels.model.schema import TABLES, TableSchema
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import make_tables
from tabular_labels.testing.strategies import label_tables

CATALOG_TABLES = [table.name for table in schema.CATALOG]

Change = Callable[[pl.DataFrame], pl.DataFrame]


@pytest.fixture(scope="module")
def sound() -> LabelTables:
    """Two videos of ten frames; in each frame a fly of three nodes, then one of two.

    Instances 0 and 1 are predictions in frame 0; 2 and 3 are their corrected copies.
    """
    return make_tables(
        20, n_videos=2, n_instances=2, n_nodes=3, n_skeletons=2, user_fraction=1.0, seed=3,
        negative_fraction=0.1,
    )  # fmt: skip


def get(tables: LabelTables, name: str) -> pl.DataFrame:
    table: pl.DataFrame = getattr(tables.catalog if name in CATALOG_TABLES else tables, name)
    return table


def replace(tables: LabelTables, name: str, table: pl.DataFrame) -> LabelTables:
    change: dict[str, Any] = {name: table}
    if name in CATALOG_TABLES:
        change = {"catalog": dataclasses.replace(tables.catalog, **change)}
    return dataclasses.replace(tables, **change)


def put(column: str, values: dict[int, object]) -> Change:
    """Put values into some rows of a column."""

    def change(table: pl.DataFrame) -> pl.DataFrame:
        old = table[column].to_list()
        new = [values.get(row, value) for row, value in enumerate(old)]
        return table.with_columns(pl.Series(column, new, table.schema[column]))

    return change


def swap(a: int, b: int) -> Change:
    """Exchange two rows."""

    def change(table: pl.DataFrame) -> pl.DataFrame:
        order = np.arange(table.height)
        order[[a, b]] = order[[b, a]]
        return table[order]

    return change


def remove_last(table: pl.DataFrame) -> pl.DataFrame:
    return table.head(-1)


def repeat_last(table: pl.DataFrame) -> pl.DataFrame:
    return pl.concat([table, table.tail(1)])


NAN = float("nan")
BROKEN: list[tuple[str, Change, str, int, tuple[str, ...]]] = [
    ("videos", put("video_id", {1: 0}), "video_id is unique", 1, ("video_id=0",)),
    ("videos", put("backend", {1: "{"}), "backend is a JSON object", 1, ("video_id=1",)),
    ("videos", put("backend", {0: "[1]"}), "backend is a JSON object", 1, ("video_id=0",)),
    ("skeletons", put("skeleton_id", {1: 0}), "skeleton_id is unique", 1, ("skeleton_id=0",)),
    (
        "nodes",
        put("skeleton_id", {4: 7}),
        "skeleton_id names a row of skeletons",
        1,
        ("skeleton_id=7, node_id=1",),
    ),
    (
        "nodes",
        put("node_id", {1: 0}),
        "skeleton_id, node_id is unique",
        1,
        ("skeleton_id=0, node_id=0",),
    ),
    (
        "nodes",
        put("node_id", {2: 5, 4: 2}),
        "node_id counts 0, 1, 2, ... in its skeleton",
        2,
        ("skeleton_id=0, node_id=5", "skeleton_id=1, node_id=2"),
    ),
    (
        "nodes",
        swap(0, 1),
        "node_id counts 0, 1, 2, ... in its skeleton",
        2,
        ("skeleton_id=0, node_id=1", "skeleton_id=0, node_id=0"),
    ),
    (
        "nodes",
        put("skeleton_id", {0: 1, 1: 1, 2: 1, 3: 0, 4: 0}),
        "rows are sorted by skeleton_id",
        1,
        ("skeleton_id=0, node_id=0",),
    ),
    (
        "nodes",
        put("name", {2: "head"}),
        "name is unique in its skeleton",
        1,
        ("skeleton_id=0, node_id=2",),
    ),
    (
        "edges",
        put("source", {0: 9}),
        "skeleton_id, source names a row of nodes",
        1,
        ("skeleton_id=0, kind=edge, source=9, target=1",),
    ),
    (
        "edges",
        put("target", {2: 2}),
        "skeleton_id, target names a row of nodes",
        1,
        ("skeleton_id=1, kind=edge, source=0, target=2",),
    ),
    (
        "edges",
        repeat_last,
        "skeleton_id, kind, source, target is unique",
        1,
        ("skeleton_id=1, kind=edge, source=0, target=1",),
    ),
    ("tracks", put("track_id", {1: 0}), "track_id is unique", 1, ("track_id=0",)),
    ("suggestions", put("video_id", {3: 2}), "video_id names a row of videos", 1, ("row 3",)),
    (
        "suggestions",
        put("frame_idx", {0: -1, 2: FRAME_IDX_STOP}),
        "frame_idx is at least 0 and below 2**32 - 1",
        2,
        ("row 0", "row 2"),
    ),
    ("negative_anchors", put("video_id", {0: 9}), "video_id names a row of videos", 1, ("row 0",)),
    (
        "negative_anchors",
        put("frame_idx", {0: -1}),
        "frame_idx is at least 0 and below 2**32 - 1",
        1,
        ("row 0",),
    ),
    ("frames", put("frame_id", {4: 3}), "frame_id is unique", 1, ("frame_id=3",)),
    (
        "frames",
        put("video_id", {18: 5, 19: 5}),
        "video_id names a row of videos",
        2,
        ("frame_id=18", "frame_id=19"),
    ),
    (
        "frames",
        put("frame_idx", {0: -1, 19: FRAME_IDX_STOP}),
        "frame_idx is at least 0 and below 2**32 - 1",
        2,
        ("frame_id=0", "frame_id=19"),
    ),
    (
        "frames",
        put("position", {19: 3}),
        "position is unique",
        1,
        ("frame_id=19",),
    ),
    (
        "frames",
        put("position", {2: 1, 3: 1}),
        "position is unique",
        2,
        ("frame_id=2", "frame_id=3"),
    ),
    (
        "frames",
        swap(4, 5),
        "rows are sorted by video_id, frame_idx, position",
        1,
        ("frame_id=4",),
    ),
    (
        "frames",
        put("video_id", {9: 1, 10: 0}),
        "rows are sorted by video_id, frame_idx, position",
        1,
        ("frame_id=10",),
    ),
    (
        "frames",
        lambda frames: put("position", {6: 7, 7: 6})(put("frame_idx", {7: 6})(frames)),
        "rows are sorted by video_id, frame_idx, position",
        1,
        ("frame_id=7",),
    ),
    ("instances", put("instance_id", {1: 0}), "instance_id is unique", 1, ("instance_id=0",)),
    (
        "instances",
        put("frame_id", dict.fromkeys(range(4), 99)),
        "frame_id names a row of frames",
        4,
        ("instance_id=0", "instance_id=1", "instance_id=2", "instance_id=3"),
    ),
    (
        "instances",
        swap(3, 4),
        "rows are grouped by frame, in the order of frames",
        1,
        ("instance_id=3",),
    ),
    (
        "instances",
        put("instance_idx", {0: 1, 6: 0}),
        "instance_idx is the place in the frame",
        4,
        ("instance_id=0", "instance_id=1", "instance_id=6", "instance_id=7"),
    ),
    (
        "instances",
        put("skeleton_id", {5: 2}),
        "skeleton_id names a row of skeletons",
        1,
        ("instance_id=5",),
    ),
    (
        "instances",
        put("track_id", {5: 2, 6: None, 7: 300}),
        "track_id names a row of tracks",
        2,
        ("instance_id=5", "instance_id=7"),
    ),
    (
        "instances",
        put("from_predicted", {0: 900, 3: 901}),
        "from_predicted names a row of instances",
        2,
        ("instance_id=0", "instance_id=3"),
    ),
    (
        "instances",
        put("from_predicted", {2: 3}),
        "from_predicted of a user instance names a prediction",
        1,
        ("instance_id=2",),
    ),
]


@pytest.mark.parametrize(
    ("name", "change", "rule", "count", "sample"),
    BROKEN,
    ids=[f"{name}: {rule}" for name, _, rule, _, _ in BROKEN],
)
def test_a_broken_rule_is_reported_with_count_and_keys(
    sound: LabelTables, name: str, change: Change, rule: str, count: int, sample: tuple[str, ...]
) -> None:
    broken = replace(sound, name, change(get(sound, name)))
    assert Violation(name, rule, count, sample) in check_tables(broken)


COLUMNS = [(table, column) for table in TABLES.values() for column in table.memory_columns]


@pytest.mark.parametrize(
    ("table_schema", "column"), COLUMNS, ids=[f"{t.name}.{c}" for t, c in COLUMNS]
)
def test_null_is_reported_in_the_columns_that_need_a_value(
    sound: LabelTables, table_schema: TableSchema, column: str
) -> None:
    name = table_schema.name
    broken = replace(sound, name, put(column, {0: None})(get(sound, name)))
    found = [v for v in check_tables(broken) if v.rule == f"{column} is not null"]
    if column in table_schema.nullable:
        assert found == []
    else:
        assert [(v.table, v.count, len(v.sample)) for v in found] == [(name, 1, 1)]


FLOATS = [(t, c) for t, c in COLUMNS if t.columns[c] in (pl.Float32, pl.Float64)]


@pytest.mark.parametrize(
    ("table_schema", "column"), FLOATS, ids=[f"{t.name}.{c}" for t, c in FLOATS]
)
def test_nan_is_reported_in_every_column_of_floats(
    sound: LabelTables, table_schema: TableSchema, column: str
) -> None:
    name = table_schema.name
    broken = replace(sound, name, put(column, {0: NAN, 1: NAN})(get(sound, name)))
    expected = min(get(sound, name).height, 2)
    assert [(v.table, v.rule, v.count) for v in check_tables(broken)] == [
        (name, f"{column} is not NaN", expected)
    ]


@pytest.mark.parametrize("column", ["x", "y", "score"])
def test_nan_in_points_is_reported_by_instance_and_node(sound: LabelTables, column: str) -> None:
    # Instance 0 has three nodes, instance 1 two, instance 2 three again.
    points = put(column, {2: NAN, 3: NAN, 5: NAN})(sound.points)
    sample = (
        "instance_id=0, node_id=2", "instance_id=1, node_id=0", "instance_id=2, node_id=0",
    )  # fmt: skip
    expected = [Violation("points", f"{column} is not NaN", 3, sample)]
    assert check_points(dataclasses.replace(sound, points=points)) == expected


@pytest.mark.parametrize("change", [remove_last, repeat_last])
def test_a_wrong_number_of_points_is_reported(sound: LabelTables, change: Change) -> None:
    n = sound.points.height
    points = change(sound.points)
    assert check_points(dataclasses.replace(sound, points=points)) == [
        Violation(
            "points",
            "there is one row for each node of each instance",
            1,
            (f"found {points.height} rows", f"expected {n}"),
        )
    ]


def test_points_of_unknown_skeletons_are_not_counted(sound: LabelTables) -> None:
    instances = put("skeleton_id", {0: 40})(sound.instances)
    points = put("x", {0: NAN})(sound.points)
    broken = dataclasses.replace(sound, instances=instances, points=points)
    assert check_points(broken) == [Violation("points", "x is not NaN", 1, ("row 0",))]


def test_a_table_with_nulls_in_its_keys_hides_no_other_table(sound: LabelTables) -> None:
    frames = put("frame_id", {0: None})(sound.frames)
    instances = put("track_id", {0: 77})(sound.instances)
    broken = dataclasses.replace(sound, frames=frames, instances=instances)
    assert [(v.table, v.rule) for v in check_tables(broken)] == [
        ("frames", "frame_id is not null"),
        ("instances", "track_id names a row of tracks"),
    ]


def test_references_into_empty_tables_are_reported(sound: LabelTables) -> None:
    broken = replace(sound, "tracks", schema.TRACKS.empty())
    n = sound.instances.height
    (found,) = check_tables(broken)
    assert (found.rule, found.count) == ("track_id names a row of tracks", n)


def test_the_largest_ids_take_no_memory_to_look_up(sound: LabelTables) -> None:
    largest = 2**32 - 1
    instances = put("track_id", {0: largest})(sound.instances)
    instances = put("from_predicted", {1: largest})(instances)
    frames = put("video_id", {19: largest})(sound.frames)
    broken = dataclasses.replace(sound, frames=frames, instances=instances)
    assert [(v.rule, v.count) for v in check_tables(broken)] == [
        ("video_id names a row of videos", 1),
        ("track_id names a row of tracks", 1),
        ("from_predicted names a row of instances", 1),
    ]


def test_a_frame_of_more_instances_than_can_be_numbered_is_reported() -> None:
    tables = make_tables(1, n_videos=1, n_instances=2**16 + 1, n_nodes=1, user_fraction=0)
    assert check_tables(tables) == [
        Violation("instances", "instance_idx is the place in the frame", 1, ("instance_id=65536",))
    ]


def test_only_the_first_few_keys_are_named(sound: LabelTables) -> None:
    instances = sound.instances.with_columns(track_id=pl.lit(9, pl.UInt32))
    (found,) = check_tables(dataclasses.replace(sound, instances=instances))
    assert found.count == sound.instances.height
    assert found.sample == tuple(f"instance_id={k}" for k in range(5))


def test_the_parts_are_judged_as_the_whole(sound: LabelTables) -> None:
    tracks = put("name", {0: None})(sound.catalog.tracks)
    instances = put("track_id", {0: 77})(sound.instances)
    points = put("visible", {0: None})(sound.points)
    broken = dataclasses.replace(sound, instances=instances, points=points)
    broken = replace(broken, "tracks", tracks)
    parts = (
        check_catalog(broken.catalog),
        check_structure(broken.catalog, broken.structure),
        check_points(broken),
    )
    assert [len(part) for part in parts] == [1, 1, 1]
    assert check_tables(broken) == [*parts[0], *parts[1], *parts[2]]


def test_built_tables_break_no_rule(sound: LabelTables) -> None:
    assert check_tables(sound) == []
    assert sound.catalog.negative_anchors.height > 0


@given(label_tables())
def test_drawn_tables_break_no_rule(tables: LabelTables) -> None:
    assert check_tables(tables) == []


@given(label_tables(min_frames=2), st.data())
def test_frames_in_any_other_order_are_unsorted(tables: LabelTables, data: st.DataObject) -> None:
    n = tables.frames.height
    order = data.draw(st.permutations(range(n)))
    frames = tables.frames[order]
    keys = frames.select("video_id", "frame_idx", "position").rows()
    expected = sum(below < above for above, below in pairwise(keys))
    found = check_tables(dataclasses.replace(tables, frames=frames))
    rule = "rows are sorted by video_id, frame_idx, position"
    assert sum(v.count for v in found if v.rule == rule) == expected


@given(label_tables(min_frames=1), st.data())
def test_instances_in_any_other_order_are_reported(
    tables: LabelTables, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(tables.instances.height)))
    broken = dataclasses.replace(tables, instances=tables.instances[order])
    found = {v.rule for v in check_structure(broken.catalog, broken.structure)}
    is_same = order == sorted(order)
    assert (found == set()) == is_same
    assert found <= {
        "rows are grouped by frame, in the order of frames",
        "instance_idx is the place in the frame",
    }


@pytest.mark.parametrize("at_once", [1, 2, 5, 2**18])
def test_places_in_frames_are_judged_piece_by_piece(
    monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(checks, "_STEP", at_once)
    rng = np.random.default_rng(0)
    for n in range(8):
        for _ in range(20):
            place = rng.integers(0, 3, n).astype(np.uint16)
            is_first = rng.random(n) < 0.4
            is_first[:1] = True
            expected = [
                bool(place[k] != 0) if is_first[k] else int(place[k]) != int(place[k - 1]) + 1
                for k in range(n)
            ]
            assert checks._misplaced(place, is_first).tolist() == [
                wrong or (not is_first[k] and bool(place[k] == 0))
                for k, wrong in enumerate(expected)
            ]


def test_requiring_no_violations_passes() -> None:
    require([])


def test_requiring_none_names_every_broken_rule(sound: LabelTables) -> None:
    broken = replace(sound, "frames", put("position", {1: 0})(sound.frames))
    with pytest.raises(InvariantError, match=r"frames: position is .*frame_id=1") as caught:
        require(check_tables(broken))
    assert caught.value.violations == tuple(check_tables(broken))
    copy = pickle.loads(pickle.dumps(caught.value))
    assert copy.violations == caught.value.violations
