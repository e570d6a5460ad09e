"""Points from pieces of several tables: long ones shared, others copied once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.buffers import float_buffer, nullable
from tabular_labels.model.offsets import offsets_of_counts, ranges

__all__ = ["SHARED_ROWS", "Pieces", "first_of_runs", "join_pieces"]

Pieces = tuple[IntArray, IntArray, IntArray]
"""Of each piece the number of its table, its first row there, and how many rows it has."""

_DTYPES: dict[str, type[np.generic]] = {
    "Float64": np.float64,
    "Float32": np.float32,
    "Boolean": np.bool_,
}
_STEP = 2**18
_NONE = np.empty(0, np.int64)

SHARED_ROWS = 2**17
"""A piece of so many rows becomes a chunk of its own, which shares the memory of its table."""


def first_of_runs(part: IntArray, start: IntArray, count: IntArray) -> IntArray:
    """Return where runs of rows begin that follow each other in one table.

    Args:
        part: Number of the table of each instance.
        start: Its first row there.
        count: How many rows it has.

    Examples:
        >>> first_of_runs(np.array([0, 0, 1]), np.array([0, 2, 4]), np.array([2, 2, 2])).tolist()
        [0, 2]
    """
    found = [np.zeros(min(len(part), 1), np.int64)]
    # In steps: what is compared would take new memory for all instances.
    for at in range(1, len(part), _STEP):
        here, before = slice(at, at + _STEP), slice(at - 1, min(at + _STEP, len(part)) - 1)
        is_break = part[here] != part[before]
        is_break |= start[here] != start[before] + count[before]
        found.append(np.flatnonzero(is_break) + at)
    return np.concatenate(found)


def join_pieces(
    tables: Sequence[pl.DataFrame], pieces: Pieces, columns: Sequence[str]
) -> pl.DataFrame:
    """Put pieces of tables one after the other.

    A long piece is not copied, unless it would keep a table in memory of which less than
    a third is wanted.

    Args:
        tables: With the same columns.
        pieces: What is taken, in order.
        columns: Names of the columns to return.

    Returns:
        One table, in few chunks.

    Examples:
        >>> tables = [pl.DataFrame({"x": [1.0, 2.0, None]}), pl.DataFrame({"x": [7.0]})]
        >>> pieces = np.array([0, 1]), np.array([1, 0]), np.array([2, 1])
        >>> join_pieces(tables, pieces, ["x"])["x"].to_list()
        [2.0, None, 7.0]
    """
    number, first, counts = pieces
    shared = _shared(tables, pieces)
    copied = number[~shared], first[~shared], counts[~shared]
    # Columns one by one: operations on tables use threads, which a forked process lacks.
    made = []
    for name in columns:
        found = [table[name] for table in tables]
        column = _copied(found, copied)
        made.append(_with_shared(column, found, pieces, shared) if shared.any() else column)
    return pl.DataFrame(made)


def _shared(tables: Sequence[pl.DataFrame], pieces: Pieces) -> BoolArray:
    number, _, counts = pieces
    is_long = counts >= SHARED_ROWS
    wanted = np.bincount(number[is_long], weights=counts[is_long], minlength=len(tables))
    worth = np.array([3 * n >= table.height for n, table in zip(wanted, tables, strict=True)])
    shared: BoolArray = is_long & worth[number]
    return shared


def _with_shared(
    copied: pl.Series, columns: Sequence[pl.Series], pieces: Pieces, shared: BoolArray
) -> pl.Series:
    """Put what was copied between what is shared."""
    number, first, counts = pieces
    place = offsets_of_counts(np.where(shared, 0, counts))
    parts, at = [], 0
    for k in np.flatnonzero(shared).tolist():
        before = int(place[k])
        parts.append(copied.slice(at, before - at))
        parts.append(columns[number[k]].slice(int(first[k]), int(counts[k])))
        at = before
    parts.append(copied.slice(at))
    return pl.concat([part for part in parts if len(part)], rechunk=False)


def _copied(columns: Sequence[pl.Series], pieces: Pieces) -> pl.Series:
    number, first, counts = pieces
    if not len(number):
        return columns[0].clear()
    place = offsets_of_counts(counts)
    dtype = _DTYPES[str(columns[0].dtype)]
    # The system gives large numpy arrays large pages, which cost a sixth to touch first.
    out: npt.NDArray[Any] = np.empty(int(place[-1]), dtype)
    for k, column in enumerate(columns):
        mine = np.flatnonzero(number == k)
        if len(mine):
            _copy(column, out, first[mine], place[mine], counts[mine])
    name = columns[0].name
    return pl.Series(name, out) if dtype is np.bool_ else nullable(name, out)


def _copy(
    column: pl.Series, out: npt.NDArray[Any], first: IntArray, place: IntArray, counts: IntArray
) -> None:
    """Copy pieces of one column to their places."""
    start, stop = int(first.min()), int((first + counts).max())
    touched = column.slice(start, stop - start)
    values, missing = (
        (touched.to_numpy(), _NONE) if out.dtype == np.bool_ else float_buffer(touched)
    )
    at = first - start
    for source, target, n in zip(at.tolist(), place.tolist(), counts.tolist(), strict=True):
        out[target : target + n] = values[source : source + n]
    if len(missing):
        low, high = np.searchsorted(missing, at), np.searchsorted(missing, at + counts)
        out[missing[ranges(low, high - low)] + np.repeat(place - at, high - low)] = np.nan
