from dataclasses import replace

import polars as pl

from tabular_labels.model.source import Counts
from tabular_labels.model.tables import Attachments
from tabular_labels.queries.describe import (
    count_by_video,
    describe_lines,
    describe_nodes,
    html_summary,
)
from tabular_labels.testing.builders import make_tables


def test_counts_follow_the_list_of_videos_and_say_zero_for_none() -> None:
    tables = make_tables(30, n_videos=3, n_instances=2, user_fraction=0.0)
    gone = tables.catalog.videos.row(0)
    videos = tables.catalog.videos.reverse()
    extra = videos.tail(1).with_columns(video_id=pl.lit(9, pl.UInt32), filename=pl.lit("z.mp4"))
    catalog = replace(tables.catalog, videos=pl.concat([videos, extra]))
    made = count_by_video(catalog, tables.structure)
    assert made["video_id"].to_list() == [2, 1, 0, 9]
    assert made["video"][2] == gone[1]
    counted = made.select("n_frames", "n_user", "n_predicted", "n_tracks", "first", "last")
    assert counted.rows()[2:] == [(10, 0, 20, 2, 0, 9), (0, 0, 0, 0, None, None)]


def test_nodes_are_summarised_over_the_skeletons_that_have_them() -> None:
    tables = make_tables(20, n_skeletons=2, n_nodes=3, missing_fraction=0.0)
    points = tables.points.with_row_index().with_columns(
        x=pl.when(pl.col("index") == 0).then(None).otherwise("x"), visible=pl.col("index") != 1
    )
    made = describe_nodes(tables.catalog, tables.structure, points.drop("index"))
    assert made.select("skeleton_id", "node").rows() == [
        (0, "head"),
        (0, "thorax"),
        (0, "abdomen"),
        (1, "head"),
        (1, "thorax"),
    ]
    assert made["n_points"].sum() == tables.points.height
    missing, invisible = made["missing"].to_list(), made["invisible"].to_list()
    assert [share > 0 for share in missing] == [True, False, False, False, False]
    assert [share > 0 for share in invisible] == [False, True, False, False, False]


def test_a_description_counts_and_names() -> None:
    tables = make_tables(25, n_videos=25, n_instances=1, user_fraction=0.0, n_nodes=2)
    carried = Attachments(counts={"masks": 1200})
    lines = describe_lines(replace(tables.catalog, attachments=carried), tables.structure)
    assert lines[0] == "Labels: 25 frames, 0 user and 25 predicted instances"
    assert "Skeleton fly0: 2 nodes (head, thorax)" in lines
    assert "Videos: 25" in lines
    assert lines[-2:] == ["  ... and 5 more", "Carried along: 1,200 masks"]


def test_html_escapes_and_counts() -> None:
    html = html_summary(make_tables(3).catalog, Counts(3, 12, 18_000))
    assert "<th>points</th><td>18,000</td>" in html
    assert "negative anchors" not in html
