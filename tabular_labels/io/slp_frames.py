"""Read and validate the frames of a ``.slp`` file, block by block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.hdf5.guard import broken
from tabular_labels.io.hdf5_extents import Extents
from tabular_labels.io.hdf5_records import Records
from tabular_labels.io.slp_layout import LARGEST_FRAME_IDX
from tabular_labels.io.slp_pieces import FrameRanges
from tabular_labels.io.slp_references import NO_ROW, Known, require_apart, resolve_videos
from tabular_labels.model.schema import FRAMES

__all__ = ["FrameRows", "read_frames", "read_ranges"]

_MOST_ROWS = 2**32 - 2
_MOST_IN_FRAME = 2**16


def read_frames(
    frames: Records,
    instances: Records,
    known: Known,
    extents: Extents | None,
    columns: Sequence[str] = tuple(FRAMES.memory_columns),
) -> pl.DataFrame:
    """Read frames alone, as `read_structure` does.

    Args:
        frames: The table of frames.
        instances: The table of instances, of which nothing is read.
        known: What frames may refer to.
        extents: Where the rows of the frames stand.
        columns: Which of their columns, in this order.

    Returns:
        The frames of the structure.

    Raises:
        FileFormatError: A reference or range is out of bounds, or ranges overlap.
    """
    found = FrameRows(frames, instances, known)
    found.read(extents)
    return found.table(found.canonical_order(), found.negative()[0], columns)


def read_ranges(
    frames: Records, instances: Records, known: Known, extents: Extents | None
) -> FrameRanges:
    """Read which rows of the instances each frame has.

    Raises:
        FileFormatError: A reference or range is out of bounds, or ranges overlap.
    """
    found = FrameRows(frames, instances, known)
    found.read(extents)
    return FrameRanges.of(found.start, found.count)


class FrameRows:
    """Frames in the file's order, as arrays."""

    def __init__(self, records: Records, instances: Records, known: Known) -> None:
        for table in (records, instances):
            if table.rows > _MOST_ROWS:
                raise broken(table.state.path, table.place, f"{table.rows} rows", f"< {_MOST_ROWS}")
        self.records, self.known, self.n_instances = records, known, instances.rows
        n = records.rows
        self.video = np.empty(n, np.uint32)
        self.frame_idx = np.empty(n, np.int64)
        self.start = np.empty(n, np.uint32)
        self.count = np.empty(n, np.uint32)

    def read(self, extents: Extents | None) -> None:
        """Read all rows, and check them."""
        records, limit = self.records, self.n_instances
        with records.reader(extents) as reader:
            for at, block in reader.blocks():
                rows = slice(at, at + len(block))
                video = records.integers(block, "video", at)
                good = (video >= 0) & (video < NO_ROW)
                records.require(good, "video", video, at, "a video of the file")
                index = records.integers(block, "frame_idx", at)
                good = (index >= 0) & (index <= LARGEST_FRAME_IDX)
                records.require(good, "frame_idx", index, at, f"0 to {LARGEST_FRAME_IDX}")
                start = records.integers(block, "instance_id_start", at)
                stop = records.integers(block, "instance_id_end", at)
                good = (start >= 0) & (start <= stop)
                records.require(good, "instance_id_start", start, at, "at most instance_id_end")
                expected = f"at most the {limit} instances"
                records.require(stop <= limit, "instance_id_end", stop, at, expected)
                self.video[rows], self.frame_idx[rows] = video, index
                self.start[rows], self.count[rows] = start, stop - start
        most = int(self.count.max(initial=0))
        expected = f"at most {_MOST_IN_FRAME} instances in a frame"
        if most > _MOST_IN_FRAME:
            row = int(self.count.argmax())
            raise broken(records.state.path, f"/frames, row {row}", f"{most}", expected)
        require_apart(records, self.start, self.count, "instances")
        self._resolve_videos()

    def _resolve_videos(self) -> None:
        records, known = self.records, self.known
        used = _different(self.video)
        rows = resolve_videos(used, known.n_videos, known.embedded)
        if (rows < 0).any():
            wrong = used[rows < 0]
            row = int(np.flatnonzero(self.video == wrong[0])[0])
            place, some = f"/frames, row {row}, column video", f"{wrong[0]}"
            raise broken(records.state.path, place, some, f"one of {known.n_videos} videos")
        if (rows != used).any():
            self.video = rows[np.searchsorted(used, self.video)].astype(np.uint32)

    def canonical_order(self) -> IntArray | None:
        """Rows sorted by video and frame index; None when they stand so."""
        video, index = self.video, self.frame_idx
        same, later = video[1:] == video[:-1], index[1:] >= index[:-1]
        if bool(((same & later) | (video[1:] > video[:-1])).all()):
            return None
        key = video.astype(np.uint64) << np.uint64(32) | index.astype(np.uint64)
        return np.argsort(key, kind="stable")

    def table(
        self, order: IntArray | None, is_negative: BoolArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        """Rows in canonical order."""
        frame_id = np.arange(self.records.rows, dtype=np.uint32)
        video, index = self.video, self.frame_idx
        if order is not None:
            frame_id, video, index = frame_id[order], video[order], index[order]
            is_negative = is_negative[order]
        made = {
            "frame_id": frame_id,
            "video_id": video,
            "frame_idx": index,
            "position": frame_id,
            "is_negative": is_negative,
        }
        return pl.DataFrame(
            {name: made[name] for name in columns},
            schema={name: FRAMES.memory_columns[name] for name in columns},
        )

    def negative(self) -> tuple[BoolArray, int]:
        """Mark the frames that are negative, and count the marks that find no frame."""
        wanted = self.known.negative
        if not len(wanted):
            return np.zeros(len(self.video), bool), 0
        used = np.unique(wanted[:, 0])
        rows = resolve_videos(used, self.known.n_videos, self.known.embedded)
        video = rows[np.searchsorted(used, wanted[:, 0])]
        marks = np.unique(video << 32 | wanted[:, 1])
        key = self.video.astype(np.int64) << 32 | self.frame_idx
        is_negative = np.isin(key, marks)
        rows = wanted[:, 2]
        if (rows >= 0).all() and (rows < len(key)).all():
            is_negative[:] = False
            is_negative[rows] = True
        return is_negative, int(np.count_nonzero(~np.isin(marks, key)))


def _different(values: IntArray) -> IntArray:
    """Return the different values, sorted; counting is faster than sorting where they are few."""
    if int(values.max(initial=0)) < 2**20:
        return np.flatnonzero(np.bincount(values))
    return np.unique(values).astype(np.int64)
