"""Check every byte and every rule of a Parquet project."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl

from tabular_labels._types import PathLike
from tabular_labels.errors import FileFormatError, InvariantError, Violation
from tabular_labels.io.disk_rows import disk_table
from tabular_labels.io.manifest import LARGE_TABLES, DataFile, Delta, Manifest, Shard
from tabular_labels.io.parquet_edits import KEY, Columns, packed_key, scan_files
from tabular_labels.io.parquet_scan import ParquetSource
from tabular_labels.io.project_files import verify_file
from tabular_labels.io.project_versions import list_versions, read_manifest
from tabular_labels.model.checks import FRAME_IDX_STOP, check_points
from tabular_labels.model.edits import REPLACED, packed_places
from tabular_labels.model.offsets import rows_of_ids
from tabular_labels.model.schema import TABLES
from tabular_labels.model.tables import LabelTables

__all__ = ["Problem", "validate_project"]

_SAMPLE = 5

Problem: TypeAlias = Violation | FileFormatError
"""A rule that rows break, or a file that is not what its manifest says."""


def validate_project(
    path: PathLike,
    *,
    version: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Problem]:
    """List everything that is wrong with a version of a Parquet project.

    Sizes and checksums of every file, schemas, row counts, key ranges, order, and the
    rules of the model. Reads all rows, one shard at a time.

    Args:
        path: The project's directory.
        version: Which version; None for the newest.
        progress: Called with the number of steps done and their total.

    Returns:
        The problems; empty when all is well. ``str`` of each names the file, what was
        found and what was expected.

    Raises:
        FileNotFoundError: There is nothing at the path.
        FileFormatError: It is not a project.
        QueryError: The project has no such version.

    Examples:
        >>> import tempfile
        >>> from tabular_labels.io.parquet_write import write_parquet
        >>> folder = Path(tempfile.mkdtemp()) / "mice"
        >>> write_parquet(LabelTables(), folder)
        >>> validate_project(folder)
        []
    """
    root = Path(path).absolute()
    list_versions(root)
    try:
        manifest = read_manifest(root, version)
    except FileFormatError as error:
        return [error]
    except InvariantError as error:
        return list(error.violations)
    problems: list[Problem] = []
    parts: tuple[Shard, ...] = (*manifest.shards, *manifest.deltas)
    total = len(parts) + 2
    report = progress or (lambda done, total: None)
    if manifest.attachments is not None:
        problems += _check_bytes(root, [manifest.attachments])
    report(1, total)
    for done, part in enumerate(parts, start=2):
        problems += _check_part(root, manifest, part)
        report(done, total)
    if not problems:
        problems += _check_whole(root, manifest)
    report(total, total)
    return problems


def _check_bytes(root: Path, files: Sequence[DataFile]) -> Iterator[Problem]:
    for file in files:
        try:
            verify_file(root, file)
        except FileFormatError as error:
            yield error


def _check_part(root: Path, manifest: Manifest, part: Shard) -> list[Problem]:
    """Check one shard or delta, rules last: they need whole files."""
    names = [*LARGE_TABLES, "replaced"][: len(part.files())]
    columns: dict[str, Columns] = {
        name: TABLES[name].disk_columns if name in TABLES else REPLACED for name in names
    }
    problems = list(_check_bytes(root, part.files()))
    for name in names if not problems else ():
        problems += _check_form(root, part.file(name), columns[name])
    if problems:
        return problems
    try:
        tables = {
            name: scan_files([root / part.file(name).path], columns[name]).collect()
            for name in names
        }
        problems += _check_range(part, tables)
        if not any("is null" in str(problem) for problem in problems):
            problems += _check_rows(manifest, part, tables)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        problems.append(_broken(root, part.frames, _first_line(error), "readable shard"))
    return problems


def _check_form(root: Path, file: DataFile, columns: Columns) -> Iterator[Problem]:
    """Compare a file's own columns and row count with the manifest."""
    try:
        plan = pl.scan_parquet(root / file.path, glob=False, hive_partitioning=False)
        found, rows = plan.collect_schema(), plan.select(pl.len()).collect().item()
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        yield _broken(root, file, _first_line(error), "a Parquet file")
        return
    if found != pl.Schema(columns):
        yield _broken(root, file, f"columns {dict(found)}", str(dict(columns)))
    if rows != file.rows:
        yield _broken(root, file, f"{rows} rows", f"{file.rows}, as the manifest says")


def _first_line(error: BaseException) -> str:
    return f"something polars cannot read ({(str(error).splitlines() or [''])[0][:200]})"


def _broken(root: Path, file: DataFile, found: str, expected: str) -> FileFormatError:
    return FileFormatError(
        str(root / file.path),
        place="the file",
        found=found,
        expected=expected,
        remedy="Open an earlier version with version=, or restore the project from a copy.",
    )


