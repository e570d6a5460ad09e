"""Lazy sequences of frames and instances: views are made when they are looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.store.rows import Rows
from tabular_labels.views import Instance, LabeledFrame, frame_view, instance_view

__all__ = ["FrameSequence", "InstanceSequence"]

View = TypeVar("View", LabeledFrame, Instance)
SHOWN = 4


class _RowSequence(Sequence[View], Generic[View]):
    """Views of given rows, in order; compares with any sequence by its items."""

    def __init__(self, rows: Rows, places: Sequence[int] | IntArray) -> None:
        self._rows = rows
        self._places = places

    @property
    def places(self) -> Sequence[int] | IntArray:
        """Handles of the rows."""
        return self._places

    def _view(self, row: int) -> View:
        raise AssertionError(row)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.places)

    @overload
    def __getitem__(self, place: int) -> View: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[View]: ...

    def __getitem__(self, place: Any) -> Any:
        """Return one view by position, or a lazy sequence for a slice."""
        if isinstance(place, slice):
            return type(self)(self._rows, self.places[place])
        return self._view(int(self.places[place]))

    def __iter__(self) -> Iterator[View]:
        """Make the views one after another."""
        for row in _listed(self):
            yield self._view(row)

    def __eq__(self, other: object) -> bool:
        """Compare item by item with any sequence."""
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # like a list

    def __add__(self, other: Sequence[View]) -> list[View]:
        """Concatenate to a list."""
        return list(self) + list(other)

    def __repr__(self) -> str:
        """Show the first few."""
        first = ", ".join(repr(item) for item in self[:SHOWN])
        rest = f", ... {len(self)} in all" if len(self) > SHOWN else ""
        return f"[{first}{rest}]"


def _listed(sequence: _RowSequence[Any]) -> Sequence[int]:
    places = sequence.places
    listed: Sequence[int] = places if isinstance(places, range) else np.asarray(places).tolist()
    return listed


class FrameSequence(_RowSequence[LabeledFrame]):
    """Frames of labels, made when they are looked at."""

    def _view(self, row: int) -> LabeledFrame:
        return frame_view(self._rows, row)

    def __iter__(self) -> Iterator[LabeledFrame]:
        """Make the views one after another."""
        rows, new = self._rows, LabeledFrame.__new__
        for row in _listed(self):
            view = new(LabeledFrame)
            view._source = rows
            view._row = row
            yield view

    def __contains__(self, frame: object) -> bool:
        """Tell whether a frame is among these."""
        if isinstance(frame, LabeledFrame) and frame._source is self._rows:
            return frame._row in self.places
        if not isinstance(frame, LabeledFrame):
            return False
        # Only frames of that index can be equal; their views need not be made.
        wanted, index = frame.frame_idx, self._rows.frame_idx
        return any(index(row) == wanted and self._view(row) == frame for row in _listed(self))


class InstanceSequence(_RowSequence[Instance]):
    """Instances of labels, made when they are looked at."""

    def _view(self, row: int) -> Instance:
        return instance_view(self._rows, row)

    def __contains__(self, instance: object) -> bool:
        """Tell whether an instance is among these."""
        if isinstance(instance, Instance) and instance._source is self._rows:
            return instance._row in self.places
        return super().__contains__(instance)
