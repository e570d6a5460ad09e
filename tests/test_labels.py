"""The facade: sequence, queries and dataframe side, in memory and scanned."""

import pickle
import threading
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels.errors import (
    AmbiguousVideoError,
    ForkedProcessError,
    InvariantError,
    QueryError,
    UnknownVideoError,
    UntrackedInstancesWarning,
)
from tabular_labels.testing.builders import make_tables

UNTRACKED = "ignore:.*untracked instances have no column"

Opener = Callable[[tl.Labels, Path], tl.Labels]


def scan_slp(labels: tl.Labels, folder: Path) -> tl.Labels:
    tl.write_slp(labels, folder / "p.slp")
    return tl.scan_slp(folder / "p.slp")


def scan_parquet(labels: tl.Labels, folder: Path) -> tl.Labels:
    tl.write_parquet(labels, folder / "p.parquet")
    return tl.scan_parquet(folder / "p.parquet")


OPENERS: dict[str, Opener] = {
    "memory": lambda labels, _: labels,
    "slp": scan_slp,
    "parquet": scan_parquet,
}


@pytest.fixture(scope="module")
def loaded() -> tl.Labels:
    return tl.Labels.from_tables(
        make_tables(
            60,
            n_videos=3,
            n_nodes=5,
            user_fraction=0.2,
            untracked_fraction=0.1,
            gap_fraction=0.3,
            shuffled=True,
            seed=3,
        )
    )


@pytest.fixture(params=sorted(OPENERS))
def labels(request: pytest.FixtureRequest, loaded: tl.Labels, tmp_path: Path) -> tl.Labels:
    return OPENERS[request.param](loaded, tmp_path)


def test_frames_are_the_same_in_memory_and_scanned(labels: tl.Labels, loaded: tl.Labels) -> None:
    assert len(labels) == len(loaded) == 60
    assert list(labels) == list(loaded)
    assert labels[3] == loaded[3]
    assert labels[-1] == loaded[59]
    assert labels[10:13] == loaded[10:13]
    assert labels[[5, 1]] == [loaded[5], loaded[1]]
    assert labels[np.array([2, 2])] == [loaded[2], loaded[2]]
    assert labels.labels == labels.labeled_frames


def test_position_outside_the_list_is_an_index_error(labels: tl.Labels) -> None:
    with pytest.raises(IndexError, match="60"):
        labels[60]


def test_find_answers_for_videos_indices_and_names(labels: tl.Labels) -> None:
    frame = labels[20]
    place = labels.videos.index(frame.video)
    for video in (frame.video, place, frame.video.filename):
        assert labels.find(video, frame.frame_idx) == [frame]
        assert frame in labels.find(video)
    assert labels.find(frame.video, [frame.frame_idx, 10**9, frame.frame_idx]) == [frame, frame]
    assert labels.find("nowhere.mp4", 0) == []
    assert labels[frame.video, frame.frame_idx] == frame
    assert labels[frame.video, 10**9] is None
    assert labels.get((frame.video, 10**9)) is None
    with pytest.raises(KeyError):
        labels.get((frame.video, 10**9), raise_errors=True)


def test_find_of_one_index_reads_little_and_finds_the_same(labels: tl.Labels) -> None:
    again = pickle.loads(pickle.dumps(labels))
    frame = labels[20]
    found = again.find(frame.video.filename, frame.frame_idx)
    assert found == [frame]
    assert again[20] == found[0]


def test_find_returns_new_detached_frames_on_request(labels: tl.Labels) -> None:
    video = labels.videos[0]
    [new] = labels.find(video, 10**6, return_new=True)
    assert (new.frame_idx, len(new), new.is_attached) == (10**6, 0, False)
    there = labels.find(video)[0].frame_idx
    both = labels.find(video, [there, 10**6], return_new=True)
    assert [f.is_attached for f in both] == [True, False]
    assert len(labels) == 60


def test_frames_go_round_from_anywhere_in_both_directions() -> None:
    video = tl.Video("a.mp4")
    labels = tl.Labels([tl.LabeledFrame(video, k) for k in (9, 3, 5)])

    def order(start: int, *, reverse: bool = False) -> list[int]:
        return [f.frame_idx for f in labels.frames(video, start, reverse)]

    assert order(-1) == [3, 5, 9]
    assert order(3) == [5, 9, 3]
    assert order(9, reverse=True) == [5, 3, 9]
    assert order(-1, reverse=True) == [9, 5, 3]
    assert list(labels.frames("unknown.mp4")) == []
    assert tl.LabelsDataCache(labels).find_fancy_frame_idxs(video, 3, False) == [5, 9, 3]


