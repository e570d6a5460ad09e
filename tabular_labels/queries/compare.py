"""Compare projects by what they say, whatever numbers their keys have."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model import schema
from tabular_labels.model.buffers import key_values
from tabular_labels.model.offsets import ranges, rows_of_ids
from tabular_labels.model.tables import Catalog, LabelTables

__all__ = ["find_differences", "renumber", "tables_equal"]


def renumber(tables: LabelTables) -> LabelTables:
    """Give every key its place: videos, tracks and so on in list order, rows canonical.

    Args:
        tables: Valid tables.

    Returns:
        The same project; ``video_id``, ``track_id``, ``skeleton_id``, ``frame_id`` and
        ``instance_id`` count from 0.

    Examples:
        >>> renumber(LabelTables()).frames.height
        0
    """
    catalog = tables.catalog
    video = _rows(catalog.videos["video_id"], tables.frames["video_id"])
    index = tables.frames["frame_idx"].to_numpy()
    position = tables.frames["position"].to_numpy()
    order = np.lexsort((position, index, video))
    offsets = tables.instance_offsets
    counts = np.diff(offsets)[order]
    gather = ranges(offsets[:-1][order], counts)
    starts = tables.point_offsets
    points = tables.points[ranges(starts[:-1][gather], np.diff(starts)[gather])]
    # Gaps in positions mean nothing.
    rank = np.empty(len(order), np.uint32)
    rank[np.argsort(position[order], kind="stable")] = np.arange(len(order), dtype=np.uint32)
    frames = tables.frames[order].with_columns(
        position=pl.Series(rank),
        frame_id=pl.Series(np.arange(len(order)), dtype=pl.UInt32),
        video_id=pl.Series(video[order], dtype=pl.UInt32),
    )
    old = tables.instances[gather]
    instances = old.with_columns(
        instance_id=pl.Series(np.arange(len(gather)), dtype=pl.UInt32),
        frame_id=pl.Series(np.repeat(np.arange(len(order)), counts), dtype=pl.UInt32),
        skeleton_id=_renumbered(catalog.skeletons["skeleton_id"], old["skeleton_id"]),
        track_id=_renumbered(catalog.tracks["track_id"], old["track_id"]),
        from_predicted=_renumbered(old["instance_id"], old["from_predicted"]),
    )
    return LabelTables(_renumber_catalog(catalog), frames, instances, points)


def _rows(ids: pl.Series, wanted: pl.Series) -> IntArray:
    return rows_of_ids(ids.to_numpy(), wanted.to_numpy())


def _renumbered(ids: pl.Series, wanted: pl.Series) -> pl.Series:
    rows = rows_of_ids(ids.to_numpy(), key_values(wanted))
    column = pl.Series(wanted.name, np.where(rows < 0, 0, rows), dtype=wanted.dtype)
    return column.set(wanted.is_null(), None)


def _renumber_catalog(catalog: Catalog) -> Catalog:
    videos, skeletons = catalog.videos["video_id"], catalog.skeletons["skeleton_id"]
    changed = {}
    for name, table in catalog.tables().items():
        if "video_id" in table.columns:
            table = table.with_columns(_renumbered(videos, table["video_id"]))
        if "skeleton_id" in table.columns:
            table = table.with_columns(_renumbered(skeletons, table["skeleton_id"]))
        if name == "tracks":
            table = table.with_columns(_renumbered(table["track_id"], table["track_id"]))
        if name in ("nodes", "edges"):
            table = table.sort(schema.TABLES[name].key[:2] + ("position",) * (name == "edges"))
        changed[name] = table
    backends = [_canonical(text) for text in changed["videos"]["backend"].to_list()]
    changed["videos"] = changed["videos"].with_columns(
        pl.Series("backend", backends, dtype=pl.String)
    )
    return replace(catalog, **changed)  # type: ignore[arg-type]  # tables only


def _canonical(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def find_differences(a: LabelTables, b: LabelTables) -> list[str]:
    """Name the tables in which two projects differ, keys' numbers and project id aside.

    Returns:
        One line per table with the number of rows that differ; empty when equal.

    Examples:
        >>> find_differences(LabelTables(), LabelTables())
        []
    """
    a, b = renumber(a), renumber(b)
    lines = []
    for name in schema.TABLES:
        mine, theirs = _table(a, name), _table(b, name)
        if mine.height != theirs.height:
            lines.append(f"{name}: {mine.height} rows, {theirs.height} there")
        elif not mine.equals(theirs, null_equal=True):
            lines.append(f"{name}: {_n_unequal(mine, theirs)} rows differ")
    if dict(a.catalog.provenance) != dict(b.catalog.provenance):
        lines.append("provenance differs")
    return lines


def _table(tables: LabelTables, name: str) -> pl.DataFrame:
    source = tables.catalog if name in tables.catalog.tables() else tables
    table: pl.DataFrame = getattr(source, name)
    return table


def _n_unequal(mine: pl.DataFrame, theirs: pl.DataFrame) -> int:
    unequal = [mine[name].ne_missing(theirs[name]) for name in mine.columns]
    return int(pl.select(pl.any_horizontal(unequal).sum()).item())


def tables_equal(a: LabelTables, b: LabelTables) -> bool:
    """Tell whether two projects say the same, see `find_differences`."""
    return not find_differences(a, b)
