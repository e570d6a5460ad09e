"""Files of kept images: used again, extended, never wrong, never half written."""

from __future__ import annotations

import os
import pickle
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest

import tabular_labels as tl
from tabular_labels.errors import ExportCancelledError, FileFormatError, MissingDirectoryError
from tabular_labels.training.batches import Batches
from tabular_labels.training.image_file import write_images
from tabular_labels.video import frames as frames_module
from tabular_labels.video.pictures import PictureDecoder, encode_picture
from tests import training_reference as reference
from tests.training.scenes import labels_on, random_images, random_video
from tests.video.movies import encode, numbered, read_number

N_MOVIE = 12


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    return encode(tmp_path / "a.mp4", N_MOVIE, bf=2, g=5)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Frame indices read from videos, as they are read."""
    seen: list[int] = []
    iterate = frames_module.Frames.iterate

    def watched(self: Any, *arguments: Any, **options: Any) -> Iterator[Any]:
        for frame_idx, image in iterate(self, *arguments, **options):
            seen.append(frame_idx)
            yield frame_idx, image

    monkeypatch.setattr(frames_module.Frames, "iterate", watched)
    return seen


def numbers_of(batches: Batches) -> list[int]:
    return [read_number(image) for batch in batches for image in batch["image"]]


def movie_labels(movie: Path) -> tl.Labels:
    return labels_on(tl.Video.from_filename(movie), n_frames=N_MOVIE)


# Every way of keeping images gives the same images


@pytest.mark.parametrize("grayscale", [None, True, False])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("where", ["memory", "file"])
@pytest.mark.parametrize("encoding", ["auto", "raw", "png", "jpg"])
def test_kept_images_are_those_of_the_video(
    tmp_path: Path, where: str, encoding: str, channels: int, grayscale: bool | None
) -> None:
    flat = np.linspace(0, 250, 16 * 24 * channels).astype(np.uint8).reshape(16, 24, channels)
    array = np.stack([flat, flat[::-1], flat // 2, flat // 3 + 90])
    labels = labels_on(tl.Video.from_numpy(array), n_frames=4)
    cache = tmp_path / "a.arrow" if where == "file" else where
    (found,) = labels.batches(4, cache=cache, encoding=encoding, grayscale=grayscale)
    (expected,) = labels.batches(4, cache=None, grayscale=grayscale)
    if encoding == "jpg":
        difference = np.abs(found["image"].astype(int) - expected["image"])
        assert found["image"].shape == expected["image"].shape
        assert difference.mean() < 3
        found["image"] = expected["image"]
    reference.assert_equal(found, expected)


@pytest.mark.parametrize("grayscale", [None, True, False])
@pytest.mark.parametrize("encoding", ["raw", "png"])
@pytest.mark.parametrize("compat", ["today", "classic"])
@pytest.mark.parametrize("where", ["memory", "file"])
def test_kept_images_of_packages_have_right_colours(
    tmp_path: Path, where: str, encoding: str, compat: Any, grayscale: bool | None
) -> None:
    array = random_images(1, 4, (16, 24, 3))
    labels = labels_on(tl.Video.from_numpy(array), n_frames=4)
    labels.save(tmp_path / "a.pkg.slp", with_images=True, all_labels=True, compat=compat)
    if compat == "classic":
        swap_colours(tmp_path / "a.pkg.slp")
    package = tl.read_slp(tmp_path / "a.pkg.slp")
    cache = tmp_path / "a.arrow" if where == "file" else where
    places = [k for k in range(4) if package[k].frame_idx in package.video.embedded_frame_inds]
    assert len(places) > 1
    options: dict[str, Any] = {"example_indices": places, "grayscale": grayscale}
    (found,) = package.batches(4, cache=cache, encoding=encoding, **options)
    (expected,) = labels.batches(4, cache=None, **options)
    # Brightness of decoded colours may be rounded elsewhere.
    difference = np.abs(found["image"].astype(int) - expected["image"])
    assert difference.max() <= (1 if grayscale else 0)


def swap_colours(path: Path) -> None:
    """Write the pictures of a package as old programs did, blue first."""
    with h5py.File(path, "r+") as file:
        dataset = file["video0/video"]
        del dataset.attrs["channel_order"]
        for k in range(len(dataset)):
            data = np.asarray(dataset[k]).astype(np.uint8).tobytes()
            image = PictureDecoder().decode(data, path, "", grey=None)
            swapped = encode_picture(np.ascontiguousarray(image[..., ::-1]), "png")
            dataset[k] = np.frombuffer(swapped, np.int8)


@pytest.mark.parametrize("where", ["memory", "file"])
def test_pictures_of_packages_are_copied_without_decoding(
    tmp_path: Path, where: str, read: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = labels_on(random_video(), n_frames=4)
    labels.save(tmp_path / "a.pkg.slp", with_images=True)
    package = tl.read_slp(tmp_path / "a.pkg.slp")
    places = [k for k in range(4) if k in package.video.embedded_frame_inds]
    with h5py.File(tmp_path / "a.pkg.slp") as file:
        pictures = [bytes(row.astype(np.uint8)) for row in file["video0/video"]]
    read.clear()
    cache = tmp_path / "a.arrow" if where == "file" else where
    batches = package.batches(4, cache=cache, encoding="png", example_indices=places)
    assert read == []
    assert batches.images is not None
    store: Any = batches.images.store
    assert [bytes(store.data[k]) for k in range(len(places))] == pictures


# The file is used again


def test_images_in_the_file_are_not_read_again(
    movie: Path, tmp_path: Path, read: list[int]
) -> None:
    labels = movie_labels(movie)
    first = labels.batches(5, cache=tmp_path / "a.arrow")
    assert read == list(range(N_MOVIE))
    before = (tmp_path / "a.arrow").stat()
    read.clear()
    for places in (None, [3, 9, 3]):
        again = labels.batches(5, cache=tmp_path / "a.arrow", example_indices=places)
        assert numbers_of(again) == (places or list(range(N_MOVIE)))
    assert numbers_of(first) == list(range(N_MOVIE))
    assert read == []
    assert (tmp_path / "a.arrow").stat() == before
    other = movie_labels(movie)  # of another session
    assert numbers_of(other.batches(5, cache=str(tmp_path / "a.arrow"))) == list(range(N_MOVIE))
    assert read == []


@pytest.mark.parametrize("encoding", ["raw", "png"])
def test_the_file_gets_what_it_lacks(
    movie: Path, tmp_path: Path, read: list[int], encoding: str
) -> None:
    labels = movie_labels(movie)
    options: dict[str, Any] = {"cache": tmp_path / "a.arrow", "encoding": encoding}
    seen: list[tuple[int, int]] = []
    labels.batches(5, example_indices=[7, 2, 3], **options)
    assert read == [2, 3, 7]
    read.clear()
    batches = labels.batches(
        5, example_indices=[8, 7, 2, 0], progress_callback=lambda *n: seen.append(n), **options
    )
    assert read == [0, 8]
    assert seen == [(1, 2), (2, 2)]
    assert numbers_of(batches) == [8, 7, 2, 0]
    assert numbers_of(labels.batches(5, example_indices=[3], **options)) == [3]
    assert read == [0, 8]
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".tmp"] == []


def test_a_video_that_changed_is_read_again(movie: Path, tmp_path: Path, read: list[int]) -> None:
    labels = movie_labels(movie)
    cache = tmp_path / "a.arrow"
    labels.batches(5, cache=cache)
    size = cache.stat().st_size
    # Numbers 40, 41, ... from now on.
    encode(movie, N_MOVIE, bf=2, g=5, pictures=iter(list(numbered(60))[40:52]))
    os.utime(movie, ns=(0, 10**18))
    read.clear()
    batches = labels.batches(5, cache=cache)
    assert read == list(range(N_MOVIE))
    assert numbers_of(batches) == list(range(40, 52))
    assert cache.stat().st_size < 1.5 * size  # old images have left


def test_videos_share_a_file(tmp_path: Path, read: list[int]) -> None:
    names = [tmp_path / "a.mp4", tmp_path / "b.mp4"]
    for k, name in enumerate(names):
        encode(name, 4, g=2, pictures=iter(list(numbered(60))[30 * k : 30 * k + 4]))
    cache = tmp_path / "a.arrow"
    for name in (*names, *names):
        labels = labels_on(tl.Video.from_filename(name), n_frames=4)
        first = 0 if name == names[0] else 30
        assert numbers_of(labels.batches(4, cache=cache)) == list(range(first, first + 4))
    both = labels_on(*map(tl.Video.from_filename, names), n_frames=4)
    assert numbers_of(both.batches(4, cache=cache)) == [0, 30, 1, 31, 2, 32, 3, 33]
    assert read == [0, 1, 2, 3] * 2


def test_videos_of_one_package_share_a_file(tmp_path: Path) -> None:
    arrays = [random_images(k, 4, (8, 12, 3)) for k in range(2)]
    labels = labels_on(*map(tl.Video.from_numpy, arrays), n_frames=4)
    labels.save(tmp_path / "a.pkg.slp", with_images=True, all_labels=True)
    package = tl.read_slp(tmp_path / "a.pkg.slp")
    cache, seen = tmp_path / "a.arrow", []
    there = {
        v: [
            k
            for k in range(8)
            if package[k].video is package.videos[v]
            and package[k].frame_idx in package.videos[v].embedded_frame_inds
        ]
        for v in range(2)
    }
    for video in (0, 1, 0, 1):
        (batch,) = package.batches(
            8,
            cache=cache,
            example_indices=there[video],
            progress_callback=lambda done, _: seen.append(done),
        )
        for image, frame_idx in zip(batch["image"], batch["frame_ind"], strict=True):
            assert np.array_equal(image, arrays[video][frame_idx])
    assert seen == [*range(1, len(there[0]) + 1), *range(1, len(there[1]) + 1)]


def test_videos_in_memory_are_never_taken_for_each_other(tmp_path: Path) -> None:
    for seed in range(6):
        array = random_images(seed, 3, (5, 7, 3))
        labels = labels_on(tl.Video.from_numpy(array), n_frames=3)
        (batch,) = labels.batches(3, cache=tmp_path / "a.arrow")
        assert np.array_equal(batch["image"], array)
        del labels, array


def test_image_sequences_are_told_apart_by_all_their_pictures(tmp_path: Path) -> None:
    images = random_images(5, 4, (6, 7, 3))
    names = [tmp_path / f"{k}.png" for k in range(4)]
    for image, name in zip(images, names, strict=True):
        name.write_bytes(encode_picture(image, "png"))
    for order in ([0, 1, 2], [0, 3, 2], [0, 1, 2]):
        video = tl.Video.from_image_filenames([names[k] for k in order])
        (batch,) = labels_on(video, n_frames=3).batches(3, cache=tmp_path / "a.arrow")
        assert np.array_equal(batch["image"], images[order])
    names[2].write_bytes(encode_picture(images[3], "png"))
    os.utime(names[2], ns=(0, 10**18))
    (batch,) = labels_on(video, n_frames=3).batches(3, cache=tmp_path / "a.arrow")
    assert np.array_equal(batch["image"], images[[0, 1, 3]])


def test_grey_and_coloured_images_share_a_file(movie: Path, tmp_path: Path) -> None:
    labels = movie_labels(movie)
    for grayscale in (True, False, True, None):
        for encoding in ("png", "raw"):
            options = {"cache": tmp_path / f"{encoding}.arrow", "encoding": encoding}
            (found,) = labels.batches(12, grayscale=grayscale, **options)  # type: ignore[arg-type]
            (expected,) = labels.batches(12, grayscale=grayscale, cache=None)
            reference.assert_equal(found, expected)


def test_pickled_batches_find_their_images_in_a_file_that_was_extended(
    movie: Path, tmp_path: Path
) -> None:
    labels, cache = movie_labels(movie), tmp_path / "a.arrow"
    data = pickle.dumps(labels.batches(5, cache=cache, example_indices=[9, 4]))
    assert len(data) < 20_000  # the images stay in the file
    other = encode(tmp_path / "b.mp4", 4, g=2, pictures=iter(list(numbered(60))[30:34]))
    labels_on(tl.Video.from_filename(other), n_frames=4).batches(4, cache=cache)
    labels.batches(5, cache=cache)
    assert numbers_of(pickle.loads(data)) == [9, 4]


@pytest.mark.parametrize("change", ["the video", "the encoding", "the file"])
def test_pickled_batches_say_when_their_images_are_gone(
    movie: Path, tmp_path: Path, change: str
) -> None:
    labels, cache = movie_labels(movie), tmp_path / "a.arrow"
    batches = labels.batches(5, cache=cache)
    data = pickle.dumps(batches)
    if change == "the video":
        os.utime(movie, ns=(0, 10**18))
        labels.batches(5, cache=cache)
    else:
        cache.unlink()
    if change == "the encoding":
        labels.batches(5, cache=cache, encoding="raw")
    error = FileNotFoundError if change == "the file" else FileFormatError
    with pytest.raises(error, match=r"a\.arrow"):
        pickle.loads(data)
    # Who has opened it before goes on.
    assert numbers_of(batches) == list(range(N_MOVIE))


def test_a_file_that_another_process_replaces_meanwhile_is_made_whole(
    movie: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, cache = movie_labels(movie), tmp_path / "a.arrow"
    labels.batches(5, cache=tmp_path / "other.arrow", example_indices=[5])
    times = []

    def write_and_lose(path: Any, *arguments: Any) -> None:
        write_images(path, *arguments)
        times.append(path)
        if len(times) == 1:
            (tmp_path / "other.arrow").replace(cache)

    monkeypatch.setattr("tabular_labels.training.image_cache.write_images", write_and_lose)
    batches = labels.batches(5, cache=cache, example_indices=[1, 8, 5])
    assert numbers_of(batches) == [1, 8, 5]
    assert len(times) == 2


def test_a_file_may_be_asked_for_no_images(tmp_path: Path) -> None:
    assert list(tl.Labels().batches(4, cache=tmp_path / "a.arrow")) == []
    assert list(tmp_path.iterdir()) == []


# Nothing is lost


def test_the_file_is_left_as_it_was_when_reading_is_cancelled(movie: Path, tmp_path: Path) -> None:
    labels, cache = movie_labels(movie), tmp_path / "a.arrow"
    with pytest.raises(ExportCancelledError, match="2 of 12"):
        labels.batches(5, cache=cache, progress_callback=lambda done, _: done < 2)
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4"}
    labels.batches(5, cache=cache, example_indices=[4])
    before = cache.read_bytes()
    with pytest.raises(ZeroDivisionError):
        labels.batches(5, cache=cache, progress_callback=lambda done, _: 1 // (done - 3))
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "a.arrow"}
    assert cache.read_bytes() == before


FULL = """
import resource, signal, sys
import tabular_labels as tl
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
video = tl.Video.from_filename(sys.argv[1])
labels = tl.Labels([tl.LabeledFrame(video, k) for k in range(12)])
labels.batches(4, cache=sys.argv[2], encoding="raw", example_indices=[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    labels.batches(4, cache=sys.argv[2], encoding="raw")
except OSError as error:
    print(type(error).__name__, error)
print([b["frame_ind"].tolist() for b in labels.batches(4, cache=sys.argv[2], encoding="raw",
                                                       example_indices=[3])])
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_the_file_is_left_as_it_was_when_the_disk_is_full(movie: Path, tmp_path: Path) -> None:
    cache = tmp_path / "a.arrow"
    found = subprocess.run(
        [sys.executable, "-c", FULL, str(movie), str(cache)],
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert "File too large" in found.stdout
    assert found.stdout.splitlines()[-1] == "[[3]]"
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", "a.arrow"}


@pytest.mark.parametrize(("kept", "asked"), [("png", "raw"), ("raw", "jpg"), ("jpg", "auto")])
def test_a_file_in_another_encoding_is_refused_and_stays(
    tmp_path: Path, kept: str, asked: str
) -> None:
    labels, cache = labels_on(random_video()), tmp_path / "a.arrow"
    labels.batches(4, cache=cache, encoding=kept)
    before = cache.read_bytes()
    wish = "png" if asked == "auto" else asked
    message = f"images kept as '{kept}', expected '{wish}'.*Delete"
    with pytest.raises(FileFormatError, match=message):
        labels.batches(4, cache=cache, encoding=asked)
    assert cache.read_bytes() == before


def other_arrow(path: Path) -> None:
    table = pa.table({"image": [b"a"]})
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize("kind", ["empty", "text", "other Arrow", "folder", "truncated"])
def test_other_files_are_refused_and_stay(tmp_path: Path, kind: str) -> None:
    labels, cache = labels_on(random_video()), tmp_path / "a.arrow"
    if kind == "folder":
        (cache / "inside").mkdir(parents=True)
    elif kind == "other Arrow":
        other_arrow(cache)
    elif kind == "truncated":
        labels.batches(4, cache=cache)
        os.truncate(cache, cache.stat().st_size - 50)
    else:
        cache.write_bytes(b"" if kind == "empty" else b"dear diary " * 99)
    before = None if kind == "folder" else cache.read_bytes()
    with pytest.raises(FileFormatError, match=r"a\.arrow: the file: found .*Delete it"):
        labels.batches(4, cache=cache)
    if before is not None:
        assert cache.read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"a.arrow"}


@pytest.mark.parametrize("encoding", ["raw", "png"])
def test_a_damaged_file_gives_images_or_a_clear_error(tmp_path: Path, encoding: str) -> None:
    labels, cache = labels_on(random_video(size=(5, 6, 3))), tmp_path / "a.arrow"
    labels.batches(4, cache=cache, encoding=encoding)
    good, rng = cache.read_bytes(), random.Random(7)
    n_refused = 0
    for _ in range(150):
        data = bytearray(good)
        if rng.random() < 0.3:
            data = data[: rng.randrange(len(data))]
        for _ in range(rng.choice([1, 1, 1, 9])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        cache.unlink()
        cache.write_bytes(data)
        try:
            shapes = [b["image"].shape for b in labels.batches(6, cache=cache, encoding=encoding)]
            assert shapes == [(6, 5, 6, 3)]
        except FileFormatError:
            n_refused += 1
    assert 40 < n_refused < 150


def test_a_directory_that_is_not_there_is_named(
    movie: Path, tmp_path: Path, read: list[int]
) -> None:
    for folder in (tmp_path / "nowhere", movie):
        with pytest.raises(FileNotFoundError) as caught:
            movie_labels(movie).batches(4, cache=folder / "a.arrow")
        assert isinstance(caught.value, MissingDirectoryError)
        assert str(caught.value) == (
            f"{folder / 'a.arrow'}: found no directory {str(folder)!r}, expected one to write "
            "into. Make it first, or give another path."
        )
    assert read == []
    assert list(tmp_path.iterdir()) == [movie]
