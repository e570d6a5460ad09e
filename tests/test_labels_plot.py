"""Labels as pictures: what is drawn is what the labels hold, in memory and on scans."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="drawing is an optional extra")

from matplotlib.collections import LineCollection

import tabular_labels as tl
from tabular_labels.errors import MissingPictureWarning, UnknownFrameError
from tabular_labels.plot.canvas import colour
from tabular_labels.video.writer import write_video

FLY = tl.Skeleton(["head", "tail"], edges=[("head", "tail")], name="fly")
BEE = tl.Skeleton(["sting", "eye", "wing"], edges=[("eye", "wing")], name="bee")
TRACKS = [tl.Track(0, "one"), tl.Track(0, "two")]


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    path = tmp_path / "grey.mp4"
    write_video(path, (np.full((48, 64, 3), 20 * k, np.uint8) for k in range(8)), fps=25)
    return path


def labels_of(path: str | Path) -> tl.Labels:
    video = tl.Video.from_filename(path)
    guess = tl.PredictedInstance(FLY, [[9, 9, 0.5], [8, 8, 0.5]], 0.5, track=TRACKS[0])
    corrected = tl.Instance(FLY, [[10, 11], [20, 21]], TRACKS[0], from_predicted=guess)
    bee = tl.PredictedInstance(BEE, [[1, 2, 0.1], [30, 31, 0.2], [40, 41, 0.3]], track=TRACKS[1])
    frames = [
        tl.LabeledFrame(video, 5, [guess, corrected, bee]),
        tl.LabeledFrame(video, 2, [tl.Instance(FLY, [[3, 4], [np.nan, np.nan]])]),
        tl.LabeledFrame(video, 90, []),
    ]
    return tl.Labels(frames, tracks=TRACKS)


def test_a_frame_is_drawn_over_its_own_picture(movie: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = labels_of(movie).plot(0)
    (image,) = figure.axes[0].images
    drawn = np.asarray(image.get_array())
    assert drawn.shape == (48, 64, 3)
    assert abs(float(drawn.mean()) - 100) < 3
    assert figure.get_suptitle() == "Frame 5"
    assert figure.axes[0].get_title(loc="left") == "grey.mp4"


def test_corrected_predictions_are_left_out_and_skeletons_keep_their_edges() -> None:
    figure = labels_of("none.mp4").plot(0, with_image=False)
    axis = figure.axes[0]
    lines = [c for c in axis.collections if isinstance(c, LineCollection)]
    segments = [np.asarray(c.get_segments()).tolist() for c in lines]
    assert segments == [[[[10, 11], [20, 21]]], [[[30, 31], [40, 41]]]]
    assert [np.asarray(line.get_xdata()).tolist() for line in axis.lines] == [[10, 20], [1, 30, 40]]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == ["one (user)", "two (predicted)"]


def test_a_track_has_one_colour_whatever_the_frame_holds() -> None:
    labels = labels_of("none.mp4")
    del labels[0].instances[:2]
    (line,) = labels.plot(0, with_image=False).axes[0].lines
    assert line.get_markeredgecolor() == colour(1)
    (line,) = labels.plot(1, with_image=False).axes[0].lines
    assert line.get_markerfacecolor() == colour(2)  # untracked, after both tracks


def test_a_frame_is_named_by_view_place_or_index() -> None:
    labels = labels_of("none.mp4")
    for frame in (labels[1], 1, -2, (labels.video, 2), ("none.mp4", 2), np.int64(1)):
        assert labels.plot(frame, with_image=False).get_suptitle() == "Frame 2"


@pytest.mark.parametrize("frame", [3, -4, ("none.mp4", 7), ("other.mp4", 5), "none.mp4", None])
def test_a_place_without_labels_is_refused(frame: object) -> None:
    with pytest.raises(UnknownFrameError, match=r"no labels at frame .*labeled_frames"):
        labels_of("none.mp4").plot(frame, with_image=False)  # type: ignore[arg-type]  # on purpose


def test_a_missing_video_gives_a_frame_without_picture_that_says_so(tmp_path: Path) -> None:
    with pytest.warns(MissingPictureWarning, match=r"frame 5 is drawn without.*gone\.mp4"):
        figure = labels_of(tmp_path / "gone.mp4").plot(0)
    assert len(figure.axes[0].images) == 0
    assert len(figure.axes[0].lines) == 2
    assert figure.axes[0].get_title(loc="left") == "gone.mp4, drawn without its picture"


def test_a_frame_beyond_the_video_and_a_damaged_video_say_so(movie: Path) -> None:
    with pytest.warns(MissingPictureWarning, match=r"frame 90.*8 frames"):
        assert len(labels_of(movie).plot(2).axes[0].images) == 0
    movie.write_bytes(b"no video at all")
    with pytest.warns(MissingPictureWarning, match="frame 5 is drawn without"):
        labels_of(movie).plot(0)


def test_without_image_no_video_is_asked_for() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = labels_of("none.mp4").plot(0, with_image=False)
    assert figure.axes[0].get_title(loc="left") == "none.mp4"


def test_scanned_labels_draw_the_same_occupancy(tmp_path: Path) -> None:
    labels = labels_of("none.mp4")
    tl.write_parquet(labels, tmp_path / "a.parquet")
    for kind in (labels, tl.scan_parquet(tmp_path / "a.parquet")):
        (axis,) = kind.plot_occupancy().axes
        assert axis.get_title(loc="right") == "2 tracks, 2 runs"
        assert [t.get_text() for t in axis.get_yticklabels()] == ["one", "two"]


def test_labels_without_frames_draw_empty_pictures() -> None:
    (axis,) = tl.Labels().plot_occupancy().axes
    assert [text.get_text() for text in axis.texts] == ["no tracked instances"]
    with pytest.raises(UnknownFrameError):
        tl.Labels().plot()


def test_scores_and_coverage_say_what_was_counted() -> None:
    labels = labels_of("none.mp4")
    (axis,) = labels.plot_scores().axes
    assert axis.get_title(loc="right") == "5 points"
    assert [t.get_text() for t in axis.get_yticklabels()][:2] == ["fly: head", "fly: tail"]
    (axis,) = labels.plot_coverage().axes
    assert [t.get_text() for t in axis.texts] == ["100 %", "67 %", "100 %", "100 %", "100 %"]
    (axis,) = labels.plot_scores("frame").axes
    assert axis.get_title(loc="left") == "none.mp4"
    with pytest.raises(ValueError, match="by='track', expected 'node' or 'frame'"):
        labels.plot_scores("track")  # type: ignore[arg-type]  # on purpose


def test_empty_labels_have_charts_that_say_so() -> None:
    for figure, text in (
        (tl.Labels().plot_scores(), "no points with scores"),
        (tl.Labels().plot_scores("frame"), "no instances with scores"),
        (tl.Labels().plot_coverage(), "no instances with nodes"),
    ):
        assert [t.get_text() for t in figure.axes[0].texts] == [text]


def test_videos_beyond_the_limit_are_counted_in_the_title() -> None:
    guess = tl.PredictedInstance(FLY, [[1, 2, 0.5], [3, 4, 0.5]], 0.5)
    frames = [tl.LabeledFrame(tl.Video(f"{k}.mp4"), 0, [guess.copy()]) for k in range(5)]
    for figure in (
        tl.Labels(frames).plot_coverage(max_videos=2),
        tl.Labels(frames).plot_scores("frame", max_videos=2),
    ):
        assert len(figure.axes) == 2
        assert "the first 2 of 5 videos" in figure.get_suptitle()
