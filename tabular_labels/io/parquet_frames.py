"""Read the frames and instances of one version: all of them, what differs, or some places."""

from __future__ import annotations

from functools import cached_property

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.io.disk_rows import memory_rows, nan_backed
from tabular_labels.io.manifest_json import require_rules
from tabular_labels.io.parquet_parts import ProjectParts
from tabular_labels.io.parquet_structure import (
    DeltaRows,
    EditedRows,
    LostPointsError,
    edited_rows,
    patch_structure,
)
from tabular_labels.model.checks import check_structure
from tabular_labels.model.edits import packed_places
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.schema import TABLES
from tabular_labels.model.tables import Structure

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
                frames, instances = (
                    _by_column(memory_rows(parts.plan_shards(shards, name), name), name)
                    for name in ("frames", "instances")
                )
            base = Structure(frames, instances, parts.catalog.n_nodes)
            if not parts.n_deltas:
                return self._checked(base)
            return self._checked(self._patched(base, rechunk=True))
        return self._counted(self._patched(base, rechunk=False) if parts.n_deltas else base)

    def read_places(self, places: pl.DataFrame) -> Structure:
        """Read some places, not validated; see `ParquetSource.load_places`."""
        parts = self._parts
        shards, wanted = parts.shards, packed_places(places)
        starts = [shard.first[0] << 32 | shard.first[1] for shard in shards[1:]]
        found = np.searchsorted(np.array(starts, np.uint64), wanted, side="right")
        numbers = np.unique(found).tolist() if shards else []
        chosen = [shards[number] for number in numbers]
        files = [file for shard in chosen for file in shard.files()[:2]]
        parts.verify(files)
        with parts.reading(files):
            plans = [
                memory_rows(parts.plan_shards(chosen, name), name)
                for name in ("frames", "instances")
            ]
            frames, instances = pl.collect_all(plans)
        begins = offsets_of_counts(parts.node_counts(instances))[:-1]
        held = np.array([shard.instances.rows for shard in chosen], np.int64)
        rows = np.array([shard.points.rows for shard in chosen], np.int64)
        shift = parts.point_edges[numbers] - offsets_of_counts(rows)[:-1]
        n_nodes = parts.catalog.n_nodes
        base = Structure(frames, instances, n_nodes, None, begins + np.repeat(shift, held))
        if parts.n_deltas:
            base = self._patched(base, rechunk=True, wanted=wanted)
        here = np.flatnonzero(np.isin(packed_places(base.frames), wanted))
        offsets = base.instance_offsets
        kept = ranges(offsets[:-1][here], np.diff(offsets)[here])
        assert base.point_start is not None
        start = base.point_start[kept]
        return Structure(base.frames[here], base.instances[kept], n_nodes, None, start)

    def _patched(
        self, base: Structure, *, rechunk: bool, wanted: IntArray | None = None
    ) -> Structure:
        parts = self._parts
        n_nodes, edges = parts.catalog.n_nodes, parts.point_edges
        shard_points = int(edges[len(parts.shards)])
        try:
            edited = self.current_rows if wanted is None else self.current_rows.at(wanted)
            return patch_structure(base, edited, n_nodes, shard_points, rechunk=rechunk)
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
        parts.check_points(self._n_points(structure), rows.points)
        return structure

    def _n_points(self, structure: Structure) -> int:
        """Count points, without the offsets when all skeletons have as many nodes."""
        if len(structure.n_nodes) == 1:
            return structure.instances.height * int(structure.n_nodes[0])
        return int(structure.point_offsets[-1])


def _by_column(plan: pl.LazyFrame, table: str) -> pl.DataFrame:
    """Read one column after the other, each into one piece, so that none is there twice."""
    names = TABLES[table].memory_columns
    return pl.DataFrame([plan.select(name).collect().to_series().rechunk() for name in names])
