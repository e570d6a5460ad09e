"""Random edits for tests of reading: a small writer of deltas, and the plain truth beside it."""

import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from tabular_labels.io.disk_rows import disk_table
from tabular_labels.io.manifest import LARGE_TABLES, Delta, Key, Manifest
from tabular_labels.io.parquet_files import write_table
from tabular_labels.io.parquet_write import write_parquet
from tabular_labels.io.project_versions import publish, read_manifest
from tabular_labels.model.edits import EditSet
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


def in_memory(rows: Rows, tables: LabelTables, *, dense: bool = False) -> LabelTables:
    """Turn rows into tables, if asked with dense positions."""
    rank = pl.col("position").rank("ordinal").cast(pl.UInt32) - 1
    frames = rows["frames"].with_columns(position=rank) if dense else rows["frames"]
    parts = {
        name: rows[name].select(list(TABLES[name].memory_columns))
        for name in ("instances", "points")
    }
    return LabelTables(tables.catalog, frames, **parts)


def write_delta(path: Path, places: pl.DataFrame, new: Rows, counts: Counts) -> Manifest:
    """Commit a version that replaces frames; ``counts`` are the rows afterwards.

    With columns ``points`` and ``removed``, places may leave their points where they were.
    """
    before = read_manifest(path)
    token = uuid.uuid4().hex
    places = places.sort(PLACE)
    if "points" not in places.columns:
        none = pl.lit([], pl.List(pl.UInt32))
        places = places.select(*PLACE, points=pl.lit(value=True), removed=none)
    held = places.filter("points")
    new = {**new, "points": at(new, held)["points"]}
    files = {
        name: write_table(table, path / "edits" / f"{name}-{token}.parquet")
        for name, table in {**new, "replaced": places}.items()
    }
    first, last = (places.select(PLACE).row(row) for row in (0, -1))
    info = replace(
        before.info, version=before.info.version + 1, parent=before.info.version, rows=counts
    )
    manifest = replace(
        before, info=info, deltas=(*before.deltas, Delta(first, last, **files, commits=1))
    )
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


def touch_lightly(rows: Rows, places: pl.DataFrame, rng: np.random.Generator) -> Rows:
    """Change tracks and scores and remove instances; points stay as they are."""
    rows = at(rows, places)
    linked = rows["instances"]["from_predicted"].drop_nulls()
    may_go = ~pl.col("instance_id").is_in(linked.implode())
    gone = rows["instances"].filter(may_go)["instance_id"]
    gone = gone.filter(pl.Series(rng.random(len(gone)) < 0.3))
    kept = ~pl.col("instance_id").is_in(gone.implode())
    place = pl.int_range(pl.len()).over("frame_id").cast(pl.UInt16)
    changed = {
        "instance_idx": place,
        "track_id": pl.lit(None, pl.UInt32),
        "score": pl.col("score") + 1,
    }
    return {
        "frames": rows["frames"].with_columns(~pl.col("is_negative")),
        "instances": rows["instances"].filter(kept).with_columns(**changed),
        "points": rows["points"].filter(kept),
    }


def lists_of(places: pl.DataFrame, light: pl.DataFrame, old: Rows, new: Rows) -> pl.DataFrame:
    """List the replaced places; the light ones say which instances are gone."""
    gone = (
        at(old, light)["instances"]
        .join(new["instances"], on="instance_id", how="anti")
        .group_by(PLACE)
        .agg(removed="instance_id")
    )
    is_light = light.select(*PLACE, points=pl.lit(value=False))
    return (
        places.join(is_light, on=PLACE, how="left")
        .join(gone, on=PLACE, how="left")
        .with_columns(pl.col("points").fill_null(value=True), pl.col("removed").fill_null([]))
        .sort(PLACE)
    )


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
    first = in_memory(rows, full, dense=True)
    write_parquet(first, path, points_per_shard=points_per_shard)
    # Positions on disk are those of the written tables; edits keep to them.
    position = (
        rows["frames"].select("frame_id").with_columns(at=pl.Series(first.frames["position"]))
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
    assert rows["frames"].equals(first.frames)
    touched: set[Key] = set()
    for number in range(1, n_deltas + 1):
        chosen = places.filter(rng.random(places.height) < 0.15)
        borders = [at_first[:1], at_first[-1:]]
        if number == n_deltas:  # whole shards, their borders, and the very ends
            chosen = pl.concat([chosen, places[:2], places[-2:], places[20:40], *borders]).unique()
        edit = draw_edit(rows, everything, chosen, rng, number)
        write_delta(path, edit.replaced, edit.new, count(edit.rows))
        rows = edit.rows
        touched |= set(chosen.rows())
    return EditedProject(path, in_memory(rows, full), rows, sorted(touched))


@dataclass
class Edit:
    """What is replaced by what, and all rows afterwards."""

    replaced: pl.DataFrame
    new: Rows
    rows: Rows

    def edit_set(self, tables: LabelTables) -> EditSet:
        held = {**self.new, "points": at(self.new, self.replaced.filter("points"))["points"]}
        parts = {name: held[name].select(list(TABLES[name].memory_columns)) for name in held}
        return EditSet(tables.catalog, self.replaced, **parts, counts=count(self.rows))


def draw_edit(
    rows: Rows, everything: Rows, chosen: pl.DataFrame, rng: np.random.Generator, number: int
) -> Edit:
    """Delete some of the chosen places, change some with their points, others without."""
    kept = chosen.filter(rng.random(chosen.height) < 0.7)
    there = rows["frames"].select(PLACE).unique()
    light = kept.join(there, on=PLACE, how="semi", maintain_order="left")
    light = light.filter(pl.Series(rng.random(light.height) < 0.6))
    heavy = kept.join(light, on=PLACE, how="anti")
    edited = touch(at(everything, heavy), number)
    spared = touch_lightly(rows, light, rng)
    new: Rows = {
        name: pl.concat([edited[name], spared[name]]).sort(PLACE, maintain_order=True)
        for name in LARGE_TABLES
    }
    return Edit(lists_of(chosen, light, rows, new), new, replaced(rows, chosen, new))
