"""Read a Parquet project: whole, by table, by frame, or lazily."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from tabular_labels._types import IntArray, PathLike
from tabular_labels.io.disk_rows import memory_rows
from tabular_labels.io.manifest import Manifest
from tabular_labels.io.manifest_json import require_rules
from tabular_labels.io.parquet_edits import Edits
from tabular_labels.io.parquet_frames import StructureReader
from tabular_labels.io.parquet_parts import ProjectParts
from tabular_labels.io.parquet_points import read_runs, read_windows
from tabular_labels.io.parquet_structure import EditedRows
from tabular_labels.io.parquet_tables import EditedScan
from tabular_labels.io.project_files import check_files
from tabular_labels.io.project_versions import read_manifest
from tabular_labels.model.checks import check_points
from tabular_labels.model.edits import EditSet
from tabular_labels.model.schema import FRAMES, INSTANCES, POINTS
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import Catalog, LabelTables, Structure

__all__ = ["ParquetSource", "open_parquet", "project_files", "read_parquet"]


def open_parquet(path: PathLike, *, version: int | None = None) -> ParquetSource:
    """Open a Parquet project without reading its rows.

    Args:
        path: The project's directory.
        version: Which version; None for the newest.

    Returns:
        The version, which later commits do not change.

    Raises:
        FileNotFoundError: There is nothing at the path.
        QueryError: The project has no such version.
        FileFormatError: Not a project, or one whose manifest or files are damaged.
        UnsafeFileError: Its manifest names files outside the project.

    Examples:
        >>> import tempfile
        >>> from tabular_labels.io.parquet_write import write_parquet
        >>> folder = Path(tempfile.mkdtemp()) / "mice"
        >>> write_parquet(LabelTables(), folder)
        >>> open_parquet(folder).scan("points").collect().columns[:4]
        ['video_id', 'frame_idx', 'instance_id', 'node_id']
    """
    return ParquetSource(path, read_manifest(path, version))


def read_parquet(path: PathLike, *, version: int | None = None) -> LabelTables:
    """Read a Parquet project into memory.

    Args:
        path: The project's directory.
        version: Which version; None for the newest.

    Returns:
        The tables, missing as null.

    Raises:
        FileNotFoundError: There is nothing at the path.
        QueryError: The project has no such version.
        FileFormatError: Not a project, or a damaged one.
        ChecksumError: A file's bytes are not those that were written.
        InvariantError: The rows break rules.

    Examples:
        >>> import tempfile
        >>> from tabular_labels.io.parquet_write import write_parquet
        >>> folder = Path(tempfile.mkdtemp()) / "mice"
        >>> write_parquet(LabelTables(), folder)
        >>> read_parquet(folder).frames.height
        0
    """
    return open_parquet(path, version=version).load()


def project_files(
    path: PathLike, table: str | None = None, version: int | None = None
) -> list[str]:
    """List the files that one version consists of.

    Args:
        path: The project's directory.
        table: ``frames``, ``instances`` or ``points``; None for every file. In a
            version with edits the files of deltas follow, and rows of edited frames
            occur more than once: the views (`views_sql`) tell which count.
        version: Which version; None for the newest.

    Returns:
        Absolute paths in canonical order.

    Raises:
        FileNotFoundError: There is nothing at the path.
        FileFormatError: Not a project, or a damaged manifest.

    Examples:
        >>> import tempfile
        >>> from tabular_labels.io.parquet_write import write_parquet
        >>> folder = Path(tempfile.mkdtemp()) / "mice"
        >>> write_parquet(LabelTables(), folder)
        >>> project_files(folder, "points")
        []
    """
    root = Path(path).absolute()
    return [str(root / file.path) for file in read_manifest(path, version).files(table)]


class ParquetSource:
    """One version of a Parquet project as a source; see `model.source.Source`.

    Whole reads compare files with their checksums first; scans and reads of single
    frames or points trust what has the right size (`validate_project` does not).
    Safe to read from threads. Pickles as path and version, so that any process that
    sees the directory reads the same rows.
    """

    def __init__(self, path: PathLike, manifest: Manifest) -> None:
        parts = ProjectParts(
            Path(os.path.abspath(path)),  # noqa: PTH100 - resolve() would follow links
            manifest,
        )
        self._stand_on(parts, StructureReader(parts))
        check_files(self.path, manifest.files())

    def _stand_on(self, parts: ProjectParts, reader: StructureReader) -> None:
        self.path, self.manifest, self.uncommitted = parts.path, parts.manifest, parts.uncommitted
        self._parts, self._reader, self._tables = parts, reader, EditedScan(parts)

    def with_edits(self, edits: EditSet | None) -> ParquetSource:
        """Return this version with edits that are not on the disk, as its newest delta.

        Args:
            edits: Relative to the version on the disk, whatever this source has of such;
                None for the version itself. Points that it holds are those of part
                number ``n_parts - 1`` of the result.

        Returns:
            A source. What was read of this one is not read again.
        """
        made = ParquetSource.__new__(ParquetSource)
        parts = self._parts.with_edits(edits)
        made._stand_on(parts, self._reader.with_parts(parts))
        return made

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle where the version is, and what is not there."""
        return _reopen, (str(self.path), self.manifest.info.version, self.uncommitted)

    def __repr__(self) -> str:
        """Name the directory and the version."""
        return f"ParquetSource({str(self.path)!r}, version={self.manifest.info.version})"

    @property
    def origin(self) -> None:
        """No file that a writer would replace: versions stay as they are."""
        return

    @property
    def catalog(self) -> Catalog:
        """The small tables."""
        return self._parts.catalog

    @property
    def counts(self) -> Counts:
        """Rows of the large tables, as the manifest says."""
        return self._parts.counts

    @property
    def edits(self) -> Edits:
        """Which places the deltas replace."""
        return self._parts.edits

    @property
    def n_parts(self) -> int:
        """Number of tables of points: of shards, then of deltas, oldest first."""
        return self._parts.n_parts

    @property
    def current_rows(self) -> EditedRows:
        """The rows of all places that deltas replace."""
        return self._reader.current_rows

    def scan(self, table: str) -> pl.LazyFrame:
        """Lazily read ``frames``, ``instances`` or ``points`` with all keys, canonical order.

        Filters on ``video_id`` and ``frame_idx`` skip files and row groups.
        """
        return self._tables.plan(table)

    def instance_pieces(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Read columns of the instances shard by shard, and those of edited places last.

        Raises:
            FileFormatError: A file is damaged, or there are more or fewer instances than
                the manifest says.
        """
        n_rows = 0
        for piece in self._tables.instance_pieces(columns):
            n_rows += piece.height
            yield piece
        if n_rows != self.counts.instances:
            expected = f"{self.counts.instances}, as the manifest says"
            self._parts.refuse("instances", f"{n_rows} rows", expected)

    def find_frame(self, video_id: int, frame_idx: int) -> LabelTables:
        """Read all frames at one place as small tables, with the project's ids."""
        parts = self._parts
        rows, points = parts.that_hold((video_id, frame_idx))
        if rows is None:
            return LabelTables(parts.catalog)
        here = (pl.col("video_id") == video_id) & (pl.col("frame_idx") == frame_idx)
        plans = [
            memory_rows(parts.plan(rows, table.name).filter(here), table.name)
            for table in (FRAMES, INSTANCES)
        ]
        files = parts.files(rows, ["frames", "instances"])
        if points is not None:
            kept = here
            if points != rows:
                n_shards = len(parts.shards)
                gone = parts.edits.removed_from(points - n_shards if points >= n_shards else None)
                kept = kept & ~pl.col("instance_id").is_in(gone.implode())
            plans.append(memory_rows(parts.plan(points, "points").filter(kept), "points"))
            files += parts.files(points, ["points"])
        with parts.reading(files):
            frames, instances, *read = pl.collect_all(plans)
        found = read[0] if read else POINTS.empty()
        parts.check_points(int(parts.node_counts(instances).sum()), found.height)
        return LabelTables(parts.catalog, frames, instances, found)

    def load_structure(self, base: Structure | None = None) -> Structure:
        """Read frames and instances, and validate them; their files' checksums too.

        Args:
            base: The structure of an earlier version with the same shards, or of this
                one without edits that are not on the disk: only what differs is read,
                and the rest is shared.

        Returns:
            A structure. ``point_start`` counts the rows of all parts together: of the
            shards, then of the deltas, oldest first; it is None when there are no deltas.
        """
        return self._reader.read(base)

    def load_places(self, places: pl.DataFrame) -> Structure:
        """Read the frames and instances at some places; only files that hold them.

        Args:
            places: ``video_id`` and ``frame_idx``, any order.

        Returns:
            Their rows in canonical order, not validated, with ``point_start`` as
            `load_structure` gives it.
        """
        return self._reader.read_places(places)

    def read_points(
        self, part: IntArray | None, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        """Read runs of point rows, in parallel where they are far apart."""
        return read_runs(self._parts, part, start, count, columns)

    def verify(self) -> None:
        """Compare every file of tables with its checksum, once.

        Raises:
            ChecksumError: A file's bytes are not those that were written.
        """
        self._parts.verify(
            [file for file in self.manifest.files() if file.path.endswith(".parquet")]
        )

    def load(self) -> LabelTables:
        """Read everything, after comparing every file with its checksum."""
        self.verify()
        structure = self.load_structure()
        names = list(POINTS.memory_columns)
        if structure.point_start is None:
            whole = np.arange(len(self.manifest.shards))
            points = read_windows(self._parts, whole, whole * 0, self._parts.point_rows, names)
        else:
            points = self.read_points(None, *structure.point_runs(slice(None)), names)
        tables = LabelTables(self.catalog, structure.frames, structure.instances, points)
        require_rules(check_points(tables), self.path)
        return tables


def _reopen(path: str, version: int, edits: EditSet | None) -> ParquetSource:
    source = open_parquet(path, version=version)
    return source if edits is None else source.with_edits(edits)
