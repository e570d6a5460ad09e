"""One video as a dense array of frames, tracks and nodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import polars as pl

from tabular_labels._types import FloatArray, IntArray
from tabular_labels.errors import QueryError
from tabular_labels.model.shown import ShownColumn
from tabular_labels.queries.dense_layout import DenseLayout

__all__ = ["fill", "scatter", "shown_column"]

# Slots written at a time; what they hold stays in the processor's cache.
_BLOCK = 2048


def scatter(layout: DenseLayout, points: pl.DataFrame, out: FloatArray | None = None) -> FloatArray:
    """Fill a dense array with points.

    Args:
        layout: Where each instance goes.
        points: Points of ``layout.instance_rows`` in that order: ``x``, ``y`` (missing
            is null), ``visible`` if invisible points shall count as missing, and
            ``score`` to get it as a third value.
        out: Array to fill, float32 of the right shape; a new one by default.

    Returns:
        float32, shape ``(n_frames, n_tracks, n_nodes, 2)``, or 3 with scores; pixels,
        NaN = missing. Scores of user instances are NaN.

    Raises:
        QueryError: ``out`` has another shape or dtype.

    Examples:
        >>> layout = DenseLayout(
        ...     (1, 1, 2), 0, slice(0, 1), np.array([0]), np.array([2]), np.array([True])
        ... )
        >>> scatter(layout, pl.DataFrame({"x": [1.0, None], "y": [2.0, None]})).tolist()
        [[[[1.0, 2.0], [nan, nan]]]]
    """
    names = [name for name in ("x", "y", "score") if name in points.columns]
    return fill(layout, [shown_column(points, name) for name in names], out)


def shown_column(points: pl.DataFrame, name: str) -> ShownColumn:
    """Return ``x``, ``y`` or ``score`` of points; invisible points have scores, too."""
    is_seen = name != "score" and "visible" in points.columns
    return ShownColumn(points[name], points["visible"] if is_seen else None)


def fill(
    layout: DenseLayout,
    columns: Sequence[ShownColumn],
    out: FloatArray | None = None,
    *,
    first_point: int = 0,
) -> FloatArray:
    """Fill a dense array with columns of points, as `scatter` does with a table.

    Args:
        layout: Where each instance goes.
        columns: x, y and perhaps scores.
        out: Array to fill, float32 of the right shape; a new one by default.
        first_point: Where in the columns the points of ``layout.instance_rows`` begin.

    Returns:
        float32, shape ``(n_frames, n_tracks, n_nodes, len(columns))``.

    Raises:
        QueryError: ``out`` has another shape or dtype.

    Examples:
        >>> layout = DenseLayout(
        ...     (2, 1, 1), 0, slice(0, 1), np.array([1]), np.array([1]), np.array([True])
        ... )
        >>> x, y = ShownColumn(pl.Series([2.0, 3.0])), ShownColumn(pl.Series([8.0, 9.0]))
        >>> fill(layout, [x, y], first_point=1).tolist()
        [[[[nan, nan]]], [[[3.0, 9.0]]]]
    """
    n_frames, n_tracks, n_nodes = layout.shape
    shape = (n_frames, n_tracks, n_nodes, len(columns))
    if out is None:
        out = np.empty(shape, np.float32)
    elif out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        message = (
            f"found an array of shape {out.shape} and dtype {out.dtype} to fill, expected a "
            f"contiguous one of shape {shape} and float32. Leave `out` away to get a new one."
        )
        raise QueryError(message)
    if not out.size or not len(layout.slots):
        out.fill(np.nan)
        return out
    flat = out.reshape(n_frames * n_tracks, n_nodes, len(columns))
    source = _sources(layout)
    _gather(flat, source, len(layout.slots), _reader(layout, columns, first_point))
    empty = np.flatnonzero(source < 0)
    if len(empty):
        flat[empty] = np.nan
    if len(columns) > 2:
        taken = np.flatnonzero(source >= 0)
        of_users = taken[layout.is_user[source[taken]]]
        flat[of_users, :, 2] = np.nan
    return out


def _sources(layout: DenseLayout) -> IntArray:
    """Return which of the read instances fills each slot, -1 for none."""
    # Those without a slot, -1, write to one more at the end. Where several write to one
    # slot, numpy leaves the last value.
    source = np.full(layout.shape[0] * layout.shape[1] + 1, -1, np.int64)
    source[layout.slots] = np.arange(len(layout.slots))
    return source[:-1]


_Reader: TypeAlias = Callable[[int, int], list[FloatArray]]
"""Gives a range of instances: each column as ``(n, n_nodes)``."""


def _reader(layout: DenseLayout, columns: Sequence[ShownColumn], first: int) -> _Reader:
    counts, n_nodes, n = layout.counts, layout.shape[2], len(layout.slots)
    if isinstance(counts, int) or bool((counts == n_nodes).all()):

        def read(start: int, stop: int) -> list[FloatArray]:
            low, high = first + start * n_nodes, first + stop * n_nodes
            return [column.read(low, high).reshape(stop - start, n_nodes) for column in columns]

        return read
    # Smaller skeletons are padded with NaN.
    has_node = np.arange(n_nodes) < counts[:, None]
    padded = [np.full((n, n_nodes), np.nan) for _ in columns]
    for even, column in zip(padded, columns, strict=True):
        even[has_node] = column.read(first, first + int(counts.sum()))
    return lambda start, stop: [even[start:stop] for even in padded]


def _gather(out: FloatArray, source: IntArray, n: int, read: _Reader) -> None:
    """Write the values of the instances ``source`` to ``out``, ``(n_slots, n_nodes, n_columns)``.

    Instances of neighbouring slots mostly are neighbours, too. They are brought side by
    side and into float32 first, so that each slot is written once and in order.
    """
    beside = np.empty((min(n, 2 * _BLOCK), *out.shape[1:]), np.float32)
    if n == len(beside):
        _put_beside(beside, read(0, n))
        beside.take(source, 0, mode="clip", out=out)
        return
    for low in range(0, len(out), _BLOCK):
        target, rows = out[low : low + _BLOCK], source[low : low + _BLOCK]
        # Without a sign, -1 is larger than every row.
        first, stop = int(rows.view(np.uint64).min()), int(rows.max()) + 1
        if not stop:
            continue  # nothing stands here
        values = read(first, stop)
        rows = rows - first
        if stop - first <= len(beside):
            near = beside[: stop - first]
            _put_beside(near, values)
            near.take(rows, 0, mode="clip", out=target)
        else:
            for k, column in enumerate(values):
                target[:, :, k] = column.take(rows, 0, mode="clip")


def _put_beside(out: FloatArray, columns: Sequence[FloatArray]) -> None:
    for k, column in enumerate(columns):
        out[:, :, k] = column
