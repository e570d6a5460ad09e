"""Read points from a ``.slp`` file's two tables into columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.io.hdf5_extents import Extents
from tabular_labels.io.hdf5_records import BLOCK, RecordReader, Records
from tabular_labels.model.buffers import nullable
from tabular_labels.model.offsets import offsets_of_counts, ranges

__all__ = ["PointTable", "read_points"]

_TRUTHS = frozenset({"visible", "complete"})
# Skipping fewer rows than this costs more than reading them.
_GAP = 256
# One slice for each run is faster than one index for each instance from so many rows on.
_LONG_RUN = 512


@dataclass(frozen=True)
class PointTable:
    """One of the two tables of points.

    Attributes:
        records: The table.
        extents: Where its rows stand.
        shift: Added to x and y on the way in (pixels).
    """

    records: Records
    extents: Extents | None
    shift: float = 0.0


@dataclass(frozen=True)
class _Runs:
    """Runs of rows: where they are in the file and where they go, in file order."""

    start: IntArray
    count: IntArray
    target: IntArray


def read_points(
    tables: Sequence[PointTable],
    part: IntArray | int,
    start: IntArray,
    count: IntArray,
    columns: Sequence[str],
) -> pl.DataFrame:
    """Read ranges of rows, concatenated in the order they are asked for.

    Args:
        tables: User points and predicted points.
        part: Which table each range is in, or the one that all are in.
        start: First row of each range.
        count: Number of rows of each range.
        columns: Names of columns of the points table.

    Returns:
        Those columns; NaN became null, and scores of user points are null.
    """
    target = offsets_of_counts(count)
    total = int(target[-1])
    columns = list(dict.fromkeys(columns))
    arrays: dict[str, np.ndarray[Any, Any]] = {
        name: np.empty(total, np.uint8 if name in _TRUTHS else np.float64) for name in columns
    }
    runs_of = _merge(part, start, count, target, len(tables))
    first = max(range(len(tables)), key=lambda which: int(runs_of[which].count.sum()))
    for which in (first, *(other for other in range(len(tables)) if other != first)):
        table, runs = tables[which], runs_of[which]
        if not len(runs.start):
            continue
        with table.records.reader(table.extents) as reader:
            # What is first may write where others are to write.
            if which == first and table.extents is not None and _is_nearly_all(runs):
                _copy_apart(reader, table, runs, arrays)
            else:
                for blocked in _blocks(runs):
                    _copy(reader, table, blocked, arrays)
    return pl.DataFrame(
        [
            _truths(name, values) if name in _TRUTHS else nullable(name, values)
            for name, values in arrays.items()
        ]
    )


def _truths(name: str, values: npt.NDArray[np.uint8]) -> pl.Series:
    """Read bytes as truth values: everything but 0 is true."""
    if int(values.max(initial=0)) <= 1:
        return pl.Series(name, values.view(np.bool_))
    return pl.Series(name, values != 0)


def _merge(
    part: IntArray | int, start: IntArray, count: IntArray, target: IntArray, n_tables: int
) -> list[_Runs]:
    """Join ranges that follow each other, and return each table's runs in file order."""
    total, target = int(target[-1]), target[:-1]
    if not count.all():
        filled = count > 0
        start, count, target = start[filled], count[filled], target[filled]
        part = part if isinstance(part, int) else part[filled]
    breaks = start[1:] != start[:-1] + count[:-1]
    if not isinstance(part, int):
        breaks |= part[1:] != part[:-1]
    # Ranges are wanted one after the other, so that only their starts may jump.
    first = np.flatnonzero(breaks) + 1
    first = np.concatenate([np.zeros(min(len(start), 1), np.int64), first])
    of_run = np.full(len(first), part) if isinstance(part, int) else part[first]
    run_count = np.diff(target[first], append=total)
    made = []
    for which in range(n_tables):
        mine = np.flatnonzero(of_run == which)
        mine = mine[np.argsort(start[first[mine]], kind="stable")]
        made.append(_Runs(start[first[mine]], run_count[mine], target[first[mine]]))
    return made


