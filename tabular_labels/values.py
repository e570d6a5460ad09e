"""What detached views hold: values that answer like the rows of labels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from tabular_labels._types import BoolArray, FloatArray
from tabular_labels.model.arguments import require_index, require_type
from tabular_labels.model.skeleton import Node, Skeleton
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.owned import OwnedInstances, keys_of_origin
from tabular_labels.points import Point, PredictedPoint

__all__ = ["FrameValues", "InstanceValues", "PointLike", "Points", "as_point", "as_score"]

PointLike: TypeAlias = Point | Sequence[float] | FloatArray
Points: TypeAlias = (
    Mapping[Node, PointLike] | Mapping[str, PointLike] | Sequence[Sequence[float]] | FloatArray
)

_AXES = {"x": 0, "y": 1}
_EMPTY = {"visible": False, "complete": False, "score": np.nan}


class InstanceValues:
    """The values of a detached instance; answers like `Rows`, for any row."""

    __slots__ = (
        "copy_of",
        "frame",
        "from_predicted",
        "node_order",
        "point_columns",
        "predicted",
        "score_value",
        "skeleton_object",
        "track_object",
        "tracking_score_value",
        "xy_array",
    )

    def __init__(self, skeleton: Skeleton, points: Points, *, predicted: bool) -> None:
        self.skeleton_object = require_type(
            skeleton, Skeleton, "skeleton of an instance", "Pass a `Skeleton`."
        )
        self.predicted = predicted
        self.track_object: Track | None = None
        self.from_predicted: Any = None
        self.frame: Any = None
        # The row of labels that this was copied from, so that links to it find the copy.
        self.copy_of: object = None
        self.score_value: float | None = None
        self.tracking_score_value: float | None = None
        self.node_order = skeleton.seen_nodes()
        n = len(self.node_order)
        self.point_columns: dict[str, FloatArray | BoolArray] = {
            name: np.full(n, value) for name, value in _EMPTY.items()
        }
        self.xy_array = np.full((n, 2), np.nan)
        if isinstance(points, Mapping):
            for node, point in points.items():
                self.set_point(skeleton.index(node), point)
        else:
            self._take_array(np.asarray(points, dtype=np.float64))

    def _take_array(self, array: FloatArray) -> None:
        n = len(self.xy_array)
        if array.size == 0 and n:
            return
        if array.ndim != 2 or array.shape[0] != n or array.shape[1] not in (2, 3):
            shapes = f"({n}, 2) or ({n}, 3)" if self.predicted else f"({n}, 2)"
            message = (
                f"found points of shape {array.shape}, expected {shapes}, one row "
                "per node of the skeleton. Pass NaN for missing points."
            )
            raise ValueError(message)
        if array.shape[1] == 3 and not self.predicted:
            message = (
                f"found points of shape {array.shape}, expected ({n}, 2): the points of a user's "
                "instance have no scores. Leave the third column out, or use `PredictedInstance`."
            )
            raise ValueError(message)
        self.xy_array[:] = array[:, :2]
        self.point_columns["visible"][:] = np.logical_not(np.isnan(self.xy_array).any(axis=1))
        if array.shape[1] == 3:
            self.point_columns["score"][:] = array[:, 2]

    def settle(self) -> None:
        """Follow the skeleton, whose nodes may have been added to or moved.

        Raises:
            ValueError: A node that this has a point of is gone.
        """
        skeleton = self.skeleton_object
        if self.node_order == skeleton.nodes:
            return
        old = {id(node): place for place, node in enumerate(self.node_order)}
        places = np.array([old.get(id(node), -1) for node in skeleton.nodes], np.int64)
        lost = np.setdiff1d(np.flatnonzero(~np.isnan(self.xy_array).all(axis=1)), places)
        if len(lost):
            names = [self.node_order[place].name for place in lost]
            message = (
                f"{self._whereabouts()}: found points of {names}, which were taken out of "
                f"{skeleton!r}; expected its nodes. Make the skeleton first, then instances of it."
            )
            raise ValueError(message)
        is_new = places < 0
        self.xy_array = _moved(self.xy_array, places, is_new, np.nan)
        self.point_columns = {
            name: _moved(column, places, is_new, _EMPTY[name])
            for name, column in self.point_columns.items()
        }
        self.node_order = skeleton.seen_nodes()

    def _whereabouts(self) -> str:
        if self.frame is None:
            return "an instance"
        mine = [instance._source is self for instance in self.frame.instances]
        place = f"instance {mine.index(True)}" if True in mine else "an instance"
        return f"{place} of frame {self.frame.frame_idx} of {self.frame.video.filename!r}"

    def identity(self, _row: int) -> object:
        """Return what tells this instance from every other."""
        return self

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
        self.settle()
        out = self.xy_array.copy()
        if invisible_as_nan:
            out[np.logical_not(self.point_columns["visible"])] = np.nan
        return out

    def point_values(self, _row: int, name: str) -> FloatArray | BoolArray:
        """Return one point column, ``(n_nodes,)``."""
        self.settle()
        return self.point_columns[name]

    def point_scores(self, _row: int) -> FloatArray:
        """Return the point scores, ``(n_nodes,)``."""
        return np.array(self.point_values(0, "score"), dtype=np.float64)

    def set_point(self, place: int, value: PointLike) -> None:
        """Set one node's point."""
        self.settle()
        point = as_point(value, predicted=self.predicted)
        self.xy_array[place] = point.x, point.y
        self.point_columns["visible"][place] = point.visible
        self.point_columns["complete"][place] = point.complete
        self.point_columns["score"][place] = getattr(point, "score", np.nan)

    def point_value(self, node: Node, name: str) -> float | bool:
        """Return one value of a node's point."""
        self.settle()
        place = self.skeleton_object.index(node)
        axis = _AXES.get(name)
        column = self.point_columns[name] if axis is None else self.xy_array[:, axis]
        value: float | bool = column[place].item()
        return value

    def set_point_value(self, node: Node, name: str, value: float | bool) -> None:
        """Set one value of a node's point."""
        self.settle()
        place = self.skeleton_object.index(node)
        axis = _AXES.get(name)
        column = self.point_columns[name] if axis is None else self.xy_array[:, axis]
        column[place] = value

    def __getstate__(self) -> tuple[None, dict[str, Any]]:
        """Pickle without the link to a prediction that was removed from its labels."""
        state = {name: getattr(self, name) for name in self.__slots__}
        if not keys_of_origin(self.from_predicted):
            state["from_predicted"] = None
        return None, state


