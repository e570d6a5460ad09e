"""Columns read shard by shard are those of the tables that were written."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from polars.testing import assert_frame_equal

from tabular_labels.errors import FileFormatError
from tabular_labels.io.parquet_columns import read_columns
from tabular_labels.io.parquet_scan import open_parquet
from tabular_labels.io.parquet_write import write_parquet
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import make_tables
from tabular_labels.testing.strategies import label_tables


@given(tables=label_tables())
def test_columns_of_any_project(
    tables: LabelTables, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("project") / "mice"
    write_parquet(tables, path, points_per_shard=5)
    parts = open_parquet(path)._parts
    for name in ("frames", "instances"):
        found = read_columns(parts, parts.shards, name)
        assert_frame_equal(found, getattr(tables, name))
        assert all(column.n_chunks() == 1 for column in found.get_columns())


def test_a_file_with_other_rows_than_the_manifest_says_is_refused(tmp_path: Path) -> None:
    write_parquet(make_tables(30, n_nodes=3, seed=0), tmp_path / "mice", points_per_shard=60)
    parts = open_parquet(tmp_path / "mice")._parts
    file = tmp_path / "mice" / parts.shards[1].instances.path
    pl.read_parquet(file).head(3).write_parquet(file)
    with pytest.raises(FileFormatError, match=r"found 3 rows, expected \d+, as the manifest says"):
        read_columns(parts, parts.shards, "instances")


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("frames", "is_negative"),
        ("frames", "frame_idx"),
        ("instances", "kind"),
        ("instances", "frame_id"),
    ],
)
def test_nulls_where_none_may_be_are_kept_for_the_checks(
    tmp_path: Path, table: str, column: str
) -> None:
    write_parquet(make_tables(20, n_nodes=3, seed=0), tmp_path / "mice", points_per_shard=60)
    parts = open_parquet(tmp_path / "mice")._parts
    file = tmp_path / "mice" / parts.shards[1].file(table).path
    rows = pl.read_parquet(file)
    gone = pl.int_range(pl.len()) == 1
    rows.with_columns(pl.when(~gone).then(pl.col(column)).alias(column)).write_parquet(file)
    found = read_columns(parts, parts.shards, table)[column]
    assert found.null_count() == 1
    assert found.is_null().arg_max() == parts.shards[0].file(table).rows + 1