def _blocks(runs: _Runs) -> Iterator[_Runs]:
    """Cut runs into blocks of neighbours that one read of at most `BLOCK` rows covers."""
    start, count, target = runs.start, runs.count, runs.target
    stop = start + count
    # Ranges may overlap, when rows are asked for twice.
    reach = np.maximum.accumulate(stop)
    breaks = np.flatnonzero(start[1:] > reach[:-1] + _GAP) + 1
    breaks = np.append(breaks, len(start))
    i, skipped, group = 0, 0, 0
    while i < len(start):
        at = int(start[i]) + skipped
        limit = at + BLOCK
        while breaks[group] <= i:
            group += 1
        j = min(int(np.searchsorted(reach, limit, side="right")), int(breaks[group]))
        j = max(i, j)
        pieces = [start[i:j].copy(), count[i:j].copy(), target[i:j].copy()]
        if j > i and skipped:
            _skip(pieces, skipped)
        if j > i:
            yield _Runs(*pieces)
            i, skipped = j, 0
        else:
            # The run alone is longer than a block.
            taken = min(BLOCK, int(count[i]) - skipped)
            yield _Runs(np.array([at]), np.array([taken]), target[i : i + 1] + skipped)
            skipped += taken
            if skipped == count[i]:
                i, skipped = i + 1, 0


def _skip(pieces: list[IntArray], rows: int) -> None:
    """Drop the first rows of the first run, which an earlier block has read."""
    pieces[0][0] += rows
    pieces[1][0] -= rows
    pieces[2][0] += rows


def _is_nearly_all(runs: _Runs) -> bool:
    """Tell whether a table's rows are wanted in their order, with a few others in between."""
    start, count, target = runs.start, runs.count, runs.target
    n, span = int(count.sum()), int(target[-1] + count[-1] - target[0])
    if n < _LONG_RUN * len(start) or len(start) == 1 or span > 2 * n:
        return False
    follows = (start[1:] == start[:-1] + count[:-1]) & (target[1:] > target[:-1])
    return bool(follows.all())


def _copy_apart(
    reader: RecordReader, table: PointTable, runs: _Runs, arrays: dict[str, np.ndarray[Any, Any]]
) -> None:
    """Read records where the result has them, so that each column is copied in one go.

    What is written between the runs has no meaning; other tables are to write there.
    """
    stop = runs.target + runs.count
    for low in range(int(runs.target[0]), int(stop[-1]), BLOCK):
        high = min(low + BLOCK, int(stop[-1]))
        i, j = np.searchsorted(stop, low, side="right"), np.searchsorted(runs.target, high)
        if i == j:
            continue
        first = np.maximum(runs.target[i:j], low)
        count = np.minimum(stop[i:j], high) - first
        at = int(runs.start[i] + first[0] - runs.target[i])
        block = reader.read_apart(at, first - low, count, high - low)
        _assign(block, table, 1, [(slice(None), slice(low, high))], arrays)


def _copy(
    reader: RecordReader, table: PointTable, runs: _Runs, arrays: dict[str, np.ndarray[Any, Any]]
) -> None:
    low = int(runs.start.min())
    block = reader.read(low, int((runs.start + runs.count).max()))
    width, places = _places(runs.start - low, runs, len(next(iter(arrays.values()))))
    _assign(block, table, width, places, arrays)


def _assign(
    block: np.ndarray[Any, Any],
    table: PointTable,
    width: int,
    places: list[tuple[Any, Any]],
    arrays: dict[str, np.ndarray[Any, Any]],
) -> None:
    """Copy a block's columns to where they go, in rows of some width."""
    for name, array in arrays.items():
        target = array.reshape(-1, width) if width > 1 else array
        column = table.records.fields.get(name)
        if column is None:
            for _, there in places:
                target[there] = np.nan
            continue
        values = block[column]
        if name in _TRUTHS:
            # Bytes are looked at once, when all are there.
            values = values if values.dtype == np.uint8 else values != 0
        elif table.shift and name in ("x", "y"):
            with np.errstate(invalid="ignore"):  # a NaN that signals is missing like any other
                values = values + table.shift
        values = values.reshape(-1, width) if width > 1 else values
        for here, there in places:
            target[there] = values[here]


def _places(source: IntArray, runs: _Runs, total: int) -> tuple[int, list[tuple[Any, Any]]]:
    """Return a width, and from where to where rows of so many values are copied.

    Long runs are copied one by one. Of short ones whole instances are copied where these
    have equally many nodes: an index for each is faster than one for each point.
    """
    if int(runs.count.sum()) >= _LONG_RUN * len(source) or len(source) == 1:
        numbers = source.tolist(), runs.target.tolist(), runs.count.tolist()
        return 1, [
            (slice(first, first + n), slice(target, target + n))
            for first, target, n in zip(*numbers, strict=True)
        ]
    stop = int((source + runs.count).max())
    width = int(np.gcd.reduce(np.concatenate([source, runs.target, runs.count, [total, stop]])))
    here = ranges(source // width, runs.count // width)
    there = ranges(runs.target // width, runs.count // width)
    is_whole = len(here) == stop // width and bool((here[1:] > here[:-1]).all())
    return width, [(slice(None) if is_whole else here, there)]
