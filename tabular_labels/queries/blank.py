"""Which instances have no point at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray
from tabular_labels.model.offsets import offsets_of_counts
from tabular_labels.model.tables import Structure

__all__ = ["blank_instances"]

CHUNK = 131_072


def blank_instances(structure: Structure, read: Callable[[slice], pl.DataFrame]) -> BoolArray:
    """Tell which instances have only missing points.

    Args:
        structure: Frames and instances in canonical order.
        read: Gives ``x`` and ``y`` of the points of a range of instance rows.

    Returns:
        bool, shape ``(n_instances,)``; true also for a skeleton without nodes.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> tables = LabelTables()
        >>> blank_instances(tables.structure, lambda rows: tables.points).tolist()
        []
    """
    n = structure.instances.height
    blank = np.ones(n, np.bool_)
    for first in range(0, n, CHUNK):
        rows = slice(first, min(first + CHUNK, n))
        points = read(rows)
        there = points["x"].is_not_null() & points["y"].is_not_null()
        before = np.zeros(len(there) + 1, np.int64)
        np.cumsum(there.to_numpy(), out=before[1:])
        mine = offsets_of_counts(structure.point_counts(rows))
        blank[rows] = before[mine[1:]] == before[mine[:-1]]
    return blank
