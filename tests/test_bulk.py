"""Edits by query say the same as the same edits made row by row."""

import os
import pickle
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels.errors import AmbiguousVideoError, QueryError, UnknownTrackError
from tabular_labels.model.checks import check_tables
from tabular_labels.model.tables import LabelTables
from tabular_labels.store.derived import DerivedSource
from tabular_labels.testing.builders import make_tables
from tabular_labels.testing.strategies import label_tables

Open = Callable[[LabelTables], tl.Labels]


def in_memory(tables: LabelTables, _folder: Path) -> tl.Labels:
    return tl.Labels.from_tables(tables)


def scanned_slp(tables: LabelTables, folder: Path) -> tl.Labels:
    path = folder / "some.slp"
    tl.write_slp(tl.Labels.from_tables(tables), path)
    return tl.scan_slp(path)


def scanned_parquet(tables: LabelTables, folder: Path) -> tl.Labels:
    path = folder / "some.parquet"
    tl.write_parquet(tl.Labels.from_tables(tables), path)
    return tl.scan_parquet(path)


@pytest.fixture(params=[in_memory, scanned_slp, scanned_parquet])
def labels(request: pytest.FixtureRequest, tmp_path: Path) -> tl.Labels:
    tables = make_tables(
        60, n_videos=2, n_nodes=4, n_skeletons=2, gap_fraction=0.3, untracked_fraction=0.2, seed=3
    )
    made: tl.Labels = request.param(tables, tmp_path)
    return made


def rows(labels: tl.Labels, level: str) -> list[dict[str, object]]:
    return labels.to_polars(level).to_dicts()  # type: ignore[arg-type]  # a level


def is_sound(labels: tl.Labels) -> bool:
    return check_tables(labels._snapshot.tables()) == []


def test_update_sets_the_chosen_points_only(labels: tl.Labels) -> None:
    before = rows(labels, "points")
    n = labels.update(
        points={"x": pl.col("x") + 1, "complete": True},
        where=(pl.col("frame_idx") % 3 == 0) & pl.col("x").is_not_null(),
    )
    expected, chosen = [], 0
    for row in before:
        if row["frame_idx"] % 3 == 0 and row["x"] is not None:  # type: ignore[operator]  # an int
            row = row | {"x": row["x"] + 1, "complete": True}  # type: ignore[operator]  # a float
            chosen += 1
        expected.append(row)
    assert n == chosen > 0
    assert rows(labels, "points") == expected
    assert is_sound(labels)
    assert labels.undo()
    assert rows(labels, "points") == before


def test_update_sets_tracks_by_name_by_object_and_by_expression(labels: tl.Labels) -> None:
    labels.update(instances={"track": "new"}, where=pl.col("track").is_null())
    assert labels.tracks[-1].name == "new"
    assert labels.to_polars("instances")["track"].null_count() == 0
    labels.update(instances={"track": labels.tracks[0]}, where=pl.col("instance_idx") == 0)
    first = labels.to_polars("instances").filter(instance_idx=0)
    assert first["track"].unique().to_list() == [labels.tracks[0].name]
    labels.update(instances={"track": pl.format("place {}", "instance_idx"), "score": 0.5})
    table = labels.to_polars("instances")
    assert table["track"].cast(str).to_list() == [f"place {k}" for k in table["instance_idx"]]
    assert table["score"].to_list() == [0.5] * table.height
    labels.update(instances={"track": None})
    assert labels.to_polars("instances")["track"].is_null().all()
    assert is_sound(labels)


def test_update_refuses_what_makes_no_sense(labels: tl.Labels) -> None:
    before = labels.to_polars("points")
    with pytest.raises(QueryError, match="one of frames, instances and points"):
        labels.update(frames={"is_negative": True}, points={"x": 0})
    with pytest.raises(QueryError, match=r"expected some of .*'visible'"):
        labels.update(points={"node": "head"})
    with pytest.raises(QueryError, match="Fill them"):
        labels.update(points={"visible": None})
    with pytest.raises(QueryError, match="polars expression"):
        labels.update(points={"x": 1}, where="x > 3")  # type: ignore[arg-type]  # the point
    with pytest.raises(UnknownTrackError, match="99"):
        labels.update(instances={"track_id": pl.lit(99)})
    assert_frame_equal(labels.to_polars("points"), before)
    assert not labels.undo()


