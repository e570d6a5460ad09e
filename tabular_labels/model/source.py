"""What a place that keeps labels (memory, a file, a project) must answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.offsets import ranges
from tabular_labels.model.schema import FRAMES, INSTANCES, POINTS
from tabular_labels.model.tables import Catalog, LabelTables, Structure

__all__ = ["Counts", "HeldSource", "MemorySource", "PlainSource", "Readable", "Source"]


@dataclass(frozen=True)
class Counts:
    """Rows of the three large tables."""

    frames: int
    instances: int
    points: int


class Source(Protocol):
    """Where a snapshot's rows come from. Immutable; picklable; safe to read from threads."""

    @property
    def catalog(self) -> Catalog:
        """The small tables."""
        ...

    @property
    def counts(self) -> Counts:
        """Rows of the large tables, without reading them."""
        ...

    @property
    def origin(self) -> str | None:
        """The file that must stay as it is while this is used, None if there is none."""
        ...

    def load_structure(self) -> Structure:
        """Read and validate frames and instances (in-memory columns, canonical order)."""
        ...

    def read_points(
        self, part: IntArray | None, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        """Read ``count[i]`` point rows from ``start[i]`` (of table ``part[i]``), concatenated.

        Args:
            part: From the structure, or None when the structure has none.
            start: From the structure (``point_start``, or ``point_offsets``).
            count: Number of rows of each.
            columns: Names from ``x``, ``y``, ``visible``, ``complete``, ``score``.

        Returns:
            Those columns in the asked order, missing as null.
        """
        ...

    def find_frame(self, video_id: int, frame_idx: int) -> LabelTables | None:
        """Read all frames at one place as small tables; None to look in the structure."""
        ...

    def scan(self, table: str) -> pl.LazyFrame | None:
        """Lazily read ``frames``, ``instances`` or ``points``: all disk columns, in order.

        None when the source has nothing better than its structure and `read_points`.
        """
        ...

    def instance_pieces(self, columns: Sequence[str]) -> Iterator[pl.DataFrame] | None:
        """Read columns of all instances, in pieces that are never held together.

        Args:
            columns: Names from ``frame_id``, ``track_id`` and ``kind``.

        Returns:
            Pieces with those columns in any order of frames, checked by themselves alone:
            there may be no frame or track of such an id. None when the source has nothing
            better than its structure.
        """
        ...

    def verify(self) -> None:
        """Compare files whose checksums are known with these; for who will read everything.

        Raises:
            ChecksumError: A file's bytes are not those that were written.
        """
        ...

    def load(self) -> LabelTables:
        """Read everything."""
        ...


class Readable(Protocol):
    """What a writer needs of labels: small tables, structure, and points by instance rows."""

    @property
    def catalog(self) -> Catalog:
        """The small tables."""
        ...

    @property
    def structure(self) -> Structure:
        """Frames and instances in canonical order."""
        ...

    def read_points(
        self, columns: Sequence[str], rows: slice | IntArray | None = None
    ) -> pl.DataFrame:
        """Read point columns of instance rows, in their order."""
        ...


class PlainSource:
    """A source with no shorter way than its structure and `read_points`."""

    def find_frame(self, video_id: int, frame_idx: int) -> LabelTables | None:
        """Leave it to the structure."""
        del video_id, frame_idx
        return None

    def scan(self, table: str) -> pl.LazyFrame | None:
        """Leave it to the structure and `read_points`."""
        del table
        return None

    def instance_pieces(self, columns: Sequence[str]) -> Iterator[pl.DataFrame] | None:
        """Leave it to the structure."""
        del columns
        return None

    def verify(self) -> None:
        """Leave it to whoever reads: there are no checksums."""


class HeldSource(PlainSource):
    """A source that holds its frames and instances; its points are somewhere else."""

    catalog: Catalog
    structure: Structure

    @property
    def counts(self) -> Counts:
        """Rows of the large tables."""
        structure = self.structure
        return Counts(structure.frames.height, structure.instances.height, structure.n_points)

    def load_structure(self) -> Structure:
        """Return the structure."""
        return self.structure


class MemorySource(PlainSource):
    """Tables in memory as a source.

    Examples:
        >>> MemorySource(LabelTables()).counts
        Counts(frames=0, instances=0, points=0)
    """

    def __init__(self, tables: LabelTables) -> None:
        self.tables = tables

    @property
    def catalog(self) -> Catalog:
        """The small tables."""
        return self.tables.catalog

    @property
    def counts(self) -> Counts:
        """Rows of the large tables."""
        return Counts(*(getattr(self.tables, t.name).height for t in (FRAMES, INSTANCES, POINTS)))

    @property
    def origin(self) -> str | None:
        """No file."""
        return None

    def load_structure(self) -> Structure:
        """Return frames and instances as they are."""
        return self.tables.structure

    def read_points(
        self,
        part: IntArray | None,
        start: IntArray,
        count: IntArray,
        columns: Sequence[str],
    ) -> pl.DataFrame:
        """Slice one run of rows, gather several."""
        return self.gather(self.tables.points, start, count, columns)

    @staticmethod
    def gather(
        table: pl.DataFrame, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        """Take runs of rows out of a table, as `read_points` does."""
        # Column by column: operations on whole tables use polars' threads, which a
        # forked process does not have.
        points = [table[name] for name in columns]
        if not len(start):
            return pl.DataFrame([column.clear() for column in points])
        first, last = int(start[0]), int(start[-1] + count[-1])
        if last - first == int(count.sum()) and bool((start[1:] == start[:-1] + count[:-1]).all()):
            return pl.DataFrame([column.slice(first, last - first) for column in points])
        rows = ranges(start, count)
        return pl.DataFrame([column.gather(rows) for column in points])

    def load(self) -> LabelTables:
        """Return the tables."""
        return self.tables
