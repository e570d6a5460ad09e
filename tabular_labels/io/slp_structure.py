"""Frames and instances of a ``.slp`` file in canonical order, with links between them resolved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.io.hdf5_extents import Extents
from tabular_labels.io.hdf5_records import Records
from tabular_labels.io.slp_frames import FrameRows
from tabular_labels.io.slp_instances import InstanceRows
from tabular_labels.io.slp_pieces import nullable_keys
from tabular_labels.io.slp_references import NO_ROW, Known
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.schema import FRAMES, INSTANCES, KIND
from tabular_labels.model.tables import Structure

__all__ = ["Leftovers", "read_structure"]


@dataclass(frozen=True)
class Leftovers:
    """What was read but has no place in the tables.

    Attributes:
        counts: What was left out, and how many.
        dangling: References to predictions in no frame, read as null.
        ids_are_rows: Whether instances are numbered by their rows.
        points_in_order: Whether points stand in the order of the instances, without gaps.
    """

    counts: Mapping[str, int]
    dangling: int
    ids_are_rows: bool
    points_in_order: bool


def read_structure(
    frames: Records,
    instances: Records,
    known: Known,
    extents: tuple[Extents | None, Extents | None],
) -> tuple[Structure, Leftovers]:
    """Read frames and instances into canonical order, checking every range and reference.

    Args:
        frames: The table of frames.
        instances: The table of instances.
        known: What they may refer to.
        extents: Where the rows of both tables stand.

    Returns:
        The structure, whose ids are row numbers of the file, and what was left out.

    Raises:
        FileFormatError: A reference or range is out of bounds, or ranges overlap.
    """
    found = FrameRows(frames, instances, known)
    found.read(extents[0])
    rows = InstanceRows(instances, known)
    rows.read(extents[1])
    return _assemble(found, rows, known)


def _assemble(frames: FrameRows, rows: InstanceRows, known: Known) -> tuple[Structure, Leftovers]:
    n_rows = rows.records.rows
    order = frames.canonical_order()
    is_negative, n_lost = frames.negative()
    frames_table = frames.table(order, is_negative, tuple(FRAMES.memory_columns))
    start, count = frames.start, frames.count
    if order is not None:
        start, count = start[order], count[order]
    offsets = offsets_of_counts(count)
    n_kept = int(offsets[-1])
    is_same = n_kept == n_rows and bool((start == offsets[:-1]).all())
    gather = None if is_same else ranges(start, count)
    frame_id = frames_table["frame_id"].to_numpy()
    source, dangling = _linked(rows, gather, n_kept)
    instances_table = _instance_table(rows, frame_id, count, offsets, gather, source)
    part, point_start = _places(rows, known, gather)
    n_nodes = known.n_nodes if len(known.n_nodes) else np.zeros(1, np.int64)
    structure = Structure(frames_table, instances_table, n_nodes, part, point_start)
    counts = {
        "instances in no frame": n_rows - n_kept,
        "points in no instance": sum(known.n_points) - sum(rows.n_covered),
        "negative marks without a frame": n_lost,
    }
    left = {what: n for what, n in counts.items() if n}
    return structure, Leftovers(left, dangling, rows.ids_are_rows, rows.points_in_order)


def _linked(rows: InstanceRows, gather: IntArray | None, n_kept: int) -> tuple[IntArray, int]:
    """Keep links to instances that are in a frame; a person's to predictions; count others."""
    n_rows = rows.records.rows
    given = np.flatnonzero(rows.source != NO_ROW)
    target = rows.source[given].astype(np.int64)
    inside = target < n_rows
    target[~inside] = 0
    reachable = inside & ((rows.kind[target] == 1) | (rows.kind[given] == 1))
    lost = ~reachable
    if gather is not None and n_kept != n_rows:
        is_kept = np.zeros(n_rows, bool)
        is_kept[gather] = True
        reachable &= is_kept[target]
        lost = ~reachable & is_kept[given]
    rows.source[given[~reachable]] = NO_ROW
    return rows.source, int(np.count_nonzero(lost))


def _instance_table(
    rows: InstanceRows,
    frame_id: IntArray,
    count: IntArray,
    offsets: IntArray,
    gather: IntArray | None,
    source: IntArray,
) -> pl.DataFrame:
    n = int(offsets[-1])
    place = np.arange(n, dtype=np.uint32)
    ids = place if gather is None else gather.astype(np.uint32)
    place = place - np.repeat(offsets[:-1].astype(np.uint32), count)

    def taken(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return values if gather is None else values[gather]

    return pl.DataFrame(
        {
            "instance_id": ids,
            "frame_id": np.repeat(frame_id, count),
            "instance_idx": place.astype(np.uint16),
            "skeleton_id": taken(rows.skeleton),
            "track_id": nullable_keys(taken(rows.track)),
            "kind": pl.Series(taken(rows.kind)).cat.to(KIND),
            "score": pl.Series(taken(rows.score)).fill_nan(None),
            "tracking_score": pl.Series(taken(rows.tracking_score)).fill_nan(None),
            "from_predicted": nullable_keys(taken(source)),
        },
        schema=INSTANCES.memory_columns,
    )


def _places(
    rows: InstanceRows, known: Known, gather: IntArray | None
) -> tuple[IntArray | None, IntArray | None]:
    """Say where each instance's points are; None when one table has them in order."""
    one_table = 0 in known.n_points
    if gather is None and one_table and rows.points_in_order:
        return None, None
    part, start = rows.kind, rows.point_start
    return (part, start) if gather is None else (part[gather], start[gather])
