"""Where the frames of two projects meet."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.offsets import ranges
from tabular_labels.queries.merge_side import Side

__all__ = ["Meeting", "meet"]


@dataclass(frozen=True)
class Meeting:
    """Frames of two projects, place by place. A place is a frame index of a video.

    Attributes:
        base: One project.
        new: The other.
        order: Rows of the new frames by place, list order within a place.
        first: Where in ``order`` the first frame of each new place stands, and the end.
        base_first: First base frame of each new place.
        base_stop: End of these; equal to ``base_first`` where the base has none.
    """

    base: Side
    new: Side
    order: IntArray
    first: IntArray
    base_first: IntArray
    base_stop: IntArray

    @cached_property
    def is_shared(self) -> BoolArray:
        """Which new places the base has too: bool, ``(n_places,)``."""
        shared: BoolArray = self.base_stop > self.base_first
        return shared

    @cached_property
    def place_of_new(self) -> IntArray:
        """Number of the place of each new frame row: int64, ``(n_new_frames,)``."""
        place = np.empty(len(self.order), np.int64)
        place[self.order] = np.repeat(np.arange(len(self.first) - 1), np.diff(self.first))
        return place

    @cached_property
    def place_of_base(self) -> IntArray:
        """Number of the new place at which a base frame row is, -1 for none."""
        place = np.full(self.base.structure.frames.height, -1, np.int64)
        counts = self.base_stop - self.base_first
        place[ranges(self.base_first, counts)] = np.repeat(np.arange(len(counts)), counts)
        return place

    def base_instances(self) -> tuple[IntArray, IntArray]:
        """Return the base instances at shared places, and the numbers of these."""
        return _instances(self.base, ranges(self.base_first, self.base_stop - self.base_first),
                          self.place_of_base)  # fmt: skip

    def new_instances(self) -> tuple[IntArray, IntArray]:
        """Return the new instances at shared places, and the numbers of these."""
        shared = np.repeat(self.is_shared, np.diff(self.first))
        return _instances(self.new, self.order[shared], self.place_of_new)

    def repeated_instances(self) -> tuple[IntArray, IntArray]:
        """Return the new instances at places with several new frames, and their numbers."""
        counts = np.diff(self.first)
        return _instances(self.new, self.order[np.repeat(counts > 1, counts)], self.place_of_new)


def _instances(side: Side, frames: IntArray, place: IntArray) -> tuple[IntArray, IntArray]:
    offsets = side.structure.instance_offsets
    counts = offsets[frames + 1] - offsets[frames]
    return ranges(offsets[frames], counts), np.repeat(place[frames], counts)


def meet(base: Side, new: Side) -> Meeting:
    """Line the frames of two projects up.

    Several frames of one index stay as they are in the base; those of the other project
    are one place, whose first frame takes the others in.
    """
    order = new.order
    order = np.arange(len(new.place)) if order is None else order
    place = new.place[order]
    is_first = np.ones(len(place), np.bool_)
    is_first[1:] = place[1:] != place[:-1]
    first = np.append(np.flatnonzero(is_first), len(place))
    wanted = place[first[:-1]]
    return Meeting(
        base,
        new,
        order,
        first,
        np.searchsorted(base.place, wanted),
        np.searchsorted(base.place, wanted, side="right"),
    )
