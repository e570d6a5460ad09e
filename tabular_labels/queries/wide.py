"""Columns by node and by place in the frame: ``{node}.x``, ``inst{k}.{node}.x``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.offsets import offsets_of_counts
from tabular_labels.model.tables import Catalog

__all__ = ["count_visible", "node_columns", "part_of", "place_columns", "read_for"]

OF_INSTANCE = ("track", "kind", "score")
"""What ``inst{k}.`` may be followed by, beside a node."""


def part_of(name: str) -> tuple[int, str]:
    """Split ``inst{k}.rest`` into the place in the frame and the instance's column.

    Examples:
        >>> part_of("inst2.left.wing.x")
        (2, 'left.wing.x')
    """
    place, _, rest = name.partition(".")
    return int(place.removeprefix("inst")), rest


def read_for(columns: Sequence[str]) -> list[str]:
    """Name the point columns behind columns of the instances.

    Examples:
        >>> read_for(["track", "head.y"])
        ['y']
    """
    needed = {name.rpartition(".")[2] for name in columns if "." in name}
    if "n_visible" in columns:
        needed |= {"x", "y", "visible"}
    return [name for name in ("x", "y", "visible", "score") if name in needed]


def node_columns(
    catalog: Catalog, points: pl.DataFrame, skeletons: IntArray, names: Sequence[str]
) -> dict[str, pl.Series]:
    """Make one column per node and value.

    Args:
        catalog: Nodes of each skeleton.
        points: Points of the instances, in order.
        skeletons: Skeleton key of each instance.
        names: ``{node}.x``, ``{node}.y``, ``{node}.score``.

    Returns:
        The columns by name, null where an instance's skeleton has no such node.
    """
    place_in = _places(catalog)
    counts = catalog.n_nodes[skeletons]
    known = np.unique(skeletons)
    made: dict[str, pl.Series] = {}
    for name in names:
        node, _, value = name.rpartition(".")
        column = points[value]
        if len(known) == 1:
            place = place_in.get((int(known[0]), node), -1)
            if place >= 0:
                made[name] = column.gather_every(int(counts[0]), place)
            else:
                made[name] = pl.Series([None], dtype=column.dtype).new_from_index(0, len(counts))
            continue
        place_of = np.full(len(catalog.n_nodes), -1, np.int64)
        for skeleton_id in known.tolist():
            place_of[skeleton_id] = place_in.get((skeleton_id, node), -1)
        places = place_of[skeletons]
        rows = offsets_of_counts(counts)[:-1] + places
        made[name] = column.gather(_rows_or_null(rows, places))
    return made


def _places(catalog: Catalog) -> dict[tuple[int, str], int]:
    """Return the place of each node in its skeleton."""
    rows = catalog.nodes.select("skeleton_id", "name", "node_id").iter_rows()
    return {(skeleton_id, name): node_id for skeleton_id, name, node_id in rows}


def _rows_or_null(rows: IntArray, valid: IntArray) -> pl.Series:
    """Return rows to gather, null where ``valid`` is negative."""
    table = pl.DataFrame({"row": rows, "valid": valid})
    return table.select(pl.when(pl.col("valid") >= 0).then("row"))["row"]


def count_visible(points: pl.DataFrame, counts: IntArray) -> pl.Series:
    """Count the points of each instance that are visible and not missing (UInt16)."""
    seen = points.select(
        pl.col("visible") & pl.col("x").is_not_null() & pl.col("y").is_not_null()
    ).to_series()
    before = offsets_of_counts(seen.to_numpy())
    return pl.Series(np.diff(before[offsets_of_counts(counts)]), dtype=pl.UInt16)


def place_columns(
    instances: pl.DataFrame, counts: IntArray, names: Sequence[str]
) -> dict[str, pl.Series]:
    """Lay the instances of each frame side by side.

    Args:
        instances: Columns of the instances, in order.
        counts: Number of instances of each frame.
        names: ``inst{k}.`` followed by one of those columns.

    Returns:
        The columns by name, one value per frame, null where it has no such instance.
    """
    starts = offsets_of_counts(counts)[:-1]
    rows: dict[int, pl.Series] = {}
    made: dict[str, pl.Series] = {}
    for name in names:
        place, column = part_of(name)
        if place not in rows:
            rows[place] = _rows_or_null(starts + place, counts - 1 - place)
        made[name] = instances[column].gather(rows[place])
    return made
