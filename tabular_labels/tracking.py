"""Tracks of many instances: swapping over a range of frames, moving, leaving out."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.bulk import replace_instances
from tabular_labels.model.buffers import key_values
from tabular_labels.model.tables import Structure
from tabular_labels.store.catalog_edits import set_tracks
from tabular_labels.store.records import NONE
from tabular_labels.store.store import Store

__all__ = ["count_overlaps", "drop_tracks", "move_tracks", "swap_tracks", "with_tracks"]

# Ranges of up to this many frames are edited frame by frame.
SINGLE_FRAMES = 200


def swap_tracks(
    store: Store,
    video_id: int,
    new: int,
    old: int | None,
    pseudo: int | None,
    frame_range: tuple[int, int],
) -> None:
    """Swap two tracks on a range of frames, see `Labels.track_swap`.

    Args:
        store: The labels' rows, inside a step.
        video_id: The video.
        new: Key of the new track, -1 for none.
        old: Key of the old track, None for an unknown one.
        pseudo: Instead of ``old``: untracked instances at this place of their frame.
        frame_range: ``(start, stop)``, half-open.
    """
    start, stop = frame_range
    if stop - start <= SINGLE_FRAMES:
        for frame_idx in range(start, stop):
            for frame in store.find(video_id, frame_idx):
                _swap_in_frame(store, frame, new, old, pseudo)
        return
    store.settle_in_one_piece()
    snapshot = store.snapshot
    frames, instances = snapshot.frames, snapshot.structure.instances
    span = frames.rows_of_video.get(video_id, (0, 0))
    first, last = (bisect_left(frames.frame_idx, index, *span) for index in (start, stop))
    begin, end = frames.instance_start[first], frames.instance_start[last]
    rows = slice(begin, end)
    track = key_values(instances["track_id"][rows])
    idx = instances["instance_idx"][rows].to_numpy()
    changed = _swapped(track, idx, new, old, pseudo)
    differing = np.flatnonzero(changed != track) + begin
    if len(differing):
        swapped = with_tracks(instances, begin, end, changed)
        replace_instances(store, swapped, differing, ["track_id"])


def _swap_in_frame(store: Store, frame: int, new: int, old: int | None, pseudo: int | None) -> None:
    handles = list(store.instances_of(frame))
    track = np.array([store.instance_record(handle).track_id for handle in handles], np.int64)
    changed = _swapped(track, np.arange(len(track)), new, old, pseudo)
    for k in np.flatnonzero(changed != track).tolist():
        record = store.instance_record(handles[k])
        store.put_instance(handles[k], record._replace(track_id=int(changed[k])))


def _swapped(
    track: IntArray, place: IntArray, new: int, old: int | None, pseudo: int | None
) -> IntArray:
    changed = track.copy()
    if pseudo is not None:
        changed[(track == NONE) & (place == pseudo)] = new
        return changed
    if old is None:
        return changed
    changed[track == old] = new
    if new != NONE:
        changed[track == new] = old
    return changed


def drop_tracks(store: Store, keys: Collection[int]) -> None:
    """Take tracks that no instance has out of the list of tracks."""
    if keys:
        tracks = store.objects.track_by_id
        set_tracks(store, {key: track for key, track in tracks.items() if key not in keys})


def move_tracks(store: Store, keys: Sequence[int], to: int | None) -> int:
    """Give the instances of some tracks to another, or to none; return how many."""
    store.settle_in_one_piece()
    instances = store.snapshot.structure.instances
    track = key_values(instances["track_id"])
    is_meant = np.isin(track, np.array(keys, np.int64))
    if not is_meant.any():
        return 0
    changed = np.where(is_meant, NONE if to is None else to, track)
    made = with_tracks(instances, 0, len(track), changed)
    replace_instances(store, made, np.flatnonzero(is_meant), ["track_id"])
    return int(is_meant.sum())


def count_overlaps(structure: Structure, keys: Collection[int]) -> int:
    """Count the frames that have several of some tracks."""
    track = key_values(structure.instances["track_id"])
    rows = np.flatnonzero(np.isin(track, np.array(list(keys), np.int64)))
    frame = np.searchsorted(structure.instance_offsets, rows, side="right") - 1
    pairs = np.unique(np.stack([frame, track[rows]]), axis=1)[0]
    return int((np.unique(pairs, return_counts=True)[1] > 1).sum())


def with_tracks(instances: pl.DataFrame, start: int, stop: int, track: IntArray) -> pl.DataFrame:
    """Return instances with other tracks in some rows: only these are made anew.

    Args:
        instances: Instances.
        start: First row.
        stop: One past the last row.
        track: Keys, -1 for untracked; int64 or int32, ``(stop - start,)``.
    """
    column = instances["track_id"]
    values = np.where(track < 0, 0, track).astype(np.uint32)
    new = pl.Series("track_id", values)
    if bool((track < 0).any()):
        new = pl.select(pl.when(pl.lit(pl.Series(track >= 0))).then(pl.lit(new))).to_series()
    parts = [column.slice(0, start), new.rename("track_id"), column.slice(stop)]
    # Pieces are kept as they are, until there are so many that finding one takes time.
    joined = pl.concat([part for part in parts if len(part)], rechunk=column.n_chunks() > 64)
    return instances.with_columns(joined)
