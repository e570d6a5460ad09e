"""Filters: which rows a predicate over named columns keeps."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import polars as pl
from polars.io.plugins import register_io_source

from tabular_labels._types import BoolArray, Level
from tabular_labels.errors import QueryError
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries.denormalise import (
    frame_columns,
    frame_schema,
    instance_columns,
    instance_schema,
    point_columns,
    point_schema,
)
from tabular_labels.queries.select import (
    hide_points,
    kept_instances,
    select_frames,
    select_instances,
    select_points,
    without_empty,
)

__all__ = [
    "filter_tables",
    "is_by_row",
    "is_score",
    "keep_mask",
    "select_frames",
    "select_instances",
    "used_columns",
    "without_empty",
]


def is_score(name: str) -> bool:
    """Tell whether a named column holds scores, which user instances do not have.

    Examples:
        >>> [is_score(name) for name in ("instance_score", "head.score", "head.x")]
        [True, True, False]
    """
    return name in ("score", "instance_score", "tracking_score") or name.endswith(".score")


def used_columns(predicate: pl.Expr, schema: pl.Schema) -> list[str]:
    """Name the columns that an expression reads, selectors included.

    Args:
        predicate: Any expression.
        schema: The columns it may read.

    Returns:
        Names in the order of the schema.

    Raises:
        QueryError: It names another column, or is not valid on these.

    Examples:
        >>> schema = pl.Schema({"x": pl.Float64(), "y": pl.Float64(), "node": pl.String()})
        >>> used_columns(pl.any_horizontal(pl.col(pl.Float64) > 3), schema)
        ['x', 'y']
    """
    asked: list[str] = []

    def note(
        columns: list[str] | None,
        _predicate: pl.Expr | None,
        _n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        asked.extend(schema if columns is None else columns)
        yield pl.DataFrame(schema={name: schema[name] for name in asked})

    # The planner knows what `pl.all()`, a pattern or a selector stands for.
    source = register_io_source(note, schema=schema)
    try:
        source.select(predicate.alias("keep")).collect()
    except pl.exceptions.PolarsError as error:
        raise _not_valid(predicate, schema, error) from error
    return [name for name in schema if name in asked]


def is_by_row(predicate: pl.Expr, schema: pl.Schema) -> bool:
    """Tell whether each row of a table decides for itself, so that a table may be cut up.

    Args:
        predicate: One boolean expression over some columns.
        schema: The columns it may read.

    Examples:
        >>> schema = pl.Schema({"x": pl.Float64()})
        >>> is_by_row(pl.col("x") > 3, schema), is_by_row(pl.col("x") > pl.col("x").mean(), schema)
        (True, False)
    """

    def nothing(*_: object) -> Iterator[pl.DataFrame]:
        yield from ()

    # The planner lets a source judge such predicates, and keeps every other for itself.
    source = register_io_source(nothing, schema=schema)
    try:
        plan = source.filter(predicate).explain()
    except pl.exceptions.PolarsError as error:
        raise _not_valid(predicate, schema, error) from error
    return plan.startswith("PYTHON SCAN")


def _not_valid(predicate: pl.Expr, schema: Collection[str], error: Exception) -> QueryError:
    reason = str(error).partition("\n")[0]
    return QueryError(
        f"the expression {predicate} cannot be answered: {reason}. "
        f"Expected one boolean over the columns {list(schema)}. Use those."
    )


def keep_mask(
    table: pl.DataFrame, predicate: pl.Expr, score_columns: Collection[str] | None = None
) -> BoolArray:
    """Tell which rows a predicate keeps.

    A row is kept where the predicate is true, and where it is null because a score is
    missing: of the columns it reads, at least one score is null there and nothing else
    is. So ``score > 0.5`` keeps user instances, which have none. Any other null drops.

    Args:
        table: Named columns, at least those the predicate reads.
        predicate: One boolean expression.
        score_columns: Columns that hold scores; by default those that `is_score` knows.

    Returns:
        bool, one per row.

    Raises:
        QueryError: The expression reads other columns, or is not one boolean per row.

    Examples:
        >>> table = pl.DataFrame({"score": [0.9, 0.1, None], "x": [1.0, 2.0, 3.0]})
        >>> keep_mask(table, pl.col("score") > 0.5).tolist()
        [True, False, True]
    """
    try:
        answers = table.select(predicate)
    except pl.exceptions.PolarsError as error:
        raise _not_valid(predicate, table.columns, error) from error
    if answers.width != 1 or answers.dtypes[0] not in (pl.Boolean, pl.Null):
        raise _not_valid(predicate, table.columns, TypeError(f"it gives {answers.schema}"))
    answer = answers.to_series().cast(pl.Boolean)
    if answer.len() == 1 and table.height != 1:
        answer = answer.new_from_index(0, table.height)
    if answer.len() != table.height:
        reason = TypeError(f"it gives {answer.len()} values for {table.height} rows")
        raise _not_valid(predicate, table.columns, reason)
    if answer.null_count():
        used = used_columns(predicate, table.schema)
        scores = [n for n in used if (is_score(n) if score_columns is None else n in score_columns)]
        others = [name for name in used if name not in scores]
        answer = table.select(
            pl.when(answer.is_null()).then(_any_null(scores) & ~_any_null(others)).otherwise(answer)
        ).to_series()
    mask: BoolArray = answer.to_numpy()
    return mask


def _any_null(columns: Sequence[str]) -> pl.Expr:
    return pl.any_horizontal([pl.lit(value=False), *(pl.col(name).is_null() for name in columns)])


def filter_tables(
    tables: LabelTables,
    *,
    frames: pl.Expr | None = None,
    instances: pl.Expr | None = None,
    points: pl.Expr | None = None,
    drop_empty: bool = False,
) -> LabelTables:
    """Keep the frames, instances and points for which expressions over named columns hold.

    Each expression sees the rows as they were, and the columns of its level; see
    `keep_mask` for missing scores.

    Args:
        tables: Any labels.
        frames: Frames to keep, with their instances.
        instances: Instances to keep.
        points: Points to keep; the others become missing, their rows stay.
        drop_empty: Whether frames without instances go, too. Frames marked as negative
            stay.

    Returns:
        New tables with the same catalogue and keys; columns that do not change are shared.

    Raises:
        QueryError: An expression is not valid on its level's columns.

    Examples:
        >>> filter_tables(LabelTables(), instances=pl.col("score") > 0.5).instances.height
        0
    """
    frame_mask = None if frames is None else _mask(tables, "frames", frames)
    instance_mask = None if instances is None else _mask(tables, "instances", instances)
    kept_points = tables.points
    if points is not None:
        kept_points = hide_points(kept_points, _mask(tables, "points", points))
    if drop_empty:
        frame_mask = without_empty(tables.structure, frame_mask, instance_mask)
    structure = select_instances(tables.structure, frame_mask, instance_mask)
    if structure.instances.height != tables.instances.height:
        kept = kept_instances(tables.structure, frame_mask, instance_mask)
        kept_points = select_points(kept_points, tables.point_offsets, kept)
    return LabelTables(tables.catalog, structure.frames, structure.instances, kept_points)


def _mask(tables: LabelTables, level: Level, predicate: pl.Expr) -> BoolArray:
    """Judge a predicate on the columns it reads."""
    catalog, structure, points = tables.catalog, tables.structure, tables.points
    if level == "frames":
        # Some column is needed, or there would be no rows to judge.
        used = used_columns(predicate, frame_schema(catalog)) or ["frame_idx"]
        return keep_mask(frame_columns(catalog, structure, used), predicate)
    if level == "instances":
        used = used_columns(predicate, instance_schema(catalog)) or ["frame_idx"]
        return keep_mask(instance_columns(catalog, structure, points, used), predicate)
    used = used_columns(predicate, point_schema(catalog)) or ["frame_idx"]
    return keep_mask(point_columns(catalog, structure, points, used), predicate)
