"""Points of instances in the order of another skeleton's nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.buffers import float_values, nullable

__all__ = ["NodeMap", "columns_to_lay_out", "lay_out"]


@dataclass(frozen=True)
class NodeMap:
    """What a skeleton becomes.

    Attributes:
        skeleton_id: Key of the skeleton that it becomes.
        nodes: For each node of that one, its place among the own nodes, -1 for none;
            None when nodes stay as they are. int64, ``(n_nodes,)``.
        n_nodes: How many nodes there are before.
        filled: A place after and a place before, or None: where the point at the first
            is missing or invisible, it is taken from the second, unless that is missing.
    """

    skeleton_id: int
    nodes: IntArray | None
    n_nodes: int
    filled: tuple[int, int] | None = None

    @property
    def n_after(self) -> int:
        """How many nodes there are after."""
        return self.n_nodes if self.nodes is None else len(self.nodes)


def columns_to_lay_out(columns: Sequence[str], nodes: NodeMap) -> list[str]:
    """Return the columns of points that laying these out has to look at."""
    looked_at = () if nodes.filled is None else ("x", "y", "visible")
    return list(dict.fromkeys((*columns, *looked_at)))


def lay_out(points: pl.DataFrame, nodes: NodeMap, n: int | None = None) -> pl.DataFrame:
    """Lay the points of instances of one skeleton out by the nodes of another.

    Args:
        points: Columns of points, ``n_nodes`` rows for each instance; those of
            `columns_to_lay_out`.
        nodes: What the skeleton becomes.
        n: How many instances, which points of a skeleton without nodes do not say.

    Returns:
        ``n_after`` rows for each instance. Nodes that are not there before are missing
        points: null coordinates and score, neither visible nor complete.

    Examples:
        >>> points = pl.DataFrame({"x": [1.0, 2.0], "visible": [True, True]})
        >>> lay_out(points, NodeMap(0, np.array([1, -1, 0]), 2))["x"].to_list()
        [2.0, None, 1.0]
    """
    if nodes.nodes is None:
        return points
    if n is None:
        n = points.height // nodes.n_nodes if nodes.n_nodes else 0
    is_there = np.tile(nodes.nodes >= 0, n)
    start = np.repeat(np.arange(n) * nodes.n_nodes, nodes.n_after)
    rows = start + np.tile(np.maximum(nodes.nodes, 0), n)
    if nodes.filled is not None:
        _fill(rows.reshape(n, nodes.n_after), points, nodes.nodes, nodes.filled)
    columns = []
    for column in points.get_columns():
        if not points.height:
            made = pl.Series(column.name, [False if column.dtype == pl.Boolean else None])
            columns.append(made.cast(column.dtype).new_from_index(0, len(rows)))
        elif column.dtype == pl.Boolean:
            columns.append(pl.Series(column.name, column.to_numpy()[rows] & is_there))
        else:
            values = np.where(is_there, float_values(column)[rows], np.nan)
            columns.append(nullable(column.name, values))
    return pl.DataFrame(columns)


def _fill(rows: IntArray, points: pl.DataFrame, nodes: IntArray, filled: tuple[int, int]) -> None:
    """Take points that are missing or invisible from another node; changes ``rows``."""
    after, before = filled
    own = rows[:, after]
    other = own - nodes[after] + before
    missing = np.isnan(float_values(points["x"])) | np.isnan(float_values(points["y"]))
    is_poor = missing[own] | ~points["visible"].to_numpy()[own]
    rows[:, after] = np.where(is_poor & ~missing[other], other, own)
