"""Read a Parquet project: whole, by table, by frame, or lazily."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from copy import copy
from functools import cached_property, partial
from pathlib import Path
from typing import NoReturn

import numpy as np
import polars as pl

from tabular_labels._types import IntArray, PathLike
from tabular_labels.errors import FileFormatError
from tabular_labels.io.delta_tables import DeltaTables
from tabular_labels.io.manifest import DataFile, Key, Manifest, Shard, read_manifest
from tabular_labels.io.manifest_json import require_rules
from tabular_labels.io.parquet_edits import (
    KEY,
    Edits,
    Region,
    merge_edits,
    only_places,
    read_edits,
    scan_files,
)
from tabular_labels.io.parquet_forked import read_windows_without_threads
from tabular_labels.io.parquet_points import (
    WORKERS,
    is_identity,
    join_runs,
    plan_windows,
    read_windows,
    split_at_files,
)
from tabular_labels.io.parquet_structure import (
    DeltaRows,
    EditedRows,
    LostPointsError,
    edited_rows,
    patch_structure,
)
from tabular_labels.io.project_files import check_files, verify_file
from tabular_labels.model.buffers import is_forked
from tabular_labels.model.checks import check_points, check_structure
from tabular_labels.model.edits import EditSet, packed_places
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.schema import FRAMES, INSTANCES, POINTS, TABLES
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import Catalog, LabelTables, Structure

__all__ = ["ParquetSource", "open_parquet", "project_files", "read_parquet"]

_PART = 2**44  # rows of one file stay below
# Up to so many rows of deltas are read at once, and kept; more stay in their files.
MOST_EDITED_ROWS = 500_000


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
        self.uncommitted: EditSet | None = None
        self._verified: set[str] = set()
        self._edited_tables: dict[str, pl.DataFrame] = {}
        self._read_deltas: dict[int, DeltaRows] = {}
        check_files(self.path, manifest.files())

    def with_edits(self, edits: EditSet | None) -> ParquetSource:
        """Return this version with edits that are not on the disk, as its newest delta.

        Args:
            edits: Relative to the version on the disk, whatever this source has of such;
                None for the version itself. Points that it holds are those of part
                number ``n_parts - 1`` of the result.

        Returns:
            A source. What was read of this one is not read again.
        """
        made = copy(self)
        for derived in ("edits", "_point_rows", "_point_edges", "current_rows", "_in_memory"):
            made.__dict__.pop(derived, None)
        made.uncommitted = edits
        made._edited_tables = {}
        return made

    @cached_property
    def _in_memory(self) -> DeltaTables:
        """The rows of the edits that are not on the disk."""
        assert self.uncommitted is not None
        return DeltaTables.of(self.uncommitted)

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
        return (self.uncommitted or self.manifest).catalog

    @property
    def counts(self) -> Counts:
        """Rows of the large tables, as the manifest says."""
        return self.manifest.info.rows if self.uncommitted is None else self.uncommitted.counts

    @cached_property
    def edits(self) -> Edits:
        """Which places the deltas replace."""
        with self._reading([delta.replaced for delta in self.manifest.deltas]):
            kept = read_edits(self.path, self.manifest.deltas)
        if self.uncommitted is None:
            return kept
        return kept.followed_by(self.uncommitted.replaced, len(self.manifest.deltas))

    @property
    def n_parts(self) -> int:
        """Number of tables of points: of shards, then of deltas, oldest first."""
        files = len(self.manifest.shards) + len(self.manifest.deltas)
        return files + (self.uncommitted is not None)

    @property
    def _memory_part(self) -> int | None:
        return None if self.uncommitted is None else self.n_parts - 1

    @property
    def _n_deltas(self) -> int:
        return self.n_parts - len(self.manifest.shards)

    @cached_property
    def _point_rows(self) -> IntArray:
        rows = [file.rows for file in self.manifest.files("points")]
        if self.uncommitted is not None:
            rows.append(self.uncommitted.points.height)
        return np.array(rows, dtype=np.int64)

    @cached_property
    def _point_edges(self) -> IntArray:
        """First row of each part, of all parts together, and the total."""
        return offsets_of_counts(self._point_rows)

    def _part(self, number: int, table: str) -> pl.LazyFrame:
        """Lazily read one shard or delta, with all keys."""
        if number == self._memory_part:
            return self._in_memory.table(table).lazy()
        return self._scan([(*self.manifest.shards, *self.manifest.deltas)[number]], table)

    def _scan(self, parts: Sequence[Shard], table: str) -> pl.LazyFrame:
        files = [self.path / part.file(table).path for part in parts]
        return scan_files(files, dict(TABLES[table].disk_columns))

    def _files(self, number: int, tables: Sequence[str]) -> list[DataFile]:
        """Name the files of one part, for messages."""
        if number == self._memory_part:
            return []
        part = (*self.manifest.shards, *self.manifest.deltas)[number]
        return [part.file(table) for table in tables]

    def scan(self, table: str) -> pl.LazyFrame:
        """Lazily read ``frames``, ``instances`` or ``points`` with all keys, canonical order.

        Filters on ``video_id`` and ``frame_idx`` skip files and row groups.
        """
        shards = self.manifest.shards
        if not self._n_deltas:
            return self._scan(shards, table)
        parts: list[pl.LazyFrame] = []
        for region in self.edits.regions(shards, table):
            files = shards[region.shards.start : region.shards.stop]
            base = self._scan(files, table)
            parts.append(merge_edits(base, self._edited(region, table), region) if region else base)
        return parts[0] if len(parts) == 1 else pl.concat(parts)

    def _edited(self, region: Region, table: str) -> pl.LazyFrame:
        """Plan the rows of a region's edited places."""
        keys = region.edited["key"]
        if not len(keys):
            return pl.LazyFrame(schema=dict(TABLES[table].disk_columns))
        if self._edited_rows_at_most(table) <= MOST_EDITED_ROWS:
            rows = self._edited_table(table)
            ends = np.array([keys[0], keys[-1] + 1], np.uint64)
            first, stop = np.searchsorted(packed_places(rows), ends)
            return rows[int(first) : int(stop)].lazy()
        return self._owned(region.edited, table)

    def _owned(self, edited: pl.DataFrame, table: str) -> pl.LazyFrame:
        """Plan the rows of edited places; those of each delta are read from its file."""
        plans = []
        if self._n_deltas == 1 and edited.height == self.edits.of_table(table).height:
            return self._part(len(self.manifest.shards), table)  # there is nothing else in it
        for number in range(self._n_deltas):
            owned = edited.filter(delta=number)
            if owned.height:
                plan = self._part(len(self.manifest.shards) + number, table)
                gone = self.edits.removed_from(number)
                plans.append(only_places(plan, owned, gone if table == "points" else gone.clear()))
        merged = plans[0]
        for plan in plans[1:]:
            merged = merged.merge_sorted(plan, KEY, maintain_order=True)
        return merged

    def _edited_rows_at_most(self, table: str) -> int:
        rows = sum(delta.file(table).rows for delta in self.manifest.deltas)
        return rows if self.uncommitted is None else rows + self._in_memory.table(table).height

    def _edited_table(self, table: str) -> pl.DataFrame:
        """Read the rows of all edited places, once."""
        if table not in self._edited_tables:
            edited = self.edits.of_table(table)
            with self._reading([delta.file(table) for delta in self.manifest.deltas]):
                self._edited_tables[table] = self._owned(edited, table).collect()
        return self._edited_tables[table]

    def find_frame(self, video_id: int, frame_idx: int) -> LabelTables:
        """Read all frames at one place as small tables, with the project's ids."""
        key = (video_id, frame_idx)
        rows, points = self._parts_of(key)
        if rows is None:
            return LabelTables(self.catalog)
        here = (pl.col("video_id") == video_id) & (pl.col("frame_idx") == frame_idx)
        plans = [
            _in_memory(self._part(rows, table.name).filter(here), table.name)
            for table in (FRAMES, INSTANCES)
        ]
        files = self._files(rows, ["frames", "instances"])
        if points is not None:
            kept = here
            if points != rows:
                n_shards = len(self.manifest.shards)
                gone = self.edits.removed_from(points - n_shards if points >= n_shards else None)
                kept = kept & ~pl.col("instance_id").is_in(gone.implode())
            plans.append(_in_memory(self._part(points, "points").filter(kept), "points"))
            files += self._files(points, ["points"])
        with self._reading(files):
            frames, instances, *read = pl.collect_all(plans)
        found = read[0] if read else POINTS.empty()
        self._check_points(int(self._node_counts(instances).sum()), found.height)
        return LabelTables(self.catalog, frames, instances, found)

    def _parts_of(self, key: Key) -> tuple[int | None, int | None]:
        """Return the parts that may hold a frame and its points, None where none does."""
        shards = self.manifest.shards
        numbers = range(len(shards))
        shard = next((n for n in numbers if shards[n].first <= key <= shards[n].last), None)
        owner = self.edits.owner(key) if self._n_deltas else None
        if owner is None:
            return shard, shard
        rows, points = owner
        return len(shards) + rows, shard if points is None else len(shards) + points

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
        self._verify(self.manifest.files("frames") + self.manifest.files("instances"))
        shards = self.manifest.shards
        if base is None:
            with self._reading([file for shard in shards for file in shard.files()[:2]]):
                frames, instances = (
                    _by_column(_in_memory(self._scan(shards, name), name), name)
                    for name in ("frames", "instances")
                )
            base = Structure(frames, instances, self.catalog.n_nodes)
            if not self._n_deltas:
                return self._checked(base)
            return self._checked(self._patched(base, rechunk=True))
        return self._counted(self._patched(base, rechunk=False) if self._n_deltas else base)

    def load_places(self, places: pl.DataFrame) -> Structure:
        """Read the frames and instances at some places; only files that hold them.

        Args:
            places: ``video_id`` and ``frame_idx``, any order.

        Returns:
            Their rows in canonical order, not validated, with ``point_start`` as
            `load_structure` gives it.
        """
        shards, wanted = self.manifest.shards, packed_places(places)
        starts = [shard.first[0] << 32 | shard.first[1] for shard in shards[1:]]
        found = np.searchsorted(np.array(starts, np.uint64), wanted, side="right")
        numbers = np.unique(found).tolist() if shards else []
        chosen = [shards[number] for number in numbers]
        files = [file for shard in chosen for file in shard.files()[:2]]
        self._verify(files)
        with self._reading(files):
            plans = [_in_memory(self._scan(chosen, name), name) for name in ("frames", "instances")]
            frames, instances = pl.collect_all(plans)
        begins = offsets_of_counts(self._node_counts(instances))[:-1]
        held = np.array([shard.instances.rows for shard in chosen], np.int64)
        rows = np.array([shard.points.rows for shard in chosen], np.int64)
        shift = self._point_edges[numbers] - offsets_of_counts(rows)[:-1]
        n_nodes = self.catalog.n_nodes
        base = Structure(frames, instances, n_nodes, None, begins + np.repeat(shift, held))
        if self._n_deltas:
            base = self._patched(base, rechunk=True, wanted=wanted)
        here = np.flatnonzero(np.isin(packed_places(base.frames), wanted))
        offsets = base.instance_offsets
        kept = ranges(offsets[:-1][here], np.diff(offsets)[here])
        assert base.point_start is not None
        start = base.point_start[kept]
        return Structure(base.frames[here], base.instances[kept], n_nodes, None, start)

    def _patched(
        self, base: Structure, *, rechunk: bool, wanted: IntArray | None = None
    ) -> Structure:
        n_nodes, edges = self.catalog.n_nodes, self._point_edges
        shard_points = int(edges[len(self.manifest.shards)])
        try:
            edited = self.current_rows if wanted is None else self.current_rows.at(wanted)
            return patch_structure(base, edited, n_nodes, shard_points, rechunk=rechunk)
        except LostPointsError as error:
            found = f"{error} whose points are not where edits left them"
            self._refuse("edits", found, "the instances that points were kept of")

    @cached_property
    def current_rows(self) -> EditedRows:
        """The rows of all places that deltas replace."""
        deltas = [self._kept_delta(number) for number in range(len(self.manifest.deltas))]
        if self.uncommitted is not None:
            deltas.append(self._delta_rows(len(deltas)))
        return edited_rows(self.edits.owners, self.edits.removed, deltas)

    def _kept_delta(self, number: int) -> DeltaRows:
        if number not in self._read_deltas:
            self._read_deltas[number] = self._delta_rows(number)
        return self._read_deltas[number]

    def _delta_rows(self, number: int) -> DeltaRows:
        """Read one delta's frames and instances, and say where its points are."""
        part = len(self.manifest.shards) + number
        with self._reading(self._files(part, ["frames", "instances"])):
            plans = [self._part(part, name) for name in ("frames", "instances")]
            frames, instances = (_nan_backed(table) for table in pl.collect_all(plans))
        lists = self.edits.lists.filter(pl.col("points") & (pl.col("delta") == number))
        has_points = np.isin(packed_places(instances), packed_places(lists))
        starts = offsets_of_counts(self._node_counts(instances) * has_points)
        self._check_points(int(starts[-1]), int(self._point_rows[part]))
        return DeltaRows(frames, instances, has_points, starts[:-1] + self._point_edges[part])

    def _node_counts(self, instances: pl.DataFrame) -> IntArray:
        """Count the nodes of each instance; skeletons nobody knows are an error."""
        n_nodes, ids = self.catalog.n_nodes, instances["skeleton_id"].to_numpy()
        if len(ids) and int(ids.max()) >= len(n_nodes):
            self._refuse("instances.skeleton_id", str(ids.max()), f"below {len(n_nodes)}")
        counts: IntArray = n_nodes[ids]
        return counts

    def _checked(self, structure: Structure) -> Structure:
        self._counted(structure)
        require_rules(check_structure(self.catalog, structure), self.path)
        return structure

    def _counted(self, structure: Structure) -> Structure:
        rows = self.counts
        found = (structure.frames.height, structure.instances.height)
        if found != (rows.frames, rows.instances):
            expected = f"{rows.frames} and {rows.instances}, as the manifest says"
            self._refuse("frames and instances", f"{found[0]} and {found[1]} rows", expected)
        self._check_points(self._n_points(structure), rows.points)
        return structure

    def _n_points(self, structure: Structure) -> int:
        """Count points, without the offsets when all skeletons have as many nodes."""
        if len(structure.n_nodes) == 1:
            return structure.instances.height * int(structure.n_nodes[0])
        return int(structure.point_offsets[-1])

    def _check_points(self, expected: int, found: int) -> None:
        if expected != found:
            self._refuse("points", f"{found} rows", f"{expected}, one per instance and node")

    def read_points(
        self, part: IntArray | None, start: IntArray, count: IntArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        """Read runs of point rows, in parallel where they are far apart."""
        if part is None:
            part, start, count = split_at_files(self._point_edges, start, count)
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
        names = list(dict.fromkeys(columns))
        used = [file for number in np.unique(part) for file in self._files(number, ["points"])]
        with self._reading(used):
            if is_forked():
                table, found = self._read_without_threads(part, start, count, names)
            else:
                plans = [
                    self._part(number, "points").select(names).slice(first, length)
                    for number, first, length in zip(
                        part.tolist(), start.tolist(), count.tolist(), strict=True
                    )
                ]
                table, found = read_windows(plans, count, names)
        self._check_points(int(count.sum()), found)
        return pl.DataFrame([table[name] for name in columns]) if found else table.select(columns)

    def _read_without_threads(
        self, part: IntArray, start: IntArray, count: IntArray, names: Sequence[str]
    ) -> tuple[pl.DataFrame, int]:
        """Read windows of files, then slices of what is in memory, which stands last."""
        n_files = int(
            np.count_nonzero(part != (-1 if self._memory_part is None else self._memory_part))
        )
        paths = {
            number: self.path / self._files(number, ["points"])[0].path
            for number in set(part[:n_files].tolist())
        }
        files = [paths[number] for number in part[:n_files].tolist()]
        table, found = read_windows_without_threads(files, start[:n_files], count[:n_files], names)
        if n_files == len(part) or self.uncommitted is None:
            return table, found
        rows = ranges(start[n_files:], count[n_files:])
        mine = [self.uncommitted.points[name].gather(rows) for name in names]
        if found:
            mine = [table[column.name].append(column) for column in mine]
        return pl.DataFrame(mine), found + len(rows)

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
            points = self.read_points(None, structure.point_start, count, names)
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


def _reopen(path: str, version: int, edits: EditSet | None) -> ParquetSource:
    source = open_parquet(path, version=version)
    return source if edits is None else source.with_edits(edits)


def _in_memory(plan: pl.LazyFrame, table: str) -> pl.LazyFrame:
    """Keep the in-memory columns, with NaN under the nulls."""
    columns = TABLES[table].memory_columns
    floats = [name for name, dtype in columns.items() if dtype.is_float()]
    plan = plan.select(list(columns))
    # After Parquet zeros lie under the nulls; buffers are read without the mask.
    return plan.with_columns(pl.col(floats).fill_null(float("nan")).fill_nan(None))


def _by_column(plan: pl.LazyFrame, table: str) -> pl.DataFrame:
    """Read one column after the other, each into one piece, so that none is there twice."""
    names = TABLES[table].memory_columns
    return pl.DataFrame([plan.select(name).collect().to_series().rechunk() for name in names])


def _nan_backed(table: pl.DataFrame) -> pl.DataFrame:
    floats = [name for name, dtype in table.schema.items() if dtype.is_float()]
    return table.with_columns(pl.col(floats).fill_null(float("nan")).fill_nan(None))
