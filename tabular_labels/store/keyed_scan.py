"""Read tables of a snapshot lazily, with the keys that position implies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from tabular_labels._types import IntArray
from tabular_labels.model.schema import POINTS, TABLES
from tabular_labels.model.source import Readable
from tabular_labels.model.tables import Structure

__all__ = ["scan_keyed"]

# Instances whose points one step of a lazy read holds: about 2M points of 15 nodes.
CHUNK_INSTANCES = 131_072
# Keys of points that are the same for all points of an instance.
_OF_INSTANCE = {"video_id", "frame_idx", "instance_id"}


def scan_keyed(labels: Readable, name: str) -> pl.LazyFrame:
    """Repeat the implied keys onto rows, only those a query asks for.

    Args:
        labels: Frames and instances in canonical order, and how to read points.
        name: ``frames``, ``instances`` or ``points``.
    """

    def generate(
        columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        wanted = list(TABLES[name].disk_columns) if columns is None else columns
        # A table without columns could not say how many rows it has.
        wanted = wanted or ["frame_idx"]
        for batch in _batches(labels, name, wanted, predicate):
            table = batch if predicate is None else batch.filter(predicate)
            table = table if n_rows is None else table.head(n_rows)
            yield table
            if n_rows is not None:
                n_rows -= table.height
                if n_rows <= 0:
                    return

    return register_io_source(
        generate, schema=dict(TABLES[name].disk_columns), is_pure=True, explain_name=name
    )


def _batches(
    labels: Readable, name: str, wanted: list[str], predicate: pl.Expr | None
) -> Iterator[pl.DataFrame]:
    structure = labels.structure
    n = structure.instances.height
    if name == "frames":
        yield structure.frames.select(wanted)
    elif name == "instances":
        yield _with_places(structure, slice(0, n), wanted).select(wanted)
    else:
        for first in range(0, max(n, 1), CHUNK_INSTANCES):
            chunk = slice(first, min(first + CHUNK_INSTANCES, n))
            yield _keyed_points(labels, _rows_within(structure, chunk, predicate), wanted)


def _rows_within(structure: Structure, chunk: slice, predicate: pl.Expr | None) -> IntArray:
    """Leave out instances that a predicate drops whole, so that their points stay unread."""
    rows = np.arange(chunk.start, chunk.stop)
    used = set() if predicate is None else set(predicate.meta.root_names())
    if predicate is None or not used or not used <= _OF_INSTANCE:
        return rows
    keep = _with_places(structure, chunk, list(used)).select(predicate).to_series()
    kept: IntArray = rows[keep.fill_null(value=False).to_numpy()]
    return kept


def _with_places(
    structure: Structure, rows: slice | IntArray, wanted: Sequence[str]
) -> pl.DataFrame:
    """Return instances, with the places of their frames where these are wanted."""
    table = structure.instances[rows]
    places = [name for name in ("video_id", "frame_idx") if name in wanted]
    if not places:
        return table
    frame = _frames_of(structure.instance_offsets, rows)
    return table.with_columns(structure.frames[name].gather(frame) for name in places)


def _frames_of(offsets: IntArray, rows: slice | IntArray) -> IntArray:
    """Return the frame rows of instance rows, looking at those of their frames only."""
    if not isinstance(rows, slice):
        return np.searchsorted(offsets, rows, side="right") - 1
    if rows.stop <= rows.start:
        return np.empty(0, np.int64)
    first, last = np.searchsorted(offsets, (rows.start, rows.stop - 1), side="right") - 1
    edges = np.clip(offsets[first : last + 2], rows.start, rows.stop)
    return np.repeat(np.arange(first, last + 1), np.diff(edges))


def _keyed_points(labels: Readable, rows: IntArray, wanted: list[str]) -> pl.DataFrame:
    structure = labels.structure
    count = structure.point_counts(rows)
    keys = _with_places(structure, rows, wanted)
    columns: dict[str, pl.Series] = {}
    values = [name for name in wanted if name in POINTS.memory_columns]
    if values:
        columns |= labels.read_points(values, rows).to_dict()
    for name in wanted:
        if name == "node_id":
            starts = np.repeat(np.cumsum(count) - count, count)
            place = np.arange(len(starts)) - starts
            columns[name] = pl.Series(name, place.astype(np.uint16))
        elif name not in columns:
            columns[name] = pl.Series(name, np.repeat(keys[name].to_numpy(), count))
    return pl.DataFrame([columns[name].alias(name) for name in wanted])
