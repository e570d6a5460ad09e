"""Columns as numpy arrays, with a sentinel where polars has null.

Made from the Arrow buffers: nullable integers would become float64 on the way to
numpy, and operations that need polars' threads (``fill_null`` is one) never return
in a forked process.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import FloatArray, IntArray

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "any_hidden",
    "float_array",
    "float_buffer",
    "float_columns",
    "float_values",
    "is_forked",
    "key_values",
    "nan_under_nulls",
    "nullable",
    "packed_bits",
]

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
    return float_columns([column])[0]


def float_columns(columns: Sequence[pl.Series]) -> list[FloatArray]:
    """Return float columns with NaN for null, see `float_values`.

    Columns that are null in the same rows, as x and y mostly are, share the work.

    Examples:
        >>> float_columns([pl.Series([1.0, None]), pl.Series([None, 2.0])])
        [array([ 1., nan]), array([nan,  2.])]
    """
    made: list[FloatArray] = []
    known: tuple[npt.NDArray[np.uint8], IntArray] = np.empty(0, np.uint8), np.empty(0, np.int64)
    for column in columns:
        if column.null_count() == 0:
            made.append(column.to_numpy())
            continue
        values, array = float_array(column)
        valid = packed_bits(array.buffers()[0], array.offset, len(array))
        if not np.array_equal(valid, known[0]):
            known = valid, _null_rows(valid, len(array))
        made.append(_with_nan(values, known[1]))
    return made


def float_buffer(column: pl.Series) -> tuple[FloatArray, IntArray]:
    """Return the values of a float column, whatever lies under nulls, and the null rows.

    Args:
        column: Float32 or Float64.

    Returns:
        A read-only array of the same dtype, and int64 rows, ascending.

    Examples:
        >>> float_buffer(pl.Series([1.0, None]))[1].tolist()
        [1]
    """
    values, array = float_array(column)
    if not array.null_count:
        return values, np.empty(0, np.int64)
    return values, _null_rows(packed_bits(array.buffers()[0], array.offset, len(array)), len(array))


def _with_nan(values: FloatArray, missing: IntArray) -> FloatArray:
    if bool(np.isnan(values[missing]).all()):
        return values
    filled = values.copy()
    filled[missing] = np.nan
    return filled


def nan_under_nulls(column: pl.Series) -> pl.Series:
    """Put NaN under the nulls of a float column, where some operations leave zeros.

    Then the buffer is its values with NaN for null, and `float_values` copies nothing. Any
    other column stays as it is.

    Examples:
        >>> gathered = pl.Series([1.0, None]).gather([1])
        >>> float_buffer(nan_under_nulls(gathered))[0]
        array([nan])
    """
    return nullable(column.name, float_values(column)) if column.dtype.is_float() else column


def nullable(name: str, values: FloatArray) -> pl.Series:
    """Return a column with null for NaN; the values are not copied.

    Args:
        name: The column's name.
        values: float32 or float64.

    Examples:
        >>> nullable("x", np.array([1.0, np.nan])).to_list()
        [1.0, None]
    """
    if not is_forked():
        return pl.Series(name, values, nan_to_null=True)
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
    values, array = _buffer(column, _WIDTHS[str(column.dtype)])
    keys = values.astype(np.int64)
    valid = packed_bits(array.buffers()[0], array.offset, len(array))
    keys[_null_rows(valid, len(array))] = MISSING
    return keys


def narrow_keys(column: pl.Series) -> IntArray:
    """Return an integer column with -1 for null, as `key_values`, in half the memory.

    Returns:
        int32 where all values fit, else int64; possibly read-only.

    Examples:
        >>> narrow_keys(pl.Series([7, None], dtype=pl.UInt32)).dtype
        dtype('int32')
    """
    highest: Any = column.max()
    if highest is not None and highest >= 2**31:
        return key_values(column)
    if column.null_count() == 0:
        whole = column.to_numpy()
        return whole.view(np.int32) if whole.dtype == np.uint32 else whole.astype(np.int32)
    values, array = _buffer(column, _WIDTHS[str(column.dtype)])
    # What lies under nulls may not fit; it is replaced.
    keys = values.astype(np.int32)
    keys[_null_rows(packed_bits(array.buffers()[0], array.offset, len(array)), len(array))] = (
        MISSING
    )
    return keys


def any_hidden(visible: pl.Series, *coordinates: pl.Series) -> bool:
    """Tell whether a point is invisible without being missing.

    Args:
        visible: Boolean.
        *coordinates: Floats, null for missing; as long.

    Examples:
        >>> any_hidden(pl.Series([False, True]), pl.Series([None, 1.0]))
        False
        >>> any_hidden(pl.Series([False, True]), pl.Series([2.0, 1.0]))
        True
    """
    shown = visible.rechunk().to_arrow()
    if not len(shown):
        return False
    bits = packed_bits(shown.buffers()[1], shown.offset, len(shown))
    for column in coordinates:
        there = column.rechunk().to_arrow()
        if there.null_count == 0:
            return int(np.bitwise_count(bits).sum()) < len(shown)
        if bool((packed_bits(there.buffers()[0], there.offset, len(there)) & ~bits).any()):
            return True
    return False


def packed_bits(buffer: pa.Buffer, offset: int, length: int) -> npt.NDArray[np.uint8]:
    """Return packed bits that begin at a byte; those after the last are 0."""
    packed = np.frombuffer(buffer, np.uint8)[offset // 8 : (offset + length + 7) // 8]
    first, rest = offset % 8, length % 8
    if not first and not rest:
        return packed
    # Each byte gets its low bits from the next one.
    shifted: npt.NDArray[np.uint8] = packed >> np.uint8(first)
    shifted[:-1] |= packed[1:] << np.uint8(8 - first)
    shifted = shifted[: (length + 7) // 8]
    if rest:
        shifted[-1:] &= (1 << rest) - 1
    return shifted


def _null_rows(valid: npt.NDArray[np.uint8], length: int) -> IntArray:
    """Return the rows whose bit is clear, looking only where some bit is."""
    some = np.flatnonzero(valid != 0xFF)
    clear = np.flatnonzero(np.unpackbits(~valid[some], bitorder="little"))
    rows = some[clear >> 3] * 8 + (clear & 7)
    null: IntArray = rows[: np.searchsorted(rows, length)]
    return null


def float_array(column: pl.Series) -> tuple[FloatArray, pa.Array]:
    """Return the values of a float column, whatever lies under nulls, and its Arrow array."""
    width: type[np.floating[Any]] = np.float32 if column.dtype == pl.Float32 else np.float64
    return _buffer(column, width)


def _buffer(column: pl.Series, dtype: type[Number]) -> tuple[npt.NDArray[Number], pa.Array]:
    """Return the values, whatever lies under nulls, and the Arrow array they belong to."""
    array = column.rechunk().to_arrow()
    values = np.frombuffer(array.buffers()[1], dtype=dtype)
    return values[array.offset : array.offset + len(array)], array
