"""Folders of imgstore, read through its package where that is installed."""

import sys
from pathlib import Path

import numpy as np
import pytest

import tabular_labels as tl
from tabular_labels.errors import (
    FileFormatError,
    MissingExtraError,
    MissingFrameError,
    MissingVideoError,
)

INDS = [3, 4, 8, 20]
COLOUR = np.random.default_rng(2).integers(0, 256, (4, 16, 24, 3)).astype(np.uint8)


def write_store(folder: Path, images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> Path:
    imgstore = pytest.importorskip("imgstore")
    store = imgstore.new_for_format(
        "png", mode="w", basedir=str(folder), imgshape=images.shape[1:], chunksize=3
    )
    for k, image in zip(INDS, images, strict=True):
        store.add_image(np.ascontiguousarray(image[..., ::-1]), k, float(k))  # OpenCV's order
    store.close()
    return folder


@pytest.mark.filterwarnings("ignore")  # the package's own
@pytest.mark.parametrize("name", ["store", "store/metadata.yaml"])
def test_a_store_is_read_by_its_frame_numbers(tmp_path: Path, name: str) -> None:
    write_store(tmp_path / "store", COLOUR)
    video = tl.Video.from_filename(tmp_path / name)
    assert video.read_shape() == (21, 16, 24, 3)
    assert np.array_equal(video[[20, 3]], COLOUR[[3, 0]])
    assert [k for k, _ in video.iterate_frames()] == INDS
    with pytest.raises(MissingFrameError, match="frame 5"):
        video.get_frame(5)


@pytest.mark.filterwarnings("ignore")
def test_a_store_is_read_by_places(tmp_path: Path) -> None:
    write_store(tmp_path / "store", COLOUR)
    backend = {"filename": str(tmp_path / "store"), "index_by_original": False}
    video = tl.Video(tmp_path / "store", backend)
    assert np.array_equal(video[:], COLOUR)


@pytest.mark.filterwarnings("ignore")
def test_a_store_of_one_channel_has_one_channel(tmp_path: Path) -> None:
    write_store(tmp_path / "store", COLOUR[..., :1])
    video = tl.Video.from_filename(tmp_path / "store")
    assert np.array_equal(video[[4]], COLOUR[[1], ..., :1])


@pytest.mark.filterwarnings("ignore")
def test_a_broken_store_says_so(tmp_path: Path) -> None:
    write_store(tmp_path / "store", COLOUR)
    (tmp_path / "store" / "metadata.yaml").write_text("__store: {}")
    with pytest.raises(FileFormatError, match="frame 3: the store"):
        tl.Video.from_filename(tmp_path / "store").get_frame(3)


def test_a_missing_store_names_file_and_frame(tmp_path: Path) -> None:
    video = tl.Video(tmp_path / "gone", {"filename": "gone", "index_by_original": True})
    with pytest.raises(MissingVideoError, match=r"metadata\.yaml: frame 2"):
        video.get_frame(2)


def test_without_the_package_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "imgstore", None)
    (tmp_path / "metadata.yaml").write_text("")
    with pytest.raises(MissingExtraError, match="pip install imgstore opencv-python-headless"):
        tl.Video.from_filename(tmp_path / "metadata.yaml").get_frame(0)