def test_duplicates_of_one_place_are_all_found_in_list_order() -> None:
    video, fly = tl.Video("a.mp4"), tl.Skeleton(["head"])
    first = tl.LabeledFrame(video, 3, [tl.Instance(fly, [[1, 1]])])
    last = tl.LabeledFrame(video, 3, [tl.Instance(fly, [[2, 2]])])
    labels = tl.Labels([first, tl.LabeledFrame(video, 1), last])
    assert labels.find(video, 3) == [first, last]
    assert labels.find_first(video, 3) == first
    assert labels.find_last(video, 3) == last
    assert labels.find_last(video) == last
    assert labels.instance_count(video, 3) == 2
    assert labels.instance_count(video, 99) == 0


def test_instances_come_in_frame_list_order(labels: tl.Labels) -> None:
    by_frame = [i for frame in labels for i in frame.instances]
    assert labels.all_instances == by_frame
    assert list(labels.instances()) == by_frame
    assert labels.user_instances == [i for i in by_frame if type(i) is tl.Instance]
    assert labels.predicted_instances == [i for i in by_frame if type(i) is not tl.Instance]
    assert labels.user_labeled_frames == [f for f in labels if f.has_user_instances]
    video = labels.videos[1]
    assert list(labels.instances(video=video)) == [i for i in by_frame if i.video is video]
    assert list(labels.instances(skeleton=labels.skeleton)) == by_frame


def test_occupancy_says_where_tracks_are(labels: tl.Labels) -> None:
    for video in labels.videos:
        present: dict[tl.Track | None, set[int]] = {}
        for instance in labels.instances(video=video):
            assert instance.frame_idx is not None
            present.setdefault(instance.track, set()).add(instance.frame_idx)
        occupancy = labels.get_track_occupancy(video)
        assert {
            track: {k for start, stop in ranges for k in range(start, stop)}
            for track, ranges in occupancy.items()
        } == present
        assert labels.get_track_count(video) == len(present.keys() - {None})
        cache = tl.LabelsDataCache(labels)
        assert cache.get_video_track_occupancy(video) == occupancy
        for track, ranges in occupancy.items():
            assert cache.get_track_occupancy(video, track) == ranges
    table = labels.occupancy()
    assert table.columns == ["video", "video_id", "track", "track_id", "start", "stop"]


def test_track_instances_are_found_by_track_and_pseudo_track(labels: tl.Labels) -> None:
    video, track = labels.videos[0], labels.tracks[0]
    expected = [i for i in labels.instances(video=video) if i.track is track]
    assert labels.find_track_occupancy(video, track) == expected
    assert labels.find_track_occupancy(video, None) == []
    near = [i for i in expected if i.frame_idx is not None and 3 <= i.frame_idx < 12]
    assert labels.find_track_occupancy(video, track, (3, 12)) == near
    untracked = [f[1] for f in labels.find(video) if len(f) > 1 and f[1].track is None]
    assert labels.find_track_occupancy(video, 1) == untracked


def test_frame_counts_by_filter(labels: tl.Labels) -> None:
    cache = tl.LabelsDataCache(labels)
    places = sorted((labels.videos.index(f.video), f.frame_idx) for f in labels)
    assert cache.get_filtered_frame_idxs() == places
    user = [(labels.videos.index(f.video), f.frame_idx) for f in labels if f.has_user_instances]
    assert cache.get_filtered_frame_idxs(filter="user") == sorted(user)
    assert cache.get_frame_count(labels.videos[0]) == len(labels.find(labels.videos[0]))
    with pytest.raises(ValueError, match="predicted"):
        cache.get_frame_count(filter="mine")
    with pytest.raises(UnknownVideoError, match=r"nowhere\.mp4"):
        cache.get_frame_count("nowhere.mp4")
    assert cache.find_frames("nowhere.mp4") is None
    assert cache.find_frames(labels.videos[0], 10**9) is None


