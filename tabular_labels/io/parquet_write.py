"""Write a Parquet project, or a new version of one, from tables."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from tabular_labels._types import PathLike
from tabular_labels.errors import FileFormatError, InvariantError, ProjectExistsError, QueryError
from tabular_labels.io.atomic import sync_directory, sync_file
from tabular_labels.io.attachments import attachment_image, names_rows
from tabular_labels.io.disk_rows import RowSlice, disk_table
from tabular_labels.io.manifest import (
    LARGE_TABLES,
    DataFile,
    Key,
    Manifest,
    NextIds,
    Shard,
)
from tabular_labels.io.parquet_files import (
    new_version,
    next_version,
    write_table,
)
from tabular_labels.io.project_files import describe_file
from tabular_labels.io.project_versions import (
    is_project,
    list_versions,
    mark_project,
    read_manifest,
)
from tabular_labels.model.checks import (
    check_catalog,
    check_points,
    check_structure,
    check_tables,
    require,
)
from tabular_labels.model.schema import POINTS
from tabular_labels.model.source import Counts, Readable
from tabular_labels.model.tables import Attachments, Catalog, LabelTables, Structure

__all__ = [
    "POINTS_PER_SHARD",
    "cut_shards",
    "disk_table",
    "with_true_numbering",
    "write_attachments",
    "write_parquet",
]

POINTS_PER_SHARD = 2_000_000


def write_parquet(
    tables: LabelTables | Readable,
    path: PathLike,
    *,
    overwrite: bool = False,
    message: str = "",
    points_per_shard: int = POINTS_PER_SHARD,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write tables as a Parquet project, or as a new version of one.

    The new version appears whole, when everything it needs is on the disk, or not at
    all; earlier versions stay readable.

    Args:
        tables: What to write, rows in canonical order; points that are not in memory are
            read and written shard by shard.
        path: A directory: absent, empty, or (with ``overwrite``) a project.
        overwrite: Allow a new version in an existing project.
        message: Why, for the history.
        points_per_shard: Points that one file holds at most.
        progress: Called with the number of files written and their total.

    Raises:
        ProjectExistsError: There is a project and ``overwrite`` is false.
        FileFormatError: There is something else at the path.
        InvariantError: The tables break rules.
        QueryError: ``points_per_shard`` is below 1.
        ConflictError: Another writer created the same version first.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp()) / "mice"
        >>> write_parquet(LabelTables(), folder)
        >>> write_parquet(LabelTables(), folder, overwrite=True, message="again")
        >>> list_versions(folder)
        [1, 2]
    """
    if points_per_shard < 1:
        text = f"points_per_shard: found {points_per_shard}, expected at least 1. Leave it out."
        raise QueryError(text)
    if isinstance(tables, LabelTables):
        require(check_tables(tables))
    else:
        require(check_catalog(tables.catalog) + check_structure(tables.catalog, tables.structure))
    catalog, structure = with_true_numbering(tables.catalog), tables.structure
    root = Path(path)
    parent = _prepare(root, overwrite=overwrite)
    ids = _next_ids(catalog, structure, root, parent)
    with new_version(root) as version:
        created = version.created
        _make_folders(root, created)
        if isinstance(tables, LabelTables):
            shards = _write_shards(tables, root, points_per_shard, progress, created)
        else:
            shards = _stream_shards(tables, root, points_per_shard, progress, created)
        attached = write_attachments(catalog.attachments, root, created)
        for folder in {file.parent for file in created}:
            sync_directory(folder)
        n_points = structure.n_points
        rows = Counts(structure.frames.height, structure.instances.height, n_points)
        info = next_version(parent, message, rows)
        mark_project(root)
        version.publish(Manifest(info, catalog, ids, tuple(shards), attachments=attached))


def write_attachments(attachments: Attachments, root: Path, created: list[Path]) -> DataFile | None:
    """Write what is attached; None when nothing is."""
    if not attachments:
        return None
    image = attachment_image(attachments)
    if image is None:
        return None
    file = root / "data" / f"attachments-{uuid.uuid4().hex}.h5"
    created.append(file)
    file.write_bytes(image)
    sync_file(file)
    return describe_file(file, root, 0)


def with_true_numbering(catalog: Catalog) -> Catalog:
    """Forget the numbering of attachments whose file numbers instances not by their rows."""
    attachments = catalog.attachments
    if not attachments.numbering or names_rows(attachments):
        return catalog
    return replace(catalog, attachments=replace(attachments, numbering=""))


