"""What follows from an instance's coordinates alone."""

from __future__ import annotations

import numpy as np

from tabular_labels._types import FloatArray

__all__ = ["InstanceGeometry"]


class InstanceGeometry:
    """What follows from an instance's coordinates alone."""

    __slots__ = ()

    def numpy(self, *, invisible_as_nan: bool = True) -> FloatArray:
        """Return coordinates: float64, shape ``(n_nodes, 2)``, pixels, NaN = missing."""
        raise NotImplementedError(invisible_as_nan)

    def get_points_array(self, copy: bool = True, invisible_as_nan: bool = False) -> FloatArray:
        """Return coordinates, invisible points included unless asked otherwise."""
        del copy  # a copy is always made
        return self.numpy(invisible_as_nan=invisible_as_nan)

    @property
    def points_array(self) -> FloatArray:
        """Coordinates: float64, shape ``(n_nodes, 2)``, NaN = missing or invisible."""
        return self.numpy()

    @property
    def n_visible_points(self) -> int:
        """Number of points that are neither missing nor invisible."""
        return int((~np.isnan(self.numpy()).any(axis=1)).sum())

    @property
    def is_empty(self) -> bool:
        """Whether every point is missing."""
        return bool(np.isnan(self.numpy(invisible_as_nan=False)).any(axis=1).all())

    @property
    def bounding_box(self) -> FloatArray:
        """``[y1, x1, y2, x2]`` of the visible points: float64, NaN when there are none."""
        points = self.numpy()
        points = points[~np.isnan(points).any(axis=1)]
        if not len(points):
            return np.full(4, np.nan)
        return np.concatenate([points.min(axis=0)[::-1], points.max(axis=0)[::-1]])

    @property
    def midpoint(self) -> FloatArray:
        """Centre ``[x, y]`` of the bounding box."""
        y1, x1, y2, x2 = self.bounding_box
        return np.array([(x1 + x2) / 2, (y1 + y2) / 2])

    @property
    def centroid(self) -> FloatArray:
        """Median ``[x, y]`` of the visible points: float64, NaN when there are none."""
        points = self.numpy()
        points = points[~np.isnan(points).any(axis=1)]
        return np.median(points, axis=0) if len(points) else np.full(2, np.nan)

    def __len__(self) -> int:
        """Return the number of points that are not missing."""
        return int((~np.isnan(self.numpy(invisible_as_nan=False)).any(axis=1)).sum())

    def __bool__(self) -> bool:
        """Be true, also without points."""
        return True
