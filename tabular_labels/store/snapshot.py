"""A snapshot: an immutable state of a project, in memory or scanned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from threading import RLock
from typing import Any, TypeVar

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.errors import ForkedProcessError
from tabular_labels.model.buffers import float_values, is_forked
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.point_patch import PointPatch, patch_column
from tabular_labels.model.schema import POINTS
from tabular_labels.model.source import Counts, HeldSource, MemorySource, Source
from tabular_labels.model.tables import Catalog, LabelTables, Structure, order_of_list
from tabular_labels.store.columns import (
    FrameColumns,
    InstanceColumns,
    PointBlocks,
    prediction_links,
)
from tabular_labels.store.derived import (
    EXTRA,
    ChosenFramesSource,
    DerivedSource,
    HiddenPointsSource,
    SelectedSource,
    same_points,
)
from tabular_labels.store.keyed_scan import scan_keyed
from tabular_labels.store.merged import MergedSource

__all__ = ["Snapshot"]

T = TypeVar("T")

# Points of one instance in this many are put between slices of the others.
FEW_OF = 64
# What a snapshot makes from frames and instances alone.
_OF_ROWS = {"structure", "frames", "instances", "list_order"}
# What it makes from frames, and from the number of points of each instance.
_OF_FRAMES = {"frames", "list_order", "points"}


class _Lineage:
    """Identity of a set of rows; pickles as itself, so that copies made together agree."""


class Snapshot:
    """An immutable state of a project.

    Everything derived (structure, offsets, buffers) is made when first needed and
    belongs to this snapshot, so there is nothing to refresh. Safe to read from
    several threads; pickles its source only.
    """

    def __init__(self, source: Source, lineage: object = None) -> None:
        self.source = source
        # Whatever shares it gives a row the same keys and the same contents.
        self.lineage = _Lineage() if lineage is None else lineage
        self._made: dict[str, Any] = {}
        self._lock = RLock()

    @classmethod
    def of(cls, tables: LabelTables) -> Snapshot:
        """Hold tables in memory."""
        return cls(MemorySource(tables))

    def unread(self) -> Snapshot:
        """Return the same rows without what was read of them, if they can be read again."""
        if isinstance(self.source, SelectedSource):
            return Snapshot(self.source.unread(), self.lineage)
        if isinstance(self.source, HeldSource | MemorySource):
            return self
        return Snapshot(self.source, self.lineage)

    def forget(self) -> None:
        """Let go of what was read and derived; it is made again when it is asked for."""
        with self._lock:
            self._made.clear()
            if isinstance(self.source, SelectedSource):
                self.source.forget()

    def once(self, name: str, make: Callable[[], T]) -> T:
        """Make something that follows from these rows, and keep it under a name."""
        made = self._made.get(name)
        if made is None:
            with self._lock:
                made = self._made.get(name)
                if made is None:
                    made = self._made[name] = make()
        result: T = made
        return result

    @property
    def catalog(self) -> Catalog:
        """The small tables."""
        return self.source.catalog

    @property
    def counts(self) -> Counts:
        """Rows of the large tables, in most cases without reading them."""
        if isinstance(self.source, ChosenFramesSource):
            structure = self.structure
            return Counts(structure.frames.height, structure.instances.height, structure.n_points)
        return self.source.counts

    @property
    def n_frames(self) -> int:
        """Number of frames, which is always known."""
        if isinstance(self.source, ChosenFramesSource):
            return self.source.n_frames
        # Counts would have it said where points are.
        return self.structure.frames.height if self.has_structure else self.source.counts.frames

    @property
    def in_memory(self) -> bool:
        """Whether all rows are in memory."""
        return isinstance(self.source, MemorySource)

    @property
    def has_structure(self) -> bool:
        """Whether frames and instances were read already."""
        return self.in_memory or "structure" in self._made

    @property
    def structure(self) -> Structure:
        """Frames and instances, read and validated once.

        Raises:
            ForkedProcessError: They would have to be read in a forked process.
        """
        return self.once("structure", self._load_structure)

    def _load_structure(self) -> Structure:
        if is_forked() and not self.in_memory:
            what = "reading frames and instances of a scanned project"
            raise ForkedProcessError(what)
        return self.source.load_structure()

    @property
    def frames(self) -> FrameColumns:
        """Buffers of the frames."""
        return self.once("frames", lambda: FrameColumns(self.structure))

    @property
    def instances(self) -> InstanceColumns:
        """Buffers of the instances."""
        return self.once("instances", lambda: InstanceColumns(self.structure))

    @property
    def points(self) -> PointBlocks:
        """Buffers of the points."""
        return self.once("points", self._point_blocks)

    def _point_blocks(self) -> PointBlocks:
        def read(first: int, last: int, columns: tuple[str, ...]) -> pl.DataFrame:
            return self.read_points(columns, slice(first, last))

        return PointBlocks(self.structure.point_bounds, read, in_memory=self.in_memory)

    @property
    def list_order(self) -> Sequence[int] | IntArray:
        """Frame rows in classic list order."""
        return self.once("list_order", self._list_order)

    def _list_order(self) -> Sequence[int] | IntArray:
        order = order_of_list(self.structure.frames)
        return range(self.n_frames) if order is None else order

    def video_rows(self, video_id: int) -> Sequence[int] | IntArray:
        """Frame rows of one video in classic list order."""
        start, stop = self.frames.rows_of_video.get(video_id, (0, 0))
        if isinstance(self.list_order, range):
            return range(start, stop)

        def in_order() -> IntArray:
            position = self.structure.frames["position"].to_numpy()[start:stop]
            return start + np.argsort(position, kind="stable")

        return self.once(f"list order of video {video_id}", in_order)

    def instance_rows(self, frame_rows: IntArray) -> IntArray:
        """Return the instance rows of frame rows, in their order."""
        offsets = self.structure.instance_offsets
        return ranges(offsets[:-1][frame_rows], np.diff(offsets)[frame_rows])

    def read_points(
        self, columns: Sequence[str], rows: slice | IntArray | None = None
    ) -> pl.DataFrame:
        """Read point columns of instance rows, in their order.

        Args:
            columns: Names from ``x``, ``y``, ``visible``, ``complete``, ``score``.
            rows: Instance rows; None for all.

        Returns:
            The columns, one row per node of each instance, missing as null.
        """
        structure = self.structure
        rows = slice(None) if rows is None else rows
        start, count = structure.point_runs(rows)
        part = None if structure.part is None else structure.part[rows]
        return self.source.read_points(part, start, count, columns)

    def instance_pieces(self, columns: Sequence[str]) -> Iterator[pl.DataFrame] | None:
        """Read columns of all instances piece by piece, see `Source.instance_pieces`.

        None when the structure was read already, or there is no other way.
        """
        return None if self.has_structure else self.source.instance_pieces(columns)

    def tables(self) -> LabelTables:
        """Read everything; a scanned project does not keep what was read."""
        return self.source.load()

    def restricted(self, structure: Structure, catalog: Catalog | None = None) -> Snapshot:
        """Hold only these frames and instances; their points are referred to, or copied."""
        return self._derived(DerivedSource(self.source, structure, catalog))

    def with_catalog(self, catalog: Catalog) -> Snapshot:
        """Hold the same rows beside other small tables."""
        structure = self.structure.with_skeletons(catalog.n_nodes)
        if self.in_memory:
            source: Source = MemorySource(LabelTables.on(structure, catalog, self.tables().points))
        else:
            source = DerivedSource(self.source, structure, catalog)
        made = Snapshot(source)
        # What is derived from rows alone is the same.
        made._made.update({k: v for k, v in self._made.items() if k in _OF_ROWS - {"structure"}})
        return made

    def with_hidden_points(self, hidden: BoolArray) -> Snapshot:
        """Hold the same rows, with some points missing; shape ``(n_points,)``."""
        return self._derived(HiddenPointsSource(self.source, self.structure, hidden))

    def with_instances(
        self,
        instances: pl.DataFrame,
        hold: Callable[[Structure], Source] | None = None,
        *,
        only_tracks: bool = False,
    ) -> Snapshot:
        """Hold the same rows with other values of instances; keys and skeletons stay.

        Args:
            instances: In-memory columns.
            hold: Makes a source of the new rows over points that are not in memory.
            only_tracks: Whether nothing but the tracks differs.
        """
        old = self.structure
        structure = Structure(old.frames, instances, old.n_nodes, old.part, old.point_start)
        structure.with_offsets_of(old)
        if self.in_memory:
            tables = LabelTables.on(structure, self.catalog, self.tables().points)
            made = Snapshot(MemorySource(tables))
        else:
            made = Snapshot((hold or partial(DerivedSource, self.source))(structure))
        made._made.update({k: v for k, v in self._made.items() if k in _OF_FRAMES})
        columns = self._made.get("instances")
        if only_tracks and columns is not None:
            made._made["instances"] = columns.with_tracks(instances)
        return made

    def with_points(self, rows: IntArray, points: pl.DataFrame) -> Snapshot:
        """Hold the same rows, with other points of some instances.

        Args:
            rows: Instance rows, ascending.
            points: In-memory columns of all points of these, in order.
        """
        structure, source = self.structure, self.source
        if self.in_memory:
            old = self.tables().points
            joined = _replaced(old, points.select(old.columns), structure.point_offsets, rows)
            in_memory = Snapshot.of(LabelTables.on(structure, self.catalog, joined))
            in_memory._made.update({k: v for k, v in self._made.items() if k in _OF_ROWS})
            return in_memory
        is_little = points.height * FEW_OF < structure.instances.height
        if is_little and structure.part is None and self._is_patchable:
            # Then no column of all instances has to say which of them have points elsewhere.
            these = ranges(structure.first_points(rows), structure.point_counts(rows))
            return self._patched(these, {each.name: _plain(each) for each in points})
        extra = POINTS.empty()
        has_parts = structure.part is not None
        beside = same_points(source)
        if beside is not None:
            extra, has_parts = beside.extra, beside.has_parts
        start = offsets_of_counts(structure.point_counts(rows))[:-1] + extra.height
        part, begin = _referred(structure)
        if int(start.max(initial=0)) >= 2**31:
            begin = begin.astype(np.int64)
        part[rows], begin[rows] = EXTRA, start
        made = Structure(structure.frames, structure.instances, structure.n_nodes, part, begin)
        made.with_offsets_of(structure)
        table = pl.concat([extra, points.select(extra.columns)])
        snapshot = Snapshot(DerivedSource(source, made, self.catalog, table, has_parts=has_parts))
        shared = _OF_ROWS - {"structure"}
        snapshot._made.update({k: v for k, v in self._made.items() if k in shared})
        return snapshot

    def with_point_values(self, points: IntArray, values: Mapping[str, pl.Series]) -> Snapshot:
        """Hold the same rows, with other values of some points.

        Args:
            points: Their rows in canonical order, ascending.
            values: By column the value of each, null for missing.
        """
        structure = self.structure
        new = {name: _plain(column) for name, column in values.items()}
        of = structure.instances_of_points(points)
        if self.in_memory:
            return self._with_values_in_memory(points, np.unique(of), new)
        if not self._is_patchable:
            return self._with_instances_read(points, np.unique(of), new)
        return self._patched(points, new)

    @property
    def _is_patchable(self) -> bool:
        """Tell whether a place in a table of the source says which point is meant."""
        return not _lays_out(self.source) and _refers_once(self.structure)

    def _patched(self, points: IntArray, values: Mapping[str, FloatArray | BoolArray]) -> Snapshot:
        """Set values above the points of a source, which are not read."""
        structure = self.structure
        of = structure.instances_of_points(points)
        rows = structure.point_starts(of) + points - structure.first_points(of)
        keys = PointPatch.keys(None if structure.part is None else structure.part[of], rows)
        beside = same_points(self.source)
        patch = (beside and beside.patch) or PointPatch()
        for name, array in values.items():
            patch = patch.with_values(name, keys, array)
        below = self.unread()
        if below is self:
            source = DerivedSource(self.source, structure, self.catalog, patch=patch)
        else:
            source = SelectedSource(below.source, structure, _all_rows, self.catalog, patch)
        made = Snapshot(source)
        made._made.update({k: v for k, v in self._made.items() if k in _OF_ROWS})
        return made

    def _with_values_in_memory(
        self, points: IntArray, instances: IntArray, values: Mapping[str, FloatArray | BoolArray]
    ) -> Snapshot:
        """Set values of points of some instances; if these are few, the others are shared."""
        structure = self.structure
        if len(instances) * FEW_OF < structure.instances.height:
            return self._with_instances_read(points, instances, values)
        old = self.tables().points
        columns = {
            name: patch_column(old[name], points, values[name]) if name in values else old[name]
            for name in old.columns
        }
        made = Snapshot.of(LabelTables.on(structure, self.catalog, pl.DataFrame(columns)))
        made._made.update({k: v for k, v in self._made.items() if k in _OF_ROWS})
        return made

    def _with_instances_read(
        self, points: IntArray, instances: IntArray, values: Mapping[str, FloatArray | BoolArray]
    ) -> Snapshot:
        """Set values of points of some instances, which are read and kept whole."""
        structure, patch = self.structure, PointPatch()
        for name, array in values.items():
            patch = patch.with_values(name, PointPatch.keys(None, points), array)
        table = self.read_points(list(POINTS.memory_columns), instances)
        first, count = structure.first_points(instances), structure.point_counts(instances)
        return self.with_points(instances, patch.apply(table, None, first, count))

    def rows_linked_to(self, rows: IntArray) -> IntArray:
        """Return the rows of the instances that were made from these, ascending."""
        instances = self.structure.instances
        linked, origins = prediction_links(instances["from_predicted"])
        if not len(linked):
            return linked
        return linked[np.isin(origins, instances["instance_id"].gather(rows).to_numpy())]

    def _derived(self, source: Source) -> Snapshot:
        return Snapshot.of(source.load()) if self.in_memory else Snapshot(source)

    def scan(self, name: str) -> pl.LazyFrame:
        """Read one table lazily, with all its keys, in canonical order.

        Raises:
            ForkedProcessError: In a forked process.
        """
        if is_forked():
            what = f"the table of {name}"
            raise ForkedProcessError(what)
        small = self.catalog.tables()
        if name in small:
            return small[name].lazy()
        # Frames that were read are not read again.
        known = name == "frames" and self.has_structure
        native = None if known else self.source.scan(name)
        return native if native is not None else scan_keyed(self, name)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the source; what is derived is derived again."""
        return {"source": self.source, "lineage": self.lineage}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Start anew around the source."""
        self.__init__(**state)  # type: ignore[misc]  # pickle skips the constructor


def _all_rows(structure: Structure) -> Structure:
    return structure


def _lays_out(source: Source) -> bool:
    """Tell whether instances have other nodes than where their points are kept.

    Then a place there does not say which point is meant.
    """
    if isinstance(source, ChosenFramesSource):
        return _lays_out(source.whole.source)
    beside = same_points(source)
    return isinstance(source, MergedSource) if beside is None else _lays_out(beside.parent)


def _refers_once(structure: Structure) -> bool:
    """Tell whether no two instances have the same points, as copies of a frame have."""
    if structure.point_start is None:
        return True
    starts = structure.point_start
    # Of one table no key is made for each instance.
    places = starts if structure.part is None else PointPatch.keys(structure.part, starts)
    if bool((places[1:] > places[:-1]).all()):
        return True
    places = np.sort(places)
    return bool((places[1:] > places[:-1]).all())


def _plain(column: pl.Series) -> FloatArray | BoolArray:
    """Return values as an array, with NaN for null."""
    return column.to_numpy() if column.dtype == pl.Boolean else float_values(column)


def _referred(structure: Structure) -> tuple[IntArray, IntArray]:
    """Return ``part`` and ``point_start`` as arrays of their own."""
    start = structure.all_starts()
    start = start.copy() if start is structure.point_start else start
    if structure.part is None:
        return np.zeros(len(start), np.int8), start
    part = structure.part
    return part.astype(np.promote_types(part.dtype, np.int8)), start


def _replaced(
    old: pl.DataFrame, new: pl.DataFrame, offsets: IntArray, rows: IntArray
) -> pl.DataFrame:
    """Put points of some instances in the place of theirs, sharing the others if these are few."""
    if len(rows) * FEW_OF < len(offsets):
        starts, stops = offsets[rows].tolist(), offsets[rows + 1].tolist()
        parts, at, taken = [], 0, 0
        for start, stop in zip(starts, stops, strict=True):
            parts += [old.slice(at, start - at), new.slice(taken, stop - start)]
            at, taken = stop, taken + stop - start
        parts.append(old.slice(at))
        return pl.concat([part for part in parts if part.height] or [old], rechunk=False)
    place = ranges(offsets[rows], offsets[rows + 1] - offsets[rows])
    order = np.arange(old.height)
    order[place] = old.height + np.arange(new.height)
    return pl.concat([old, new])[order]
