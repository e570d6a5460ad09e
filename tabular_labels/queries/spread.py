"""Values of frames and instances repeated onto the rows below them, by counts."""

from __future__ import annotations

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray

__all__ = ["Spread", "lay_blocks"]


class Spread:
    """Repeats columns by counts, one for each of their rows.

    Args:
        counts: How often each row is repeated.

    Examples:
        >>> spread = Spread(np.array([2, 0, 1]))
        >>> spread(pl.Series("track_id", [7, 8, None], dtype=pl.UInt32)).to_list()
        [7, 7, None]
    """

    def __init__(self, counts: IntArray) -> None:
        # One count for all is repeated several times faster than an array of them.
        same = len(counts) > 0 and bool((counts == counts[0]).all())
        self.counts: int | IntArray = int(counts[0]) if same else counts

    def __call__(self, column: pl.Series) -> pl.Series:
        """Repeat numbers, booleans or an Enum; null stays null."""
        if column.null_count():
            return self._repeat_nullable(column)
        if isinstance(column.dtype, pl.Enum):
            return self._repeat_names(column, column.dtype)
        return pl.Series(column.name, np.repeat(column.to_numpy(), self.counts))

    def _repeat_nullable(self, column: pl.Series) -> pl.Series:
        """Repeat values and nulls apart, which is faster than both together."""
        is_null: BoolArray = np.repeat(column.is_null().to_numpy(), self.counts)
        known = column.drop_nulls()
        if known.is_empty():
            return known.extend_constant(None, len(is_null))
        return self(column.fill_null(known[0])).set(pl.Series(is_null), None)

    def _repeat_names(self, column: pl.Series, dtype: pl.Enum) -> pl.Series:
        """Repeat an Enum as blocks of one name each where they pay, else name by name."""
        n = len(dtype.categories)
        codes = column.to_physical().to_numpy()
        names = pl.Series(column.name, np.arange(n, dtype=np.uint32)).cat.to(dtype)
        if isinstance(self.counts, int) and self.counts > 0 and n < len(column):
            blocks = names.gather(pl.Series(np.repeat(np.arange(n), self.counts)))
            return lay_blocks(blocks, self.counts, codes)
        return names.gather(pl.Series(np.repeat(codes, self.counts)))


def lay_blocks(values: pl.Series, width: int, blocks: IntArray) -> pl.Series:
    """Lay blocks of a column one after another; whole blocks are copied fastest.

    Args:
        values: Blocks of ``width`` values each, at least one.
        width: At least 1.
        blocks: Numbers of the blocks to lay.

    Examples:
        >>> lay_blocks(pl.Series(["a", "b", "c", "d"]), 2, np.array([1, 0, 1])).to_list()
        ['c', 'd', 'a', 'b', 'c', 'd']
    """
    if len(values) == width:
        values = pl.concat([values, values])  # an only block would be laid value by value
    return values.reshape((-1, width)).gather(pl.Series(blocks)).reshape((-1,))
