"""What callers pass to constructors, looked at before it can mislead."""

from __future__ import annotations

import operator
from typing import TypeVar

import numpy as np

from tabular_labels._types import IntArray

__all__ = ["as_index", "as_places", "require_index", "require_places", "require_type"]

T = TypeVar("T")


def require_type(value: object, cls: type[T], what: str, remedy: str) -> T:
    """Return a value that is of a class.

    Args:
        value: What was passed.
        cls: What it must be.
        what: How the message calls it.
        remedy: What to do, a sentence.

    Raises:
        TypeError: It is of another class.

    Examples:
        >>> require_type("a", str, "name", "Pass a string.")
        'a'
    """
    if isinstance(value, cls):
        return value
    message = f"{what}: found {_shown(value)}, expected a {cls.__name__}. {remedy}"
    raise TypeError(message)


def require_index(value: object, what: str) -> int:
    """Return a whole number of any kind as an int.

    Raises:
        TypeError: It is not whole; nothing is rounded.

    Examples:
        >>> require_index(3, "frame_idx")
        3
    """
    index = as_index(value)
    if index is None:
        message = f"{what}: found {_shown(value)}, expected a whole number. Pass an int."
        raise TypeError(message)
    return index


def as_index(value: object) -> int | None:
    """Return a whole number of any kind as an int, None for anything else.

    Examples:
        >>> as_index(True), as_index(3.0)
        (1, None)
    """
    try:
        return operator.index(value)  # type: ignore[arg-type]  # that is the question
    except TypeError:
        return None


def as_places(values: object, what: str = "example_indices") -> IntArray:
    """Return whole numbers as int64.

    Raises:
        TypeError: They are none; nothing is rounded, and a mask is not a list of places.

    Examples:
        >>> as_places([3, 1]).tolist(), as_places([]).tolist()
        ([3, 1], [])
    """
    array = np.asarray(values)
    if not array.size:
        return np.zeros(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        message = (
            f"{what}: found shape {array.shape} and dtype {array.dtype}, expected a list of "
            "whole numbers. Pass ints; for a mask, its np.flatnonzero."
        )
        raise TypeError(message)
    return array.astype(np.int64)


def require_places(places: IntArray, n_frames: int) -> None:
    """Look whether places are in the list of frames.

    Raises:
        IndexError: One is not.
    """
    outside = (places < 0) | (places >= n_frames)
    if outside.any():
        found = int(places[outside.argmax()])
        message = (
            f"example_indices: found {found}, expected places in the list of frames, from 0 to "
            f"{n_frames - 1}. Use the places of labelled frames, not their frame indices."
        )
        raise IndexError(message)


def _shown(value: object) -> str:
    text = repr(value)
    return f"{type(value).__name__} {text if len(text) <= 60 else text[:57] + '...'}"
