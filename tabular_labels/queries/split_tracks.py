"""Frames that must stay together because they share tracks, found piece by piece."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.buffers import key_values
from tabular_labels.model.offsets import IdRows
from tabular_labels.model.tables import Structure
from tabular_labels.queries.places import frames_of_instances
from tabular_labels.queries.split_groups import connect

__all__ = ["group_pairs", "group_tracks"]

_AT_ONCE = 131_072  # rows


def group_tracks(structure: Structure, tracks: pl.DataFrame) -> IntArray:
    """Keep frames together that share a track, and what hangs on them through others.

    A track of several videos joins them. A frame without tracked instances stays alone.

    Args:
        structure: Frames and instances in canonical order.
        tracks: The project's tracks with ``track_id``.

    Returns:
        int64 leaders, shape ``(n_frames,)``, see `split_groups`.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> tables = LabelTables()
        >>> group_tracks(tables.structure, tables.catalog.tracks).tolist()
        []
    """
    return group_pairs(structure.frames.height, tracks.height, _pairs(structure, tracks))


def group_pairs(
    n_frames: int, n_tracks: int, pairs: Iterable[tuple[IntArray, IntArray]]
) -> IntArray:
    """Keep frames together that share a track, as `group_tracks`, from pairs in pieces.

    Args:
        n_frames: How many frames there are.
        n_tracks: How many tracks there are.
        pairs: Pieces of pairs, each a row of a frame and the row of a track in it; any
            order, repeats too.

    Returns:
        int64 leaders, shape ``(n_frames,)``.

    Examples:
        >>> pieces = [(np.array([3, 0]), np.array([1, 0])), (np.array([3]), np.array([0]))]
        >>> group_pairs(4, 2, pieces).tolist()
        [0, 1, 2, 0]
    """
    held = np.full(n_frames, -1, np.int32)  # one track of each frame
    joins = _Joins(n_tracks)
    for frame, track in pairs:
        is_new = held[frame] < 0
        held[frame[is_new]] = track[is_new]
        # Tracks are few, so they are connected first: each with that one of its frame.
        joins.add(held[frame], track)
    root = joins.finish()
    first = np.full(n_tracks, n_frames)
    leaders = np.arange(n_frames)
    for start in reversed(range(0, n_frames, _AT_ONCE)):
        rows, group = _groups_of(held, root, start)
        first[group[::-1]] = rows[::-1]  # of equal places the last write counts: the first frame
    for start in range(0, n_frames, _AT_ONCE):
        rows, group = _groups_of(held, root, start)
        leaders[rows] = first[group]
    return leaders


class _Joins:
    """Tracks that belong together, of which few pairs wait at a time."""

    def __init__(self, n: int) -> None:
        self._root: IntArray = np.arange(n)
        self._waiting: list[tuple[IntArray, IntArray]] = []
        self._n_waiting = 0

    def add(self, one: IntArray, other: IntArray) -> None:
        """Join pairs."""
        one, other = self._root[one], self._root[other]
        apart = one != other
        one, other = _distinct(one[apart], other[apart], len(self._root))
        if len(one):
            self._waiting.append((one, other))
            self._n_waiting += len(one)
        # Connecting costs as much as there are tracks: so it is done once in as many pairs.
        if 4 * self._n_waiting > len(self._root):
            self.finish()

    def finish(self) -> IntArray:
        """Return what each track belongs to: the smallest number there."""
        if self._waiting:
            one, other = (np.concatenate(ends) for ends in zip(*self._waiting, strict=True))
            self._root = connect(len(self._root), one, other)[self._root]
            self._waiting, self._n_waiting = [], 0
        return self._root


def _groups_of(held: IntArray, root: IntArray, start: int) -> tuple[IntArray, IntArray]:
    """Return the frames of one piece that have tracks, and what their tracks belong to."""
    track = held[start : start + _AT_ONCE]
    tracked = np.flatnonzero(track >= 0)
    return tracked + start, root[track[tracked]]


def _pairs(structure: Structure, tracks: pl.DataFrame) -> Iterator[tuple[IntArray, IntArray]]:
    """Cut the instances with a track into pieces."""
    known = IdRows(tracks["track_id"].to_numpy())
    ids, n = structure.instances["track_id"], structure.instances.height
    for start in range(0, n, _AT_ONCE):
        rows = slice(start, min(start + _AT_ONCE, n))
        frames, counts = frames_of_instances(structure, rows)
        frame = np.repeat(np.arange(frames.start, frames.stop), counts)
        track = known.find(key_values(ids[rows]))
        tracked = track >= 0
        yield (frame, track) if bool(tracked.all()) else (frame[tracked], track[tracked])


def _distinct(one: IntArray, other: IntArray, n: int) -> tuple[IntArray, IntArray]:
    """Drop repeated pairs."""
    if n * n > 4 * len(one):
        pairs = np.unique(one * n + other)  # below 2**63, as keys are below 2**31
    else:
        seen: BoolArray = np.zeros(n * n, np.bool_)
        seen[one * n + other] = True
        pairs = np.flatnonzero(seen)
    return pairs // max(n, 1), pairs % max(n, 1)
