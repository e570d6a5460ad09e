"""A ``.slp`` file as a source: metadata at once, rows when they are asked for."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from tabular_labels._types import IntArray, PathLike
from tabular_labels.errors import DanglingReferenceWarning
from tabular_labels.hdf5.guard import member, open_guarded, read_attribute, translated
from tabular_labels.io.attachments import copy_objects, count_objects, digest_of_rows, report
from tabular_labels.io.hdf5_extents import Extents
from tabular_labels.io.hdf5_find import find_records
from tabular_labels.io.hdf5_records import FileState, Records
from tabular_labels.io.slp_catalog import Header, read_header
from tabular_labels.io.slp_frames import read_frames, read_ranges
from tabular_labels.io.slp_layout import (
    FRAMES,
    INSTANCES,
    LARGEST_FRAME_IDX,
    MID_PIXEL_FORMAT,
    NEGATIVE_FRAMES,
    POINTS,
    PRED_POINTS,
)
from tabular_labels.io.slp_pieces import read_pieces
from tabular_labels.io.slp_points import PointTable, read_points
from tabular_labels.io.slp_references import Known
from tabular_labels.io.slp_structure import Leftovers, read_structure
from tabular_labels.io.slp_videos import embedded_numbers, video_table
from tabular_labels.io.video_search import VideoSearch, apply_video_search
from tabular_labels.model import schema
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import Attachments, Catalog, LabelTables, Structure

__all__ = ["SlpSource", "load_slp", "open_slp"]

_TABLES = {"frames": FRAMES, "instances": INSTANCES, "points": POINTS, "pred_points": PRED_POINTS}
_COLUMNS = tuple(schema.POINTS.memory_columns)
_OPTIONAL = {"instances": ("tracking_score",)}


def open_slp(
    path: PathLike, *, strict: bool = False, video_search: VideoSearch | None = None
) -> SlpSource:
    """Open a ``.slp`` file without reading its frames, instances and points.

    Args:
        path: The file.
        strict: Raise instead of warning when the file holds more than our tables.
        video_search: How to find videos that moved: a function that edits the list of
            video entries in place, or folders to look in.

    Returns:
        A source that reads rows when they are asked for. It may be used from several
        threads and pickled; it raises when the file changed since.

    Raises:
        FileNotFoundError: There is no such file.
        FormatVersionError: The file's format is not one we know.
        UnsafeFileError: It refers to other files, or needs plugins.
        FileFormatError: It is broken in another way.
        UnmodelledDataError: With ``strict``: it holds more than our tables.
    """
    source = _open(path, video_search, locate=False, strict=strict)
    report(source.path, source.catalog.attachments.counts, strict=strict)
    return source


@dataclass(frozen=True)
class _Layout:
    """What was found on opening the file."""

    state: FileState
    header: Header
    tables: Mapping[str, Records]
    negative: IntArray
    embedded: Mapping[int, int]


class SlpSource:
    """A ``.slp`` file, see `open_slp`.

    Of the structure it returns, ``part`` 0 are the user points and 1 the predicted ones.
    """

    def __init__(
        self,
        layout: _Layout,
        catalog: Catalog,
        extents: Mapping[str, Extents | None],
        *,
        strict: bool = False,
    ) -> None:
        self._layout = layout
        self._catalog = catalog
        self._strict = strict
        # Racing threads find the same.
        self._extents = dict(extents)

    @property
    def path(self) -> str:
        """The file."""
        return self._layout.state.path

    @property
    def origin(self) -> str:
        """The file, which is read when rows are asked for."""
        return self.path

    @property
    def format_id(self) -> float:
        """The file's format."""
        return self._layout.header.format_id

    @property
    def catalog(self) -> Catalog:
        """The small tables; attachments refer to the file."""
        return self._catalog

    @property
    def counts(self) -> Counts:
        """Rows of the file's tables."""
        rows = {name: records.rows for name, records in self._layout.tables.items()}
        return Counts(rows["frames"], rows["instances"], rows["points"] + rows["pred_points"])

    def load_structure(self) -> Structure:
        """Read and validate frames and instances, block by block.

        Returns:
            Frames and instances in canonical order; their ids are rows of the file.

        Raises:
            FileFormatError: A reference or range is out of bounds, or ranges overlap; or
                the file changed since it was opened.
            UnmodelledDataError: Rows belong to no frame or instance, and the file was
                opened to be read strictly.

        Warns:
            DanglingReferenceWarning: Instances come from predictions that are in no frame.
            UnmodelledDataWarning: Rows belong to no frame or instance.
        """
        structure, left = self._read_structure()
        report(self.path, left.counts, strict=self._strict)
        _warn_dangling(self.path, left)
        return structure

    def read_points(
        self, part: IntArray | None, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        """Read ranges of point rows, concatenated.

        Args:
            part: 0 for user points, 1 for predicted ones, of each range; None where only
                one kind is there.
            start: First row of each range.
            count: Number of rows of each range.
            columns: Names from ``x``, ``y``, ``visible``, ``complete``, ``score``.

        Returns:
            Those columns, in pixels from the centre of the first pixel; missing as null.
            User points have no score.
        """
        tables = [self._point_table("points"), self._point_table("pred_points")]
        which = int(tables[0].records.rows == 0)
        return read_points(tables, which if part is None else part, start, count, columns)

    def find_frame(self, video_id: int, frame_idx: int) -> LabelTables | None:
        """Leave it to the structure."""
        return None

    def scan(self, table: str) -> pl.LazyFrame | None:
        """Read frames without instances; leave the others to the structure."""
        if table != "frames":
            return None
        return register_io_source(
            self._yield_frames, schema=dict(schema.FRAMES.memory_columns), is_pure=True
        )

    def _yield_frames(
        self,
        columns: list[str] | None,
        predicate: pl.Expr | None,
        n_rows: int | None,
        _batch_size: int | None,
    ) -> Iterator[pl.DataFrame]:
        tables, used = self._layout.tables, tuple(schema.FRAMES.memory_columns)
        # A table without columns could not say how many rows it has.
        wanted = used if columns is None else columns or ["frame_idx"]
        if predicate is None:
            used = tuple(wanted)
        frames = read_frames(
            tables["frames"], tables["instances"], self._known(), self._where("frames"), used
        )
        frames = frames if predicate is None else frames.filter(predicate).select(wanted)
        yield frames if n_rows is None else frames.head(n_rows)

    def instance_pieces(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Read columns of the instances block by block, in the order of the file.

        Raises:
            FileFormatError: A reference or range is out of bounds, or ranges overlap; or
                the file changed since it was opened.
        """
        tables, known = self._layout.tables, self._known()
        instances, where = tables["instances"], self._where("instances")
        held = read_ranges(tables["frames"], instances, known, self._where("frames"))
        yield from read_pieces(instances, where, held, known.n_tracks, columns)

    def verify(self) -> None:
        """Leave it to whoever reads: the file has no checksums."""

    def load(self) -> LabelTables:
        """Read everything; attachments are held in memory."""
        return self._load()

    def _load(self, counts: Mapping[str, int] | None = None) -> LabelTables:
        structure, left = self._read_structure()
        report(self.path, {**(counts or {}), **left.counts}, strict=self._strict, stacklevel=4)
        _warn_dangling(self.path, left)
        if len(structure.n_nodes) == 1:
            n = np.broadcast_to(structure.n_nodes, structure.instances.height)
        else:
            n = structure.n_nodes[structure.instances["skeleton_id"].to_numpy()]
        points = self.read_points(structure.part, structure.point_starts(), n, _COLUMNS)
        catalog = replace(self._catalog, attachments=self._in_memory(left))
        return LabelTables(catalog, structure.frames, structure.instances, points)

    def _read_structure(self) -> tuple[Structure, Leftovers]:
        tables = self._layout.tables
        where = self._where("frames"), self._where("instances")
        return read_structure(tables["frames"], tables["instances"], self._known(), where)

    def _known(self) -> Known:
        tables, catalog = self._layout.tables, self._catalog
        return Known(
            catalog.videos.height,
            catalog.tracks.height,
            catalog.n_nodes[: catalog.skeletons.height],
            (tables["points"].rows, tables["pred_points"].rows),
            self._layout.embedded,
            self._layout.negative,
        )

    def _where(self, name: str) -> Extents | None:
        if name not in self._extents:
            self._extents[name] = self._layout.tables[name].locate()
        return self._extents[name]

    def _point_table(self, name: str) -> PointTable:
        is_old = name == "points" and self.format_id < MID_PIXEL_FORMAT
        records = self._layout.tables[name]
        return PointTable(records, self._where(name), -0.5 if is_old else 0.0)

    def _in_memory(self, left: Leftovers) -> Attachments:
        """Copy attachments out of the file; without the numbering where rows have other ids."""
        attachments = self._catalog.attachments
        if attachments.path is None:
            return attachments
        with open_guarded(self.path) as file:
            self._layout.state.require(Path(self.path).stat())
            image = copy_objects(file, self.path)
        digest = attachments.numbering if left.ids_are_rows else ""
        return replace(attachments, path=None, image=image, numbering=digest)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what was found on opening; nothing is held open."""
        found = {"_layout": self._layout, "_catalog": self._catalog, "_strict": self._strict}
        return {**found, "_extents": {}}


def load_slp(path: PathLike, *, strict: bool, video_search: VideoSearch | None) -> LabelTables:
    """Read everything, with one warning for all that the tables do not hold."""
    source = _open(path, video_search, locate=True, strict=strict)
    return source._load(counts=source.catalog.attachments.counts)


def _open(
    path: PathLike, video_search: VideoSearch | None, *, locate: bool, strict: bool
) -> SlpSource:
    """Look at the file; with ``locate`` also at where all rows stand."""
    with open_guarded(path) as file:
        state = FileState.of(path)
        header = read_header(file, state)
        tables = {
            name: find_records(file, state, name, layout, _OPTIONAL.get(name, ()))
            for name, layout in _TABLES.items()
        }
        extents = {name: records.locate(file) for name, records in tables.items() if locate}
        negative = _read_negative(file, state)
        with translated(path, "the table of contents"):
            embedded, objects = _read_embedded(file, header, path), count_objects(file)
    layout = _Layout(state, header, tables, negative, embedded)
    catalog = header.catalog
    if video_search is not None:
        apply_video_search(header.videos, video_search, path)
        catalog = replace(catalog, videos=video_table(header.videos, state.path))
    counts = {**header.counts, **objects}
    if not counts:
        return SlpSource(layout, catalog, extents, strict=strict)
    metadata = {**header.leftovers, "format_id": header.format_id}
    rows = tables["frames"].rows, tables["instances"].rows
    digest = digest_of_rows(catalog, *rows) if objects else ""
    attachments = Attachments(
        counts, path=state.path if objects else None, metadata=metadata, numbering=digest
    )
    return SlpSource(layout, replace(catalog, attachments=attachments), extents, strict=strict)


def _read_negative(file: h5py.File, state: FileState) -> IntArray:
    """Read video, frame index and row (-1 when not told) of each negative frame."""
    if member(file, "negative_frames", state.path) is None:
        return np.zeros((0, 3), np.int64)
    layout = np.dtype([*NEGATIVE_FRAMES.descr, ("frame_id", "<u8")])
    records = find_records(file, state, "negative_frames", layout, ("frame_id",))
    found = np.full((records.rows, 3), -1, np.int64)
    with records.reader(records.locate(file)) as reader:
        for at, block in reader.blocks():
            for k, column in enumerate(records.fields):
                values = records.integers(block, column, at)
                good = (values >= 0) & (values <= LARGEST_FRAME_IDX)
                records.require(good, column, values, at, f"0 to {LARGEST_FRAME_IDX}")
                found[at : at + len(block), k] = values
    return found


def _read_embedded(file: h5py.File, header: Header, path: PathLike) -> dict[int, int]:
    """Say which numbers in frames may mean the pictures in ``video<k>`` instead of a row."""
    if read_attribute(file["frames"], "video_ids", path) == "rows":
        return {}
    return embedded_numbers(header.videos)


def _warn_dangling(path: str, left: Leftovers) -> None:
    if left.dangling:
        message = (
            f"{path}: {left.dangling} instances come from no prediction of any frame; "
            "their from_predicted is null"
        )
        warnings.warn(message, DanglingReferenceWarning, stacklevel=4)
