"""Which delta holds which frame, and how rows of shards and deltas come together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import polars as pl

from tabular_labels.io.manifest import Delta, Key, Shard

__all__ = [
    "KEY",
    "REPLACED",
    "Columns",
    "Edits",
    "Region",
    "merge_edits",
    "packed_key",
    "read_edits",
    "scan_files",
]

KEY = ("video_id", "frame_idx")
Columns: TypeAlias = Mapping[str, pl.DataType | type[pl.DataType]]
REPLACED: Columns = {"video_id": pl.UInt32, "frame_idx": pl.Int64}
"""Columns of the list of frames that a delta replaces."""


def packed_key() -> pl.Expr:
    """Pack ``video_id`` and ``frame_idx`` (below 2**32) into one ordered number (UInt64)."""
    return pl.col("video_id").cast(pl.UInt64) * 2**32 + pl.col("frame_idx").cast(pl.UInt64)


def scan_files(paths: Sequence[Path], columns: Columns) -> pl.LazyFrame:
    """Scan Parquet files that have exactly these columns, in the order of the paths."""
    if not paths:
        return pl.LazyFrame(schema=columns)
    # Neither wildcards nor key=value folders in the project's own path mean anything.
    return pl.scan_parquet(list(paths), schema=columns, glob=False, hive_partitioning=False)


@dataclass(frozen=True)
class Region:
    """A range of canonical order: at most one shard, and the edited frames that fall there."""

    shard: int | None
    edited: pl.DataFrame


@dataclass(frozen=True)
class Edits:
    """The edited frames: ``video_id``, ``frame_idx``, ``delta``, ``key``, sorted and unique."""

    owners: pl.DataFrame

    def owner(self, key: Key) -> int | None:
        """Return the number of the delta that holds a frame, None when a shard does."""
        found = self.owners.filter(video_id=key[0], frame_idx=key[1])["delta"]
        return int(found[0]) if len(found) else None

    def of_delta(self, number: int) -> pl.DataFrame:
        """Return the frames whose rows are in one delta."""
        return self.owners.filter(delta=number)

    def regions(self, shards: Sequence[Shard]) -> Iterator[Region]:
        """Cut the edited frames at the beginnings of the shards."""
        if not shards:
            yield Region(None, self.owners)
            return
        starts = [shard.first[0] * 2**32 + shard.first[1] for shard in shards[1:]]
        stops = (
            self.owners["key"]
            .search_sorted(pl.Series(starts, dtype=pl.UInt64), side="left")
            .to_list()
        )
        begin = 0
        for number, stop in enumerate([*stops, self.owners.height]):
            yield Region(number, self.owners.slice(begin, stop - begin))
            begin = stop


def read_edits(root: Path, deltas: Sequence[Delta]) -> Edits:
    """Read which frames the deltas replace."""
    lists = [
        scan_files([root / delta.replaced.path], REPLACED).with_columns(
            delta=pl.lit(number, pl.UInt32)
        )
        for number, delta in enumerate(deltas)
    ]
    owners = (
        pl.concat(lists)
        .group_by(KEY)
        .agg(pl.col("delta").max())
        .with_columns(key=packed_key())
        .sort("key")
        .collect()
    )
    return Edits(owners)


def merge_edits(
    base: pl.LazyFrame | None,
    deltas: Sequence[pl.LazyFrame],
    edited: pl.DataFrame,
    columns: Columns,
) -> pl.LazyFrame:
    """Replace edited frames by their newest rows, in canonical order.

    Filters on frames reach the files; nothing is read here.

    Args:
        base: Rows of shards in canonical order, with the key columns.
        deltas: The same columns of every delta, oldest first.
        edited: The owners (see `Edits`) of the edited frames to look at.
        columns: Of the result.
    """
    parts = [] if base is None else [_without(base, edited)]
    for number, delta in enumerate(deltas):
        owned = edited.filter(delta=number)
        if owned.height:
            parts.append(_only(delta, owned))
    if not parts:
        return pl.LazyFrame(schema=columns)
    merged = parts[0]
    for part in parts[1:]:
        merged = merged.merge_sorted(part, KEY, maintain_order=True)
    return merged


def _without(base: pl.LazyFrame, edited: pl.DataFrame) -> pl.LazyFrame:
    return base.filter(~packed_key().is_in(edited["key"].implode())) if edited.height else base


def _only(delta: pl.LazyFrame, owned: pl.DataFrame) -> pl.LazyFrame:
    # The ranges let a reader skip row groups; the keys decide.
    bounds = owned.select(
        pl.col(KEY).min().name.suffix("_min"), pl.col(KEY).max().name.suffix("_max")
    ).row(0, named=True)
    near = pl.all_horizontal(
        pl.col(name).is_between(bounds[f"{name}_min"], bounds[f"{name}_max"]) for name in KEY
    )
    return delta.filter(near & packed_key().is_in(owned["key"].implode()))
