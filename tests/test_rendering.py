"""A clip holds each frame of its range once, with the labels of that frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="drawing is an optional extra")

import tabular_labels as tl
from tabular_labels.errors import (
    FileFormatError,
    MissingFrameError,
    MissingVideoError,
    NothingToExportError,
    UnknownVideoError,
)
from tabular_labels.video.index import index_video
from tabular_labels.video.reader import read_frames
from tests.video.movies import encode, read_number

FLY = tl.Skeleton(["head"], name="fly")


def labels_of(path: Path) -> tl.Labels:
    """Label frames 20 and 12, in this order; nodes stand low in the picture."""
    video = tl.Video.from_filename(path)
    frames = [tl.LabeledFrame(video, k, [tl.Instance(FLY, [[k, 60]])]) for k in (20, 12)]
    return tl.Labels(frames)


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("movie") / "a.mp4", 30, bf=2, g=10)


def test_a_clip_has_exactly_the_frames_of_its_range(movie: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    labels = tl.Labels(videos=[tl.Video.from_filename(movie)])
    done = labels.render(
        tmp_path / "b.mp4", start=5, stop=17, progress=lambda n, of: told.append((n, of))
    )
    assert done == 12
    assert told == [(k, 12) for k in range(1, 13)]
    images = read_frames(tmp_path / "b.mp4", range(12))
    assert [read_number(image) for image in images] == list(range(5, 17))
    with pytest.raises(MissingFrameError):
        read_frames(tmp_path / "b.mp4", [12])


def test_without_a_range_the_labelled_one_is_taken(movie: Path, tmp_path: Path) -> None:
    labels = labels_of(movie)
    assert labels.render(tmp_path / "b.mp4") == 9
    plain = tl.Labels(videos=labels.videos)
    plain.render(tmp_path / "plain.mp4", start=12, stop=21)
    drawn, bare = (read_frames(tmp_path / n, range(9)).astype(int) for n in ("b.mp4", "plain.mp4"))
    changed = np.abs(drawn - bare).max(axis=(1, 2, 3))
    assert (changed[[0, 8]] > 60).all()  # the labelled ones
    assert (changed[1:8] < 40).all()


def test_the_rate_is_that_of_the_video_or_the_one_asked_for(movie: Path, tmp_path: Path) -> None:
    labels = labels_of(movie)
    labels.render(tmp_path / "b.mp4")
    rate = index_video(movie).fps
    assert rate is not None
    assert index_video(tmp_path / "b.mp4").fps == pytest.approx(rate, rel=0.01)
    labels.render(tmp_path / "c.mkv", fps=7, scale=0.5)
    assert index_video(tmp_path / "c.mkv").fps == pytest.approx(7, rel=0.01)


def test_what_cannot_be_rendered_is_said_and_leaves_nothing(movie: Path, tmp_path: Path) -> None:
    labels, out = labels_of(movie), tmp_path / "b.mp4"
    with pytest.raises(NothingToExportError, match="found frames 9 to 9"):
        labels.render(out, start=9, stop=9)
    with pytest.raises(NothingToExportError):
        tl.Labels(videos=labels.videos).render(out)
    with pytest.raises(MissingFrameError, match=r"frame 39.*30 frames"):
        labels.render(out, stop=40)
    with pytest.raises(MissingVideoError, match=r"gone\.mp4"):
        labels_of(tmp_path / "gone.mp4").render(out)
    with pytest.raises(FileFormatError, match="suffix"):
        labels.render(tmp_path / "b.gif")
    with pytest.raises(UnknownVideoError):
        labels.render(out, "other.mp4")
    with pytest.raises(ValueError, match="scale 0"):
        labels.render(out, scale=0)
    assert list(tmp_path.iterdir()) == []
