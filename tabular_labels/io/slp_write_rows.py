"""Write the frames and instances of labels as tables of a ``.slp`` file."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import h5py
import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.io.hdf5_records import BLOCK
from tabular_labels.io.metadata_json import video_rows
from tabular_labels.io.slp_layout import FRAMES, INSTANCES, NEGATIVE_FRAMES
from tabular_labels.io.slp_order import FileOrder
from tabular_labels.io.slp_references import resolve_videos
from tabular_labels.io.slp_tables import NewFile
from tabular_labels.io.slp_videos import embedded_numbers
from tabular_labels.model.offsets import IdRows, rows_of_ids
from tabular_labels.model.tables import Catalog, Structure

__all__ = ["write_frames", "write_instances"]

_OF_INSTANCES = ("skeleton_id", "track_id", "score", "tracking_score")


def write_frames(
    catalog: Catalog,
    structure: Structure,
    order: FileOrder,
    file: NewFile,
    videos: Sequence[str],
) -> int:
    """Write the frames, and which of them are negative where the layout has a place for it.

    Args:
        catalog: The small tables.
        structure: The frames.
        order: Their order in the file.
        file: The file, which gets its tables.
        videos: The entries of the videos in the file.

    Returns:
        How many frames are negative.
    """
    frames = structure.frames if order.frames is None else structure.frames[order.frames]
    table = file.table("frames", FRAMES, frames.height)
    video = _numbered_videos(catalog, frames["video_id"], videos, table.records)
    index = frames["frame_idx"].to_numpy()
    for rows in _blocks(frames.height):
        columns = {
            "frame_id": np.arange(rows.start, rows.stop),
            "video": video[rows],
            "frame_idx": index[rows],
            "instance_id_start": order.offsets[:-1][rows],
            "instance_id_end": order.offsets[1:][rows],
        }
        table.write(columns, [(rows.start, rows.stop - rows.start)])
    negative = np.flatnonzero(frames["is_negative"].to_numpy())
    if len(negative) and not file.classic:
        file.file["negative_frames"] = _negative_marks(video, index, negative)
    return len(negative)


def _numbered_videos(
    catalog: Catalog, video_id: pl.Series, videos: Sequence[str], records: h5py.Dataset
) -> IntArray:
    """Number the videos of frames so that readers find them.

    Readers take the number for a row, or, where only some videos have frames, for the
    k of a dataset ``video<k>``. Where neither would be read right, the table says so.
    """
    rows = video_rows(catalog, video_id)
    used, n = np.unique(rows), catalog.videos.height
    embedded = embedded_numbers([json.loads(text) for text in videos])
    if (resolve_videos(used, n, embedded) == used).all():
        return rows
    number_of = np.arange(n)
    number_of[list(embedded.values())] = list(embedded)
    numbered = number_of[used]
    order = np.argsort(numbered)
    resolved = resolve_videos(numbered[order], n, embedded)
    if len(np.unique(numbered)) == len(used) and (resolved == used[order]).all():
        return number_of[rows]
    records.attrs["video_ids"] = "rows"
    return rows


def _negative_marks(video: IntArray, index: IntArray, rows: IntArray) -> np.ndarray[Any, Any]:
    """Mark negative frames by their place; by row too where several frames share a place."""
    places = video.astype(np.int64) << 32 | index
    n_marked = len(np.unique(places[rows]))
    is_clear = n_marked == np.count_nonzero(np.isin(places, places[rows]))
    layout = (
        NEGATIVE_FRAMES if is_clear else np.dtype([*NEGATIVE_FRAMES.descr, ("frame_id", "<u8")])
    )
    marks = np.empty(len(rows), layout)
    marks["video_id"], marks["frame_idx"] = video[rows], index[rows]
    if not is_clear:
        marks["frame_id"] = rows
    return marks


def write_instances(
    catalog: Catalog, structure: Structure, order: FileOrder, file: NewFile
) -> None:
    """Write the instances.

    Args:
        catalog: The small tables.
        structure: The instances.
        order: Their order in the file, and where their points are there.
        file: The file, which gets the table.
    """
    n = structure.instances.height
    table = file.table("instances", INSTANCES, n)
    columns = _InstanceColumns(catalog, structure, order, classic=file.classic)
    for numbers in _blocks(n):
        table.write(columns.of(numbers), [(numbers.start, numbers.stop - numbers.start)])


class _InstanceColumns:
    """The columns of instances as a file has them."""

    def __init__(
        self, catalog: Catalog, structure: Structure, order: FileOrder, *, classic: bool
    ) -> None:
        self._instances = structure.instances.select(_OF_INSTANCES)
        self._order, self._classic = order, classic
        self._is_user, self._offsets = structure.is_user, structure.point_offsets
        self._skeletons = IdRows(catalog.skeletons["skeleton_id"].to_numpy())
        self._tracks = IdRows(catalog.tracks["track_id"].to_numpy())
        self._sources = _sources(structure.instances, order)

    def of(self, numbers: slice) -> dict[str, np.ndarray[Any, Any]]:
        """Return the columns of the instances with these numbers."""
        order = self._order
        rows = order.rows(numbers)
        instances = self._instances[rows]
        is_user, start = self._is_user[rows], order.point_start[rows]
        track = instances["track_id"].cast(pl.Int64).fill_null(-1)
        score, tracking_score = (
            instances[name].fill_null(math.nan).to_numpy() for name in ("score", "tracking_score")
        )
        if not self._classic:
            # Today's programs write 0 where a person's instance has none.
            score = np.where(is_user & np.isnan(score), np.float32(0), score)
        return {
            "instance_id": np.arange(numbers.start, numbers.stop),
            "instance_type": ~is_user,
            "frame_id": order.frame_numbers(numbers),
            "skeleton": self._skeletons.find(instances["skeleton_id"].to_numpy()),
            "track": self._tracks.find(track.to_numpy()),
            "from_predicted": np.full(len(start), -1)
            if self._sources is None
            else self._sources[rows],
            "score": score,
            "point_id_start": start,
            "point_id_end": start + (self._offsets[1:][rows] - self._offsets[:-1][rows]),
            "tracking_score": tracking_score,
        }


def _sources(instances: pl.DataFrame, order: FileOrder) -> IntArray | None:
    """Number, by instance row, the predictions that instances come from; None without any."""
    source = instances["from_predicted"]
    if source.null_count() == len(source):
        return None
    asked = source.cast(pl.Int64).fill_null(-1).to_numpy()
    rows = rows_of_ids(instances["instance_id"].to_numpy(), asked)
    if order.instances is None:
        return rows
    number_of = np.empty(len(rows) + 1, np.int64)
    number_of[order.instances] = np.arange(len(rows))
    number_of[-1] = -1
    return number_of[rows]


def _blocks(rows: int) -> Iterator[slice]:
    for start in range(0, rows, BLOCK):
        yield slice(start, min(start + BLOCK, rows))
