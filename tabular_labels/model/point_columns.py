"""Columns of points that are put together from pieces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels.model.buffers import nullable
from tabular_labels.model.schema import POINTS

__all__ = ["PointColumns"]


class PointColumns:
    """Columns of known length, to which tables are added one after the other.

    Joining the tables in the end would take their memory twice.

    Args:
        columns: Names from ``x``, ``y``, ``visible``, ``complete``, ``score``.
        n_points: Rows of all tables together.

    Examples:
        >>> columns = PointColumns(["x"], 3)
        >>> columns.add(pl.DataFrame({"x": [1.0, None]}))
        >>> columns.add(pl.DataFrame({"x": [3.0]}))
        >>> columns.table()["x"].to_list()
        [1.0, None, 3.0]
    """

    def __init__(self, columns: Sequence[str], n_points: int) -> None:
        self._made: dict[str, npt.NDArray[Any]] = {
            name: np.empty(n_points, np.bool_ if _is_flag(name) else np.float64) for name in columns
        }
        self._n = 0

    def add(self, points: pl.DataFrame) -> None:
        """Add the next points."""
        rows = slice(self._n, self._n + points.height)
        self._n = rows.stop
        for name, values in self._made.items():
            at = rows.start
            for chunk in points[name].get_chunks():
                values[at : at + len(chunk)] = chunk.to_numpy()  # null becomes NaN
                at += len(chunk)

    def table(self) -> pl.DataFrame:
        """Return the columns, with NaN beneath nulls; nothing can be added any more."""
        columns = []
        for name in list(self._made):
            values = self._made.pop(name)
            columns.append(pl.Series(name, values) if _is_flag(name) else nullable(name, values))
        return pl.DataFrame(columns)


def _is_flag(name: str) -> bool:
    return POINTS.columns[name] == pl.Boolean
