"""Edits of many rows at once: another snapshot takes the place of the one below."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.editing import remove_frame, remove_instance
from tabular_labels.model.buffers import nan_under_nulls
from tabular_labels.model.edits import packed_places
from tabular_labels.model.offsets import counts_from_zero, narrow_rows, ranges, rows_of_mask
from tabular_labels.model.source import Source
from tabular_labels.model.tables import Structure
from tabular_labels.queries.places import frame_rows
from tabular_labels.queries.select import Selection, kept_instances
from tabular_labels.store.derived import DerivedSource, SelectedSource
from tabular_labels.store.fold import Folded
from tabular_labels.store.handles import Handles
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.store.store import Store

__all__ = [
    "keep_rows",
    "remove_frames",
    "remove_instances",
    "reorder_frames",
    "replace_frames",
    "replace_instances",
    "set_points",
]

# Up to this many rows are edited one by one, at 10 to 20 microseconds each.
SINGLE_EDITS = 500
_STEP = 2**18  # instances


def keep_rows(store: Store, frames: BoolArray | None, instances: BoolArray | None) -> int:
    """Keep some frames and instances of the snapshot of now, and remove the others.

    Args:
        store: The labels' rows.
        frames: Which frames to keep, ``(n_frames,)``; None for all. Instances go with
            their frames.
        instances: Which instances to keep, ``(n_instances,)``; None for all.

    Returns:
        How many frames and instances were removed.
    """
    folded = store.folded
    structure = folded.snapshot.structure
    kept = kept_instances(structure, frames, instances)
    kept_frames = np.ones(structure.frames.height, np.bool_) if frames is None else frames
    lost = int((~kept).sum()), int((~kept_frames).sum())
    if not any(lost):
        return 0
    if sum(lost) <= SINGLE_EDITS:
        _remove_singly(store, folded, kept_frames, kept)
        return sum(lost)
    gone, differs = rows_of_mask(~kept), ~kept_frames
    differs[frame_rows(structure, gone)] = True
    # Instances that were made from what is gone are no longer linked to it.
    differs[frame_rows(structure, folded.snapshot.rows_linked_to(gone))] = True
    places, are_ids = _places(structure, differs), _are_ids(folded.instances, structure)
    # From here on nothing holds the columns but the list, so that each goes when it is done.
    # Positions stay: new numbers would change frames that nobody touched.
    chosen = Selection(structure, frames, instances, keep_positions=True)
    columns = structure.instances.get_columns()
    hold = _holder(store, folded.snapshot, _keeping(frames, instances))
    of_frames, of_instances = folded.frames, folded.instances
    del structure, folded
    store.let_go()
    made = chosen.take(columns)
    rebased = Folded(
        Snapshot(hold(made)),
        _kept_handles(of_frames, kept_frames),
        _handles_of_ids(made) if are_ids else _kept_handles(of_instances, kept),
    )
    with store.step():
        store.rebase(rebased, places, keep_read=False)
    return sum(lost)


def _holder(
    store: Store, snapshot: Snapshot, select: Callable[[Structure], Structure]
) -> Callable[[Structure], Source]:
    """Say how new rows are held: not for good where they can be made again.

    Args:
        store: The labels' rows.
        snapshot: As they are now.
        select: Makes the new rows from those of now.
    """
    base, catalog = store.base, snapshot.catalog
    below = base.unread()
    is_edited = bool(store.frame_records or store.instance_records)
    has_nodes = np.array_equal(base.structure.n_nodes, snapshot.structure.n_nodes)
    if below is base or is_edited or not has_nodes:
        return partial(DerivedSource, snapshot.source)
    return lambda made: SelectedSource(below.source, made, select, catalog)


def _keeping(
    frames: BoolArray | None, instances: BoolArray | None
) -> Callable[[Structure], Structure]:
    """Return what keeps some rows, with a bit for each row."""
    masks = [
        None if mask is None else (np.packbits(mask), len(mask)) for mask in (frames, instances)
    ]

    def select(structure: Structure) -> Structure:
        unpacked = (
            None if mask is None else np.unpackbits(mask[0], count=mask[1]).view(np.bool_)
            for mask in masks
        )
        chosen = Selection(structure, *unpacked, keep_positions=True)
        return chosen.take(structure.instances.get_columns())

    return select


def _replacing(columns: Sequence[pl.Series], rows: IntArray) -> Callable[[Structure], Structure]:
    """Return what puts the values that some rows have in columns into these rows."""
    rows = narrow_rows(rows)
    values = [column.gather(rows) for column in columns]

    def select(structure: Structure) -> Structure:
        old = structure.instances
        made = [nan_under_nulls(old[new.name].clone().scatter(rows, new)) for new in values]
        return replace(structure, instances=old.with_columns(made)).with_offsets_of(structure)

    return select


def _frames_of(structure: Structure, instances: IntArray) -> IntArray:
    """Return the frames of ascending instances, each once."""
    # In steps: there may be millions, and a few times their memory would be needed.
    steps = (instances[first : first + _STEP] for first in range(0, len(instances), _STEP))
    found = (_without_repeats(frame_rows(structure, step)) for step in steps)
    return _without_repeats(np.concatenate([instances[:0], *found]))


def _places(structure: Structure, rows: BoolArray | IntArray) -> IntArray:
    """Pack the places of some frames."""
    chosen = np.flatnonzero(rows) if rows.dtype == np.bool_ else _ascending(rows.astype(np.int64))
    # Frames stand in the order of their places.
    places = structure.frames.select("video_id", "frame_idx")[chosen]
    return _without_repeats(packed_places(places).view(np.int64))


def _ascending(rows: IntArray) -> IntArray:
    is_sorted = bool((rows[1:] >= rows[:-1]).all())
    return _without_repeats(rows if is_sorted else np.sort(rows))


def _without_repeats(numbers: IntArray) -> IntArray:
    """Leave out what equals its neighbour: much faster than `np.unique`."""
    is_first = np.ones(len(numbers), np.bool_)
    np.not_equal(numbers[1:], numbers[:-1], out=is_first[1:])
    chosen: IntArray = numbers[is_first]
    return chosen


def _kept_handles(handles: Handles, kept: BoolArray) -> Handles:
    if bool(kept.all()):
        return handles
    rows = rows_of_mask(kept)
    return Handles(np.asarray(handles.of(rows)), len(rows))


def _are_ids(handles: Handles, structure: Structure) -> bool:
    """Tell whether the keys of the instances are their handles."""
    ids = structure.instances["instance_id"].to_numpy()
    return handles.of_rows is None and 0 < len(ids) < 2**31 and counts_from_zero(ids)


def _handles_of_ids(structure: Structure) -> Handles:
    """Take the keys of the instances for their handles, without a copy."""
    ids = structure.instances["instance_id"].to_numpy()
    return Handles(ids.view(np.int32), len(ids))


def _remove_singly(store: Store, folded: Folded, frames: BoolArray, instances: BoolArray) -> None:
    gone = np.asarray(folded.instances.of(np.flatnonzero(~instances))).tolist()
    with store.step():
        for handle in np.asarray(folded.frames.of(np.flatnonzero(~frames))).tolist():
            remove_frame(store, handle)
        for handle in gone:
            if store.has_instance(handle):
                remove_instance(store, handle)


def remove_frames(store: Store, handles: Sequence[int] | IntArray) -> None:
    """Remove frames with their instances."""
    listed = np.asarray(handles, np.int64)
    if len(listed) <= SINGLE_EDITS:
        with store.step():
            for handle in listed.tolist():
                remove_frame(store, handle)
        return
    keep_rows(store, ~_is_among(store.folded.frames, listed), None)


def remove_instances(store: Store, handles: Sequence[int] | IntArray) -> None:
    """Remove instances; their frames stay."""
    listed = np.asarray(handles, np.int64)
    if len(listed) <= SINGLE_EDITS:
        with store.step():
            for handle in listed.tolist():
                remove_instance(store, handle)
        return
    keep_rows(store, None, ~_is_among(store.folded.instances, listed))


def _is_among(handles: Handles, wanted: IntArray) -> BoolArray:
    mine = np.arange(handles.count) if handles.of_rows is None else handles.of_rows
    found: BoolArray = np.isin(mine, wanted)
    return found


def reorder_frames(store: Store, handles: Sequence[int] | IntArray) -> None:
    """Put the frames of the list in this order.

    Args:
        store: The labels' rows.
        handles: Every frame once.
    """
    wanted = np.asarray(handles, np.int64)
    if np.array_equal(wanted, np.asarray(store.list_order.handles(), np.int64)):
        return
    folded = store.folded
    structure = folded.snapshot.structure
    place = np.empty(int(wanted.max()) + 1, np.uint32)
    place[wanted] = np.arange(len(wanted), dtype=np.uint32)
    position = place[np.asarray(folded.frames.of(np.arange(folded.frames.count)))]
    frames = structure.frames.with_columns(pl.Series("position", position))
    order = _order_within_places(frames)
    if order is not None:
        frames, folded, structure = _moved(folded, frames, order)
    made = Structure(
        frames, structure.instances, structure.n_nodes, structure.part, structure.point_start
    ).with_offsets(structure.instance_offsets)
    with store.step():
        store.rebase(Folded(folded.snapshot.restricted(made), folded.frames, folded.instances))


def _order_within_places(frames: pl.DataFrame) -> IntArray | None:
    """Return how rows of one place must change places, as their positions did."""
    video, index, position = (
        frames[name].to_numpy() for name in ("video_id", "frame_idx", "position")
    )
    same = (video[1:] == video[:-1]) & (index[1:] == index[:-1])
    if not bool((same & (position[1:] < position[:-1])).any()):
        return None
    return np.lexsort((position, index, video))


def _moved(
    folded: Folded, frames: pl.DataFrame, order: IntArray
) -> tuple[pl.DataFrame, Folded, Structure]:
    structure = folded.snapshot.structure
    counts = np.diff(structure.instance_offsets)
    starts = structure.instance_offsets[:-1][order]
    rows = ranges(starts, counts[order])
    made = Structure(
        frames[order],
        structure.instances[rows],
        structure.n_nodes,
        None if structure.part is None else structure.part[rows],
        structure.point_starts(rows),
    )
    moved = Folded(
        folded.snapshot,
        Handles(np.asarray(folded.frames.of(order)), len(order)),
        Handles(np.asarray(folded.instances.of(rows)), len(rows)),
    )
    return made.frames, moved, made


def replace_instances(
    store: Store,
    instances: pl.DataFrame,
    rows: IntArray,
    columns: Sequence[str],
) -> None:
    """Give instances of the snapshot of now other values; rows and keys stay.

    Args:
        store: The labels' rows.
        instances: In-memory columns of all instances.
        rows: Which of them may differ, ascending.
        columns: In what.
    """
    folded = store.folded
    structure = folded.snapshot.structure
    places = _places(structure, _frames_of(structure, rows))
    select = _replacing([instances[name] for name in columns], rows)
    hold = _holder(store, folded.snapshot, select)
    with store.step():
        snapshot = folded.snapshot.with_instances(
            instances, hold, only_tracks=list(columns) == ["track_id"]
        )
        store.rebase(Folded(snapshot, folded.frames, folded.instances), places)


def replace_frames(store: Store, frames: pl.DataFrame, rows: IntArray) -> None:
    """Give some frames of the snapshot of now other values; places and keys stay."""
    folded = store.folded
    old = folded.snapshot.structure
    structure = Structure(frames, old.instances, old.n_nodes, old.part, old.point_start)
    with store.step():
        snapshot = folded.snapshot.restricted(structure.with_offsets(old.instance_offsets))
        store.rebase(Folded(snapshot, folded.frames, folded.instances), _places(old, rows))


def set_points(store: Store, points: IntArray, values: Mapping[str, pl.Series]) -> None:
    """Give some points of the snapshot of now other values.

    Args:
        store: The labels' rows.
        points: Rows of points, ascending.
        values: By column the value of each.
    """
    folded = store.folded
    structure = folded.snapshot.structure
    instances = _without_repeats(structure.instances_of_points(points))
    places = _places(structure, _frames_of(structure, instances))
    with store.step():
        snapshot = folded.snapshot.with_point_values(points, values)
        store.rebase(Folded(snapshot, folded.frames, folded.instances), places)
