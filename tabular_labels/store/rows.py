"""What views read through: a snapshot's buffers, the edits above it, and the objects.

Frames and instances are known by *handles*. A handle is the row in the first snapshot,
or a number above all rows for what was added later, and means the same row for as long
as the labels live, whatever snapshot lies below. Single edits replace records of frames
and instances; bulk edits put another snapshot below and keep the handles.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any, TypeAlias
from weakref import WeakValueDictionary

import numpy as np

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.model.objects import Objects
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.store.columns import InstanceColumns, frame_row_of
from tabular_labels.store.handles import Handles
from tabular_labels.store.list_order import ListOrder
from tabular_labels.store.records import (
    GONE,
    NONE,
    FrameRecord,
    Gone,
    InstanceRecord,
    PointValues,
    stale,
)
from tabular_labels.store.snapshot import Snapshot

__all__ = ["PREDICTED", "Place", "Rows"]

PREDICTED = 1
"""Physical value of ``predicted`` in the ``kind`` column."""

Place: TypeAlias = tuple[int, int]
"""Where a frame is: ``(video_id, frame_idx)``."""


class Rows:
    """Values of frames and instances by handle.

    Views show the same row when lineage and key are the same.
    """

    copy_of: object = None
    """Rows are no copies, unlike detached values."""

    def __init__(self, snapshot: Snapshot, objects: Objects, lineage: object = None) -> None:
        self.lineage = snapshot.lineage if lineage is None else lineage
        self.objects = objects
        self.frame_records: dict[int, FrameRecord | Gone] = {}
        self.instance_records: dict[int, InstanceRecord | Gone] = {}
        self.places: dict[Place, tuple[int, ...]] = {}
        """Frames of the places where others are than in the snapshot."""
        counts = snapshot.counts
        self.stand_on(snapshot, Handles(None, counts.frames), Handles(None, counts.instances))

    def stand_on(self, snapshot: Snapshot, frames: Handles, instances: Handles) -> None:
        """Read from this snapshot from now on."""
        self.base = snapshot
        self.frame_handles, self.instance_handles = frames, instances
        # Plain attributes spare the hot paths one look-up each.
        self.frames = snapshot.frames
        self.instance_start = snapshot.frames.instance_start
        self._frame_stop, self._instance_stop = frames.plain_stop, instances.plain_stop
        self._columns_made: InstanceColumns | None = None
        self.use_objects(self.objects)

    def use_objects(self, objects: Objects) -> None:
        """Name these objects from now on."""
        self.objects = objects
        self._videos = objects.video_by_id
        self._skeletons = objects.skeleton_by_id
        self._tracks = objects.track_by_id

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the snapshot, the records and the objects; buffers are made again."""
        names = ("lineage", "objects", "frame_records", "instance_records", "places", "base")
        state = {name: getattr(self, name) for name in names}
        return state | {"handles": (self.frame_handles, self.instance_handles)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the buffers again."""
        handles, base = state.pop("handles"), state.pop("base")
        self.__dict__.update(state)
        self.stand_on(base, *handles)

    @property
    def columns(self) -> InstanceColumns:
        """Buffers of the snapshot's instances."""
        made = self._columns_made
        if made is None:
            made = self._columns_made = self.base.instances
        return made

    @cached_property
    def list_order(self) -> ListOrder:
        """Handles of the frames in list order."""
        order = self.frame_handles.of(self.base.list_order)
        if self.frame_records:
            order = np.asarray(order, np.int64)
            order = order[~np.isin(order, np.array(list(self.frame_records), np.int64))]
        made = ListOrder(order, self.position)
        for handle in self.frame_records:
            if self.has_frame(handle):
                made.add(handle)
        return made

    @property
    def has_whole_positions(self) -> bool:
        """Whether all positions are such as tables can hold: whole, and not negative."""
        return all(
            record is GONE or (record.position >= 0 and float(record.position).is_integer())
            for record in self.frame_records.values()
        )

    @property
    def has_other_frames(self) -> bool:
        """Whether frames were added, removed or moved."""
        return bool(self.places)

    @property
    def root(self) -> Rows:
        """The rows that views of these rows are of."""
        return self

    def shares_rows(self, other: Rows) -> bool:
        """Tell whether a row with the same key says the same in both."""
        mine, theirs = self.root, other.root
        if mine is theirs:
            return True
        return mine.lineage is theirs.lineage and not (mine.is_edited or theirs.is_edited)

    @property
    def is_edited(self) -> bool:
        """Whether anything stands above the snapshot."""
        return False

    def gone_rows(self) -> IntArray:
        """Return the rows of the snapshot's instances that were removed."""
        gone = [handle for handle, record in self.instance_records.items() if record is GONE]
        rows = [row for row in map(self.instance_handles.find, gone) if row >= 0]
        return np.array(rows, np.int64)

    def gone_ids(self) -> IntArray:
        """Return the keys of the snapshot's instances that were removed."""
        ids = self.columns.instance_id
        return np.array([ids[row] for row in self.gone_rows().tolist()], np.int64)

    @cached_property
    def portable(self) -> WeakValueDictionary[int, Any]:
        """Detached copies of frames that a pickle is being made of, by handle."""
        return WeakValueDictionary()

    def located_frame(self, handle: int) -> tuple[Rows, int]:
        """Return where to look for what belongs to a frame: here."""
        return self, handle

    def located_instance(self, handle: int) -> tuple[Rows, int]:
        """Return where to look for what belongs to an instance: here."""
        return self, handle

    def open_frame(self, handle: int) -> tuple[Any, int]:
        """Return where a frame can be edited: here, if anywhere."""
        return self, handle

    def open_instance(self, handle: int) -> tuple[Any, int]:
        """Return where an instance can be edited: here, if anywhere."""
        return self, handle

    # Frames

    def find(self, video_id: int, frame_idx: int) -> Sequence[int]:
        """Return the handles of all frames at one place, in list order."""
        if self.places:
            there = self.places.get((video_id, frame_idx))
            if there is not None:
                return there
        rows = self.frames.find(video_id, frame_idx)
        of_rows = self.frame_handles.of_rows
        return rows if of_rows is None else [int(of_rows[row]) for row in rows]

    def _frame_row(self, handle: int) -> int:
        return handle if handle < self._frame_stop else self.frame_handles.row(handle)

    def frame_record(self, handle: int) -> FrameRecord:
        """Return a frame as it is now.

        Raises:
            StaleViewError: It was removed.
        """
        record = self.frame_records.get(handle)
        if record is None:
            row, frames = self._frame_row(handle), self.frames
            rows = range(self.instance_start[row], self.instance_start[row + 1])
            of_rows = self.instance_handles.of_rows
            instances = rows if of_rows is None else of_rows[rows.start : rows.stop].tolist()
            return FrameRecord(
                frames.frame_id[row],
                frames.video_id[row],
                frames.frame_idx[row],
                frames.position[row],
                bool(frames.is_negative[row]),
                tuple(instances),
            )
        return stale() if isinstance(record, Gone) else record

    def frame_record_or_gone(self, handle: int) -> FrameRecord | Gone:
        """Return a frame as it is now, `GONE` when it was removed."""
        return self.frame_record(handle) if self.has_frame(handle) else GONE

    def instance_record_or_gone(self, handle: int) -> InstanceRecord | Gone:
        """Return an instance as it is now, `GONE` when it was removed."""
        return self.instance_record(handle) if self.has_instance(handle) else GONE

    def has_frame(self, handle: int) -> bool:
        """Tell whether a frame is there."""
        record = self.frame_records.get(handle)
        return self.frame_handles.find(handle) >= 0 if record is None else record is not GONE

    def has_instance(self, handle: int) -> bool:
        """Tell whether an instance is there."""
        record = self.instance_records.get(handle)
        return self.instance_handles.find(handle) >= 0 if record is None else record is not GONE

    def position(self, handle: int) -> float:
        """Return what orders a frame in the list."""
        record = self.frame_records.get(handle)
        position: float = (
            self.frames.position[self._frame_row(handle)] if record is None else record.position
        )
        return position

    def frame_id(self, handle: int) -> int:
        """Return a frame's key."""
        record = self.frame_records.get(handle)
        key: int = (
            self.frames.frame_id[self._frame_row(handle)] if record is None else record.frame_id
        )
        return key

    def video(self, handle: int) -> Video:
        """Return a frame's video."""
        record = self.frame_records.get(handle)
        if record is None:
            return self._videos[self.frames.video_id[self._frame_row(handle)]]
        return self._videos[record.video_id]

    def frame_idx(self, handle: int) -> int:
        """Return a frame's index in its video."""
        record = self.frame_records.get(handle)
        index: int = (
            self.frames.frame_idx[self._frame_row(handle)] if record is None else record.frame_idx
        )
        return index

    def is_negative(self, handle: int) -> bool:
        """Tell whether a frame is marked as showing no animal."""
        record = self.frame_records.get(handle)
        if record is None:
            return bool(self.frames.is_negative[self._frame_row(handle)])
        return bool(record.is_negative)

    def instances_of(self, handle: int) -> Sequence[int]:
        """Return the handles of a frame's instances, in order."""
        record = self.frame_records.get(handle)
        if record is not None:
            return record.instances
        row = self._frame_row(handle)
        rows = range(self.instance_start[row], self.instance_start[row + 1])
        of_rows = self.instance_handles.of_rows
        if of_rows is None:
            return rows
        handles: list[int] = of_rows[rows.start : rows.stop].tolist()
        return handles

    # Instances

    def _row(self, handle: int) -> int:
        return handle if handle < self._instance_stop else self.instance_handles.row(handle)

    def instance_record(self, handle: int) -> InstanceRecord:
        """Return an instance as it is now.

        Raises:
            StaleViewError: It was removed.
        """
        record = self.instance_records.get(handle)
        if record is None:
            row, columns = self._row(handle), self.columns
            origin = columns.source_row(row)
            of_rows = self.instance_handles.of_rows
            if origin is None:
                origin = NONE
            elif of_rows is not None:
                origin = int(of_rows[origin])
            frame = frame_row_of(self.instance_start, row)
            frames = self.frame_handles.of_rows
            return InstanceRecord(
                columns.instance_id[row],
                frame if frames is None else int(frames[frame]),
                columns.skeleton_id[row],
                columns.track_id[row],
                columns.kind[row],
                columns.score[row],
                columns.tracking_score[row],
                origin,
                None,
            )
        return stale() if isinstance(record, Gone) else record

    def instance_id(self, handle: int) -> int:
        """Return an instance's key."""
        record = self.instance_records.get(handle)
        key: int = (
            self.columns.instance_id[self._row(handle)] if record is None else record.instance_id
        )
        return key

    def identity(self, handle: int) -> object:
        """Return what tells an instance's row from every other, in any labels."""
        return self.lineage, self.instance_id(handle)

    def is_predicted(self, handle: int) -> bool:
        """Tell whether an instance was predicted."""
        record = self.instance_records.get(handle)
        kind = self.columns.kind[self._row(handle)] if record is None else record.kind
        return bool(kind == PREDICTED)

    def frame_row(self, handle: int) -> int:
        """Return the handle of an instance's frame."""
        record = self.instance_records.get(handle)
        if record is not None:
            frame: int = record.frame
            return frame
        row = frame_row_of(self.instance_start, self._row(handle))
        of_rows = self.frame_handles.of_rows
        return row if of_rows is None else int(of_rows[row])

    def origin(self, handle: int) -> int | None:
        """Return the handle of the prediction an instance was made from, if it is there."""
        record = self.instance_records.get(handle)
        if record is None:
            row = self.columns.source_row(self._row(handle))
            if row is None:
                return None
            found = int(self.instance_handles.of([row])[0])
        else:
            found = record.origin
        return found if found >= 0 and self.has_instance(found) else None

    def skeleton(self, handle: int) -> Skeleton:
        """Return an instance's skeleton."""
        record = self.instance_records.get(handle)
        if record is None:
            return self._skeletons[self.columns.skeleton_id[self._row(handle)]]
        return self._skeletons[record.skeleton_id]

    def track_id(self, handle: int) -> int:
        """Return the key of an instance's track, -1 for none."""
        record = self.instance_records.get(handle)
        key: int = self.columns.track_id[self._row(handle)] if record is None else record.track_id
        return key

    def track(self, handle: int) -> Track | None:
        """Return an instance's track."""
        record = self.instance_records.get(handle)
        key = self.columns.track_id[self._row(handle)] if record is None else record.track_id
        return None if key < 0 else self._tracks[key]

    def score(self, handle: int) -> float | None:
        """Return an instance's score."""
        record = self.instance_records.get(handle)
        return _value(self.columns.score[self._row(handle)] if record is None else record.score)

    def tracking_score(self, handle: int) -> float | None:
        """Return an instance's tracking score."""
        record = self.instance_records.get(handle)
        return _value(
            self.columns.tracking_score[self._row(handle)]
            if record is None
            else record.tracking_score
        )

    # Points

    def _values(self, handle: int) -> PointValues | None:
        record = self.instance_records.get(handle)
        return None if record is None else record.points

    def point_record(self, handle: int) -> PointValues:
        """Return an instance's points as they are now; not to be changed."""
        values = self._values(handle)
        if values is not None:
            return values
        return PointValues(*self.base.points.read_one(self._row(handle)))

    def xy(self, handle: int, *, invisible_as_nan: bool = True) -> FloatArray:
        """Return an instance's coordinates, ``(n_nodes, 2)``."""
        values = self._values(handle)
        if values is None:
            return self.base.points.xy(self._row(handle), invisible_as_nan=invisible_as_nan)
        out = values.xy.copy()
        if invisible_as_nan:
            out[~values.visible] = np.nan
        return out

    def point_values(self, handle: int, name: str) -> FloatArray | BoolArray:
        """Return one point column of an instance, ``(n_nodes,)``."""
        values = self._values(handle)
        if values is None:
            return self.base.points.values(self._row(handle), name)
        return values.column(name)

    def point_scores(self, handle: int) -> FloatArray:
        """Return an instance's point scores, ``(n_nodes,)``, NaN = none."""
        return np.array(self.point_values(handle, "score"), dtype=np.float64)


def _value(number: float) -> float | None:
    return None if math.isnan(number) else number
