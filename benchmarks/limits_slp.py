"""Reading and writing ``.slp`` files by hand, see `benchmarks.limits`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import polars as pl

from benchmarks.limits import values_of
from tabular_labels import LabelTables
from tabular_labels._types import IntArray
from tabular_labels.model.schema import KIND

__all__ = ["read_slp", "write_slp"]

_BLOCK = 1 << 21  # bytes; about what the cache of a core holds
_NONE = 2**32 - 1
_TABLES = ("frames", "instances", "points", "pred_points")
_LISTS = ("videos_json", "tracks_json", "suggestions_json")


class _Rows:
    """One uncompressed table: where its rows are in the file."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self.dtype, self.n = dataset.dtype, len(dataset)
        chunk = dataset.chunks
        if chunk is None:
            places = [(0, dataset.id.get_offset() or 0)]
        else:
            places = []
            dataset.id.chunk_iter(
                lambda info: places.append((info.chunk_offset[0], info.byte_offset))
            )
            places.sort()
        self.places = places

    def runs(self) -> Iterator[tuple[int, int, int]]:
        """Yield first row, rows and address of what stands in one piece."""
        size = self.dtype.itemsize
        first, address = self.places[0]
        for row, place in self.places[1:]:
            if place != address + (row - first) * size:
                yield first, row - first, address
                first, address = row, place
        yield first, self.n - first, address

    def blocks(self, file: FileIO, multiple: int = 1) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
        """Read blocks of rows, each a multiple of some number, into one buffer."""
        most = max(_BLOCK // self.dtype.itemsize // multiple, 1) * multiple
        buffer = np.empty(most, self.dtype)
        at = filled = 0
        for _, rows, address in self.runs():
            file.seek(address)
            while rows:
                taken = min(rows, most - filled)
                part: Any = buffer[filled : filled + taken]
                file.readinto(part.view(np.uint8).data)
                filled, rows = filled + taken, rows - taken
                if filled == most:
                    yield at, buffer
                    at, filled = at + most, 0
        if filled:
            yield at, buffer[:filled]


def read_slp(path: Path) -> dict[str, pl.DataFrame]:
    """Read frames, instances and points, as our tables hold them, and parse the small ones."""
    with h5py.File(path, "r") as tables:
        for name in _LISTS:
            for text in tables[name][:]:
                json.loads(text)
        json.loads(tables["metadata"].attrs["json"])
        rows = {name: _Rows(tables[name]) for name in _TABLES}
    with path.open("rb", buffering=0) as file:
        frames = _columns(rows["frames"], file, _FRAME_COLUMNS)
        instances = _columns(rows["instances"], file, _INSTANCE_COLUMNS)
        kind = instances["instance_type"]
        points = _points(rows["points"], rows["pred_points"], file, kind)
    n_frames, n = len(frames["video"]), len(kind)
    frame_id = np.arange(n_frames, dtype=np.uint32)
    start = frames["instance_id_start"]
    counts = frames["instance_id_end"] - start
    is_user = kind == 0
    for name in ("score", "tracking_score"):
        instances[name][is_user] = np.nan
    every = np.arange(n, dtype=np.uint32)
    return {
        "frames": pl.DataFrame(
            {
                "frame_id": frame_id,
                "video_id": frames["video"],
                "frame_idx": frames["frame_idx"],
                "position": frame_id,
                "is_negative": np.zeros(n_frames, bool),
            }
        ),
        "instances": pl.DataFrame(
            {
                "instance_id": every,
                "frame_id": np.repeat(frame_id, counts),
                "instance_idx": (every - np.repeat(start, counts)).astype(np.uint16),
                "skeleton_id": instances["skeleton"],
                "track_id": _nullable(instances["track"]),
                "kind": pl.Series(kind).cat.to(KIND),
                "score": pl.Series(instances["score"]).fill_nan(None),
                "tracking_score": pl.Series(instances["tracking_score"]).fill_nan(None),
                "from_predicted": _nullable(instances["from_predicted"]),
            }
        ),
        "points": pl.DataFrame(points).with_columns(pl.col("x", "y", "score").fill_nan(None)),
    }


_FRAME_COLUMNS: dict[str, type[np.generic]] = {
    "video": np.uint32,
    "frame_idx": np.int64,
    "instance_id_start": np.uint32,
    "instance_id_end": np.uint32,
}
_INSTANCE_COLUMNS: dict[str, type[np.generic]] = {
    "instance_type": np.uint8,
    "skeleton": np.uint16,
    "track": np.uint32,
    "score": np.float32,
    "tracking_score": np.float32,
    "from_predicted": np.uint32,
}


def _columns(
    rows: _Rows, file: FileIO, columns: dict[str, type[np.generic]]
) -> dict[str, np.ndarray[Any, Any]]:
    made: dict[str, np.ndarray[Any, Any]] = {
        name: np.empty(rows.n, dtype) for name, dtype in columns.items()
    }
    for at, block in rows.blocks(file):
        for name, values in made.items():
            # -1 becomes the largest number.
            np.copyto(values[at : at + len(block)], block[name], casting="unsafe")
    return made


def _nullable(values: IntArray) -> pl.Series:
    keys = pl.Series(values)
    return keys.set(keys == _NONE, None) if int(values.max(initial=0)) == _NONE else keys


def _points(
    users: _Rows, predicted: _Rows, file: FileIO, kind: IntArray
) -> dict[str, np.ndarray[Any, Any]]:
    """Interleave both tables of points in the order of the instances."""
    n_nodes = (users.n + predicted.n) // max(len(kind), 1)
    made: dict[str, np.ndarray[Any, Any]] = {
        name: np.empty(
            (len(kind), n_nodes), bool if name in ("visible", "complete") else np.float64
        )
        for name in ("x", "y", "visible", "complete", "score")
    }
    for which, rows in enumerate((users, predicted)):
        mine = np.flatnonzero(kind == which)
        for at, block in rows.blocks(file, n_nodes):
            target = mine[at // n_nodes : (at + len(block)) // n_nodes]
            for name, values in made.items():
                if name == "score" and which == 0:
                    values[target] = np.nan
                else:
                    values[target] = block[name].reshape(-1, n_nodes)
    return {name: values.reshape(-1) for name, values in made.items()}


def write_slp(tables: LabelTables, path: Path, like: Path) -> None:
    """Write the large tables contiguously; the small ones are copied from another file."""
    frames, instances, points = tables.frames, tables.instances, tables.points
    n_nodes = tables.catalog.nodes.height
    kind = instances["kind"].to_physical().to_numpy()
    counts = np.bincount(instances["frame_id"].to_numpy(), minlength=frames.height)
    stop = np.cumsum(counts)
    start = np.empty(len(kind), np.int64)
    for which in (0, 1):
        mine = kind == which
        start[mine] = np.arange(np.count_nonzero(mine)) * n_nodes
    columns: dict[str, dict[str, Any]] = {
        "frames": {
            "frame_id": np.arange(frames.height),
            "video": frames["video_id"].to_numpy(),
            "frame_idx": frames["frame_idx"].to_numpy(),
            "instance_id_start": stop - counts,
            "instance_id_end": stop,
        },
        "instances": {
            "instance_id": np.arange(len(kind)),
            "instance_type": kind,
            "frame_id": instances["frame_id"].to_numpy(),
            "skeleton": instances["skeleton_id"].to_numpy(),
            "track": instances["track_id"].cast(pl.Int64).fill_null(-1).to_numpy(),
            "from_predicted": instances["from_predicted"].cast(pl.Int64).fill_null(-1).to_numpy(),
            "score": np.where(kind == 0, 0, instances["score"].to_numpy()),
            "point_id_start": start,
            "point_id_end": start + n_nodes,
            "tracking_score": instances["tracking_score"].to_numpy(),
        },
    }
    with (
        h5py.File(like, "r") as small,
        h5py.File(path, "w-", libver=("earliest", "latest")) as file,
    ):
        for name in small:
            if name not in _TABLES:
                small.copy(name, file)
        for name, values in columns.items():
            block = np.zeros(len(values["frame_id"]), small[name].dtype)
            for column, given in values.items():
                block[column] = given
            file[name] = block
        for which, name in enumerate(("points", "pred_points")):
            _write_points(file, name, small[name], points, np.flatnonzero(kind == which), n_nodes)


def _write_points(
    file: h5py.File,
    name: str,
    like: h5py.Dataset,
    points: pl.DataFrame,
    rows: IntArray,
    n_nodes: int,
) -> None:
    made = file.create_dataset(name, shape=like.shape, dtype=like.dtype)
    values = {c: _values(points[c]).reshape(-1, n_nodes) for c in like.dtype.names}
    step = max(_BLOCK // like.dtype.itemsize // n_nodes, 1)
    buffer = np.empty((min(step, len(rows)), n_nodes), like.dtype)
    for at in range(0, len(rows), step):
        mine = rows[at : at + step]
        block = buffer[: len(mine)]
        for column, given in values.items():
            block[column] = given.take(mine, 0)
        made[at * n_nodes : (at + len(mine)) * n_nodes] = block.reshape(-1)


def _values(column: pl.Series) -> np.ndarray[Any, Any]:
    return values_of(column) if column.dtype.is_float() else column.to_numpy()
