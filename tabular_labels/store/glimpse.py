"""Rows of one place, read before the rest of a project is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tabular_labels._types import BoolArray, FloatArray
from tabular_labels.model.objects import Objects
from tabular_labels.model.offsets import rows_of_ids
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.store.records import PointValues
from tabular_labels.store.rows import Rows
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.store.store import Store

__all__ = ["Glimpse"]


class Glimpse(Rows):
    """A few rows of a project whose frames were not read yet.

    As soon as there is a store, the same rows are looked up there: edits made elsewhere
    are seen here, and edits made here go there.

    Args:
        snapshot: The rows that were read.
        objects: The project's objects.
        store: Gives the project's store, reading its frames if need be.
    """

    def __init__(self, snapshot: Snapshot, objects: Objects, store: Callable[[], Store]) -> None:
        super().__init__(snapshot, objects)
        self._open = store
        self._store: Store | None = None

    def continue_in(self, store: Store) -> None:
        """See the rows of this store from now on."""
        structure, there = self.base.structure, store.base.structure
        places = {
            name: rows_of_ids(whole[key].to_numpy(), part[key].to_numpy()).tolist()
            for name, key, part, whole in (
                ("frame", "frame_id", structure.frames, there.frames),
                ("instance", "instance_id", structure.instances, there.instances),
            )
        }
        self._store = store
        self._places = places
        self.frame_records = _Records(store.frame_record_or_gone, places["frame"])
        self.instance_records = _Records(store.instance_record_or_gone, places["instance"])

    @property
    def root(self) -> Rows:
        """The rows that views of these rows are of."""
        return self if self._store is None else self._store

    def located_frame(self, handle: int) -> tuple[Rows, int]:
        """Return where to look for what belongs to a frame: in the store, if there is one."""
        return (self, handle) if self._store is None else self.open_frame(handle)

    def located_instance(self, handle: int) -> tuple[Rows, int]:
        """Return where to look for what belongs to an instance."""
        return (self, handle) if self._store is None else self.open_instance(handle)

    def open_frame(self, handle: int) -> tuple[Any, int]:
        """Return the row in the store."""
        store = self._open()
        return store, self._places["frame"][handle]

    def open_instance(self, handle: int) -> tuple[Any, int]:
        """Return the row in the store."""
        store = self._open()
        return store, self._places["instance"][handle]

    # The store's objects may have become more, or others, than those the project had.

    def video(self, handle: int) -> Video:
        """Return a frame's video."""
        rows, row = self.located_frame(handle)
        return super().video(handle) if rows is self else rows.video(row)

    def skeleton(self, handle: int) -> Skeleton:
        """Return an instance's skeleton."""
        rows, row = self.located_instance(handle)
        return super().skeleton(handle) if rows is self else rows.skeleton(row)

    def track(self, handle: int) -> Track | None:
        """Return an instance's track."""
        rows, row = self.located_instance(handle)
        return super().track(handle) if rows is self else rows.track(row)

    # A record without points of its own means those of the store's snapshot, not of ours.

    def point_record(self, handle: int) -> PointValues:
        """Return an instance's points as they are now; not to be changed."""
        rows, row = self.located_instance(handle)
        return super().point_record(handle) if rows is self else rows.point_record(row)

    def xy(self, handle: int, *, invisible_as_nan: bool = True) -> FloatArray:
        """Return an instance's coordinates, ``(n_nodes, 2)``."""
        rows, row = self.located_instance(handle)
        if rows is self:
            return super().xy(handle, invisible_as_nan=invisible_as_nan)
        return rows.xy(row, invisible_as_nan=invisible_as_nan)

    def point_values(self, handle: int, name: str) -> FloatArray | BoolArray:
        """Return one point column of an instance, ``(n_nodes,)``."""
        rows, row = self.located_instance(handle)
        return super().point_values(handle, name) if rows is self else rows.point_values(row, name)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle as rows without a project behind them."""
        return Store, (self.base, self.objects, self.lineage)


class _Records(dict[int, Any]):
    """Looks records up in the store."""

    def __init__(self, look: Callable[[int], Any], places: list[int]) -> None:
        super().__init__()
        self._look, self._at = look, places

    def get(self, handle: int, default: Any = None) -> Any:
        """Return the record of now."""
        del default
        return self._look(self._at[handle])
