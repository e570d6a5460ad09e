"""What views read through: one snapshot's buffers and its project's objects."""

from __future__ import annotations

import math
from functools import cached_property
from typing import Any, NoReturn
from weakref import WeakValueDictionary

import numpy as np

from tabular_labels._types import BoolArray, FloatArray
from tabular_labels.errors import ReadOnlyError
from tabular_labels.model.objects import Objects
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.store.columns import frame_row_of
from tabular_labels.store.snapshot import Snapshot

__all__ = ["PREDICTED", "Rows", "refuse"]

PREDICTED = 1
"""Physical value of ``predicted`` in the ``kind`` column."""


class Rows:
    """Values of frames and instances by row.

    Views show the same row when lineage and key are the same.
    """

    copy_of: object = None
    """Rows are no copies, unlike detached values."""

    def __init__(self, snapshot: Snapshot, objects: Objects, lineage: object = None) -> None:
        self.lineage = snapshot.lineage if lineage is None else lineage
        self.snapshot = snapshot
        self.objects = objects
        self.frames = snapshot.frames
        self.instance_start = snapshot.frames.instance_start
        # Plain attributes spare the hot paths one look-up each.
        self._videos = objects.video_by_id
        self._skeletons = objects.skeleton_by_id
        self._tracks = objects.track_by_id

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the snapshot and the objects; buffers are made again."""
        return {"snapshot": self.snapshot, "objects": self.objects, "lineage": self.lineage}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the buffers again."""
        self.__init__(**state)  # type: ignore[misc]  # pickle skips the constructor

    @cached_property
    def columns(self) -> Any:
        """Buffers of the instances."""
        return self.snapshot.instances

    @cached_property
    def points(self) -> Any:
        """Buffers of the points."""
        return self.snapshot.points

    @cached_property
    def portable(self) -> WeakValueDictionary[int, Any]:
        """Detached copies of frames that a pickle is being made of, by row."""
        return WeakValueDictionary()

    def identity(self, row: int) -> object:
        """Return what tells an instance's row from every other, in any labels."""
        return self.lineage, self.columns.instance_id[row]

    # Frames

    def video(self, row: int) -> Video:
        """Return a frame's video."""
        return self._videos[self.frames.video_id[row]]

    def frame_idx(self, row: int) -> int:
        """Return a frame's index in its video."""
        index: int = self.frames.frame_idx[row]
        return index

    def is_negative(self, row: int) -> bool:
        """Tell whether a frame is marked as showing no animal."""
        return bool(self.frames.is_negative[row])

    # Instances

    def is_predicted(self, row: int) -> bool:
        """Tell whether an instance was predicted."""
        return bool(self.columns.kind[row] == PREDICTED)

    def frame_row(self, row: int) -> int:
        """Return the row of an instance's frame."""
        return frame_row_of(self.instance_start, row)

    def skeleton(self, row: int) -> Skeleton:
        """Return an instance's skeleton."""
        return self._skeletons[self.columns.skeleton_id[row]]

    def track(self, row: int) -> Track | None:
        """Return an instance's track."""
        key = self.columns.track_id[row]
        return None if key < 0 else self._tracks[key]

    def score(self, row: int) -> float | None:
        """Return an instance's score."""
        return _value(self.columns.score[row])

    def tracking_score(self, row: int) -> float | None:
        """Return an instance's tracking score."""
        return _value(self.columns.tracking_score[row])

    def xy(self, row: int, *, invisible_as_nan: bool = True) -> FloatArray:
        """Return an instance's coordinates, ``(n_nodes, 2)``."""
        array: FloatArray = self.points.xy(row, invisible_as_nan=invisible_as_nan)
        return array

    def point_values(self, row: int, name: str) -> FloatArray | BoolArray:
        """Return one point column of an instance, ``(n_nodes,)``."""
        array: FloatArray | BoolArray = self.points.values(row, name)
        return array

    def point_scores(self, row: int) -> FloatArray:
        """Return an instance's point scores, ``(n_nodes,)``, NaN = none."""
        return np.array(self.points.values(row, "score"), dtype=np.float64)


def refuse(what: str) -> NoReturn:
    """Say that rows of labels are not assigned through views."""
    message = (
        f"{what} was to be set on a view of labels, expected a detached value. "
        "Take a copy (`.copy()`), change that, and build new labels (`Labels([...])`) from it."
    )
    raise ReadOnlyError(message)


def _value(number: float) -> float | None:
    return None if math.isnan(number) else number
