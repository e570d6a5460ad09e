"""`Labels.update`: values for all rows that a predicate chooses."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import IntArray, Level
from tabular_labels.bulk import replace_frames, replace_instances, set_points
from tabular_labels.errors import QueryError, UnknownTrackError
from tabular_labels.levels import LevelReader
from tabular_labels.model.buffers import key_values, nan_under_nulls, narrow_keys
from tabular_labels.model.offsets import narrow_rows, offsets_of_counts
from tabular_labels.model.track import Track
from tabular_labels.queries.filter import used_columns
from tabular_labels.store.catalog_edits import track_key
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.store.store import Store
from tabular_labels.tracking import with_tracks

__all__ = ["SETTABLE", "chosen_rows", "set_rows", "set_values"]

_AT_ONCE = 16_384  # instances

SETTABLE: dict[Level, dict[str, Any]] = {
    "frames": {"is_negative": pl.Boolean},
    "instances": {
        "track": None,
        "track_id": None,
        "score": pl.Float32,
        "tracking_score": pl.Float32,
    },
    "points": {
        "x": pl.Float64,
        "y": pl.Float64,
        "visible": pl.Boolean,
        "complete": pl.Boolean,
        "score": pl.Float64,
    },
}
"""Columns that `Labels.update` sets, with their dtypes."""


def chosen_rows(snapshot: Snapshot, level: Level, where: object) -> IntArray:
    """Return the rows of a level for which a predicate is true, ascending; null is not.

    Raises:
        QueryError: It is no boolean expression over the level's columns.
    """
    counts = snapshot.counts
    if where is None:
        return np.arange(getattr(counts, level))
    if not isinstance(where, pl.Expr):
        message = (
            f"found the predicate {where!r}, expected a polars expression. "
            'Write, for example, pl.col("score") < 0.3.'
        )
        raise QueryError(message)
    return LevelReader(snapshot, level).choose(where, ())


def set_values(store: Store, level: Level, values: Mapping[str, Any], where: pl.Expr | None) -> int:
    """Set columns of the rows for which a predicate is true, see `Labels.update`."""
    unknown = [name for name in values if name not in SETTABLE[level]]
    if unknown or not values:
        message = (
            f"found {list(values)} to be set on {level}, expected some of "
            f"{list(SETTABLE[level])}. Set those."
        )
        raise QueryError(message)
    if "track" in values and "track_id" in values:
        message = "found both track and track_id, expected one of them. Leave one out."
        raise QueryError(message)
    rows = chosen_rows(store.snapshot, level, where)
    set_rows(store, level, values, rows)
    return len(rows)


def set_rows(store: Store, level: Level, values: Mapping[str, Any], rows: IntArray) -> None:
    """Set columns of rows of the snapshot of now.

    Args:
        store: The labels' rows.
        level: Whose rows.
        values: By column: a constant, or an expression over those rows.
        rows: Row numbers, ascending.
    """
    if not len(rows):
        return
    store.settle_in_one_piece()
    with store.step():
        made = {name: _values(store, level, name, value, rows) for name, value in values.items()}
        _APPLY[level](store, rows, made)


def _values(store: Store, level: Level, name: str, value: Any, rows: IntArray) -> pl.Series:
    """Work out what the chosen rows get: one value for all, or that of an expression."""
    if name in ("track", "track_id"):
        return _track_keys(store, value, rows)
    dtype = SETTABLE[level][name]
    if isinstance(value, pl.Expr):
        found = _evaluated(store.snapshot, level, value, rows)
    else:
        found = pl.Series([value]).new_from_index(0, len(rows))
    try:
        made = found.cast(dtype)
    except pl.exceptions.PolarsError as error:
        message = f"{name}: found values of type {found.dtype}, expected {dtype}. Cast them."
        raise QueryError(message) from error
    made = made.fill_nan(None) if made.dtype.is_float() else made
    if made.dtype == pl.Boolean and made.null_count():
        message = f"{name}: found {made.null_count()} nulls, expected true or false. Fill them."
        raise QueryError(message)
    return made


def _evaluated(snapshot: Snapshot, level: Level, value: pl.Expr, rows: IntArray) -> pl.Series:
    reader = LevelReader(snapshot, level)
    used = used_columns(value, reader.schema()) or ["frame_idx"]
    table = _read_rows(reader, snapshot, level, used, rows).select(value.alias("value"))
    if table.height == 1 and len(rows) != 1:
        return table.to_series().new_from_index(0, len(rows))
    if table.height != len(rows):
        message = f"found {table.height} values for {len(rows)} rows, expected one for each."
        raise QueryError(message)
    return table.to_series()


def _read_rows(
    reader: LevelReader, snapshot: Snapshot, level: Level, used: list[str], rows: IntArray
) -> pl.DataFrame:
    """Make columns of some rows of a level."""
    if level == "frames":
        return reader.whole(used)[rows]
    if level == "instances":
        return reader.read(used, rows)
    structure = snapshot.structure
    # All points of an instance are read, so that some instances at a time are in memory.
    of = structure.instances_of_points(rows)
    touched = np.flatnonzero(np.diff(of, prepend=-1) > 0)
    tables = []
    for some in pairwise([*touched[::_AT_ONCE].tolist(), len(rows)]):
        mine = touched[slice(*np.searchsorted(touched, some))]
        instances, points = of[mine], rows[slice(*some)]
        starts = offsets_of_counts(structure.point_counts(instances))[:-1]
        shift = starts - structure.first_points(instances)
        at = np.repeat(shift, np.diff(mine, append=some[1])) + points
        tables.append(reader.read(used, instances)[at])
    return pl.concat(tables)


def _track_keys(store: Store, value: Any, rows: IntArray) -> pl.Series:
    """Return keys of tracks, -1 for none, for a track, a name, None or an expression."""
    if value is None or isinstance(value, Track):
        return pl.Series(np.full(len(rows), track_key(store, value), np.int64))
    if isinstance(value, str):
        return pl.Series(np.full(len(rows), _key_of_name(store, value), np.int64))
    if not isinstance(value, pl.Expr):
        message = (
            f"track: found {value!r}, expected a Track, a name, None or an expression. "
            "Use one of `labels.tracks`."
        )
        raise QueryError(message)
    found = _evaluated(store.snapshot, "instances", value, rows)
    if found.dtype.is_integer():
        keys = key_values(found.cast(pl.UInt32))
        lost = np.setdiff1d(keys[keys >= 0], list(store.objects.track_by_id))
        if len(lost):
            raise UnknownTrackError(int(lost[0]), list(store.objects.track_by_id))
        return pl.Series(keys)
    names = found.cast(pl.String)
    keys_of = {name: _key_of_name(store, name) for name in names.drop_nulls().unique().sort()}
    return names.replace_strict(keys_of | {None: -1}, return_dtype=pl.Int64)


def _key_of_name(store: Store, name: str) -> int:
    """Return the key of the only track of that name; a new name makes a new track."""
    same = [key for key, track in store.objects.track_by_id.items() if track.name == name]
    if len(same) > 1:
        message = f"track: found {len(same)} tracks named {name!r}, expected one. Pass a Track."
        raise QueryError(message)
    return same[0] if same else track_key(store, Track(0, name))


def _set_frames(store: Store, rows: IntArray, values: dict[str, pl.Series]) -> None:
    frames = store.snapshot.structure.frames
    replace_frames(store, frames.with_columns(_scattered(frames, rows, values)), rows)


def _set_instances(store: Store, rows: IntArray, values: dict[str, pl.Series]) -> None:
    instances = store.snapshot.structure.instances
    track = values.pop("track", values.pop("track_id", None))
    if track is not None:
        old, new = narrow_keys(instances["track_id"]), narrow_rows(track.to_numpy())
        keys = old.astype(np.promote_types(old.dtype, new.dtype))
        keys[rows] = new
        instances = with_tracks(instances, 0, instances.height, keys)
    columns = [*values, *(["track_id"] if track is not None else [])]
    made = instances.with_columns(_scattered(instances, rows, values))
    replace_instances(store, made, rows, columns)


def _scattered(
    table: pl.DataFrame, rows: IntArray, values: dict[str, pl.Series]
) -> list[pl.Series]:
    made = []
    for name, new in values.items():
        column = table[name].clone().scatter(rows, new.cast(table[name].dtype))
        made.append(nan_under_nulls(column))
    return [column.alias(name) for column, name in zip(made, values, strict=True)]


_APPLY: dict[Level, Any] = {
    "frames": _set_frames,
    "instances": _set_instances,
    "points": set_points,
}
