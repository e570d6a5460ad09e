"""Write points into the two tables of a ``.slp`` file, piece by piece."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.io.hdf5_records import BLOCK
from tabular_labels.io.slp_layout import POINTS, PRED_POINTS
from tabular_labels.io.slp_order import FileOrder
from tabular_labels.io.slp_tables import NewFile, NewTable
from tabular_labels.model.checks import check_points, require
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.source import Readable
from tabular_labels.model.tables import LabelTables, Structure

__all__ = ["POINTS_AT_ONCE", "write_points"]

POINTS_AT_ONCE = 1_000_000
"""Points that are read together, of labels that are not in memory."""

_COLUMNS = tuple(PRED_POINTS.names or ())


@dataclass(frozen=True)
class _Piece:
    """Some instances, and a table in which their points are.

    Attributes:
        rows: Rows of the instances.
        points: The table, which may hold others.
        start: First row there of each instance.
        n_frames: How many frames are done with this piece.
    """

    rows: slice | IntArray
    points: pl.DataFrame
    start: IntArray
    n_frames: int


def write_points(
    labels: LabelTables | Readable,
    order: FileOrder,
    file: NewFile,
    progress: Callable[[int, int], object] | None = None,
) -> int:
    """Write all points; those of labels that are not in memory are never held together.

    Args:
        labels: Where points are. Those that are read here are checked, too.
        order: Where they go.
        file: The file, which gets its tables.
        progress: Called with the number of frames whose points are written, and of all.

    Returns:
        How many points of user instances have a score, which the layout has no place for.

    Raises:
        InvariantError: Points that were read break a rule.
    """
    structure = labels.structure
    counts, is_user = np.diff(structure.point_offsets), structure.is_user
    n_user = int(counts[is_user].sum())
    users = file.table("points", POINTS, n_user)
    predicted = file.table("pred_points", PRED_POINTS, int(counts.sum()) - n_user)
    n_scores = 0
    for piece in _pieces(labels, order):
        rows = piece.rows
        runs, of_user = _Runs(order.point_start[rows], piece.start, counts[rows]), is_user[rows]
        for table, mine in ((users, of_user), (predicted, ~of_user)):
            for points, targets, lengths in runs.of(mine).blocks(piece.points):
                table.write(_values(points, table), _joined(targets, lengths))
                n_scores += points["score"].count() if table is users else 0
        if progress is not None:
            progress(piece.n_frames, structure.frames.height)
    return n_scores


def _pieces(labels: LabelTables | Readable, order: FileOrder) -> Iterator[_Piece]:
    """Cut the instances, tables in memory in list order, all others in canonical order.

    A project on the disk has its points in canonical order, or nearly so; picking them
    in another would read it again and again. Writing out of order is cheaper.
    """
    structure = labels.structure
    offsets = structure.point_offsets
    if isinstance(labels, LabelTables):
        for n_frames, numbers in _cut(structure, order.frames, order.offsets):
            rows = order.rows(numbers)
            yield _Piece(rows, labels.points, offsets[:-1][rows], n_frames)
        return
    for n_frames, rows in _cut(structure, None, structure.instance_offsets):
        points = labels.read_points(_COLUMNS, rows)
        read = LabelTables(labels.catalog, instances=structure.instances[rows], points=points)
        require(check_points(read))
        yield _Piece(rows, points, offsets[:-1][rows] - offsets[rows.start], n_frames)


def _cut(
    structure: Structure, frames: IntArray | None, edges: IntArray
) -> Iterator[tuple[int, slice]]:
    """Cut frames into pieces of about so many points: frames that are done, and instances.

    Args:
        structure: Frames and instances.
        frames: The frames' order, None for their own.
        edges: First instance of each frame in that order, and the total.
    """
    size = np.diff(structure.point_offsets[structure.instance_offsets])
    # A frame counts as a point of its own, so that empty ones do not gather.
    until = offsets_of_counts((size if frames is None else size[frames]) + 1)
    start, n = 0, len(size)
    while start < n:
        stop = int(np.searchsorted(until, until[start] + POINTS_AT_ONCE, side="right")) - 1
        stop = max(stop, start + 1)
        yield stop, slice(int(edges[start]), int(edges[stop]))
        start = stop


@dataclass(frozen=True)
class _Runs:
    """Where the points of instances go, where they are, and how many each has."""

    target: IntArray
    start: IntArray
    count: IntArray

    def of(self, chosen: np.ndarray[Any, Any]) -> _Runs:
        """Return those of chosen instances that have points, by where they go."""
        rows = np.flatnonzero(chosen & (self.count > 0))
        target = self.target[rows]
        if not bool((target[1:] > target[:-1]).all()):
            rows = rows[np.argsort(target)]
        return _Runs(self.target[rows], self.start[rows], self.count[rows])

    def blocks(self, points: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, IntArray, IntArray]]:
        """Take the points, about `BLOCK` rows at a time, with where they go."""
        ends = np.cumsum(self.count)
        i = 0
        while i < len(ends):
            done = int(ends[i - 1]) if i else 0
            j = max(i + 1, int(np.searchsorted(ends, done + BLOCK, side="right")))
            yield (
                _taken(points, self.start[i:j], self.count[i:j]),
                self.target[i:j],
                self.count[i:j],
            )
            i = j


def _taken(points: pl.DataFrame, start: IntArray, count: IntArray) -> pl.DataFrame:
    low, n = int(start[0]), int(count.sum())
    if int(start[-1] + count[-1]) - low == n and bool((np.diff(start) >= 0).all()):
        return points.slice(low, n)
    return points[ranges(start, count)]


def _joined(target: IntArray, count: IntArray) -> list[tuple[int, int]]:
    """Join runs that follow each other: first row and length of each."""
    first = np.append(0, np.flatnonzero(target[1:] != target[:-1] + count[:-1]) + 1)
    return list(zip(target[first].tolist(), np.add.reduceat(count, first).tolist(), strict=True))


def _values(points: pl.DataFrame, table: NewTable) -> dict[str, np.ndarray[Any, Any]]:
    """Return the columns that a table has, with NaN for missing."""
    names = [name for name in points.columns if name in (table.records.dtype.names or ())]
    return {
        name: (
            points[name].fill_null(math.nan) if points[name].dtype.is_float() else points[name]
        ).to_numpy()
        for name in names
    }
