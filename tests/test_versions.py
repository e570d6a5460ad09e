"""Commits, versions and what differs between them, as users see them."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels import differences, setting
from tabular_labels._types import Level
from tabular_labels.errors import ConflictError, NoProjectError, QueryError, StaleViewError
from tabular_labels.io import delta_tables
from tabular_labels.model.checks import check_tables
from tabular_labels.queries import diff
from tabular_labels.testing.builders import make_tables

Open = Callable[[Path], tl.Labels]
LEVELS = get_args(Level)


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compare and write a few rows at a time, so that there are many pieces."""
    monkeypatch.setattr(differences, "_AT_ONCE", 5)
    monkeypatch.setattr(diff, "_CHUNK", 3)
    monkeypatch.setattr(delta_tables, "_INSTANCES_AT_ONCE", 4)
    monkeypatch.setattr(setting, "_AT_ONCE", 3)


def state(labels: tl.Labels) -> tuple[bool, int | None]:
    return labels.has_changes, labels.version


@pytest.fixture
def path(tmp_path: Path) -> Path:
    tables = make_tables(60, n_videos=2, n_nodes=4, n_skeletons=2, untracked_fraction=0.2, seed=5)
    tl.write_parquet(tl.Labels.from_tables(tables), tmp_path / "mice")
    return tmp_path / "mice"


@pytest.fixture(params=[tl.scan_parquet, tl.read_parquet, tl.load_file])
def labels(request: pytest.FixtureRequest, path: Path) -> tl.Labels:
    made: tl.Labels = request.param(path)
    return made


def assert_is_on_disk(labels: tl.Labels, path: Path) -> None:
    for again in (tl.scan_parquet(path), tl.read_parquet(path)):
        for level in LEVELS:
            assert_frame_equal(again.to_polars(level), labels.to_polars(level))
        assert again.tracks == [] or [t.name for t in again.tracks] == [
            t.name for t in labels.tracks
        ]
        assert check_tables(again._snapshot.tables()) == []


def single_edits(labels: tl.Labels) -> None:
    labels[3][0].track = tl.Track("new")
    labels[5][1][0] = (3, 4)
    del labels[7]
    labels.remove_instance(labels[9], labels[9][0])
    skeleton = labels[3][0].skeleton
    labels.append(tl.LabeledFrame(labels.videos[0], 500, [tl.Instance(skeleton)]))
    labels[11].is_negative = True


def test_single_edits_are_committed_as_a_small_delta(labels: tl.Labels, path: Path) -> None:
    single_edits(labels)
    assert state(labels) == (True, 1)
    before = {file.name for file in (path / "data").iterdir()}
    assert labels.commit("by hand") == 2
    assert state(labels) == (False, 2)
    assert {file.name for file in (path / "data").iterdir()} == before
    assert_is_on_disk(labels, path)
    assert tl.history(path)["message"].to_list() == ["", "by hand"]


