"""Merging by hand: what ours is held against.

It knows that both projects have the same videos, tracks and one skeleton, in order, that
no two frames are at one place, and that points are compared by their coordinates. It
checks nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from tabular_labels import LabelTables
from tabular_labels._types import BoolArray, IntArray

__all__ = ["merge_tables"]


def merge_tables(base: LabelTables, new: LabelTables) -> LabelTables:
    """Keep everything of both, and what both say once."""
    n_nodes = base.catalog.nodes.height
    ours, theirs = _frame_keys(base), _frame_keys(new)
    at = np.searchsorted(ours, theirs)
    shared = (at < len(ours)) & (ours[np.minimum(at, len(ours) - 1)] == theirs)
    mine, others = _counts(base), _counts(new)
    known = np.zeros(len(ours), np.bool_)
    known[at[shared]] = True
    a = np.flatnonzero(np.repeat(known, mine))
    b = np.flatnonzero(np.repeat(shared, others))
    same = _same_instances(base, new, a, b, np.repeat(ours, mine)[a], np.repeat(theirs, others)[b])

    twin = np.full(new.instances.height, -1, np.int64)
    twin[b[same >= 0]] = a[same[same >= 0]]
    added = np.flatnonzero(twin < 0)
    keys = np.concatenate([ours, theirs[~shared]])
    order = np.argsort(keys, kind="stable")
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    frame_of_new = np.empty(len(theirs), np.int64)
    frame_of_new[shared] = rank[at[shared]]
    frame_of_new[~shared] = rank[len(ours) :]
    target = np.concatenate(
        [np.repeat(rank[: len(ours)], mine), np.repeat(frame_of_new, others)[added]]
    )
    rows = np.argsort(target, kind="stable")
    frames = _frames(base, new, shared, order)
    instances = _instances(base, new, added, twin, rows, target[rows], frames)
    take = np.concatenate([np.arange(base.instances.height), base.instances.height + added])[rows]
    at_points = (take[:, None] * n_nodes + np.arange(n_nodes)).ravel()
    points = pl.DataFrame(
        [
            pl.concat([base.points[name], new.points[name]]).gather(at_points)
            for name in base.points.columns
        ]
    )
    return LabelTables(base.catalog, frames, instances, points)


def _frame_keys(tables: LabelTables) -> Any:
    frames = tables.frames
    video = frames["video_id"].to_numpy().astype(np.uint64) << np.uint64(32)
    return video | frames["frame_idx"].to_numpy().astype(np.uint64)


def _counts(tables: LabelTables) -> IntArray:
    ids = tables.frames["frame_id"].to_numpy()
    mine = tables.instances["frame_id"].to_numpy()
    return np.diff(np.append(np.searchsorted(mine, ids), len(mine)))


def _same_instances(
    base: LabelTables, new: LabelTables, a: IntArray, b: IntArray, at_a: Any, at_b: Any
) -> IntArray:
    """Return for each of ``b`` which of ``a`` is the same, -1 for none."""
    xy_a, xy_b = _poses(base, a), _poses(new, b)
    hash_a, hash_b = _hash(base, a, xy_a, at_a), _hash(new, b, xy_b, at_b)
    order = np.argsort(hash_a, kind="stable")
    place = np.minimum(np.searchsorted(hash_a[order], hash_b), max(len(order) - 1, 0))
    found = order[place]
    good = hash_a[found] == hash_b
    good &= (xy_a[found] == xy_b).all(axis=1)
    return np.where(good, found, -1)


def _poses(tables: LabelTables, rows: IntArray) -> Any:
    n_nodes = tables.catalog.nodes.height
    columns = [
        tables.points[name].fill_null(np.nan).to_numpy().reshape(-1, n_nodes)[rows]
        for name in ("x", "y")
    ]
    return np.concatenate(columns, axis=1).view(np.uint64)


def _hash(tables: LabelTables, rows: IntArray, xy: Any, at: Any) -> Any:
    odd = np.arange(1, 2 * xy.shape[1], 2, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = ((xy ^ (xy >> np.uint64(31))) * odd).sum(axis=1, dtype=np.uint64)
    track = tables.instances["track_id"].to_numpy()[rows].astype(np.uint64)
    kind = tables.instances["kind"].to_physical().to_numpy()[rows].astype(np.uint64)
    mixed ^= at * np.uint64(0xBF58476D1CE4E5B9) + track * np.uint64(31) + kind
    return mixed ^ (mixed >> np.uint64(29))


def _frames(
    base: LabelTables, new: LabelTables, shared: BoolArray, order: IntArray
) -> pl.DataFrame:
    n, first = base.frames.height, int(base.frames["frame_id"].max()) + 1  # type: ignore[arg-type]  # an integer
    fresh = new.frames.filter(pl.Series(~shared)).with_columns(
        frame_id=pl.int_range(first, first + pl.len(), dtype=pl.UInt32),
        position=pl.int_range(n, n + pl.len(), dtype=pl.UInt32),
    )
    return pl.concat([base.frames, fresh])[order]


def _instances(
    base: LabelTables,
    new: LabelTables,
    added: IntArray,
    twin: IntArray,
    rows: IntArray,
    frame: IntArray,
    frames: pl.DataFrame,
) -> pl.DataFrame:
    first = int(base.instances["instance_id"].max()) + 1  # type: ignore[arg-type]  # an integer
    ids = np.empty(new.instances.height, np.uint32)
    ids[added] = np.arange(first, first + len(added))
    known = twin >= 0
    ids[known] = base.instances["instance_id"].to_numpy()[twin[known]]
    of_id = np.zeros(int(new.instances["instance_id"].max()) + 1, np.uint32)  # type: ignore[arg-type]  # an integer
    of_id[new.instances["instance_id"].to_numpy()] = ids
    fresh = new.instances[added]
    link = fresh["from_predicted"]
    linked = pl.Series(of_id[link.fill_null(0).to_numpy()])
    fresh = fresh.with_columns(
        instance_id=pl.Series(ids[added]), from_predicted=linked.set(link.is_null(), None)
    )
    counts = np.bincount(frame, minlength=frames.height)
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    return pl.concat([base.instances, fresh])[rows].with_columns(
        frame_id=pl.Series(frames["frame_id"].to_numpy()[frame]),
        instance_idx=pl.Series((np.arange(len(frame)) - starts).astype(np.uint16)),
    )
