"""`Labels.filter`: predicates over named columns become a smaller snapshot."""

from __future__ import annotations

import polars as pl

from tabular_labels._types import BoolArray, Level
from tabular_labels.errors import QueryError
from tabular_labels.levels import LevelReader
from tabular_labels.queries.filter import select_instances, without_empty
from tabular_labels.store.snapshot import Snapshot

__all__ = ["filtered_snapshot"]


def filtered_snapshot(
    snapshot: Snapshot,
    frames: pl.Expr | None,
    instances: pl.Expr | None,
    points: pl.Expr | None,
    *,
    drop_empty: bool,
) -> Snapshot:
    """Keep the rows for which the expressions hold, see `Labels.filter`.

    Points are judged before instances and frames go, so that every expression sees
    the rows as they were.
    """
    predicates: tuple[object, ...] = (frames, instances, points)
    for predicate in predicates:
        if predicate is not None and not isinstance(predicate, pl.Expr):
            message = (
                f"found the predicate {predicate!r}, expected a polars expression. "
                'Write, for example, pl.col("score") > 0.5.'
            )
            raise QueryError(message)
    structure = snapshot.structure
    hidden = None if points is None else ~_mask(snapshot, "points", points)
    of_instances = None if instances is None else _mask(snapshot, "instances", instances)
    of_frames = None if frames is None else _mask(snapshot, "frames", frames)
    if drop_empty:
        of_frames = without_empty(structure, of_frames, of_instances)
    if hidden is not None:
        snapshot = snapshot.with_hidden_points(hidden)
        structure = snapshot.structure
    if of_frames is None and of_instances is None:
        return snapshot
    return snapshot.restricted(select_instances(structure, of_frames, of_instances))


def _mask(snapshot: Snapshot, level: Level, predicate: pl.Expr) -> BoolArray:
    return LevelReader(snapshot, level).judge(predicate)
