"""Bring a snapshot and the edits above it together in one new snapshot.

Frames that were not edited come as slices of the old tables, so nothing of them is
copied; on a scan their points stay where they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.errors import ForkedProcessError
from tabular_labels.model.buffers import is_forked, key_values
from tabular_labels.model.offsets import narrow_rows, offsets_of_counts
from tabular_labels.model.schema import FRAMES, INSTANCES, KIND, POINTS
from tabular_labels.model.tables import Catalog, LabelTables, Structure
from tabular_labels.store.derived import EXTRA, DerivedSource, same_points
from tabular_labels.store.fold_values import has_only_values, point_table, with_values
from tabular_labels.store.handles import Handles
from tabular_labels.store.records import FrameRecord, InstanceRecord, PointValues
from tabular_labels.store.rows import Rows
from tabular_labels.store.snapshot import Snapshot

__all__ = ["EditedFrames", "Folded", "edited_frames", "fold", "make_contiguous", "points_of"]

_POINT_COLUMNS = ("x", "y", "visible", "complete", "score")


@dataclass(frozen=True)
class Folded:
    """A snapshot with the handles of its rows."""

    snapshot: Snapshot
    frames: Handles
    instances: Handles


@dataclass(frozen=True)
class EditedFrames:
    """The frames that single edits touched, in canonical order, as small tables.

    Attributes:
        handles: Of the frames that are there.
        frames: Their rows; ``position`` is float64, as it may lie between others.
        counts: Number of instances of each.
        instance_handles: Of their instances.
        instances: Rows of their instances.
        n_points: Number of nodes of each instance.
        values: Points of each instance, None while they are those of the snapshot.
        replaced: Rows of the snapshot that no longer count, ascending.
        slots: Before which row of the snapshot each frame belongs.
    """

    handles: list[int]
    frames: pl.DataFrame
    counts: IntArray
    instance_handles: IntArray
    instances: pl.DataFrame
    n_points: IntArray
    values: list[PointValues | None]
    replaced: IntArray
    slots: IntArray


def fold(rows: Rows, catalog: Catalog) -> Folded:
    """Make a snapshot of how things stand now.

    Raises:
        ForkedProcessError: There are edits, and this process was forked.
    """
    base = rows.base
    if not rows.frame_records and not rows.instance_records:
        snapshot = base if catalog is base.catalog else base.with_catalog(catalog)
        return Folded(snapshot, rows.frame_handles, rows.instance_handles)
    if is_forked():
        what = "a query over edited labels"
        raise ForkedProcessError(what)
    if has_only_values(rows):
        return Folded(with_values(rows, catalog), rows.frame_handles, rows.instance_handles)
    edited = edited_frames(rows, _frames_to_fold(rows), catalog)
    pieces = _pieces(edited, base.counts.frames)
    offsets = base.structure.instance_offsets
    here = offsets_of_counts(edited.counts)
    of_instances = [
        (int(offsets[s]), int(offsets[e]), int(here[a]), int(here[b])) for s, e, a, b in pieces
    ]
    frames = _joined(base.structure.frames, _as_frames(edited), pieces)
    frame_handles = _handles(rows.frame_handles, np.array(edited.handles, np.int64), pieces)
    frames = _with_positions(rows, frames, frame_handles)
    instances = _joined(base.structure.instances, edited.instances, of_instances)
    counts = _joined_arrays(np.diff(offsets), edited.counts, pieces)
    return Folded(
        _snapshot(rows, catalog, edited, frames, instances, counts, of_instances),
        frame_handles,
        _handles(rows.instance_handles, edited.instance_handles, of_instances),
    )


def _frames_to_fold(rows: Rows) -> set[int]:
    """List the frames whose rows differ: edited ones, and those linked to what is gone."""
    touched = set(rows.frame_records)
    gone = []
    for handle, record in rows.instance_records.items():
        if isinstance(record, InstanceRecord):
            touched.add(record.frame)
        elif rows.instance_handles.find(handle) >= 0:
            gone.append(rows.instance_handles.find(handle))
    if gone:
        linked = rows.base.rows_linked_to(np.array(gone, np.int64))
        handles = rows.instance_handles.of(linked).tolist()
        touched |= {rows.frame_row(handle) for handle in handles if rows.has_instance(handle)}
    return touched


def edited_frames(rows: Rows, touched: set[int], catalog: Catalog) -> EditedFrames:
    """Gather frames as small tables."""
    there = [(rows.frame_record(handle), handle) for handle in touched if rows.has_frame(handle)]
    there.sort(key=lambda one: (one[0].place, one[0].position))
    records = [record for record, _ in there]
    found = [rows.frame_handles.find(handle) for handle in touched]
    replaced = np.array(sorted(row for row in found if row >= 0), np.int64)
    handles = np.array([i for record in records for i in record.instances], np.int64)
    counts = np.array([len(record.instances) for record in records], np.int64)
    instances, values = _instance_rows(rows, handles, records, counts)
    return EditedFrames(
        [handle for _, handle in there],
        pl.DataFrame(
            [record[:5] for record in records],
            schema={**FRAMES.memory_columns, "position": pl.Float64},
            orient="row",
        ),
        counts,
        handles,
        instances,
        catalog.n_nodes[instances["skeleton_id"].to_numpy()],
        values,
        replaced,
        np.array([_slot(rows, record, handle) for record, handle in there], np.int64),
    )


def _slot(rows: Rows, record: FrameRecord, handle: int) -> int:
    """Return before which row of the snapshot a frame belongs."""
    frames, row = rows.frames, rows.frame_handles.find(handle)
    key = (record.video_id, record.frame_idx, record.position)
    if row >= 0:
        here: tuple[float, ...] = (
            frames.video_id[row],
            frames.frame_idx[row],
            frames.position[row],
        )
        is_there: bool = here == key
        if is_there:
            return row
    return frames.slot(*key)


def _instance_rows(
    rows: Rows, handles: IntArray, frames: Sequence[FrameRecord], counts: IntArray
) -> tuple[pl.DataFrame, list[PointValues | None]]:
    """Take instances from the snapshot, and those that have records from these."""
    listed = handles.tolist()
    at = [k for k, handle in enumerate(listed) if handle in rows.instance_records]
    records = [rows.instance_record(listed[k]) for k in at]
    source = np.array([rows.instance_handles.find(handle) for handle in listed], np.int64)
    below = np.maximum(source, 0)
    columns = rows.columns
    has_rows = rows.base.counts.instances > 0

    def column(name: str, new: list[Any]) -> Any:
        if has_rows:
            values = np.asarray(getattr(columns, name))[below]
        else:
            values = np.zeros(len(below), _DTYPES[name])
        if at:
            values[at] = new
        return values

    origins = _origins(rows, below, source >= 0, at, records)
    idx = np.arange(len(handles)) - np.repeat(offsets_of_counts(counts)[:-1], counts)
    track = column("track_id", [record.track_id for record in records])
    made = pl.DataFrame(
        {
            "instance_id": column("instance_id", [r.instance_id for r in records]),
            "frame_id": np.repeat(np.array([f.frame_id for f in frames], np.int64), counts),
            "instance_idx": idx,
            "skeleton_id": column("skeleton_id", [r.skeleton_id for r in records]),
            "track_id": pl.Series(track, dtype=pl.Int64).replace(-1, None),
            "kind": pl.Series(column("kind", [r.kind for r in records]), dtype=pl.UInt8).cat.to(
                KIND
            ),
            "score": pl.Series(column("score", [r.score for r in records])).fill_nan(None),
            "tracking_score": pl.Series(
                column("tracking_score", [r.tracking_score for r in records])
            ).fill_nan(None),
            "from_predicted": pl.Series(origins, dtype=pl.Int64).replace(-1, None),
        }
    ).cast(dict(INSTANCES.memory_columns))  # type: ignore[arg-type]  # classes and instances
    values: list[PointValues | None] = [None] * len(listed)
    for k, record in zip(at, records, strict=True):
        values[k] = record.points
    return made.select(list(INSTANCES.memory_columns)), values


_DTYPES: dict[str, Any] = {
    "instance_id": np.int64,
    "skeleton_id": np.int64,
    "track_id": np.int64,
    "kind": np.uint8,
    "score": np.float32,
    "tracking_score": np.float32,
}


def _origins(
    rows: Rows, below: IntArray, is_below: Any, at: list[int], records: list[InstanceRecord]
) -> IntArray:
    """Return the key of each instance's prediction, -1 where there is none any more."""
    column = rows.base.structure.instances["from_predicted"]
    origins = np.full(len(below), -1, np.int64)
    if len(column) and column.null_count() < len(column):
        origins = np.where(is_below, key_values(column.gather(below)), -1)
        gone = rows.gone_ids()
        if len(gone):
            origins[np.isin(origins, gone)] = -1
    for k, record in zip(at, records, strict=True):
        is_there = record.origin >= 0 and rows.has_instance(record.origin)
        origins[k] = rows.instance_id(record.origin) if is_there else -1
    return origins


