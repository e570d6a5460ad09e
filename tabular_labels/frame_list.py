"""The list of frames of labels, which can be changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from tabular_labels import editing
from tabular_labels.bulk import remove_frames, reorder_frames
from tabular_labels.model.arguments import require_index, require_type
from tabular_labels.sequences import FrameSequence
from tabular_labels.store.store import Store
from tabular_labels.views import LabeledFrame, frame_view

__all__ = ["FrameList"]


class FrameList(FrameSequence):
    """All frames of labels, in list order; changing the list changes the labels.

    Always shows how things stand. A frame that is put in becomes a view of its row; a
    view of other labels is copied.
    """

    _rows: Store

    def __init__(self, store: Store, append: Callable[[LabeledFrame], None]) -> None:
        self._rows = store
        self._append = append

    @property
    def places(self) -> Any:
        """Handles of the frames as they are now."""
        return self._rows.list_order.handles()

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self._rows.list_order)

    def __getitem__(self, place: Any) -> Any:
        """Return one frame by position, or a lazy sequence for a slice."""
        if isinstance(place, slice):
            return FrameSequence(self._rows, self.places[place])
        return frame_view(self._rows, self._handle(place))

    def _handle(self, place: Any) -> int:
        index = require_index(place, "position in the list of frames")
        if not -len(self) <= index < len(self):
            message = (
                f"found position {index}, expected -{len(self)} to {len(self) - 1}. "
                "Ask for positions within the list of frames."
            )
            raise IndexError(message)
        return self._rows.list_order[index]

    def append(self, frame: LabeledFrame) -> None:
        """Add a frame at the end, as `Labels.append` does."""
        self._append(frame)

    def extend(self, frames: Iterable[LabeledFrame]) -> None:
        """Add frames at the end; all of them or none."""
        with self._rows.step():
            for frame in list(frames):
                self._append(frame)

    def __iadd__(  # type: ignore[override]  # like list's
        self, frames: Iterable[LabeledFrame]
    ) -> FrameList:
        """Add frames at the end."""
        self.extend(frames)
        return self

    def insert(self, place: int, frame: LabeledFrame) -> None:
        """Add a frame at a place, also where there is one for its index already."""
        store, n = self._rows, len(self)
        index = require_index(place, "position in the list of frames")
        index = max(index + n, 0) if index < 0 else min(index, n)
        if index == n:
            editing.add_frame(store, _checked(frame))
            return
        with store.step():
            editing.add_frame(store, _checked(frame), self._between(index))

    def _between(self, index: int) -> float:
        """Return a position before the frame at a place."""
        store = self._rows
        for _ in range(2):
            after = store.position(store.list_order[index])
            before = store.position(store.list_order[index - 1]) if index else after - 2
            middle = (before + after) / 2
            if before < middle < after:
                return middle
            # Halved too often: number all positions anew.
            store.settle()
        raise AssertionError(index)

    def __setitem__(self, place: Any, value: Any) -> None:
        """Replace one frame, or a slice of them."""
        store = self._rows
        if not isinstance(place, slice):
            handle = self._handle(place)
            frame, position = _checked(value), store.position(handle)
            frame = frame.copy() if frame.is_attached else frame
            with store.step():
                editing.remove_frame(store, handle)
                editing.add_frame(store, frame, position)
            return
        given = [_checked(frame) for frame in value]
        wanted: list[Any] = np.asarray(self.places).tolist()
        old = set(wanted)
        wanted[place] = given
        kept: set[int] = set()
        copies: dict[int, LabeledFrame] = {}
        taken: set[int] = set()
        for at, one in enumerate(wanted):
            mine = one if isinstance(one, int) else self._mine(one)
            if mine is not None and mine in old and mine not in kept:
                kept.add(mine)
                wanted[at] = mine
            else:
                # A frame that is in the list already is in it once more, as a copy.
                frame = frame_view(store, one) if isinstance(one, int) else one
                is_free = not frame.is_attached and id(frame) not in taken
                taken.add(id(frame))
                copies[at] = frame if is_free else frame.copy()
        with store.step():
            remove_frames(store, sorted(old - kept))
            for at, frame in copies.items():
                wanted[at] = editing.add_frame(store, frame)
            reorder_frames(store, wanted)

    def _mine(self, frame: LabeledFrame) -> int | None:
        if not frame.is_attached:
            return None
        store, handle = frame._source.open_frame(frame._row)
        return int(handle) if store is self._rows and store.has_frame(handle) else None

    def __delitem__(self, place: Any) -> None:
        """Remove one frame, or a slice of them."""
        if isinstance(place, slice):
            remove_frames(self._rows, np.asarray(self.places, np.int64)[place])
        else:
            editing.remove_frame(self._rows, self._handle(place))

    def remove(self, frame: LabeledFrame) -> None:
        """Remove a frame: itself, or the first that is equal."""
        mine = self._mine(_checked(frame))
        editing.remove_frame(self._rows, self[self.index(frame)]._row if mine is None else mine)

    def pop(self, place: int = -1) -> LabeledFrame:
        """Remove the frame at a position, and return a detached copy."""
        copied: LabeledFrame = self[place].copy()
        del self[place]
        return copied

    def clear(self) -> None:
        """Remove all frames."""
        del self[:]

    def sort(self, *, key: Callable[[LabeledFrame], Any], reverse: bool = False) -> None:
        """Put the frames in another order of the list."""
        reorder_frames(self._rows, [f._row for f in sorted(self, key=key, reverse=reverse)])

    def reverse(self) -> None:
        """Turn the order of the list around."""
        reorder_frames(self._rows, np.asarray(self.places, np.int64)[::-1])


def _checked(frame: object) -> LabeledFrame:
    remedy = "Pass `LabeledFrame(video, frame_idx, instances)`."
    return require_type(frame, LabeledFrame, "frame", remedy)
