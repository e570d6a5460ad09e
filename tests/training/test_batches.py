"""Batches: with their images, in epochs, in other processes and threads."""

from __future__ import annotations

import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tabular_labels as tl
from tabular_labels.errors import (
    ExportCancelledError,
    FileFormatError,
    MissingFrameError,
    MissingVideoError,
    QueryError,
)
from tabular_labels.training.batches import Batches
from tests import training_reference as reference
from tests.training.scenes import FLY, labels_on, random_images, random_video, scenes
from tests.video.movies import encode, read_number

N_MOVIE = 12


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("movie") / "a.mp4", N_MOVIE, bf=2, g=5)


def joined(lists: list[list[int]]) -> list[int]:
    return list(chain.from_iterable(lists))


def numbers_of(batches: Batches) -> list[list[int]]:
    return [[read_number(image) for image in batch["image"]] for batch in batches]


OPTIONS = st.fixed_dictionaries(
    {
        "cache": st.sampled_from(["memory", None]),
        "encoding": st.sampled_from(["auto", "raw", "png"]),
        "ragged": st.booleans(),
        "user_instances_only": st.booleans(),
        "with_track_only": st.booleans(),
    }
)


@settings(max_examples=40)
@given(st.data(), st.sampled_from([1, 3]), st.integers(1, 4), OPTIONS)
def test_batches_are_those_made_row_by_row(
    data: st.DataObject, channels: int, batch_size: int, options: dict[str, Any]
) -> None:
    labels = data.draw(scenes(channels=channels))
    places = data.draw(st.lists(st.integers(0, len(labels) - 1), min_size=1, max_size=9))
    flags: dict[str, Any] = {
        key: options[key] for key in ("user_instances_only", "with_track_only")
    }
    every = [reference.example(labels, place, images=True, **flags) for place in places]
    batches = labels.batches(batch_size, example_indices=places, **options)
    for batch, start in zip(batches, range(0, len(every), batch_size), strict=True):
        rows = range(len(every))[start : start + batch_size]
        expected = reference.batch(every, rows, ragged=options["ragged"])
        reference.assert_equal(batch, expected)


@settings(max_examples=15)
@given(scenes(), st.integers(0, 9), st.integers(0, 3))
def test_shuffled_batches_hold_the_rows_of_their_order(
    labels: tl.Labels, seed: int, epoch: int
) -> None:
    batches = labels.batches(2, shuffle=True, seed=seed)
    every = [reference.example(labels, place, images=True) for place in range(len(labels))]
    batches.set_epoch(epoch)
    for batch, rows in zip(batches, batches.order.batches(epoch), strict=True):
        reference.assert_equal(batch, reference.batch(every, rows.tolist()))


def test_images_are_those_of_their_frames(movie: Path) -> None:
    labels = labels_on(tl.Video.from_filename(movie), n_frames=N_MOVIE)
    for cache in ("memory", None):
        batches = labels.batches(5, cache=cache, example_indices=[7, 2, 11, 2, 0, 9])
        assert numbers_of(batches) == [[7, 2, 11, 2, 0], [9]]


def test_each_iteration_is_an_epoch_of_its_own_order(movie: Path) -> None:
    labels = labels_on(tl.Video.from_filename(movie), n_frames=N_MOVIE)
    batches = labels.batches(5, shuffle=True, seed=3)
    first, second = numbers_of(batches), numbers_of(batches)
    assert first != second
    assert sorted(joined(first)) == sorted(joined(second)) == list(range(N_MOVIE))
    assert [len(batch) for batch in first] == [5, 5, 2]
    batches.set_epoch(1)
    assert numbers_of(batches) == second
    assert numbers_of(labels.batches(5, shuffle=True, seed=3)) == first
    assert batches.epoch == 2


def test_without_a_seed_orders_are_drawn() -> None:
    labels = labels_on(random_video(n_frames=40), n_frames=40)
    orders = {
        tuple(next(iter(labels.batches(40, images=False, shuffle=True)))["example_ind"].tolist())
        for _ in range(3)
    }
    assert len(orders) == 3


