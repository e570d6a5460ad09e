"""The rows of a delta: made from edits, read from files, two made one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from tabular_labels.io.disk_rows import disk_table
from tabular_labels.io.manifest import Delta
from tabular_labels.io.parquet_edits import KEY, scan_files
from tabular_labels.model.edits import REPLACED, EditSet, packed_places
from tabular_labels.model.schema import TABLES
from tabular_labels.model.tables import LabelTables

__all__ = ["DeltaTables", "merge_deltas", "read_delta"]


@dataclass(frozen=True)
class DeltaTables:
    """What the four files of a delta hold: disk columns, canonical order."""

    replaced: pl.DataFrame
    frames: pl.DataFrame
    instances: pl.DataFrame
    points: pl.DataFrame

    @classmethod
    def of(cls, edits: EditSet) -> DeltaTables:
        """Add the keys that are on disk only."""
        rows = LabelTables(edits.catalog, edits.frames, edits.instances)
        instances = disk_table(rows, "instances")
        points = disk_table(edits.with_points, "points")
        return cls(edits.replaced, edits.frames, instances, points)

    def table(self, name: str) -> pl.DataFrame:
        """Return one of the tables."""
        found: pl.DataFrame = getattr(self, name)
        return found


def read_delta(root: Path, delta: Delta) -> DeltaTables:
    """Read a delta's files."""
    columns = {name: TABLES[name].disk_columns for name in ("frames", "instances", "points")}
    plans = [scan_files([root / delta.replaced.path], REPLACED)]
    plans += [scan_files([root / delta.file(name).path], each) for name, each in columns.items()]
    return DeltaTables(*pl.collect_all(plans))


def merge_deltas(old: DeltaTables, new: DeltaTables) -> DeltaTables:
    """Make one delta of two that follow each other.

    Args:
        old: The older one.
        new: The newer one.

    Returns:
        What replaces the same rows as both in turn: points that ``new`` left where
        they were are still left there, or come from ``old``.
    """
    again = packed_places(new.replaced)
    held = packed_places(new.replaced.filter("points"))
    gone = new.replaced.filter(~pl.col("points"))["removed"].explode(empty_as_null=False)
    points = old.points.filter(
        pl.Series(~np.isin(packed_places(old.points), held))
        & ~old.points["instance_id"].is_in(gone.implode())
    )
    return DeltaTables(
        _merged_lists(old.replaced, new.replaced),
        _sorted(_without(old.frames, again), new.frames),
        _sorted(_without(old.instances, again), new.instances),
        _sorted(points, new.points),
    )


def _merged_lists(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    joined = old.join(new, on=KEY, how="full", coalesce=True, suffix="_new")
    before = pl.col("points").fill_null(value=False)
    after = pl.col("points_new").fill_null(value=False)
    removed = pl.concat_list(pl.col("removed").fill_null([]), pl.col("removed_new").fill_null([]))
    nothing = pl.lit([], pl.List(pl.UInt32))
    return joined.select(
        *KEY,
        points=before | after,
        removed=pl.when(before | after).then(nothing).otherwise(removed),
    ).sort(KEY)


def _without(table: pl.DataFrame, places: np.ndarray) -> pl.DataFrame:
    return table.filter(pl.Series(~np.isin(packed_places(table), places)))


def _sorted(kept: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    table = pl.concat([kept, new])
    return table[np.argsort(packed_places(table), kind="stable")]