def _prepare(root: Path, *, overwrite: bool) -> int | None:
    """Return the version to build on, None for a new project."""
    if is_project(root):
        versions = list_versions(root)
        if versions and not overwrite:
            raise ProjectExistsError(str(root))
        return versions[-1] if versions else None
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise FileFormatError(
            str(root),
            place="the directory",
            found="a file" if not root.is_dir() else "files that are no Parquet project",
            expected="nothing, an empty directory or a project",
            remedy="Choose another path, or remove what is there yourself.",
        )
    return None


def _next_ids(catalog: Catalog, structure: Structure, root: Path, parent: int | None) -> NextIds:
    """Leave out the ids of earlier versions, when these are of the same project."""
    before = NextIds()
    if parent is not None:
        with suppress(FileFormatError, InvariantError):  # a damaged version may be replaced
            manifest = read_manifest(root, parent)
            if manifest.catalog.project_id == catalog.project_id:
                before = manifest.next_ids
    return before.above(structure.frames, structure.instances)


def _make_folders(root: Path, created: list[Path]) -> None:
    for folder in (root, *(root / name for name in ("versions", "history", "data", "edits"))):
        if not folder.is_dir():
            folder.mkdir(parents=True)
            created.append(folder)


def _write_shards(
    tables: LabelTables,
    root: Path,
    points_per_shard: int,
    progress: Callable[[int, int], None] | None,
    created: list[Path],
) -> list[Shard]:
    slices = list(cut_shards(tables.structure, points_per_shard))
    files: dict[tuple[int, str], DataFile] = {}
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        jobs = {}
        for number, rows in enumerate(slices):
            for name in reversed(LARGE_TABLES):  # the largest first
                file = root / "data" / f"{name}-{number:04}-{uuid.uuid4().hex}.parquet"
                created.append(file)
                job = pool.submit(_write_part, tables, rows, name, file)
                jobs[job] = number, name
        try:
            for done, job in enumerate(as_completed(jobs), start=1):
                files[jobs[job]] = job.result()
                if progress is not None:
                    progress(done, len(jobs))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [
        Shard(*_key_range(tables.frames[rows.frames]), *(files[n, name] for name in LARGE_TABLES))
        for n, rows in enumerate(slices)
    ]


def _stream_shards(
    labels: Readable,
    root: Path,
    points_per_shard: int,
    progress: Callable[[int, int], None] | None,
    created: list[Path],
) -> list[Shard]:
    """Read and write one shard after the other, so that no two are in memory."""
    slices = list(cut_shards(labels.structure, points_per_shard))
    shards: list[Shard] = []
    for number, rows in enumerate(slices):
        part = _read_part(labels, rows)
        require(check_points(part))
        files = []
        for name in LARGE_TABLES:
            file = root / "data" / f"{name}-{number:04}-{uuid.uuid4().hex}.parquet"
            created.append(file)
            files.append(write_table(disk_table(part, name), file))
            if progress is not None:
                progress(len(LARGE_TABLES) * len(shards) + len(files), 3 * len(slices))
        shards.append(Shard(*_key_range(part.frames), *files))
    return shards


def _read_part(labels: Readable, rows: RowSlice) -> LabelTables:
    """Read one range of canonical order."""
    structure = labels.structure
    frames, instances = structure.frames[rows.frames], structure.instances[rows.instances]
    points = labels.read_points(list(POINTS.memory_columns), rows.instances)
    return LabelTables(labels.catalog, frames, instances, points)


def _write_part(tables: LabelTables, rows: RowSlice, name: str, file: Path) -> DataFile:
    return write_table(disk_table(tables, name, rows), file)


def _key_range(frames: pl.DataFrame) -> tuple[Key, Key]:
    keys = frames.select("video_id", "frame_idx")
    return keys.row(0), keys.row(-1)


def cut_shards(structure: Structure, points_per_shard: int) -> Iterator[RowSlice]:
    """Cut canonical order between places into ranges of about equal weight."""
    frames = structure.frames
    if not frames.height:
        return
    video, place = frames["video_id"].to_numpy(), frames["frame_idx"].to_numpy()
    is_new = (video[1:] != video[:-1]) | (place[1:] != place[:-1])
    edges = np.concatenate(([0], np.flatnonzero(is_new) + 1, [frames.height]))
    instance_edges = structure.instance_offsets[edges]
    point_edges = structure.first_points(instance_edges)
    # A frame weighs as one more point, so that frames without points are cut as well.
    weight = point_edges + edges
    start = 0
    while start < len(edges) - 1:
        left = int(weight[-1] - weight[start])
        share = -(-left // -(-left // points_per_shard))
        stop = int(np.searchsorted(weight, weight[start] + share, side="right")) - 1
        stop = max(stop, start + 1)
        yield RowSlice(
            *(slice(int(e[start]), int(e[stop])) for e in (edges, instance_edges, point_edges))
        )
        start = stop
