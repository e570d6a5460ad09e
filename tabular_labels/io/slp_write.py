"""Write tables as a ``.slp`` file, in today's layout or the classic one."""

from __future__ import annotations

import json
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import polars as pl

from tabular_labels._types import IntArray, PathLike
from tabular_labels.errors import FileFormatError, UnmodelledDataWarning
from tabular_labels.hdf5.guard import as_finite
from tabular_labels.io.atomic import atomic_path
from tabular_labels.io.attachments import (
    attachment_image,
    describe,
    extra_fields,
    open_image,
    restore_objects,
)
from tabular_labels.io.hdf5_records import BLOCK
from tabular_labels.io.metadata_json import (
    dump_metadata,
    dump_provenance,
    dump_suggestions,
    json_text,
    leftover,
    video_rows,
)
from tabular_labels.io.pictures_write import write_pictures
from tabular_labels.io.slp_layout import (
    CLASSIC_FORMAT,
    FRAMES,
    INSTANCES,
    NEGATIVE_FRAMES,
    POINTS,
    PRED_POINTS,
    TODAY_FORMAT,
)
from tabular_labels.io.slp_structure import resolve_videos
from tabular_labels.io.slp_videos import dump_videos, embedded_numbers, package_table
from tabular_labels.model.checks import check_tables, require
from tabular_labels.model.offsets import offsets_of_counts, ranges, rows_of_ids
from tabular_labels.model.pictures import EncodedPictures
from tabular_labels.model.tables import LabelTables, numbering, order_of_list

__all__ = ["write_slp"]

_LARGEST_ATTRIBUTE = 64_000  # bytes; beyond it attributes need the file layout of HDF5 1.8
_CLASSIC_CHUNK = 16_384  # rows
_USER, _PREDICTED = 0, 1


def write_slp(
    tables: LabelTables,
    path: PathLike,
    *,
    compat: Literal["today", "classic"] = "today",
    pictures: Sequence[EncodedPictures] | None = None,
) -> None:
    """Write a ``.slp`` file; what was there stays as it was when writing fails.

    Frames are written in list order (``position``). The project's id goes into the
    provenance. Attachments go along while frames, instances, videos and tracks have the
    numbers they had when they were read. Videos that are embedded in another package
    stay there: the new file refers to it.

    Args:
        tables: Valid tables.
        path: The file. Its directory must exist.
        compat: ``"today"`` writes what current programs write, ``"classic"`` the layout
            of the original program (format 1.2), which has no place for attachments,
            negative frames, and the shapes of videos.
        pictures: Of each video, in the order of the table: the file becomes a training
            package. Every video then refers to its pictures in the file.

    Raises:
        InvariantError: The tables break a rule (`model.checks.check_tables`).
        FileFormatError: A video is embedded in the very file to be replaced, or a
            value cannot be written as JSON.

    Warns:
        UnmodelledDataWarning: Something was left out, as the message says.
    """
    require(check_tables(tables))
    if pictures is not None:
        videos = package_table(tables.catalog.videos, pictures)
        tables = replace(tables, catalog=replace(tables.catalog, videos=videos))
    writer = _Writer(tables, path, pictures, classic=compat == "classic")
    with atomic_path(path) as temporary:
        writer.write(temporary)


