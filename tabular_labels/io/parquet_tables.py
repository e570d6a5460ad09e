"""Lazily read a version's tables, with the rows of edited places in the place of the old ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from tabular_labels.io.parquet_edits import KEY, Region, merge_edits, only_places, packed_key
from tabular_labels.io.parquet_parts import ProjectParts
from tabular_labels.model.edits import packed_places
from tabular_labels.model.schema import TABLES

__all__ = ["EditedScan"]

# Up to so many rows of deltas are read at once, and kept; more stay in their files.
MOST_EDITED_ROWS = 500_000
# A multiple of the rows of a group (`parquet_files`), so that no group is read twice.
_ROWS_AT_ONCE = 131_072


class EditedScan:
    """Plans of whole tables of one version."""

    def __init__(self, parts: ProjectParts) -> None:
        self._parts = parts
        self._edited_tables: dict[str, pl.DataFrame] = {}

    def plan(self, table: str) -> pl.LazyFrame:
        """Plan ``frames``, ``instances`` or ``points`` with all keys, canonical order."""
        parts, shards = self._parts, self._parts.shards
        if not parts.n_deltas:
            return parts.plan_shards(shards, table)
        plans: list[pl.LazyFrame] = []
        for region in parts.edits.regions(shards, table):
            files = shards[region.shards.start : region.shards.stop]
            base = parts.plan_shards(files, table)
            plans.append(merge_edits(base, self._edited(region, table), region) if region else base)
        return plans[0] if len(plans) == 1 else pl.concat(plans)

    def instance_pieces(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Read columns of the instances of each shard, then of each delta, in pieces.

        Edited places come last, so that nothing waits for anything else.
        """
        parts, n_shards = self._parts, len(self._parts.shards)
        edited = parts.edits.of_table("instances")
        for number in range(parts.n_parts):
            counts = None
            if number < n_shards:
                shard = parts.shards[number]
                ends = np.array([a << 32 | b for a, b in (shard.first, shard.last)], np.uint64)
                ends += np.array([0, 1], np.uint64)
                start, stop = np.searchsorted(edited["key"].to_numpy(), ends)
                if stop > start:
                    counts = ~packed_key().is_in(edited["key"][start:stop].implode())
            else:
                owned = edited.filter(delta=number - n_shards)
                if not owned.height:
                    continue
                counts = packed_key().is_in(owned["key"].implode())
            for plan in self._slices(number, "instances"):
                kept = plan if counts is None else plan.filter(counts)
                with parts.reading(parts.files(number, ["instances"])):
                    piece = kept.select(columns).collect()
                yield piece

    def _slices(self, number: int, table: str) -> Iterator[pl.LazyFrame]:
        """Plan the rows of one part, a few of its row groups at a time."""
        parts = self._parts
        files = parts.files(number, [table])
        n_rows = files[0].rows if files else parts.in_memory[table].height
        for start in range(0, n_rows, _ROWS_AT_ONCE):
            # The last one goes to the end of the file, wherever that is.
            is_last = start + _ROWS_AT_ONCE >= n_rows
            yield parts.plan(number, table).slice(start, None if is_last else _ROWS_AT_ONCE)

    def _edited(self, region: Region, table: str) -> pl.LazyFrame:
        """Plan the rows of a region's edited places."""
        keys = region.edited["key"]
        if not len(keys):
            return pl.LazyFrame(schema=dict(TABLES[table].disk_columns))
        if self._edited_rows_at_most(table) <= MOST_EDITED_ROWS:
            rows = self._edited_table(table)
            ends = np.array([keys[0], keys[-1] + 1], np.uint64)
            first, stop = np.searchsorted(packed_places(rows), ends)
            return rows[int(first) : int(stop)].lazy()
        return self._owned(region.edited, table)

    def _owned(self, edited: pl.DataFrame, table: str) -> pl.LazyFrame:
        """Plan the rows of edited places; those of each delta are read from its file."""
        parts, n_shards = self._parts, len(self._parts.shards)
        if parts.n_deltas == 1 and edited.height == parts.edits.of_table(table).height:
            return parts.plan(n_shards, table)  # there is nothing else in it
        plans = []
        for number in range(parts.n_deltas):
            owned = edited.filter(delta=number)
            if owned.height:
                plan = parts.plan(n_shards + number, table)
                gone = parts.edits.removed_from(number)
                plans.append(only_places(plan, owned, gone if table == "points" else gone.clear()))
        merged = plans[0]
        for plan in plans[1:]:
            merged = merged.merge_sorted(plan, KEY, maintain_order=True)
        return merged

    def _edited_rows_at_most(self, table: str) -> int:
        parts = self._parts
        rows = sum(delta.file(table).rows for delta in parts.manifest.deltas)
        return rows if parts.uncommitted is None else rows + parts.in_memory[table].height

    def _edited_table(self, table: str) -> pl.DataFrame:
        """Read the rows of all edited places, once."""
        if table not in self._edited_tables:
            parts = self._parts
            edited = parts.edits.of_table(table)
            with parts.reading([delta.file(table) for delta in parts.manifest.deltas]):
                self._edited_tables[table] = self._owned(edited, table).collect()
        return self._edited_tables[table]
