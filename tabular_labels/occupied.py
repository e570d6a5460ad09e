"""Where tracks are present, brought up to date after edits instead of found anew."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.ranges import RangeList
from tabular_labels.queries.occupancy import (
    RUNS,
    patch_runs,
    runs_of_structure,
    runs_of_video,
)
from tabular_labels.store.records import FrameRecord, InstanceRecord
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.store.store import Store

__all__ = ["all_runs", "ranges_of_video"]


def ranges_of_video(snapshot: Snapshot, store: Store | None, video_id: int) -> dict[int, RangeList]:
    """Return the ranges of each track of a video, in order of first appearance.

    Args:
        snapshot: What the labels were opened with.
        store: The labels' rows; None while nothing was edited.
        video_id: The video.

    Returns:
        By track key, -1 for untracked instances.
    """
    base = snapshot if store is None else store.base
    edited = {} if store is None else edited_indices(store)
    runs = _runs_below(base, video_id)
    if store is not None and video_id in edited:
        runs = _in_order(store, video_id, _patched(store, video_id, edited[video_id]))
    grouped: dict[int, list[tuple[int, int]]] = {}
    columns = (runs[name].to_list() for name in ("track_id", "start", "stop"))
    for track, start, stop in zip(*columns, strict=True):
        grouped.setdefault(-1 if track is None else track, []).append((start, stop))
    return {track: RangeList.from_runs(ranges) for track, ranges in grouped.items()}


def all_runs(snapshot: Snapshot, store: Store | None) -> pl.DataFrame:
    """Return the runs of all tracks of all videos: the columns of `RUNS`, sorted."""
    base = snapshot if store is None else store.base
    runs = base.once("runs", lambda: runs_of_structure(base.structure))
    edited = {} if store is None else edited_indices(store)
    if store is None or not edited:
        return runs
    video = runs["video_id"].to_numpy()
    parts: list[pl.DataFrame] = []
    for key in sorted({*np.unique(video).tolist(), *edited}):
        if key in edited:
            mine = _patched(store, key, edited[key]).filter(pl.col("track_id").is_not_null())
            parts.append(mine.select(pl.lit(key, pl.UInt32).alias("video_id"), *mine.columns))
        else:
            first, last = np.searchsorted(video, key), np.searchsorted(video, key, side="right")
            parts.append(runs.slice(int(first), int(last - first)))
    return pl.concat(parts) if parts else pl.DataFrame(schema=RUNS)


def edited_indices(store: Store) -> dict[int, set[int]]:
    """Return the frame indices of single edits above the snapshot, by video."""
    found: dict[int, set[int]] = {}

    def note(video_id: int, frame_idx: int) -> None:
        found.setdefault(video_id, set()).add(frame_idx)

    handles: set[int] = set()
    for handle, record in store.frame_records.items():
        row = store.frame_handles.find(handle)
        if row >= 0:
            note(store.frames.video_id[row], store.frames.frame_idx[row])
        if isinstance(record, FrameRecord):
            note(*record.place)
    for instance in store.instance_records.values():
        if isinstance(instance, InstanceRecord):
            handles.add(instance.frame)
    for handle in handles:
        if store.has_frame(handle):
            note(*store.frame_record(handle).place)
    return found


def _runs_below(base: Snapshot, video_id: int) -> pl.DataFrame:
    made: pl.DataFrame = base.once(
        f"runs of video {video_id}", lambda: runs_of_video(base.structure, video_id)
    )
    return made


def _patched(store: Store, video_id: int, indices: set[int]) -> pl.DataFrame:
    places: IntArray = np.array(sorted(indices), np.int64)
    present = list(_present(store, video_id, places.tolist()))
    table = pl.DataFrame(
        {
            "track_id": pl.Series([t for t, _ in present], dtype=pl.UInt32),
            "frame_idx": pl.Series([i for _, i in present], dtype=pl.Int64),
        }
    )
    return patch_runs(_runs_below(store.base, video_id), places, table)


def _present(
    store: Store, video_id: int, indices: Iterable[int]
) -> Iterable[tuple[int | None, int]]:
    """List the tracks at frame indices, in the order of their instances; None = untracked."""
    for index in indices:
        for frame in store.find(video_id, index):
            for handle in store.instances_of(frame):
                key = store.track_id(handle)
                yield (None if key < 0 else key), index


def _in_order(store: Store, video_id: int, runs: pl.DataFrame) -> pl.DataFrame:
    """Sort tracks by their first appearance; in one frame, by place."""
    first: dict[int | None, int] = {}
    for track, start in zip(runs["track_id"].to_list(), runs["start"].to_list(), strict=True):
        first.setdefault(track, start)
    shared = sorted(start for start, count in Counter(first.values()).items() if count > 1)
    place: dict[tuple[int | None, int], int] = {}
    for number, key in enumerate(_present(store, video_id, shared)):
        place.setdefault(key, number)
    order = sorted(first, key=lambda track: (first[track], place.get((track, first[track]), 0)))
    rank = {track: number for number, track in enumerate(order)}
    ranks = np.array([rank[track] for track in runs["track_id"].to_list()], np.int64)
    return runs[np.argsort(ranks, kind="stable")]
