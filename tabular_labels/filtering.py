"""`Labels.filter`: predicates over named columns become a smaller snapshot."""

from __future__ import annotations

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, Level
from tabular_labels.levels import LevelReader
from tabular_labels.queries.filter import keep_mask, select_instances
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
    structure = snapshot.structure
    hidden = None if points is None else ~_mask(snapshot, "points", points)
    of_instances = None if instances is None else _mask(snapshot, "instances", instances)
    of_frames = None if frames is None else _mask(snapshot, "frames", frames)
    if drop_empty:
        of_frames = _without_empty(snapshot, of_frames, of_instances)
    if hidden is not None:
        snapshot = snapshot.with_hidden_points(hidden)
        structure = snapshot.structure
    if of_frames is None and of_instances is None:
        return snapshot
    return snapshot.restricted(select_instances(structure, of_frames, of_instances))


def _mask(snapshot: Snapshot, level: Level, predicate: pl.Expr) -> BoolArray:
    reader = LevelReader(snapshot, level)
    # A predicate without columns still needs rows to be judged on.
    used = predicate.meta.root_names() or ["frame_idx"]
    masks = [keep_mask(reader.read(used, rows), predicate) for rows in reader.chunks()]
    return np.concatenate(masks) if masks else np.empty(0, bool)


def _without_empty(
    snapshot: Snapshot, of_frames: BoolArray | None, of_instances: BoolArray | None
) -> BoolArray:
    structure = snapshot.structure
    offsets = structure.instance_offsets
    kept = np.ones(structure.instances.height, bool) if of_instances is None else of_instances
    before = np.concatenate([[0], np.cumsum(kept)])
    occupied = before[offsets[1:]] > before[offsets[:-1]]
    keep: BoolArray = occupied | structure.frames["is_negative"].to_numpy()
    return keep if of_frames is None else keep & of_frames
