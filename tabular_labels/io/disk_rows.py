"""Rows of the large tables as they are on disk, with every key, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.offsets import offsets_of_counts
from tabular_labels.model.schema import TABLES
from tabular_labels.model.tables import LabelTables

__all__ = ["RowSlice", "disk_table", "memory_rows", "nan_backed"]


@dataclass(frozen=True)
class RowSlice:
    """Row ranges of one shard in the three tables."""

    frames: slice
    instances: slice
    points: slice


def disk_table(tables: LabelTables, name: str, rows: RowSlice | None = None) -> pl.DataFrame:
    """Add to rows the keys that are on disk but implied by position in memory.

    Args:
        tables: In canonical order.
        name: ``frames``, ``instances`` or ``points``.
        rows: Of one shard; None for all.

    Returns:
        The table's ``disk_columns``.

    Examples:
        >>> disk_table(LabelTables(), "points").columns[:4]
        ['video_id', 'frame_idx', 'instance_id', 'node_id']
    """
    if rows is None:
        rows = RowSlice(slice(None), slice(None), slice(None))
    frames = tables.frames[rows.frames]
    if name == "frames":
        return frames
    instances = tables.instances[rows.instances]
    per_frame = np.diff(tables.instance_offsets)[rows.frames]
    columns = {
        key: np.repeat(frames[key].to_numpy(), per_frame) for key in ("video_id", "frame_idx")
    }
    table = instances
    if name == "points":
        per_instance = np.diff(tables.point_offsets)[rows.instances]
        columns["instance_id"] = instances["instance_id"].to_numpy()
        columns = {key: np.repeat(values, per_instance) for key, values in columns.items()}
        columns["node_id"] = _node_ids(per_instance)
        table = tables.points[rows.points]
    return table.with_columns(pl.Series(key, values) for key, values in columns.items()).select(
        list(TABLES[name].disk_columns)
    )


def _node_ids(per_instance: IntArray) -> IntArray:
    n = int(per_instance[0]) if len(per_instance) else 0
    if (per_instance == n).all():
        return np.tile(np.arange(n, dtype=np.uint16), len(per_instance))
    starts = np.repeat(offsets_of_counts(per_instance)[:-1], per_instance)
    return (np.arange(len(starts)) - starts).astype(np.uint16)


def memory_rows(plan: pl.LazyFrame, name: str) -> pl.LazyFrame:
    """Keep the columns that a table has in memory, with NaN beneath nulls."""
    columns = TABLES[name].memory_columns
    return plan.select(list(columns)).with_columns(nan_backed(columns))


def nan_backed(columns: Mapping[str, pl.DataType | type[pl.DataType]]) -> pl.Expr:
    """Put NaN beneath the nulls of floats: after Parquet zeros lie there.

    Buffers are read without the mask.
    """
    floats = [name for name, dtype in columns.items() if dtype.is_float()]
    return pl.col(floats).fill_null(float("nan")).fill_nan(None)
