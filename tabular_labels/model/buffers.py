"""Columns as numpy arrays, with a sentinel where polars has null.

Made from the Arrow buffers: nullable integers would become float64 on the way to
numpy, and operations that need polars' threads (``fill_null`` is one) never return
in a forked process.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import BoolArray, FloatArray, IntArray

__all__ = ["float_values", "is_forked", "key_values", "nullable"]

Number = TypeVar("Number", bound="np.number[Any]")

MISSING = -1
_LOADED_IN = os.getpid()
_WIDTHS: dict[str, type[np.integer[Any]]] = {
    "UInt16": np.uint16,
    "UInt32": np.uint32,
    "Int64": np.int64,
}


def is_forked() -> bool:
    """Tell whether this process was forked from the one that loaded the package.

    A fork copies only the calling thread; what waits for polars' threads then waits
    for ever.
    """
    return os.getpid() != _LOADED_IN


def float_values(column: pl.Series) -> FloatArray:
    """Return a float column with NaN for null, without copying where that is possible.

    Nullable columns made by this package hold NaN under their nulls, so that the
    buffer can be used as it is; where that does not hold, a copy is made.

    Args:
        column: Float32 or Float64.

    Returns:
        An array of the same dtype, possibly read-only.

    Examples:
        >>> float_values(pl.Series([1.0, None]))
        array([ 1., nan])
    """
    if column.null_count() == 0:
        return column.to_numpy()
    width: type[np.floating[Any]] = np.float32 if column.dtype == pl.Float32 else np.float64
    values, missing = _buffer(column, width)
    if bool(np.isnan(values[missing]).all()):
        return values
    filled = values.copy()
    filled[missing] = np.nan
    return filled


def nullable(name: str, values: FloatArray) -> pl.Series:
    """Return a column with null for NaN; the values are not copied.

    Args:
        name: The column's name.
        values: float64.

    Examples:
        >>> nullable("x", np.array([1.0, np.nan])).to_list()
        [1.0, None]
    """
    if not is_forked():
        return pl.Series(name, values).fill_nan(None)
    import pyarrow as pa  # only a forked process needs it here

    return pl.Series(name, pa.array(values, from_pandas=True))


def key_values(column: pl.Series) -> IntArray:
    """Return an integer column as int64 with -1 for null.

    Args:
        column: Unsigned integers.

    Returns:
        int64, possibly read-only.

    Examples:
        >>> key_values(pl.Series([7, None], dtype=pl.UInt32)).tolist()
        [7, -1]
    """
    if column.null_count() == 0:
        return column.to_numpy().astype(np.int64, copy=False)
    values, missing = _buffer(column, _WIDTHS[str(column.dtype)])
    return np.where(missing, np.int64(MISSING), values)


def _buffer(column: pl.Series, dtype: type[Number]) -> tuple[npt.NDArray[Number], BoolArray]:
    """Return the values, whatever lies under nulls, and which are null."""
    array = column.rechunk().to_arrow()
    values = np.frombuffer(array.buffers()[1], dtype=dtype)
    return values[array.offset : array.offset + len(array)], column.is_null().to_numpy()
