"""What was edited since the last commit, as tables to be kept."""

from __future__ import annotations

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.edits import REPLACED, EditSet
from tabular_labels.model.schema import FRAMES
from tabular_labels.model.source import Counts
from tabular_labels.store.fold import edited_frames, points_of
from tabular_labels.store.records import InstanceRecord
from tabular_labels.store.rows import Place
from tabular_labels.store.store import Content, Store

__all__ = ["edit_set", "note_links"]


def edit_set(store: Store, committed: Counts) -> EditSet:
    """Gather the rows of all places that were edited since `Store.watch`.

    Points that were not set stay where they are kept; they are not read.

    Args:
        store: With whole positions, on the snapshot it stood on then.
        committed: Rows of what was committed last.
    """
    note_links(store)
    assert store.touched is not None
    places = sorted(store.touched)
    before = [store.touched[place] for place in places]
    now = [store.content(place) for place in places]
    handles = [handle for place in places for handle in store.find(*place)]
    edited = edited_frames(store, set(handles), store.catalog)
    with_points, removed = _kept_points(store, places, before, now)
    per_frame = np.repeat(with_points, [content.n_frames for content in now])
    chosen = np.repeat(per_frame.astype(np.bool_), edited.counts)
    replaced = pl.DataFrame(
        {
            "video_id": [video for video, _ in places],
            "frame_idx": [index for _, index in places],
            "points": with_points,
            "removed": removed,
        },
        schema=dict(REPLACED),
    )
    return EditSet(
        store.catalog,
        replaced,
        edited.frames.cast(dict(FRAMES.memory_columns)),  # type: ignore[arg-type]  # classes and instances
        edited.instances,
        points_of(store, edited, chosen),
        _counts(committed, before, now),
    )


def _kept_points(
    store: Store, places: list[Place], before: list[Content], now: list[Content]
) -> tuple[list[bool], list[list[int]]]:
    """Say where points are written again, and which instances' points no longer count."""
    with_points: list[bool] = []
    removed: list[list[int]] = []
    for place, old, new in zip(places, before, now, strict=True):
        left = set(new.instance_ids)
        kept = tuple(key for key in old.instance_ids if key in left)
        is_new = kept != new.instance_ids or place in store.repointed or not new.n_frames
        with_points.append(is_new)
        removed.append([] if is_new else [key for key in old.instance_ids if key not in left])
    return with_points, removed


def _counts(committed: Counts, before: list[Content], now: list[Content]) -> Counts:
    def total(contents: list[Content]) -> IntArray:
        rows = [(c.n_frames, len(c.instance_ids), c.n_points) for c in contents]
        summed: IntArray = np.array(rows, np.int64).reshape(-1, 3).sum(axis=0)
        return summed

    change = total(now) - total(before)
    old = (committed.frames, committed.instances, committed.points)
    return Counts(*(int(a + b) for a, b in zip(old, change.tolist(), strict=True)))


def note_links(store: Store) -> None:
    """Count frames as edited whose instances were made from predictions that are gone."""
    gone = store.gone_rows()
    if len(gone):
        linked = store.instance_handles.of(store.base.rows_linked_to(gone)).tolist()
        for handle in linked:
            if store.has_instance(handle):
                store.note_frame(store.frame_row(handle))
    for record in list(store.instance_records.values()):
        is_linked = isinstance(record, InstanceRecord) and record.origin >= 0
        if is_linked and not store.has_instance(record.origin):
            store.note_frame(record.frame)
