"""Column buffers that views read one value at a time.

A polars call per value costs hundreds of times more than an index into a
buffer, so views never touch tables; they index what is prepared here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from threading import Lock

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.model.buffers import any_hidden, float_columns, float_values, narrow_keys
from tabular_labels.model.offsets import rows_of_ids
from tabular_labels.model.tables import Structure

__all__ = [
    "FrameColumns",
    "InstanceColumns",
    "PointBlock",
    "PointBlocks",
    "frame_row_of",
    "prediction_links",
]

# Instances read together when a view asks for points of a scanned project: enough to
# make iteration cheap, few enough to answer one frame in milliseconds.
BLOCK_INSTANCES = 512
BLOCKS_KEPT = 64
# In memory a block is a view of the columns; only looking at their nulls takes time.
MEMORY_BLOCK_INSTANCES = 2048
_ALL_COLUMNS = ("x", "y", "visible", "complete", "score")


class FrameColumns:
    """Frames by row, and where the frames of a place stand."""

    def __init__(self, structure: Structure) -> None:
        frames = structure.frames
        self.frame_id = frames["frame_id"].to_numpy().data
        self.video_id = frames["video_id"].to_numpy().data
        self.frame_idx = frames["frame_idx"].to_numpy().data
        self.position = frames["position"].to_numpy().data
        self.is_negative: BoolArray = frames["is_negative"].to_numpy()
        self.instance_start = structure.instance_offsets.data
        # Rows stand by video, so that its ids need no sorting.
        video = frames["video_id"].to_numpy()
        is_first = np.ones(len(video), np.bool_)
        np.not_equal(video[1:], video[:-1], out=is_first[1:])
        starts = np.flatnonzero(is_first)
        ids, stops = video[starts], np.append(starts[1:], len(video))[: len(starts)]
        self.rows_of_video = {
            int(i): (int(a), int(b)) for i, a, b in zip(ids, starts, stops, strict=True)
        }

    def find(self, video_id: int, frame_idx: int) -> range:
        """Return the rows of all frames at one place, in list order."""
        start, stop = self.rows_of_video.get(video_id, (0, 0))
        first = bisect_left(self.frame_idx, frame_idx, start, stop)
        last = first
        while last < stop and self.frame_idx[last] == frame_idx:
            last += 1
        return range(first, last)

    def slot(self, video_id: int, frame_idx: int, position: float) -> int:
        """Return before which row a frame with this key belongs."""
        span = self.rows_of_video.get(video_id)
        if span is None:
            return max((b for i, (_, b) in self.rows_of_video.items() if i < video_id), default=0)
        row = bisect_left(self.frame_idx, frame_idx, *span)
        while row < span[1] and self.frame_idx[row] == frame_idx and self.position[row] < position:
            row += 1
        return row


class InstanceColumns:
    """Instances by row."""

    def __init__(self, structure: Structure) -> None:
        instances = structure.instances
        self.instance_id = instances["instance_id"].to_numpy().data
        self.skeleton_id = instances["skeleton_id"].to_numpy().data
        self.track_id = narrow_keys(instances["track_id"]).data
        self.kind = instances["kind"].to_physical().to_numpy().data
        self.score = float_values(instances["score"]).data
        self.tracking_score = float_values(instances["tracking_score"]).data
        self._ids = instances["instance_id"].to_numpy()
        self._from_predicted = instances["from_predicted"]

    def with_tracks(self, instances: pl.DataFrame) -> InstanceColumns:
        """Return the buffers of the same instances on other tracks; the rest is shared."""
        made = copy(self)
        made.track_id = narrow_keys(instances["track_id"]).data
        return made

    def source_row(self, row: int) -> int | None:
        """Return the row of the prediction an instance was made from, or None."""
        linked, sources = self._linked_rows
        place = bisect_left(linked, row)
        if place == len(linked) or linked[place] != row:
            return None
        source: int = sources[place]
        return None if source < 0 else source

    @cached_property
    def _linked_rows(self) -> tuple[memoryview, memoryview]:
        """Rows of the instances that were made from predictions, and the rows of these."""
        linked, origins = self._links
        return linked.data, rows_of_ids(self._ids, origins).data

    @cached_property
    def _links(self) -> tuple[IntArray, IntArray]:
        return prediction_links(self._from_predicted)


def prediction_links(column: pl.Series) -> tuple[IntArray, IntArray]:
    """Return the rows of instances that were made from predictions, and the keys of these.

    Args:
        column: ``from_predicted`` of all instances.
    """
    if column.null_count() == len(column):
        return np.empty(0, np.int64), np.empty(0, np.uint32)
    return np.flatnonzero(column.is_not_null().to_numpy()), column.drop_nulls().to_numpy()


@dataclass(frozen=True)
class PointBlock:
    """Points of consecutive instances; row ``start`` is the first point row here."""

    start: int
    stop: int
    x: FloatArray
    y: FloatArray
    visible: BoolArray | None
    columns: Callable[[str], FloatArray | BoolArray]


class PointBlocks:
    """Points by instance row, in blocks; on a scan few of them are kept."""

    def __init__(
        self,
        offsets: Sequence[int] | memoryview,
        read: Callable[[int, int, tuple[str, ...]], pl.DataFrame],
        *,
        in_memory: bool,
    ) -> None:
        self._offsets = offsets
        self._read = read
        self._in_memory = in_memory
        self._step = MEMORY_BLOCK_INSTANCES if in_memory else BLOCK_INSTANCES
        self._kept = len(offsets) if in_memory else BLOCKS_KEPT
        self._blocks: dict[int, PointBlock] = {}
        self._lock = Lock()

    def block(self, row: int) -> PointBlock:
        """Return the block that holds an instance's points."""
        number = row // self._step
        block = self._blocks.get(number)
        if block is None:
            block = self._load(number)
        return block

    def _load(self, number: int) -> PointBlock:
        first = number * self._step
        last = min(first + self._step, len(self._offsets) - 1)
        table = self._read(first, last, _ALL_COLUMNS)
        cache: dict[str, FloatArray | BoolArray] = {}

        def column(name: str) -> FloatArray | BoolArray:
            if name not in cache:
                series = table[name]
                cache[name] = (
                    series.to_numpy() if series.dtype == pl.Boolean else float_values(series)
                )
            return cache[name]

        # In numpy throughout: polars' threads would be waited for in vain after a fork.
        x, y = float_columns([table["x"], table["y"]])
        hidden = any_hidden(table["visible"], table["x"], table["y"])
        block = PointBlock(
            self._offsets[first],
            self._offsets[last],
            x,
            y,
            table["visible"].to_numpy() if hidden else None,
            column,
        )
        with self._lock:
            if len(self._blocks) >= self._kept:
                self._blocks.pop(next(iter(self._blocks)))
            self._blocks[number] = block
        return block

    def xy(self, row: int, *, invisible_as_nan: bool = True) -> FloatArray:
        """Return coordinates of one instance: float64 ``(n_nodes, 2)``, NaN = missing."""
        block = self.block(row)
        start, stop = self._offsets[row] - block.start, self._offsets[row + 1] - block.start
        out = np.empty((stop - start, 2))
        out[:, 0] = block.x[start:stop]
        out[:, 1] = block.y[start:stop]
        if invisible_as_nan and block.visible is not None:
            out[~block.visible[start:stop]] = np.nan
        return out

    def read_one(self, row: int) -> tuple[FloatArray, BoolArray, BoolArray, FloatArray]:
        """Return all values of one instance, to be changed by whoever asked.

        Returns:
            Coordinates ``(n_nodes, 2)`` and scores ``(n_nodes,)``, float64, NaN = missing;
            between them ``visible`` and ``complete``, bool ``(n_nodes,)``.
        """
        if not self._in_memory or row // self._step in self._blocks:
            visible = np.array(self.values(row, "visible"), np.bool_)
            complete = np.array(self.values(row, "complete"), np.bool_)
            score = np.array(self.values(row, "score"), np.float64)
            return self.xy(row, invisible_as_nan=False), visible, complete, score
        # A block costs more than this one instance, whose neighbours may never be asked for.
        table = self._read(row, row + 1, _ALL_COLUMNS)
        x, y, visible, complete, score = (
            table[name].to_numpy(writable=True) for name in _ALL_COLUMNS
        )
        return np.column_stack((x, y)), visible, complete, score

    def values(self, row: int, name: str) -> FloatArray | BoolArray:
        """Return one point column of one instance, shape ``(n_nodes,)``, NaN = missing."""
        block = self.block(row)
        start, stop = self._offsets[row] - block.start, self._offsets[row + 1] - block.start
        return block.columns(name)[start:stop]


def frame_row_of(instance_start: memoryview, instance_row: int) -> int:
    """Return the frame row that an instance row belongs to."""
    return bisect_right(instance_start, instance_row) - 1
