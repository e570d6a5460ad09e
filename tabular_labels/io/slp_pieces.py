"""Read some columns of the instances of a ``.slp`` file, block by block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.io.hdf5_extents import Extents
from tabular_labels.io.hdf5_records import Records
from tabular_labels.model.offsets import ranges
from tabular_labels.model.schema import INSTANCES, KIND

__all__ = ["FrameRanges", "nullable_keys", "read_kinds", "read_pieces", "read_tracks"]

_NONE = 2**32 - 1


@dataclass(frozen=True)
class FrameRanges:
    """Which rows of the instances each frame has, in the order of these; uint32.

    Attributes:
        frame: Row of the frame in the file.
        start: First row of its instances.
        stop: The row after the last one.
    """

    frame: IntArray
    start: IntArray
    stop: IntArray

    @classmethod
    def of(cls, start: IntArray, count: IntArray) -> Self:
        """Sort the frames that have instances by these."""
        frame = np.flatnonzero(count).astype(np.uint32)
        if len(frame) < len(start):
            start, count = start[frame], count[frame]
        start, stop = start.astype(np.uint32), (start + count).astype(np.uint32)
        if not bool((start[1:] > start[:-1]).all()):
            order = np.argsort(start)
            frame, start, stop = frame[order], start[order], stop[order]
        return cls(frame, start, stop)

    def within(self, first: int, stop: int) -> tuple[IntArray, IntArray | None]:
        """Say which frame each row has, and which rows from ``first`` on are in one.

        Returns:
            Frames, and rows counted from ``first``; None for all of them.
        """
        begin = int(np.searchsorted(self.stop, np.uint32(first), side="right"))
        end = int(np.searchsorted(self.start, np.uint32(stop)))
        starts = np.maximum(self.start[begin:end].astype(np.int64), first) - first
        counts = np.minimum(self.stop[begin:end].astype(np.int64), stop) - first - starts
        frames = np.repeat(self.frame[begin:end], counts)
        # Ranges do not overlap, so as many as there are rows are all of them.
        return frames, None if len(frames) == stop - first else ranges(starts, counts)


def read_pieces(
    records: Records,
    extents: Extents | None,
    held: FrameRanges,
    n_tracks: int,
    columns: Sequence[str],
) -> Iterator[pl.DataFrame]:
    """Read columns of the instances that are in a frame, in the order of the file.

    Args:
        records: The table of instances.
        extents: Where its rows stand.
        held: Which of them each frame has.
        n_tracks: Number of tracks.
        columns: Names from ``frame_id``, ``track_id`` and ``kind``.

    Raises:
        FileFormatError: A kind or a track that is not known.
    """
    schema = {name: INSTANCES.memory_columns[name] for name in columns}
    with records.reader(extents) as reader:
        for at, block in reader.blocks():
            frame_id, rows = held.within(at, at + len(block))
            made: dict[str, Any] = {"frame_id": frame_id}
            if "kind" in columns:
                kinds = read_kinds(records, block, at).astype(np.uint8)
                made["kind"] = pl.Series(kinds if rows is None else kinds[rows]).cat.to(KIND)
            if "track_id" in columns:
                tracks = read_tracks(records, block, at, n_tracks)
                made["track_id"] = nullable_keys(tracks if rows is None else tracks[rows])
            yield pl.DataFrame({name: made[name] for name in columns}, schema=schema)


def read_kinds(records: Records, block: np.ndarray[Any, Any], at: int) -> IntArray:
    """Take the kinds of a block of instances that begins at a row: 0 user, 1 predicted.

    Raises:
        FileFormatError: A kind is another number.
    """
    kind = records.integers(block, "instance_type", at)
    good = (kind == 0) | (kind == 1)
    records.require(good, "instance_type", kind, at, "0 (user) or 1 (predicted)")
    return kind


def read_tracks(records: Records, block: np.ndarray[Any, Any], at: int, n_tracks: int) -> IntArray:
    """Take the tracks of a block of instances: uint32, the largest number for none.

    Raises:
        FileFormatError: There is no such track.
    """
    track = records.integers(block, "track", at)
    good = (track >= -1) & (track < n_tracks)
    records.require(good, "track", track, at, f"-1 or one of {n_tracks} tracks")
    return track.astype(np.uint32)  # -1 becomes the largest number


def nullable_keys(values: IntArray) -> pl.Series:
    """Read the largest number as null."""
    series = pl.Series(values, dtype=pl.UInt32)
    is_null = series == _NONE
    return series.set(is_null, None) if is_null.any() else series
