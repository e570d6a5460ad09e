"""A state of labels, to be compared with another one."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.edits import packed_places
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.schema import POINTS
from tabular_labels.model.source import MemorySource, Source
from tabular_labels.model.tables import Catalog, LabelTables, Structure
from tabular_labels.queries.places import instance_places

__all__ = ["PointReader", "SharedPoints", "State"]

_VALUES = tuple(POINTS.memory_columns)

PointReader: TypeAlias = Callable[[Sequence[str], IntArray], pl.DataFrame]
"""Reads point columns of instance rows, in their order."""


@dataclass(frozen=True)
class SharedPoints:
    """Says which references to points mean the same points in several states.

    Attributes:
        key: Equal where the tables of points are the same.
        stop: References to rows from this one on are not shared.
    """

    key: Hashable
    stop: int


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
            offsets = made.point_offsets
            starts = offsets[:-1] if made.point_start is None else made.point_start
            part = None if made.part is None else made.part[rows]
            count = offsets[1:][rows] - offsets[:-1][rows]
            return kept.read_points(part, starts[rows], count, columns)

        return cls(kept.catalog, made, read, shared)

    def differs(self, rows: IntArray, other: State, theirs: IntArray) -> IntArray:
        """Return at which of these pairs of instances the points may differ."""
        if self.shared is None or other.shared is None or self.shared.key != other.shared.key:
            return np.arange(len(rows))
        stop = min(self.shared.stop, other.shared.stop)
        a, b = self.references(rows, stop), other.references(theirs, stop)
        return np.flatnonzero((a != b) | (a < 0))

    def references(self, rows: IntArray, stop: int) -> IntArray:
        """Pack where points are into one number; -1 where that is not shared."""
        structure = self.structure
        start = structure.point_start
        start = structure.point_offsets[:-1][rows] if start is None else start[rows]
        part = np.int64(0) if structure.part is None else structure.part[rows].astype(np.int64)
        packed: IntArray = np.where((part < 0) | (start >= stop), -1, (part << 48) | start)
        return packed

    def at(self, places: pl.DataFrame) -> State:
        """Keep the rows at some places (``video_id``, ``frame_idx``)."""
        structure = self.structure
        here = np.isin(packed_places(structure.frames), packed_places(places))
        frames, offsets = np.flatnonzero(here), structure.instance_offsets
        rows = ranges(offsets[:-1][frames], np.diff(offsets)[frames])
        starts = structure.point_start
        kept = Structure(
            structure.frames[frames],
            structure.instances[rows],
            structure.n_nodes,
            None if structure.part is None else structure.part[rows],
            (structure.point_offsets[:-1] if starts is None else starts)[rows],
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

    def points(self, rows: IntArray) -> pl.DataFrame:
        """Return the points of instances with all keys."""
        count = np.diff(self.structure.point_offsets)[rows]
        starts = offsets_of_counts(count)[:-1]
        node = np.arange(int(count.sum())) - np.repeat(starts, count)
        keys = self.instances(rows).select("video_id", "frame_idx", "instance_id")
        repeated = keys[np.repeat(np.arange(len(rows)), count)]
        nodes = pl.Series("node_id", node.astype(np.uint16))
        values = self.read_points(_VALUES, rows)
        return repeated.with_columns(nodes).hstack(values)