def test_shards_and_the_remainder_are_passed_on() -> None:
    labels = labels_on(random_video(n_frames=11), n_frames=11)
    found = [
        [
            batch["example_ind"].tolist()
            for batch in labels.batches(2, shard=(index, 2), drop_remainder=drop_remainder)
        ]
        for index in (0, 1)
        for drop_remainder in (False, True)
    ]
    assert found == [
        [[0, 2], [4, 6], [8, 10]],
        [[0, 2], [4, 6]],
        [[1, 3], [5, 7], [9]],
        [[1, 3], [5, 7]],
    ]


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("n_workers", [1, 2, 5])
def test_workers_together_have_the_batches_of_one(shuffle: bool, n_workers: int) -> None:
    batches = labels_on(random_video()).batches(2, shuffle=shuffle, seed=2)
    alone = list(batches.of_epoch(4))
    workers = [list(batches.of_epoch(4, k, n_workers)) for k in range(n_workers)]
    for k, expected in enumerate(alone):
        reference.assert_equal(workers[k % n_workers][k // n_workers], expected)
    assert sum(map(len, workers)) == len(alone) == 3


def test_an_epoch_may_be_left_early() -> None:
    batches = labels_on(random_video()).batches(2)
    for batch in batches:
        assert batch["example_ind"].tolist() == [0, 1]
        break
    assert len(list(batches)) == 3


# Videos that differ


def test_smaller_images_stand_in_the_upper_left_corner() -> None:
    large, small = random_images(1, 2, (7, 9, 1)), random_images(2, 2, (5, 9, 1))
    labels = labels_on(tl.Video.from_numpy(large), tl.Video.from_numpy(small), n_frames=2)
    (batch,) = labels.batches(4)
    assert batch["video_ind"].tolist() == [0, 1, 0, 1]
    assert batch["raw_image_size"].tolist() == [[7, 9, 1], [5, 9, 1]] * 2
    assert np.array_equal(batch["image"][[0, 2]], large)
    assert np.array_equal(batch["image"][[1, 3], :5], small)
    assert not batch["image"][[1, 3], 5:].any()


def test_images_have_the_size_of_the_videos_that_are_wanted() -> None:
    labels = labels_on(random_video(size=(7, 9, 1)), random_video(size=(5, 3, 1)))
    (batch,) = labels.batches(9, example_indices=[1, 3])
    assert batch["image"].shape == (2, 5, 3, 1)


def test_colours_and_brightness_do_not_mix_unless_one_is_asked_for() -> None:
    grey, colour = random_video(1, size=(5, 6, 1)), random_video(2, size=(5, 6, 3))
    labels = labels_on(grey, colour)
    with pytest.raises(QueryError, match=r"one channel and with three.*grayscale=True"):
        labels.batches(4)
    for grayscale, channels in ((True, 1), (False, 3)):
        (batch,) = labels.batches(2, grayscale=grayscale, example_indices=[0, 1])
        assert batch["image"].shape == (2, 5, 6, channels)
        for image, video in zip(batch["image"], (grey, colour), strict=True):
            assert np.array_equal(image, video.get_frame(0, grayscale=grayscale))
    assert len(labels.batches(4, images=False)) == 3


@pytest.mark.parametrize("cache", ["memory", None])
@pytest.mark.parametrize("encoding", ["raw", "png"])
def test_pictures_in_any_layout_of_memory_are_read(cache: str | None, encoding: str) -> None:
    planar = random_images(3, 4, (3, 5, 7))  # channels before rows and columns
    array = planar.transpose(0, 2, 3, 1)[:, ::-1]
    labels = labels_on(tl.Video.from_numpy(array), n_frames=4)
    (batch,) = labels.batches(4, cache=cache, encoding=encoding)
    assert np.array_equal(batch["image"], array)


def test_pictures_that_grow_on_the_way_are_refused(tmp_path: Path) -> None:
    from tabular_labels.video.pictures import encode_picture

    names = [tmp_path / f"{k}.png" for k in range(3)]
    for k, name in enumerate(names):
        name.write_bytes(encode_picture(random_images(k, 1, (5 + k, 6, 3))[0], "png"))
    labels = labels_on(tl.Video.from_image_filenames(names), n_frames=3)
    batches = labels.batches(3)
    with pytest.raises(FileFormatError, match=r"shape \(6, 6, 3\).*at most \(5, 6, 3\)"):
        next(iter(batches))


# Elsewhere


def check_elsewhere(every: list[Batches], expected: list[list[dict[str, Any]]], queue: Any) -> None:
    try:
        for batches, known in zip(every, expected, strict=True):
            for found, wanted in zip(batches, known, strict=True):
                reference.assert_equal(found, wanted)
        queue.put("equal")
    except BaseException as error:
        queue.put(repr(error))
        raise


def kept(movie: Path, cache: str, tmp_path: Path) -> Batches:
    labels = labels_on(tl.Video.from_filename(movie), n_frames=N_MOVIE)
    where = {"memory": "memory", "none": None, "file": tmp_path / "a.arrow"}[cache]
    return labels.batches(5, cache=where, encoding="png", shuffle=True, seed=1)


@pytest.mark.parametrize("cache", ["memory", "none", "file"])
def test_batches_are_pickled(movie: Path, tmp_path: Path, cache: str) -> None:
    batches = kept(movie, cache, tmp_path)
    batches.set_epoch(3)
    again = pickle.loads(pickle.dumps(batches))
    for found, expected in zip(again, batches, strict=True):
        reference.assert_equal(found, expected)


# Forking with threads is what PyTorch does on Linux.
@pytest.mark.filterwarnings(r"ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_have_the_same_batches(movie: Path, tmp_path: Path, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system cannot {method}")
    context: Any = multiprocessing.get_context(method)
    every = [kept(movie, cache, tmp_path) for cache in ("memory", "none", "file")]
    # Kept in colours and taken without: a conversion in each thread that decodes.
    every.append(packaged(tmp_path, (64, 96, 3)).batches(5, encoding="png", grayscale=True))
    expected = [list(batches) for batches in every]  # threads and files are in use by then
    for batches in every:
        batches.set_epoch(0)
    queue = context.Queue()
    processes = [
        context.Process(target=check_elsewhere, args=(every, expected, queue))
        for _ in range(2 if method == "fork" else 1)
    ]
    for process in processes:
        process.start()
    answers = [queue.get(timeout=240) for _ in processes]
    for process in processes:
        process.join(60)
    assert set(answers) == {"equal"}
    assert {process.exitcode for process in processes} == {0}


@pytest.mark.parametrize("cache", ["memory", "none", "file"])
def test_threads_have_the_same_batches(movie: Path, tmp_path: Path, cache: str) -> None:
    batches = kept(movie, cache, tmp_path)
    expected = list(batches.of_epoch(0))
    with ThreadPoolExecutor(4) as executor:
        for found in executor.map(lambda _: list(batches.of_epoch(0)), range(8)):
            for one, other in zip(found, expected, strict=True):
                reference.assert_equal(one, other)


# What is wrong is said at once


def test_a_missing_video_is_named_before_any_batch(tmp_path: Path) -> None:
    gone = tl.Video.from_filename(tmp_path / "gone.mp4")
    labels = labels_on(random_video(), gone)
    for cache in ("memory", None, tmp_path / "a.arrow"):
        with pytest.raises(MissingVideoError, match=r"gone\.mp4.*video_search"):
            labels.batches(4, cache=cache)
    assert len(labels.batches(4, images=False)) == 3
    assert len(labels.batches(4, example_indices=[0, 2])) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["movie", "array", "pictures", "package"])
@pytest.mark.parametrize("cache", ["memory", None])
def test_frames_beyond_the_end_are_named_before_any_batch(
    movie: Path, tmp_path: Path, kind: str, cache: str | None
) -> None:
    from tabular_labels.video.pictures import encode_picture

    name = tmp_path / "a.png"
    name.write_bytes(encode_picture(random_images(0, 1, (5, 6, 3))[0], "png"))
    video = {
        "movie": lambda: tl.Video.from_filename(movie),
        "array": lambda: random_video(n_frames=5),
        "pictures": lambda: tl.Video.from_image_filenames([name] * 5),
        "package": lambda: packaged(tmp_path).video,
    }[kind]()
    labels = tl.Labels([tl.LabeledFrame(video, k) for k in (0, 20)])
    with pytest.raises(MissingFrameError, match="frame 20: found no such frame"):
        labels.batches(4, cache=cache)


def packaged(folder: Path, size: tuple[int, int, int] = (16, 24, 3)) -> tl.Labels:
    labels = labels_on(random_video(n_frames=5, size=size), n_frames=5)
    labels.save(folder / "a.pkg.slp", with_images=True, all_labels=True)
    return tl.read_slp(folder / "a.pkg.slp")


def test_frames_that_a_package_lacks_come_from_its_source(movie: Path, tmp_path: Path) -> None:
    labels = labels_on(tl.Video.from_filename(movie), n_frames=5)
    labels.save(tmp_path / "a.pkg.slp", with_images=True)
    read = tl.read_slp(tmp_path / "a.pkg.slp")
    read.append(tl.LabeledFrame(read.video, 10))
    assert numbers_of(read.batches(9))[0][-1] == 10


def test_a_damaged_video_is_named_before_any_batch(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"no video" * 100)
    labels = labels_on(tl.Video.from_filename(tmp_path / "a.mp4"))
    with pytest.raises(FileFormatError, match=r"a\.mp4"):
        labels.batches(4)


@pytest.mark.parametrize("cache", ["memory", "file"])
def test_an_unknown_encoding_is_refused(tmp_path: Path, cache: str) -> None:
    where = tmp_path / "a.arrow" if cache == "file" else cache
    with pytest.raises(QueryError, match=r"encoding: found 'gif', expected one of 'auto', 'raw'"):
        labels_on(random_video()).batches(4, cache=where, encoding="gif")
    assert list(tmp_path.iterdir()) == []


def test_reading_is_counted_and_may_be_cancelled() -> None:
    labels = labels_on(random_video(1), random_video(2))
    seen: list[tuple[int, int]] = []
    labels.batches(4, progress_callback=lambda *counts: seen.append(counts))
    assert seen == [(k, 12) for k in range(1, 13)]
    with pytest.raises(ExportCancelledError, match="3 of 12"):
        labels.batches(4, progress_callback=lambda done, _: done < 3)


def test_only_wanted_images_are_read() -> None:
    seen: list[int] = []
    labels = labels_on(random_video(1), random_video(2))
    labels.batches(
        4, example_indices=[2, 2, 5], progress_callback=lambda _, total: seen.append(total)
    )
    assert seen == [2, 2]


def test_labels_without_user_instances_have_none_in_their_batches() -> None:
    guess = tl.PredictedInstance(FLY, [[1, 2]] * 3)
    labels = tl.Labels([tl.LabeledFrame(random_video(), 1, [guess])])
    (batch,) = labels.batches(4, user_instances_only=True)
    assert batch["instances"].shape == (1, 0, 3, 2)
    assert batch["n_instances"].tolist() == [0]