def _pieces(edited: EditedFrames, n_rows: int) -> list[tuple[int, int, int, int]]:
    """Cut the rows below at the edited frames: old rows start:stop, then edited a:b."""
    pieces: list[tuple[int, int, int, int]] = []
    slots, replaced = edited.slots.tolist(), edited.replaced.tolist()
    at, taken, skipped = 0, 0, 0
    while taken < len(slots) or skipped < len(replaced):
        new = slots[taken] if taken < len(slots) else n_rows + 1
        old = replaced[skipped] if skipped < len(replaced) else n_rows + 1
        cut, first = min(new, old), taken
        while taken < len(slots) and slots[taken] == cut:
            taken += 1
        pieces.append((at, cut, first, taken))
        at = cut
        if old == cut:
            at, skipped = cut + 1, skipped + 1
    pieces.append((at, n_rows, taken, taken))
    return pieces


def _joined(old: pl.DataFrame, new: pl.DataFrame, pieces: Any) -> pl.DataFrame:
    parts = []
    for start, stop, first, last in pieces:
        if stop > start:
            parts.append(old.slice(start, stop - start))
        if last > first:
            parts.append(new.slice(first, last - first))
    return pl.concat(parts, rechunk=False) if parts else old.clear()


def make_contiguous(table: pl.DataFrame) -> None:
    """Give each column of a table one buffer, in place: slices go as soon as they are copied."""
    for k in range(table.width):
        if table.to_series(k).n_chunks() > 1:
            table.replace_column(k, table.to_series(k).rechunk())


