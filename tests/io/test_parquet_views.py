"""DuckDB answers from a project as we do."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tabular_labels.io.parquet_scan import open_parquet
from tabular_labels.io.parquet_views import render_views, views_sql
from tabular_labels.io.parquet_write import write_parquet
from tabular_labels.io.project_versions import read_manifest, version_path
from tabular_labels.model.schema import TABLES
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import make_tables
from tests.io.project_edits import disk_rows, make_edited_project

duckdb = pytest.importorskip("duckdb")

LARGE = ("frames", "instances", "points")
ORDER = {
    "frames": "ORDER BY video_id, frame_idx, position",
    "instances": "ORDER BY video_id, frame_idx, frame_id, instance_idx",
    "points": "ORDER BY video_id, frame_idx, instance_id, node_id",
}


@pytest.fixture(scope="module")
def full() -> LabelTables:
    return make_tables(120, n_nodes=3, user_fraction=0.3, untracked_fraction=0.2)


def query(views: str, sql: str) -> pl.DataFrame:
    with duckdb.connect() as connection:
        connection.execute(views)
        found: Any = connection.sql(sql).to_arrow_table()
    table = pl.from_arrow(found)
    assert isinstance(table, pl.DataFrame)
    return table


def plain(table: pl.DataFrame) -> pl.DataFrame:
    """Enums as the text that other programs see."""
    return table.with_columns(pl.col(pl.Enum).cast(pl.String))


def assert_views_equal(views: str, rows: dict[str, pl.DataFrame]) -> None:
    for name in LARGE:
        found = query(views, f"SELECT * FROM {name} {ORDER[name]}")
        expected = rows[name].sql(f"SELECT * FROM self {ORDER[name]}")
        assert_frame_equal(plain(found), plain(expected), check_exact=True)


@pytest.mark.parametrize("points_per_shard", [100, 1_000_000])
def test_views_of_a_fresh_project(full: LabelTables, tmp_path: Path, points_per_shard: int) -> None:
    write_parquet(full, tmp_path / "mice", points_per_shard=points_per_shard)
    assert_views_equal(views_sql(tmp_path / "mice"), disk_rows(full))


@pytest.mark.parametrize("seed", [0, 1])
def test_views_of_an_edited_project(full: LabelTables, tmp_path: Path, seed: int) -> None:
    project = make_edited_project(tmp_path / "mice", full, points_per_shard=100, seed=seed)
    assert_views_equal(views_sql(project.path), project.rows)
    assert_views_equal(
        views_sql(project.path, version=1),
        {name: open_parquet(project.path, version=1).scan(name).collect() for name in LARGE},
    )


def test_written_views_work_from_the_projects_directory(
    full: LabelTables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = make_edited_project(tmp_path / "mice", full, points_per_shard=100, seed=2)
    monkeypatch.chdir(project.path)
    fresh = version_path(project.path, 1, ".views.sql").read_text(encoding="utf-8")
    counted = query(fresh, "SELECT count(*) AS n FROM points")["n"].item()
    assert counted == open_parquet(project.path, version=1).counts.points
    assert_views_equal(render_views(read_manifest(project.path)), project.rows)


NAMES = [
    "it's",
    "'; DROP TABLE videos; --",
    'say "hi"',
    "naïve 🐭",
    "a\nb\r\n",
    "\0",
    "a\0'b\0",
    "\\",
    "",
]


def test_small_tables_come_with_any_text(full: LabelTables, tmp_path: Path) -> None:
    tracks = pl.DataFrame(
        {"track_id": range(len(NAMES)), "name": NAMES, "spawned_on": [-(2**63)] * len(NAMES)},
        schema=TABLES["tracks"].columns,
    )
    anchors = pl.DataFrame(
        {
            "video_id": [0] * 4,
            "frame_idx": [0] * 4,
            "x": [0.1 + 0.2, 1e300, -0.0, None],
            "y": 5e-324,
        },
        schema=TABLES["negative_anchors"].columns,
    )
    catalog = replace(full.catalog, tracks=tracks, negative_anchors=anchors)
    write_parquet(replace(full, catalog=catalog), tmp_path / "mice")
    views = views_sql(tmp_path / "mice")
    for name, table in catalog.tables().items():
        found = query(views, f"SELECT * FROM {name}")
        assert_frame_equal(found, plain(table), check_exact=True)


def test_empty_tables_keep_their_columns(tmp_path: Path) -> None:
    write_parquet(LabelTables(), tmp_path / "mice")
    views = views_sql(tmp_path / "mice")
    for name, table in TABLES.items():
        found = query(views, f"SELECT * FROM {name}")
        assert_frame_equal(found, plain(pl.DataFrame(schema=dict(table.disk_columns))))


@pytest.mark.parametrize("name", ["a[1]*?b", "it's", "video=3", "naïve 🐭"])
def test_any_name_of_a_directory_is_quoted(full: LabelTables, tmp_path: Path, name: str) -> None:
    write_parquet(full, tmp_path / name)
    assert_views_equal(views_sql(tmp_path / name), disk_rows(full))


def test_kinds_are_text_and_joins_work(full: LabelTables, tmp_path: Path) -> None:
    write_parquet(full, tmp_path / "mice")
    found = query(
        views_sql(tmp_path / "mice"),
        "SELECT n.name, count(*) AS n FROM points p JOIN instances i USING (instance_id) "
        "JOIN nodes n ON n.skeleton_id = i.skeleton_id AND n.node_id = p.node_id "
        "WHERE i.kind = 'user' GROUP BY n.name",
    )
    n_user = full.instances.filter(pl.col("kind") == "user").height
    assert found["n"].to_list() == [n_user] * 3
