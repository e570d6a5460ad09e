"""Values of points that were set, above the points of a source."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.buffers import float_values, nullable
from tabular_labels.model.offsets import offsets_of_counts, ranges

__all__ = ["PointPatch", "patch_column"]

_PART = 2**48  # rows of one table of points stay below

Values: TypeAlias = npt.NDArray[Any]
"""Of a float column float64 with NaN for missing, of a flag bool."""


class PointPatch:
    """New values of some points, by where the points are kept.

    It takes the memory of the values and of one number for each, however the points are
    scattered. Immutable.

    Args:
        columns: By name the keys of points (see `keys`), sorted and unique, and values.

    Examples:
        >>> start, count = np.array([4]), np.array([2])
        >>> patch = PointPatch().with_values("x", PointPatch.keys(None, np.array([5])), [0.5])
        >>> patch.apply(pl.DataFrame({"x": [1.0, 2.0]}), None, start, count)["x"].to_list()
        [1.0, 0.5]
    """

    def __init__(self, columns: Mapping[str, tuple[IntArray, Values]] | None = None) -> None:
        self._columns = MappingProxyType(dict(columns or {}))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the columns."""
        return PointPatch, (dict(self._columns),)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that have values here."""
        return tuple(self._columns)

    @staticmethod
    def keys(part: IntArray | None, row: IntArray) -> IntArray:
        """Say where points are in one number each: int64.

        Args:
            part: Number of the table of each point, from -1 on; None for one table.
            row: Their rows there.
        """
        if part is None:
            return row.astype(np.int64) + _PART
        packed: IntArray = (part.astype(np.int64) + 1) * _PART + row
        return packed

    def with_values(self, name: str, keys: IntArray, values: npt.ArrayLike) -> PointPatch:
        """Return a patch that sets these, too; where both set a point, these count.

        Args:
            name: A column of points.
            keys: Of the points, each once.
            values: Their values, NaN for missing.
        """
        new = np.asarray(values)
        if not bool((keys[1:] > keys[:-1]).all()):
            order = np.argsort(keys)
            keys, new = keys[order], new[order]
        if name in self._columns:
            old_keys, old = self._columns[name]
            left = ~np.isin(old_keys, keys, assume_unique=True)
            joined = np.concatenate([old_keys[left], keys])
            order = np.argsort(joined, kind="stable")
            keys, new = joined[order], np.concatenate([old[left], new])[order]
        return PointPatch({**self._columns, name: (keys, new)})

    def apply(
        self, table: pl.DataFrame, part: IntArray | None, start: IntArray, count: IntArray
    ) -> pl.DataFrame:
        """Set what is among the rows of a table.

        Args:
            table: Some columns of points.
            part: As for `keys`, of each run of rows of the table.
            start: First row of each run where it is kept.
            count: Number of rows of each run.
        """
        first = self.keys(part, start)
        made = []
        for column in table.get_columns():
            found, at = self._find(column.name, first, count)
            if len(found):
                column = patch_column(column, at, self._columns[column.name][1][found])
            made.append(column)
        return pl.DataFrame(made)

    def touches(self, part: IntArray | None, start: IntArray, count: IntArray) -> BoolArray:
        """Tell which runs of points have one that is set; arguments as for `apply`."""
        first = self.keys(part, start)
        touched = np.zeros(len(first), np.bool_)
        for keys, _ in self._columns.values():
            low, high = np.searchsorted(keys, first), np.searchsorted(keys, first + count)
            touched |= low < high
        return touched

    def _find(self, name: str, first: IntArray, count: IntArray) -> tuple[IntArray, IntArray]:
        """Return which values of a column fall on runs, and on which rows of all runs."""
        if name not in self._columns:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        keys = self._columns[name][0]
        low = np.searchsorted(keys, first)
        some = np.searchsorted(keys, first + count) - low
        found = ranges(low, some)
        shift = offsets_of_counts(count)[:-1] - first
        return found, keys[found] + np.repeat(shift, some)


def patch_column(column: pl.Series, rows: IntArray, values: Values) -> pl.Series:
    """Set some rows of a column of points; NaN is missing.

    In numpy: polars' threads would be waited for in vain after a fork.
    """
    if column.dtype == pl.Boolean:
        flags = column.to_numpy().copy()
        flags[rows] = values
        return pl.Series(column.name, flags)
    numbers = float_values(column).copy()
    numbers[rows] = values
    return nullable(column.name, numbers)
