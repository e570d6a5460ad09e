"""A source made of several: merged frames and instances over the points of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.layout import NodeMap, columns_to_lay_out, lay_out
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.source import HeldSource, MemorySource, Source
from tabular_labels.model.tables import Catalog, LabelTables, Structure
from tabular_labels.store.pieces import first_of_runs, join_pieces

__all__ = ["MergedSource", "Parent", "SourceBuilder"]

_LONG = 64  # instances; runs that are longer on average are copied as slices
_FIRST_PART = 2  # above no part at all; derived sources have a part -1
_COLUMNS = ("x", "y", "visible", "complete", "score")


@dataclass(frozen=True)
class Parent:
    """One of the sources, with the structure whose rows are taken.

    Attributes:
        source: Where its points are.
        structure: Its frames and instances.
        skeletons: What its skeletons become, by ``skeleton_id`` there.
    """

    source: Source
    structure: Structure
    skeletons: Mapping[int, NodeMap]


@dataclass(frozen=True)
class _Origin:
    """A point table, and how its points are laid out here."""

    source: Source
    part: int | None
    nodes: NodeMap | None


class MergedSource(HeldSource):
    """Frames and instances of its own over the points of several sources."""

    def __init__(self, catalog: Catalog, structure: Structure, origins: Sequence[_Origin]) -> None:
        self.catalog = catalog
        self.structure = structure
        self.origins = tuple(origins)

    @property
    def origin(self) -> str | None:
        """A file below; the first there is."""
        found = (origin.source.origin for origin in self.origins)
        return next((path for path in found if path is not None), None)

    def read_points(
        self, part: IntArray | None, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        """Read from each source what it has, and put it in order."""
        assert part is not None, "merged structures name their origins"
        in_memory = self._in_memory(part, start, count, columns)
        if in_memory is not None:
            return in_memory
        numbers = np.unique(part).tolist() or [0]
        tables = []
        for number in numbers if self.origins else ():
            rows = slice(None) if len(numbers) == 1 else part == number
            tables.append(self._read(self.origins[number], start[rows], count[rows], columns))
        if len(tables) == 1:
            return tables[0]
        if not tables:
            return LabelTables().points.select(columns)
        return _interleave(tables, np.searchsorted(numbers, part), count)

    def _in_memory(
        self, part: IntArray, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame | None:
        """Join long runs of tables in memory, so that points are copied once; else None."""
        tables = [
            origin.source.tables.points
            for origin in self.origins
            if isinstance(origin.source, MemorySource) and origin.nodes is None
        ]
        if not len(part) or len(tables) < len(self.origins):
            return None
        first = first_of_runs(part, start, count)
        if len(first) * _LONG > len(part):
            return None
        return join_pieces(
            tables, (part[first], start[first], np.add.reduceat(count, first)), columns
        )

    def _read(
        self, origin: _Origin, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        part = None if origin.part is None else np.full(len(start), origin.part, np.int64)
        if origin.nodes is None:
            return origin.source.read_points(part, start, count, columns)
        own = np.full(len(start), origin.nodes.n_nodes, np.int64)
        wanted = columns_to_lay_out(columns, origin.nodes)
        points = origin.source.read_points(part, start, own, wanted)
        return lay_out(points, origin.nodes, len(start)).select(columns)

    def load(self) -> LabelTables:
        """Read everything."""
        structure = self.structure
        start = structure.point_starts()
        n, n_nodes = len(start), structure.n_nodes
        one = len(n_nodes) == 1  # then no number for each instance has to be made
        count = np.broadcast_to(n_nodes, n) if one else np.diff(structure.point_offsets)
        points = self.read_points(structure.part, start, count, _COLUMNS)
        return LabelTables.on(structure, self.catalog, points)


class SourceBuilder:
    """Collects where merged instances have their points, range by range.

    Args:
        parents: Where instances come from.
        n: How many instances there will be.
    """

    def __init__(self, parents: Sequence[Parent], n: int) -> None:
        self._parents = tuple(parents)
        self._origins: list[_Origin] = []
        self._part = np.empty(n, np.int16)
        self._start = np.empty(n, np.int64)
        self._n = 0

    def add(self, number: BoolArray | IntArray, row: IntArray) -> None:
        """Add the next instances.

        Args:
            number: The number of each instance's parent.
            row: Each instance's row there.
        """
        rows = slice(self._n, self._n + len(row))
        self._n = rows.stop
        part, start = self._part[rows], self._start[rows]
        for place, parent in enumerate(self._parents):
            mine = np.flatnonzero(np.asarray(number) == place)
            start[mine] = parent.structure.point_starts(row[mine])
            codes, parts = _codes(parent, row[mine])
            for code in parts:
                part[mine[codes == code]] = _place(self._origins, _origin(parent, code))

    def finish(
        self, catalog: Catalog, frames: pl.DataFrame, instances: pl.DataFrame
    ) -> MergedSource:
        """Make the source of the merged rows, in canonical order."""
        small = len(self._origins) < 128  # there is one number for each instance
        part = self._part.astype(np.int8) if small else self._part
        structure = Structure(frames, instances, catalog.n_nodes, part, self._start)
        return MergedSource(catalog, structure, self._origins)


def _codes(parent: Parent, rows: IntArray) -> tuple[IntArray, list[int]]:
    """Number point table and skeleton of each row in one; skeletons only if nodes move."""
    codes = np.zeros(len(rows), np.int64)
    if parent.structure.part is not None:
        codes += (parent.structure.part[rows].astype(np.int64) + _FIRST_PART) << 16
    if any(nodes.nodes is not None for nodes in parent.skeletons.values()):
        codes += parent.structure.instances["skeleton_id"].to_numpy()[rows]
    if not codes.any():
        return codes, [0] if len(codes) else []
    return codes, np.unique(codes).tolist()


def _origin(parent: Parent, code: int) -> _Origin:
    number, skeleton = code >> 16, code & 0xFFFF
    part = number - _FIRST_PART if number else None
    nodes = parent.skeletons.get(skeleton)
    nodes = nodes if nodes is not None and nodes.nodes is not None else None
    if isinstance(parent.source, MergedSource) and nodes is None and part is not None:
        return parent.source.origins[part]  # nothing between this and where the points are
    return _Origin(parent.source, part, nodes)


def _place(origins: list[_Origin], origin: _Origin) -> int:
    for place, known in enumerate(origins):
        if (known.source, known.part) == (origin.source, origin.part) and (
            known.nodes is origin.nodes
        ):
            return place
    origins.append(origin)
    return len(origins) - 1


def _interleave(tables: Sequence[pl.DataFrame], which: IntArray, count: IntArray) -> pl.DataFrame:
    """Put the points of instances, which stand in order in several tables, in order."""
    first = np.flatnonzero(np.diff(which, prepend=-1))
    columns = tables[0].columns
    if len(first) * _LONG <= len(which):
        points = offsets_of_counts(count)
        lengths = np.diff(points[np.append(first, len(which))])
        taken, starts = which[first], np.empty(len(first), np.int64)
        for number in range(len(tables)):
            mine = taken == number
            starts[mine] = offsets_of_counts(lengths[mine])[:-1]
        return join_pieces(tables, (taken, starts, lengths), columns)
    starts = np.empty(len(which), np.int64)
    before = 0
    for number, table in enumerate(tables):
        mine = which == number
        starts[mine] = before + offsets_of_counts(count[mine])[:-1]
        before += table.height
    rows = ranges(starts, count)
    return pl.DataFrame(
        [pl.concat([table[name] for table in tables]).gather(rows) for name in columns]
    )
