"""Named columns of points or instances as rows of labels: who is which, and in what order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.errors import QueryError

__all__ = ["TableLevel", "TableRows", "level_of", "numbered", "stacked", "table_rows"]

TableLevel: TypeAlias = Literal["points", "instances", "frames"]

# Names that other programs give the same things.
_POINT_NAMES = {
    "video_path": "video",
    "track_score": "tracking_score",
    "node_name": "node",
}
_INSTANCE_NAMES = {
    "video_path": "video",
    "track_score": "tracking_score",
    "instance.score": "score",
    "instance_score": "score",
}
_OF_INSTANCE = (
    "video_id",
    "video",
    "frame_idx",
    "instance_idx",
    "skeleton",
    "track_id",
    "track",
    "kind",
    "instance_score",
    "tracking_score",
)


@dataclass(frozen=True)
class TableRows:
    """Instances with their points, sorted out of a table.

    Attributes:
        instances: One row per instance in order of appearance: ``video_id``, ``video``,
            ``frame_idx``, ``frame_id``, ``position``, ``is_negative``, ``skeleton``,
            ``track_id``, ``track``, ``kind``, ``score``, ``tracking_score``,
            ``instance_id``, ``from_predicted``; null where the table lacks them.
        empty: The same columns for labelled frames without instances.
        owner: Instance of each point.
        node: Name of each point's node.
        points: ``x``, ``y``, ``visible``, ``complete``, ``score`` of each point.
    """

    instances: pl.DataFrame
    empty: pl.DataFrame
    owner: IntArray
    node: pl.Series
    points: pl.DataFrame


_COLUMNS: dict[str, pl.DataType | type[pl.DataType]] = {
    "video_id": pl.Int64,
    "video": pl.String,
    "frame_idx": pl.Int64,
    "frame_id": pl.Int64,
    "position": pl.Int64,
    "is_negative": pl.Boolean,
    "skeleton": pl.String,
    "track_id": pl.Int64,
    "track": pl.String,
    "kind": pl.String,
    "score": pl.Float32,
    "tracking_score": pl.Float32,
    "instance_id": pl.Int64,
    "from_predicted": pl.Int64,
}


def level_of(columns: Sequence[str]) -> TableLevel:
    """Tell what the rows of a table are by its columns.

    Raises:
        QueryError: They are neither points, instances nor frames.

    Examples:
        >>> level_of(["frame_idx", "node", "x", "y"]), level_of(["frame_idx", "a.x", "a.y"])
        ('points', 'instances')
    """
    known = set(columns)
    if "frame_idx" in known:
        if {"x", "y"} <= known and known & {"node", "node_name"}:
            return "points"
        dotted = [name for name in columns if name.endswith(".x") and f"{name[:-1]}y" in known]
        if any(_place(name) is not None for name in dotted):
            return "frames"
        if dotted:
            return "instances"
    message = (
        f"found the columns {list(columns)[:12]}, expected frame_idx with node, x and y, or with "
        "{node}.x and {node}.y. Rename the columns."
    )
    raise QueryError(message)


def _place(name: str) -> int | None:
    """Return k of ``inst{k}.{node}.x``."""
    first, _, rest = name.partition(".")
    number = first.removeprefix("inst")
    return int(number) if number != first and number.isdecimal() and "." in rest else None


def stacked(table: pl.DataFrame) -> pl.DataFrame:
    """Put instances that stand side by side below each other, frame by frame.

    Examples:
        >>> wide = pl.DataFrame({"frame_idx": [4], "inst0.a.x": [1.0], "inst0.a.y": [2.0]})
        >>> stacked(wide).columns
        ['frame_idx', 'a.x', 'a.y', 'instance_idx']
    """
    of_places: dict[int, dict[str, str]] = {}
    for name in table.columns:
        first, _, rest = name.partition(".")
        number = first.removeprefix("inst")
        if rest and number != first and number.isdecimal():
            of_places.setdefault(int(number), {})[name] = rest
    wide = {name for names in of_places.values() for name in names}
    own = [name for name in table.columns if name not in wide]
    table = table.with_row_index("_row")
    parts = []
    for k, names in sorted(of_places.items()):
        filled = pl.any_horizontal(pl.col(list(names)).is_not_null())
        part = table.filter(filled).select("_row", *own, *names).rename(names)
        parts.append(part.with_columns(instance_idx=pl.lit(k)))
    rows = pl.concat(parts, how="diagonal_relaxed").sort("_row", maintain_order=True)
    return rows.drop("_row", *(n for n in rows.columns if n.startswith("n_")))


def table_rows(table: pl.DataFrame) -> TableRows:
    """Sort a table of points, instances or frames into instances and points.

    Points belong to one instance when they agree in ``instance_id``, or, without it, in
    all other columns of instances that there are; where a node repeats, the next
    instance begins.

    Args:
        table: The table, in any order of rows.

    Raises:
        QueryError: Columns are missing or of a wrong type, or an instance has a node twice.
    """
    level = level_of(table.columns)
    if level == "points":
        return _of_points(table)
    return _of_instances(stacked(table) if level == "frames" else table)


def _of_points(table: pl.DataFrame) -> TableRows:
    table = _renamed(table, _POINT_NAMES)
    _require_frames(table)
    alone = table["node"].is_null()
    empty = _facts(table.filter(alone), {})
    table = table.filter(~alone)
    owner, first = _instances_of(table)
    scored = _with(table, "score", pl.Float64).is_not_null().to_numpy()
    instances = _facts(table[first], {"instance_score": "score"})
    n_scored = np.bincount(owner[scored], minlength=len(first))
    instances = _with_kind(instances, n_scored > 0)
    points = _points(table)
    return TableRows(instances, _labelled(empty), owner, table["node"].cast(pl.String), points)


def _instances_of(table: pl.DataFrame) -> tuple[IntArray, IntArray]:
    """Return the instance of each row, numbered by appearance, and the first row of each."""
    if "instance_id" in table.columns and table["instance_id"].null_count() == 0:
        keys = ["instance_id"]
    else:
        keys = [name for name in _OF_INSTANCE if name in table.columns]
    rows = table.select(keys).with_columns(
        _node=table["node"].cast(pl.String), _row=pl.int_range(table.height)
    )
    if keys != ["instance_id"] and "instance_idx" not in keys:
        again = pl.int_range(pl.len()).over([*keys, "_node"])
        rows, keys = rows.with_columns(_again=again), [*keys, "_again"]
    first = rows.select(pl.col("_row").first().over(keys)).to_series().to_numpy()
    starts, owner = np.unique(first, return_inverse=True)
    twice = rows.select(pl.struct(*keys, "_node").is_duplicated()).to_series()
    if twice.any():
        row = rows.row(int(twice.arg_true()[0]), named=True)
        message = (
            f"found node {row['_node']!r} twice in one instance ({keys[0]} {row[keys[0]]}), "
            "expected each once. Give instances different instance_id."
        )
        raise QueryError(message)
    return owner, starts


def _of_instances(table: pl.DataFrame) -> TableRows:
    table = _renamed(table, _INSTANCE_NAMES)
    _require_frames(table)
    nodes = [
        name[:-2]
        for name in table.columns
        if name.endswith(".x") and f"{name[:-1]}y" in table.columns
    ]
    given = [c for node in nodes for c in (f"{node}.x", f"{node}.y", f"{node}.score")]
    given = [name for name in given if name in table.columns]
    keys = ("kind", "instance_id", "instance_idx")
    told: list[str] = [c for c in keys if c in table.columns]
    told = told or [c for c in (*given, "track", "score") if c in table.columns]
    there = table.select(pl.any_horizontal(pl.col(told).is_not_null())).to_series()
    empty = _labelled(_facts(table.filter(~there), {}))
    table = table.filter(there)
    n = table.height
    values = {
        value: np.stack(
            [_floats(_with(table, f"{node}.{value}", pl.Float64)) for node in nodes], axis=1
        )
        for value in ("x", "y", "score")
    }
    scored: BoolArray = np.logical_not(np.isnan(values["score"]).all(axis=1))
    instances = _with_kind(_facts(table, {}), scored)
    seen = ~(np.isnan(values["x"]) | np.isnan(values["y"]))
    points = pl.DataFrame(
        {
            "x": values["x"].reshape(-1),
            "y": values["y"].reshape(-1),
            "visible": seen.reshape(-1),
            "complete": np.zeros(seen.size, bool),
            "score": values["score"].reshape(-1),
        }
    ).with_columns(pl.col("x", "y", "score").fill_nan(None))
    names = pl.Series(nodes * n, dtype=pl.String)
    owner = np.repeat(np.arange(n), len(nodes))
    if "skeleton" in table.columns and table["skeleton"].n_unique() > 1:
        # Columns of another skeleton's nodes are there, but say nothing.
        kept = _of_their_skeleton(table["skeleton"].cast(pl.String), values)
        owner, names, points = owner[kept], names.filter(pl.Series(kept)), points.filter(kept)
    return TableRows(instances, empty, owner, names, points)


def _of_their_skeleton(skeleton: pl.Series, values: dict[str, FloatArray]) -> BoolArray:
    """Keep the nodes that any instance of the same skeleton has."""
    given = ~(np.isnan(values["x"]) & np.isnan(values["y"]) & np.isnan(values["score"]))
    codes = skeleton.fill_null("").rank("dense").to_numpy().astype(np.int64) - 1
    known = np.zeros((int(codes.max(initial=-1)) + 1, given.shape[1]), bool)
    np.logical_or.at(known, codes, given)
    kept: BoolArray = known[codes].reshape(-1)
    return kept


def _renamed(table: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    known = {k: v for k, v in names.items() if k in table.columns and v not in table.columns}
    return table.rename(known)


def _require_frames(table: pl.DataFrame) -> None:
    index = table["frame_idx"]
    if not index.dtype.is_numeric() or index.null_count():
        message = (
            f"found frame_idx of type {index.dtype} with {index.null_count()} nulls, "
            "expected whole numbers. Drop rows without a frame."
        )
        raise QueryError(message)


def _facts(table: pl.DataFrame, names: dict[str, str]) -> pl.DataFrame:
    """Take the columns of instances, null where there are none."""
    if names:
        table = table.drop(*(v for v in names.values() if v in table.columns))
        table = table.rename({k: v for k, v in names.items() if k in table.columns})
    return pl.DataFrame([_with(table, name, dtype) for name, dtype in _COLUMNS.items()])


def _with(table: pl.DataFrame, name: str, dtype: pl.DataType | type[pl.DataType]) -> pl.Series:
    if name not in table.columns:
        return pl.Series(name, [None], dtype=dtype).new_from_index(0, table.height)
    try:
        made = table[name].cast(dtype)
    except pl.exceptions.PolarsError as error:
        message = (
            f"column {name!r}: found values of type {table[name].dtype} that are no {dtype}, "
            "expected such. Cast the column."
        )
        raise QueryError(message) from error
    return made.fill_nan(None) if made.dtype.is_float() else made


def _with_kind(instances: pl.DataFrame, scored: BoolArray) -> pl.DataFrame:
    """Say what made instances that do not say it: what has a score was predicted."""
    scored = scored | instances["score"].is_not_null().to_numpy()
    guessed = pl.Series(np.where(scored, "predicted", "user"))
    return instances.with_columns(kind=pl.col("kind").fill_null(guessed))


def _labelled(frames: pl.DataFrame) -> pl.DataFrame:
    """Keep frames that are labelled; padding has no key."""
    return frames.filter(pl.col("frame_id").is_not_null())


def _points(table: pl.DataFrame) -> pl.DataFrame:
    made = {name: _with(table, name, pl.Float64) for name in ("x", "y", "score")}
    seen = made["x"].is_not_null() & made["y"].is_not_null()
    visible = _with(table, "visible", pl.Boolean)
    made["visible"] = visible.zip_with(visible.is_not_null(), seen)
    made["complete"] = _with(table, "complete", pl.Boolean).fill_null(value=False)
    return pl.DataFrame([made[k].alias(k) for k in ("x", "y", "visible", "complete", "score")])


def _floats(column: pl.Series) -> FloatArray:
    return column.fill_null(float("nan")).to_numpy()


def numbered(ids: pl.Series, names: pl.Series) -> tuple[IntArray, list[str]]:
    """Number things by key, or by name in order of appearance; null is -1.

    Args:
        ids: Keys, or all null.
        names: Names, null where unknown.

    Returns:
        The number of each row's thing, and the names by number.

    Examples:
        >>> numbered(pl.Series([7, 3, None]), pl.Series(["b", "a", None]))
        (array([ 1,  0, -1]), ['a', 'b'])
    """
    by_key = ids.null_count() < len(ids)
    key = ids if by_key else names
    first = pl.DataFrame({"key": key, "name": names.cast(pl.String)})
    first = first.filter(pl.col("key").is_not_null()).unique("key", maintain_order=True)
    first = first.sort("key") if by_key else first
    if first.is_empty():
        return np.full(len(key), -1), []
    places = key.replace_strict(
        first["key"], pl.Series(np.arange(first.height)), default=-1, return_dtype=pl.Int64
    )
    return places.fill_null(-1).to_numpy(), first["name"].fill_null("").to_list()
