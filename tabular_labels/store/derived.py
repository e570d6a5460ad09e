"""Sources made from other sources: other frames and instances, some other points."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol, TypeAlias

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.offsets import ranges
from tabular_labels.model.point_patch import PointPatch
from tabular_labels.model.schema import POINTS
from tabular_labels.model.source import Counts, HeldSource, MemorySource, PlainSource, Source
from tabular_labels.model.tables import Catalog, LabelTables, Structure

__all__ = [
    "EXTRA",
    "ChosenFramesSource",
    "DerivedSource",
    "HiddenPointsSource",
    "SelectedSource",
    "same_points",
]

Select: TypeAlias = Callable[[Structure, BoolArray], Structure]

COORDINATES = ("x", "y")

EXTRA: Final = -1
"""The ``part`` of points that stand in a derived source's own table."""


class DerivedSource(HeldSource):
    """Frames and instances of its own over the points of another source.

    A derived source over a derived one stands over the same parent, beside the other.

    Args:
        parent: The source below.
        structure: Frames and instances; ``part`` and ``point_start`` say where their
            points are in the parent, or with the part `EXTRA` in ``extra``.
        catalog: Small tables; None for those of the parent.
        extra: Points that are not in the parent: the columns of `POINTS` in memory. If
            the parent is derived too, these begin with the parent's.
        has_parts: Whether the parent has parts; None: if ``structure`` has.
        patch: Values of points, of either table, that were set; None for those of the
            parent if that is derived.
    """

    def __init__(
        self,
        parent: Source,
        structure: Structure,
        catalog: Catalog | None = None,
        extra: pl.DataFrame | None = None,
        *,
        has_parts: bool | None = None,
        patch: PointPatch | None = None,
    ) -> None:
        self.catalog = parent.catalog if catalog is None else catalog
        self.structure = structure
        beside = same_points(parent)
        if beside is not None:
            extra = beside.extra if extra is None else extra
            patch = beside.patch if patch is None else patch
            has_parts, parent = beside.has_parts, beside.parent
        self.parent: Source = parent
        self.extra: pl.DataFrame = POINTS.empty() if extra is None else extra
        self.patch: PointPatch | None = patch
        self.has_parts: bool = structure.part is not None if has_parts is None else has_parts

    @property
    def origin(self) -> str | None:
        """The file below."""
        return self.parent.origin

    def read_points(
        self, part: IntArray | None, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        """Read from the parent and from the table of its own, and set what was set since."""
        table = self._read(part, start, count, columns)
        return table if self.patch is None else self.patch.apply(table, part, start, count)

    def _read(
        self, part: IntArray | None, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        mine = None if part is None else part == EXTRA
        if mine is None or not mine.any():
            return self._below(part, start, count, columns)
        own = MemorySource.gather(self.extra, start[mine], count[mine], columns)
        if mine.all():
            return own
        assert part is not None
        below = self._below(part[~mine], start[~mine], count[~mine], columns)
        is_own = np.repeat(mine, count)
        # Where each row of the answer stands in the two tables, one above the other.
        at = np.empty(len(is_own), np.int64)
        at[is_own] = below.height + np.arange(own.height)
        at[~is_own] = np.arange(below.height)
        return pl.DataFrame([below[n].append(own[n]).gather(at) for n in columns])

    def _below(
        self, part: IntArray | None, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        known = None if part is None or not self.has_parts else part.astype(np.int64, copy=False)
        return self.parent.read_points(known, start, count, columns)

    def load(self) -> LabelTables:
        """Read everything."""
        structure = self.structure
        columns = tuple(POINTS.memory_columns)
        points = self.read_points(structure.part, *structure.point_runs(slice(None)), columns)
        return LabelTables.on(structure, self.catalog, points)


def same_points(source: Source) -> DerivedSource | None:
    """Return a derived source that hands points on as they are, None for any other."""
    if isinstance(source, DerivedSource) and type(source) in (DerivedSource, SelectedSource):
        return source
    return None


class SelectedSource(DerivedSource):
    """Rows that a bulk edit made from those of a source which can be read again.

    They are held while they are needed; once let go, they are made again when they are
    asked for.

    Args:
        below: The source, of which nothing is held.
        structure: The rows.
        select: Makes them from those of ``below``, the same each time.
        catalog: Small tables.
        patch: As of `DerivedSource`.
    """

    _rows: Structure | None = None

    def __init__(
        self,
        below: Source,
        structure: Structure,
        select: Callable[[Structure], Structure],
        catalog: Catalog,
        patch: PointPatch | None = None,
    ) -> None:
        self._whole, self._select = below, select
        super().__init__(below, structure, catalog, patch=patch)

    @property
    def structure(self) -> Structure:
        """The rows."""
        made = self._rows
        if made is None:
            made = self._rows = self._select(self._whole.load_structure())
        return made

    @structure.setter
    def structure(self, made: Structure) -> None:
        self._rows = made

    def unread(self) -> SelectedSource:
        """Return the same rows, which are not held."""
        made = SelectedSource.__new__(SelectedSource)
        made.__dict__ = {**self.__dict__, "_rows": None}
        return made

    def forget(self) -> None:
        """Let the rows go."""
        self._rows = None

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the rows, not how they were made."""
        held = (self.parent, self.structure, self.catalog, self.extra, self.has_parts, self.patch)
        return _hold, held


def _hold(
    parent: Source,
    structure: Structure,
    catalog: Catalog,
    extra: pl.DataFrame,
    has_parts: bool,
    patch: PointPatch | None,
) -> DerivedSource:
    return DerivedSource(parent, structure, catalog, extra, has_parts=has_parts, patch=patch)


class HiddenPointsSource(DerivedSource):
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
        self.parent = parent  # not beside another: points are hidden on the way
        self.below = structure
        self.hidden = np.packbits(hidden)

    def read_points(
        self, part: IntArray | None, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        """Read from the parent and blank what is hidden."""
        del part
        below = self.below
        rows = self.structure.instances_of_points(start)
        parts = None if below.part is None else below.part[rows]
        table = self.parent.read_points(parts, below.point_starts(rows), count, columns)
        places = ranges(start, count)
        hidden = (self.hidden[places >> 3] >> (7 - (places & 7)).astype(np.uint8)) & 1
        gone = pl.Series("gone", hidden.astype(bool))
        shown = [name for name in columns if name in COORDINATES]
        # By way of NaN, so that NaN lies under the nulls as everywhere else.
        blank = pl.when(gone).then(float("nan")).otherwise(pl.col(shown)).fill_nan(None)
        return table.with_columns(blank.name.keep()) if shown else table


class HasStructure(Protocol):
    """What a snapshot is to sources made from it."""

    @property
    def source(self) -> Source:
        """Where its rows come from."""
        ...

    @property
    def structure(self) -> Structure:
        """Its frames and instances, read once."""
        ...


class ChosenFramesSource(PlainSource):
    """Some frames of a snapshot, of which nothing is read before it is asked for.

    Several such sources of one snapshot share its structure.

    Args:
        whole: The snapshot.
        kept: Which frames are chosen, in canonical order; shape ``(n_frames,)``.
        select: Makes the structure of chosen frames; a function of a module, to pickle.
    """

    def __init__(self, whole: HasStructure, kept: BoolArray, select: Select) -> None:
        self.whole = whole
        self.select = select
        self.n_frames = int(np.count_nonzero(kept))
        self._n_whole = len(kept)
        self._kept = np.packbits(kept)

    @property
    def catalog(self) -> Catalog:
        """The small tables of the snapshot."""
        return self.whole.source.catalog

    @property
    def counts(self) -> Counts:
        """Rows of the large tables; reads the structure."""
        return self._restricted().counts

    @property
    def origin(self) -> str | None:
        """The file below."""
        return self.whole.source.origin

    def load_structure(self) -> Structure:
        """Choose from the snapshot's structure."""
        kept = np.unpackbits(self._kept, count=self._n_whole).view(np.bool_)
        return self.select(self.whole.structure, kept)

    def read_points(
        self, part: IntArray | None, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        """Read from the snapshot's source."""
        return self.whole.source.read_points(part, start, count, columns)

    def load(self) -> LabelTables:
        """Read everything."""
        return self._restricted().load()

    def _restricted(self) -> DerivedSource:
        return DerivedSource(self.whole.source, self.load_structure())
