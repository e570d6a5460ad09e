"""One table of instances from the tables of parts, without two copies of all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import BoolArray
from tabular_labels.model.buffers import float_values, key_values, nullable
from tabular_labels.model.schema import INSTANCES, KIND

__all__ = ["InstanceCollector"]

_DTYPES: dict[Any, type[np.generic]] = {
    pl.UInt32: np.uint32,
    pl.UInt16: np.uint16,
    pl.Float32: np.float32,
    KIND: np.uint8,
}


class InstanceCollector:
    """Takes instances in, part by part.

    Args:
        n: How many there will be.

    Examples:
        >>> collector = InstanceCollector(0)
        >>> collector.add(INSTANCES.empty())
        >>> collector.finish().height
        0
    """

    def __init__(self, n: int) -> None:
        self._columns: dict[str, npt.NDArray[Any]] = {
            name: np.empty(n, _DTYPES[dtype]) for name, dtype in INSTANCES.memory_columns.items()
        }
        keys = [name for name in INSTANCES.nullable if INSTANCES.columns[name] == pl.UInt32]
        self._missing: dict[str, BoolArray] = {name: np.zeros(n, np.bool_) for name in keys}
        self._n = 0

    def add(self, instances: pl.DataFrame) -> None:
        """Take the next instances in."""
        rows = slice(self._n, self._n + instances.height)
        self._n = rows.stop
        for name, column in self._columns.items():
            values = instances[name]
            if name in self._missing:
                keys = key_values(values)
                self._missing[name][rows] = keys < 0
                column[rows] = np.maximum(keys, 0)
            elif values.dtype == pl.Float32:
                column[rows] = float_values(values)
            else:
                column[rows] = values.to_physical().to_numpy()

    def finish(self) -> pl.DataFrame:
        """Return the table; nothing is held here afterwards."""
        made = []
        for name in list(self._columns):
            values = self._columns.pop(name)
            if values.dtype == np.float32:
                made.append(nullable(name, values))
                continue
            column = pl.Series(name, values)
            missing = self._missing.pop(name, None)
            if missing is not None and missing.any():
                column = column.set(pl.Series(missing), None)
            if name == "kind":
                column = column.to_frame().select(pl.col(name).cat.to(KIND)).to_series()
            made.append(column)
        return pl.DataFrame(made)
