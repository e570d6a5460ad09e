"""Bring the edited frames and instances of a project into the place of the old ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.buffers import nan_under_nulls
from tabular_labels.model.edits import packed_places, place_bounds
from tabular_labels.model.offsets import (
    instance_offsets,
    narrow_rows,
    offsets_of_counts,
    ranges,
    rows_of_ids,
)
from tabular_labels.model.schema import FRAMES, INSTANCES
from tabular_labels.model.tables import Structure

__all__ = [
    "DeltaRows",
    "EditedRows",
    "LostPointsError",
    "edited_rows",
    "patch_structure",
    "patch_tables",
]

Table = TypeVar("Table", pl.DataFrame, pl.Series)

# Slices are put together without a copy; above so many runs gathering is faster.
_MOST_SLICES = 4096
_STEP = 2**18  # rows that are gathered together
IN_SHARD = -1


class LostPointsError(Exception):
    """Points that a delta left where they were are not there; names the instances."""


@dataclass(frozen=True)
class DeltaRows:
    """The frames and instances of one delta.

    Attributes:
        frames: Disk columns.
        instances: Disk columns.
        has_points: Whether an instance's points are in the delta: bool.
        point_start: First row of its points, of all parts together, where they are.
    """

    frames: pl.DataFrame
    instances: pl.DataFrame
    has_points: BoolArray
    point_start: IntArray


@dataclass(frozen=True)
class EditedRows:
    """The current rows of all edited places, canonical order.

    Attributes:
        keys: The edited places, packed, sorted; each with or without rows.
        in_shard: Which of these have their points in a shard.
        frames: Disk columns.
        instances: Disk columns.
        point_start: First row of each instance's points, of all parts together;
            -1 where they are in a shard, and only its instances say where.
        removed: Instances that the shards still hold points of, canonical order.
    """

    keys: IntArray
    in_shard: BoolArray
    frames: pl.DataFrame
    instances: pl.DataFrame
    point_start: IntArray
    removed: IntArray

    def at(self, places: IntArray) -> EditedRows:
        """Keep the rows of some places, packed; more instances may be named as removed."""
        mine = np.isin(self.keys, places)
        frames, instances = (
            np.isin(packed_places(table), places) for table in (self.frames, self.instances)
        )
        return EditedRows(
            self.keys[mine],
            self.in_shard[mine],
            self.frames.filter(pl.Series(frames)),
            self.instances.filter(pl.Series(instances)),
            self.point_start[instances],
            self.removed,
        )


def edited_rows(
    owners: pl.DataFrame, removed: pl.DataFrame, deltas: Sequence[DeltaRows]
) -> EditedRows:
    """Choose the current rows of the deltas.

    Args:
        owners: See `Edits.owners`.
        removed: See `Edits.removed`.
        deltas: By number.

    Raises:
        LostPointsError: Points that a delta left where they were are not there.
    """
    keys = owners["key"].to_numpy()
    owner = owners["delta"].to_numpy()
    holder = owners["points"].cast(pl.Int64).fill_null(IN_SHARD).to_numpy()
    frames, instances, starts = [FRAMES.empty()[:0]], [], []
    for number, delta in enumerate(deltas):
        if not delta.frames.height:
            continue
        mine = np.isin(packed_places(delta.frames), keys[owner == number])
        frames.append(delta.frames.filter(pl.Series(mine)))
        places = packed_places(delta.instances)
        mine = np.isin(places, keys[owner == number])
        chosen = delta.instances.filter(pl.Series(mine))
        at = np.searchsorted(keys, places[mine])
        start = np.where(delta.has_points, delta.point_start, IN_SHARD)[mine]
        for part in np.unique(holder[at]).tolist():
            if part not in (IN_SHARD, number):
                wanted = holder[at] == part
                start[wanted] = _starts_in(deltas[part], chosen.filter(pl.Series(wanted)))
        instances.append(chosen)
        starts.append(start)
    _check_removed(keys, holder, owner, removed, deltas)
    table = pl.concat(instances) if instances else pl.DataFrame(schema=INSTANCES.disk_columns)
    start = np.concatenate(starts) if starts else np.empty(0, np.int64)
    order = np.argsort(packed_places(table), kind="stable")
    whole = pl.concat(frames)
    return EditedRows(
        keys,
        holder == IN_SHARD,
        whole[np.argsort(packed_places(whole), kind="stable")],
        table[order],
        start[order],
        removed.filter(pl.col("part").is_null())["instance_id"].to_numpy(),
    )


def _starts_in(delta: DeltaRows, instances: pl.DataFrame) -> IntArray:
    """Find the points of instances in an older delta."""
    held = delta.instances["instance_id"].to_numpy()[delta.has_points]
    rows = rows_of_ids(held, instances["instance_id"].to_numpy())
    if len(rows) and int(rows.min()) < 0:
        raise _lost(instances["instance_id"].to_numpy()[rows < 0])
    starts: IntArray = delta.point_start[delta.has_points][rows]
    return starts


def _check_removed(
    keys: IntArray,
    holder: IntArray,
    owner: IntArray,
    removed: pl.DataFrame,
    deltas: Sequence[DeltaRows],
) -> None:
    """Compare the instances of points that were left in a delta with those left over."""
    for part in np.unique(holder[(holder != owner) & (holder != IN_SHARD)]).tolist():
        places = keys[(holder == part) & (owner != part)]
        old = deltas[part].instances
        held = old.filter(pl.Series(np.isin(packed_places(old), places)))["instance_id"]
        gone = removed.filter(pl.col("part") == part)["instance_id"].to_numpy()
        now = [
            (number, each.instances.filter(pl.Series(np.isin(packed_places(each.instances), some))))
            for number, each in enumerate(deltas)
            if len(some := keys[(holder == part) & (owner == number) & (owner != part)])
        ]
        table = pl.concat([rows.select("video_id", "frame_idx", "instance_id") for _, rows in now])
        kept = table[np.argsort(packed_places(table), kind="stable")]["instance_id"].to_numpy()
        require_same(held.to_numpy(), gone, kept)


def require_same(held: IntArray, gone: IntArray, kept: IntArray) -> None:
    """Require that instances are those that points were kept of, without the removed ones.

    Raises:
        LostPointsError: They are others, or in another order.
    """
    left = held[~np.isin(held, gone)]
    if len(left) != len(kept) or not bool((left == kept).all()):
        others = np.setxor1d(left, kept)
        raise _lost(others if len(others) else kept)


def _lost(ids: IntArray) -> LostPointsError:
    message = f"{len(ids)} instances (first: {', '.join(map(str, ids[:5].tolist()))})"
    return LostPointsError(message)


def patch_structure(
    base: Structure, edited: EditedRows, n_nodes: IntArray, shard_points: int
) -> Structure:
    """Put edited rows into the place of the old ones, which are shared.

    Args:
        base: Of the shards, or of an earlier version or state with the same shards.
        edited: All edited places, also those that ``base`` has rows of already.
        n_nodes: Of the new state.
        shard_points: Rows of points that the shards hold together.

    Returns:
        A structure whose ``point_start`` counts the rows of all parts together. Few edits
        give columns of slices of ``base`` with new rows between.

    Raises:
        LostPointsError: Points that were left where they were are not there.
    """
    plan = _Plan(base, edited, shard_points)
    frames = plan.of_frames.table(base.frames, edited.frames)
    instances = plan.of_instances.table(base.instances, edited.instances)
    return plan.structure(frames, instances, n_nodes)


def patch_tables(
    tables: dict[str, pl.DataFrame],
    edited: EditedRows,
    n_nodes: IntArray,
    shard_points: int,
    point_start: IntArray | None = None,
) -> Structure:
    """Put edited rows into tables that were just read, each column into one piece.

    Args:
        tables: ``frames`` and ``instances``, which are taken out and let go column by
            column, so that none is there twice.
        edited: As for `patch_structure`.
        n_nodes: Of the new state.
        shard_points: Rows of points that the shards hold together.
        point_start: First point row of each instance, if they are not all in order.

    Returns:
        As `patch_structure`.

    Raises:
        LostPointsError: Points that were left where they were are not there.
    """
    base = Structure(tables["frames"], tables["instances"], n_nodes, None, point_start)
    plan = _Plan(base, edited, shard_points)
    del base
    frames = plan.of_frames.column_by_column(tables, "frames", edited.frames)
    instances = plan.of_instances.column_by_column(tables, "instances", edited.instances)
    return plan.structure(frames, instances, n_nodes)


class _Plan:
    """Where rows of a base and edited rows go; holds nothing of the base's tables."""

    def __init__(self, base: Structure, edited: EditedRows, shard_points: int) -> None:
        old, new = (place_bounds(each.frames, edited.keys) for each in (base, edited))
        new_offsets = instance_offsets(edited.frames, edited.instances)
        old_rows = tuple(base.instance_offsets[bound] for bound in old)
        new_rows = tuple(new_offsets[bound] for bound in new)
        self.of_frames = _Splice(old, new, base.frames.height)
        self.of_instances = _Splice(old_rows, new_rows, base.instances.height)
        # Known already, and dear to find where ids are not their rows.
        counts = self.of_frames.array(np.diff(base.instance_offsets), np.diff(new_offsets))
        self._offsets = offsets_of_counts(counts)
        del counts  # as large as what comes now
        starts = base.all_starts()
        new_starts = _find_in_shards(base, starts, edited, old_rows, shard_points)
        self._point_start = self.of_instances.array(starts, narrow_rows(new_starts))

    def structure(
        self, frames: pl.DataFrame, instances: pl.DataFrame, n_nodes: IntArray
    ) -> Structure:
        made = Structure(frames, instances, n_nodes, None, self._point_start)
        return made.with_offsets(self._offsets)