class FrameValues:
    """The values of a detached frame; answers like `Rows`, for any row."""

    __slots__ = (
        "__weakref__",
        "frame",
        "frame_idx_value",
        "instances",
        "is_negative_value",
        "video_object",
    )

    def __init__(self, frame: Any, video: Video, frame_idx: int, *, is_negative: bool) -> None:
        self.frame = frame
        self.set_video(video)
        self.set_frame_idx(frame_idx)
        self.is_negative_value = bool(is_negative)
        self.instances = OwnedInstances(frame)

    def set_video(self, video: Video) -> None:
        """Set the video."""
        self.video_object = require_type(
            video, Video, "video of a frame", "Pass a `Video`, such as `Video.from_filename(...)`."
        )

    def set_frame_idx(self, frame_idx: int) -> None:
        """Set the index in the video."""
        self.frame_idx_value = require_index(frame_idx, "frame_idx of a frame")

    def video(self, _row: int) -> Video:
        """Return the video."""
        return self.video_object

    def frame_idx(self, _row: int) -> int:
        """Return the index in the video."""
        return self.frame_idx_value

    def is_negative(self, _row: int) -> bool:
        """Tell whether the frame is marked as showing no animal."""
        return self.is_negative_value

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the instances as a plain list: they lead back here."""
        names = ("frame", "video_object", "frame_idx_value", "is_negative_value")
        return {name: getattr(self, name) for name in names} | {"instances": list(self.instances)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Hold the same instances again, which may not be whole yet."""
        instances = OwnedInstances(state["frame"])
        list.extend(instances, state.pop("instances"))
        for name, value in state.items():
            setattr(self, name, value)
        self.instances = instances


def as_score(score: float | None, what: str) -> float | None:
    """Return a score as a number, None for NaN.

    Raises:
        TypeError: It is no number.
    """
    if score is None:
        return None
    try:
        number = float(score)
    except (TypeError, ValueError):
        message = f"{what}: found {score!r}, expected a number or None. Pass a float."
        raise TypeError(message) from None
    return None if math.isnan(number) else number


def _moved(column: Any, places: Any, is_new: BoolArray, empty: float | bool) -> Any:
    if not len(column):
        return np.full((len(places), *column.shape[1:]), empty, column.dtype)
    moved = column[places]
    moved[is_new] = empty
    return moved


def as_point(value: PointLike, *, predicted: bool) -> Point:
    """Return a point, also of a pair of coordinates."""
    if isinstance(value, Point):
        return value
    try:
        numbers = [float(number) for number in value]
    except (TypeError, ValueError):
        numbers = []
    if len(numbers) == 2 or (predicted and len(numbers) == 3):
        is_there = not any(math.isnan(number) for number in numbers[:2])
        score = numbers[2] if len(numbers) == 3 else math.nan
        return PredictedPoint(numbers[0], numbers[1], is_there, score=score)
    message = (
        f"point of a node: found {value!r}, expected a Point or a pair of coordinates. "
        "Pass `Point(x, y)`."
    )
    raise TypeError(message)
