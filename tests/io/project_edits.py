"""Random edits for tests of reading: a small writer of deltas, and the plain truth beside it."""

import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from tabular_labels.io.manifest import (
    LARGE_TABLES,
    Delta,
    Key,
    Manifest,
    publish,
    read_manifest,
)
from tabular_labels.io.parquet_write import disk_table, write_parquet, write_table
from tabular_labels.model.schema import TABLES
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import LabelTables

PLACE = ("video_id", "frame_idx")
Rows = dict[str, pl.DataFrame]


def disk_rows(tables: LabelTables) -> Rows:
    return {name: disk_table(tables, name) for name in LARGE_TABLES}


def at(rows: Rows, places: pl.DataFrame) -> Rows:
    return {
        name: table.join(places, on=PLACE, how="semi", maintain_order="left")
        for name, table in rows.items()
    }


def replaced(rows: Rows, places: pl.DataFrame, new: Rows) -> Rows:
    """Replace what stands at places by new rows; the slow and obvious way."""
    result = {}
    for name, table in rows.items():
        kept = table.join(places, on=PLACE, how="anti", maintain_order="left")
        result[name] = pl.concat([kept, new[name]]).sort(PLACE, maintain_order=True)
    return result


def in_memory(rows: Rows, tables: LabelTables) -> LabelTables:
    """Turn rows into tables, with dense positions."""
    dense = pl.col("position").rank("ordinal").cast(pl.UInt32) - 1
    frames = rows["frames"].with_columns(position=dense)
    parts = {
        name: rows[name].select(list(TABLES[name].memory_columns))
        for name in ("instances", "points")
    }
    return LabelTables(tables.catalog, frames, **parts)


def write_delta(path: Path, places: pl.DataFrame, new: Rows, counts: Counts) -> Manifest:
    """Commit a version that replaces frames; ``counts`` are the rows afterwards."""
    before = read_manifest(path)
    token = uuid.uuid4().hex
    places = places.sort(PLACE)
    files = [
        write_table(table, path / "edits" / f"{name}-{token}.parquet")
        for name, table in {**new, "replaced": places}.items()
    ]
    first, last = (places.row(row) for row in (0, -1))
    info = replace(
        before.info, version=before.info.version + 1, parent=before.info.version, rows=counts
    )
    manifest = replace(before, info=info, deltas=(*before.deltas, Delta(first, last, *files)))
    publish(path, manifest)
    return manifest


def count(rows: Rows) -> Counts:
    return Counts(*(rows[name].height for name in LARGE_TABLES))


@dataclass
class EditedProject:
    """A project on disk with edits, and what must be read from it."""

    path: Path
    expected: LabelTables
    rows: Rows
    touched: list[Key]


def touch(rows: Rows, number: int) -> Rows:
    """Move points and drop corrections, as a person who edits frames would."""
    gone = rows["instances"].filter(pl.col("from_predicted").is_not_null())["instance_id"]
    kept = ~pl.col("instance_id").is_in(gone.implode())
    place = pl.int_range(pl.len()).over("frame_id").cast(pl.UInt16)
    return {
        "frames": rows["frames"],
        "instances": rows["instances"].filter(kept).with_columns(instance_idx=place),
        "points": rows["points"].filter(kept).with_columns(pl.col("x") + number),
    }


def make_edited_project(
    path: Path, full: LabelTables, *, points_per_shard: int, seed: int, n_deltas: int = 3
) -> EditedProject:
    """Write some frames of a project, then edits that change, delete and insert frames.

    The last video is inserted by the edits; deleted frames may come back.
    """
    rng = np.random.default_rng(seed)
    everything = disk_rows(full)
    places = everything["frames"].select(PLACE).unique(maintain_order=True)
    last_video = places["video_id"].max()
    at_first = places.filter(rng.random(places.height) < 0.8).filter(
        pl.col("video_id") != last_video
    )
    rows = at(everything, at_first)
    write_parquet(in_memory(rows, full), path, points_per_shard=points_per_shard)
    # Positions on disk are those of the written tables; edits keep to them.
    position = (
        rows["frames"]
        .select("frame_id")
        .with_columns(at=pl.Series(in_memory(rows, full).frames["position"]))
    )
    everything["frames"] = (
        everything["frames"]
        .join(position, on="frame_id", how="left", maintain_order="left")
        .with_columns(
            position=pl.coalesce("at", pl.col("position") + full.frames.height).cast(pl.UInt32)
        )
        .drop("at")
    )
    rows = at(everything, at_first)
    touched: set[Key] = set()
    for number in range(1, n_deltas + 1):
        chosen = places.filter(rng.random(places.height) < 0.15)
        borders = [at_first[:1], at_first[-1:]]
        if number == n_deltas:  # whole shards, their borders, and the very ends
            chosen = pl.concat([chosen, places[:2], places[-2:], places[20:40], *borders]).unique()
        kept = chosen.filter(rng.random(chosen.height) < 0.7)
        new = touch(at(everything, kept), number)
        rows = replaced(rows, chosen, new)
        write_delta(path, chosen, new, count(rows))
        touched |= set(chosen.rows())
    return EditedProject(path, in_memory(rows, full), rows, sorted(touched))
