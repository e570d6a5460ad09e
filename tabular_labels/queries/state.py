"""A state of labels, to be compared with another one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.edits import packed_places, rows_at
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.point_patch import PointPatch
from tabular_labels.model.schema import POINTS
from tabular_labels.model.source import MemorySource, Source
from tabular_labels.model.tables import Catalog, LabelTables, Structure
from tabular_labels.queries.places import instance_places

__all__ = ["PointReader", "PointsOf", "SharedPoints", "State"]

_VALUES = tuple(POINTS.memory_columns)

PointReader: TypeAlias = Callable[[Sequence[str], IntArray], pl.DataFrame]
"""Reads point columns of instance rows, in their order."""


@dataclass(frozen=True)
class SharedPoints:
    """Says which references to points mean the same points in several states.

    Attributes:
        key: Equal where the tables of points are the same.
        stop: References to rows from this one on are not shared.
        patch: Values that were set in one state; references to such points are not shared.
    """

    key: Hashable
    stop: int
    patch: PointPatch | None = None


@dataclass(frozen=True)
class State:
    """One state to compare: small tables, frames and instances, and how to read points.

    Points are not read where ``shared`` says that both states refer to the same ones.
    """

    catalog: Catalog
    structure: Structure
    read_points: PointReader
    shared: SharedPoints | None = None

    @classmethod
    def of(
        cls,
        source: Source | LabelTables,
        structure: Structure | None = None,
        shared: SharedPoints | None = None,
    ) -> State:
        """Take a source, perhaps with its structure where that is there already."""
        kept = MemorySource(source) if isinstance(source, LabelTables) else source
        made = kept.load_structure() if structure is None else structure

        def read(columns: Sequence[str], rows: IntArray) -> pl.DataFrame:
            part = None if made.part is None else made.part[rows]
            return kept.read_points(part, *made.point_runs(rows), columns)

        return cls(kept.catalog, made, read, shared)

    def differs(self, rows: IntArray, other: State, theirs: IntArray) -> IntArray:
        """Return at which of these pairs of instances the points may differ."""
        if self.shared is None or other.shared is None or self.shared.key != other.shared.key:
            return np.arange(len(rows))
        stop = min(self.shared.stop, other.shared.stop)
        a, b = self.references(rows, stop), other.references(theirs, stop)
        return np.flatnonzero((a != b) | (a < 0))

    def is_only_patched(self, rows: IntArray, other: State, theirs: IntArray) -> BoolArray:
        """Tell which pairs of instances have the same points, but for values of a patch."""
        if self.shared is None or other.shared is None or self.shared.key != other.shared.key:
            return np.zeros(len(rows), np.bool_)
        stop = min(self.shared.stop, other.shared.stop)
        a, b = self._where(rows, stop), other._where(theirs, stop)
        same: BoolArray = (a == b) & (a >= 0)
        return same

    @property
    def patched_columns(self) -> frozenset[str]:
        """Columns of points that have values of their own here."""
        patch = None if self.shared is None else self.shared.patch
        return frozenset(() if patch is None else patch.columns)

    def references(self, rows: IntArray, stop: int) -> IntArray:
        """Pack where points are into one number; -1 where that is not shared."""
        structure, packed = self.structure, self._where(rows, stop)
        if self.shared is not None and self.shared.patch is not None:
            part = None if structure.part is None else structure.part[rows]
            runs = structure.point_runs(rows)
            packed[self.shared.patch.touches(part, *runs)] = -1
        return packed

    def _where(self, rows: IntArray, stop: int) -> IntArray:
        """Pack where points are, whatever was set since; -1 where that is not shared."""
        structure = self.structure
        start = structure.point_starts(rows)
        part = np.int64(0) if structure.part is None else structure.part[rows].astype(np.int64)
        packed: IntArray = np.where((part < 0) | (start >= stop), -1, (part << 48) | start)
        return packed

    def at(self, places: pl.DataFrame) -> State:
        """Keep the rows at some places (``video_id``, ``frame_idx``)."""
        structure = self.structure
        frames, rows = rows_at(structure, np.unique(packed_places(places)))
        kept = Structure(
            structure.frames[frames],
            structure.instances[rows],
            structure.n_nodes,
            None if structure.part is None else structure.part[rows],
            structure.point_starts(rows),
        )
        return replace(
            self,
            structure=kept,
            read_points=lambda names, some: self.read_points(names, rows[some]),
        )

    def instances(self, rows: IntArray) -> pl.DataFrame:
        """Return instances with their places."""
        places = instance_places(self.structure, rows=rows)
        return places.hstack(self.structure.instances[rows])

    def points(self, rows: IntArray, columns: Sequence[str] = _VALUES) -> PointsOf:
        """Read the points of some instances."""
        count = self.structure.point_counts(rows)
        return PointsOf(self, rows, offsets_of_counts(count), self.read_points(columns, rows))


@dataclass(frozen=True)
class PointsOf:
    """The points of some instances of a state, to be compared with those of another.

    Attributes:
        state: Where they are from.
        rows: The instances.
        first: First point of each instance here, and the total.
        values: In-memory columns.
    """

    state: State
    rows: IntArray
    first: IntArray
    values: pl.DataFrame

    def cut(self, n_nodes: IntArray) -> tuple[IntArray, IntArray]:
        """Return which points are of the first nodes of their instance, and which not.

        Args:
            n_nodes: How many nodes that are, for each instance.
        """
        first, last = self.first[:-1], self.first[1:]
        return ranges(first, n_nodes), ranges(first + n_nodes, last - first - n_nodes)

    def keyed(self, points: IntArray) -> pl.DataFrame:
        """Return some of the points, with all keys."""
        of = np.searchsorted(self.first, points, side="right") - 1
        rows = self.rows[of]
        structure = self.state.structure
        return instance_places(structure, ("video_id", "frame_idx"), rows).with_columns(
            structure.instances["instance_id"].gather(rows),
            pl.Series("node_id", (points - self.first[of]).astype(np.uint16)),
            *self.values[points].get_columns(),
        )

    def instances_of(self, points: IntArray) -> IntArray:
        """Return the state's rows of the instances that some points are of."""
        rows: IntArray = self.rows[np.searchsorted(self.first, points, side="right") - 1]
        return rows
