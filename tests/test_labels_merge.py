"""Merging labels: what a user sees."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabular_labels as tl
from tabular_labels.errors import MergeError, UnmodelledDataWarning
from tabular_labels.merging import HISTORY_KEPT, HISTORY_KEY
from tabular_labels.model.checks import check_tables
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries.compare import find_differences
from tabular_labels.queries.lineage import LINEAGE_KEY
from tabular_labels.queries.merge_strategies import STRATEGIES
from tabular_labels.testing.builders import make_tables
from tests import merge_reference
from tests.merge_cases import pairs

FLY = tl.Skeleton(["head", "tail"], edges=[("head", "tail")])


def user(x: float, **values: Any) -> tl.Instance:
    return tl.Instance(FLY, [[x, 0], [x, 9]], **values)


def predicted(x: float, **values: Any) -> tl.PredictedInstance:
    return tl.PredictedInstance(FLY, [[x, 0], [x, 9]], score=0.5, **values)


def project(frames: dict[int, list[Any]], filename: str = "fly.mp4", **values: Any) -> tl.Labels:
    video = tl.Video.from_filename(filename)
    return tl.Labels([tl.LabeledFrame(video, k, own) for k, own in frames.items()], **values)


def xs(labels: tl.Labels) -> dict[int, list[tuple[str, float]]]:
    """Tell kind and first coordinate of every instance."""
    return {
        frame.frame_idx: [
            ("p" if isinstance(one, tl.PredictedInstance) else "u", float(one.numpy()[0, 0]))
            for one in frame
        ]
        for frame in labels
    }


CASES: dict[str, dict[int, list[tuple[str, float]]]] = {
    "keep_both": {0: [("u", 0), ("p", 50), ("u", 2), ("p", 51), ("u", 90)]},
    "keep_base": {0: [("u", 0), ("p", 50), ("u", 90)]},
    "keep_new": {0: [("u", 2), ("p", 51), ("u", 90)]},
    "user_over_predicted": {0: [("u", 0), ("p", 51), ("u", 90)]},
    "replace_predictions": {0: [("u", 0), ("p", 51)]},
    "update_tracks": {0: [("u", 0), ("p", 50)]},
}


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_strategy_decides_between_versions(strategy: Any) -> None:
    ours = project({0: [user(0), predicted(50)]})
    theirs = project({0: [user(2), predicted(51), user(90)], 5: [user(7)]})
    report = ours.merge(theirs, strategy, tolerance=5)
    assert xs(ours) == {**CASES[strategy], 5: [("u", 7)]}
    assert report.frames_added == 1
    assert report.instances_conflicting == 2


def test_a_user_instance_wins_over_a_prediction_on_either_side() -> None:
    ours, theirs = (
        project({0: [predicted(0)], 1: [user(0)]}),
        project({0: [user(1)], 1: [predicted(1)]}),
    )
    ours.merge(theirs, "user_over_predicted", tolerance=5)
    assert xs(ours) == {0: [("u", 1)], 1: [("u", 0)]}


def test_tracks_are_updated_without_new_instances() -> None:
    track = tl.Track(0, "female")
    ours = project({0: [predicted(0), predicted(50)]})
    theirs = project({0: [predicted(50.5, track=track, tracking_score=0.25), predicted(0.5)]})
    report = ours.merge(theirs, "update_tracks", tolerance=1)
    assert [one.track and one.track.name for one in ours[0]] == [None, "female"]
    assert ours[0][1].tracking_score == 0.25
    assert (report.instances_updated, report.instances_added) == (1, 0)


def test_other_labels_stay_as_they_are() -> None:
    ours, theirs = project({0: [user(0)]}), project({0: [user(2)], 1: [user(3)]})
    before = theirs.copy()
    ours.merge(theirs)
    assert theirs.equals(before)
    assert theirs.undo() is False


def test_views_stay_what_they_are_and_a_merge_is_undone() -> None:
    ours = project({3: [user(0)], 9: [user(1)]})
    before, frame = ours.copy(), ours[1]
    ours.merge(project({1: [user(5)], 9: [user(6)]}))
    assert frame is not None
    assert (frame.frame_idx, len(frame)) == (9, 2)
    frame[0]["head"].x = 77
    assert ours.find(ours.video, 9)[0][0]["head"].x == 77
    assert ours.undo()
    assert ours.undo()
    assert ours.equals(before)
    assert ours.redo()
    assert len(ours) == 3


def test_labels_are_edited_after_a_merge() -> None:
    ours = project({0: [user(0)]})
    ours.merge(project({1: [user(1)]}))
    ours.append(tl.LabeledFrame(ours.video, 2, [tl.Instance(ours.skeleton, [[1, 1], [2, 2]])]))
    ours[1].instances.append(tl.Instance(ours.skeleton, [[3, 3], [4, 4]], track=tl.Track(0, "x")))
    assert [len(frame) for frame in ours] == [1, 2, 1]
    tables = ours._snapshot.tables()
    assert tables.instances["instance_id"].is_unique().all()
    assert tables.frames["frame_id"].is_unique().all()
    assert len(pickle.loads(pickle.dumps(ours))) == 3


def test_videos_and_tracks_stay_the_same_objects() -> None:
    track = tl.Track(0, "a")
    ours = project({0: [user(0, track=track)]})
    video = ours.video
    ours.merge(project({0: [user(1, track=tl.Track(0, "a"))]}, "other.mp4"))
    assert ours.videos[0] is video
    assert ours.tracks[0] is track
    assert [t.name for t in ours.tracks] == ["a", "a"]
    assert ours.find(video, 0)[0][0].track is track


def test_a_skeleton_that_gets_nodes_gives_missing_points() -> None:
    ours = project({0: [user(1)]})
    long = tl.Skeleton(["tail", "wing", "head"])
    theirs = tl.Labels(
        [tl.LabeledFrame(ours.video, 0, [tl.Instance(long, [[1, 9], [4, 4], [1, 0]])])]
    )
    ours.merge(theirs)
    assert ours.skeleton.node_names == ["head", "tail", "wing"]
    np.testing.assert_array_equal(ours[0][0].numpy(), [[1, 0], [1, 9], [np.nan, np.nan]])
    np.testing.assert_array_equal(ours[0][1].numpy(), [[1, 0], [1, 9], [4, 4]])
    assert ours._snapshot.catalog.n_nodes.tolist() == [3]


def test_a_skeleton_that_gets_nodes_knows_the_old_ones() -> None:
    ours = project({0: [user(1)]})
    old = ours.skeleton
    free = tl.Instance(old, [[7, 8], [9, 10]])
    long = tl.Skeleton(["tail", "wing", "head"], edges=[("wing", "head")])
    ours.merge(tl.Labels([tl.LabeledFrame(ours.video, 5, [tl.Instance(long)])]))
    new = ours.skeleton
    assert [node.origin for node in new.nodes[:2]] == [node.origin for node in old.nodes]
    assert [edge[0].name for edge in new.edges] == ["head", "wing"]
    ours[0].instances.append(free)
    assert ours.skeletons == [new]
    np.testing.assert_array_equal(ours[0][1].numpy(), [[7, 8], [9, 10], [np.nan, np.nan]])
    assert ours.undo()
    assert ours.undo()
    assert ours.skeletons == [old]
    ours[0].instances.append(tl.Instance(new, [[1, 2], [3, 4], [5, 6]]))
    assert len(ours.skeletons) == 2


@pytest.mark.parametrize("how", ["one by one", "by query"])
def test_frames_follow_the_others_where_some_were_removed(how: str) -> None:
    ours = project({k: [user(k)] for k in range(6)})
    if how == "by query":
        ours.remove(where=pl.col("frame_idx").is_between(1, 4), level="frames")
    else:
        del ours[1:5]
    ours.merge(project({9: [user(5)], 3: [user(6)], 8: [user(7)]}))
    assert [frame.frame_idx for frame in ours] == [0, 5, 9, 3, 8]
    assert check_tables(ours._snapshot.tables()) == []
    ours.append(tl.LabeledFrame(ours.video, 4))
    assert [frame.frame_idx for frame in ours] == [0, 5, 9, 3, 8, 4]


def test_what_is_added_after_a_merge_is_not_taken_for_what_the_merge_added() -> None:
    ours = project({0: [user(1)]}, "a.mp4")
    wing = tl.Skeleton(["wing"])
    b, c = tl.Video("b.mp4"), tl.Video("c.mp4")
    ours.merge(tl.Labels([tl.LabeledFrame(b, 0, [tl.Instance(wing, track=tl.Track(0, "t"))])]))
    new = tl.Instance(tl.Skeleton(["leg"]), [[1, 2]], track=tl.Track(0, "u"))
    ours.append(tl.LabeledFrame(c, 0, [new]))
    assert [frame.video.filename for frame in ours] == ["a.mp4", "b.mp4", "c.mp4"]
    assert [video.filename for video in ours.videos] == ["a.mp4", "b.mp4", "c.mp4"]
    assert [one.skeleton.node_names[-1] for one in ours.all_instances] == ["tail", "wing", "leg"]
    assert [one.track and one.track.name for one in ours.all_instances] == [None, "t", "u"]
    assert check_tables(ours._snapshot.tables()) == []


@pytest.mark.parametrize("how", ["merge", "apply", "extend", "complex"])
def test_a_merge_gives_no_key_again(how: str) -> None:
    ours = project({k: [user(k, track=tl.Track(0, f"{k}"))] for k in range(3)})
    before = ours._snapshot.tables()
    theirs = project({9: [user(5, track=tl.Track(0, "new"))]}, "other.mp4")
    stale = ours.tracks[2]
    ours.remove_frame(ours[2])
    ours.remove_track(stale)
    merge: dict[str, Callable[[], object]] = {
        "merge": lambda: ours.merge(theirs),
        "apply": lambda: ours.apply_merge(ours.merge_plan(theirs)),
        "extend": lambda: ours.extend_from(theirs),
        "complex": lambda: tl.Labels.complex_merge_between(ours, theirs),
    }
    merge[how]()
    after = ours._snapshot.tables()
    for name, key in (("frames", "frame_id"), ("instances", "instance_id")):
        new = set(getattr(after, name)[key]) - set(getattr(before, name)[key])
        assert new == {3}
    assert after.catalog.tracks["track_id"].to_list() == [0, 1, 3]
    # What stood for a track that was removed stands for none that was added.
    ours[0][0].track = stale
    assert ours[0][0].track is stale
    assert [track.name for track in ours.tracks] == ["0", "1", "new", "2"]


def test_a_plan_changes_nothing_and_shows_what_would_be() -> None:
    ours = project({0: [user(0), predicted(50)], 1: [user(3)]})
    theirs = project({0: [user(2), predicted(50), user(90)], 5: [user(7)]})
    before = ours.copy()
    plan = ours.merge_plan(theirs, "keep_new", tolerance=5)
    assert ours.equals(before)
    frames = plan.frames.select("frame_idx", "where", "n_base", "n_new", "n_redundant",
                                "n_conflicting", "n_added", "n_dropped")  # fmt: skip
    assert frames.rows() == [
        (0, "both", 2, 3, 1, 1, 2, 1),
        (1, "base", 1, 0, 0, 0, 0, 0),
        (5, "new", 0, 1, 0, 0, 1, 0),
    ]
    instances = plan.instances.select(
        "frame_idx", "status", "action", "base_instance_id", "distance"
    )
    assert instances.rows() == [
        (0, "conflicting", "add", 0, 2.0),
        (0, "redundant", "skip", 1, 0.0),
        (0, "new", "add", None, None),
        (5, "new", "add", None, None),
    ]
    assert plan.dropped.select("video", "frame_idx", "instance_id", "kind").rows() == [
        ("fly.mp4", 0, 0, "user")
    ]
    text = str(plan)
    assert "merge: keep_new, within 5 pixels" in text
    assert "instances conflicting: 1" in text
    assert plan.report.conflicts == [("fly.mp4", 0)]
    with pytest.raises(AttributeError, match="no attribute 'frames_lost'"):
        plan.report.frames_lost  # noqa: B018 - that is the test


def test_a_plan_is_carried_out_once() -> None:
    ours, theirs = project({0: [user(0)]}), project({0: [user(2)], 5: [user(7)]})
    plan = ours.merge_plan(theirs, "keep_base")
    assert ours.apply_merge(plan) is plan.report
    assert xs(ours) == {0: [("u", 0)], 5: [("u", 7)]}
    with pytest.raises(MergeError, match="Make the plan again"):
        ours.apply_merge(plan)


def test_a_match_is_changed_before_the_merge() -> None:
    ours, theirs = project({0: [user(0)]}, "/a/one.mp4"), project({0: [user(1)]}, "/b/two.mp4")
    match = ours.match(theirs)
    assert match.video_map == {theirs.video: None}
    match.set_video("/b/two.mp4", 0)
    assert match.video_map == {theirs.video: ours.video}
    assert match.skeleton_map == {theirs.skeleton: ours.skeleton}
    assert "given" in str(match)
    ours.merge(theirs, match=match)
    assert len(ours.videos) == 1
    with pytest.raises(MergeError, match="before they were changed"):
        ours.merge(theirs, match=match)


@pytest.mark.parametrize("tracks", ["name", {0: 0}, {"a": "a"}])
def test_tracks_are_joined_on_request(tracks: Any) -> None:
    ours = project({0: [user(0, track=tl.Track(0, "a"))]})
    theirs = project({1: [user(1, track=tl.Track(4, "a"))]})
    ours.merge(theirs, tracks=tracks)
    assert [track.spawned_on for track in ours.tracks] == [0]
    assert ours[1][0].track is ours.tracks[0]


def test_videos_are_joined_by_a_mapping() -> None:
    ours, theirs = project({0: [user(0)]}, "one.mp4"), project({0: [user(0)]}, "two.mp4")
    report = ours.merge(theirs, videos={theirs.video: ours.video})
    assert not report.changes
    ours.merge(theirs, videos={"two.mp4": None})
    assert [video.filename for video in ours.videos] == ["one.mp4", "two.mp4"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategy": "best"}, r"strategy: found 'best', expected one of keep_both"),
        ({"tolerance": -1.0}, r"tolerance: found -1\.0"),
        ({"tolerance": float("nan")}, r"tolerance: found nan"),
        ({"videos": "guess"}, r"videos: found 'guess', expected one of auto"),
        ({"tracks": 5}, r"tracks: found 5"),
        ({"videos": {"nothing.mp4": 0}}, r"video: found 'nothing\.mp4', which 0 of"),
        ({"tracks": {0: 3}}, r"track: found 3, which 0 of"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_changes(
    options: dict[str, Any], message: str
) -> None:
    ours, theirs = project({0: [user(0)]}), project({0: [user(1)]})
    before = ours.copy(), theirs.copy()
    with pytest.raises(MergeError, match=message):
        ours.merge(theirs, **options)
    assert ours.equals(before[0])
    assert theirs.equals(before[1])


def test_only_labels_are_merged() -> None:
    with pytest.raises(TypeError, match="other"):
        project({}).merge("file.slp")  # type: ignore[arg-type]  # that is the test


def test_provenance_keeps_the_report_and_is_bounded() -> None:
    ours = project({0: [user(0)]}, provenance={"note": "mine"})
    for number in range(1, 4):
        theirs = project({number: [user(number)]}, provenance={"filename": f"{number}.slp"})
        ours.merge(theirs, "keep_base", tolerance=2)
    history = ours.provenance[HISTORY_KEY]
    assert [record["filename"] for record in history] == ["1.slp", "2.slp", "3.slp"]
    assert history[0]["counts"]["frames_added"] == 1
    assert (history[0]["strategy"], history[0]["tolerance"]) == ("keep_base", 2.0)
    assert len(ours.provenance[LINEAGE_KEY]) == 3
    assert ours.provenance["note"] == "mine"
    assert HISTORY_KEPT == 100


def test_history_is_cut_at_its_length(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tabular_labels.merging.HISTORY_KEPT", 2)
    ours = project({})
    for number in range(3):
        ours.merge(project({number: [user(number)]}))
    assert len(ours.provenance[HISTORY_KEY]) == 2


def test_merging_another_project_twice_changes_nothing_the_second_time(tmp_path: Path) -> None:
    ours = project({0: [user(0, track=tl.Track(0, "a"))]})
    theirs = project({0: [user(1, track=tl.Track(0, "a"))], 1: [user(1, track=tl.Track(0, "b"))]})
    ours.merge(theirs)
    once = ours.copy()
    assert not ours.merge(theirs).changes
    assert ours.equals(once)
    # The lineage goes along through a file.
    theirs.save(tmp_path / "theirs.slp")
    ours.save(tmp_path / "ours.slp")
    again = tl.load_file(tmp_path / "ours.slp")
    assert not again.merge(tl.load_file(tmp_path / "theirs.slp")).changes
    assert len(again.tracks) == 3


@pytest.mark.parametrize("form", ["slp", "parquet"])
def test_scanned_labels_are_merged_where_their_points_are(form: str, tmp_path: Path) -> None:
    whole = tl.Labels.from_tables(make_tables(60, n_videos=2, untracked_fraction=0.2))
    first, second = whole.split(0.5, seed=1)
    paths = [tmp_path / f"{k}.{form}" for k in range(2)]
    for part, path in zip((first, second), paths, strict=True):
        part.save(path)
    scan = tl.scan_slp if form == "slp" else tl.scan_parquet
    ours, theirs = scan(paths[0]), scan(paths[1])
    ours.merge(theirs)
    assert ours.is_scanned
    expected = first.copy()
    expected.merge(second)
    differences = find_differences(ours._snapshot.tables(), expected._snapshot.tables())
    assert set(differences) <= {"provenance differs"}  # it names time and file
    ours.merge(expected)
    assert len(ours) == 60


def test_data_that_is_not_modelled_is_left_behind_with_a_warning() -> None:
    from dataclasses import replace

    from tabular_labels.model.tables import Attachments
    from tabular_labels.store.snapshot import Snapshot

    tables = project({1: [user(1)]})._snapshot.tables()
    catalog = replace(tables.catalog, attachments=Attachments({"sessions": 2}))
    theirs = tl.Labels.from_snapshot(Snapshot.of(replace(tables, catalog=catalog)))
    with pytest.warns(UnmodelledDataWarning, match=r"2 sessions.*left behind"):
        project({0: []}).merge(theirs)


@settings(max_examples=25)
@given(pairs(same_origin=True))
def test_a_split_is_restored_by_merging(pair: tuple[LabelTables, LabelTables]) -> None:
    labels = tl.Labels.from_tables(pair[0])
    if len(labels) < 2:
        return
    first, second = labels.split(0.5, seed=3)
    first.merge(second)
    assert set(merge_reference.contents(first._snapshot.tables())) == set(
        merge_reference.contents(pair[0])
    )


def test_many_labels_are_merged_into_new_ones() -> None:
    parts = [project({k: [user(k)], 9: [user(0)]}) for k in range(3)]
    merged = tl.merge(parts)
    assert xs(merged) == {0: [("u", 0)], 9: [("u", 0)], 1: [("u", 1)], 2: [("u", 2)]}
    assert [len(part) for part in parts] == [2, 2, 2]
    assert len(merged.provenance[HISTORY_KEY]) == 2
    assert merged.undo() is False
    alone = tl.merge(parts[:1])
    assert alone is not parts[0]
    assert alone.equals(parts[0])
    with pytest.raises(MergeError, match="no labels to merge"):
        tl.merge([])
    with pytest.raises(TypeError, match="project"):
        tl.merge(["a.slp"])  # type: ignore[list-item]  # that is the test


# The classic interface


@settings(max_examples=30)
@given(pairs(), st.booleans())
def test_the_classic_merge_equals_the_slow_way(
    pair: tuple[LabelTables, LabelTables], unify: bool
) -> None:
    from tabular_labels.labels_merge_classic import _match
    from tabular_labels.queries.merge_catalog import merge_catalogs

    base, new = (tl.Labels.from_tables(tables) for tables in pair)
    catalog = merge_catalogs(_match(base, new, unify=unify))
    # Instances are the same when their tracks say the same, also when these are two.
    catalog, are_distinct = merge_reference.tracks_by_value(catalog)
    added, extra_base, extra_new, kept = merge_reference.classic(*pair, catalog)
    merged, of_base, of_new = tl.Labels.complex_merge_between(base, new, unify=unify)
    n_added = sum(len(one) for frames in merged.values() for one in frames.values())
    assert n_added == len(added)
    if unify and are_distinct:
        assert merge_reference.told_labels(base) == sorted(kept + added)
        assert merge_reference.told_frames(of_base) == sorted(extra_base)
        assert merge_reference.told_frames(of_new) == sorted(extra_new)
    else:
        assert len(merge_reference.told_labels(base)) == len(kept) + len(added)
        assert len(merge_reference.told_frames(of_base)) == len(extra_base)
        assert len(merge_reference.told_frames(of_new)) == len(extra_new)


def test_frames_in_conflict_are_handed_back_and_chosen_from() -> None:
    for choice, expected in {
        "base": [("u", 0), ("u", 1)],
        "new": [("u", 0), ("u", 5)],
        "both": [("u", 0), ("u", 1), ("u", 5)],
    }.items():
        ours = project({0: [user(0), user(1)], 2: [user(2)]})
        theirs = project({0: [user(0), user(5)], 2: [predicted(7)], 3: [user(9)]})
        merged, extra_base, extra_new = tl.Labels.complex_merge_between(ours, theirs)
        assert list(merged) == [ours.video]
        assert {k: len(v) for k, v in merged[ours.video].items()} == {2: 1, 3: 1}
        assert xs(ours) == {0: [("u", 0)], 2: [("u", 2), ("p", 7)], 3: [("u", 9)]}
        assert [(f.frame_idx, f.video is ours.video, len(f)) for f in extra_base] == [(0, True, 1)]
        assert [(f.frame_idx, f.video is ours.video, len(f)) for f in extra_new] == [(0, True, 1)]
        frames = {"base": extra_base, "new": extra_new, "both": [*extra_base, *extra_new]}
        tl.Labels.finish_complex_merge(ours, frames[choice])
        assert xs(ours)[0] == expected
        assert len(ours.videos) == len(ours.skeletons) == 1


def test_only_frames_that_the_merge_emptied_are_removed() -> None:
    ours = project({0: [user(0)], 1: [], 2: [user(1)]})
    theirs = project({0: [user(5)]})
    _, extra_base, _ = tl.Labels.complex_merge_between(ours, theirs)
    assert [(f.frame_idx, len(f)) for f in ours] == [(0, 0), (1, 0), (2, 1)]
    tl.Labels.finish_complex_merge(ours, [])
    assert [f.frame_idx for f in ours] == [1, 2]
    ours = project({0: [user(0)], 1: []})
    _, extra_base, _ = tl.Labels.complex_merge_between(ours, theirs)
    tl.Labels.finish_complex_merge(ours, list(extra_base))
    assert xs(ours) == {0: [("u", 0)], 1: []}


def test_two_that_match_one_are_both_redundant() -> None:
    ours, theirs = project({0: [user(0)]}), project({0: [user(0), user(0)]})
    merged, extra_base, extra_new = tl.Labels.complex_merge_between(ours, theirs)
    assert (merged, len(extra_base), len(extra_new)) == ({}, 0, 0)
    assert xs(ours) == {0: [("u", 0)]}


def test_new_frames_of_one_index_are_merged_first() -> None:
    theirs = project({})
    theirs.extend([tl.LabeledFrame(tl.Video.from_filename("fly.mp4"), 4, [user(1)])])
    video = theirs.video
    theirs = tl.Labels([tl.LabeledFrame(video, 4, [user(1)]),
                        tl.LabeledFrame(video, 4, [user(1), user(2)])])  # fmt: skip
    ours = project({0: []})
    tl.Labels.complex_merge_between(ours, theirs)
    assert xs(ours) == {0: [], 4: [("u", 1), ("u", 2)]}


def test_without_unify_videos_are_the_same_if_they_are_one_object() -> None:
    ours, theirs = project({0: [user(0)]}), project({0: [user(1)]})
    tl.Labels.complex_merge_between(ours, theirs, unify=False)
    assert len(ours.videos) == 2
    whole = project({0: [user(0)], 1: [user(1)]})
    first, second = whole.extract([0]), whole.extract([1])
    tl.Labels.complex_merge_between(first, second, unify=False)
    assert len(first.videos) == 1
    assert first[:] == whole[:]


def test_extending_tells_whether_there_was_anything() -> None:
    ours = project({0: [user(0)]})
    assert ours.extend_from(project({}), unify=True) is False
    assert ours.extend_from([]) is False
    assert ours.extend_from((ours[0],)) is False
    assert ours.extend_from(project({0: [user(0), user(3)], 1: [user(4)]}), unify=True) is True
    assert xs(ours) == {0: [("u", 0), ("u", 3)], 1: [("u", 4)]}
    frame = tl.LabeledFrame(ours.video, 7, [tl.Instance(ours.skeleton, [[1, 1], [2, 2]])])
    assert ours.extend_from([frame]) is True
    assert [f.frame_idx for f in ours] == [0, 1, 7]
    assert len(ours.skeletons) == 1


def test_extending_takes_no_suggestions_over() -> None:
    theirs = project({0: [user(0)]})
    theirs = tl.Labels(theirs[:], suggestions=[(theirs.video, 5)])
    ours = project({1: [user(1)]})
    ours.extend_from(theirs, unify=True)
    assert ours.suggestions == []
    ours.merge(theirs)
    assert [suggestion.frame_idx for suggestion in ours.suggestions] == [5]


def test_matching_frames_become_one() -> None:
    video, other = tl.Video("a.mp4"), tl.Video("b.mp4")
    frames = [
        tl.LabeledFrame(video, 3, [user(1)]),
        tl.LabeledFrame(other, 3, [user(1)]),
        tl.LabeledFrame(video, 3, [user(1), user(2)]),
        tl.LabeledFrame(other, 3, [user(4)]),
        tl.LabeledFrame(video, 1, []),
    ]
    labels = tl.Labels(frames)
    first = labels[0]
    labels.merge_matching_frames(video)
    assert [(f.video.filename, f.frame_idx, len(f)) for f in labels] == [
        ("a.mp4", 3, 2),
        ("b.mp4", 3, 1),
        ("b.mp4", 3, 1),
        ("a.mp4", 1, 0),
    ]
    assert len(first) == 2
    labels.merge_matching_frames()
    assert [len(f) for f in labels] == [2, 2, 0]
    assert labels.undo()
    assert labels.undo()
    assert len(labels) == 5


@settings(max_examples=25)
@given(pairs())
def test_matching_frames_keep_what_they_say(pair: tuple[LabelTables, LabelTables]) -> None:
    labels = tl.Labels.from_tables(pair[1])
    labels.merge_matching_frames()
    tables = labels._snapshot.tables()
    tl.Labels.from_tables(tables)  # checks every rule
    assert set(merge_reference.contents(tables)) == set(merge_reference.contents(pair[1]))
    places = tables.frames.select("video_id", "frame_idx")
    assert places.is_unique().all()


def test_container_dicts_are_merged() -> None:
    mine = {"a": [[1, 2]]}
    theirs = {"a": [[1, 2], [3, 4]], "b": [[5, 6]]}
    merged = tl.Labels.merge_container_dicts(mine, theirs)
    assert merged is mine
    assert mine == {"a": [[1, 2], [3, 4]], "b": [[5, 6]]}
    assert mine["b"] is not theirs["b"]
    assert tl.Labels.merge_container_dicts({"a": [1, 1.0, True, {"k": 1}, {"k": 1}]}, {}) == {
        "a": [1, {"k": 1}]
    }


def test_a_report_names_videos_once_and_says_what_to_do_about_namesakes() -> None:
    ant, other_ant, bee = (tl.Track(0, name) for name in ("ant", "ant", "bee"))
    ours = project({k: [user(0, track=ant)] for k in range(3)})
    theirs = project({k: [user(9, track=other_ant), user(5, track=bee)] for k in (0, 2)})
    report = ours.merge_plan(theirs).report
    assert report.n_namesakes == 1
    lines = str(report).splitlines()
    assert "  first conflicts: fly.mp4 at frames 0, 2" in lines
    assert lines[-1].startswith("  tracks kept apart from one of the same name: 1 ")
    joined = ours.merge_plan(theirs, tracks="name").report
    assert joined.n_namesakes == 0
    assert "same name" not in str(joined)


def test_frames_of_one_place_that_were_emptied_are_removed_once() -> None:
    fly, video = tl.Skeleton(["head"]), tl.Video("a.mp4")

    def twice_at_one_place(x: float) -> tl.Labels:
        instances = [tl.Instance(fly, [[x, y]]) for y in (0, 10)]
        return tl.Labels([tl.LabeledFrame(video, 0, [one]) for one in instances])

    mine = twice_at_one_place(1.0)
    tl.Labels.complex_merge_between(mine, twice_at_one_place(2.0))
    tl.Labels.finish_complex_merge(mine, [])
    assert len(mine) == 0