@pytest.fixture(params=["delta", "shards"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Commit bulk edits in either form."""
    if request.param == "shards":
        monkeypatch.setattr("tabular_labels.labels_versions.FEW_IN_DELTA", 0)
        monkeypatch.setattr("tabular_labels.labels_versions.MOST_IN_DELTA", 0)
    return str(request.param)


def test_bulk_edits_are_committed(labels: tl.Labels, path: Path, form: str) -> None:
    labels.remove(where=pl.col("instance_idx") == 1)
    labels.update(points={"x": pl.col("x") + 1}, where=pl.col("frame_idx") < 5)
    single_edits(labels)
    assert labels.commit("by query") == 2
    assert_is_on_disk(labels, path)
    assert any((path / "edits").glob("*")) == (form == "delta")


@pytest.mark.usefixtures("form")
def test_commits_follow_each_other(labels: tl.Labels, path: Path) -> None:
    single_edits(labels)
    labels.commit()
    labels[3][0].track = None
    labels[0][0][1] = (7, 8)
    labels.commit()
    labels.remove(where=pl.col("instance_idx") == 2)
    labels.commit()
    labels[1].instances = []
    labels.insert(4, tl.LabeledFrame(labels.videos[1], 900))
    assert labels.commit() == 5
    assert_is_on_disk(labels, path)
    for version in (1, 2, 3, 4):
        assert len(tl.scan_parquet(path, version=version)) > 0


@pytest.mark.usefixtures("form")
def test_undo_goes_over_commits(labels: tl.Labels, path: Path) -> None:
    before = {level: labels.to_polars(level) for level in LEVELS}
    single_edits(labels)
    labels.commit()
    labels.remove(where=pl.col("instance_idx") == 1)
    labels.commit()
    while labels.undo():
        pass
    for level, table in before.items():
        assert_frame_equal(labels.to_polars(level), table)
    assert labels.commit("as it was") == 4
    assert_is_on_disk(labels, path)
    assert labels.redo()
    assert labels.commit() == 5
    assert_is_on_disk(labels, path)


def test_without_edits_nothing_is_written(labels: tl.Labels, path: Path) -> None:
    assert labels.commit() == 1
    assert tl.history(path).height == 1


def test_only_new_tracks_are_committed_too(labels: tl.Labels, path: Path) -> None:
    labels.add_track(labels.videos[0], tl.Track("later"))
    assert labels.commit() == 2
    assert tl.scan_parquet(path).tracks[-1].name == "later"


def test_the_second_of_two_writers_is_told_what_to_do(labels: tl.Labels, path: Path) -> None:
    other = tl.scan_parquet(path)
    other[1][0].track = None
    other.commit("first")
    labels[2][0].track = None
    with pytest.raises(ConflictError, match="rebase=True"):
        labels.commit("second")
    assert labels.has_changes
    assert labels.commit("second", rebase=True) == 3
    assert labels[1][0].track is None
    assert labels[2][0].track is None
    assert_is_on_disk(labels, path)


def test_views_from_before_a_rebase_say_that_they_are_stale(path: Path) -> None:
    labels, other = tl.scan_parquet(path), tl.scan_parquet(path)
    other[1][0].track = None
    other.commit()
    view = labels[2]
    view[0].track = None
    labels.commit(rebase=True)
    with pytest.raises(StaleViewError):
        view.frame_idx  # noqa: B018 - reading it is the test


def test_edits_of_one_frame_on_both_sides_are_a_conflict(path: Path) -> None:
    labels, other = tl.scan_parquet(path), tl.scan_parquet(path)
    other[1][0].track = None
    other.commit()
    labels[1][0][0] = (1, 2)
    with pytest.raises(ConflictError):
        labels.commit(rebase=True)
    assert labels[1][0].numpy()[0].tolist() == [1, 2]


def test_labels_of_no_project_are_saved_first(tmp_path: Path) -> None:
    labels = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), k) for k in range(3)])
    with pytest.raises(NoProjectError, match=r"labels\.save"):
        labels.commit()
    assert state(labels) == (False, None)
    del labels[1]
    labels.save(tmp_path / "mice")
    assert state(labels) == (False, 1)
    labels.insert(1, tl.LabeledFrame(labels.videos[0], 9))
    assert labels.commit() == 2
    assert [f.frame_idx for f in tl.read_parquet(tmp_path / "mice")] == [0, 9, 2]


def test_diff_names_what_differs_from_a_version(labels: tl.Labels, path: Path) -> None:
    assert labels.diff(1).is_empty
    track = labels[3][0].track
    labels[3][0].track = None if track else labels.tracks[0]
    labels[5][1][0] = (3, 4)
    del labels[7]
    labels.commit()
    changes = labels.diff(1)
    assert changes["frames"].removed.height == 1
    assert changes["instances"].changed.height == 1
    moved = changes["points"].changed
    assert moved.select("x_new", "y_new").rows() == [(3.0, 4.0)]
    assert tl.scan_parquet(path, version=1).diff(labels)["frames"].added.height == 1
    with pytest.raises(QueryError, match="99"):
        labels.diff(99)


def test_a_difference_names_links_to_predictions_that_are_gone(tmp_path: Path) -> None:
    """The frame of the instance that was made from a prediction was not touched itself."""
    fly, video = tl.Skeleton(["head"]), tl.Video("a.mp4")
    found = tl.PredictedInstance(fly, [[1, 2]])
    made = tl.Instance(fly, [[1, 3]], from_predicted=found)
    frames = [tl.LabeledFrame(video, 0, [found]), tl.LabeledFrame(video, 5, [made])]
    tl.write_parquet(tl.Labels(frames), tmp_path / "mice")
    labels = tl.scan_parquet(tmp_path / "mice")
    labels.remove_instance(labels[0], labels[0][0])
    changed = labels.diff(1)["instances"].changed
    assert changed.select("frame_idx_new", "from_predicted_new").rows() == [(5, None)]
    assert labels.commit() == 2
    assert_frame_equal(labels.diff(1)["instances"].changed, changed)


def test_a_frame_that_moved_to_another_place_is_committed_with_a_new_order(path: Path) -> None:
    """Where the order of the list changed, nobody knows which places were touched."""
    labels = tl.scan_parquet(path)
    labels[len(labels) - 1].video = tl.Video("another.mp4")
    labels.labeled_frames.reverse()
    assert labels.diff(1)["frames"].changed.height == len(labels)
    assert labels.commit() == 2
    assert_is_on_disk(labels, path)


def test_frames_that_stay_keep_their_positions_when_others_are_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is written of one frame must not take the position of another on the disk."""
    monkeypatch.setattr("tabular_labels.bulk.SINGLE_EDITS", 0)
    fly, video = tl.Skeleton(["head"]), tl.Video("a.mp4")
    frames = [
        tl.LabeledFrame(video, k, [tl.PredictedInstance(fly, [[k, k]])]) for k in (0, 10, 9, 5)
    ]
    tl.write_parquet(tl.Labels(frames), tmp_path / "mice")
    labels = tl.scan_parquet(tmp_path / "mice")
    labels.remove(where=pl.col("frame_idx") == 0, level="frames")
    labels.update(instances={"score": 0.5}, where=pl.col("frame_idx") == 9)
    changes = labels.diff(1)
    assert changes["frames"].changed.is_empty()
    assert changes["frames"].removed["frame_idx"].to_list() == [0]
    labels.commit()
    assert_is_on_disk(labels, tmp_path / "mice")
    assert [frame.frame_idx for frame in tl.scan_parquet(tmp_path / "mice")] == [10, 9, 5]


def test_scanned_tables_show_edits_that_are_not_committed(path: Path) -> None:
    labels = tl.scan_parquet(path)
    single_edits(labels)
    for _ in range(2):
        points = labels.tables.points.select("x", "y").collect()
        assert_frame_equal(points, labels._snapshot.tables().points.select("x", "y"))
        labels[0][0][0] = (1, 1)
    one = labels.tables.instances.filter(video_id=0, frame_idx=500).collect()
    assert one.height == 1


@pytest.mark.usefixtures("form")
def test_many_rows_are_edited_by_query_and_committed(labels: tl.Labels, path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tabular_labels.bulk.SINGLE_EDITS", 0)
        patch.setattr("tabular_labels.tracking.SINGLE_FRAMES", 0)
        video, tracks = labels.videos[0], labels.tracks
        labels.track_swap(video, tracks[0], tracks[1], (3, 20))
        labels[0][0][0] = (5, 5)
        labels.remove(where=(pl.col("instance_idx") == 0) & (pl.col("frame_idx") % 2 == 0))
        labels.commit()
        assert_is_on_disk(labels, path)
        labels.undo()
        labels.update(instances={"score": 0.25}, where=pl.col("frame_idx") < 4)
        labels.update(frames={"is_negative": True}, where=pl.col("frame_idx") == 2)
        labels.update(points={"y": pl.col("y") * 2}, where=pl.col("node_id") == 1)
        labels.remove(where=pl.col("frame_idx") > 25, level="frames")
        labels.commit()
        assert_is_on_disk(labels, path)
        while labels.undo():
            pass
        labels.commit()
        assert_is_on_disk(labels, path)
        first = tl.read_parquet(path, version=1)
        assert_frame_equal(labels.to_polars("points"), first.to_polars("points"))


def test_positions_between_others_are_committed(path: Path) -> None:
    labels = tl.scan_parquet(path)
    indices = [frame.frame_idx for frame in labels]
    for number in range(3):
        labels.insert(2, tl.LabeledFrame(labels.videos[0], 1000 + number))
        labels.commit()
    expected = [*indices[:2], 1002, 1001, 1000, *indices[2:]]
    assert [frame.frame_idx for frame in labels] == expected
    assert [frame.frame_idx for frame in tl.read_parquet(path)] == expected
    assert_is_on_disk(labels, path)


def test_many_edits_are_put_into_the_snapshot_below(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tabular_labels.store.store.RECORDS_KEPT", 5)
    labels = tl.scan_parquet(path)
    rng = np.random.default_rng(0)
    for round_ in range(4):
        for place in rng.integers(0, len(labels), 6).tolist():
            if len(labels[place]):
                labels[place][0][0] = (round_, place)
                labels[place][0].track = labels.tracks[0]
        labels.to_polars("instances")
        del labels[int(rng.integers(len(labels)))]
        labels.commit()
        assert_is_on_disk(labels, path)
    while labels.undo():
        pass
    labels.commit()
    first = tl.read_parquet(path, version=1)
    assert_frame_equal(labels.to_polars("points"), first.to_polars("points"))
    assert_is_on_disk(labels, path)


CATALOG_EDITS: dict[str, Callable[[tl.Labels], object]] = {
    "rename tracks": lambda labels: labels.rename_tracks({labels.tracks[0]: "renamed"}),
    "remove a track": lambda labels: labels.remove_track(labels.tracks[0]),
    "remove a video": lambda labels: labels.remove_video(labels.videos[0]),
    "add a suggestion": lambda labels: labels.add_suggestion(labels.videos[0], 3),
    "rename nodes": lambda labels: labels.rename_nodes(
        {labels.skeletons[0].nodes[0]: "other"}, labels.skeletons[0]
    ),
    "add a node": lambda labels: labels.add_nodes(["more"], labels.skeletons[0]),
    "remove a node": lambda labels: labels.remove_nodes(
        [labels.skeletons[0].nodes[1]], labels.skeletons[0]
    ),
    "reorder nodes": lambda labels: labels.reorder_nodes(
        labels.skeletons[0].node_names[::-1], labels.skeletons[0]
    ),
}


@pytest.mark.parametrize("edit", CATALOG_EDITS.values(), ids=CATALOG_EDITS)
def test_edits_of_the_small_tables_are_committed(
    labels: tl.Labels, path: Path, edit: Callable[[tl.Labels], object]
) -> None:
    labels[4][0][0] = (1, 2)
    edit(labels)
    assert labels.commit() == 2
    assert_is_on_disk(labels, path)
    assert [v.filename for v in tl.scan_parquet(path).videos] == [v.filename for v in labels.videos]
    assert tl.scan_parquet(path).skeletons[0].node_names == labels.skeletons[0].node_names
    labels[2][0][0] = (3, 4)
    labels.commit()
    assert_is_on_disk(labels, path)
    while labels.undo():
        pass
    labels.commit()
    assert_is_on_disk(labels, path)
    first = tl.read_parquet(path, version=1)
    assert_frame_equal(labels.to_polars("points"), first.to_polars("points"))


@pytest.mark.parametrize("how", ["many edits", "bulk edit", "undone bulk edit", "redone"])
def test_positions_that_were_numbered_anew_are_committed(
    how: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An inserted frame moves all behind it, when it goes into the tables."""
    monkeypatch.setattr("tabular_labels.bulk.SINGLE_EDITS", 0)
    if how == "many edits":
        monkeypatch.setattr("tabular_labels.store.store.RECORDS_KEPT", 0)
    labels = tl.scan_parquet(path)
    indices = [frame.frame_idx for frame in labels]
    labels.insert(2, tl.LabeledFrame(labels.videos[0], 1000))
    labels.to_polars("frames")
    if how != "many edits":
        labels.update(frames={"is_negative": True}, where=pl.col("frame_idx") == 1000)
    if how.startswith(("undone", "redone")):
        labels.undo()
    if how == "redone":
        labels.redo()
    labels.commit()
    found = tl.scan_parquet(path)
    assert [frame.frame_idx for frame in found] == [*indices[:2], 1000, *indices[2:]]
    assert_is_on_disk(labels, path)
    for _ in range(2):
        labels.undo()
    labels.commit()
    assert [frame.frame_idx for frame in tl.scan_parquet(path)] == indices


def test_rows_of_a_scan_are_made_whole_before_many_are_set(path: Path) -> None:
    """What was read goes by that; undo reads it again."""
    labels = tl.scan_parquet(path)
    before = labels.to_polars("points")
    for number in range(2):
        frame = next(frame for frame in labels if len(frame) > 1)
        labels.remove_instance(frame, frame[0])
        edited = labels.to_polars("points")
        labels.update(instances={"score": 0.75}, where=pl.col("frame_idx") < 100)
        instances = labels._snapshot.structure.instances
        # What was made by an edit cannot be read again, and stays for undo.
        assert number or set(instances.n_chunks("all")) == {1}
        labels.undo()
        assert_frame_equal(labels.to_polars("points"), edited)
        labels.redo()
    labels.commit()
    assert_is_on_disk(labels, path)
    while labels.undo():
        pass
    assert_frame_equal(labels.to_polars("points"), before)
    labels.commit()
    assert_is_on_disk(labels, path)
