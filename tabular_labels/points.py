"""One node's position in one instance, as a value."""

from __future__ import annotations

import math

import numpy as np

from tabular_labels._types import FloatArray
from tabular_labels.model.freezing import Freezable

__all__ = ["Point", "PredictedPoint"]


class Point(Freezable):
    """Where one node of one instance is.

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

    def __init__(
        self,
        x: float = math.nan,
        y: float = math.nan,
        visible: bool = True,
        complete: bool = False,
    ) -> None:
        self.x = float(x)
        self.y = float(y)
        self.visible = bool(visible)
        self.complete = bool(complete)

    def isnan(self) -> bool:
        """Tell whether the point is missing."""
        return math.isnan(self.x) or math.isnan(self.y)

    def numpy(self) -> FloatArray:
        """Return ``[x, y]``: float64, shape ``(2,)``."""
        return np.array([self.x, self.y])

    def _values(self) -> tuple[float | bool, ...]:
        # NaN is not equal to itself, two missing coordinates are; infinity would clash
        # only with a coordinate nobody can label.
        x, y = (math.inf if math.isnan(v) else v for v in (self.x, self.y))
        return x, y, self.visible, self.complete

    def __eq__(self, other: object) -> bool:
        """Compare class and values; missing equals missing."""
        if not isinstance(other, Point):
            return NotImplemented
        return type(self) is type(other) and self._values() == other._values()

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

    def _values(self) -> tuple[float | bool, ...]:
        return *super()._values(), math.inf if math.isnan(self.score) else self.score

    def __repr__(self) -> str:
        """Show the constructor call."""
        return f"Predicted{super().__repr__()[:-1]}, score={self.score})"
