"""The instances of a frame of labels: a list of views that sets what the frame holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Self

from tabular_labels import editing
from tabular_labels.frame_instances import FrameInstances
from tabular_labels.store.rows import Rows

__all__ = ["InstanceList"]


class InstanceList(FrameInstances):
    """The instances of a frame of labels; changing the list changes the labels.

    What is put in becomes a view of a new row; what is in another frame, or in other
    labels, is copied. Copies and pickles are plain lists.
    """

    __slots__ = ("_frame", "_rows", "_view")
    _frame: int
    _rows: Rows
    _view: Callable[[Rows, int], Any]

    @classmethod
    def of(cls, rows: Rows, frame: int, view: Callable[[Rows, int], Any]) -> Self:
        """Views of the instances of one frame, each made by ``view``."""
        made = cls([view(rows, row) for row in rows.instances_of(frame)])
        made._rows, made._frame, made._view = rows, frame, view
        return made

    def become(self, wanted: Iterable[Any]) -> None:
        """Make these the instances of the frame."""
        store, frame = self._rows.open_frame(self._frame)
        handles = editing.set_instances(store, frame, wanted)
        list.__setitem__(self, slice(None), [self._view(store, handle) for handle in handles])

    def pop(self, place: Any = -1) -> Any:
        """Remove the instance at a place, and return a detached copy."""
        copied = self[place].copy()
        del self[place]
        return copied

    def sort(self, *, key: Any = None, reverse: bool = False) -> None:
        """Put the instances in another order."""
        self.become(sorted(self, key=key, reverse=reverse))

    def reverse(self) -> None:
        """Turn the order around."""
        self.become(list(self)[::-1])
