"""The best we can write by hand for one work and one kind of file: what ours is held against.

These know what the package must find out: one skeleton, rows in order, every reference
valid. They check nothing.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from tabular_labels import LabelTables
from tabular_labels._types import BoolArray, FloatArray, IntArray

__all__ = [
    "cut_frames",
    "dense_arrays",
    "filter_frames",
    "filter_instances",
    "filter_points",
    "open_frames",
    "parquet_frame",
    "parquet_runs",
    "parquet_tables",
    "points_table",
    "read_instances",
    "split_frames",
    "track_runs",
    "values_of",
    "with_shifts",
    "write_parquet",
]

_BLOCK = 4_096  # rows; what they hold stays in the cache


def points_table(tables: LabelTables) -> pl.DataFrame:
    """Repeat the columns of frames and instances onto points, with names for keys."""
    catalog, frames, instances, points = (
        tables.catalog,
        tables.frames,
        tables.instances,
        tables.points,
    )
    n_nodes, n = catalog.nodes.height, instances.height
    counts = _instances_of_frames(tables)
    at = pl.Series(np.repeat(np.arange(n, dtype=np.uint32), n_nodes))

    def spread(values: np.ndarray[Any, Any]) -> pl.Series:
        return pl.Series(np.repeat(values, n_nodes))

    def of_frame(name: str) -> pl.Series:
        return spread(np.repeat(frames[name].to_numpy(), counts))

    def of_instance(name: str) -> pl.Series:
        return spread(instances[name].to_numpy())

    def score(name: str) -> pl.Series:
        return spread(instances[name].fill_null(math.nan).to_numpy()).fill_nan(None)

    def key(name: str) -> pl.Series:
        column = instances[name]
        if not column.null_count():
            return of_instance(name)
        values = spread(column.fill_null(2**32 - 1).to_numpy())
        return values.set(values == 2**32 - 1, None)

    track = instances["track_id"]
    names = _enum(catalog.tracks["name"]).gather(track.fill_null(0))
    names = names.set(track.is_null(), None) if track.null_count() else names
    points_of_video = np.bincount(
        np.repeat(frames["video_id"].to_numpy(), counts), minlength=catalog.videos.height
    )
    videos = _enum(catalog.videos["filename"])
    return pl.DataFrame(
        {
            "video": pl.concat(
                [
                    videos.new_from_index(k, count * n_nodes)
                    for k, count in enumerate(points_of_video.tolist())
                ],
                rechunk=True,
            ),
            "video_id": of_frame("video_id"),
            "frame_idx": of_frame("frame_idx"),
            "frame_id": of_frame("frame_id"),
            "position": of_frame("position"),
            "is_negative": of_frame("is_negative"),
            "instance_id": of_instance("instance_id"),
            "instance_idx": of_instance("instance_idx"),
            "kind": instances["kind"].gather(at),
            "skeleton": _enum(catalog.skeletons["name"]).new_from_index(0, n * n_nodes),
            "track": names.gather(at),
            "track_id": key("track_id"),
            "node": _tiled(_enum(catalog.nodes["name"]), n),
            "node_id": _tiled(catalog.nodes["node_id"], n),
            "x": points["x"],
            "y": points["y"],
            "visible": points["visible"],
            "complete": points["complete"],
            "score": points["score"],
            "instance_score": score("score"),
            "tracking_score": score("tracking_score"),
            "from_predicted": key("from_predicted"),
        }
    )


def _enum(names: pl.Series) -> pl.Series:
    return names.cast(pl.Enum(names))


def _tiled(values: pl.Series, n: int) -> pl.Series:
    """Repeat a short column n times: copies of a block of some thousand repeats."""
    per_block = min(4_096, max(n, 1))
    places = np.tile(np.arange(len(values), dtype=np.uint32), per_block)
    block = values.gather(pl.Series(places))
    whole, rest = divmod(n, per_block)
    return pl.concat([block] * whole + [block.head(rest * len(values))], rechunk=True)


def _instances_of_frames(tables: LabelTables) -> IntArray:
    """Count the instances of each frame; frames are numbered by their rows."""
    return np.bincount(tables.instances["frame_id"].to_numpy(), minlength=tables.frames.height)


def track_runs(tables: LabelTables) -> pl.DataFrame:
    """Find where each track is present: one packed key, sorted, cut where it jumps."""
    frames, instances = tables.frames, tables.instances
    place = frames["video_id"].to_numpy().astype(np.int64) << 48
    place |= frames["frame_idx"].to_numpy()
    key = np.repeat(place, _instances_of_frames(tables))
    track = instances["track_id"]
    if track.null_count():
        key = key[track.is_not_null().to_numpy()]
        track = track.drop_nulls()
    key |= track.to_numpy().astype(np.int64) << 32
    return _cut(key)


def _cut(key: IntArray) -> pl.DataFrame:
    key.sort()
    after = np.flatnonzero(np.diff(key) > 1) + 1
    first = key[np.append(0, after)] if len(key) else key
    last = key[np.append(after - 1, len(key) - 1)] if len(key) else key
    return pl.DataFrame(
        {
            "video_id": (first >> 48).astype(np.uint32),
            "track_id": (first >> 32 & 0xFFFF).astype(np.uint32),
            "start": first & 0xFFFFFFFF,
            "stop": (last & 0xFFFFFFFF) + 1,
        }
    )


def parquet_runs(files: list[str]) -> pl.DataFrame:
    """Find where each track is present from the files of the instances."""
    columns = pl.col("video_id", "track_id", "frame_idx")
    table = pl.scan_parquet(files).select(columns).collect()
    if table["track_id"].null_count():
        table = table.filter(pl.col("track_id").is_not_null())
    key = table["video_id"].to_numpy().astype(np.int64) << 48
    key |= table["track_id"].to_numpy().astype(np.int64) << 32
    key |= table["frame_idx"].to_numpy()
    return _cut(key)


def parquet_frame(files: list[str], video_id: int, frame_idx: int) -> pl.DataFrame:
    """Read the points of one frame."""
    here = (pl.col("video_id") == video_id) & (pl.col("frame_idx") == frame_idx)
    return pl.scan_parquet(files).filter(here).collect()


def dense_arrays(tables: LabelTables) -> list[FloatArray]:
    """Scatter each video into float32 (n_frames, n_tracks, n_nodes, 2), users first."""
    catalog, frames, instances = tables.catalog, tables.frames, tables.instances
    n_nodes, n_tracks = catalog.nodes.height, catalog.tracks.height
    counts = _instances_of_frames(tables)
    offsets = np.append(0, np.cumsum(counts))
    bounds = np.searchsorted(frames["video_id"].to_numpy(), np.arange(catalog.videos.height + 1))
    lengths = catalog.videos["n_frames"].to_list()
    x, y = (values_of(tables.points[name]).reshape(-1, n_nodes) for name in ("x", "y"))
    track = instances["track_id"].cast(pl.Int64).fill_null(-1).to_numpy()
    index = np.repeat(frames["frame_idx"].to_numpy(), counts)
    chosen = _shown(tables, counts, offsets) & (track >= 0)
    slot = index * n_tracks + track
    arrays = []
    for first, stop, length in zip(bounds[:-1].tolist(), bounds[1:].tolist(), lengths, strict=True):
        rows = slice(int(offsets[first]), int(offsets[stop]))
        source = np.full(length * n_tracks if first < stop else 0, -1, np.int64)
        at = np.flatnonzero(chosen[rows])
        source[slot[rows][at]] = at + rows.start
        out = np.empty((len(source), n_nodes, 2), np.float32)
        for low in range(0, len(source), _BLOCK):
            part = source[low : low + _BLOCK]
            for k, values in enumerate((x, y)):
                out[low : low + _BLOCK, :, k] = values.take(part, 0, mode="clip")
        gone = source < 0
        if gone.any():
            out[gone] = np.nan
        arrays.append(out.reshape(-1, n_tracks, n_nodes, 2))
    return arrays


def values_of(column: pl.Series) -> FloatArray:
    """Return the numbers of a float column without a copy; NaN lies under its nulls."""
    return np.frombuffer(column.to_arrow().buffers()[1], np.float64)[: column.len()]


def _shown(tables: LabelTables, counts: IntArray, offsets: IntArray) -> BoolArray:
    """Leave out predictions in frames that a person labelled."""
    is_user = tables.instances["kind"].to_physical().to_numpy() == 0
    frame_id = tables.instances["frame_id"].to_numpy()
    has_user = np.zeros(len(counts), bool)
    has_user[frame_id[is_user]] = True
    shown: BoolArray = is_user | ~has_user[frame_id]
    return shown


def filter_points(tables: LabelTables, least: float) -> LabelTables:
    """Hide points with a low score; points without a score stay."""
    points = tables.points
    low = values_of(points["score"]) < least  # NaN is not low
    x, y = (
        pl.Series(np.where(low, np.nan, values_of(points[name]))).fill_nan(None)
        for name in ("x", "y")
    )
    return LabelTables(
        tables.catalog, tables.frames, tables.instances, points.with_columns(x=x, y=y)
    )


def filter_instances(tables: LabelTables, least: float) -> LabelTables:
    """Keep instances with a high score, and those without one."""
    score = tables.instances["score"]
    kept = ~(score.fill_null(math.inf).to_numpy() < least)
    return _kept(tables, tables.frames, kept)


def filter_frames(tables: LabelTables, start: int, stop: int) -> LabelTables:
    """Keep the frames of a range of indices."""
    index = tables.frames["frame_idx"].to_numpy()
    kept = (index >= start) & (index < stop)
    frames = tables.frames.filter(pl.Series(kept))
    frames = frames.with_columns(position=pl.int_range(pl.len(), dtype=pl.UInt32))
    return _kept(tables, frames, np.repeat(kept, _instances_of_frames(tables)))


def _kept(tables: LabelTables, frames: pl.DataFrame, kept: BoolArray) -> LabelTables:
    instances = tables.instances.filter(pl.Series(kept))
    there = np.zeros(len(kept) + 1, bool)
    there[:-1] = kept
    source = instances["from_predicted"].fill_null(len(kept))
    gone = pl.Series(~there[source.to_numpy()])
    before = np.append(0, np.cumsum(kept))[:-1]
    first = before[np.append(0, np.cumsum(_instances_of_frames(tables))[:-1])]
    place = (before - first[tables.instances["frame_id"].to_numpy()])[kept]
    instances = instances.with_columns(
        instance_idx=pl.Series(place.astype(np.uint16)),
        from_predicted=pl.when(~gone).then(pl.col("from_predicted")),
    )
    mask = pl.Series(np.repeat(kept, tables.catalog.nodes.height))
    return LabelTables(tables.catalog, frames, instances, tables.points.filter(mask))


def split_frames(tables: LabelTables, share: float, seed: int) -> tuple[LabelTables, LabelTables]:
    """Deal frames out by their hash."""
    n = tables.frames.height
    keys = [tables.frames[name].to_numpy() for name in ("video_id", "frame_idx")]
    state = _mixed(np.full(n, seed, np.uint64))
    for key in (*keys, np.zeros(n, np.uint64)):
        state = _mixed(state ^ key.astype(np.uint64))
    size = round(share * n)
    first = state < np.partition(state, size)[size]
    return cut_frames(tables, (first, ~first))


def _mixed(values: np.ndarray[Any, np.dtype[np.uint64]]) -> np.ndarray[Any, np.dtype[np.uint64]]:
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def cut_frames(
    tables: LabelTables, masks: tuple[BoolArray, BoolArray]
) -> tuple[LabelTables, LabelTables]:
    """Cut tables by masks of whole frames, whose instances keep their places and links."""
    counts, n_nodes = _instances_of_frames(tables), tables.catalog.nodes.height

    def cut(mask: BoolArray) -> LabelTables:
        kept = np.repeat(mask, counts)
        frames = tables.frames.filter(pl.Series(mask))
        return LabelTables(
            tables.catalog,
            frames.with_columns(position=pl.int_range(pl.len(), dtype=pl.UInt32)),
            tables.instances.filter(pl.Series(kept)),
            tables.points.filter(pl.Series(np.repeat(kept, n_nodes))),
        )

    first, second = map(cut, masks)
    return first, second


def with_shifts(tables: LabelTables, n_shifts: int) -> LabelTables:
    """Cut the frames into shifts of equal length, each with tracks of its own, in chains.

    Within a shift the animals change one by one, so that its frames hang together only
    through those in between.
    """
    n_steps = 8
    counts = _instances_of_frames(tables)
    frame = np.repeat(np.arange(tables.frames.height), counts)
    step = frame * n_shifts * n_steps // tables.frames.height
    shift, animal = step // n_steps, tables.instances["track_id"].to_numpy()
    track = shift * (n_steps + 4) + step % n_steps + animal
    names = np.arange(n_shifts * (n_steps + 4))
    catalog = replace(
        tables.catalog,
        tracks=pl.DataFrame(
            {
                "track_id": names.astype(np.uint32),
                "name": [f"animal {k}" for k in names.tolist()],
                "spawned_on": np.zeros(len(names), np.int64),
            },
            schema=tables.catalog.tracks.schema,
        ),
    )
    instances = tables.instances.with_columns(track_id=pl.Series(track.astype(np.uint32)))
    return LabelTables(catalog, tables.frames, instances, tables.points)


def open_frames(tables: LabelTables) -> Callable[[int, int], tuple[int, int] | None]:
    """Return a function that finds the instance rows of a frame by bisection."""
    index = tables.frames["frame_idx"].to_numpy().data
    offsets = np.append(0, np.cumsum(_instances_of_frames(tables))).data
    video = tables.frames["video_id"].to_numpy()
    bounds = np.searchsorted(video, np.arange(tables.catalog.videos.height + 1)).tolist()

    def find(video_id: int, frame_idx: int) -> tuple[int, int] | None:
        stop = bounds[video_id + 1]
        row = bisect_left(index, frame_idx, bounds[video_id], stop)
        return (offsets[row], offsets[row + 1]) if row < stop and index[row] == frame_idx else None

    return find


def read_instances(tables: LabelTables) -> Callable[[tuple[int, int]], list[tuple[Any, ...]]]:
    """Return a function that reads every value of instances from buffers."""
    instances, n = tables.instances, tables.catalog.nodes.height
    columns = [
        (column.to_physical().cast(pl.Int64) if column.dtype.is_integer() else column.to_physical())
        .fill_null(-1)
        .to_numpy()
        .data
        for column in instances.iter_columns()
    ]
    x, y = (values_of(tables.points[name]) for name in ("x", "y"))

    def read(rows: tuple[int, int]) -> list[tuple[Any, ...]]:
        out = []
        for row in range(*rows):
            xy = np.empty((n, 2))
            xy[:, 0], xy[:, 1] = x[row * n : row * n + n], y[row * n : row * n + n]
            out.append((*(column[row] for column in columns), xy))
        return out

    return read


def parquet_tables(files: dict[str, list[str]]) -> dict[str, pl.DataFrame]:
    """Read whole tables, without the keys that position implies."""
    left_out = {"instances": ["video_id", "frame_idx"]}
    left_out["points"] = [*left_out["instances"], "instance_id", "node_id"]
    plans = [pl.scan_parquet(paths).drop(left_out.get(name, [])) for name, paths in files.items()]
    return dict(zip(files, pl.collect_all(plans), strict=True))


def write_parquet(tables: LabelTables, folder: Path) -> None:
    """Write three files with all keys, encoded as ours are."""
    n_nodes, frames, instances = tables.catalog.nodes.height, tables.frames, tables.instances
    counts = _instances_of_frames(tables)
    places = {key: np.repeat(frames[key].to_numpy(), counts) for key in ("video_id", "frame_idx")}
    keys = {**places, "instance_id": instances["instance_id"].to_numpy()}
    of_points = {key: pl.Series(np.repeat(values, n_nodes)) for key, values in keys.items()}
    of_points["node_id"] = _tiled(tables.catalog.nodes["node_id"], instances.height)
    written = {
        "frames": frames,
        "instances": instances.with_columns(pl.Series(key, v) for key, v in places.items()),
        "points": tables.points.with_columns(v.alias(key) for key, v in of_points.items()),
    }
    folder.mkdir()
    for name, table in written.items():
        numbers = {c: t for c, t in table.schema.items() if t.is_numeric()}
        pq.write_table(
            table.to_arrow(),
            folder / f"{name}.parquet",
            row_group_size=65_536,
            compression="zstd",
            compression_level=3,
            use_dictionary=[c for c in table.columns if c not in numbers],
            column_encoding={
                c: "BYTE_STREAM_SPLIT" if t.is_float() else "DELTA_BINARY_PACKED"
                for c, t in numbers.items()
            },
        )