def test_remove_takes_the_chosen_rows_of_a_level(labels: tl.Labels) -> None:
    instances = labels.to_polars("instances")
    wanted = instances.filter(~((pl.col("score") < 0.5).fill_null(value=False)))
    assert labels.remove(where=pl.col("score") < 0.5) == instances.height - wanted.height
    assert labels.to_polars("instances")["instance_id"].to_list() == wanted["instance_id"].to_list()
    n = len(labels)
    odd = labels.to_polars("frames").filter(pl.col("frame_idx") % 2 == 1).height
    assert labels.remove(where=pl.col("frame_idx") % 2 == 1, level="frames") == odd
    assert len(labels) == n - odd
    points = labels.to_polars("points")
    labels.remove(where=pl.col("node_id") == 0, level="points")
    after = labels.to_polars("points")
    assert after.filter(node_id=0)["x"].is_null().all()
    assert_frame_equal(after.filter(pl.col("node_id") != 0), points.filter(pl.col("node_id") != 0))
    assert is_sound(labels)
    while labels.undo():
        pass
    assert_frame_equal(labels.to_polars("instances"), instances)


def test_remove_wants_a_frame_or_an_expression(labels: tl.Labels) -> None:
    with pytest.raises(QueryError, match="either"):
        labels.remove()
    assert labels.remove(labels[3]) == 1


def test_kinds_are_removed_everywhere_or_where_others_have_them(labels: tl.Labels) -> None:
    n_user = len(labels.user_instances)
    some = labels.extract(range(10))
    theirs = {(f.video.filename, f.frame_idx) for f in some if f.has_predicted_instances}
    kept = [
        i
        for f in labels
        for i in f.predicted_instances
        if (f.video.filename, f.frame_idx) not in theirs
    ]
    removed = labels.remove_predictions(some)
    assert removed > 0
    assert len(labels.predicted_instances) == len(kept)
    labels.remove_predictions()
    assert (len(labels.predicted_instances), len(labels.user_instances)) == (0, n_user)
    assert labels.remove_user_instances() == n_user
    assert len(labels) == 60
    assert labels.remove_empty_frames() == 60


def test_empty_and_untracked_instances_are_removed(labels: tl.Labels) -> None:
    labels.update(points={"x": None}, where=pl.col("instance_idx") == 1)
    blank = sum(instance.is_empty for instance in labels.all_instances)
    assert labels.remove_empty_instances() == blank > 0
    untracked = sum(i.track is None for i in labels.all_instances)
    empty = sum(not any(i.track for i in frame) for frame in labels)
    n = len(labels)
    assert labels.remove_untracked_instances() == untracked > 0
    assert len(labels) == n - empty


def test_negative_frames_outlive_empty_ones(labels: tl.Labels) -> None:
    labels[0].is_negative = True
    labels.remove(where=pl.lit(value=True))
    assert labels.remove_empty_frames() == len(labels._store.frames.frame_id) - 1
    assert labels.remove_empty_frames(keep_negative=False) == 1


def test_user_labels_only(labels: tl.Labels) -> None:
    made = labels.with_user_labels_only()
    assert [f.frame_idx for f in made] == [f.frame_idx for f in labels.user_labeled_frames]
    assert len(made.all_instances) == len(labels.user_instances)
    tracked = labels.with_user_labels_only(user_instances_only=False, with_track_only=True)
    assert len(tracked) == sum(any(i.track for i in f.user_instances) for f in labels)
    assert all(i.track is not None for i in tracked.all_instances)


def slow_track_table(labels: tl.Labels) -> dict[tuple[str, str], dict[str, object]]:
    found: dict[tuple[str, str], list[tuple[int, float | None]]] = {}
    for frame in labels:
        for instance in frame:
            if instance.track is not None:
                key = (frame.video.filename, instance.track.name)
                found.setdefault(key, []).append((frame.frame_idx, instance.score))
    table: dict[tuple[str, str], dict[str, object]] = {}
    for key, seen in found.items():
        places = sorted({index for index, _ in seen})
        scores = [score for _, score in seen if score is not None]
        table[key] = {
            "n_instances": len(seen),
            "n_frames": len(places),
            "start": places[0],
            "stop": places[-1] + 1,
            "occupancy": len(places) / (places[-1] + 1 - places[0]),
            "max_gap": max((b - a - 1 for a, b in pairwise(places)), default=0),
            "mean_score": pytest.approx(np.mean(scores)) if scores else None,
        }
    return table