def _joined_arrays(old: Any, new: Any, pieces: Any) -> Any:
    parts = [part for s, e, a, b in pieces for part in (old[s:e], new[a:b])]
    return np.concatenate(parts)


def _handles(old: Handles, new: IntArray, pieces: Any) -> Handles:
    if not len(new) and all(start == 0 for start, *_ in pieces):
        return old
    dtype = np.int32 if old.count < 2**31 else np.int64  # there is one for each row
    before = np.arange(old.count, dtype=dtype) if old.of_rows is None else old.of_rows
    joined = _joined_arrays(before, narrow_rows(new), pieces)
    is_plain = len(joined) == old.count and old.of_rows is None
    if is_plain and bool((joined == before).all()):
        return old
    return Handles(joined, len(joined))


def _as_frames(edited: EditedFrames) -> pl.DataFrame:
    # Positions between others are numbered anew as soon as the tables stand.
    return edited.frames.with_columns(
        pl.col("position").round().cast(pl.UInt32, strict=False).fill_null(0)
    )


def _with_positions(rows: Rows, frames: pl.DataFrame, handles: Handles) -> pl.DataFrame:
    """Number the places in the list anew, where some lie between others."""
    if rows.has_whole_positions:
        return frames
    order = rows.list_order
    listed = np.asarray(order.handles(), np.int64)
    place = np.empty(int(listed.max(initial=-1)) + 1, np.uint32)
    place[listed] = np.arange(len(listed), dtype=np.uint32)
    mine = np.arange(handles.count) if handles.of_rows is None else handles.of_rows
    return frames.with_columns(pl.Series("position", place[mine]))


