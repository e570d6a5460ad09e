"""The bundles of tables: what they check, derive, pickle and number."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from polars.testing import assert_frame_equal

from tabular_labels.errors import SchemaMismatchError
from tabular_labels.model import schema
from tabular_labels.model.source import MemorySource
from tabular_labels.model.tables import (
    Attachments,
    Catalog,
    LabelTables,
    numbering,
    order_of_list,
)
from tabular_labels.testing.builders import make_tables
from tabular_labels.testing.strategies import label_tables


@pytest.fixture(scope="module")
def tables() -> LabelTables:
    return make_tables(12, n_videos=2, n_instances=2, n_nodes=3, n_skeletons=2, shuffled=True)


@pytest.mark.parametrize("name", ["frames", "instances", "points"])
def test_large_tables_must_have_their_columns(tables: LabelTables, name: str) -> None:
    change: dict[str, Any] = {name: getattr(tables, name).with_columns(extra=1)}
    with pytest.raises(SchemaMismatchError, match="extra"):
        dataclasses.replace(tables, **change)


@pytest.mark.parametrize("name", [table.name for table in schema.CATALOG])
def test_small_tables_must_have_their_columns(tables: LabelTables, name: str) -> None:
    change: dict[str, Any] = {name: getattr(tables.catalog, name).with_columns(extra=1)}
    with pytest.raises(SchemaMismatchError, match="extra"):
        dataclasses.replace(tables.catalog, **change)


def test_columns_are_put_in_order(tables: LabelTables) -> None:
    points = tables.points.select(reversed(tables.points.columns))
    assert_frame_equal(dataclasses.replace(tables, points=points).points, tables.points)


def test_bundles_cannot_be_changed(tables: LabelTables) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        tables.points = tables.points.clear()  # type: ignore[misc]  # is what is tested


def test_every_new_catalog_is_another_project() -> None:
    assert Catalog().project_id != Catalog().project_id


def test_nodes_are_counted_by_skeleton_id() -> None:
    skeletons = pl.DataFrame(
        [(5, "a"), (2, "b")], schema=schema.SKELETONS.memory_columns, orient="row"
    )
    nodes = pl.DataFrame(
        [(2, 0, "x", 1.0), (5, 0, "x", 1.0), (5, 1, "y", 1.0)],
        schema=schema.NODES.memory_columns,
        orient="row",
    )
    catalog = Catalog(skeletons=skeletons, nodes=nodes)
    assert catalog.n_nodes.tolist() == [0, 0, 1, 0, 0, 2]


def test_nodes_of_no_skeletons_are_none() -> None:
    assert Catalog().n_nodes.tolist() == [0]


@given(label_tables())
def test_pickling_keeps_everything(tables: LabelTables) -> None:
    assert tables.point_offsets[-1] == tables.points.height  # derived before pickling
    copy = pickle.loads(pickle.dumps(tables))
    for name in ("frames", "instances", "points"):
        assert_frame_equal(getattr(copy, name), getattr(tables, name))
    for name, table in tables.catalog.tables().items():
        assert_frame_equal(getattr(copy.catalog, name), table)
    assert copy.catalog.provenance == tables.catalog.provenance
    assert copy.catalog.project_id == tables.catalog.project_id
    assert copy.point_offsets.tolist() == tables.point_offsets.tolist()
    assert copy.instance_offsets.tolist() == tables.instance_offsets.tolist()


def test_pickles_hold_no_derived_arrays(tables: LabelTables) -> None:
    structure = tables.structure
    assert len(structure.point_offsets) == structure.instances.height + 1
    assert "point_offsets" not in structure.__getstate__()
    assert "n_nodes" not in tables.catalog.__getstate__()


@given(label_tables())
def test_list_order_follows_position(tables: LabelTables) -> None:
    order = order_of_list(tables.frames)
    rows = np.arange(tables.frames.height) if order is None else order
    assert tables.frames["position"][rows].to_list() == list(range(tables.frames.height))


def test_list_order_of_canonical_rows_needs_no_permutation() -> None:
    assert order_of_list(make_tables(5).frames) is None
    assert order_of_list(LabelTables().frames) is None


def test_attachments_are_true_when_something_is_carried() -> None:
    assert not Attachments()
    assert Attachments(counts={"sessions": 2})
    assert Attachments(metadata={"skeletons": {}, "extra": 1})


def slow_numbering(tables: LabelTables) -> tuple[list[int], ...]:
    """What the digest stands for: ids in the order in which they are written."""
    frames = tables.frames.sort("position")["frame_id"].to_list()
    instances = [
        instance_id
        for frame_id in frames
        for instance_id in tables.instances.filter(frame_id=frame_id)["instance_id"]
    ]
    catalog = tables.catalog
    return (
        catalog.videos["video_id"].to_list(),
        catalog.tracks["track_id"].to_list(),
        frames,
        instances,
    )


@given(label_tables(), label_tables())
def test_numbering_is_equal_when_the_written_order_is(a: LabelTables, b: LabelTables) -> None:
    is_equal = numbering(a.catalog, a.structure) == numbering(b.catalog, b.structure)
    assert is_equal == (slow_numbering(a) == slow_numbering(b))


def test_numbering_follows_the_list_not_the_rows(tables: LabelTables) -> None:
    before = numbering(tables.catalog, tables.structure)
    ordered = tables.frames.with_columns(position=pl.int_range(12, dtype=pl.UInt32))
    after = dataclasses.replace(tables, frames=ordered)
    assert numbering(after.catalog, after.structure) != before


def test_numbering_does_not_look_at_values(tables: LabelTables) -> None:
    before = numbering(tables.catalog, tables.structure)
    instances = tables.instances.with_columns(track_id=pl.lit(None, pl.UInt32))
    after = dataclasses.replace(tables, instances=instances)
    assert numbering(after.catalog, after.structure) == before


@given(label_tables(min_frames=1))
def test_memory_reads_points_of_any_instances(tables: LabelTables) -> None:
    source = MemorySource(tables)
    assert source.counts.points == tables.points.height
    offsets = tables.point_offsets
    for rows in ([], list(range(len(offsets) - 1)), list(range(len(offsets) - 1))[::-2]):
        start, count = offsets[:-1][rows], np.diff(offsets)[rows]
        found = source.read_points(None, start, count, ["score", "x"])
        expected = [
            row
            for a, n in zip(start, count, strict=True)
            for row in tables.points.slice(a, n).select("score", "x").rows()
        ]
        assert found.rows() == expected
