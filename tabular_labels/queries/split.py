"""The order in which splits take frames: by a hash of our own keys.

It is the same on every machine and in every version.

The hash of a frame is built from three integers: the key of its video, its index in the
video, and its rank among frames at the same place (0 but for duplicates). Starting from
``mix(seed)``, each integer is taken in by ``h = mix(h ^ integer)``, where ``mix`` is
SplitMix64: ``z = h + 0x9E3779B97F4A7C15``, ``z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9``,
``z = (z ^ z >> 27) * 0x94D049BB133111EB``, ``z ^ z >> 31``, all in 64 bits without sign.
Frames are ordered by their hash, so a frame's place depends on no other frame. The example
of `split_order` is a promise: its answer never changes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import BoolArray, IntArray

__all__ = ["hash_keys", "place_keys", "split_order"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_ALL = 2**64 - 1


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scramble integers, one to one (SplitMix64); arrays wrap around silently."""
    mixed = values + _GOLDEN
    mixed ^= mixed >> np.uint64(30)
    mixed *= _FIRST
    mixed ^= mixed >> np.uint64(27)
    mixed *= _SECOND
    mixed ^= mixed >> np.uint64(31)
    return mixed


def hash_keys(keys: Sequence[IntArray], seed: int) -> npt.NDArray[np.uint64]:
    """Hash rows of integers.

    Args:
        keys: Columns of integers of equal length; signed ones in two's complement.
        seed: Any integer, taken modulo 2**64.

    Returns:
        uint64, one per row; the recipe is in this module's docstring.

    Examples:
        >>> hash_keys([np.array([0, 1])], 0).tolist()
        [12035550249420947055, 627405149472732430]

    Source:
        Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
    """
    state = _mix(np.full(len(keys[0]), seed & _ALL, np.uint64))
    for column in keys:
        state = _mix(state ^ column.astype(np.int64).view(np.uint64))
    return state


def place_keys(frames: pl.DataFrame) -> list[IntArray]:
    """Return the integers that tell frames apart.

    Args:
        frames: Frames in canonical order, with ``video_id`` and ``frame_idx``.

    Returns:
        The video, the index, and the rank among frames at the same place, of each frame.

    Examples:
        >>> frames = pl.DataFrame({"video_id": [0, 0, 0], "frame_idx": [4, 4, 5]})
        >>> [column.tolist() for column in place_keys(frames)]
        [[0, 0, 0], [4, 4, 5], [0, 1, 0]]
    """
    video = frames["video_id"].to_numpy()
    index = frames["frame_idx"].to_numpy()
    return [video, index, _ranks(video, index)]


def split_order(frames: pl.DataFrame, seed: int) -> IntArray:
    """Shuffle frames by their hash.

    Args:
        frames: Frames in canonical order, with ``video_id`` and ``frame_idx``.
        seed: Any integer.

    Returns:
        int64 rows, each once. Of two equal hashes the lower row comes first.

    Examples:
        >>> frames = pl.DataFrame({"video_id": [0] * 8, "frame_idx": range(8)})
        >>> split_order(frames, seed=7).tolist()
        [1, 2, 5, 4, 0, 3, 7, 6]
    """
    return np.argsort(hash_keys(place_keys(frames), seed), kind="stable")


def _ranks(video: IntArray, index: IntArray) -> IntArray:
    """Count the frames before each one at the same place."""
    is_first: BoolArray = np.ones(len(video), np.bool_)
    is_first[1:] = (video[1:] != video[:-1]) | (index[1:] != index[:-1])
    if bool(is_first.all()):
        return np.zeros(len(video), np.int64)
    rows = np.arange(len(video))
    ranks: IntArray = rows - np.maximum.accumulate(np.where(is_first, rows, 0))
    return ranks