def test_suggestions_go_round_all_videos() -> None:
    a, b, c = (tl.Video(f"{n}.mp4") for n in "abc")
    made = [tl.SuggestionFrame(a, 5), tl.SuggestionFrame(c, 2, group=1), tl.SuggestionFrame(a, 1)]
    labels = tl.Labels(videos=[a, b, c], suggestions=made)
    assert labels.suggestions == made
    assert labels.get_video_suggestions(a) == [5, 1]
    assert labels.get_video_suggestions() == made
    assert labels.get_next_suggestion(a, 2) == made[0]
    assert labels.get_next_suggestion(b, 0) == made[1]
    assert labels.get_next_suggestion(b, 0, -1) == made[0]
    assert labels.get_next_suggestion(a, 5) == made[1]
    assert labels.get_next_suggestion("unknown.mp4", 0) is None
    with pytest.raises(ValueError, match="expected 1 or -1"):
        labels.get_next_suggestion(a, 0, 2)


@pytest.mark.filterwarnings(UNTRACKED)
def test_numpy_matches_the_instances(labels: tl.Labels) -> None:
    video = labels.videos[2]
    dense = labels.numpy(video)
    assert dense.dtype == np.float32
    assert dense.shape[1:] == (len(labels.tracks), len(labels.skeleton), 2)
    for frame in labels.find(video):
        expected = np.full(dense.shape[1:], np.nan, np.float32)
        has_user = frame.has_user_instances
        for instance in frame.user_instances if has_user else frame.instances:
            if instance.track is not None:
                expected[labels.tracks.index(instance.track)] = instance.numpy()
        np.testing.assert_array_equal(dense[frame.frame_idx], expected)


def test_untracked_instances_without_a_column_are_counted() -> None:
    video, fly = tl.Video("a.mp4"), tl.Skeleton(["head"])
    animals = [tl.Instance(fly, [[k, k]]) for k in range(3)]
    labels = tl.Labels([tl.LabeledFrame(video, 0, animals)])
    with pytest.warns(UntrackedInstancesWarning, match="3 untracked"):
        assert labels.numpy().shape == (1, 0, 1, 2)
    np.testing.assert_array_equal(labels.numpy(untracked=True)[0, :, 0, 0], [0, 1, 2])


def test_xarray_names_what_its_columns_are() -> None:
    pytest.importorskip("xarray")
    video, small, large = tl.Video("a.mp4"), tl.Skeleton(["a"]), tl.Skeleton(["a", "b"])
    tracks = [tl.Track("A"), tl.Track("B")]
    one = tl.LabeledFrame(video, 0, [tl.Instance(large, [[1, 2], [3, 4]], track=tracks[1])])
    assert tl.Labels([one], tracks=tracks).to_xarray()["individuals"].values.tolist() == ["B"]
    two = [tl.Instance(small, [[1, 2]], track=tracks[0]), one[0].copy()]
    both = tl.Labels([tl.LabeledFrame(video, 0, two)], tracks=tracks).to_xarray()
    assert both["individuals"].values.tolist() == ["A", "B"]
    assert both["keypoints"].values.tolist() == ["a", "b"]
    assert tl.Labels(videos=[video]).to_xarray()["position"].shape == (0, 2, 0, 0)


def test_several_videos_of_one_name_are_told_apart_or_refused() -> None:
    first, second = tl.Video("q.mp4"), tl.Video("q.mp4")
    labels = tl.Labels([tl.LabeledFrame(first, 1), tl.LabeledFrame(second, 2)])
    assert labels.find(second, 2)
    assert labels.find(0, 1)
    for meant in ("q.mp4", tl.Video("q.mp4"), Path("q.mp4")):
        with pytest.raises(AmbiguousVideoError, match="2 videos"):
            labels.find(meant, 1)


def test_whole_numbers_of_any_kind_are_indices(labels: tl.Labels) -> None:
    frame = labels[20]
    index = np.int64(frame.frame_idx)
    assert labels.find(frame.video, index) == [frame]
    assert labels.find(frame.video, np.array([index])) == [frame]
    assert labels[frame.video, np.array([index])] == [frame]
    assert labels[np.int32(20)] == frame
    assert labels[np.array(20)] == frame
    mask = np.arange(60) == 20
    assert labels[mask] == [frame]
    for wrong in (np.array([True, False]), [1.7], np.zeros((2, 2), int)):
        with pytest.raises(IndexError, match="expected"):
            labels[wrong]


