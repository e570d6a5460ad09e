"""Sources made from other sources: fewer rows, or hidden points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.offsets import ranges
from tabular_labels.model.source import Counts, Source
from tabular_labels.model.tables import Catalog, LabelTables, Structure

__all__ = ["HiddenPointsSource", "RestrictedSource"]

COORDINATES = ("x", "y")


class _DerivedSource:
    """A source with a structure of its own over the points of another."""

    def __init__(self, parent: Source, structure: Structure) -> None:
        self.parent = parent
        self.structure = structure

    @property
    def catalog(self) -> Catalog:
        """The small tables of the parent."""
        return self.parent.catalog

    @property
    def counts(self) -> Counts:
        """Rows of the large tables."""
        structure = self.structure
        return Counts(
            structure.frames.height, structure.instances.height, int(structure.point_offsets[-1])
        )

    @property
    def origin(self) -> str | None:
        """The file below."""
        return self.parent.origin

    def load_structure(self) -> Structure:
        """Return the structure."""
        return self.structure

    def find_frame(self, video_id: int, frame_idx: int) -> LabelTables | None:
        """Leave it to the structure."""
        del video_id, frame_idx
        return None

    def scan(self, table: str) -> pl.LazyFrame | None:
        """Leave it to the structure and `read_points`."""
        del table
        return None

    def read_points(
        self, part: IntArray | None, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        """Read from the parent."""
        return self.parent.read_points(part, start, count, columns)

    def load(self) -> LabelTables:
        """Read everything."""
        structure = self.structure
        offsets = structure.point_offsets
        start = offsets[:-1] if structure.point_start is None else structure.point_start
        columns = ("x", "y", "visible", "complete", "score")
        points = self.read_points(structure.part, start, np.diff(offsets), columns)
        return LabelTables(self.catalog, structure.frames, structure.instances, points)


class RestrictedSource(_DerivedSource):
    """Some frames and instances of a source; their points stay where they are."""


class HiddenPointsSource(_DerivedSource):
    """All rows of a source, some points of which count as missing.

    Args:
        parent: The source below.
        structure: The parent's structure.
        hidden: Which points are missing, in canonical order; shape ``(n_points,)``.
    """

    def __init__(self, parent: Source, structure: Structure, hidden: BoolArray) -> None:
        # Points are numbered in canonical order here, whatever the parent does.
        super().__init__(
            parent, Structure(structure.frames, structure.instances, structure.n_nodes)
        )
        self.below = structure
        self.hidden = np.packbits(hidden)

    def read_points(
        self, part: IntArray | None, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        """Read from the parent and blank what is hidden."""
        del part
        offsets, below = self.structure.point_offsets, self.below
        rows = np.searchsorted(offsets[:-1], start, side="right") - 1
        there = offsets[:-1] if below.point_start is None else below.point_start
        parts = None if below.part is None else below.part[rows]
        table = self.parent.read_points(parts, there[rows], count, columns)
        places = ranges(start, count)
        hidden = (self.hidden[places >> 3] >> (7 - (places & 7)).astype(np.uint8)) & 1
        gone = pl.Series("gone", hidden.astype(bool))
        shown = [name for name in columns if name in COORDINATES]
        # By way of NaN, so that NaN lies under the nulls as everywhere else.
        blank = pl.when(gone).then(float("nan")).otherwise(pl.col(shown)).fill_nan(None)
        return table.with_columns(blank.name.keep()) if shown else table
