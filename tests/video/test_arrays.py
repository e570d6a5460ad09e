"""Videos that are arrays."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tabular_labels.errors import FileFormatError, MissingFrameError, MissingVideoError
from tabular_labels.video.arrays import ArrayFrames, read_array

PICTURES = np.random.default_rng(1).integers(0, 256, (3, 4, 6, 3)).astype(np.uint8)


def test_frames_of_an_array_are_its_rows() -> None:
    frames = ArrayFrames(PICTURES)
    assert frames.shape == PICTURES.shape
    assert np.array_equal(frames.read([2, 0]), PICTURES[[2, 0]])
    assert frames.read([], grayscale=True).shape == (0, 4, 6, 1)
    with pytest.raises(MissingFrameError, match="frame 3"):
        frames.read_one(3)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.full((1, 2, 2, 1), True), 255),
        (np.full((1, 2, 2, 1), 200, np.int64), 200),
        (np.full((1, 2, 2, 1), 99.9), 99),
        (np.full((1, 2, 2, 4), 7, np.uint8), 7),
    ],
    ids=["booleans", "integers", "floats", "transparency"],
)
def test_other_numbers_become_uint8(values: np.ndarray[Any, Any], expected: int) -> None:
    image = ArrayFrames(values).read_one(0)
    assert image.dtype == np.uint8
    assert image.shape[2] in (1, 3)
    assert (image == expected).all()


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (np.full((1, 2, 2, 1), 256), "values from 256 to 256"),
        (np.full((1, 2, 2, 1), np.nan), "values from nan to nan"),
        (np.full((1, 2, 2, 1), -1.0), "values from -1"),
        (np.full((1, 2, 2, 2), 1, np.uint8), "2 channels"),
        (np.full((1, 2, 2, 1), "a"), "dtype <U1"),
    ],
)
def test_values_of_no_picture_are_refused(values: np.ndarray[Any, Any], found: str) -> None:
    with pytest.raises(FileFormatError, match=found):
        ArrayFrames(values).read_one(0)


def test_files_of_arrays_are_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PICTURES)
    assert np.array_equal(ArrayFrames(read_array(tmp_path / "a.npy")).read_one(1), PICTURES[1])


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "flat.npy", np.zeros(3))
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    (tmp_path / "text.npy").write_text("hello")
    for name in ("flat", "objects", "text"):
        with pytest.raises(FileFormatError, match=name):
            read_array(tmp_path / f"{name}.npy")
    with pytest.raises(MissingVideoError):
        read_array(tmp_path / "gone.npy")
