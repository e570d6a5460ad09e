"""The classic readers: which examples they have, and how they are split.

Their datasets are tested in `tests/training/test_tf_data.py`.
"""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tabular_labels as tl
from tabular_labels.errors import MissingExtraError, NothingToExportError, QueryError
from tests.training.scenes import FLY, N_FRAMES, labels_on, random_video, scenes

EMPTY = tl.Labels()


def guess() -> tl.PredictedInstance:
    return tl.PredictedInstance(FLY, [[1, 2]] * 3)


# Which examples


def test_a_reader_has_all_frames_or_those_asked_for() -> None:
    labels = labels_on(random_video())
    assert len(tl.LabelsReader(labels)) == N_FRAMES
    assert len(tl.LabelsReader(labels, [4, 4, 1])) == 3
    assert len(tl.LabelsReader(labels, np.array([], int))) == 0
    reader = tl.LabelsReader(labels, range(2))
    assert (len(reader), reader.user_instances_only, reader.with_track_only) == (2, False, False)
    assert reader.labels is labels
    assert list(reader.videos) == list(labels.videos)
    assert list(reader.tracks) == list(labels.tracks)
    assert reader.output_keys == [
        "image", "raw_image_size", "example_ind", "video_ind", "frame_ind", "scale",
        "instances", "skeleton_inds", "track_inds", "n_tracks",
    ]  # fmt: skip


@given(scenes(), st.booleans())
def test_frames_with_user_instances_are_read(labels: tl.Labels, with_track_only: bool) -> None:
    expected = [
        (frame.video.filename, frame.frame_idx)
        for frame in labels
        if any(
            not (with_track_only and one.track is None)
            for one in frame.instances
            if not isinstance(one, tl.PredictedInstance)
        )
    ]
    before = len(labels)
    if not expected:
        with pytest.raises(NothingToExportError, match="user instances"):
            tl.LabelsReader.from_user_instances(labels, with_track_only)
        return
    reader = tl.LabelsReader.from_user_instances(labels, with_track_only)
    assert [(lf.video.filename, lf.frame_idx) for lf in reader.labels] == expected
    assert reader.user_instances_only
    assert reader.with_track_only == with_track_only
    assert len(labels) == before


def test_labels_without_user_instances_are_refused() -> None:
    predicted = tl.Labels([tl.LabeledFrame(random_video(), 1, [guess()])])
    for labels in (EMPTY, predicted):
        with pytest.raises(NothingToExportError, match=r"found no user instances in .* Label"):
            tl.LabelsReader.from_user_instances(labels)
    untracked = tl.Labels([tl.LabeledFrame(random_video(), 1, [tl.Instance(FLY, [[1, 2]] * 3)])])
    with pytest.raises(ValueError, match="no tracked user instances"):
        tl.LabelsReader.from_user_instances(untracked, with_track_only=True)


def test_unlabelled_suggestions_are_read_once_and_in_order() -> None:
    videos = [random_video(1), random_video(2)]
    frames = [
        tl.LabeledFrame(videos[0], 3, [tl.Instance(FLY, [[1, 2]] * 3)]),
        tl.LabeledFrame(videos[0], 4, [guess()]),
    ]
    places = [(1, 5), (0, 4), (0, 3), (1, 5), (0, 0)]
    labels = tl.Labels(frames, videos=videos, suggestions=[(videos[v], k) for v, k in places])
    reader = tl.LabelsReader.from_unlabeled_suggestions(labels)
    found = [(videos.index(lf.video), lf.frame_idx) for lf in reader.labels]
    assert found == [(1, 5), (0, 4), (0, 0)]
    assert all(len(frame.instances) == 0 for frame in reader.labels)
    assert len(labels) == 2
    assert list(reader.videos) == videos


def test_labels_without_suggestions_are_refused() -> None:
    with pytest.raises(NothingToExportError, match="found no unlabelled suggestions"):
        tl.LabelsReader.from_unlabeled_suggestions(labels_on(random_video()))


def test_files_are_read(tmp_path: Path) -> None:
    frames = [
        tl.LabeledFrame(tl.Video("a.mp4"), 0, [guess()]),
        tl.LabeledFrame(tl.Video("a.mp4"), 5, [tl.Instance(FLY, [[1, 2]] * 3), guess()]),
    ]
    tl.Labels(frames).save(tmp_path / "a.slp")
    assert len(tl.LabelsReader.from_filename(tmp_path / "a.slp", user_instances=False)) == 2
    reader = tl.LabelsReader.from_filename(str(tmp_path / "a.slp"))
    assert [frame.frame_idx for frame in reader.labels] == [5]
    assert reader.user_instances_only
    tl.Labels(frames[:1]).save(tmp_path / "b.slp")
    with pytest.raises(NothingToExportError, match="user instances"):
        tl.LabelsReader.from_filename(tmp_path / "b.slp")
    with pytest.raises(FileNotFoundError, match="gone"):
        tl.LabelsReader.from_filename(tmp_path / "gone.slp")


def test_sizes_of_videos_are_compared() -> None:
    def reader(*sizes: tuple[int, int, int]) -> tl.LabelsReader:
        return tl.LabelsReader(labels_on(*(random_video(size=size) for size in sizes)))

    assert reader((7, 9, 1)).max_height_and_width == (7, 9)
    assert reader((7, 9, 1), (5, 12, 1)).max_height_and_width == (7, 12)
    assert reader((7, 9, 1), (5, 12, 1)).is_from_multi_size_videos
    assert reader((7, 9, 1), (7, 9, 3)).is_from_multi_size_videos
    assert not reader((7, 9, 1), (7, 9, 1)).is_from_multi_size_videos
    assert tl.LabelsReader(EMPTY).max_height_and_width == (0, 0)
    assert not tl.LabelsReader(EMPTY).is_from_multi_size_videos


