"""Read a Parquet project: whole, by table, by frame, or lazily."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import NoReturn

import numpy as np
import polars as pl

from tabular_labels._types import IntArray, PathLike
from tabular_labels.errors import FileFormatError
from tabular_labels.io.manifest import DataFile, Key, Manifest, Shard, read_manifest
from tabular_labels.io.manifest_json import require_rules
from tabular_labels.io.parquet_edits import Edits, merge_edits, read_edits, scan_files
from tabular_labels.io.parquet_forked import read_windows_without_threads
from tabular_labels.io.parquet_points import (
    WORKERS,
    is_identity,
    join_runs,
    plan_windows,
    read_windows,
    split_at_files,
)
from tabular_labels.io.project_files import check_files, verify_file
from tabular_labels.model.buffers import is_forked
from tabular_labels.model.checks import check_points, check_structure
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.schema import FRAMES, INSTANCES, POINTS, TABLES
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import Catalog, LabelTables, Structure

__all__ = ["ParquetSource", "open_parquet", "project_files", "read_parquet"]

_PART = 2**44  # rows of one file stay below


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
        self.path = Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow links
        self.manifest = manifest
        self._verified: set[str] = set()
        check_files(self.path, manifest.files())

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle where the version is."""
        return _reopen, (str(self.path), self.manifest.info.version)

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
        return self.manifest.catalog

    @property
    def counts(self) -> Counts:
        """Rows of the large tables, as the manifest says."""
        return self.manifest.info.rows

    @cached_property
    def edits(self) -> Edits:
        """Which frames the deltas replace."""
        with self._reading([delta.replaced for delta in self.manifest.deltas]):
            return read_edits(self.path, self.manifest.deltas)

    @cached_property
    def _point_rows(self) -> IntArray:
        return np.array([file.rows for file in self.manifest.files("points")], dtype=np.int64)

    def scan(self, table: str) -> pl.LazyFrame:
        """Lazily read ``frames``, ``instances`` or ``points`` with all keys, canonical order.

        Filters on ``video_id`` and ``frame_idx`` skip files and row groups.
        """
        columns = dict(TABLES[table].disk_columns)
        shards, deltas = self.manifest.shards, self.manifest.deltas
        if not deltas:
            return self._scan(shards, table)
        edited = [self._scan([delta], table) for delta in deltas]
        parts: list[pl.LazyFrame] = []
        untouched: list[Shard] = []
        for region in self.edits.regions(shards):
            shard = [] if region.shard is None else [shards[region.shard]]
            if not region.edited.height:
                untouched += shard
                continue
            if untouched:
                parts.append(self._scan(untouched, table))
                untouched = []
            base = self._scan(shard, table) if shard else None
            parts.append(merge_edits(base, edited, region.edited, columns))
        if untouched or not parts:
            parts.append(self._scan(untouched, table))
        return parts[0] if len(parts) == 1 else pl.concat(parts)

    def _scan(self, parts: Sequence[Shard], table: str) -> pl.LazyFrame:
        files = [self.path / part.file(table).path for part in parts]
        return scan_files(files, dict(TABLES[table].disk_columns))

    def find_frame(self, video_id: int, frame_idx: int) -> LabelTables:
        """Read all frames at one place as small tables, with the project's ids."""
        part = self._part_of((video_id, frame_idx))
        if part is None:
            return LabelTables(self.catalog)
        here = (pl.col("video_id") == video_id) & (pl.col("frame_idx") == frame_idx)
        plans = [
            _in_memory(self._scan([part], table.name).filter(here), table.name)
            for table in (FRAMES, INSTANCES, POINTS)
        ]
        with self._reading(part.files()):
            frames, instances, points = pl.collect_all(plans)
        self._check_points(int(self._node_counts(instances).sum()), points.height)
        return LabelTables(self.catalog, frames, instances, points)

    def _part_of(self, key: Key) -> Shard | None:
        """Return the delta or shard that may hold a frame, None when none does."""
        if self.manifest.deltas:
            owner = self.edits.owner(key)
            if owner is not None:
                return self.manifest.deltas[owner]
        shards = self.manifest.shards
        return next((shard for shard in shards if shard.first <= key <= shard.last), None)

    def load_structure(self) -> Structure:
        """Read frames and instances, and validate them; their files' checksums too."""
        shards, deltas = self.manifest.shards, self.manifest.deltas
        self._verify(self.manifest.files("frames") + self.manifest.files("instances"))
        if deltas:
            return self._edited_structure()
        with self._reading(self.manifest.files("frames") + self.manifest.files("instances")):
            frames, instances = pl.collect_all(
                [_in_memory(self._scan(shards, name), name) for name in ("frames", "instances")]
            )
        return self._checked(Structure(frames, instances, self.catalog.n_nodes))

    def _edited_structure(self) -> Structure:
        parts = (*self.manifest.shards, *self.manifest.deltas)
        with self._reading(self.manifest.files("frames") + self.manifest.files("instances")):
            frames = self._merged("frames", [self._scan([part], "frames") for part in parts])
            tables = pl.collect_all([self._scan([part], "instances") for part in parts])
            placed = [self._placed(number, table).lazy() for number, table in enumerate(tables)]
            instances = self._merged("instances", placed)
        return self._checked(
            Structure(
                _renumbered(_nan_backed(frames.select(list(FRAMES.memory_columns)))),
                _nan_backed(instances.select(list(INSTANCES.memory_columns))),
                self.catalog.n_nodes,
                instances["part"].to_numpy(),
                instances["point_start"].to_numpy(),
            )
        )

    def _placed(self, part: int, instances: pl.DataFrame) -> pl.DataFrame:
        """Say of each instance in which file, and from which row there, its points are."""
        starts = offsets_of_counts(self._node_counts(instances))
        self._check_points(int(starts[-1]), int(self._point_rows[part]))
        return instances.with_columns(
            part=pl.lit(part, pl.Int64), point_start=pl.Series(starts[:-1], dtype=pl.Int64)
        )

    def _node_counts(self, instances: pl.DataFrame) -> IntArray:
        """Count the nodes of each instance; skeletons nobody knows are an error."""
        n_nodes, ids = self.catalog.n_nodes, instances["skeleton_id"].to_numpy()
        if len(ids) and int(ids.max()) >= len(n_nodes):
            self._refuse("instances.skeleton_id", str(ids.max()), f"below {len(n_nodes)}")
        counts: IntArray = n_nodes[ids]
        return counts

    def _merged(self, table: str, parts: Sequence[pl.LazyFrame]) -> pl.DataFrame:
        n_shards = len(self.manifest.shards)
        columns = dict(TABLES[table].disk_columns)
        if table == "instances":
            columns |= {"part": pl.Int64, "point_start": pl.Int64}
        base = pl.concat(parts[:n_shards]) if n_shards else None
        return merge_edits(base, parts[n_shards:], self.edits.owners, columns).collect()

    def _checked(self, structure: Structure) -> Structure:
        rows = self.counts
        found = (structure.frames.height, structure.instances.height)
        if found != (rows.frames, rows.instances):
            expected = f"{rows.frames} and {rows.instances}, as the manifest says"
            self._refuse("frames and instances", f"{found[0]} and {found[1]} rows", expected)
        require_rules(check_structure(self.catalog, structure), self.path)
        self._check_points(int(structure.point_offsets[-1]), rows.points)
        return structure

    def _check_points(self, expected: int, found: int) -> None:
        if expected != found:
            self._refuse("points", f"{found} rows", f"{expected}, one per instance and node")

    def read_points(
        self, part: IntArray | None, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        """Read runs of point rows, in parallel where they are far apart."""
        if part is None:
            files = offsets_of_counts(self._point_rows[: len(self.manifest.shards)])
            part, start, count = split_at_files(files, start, count)
        key, count = join_runs(part * _PART + start, count)
        windows, lengths = plan_windows(key, count)
        table = self._read_windows(windows // _PART, windows % _PART, lengths, columns)
        window = np.searchsorted(windows, key, side="right") - 1
        begin = offsets_of_counts(lengths)[window] + key - windows[window]
        if is_identity(begin, count, table.height):
            return table
        rows = ranges(begin, count)
        return pl.DataFrame([column.gather(rows) for column in table.get_columns()])

    def _read_windows(
        self, part: IntArray, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        """Read windows of files one after the other into whole columns."""
        parts = (*self.manifest.shards, *self.manifest.deltas)
        names = list(dict.fromkeys(columns))
        with self._reading([parts[number].points for number in np.unique(part).tolist()]):
            if is_forked():
                files = [self.path / parts[number].points.path for number in part.tolist()]
                table, found = read_windows_without_threads(files, start, count, names)
            else:
                plans = [
                    self._scan([parts[number]], "points").select(names).slice(first, length)
                    for number, first, length in zip(
                        part.tolist(), start.tolist(), count.tolist(), strict=True
                    )
                ]
                table, found = read_windows(plans, count, names)
        self._check_points(int(count.sum()), found)
        return pl.DataFrame([table[name] for name in columns]) if found else table.select(columns)

    def load(self) -> LabelTables:
        """Read everything, after comparing every file with its checksum."""
        self._verify([file for file in self.manifest.files() if file.path.endswith(".parquet")])
        structure = self.load_structure()
        names = list(POINTS.memory_columns)
        if structure.point_start is None:
            whole = np.arange(len(self.manifest.shards))
            points = self._read_windows(whole, whole * 0, self._point_rows, names)
        else:
            count = np.diff(structure.point_offsets)
            points = self.read_points(structure.part, structure.point_start, count, names)
        tables = LabelTables(self.catalog, structure.frames, structure.instances, points)
        require_rules(check_points(tables), self.path)
        return tables

    def _verify(self, files: Sequence[DataFile]) -> None:
        """Compare files with their checksums, each once."""
        new = [file for file in files if file.path not in self._verified]
        with ThreadPoolExecutor(WORKERS) as pool:
            for file, _ in zip(new, pool.map(partial(verify_file, self.path), new), strict=True):
                self._verified.add(file.path)

    @contextmanager
    def _reading(self, files: Sequence[DataFile]) -> Iterator[None]:
        """Turn what polars says about damaged files into our error, naming the file."""
        try:
            yield
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            for file in files:
                verify_file(self.path, file)
            found = f"something polars cannot read ({str(error).splitlines()[0][:200]})"
            self._refuse(f"Parquet files of version {self.manifest.info.version}", found, "rows")

    def _refuse(self, place: str, found: str, expected: str) -> NoReturn:
        raise FileFormatError(
            str(self.path),
            place=place,
            found=found,
            expected=expected,
            remedy="Run validate_project to see what is damaged; earlier versions may be whole.",
        )


def _reopen(path: str, version: int) -> ParquetSource:
    return open_parquet(path, version=version)


def _in_memory(plan: pl.LazyFrame, table: str) -> pl.LazyFrame:
    """Keep the in-memory columns, with NaN under the nulls."""
    columns = TABLES[table].memory_columns
    floats = [name for name, dtype in columns.items() if dtype.is_float()]
    plan = plan.select(list(columns))
    # After Parquet zeros lie under the nulls; buffers are read without the mask.
    return plan.with_columns(pl.col(floats).fill_null(float("nan")).fill_nan(None))


def _renumbered(frames: pl.DataFrame) -> pl.DataFrame:
    """Make positions dense again: edits leave gaps in them."""
    order = np.argsort(frames["position"].to_numpy(), kind="stable")
    position = np.empty(len(order), np.uint32)
    position[order] = np.arange(len(order), dtype=np.uint32)
    return frames.with_columns(position=pl.Series(position))


def _nan_backed(table: pl.DataFrame) -> pl.DataFrame:
    floats = [name for name, dtype in table.schema.items() if dtype.is_float()]
    return table.with_columns(pl.col(floats).fill_null(float("nan")).fill_nan(None))
