"""Kept images are known by their video, the state of its files, and how it is read."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import tabular_labels as tl
from tabular_labels.training.video_state import is_key, is_older, video_key
from tabular_labels.video.imgstore import StoreFrames

INDS = [3, 4, 8]


class FakeStore:
    """As much of the package imgstore as is called: pictures in one array file."""

    def __init__(self, metadata: str) -> None:
        self._images = np.load(Path(metadata).parent / "images.npy")
        self.image_shape = self._images.shape[1:]

    def get_frame_metadata(self) -> dict[str, list[int]]:
        return {"frame_number": INDS}

    def get_image(self, frame_number: None, frame_index: int) -> tuple[Any, None]:
        return self._images[frame_index], None

    def close(self) -> None:
        pass


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The layout of an imgstore, and what reads it."""
    monkeypatch.setitem(sys.modules, "imgstore", SimpleNamespace(new_for_filename=FakeStore))
    return write_store(tmp_path / "store", 0)


def write_store(folder: Path, seed: int) -> Path:
    folder.mkdir(exist_ok=True)
    images = np.random.default_rng(seed).integers(0, 256, (3, 4, 6, 3)).astype(np.uint8)
    np.save(folder / "images.npy", images)
    (folder / "metadata.yaml").write_text("__store: {}")
    return folder


def touch(path: Path) -> None:
    """Let a file look as if it was written a second later."""
    state = path.stat()
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns + 10**9))


def test_a_store_is_known_by_its_folder_however_it_is_named(store: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(store)
    names = [store, store / "metadata.yaml", tmp_path / "link", store / ".." / "store"]
    (key,) = {video_key(StoreFrames(name)) for name in names}
    assert is_key(key)
    assert json.loads(key)[0] == os.path.realpath(store)


def test_how_a_store_is_read_belongs_to_its_key(store: Path, tmp_path: Path) -> None:
    frames = [
        StoreFrames(store),
        StoreFrames(store, by_original=False),
        StoreFrames(store, grayscale=True),
        StoreFrames(shutil.copytree(store, tmp_path / "copy")),
    ]
    keys = [video_key(one) for one in frames]
    assert len(set(keys)) == len(keys)
    # None of them is another one as it was before a change.
    assert not any(is_older(key, keys) for key in keys)


def test_a_store_that_was_written_again_has_another_key(store: Path) -> None:
    before = video_key(StoreFrames(store))
    assert video_key(StoreFrames(store)) == before
    touch(store / "metadata.yaml")
    after = video_key(StoreFrames(store))
    assert after != before
    assert is_older(before, [after])
    assert not is_older(after, [after, before])
    assert not is_older(before, [])


def test_images_of_a_store_are_kept_until_it_is_written_again(store: Path, tmp_path: Path) -> None:
    video = tl.Video.from_filename(store)
    labels = tl.Labels([tl.LabeledFrame(video, k) for k in INDS])

    def images(cache: Path | None) -> Any:
        (batch,) = labels.batches(3, cache=cache)
        return batch["image"]

    cache = tmp_path / "a.arrow"
    first = images(cache)
    np.testing.assert_array_equal(first, np.load(store / "images.npy")[..., ::-1])
    state = cache.stat()
    np.testing.assert_array_equal(images(cache), first)
    assert cache.stat().st_ino == state.st_ino
    write_store(store, 1)
    touch(store / "metadata.yaml")
    second = images(cache)
    assert not np.array_equal(second, first)
    np.testing.assert_array_equal(second, images(None))


def test_a_store_that_is_gone_is_not_known(store: Path) -> None:
    frames = StoreFrames(store)
    shutil.rmtree(store)
    with pytest.raises(FileNotFoundError, match=r"metadata\.yaml"):
        video_key(frames)


def test_other_texts_are_no_keys() -> None:
    assert not any(map(is_key, ("", "[]", "{}", "[1, 2]", "not JSON", '"abc"')))
