"""Any valid project survives: written whole, or as edits of another."""

import tempfile
from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tabular_labels.io.disk_rows import disk_table
from tabular_labels.io.parquet_scan import open_parquet
from tabular_labels.io.parquet_write import write_parquet
from tabular_labels.io.validate import validate_project
from tabular_labels.model.schema import POINTS
from tabular_labels.model.tables import LabelTables, order_of_list
from tabular_labels.testing.strategies import label_tables
from tests.io.project_edits import PLACE, at, count, disk_rows, write_delta

LARGE = ("frames", "instances", "points")
SHARDS = st.sampled_from([1, 7, 1_000_000])


@settings(max_examples=40)
@given(tables=label_tables(), points_per_shard=SHARDS)
def test_any_project_is_read_as_it_was_written(tables: LabelTables, points_per_shard: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mice"
        write_parquet(tables, path, points_per_shard=points_per_shard)
        source = open_parquet(path)
        found = source.load()
        for name in LARGE:
            assert_frame_equal(getattr(found, name), getattr(tables, name), check_exact=True)
            assert_frame_equal(source.scan(name).collect(), disk_table(tables, name))
        for name, table in tables.catalog.tables().items():
            assert_frame_equal(getattr(found.catalog, name), table, check_exact=True)
        assert found.catalog.provenance == tables.catalog.provenance
        assert found.catalog.project_id == tables.catalog.project_id
        assert found.catalog.attachments == tables.catalog.attachments
        for place in tables.frames.select(PLACE).unique().rows():
            mine = tables.frames.filter(video_id=place[0], frame_idx=place[1])
            assert_frame_equal(source.find_frame(*place).frames, mine)
        assert validate_project(path) == []


@settings(max_examples=40)
@given(tables=label_tables(), points_per_shard=SHARDS, data=st.data())
def test_any_project_may_come_as_edits(
    tables: LabelTables, points_per_shard: int, data: st.DataObject
) -> None:
    """Write the project without some frames, then bring them (and others again) as edits."""
    everything = disk_rows(tables)
    places = tables.frames.select(PLACE).unique(maintain_order=True)
    seed = data.draw(st.integers(0, 2**16))
    is_first, is_edited, is_twice = np.random.default_rng(seed).random((3, places.height)) < 0.5
    at_first = at(everything, places.filter(is_first))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "mice"
        # Positions are those of the whole project: gaps, as deleted frames leave them.
        write_parquet(
            _with_dense_positions(at_first, tables), path, points_per_shard=points_per_shard
        )
        for chosen in (places.filter(~is_first | is_edited), places, places.filter(is_twice)):
            if chosen.height:
                write_delta(path, chosen, at(everything, chosen), count(everything))
        if not places.height:
            return
        source = open_parquet(path)
        found = source.load()
        for name in LARGE:
            assert_frame_equal(getattr(found, name), getattr(tables, name), check_exact=True)
            assert_frame_equal(source.scan(name).collect(), everything[name])
        structure = source.load_structure()
        assert structure.part is None
        assert structure.point_start is not None
        points = source.read_points(
            None,
            structure.point_start[::-1],
            np.diff(structure.point_offsets)[::-1],
            list(POINTS.memory_columns),
        )
        assert points.height == tables.points.height
        assert validate_project(path) == []


def _with_dense_positions(rows: dict[str, pl.DataFrame], tables: LabelTables) -> LabelTables:
    frames = rows["frames"]
    order = order_of_list(frames)
    rank = np.argsort(np.arange(frames.height) if order is None else order)
    kept = {
        name: rows[name].select(getattr(tables, name).columns) for name in ("instances", "points")
    }
    # A prediction may be in a frame that is not there yet.
    instances = kept["instances"]
    there = pl.col("from_predicted").is_in(instances["instance_id"].implode())
    kept["instances"] = instances.with_columns(
        pl.when(there).then("from_predicted").otherwise(None).alias("from_predicted")
    )
    return LabelTables(
        tables.catalog, frames.with_columns(position=pl.Series(rank.astype(np.uint32))), **kept
    )
