"""One node's position in one instance, as a value."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Protocol

import numpy as np

from tabular_labels._types import FloatArray
from tabular_labels.model.skeleton import Node

__all__ = [
    "BoundPoint",
    "BoundPredictedPoint",
    "LinkedPoint",
    "LinkedPredictedPoint",
    "Point",
    "PredictedPoint",
]


class Point:
    """Where one node of one instance is.

    Setting attributes of a point that was taken from an instance sets the instance's
    values, in labels too. A point taken from a detached instance changes with it; one
    taken from labels keeps the values it was taken with.

    Args:
        x: Pixels to the right; the centre of the leftmost pixel is 0. NaN = missing.
        y: Pixels down; the centre of the topmost pixel is 0. NaN = missing.
        visible: Whether the node can be seen (False: occluded).
        complete: Whether a person has checked it.

    Examples:
        >>> Point(3, 4)
        Point(x=3.0, y=4.0, visible=True, complete=False)

    Source:
        ``sleap.instance.Point``.
    """

    __slots__ = ("complete", "visible", "x", "y")
    x: float
    y: float
    visible: bool
    complete: bool

    def __init__(
        self,
        x: float = math.nan,
        y: float = math.nan,
        visible: bool = True,
        complete: bool = False,
    ) -> None:
        put = object.__setattr__  # points are made by the thousand
        put(self, "x", float(x))
        put(self, "y", float(y))
        put(self, "visible", bool(visible))
        put(self, "complete", bool(complete))

    def isnan(self) -> bool:
        """Tell whether the point is missing."""
        return math.isnan(self.x) or math.isnan(self.y)

    def numpy(self) -> FloatArray:
        """Return ``[x, y]``: float64, shape ``(2,)``."""
        return np.array([self.x, self.y])

    def copy(self) -> Point:
        """Return a free point of its own with these values."""
        return Point(self.x, self.y, self.visible, self.complete)

    def _values(self) -> tuple[float | bool, ...]:
        # NaN is not equal to itself, two missing coordinates are; infinity would clash
        # only with a coordinate nobody can label.
        x, y = (math.inf if math.isnan(v) else v for v in (self.x, self.y))
        return x, y, self.visible, self.complete

    def __eq__(self, other: object) -> bool:
        """Compare class and values; missing equals missing."""
        if not isinstance(other, Point):
            return NotImplemented
        same_kind = isinstance(self, PredictedPoint) is isinstance(other, PredictedPoint)
        return same_kind and self._values() == other._values()

    def __hash__(self) -> int:
        """Hash the values."""
        return hash(self._values())

    def __repr__(self) -> str:
        """Show the constructor call."""
        return f"Point(x={self.x}, y={self.y}, visible={self.visible}, complete={self.complete})"


class PredictedPoint(Point):
    """A predicted point with its confidence.

    Examples:
        >>> PredictedPoint(3, 4, score=0.5).score
        0.5

    Source:
        ``sleap.instance.PredictedPoint``.
    """

    __slots__ = ("score",)

    def __init__(
        self,
        x: float = math.nan,
        y: float = math.nan,
        visible: bool = True,
        complete: bool = False,
        score: float = 0.0,
    ) -> None:
        super().__init__(x, y, visible, complete)
        self.score = float(score)

    def copy(self) -> PredictedPoint:
        """Return a free point of its own with these values."""
        return PredictedPoint(self.x, self.y, self.visible, self.complete, self.score)

    def _values(self) -> tuple[float | bool, ...]:
        return *super()._values(), math.inf if math.isnan(self.score) else self.score

    def __repr__(self) -> str:
        """Show the constructor call."""
        return f"Predicted{super().__repr__()[:-1]}, score={self.score})"


class _Holder(Protocol):
    """What keeps the values of points: those of a detached instance."""

    def point_value(self, node: Node, name: str) -> float | bool:
        """Return one value of a node's point."""

    def set_point_value(self, node: Node, name: str, value: float | bool) -> None:
        """Set one value of a node's point."""


def _bound(name: str) -> Any:
    def read(self: Any) -> float | bool:
        value: float | bool = self._holder.point_value(self._node, name)
        return value

    def write(self: Any, value: float | bool) -> None:
        self._holder.set_point_value(self._node, name, value)

    return property(read, write)


class _Taken:
    """What points that were taken from an instance share."""

    __slots__ = ()

    def __reduce__(self: Any) -> tuple[object, ...]:
        """Pickle and copy as a free point."""
        values = (self.x, self.y, self.visible, self.complete)
        if isinstance(self, PredictedPoint):
            return PredictedPoint, (*values, self.score)
        return Point, values


class _Bound(_Taken):
    """The point of a detached instance: values are read from it and set in it."""

    __slots__ = ()
    x: Any = _bound("x")
    y: Any = _bound("y")
    visible: Any = _bound("visible")
    complete: Any = _bound("complete")

    def __init__(self: Any, holder: _Holder, node: Node) -> None:
        self._holder = holder
        self._node = node


class BoundPoint(_Bound, Point):
    """The point of a detached instance."""

    __slots__ = ("_holder", "_node")


class BoundPredictedPoint(_Bound, PredictedPoint):
    """The predicted point of a detached instance."""

    __slots__ = ("_holder", "_node")
    score: Any = _bound("score")


class _Linked(_Taken):
    """The point of an instance of labels: setting a value sets it there too."""

    __slots__ = ()
    _kinds: ClassVar[dict[str, type]] = {"x": float, "y": float, "visible": bool, "complete": bool}

    def __setattr__(self: Any, name: str, value: Any) -> None:
        """Set a value here and in the labels."""
        kind = self._kinds.get(name)
        if kind is None:
            raise AttributeError(name)
        self._instance._set_point_value(self._place, name, value)
        object.__setattr__(self, name, kind(value))


class LinkedPoint(_Linked, Point):
    """The point of an instance of labels."""

    __slots__ = ("_instance", "_place")

    def __init__(
        self, instance: Any, place: int, x: float, y: float, visible: bool, complete: bool
    ) -> None:
        put = object.__setattr__  # not a change of the labels
        put(self, "_instance", instance)
        put(self, "_place", place)
        put(self, "x", x)
        put(self, "y", y)
        put(self, "visible", visible)
        put(self, "complete", complete)


class LinkedPredictedPoint(_Linked, PredictedPoint):
    """The predicted point of an instance of labels."""

    __slots__ = ("_instance", "_place")
    _kinds = _Linked._kinds | {"score": float}

    def __init__(
        self,
        instance: Any,
        place: int,
        x: float,
        y: float,
        visible: bool,
        complete: bool,
        score: float,
    ) -> None:
        put = object.__setattr__  # as above; one call more would be felt
        put(self, "_instance", instance)
        put(self, "_place", place)
        put(self, "x", x)
        put(self, "y", y)
        put(self, "visible", visible)
        put(self, "complete", complete)
        put(self, "score", score)
