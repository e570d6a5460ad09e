"""Read whole columns of a table from many shards, each into one piece of memory."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import BoolArray
from tabular_labels.io.disk_rows import memory_rows
from tabular_labels.io.manifest import Shard
from tabular_labels.io.parquet_parts import ProjectParts
from tabular_labels.io.project_files import WORKERS
from tabular_labels.model.buffers import nullable
from tabular_labels.model.offsets import offsets_of_counts
from tabular_labels.model.schema import TABLES

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_columns"]


def read_columns(parts: ProjectParts, shards: Sequence[Shard], table: str) -> pl.DataFrame:
    """Read the in-memory columns of a table, with NaN beneath the nulls of floats.

    A shard at a time is decoded and copied to its place, so that nothing is there twice:
    joining tables, or columns of many chunks, takes half as much again.

    Args:
        parts: Of a version.
        shards: In canonical order.
        table: ``frames`` or ``instances``.

    Raises:
        FileFormatError: A file has other rows than the manifest says.
    """
    files = [shard.file(table) for shard in shards]
    starts = offsets_of_counts(np.array([file.rows for file in files], np.int64)).tolist()
    try:
        columns = [
            _Column(name, pl.Series(dtype=dtype).dtype, starts[-1])
            for name, dtype in TABLES[table].memory_columns.items()
        ]
    except MemoryError:
        parts.refuse(table, f"{starts[-1]} rows in the manifest", "as many as fit in memory")

    def read(number: int) -> int:
        """Bring the rows of one shard to their place, unless their number is wrong."""
        rows = memory_rows(parts.plan_shards([shards[number]], table), table).collect()
        if rows.height == files[number].rows:
            for column in columns:
                column.fill(starts[number], rows[column.name])
        return rows.height

    with ThreadPoolExecutor(WORKERS) as pool:
        found = list(pool.map(read, range(len(shards))))
    for file, height in zip(files, found, strict=True):
        if height != file.rows:
            parts.refuse(file.path, f"{height} rows", f"{file.rows}, as the manifest says")
    return pl.DataFrame([column.series() for column in columns])


class _Column:
    """One column of known length, filled from several threads."""

    def __init__(self, name: str, dtype: pl.DataType, n: int) -> None:
        self.name, self.dtype = name, dtype
        physical = pl.Series(dtype=dtype).to_physical().to_numpy().dtype
        self._values: npt.NDArray[Any] = np.empty(n, physical)
        # Made here, not by the thread that needs it first; untouched it takes no memory.
        self._is_missing: BoolArray = np.zeros(n, np.bool_)

    def fill(self, start: int, values: pl.Series) -> None:
        """Copy values to their place."""
        rows = slice(start, start + len(values))
        if self.dtype.is_float() or not values.null_count():
            self._values[rows] = values.to_physical().to_numpy()  # null becomes NaN
            return
        self._is_missing[rows] = values.is_null().to_numpy()
        plain = values.to_physical()
        self._values[rows] = plain.fill_null(False if plain.dtype == pl.Boolean else 0).to_numpy()

    def series(self) -> pl.Series:
        """Return the column; it shares the memory."""
        values, missing = self._values, self._is_missing
        if self.dtype.is_float():
            return nullable(self.name, values)
        if self.dtype == pl.Boolean:  # of which one byte for each is not kept
            return pl.Series(self.name, values).set(pl.Series(missing), None)
        made = pl.Series(self.name, _masked(values, missing) if missing.any() else values)
        return made.cat.to(self.dtype) if self.dtype == pl.Enum else made.cast(self.dtype)


def _masked(values: npt.NDArray[Any], missing: BoolArray) -> pa.Array:
    """Put nulls above values, which are not copied."""
    import pyarrow as pa  # not to look at a project

    buffers = [pa.py_buffer(np.packbits(~missing, bitorder="little")), pa.py_buffer(values)]
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), buffers)
