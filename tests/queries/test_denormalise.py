from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tabular_labels.model.tables import Catalog
from tabular_labels.queries.denormalise import (
    frame_columns,
    instance_columns,
    instance_schema,
    needed_points,
    point_columns,
    point_schema,
    wide_frame_schema,
)
from tabular_labels.testing.builders import make_tables


def test_point_columns_are_passed_on_without_a_copy() -> None:
    tables = make_tables(8, missing_fraction=0.0)
    made = point_columns(tables.catalog, tables.structure, tables.points, ["complete", "x"])
    assert made.columns == ["complete", "x"]
    assert np.shares_memory(made["x"].to_numpy(), tables.points["x"].to_numpy())


def test_videos_of_one_filename_share_a_category() -> None:
    tables = make_tables(8, n_videos=2)
    videos = tables.catalog.videos.with_columns(filename=pl.lit("a.mp4"))
    catalog = replace(tables.catalog, videos=videos)
    made = frame_columns(catalog, tables.structure, ["video", "video_id"])
    assert made["video"].dtype == pl.Enum(["a.mp4"])
    assert made.unique().sort("video_id").rows() == [("a.mp4", 0), ("a.mp4", 1)]


def test_a_node_of_another_skeleton_is_null_in_wide_columns() -> None:
    tables = make_tables(12, n_skeletons=2, n_nodes=5, missing_fraction=0.0)
    last = "wingR"  # the second skeleton has one node fewer
    columns = ["skeleton", f"{last}.x"]
    made = instance_columns(tables.catalog, tables.structure, tables.points, columns)
    by_skeleton = made.group_by("skeleton").agg(pl.col(f"{last}.x").is_null().mean())
    assert dict(by_skeleton.iter_rows()) == {"fly0": 0.0, "fly1": 1.0}


def test_only_the_points_behind_the_asked_columns_are_needed() -> None:
    catalog = Catalog()
    assert needed_points(catalog, "points", ["track", "score", "y"]) == ["y", "score"]
    assert needed_points(catalog, "points", ["instance_score"]) == []
    assert needed_points(catalog, "instances", ["score", "a.b.score"]) == ["score"]
    assert needed_points(catalog, "frames", ["inst0.score", "inst3.a.x"]) == ["x"]
    assert needed_points(catalog, "frames", ["n_user"]) == []


def test_wide_frames_have_columns_for_the_fullest_frame() -> None:
    tables = make_tables(12, n_instances=3, user_fraction=0.0, n_nodes=2)
    names = list(wide_frame_schema(tables.catalog, tables.structure))[10:]
    assert names[:7] == [
        "inst0.track",
        "inst0.kind",
        "inst0.score",
        "inst0.head.x",
        "inst0.head.y",
        "inst0.thorax.x",
        "inst0.thorax.y",
    ]
    assert len(names) == 21


@pytest.mark.parametrize("n_frames", [0, 1])
def test_schemas_are_those_of_the_columns_even_without_rows(n_frames: int) -> None:
    tables = make_tables(n_frames, n_videos=1)
    catalog, structure, points = tables.catalog, tables.structure, tables.points
    schema = point_schema(catalog)
    assert point_columns(catalog, structure, points, list(schema)).schema == schema
    schema = instance_schema(catalog)
    assert instance_columns(catalog, structure, points, list(schema)).schema == schema
    schema = wide_frame_schema(catalog, structure)
    assert frame_columns(catalog, structure, list(schema), None, points).schema == schema