def _check_range(part: Shard, tables: dict[str, pl.DataFrame]) -> Iterator[Problem]:
    """Check the places that a shard holds or a delta replaces."""
    table = "replaced" if isinstance(part, Delta) else "frames"
    nulls = [tables[name].select(KEY).null_count().row(0) for name in LARGE_TABLES]
    nulls.append(tables["replaced"].null_count().row(0) if table == "replaced" else ())
    for name, found in zip((*LARGE_TABLES, "replaced"), nulls, strict=True):
        if any(found):
            yield Violation(part.file(name).path, "no place is null", sum(found))
    if any(map(any, nulls)):
        return
    places, file = tables[table].select(KEY), part.file(table)
    far = [
        _check_far(part.file(name), tables[name].select(KEY))
        for name in dict.fromkeys((table, "frames"))
    ]
    if any(far):
        yield from chain.from_iterable(far)
        return
    ends = [places.row(row) for row in (0, -1)] if places.height else []
    if ends != [part.first, part.last]:
        rule = f"places go from {part.first} to {part.last}, as the manifest says"
        yield Violation(file.path, rule, 1, _sample(ends))
    yield from _check_order(file, places, unique=isinstance(part, Delta))
    if isinstance(part, Delta):
        yield from _check_order(part.frames, tables["frames"].select(KEY), unique=False)
        lost = tables["frames"].join(places, on=KEY, how="anti").select(KEY)
        if lost.height:
            rule = "every frame is one that the delta replaces"
            yield Violation(part.frames.path, rule, lost.height, _sample(lost.rows()))


def _check_far(file: DataFile, places: pl.DataFrame) -> list[Problem]:
    is_far = ~pl.col("frame_idx").is_between(0, FRAME_IDX_STOP, closed="left")
    far = places.filter(is_far)
    rule = "frame_idx is at least 0 and below 2**32 - 1"
    return [Violation(file.path, rule, far.height, _sample(far.rows()))] if far.height else []


def _check_order(file: DataFile, places: pl.DataFrame, *, unique: bool) -> Iterator[Problem]:
    key = places.select(packed_key()).to_series()
    is_low = key <= key.shift() if unique else key < key.shift()
    low = places.filter(is_low.fill_null(value=False))
    if low.height:
        rule = f"places are sorted{' and unique' if unique else ''}"
        yield Violation(file.path, rule, low.height, _sample(low.rows()))


def _check_rows(
    manifest: Manifest, part: Shard, tables: dict[str, pl.DataFrame]
) -> Iterator[Problem]:
    """Check points, and that the keys on disk say what position says."""
    held = {name: tables[name].select(list(TABLES[name].memory_columns)) for name in LARGE_TABLES}
    whole = LabelTables(manifest.catalog, held["frames"], held["instances"])
    pointed = LabelTables(manifest.catalog, **(held | _with_points(tables)))
    broken = check_points(pointed)
    yield from (replace(violation, table=part.points.path) for violation in broken)
    rows = rows_of_ids(whole.frames["frame_id"].to_numpy(), whole.instances["frame_id"].to_numpy())
    steps = np.diff(rows, prepend=0)
    misplaced = np.flatnonzero((rows < 0) | (steps < 0))
    if len(misplaced):
        rule = "rows are grouped by frame, in the order of frames"
        sample = _sample(f"row {row}" for row in misplaced[:_SAMPLE])
        yield Violation(part.instances.path, rule, len(misplaced), sample)
    if broken or len(misplaced):
        return
    for name, expected in (("instances", whole), ("points", pointed)):
        yield from _check_keys(part.file(name), tables[name], disk_table(expected, name))


def _with_points(tables: dict[str, pl.DataFrame]) -> dict[str, pl.DataFrame]:
    """Choose the frames and instances of a delta whose points are in it."""
    if "replaced" not in tables:
        return {}
    places = packed_places(tables["replaced"].filter("points"))
    frames = tables["frames"].filter(pl.Series(np.isin(packed_places(tables["frames"]), places)))
    # By frame: keys on disk are checked later, against what place and order say.
    ids = frames["frame_id"].implode()
    instances = tables["instances"].filter(pl.col("frame_id").is_in(ids))
    chosen = {"frames": frames, "instances": instances}
    return {name: table.select(list(TABLES[name].memory_columns)) for name, table in chosen.items()}


def _check_keys(file: DataFile, found: pl.DataFrame, expected: pl.DataFrame) -> Iterator[Problem]:
    for name in ("video_id", "frame_idx", "instance_id", "node_id"):
        if name in found.columns:
            wrong = found[name].ne_missing(expected[name]).arg_true()
            if len(wrong):
                sample = _sample(f"row {row}" for row in wrong.head(_SAMPLE))
                yield Violation(
                    file.path, f"{name} is what place and order say", len(wrong), sample
                )


def _sample(keys: Iterable[object]) -> tuple[str, ...]:
    return tuple(map(str, islice(keys, _SAMPLE)))


def _check_whole(root: Path, manifest: Manifest) -> list[Problem]:
    """Check the current frames and instances against each other and the small tables."""
    try:
        ParquetSource(root, manifest).load_structure()
    except FileFormatError as error:
        return [error]
    except InvariantError as error:
        return list(error.violations)
    return []
