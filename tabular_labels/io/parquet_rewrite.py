"""Rewrite the shards that bulk edits or deltas touch; reuse every other file."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray, PathLike
from tabular_labels.errors import ConflictError, SchemaMismatchError
from tabular_labels.io.atomic import sync_directory
from tabular_labels.io.disk_rows import disk_table
from tabular_labels.io.manifest import DataFile, Key, Manifest, Shard
from tabular_labels.io.parquet_edits import KEY, scan_files
from tabular_labels.io.parquet_files import (
    new_version,
    next_version,
    write_pieces,
)
from tabular_labels.io.parquet_scan import ParquetSource, open_parquet
from tabular_labels.io.parquet_write import (
    POINTS_PER_SHARD,
    cut_shards,
    with_true_numbering,
    write_attachments,
)
from tabular_labels.io.project_versions import list_versions
from tabular_labels.model.checks import check_catalog, check_structure, require
from tabular_labels.model.edits import packed_places, place_bounds
from tabular_labels.model.schema import POINTS, TABLES
from tabular_labels.model.source import Counts, Source
from tabular_labels.model.tables import LabelTables, Structure

__all__ = ["STAGING", "compact", "rewrite"]

STAGING = "staging"
_POINTS_AT_ONCE = 2**18


def compact(
    path: PathLike, *, message: str = "compact", points_per_shard: int = POINTS_PER_SHARD
) -> ParquetSource:
    """Fold the deltas of the newest version into its shards, as a new version.

    Only shards that edits fall on are rewritten; without deltas nothing is.

    Args:
        path: The project's directory.
        message: Why, for the history.
        points_per_shard: Points that one file holds at most.

    Returns:
        The newest version, now without deltas.

    Raises:
        ConflictError: Another writer committed meanwhile; nothing was written.
        FileFormatError: Not a project, or a damaged one.

    Examples:
        >>> import tempfile
        >>> from tabular_labels.io.parquet_write import write_parquet
        >>> folder = Path(tempfile.mkdtemp()) / "mice"
        >>> write_parquet(LabelTables(), folder)
        >>> compact(folder).manifest.info.version
        1
    """
    base = open_parquet(path)
    if not base.manifest.deltas:
        return base
    nothing = pl.DataFrame(schema={"video_id": pl.UInt32, "frame_idx": pl.Int64})
    return rewrite(base, base, nothing, message=message, points_per_shard=points_per_shard)


def rewrite(
    base: ParquetSource,
    state: Source,
    changed: pl.DataFrame,
    *,
    message: str = "",
    points_per_shard: int = POINTS_PER_SHARD,
) -> ParquetSource:
    """Commit a bulk edit as a new version without deltas.

    Shards that hold changed places, or places that deltas replaced, are written anew;
    all other files are shared with ``base``. The points of a shard are shared too when
    none changed and its instances kept ids, order and places.

    Args:
        base: The version that was edited.
        state: The whole new state. Points that did not change may stay references to
            those of ``base``.
        changed: The places where any column of any row differs from ``base``:
            ``video_id`` (UInt32), ``frame_idx`` (Int64), any order, and perhaps
            ``points`` (Boolean): whether points of the place changed, true without.
        message: Why, for the history.
        points_per_shard: Points that one file holds at most.

    Returns:
        The new version.

    Raises:
        ConflictError: There is a newer version than ``base``; nothing was written.
        InvariantError: The new state breaks rules.
        SchemaMismatchError: ``changed`` has other columns.
    """
    _require_newest(base)
    changed = _places(changed)
    structure = state.load_structure()
    require(check_catalog(state.catalog))
    require(check_structure(state.catalog, structure))
    root, before = base.path, base.manifest
    with new_version(root) as version, _staging(root) as staging:
        writer = _ShardWriter(base, state, structure, staging)
        shards = tuple(writer.shards(changed, points_per_shard))
        attached, catalog = before.attachments, state.catalog
        if catalog.attachments != before.catalog.attachments:
            catalog = with_true_numbering(catalog)
            attached = write_attachments(catalog.attachments, root, version.created)
        _move_in(root, writer.written, version.created)
        manifest = Manifest(
            next_version(before.info.version, message, _count(structure)),
            catalog,
            before.next_ids.above(structure.frames, structure.instances),
            shards,
            attachments=attached,
        )
        version.publish(manifest)
    return ParquetSource(root, manifest)


@contextmanager
def _staging(root: Path) -> Iterator[Path]:
    """Make a folder for what is not part of the project yet, and remove it."""
    folder = root / STAGING / uuid.uuid4().hex
    try:
        folder.mkdir(parents=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _require_newest(base: ParquetSource) -> None:
    version, newest = base.manifest.info.version, list_versions(base.path)[-1]
    if newest != version:
        text = (
            f"{base.path}: found version {newest}, expected {version}, which was edited: another "
            "writer committed meanwhile and nothing was written. Open the newest version and "
            "make the bulk edit again."
        )
        raise ConflictError(text)


def _places(changed: pl.DataFrame) -> pl.DataFrame:
    if "points" not in changed.columns:
        changed = changed.with_columns(points=pl.lit(value=True))
    expected = pl.Schema({"video_id": pl.UInt32, "frame_idx": pl.Int64, "points": pl.Boolean})
    found = changed.schema
    if {name: found.get(name) for name in expected} != dict(expected):
        table = "changed"
        raise SchemaMismatchError(table, str(dict(found)), str(dict(expected)))
    return changed.select(list(expected))


def _count(structure: Structure) -> Counts:
    return Counts(structure.frames.height, structure.instances.height, structure.n_points)


def _move_in(root: Path, written: list[Path], created: list[Path]) -> None:
    """Give finished files their place; nobody takes them for leftovers of long ago."""
    for file in written:
        target = root / "data" / file.name
        created.append(target)
        os.utime(file)
        file.rename(target)
    sync_directory(root / "data")


@dataclass(frozen=True)
class _Run:
    """Neighbouring shards of the base, and the frame rows that are there now."""

    shards: range
    frames: slice
    is_touched: bool
    has_new_points: bool


class _ShardWriter:
    """Writes the shards of a new state into a directory."""

    def __init__(
        self, base: ParquetSource, state: Source, structure: Structure, staging: Path
    ) -> None:
        self.base, self.state, self.structure, self.staging = base, state, structure, staging
        self.written: list[Path] = []

    def shards(self, changed: pl.DataFrame, points_per_shard: int) -> Iterator[Shard]:
        """Give every shard of the new state, in order."""
        old = self.base.manifest.shards
        for run in self._joined(list(self._runs(changed)), points_per_shard):
            if not run.is_touched:
                yield from old[run.shards.start : run.shards.stop]
                continue
            part = self._part(run.frames)
            shard = old[run.shards.start] if len(run.shards) == 1 else None
            if shard is not None and not run.has_new_points and self._keeps(shard, part):
                yield self._beside_points(shard, part)
                continue
            first = run.frames.start
            for rows in cut_shards(part, points_per_shard):
                yield self._new(slice(first + rows.frames.start, first + rows.frames.stop))

    def _runs(self, changed: pl.DataFrame) -> Iterator[_Run]:
        """Cut the frames at the beginnings of the base's shards."""
        shards = self.base.manifest.shards
        starts = [shard.first[0] << 32 | shard.first[1] for shard in shards[1:]]
        edges = np.array(starts, np.uint64)
        cuts = [0, *place_bounds(self.structure.frames, edges)[0].tolist()]
        cuts.append(self.structure.frames.height)
        n = max(len(shards), 1)
        is_touched = np.full(n, not shards)
        has_new_points = is_touched.copy()
        edits = self.base.edits
        moved = edits.owners.filter(pl.col("points").is_not_null())["key"].to_numpy()
        gone = edits.removed.filter(pl.col("part").is_null())["key"].to_numpy()
        _mark(is_touched, edges, packed_places(changed))
        _mark(is_touched, edges, edits.keys)
        for keys in (packed_places(changed.filter("points")), moved, gone):
            _mark(has_new_points, edges, keys)
        for k in range(n):
            here = range(k, min(k + 1, len(shards)))
            rows = slice(cuts[k], cuts[k + 1])
            yield _Run(here, rows, bool(is_touched[k]), bool(has_new_points[k]))

    def _joined(self, runs: list[_Run], most: int) -> Iterator[_Run]:
        """Join neighbours that are written whole while they fit one file together."""
        waiting: _Run | None = None
        for run in runs:
            whole = run.is_touched and run.has_new_points
            if waiting is not None:
                both = slice(waiting.frames.start, run.frames.stop)
                if whole and self._n_points(both) <= most:
                    joined = range(waiting.shards.start, run.shards.stop)
                    waiting = replace(waiting, shards=joined, frames=both)
                    continue
                yield waiting
            waiting = run if whole else None
            if not whole:
                yield run
        if waiting is not None:
            yield waiting

    def _n_points(self, frames: slice) -> int:
        edges = self.structure.instance_offsets[[frames.start, frames.stop]]
        first, stop = self.structure.first_points(edges).tolist()
        return int(stop - first)

    def _part(self, frames: slice) -> Structure:
        instances = self._instances(frames)
        return Structure(
            self.structure.frames[frames],
            self.structure.instances[instances],
            self.structure.n_nodes,
        )

    def _instances(self, frames: slice) -> slice:
        offsets = self.structure.instance_offsets
        return slice(int(offsets[frames.start]), int(offsets[frames.stop]))

    def _keeps(self, shard: Shard, part: Structure) -> bool:
        """Tell whether a shard's points are those of the instances that are there now."""
        keys = [*KEY, "instance_id", "skeleton_id"]
        rows = LabelTables(self.state.catalog, part.frames, part.instances)
        now = disk_table(rows, "instances").select(keys)
        return bool(part.frames.height) and self._read(shard.instances, "instances", keys).equals(
            now
        )

    def _read(self, file: DataFile, table: str, columns: list[str]) -> pl.DataFrame:
        plan = scan_files([self.base.path / file.path], dict(TABLES[table].disk_columns))
        return plan.select(columns).collect()

    def _beside_points(self, shard: Shard, part: Structure) -> Shard:
        """Write the frames and instances of a shard whose points stay."""
        rows = LabelTables(self.state.catalog, part.frames, part.instances)
        frames = shard.frames
        if not self._read(frames, "frames", part.frames.columns).equals(part.frames):
            frames = self._write("frames", iter([rows.frames]))
        instances = self._write("instances", iter([disk_table(rows, "instances")]))
        first, last = _ends(part.frames)
        return replace(shard, first=first, last=last, frames=frames, instances=instances)

    def _new(self, frames: slice) -> Shard:
        """Write one shard whole."""
        part = self._part(frames)
        rows = LabelTables(self.state.catalog, part.frames, part.instances)
        return Shard(
            *_ends(part.frames),
            self._write("frames", iter([rows.frames])),
            self._write("instances", iter([disk_table(rows, "instances")])),
            self._write("points", self._points(frames)),
        )

    def _points(self, frames: slice) -> Iterator[pl.DataFrame]:
        """Read the points of one shard in pieces."""
        structure = self.structure
        for some in cut_shards(self._part(frames), _POINTS_AT_ONCE):
            piece = slice(frames.start + some.frames.start, frames.start + some.frames.stop)
            instances, rows = self._instances(piece), self._part(piece)
            part = None if structure.part is None else structure.part[instances]
            runs = structure.point_runs(instances)
            points = self.state.read_points(part, *runs, list(POINTS.memory_columns))
            tables = LabelTables(self.state.catalog, rows.frames, rows.instances, points)
            yield disk_table(tables, "points")

    def _write(self, name: str, pieces: Iterator[pl.DataFrame]) -> DataFile:
        path = self.staging / f"{name}-{len(self.written):04}-{uuid.uuid4().hex}.parquet"
        self.written.append(path)
        return replace(write_pieces(pieces, path), path=f"data/{path.name}")


def _mark(marks: BoolArray, edges: IntArray, keys: IntArray) -> None:
    marks[np.searchsorted(edges, keys, side="right")] = True


def _ends(frames: pl.DataFrame) -> tuple[Key, Key]:
    places = frames.select(KEY)
    return places.row(0), places.row(-1)
