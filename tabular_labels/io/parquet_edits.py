"""Which delta holds which frame and its points, and how rows of shards and deltas come together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.io.manifest import Delta, Key, Shard
from tabular_labels.model.edits import REPLACED

__all__ = [
    "KEY",
    "Columns",
    "Edits",
    "Region",
    "merge_edits",
    "only_places",
    "packed_key",
    "read_edits",
    "scan_files",
]

KEY = ("video_id", "frame_idx")
Columns: TypeAlias = Mapping[str, pl.DataType | type[pl.DataType]]


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
    """What of the edits falls on neighbouring shards, or on none.

    Attributes:
        shards: Their numbers, none when the project has none.
        edited: The places whose rows are in a delta: their key columns, the packed
            ``key`` and the number ``delta``.
        removed: Instances of other places that the shards still hold (points only).
        video: The video that the shards are of, if they are of one.
    """

    shards: range
    edited: pl.DataFrame
    removed: pl.Series
    video: int | None = None

    def __bool__(self) -> bool:
        """Tell whether there is anything."""
        return bool(self.edited.height or len(self.removed))


@dataclass(frozen=True)
class Edits:
    """What the deltas replace; ``lists`` are their `REPLACED` rows with the number ``delta``."""

    lists: pl.DataFrame

    def followed_by(self, replaced: pl.DataFrame, number: int) -> Edits:
        """Add one more delta of some number."""
        mine = replaced.with_columns(delta=pl.lit(number, pl.UInt32))
        return Edits(pl.concat([self.lists, mine]))

    @cached_property
    def owners(self) -> pl.DataFrame:
        """Where the rows of each edited place are, sorted by place.

        Columns ``video_id``, ``frame_idx``, ``key`` (packed place), ``delta`` (the newest
        that names it) and ``points`` (the newest that holds its points; null: a shard).
        """
        if self.lists.height and self.lists["delta"].n_unique() == 1:  # sorted and unique already
            holder = pl.when("points").then("delta").alias("points")
            return self.lists.select(*KEY, "delta", holder, key=packed_key())
        newest = pl.col("delta").filter("points").max().alias("points")
        return (
            self.lists.group_by(KEY)
            .agg(pl.col("delta").max(), newest)
            .with_columns(key=packed_key())
            .sort("key")
        )

    @cached_property
    def keys(self) -> IntArray:
        """The packed places: uint64, sorted."""
        return self.owners["key"].to_numpy()

    @property
    def _has_removed(self) -> bool:
        return bool(self.lists["removed"].list.len().sum())

    @cached_property
    def removed(self) -> pl.DataFrame:
        """Instances that were removed after their points were kept.

        Columns ``part`` (the delta that still holds them; null: a shard), ``key`` and
        ``instance_id``, sorted by place.
        """
        if not self._has_removed:
            columns = {"part": pl.UInt32, "key": pl.UInt64, "instance_id": pl.UInt32}
            return pl.DataFrame(schema=columns)
        later = (pl.col("delta") > pl.col("points_right")).fill_null(value=True)
        return (
            self.lists.filter(~pl.col("points") & (pl.col("removed").list.len() > 0))
            .join(self.owners.drop("delta"), on=KEY, suffix="_right", maintain_order="left")
            .filter(later)
            .select(part="points_right", key="key", instance_id="removed")
            .explode("instance_id", empty_as_null=False)
            .sort("key", maintain_order=True)
        )

    def owner(self, key: Key) -> tuple[int, int | None] | None:
        """Return which delta holds a place, and which its points; None if none does."""
        packed = np.uint64(key[0] << 32 | key[1]) if 0 <= key[1] < 2**32 > key[0] >= 0 else None
        if packed is None:
            return None
        row = int(np.searchsorted(self.keys, packed))
        if row == len(self.keys) or self.keys[row] != packed:
            return None
        found: tuple[int, int | None] = self.owners.select("delta", "points").row(row)
        return found

    def removed_from(self, part: int | None) -> pl.Series:
        """Return the instances that a delta (None: a shard) holds the points of in vain."""
        is_there = pl.col("part").is_null() if part is None else pl.col("part") == part
        return self.removed.filter(is_there)["instance_id"]

    def of_table(self, table: str) -> pl.DataFrame:
        """Return ``key`` and ``delta`` of the places whose rows of a table are in a delta."""
        if table != "points":
            return self.owners.select(*KEY, "key", "delta")
        held = self.owners.filter(pl.col("points").is_not_null())
        return held.select(*KEY, "key", delta="points")

    def regions(self, shards: Sequence[Shard], table: str) -> Iterator[Region]:
        """Cut the edits at the beginnings of shards; neighbours come together."""
        edited = self.of_table(table)
        removed = self.removed.filter(pl.col("part").is_null())
        removed = removed if table == "points" else removed.clear()
        if not shards:
            yield Region(range(0), edited, removed["instance_id"])
            return
        starts = [shard.first[0] << 32 | shard.first[1] for shard in shards[1:]]
        edges = pl.Series(starts, dtype=pl.UInt64)
        cuts = [
            [0, *each["key"].search_sorted(edges, side="left").to_list(), each.height]
            for each in (edited, removed)
        ]

        touched = [any(cut[n] < cut[n + 1] for cut in cuts) for n in range(len(shards))]
        for group in _grouped(touched):
            rows = [slice(cut[group.start], cut[group.stop]) for cut in cuts]
            ids = removed["instance_id"][rows[1]]
            of_video = {shards[n].first[0] for n in group} | {shards[n].last[0] for n in group}
            video = of_video.pop() if len(of_video) == 1 else None
            yield Region(group, edited[rows[0]], ids, video)


def _grouped(touched: Sequence[bool]) -> list[range]:
    """Group neighbours that are all touched, or all not.

    Several merges in one plan run at once, each with its buffers. So when more than two
    groups are touched, they come together with what is between them.
    """
    edges = [k for k in range(1, len(touched)) if touched[k] != touched[k - 1]]
    groups = [range(*ends) for ends in pairwise([0, *edges, len(touched)])]
    hit = [group for group in groups if touched[group.start]]
    if len(hit) <= 2:
        return groups
    first, stop = hit[0].start, hit[-1].stop
    whole = [range(first), range(first, stop), range(stop, len(touched))]
    return [group for group in whole if group]


def read_edits(root: Path, deltas: Sequence[Delta]) -> Edits:
    """Read which places the deltas replace."""
    lists = [
        scan_files([root / delta.replaced.path], REPLACED).with_columns(
            delta=pl.lit(number, pl.UInt32)
        )
        for number, delta in enumerate(deltas)
    ]
    empty = pl.LazyFrame(schema={**REPLACED, "delta": pl.UInt32})
    return Edits(pl.concat([empty, *lists]).collect())


def merge_edits(base: pl.LazyFrame, edited: pl.LazyFrame, region: Region) -> pl.LazyFrame:
    """Replace the rows of edited places, in canonical order.

    Filters on frames reach the files; nothing is read here.

    Args:
        base: Rows of its shards in canonical order, with the key columns.
        edited: The rows of the region's edited places, in canonical order.
        region: What is edited.
    """
    if not region.shards:
        return edited
    if region.edited.height:
        base = base.filter(~_is_edited(region))
    if len(region.removed):
        base = base.filter(~pl.col("instance_id").is_in(region.removed.implode()))
    if not region.edited.height:
        return base
    return base.merge_sorted(edited, KEY, maintain_order=True)


def _is_edited(region: Region) -> pl.Expr:
    """Tell rows of edited places; in one video the frame index says it, and costs half."""
    if region.video is None:
        return packed_key().is_in(region.edited["key"].implode())
    places = region.edited.filter(video_id=region.video)["frame_idx"]
    return pl.col("frame_idx").is_in(places.implode())


def only_places(plan: pl.LazyFrame, owned: pl.DataFrame, removed: pl.Series) -> pl.LazyFrame:
    """Keep the rows of some places, but for those of removed instances."""
    # The ranges let a reader skip row groups; the keys decide.
    bounds = owned.select(
        pl.col(KEY).min().name.suffix("_min"), pl.col(KEY).max().name.suffix("_max")
    ).row(0, named=True)
    near = pl.all_horizontal(
        pl.col(name).is_between(bounds[f"{name}_min"], bounds[f"{name}_max"]) for name in KEY
    )
    kept = plan.filter(near & packed_key().is_in(owned["key"].implode()))
    return kept.filter(~pl.col("instance_id").is_in(removed.implode())) if len(removed) else kept
