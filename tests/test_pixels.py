"""Pictures through videos, frames and labels."""

import copy
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import tabular_labels as tl
from tabular_labels.errors import FileFormatError, MissingFrameError, MissingVideoError
from tabular_labels.model import pixels
from tabular_labels.testing.builders import make_tables
from tabular_labels.video.pictures import encode_picture
from tests.video.movies import encode, read_number

N = 40


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("movie") / "a.mp4", N, bf=2, g=10)


def numbers(images: Any) -> list[int]:
    return [read_number(image) for image in images]


def test_a_frame_of_a_video_is_read(movie: Path) -> None:
    image = tl.Video.from_filename(movie).get_frame(7)
    assert image.shape == (64, 192, 3)
    assert image.dtype == np.uint8
    assert read_number(image) == 7


def test_slices_and_lists_are_read_in_their_order(movie: Path) -> None:
    video = tl.Video.from_filename(movie)
    assert numbers(video[3:6]) == [3, 4, 5]
    assert numbers(video[[30, 2, 30]]) == [30, 2, 30]
    assert numbers(video[np.array([9, 1])]) == [9, 1]
    assert numbers(video[range(8, 2, -3)]) == [8, 5]
    assert numbers(video[::-13]) == [39, 26, 13, 0]
    assert read_number(video[np.int64(4)]) == 4
    assert video[5:5].shape == (0, 64, 192, 3)
    assert video[[]].shape == (0, 64, 192, 3)
    assert numbers(video.get_frames([5, 4])) == [5, 4]


def test_negative_indices_count_from_the_end_of_the_file(movie: Path) -> None:
    video = tl.Video.from_filename(movie)
    assert read_number(video[-1]) == N - 1
    assert numbers(video[-3:]) == [37, 38, 39]
    with pytest.raises(MissingFrameError):
        _ = video[-N - 1]
    with pytest.raises(MissingFrameError, match="frame -1"):
        video.get_frame(-1)


def test_all_frames_are_iterated(movie: Path) -> None:
    video = tl.Video.from_filename(movie)
    assert numbers(video) == list(range(N))
    assert [k for k, _ in video.iterate_frames([8, 3, 8])] == [3, 8]


def test_grey_is_read_on_request_and_where_the_project_says_so(movie: Path) -> None:
    colour = tl.Video.from_filename(movie)
    grey = tl.Video.from_filename(movie, grayscale=True)
    stored = tl.Video.from_filename(movie, channels=1)
    assert colour.get_frame(3, grayscale=True).shape == (64, 192, 1)
    assert grey.get_frame(3).shape == stored.get_frame(3).shape == (64, 192, 1)
    assert grey[:2].shape == (2, 64, 192, 1)
    assert grey.get_frame(3, grayscale=False).shape == (64, 192, 3)
    difference = grey.get_frame(3).astype(int) - colour.get_frame(3)[..., :1]
    assert np.abs(difference).max() <= 1


def test_the_shape_of_the_file_is_asked_for_separately(movie: Path) -> None:
    video = tl.Video.from_filename(movie)
    assert video.shape is None
    assert video.read_shape() == (N, 64, 192, 3)
    assert tl.Video.from_filename(movie, grayscale=True).read_shape() == (N, 64, 192, 1)


@pytest.mark.parametrize("indices", [[1.5], ["a"], [[1, 2]]])
def test_indices_that_are_not_whole_are_refused(movie: Path, indices: Any) -> None:
    with pytest.raises(TypeError, match="whole numbers"):
        _ = tl.Video.from_filename(movie)[indices]


def test_a_missing_video_names_file_frame_and_remedy(tmp_path: Path) -> None:
    video = tl.Video.from_filename(tmp_path / "gone.mp4")
    with pytest.raises(MissingVideoError) as caught:
        video.get_frame(12)
    for part in ("gone.mp4", "frame 12", "video_search"):
        assert part in str(caught.value)
    assert isinstance(caught.value, FileNotFoundError)
    with pytest.raises(MissingVideoError, match="frame 3"):
        _ = video[[8, 3]]
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), again.frame_idx) == (str(caught.value), 12)


def test_a_broken_video_names_file_frame_and_remedy(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video" * 100)
    with pytest.raises(FileFormatError, match=r"a\.mp4: frame 2: the file: found .* Restore"):
        tl.Video.from_filename(tmp_path / "a.mp4").get_frame(2)


def test_videos_pickle_and_open_again(movie: Path) -> None:
    video = tl.Video.from_filename(movie, grayscale=True)
    before = video.get_frame(11)
    again = pickle.loads(pickle.dumps(video))
    assert np.array_equal(again.get_frame(11), before)
    assert np.array_equal(video.copy().get_frame(11), before)


def test_arrays_are_videos() -> None:
    array = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3)).astype(np.uint8)
    video = tl.Video.from_numpy(array)
    assert isinstance(video.backend, tl.NumpyVideo)
    assert video.shape == array.shape
    assert np.array_equal(video[[4, 0]], array[[4, 0]])
    assert np.array_equal(pickle.loads(pickle.dumps(video))[2], array[2])
    assert np.array_equal(copy.copy(video)[2], array[2])
    assert video.matches(tl.Video.from_numpy(array.copy()))
    assert not video.matches(tl.Video.from_numpy(array[:4]))
    assert not video.matches(tl.Video.from_numpy(array[::-1]))
    # What was an array is told by nothing when the array is gone.
    lost = tl.Video("", video.plain_backend(), n_frames=5, height=4, width=6, channels=3)
    assert not video.matches(lost)
    assert not lost.matches(video)
    assert not lost.matches(lost.copy())
    assert lost.matches(lost)
    classic = [tl.Video("Raw Video Data", n_frames=5) for _ in range(2)]
    assert not classic[0].matches(classic[1])
    labels = tl.Labels([tl.LabeledFrame(video, 3)])
    assert np.array_equal(labels[0].image, array[3])
    with pytest.raises(ValueError, match="channels"):
        tl.Video.from_numpy(array[0])