def test_sizes_that_are_stored_open_no_video() -> None:
    video = tl.Video("gone.mp4", height=32, width=48, channels=1)
    reader = tl.LabelsReader(tl.Labels([tl.LabeledFrame(video, 0)]))
    assert reader.max_height_and_width == (32, 48)
    assert not reader.is_from_multi_size_videos


def test_whole_videos_have_their_frames() -> None:
    video = random_video(n_frames=7)
    reader = tl.VideoReader(video)
    assert len(reader) == 7
    assert len(tl.VideoReader(video, [3, 3])) == 2
    assert reader.videos == [video]
    assert reader.max_height_and_width == (16, 24)
    assert reader.output_keys[:2] == ["image", "raw_image_size"]


def test_packages_have_the_frames_that_are_in_them(tmp_path: Path) -> None:
    labels = labels_on(random_video())
    labels.save(tmp_path / "a.pkg.slp", with_images=True, all_labels=True)
    video = tl.read_slp(tmp_path / "a.pkg.slp").video
    assert len(tl.VideoReader(video)) == len(video.embedded_frame_inds) > 2
    named = tl.VideoReader.from_filepath(tmp_path / "a.pkg.slp", dataset="video0/video")
    assert len(named) == len(video.embedded_frame_inds)


def test_without_tensorflow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tensorflow", None)
    monkeypatch.delitem(sys.modules, "tabular_labels.training.tf_data", raising=False)
    labels = labels_on(random_video())
    for make in (
        tl.LabelsReader(labels).make_dataset,
        tl.VideoReader(labels.videos[0]).make_dataset,
        labels.to_tf_dataset,
    ):
        with pytest.raises(MissingExtraError, match=r"tabular-labels\[tensorflow\]"):
            make()


# Splitting


@given(
    n=st.integers(1, 12),
    data=st.data(),
    seed=st.integers(0, 2**40),
    fractions=st.sampled_from([[0.5, -1], [0.2, 0.3], [-1], [1.0], [0.1, 0.1, 0.8], [0.0001]]),
)
def test_a_split_deals_out_the_examples(
    n: int, data: st.DataObject, seed: int, fractions: list[float]
) -> None:
    video = tl.Video("a.mp4")
    labels = tl.Labels([tl.LabeledFrame(video, k) for k in range(n)])
    chosen = data.draw(st.none() | st.lists(st.integers(0, n - 1), min_size=1, max_size=9))
    reader = tl.LabelsReader(labels, chosen, user_instances_only=True)
    every = list(range(n)) if chosen is None else chosen
    sizes = [1 if f == -1 else max(math.ceil(Fraction(str(f)) * len(every)), 1) for f in fractions]
    if sum(sizes) > len(every):
        with pytest.raises(QueryError, match="Lower a fraction"):
            tl.split_labels_reader(reader, fractions, seed=seed)
        return
    parts = tl.split_labels_reader(reader, fractions, seed=seed)
    assert len(parts) == len(fractions)
    dealt: list[int] = []
    for part, fraction, size in zip(parts, fractions, sizes, strict=True):
        mine: Any = part.example_indices
        assert part.labels is labels
        assert part.user_instances_only
        assert not part.with_track_only
        assert len(part) == size or fraction == -1
        rest = iter(every)
        assert all(place in rest for place in mine)  # in their order
        dealt += mine
    assert all(dealt.count(place) <= every.count(place) for place in dealt)
    if -1 in fractions:
        assert sorted(dealt) == sorted(every)
    again = tl.split_labels_reader(reader, fractions, seed=seed)
    assert [p.example_indices for p in again] == [p.example_indices for p in parts]


def split_of_ten(fractions: list[float], **options: Any) -> list[Any]:
    labels = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), k) for k in range(10)])
    reader = tl.LabelsReader(labels)
    return [part.example_indices for part in tl.split_labels_reader(reader, fractions, **options)]


def test_the_same_seed_gives_the_promised_split() -> None:
    expected = [[0, 2, 3, 6, 8], [5, 7, 9], [1, 4]]
    assert split_of_ten([0.5, 0.25, -1], seed=0) == expected


def test_without_a_seed_splits_are_drawn() -> None:
    assert len({str(split_of_ten([0.5, -1])) for _ in range(6)}) > 1


@pytest.mark.parametrize("fractions", [[-1, -1], [0.8, 0.8], [], [1.5], [float("nan")]])
def test_fractions_that_cannot_be_met_are_refused(fractions: list[float]) -> None:
    with pytest.raises(QueryError):
        split_of_ten(fractions)


def test_examples_that_are_not_there_cannot_be_split() -> None:
    labels = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), k) for k in range(4)])
    for places in ([0, 4], [-1, 2]):
        with pytest.raises(IndexError, match="expected places in the list of frames"):
            tl.split_labels_reader(tl.LabelsReader(labels, places), [0.5, -1])
    for nothing in (tl.LabelsReader(labels, []), tl.LabelsReader(EMPTY)):
        with pytest.raises(QueryError):
            tl.split_labels_reader(nothing, [0.5, -1])
