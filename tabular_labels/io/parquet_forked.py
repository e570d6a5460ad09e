"""Read points in a forked process, where polars' threads are gone.

A fork copies only the calling thread; whatever waits for polars' pool then waits for
ever. Arrow's reader can do without threads, so views of a scanned project still work
in the workers of, say, a data loader.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.offsets import offsets_of_counts

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["read_windows_without_threads"]


def read_windows_without_threads(
    files: Sequence[Path], start: IntArray, count: IntArray, names: Sequence[str]
) -> tuple[pl.DataFrame, int]:
    """Read one window of each file, concatenated.

    Args:
        files: A file for each window; may repeat.
        start: First row of each window in its file.
        count: Number of rows of each window.
        names: Columns of points.

    Returns:
        The columns and how many rows there were.
    """
    import pyarrow as pa  # opening a project does not need it

    windows = [
        _read_window(file, first, length, names)
        for file, first, length in zip(files, start.tolist(), count.tolist(), strict=True)
    ]
    if not windows:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.Float64)), 0
    table = pa.concat_tables(windows)
    columns = [pl.Series(name, table[name].combine_chunks()) for name in names]
    return pl.DataFrame(columns), table.num_rows


def _read_window(file: Path, start: int, count: int, names: Sequence[str]) -> pa.Table:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as reader:
        metadata = reader.metadata
        rows = [metadata.row_group(k).num_rows for k in range(metadata.num_row_groups)]
        offsets = offsets_of_counts(np.array(rows, np.int64)).tolist()
        groups = [
            k for k in range(len(rows)) if offsets[k] < start + count and offsets[k + 1] > start
        ]
        table = reader.read_row_groups(groups, columns=list(names), use_threads=False)
        return table.slice(start - (offsets[groups[0]] if groups else 0), count)