def _find_in_shards(
    base: Structure,
    starts: IntArray,
    edited: EditedRows,
    old_rows: tuple[IntArray, ...],
    shard_points: int,
) -> IntArray:
    """Fill in where the points of edited instances are that stayed in their shard."""
    missing = edited.point_start == IN_SHARD
    first, stop = (rows[edited.in_shard] for rows in old_rows)
    rows = ranges(first, stop - first)
    ids = base.instances["instance_id"].gather(rows).to_numpy()
    wanted = edited.instances["instance_id"].to_numpy()[missing]
    require_same(ids, edited.removed, wanted)
    found = starts[rows][rows_of_ids(ids, wanted)] if len(wanted) else wanted.astype(np.int64)
    if len(found) and int(found.max()) >= shard_points:
        raise _lost(wanted[found >= shard_points])
    result = edited.point_start.copy()
    result[missing] = found
    return result


class _Splice:
    """Runs of old rows with runs of new ones between, for one table."""

    def __init__(self, old: tuple[IntArray, ...], new: tuple[IntArray, ...], height: int) -> None:
        first = np.append(0, old[1])
        stop = np.append(old[0], height)
        kinds = np.zeros(2 * len(new[0]) + 1, np.bool_)
        kinds[1::2] = True
        begin, end = np.empty((2, len(kinds)), np.int64)
        begin[0::2], end[0::2] = first, stop
        begin[1::2], end[1::2] = new
        some = end > begin
        self.is_new, self.begin, self.end = kinds[some], begin[some], end[some]

    def table(self, old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
        """Put a table together, with the columns of the old one."""
        new = new.select(old.columns)
        if len(self.begin) > _MOST_SLICES:
            rows = self._rows(old.height)
            return pl.DataFrame([pl.concat([old[n], new[n]]).gather(rows) for n in old.columns])
        return pl.concat([old.clear(), *self._slices(old, new)], rechunk=False)

    def column_by_column(
        self, tables: dict[str, pl.DataFrame], name: str, new: pl.DataFrame
    ) -> pl.DataFrame:
        """Put a table together of columns of their own, and let each old one go."""
        columns, made = tables.pop(name).get_columns()[::-1], []
        while columns:
            old = columns.pop()
            made.append(self._column(old, new[old.name]))
        return pl.DataFrame(made)

    def _column(self, old: pl.Series, new: pl.Series) -> pl.Series:
        """Put a column together, in one piece; what is new goes the way of what is read."""
        new = nan_under_nulls(new)
        if len(self.begin) <= _MOST_SLICES:
            return pl.concat([old.clear(), *self._slices(old, new)], rechunk=True)
        both = pl.concat([old, new])
        # Gathering leaves zeros under nulls.
        parts = [nan_under_nulls(both.gather(rows)) for rows in self._row_steps(len(old))]
        return pl.concat(parts, rechunk=True)

    def _slices(self, old: Table, new: Table) -> list[Table]:
        return [(old, new)[is_new].slice(begin, n) for is_new, begin, n in self._runs()]

    def _runs(self) -> list[tuple[bool, int, int]]:
        length = self.end - self.begin
        return list(zip(self.is_new.tolist(), self.begin.tolist(), length.tolist(), strict=True))

    def _rows(self, height: int) -> IntArray:
        begin = np.where(self.is_new, self.begin + height, self.begin)
        return ranges(begin, self.end - self.begin)

    def _row_steps(self, height: int) -> Iterator[IntArray]:
        """Give `_rows` a step at a time; of millions they would take as much as two columns."""
        begin = np.where(self.is_new, self.begin + height, self.begin)
        stops = np.cumsum(self.end - self.begin)
        starts = stops - (self.end - self.begin)
        for first in range(0, int(stops[-1]), _STEP):
            last = min(first + _STEP, int(stops[-1]))
            here = slice(
                int(np.searchsorted(stops, first, side="right")),
                int(np.searchsorted(starts, last)),
            )
            low, high = np.maximum(starts[here], first), np.minimum(stops[here], last)
            yield ranges(begin[here] + low - starts[here], high - low)

    def array(self, old: IntArray, new: IntArray) -> npt.NDArray[np.int64]:
        """Put an array together."""
        if len(self.begin) > _MOST_SLICES:
            both = np.concatenate([old, new])
            return np.concatenate([both[rows] for rows in self._row_steps(len(old))])
        runs = [(old, new)[is_new][begin : begin + n] for is_new, begin, n in self._runs()]
        return np.concatenate([old[:0], *runs])
