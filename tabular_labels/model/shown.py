"""What is shown of a column of points: NaN where a value is missing, or its point invisible."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import FloatArray
from tabular_labels.model.buffers import float_array, packed_bits

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ShownColumn"]

_Bits: TypeAlias = npt.NDArray[np.uint8]

# Values looked at together: they stay in the processor's cache for whoever reads them.
CHUNK = 2**16
_UNKNOWN, _PLAIN, _MIXED = 0, 1, 2


class ShownColumn:
    """Floats of points with NaN for those that are not shown, read without copying if possible.

    Columns made by this package hold NaN under their nulls already. Whether that is so is
    found out chunk by chunk when values are first read, and remembered: a byte for each
    chunk. Numpy alone is used, so that it answers in a forked process, too.

    Args:
        values: Float32 or Float64, null for missing.
        visible: Boolean, as long; None if invisible points are shown as well.

    Examples:
        >>> column = ShownColumn(pl.Series([1.0, None, 3.0]), pl.Series([True, True, False]))
        >>> column.read(0, 3)
        array([ 1., nan, nan])
    """

    def __init__(self, values: pl.Series, visible: pl.Series | None = None) -> None:
        self._values, self._array = float_array(values)
        self._visible: pa.Array | None = None
        if visible is not None:
            self._visible = visible.rechunk().to_arrow()
        self._known = bytearray(len(values) // CHUNK + 1)

    def __len__(self) -> int:
        """Return the number of values."""
        return len(self._values)

    def read(self, start: int, stop: int) -> FloatArray:
        """Return a range of values: a view that is not to be written to, or a copy."""
        values = self._values[start:stop]
        chunks = range(start // CHUNK, -(-stop // CHUNK))
        if all(self._is_plain(chunk) for chunk in chunks):
            return values
        bits = self._bits(start, stop)
        if bits is None:
            return values
        shown = np.unpackbits(bits, count=len(values), bitorder="little").view(np.bool_)
        return np.where(shown, values, values.dtype.type(np.nan))

    def _is_plain(self, chunk: int) -> bool:
        """Tell whether NaN stands wherever a value of a chunk is not shown."""
        if self._known[chunk] == _UNKNOWN:
            self._known[chunk] = _PLAIN if self._look_at(chunk) else _MIXED
        return self._known[chunk] == _PLAIN

    def _look_at(self, chunk: int) -> bool:
        start, stop = chunk * CHUNK, min((chunk + 1) * CHUNK, len(self))
        bits = self._bits(start, stop)
        if bits is None or _is_full(bits, stop - start):
            return True
        # Looking at all values in order is faster than finding the few that matter.
        told = bits | np.packbits(np.isnan(self._values[start:stop]), bitorder="little")
        return _is_full(told, stop - start)

    def _bits(self, start: int, stop: int) -> _Bits | None:
        """Return packed bits, set where a value is shown; None if all are."""
        n, array, visible = stop - start, self._array, self._visible
        bits: _Bits | None = None
        if array.null_count:
            bits = packed_bits(array.buffers()[0], array.offset + start, n)
        if visible is not None:
            seen = packed_bits(visible.buffers()[1], visible.offset + start, n)
            bits = seen if bits is None else bits & seen
        return bits


def _is_full(bits: _Bits, n: int) -> bool:
    """Tell whether the first ``n`` packed bits are set; those after them are 0."""
    last = (1 << (n - 1) % 8 + 1) - 1
    return int(bits[-1]) == last and int(bits[:-1].min(initial=255)) == 255
