"""The list of frames: handles in the order of their positions."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np

from tabular_labels._types import IntArray

__all__ = ["ListOrder"]


class ListOrder:
    """Handles of frames in list order, each once.

    As long as frames are only appended, the order of the snapshot is shared; the first
    other change copies it. Appending costs the same however long the list is; putting
    a handle elsewhere moves those after it, which is one copy of memory.

    Args:
        base: The order to begin with, never changed.
        position: Tells where a handle belongs: a number that grows along the list.

    Examples:
        >>> order = ListOrder(range(3), float)
        >>> order.add(7)
        >>> order.discard(1)
        >>> list(order), len(order), order[-1]
        ([0, 2, 7], 3, 7)
    """

    def __init__(self, base: Sequence[int] | IntArray, position: Callable[[int], float]) -> None:
        self._base = base
        self._tail: list[int] = []
        self._moved: array[int] | None = None
        self._position = position

    def __len__(self) -> int:
        """Return the number of frames."""
        moved = self._moved
        return len(self._base) + len(self._tail) if moved is None else len(moved)

    def __getitem__(self, place: int) -> int:
        """Return the handle at a place; negative places count from the end."""
        if self._moved is not None:
            return self._moved[place]
        n = len(self._base)
        if not self._tail:
            return int(self._base[place])
        place = place if place >= 0 else place + n + len(self._tail)
        return int(self._base[place]) if 0 <= place < n else self._tail[place - n]

    def handles(self) -> Sequence[int] | IntArray:
        """Return all handles as they are now: the base itself, or a copy."""
        if self._moved is not None:
            return np.array(self._moved, np.int64)
        if not self._tail:
            return self._base
        return np.concatenate([np.asarray(self._base, np.int64), np.array(self._tail, np.int64)])

    def __iter__(self) -> Any:
        """Iterate over the handles as they are now."""
        if self._moved is not None:
            return iter(self._moved.tolist())
        base = self._base if isinstance(self._base, range) else np.asarray(self._base).tolist()
        return islice(chain(base, list(self._tail)), None)

    def last_position(self) -> float:
        """Return the position of the last handle, -1 when there is none."""
        return self._position(self[-1]) if len(self) else -1.0

    def place_of(self, handle: int) -> int:
        """Return where a handle stands, or would stand."""
        position = self._position(handle)
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self._position(self[middle]) < position:
                low = middle + 1
            else:
                high = middle
        return low

    def add(self, handle: int) -> None:
        """Put a handle where its position says."""
        if not len(self) or self._position(handle) > self.last_position():
            (self._tail if self._moved is None else self._moved).append(handle)
        else:
            place = self.place_of(handle)
            self._own().insert(place, handle)

    def discard(self, handle: int) -> None:
        """Take a handle out; its position must still be known."""
        if self._moved is None and self._tail and self._tail[-1] == handle:
            self._tail.pop()
            return
        del self._own()[self.place_of(handle)]

    def _own(self) -> array[int]:
        if self._moved is None:
            self._moved = array("q")
            self._moved.frombytes(np.asarray(self._base, np.int64).tobytes())
            self._moved.extend(self._tail)
            self._tail = []
        return self._moved
