"""What detached views hold: values that answer like the rows of labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tabular_labels._types import BoolArray, FloatArray
from tabular_labels.model.skeleton import Node, Skeleton
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.points import Point

__all__ = ["FrameValues", "InstanceValues", "Points"]

Points: TypeAlias = Mapping[Node | str, Point] | Sequence[Sequence[float]] | FloatArray


class InstanceValues:
    """The values of a detached instance; answers like `Rows`, for any row."""

    __slots__ = (
        "frame",
        "from_predicted",
        "point_columns",
        "score_value",
        "skeleton_object",
        "track_object",
        "tracking_score_value",
        "xy_array",
    )

    def __init__(self, skeleton: Skeleton, points: Points, *, predicted: bool) -> None:
        self.skeleton_object = skeleton
        self.track_object: Track | None = None
        self.from_predicted: Any = None
        self.frame: Any = None
        self.score_value: float | None = None
        self.tracking_score_value: float | None = None
        n = len(skeleton)
        self.point_columns: dict[str, FloatArray | BoolArray] = {
            "visible": np.zeros(n, bool),
            "complete": np.zeros(n, bool),
            "score": np.full(n, np.nan),
        }
        self.xy_array = np.full((n, 2), np.nan)
        if isinstance(points, Mapping):
            for node, point in points.items():
                self.set_point(skeleton.index(node), point)
        else:
            self._take_array(np.asarray(points, dtype=np.float64), predicted=predicted)

    def _take_array(self, array: FloatArray, *, predicted: bool) -> None:
        n = len(self.xy_array)
        if array.size == 0 and n:
            return
        if array.ndim != 2 or array.shape[0] != n or array.shape[1] not in (2, 3):
            message = (
                f"found points of shape {array.shape}, expected ({n}, 2) or ({n}, 3), one row "
                "per node of the skeleton. Pass NaN for missing points."
            )
            raise ValueError(message)
        self.xy_array[:] = array[:, :2]
        self.point_columns["visible"][:] = np.logical_not(np.isnan(self.xy_array).any(axis=1))
        if predicted and array.shape[1] == 3:
            self.point_columns["score"][:] = array[:, 2]

    def skeleton(self, _row: int) -> Skeleton:
        """Return the skeleton."""
        return self.skeleton_object

    def track(self, _row: int) -> Track | None:
        """Return the track."""
        return self.track_object

    def score(self, _row: int) -> float | None:
        """Return the score."""
        return self.score_value

    def tracking_score(self, _row: int) -> float | None:
        """Return the tracking score."""
        return self.tracking_score_value

    def xy(self, _row: int, *, invisible_as_nan: bool = True) -> FloatArray:
        """Return coordinates, ``(n_nodes, 2)``."""
        out = self.xy_array.copy()
        if invisible_as_nan:
            out[np.logical_not(self.point_columns["visible"])] = np.nan
        return out

    def point_values(self, _row: int, name: str) -> FloatArray | BoolArray:
        """Return one point column, ``(n_nodes,)``."""
        return self.point_columns[name]

    def point_scores(self, _row: int) -> FloatArray:
        """Return the point scores, ``(n_nodes,)``."""
        return np.array(self.point_columns["score"], dtype=np.float64)

    def set_point(self, node: int, point: Point) -> None:
        """Set one node's point."""
        self.xy_array[node] = point.x, point.y
        self.point_columns["visible"][node] = point.visible
        self.point_columns["complete"][node] = point.complete
        self.point_columns["score"][node] = getattr(point, "score", np.nan)


class FrameValues:
    """The values of a detached frame; answers like `Rows`, for any row."""

    __slots__ = ("frame_idx_value", "instances", "is_negative_value", "video_object")

    def __init__(self, video: Video, frame_idx: int, *, is_negative: bool) -> None:
        self.video_object = video
        self.frame_idx_value = int(frame_idx)
        self.is_negative_value = is_negative
        self.instances: list[Any] = []

    def video(self, _row: int) -> Video:
        """Return the video."""
        return self.video_object

    def frame_idx(self, _row: int) -> int:
        """Return the index in the video."""
        return self.frame_idx_value

    def is_negative(self, _row: int) -> bool:
        """Tell whether the frame is marked as showing no animal."""
        return self.is_negative_value
