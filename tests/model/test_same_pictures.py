"""Whether arrays hold the same pictures."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.model import same_pictures as module
from tabular_labels.model.same_pictures import glance_of, same_pictures

PICTURES = np.random.default_rng(0).integers(0, 256, (30, 9, 11, 3), np.uint8)


@given(
    st.tuples(st.integers(0, 29), st.integers(0, 8), st.integers(0, 10), st.integers(0, 2)),
    st.sampled_from((1, 1000, 2**20)),
)
def test_one_value_anywhere_makes_a_difference(place: tuple[int, ...], n_bytes: int) -> None:
    other = PICTURES.copy()
    with mock.patch.object(module, "_CHUNK_BYTES", n_bytes):
        assert same_pictures(PICTURES, other)
        other[place] ^= 1
        assert not same_pictures(PICTURES, other)


def test_shape_and_dtype_count_and_the_layout_does_not() -> None:
    flat = PICTURES.reshape(30, 11, 9, 3)
    assert not same_pictures(PICTURES, flat)
    assert not same_pictures(PICTURES, PICTURES.astype(np.int16))
    assert same_pictures(PICTURES, np.asfortranarray(PICTURES))
    backwards = PICTURES[::-1].copy()
    assert same_pictures(PICTURES, backwards[::-1])
    assert not same_pictures(PICTURES, backwards)
    halves = PICTURES / 2
    assert same_pictures(halves, halves.copy())


def test_arrays_without_pixels_hold_no_pictures() -> None:
    nothing = PICTURES[:0]
    assert not same_pictures(nothing, nothing)
    assert not same_pictures(nothing, nothing.copy())


def test_one_memory_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(module, "_bits")
    monkeypatch.delattr(module, "glance_of")
    assert same_pictures(PICTURES, PICTURES)
    assert same_pictures(PICTURES, PICTURES[:])


def test_views_of_one_memory_may_differ() -> None:
    square = np.arange(16, dtype=np.uint8).reshape(1, 4, 4, 1)
    assert not same_pictures(square, square.transpose(0, 2, 1, 3))


def test_what_a_glance_tells_apart_is_not_read_further(monkeypatch: pytest.MonkeyPatch) -> None:
    other = PICTURES.copy()
    other[0, 0, 0, 0] ^= 1
    assert glance_of(PICTURES) != glance_of(other)
    assert glance_of(PICTURES) == glance_of(np.asfortranarray(PICTURES))
    monkeypatch.delattr(module, "_bits")
    assert not same_pictures(PICTURES, other)


def test_mapped_files_and_objects_are_compared_too(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", PICTURES)
    assert same_pictures(np.load(tmp_path / "a.npy", mmap_mode="r"), PICTURES)
    things = PICTURES[:1].astype(object)
    assert same_pictures(things, things)
    assert not same_pictures(things, things.copy())