def test_objects_of_other_labels_stand_for_those_they_match(labels: tl.Labels) -> None:
    other = pickle.loads(pickle.dumps(labels))
    video, track = other.videos[0], other.tracks[0]
    assert labels.find(video) == labels.find(labels.videos[0])
    expected = labels.find_track_occupancy(labels.videos[0], labels.tracks[0])
    assert labels.find_track_occupancy(video, track) == expected
    assert len(list(labels.instances(skeleton=other.skeleton))) == len(labels.all_instances)
    with pytest.raises(TypeError, match="Track"):
        labels.find_track_occupancy(video, "0")  # type: ignore[arg-type]  # the mistake


def test_views_of_renumbered_rows_are_compared_by_content(labels: tl.Labels) -> None:
    repeated = labels.extract([1, 1, 2])
    assert repeated[0] == labels[1]
    assert repeated[0] != labels[0]
    fewer = labels.filter(points=pl.col("node_id") > 0)
    assert fewer[3] != labels[3]


def test_links_to_other_frames_are_followed_in_single_reads(
    tmp_path: Path, labels: tl.Labels
) -> None:
    del labels
    video, fly = tl.Video("a.mp4"), tl.Skeleton(["head"])
    origins = [tl.PredictedInstance(fly, [[k, k]]) for k in range(4)]
    users = [None, *(tl.Instance(fly, [[k, k]], from_predicted=origins[k - 1]) for k in (1, 2, 3))]
    frames = [
        tl.LabeledFrame(video, k, [origins[k], *([] if user is None else [user])])
        for k, user in enumerate(users)
    ]
    made = tl.Labels(frames)
    for name, opener in OPENERS.items():
        folder = tmp_path / name
        folder.mkdir()
        [frame] = opener(made, folder).find(0, 2)
        origin = frame[1].from_predicted
        assert origin is not None
        assert origin.frame_idx == 1


def test_scanned_labels_are_not_written_over_their_file(loaded: tl.Labels, tmp_path: Path) -> None:
    scanned = scan_slp(loaded, tmp_path)
    with pytest.raises(ValueError, match="collect"):
        scanned.save(tmp_path / "p.slp")
    assert scanned.equals(loaded)
    scanned.collect().save(tmp_path / "p.slp")
    assert tl.load_file(tmp_path / "p.slp").equals(loaded)


def test_saving_makes_the_folders_on_the_way(loaded: tl.Labels, tmp_path: Path) -> None:
    loaded.save(tmp_path / "new" / "folder" / "p.slp")
    assert tl.load_file(tmp_path / "new" / "folder" / "p.slp").equals(loaded)


def test_nothing_found_is_an_error_where_that_was_asked_for(labels: tl.Labels) -> None:
    for key in (tl.Video("no.mp4"), (labels.videos[0], [10**6]), 60):
        assert not labels.get(key)
        with pytest.raises(KeyError):
            labels.get(key, raise_errors=True)


def test_questions_of_the_wrong_kind_are_refused(labels: tl.Labels) -> None:
    with pytest.raises(QueryError, match="expression"):
        labels.filter(frames="frame_idx > 3")  # type: ignore[arg-type]  # the mistake
    with pytest.raises(QueryError, match="once"):
        labels.to_polars("points", ["x", "x"])
    with pytest.raises(QueryError, match="SELECT"):
        labels.sql("DROP TABLE points")
    with pytest.raises(UnknownVideoError):
        tl.Labels().numpy()
    assert not labels.equals(None)


def test_membership_is_told_for_instances_and_foreign_frames(labels: tl.Labels) -> None:
    instance = labels.user_instances[0]
    assert instance in labels
    assert instance in labels.user_instances
    assert instance.copy() not in labels
    again = pickle.loads(pickle.dumps(labels))
    assert again[5] in labels.labeled_frames
    assert again[5] not in labels.labeled_frames[:3]
    assert "frame" not in labels.labeled_frames


def _is_refused_after_a_fork(name: str) -> str:
    try:
        INHERITED[name].to_polars("points")
    except ForkedProcessError as error:
        return str(error)
    return "answered"