@given(label_tables(), st.sampled_from([1, 3, 2**18]))
def test_track_table_says_what_the_frames_say(tables: LabelTables, piece: int) -> None:
    labels = tl.Labels.from_tables(tables)
    names = [track.name for track in labels.tracks]
    files = [video.filename for video in labels.videos]
    if len(set(names)) < len(names) or len(set(files)) < len(files):
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tabular_labels.queries.tracks._PIECE", piece)
        table = labels.track_table()
    fast = {
        (row.pop("video"), row.pop("track")): row
        for row in table.drop("video_id", "track_id").to_dicts()
    }
    assert fast == slow_track_table(labels)


def test_pruning_removes_tracks_that_break_a_limit(labels: tl.Labels) -> None:
    table = slow_track_table(labels)
    limit = sorted(row["n_frames"] for row in table.values())[len(table) // 2]  # type: ignore[type-var]  # ints
    short = {key for key, row in table.items() if row["n_frames"] < limit}  # type: ignore[operator]  # ints
    before = labels.to_polars("instances")
    pruned = labels.prune_tracks(min_frames=limit)  # type: ignore[arg-type]  # an int
    assert {(r["video"], r["track"]) for r in pruned.to_dicts()} == short
    assert set(slow_track_table(labels)) == set(table) - short
    assert is_sound(labels)
    labels.undo()
    assert_frame_equal(labels.to_polars("instances"), before)
    labels.prune_tracks(min_frames=limit, untrack=True)  # type: ignore[arg-type]  # an int
    assert labels.to_polars("instances").height == before.height
    assert set(slow_track_table(labels)) == set(table) - short


def test_pruned_tracks_leave_the_list(labels: tl.Labels) -> None:
    n = len(labels.tracks)
    labels.prune_tracks(min_frames=10_000)
    assert labels.tracks == []
    labels.undo()
    assert len(labels.tracks) == n
    with pytest.raises(QueryError, match="at least one"):
        labels.prune_tracks()
    with pytest.raises(QueryError, match="Columns"):
        labels.prune_tracks(where=pl.col("length") < 3)


def test_tracks_are_assigned_from_a_table(labels: tl.Labels) -> None:
    table = labels.to_polars("instances", ["instance_id"])[::2].with_columns(track=pl.lit("even"))
    assert labels.assign_tracks(table) == table.height
    after = labels.to_polars("instances")
    assert after.filter(track="even")["instance_id"].to_list() == table["instance_id"].to_list()
    with pytest.raises(QueryError, match="unknown"):
        labels.assign_tracks(pl.DataFrame({"instance_id": [2**31], "track": ["x"]}))
    with pytest.raises(QueryError, match="Rename"):
        labels.assign_tracks(pl.DataFrame({"id": [1]}))


@given(label_tables(), st.integers(0, 5), st.integers(0, 8), st.data())
def test_swapping_a_range_is_swapping_frame_by_frame(
    tables: LabelTables, start: int, length: int, data: st.DataObject
) -> None:
    whole, single = tl.Labels.from_tables(tables), tl.Labels.from_tables(tables)
    if not whole.tracks or not whole.videos:
        return
    track = st.sampled_from(range(len(whole.tracks)))
    new, old, video = data.draw(track), data.draw(track), data.draw(st.sampled_from(whole.videos))
    place = whole.videos.index(video)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tabular_labels.tracking.SINGLE_FRAMES", -1)
        whole.track_swap(place, whole.tracks[new], whole.tracks[old], (start, start + length))
    for frame in single.find(place):
        if start <= frame.frame_idx < start + length:
            for instance in frame:
                if instance.track is single.tracks[old]:
                    instance.track = single.tracks[new]
                elif instance.track is single.tracks[new]:
                    instance.track = single.tracks[old]
    assert_frame_equal(whole.to_polars("instances"), single.to_polars("instances"))
    assert is_sound(whole)


def test_videos_of_other_labels_are_known_by_what_they_say() -> None:
    fly = tl.Skeleton(["head"])
    twice, once = ["a.mp4", "a.mp4"], ["b.mp4"]

    def project(names: list[str]) -> tl.Labels:
        return tl.Labels(
            [tl.LabeledFrame(tl.Video(name), 0, [tl.PredictedInstance(fly)]) for name in names]
        )

    labels = project(twice + once)
    with pytest.raises(AmbiguousVideoError, match="2 videos of the project are Video"):
        labels.remove_predictions(project(["a.mp4"]))
    # What nothing hangs on may be ambiguous.
    others = project(["a.mp4", *once])
    del others[0]
    assert labels.remove_predictions(others) == 1
    assert [len(frame) for frame in labels] == [1, 1, 0]
    assert labels.remove_predictions(project(["c.mp4"])) == 0
    assert labels.remove_predictions(tl.Labels()) == 0
    # Of one origin, all are known.
    copy = pickle.loads(pickle.dumps(labels))
    assert not any(mine is theirs for mine in labels.videos for theirs in copy.videos)
    copy.remove_frame(copy[0])
    assert labels.remove_predictions(copy) == 1
    assert [len(frame) for frame in labels] == [1, 0, 0]
    with pytest.raises(TypeError, match="new_labels: found str"):
        labels.remove_user_instances("other.slp")  # type: ignore[arg-type]  # that is the test


def test_points_are_set_again_and_again_above_other_edits(labels: tl.Labels) -> None:
    """Values stand above points that stay where they are, whatever happens around them."""
    once = labels.to_polars("points")
    first = labels.update(points={"x": pl.col("x") + 1}, where=pl.col("node_id") == 1)
    labels[4][0][1] = (7.0, 8.0)
    second = labels.update(points={"x": 2.5, "score": None}, where=pl.col("frame_idx") < 4)
    before = labels.to_polars("points")
    labels.remove(where=pl.col("instance_idx") == 0, level="instances")
    labels.update(points={"visible": False}, where=pl.col("x") > 5)
    key = ["instance_id", "node_id"]
    kept = before.join(labels.to_polars("instances"), on="instance_id", how="semi")
    found = labels.to_polars("points")
    assert_frame_equal(found.select(*key, "x", "y", "score"), kept.select(*key, "x", "y", "score"))
    hidden = kept["x"].fill_null(0) > 5
    assert_frame_equal(found["visible"].to_frame(), (kept["visible"] & ~hidden).to_frame())
    assert is_sound(labels)
    labels.undo(), labels.undo()
    assert_frame_equal(labels.to_polars("points"), before)
    labels.undo(), labels.undo(), labels.undo()
    assert_frame_equal(labels.to_polars("points"), once)
    assert min(first, second) > 0


def test_setting_a_point_by_query_holds_what_was_set_and_nothing_else(tmp_path: Path) -> None:
    labels = scanned_parquet(make_tables(50, n_nodes=4, seed=1), tmp_path)
    labels.update(points={"x": 1.0}, where=pl.col("node_id") == 2)
    source = labels._snapshot.source
    assert isinstance(source, DerivedSource)
    assert source.extra.is_empty()
    assert source.structure.point_start is None


@pytest.mark.parametrize(
    "part", [lambda labels: labels, lambda labels: labels.split(0.5, seed=0)[0]]
)
@pytest.mark.parametrize("opened", [scanned_slp, scanned_parquet])
def test_points_are_set_where_nodes_were_added_and_removed(
    opened: Callable[[LabelTables, Path], tl.Labels],
    part: Callable[[tl.Labels], tl.Labels],
    tmp_path: Path,
) -> None:
    """Instances then have other points than those that are kept for them."""
    labels = opened(make_tables(30, n_nodes=4, seed=1), tmp_path)
    labels.add_nodes(["hat", "tie"], labels.skeletons[0])
    labels.remove_nodes([labels.skeletons[0].nodes[1]], labels.skeletons[0])
    labels = part(labels)
    key = ["instance_id", "node_id"]
    before = labels.to_polars("points")
    for n in range(2):
        chosen = (pl.col("frame_idx") % 3 == n) & (pl.col("node_id") > 2)
        labels.update(points={"x": 5.0 + n, "visible": True}, where=chosen)
        set_x = pl.when(chosen).then(5.0 + n).otherwise("x")
        before = before.with_columns(x=set_x, visible=pl.col("visible") | chosen)
        found = labels.to_polars("points")
        assert_frame_equal(found.select(*key, "x", "visible"), before.select(*key, "x", "visible"))
    assert is_sound(labels)


@pytest.mark.parametrize("opened", [scanned_slp, scanned_parquet])
def test_setting_points_of_one_copy_of_a_frame_leaves_the_other(
    opened: Callable[[LabelTables, Path], tl.Labels], tmp_path: Path
) -> None:
    copies = opened(make_tables(6, n_nodes=3, seed=1), tmp_path).extract([0, 0, 1])
    before = copies.to_polars("points")
    one = before["instance_id"][0]
    assert copies.update(points={"x": -1.0}, where=pl.col("instance_id") == one) == 3
    expected = before.with_columns(x=pl.when(instance_id=one).then(-1.0).otherwise("x"))
    assert_frame_equal(copies.to_polars("points"), expected)


def test_few_points_set_in_memory_leave_the_others_where_they_are() -> None:
    labels = in_memory(make_tables(400, n_nodes=4, n_skeletons=2, seed=1), Path())
    before = labels.to_polars("points")
    assert labels.update(points={"x": pl.col("y")}, where=pl.col("frame_idx") == 7) > 0
    expected = before.with_columns(x=pl.when(frame_idx=7).then("y").otherwise("x"))
    assert_frame_equal(labels.to_polars("points"), expected)
    assert is_sound(labels)
    assert labels._snapshot.tables().points.n_chunks() > 1  # slices of what was there


@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning", "ignore:.*fork:DeprecationWarning")
def test_a_forked_process_reads_points_that_were_set_by_query(labels: tl.Labels) -> None:
    labels.update(points={"x": 7.5, "visible": True}, where=pl.col("frame_idx") >= 0)
    assert labels[0][0][0].x == 7.5
    child = os.fork()
    if child == 0:
        point = labels[len(labels) - 1][0][0]
        os._exit(0 if point.x == 7.5 and point.visible else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_undo_that_cannot_read_its_rows_again_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read of a scan is let go when rows are removed, and may be gone later."""
    monkeypatch.setattr("tabular_labels.bulk.SINGLE_EDITS", 0)
    labels = scanned_slp(make_tables(40, n_nodes=3, seed=2), tmp_path)
    before = labels.to_polars("points")
    labels.remove(where=pl.col("frame_idx") % 2 == 0, level="frames")
    labels[0][0][0] = (1.0, 2.0)
    after = labels.to_polars("points")
    labels.undo()
    (tmp_path / "some.slp").rename(tmp_path / "away.slp")
    with pytest.raises(FileNotFoundError):
        labels.undo()
    (tmp_path / "away.slp").rename(tmp_path / "some.slp")
    labels.redo()
    assert_frame_equal(labels.to_polars("points"), after)
    labels.undo()
    labels.undo()
    assert_frame_equal(labels.to_polars("points"), before)
    labels.redo()
    labels.redo()
    assert_frame_equal(labels.to_polars("points"), after)


@pytest.mark.parametrize("form", ["slp", "parquet"])
def test_rows_of_a_scan_that_were_removed_again_and_again_are_not_held(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Undo selects them again from the file."""
    monkeypatch.setattr("tabular_labels.bulk.SINGLE_EDITS", 0)
    tables = make_tables(40, n_nodes=3, seed=2)
    if form == "slp":
        labels = scanned_slp(tables, tmp_path)
    else:
        tl.write_parquet(tl.Labels.from_tables(tables), tmp_path / "some")
        labels = tl.scan_parquet(tmp_path / "some")
    states = [labels.to_polars("points")]
    for number in range(3):
        labels.remove(where=pl.col("frame_idx") % 5 == number, level="instances")
        states.append(labels.to_polars("points"))
        labels.add_track(None, tl.Track(0, f"nobody {number}"))
        states.append(labels.to_polars("points"))
        labels.update(instances={"score": pl.col("score") / 2}, where=pl.col("frame_idx") > 3)
        states.append(labels.to_polars("points"))
        labels.update(points={"x": pl.col("x") + 1}, where=pl.col("frame_idx") > 5)
        states.append(labels.to_polars("points"))
    labels.prune_tracks(where=pl.col("track_id") == 0)
    states.append(labels.to_polars("points"))
    labels.remove(where=pl.col("frame_idx") % 5 == 3, level="frames")
    states.append(labels.to_polars("points"))
    assert_frame_equal(pickle.loads(pickle.dumps(labels)).to_polars("points"), states[-1])
    held = [
        entry[2][0][0]
        for entry in (one for step in labels._store._undo for one in step)
        if entry[0] == "base"
    ]
    assert [snapshot.has_structure for snapshot in held] == [False] * len(held)
    assert len(held) == 11
    for expected in reversed(states[:-1]):
        labels.undo()
        assert_frame_equal(labels.to_polars("points"), expected)
    assert not labels.undo()
    for expected in states[1:]:
        labels.redo()
        assert_frame_equal(labels.to_polars("points"), expected)
    assert is_sound(labels)
