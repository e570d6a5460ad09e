"""The named columns of points, instances and frames, made in chunks when asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import get_args

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray, Level
from tabular_labels.errors import ForkedProcessError, QueryError
from tabular_labels.model.buffers import is_forked
from tabular_labels.queries import denormalise
from tabular_labels.queries.filter import is_by_row, keep_mask, used_columns
from tabular_labels.queries.places import instances_of_frames
from tabular_labels.store.snapshot import Snapshot

__all__ = ["LevelReader"]


# Columns of points that are the same for all points of an instance, and what they are
# called among the instances.
_AT_INSTANCES = {"instance_score": "score"}
_OF_INSTANCE = frozenset(
    {
        "video",
        "video_id",
        "frame_idx",
        "frame_id",
        "instance_id",
        "instance_idx",
        "kind",
        "skeleton",
        "track",
        "track_id",
        "instance_score",
        "tracking_score",
        "from_predicted",
    }
)

_OF_FRAME = frozenset({"video", "video_id", "frame_idx", "frame_id", "position", "is_negative"})
# A predicate that chooses more ranges of frames than this reads everything in large pieces.
_MOST_RUNS = 64
# Instances that a predicate looks at together: about a million points of 15 nodes, beside
# columns that are repeated onto them.
CHUNK_INSTANCES = 65_536


class LevelReader:
    """Makes the named columns of a level in chunks; polars pulls them."""

    def __init__(self, snapshot: Snapshot, level: Level, *, wide: bool = False) -> None:
        if level not in get_args(Level):
            message = f"found level {level!r}, expected one of {get_args(Level)}. Use one of those."
            raise QueryError(message)
        if is_forked():
            what = f"the table of {level}"
            raise ForkedProcessError(what)
        self._snapshot = snapshot
        self._level = level
        self._wide = wide

    def schema(self) -> pl.Schema:
        """Columns and dtypes."""
        catalog = self._snapshot.catalog
        if self._level == "points":
            return denormalise.point_schema(catalog)
        if self._level == "instances":
            return denormalise.instance_schema(catalog)
        if self._wide:
            return denormalise.wide_frame_schema(catalog, self._snapshot.structure)
        return denormalise.frame_schema(catalog)

    def whole(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Make all rows at once.

        Raises:
            QueryError: Unknown columns.
        """
        known = self.schema()
        wanted = list(known) if columns is None else list(columns)
        unknown = [name for name in wanted if name not in known]
        if not unknown and len(set(wanted)) < len(wanted):
            message = f"found columns {wanted}, expected each once. Leave repeats out."
            raise QueryError(message)
        if unknown:
            message = f"found columns {unknown}, expected some of {list(known)}. Use those."
            raise QueryError(message)
        return self.read(wanted, slice(0, self._n_rows()))

    def judge(self, predicate: pl.Expr, score_columns: Collection[str] | None = None) -> BoolArray:
        """Tell which rows of the level a predicate keeps, see `keep_mask`.

        All rows are made at once only for a predicate that looks beyond its row
        (``x > x.mean()``).

        Raises:
            QueryError: The predicate is not one boolean over the columns of the level.
        """
        return np.concatenate([*self._masks(predicate, score_columns)])

    def choose(self, predicate: pl.Expr, score_columns: Collection[str] | None = None) -> IntArray:
        """Return the rows that a predicate keeps, ascending; see `judge`.

        Where few are kept that takes much less memory than a mask.
        """
        found, start = [], 0
        for mask in self._masks(predicate, score_columns):
            found.append(np.flatnonzero(mask) + start)
            start += len(mask)
        return np.concatenate(found)

    def _masks(
        self, predicate: pl.Expr, score_columns: Collection[str] | None
    ) -> Iterator[BoolArray]:
        """Judge the rows, chunk by chunk; there is always one chunk."""
        schema = self.schema()
        used = used_columns(predicate, schema) or ["frame_idx"]
        if not is_by_row(predicate, schema) or not self._n_rows():
            yield keep_mask(self.whole(used), predicate, score_columns)
        elif self._level == "points" and {*used} <= _OF_INSTANCE:
            for rows in self.chunks():
                mask = keep_mask(self._instances(used, rows), predicate, score_columns)
                yield np.repeat(mask, self._snapshot.structure.point_counts(rows))
        else:
            for rows in self.chunks():
                yield keep_mask(self.read(used, rows), predicate, score_columns)

    def chunks(self) -> Iterator[slice]:
        """Cut the level's rows (frames or instances) into pieces of bounded size."""
        total = self._n_rows()
        for first in range(0, total, CHUNK_INSTANCES):
            yield slice(first, min(first + CHUNK_INSTANCES, total))

    def _n_rows(self) -> int:
        counts = self._snapshot.counts
        return counts.frames if self._level == "frames" else counts.instances

    def __call__(
        self,
        columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        """Yield chunks of the asked columns, as polars' IO sources do."""
        wanted = list(self.schema()) if columns is None else columns
        # Asked for no columns, polars wants to know how many rows there are; a table
        # without columns could not say.
        wanted = wanted or ["frame_idx"]
        left = n_rows
        for chunk in self._chosen_chunks(predicate):
            rows = self._rows_within(chunk, predicate)
            table = self.read(wanted, rows)
            if predicate is not None:
                table = table.filter(predicate)
            if left is not None:
                table = table.head(left)
                left -= table.height
            yield table
            if left == 0:
                return

    def _chosen_chunks(self, predicate: pl.Expr | None) -> Iterator[slice]:
        """Leave out what a predicate over frames drops whole, so that it stays unread."""
        used = [] if predicate is None else list(dict.fromkeys(predicate.meta.root_names()))
        if predicate is None or self._level == "frames" or not used or not {*used} <= _OF_FRAME:
            yield from self.chunks()
            return
        snapshot = self._snapshot
        structure = snapshot.structure
        table = denormalise.frame_columns(snapshot.catalog, structure, used)
        kept = table.select(predicate).to_series().fill_null(value=False).to_numpy()
        edges = np.flatnonzero(np.diff(kept, prepend=False, append=False))
        bounds = structure.instance_offsets[edges].tolist()
        runs = list(zip(bounds[::2], bounds[1::2], strict=True))
        if len(runs) > _MOST_RUNS:
            yield from self.chunks()
            return
        for start, stop in runs:
            for first in range(start, stop, CHUNK_INSTANCES):
                yield slice(first, min(first + CHUNK_INSTANCES, stop))
        if not runs:
            yield slice(0, 0)

    def _rows_within(self, chunk: slice, predicate: pl.Expr | None) -> slice | IntArray:
        """Leave out instances that a predicate drops whole, so that their points stay unread."""
        if self._level != "points" or predicate is None:
            return chunk
        used = dict.fromkeys(predicate.meta.root_names())
        if not used or not used.keys() <= _OF_INSTANCE:
            return chunk
        keep = self._instances(list(used), chunk).select(predicate).to_series()
        kept: IntArray = np.flatnonzero(keep.fill_null(value=False).to_numpy()) + chunk.start
        return kept

    def _instances(self, used: list[str], rows: slice) -> pl.DataFrame:
        """Make columns of points that are the same for all points of an instance, once each."""
        snapshot = self._snapshot
        names = [_AT_INSTANCES.get(name, name) for name in used]
        table = denormalise.instance_columns(
            snapshot.catalog, snapshot.structure, None, names, rows
        )
        return table.rename(dict(zip(names, used, strict=True)))

    def read(self, wanted: list[str], rows: slice | IntArray) -> pl.DataFrame:
        """Make the asked columns of some frames or instances."""
        snapshot = self._snapshot
        catalog, structure = snapshot.catalog, snapshot.structure
        needed = denormalise.needed_points(catalog, self._level, wanted)
        if self._level == "frames" and isinstance(rows, slice):
            of_frames = instances_of_frames(structure, rows)
            points = snapshot.read_points(needed, of_frames) if needed else None
            return denormalise.frame_columns(catalog, structure, wanted, rows, points)
        points = snapshot.read_points(needed, rows) if needed else None
        if self._level == "points":
            return denormalise.point_columns(catalog, structure, points, wanted, rows)
        return denormalise.instance_columns(catalog, structure, points, wanted, rows)