@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning", "ignore:.*fork:DeprecationWarning")
def test_tables_are_refused_after_a_fork_and_do_not_hang(labels: tl.Labels) -> None:
    INHERITED["fresh"] = pickle.loads(pickle.dumps(labels))
    with get_context("fork").Pool(1) as pool:
        assert "spawn" in pool.apply_async(_is_refused_after_a_fork, ("fresh",)).get(60)


def test_contains_knows_objects_by_identity_and_places(labels: tl.Labels) -> None:
    frame = labels[0]
    assert frame in labels
    assert frame.copy() in labels
    assert labels.videos[0] in labels
    assert labels.skeleton.nodes[0] in labels
    assert labels.tracks[0] in labels
    assert tl.Track("other") not in labels
    assert (frame.video, frame.frame_idx) in labels
    assert (frame.video, 10**9) not in labels


def test_objects_are_the_same_each_time(labels: tl.Labels) -> None:
    assert labels.videos[0] is labels.videos[0]
    assert labels[0].video in labels.videos
    assert any(labels[0][0].skeleton is s for s in labels.skeletons)


def test_points_table_has_a_row_per_node(labels: tl.Labels) -> None:
    table = labels.to_polars("points")
    assert table.height == sum(len(i.skeleton) for i in labels.all_instances)
    order = sorted(labels, key=lambda f: (labels.videos.index(f.video), f.frame_idx))
    xy = np.concatenate([i.numpy(invisible_as_nan=False) for f in order for i in f.instances])
    np.testing.assert_array_equal(table["x"].fill_null(np.nan).to_numpy(), xy[:, 0])
    assert table["kind"].unique().sort().to_list() == ["user", "predicted"]
    assert table.filter(pl.col("track").is_null()).height > 0


def test_levels_are_the_same_lazily_and_by_sql(labels: tl.Labels) -> None:
    for level in ("points", "instances", "frames"):
        table = labels.to_polars(level)
        assert_frame_equal(labels.lazy(level).collect(), table)
        assert_frame_equal(labels.sql(f"SELECT * FROM {level}"), table)
        assert labels.sql(f"SELECT count(*) FROM {level}").item() == table.height
    mean = labels.sql("SELECT node, avg(score) AS mean FROM points GROUP BY node ORDER BY node")
    expected = (
        labels.to_polars("points").group_by("node").agg(mean=pl.col("score").mean()).sort("node")
    )
    assert_frame_equal(mean, expected)


def test_sql_counts_rows_it_reads_no_column_of(labels: tl.Labels) -> None:
    n = labels.to_polars("instances").height
    query = "SELECT a.frame_idx FROM instances a CROSS JOIN instances b"
    assert labels.sql(query).height == n * n


