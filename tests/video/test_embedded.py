"""Pictures in HDF5 files, of every layout that programs write."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tabular_labels.errors import (
    FileFormatError,
    MissingFrameError,
    MissingVideoError,
    UnsafeFileError,
)
from tabular_labels.model.backends import as_backend
from tabular_labels.video.backends import open_frames
from tabular_labels.video.frames import Frames
from tabular_labels.video.pictures import encode_picture
from tests.video.movies import Picture, draw_number, encode, read_number

RNG = np.random.default_rng(5)
PICTURES = [RNG.integers(0, 256, (16, 24, 3)).astype(np.uint8) for _ in range(4)]
INDS = [2, 5, 9, 40]


def open_dataset(path: Path, dataset: str = "video0/video", **stored: Any) -> Frames:
    grayscale = stored.pop("grayscale", None)
    values = {"filename": str(path), "type": "HDF5Video", "dataset": dataset, **stored}
    return open_frames(str(path), as_backend(values), grayscale=grayscale)


def write_package(
    path: Path,
    pictures: list[Picture] = PICTURES,
    inds: list[int] | None = INDS,
    *,
    padded: bool = False,
    order: str | None = "RGB",
    form: str = "png",
    source: Any = None,
) -> Path:
    swapped = [np.ascontiguousarray(image[..., ::-1]) for image in pictures]
    data = [encode_picture(p, form) for p in (pictures if order == "RGB" else swapped)]
    rows = [np.frombuffer(one, np.int8) for one in data]
    with h5py.File(path, "w") as file:
        group = file.create_group("video0")
        if padded:
            block = np.zeros((len(rows), max(map(len, rows)) + 9), np.int8)
            for row, values in zip(block, rows, strict=True):
                row[: len(values)] = values
            dataset = group.create_dataset("video", data=block, compression="gzip")
        else:
            kind = h5py.vlen_dtype(np.int8)
            dataset = group.create_dataset("video", (len(rows),), kind)
            for i, values in enumerate(rows):
                dataset[i] = values
        dataset.attrs["format"] = form
        for key, size in zip(("height", "width", "channels"), pictures[0].shape, strict=True):
            dataset.attrs[key] = size
        if order is not None:
            dataset.attrs["channel_order"] = order
        if inds is not None:
            group["frame_numbers"] = np.array(inds, np.int64)
        if source is not None:
            group.create_group("source_video").attrs["json"] = json.dumps(source)
    return path


@pytest.mark.parametrize("padded", [False, True], ids=["lists", "padded"])
@pytest.mark.parametrize("order", ["RGB", "BGR", None])
def test_embedded_pictures_come_back_in_right_colours(
    tmp_path: Path, padded: bool, order: str | None
) -> None:
    frames = open_dataset(write_package(tmp_path / "a.slp", padded=padded, order=order))
    assert frames.frame_inds.tolist() == INDS
    assert frames.shape == (41, 16, 24, 3)
    for k, image in zip(INDS, PICTURES, strict=True):
        assert np.array_equal(frames.read_one(k), image)
    assert np.array_equal(frames.read([40, 2, 40]), np.stack([PICTURES[i] for i in (3, 0, 3)]))
    assert [k for k, _ in frames.iterate()] == INDS


def test_rows_may_stand_in_any_order(tmp_path: Path) -> None:
    frames = open_dataset(write_package(tmp_path / "a.slp", inds=[9, 2, 40, 5]))
    assert frames.frame_inds.tolist() == [2, 5, 9, 40]
    read = frames.read([2, 5, 9, 40])
    assert np.array_equal(read, np.stack([PICTURES[i] for i in (1, 3, 0, 2)]))


def test_of_two_pictures_of_one_frame_the_later_counts(tmp_path: Path) -> None:
    frames = open_dataset(write_package(tmp_path / "a.slp", inds=[2, 5, 2, 40]))
    assert frames.frame_inds.tolist() == [2, 5, 40]
    assert np.array_equal(frames.read_one(2), PICTURES[2])


def test_without_frame_numbers_places_count(tmp_path: Path) -> None:
    frames = open_dataset(write_package(tmp_path / "a.slp", inds=None))
    assert frames.frame_inds.tolist() == [0, 1, 2, 3]
    with pytest.raises(MissingFrameError, match="expected an index from 0 to 3"):
        frames.read_one(4)


@pytest.mark.parametrize("dataset", ["", "video0", "/video0/video"])
def test_a_dataset_is_found_by_its_group_or_alone(tmp_path: Path, dataset: str) -> None:
    frames = open_dataset(write_package(tmp_path / "a.slp"), dataset)
    assert np.array_equal(frames.read_one(5), PICTURES[1])


def test_grey_pictures_have_one_channel(tmp_path: Path) -> None:
    grey = [image[..., :1].copy() for image in PICTURES]
    frames = open_dataset(write_package(tmp_path / "a.slp", grey))
    assert frames.shape == (41, 16, 24, 1)
    assert np.array_equal(frames.read(INDS), np.stack(grey))
    assert frames.read(INDS, grayscale=False).shape == (4, 16, 24, 3)


def test_grey_jpeg_has_one_channel(tmp_path: Path) -> None:
    grey = [np.full((16, 24, 1), 20 * k, np.uint8) for k in range(4)]
    frames = open_dataset(write_package(tmp_path / "a.slp", grey, form="jpg"))
    read = frames.read(INDS)
    assert read.shape == (4, 16, 24, 1)
    assert np.abs(read.astype(int) - np.stack(grey)).max() <= 2


def test_a_frame_that_is_not_embedded_is_named(tmp_path: Path) -> None:
    frames = open_dataset(write_package(tmp_path / "a.slp"))
    with pytest.raises(MissingFrameError) as caught:
        frames.read([2, 3])
    text = str(caught.value)
    assert "a.slp: frame 3: found no such frame among the 4 embedded ones" in text
    assert "it names no source video" in text
    assert "2, 5, 9, 40" in text


@pytest.mark.parametrize("where", ["entry", "file"])
def test_other_frames_come_from_the_source_video(tmp_path: Path, where: str) -> None:
    movie = encode(tmp_path / "a.mp4", 30)
    entry = {"filename": str(movie), "backend": {"filename": str(movie), "type": "MediaVideo"}}
    drawn = [draw_number(1000 + k) for k in range(4)]
    inds = [2, 5, 9, 28]
    path = write_package(tmp_path / "a.slp", drawn, inds, source=entry if where == "file" else None)
    stored: dict[str, Any] = {"source_video": entry} if where == "entry" else {}
    frames = open_dataset(path, **stored)
    assert [read_number(image) for image in frames.read([28, 3, 2, 4])] == [1003, 3, 1000, 4]
    assert frames.frame_inds.tolist() == inds
    with pytest.raises(MissingFrameError, match="frame 30"):
        frames.read([2, 30])
    movie.unlink()
    with pytest.raises(MissingFrameError, match=r"its source video .*a\.mp4 is not there"):
        frames.read([3])


def test_a_source_that_leads_in_circles_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.slp"
    backend = {"filename": str(path), "type": "HDF5Video", "dataset": "video0/video"}
    frames = open_dataset(write_package(path, source={"backend": backend}))
    with pytest.raises(MissingFrameError, match="frame 3"):
        frames.read_one(3)


ARRAY = np.stack(PICTURES)


@pytest.mark.parametrize("dataset", ["", "box"])
def test_arrays_are_read(tmp_path: Path, dataset: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file.create_dataset("box", data=ARRAY, compression="gzip", chunks=(3, 16, 24, 3))
    frames = open_dataset(tmp_path / "a.h5", dataset)
    assert frames.shape == ARRAY.shape
    assert np.array_equal(frames.read([3, 1]), ARRAY[[3, 1]])
    assert frames.read_one(0, grayscale=True).shape == (16, 24, 1)


def test_arrays_with_channels_first(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["box"] = ARRAY.transpose(0, 3, 2, 1)
    frames = open_dataset(tmp_path / "a.h5", "box", input_format="channels_first")
    assert frames.shape == ARRAY.shape
    assert np.array_equal(frames.read([2]), ARRAY[[2]])


def test_arrays_from_zero_to_one(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["box"] = ARRAY / np.float64(255)
        file["wide"] = ARRAY.astype(np.int32) * 2
    scaled = open_dataset(tmp_path / "a.h5", "box", convert_range=True).read_one(1)
    assert np.abs(scaled.astype(int) - ARRAY[1]).max() <= 1
    with pytest.raises(FileFormatError, match="expected 0 to 255"):
        open_dataset(tmp_path / "a.h5", "wide").read_one(1)


def test_raw_frames_of_a_package_keep_their_numbers(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.slp", "w") as file:
        file["video0/video"], file["video0/frame_numbers"] = ARRAY, INDS
        file["video0/video"].attrs["format"] = "hdf5"
    frames = open_dataset(tmp_path / "a.slp")
    assert np.array_equal(frames.read([9]), ARRAY[[2]])


def test_an_empty_package_has_no_frames(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.slp", "w") as file:
        file["video0/video"] = np.zeros((0, 0), np.int8)
        file["video0/video"].attrs["format"] = "png"
        file["video0/frame_numbers"] = np.zeros(0)
    frames = open_dataset(tmp_path / "a.slp")
    assert frames.n_frames == 0
    assert list(frames.iterate()) == []
    with pytest.raises(MissingFrameError):
        frames.read_one(0)


def test_a_damaged_picture_names_file_and_frame(tmp_path: Path) -> None:
    path = write_package(tmp_path / "a.slp")
    with h5py.File(path, "r+") as file:
        file["video0/video"][1] = np.frombuffer(b"nothing at all", np.int8)
    frames = open_dataset(path)
    assert np.array_equal(frames.read_one(2), PICTURES[0])
    with pytest.raises(FileFormatError, match=r"a\.slp: frame 5: found bytes that begin with"):
        frames.read([2, 5])


def test_a_missing_file_names_file_and_frame(tmp_path: Path) -> None:
    with pytest.raises(MissingVideoError, match=r"a\.slp: frame 7: found no such file"):
        open_dataset(tmp_path / "a.slp").read_one(7)


@pytest.mark.parametrize(
    ("numbers", "found"),
    [
        (np.array([1, 2]), r"shape \(2,\)"),
        (np.array([1, 2, 3, -4]), "frame indices"),
        (np.array([1, 2, 3, 2**40]), "frame indices"),
        (np.array([1, 2, 3, 4.5]), "frame indices"),
        (np.array([b"a", b"b", b"c", b"d"]), "frame indices"),
    ],
)
def test_frame_numbers_that_cannot_be_are_refused(
    tmp_path: Path, numbers: np.ndarray[Any, Any], found: str
) -> None:
    path = write_package(tmp_path / "a.slp", inds=None)
    with h5py.File(path, "r+") as file:
        file["video0/frame_numbers"] = numbers
    with pytest.raises(FileFormatError, match=found):
        open_dataset(path).read_one(1)


@pytest.mark.parametrize("name", ["words", "cube", "nothing"])
def test_a_dataset_that_holds_no_pictures_is_refused(tmp_path: Path, name: str) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["words"] = [b"a", b"b"]
        file["cube"] = np.zeros((2, 3, 4))
    with pytest.raises(FileFormatError, match="pictures"):
        open_dataset(tmp_path / "a.h5", name).read_one(0)


def test_a_link_out_of_the_file_is_not_followed(tmp_path: Path) -> None:
    write_package(tmp_path / "secret.h5")
    with h5py.File(tmp_path / "a.slp", "w") as file:
        file["video0"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/video0")
    with pytest.raises(UnsafeFileError, match="a link to somewhere else"):
        open_dataset(tmp_path / "a.slp").read_one(2)


def test_a_file_that_is_no_hdf5_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.slp").write_bytes(b"no such thing" * 10)
    with pytest.raises(FileFormatError, match="frame 2: the file: found no HDF5 signature"):
        open_dataset(tmp_path / "a.slp").read_one(2)


def test_a_replaced_file_is_read_again(tmp_path: Path) -> None:
    path = write_package(tmp_path / "a.slp")
    assert open_dataset(path).frame_inds.tolist() == INDS
    write_package(tmp_path / "b.slp", inds=[1, 2, 3, 4]).replace(path)
    assert open_dataset(path).frame_inds.tolist() == [1, 2, 3, 4]