def test_a_folder_of_pictures_is_a_video(tmp_path: Path) -> None:
    for k in (10, 9, 1):
        data = encode_picture(np.full((4, 6, 1), k, np.uint8), "png")
        (tmp_path / f"img{k}.png").write_bytes(data)
    (tmp_path / "notes.txt").write_text("")
    video = tl.Video.from_filename(tmp_path)
    assert isinstance(video.backend, tl.ImageSequenceVideo)
    assert video[:].max(axis=(1, 2, 3)).tolist() == [1, 9, 10]
    one = tl.Video.from_filename(tmp_path / "img9.png")
    assert (one.n_frames, one.get_frame(0).max()) == (1, 9)


def test_names_tell_the_kind(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "metadata.yaml").write_text("")
    kinds = {
        "a.mp4": tl.MediaVideo,
        "a.h5": tl.HDF5Video,
        "a.pkg.slp": tl.HDF5Video,
        "a.npy": tl.NumpyVideo,
        "store": tl.ImgStoreVideo,
        "store/metadata.yaml": tl.ImgStoreVideo,
    }
    for name, kind in kinds.items():
        assert type(tl.Video.from_filename(tmp_path / name).backend) is kind
    assert tl.Video("a.mp4").backend == {"filename": "a.mp4"}


def write_package(folder: Path) -> Path:
    """Write labels with two embedded pictures, as programs do."""
    video = tl.Video("a.mp4", {"filename": "a.mp4"}, n_frames=100)
    labels = tl.Labels([tl.LabeledFrame(video, 4), tl.LabeledFrame(video, 90)])
    labels.save(folder / "a.pkg.slp")
    entry = {"filename": ".", "dataset": "video0/video", "input_format": "channels_last"}
    with h5py.File(folder / "a.pkg.slp", "r+") as file:
        kind = h5py.vlen_dtype(np.int8)
        pictures = file.create_dataset("video0/video", (2,), kind)
        for i in range(2):
            data = encode_picture(np.full((4, 6, 3), (10, 20, 30 + i), np.uint8), "png")
            pictures[i] = np.frombuffer(data, np.int8)
        pictures.attrs.update(format="png", channel_order="RGB", height=4, width=6, channels=3)
        file["video0/frame_numbers"] = [4, 90]
        del file["videos_json"]
        rows = [json.dumps({"filename": ".", "backend": entry})]
        file.create_dataset("videos_json", data=rows, dtype=h5py.string_dtype())
    return folder / "a.pkg.slp"


def test_labels_of_a_package_read_its_pictures(tmp_path: Path) -> None:
    path = write_package(tmp_path)
    for labels in (tl.read_slp(path), tl.scan_slp(path)):
        assert isinstance(labels.video.backend, tl.HDF5Video)
        assert labels.video.embedded_frame_inds == [4, 90]
        assert labels[1].image[0, 0].tolist() == [10, 20, 31]
        assert labels.video.get_frame(4)[0, 0].tolist() == [10, 20, 30]
    with pytest.raises(MissingFrameError, match="frame 5"):
        labels.video.get_frame(5)


def test_frames_have_images_attached_and_detached(movie: Path) -> None:
    video = tl.Video.from_filename(movie)
    labels = tl.Labels([tl.LabeledFrame(video, k) for k in (12, 3)])
    assert [read_number(frame.image) for frame in labels] == [12, 3]
    assert read_number(tl.LabeledFrame(video, 5).image) == 5
    assert read_number(labels[0].copy().image) == 12


@pytest.fixture
def sealed() -> Iterator[None]:
    """Let nobody open a video."""

    def refuse(video: tl.Video) -> pixels.PixelSource:
        message = f"{video} was opened"
        raise AssertionError(message)

    before = list(pixels._openers)
    pixels.set_opener(refuse)
    yield
    pixels._openers[:] = before


@pytest.mark.usefixtures("sealed")
def test_labels_open_no_video_unless_pixels_are_asked_for(tmp_path: Path) -> None:
    labels = tl.Labels.from_tables(make_tables(60, seed=1))
    video = labels.videos[0]
    labels.save(tmp_path / "a.slp")
    labels.save(tmp_path / "a.parquet")
    for other in (tl.read_slp(tmp_path / "a.slp"), tl.scan_parquet(tmp_path / "a.parquet")):
        assert len(other) == len(labels)
        assert other.find(other.videos[0])
        _ = other[0].video, other.labeled_frames[:5], other.describe()
    assert labels[video] == labels.find(video)
    assert labels[video, 10**6] is None
    for answer in (
        lambda: labels.numpy(video=video),
        lambda: labels.get_track_occupancy(video),
        lambda: labels.to_polars("points"),
        lambda: (repr(video), len(video), bool(video), hash(video), video.shape),
        lambda: video.matches(labels.videos[-1]),
        lambda: video in labels.videos,
        lambda: pickle.loads(pickle.dumps(labels)),
        lambda: labels.extract([0, 1]),
        lambda: labels.split(0.5, seed=0),
        lambda: labels.equals(labels.copy()),
        lambda: labels._repr_html_(),
    ):
        answer()
    with pytest.raises(AssertionError, match="was opened"):
        _ = labels[0].image