def test_predicates_that_look_beyond_their_row_see_all_rows(
    labels: tl.Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = labels.to_polars("points")
    beyond = pl.col("x") > pl.col("x").mean()
    monkeypatch.setattr("tabular_labels.levels.CHUNK_INSTANCES", 7)
    assert_frame_equal(labels.lazy("points").filter(beyond).collect(), table.filter(beyond))
    kept = labels.filter(points=beyond).to_polars("points")["x"].drop_nulls()
    assert kept.equals(table.filter(beyond)["x"])


def test_tables_have_their_keys(labels: tl.Labels) -> None:
    points = labels.tables.points.collect()
    named = labels.to_polars("points")
    for name in ("video_id", "frame_idx", "instance_id", "node_id", "x", "visible"):
        assert_frame_equal(points.select(name), named.select(name))
    assert labels.tables.tracks.collect().height == len(labels.tracks)
    some = labels.tables.points.filter(pl.col("frame_idx") < 3).select("x").collect()
    assert_frame_equal(some, named.filter(pl.col("frame_idx") < 3).select("x"))
    with pytest.raises(AttributeError, match="points"):
        labels.tables.pointz  # noqa: B018  # the access is the test


def test_other_libraries_get_the_same_table(labels: tl.Labels) -> None:
    table = labels.to_polars("points")
    assert_frame_equal(pl.DataFrame(labels), table)
    assert labels.to_arrow("instances").num_rows == len(labels.all_instances)
    pandas = labels.to_pandas("frames")
    assert pandas["frame_idx"].tolist() == labels.to_polars("frames")["frame_idx"].to_list()


@pytest.mark.filterwarnings(UNTRACKED)
def test_xarray_has_movements_form(labels: tl.Labels) -> None:
    pytest.importorskip("xarray")
    video = labels.videos[0]
    data = labels.to_xarray(video)
    assert data["position"].dims == ("time", "space", "keypoints", "individuals")
    assert data["confidence"].dims == ("time", "keypoints", "individuals")
    np.testing.assert_array_equal(
        data["position"].transpose("time", "individuals", "keypoints", "space"),
        labels.numpy(video),
    )


def test_sql_says_which_tables_there_are(labels: tl.Labels) -> None:
    with pytest.raises(QueryError, match="points"):
        labels.sql("SELECT * FROM animals")
    with pytest.raises(QueryError, match="score"):
        labels.sql("SELECT confidence FROM points")
    with pytest.raises(QueryError, match="read_csv"):
        labels.sql("SELECT * FROM read_csv('/etc/passwd')")


def test_filter_keeps_what_holds(labels: tl.Labels) -> None:
    early = labels.filter(frames=pl.col("frame_idx") < 5)
    assert list(early) == [f for f in labels if f.frame_idx < 5]
    assert early.is_scanned == labels.is_scanned
    sure = labels.filter(instances=pl.col("score") > 0.5)
    kept = [i for i in labels.all_instances if i.score is None or i.score > 0.5]
    assert len(sure) == len(labels)
    assert len(sure.all_instances) == len(kept)
    assert [i.numpy().tobytes() for i in sure.all_instances] == [i.numpy().tobytes() for i in kept]
    tracked = labels.filter(instances=pl.col("track") == labels.tracks[0].name, drop_empty=True)
    assert all(len(f) for f in tracked)
    assert {i.track for i in tracked.all_instances} == {labels.tracks[0]}


def test_filter_on_points_blanks_coordinates_and_keeps_rows(labels: tl.Labels) -> None:
    left = labels.filter(points=pl.col("x") < 200)
    before, after = labels.to_polars("points"), left.to_polars("points")
    assert before.height == after.height
    gone = ~(before["x"] < 200).fill_null(False)
    assert after["x"].is_null().equals(gone.rename("x"))
    assert_frame_equal(after.filter(~gone).drop("video"), before.filter(~gone).drop("video"))


def test_extract_keeps_order_and_containers(labels: tl.Labels) -> None:
    part = labels.extract([7, 2, 30])
    assert part[:] == labels[[7, 2, 30]]
    assert part.videos == labels.videos
    assert part.tracks == labels.tracks
    assert part.provenance == labels.provenance


def test_split_is_the_same_for_the_same_seed(labels: tl.Labels) -> None:
    train, rest = labels.split(0.8, seed=1)
    assert (len(train), len(rest)) == (48, 12)
    again, _ = labels.split(0.8, seed=1)
    assert list(again) == list(train)
    places = {(f.video, f.frame_idx) for part in (train, rest) for f in part}
    assert places == {(f.video, f.frame_idx) for f in labels}
    with pytest.raises(ValueError, match="no frames"):
        tl.Labels().split(0.5)


def test_labels_pickle_and_answer_the_same(labels: tl.Labels) -> None:
    again = pickle.loads(pickle.dumps(labels))
    assert list(again) == list(labels)
    assert again.equals(labels)


INHERITED: dict[str, tl.Labels] = {}


def _summarise(labels: tl.Labels | str) -> tuple[int, float, int, int]:
    """Ask for what must not wait for threads that a forked process lacks."""
    chosen = INHERITED[labels] if isinstance(labels, str) else labels
    [frame] = chosen.find(0, chosen.find(0)[0].frame_idx)
    return (
        len(list(chosen)),
        float(np.nansum(chosen.numpy(0))),
        len(frame.instances[0].numpy()),
        len(chosen.get_track_occupancy(0)) + chosen.get_labeled_frame_count(0, "user"),
    )


@pytest.mark.filterwarnings(UNTRACKED)
def test_labels_survive_spawn(labels: tl.Labels) -> None:
    with get_context("spawn").Pool(1) as pool:
        assert pool.apply_async(_summarise, (labels,)).get(60) == _summarise(labels)


@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning", "ignore:.*fork:DeprecationWarning")
@pytest.mark.filterwarnings(UNTRACKED)
def test_labels_survive_fork(labels: tl.Labels) -> None:
    expected = _summarise(labels)
    INHERITED["labels"] = labels
    with get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_summarise, ("labels",)).get(60) == expected


