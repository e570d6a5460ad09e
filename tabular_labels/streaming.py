"""The named tables of labels piece by piece, so that what is scanned is never read whole."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
import polars as pl

from tabular_labels._types import IntArray, Level, PathLike
from tabular_labels.errors import LeftOutWarning, QueryError
from tabular_labels.levels import LevelReader
from tabular_labels.origins import refuse_to_replace
from tabular_labels.queries.places import instances_of_frames
from tabular_labels.store.snapshot import Snapshot

__all__ = ["Names", "TableStream", "save_table"]

Names: TypeAlias = Literal["own", "sleap-io"]

_ROWS_AT_ONCE = 200_000
_KEYS = ("video", "video_id", "frame_idx")
_SLEAP_IO = {
    "points": ["frame_idx", "node", "x", "y", "video", "track", "tracking_score"],
    "instances": ["frame_idx", "video", "track", "tracking_score", "score"],
}
_SLEAP_IO_NAMES = {"video": "video_path", "tracking_score": "track_score"}
_COUNTS = ("n_instances", "n_user", "n_predicted", "n_tracked")


class TableStream:
    """The rows of a level in canonical order, in pieces of bounded size.

    Args:
        snapshot: The labels.
        level: ``"points"``, ``"instances"`` or ``"frames"``.
        columns: Only these, in this order; None for all.
        wide: For frames, add the columns of each instance.
        pad_frames: Add a row for each frame of a video that has none, from frame 0 to
            the video's stored length, or to its last labelled frame if that is later.
            Only the keys of the frame are filled in, and counts are 0.
        names: What columns are called in a file, see `exporting.write_csv`.

    Raises:
        QueryError: Unknown level or columns.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        level: Level,
        columns: Sequence[str] | None = None,
        *,
        wide: bool = False,
        pad_frames: bool = False,
        names: Names = "own",
    ) -> None:
        self.snapshot, self.level, self.pad_frames = snapshot, level, pad_frames
        self.reader = LevelReader(snapshot, level, wide=wide)
        known = self.reader.schema()
        if names not in get_args(Names):
            message = f"found names {names!r}, expected one of {get_args(Names)}. Use one of those."
            raise QueryError(message)
        self.names = {} if names == "own" else _SLEAP_IO_NAMES
        if names == "sleap-io" and columns is None:
            columns = _columns_of_sleap_io(level, list(known))
        self.columns = list(known) if columns is None else list(columns)
        unknown = [name for name in self.columns if name not in known]
        if unknown or len(set(self.columns)) < len(self.columns):
            found = f"columns {unknown}" if unknown else f"columns {self.columns} with repeats"
            message = f"found {found}, expected some of {list(known)}. Use those, each once."
            raise QueryError(message)
        self.schema = pl.Schema({name: known[name] for name in self.columns})
        self._all = known

    @property
    def total(self) -> int:
        """Number of frames, by which progress is told."""
        return self.snapshot.counts.frames

    def write(
        self,
        path: PathLike,
        form: Literal["csv", "ndjson", "parquet"],
        *,
        progress: Callable[[int, int], object] | None = None,
        escape_formulas: bool = False,
    ) -> None:
        """Write all rows to one file, which appears whole or not at all.

        Raises:
            ValueError: It would replace the file that scanned labels are read from.

        Warns:
            LeftOutWarning: Infinite numbers, which JSON has no word for, became missing.
        """
        from tabular_labels.io.atomic import atomic_path
        from tabular_labels.io.table_files import write_batches  # loads pyarrow

        refuse_to_replace(self.snapshot, path)
        n_infinite = 0

        schema = {self.names.get(name, name): dtype for name, dtype in self.schema.items()}

        def told() -> Iterator[pl.DataFrame]:
            nonlocal n_infinite
            for done, table in self.batches():
                n_infinite += _count_infinite(table) if form == "ndjson" else 0
                yield table.rename(self.names, strict=False)
                if progress is not None:
                    progress(done, self.total)

        with atomic_path(path) as temporary:
            write_batches(temporary, form, schema, told(), escape_formulas=escape_formulas)
        if n_infinite:
            message = f"{path}: left out on writing: infinite numbers ({n_infinite})"
            warnings.warn(message, LeftOutWarning, stacklevel=3)

    def batches(self) -> Iterator[tuple[int, pl.DataFrame]]:
        """Yield the number of frames done, and rows."""
        if not self.pad_frames:
            for frames in self._chunks():
                yield frames.stop, self.reader.read(self.columns, self._rows(frames))
            return
        for video_id, n_frames in self._videos():
            yield from self._padded(video_id, n_frames)

    def _rows(self, frames: slice) -> slice:
        if self.level == "frames":
            return frames
        return instances_of_frames(self.snapshot.structure, frames)

    def _chunks(self) -> Iterator[slice]:
        """Cut the frames so that no piece has many more rows than intended."""
        structure = self.snapshot.structure
        offsets = structure.instance_offsets
        weight = {"points": structure.first_points(offsets), "instances": offsets}
        until = weight.get(self.level, np.arange(structure.frames.height + 1))
        # Wide rows weigh as much as the points in them.
        limit = _ROWS_AT_ONCE if self.level == "points" else _ROWS_AT_ONCE // 10
        start, n = 0, structure.frames.height
        while start < n:
            stop = int(np.searchsorted(until, until[start] + limit, side="right")) - 1
            stop = min(max(stop, start + 1), n)
            yield slice(start, stop)
            start = stop

    def _videos(self) -> Iterator[tuple[int, int]]:
        """List the videos with the number of their frames."""
        structure, videos = self.snapshot.structure, self.snapshot.catalog.videos
        index = structure.frames["frame_idx"].to_numpy()
        by_id = dict(videos.select("video_id", "n_frames").iter_rows())
        for video_id in sorted(by_id):
            start, stop = self._frames_of(video_id)
            labelled = int(index[stop - 1]) + 1 if stop > start else 0
            yield video_id, max(labelled, by_id[video_id] or 0)

    def _frames_of(self, video_id: int) -> tuple[int, int]:
        found = self.snapshot.structure.frames["video_id"].to_numpy()
        start, stop = np.searchsorted(found, [video_id, video_id + 1])
        return int(start), int(stop)

    def _padded(self, video_id: int, n_frames: int) -> Iterator[tuple[int, pl.DataFrame]]:
        """Walk through a video's frames, labelled or not, window by window."""
        structure = self.snapshot.structure
        first, last = self._frames_of(video_id)
        index = structure.frames["frame_idx"].to_numpy()[first:last]
        wanted = [*self.columns, *(name for name in _KEYS if name not in self.columns)]
        videos = self.snapshot.catalog.videos
        name = videos.filter(pl.col("video_id") == video_id)["filename"].item()
        step = self._window(last - first)
        for low in range(0, n_frames, step):
            high = min(low + step, n_frames)
            a, b = np.searchsorted(index, [low, high])
            frames = slice(first + int(a), first + int(b))
            table = self.reader.read(wanted, self._rows(frames))
            pads = self._pads(table, np.arange(low, high), video_id, name, wanted)
            rows = pl.concat([table, pads]).sort("frame_idx", maintain_order=True)
            yield frames.stop, rows.select(self.columns)

    def _window(self, n_labelled: int) -> int:
        rows = self.snapshot.counts.points if self.level == "points" else 10 * n_labelled
        each = max(rows // max(self.snapshot.counts.frames, 1), 1)
        return max(_ROWS_AT_ONCE // each, 1)

    def _pads(
        self,
        table: pl.DataFrame,
        window: IntArray,
        video_id: int,
        name: str,
        wanted: Sequence[str],
    ) -> pl.DataFrame:
        missing = np.setdiff1d(window, table["frame_idx"].to_numpy())
        keys = {"video": name, "video_id": video_id, "frame_idx": missing}
        counts = dict.fromkeys(_COUNTS, 0)
        made = []
        for column in wanted:
            dtype = self._all[column]
            value = {**keys, **counts}.get(column)
            if column == "frame_idx":
                made.append(pl.Series(column, missing, dtype=dtype))
            else:
                made.append(pl.Series(column, [value], dtype=dtype).new_from_index(0, len(missing)))
        return pl.DataFrame(made)


def _columns_of_sleap_io(level: Level, known: list[str]) -> list[str]:
    if level not in _SLEAP_IO:
        message = f"found level {level!r}, expected {' or '.join(_SLEAP_IO)}. Use one of those."
        raise QueryError(message)
    if level == "points":
        return [*_SLEAP_IO[level], "instance_score", "score"]
    return [*_SLEAP_IO[level], *(name for name in known if "." in name)]


def _count_infinite(table: pl.DataFrame) -> int:
    counts = table.select(pl.col(pl.Float32, pl.Float64).is_infinite().sum())
    return sum(counts.row(0)) if counts.width else 0


def save_table(
    snapshot: Snapshot,
    path: PathLike,
    form: Literal["csv", "ndjson", "parquet"],
    *,
    level: Level = "points",
    columns: Sequence[str] | None = None,
    wide: bool = False,
    pad_frames: bool = False,
    escape_formulas: bool = False,
    names: Names = "own",
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Write the named columns of a level, see `exporting.write_csv`."""
    stream = TableStream(snapshot, level, columns, wide=wide, pad_frames=pad_frames, names=names)
    stream.write(path, form, progress=progress, escape_formulas=escape_formulas)
