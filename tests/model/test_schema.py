"""The schemas agree with one another, and `conform` holds tables to them."""

from __future__ import annotations

import polars as pl
import pytest

from tabular_labels.errors import SchemaMismatchError
from tabular_labels.model import schema
from tabular_labels.model.schema import (
    CATALOG,
    EDGE_KIND,
    FRAMES,
    INSTANCES,
    KIND,
    POINTS,
    TABLES,
    TRACKS,
    TableSchema,
    conform,
)

every_schema = pytest.mark.parametrize("table_schema", TABLES.values(), ids=list(TABLES))


def test_every_table_is_there_once() -> None:
    assert list(TABLES) == [
        "videos", "skeletons", "nodes", "edges", "tracks", "suggestions", "negative_anchors",
        "frames", "instances", "points",
    ]  # fmt: skip
    assert [table.name for table in CATALOG] == list(TABLES)[:7]


@every_schema
def test_keys_nullable_and_implied_columns_are_columns(table_schema: TableSchema) -> None:
    columns = table_schema.columns.keys()
    assert set(table_schema.key) <= columns
    assert table_schema.nullable <= columns
    assert set(table_schema.implied) <= columns
    assert not table_schema.disk.keys() & columns


@every_schema
def test_a_key_is_never_null(table_schema: TableSchema) -> None:
    assert not table_schema.nullable & set(table_schema.key)


@every_schema
def test_references_name_whole_keys_of_the_same_dtypes(table_schema: TableSchema) -> None:
    for reference in table_schema.references:
        there = TABLES[reference.table]
        assert reference.key == there.key
        ours = [table_schema.columns[name] for name in reference.columns]
        assert ours == [there.columns[name] for name in reference.key]


@every_schema
def test_every_column_that_looks_like_a_reference_is_one(table_schema: TableSchema) -> None:
    keys = {name for table in TABLES.values() for name in table.key if name.endswith("_id")}
    named = {name for ref in table_schema.references for name in ref.columns}
    own = set(table_schema.key)
    assert {name for name in table_schema.columns if name in keys} - own <= named


@every_schema
def test_an_empty_table_conforms(table_schema: TableSchema) -> None:
    empty = table_schema.empty()
    assert empty.height == 0
    assert dict(empty.schema) == table_schema.memory_columns
    assert conform(empty, table_schema).equals(empty)


@every_schema
def test_a_schema_cannot_be_changed(table_schema: TableSchema) -> None:
    with pytest.raises(TypeError):
        table_schema.columns["extra"] = pl.Int64  # type: ignore[index]  # is what is tested


def test_points_hold_no_keys_in_memory_and_all_on_disk() -> None:
    assert list(POINTS.memory_columns) == ["x", "y", "visible", "complete", "score"]
    assert list(POINTS.disk_columns) == [
        "video_id", "frame_idx", "instance_id", "node_id", "x", "y", "visible", "complete", "score",
    ]  # fmt: skip


def test_instances_say_on_disk_where_they_are() -> None:
    assert list(INSTANCES.disk_columns) == ["video_id", "frame_idx", *INSTANCES.memory_columns]
    assert list(FRAMES.disk_columns) == list(FRAMES.memory_columns)


def test_kinds_are_stored_as_documented() -> None:
    kinds = pl.Series(["user", "predicted"], dtype=KIND)
    assert kinds.to_physical().to_list() == [0, 1]
    assert EDGE_KIND.categories.to_list() == ["edge", "symmetry"]


def test_conform_orders_columns_and_joins_chunks() -> None:
    row = pl.DataFrame(
        {"spawned_on": [3], "name": ["a"], "track_id": [1]},
        schema={"spawned_on": pl.Int64, "name": pl.String, "track_id": pl.UInt32},
    )
    table = conform(pl.concat([row, row], rechunk=False), TRACKS)
    assert table.rows() == [(1, "a", 3), (1, "a", 3)]
    assert table.columns == list(TRACKS.columns)
    assert table.n_chunks("all") == [1, 1, 1]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (TRACKS.empty().drop("name"), r"found columns \['track_id', 'spawned_on'\], expected"),
        (TRACKS.empty().rename({"name": "Name"}), r"found columns .*'Name'.*expected .*'name'"),
        (
            TRACKS.empty().cast({"spawned_on": pl.Int32}),
            r"found dtypes {'spawned_on': Int32}, expected { ?'spawned_on': Int64}",
        ),
        (
            TRACKS.empty().cast({"track_id": pl.Int64}),
            r"found dtypes {'track_id': Int64}, expected { ?'track_id': UInt32}",
        ),
    ],
)
def test_conform_refuses_other_columns_and_dtypes(table: pl.DataFrame, message: str) -> None:
    with pytest.raises(SchemaMismatchError, match=message) as caught:
        conform(table, TRACKS)
    assert caught.value.table == "tracks"


def test_conform_refuses_an_extra_column() -> None:
    table = TRACKS.empty().with_columns(colour=pl.lit("red"))
    with pytest.raises(SchemaMismatchError, match="colour"):
        conform(table, TRACKS)


def test_conform_refuses_another_enum() -> None:
    other = pl.Enum(["predicted", "user"])
    table = INSTANCES.empty().with_columns(kind=pl.lit(None, dtype=other))
    with pytest.raises(SchemaMismatchError, match="kind"):
        conform(table, INSTANCES)


def test_the_schema_has_a_version() -> None:
    assert schema.SCHEMA_VERSION >= 1
