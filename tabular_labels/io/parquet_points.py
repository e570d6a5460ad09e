"""Read runs of point rows from many files: which windows to read, and into what."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import polars as pl

from tabular_labels._types import FloatArray, IntArray
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.schema import POINTS

__all__ = [
    "GAP_ROWS",
    "WORKERS",
    "is_identity",
    "join_runs",
    "plan_windows",
    "read_windows",
    "split_at_files",
]

# Opening a file for one more window costs as much as decoding this many rows.
GAP_ROWS = 32_768
WORKERS = min(4, os.cpu_count() or 1)


def read_windows(
    plans: Sequence[pl.LazyFrame], count: IntArray, names: Sequence[str]
) -> tuple[pl.DataFrame, int]:
    """Read windows in parallel, straight into whole columns.

    That takes half the memory of joining tables. Each plan runs by itself: joined into
    one, every slice would decode whole row groups.

    Args:
        plans: Each gives the rows of one window.
        count: How many rows that should be.
        names: Columns of points, each once.

    Returns:
        The columns, with NaN beneath nulls, and how many rows there were; when that is
        not the sum of ``count``, the columns mean nothing.
    """
    offsets = offsets_of_counts(count).tolist()
    floats = {
        name: np.empty(offsets[-1], np.float64)
        for name in names
        if POINTS.columns[name] == pl.Float64
    }

    def read(window: int) -> tuple[int, dict[str, pl.Series]]:
        table = plans[window].collect()
        start, stop = offsets[window : window + 2]
        if table.height == stop - start:
            for name, values in floats.items():
                _fill(values[start:stop], table[name])
        return table.height, table.drop(list(floats)).to_dict()

    windows = range(len(plans))
    if len(plans) > 1:
        with ThreadPoolExecutor(WORKERS) as pool:
            done = list(pool.map(read, windows))
    else:
        done = [read(window) for window in windows]
    columns = []
    for name in names:
        if name in floats:
            columns.append(pl.Series(name, floats.pop(name)).fill_nan(None))
        else:
            flags = [pl.Series(name, dtype=pl.Boolean), *(table[name] for _, table in done)]
            columns.append(pl.concat(flags, rechunk=True))
    found = sum(height for height, _ in done)
    return pl.DataFrame(columns) if found == offsets[-1] else pl.DataFrame(), found


def _fill(values: FloatArray, column: pl.Series) -> None:
    place = 0
    for chunk in column.get_chunks():
        values[place : place + len(chunk)] = chunk.to_numpy()  # null becomes NaN
        place += len(chunk)


def split_at_files(
    files: IntArray, start: IntArray, count: IntArray
) -> tuple[IntArray, IntArray, IntArray]:
    """Turn runs of rows of all files together into runs within files."""
    start, count = start[count > 0], count[count > 0]
    if not len(start):
        return start, start, count
    first = np.searchsorted(files, start, side="right") - 1
    last = np.searchsorted(files, start + count - 1, side="right") - 1
    pieces = last - first + 1
    part = ranges(first, pieces)
    begin = np.maximum(np.repeat(start, pieces), files[part])
    stop = np.minimum(np.repeat(start + count, pieces), files[part + 1])
    return part, begin - files[part], stop - begin


def join_runs(key: IntArray, count: IntArray) -> tuple[IntArray, IntArray]:
    """Join runs that continue each other; leave out empty ones."""
    if not count.all():
        key, count = key[count > 0], count[count > 0]
    stop = key + count
    is_first = np.ones(len(key), np.bool_)
    np.not_equal(key[1:], stop[:-1], out=is_first[1:])
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(key)) - 1
    return key[first], stop[last[: len(first)]] - key[first]


def plan_windows(key: IntArray, count: IntArray) -> tuple[IntArray, IntArray]:
    """Return what to read for runs in any order: begins and lengths, ascending."""
    order = np.argsort(key, kind="stable")
    begin = key[order]
    stop = np.maximum.accumulate(begin + count[order])
    is_first = np.ones(len(key), np.bool_)
    np.greater(begin[1:], stop[:-1] + GAP_ROWS, out=is_first[1:])
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(key)) - 1
    return begin[first], stop[last[: len(first)]] - begin[first]


def is_identity(begin: IntArray, count: IntArray, height: int) -> bool:
    """Tell whether runs are all the rows of a table, in order."""
    ends = np.cumsum(count)
    return int(count.sum()) == height and bool((begin == ends - count).all())