def _snapshot(
    rows: Rows,
    catalog: Catalog,
    edited: EditedFrames,
    frames: pl.DataFrame,
    instances: pl.DataFrame,
    counts: IntArray,
    of_instances: Any,
) -> Snapshot:
    base = rows.base
    n_nodes = catalog.n_nodes
    if base.in_memory:
        offsets, here = base.structure.point_offsets, offsets_of_counts(edited.n_points)
        of_points = [
            (int(offsets[s]), int(offsets[e]), int(here[a]), int(here[b]))
            for s, e, a, b in of_instances
        ]
        points = _joined(base.tables().points, points_of(rows, edited), of_points)
        structure = Structure(frames, instances, n_nodes).with_offsets(offsets_of_counts(counts))
        return Snapshot.of(LabelTables.on(structure, catalog, points))
    old = base.structure
    start = old.all_starts()
    part: IntArray = np.zeros(len(start), np.int8) if old.part is None else _signed(old.part)
    extra, new_part, new_start = _extra_points(rows, edited, part, start)
    beside = same_points(base.source)
    if beside is not None:
        new_start = np.where(_is_new(edited), new_start + beside.extra.height, new_start)
        extra = pl.concat([beside.extra, extra])
    # Where no points are new, nothing has to say which are.
    has_parts = old.part is not None
    has_new = has_parts or bool(_is_new(edited).any())
    structure = Structure(
        frames,
        instances,
        n_nodes,
        _joined_arrays(part, new_part, of_instances) if has_new else None,
        _joined_arrays(start, narrow_rows(new_start), of_instances),
    ).with_offsets(offsets_of_counts(counts))
    return Snapshot(DerivedSource(base.source, structure, catalog, extra, has_parts=has_parts))


def _signed(part: IntArray) -> IntArray:
    """Return parts in a dtype that can hold `EXTRA`, which is below zero."""
    return part.astype(np.promote_types(part.dtype, np.int8), copy=False)


def _is_new(edited: EditedFrames) -> BoolArray:
    return np.array([values is not None for values in edited.values], np.bool_)


def _extra_points(
    rows: Rows, edited: EditedFrames, part: IntArray, start: IntArray
) -> tuple[pl.DataFrame, IntArray, IntArray]:
    """Say where the points of edited frames are: below, or in a table of new points."""
    source = np.array([rows.instance_handles.find(h) for h in edited.instance_handles.tolist()])
    is_new = _is_new(edited)
    counts = np.where(is_new, edited.n_points, 0)
    at = offsets_of_counts(counts)[:-1]
    below = np.maximum(source, 0).astype(np.int64)
    if not len(part):
        new_part, new_start = np.full(len(below), EXTRA, np.int8), at
    else:
        new_part = np.where(is_new, EXTRA, part[below])
        new_start = np.where(is_new, at, start[below])
    return _table([v for v in edited.values if v is not None]), new_part, new_start


def points_of(rows: Rows, edited: EditedFrames, chosen: BoolArray | None = None) -> pl.DataFrame:
    """Gather points of edited frames, from the snapshot and from records.

    Args:
        rows: The labels' rows.
        edited: Some of their frames.
        chosen: Which of the instances; None for all.
    """
    at = np.arange(len(edited.values)) if chosen is None else np.flatnonzero(chosen)
    values = [edited.values[k] for k in at.tolist()]
    is_new = np.array([one is not None for one in values], np.bool_)
    fresh = _table([one for one in values if one is not None])
    if bool(is_new.all()):
        return fresh
    handles, n_points = edited.instance_handles[at], edited.n_points[at]
    source = np.array([rows.instance_handles.find(h) for h in handles[~is_new].tolist()], np.int64)
    below = rows.base.read_points(_POINT_COLUMNS, source)
    mask = np.repeat(is_new, n_points)
    order = np.empty(len(mask), np.int64)
    order[~mask] = np.arange(below.height)
    order[mask] = below.height + np.arange(fresh.height)
    return pl.concat([below, fresh])[order]


def _table(values: list[PointValues]) -> pl.DataFrame:
    return point_table(values) if values else POINTS.empty()
