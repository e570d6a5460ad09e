"""The points of an instance, by node: of a row of labels or of detached values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tabular_labels import editing
from tabular_labels._types import FloatArray
from tabular_labels.errors import UnknownNodeError
from tabular_labels.geometry import InstanceGeometry
from tabular_labels.model.skeleton import Node, NodeLike, Skeleton
from tabular_labels.points import (
    BoundPoint,
    BoundPredictedPoint,
    LinkedPoint,
    LinkedPredictedPoint,
    Point,
)
from tabular_labels.store.rows import Rows
from tabular_labels.values import InstanceValues, PointLike

__all__ = ["InstancePoints"]


class InstancePoints(InstanceGeometry):
    """The skeleton and the points of an instance.

    They are asked of a source, by row: `Rows` of labels, or `InstanceValues`, which
    answer the same questions.
    """

    __slots__ = ("_row", "_source")
    _source: Any
    _row: int
    _is_predicted = False

    @property
    def is_attached(self) -> bool:
        """Whether this is a view of a row of labels."""
        return isinstance(self._source, Rows)

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton."""
        skeleton: Skeleton = self._source.skeleton(self._row)
        return skeleton

    def numpy(self, *, invisible_as_nan: bool = True) -> FloatArray:
        """Return coordinates: float64, shape ``(n_nodes, 2)``, pixels, NaN = missing.

        Args:
            invisible_as_nan: Treat points that are not visible as missing.
        """
        array: FloatArray = self._source.xy(self._row, invisible_as_nan=invisible_as_nan)
        return array

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Nodes that have a point."""
        return tuple(node for node, _ in self.nodes_points)

    @property
    def points(self) -> tuple[Point, ...]:
        """Points that are not missing, in skeleton order."""
        return tuple(point for _, point in self.nodes_points)

    @property
    def nodes_points(self) -> list[tuple[Node, Point]]:
        """Pairs of node and point, without missing points."""
        present = ~np.isnan(self.numpy(invisible_as_nan=False)).any(axis=1)
        places = np.flatnonzero(present).tolist()
        nodes = self.skeleton.nodes
        return list(zip([nodes[k] for k in places], self._points(places), strict=True))

    def _points(self, places: Sequence[int]) -> list[Point]:
        """Return points by place: linked to a row, or bound to detached values."""
        source, row, predicted = self._source, self._row, self._is_predicted
        if isinstance(source, InstanceValues):
            nodes = source.skeleton_object.nodes
            bound = BoundPredictedPoint if predicted else BoundPoint
            return [bound(source, nodes[place]) for place in places]
        names = ("visible", "complete", "score") if predicted else ("visible", "complete")
        xy = source.xy(row, invisible_as_nan=False).tolist()
        rest = [source.point_values(row, name).tolist() for name in names]
        make = LinkedPredictedPoint if predicted else LinkedPoint
        return [make(self, k, *xy[k], *(values[k] for values in rest)) for k in places]

    def _set_point_value(self, place: int, name: str, value: float | bool) -> None:
        store, handle = self._source.open_instance(self._row)
        editing.set_point_value(store, handle, place, name, value)

    def __getitem__(self, node: NodeLike) -> Point:
        """Return the point of a node; a missing one has NaN coordinates."""
        return self._points([self.skeleton.index(node)])[0]

    def __setitem__(self, node: NodeLike, point: PointLike) -> None:
        """Set the point of a node; a pair of coordinates will do."""
        source, place = self._source, self.skeleton.index(node)
        if isinstance(source, Rows):
            editing.set_point(*source.open_instance(self._row), place, point)
        else:
            source.set_point(place, point)

    def __contains__(self, node: NodeLike) -> bool:
        """Tell whether a node has a point."""
        try:
            place = self.skeleton.index(node)
        except UnknownNodeError:
            return False
        return not np.isnan(self.numpy(invisible_as_nan=False)[place]).any()
