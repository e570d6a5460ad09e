"""Read runs of point rows from many parts: which windows to read, and into what."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import polars as pl

from tabular_labels._types import FloatArray, IntArray
from tabular_labels.io.parquet_forked import read_windows_without_threads
from tabular_labels.io.parquet_parts import ProjectParts
from tabular_labels.io.project_files import WORKERS
from tabular_labels.model.buffers import is_forked
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.point_columns import PointColumns
from tabular_labels.model.schema import POINTS

__all__ = [
    "GAP_ROWS",
    "cut_runs",
    "join_runs",
    "plan_windows",
    "read_runs",
    "read_windows",
    "split_at_files",
]

# Opening a file for one more window costs as much as decoding this many rows.
GAP_ROWS = 32_768
# Rows that are read together where few of them are wanted: whole row groups.
ROWS_AT_ONCE = 2**18
_PART = 2**44  # rows of one part stay below


def read_runs(
    parts: ProjectParts,
    part: IntArray | None,
    start: IntArray,
    count: IntArray,
    columns: Sequence[str],
) -> pl.DataFrame:
    """Read runs of rows in any order, in parallel where they are far apart.

    Args:
        parts: Of a version.
        part: Which part each run is of; None when starts count the rows of all parts.
        start: First row of each run.
        count: Number of rows of each run.
        columns: Columns of points.
    """
    if part is None:
        part, start, count = split_at_files(parts.point_edges, start, count)
    # A start may be kept in 32 bits.
    key, count = join_runs(part.astype(np.int64, copy=False) * _PART + start, count)
    windows, lengths = plan_windows(key, count)
    if not _is_sparse(key, count, lengths):
        return _read_planned(parts, key, count, windows, lengths, columns)
    # Little is wanted of much: a few rows at a time are in memory as a whole.
    key, count = cut_runs(key, count, ROWS_AT_ONCE)
    cuts = [0, *(np.flatnonzero(np.diff(key // ROWS_AT_ONCE)) + 1).tolist(), len(key)]
    made = PointColumns(list(dict.fromkeys(columns)), int(count.sum()))
    for first, last in pairwise(cuts):
        runs = key[first:last], count[first:last]
        made.add(_read_planned(parts, *runs, *plan_windows(*runs), columns))
    return made.table().select(columns)


def _is_sparse(key: IntArray, count: IntArray, lengths: IntArray) -> bool:
    read = int(lengths.sum())
    if read <= max(ROWS_AT_ONCE, 2 * int(count.sum())):
        return False
    return bool((key[1:] > key[:-1]).all())


def _read_planned(
    parts: ProjectParts,
    key: IntArray,
    count: IntArray,
    windows: IntArray,
    lengths: IntArray,
    columns: Sequence[str],
) -> pl.DataFrame:
    """Read windows, and take the runs out of them."""
    window = np.searchsorted(windows, key, side="right") - 1
    table = read_windows(parts, windows // _PART, windows % _PART, lengths, columns)
    begin = offsets_of_counts(lengths)[window] + key - windows[window]
    if _is_identity(begin, count, table.height):
        return table
    rows = ranges(begin, count)
    return pl.DataFrame([column.gather(rows) for column in table.get_columns()])


def read_windows(
    parts: ProjectParts, part: IntArray, start: IntArray, count: IntArray, columns: Sequence[str]
) -> pl.DataFrame:
    """Read windows of parts one after the other into whole columns."""
    names = list(dict.fromkeys(columns))
    used = [file for number in np.unique(part) for file in parts.files(number, ["points"])]
    with parts.reading(used):
        if is_forked():
            table, found = _read_without_threads(parts, part, start, count, names)
        else:
            plans = [
                parts.plan(number, "points").select(names).slice(first, length)
                for number, first, length in zip(
                    part.tolist(), start.tolist(), count.tolist(), strict=True
                )
            ]
            table, found = _read_plans(plans, count, names)
    parts.check_points(int(count.sum()), found)
    return pl.DataFrame([table[name] for name in columns]) if found else table.select(columns)


def _read_without_threads(
    parts: ProjectParts, part: IntArray, start: IntArray, count: IntArray, names: Sequence[str]
) -> tuple[pl.DataFrame, int]:
    """Read windows of files, then slices of what is in memory, which stands last."""
    n_files = int(
        np.count_nonzero(part != (-1 if parts.memory_part is None else parts.memory_part))
    )
    paths = {
        number: parts.path / parts.files(number, ["points"])[0].path
        for number in set(part[:n_files].tolist())
    }
    files = [paths[number] for number in part[:n_files].tolist()]
    table, found = read_windows_without_threads(files, start[:n_files], count[:n_files], names)
    if n_files == len(part) or parts.uncommitted is None:
        return table, found
    rows, points = ranges(start[n_files:], count[n_files:]), parts.uncommitted.points
    assert isinstance(points, pl.DataFrame), "edits above a version hold their points"
    mine = [points[name].gather(rows) for name in names]
    if found:
        mine = [table[column.name].append(column) for column in mine]
    return pl.DataFrame(mine), found + len(rows)


def _read_plans(
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


def cut_runs(key: IntArray, count: IntArray, step: int) -> tuple[IntArray, IntArray]:
    """Cut runs where rows are multiples of a number.

    Examples:
        >>> begin, length = cut_runs(np.array([2, 9]), np.array([7, 1]), 4)
        >>> begin.tolist(), length.tolist()
        ([2, 4, 8, 9], [2, 4, 1, 1])
    """
    last = (key + count - 1) // step
    pieces = last - key // step + 1
    begin = np.maximum(np.repeat(key, pieces), ranges(key // step, pieces) * step)
    stop = np.minimum(np.repeat(key + count, pieces), ranges(key // step + 1, pieces) * step)
    return begin, stop - begin


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


def _is_identity(begin: IntArray, count: IntArray, height: int) -> bool:
    """Tell whether runs are all the rows of a table, in order."""
    ends = np.cumsum(count)
    return int(count.sum()) == height and bool((begin == ends - count).all())
