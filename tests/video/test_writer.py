"""What is written is what was given, nearly."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from tabular_labels.errors import FileFormatError
from tabular_labels.video.index import index_video
from tabular_labels.video.reader import read_frame, read_frames
from tabular_labels.video.writer import write_video
from tests.video.movies import numbered, read_number


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov", ".avi"])
def test_written_frames_read_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    assert write_video(path, numbered(40), fps=29.97) == 40
    assert [read_number(image) for image in read_frames(path, range(40))] == list(range(40))
    assert index_video(path).fps == pytest.approx(29.97, abs=0.01)


def test_colours_stay(tmp_path: Path) -> None:
    image = np.zeros((48, 64, 3), np.uint8)
    image[:, :32] = (200, 40, 30)
    image[:, 32:] = (20, 60, 210)
    write_video(tmp_path / "a.mp4", [image] * 3, fps=10)
    read = read_frame(tmp_path / "a.mp4", 1)
    assert np.abs(read[8:-8, 8:24].astype(int) - (200, 40, 30)).max() < 12
    assert np.abs(read[8:-8, 40:56].astype(int) - (20, 60, 210)).max() < 12


@pytest.mark.parametrize("shape", [(48, 64), (48, 64, 1), (47, 63, 3), (2, 2)])
def test_grey_and_odd_sizes_are_written(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = tmp_path / "a.mp4"
    write_video(path, (np.full(shape, 90, np.uint8) for _ in range(4)), fps=10)
    image = read_frame(path, 3)
    assert image.shape == (*shape[:2], 3)
    assert abs(float(image.mean()) - 90) < 4


def broken_off() -> Iterator[npt.NDArray[np.uint8]]:
    yield np.zeros((16, 16, 3), np.uint8)
    message = "the camera fell over"
    raise RuntimeError(message)


def test_an_interrupted_write_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"before")
    with pytest.raises(RuntimeError, match="fell over"):
        write_video(path, broken_off(), fps=10)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("frames", "found"),
    [
        ([], "found none"),
        ([np.zeros((16, 16, 3))], "float64"),
        ([np.zeros((16, 16, 2), np.uint8)], r"shape \(16, 16, 2\)"),
        ([np.zeros(16, np.uint8)], r"shape \(16,\)"),
        ([np.zeros((16, 16), np.uint8), np.zeros((16, 18), np.uint8)], "frame 1"),
    ],
)
def test_pictures_of_another_kind_are_refused(
    tmp_path: Path, frames: list[npt.NDArray[np.uint8]], found: str
) -> None:
    with pytest.raises(FileFormatError, match=found):
        write_video(tmp_path / "a.mp4", frames, fps=10)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"suffix '\.xyz'"):
        write_video(tmp_path / "a.xyz", numbered(2), fps=10)


@pytest.mark.parametrize("fps", [0, -5, float("nan"), float("inf")])
def test_a_frame_rate_that_is_none_is_refused(tmp_path: Path, fps: float) -> None:
    with pytest.raises(FileFormatError, match="frame rate"):
        write_video(tmp_path / "a.mp4", numbered(2), fps=fps)
