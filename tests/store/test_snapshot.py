"""Snapshots answer the same whatever lies under them."""

import pickle

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tabular_labels.model.offsets import ranges
from tabular_labels.model.schema import INSTANCES, POINTS
from tabular_labels.model.source import MemorySource
from tabular_labels.model.tables import LabelTables
from tabular_labels.store import keyed_scan
from tabular_labels.store.columns import PointBlocks
from tabular_labels.store.derived import DerivedSource, HiddenPointsSource
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.testing.builders import make_tables


@pytest.fixture(scope="module")
def tables() -> LabelTables:
    return make_tables(
        40, n_videos=2, n_nodes=4, n_skeletons=2, gap_fraction=0.3, untracked_fraction=0.2, seed=5
    )


def keyed_points(tables: LabelTables) -> pl.DataFrame:
    """Join the keys, slowly: the way the snapshot must not take."""
    counts = np.diff(tables.point_offsets)
    keys = pl.DataFrame(
        {
            "instance_id": np.repeat(tables.instances["instance_id"].to_numpy(), counts),
            "node_id": ranges(np.zeros(len(counts), np.int64), counts).astype(np.uint16),
        }
    )
    joined = keys.join(
        tables.instances.select("instance_id", "frame_id"),
        on="instance_id",
        how="left",
        maintain_order="left",
    ).join(tables.frames, on="frame_id", how="left", maintain_order="left")
    return pl.concat([joined, tables.points], how="horizontal").select(list(POINTS.disk_columns))


def test_scan_has_the_keys_of_position(tables: LabelTables) -> None:
    snapshot = Snapshot.of(tables)
    expected = keyed_points(tables)
    assert_frame_equal(snapshot.scan("points").collect(), expected)
    instances = snapshot.scan("instances").collect()
    assert instances.columns == list(INSTANCES.disk_columns)
    assert_frame_equal(instances.select(tables.instances.columns), tables.instances)


def test_scan_in_chunks_is_the_same(tables: LabelTables, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyed_scan, "CHUNK_INSTANCES", 7)
    expected = keyed_points(tables)
    scan = Snapshot.of(tables).scan("points")
    assert_frame_equal(scan.collect(), expected)
    assert_frame_equal(scan.head(50).collect(), expected.head(50))
    late = pl.col("frame_idx") > 5
    assert_frame_equal(scan.filter(late).select("x").collect(), expected.filter(late).select("x"))
    assert scan.select(pl.len()).collect().item() == expected.height


def test_points_of_instances_come_in_their_order(tables: LabelTables) -> None:
    snapshot = Snapshot.of(tables)
    rows = np.array([5, 2, 2, 30])
    offsets = tables.point_offsets
    places = ranges(offsets[rows], np.diff(offsets)[rows])
    assert_frame_equal(
        snapshot.read_points(["x", "score"], rows), tables.points[places, ["x", "score"]]
    )
    assert_frame_equal(
        snapshot.read_points(["y"], slice(3, 9)),
        tables.points.select("y").slice(int(offsets[3]), int(offsets[9] - offsets[3])),
    )
    assert snapshot.read_points(["y"], np.empty(0, np.int64)).height == 0


def test_restricted_source_reads_points_where_they_are(tables: LabelTables) -> None:
    snapshot = Snapshot.of(tables)
    structure = snapshot.structure
    keep = np.flatnonzero(structure.instances["kind"].to_physical().to_numpy() == 1)
    smaller = type(structure)(
        structure.frames,
        structure.instances[keep],
        structure.n_nodes,
        point_start=structure.point_offsets[:-1][keep],
    )
    derived = Snapshot(DerivedSource(MemorySource(tables), smaller))
    assert derived.counts.instances == len(keep)
    assert_frame_equal(derived.read_points(["x"]), snapshot.read_points(["x"], keep))
    assert_frame_equal(derived.tables().points, snapshot.restricted(smaller).tables().points)


def test_hidden_points_lose_their_coordinates_only(tables: LabelTables) -> None:
    snapshot = Snapshot.of(tables)
    hidden = (np.arange(tables.points.height) % 3) == 0
    derived = Snapshot(HiddenPointsSource(MemorySource(tables), snapshot.structure, hidden))
    points = derived.tables().points
    expected = tables.points.with_columns(
        pl.when(pl.Series(hidden)).then(None).otherwise(pl.col("x", "y")).name.keep()
    )
    assert_frame_equal(points, expected)
    assert_frame_equal(snapshot.with_hidden_points(hidden).tables().points, expected)
    rows = np.array([8, 1])
    offsets = tables.point_offsets
    places = ranges(offsets[rows], np.diff(offsets)[rows])
    assert_frame_equal(derived.read_points(["y", "score"], rows), expected[places, ["y", "score"]])


def test_point_blocks_are_bounded_and_agree(
    tables: LabelTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tabular_labels.store.columns.BLOCK_INSTANCES", 3)
    monkeypatch.setattr("tabular_labels.store.columns.BLOCKS_KEPT", 2)
    snapshot = Snapshot.of(tables)

    def read(first: int, last: int, columns: tuple[str, ...]) -> pl.DataFrame:
        return snapshot.read_points(columns, slice(first, last))

    blocks = PointBlocks(tables.point_offsets.data, read, in_memory=False)
    for row in [*range(tables.instances.height), 0, 50, 1]:
        np.testing.assert_array_equal(blocks.xy(row), snapshot.points.xy(row))
        for name in ("visible", "complete", "score"):
            np.testing.assert_array_equal(
                blocks.values(row, name), snapshot.points.values(row, name)
            )
    assert len(blocks._blocks) <= 2


def test_snapshot_pickles_its_source(tables: LabelTables) -> None:
    again = pickle.loads(pickle.dumps(Snapshot.of(tables)))
    assert_frame_equal(again.tables().points, tables.points)
    assert again.structure.frames.equals(tables.frames)
