"""Read the frames and instances of one version: all of them, what differs, or some places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property, partial

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.io.disk_rows import memory_rows, nan_backed
from tabular_labels.io.manifest_json import require_rules
from tabular_labels.io.parquet_columns import read_columns
from tabular_labels.io.parquet_parts import ProjectParts
from tabular_labels.io.parquet_structure import (
    DeltaRows,
    EditedRows,
    LostPointsError,
    edited_rows,
    patch_structure,
    patch_tables,
)
from tabular_labels.model.checks import check_structure
from tabular_labels.model.edits import packed_places, rows_at
from tabular_labels.model.offsets import offsets_of_counts
from tabular_labels.model.schema import TABLES
from tabular_labels.model.tables import Catalog, LabelTables, Structure

__all__ = ["StructureReader"]


class StructureReader:
    """Reads frames and instances; of each delta on the disk once.

    Args:
        parts: Of the version.
        deltas: Rows of deltas on the disk that were read already, by number.
    """

    def __init__(self, parts: ProjectParts, deltas: dict[int, DeltaRows] | None = None) -> None:
        self._parts = parts
        self._deltas: dict[int, DeltaRows] = {} if deltas is None else deltas

    def with_parts(self, parts: ProjectParts) -> StructureReader:
        """Return a reader of the same files with other edits above them."""
        return StructureReader(parts, self._deltas)

    def read(self, base: Structure | None = None) -> Structure:
        """Read and validate all; see `ParquetSource.load_structure`."""
        parts = self._parts
        parts.verify(parts.manifest.files("frames") + parts.manifest.files("instances"))
        shards = parts.shards
        if base is None:
            with parts.reading([file for shard in shards for file in shard.files()[:2]]):
                tables = {
                    name: read_columns(parts, shards, name) for name in ("frames", "instances")
                }
            if parts.n_deltas:
                return self._checked(self._patched(partial(patch_tables, tables)))
            frames, instances = tables["frames"], tables["instances"]
            return self._checked(Structure(frames, instances, parts.catalog.n_nodes))
        if not parts.n_deltas:
            return self._counted(base)
        return self._counted(self._patched(partial(patch_structure, base)))

    def read_places(self, places: pl.DataFrame) -> Structure:
        """Read some places, not validated; see `ParquetSource.load_places`."""
        parts = self._parts
        shards, wanted = parts.shards, np.unique(packed_places(places))
        starts = [shard.first[0] << 32 | shard.first[1] for shard in shards[1:]]
        found = np.searchsorted(np.array(starts, np.uint64), wanted, side="right")
        numbers = np.unique(found).tolist() if shards else []
        files = [file for number in numbers for file in shards[number].files()[:2]]
        parts.verify(files)
        with parts.reading(files):
            # One after the other: places may be few in many shards.
            base = _joined([self._places_in(number, wanted) for number in numbers], parts.catalog)
        if not parts.n_deltas:
            return base
        tables = {"frames": base.frames, "instances": base.instances}
        patch = partial(patch_tables, tables, point_start=base.point_start)
        return self._patched(patch, self.current_rows.at(wanted))

    def _places_in(self, number: int, wanted: IntArray) -> Structure:
        """Read what one shard has at some places."""
        parts = self._parts
        plans = [
            memory_rows(parts.plan_shards([parts.shards[number]], name), name)
            for name in ("frames", "instances")
        ]
        frames, instances = pl.collect_all(plans)
        begins = offsets_of_counts(parts.node_counts(instances))[:-1] + parts.point_edges[number]
        whole = Structure(frames, instances, parts.catalog.n_nodes)
        here, rows = rows_at(whole, wanted)
        return Structure(frames[here], instances[rows], whole.n_nodes, None, begins[rows])

    def _patched(
        self,
        patch: Callable[[EditedRows, IntArray, int], Structure],
        edited: EditedRows | None = None,
    ) -> Structure:
        parts = self._parts
        shard_points = int(parts.point_edges[len(parts.shards)])
        try:
            edited = self.current_rows if edited is None else edited
            return patch(edited, parts.catalog.n_nodes, shard_points)
        except LostPointsError as error:
            found = f"{error} whose points are not where edits left them"
            parts.refuse("edits", found, "the instances that points were kept of")

    @cached_property
    def current_rows(self) -> EditedRows:
        """The rows of all places that deltas replace."""
        parts = self._parts
        deltas = [self._kept_delta(number) for number in range(len(parts.manifest.deltas))]
        if parts.uncommitted is not None:
            deltas.append(self._delta_rows(len(deltas)))
        return edited_rows(parts.edits.owners, parts.edits.removed, deltas)

    def _kept_delta(self, number: int) -> DeltaRows:
        if number not in self._deltas:
            self._deltas[number] = self._delta_rows(number)
        return self._deltas[number]

    def _delta_rows(self, number: int) -> DeltaRows:
        """Read one delta's frames and instances, and say where its points are."""
        parts = self._parts
        part = len(parts.shards) + number
        with parts.reading(parts.files(part, ["frames", "instances"])):
            frames, instances = pl.collect_all(
                [
                    parts.plan(part, name).with_columns(nan_backed(TABLES[name].disk_columns))
                    for name in ("frames", "instances")
                ]
            )
        lists = parts.edits.lists.filter(pl.col("points") & (pl.col("delta") == number))
        has_points = np.isin(packed_places(instances), packed_places(lists))
        starts = offsets_of_counts(parts.node_counts(instances) * has_points)
        parts.check_points(int(starts[-1]), int(parts.point_rows[part]))
        return DeltaRows(frames, instances, has_points, starts[:-1] + parts.point_edges[part])

    def _checked(self, structure: Structure) -> Structure:
        parts = self._parts
        self._counted(structure)
        require_rules(check_structure(parts.catalog, structure), parts.path)
        return structure

    def _counted(self, structure: Structure) -> Structure:
        parts = self._parts
        rows = parts.counts
        found = (structure.frames.height, structure.instances.height)
        if found != (rows.frames, rows.instances):
            expected = f"{rows.frames} and {rows.instances}, as the manifest says"
            parts.refuse("frames and instances", f"{found[0]} and {found[1]} rows", expected)
        parts.check_points(structure.n_points, rows.points)
        return structure


def _joined(structures: Sequence[Structure], catalog: Catalog) -> Structure:
    """Put rows of neighbouring shards one after the other."""
    tables = LabelTables(catalog)
    empty = Structure(tables.frames, tables.instances, catalog.n_nodes, None, np.empty(0, np.int64))
    parts = [empty, *structures]
    return Structure(
        pl.concat([part.frames for part in parts], rechunk=True),
        pl.concat([part.instances for part in parts], rechunk=True),
        catalog.n_nodes,
        None,
        np.concatenate([part.point_starts() for part in parts]),
    )
