"""Rows that were edited: immutable records, one per frame or instance."""

from __future__ import annotations

from typing import Final, NamedTuple, NoReturn

import numpy as np

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.errors import StaleViewError

__all__ = [
    "GONE",
    "NONE",
    "FrameRecord",
    "Gone",
    "InstanceRecord",
    "PointValues",
    "no_points",
    "stale",
]

NONE: Final = -1
"""No track, or no prediction."""


class PointValues(NamedTuple):
    """The points of one instance; never changed once a record holds them.

    ``xy`` is float64 ``(n_nodes, 2)``, NaN = missing; ``score`` float64, NaN = none.
    """

    xy: FloatArray
    visible: BoolArray
    complete: BoolArray
    score: FloatArray

    def column(self, name: str) -> FloatArray | BoolArray:
        """Return ``visible``, ``complete`` or ``score``: ``(n_nodes,)``."""
        column: FloatArray | BoolArray = getattr(self, name)
        return column

    def laid_out(self, places: IntArray | None) -> PointValues:
        """Return the points of other nodes: their places here, -1 for missing points."""
        if places is None:
            return self
        missing = no_points(1)
        return PointValues(
            np.concatenate([self.xy, missing.xy])[places],
            np.concatenate([self.visible, missing.visible])[places],
            np.concatenate([self.complete, missing.complete])[places],
            np.concatenate([self.score, missing.score])[places],
        )

    def copy(self) -> PointValues:
        """Return values that may be changed."""
        return PointValues(
            self.xy.copy(), self.visible.copy(), self.complete.copy(), self.score.copy()
        )


class FrameRecord(NamedTuple):
    """One frame as it is now; ``instances`` are handles, in their order.

    ``position`` orders the frames of the list; it need not be whole.
    """

    frame_id: int
    video_id: int
    frame_idx: int
    position: float
    is_negative: bool
    instances: tuple[int, ...]

    @property
    def place(self) -> tuple[int, int]:
        """Where it is: video and frame index."""
        return self.video_id, self.frame_idx


class InstanceRecord(NamedTuple):
    """One instance as it is now; ``frame`` and ``origin`` are handles.

    ``points`` is None while they are those of the snapshot below.
    """

    instance_id: int
    frame: int
    skeleton_id: int
    track_id: int
    kind: int
    score: float
    tracking_score: float
    origin: int
    points: PointValues | None


class Gone:
    """Stands for a row that was removed; whatever is asked of it is an error."""

    __slots__ = ()

    def __getattr__(self, name: str) -> NoReturn:
        """Say that the row is gone."""
        if name.startswith("__"):
            raise AttributeError(name)
        stale()

    def __reduce__(self) -> str:
        """Pickle as the one object of this class."""
        return "GONE"


GONE: Final = Gone()


def stale() -> NoReturn:
    """Say that a view's row is gone.

    Raises:
        StaleViewError: Always.
    """
    message = (
        "found a view of a frame or instance that was removed from its labels, expected one that "
        "is there. Ask the labels again (`labels.find(...)`), or `labels.undo()` the removal."
    )
    raise StaleViewError(message)


def no_points(n_nodes: int) -> PointValues:
    """Return points that are all missing."""
    return PointValues(
        np.full((n_nodes, 2), np.nan),
        np.zeros(n_nodes, np.bool_),
        np.zeros(n_nodes, np.bool_),
        np.full(n_nodes, np.nan),
    )