@dataclass(frozen=True)
class _Numbers:
    """Rows in the order in which they are written.

    Attributes:
        frames: Frame rows, None when they stand so.
        instances: Instance rows, None when they stand so.
        counts: Instances in each frame, in written order.
        n_points: Points of each instance, in the order of the table.
        point_start: First row of each instance in its table of points, in written order.
    """

    frames: IntArray | None
    instances: IntArray | None
    counts: IntArray
    n_points: IntArray
    point_start: IntArray
    kind: IntArray

    @classmethod
    def of(cls, tables: LabelTables) -> _Numbers:
        frames, offsets = order_of_list(tables.frames), tables.instance_offsets
        counts, instances = np.diff(offsets), None
        if frames is not None:
            counts = counts[frames]
            instances = ranges(offsets[:-1][frames], counts)
        n_points = np.diff(tables.point_offsets)
        kind = tables.instances["kind"].to_physical().to_numpy()
        kind = kind if instances is None else kind[instances]
        written = n_points if instances is None else n_points[instances]
        start = np.zeros(len(written), np.int64)
        for which in (_USER, _PREDICTED):
            mine = kind == which
            start[mine] = offsets_of_counts(written[mine])[:-1]
        return cls(frames, instances, counts, written, start, kind)

    def taken(self, values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Bring values of instances into written order."""
        return values if self.instances is None else values[self.instances]


class _Writer:
    """Writes one file."""

    def __init__(
        self,
        tables: LabelTables,
        path: PathLike,
        pictures: Sequence[EncodedPictures] | None,
        *,
        classic: bool,
    ) -> None:
        self.tables, self.catalog = tables, tables.catalog
        self.pictures = pictures or ()
        self.path, self.classic = os.fspath(path), classic
        self.numbers = _Numbers.of(tables)
        self.leftovers = self.catalog.attachments.metadata
        self.left_out: list[str] = []
        # Everything that can be refused is prepared before a file is created.
        self.videos = dump_videos(
            self.catalog.videos,
            path,
            leftover(self.catalog, "videos_json"),
            classic=classic,
            is_package=pictures is not None,
        )
        self.metadata = json_text(
            dump_metadata(self.catalog, symmetry_both_ways=classic), path, "metadata"
        )
        self.provenance = json_text(dump_provenance(self.catalog), path, "provenance")
        self.image = self._attached()

    def write(self, path: Path) -> None:
        """Write the file at this path, and say what was left out."""
        text = self.metadata.encode()
        newer = len(text) > _LARGEST_ATTRIBUTE
        libver = ("v108", "latest") if newer else ("earliest", "latest")
        with h5py.File(path, "w-", libver=libver) as file, open_image(self.image) as image:
            self._write_lists(file)
            group = file.create_group("metadata")
            group.attrs["format_id"] = self._format_id(image)
            group.attrs["json"] = np.bytes_(text)
            self._write_points(file, image)
            self._write_instances(file, image)
            self._write_frames(file, image)
            if image is not None:
                restore_objects(image, file)
            for number, pictures in enumerate(self.pictures):
                write_pictures(file, number, pictures)
        if self.left_out:
            message = f"{self.path}: left out on writing: {', '.join(self.left_out)}"
            warnings.warn(message, UnmodelledDataWarning, stacklevel=3)

    def _attached(self) -> bytes | None:
        attachments = self.catalog.attachments
        if attachments.image is None and attachments.path is None:
            return None
        if self.classic:
            self.left_out.append(f"{describe(attachments)}, which the classic layout has not")
        elif attachments.numbering != numbering(self.catalog, self.tables.structure):
            self.left_out.append(f"{describe(attachments)}, which refer to other row numbers")
        else:
            try:
                return attachment_image(attachments)
            except (FileNotFoundError, FileFormatError) as error:
                self.left_out.append(f"{describe(attachments)}, which cannot be read ({error})")
        return None

    def _format_id(self, image: h5py.File | None) -> float:
        if self.classic:
            return CLASSIC_FORMAT
        old = as_finite(self.leftovers.get("format_id")) or TODAY_FORMAT
        return TODAY_FORMAT if image is None else max(TODAY_FORMAT, old)

    def _write_lists(self, file: h5py.File) -> None:
        tracks = self.catalog.tracks.select("spawned_on", "name").rows()
        self._write_rows(file, "videos_json", self.videos)
        self._write_rows(file, "tracks_json", self._texts(tracks, "tracks"))
        suggestions = dump_suggestions(self.catalog)
        self._write_rows(file, "suggestions_json", self._texts(suggestions, "suggestions"))
        if self.classic:
            return
        self._write_rows(file, "sessions_json", [])
        file["provenance_json"] = np.bytes_(self.provenance)

    def _texts(self, rows: Sequence[object], place: str) -> list[str]:
        return [json_text(row, self.path, place) for row in rows]

    def _write_rows(self, file: h5py.File, name: str, rows: list[str]) -> None:
        if not self.classic:
            data = np.array(rows, dtype=object)
            file.create_dataset(name, data=data, dtype=h5py.string_dtype(), maxshape=(None,))
        elif rows:
            file.create_dataset(name, data=np.array(rows, dtype="S"), maxshape=(None,))
        else:
            file.create_dataset(name, shape=(0,), dtype=np.float64, maxshape=(None,))

    def _create(
        self, file: h5py.File, image: h5py.File | None, name: str, layout: np.dtype[Any], rows: int
    ) -> tuple[h5py.Dataset, dict[str, h5py.Dataset]]:
        """Create a table; further columns from the attachments follow ours."""
        extra = {} if image is None else extra_fields(image, name, layout, rows)
        fields = [*layout.descr, *((column, data.dtype) for column, data in extra.items())]
        record = np.dtype(fields) if extra else layout
        storage: dict[str, Any] = {}
        if self.classic:
            storage = {"maxshape": (None,), "chunks": (max(1, min(rows, _CLASSIC_CHUNK)),)}
        return file.create_dataset(name, shape=(rows,), dtype=record, **storage), extra

    def _write_frames(self, file: h5py.File, image: h5py.File | None) -> None:
        numbers, frames = self.numbers, self.tables.frames
        if numbers.frames is not None:
            frames = frames[numbers.frames]
        n = frames.height
        stop = np.cumsum(numbers.counts)
        records, extra = self._create(file, image, "frames", FRAMES, n)
        block = np.zeros(n, records.dtype)
        video = self._numbered_videos(frames["video_id"], records)
        block["frame_id"], block["video"] = np.arange(n), video
        block["frame_idx"] = frames["frame_idx"].to_numpy()
        block["instance_id_start"], block["instance_id_end"] = stop - numbers.counts, stop
        for column, data in extra.items():
            block[column] = data[:]
        if n:
            records[:] = block
        negative = np.flatnonzero(frames["is_negative"].to_numpy())
        if len(negative) and self.classic:
            lost = f"negative frames ({len(negative)}), which the classic layout has not"
            self.left_out.append(lost)
        elif len(negative):
            file["negative_frames"] = _negative_marks(block, negative)

    def _numbered_videos(self, video_id: pl.Series, records: h5py.Dataset) -> IntArray:
        """Number the videos of frames so that readers find them.

        Readers take the number for a row, or, where only some videos have frames, for the
        k of a dataset ``video<k>``. Where neither would be read right, the table says so.
        """
        rows = video_rows(self.catalog, video_id)
        used, n = np.unique(rows), self.catalog.videos.height
        embedded = embedded_numbers([json.loads(text) for text in self.videos])
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

    def _write_instances(self, file: h5py.File, image: h5py.File | None) -> None:
        numbers, instances = self.numbers, self.tables.instances
        n = instances.height
        records, extra = self._create(file, image, "instances", INSTANCES, n)
        columns = self._instance_columns()
        for at in range(0, n, BLOCK):
            rows = slice(at, min(at + BLOCK, n))
            block = np.zeros(rows.stop - at, records.dtype)
            for column, values in columns.items():
                block[column] = values[rows]
            block["instance_id"] = np.arange(at, rows.stop)
            block["point_id_end"] = (numbers.point_start + numbers.n_points)[rows]
            for column, data in extra.items():
                block[column] = data[rows]
            records[rows] = block

    def _instance_columns(self) -> dict[str, np.ndarray[Any, Any]]:
        numbers, instances, catalog = self.numbers, self.tables.instances, self.catalog
        is_user = numbers.kind == _USER
        track, source = (
            instances[name].cast(pl.Int64).fill_null(-1).to_numpy()
            for name in ("track_id", "from_predicted")
        )
        skeleton = instances["skeleton_id"].to_numpy()
        scores = {
            name: numbers.taken(instances[name].fill_null(math.nan).to_numpy())
            for name in ("score", "tracking_score")
        }
        if not self.classic:
            # Today's programs write 0 where a person's instance has none.
            score = scores["score"]
            scores["score"] = np.where(is_user & np.isnan(score), np.float32(0), score)
        return {
            "instance_type": numbers.kind,
            "frame_id": np.repeat(np.arange(len(numbers.counts)), numbers.counts),
            "skeleton": numbers.taken(
                rows_of_ids(catalog.skeletons["skeleton_id"].to_numpy(), skeleton)
            ),
            "track": numbers.taken(rows_of_ids(catalog.tracks["track_id"].to_numpy(), track)),
            "from_predicted": numbers.taken(self._sources(source)),
            "point_id_start": numbers.point_start,
            **scores,
        }

    def _sources(self, source: IntArray) -> IntArray:
        """Turn instance ids into written row numbers."""
        rows = rows_of_ids(self.tables.instances["instance_id"].to_numpy(), source)
        if self.numbers.instances is None:
            return rows
        written = np.empty(len(rows) + 1, np.int64)
        written[self.numbers.instances] = np.arange(len(rows))
        written[-1] = -1
        return written[rows]

    def _write_points(self, file: h5py.File, image: h5py.File | None) -> None:
        layouts = {"points": POINTS, "pred_points": PRED_POINTS}
        for which, (name, layout) in enumerate(layouts.items()):
            mine = np.flatnonzero(self.numbers.kind == which)
            counts = self.numbers.n_points[mine]
            starts = self.numbers.taken(self.tables.point_offsets[:-1])[mine]
            records, extra = self._create(file, image, name, layout, int(counts.sum()))
            at = n_scores = 0
            for points in _point_blocks(self.tables.points, starts, counts):
                block = np.zeros(points.height, records.dtype)
                for column in layout.names or ():
                    values = points[column]
                    if values.dtype.is_float():
                        values = values.fill_null(math.nan)
                    block[column] = values.to_numpy()
                rows = slice(at, at + points.height)
                for column, data in extra.items():
                    block[column] = data[rows]
                records[rows] = block
                at = rows.stop
                n_scores += points["score"].count() if which == _USER else 0
            if n_scores:
                self.left_out.append(f"scores of user points ({n_scores})")


def _point_blocks(points: pl.DataFrame, start: IntArray, count: IntArray) -> Iterator[pl.DataFrame]:
    """Take ranges of points, about `BLOCK` rows at a time."""
    ends = np.cumsum(count)
    i = 0
    while i < len(start):
        done = int(ends[i - 1]) if i else 0
        j = max(i + 1, int(np.searchsorted(ends, done + BLOCK, side="right")))
        low, n = int(start[i]), int(ends[j - 1]) - done
        if int(start[j - 1] + count[j - 1]) - low == n and (np.diff(start[i:j]) >= 0).all():
            yield points.slice(low, n)
        else:
            yield points[ranges(start[i:j], count[i:j])]
        i = j


def _negative_marks(frames: np.ndarray[Any, Any], rows: IntArray) -> np.ndarray[Any, Any]:
    """Mark negative frames by their place; by row too where several frames share a place."""
    places = frames[["video", "frame_idx"]]
    n_marked = len(np.unique(places[rows]))
    is_clear = n_marked == np.count_nonzero(np.isin(places, places[rows]))
    layout = (
        NEGATIVE_FRAMES if is_clear else np.dtype([*NEGATIVE_FRAMES.descr, ("frame_id", "<u8")])
    )
    marks = np.empty(len(rows), layout)
    marks["video_id"], marks["frame_idx"] = frames["video"][rows], frames["frame_idx"][rows]
    if not is_clear:
        marks["frame_id"] = rows
    return marks
