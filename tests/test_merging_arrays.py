"""Merging labels of videos that are arrays: what a user sees."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import tabular_labels as tl
from tabular_labels.errors import AmbiguousVideoError, LeftOutWarning

ARRAY = np.random.default_rng(0).integers(0, 256, (10, 8, 6, 1), np.uint8)
OTHER = ARRAY.copy()
OTHER[-1, -1, -2, 0] ^= 1
FLY = tl.Skeleton(["head"])


def project(*videos: tl.Video) -> tl.Labels:
    frames = [
        tl.LabeledFrame(video, k, [tl.PredictedInstance(FLY, [[k, 1]])])
        for video in videos
        for k in range(3)
    ]
    return tl.Labels(frames)


def of_arrays(*arrays: Any) -> tl.Labels:
    return project(*map(tl.Video.from_numpy, arrays))


def merged(base: tl.Labels, other: tl.Labels) -> tl.Labels:
    base.merge(other)
    return base


def planned(base: tl.Labels, other: tl.Labels) -> tl.Labels:
    base.apply_merge(base.merge_plan(other))
    return base


def extended(base: tl.Labels, other: tl.Labels) -> tl.Labels:
    assert base.extend_from(other)
    return base


def extended_by_frames(base: tl.Labels, other: tl.Labels) -> tl.Labels:
    assert base.extend_from([frame.copy() for frame in other])
    return base


def unified(base: tl.Labels, other: tl.Labels) -> tl.Labels:
    base.extend_from(other, unify=True)
    return base


def classic(base: tl.Labels, other: tl.Labels, *, unify: bool = True) -> tl.Labels:
    tl.Labels.complex_merge_between(base, other, unify=unify)
    return base


Way = Callable[[tl.Labels, tl.Labels], tl.Labels]
BY_CONTENT: list[Way] = [merged, planned, unified, classic, lambda a, b: tl.merge([a, b])]
BY_IDENTITY: list[Way] = [
    extended,
    extended_by_frames,
    lambda a, b: classic(a, b, unify=False),
]
ways = pytest.mark.parametrize("way", BY_CONTENT + BY_IDENTITY)


def arrays(labels: tl.Labels) -> list[Any]:
    return [video.array for video in labels.videos]


@ways
def test_two_recordings_of_one_shape_stay_two(way: Way) -> None:
    ours, theirs = of_arrays(ARRAY), of_arrays(OTHER)
    videos = [ours.video, theirs.video]
    both = way(ours, theirs)
    assert len(both) == 6
    # The others' own videos, with the arrays themselves.
    assert all(mine is given for mine, given in zip(both.videos, videos, strict=True))
    assert all(mine is given for mine, given in zip(arrays(both), (ARRAY, OTHER), strict=True))
    for video, array in zip(videos, (ARRAY, OTHER), strict=True):
        found = both.find(video)
        assert [frame.frame_idx for frame in found] == [0, 1, 2]
        assert all(np.array_equal(frame.image, array[frame.frame_idx]) for frame in found)


@pytest.mark.parametrize("way", BY_CONTENT)
def test_equal_pictures_are_one_recording(way: Way) -> None:
    both = way(of_arrays(ARRAY), of_arrays(ARRAY.copy()))
    assert (len(both), len(both.videos)) == (3, 1)
    assert arrays(both)[0] is ARRAY


@ways
def test_one_video_is_itself_whatever_it_holds(way: Way) -> None:
    for video in (tl.Video.from_numpy(ARRAY), tl.Video.from_numpy(ARRAY[:0]), tl.Video("")):
        both = way(project(video), project(video))
        assert both.videos == [video]
        assert {frame.frame_idx for frame in both} == {0, 1, 2}


def test_several_equal_arrays_are_named_and_none_is_guessed() -> None:
    ours, theirs = of_arrays(ARRAY, ARRAY.copy()), of_arrays(ARRAY.copy())
    match = ours.match(theirs)
    assert match.videos.select("by", "candidates").row(0) == ("ambiguous", [0, 1])
    match.set_video(0, 1)
    assert ours.merge(theirs, match=match).frames_added == 0
    assert len(ours.videos) == 2
    ours.undo()
    ours.merge(theirs)
    assert len(ours.videos) == 3
    # One object is more than equal pictures.
    again = project(ours.videos[0])
    assert ours.match(again).videos.select("base_video_id", "by").row(0) == (0, "object")


def test_arrays_stay_through_undo_and_in_what_is_made_of_the_labels() -> None:
    ours, theirs = of_arrays(ARRAY), of_arrays(OTHER)
    ours.merge(theirs)
    ours.undo()
    assert [array is ARRAY for array in arrays(ours)] == [True]
    ours.redo()
    parts = (
        ours,
        ours.copy(),
        ours.extract([5]),
        *ours.split(0.5, seed=0),
        ours.filter(frames=pl.col("frame_idx") > 0),
    )
    for labels in parts:
        assert [a is b for a, b in zip(arrays(labels), (ARRAY, OTHER), strict=True)] == [True] * 2
    loaded = arrays(pickle.loads(pickle.dumps(ours)))
    assert all(np.array_equal(a, b) for a, b in zip(loaded, (ARRAY, OTHER), strict=True))
    assert np.array_equal(ours.videos[1].copy().get_frame(9), OTHER[9])


def test_what_the_others_do_later_does_not_show() -> None:
    ours, theirs = of_arrays(ARRAY), of_arrays(OTHER)
    ours.merge(theirs)
    theirs.update_video(theirs.video, "moved.mp4")
    assert [video.filename for video in ours.videos] == ["", ""]
    assert arrays(ours)[1] is OTHER


@pytest.mark.parametrize("form", ["slp", "parquet"])
def test_arrays_that_were_not_saved_are_known_by_origin_alone(form: str, tmp_path: Path) -> None:
    ours = of_arrays(ARRAY, OTHER)
    path = tmp_path / f"a.{form}"
    with pytest.warns(LeftOutWarning, match="pictures of 2 of 2 videos"):
        ours.save(path)
    read = tl.read_slp(path) if form == "slp" else tl.read_parquet(path)
    assert arrays(read) == [None, None]
    assert ours.match(read).videos.select("base_video_id", "by").rows() == [
        (0, "lineage"),
        (1, "lineage"),
    ]
    assert not ours.merge(read).changes
    stranger = of_arrays(ARRAY)
    assert stranger.match(read).videos.select("by", "candidates").rows() == [
        ("ambiguous", [0]),
        ("ambiguous", [0]),
    ]
    stranger.merge(read, videos={0: 0})
    assert (len(stranger), len(stranger.videos)) == (6, 2)
    assert stranger.videos[1] is read.videos[1]


def test_merged_arrays_are_embedded(tmp_path: Path) -> None:
    ours = of_arrays(ARRAY)
    ours.merge(of_arrays(OTHER))
    with pytest.raises(AmbiguousVideoError):
        of_arrays(ARRAY, ARRAY.copy()).find(tl.Video.from_numpy(ARRAY.copy()))
    for video in ours.videos:
        ours.add_instance(ours.find(video, 1)[0], tl.Instance(FLY, [[1, 2]]))
    ours.save(tmp_path / "a.pkg.slp", with_images=True)
    read = tl.read_slp(tmp_path / "a.pkg.slp")
    for video, array in zip(read.videos, (ARRAY, OTHER), strict=True):
        assert np.array_equal(video.get_frame(1), array[1])


def test_predictions_are_removed_where_lineage_knows_the_videos() -> None:
    ours = of_arrays(ARRAY, ARRAY.copy(), OTHER)
    others = pickle.loads(pickle.dumps(ours))
    others.remove_video(others.videos[0])
    others.remove_frame(others[0])
    assert ours.remove_predictions(others) == 5
    with_predictions = [frame for frame in ours if len(frame)]
    assert [(frame.video, frame.frame_idx) for frame in with_predictions] == [
        *((ours.videos[0], k) for k in range(3)),
        (ours.videos[1], 0),
    ]
    with pytest.raises(AmbiguousVideoError):
        ours.remove_predictions(of_arrays(ARRAY.copy()))
    # What took the place of an array here is not that array.
    again = of_arrays(ARRAY, OTHER)
    copy = pickle.loads(pickle.dumps(again))
    again.replace_video(again.videos[1], tl.Video.from_numpy(ARRAY + 1))
    assert again.remove_predictions(copy) == 3
    assert [len(frame) for frame in again] == [0, 0, 0, 1, 1, 1]


def test_an_object_that_stands_for_a_video_does_not_stand_for_an_added_one() -> None:
    """Two videos of one name cannot be told apart by name, so both are added again."""
    fly, one, two = tl.Skeleton(["head"]), tl.Video("a.mp4"), tl.Video("a.mp4")
    frames = [tl.LabeledFrame(video, 0, [tl.PredictedInstance(fly)]) for video in (one, two)]
    labels = tl.Labels(frames)
    _, *extra = tl.Labels.complex_merge_between(labels, labels.copy(), True)
    assert len({id(video) for video in labels.videos}) == len(labels.videos) == 4
    assert [video.filename for video in labels.videos] == ["a.mp4"] * 4
    assert extra == [[], []]
    assert [labels.videos.index(frame.video) for frame in labels] == [0, 1, 2, 3]
    assert labels.find(labels.videos[3], 0)[0] is not labels.find(labels.videos[1], 0)[0]


def test_an_object_that_stood_for_a_removed_video_comes_back_as_itself() -> None:
    """Nobody else has it, so that no copy is needed."""
    old, moved = tl.Video("a.mp4"), tl.Video("b.mp4")
    labels = tl.Labels(videos=[old])
    labels.replace_video(old, moved)
    labels.remove_video(moved)
    labels.merge(tl.Labels([tl.LabeledFrame(moved, 3)]))
    assert labels.videos == [moved]
    assert labels.videos[0] is moved