def test_labels_may_be_read_from_several_threads(labels: tl.Labels) -> None:
    fresh = pickle.loads(pickle.dumps(labels))
    answers: list[float] = []

    def read() -> None:
        answers.append(float(sum(np.nansum(i.numpy()) for f in fresh for i in f)))

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 4
    assert set(answers) == {answers[0]}


def test_labels_say_what_is_in_them(labels: tl.Labels) -> None:
    assert "60 frames" in repr(labels)
    assert labels.videos[0].filename in labels.describe()
    assert "<table" in labels._repr_html_()


def test_broken_frames_are_refused_with_the_rule() -> None:
    with pytest.raises(InvariantError, match="frame_idx"):
        tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), -1)])


def test_labels_from_objects_keep_containers_and_order() -> None:
    videos = [tl.Video("b.mp4"), tl.Video("a.mp4")]
    fly = tl.Skeleton(["head"])
    tracks = [tl.Track("x"), tl.Track("y")]
    frames = [
        tl.LabeledFrame(videos[1], 4, [tl.Instance(fly, [[1, 2]], track=tracks[1])]),
        tl.LabeledFrame(videos[0], 2, is_negative=True),
    ]
    labels = tl.Labels(
        frames,
        videos=videos,
        tracks=tracks,
        negative_anchors={videos[0]: [(3, 1.0, 2.0)]},
        provenance={"by": "me"},
    )
    assert labels.videos == videos
    assert labels.tracks == tracks
    assert labels.skeletons == [fly]
    assert labels.nodes == fly.nodes
    assert [f.frame_idx for f in labels] == [4, 2]
    assert labels[1].is_negative
    assert labels.negative_anchors == {videos[0]: [(3, 1.0, 2.0)]}
    assert dict(labels.provenance) == {"by": "me"}


def test_points_of_instances_that_a_query_drops_are_not_read(
    labels: tl.Labels, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = labels.to_polars("points")
    keyed = labels.tables.points.collect() if labels.is_scanned else None
    asked: list[int] = []
    source = labels._snapshot.source
    read = source.read_points

    def note(*arguments: Any) -> pl.DataFrame:
        asked.append(int(arguments[2].sum()))
        return read(*arguments)

    monkeypatch.setattr(source, "read_points", note)
    questions = (
        (pl.col("frame_idx") < 3) & (pl.col("video_id") == 1),
        pl.col("kind") == "user",
        pl.col("track").is_null() & (pl.col("instance_score") > 0.3),
    )
    for question in questions:
        asked.clear()
        expected = table.filter(question)
        found = labels.lazy("points").filter(question).select("x", "node").collect()
        assert_frame_equal(found, expected.select("x", "node"))
        assert 0 < sum(asked) <= expected.height
    if keyed is not None and labels._snapshot.source.scan("points") is None:
        asked.clear()
        few = labels.tables.points.filter(questions[0]).select("y").collect()
        assert_frame_equal(few, keyed.filter(questions[0]).select("y"))
        assert sum(asked) == few.height


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('{}')",
        "READ_CSV ('{}')",
        "read_csv/**/('{}')",
        "read_csv /* /* */ */ ('{}')",
        "read_csv -- it's\n('{}')",
        "\"read_csv\"('{}')",
        "`read_csv`('{}')",
        "a.read_csv('{}')",
        "scan_csv('{}')",
        "'{}'",
        '"{}"',
        "tracks, read_csv('{}')",
    ],
)
def test_sql_sees_no_file(labels: tl.Labels, tmp_path: Path, source: str) -> None:
    path = tmp_path / "secret.csv"
    path.write_text("a\nsecret\n")
    with pytest.raises(QueryError):
        labels.sql(f"SELECT * FROM {source.format(path)}")


@pytest.mark.parametrize("name", ["labels", "pl", "frame", "self", "tables"])
def test_sql_sees_no_variable(labels: tl.Labels, name: str) -> None:
    with pytest.raises(QueryError, match="not found"):
        labels.sql(f"SELECT * FROM {name}")
