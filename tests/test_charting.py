"""Charts are drawn from what labels hold, whatever they are kept in."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tabular_labels as tl
from tabular_labels import charting
from tabular_labels.charting import bin_coverage, bin_frame_scores, bin_node_scores
from tabular_labels.model.tables import LabelTables
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.testing.builders import make_tables
from tabular_labels.testing.strategies import label_tables
from tests.reference import rows_of

matplotlib = pytest.importorskip("matplotlib", reason="drawing is an optional extra")


def node_names(tables: LabelTables) -> dict[int, list[str]]:
    names = dict(tables.catalog.skeletons.select("skeleton_id", "name").iter_rows())
    found: dict[int, list[str]] = {key: [] for key in names}
    for row in tables.catalog.nodes.sort("skeleton_id", "node_id").iter_rows(named=True):
        prefix = f"{names[row['skeleton_id']] or row['skeleton_id']}: " if len(names) > 1 else ""
        found[row["skeleton_id"]].append(prefix + row["name"])
    return found


def slow_coverage(tables: LabelTables) -> Counter[tuple[str, int, int, bool]]:
    """Count by video, frame index, place of the node among all, and presence."""
    videos = dict(tables.catalog.videos.select("video_id", "filename").iter_rows())
    start, n = {}, 0
    for key, names in node_names(tables).items():
        start[key], n = n, n + len(names)
    found: Counter[tuple[str, int, int, bool]] = Counter()
    for frame in rows_of(tables):
        for instance in frame["instances"]:
            for place, point in enumerate(instance["points"]):
                there = point["visible"] and point["x"] is not None and point["y"] is not None
                node = start[instance["skeleton_id"]] + place
                found[videos[frame["video_id"]], frame["frame_idx"], node, bool(there)] += 1
    return found


@given(tables=label_tables())
def test_coverage_counts_the_points_of_a_slow_look(tables: LabelTables) -> None:
    expected = slow_coverage(tables)
    found: Counter[tuple[str, int, int, bool]] = Counter()
    snapshot = Snapshot.of(tables)
    for video in bin_coverage(snapshot):
        assert video.nodes == [name for names in node_names(tables).values() for name in names]
        if video.bins.width > 1:
            return  # frames far apart share bins; the other tests look at bins
        for (place, node), n in np.ndenumerate(video.n_instances):
            n_present = int(video.n_present[place, node])
            found[video.video, video.bins.first + place, node, True] += n_present
            found[video.video, video.bins.first + place, node, False] += int(n) - n_present
    assert +found == +expected


@given(tables=label_tables(), chunk=st.integers(1, 5))
def test_scores_of_points_and_instances_are_counted_once(tables: LabelTables, chunk: int) -> None:
    frames = rows_of(tables)
    instances = [instance for frame in frames for instance in frame["instances"]]
    n_scores = sum(
        point["score"] is not None
        and point["visible"]
        and point["x"] is not None
        and point["y"] is not None
        for instance in instances
        for point in instance["points"]
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charting, "CHUNK_INSTANCES", chunk)
        snapshot = Snapshot.of(tables)
        assert int(bin_node_scores(snapshot).counts.sum()) == n_scores
    n_found = sum(int(video.counts.sum()) for video in bin_frame_scores(Snapshot.of(tables)))
    assert n_found == sum(instance["score"] is not None for instance in instances)


@pytest.fixture(scope="module")
def labels() -> tl.Labels:
    tables = make_tables(4000, n_videos=2, n_skeletons=2, n_nodes=4, missing_fraction=0.2)
    return tl.Labels.from_tables(tables)


def test_bins_add_up_to_the_named_tables(labels: tl.Labels) -> None:
    points = labels.to_polars("points", ["video", "x", "visible"])
    n_present = sum(int(video.n_present.sum()) for video in bin_coverage(labels._snapshot))
    assert n_present == points.filter("visible")["x"].count()
    assert all(video.bins.width == 2 for video in bin_coverage(labels._snapshot))
    assert sum(int(v.n_instances.sum()) for v in bin_coverage(labels._snapshot)) == points.height


def test_scanned_and_edited_labels_are_counted_alike(labels: tl.Labels, tmp_path: Path) -> None:
    tl.write_parquet(labels, tmp_path / "a.parquet")
    scanned = tl.scan_parquet(tmp_path / "a.parquet")
    for mine, its in zip(
        bin_coverage(labels._snapshot), bin_coverage(scanned._snapshot), strict=True
    ):
        assert (mine.video, mine.bins) == (its.video, its.bins)
        assert np.array_equal(mine.n_present, its.n_present)
    assert np.array_equal(
        bin_node_scores(labels._snapshot).counts, bin_node_scores(scanned._snapshot).counts
    )
    before = bin_coverage(scanned._snapshot)[0].n_instances.sum()
    n_nodes = len(scanned[0].instances[0].skeleton.nodes)
    del scanned[0].instances[0]
    assert bin_coverage(scanned._snapshot)[0].n_instances.sum() == before - n_nodes


@pytest.mark.parametrize("method", ["plot_coverage", "plot_scores", "plot_occupancy"])
def test_a_million_frames_are_charted_in_less_than_a_second(method: str) -> None:
    tables = make_tables(10**6, n_videos=2, n_instances=1, n_nodes=3, user_fraction=0)
    labels = tl.Labels.from_tables(tables)
    labels.plot_coverage()  # matplotlib and offsets are there
    began = time.process_time()
    figure = getattr(labels, method)()
    assert time.process_time() - began < 1
    assert all(len(axis.patches) < 5 for axis in figure.axes)
    assert all(np.asarray(axis.images[0].get_array()).shape[1] <= 1600 for axis in figure.axes)
