"""Read points from a ``.slp`` file's two tables into columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.io.hdf5_records import BLOCK, Extents, RecordReader, Records
from tabular_labels.model.buffers import nullable
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.schema import POINTS

__all__ = ["PointTable", "read_points"]

_TRUTHS = frozenset({"visible", "complete"})
# Skipping fewer rows than this costs more than reading them.
_GAP = 256
# Below this many rows a piece, one gather is faster than many slices.
_PIECE = 256


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
        name: np.empty(total, bool if name in _TRUTHS else np.float64) for name in columns
    }
    for which, table in enumerate(tables):
        mine = (
            slice(None if which == part else 0)
            if isinstance(part, int)
            else np.flatnonzero(part == which)
        )
        runs = _merge(start[mine], count[mine], target[:-1][mine])
        if len(runs.start):
            with table.records.reader(table.extents) as reader:
                for blocked in _blocks(runs):
                    _copy(reader, table, blocked, arrays)
    return pl.DataFrame(
        {
            name: pl.Series(values) if name in _TRUTHS else nullable(name, values)
            for name, values in arrays.items()
        },
        schema={name: POINTS.columns[name] for name in columns},
    )


def _merge(start: IntArray, count: IntArray, target: IntArray) -> _Runs:
    """Join ranges that follow each other, in the file and where they go."""
    if not count.all():
        filled = count > 0
        start, count, target = start[filled], count[filled], target[filled]
    if bool((start[1:] < start[:-1]).any()):
        order = np.argsort(start, kind="stable")
        start, count, target = start[order], count[order], target[order]
    if not len(start):
        return _Runs(start, count, target)
    follows = (start[1:] == start[:-1] + count[:-1]) & (target[1:] == target[:-1] + count[:-1])
    first = np.flatnonzero(np.concatenate([[True], ~follows]))
    return _Runs(start[first], np.add.reduceat(count, first), target[first])


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


def _copy(
    reader: RecordReader, table: PointTable, runs: _Runs, arrays: dict[str, np.ndarray[Any, Any]]
) -> None:
    low = int(runs.start.min())
    block = reader.read(low, int((runs.start + runs.count).max()))
    source = runs.start - low
    if len(runs.start) * _PIECE <= int(runs.count.sum()) or len(runs.start) == 1:
        places: list[tuple[Any, Any]] = [
            (slice(a, a + n), slice(b, b + n))
            for a, b, n in zip(
                source.tolist(), runs.target.tolist(), runs.count.tolist(), strict=True
            )
        ]
    else:
        places = [(ranges(source, runs.count), ranges(runs.target, runs.count))]
    for name, target in arrays.items():
        column = table.records.fields.get(name)
        values = block[column] if column is not None else None
        if values is None:
            for _, there in places:
                target[there] = np.nan
            continue
        if name in _TRUTHS:
            values = values != 0
        elif table.shift and name in ("x", "y"):
            with np.errstate(invalid="ignore"):  # a NaN that signals is missing like any other
                values = values + table.shift
        for here, there in places:
            target[there] = values[here]
