"""Tracks are renamed, ordered, merged and removed through labels."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tabular_labels as tl
from tabular_labels.errors import (
    AmbiguousNameError,
    MergeError,
    ReadOnlyError,
    UnknownTrackError,
)
from tabular_labels.testing.builders import make_tables

FLY = tl.Skeleton(["head"])


def project() -> tuple[tl.Labels, tl.Video, tl.Track, tl.Track]:
    a, b, video = tl.Track(0, "a"), tl.Track(0, "b"), tl.Video("a.mp4")
    frames = [
        tl.LabeledFrame(video, k, [tl.Instance(FLY, [[k, 0]], track=a if k < 2 else b)])
        for k in range(4)
    ]
    return tl.Labels(frames, tracks=[a, b]), video, a, b


def names(labels: tl.Labels) -> list[str]:
    return [track.name for track in labels.tracks]


@pytest.fixture(params=["memory", "slp", "parquet"])
def labels(request: pytest.FixtureRequest, tmp_path: Path) -> tl.Labels:
    made = tl.Labels.from_tables(make_tables(40, n_videos=2, n_nodes=2, n_instances=3, seed=1))
    if request.param == "memory":
        return made
    path = tmp_path / f"some.{request.param}"
    made.save(path)
    return tl.scan_slp(path) if request.param == "slp" else tl.scan_parquet(path)


def test_a_renamed_track_is_known_by_every_object_it_ever_had() -> None:
    labels, video, a, b = project()
    labels.rename_tracks({a: "first"})
    new = labels.tracks[0]
    labels.rename_tracks({"first": "one"})
    newest = labels.tracks[0]
    assert [newest.name, a.name] == ["one", "a"]
    assert labels[0][0].track is newest
    for known in (a, new, newest):
        assert len(labels.find_track_occupancy(video, known)) == 2
        labels[3][0].track = known
        assert labels[3][0].track is newest
        labels.undo()
    labels.track_swap(video, a, b, (3, 4))
    assert labels[3][0].track is newest
    assert labels.tracks == [newest, b]
    labels.undo()
    labels.undo()
    assert labels[0][0].track is new
    labels.undo()
    assert labels.tracks == [a, b]
    labels[3][0].track = newest
    assert labels[3][0].track is a
    assert labels.tracks == [a, b]


def test_renaming_is_seen_by_tables_files_and_copies(labels: tl.Labels, tmp_path: Path) -> None:
    others = labels.copy()
    before = names(labels)
    labels.rename_tracks({name: f"fly {k}" for k, name in enumerate(before)})
    made = [f"fly {k}" for k in range(len(before))]
    assert names(labels) == made
    assert set(labels.to_polars("instances")["track"].drop_nulls()) == set(made)
    assert names(others) == before
    tl.write_slp(labels, tmp_path / "made.slp")
    tl.write_parquet(labels, tmp_path / "made.parquet")
    for path in ("made.slp", "made.parquet"):
        again = tl.load_file(tmp_path / path)
        assert names(again) == made
        assert again.equals(labels.collect())
    assert names(pickle.loads(pickle.dumps(labels))) == made
    labels.undo()
    assert names(labels) == before
    assert labels.collect().equals(others.collect())


def test_columns_of_arrays_follow_the_order_of_tracks(labels: tl.Labels) -> None:
    before = labels.numpy(labels.videos[0])
    order = list(reversed(labels.tracks))
    labels.reorder_tracks(order)
    assert labels.tracks == order
    np.testing.assert_array_equal(labels.numpy(labels.videos[0]), before[:, ::-1])
    labels.tracks.append(tl.Track(0, "last"))
    assert names(labels)[-1] == "last"


def test_instances_of_a_removed_track_stay(labels: tl.Labels) -> None:
    track = labels.tracks[1]
    n = len(labels.all_instances)
    labels.remove_track(track)
    assert track not in labels.tracks
    assert len(labels.all_instances) == n
    assert labels.to_polars("instances")["track"].null_count() > 0
    labels.remove_all_tracks()
    assert labels.tracks == []
    assert labels.to_polars("instances")["track"].null_count() == n
    labels.undo()
    labels.undo()
    assert track in labels.tracks
    assert labels.to_polars("instances")["track"].null_count() == 0


def test_unused_tracks_go_in_one_step(labels: tl.Labels) -> None:
    used = list(labels.tracks)
    for k in range(3):
        labels.add_track(None, tl.Track(0, f"empty {k}"))
    labels.track_swap(labels.videos[0], labels.tracks[-1], used[0], (0, 10**6))
    labels.track_swap(labels.videos[1], labels.tracks[-1], used[0], (0, 10**6))
    assert labels.remove_unused_tracks() == 3
    assert names(labels) == [*[track.name for track in used[1:]], "empty 2"]
    assert labels.remove_unused_tracks() == 0
    labels.undo()
    assert len(labels.tracks) == len(used) + 3


def test_tracks_are_merged_where_they_do_not_meet() -> None:
    labels, video, a, b = project()
    assert labels.merge_tracks([a, b], b) == 2
    assert labels.tracks == [b]
    assert labels.get_track_occupancy(video) == {b: [(0, 4)]}
    labels[0][0].track = a
    assert labels.tracks == [b, a]
    labels.undo()
    labels.undo()
    assert labels.tracks == [a, b]
    fresh = tl.Track(0, "both")
    labels.merge_tracks(["a", "b"], fresh)
    assert labels.tracks == [fresh]


def test_tracks_that_meet_are_merged_only_when_it_is_said() -> None:
    labels, _, a, b = project()
    labels[0].instances.append(tl.Instance(FLY, [[9, 9]], track=b))
    with pytest.raises(MergeError, match=r"found 1 frames.*allow_overlap=True"):
        labels.merge_tracks([a], b)
    with pytest.raises(MergeError):
        labels.merge_tracks([a, b], tl.Track(0, "new"))
    assert labels.tracks == [a, b]
    assert labels.merge_tracks([a], "b", allow_overlap=True) == 2
    assert [i.track for i in labels[0]] == [b, b]


@pytest.mark.parametrize(
    ("edit", "error", "match"),
    [
        (lambda x: x.rename_tracks({"q": "x"}), UnknownTrackError, "q"),
        (lambda x: x.rename_tracks({tl.Track(0, "q"): "x"}), UnknownTrackError, "q"),
        (lambda x: x.rename_tracks({"a": 3}), TypeError, "name of a track.*3"),
        (lambda x: x.rename_tracks({"a": "x", x.tracks[0]: "y"}), ValueError, "twice"),
        (lambda x: x.reorder_tracks(["a"]), ValueError, "all 2"),
        (lambda x: x.reorder_tracks(["a", "a"]), ValueError, "twice"),
        (lambda x: x.remove_track("q"), UnknownTrackError, "q"),
        (lambda x: x.remove_track(3), TypeError, "track.*3"),
        (lambda x: x.merge_tracks(["a"], "q"), UnknownTrackError, "q"),
        (lambda x: x.merge_tracks(["q"], tl.Track(0, "new")), UnknownTrackError, "q"),
        (lambda x: x.tracks.clear(), ReadOnlyError, r"labels\.remove_track"),
        (lambda x: x.tracks.remove(x.tracks[0]), ReadOnlyError, r"labels\.remove_track"),
        (lambda x: x.tracks.__setitem__(0, 3), ReadOnlyError, r"labels\.rename_tracks"),
        (lambda x: setattr(x.tracks[0], "name", "x"), ReadOnlyError, r"labels\.rename_tracks"),
    ],
)
def test_bad_edits_change_nothing(
    edit: Callable[[tl.Labels], object], error: type[Exception], match: str
) -> None:
    labels, _, a, b = project()
    snapshot = labels._snapshot
    with pytest.raises(error, match=match):
        edit(labels)
    assert labels._snapshot is snapshot
    assert labels.tracks == [a, b]
    assert not labels.undo()


def test_a_name_that_two_tracks_share_is_not_guessed() -> None:
    labels, _, a, _ = project()
    labels.rename_tracks({"b": "a"})
    with pytest.raises(AmbiguousNameError, match=r"2 tracks.*'a'.*labels\.tracks"):
        labels.remove_track("a")
    labels.rename_tracks({a: "z"})
    assert names(labels) == ["z", "a"]


def test_the_list_of_tracks_shows_how_things_stand() -> None:
    labels, _, a, b = project()
    tracks = labels.tracks
    c = tl.Track(0, "c")
    tracks += [c]
    assert labels.tracks == [a, b, c] == tracks
    tracks.append(a)
    assert tracks == [a, b, c]
    labels.undo()
    assert (len(tracks), tracks[-1], c in tracks, tracks.index(b)) == (2, b, False, 1)
    assert [*tracks, c] == tracks + [c]  # noqa: RUF005  # that lists can be added
    assert [c, *tracks] == [c] + tracks  # noqa: RUF005  # on either side
    assert pickle.loads(pickle.dumps(tracks))[0].name == "a"
    assert tracks.copy() == tracks[:] == [a, b]
    assert repr(tracks) == repr([a, b])
    assert tracks != (3,)
    assert tracks != "ab"


def test_ten_thousand_tracks_are_merged_as_one_set() -> None:
    labels = tl.Labels.from_tables(make_tables(20, n_videos=1, n_nodes=1, n_instances=2))
    many = [tl.Track(0, f"part {k}") for k in range(10_000)]
    labels.tracks.extend(many)
    labels.rename_tracks({track: f"piece {k}" for k, track in enumerate(many)})
    assert labels.merge_tracks(many[1:], many[0]) == 0
    assert names(labels)[2:] == ["piece 0"]


def test_a_swap_tells_both_tracks_by_identity_or_by_what_they_were_before() -> None:
    fly, video = tl.Skeleton(["head"]), tl.Video("a.mp4")
    one, two = tl.Track(0, "one"), tl.Track(0, "two")
    labels = tl.Labels(
        [tl.LabeledFrame(video, 0, [tl.Instance(fly, track=track) for track in (one, two)])]
    )
    labels.rename_tracks({"one": "first"})
    labels.track_swap(video, one, two, (0, 1))
    assert [one.track.name for one in labels[0] if one.track] == ["two", "first"]
    # Of the same name, and still others: nothing is on them, and both are added.
    labels.track_swap(video, tl.Track(0, "first"), tl.Track(0, "two"), (0, 1))
    assert [one.track.name for one in labels[0] if one.track] == ["two", "first"]
    assert [track.name for track in labels.tracks] == ["first", "two", "first", "two"]


def test_an_added_instance_gets_no_track_that_a_renamed_one_stands_for() -> None:
    fly, video, track = tl.Skeleton(["head"]), tl.Video("a.mp4"), tl.Track(0, "one")
    labels = tl.Labels([tl.LabeledFrame(video, 0, [tl.Instance(fly, track=track)])])
    labels.rename_tracks({"one": "first"})
    labels.add_instance(labels[0], tl.Instance(fly, track=track))
    assert [one.track for one in labels[0]] == [labels.tracks[0], None]
