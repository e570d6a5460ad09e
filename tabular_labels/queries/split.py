"""Splits decided by a hash of our own keys, the same on every machine and version.

The hash of a frame is built from three integers: the key of its video, its index in the
video, and its rank among frames at the same place (0 but for duplicates). Starting from
``mix(seed)``, each integer is taken in by ``h = mix(h ^ integer)``, where ``mix`` is
SplitMix64: ``z = h + 0x9E3779B97F4A7C15``, ``z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9``,
``z = (z ^ z >> 27) * 0x94D049BB133111EB``, ``z ^ z >> 31``, all in 64 bits without sign.
Frames are ordered by their hash, so a frame's place depends on no other frame.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.errors import QueryError

__all__ = ["hash_keys", "split_order", "split_rows"]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)
_ALL = 2**64 - 1


def _mix(values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scramble integers, one to one (SplitMix64); arrays wrap around silently."""
    mixed = values + _GOLDEN
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return mixed ^ (mixed >> np.uint64(31))


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


def split_order(frames: pl.DataFrame, seed: int) -> IntArray:
    """Shuffle frames by their hash.

    Args:
        frames: Frames in canonical order, with ``video_id`` and ``frame_idx``.
        seed: Any integer.

    Returns:
        int64 rows, each once. Of two equal hashes the lower row comes first.

    Examples:
        >>> frames = pl.DataFrame({"video_id": [0, 0, 0], "frame_idx": [4, 5, 6]})
        >>> sorted(split_order(frames, seed=1).tolist())
        [0, 1, 2]
    """
    video = frames["video_id"].to_numpy().astype(np.int64)
    index = frames["frame_idx"].to_numpy()
    rows = np.arange(frames.height)
    is_first: BoolArray = np.ones(frames.height, np.bool_)
    is_first[1:] = (np.diff(video) != 0) | (np.diff(index) != 0)
    rank = rows - np.maximum.accumulate(np.where(is_first, rows, 0))
    return np.argsort(hash_keys([video, index, rank], seed), kind="stable")


def split_rows(frames: pl.DataFrame, n: float, seed: int) -> tuple[IntArray, IntArray]:
    """Split frames at random into two.

    Args:
        frames: Frames in canonical order, with ``video_id`` and ``frame_idx``.
        n: Size of the first part: an int counts frames, a float is a share of them,
            rounded half to even. Both are brought into ``1 .. n_frames - 1``.
        seed: Any integer.

    Returns:
        Rows of the two parts, each ascending (int64). A single frame is in both.

    Raises:
        QueryError: There are no frames, or ``n`` is no number.

    Examples:
        >>> frames = pl.DataFrame({"video_id": [0] * 5, "frame_idx": range(5)})
        >>> first, second = split_rows(frames, 0.5, seed=0)
        >>> len(first), len(second)
        (2, 3)

    Source:
        ``Labels.split``, which could not be repeated.
    """
    total = frames.height
    if not total:
        message = "found no frames, expected at least one to split. Label some frames first."
        raise QueryError(message)
    if isinstance(n, float) and not math.isfinite(n):
        message = f"found size {n}, expected a number of frames or a share of them. Pass one."
        raise QueryError(message)
    if total == 1:
        return np.zeros(1, np.int64), np.zeros(1, np.int64)
    size = round(n * total) if isinstance(n, float) else int(n)
    size = min(max(size, 1), total - 1)
    order = split_order(frames, seed)
    return np.sort(order[:size]), np.sort(order[size:])
