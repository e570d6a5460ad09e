"""Bring values of instances that were edited into a snapshot whose rows stay."""

from __future__ import annotations

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.tables import Catalog
from tabular_labels.store.records import NONE, InstanceRecord, PointValues
from tabular_labels.store.rows import Rows
from tabular_labels.store.snapshot import Snapshot

__all__ = ["has_only_values", "point_table", "with_values"]


def has_only_values(rows: Rows) -> bool:
    """Tell whether no frame and no instance was added, removed or moved."""
    if rows.frame_records:
        return False
    find, skeletons = rows.instance_handles.find, rows.columns.skeleton_id
    for handle, record in rows.instance_records.items():
        row = find(handle)
        if isinstance(record, InstanceRecord):
            if row < 0 or skeletons[row] != record.skeleton_id:
                return False
        elif row >= 0:
            return False
    return True


def with_values(rows: Rows, catalog: Catalog) -> Snapshot:
    """Return the snapshot below with the values that were set since.

    Only the columns that differ are made anew; frames, offsets and the order of the list
    are shared.

    Args:
        rows: Where `has_only_values` holds.
        catalog: The small tables of now.
    """
    find, base = rows.instance_handles.find, rows.base
    edited = sorted(
        (find(handle), record)
        for handle, record in rows.instance_records.items()
        if isinstance(record, InstanceRecord)
    )
    made = base if catalog is base.catalog else base.with_catalog(catalog)
    if not edited:
        return made
    records = [record for _, record in edited]
    at = np.array([row for row, _ in edited], np.int64)
    instances = _with_columns(base.structure.instances, at, _columns(rows, records))
    if instances is not None:
        made = made.with_instances(instances)
    is_set = np.array([record.points is not None for record in records], np.bool_)
    if bool(is_set.any()):
        points = [record.points for record in records if record.points is not None]
        made = made.with_points(at[is_set], point_table(points))
    return made


def _columns(rows: Rows, records: list[InstanceRecord]) -> dict[str, pl.Series]:
    """Encode what may be set on an instance; -1 and NaN are null."""
    origins = [
        rows.instance_id(r.origin) if r.origin >= 0 and rows.has_instance(r.origin) else NONE
        for r in records
    ]
    keys = {"track_id": [r.track_id for r in records], "from_predicted": origins}
    scores = {
        "score": [r.score for r in records],
        "tracking_score": [r.tracking_score for r in records],
    }
    made = {name: pl.Series(name, key, pl.Int64).replace(NONE, None) for name, key in keys.items()}
    for name, score in scores.items():
        made[name] = pl.Series(name, score, pl.Float32).fill_nan(None)
    return made


def _with_columns(
    instances: pl.DataFrame, at: IntArray, columns: dict[str, pl.Series]
) -> pl.DataFrame | None:
    """Put values into rows; None when all are there already."""
    changed = []
    for name, values in columns.items():
        old = instances[name]
        new = values.cast(old.dtype)
        if not old.gather(at).equals(new, null_equal=True):
            # `scatter` changes a series in place, and copies what others share first.
            changed.append(old.clone().scatter(at, new))
    return instances.with_columns(changed) if changed else None


def point_table(values: list[PointValues]) -> pl.DataFrame:
    """Put points of instances one after another: the columns in memory, missing as null."""
    xy = np.concatenate([one.xy for one in values])
    score = np.concatenate([one.score for one in values])
    return pl.DataFrame(
        {
            "x": pl.Series(np.ascontiguousarray(xy[:, 0])).fill_nan(None),
            "y": pl.Series(np.ascontiguousarray(xy[:, 1])).fill_nan(None),
            "visible": np.concatenate([one.visible for one in values]),
            "complete": np.concatenate([one.complete for one in values]),
            "score": pl.Series(score).fill_nan(None),
        }
    )
