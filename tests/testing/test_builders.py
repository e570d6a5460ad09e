"""Built projects are sound, repeatable, and as large and odd as asked for."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tabular_labels.model.checks import check_catalog, check_tables
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import SIZES, make_catalog, make_skeleton, make_tables

EVERYTHING: dict[str, Any] = {
    "n_skeletons": 3,
    "n_nodes": 4,
    "user_fraction": 0.2,
    "missing_fraction": 0.1,
    "gap_fraction": 0.3,
    "untracked_fraction": 0.2,
    "absent_fraction": 0.2,
    "empty_fraction": 0.1,
    "negative_fraction": 0.1,
    "shuffled": True,
}


@pytest.fixture(scope="module")
def odd() -> LabelTables:
    return make_tables(400, **EVERYTHING)


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"n_frames": 0},
        {"n_frames": 0, "n_videos": 0},
        {"n_frames": 1},
        {"n_frames": 3, "n_videos": 1},
        {"n_frames": 60, "n_videos": 500},
        {"n_instances": 0},
        {"n_instances": 1, "n_nodes": 1},
        {"n_nodes": 3, "n_skeletons": 6},
        {"n_nodes": 40},
        {"user_fraction": 0},
        {"user_fraction": 1.0, "missing_fraction": 1.0},
        {"gap_fraction": 1.0, "untracked_fraction": 1.0},
        {"absent_fraction": 1.0},
        {"negative_fraction": 1.0},
        {"empty_fraction": 1.0},
        EVERYTHING,
    ],
    ids=str,
)
def test_every_kind_of_project_is_sound(arguments: dict[str, Any]) -> None:
    tables = make_tables(**arguments)
    assert check_tables(tables) == []
    assert tables.frames.height == arguments.get("n_frames", 100)
    assert tables.catalog.videos.height == arguments.get("n_videos", 4)


def test_named_sizes_have_the_counts_they_promise() -> None:
    assert dict(SIZES) == {"S": 5_000, "M": 100_000, "L": 1_000_000}
    tables = make_tables(SIZES["S"])
    counts = tables.frames.height, tables.instances.height, tables.points.height
    assert counts == (5_000, 20_200, 303_000)  # a twentieth of M
    assert check_tables(tables) == []


def test_equal_arguments_make_equal_projects() -> None:
    a, b = make_tables(50, seed=4), make_tables(50, seed=4)
    for name in ("frames", "instances", "points"):
        assert_frame_equal(getattr(a, name), getattr(b, name))
    assert a.catalog.project_id == b.catalog.project_id


@pytest.mark.parametrize("change", [{"seed": 5}, {"n_nodes": 14}, {"shuffled": True}])
def test_other_arguments_make_another_project(change: dict[str, Any]) -> None:
    a, b = make_tables(50, seed=4), make_tables(50, **{"seed": 4, **change})
    assert a.catalog.project_id != b.catalog.project_id
    assert not (a.points.equals(b.points) and a.frames.equals(b.frames))


def test_predictions_are_float32_values_and_corrections_are_not() -> None:
    tables = make_tables(200, user_fraction=0.5)
    is_user = np.repeat((tables.instances["kind"] == "user").to_numpy(), 15)
    for column in ("x", "y", "score"):
        values = tables.points[column].filter(~is_user)
        assert values.equals(values.cast(pl.Float32).cast(pl.Float64))
    corrected = tables.points["x"].filter(is_user)
    assert not corrected.equals(corrected.cast(pl.Float32).cast(pl.Float64))
    assert tables.points["score"].filter(is_user).null_count() == is_user.sum()


def test_missing_points_are_null_and_invisible() -> None:
    points = make_tables(200, missing_fraction=0.25).points
    missing = points.filter(~pl.col("visible"))
    assert missing.select(pl.col("x", "y").is_null().all()).row(0) == (True, True)
    assert points["x"].null_count() == points["y"].null_count() == missing.height
    assert 0.2 < missing.height / points.height < 0.3


def test_animals_move_smoothly() -> None:
    tables = make_tables(500, n_videos=1, n_instances=1, user_fraction=0, missing_fraction=0)
    xy = tables.points.select("x", "y").to_numpy().reshape(500, 15, 2)
    steps = np.abs(np.diff(xy, axis=0))
    assert np.median(steps) < 5
    assert steps.max() < 40
    assert np.ptp(xy.mean(axis=1), axis=0).max() > 20


def test_a_correction_links_to_a_prediction_near_it_in_its_frame() -> None:
    tables = make_tables(100, user_fraction=0.1, missing_fraction=0)
    instances = tables.instances.with_columns(x=tables.points["x"].to_numpy().reshape(-1, 15)[:, 7])
    users = instances.filter(kind="user")
    pairs = users.join(
        instances, left_on="from_predicted", right_on="instance_id", validate="1:1", how="left"
    )
    assert users.height == 40
    assert (pairs["frame_id"] == pairs["frame_id_right"]).all()
    assert (pairs["track_id"] == pairs["track_id_right"]).all()
    assert (pairs["kind_right"] == "predicted").all()
    assert ((pairs["x"] - pairs["x_right"]).abs() < 5).all()


def test_every_oddity_asked_for_is_there(odd: LabelTables) -> None:
    frames, instances = odd.frames, odd.instances
    within = frames.with_columns(pl.col("frame_idx").diff().over("video_id").alias("step"))
    assert (within["step"].drop_nulls() > 1).any()
    assert not frames["position"].is_sorted()
    assert 0 < instances["track_id"].null_count() < instances.height
    assert instances["skeleton_id"].n_unique() == 3
    filled = frames.join(instances, on="frame_id", how="semi")
    negative = frames.filter("is_negative")
    assert negative.height > 0
    assert filled.join(negative, on="frame_id", how="semi").is_empty()
    assert filled.height + negative.height < frames.height
    assert odd.catalog.negative_anchors.height == negative.height


def test_videos_are_media_files_of_other_names() -> None:
    videos = make_catalog(6, n_frames=30).videos
    assert videos["filename"].n_unique() == 6
    for filename, backend in videos.select("filename", "backend").rows():
        fields = json.loads(backend)
        assert list(fields) == ["filename", "grayscale", "bgr", "dataset", "input_format"]
        assert fields["filename"] == filename
    assert videos["n_frames"].to_list() == [30] * 6


def test_videos_are_as_long_as_their_last_labelled_frame(odd: LabelTables) -> None:
    length = max(odd.frames["frame_idx"].to_list()) + 1
    assert odd.catalog.videos["n_frames"].to_list() == [length] * 4


def test_a_catalog_alone_is_sound() -> None:
    catalog = make_catalog(
        3, n_tracks=0, n_skeletons=2, n_nodes=1, negative_anchors={1: [(4, 0.5, 1.5)]}
    )
    assert check_catalog(catalog) == []
    assert catalog.n_nodes.tolist() == [1, 1]
    assert catalog.negative_anchors.rows() == [(1, 4, 0.5, 1.5)]
    assert catalog.suggestions["frame_idx"].to_list() == [0, 50] * 3


def test_skeletons_of_all_sizes_are_connected() -> None:
    for n in range(1, 30):
        skeleton = make_skeleton(n)
        assert len(skeleton) == n
        reached = {0} | {target for _, target in skeleton.edge_inds}
        assert reached == set(range(n))


def test_frames_without_videos_are_refused() -> None:
    with pytest.raises(ValueError, match="found 5 frames and no videos"):
        make_tables(5, n_videos=0)
