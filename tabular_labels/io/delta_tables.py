"""The rows of a delta: made from edits, read from files, two made one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl

from tabular_labels.io.disk_rows import disk_table
from tabular_labels.io.manifest import Delta
from tabular_labels.io.parquet_edits import KEY, packed_key, scan_files
from tabular_labels.model.edits import REPLACED, EditSet, packed_places
from tabular_labels.model.schema import TABLES
from tabular_labels.model.tables import LabelTables

__all__ = ["DeltaTables", "merge_deltas", "read_delta"]


PointsBetween: TypeAlias = Callable[[int, int], pl.DataFrame]
"""Gives the points at packed places from the first on and below the second."""

_INSTANCES_AT_ONCE = 8_192
_BEYOND = 2**64 - 1  # no place is packed into it


@dataclass(frozen=True)
class DeltaTables:
    """What the four files of a delta hold: disk columns, canonical order.

    Points, of which there may be millions, are made when they are written, place by place.
    """

    replaced: pl.DataFrame
    frames: pl.DataFrame
    instances: pl.DataFrame
    points_between: PointsBetween

    @classmethod
    def of(cls, edits: EditSet) -> DeltaTables:
        """Add the keys that are on disk only."""
        rows = LabelTables(edits.catalog, edits.frames, edits.instances)
        instances = disk_table(rows, "instances")
        return cls(edits.replaced, edits.frames, instances, _points_of(edits))

    def pieces(self, name: str) -> Iterator[pl.DataFrame]:
        """Return one of the tables in pieces, one at least."""
        if name != "points":
            yield getattr(self, name)
            return
        places = packed_places(self.instances)[_INSTANCES_AT_ONCE::_INSTANCES_AT_ONCE]
        for first, stop in pairwise([0, *np.unique(places).tolist(), _BEYOND]):
            yield self.points_between(first, stop)


def _points_of(edits: EditSet) -> PointsBetween:
    """Give points of edits."""
    places = packed_places(edits.with_points.frames)

    def between(first: int, stop: int) -> pl.DataFrame:
        frames = np.searchsorted(places, np.array([first, stop], np.uint64))
        return disk_table(edits.tables_with_points(slice(*frames.tolist())), "points")

    return between


def _points_in(file: Path) -> PointsBetween:
    """Give points of a file."""
    plan = scan_files([file], TABLES["points"].disk_columns)

    def between(first: int, stop: int) -> pl.DataFrame:
        video, index = (pl.col(name) for name in KEY)
        last = stop - 1
        # Plain ranges let the reader skip row groups; the keys decide.
        near = video.is_between(first >> 32, last >> 32)
        if first >> 32 == last >> 32:
            near = near & index.is_between(first % 2**32, last % 2**32)
        here = packed_key().is_between(pl.lit(first, pl.UInt64), pl.lit(last, pl.UInt64))
        return plan.filter(near & here).collect()

    return between


def read_delta(root: Path, delta: Delta) -> DeltaTables:
    """Read a delta's files."""
    columns = {name: TABLES[name].disk_columns for name in ("frames", "instances")}
    plans = [scan_files([root / delta.replaced.path], REPLACED)]
    plans += [scan_files([root / delta.file(name).path], each) for name, each in columns.items()]
    replaced, frames, instances = pl.collect_all(plans)
    return DeltaTables(replaced, frames, instances, _points_in(root / delta.points.path))


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

    def between(first: int, stop: int) -> pl.DataFrame:
        before = old.points_between(first, stop)
        left = before.filter(
            pl.Series(~np.isin(packed_places(before), held))
            & ~before["instance_id"].is_in(gone.implode())
        )
        return _sorted(left, new.points_between(first, stop))

    return DeltaTables(
        _merged_lists(old.replaced, new.replaced),
        _sorted(_without(old.frames, again), new.frames),
        _sorted(_without(old.instances, again), new.instances),
        between,
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
