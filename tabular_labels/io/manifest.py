"""The manifest: what one version of a Parquet project consists of.

A project is a directory::

    tabular-labels.json           marks the directory as a project
    versions/00000001.json        manifest of version 1, created exclusively, never changed
    versions/00000001.views.sql   DuckDB views of that version's current rows
    history/00000001.json         when, why and from what version 1 came
    data/*.parquet, data/*.h5     immutable files of shards and attachments
    edits/*.parquet               immutable files of deltas
    staging/                      files of unfinished bulk edits; no version lists any

A version is exactly the files its manifest lists; others in the directories belong
to other versions or to writes that were interrupted, so never glob. Files are
written and synced before the manifest, which appears whole or not at all. Of two
writers of one version one gets `ConflictError`.

**Shards** are ranges of canonical order, ascending and disjoint. ``first`` and
``last`` are the outermost ``(video_id, frame_idx)``; all rows of one such pair are
in one shard. Each shard has one file of frames, instances and points with
``TableSchema.disk_columns`` in canonical order. A frame that is in no shard would
belong to the last shard that begins before it (the first if none does).

**Deltas**, oldest first, replace the rows of places, which are ``(video_id,
frame_idx)``. The file ``replaced`` lists them, sorted and unique, with the columns
``points`` (Boolean) and ``removed`` (list of UInt32). The delta's frames and instances
are the new rows of exactly these places, in canonical order. A place without new rows
was emptied; one that was in no shard is new. The newest delta that lists a place holds
its frames and instances; shards and older deltas no longer count for it.

Points follow a rule of their own. Where ``points`` is true, the delta's points are those
of the place's instances. Where it is false, points stay where they are: in the newest
older delta that lists the place with ``points`` true, else in the shard, but for the
points of the instances in ``removed``. The instances left are then the same, in the same
order, as those of the points that stay. ``removed`` counts against older files only, so
that an instance may come back with a delta whose ``points`` are true.

Deltas are merged as bits are carried when one counts: each has ``commits``, how many it
was made of, and two neighbours of one number become one. So a version that came from n
commits on the same shards has at most ``log2(n) + 1``.

``position`` orders the frames of the classic list. It is unique, gaps mean nothing: a
frame keeps its position, new frames stand above all that a version ever held.
``next_ids`` are above every ``frame_id``, ``instance_id`` and ``position`` that the
project ever had; what was removed is not given to other rows.

Keys of a manifest: ``format``, ``format_version``, ``version``, ``parent`` (null for
the first), ``created`` (UTC, ISO 8601), ``message``, ``rows`` (current rows per
table, deltas applied), ``next_ids``, ``schemas`` (columns and dtypes per table), ``shards``,
``deltas``, ``attachments`` (a file or null) and ``catalog`` (the small tables as
columns, provenance, project id, what is attached). A file is ``path`` (relative,
inside ``data/`` or ``edits/``), ``rows``, ``bytes`` and ``sha256``. JSON is strict;
a non-finite float is written ``{"$float": "nan"}``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import NoReturn, TypeVar

import polars as pl

from tabular_labels._types import Json, PathLike, TableName
from tabular_labels.errors import (
    ConflictError,
    FileFormatError,
    FormatVersionError,
    QueryError,
    UnsafeFileError,
)
from tabular_labels.io.atomic import atomic_path, create_exclusively
from tabular_labels.io.manifest_json import (
    catalog_from_json,
    catalog_to_json,
    dump,
    entry,
    parse,
    require_rules,
)
from tabular_labels.io.manifest_json import refuse as _refuse
from tabular_labels.model import schema
from tabular_labels.model.checks import FRAME_IDX_STOP, check_catalog
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import Catalog

__all__ = [
    "FORMAT_VERSION",
    "LARGE_TABLES",
    "MIGRATIONS",
    "DataFile",
    "Delta",
    "Key",
    "Manifest",
    "NextIds",
    "Shard",
    "VersionInfo",
    "is_project",
    "is_published",
    "list_versions",
    "mark_project",
    "publish",
    "read_history",
    "read_manifest",
    "record_version",
    "version_path",
]

FORMAT = "tabular_labels parquet project"
FORMAT_VERSION = 1
MARKER = "tabular-labels.json"
LARGE_TABLES: tuple[TableName, ...] = ("frames", "instances", "points")

MIGRATIONS: dict[int, Callable[[Json], Json]] = {}
"""By format version: turns a parsed manifest of it into one of the next version."""

Key = tuple[int, int]
"""A place in canonical order: ``(video_id, frame_idx)``."""

_Part = TypeVar("_Part", bound="Shard")

_VERSION_NAME = re.compile(r"([0-9]{8,18})\.json")
_FILE_PATH = re.compile(r"(data|edits)/[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.(parquet|h5)")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class DataFile:
    """One immutable file: path relative to the project, rows, size and digest."""

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Shard:
    """A range of canonical order, ``first`` and ``last`` included."""

    first: Key
    last: Key
    frames: DataFile
    instances: DataFile
    points: DataFile

    def file(self, table: str) -> DataFile:
        """Return the file of one of the large tables."""
        found: DataFile = getattr(self, table)
        return found

    def files(self) -> tuple[DataFile, ...]:
        """Return all files."""
        return (self.frames, self.instances, self.points)


@dataclass(frozen=True)
class Delta(Shard):
    """New rows of the places that ``replaced`` lists; ``first`` and ``last`` are of these.

    ``commits`` is how many commits it was made of.
    """

    replaced: DataFile
    commits: int = 1

    def files(self) -> tuple[DataFile, ...]:
        """Return all files."""
        return (*super().files(), self.replaced)


@dataclass(frozen=True)
class VersionInfo:
    """When, why and from what a version came."""

    version: int
    parent: int | None
    created: str
    message: str
    rows: Counts


@dataclass(frozen=True)
class NextIds:
    """Numbers above all that the project ever gave to a row."""

    frame_id: int = 0
    instance_id: int = 0
    position: int = 0

    def above(self, frames: pl.DataFrame, instances: pl.DataFrame) -> NextIds:
        """Return numbers that are also above those of some rows."""
        columns = (frames["frame_id"], instances["instance_id"], frames["position"])
        mine = (self.frame_id, self.instance_id, self.position)
        highest = [column.to_numpy().max(initial=0) if len(column) else -1 for column in columns]
        return NextIds(
            *(max(number, int(top) + 1) for number, top in zip(mine, highest, strict=True))
        )


@dataclass(frozen=True)
class Manifest:
    """All that one version consists of."""

    info: VersionInfo
    catalog: Catalog
    next_ids: NextIds
    shards: tuple[Shard, ...] = ()
    deltas: tuple[Delta, ...] = ()
    attachments: DataFile | None = None
    format_version: int = field(default=FORMAT_VERSION)

    def files(self, table: str | None = None) -> list[DataFile]:
        """List the files of one large table, shards first, or every file of the version."""
        parts: tuple[Shard, ...] = (*self.shards, *self.deltas)
        if table is not None:
            return [part.file(table) for part in parts]
        attached = [] if self.attachments is None else [self.attachments]
        return [file for part in parts for file in part.files()] + attached


def is_project(path: PathLike) -> bool:
    """Tell whether a path is the directory of a Parquet project.

    Examples:
        >>> is_project("no such place")
        False
    """
    return (Path(path) / MARKER).is_file()


def mark_project(path: PathLike) -> None:
    """Mark a directory as a project; nothing happens when it is marked."""
    marker = Path(path) / MARKER
    text = {"format": FORMAT, "about": "Immutable files of versions; see versions/*.json."}
    try:
        create_exclusively(marker, dump(text, marker))
    except ConflictError:
        _check_marker(marker)


def _check_marker(marker: Path) -> None:
    found = entry(parse(marker.read_bytes(), marker), "format", str, marker)
    if found != FORMAT:
        _refuse(marker, "format", repr(found), repr(FORMAT))


def list_versions(path: PathLike) -> list[int]:
    """List the versions of a project, ascending.

    Raises:
        FileNotFoundError: There is nothing at the path.
        FileFormatError: It is not a project.
    """
    root = Path(path)
    if not is_project(root):
        _refuse_directory(root)
    _check_marker(root / MARKER)
    try:
        names = [item.name for item in os.scandir(root / "versions")]
    except OSError:
        names = []
    matches = (_VERSION_NAME.fullmatch(name) for name in names)
    return sorted(int(match[1]) for match in matches if match)


def _refuse_directory(root: Path) -> NoReturn:
    root.stat()  # nothing there: FileNotFoundError with the path
    raise FileFormatError(
        str(root),
        place="the directory",
        found=f"no {MARKER}" if root.is_dir() else "a file",
        expected=f"a Parquet project: a directory with {MARKER}, versions/ and data/",
        remedy="Give the directory that write_parquet made, not a file or folder inside it.",
    )


def version_path(path: PathLike, version: int, suffix: str = ".json") -> Path:
    """Return where a version's manifest (or views) stands."""
    return Path(path) / "versions" / f"{version:08}{suffix}"


def read_manifest(path: PathLike, version: int | None = None) -> Manifest:
    """Read one version's manifest.

    Args:
        path: The project's directory.
        version: Which version; None for the newest.

    Raises:
        FileNotFoundError: There is nothing at the path.
        QueryError: The project has no such version.
        FileFormatError: Not a project, or a damaged manifest.
        FormatVersionError: A newer program wrote it.
        UnsafeFileError: It names files outside the project.
    """
    known = list_versions(path)
    if not known:
        _refuse(Path(path) / "versions", "the directory", "no version", "at least 00000001.json")
    wanted = known[-1] if version is None else version
    if wanted not in known:
        message = (
            f"{os.fspath(path)}: found versions {known[0]} to {known[-1]}, expected {version}. "
            "Ask for one of those."
        )
        raise QueryError(message)
    file = version_path(path, wanted)
    return _Parser(file, Path(path)).read(wanted)


def publish(path: PathLike, manifest: Manifest) -> None:
    """Create a version from files that are already on the disk.

    Raises:
        ConflictError: Another writer created the version first.
    """
    file = version_path(path, manifest.info.version)
    create_exclusively(file, dump(_to_json(manifest), file))


def is_published(path: PathLike, manifest: Manifest) -> bool:
    """Tell whether this manifest, not another one of its version, is on the disk."""
    file = version_path(path, manifest.info.version)
    return file.is_file() and file.read_bytes() == dump(_to_json(manifest), file)


def record_version(path: PathLike, manifest: Manifest) -> None:
    """Add a published version to the history, which is read without any manifest.

    Only the writer that published a version records it, so that an older entry of the
    same number belongs to a version that somebody removed.
    """
    document = _to_json(manifest)
    file = _history_path(path, manifest.info.version)
    short = ("version", "parent", "created", "message", "rows")
    with atomic_path(file) as temporary:
        temporary.write_bytes(dump({key: document[key] for key in short}, file))


def _history_path(path: PathLike, version: int) -> Path:
    return Path(path) / "history" / f"{version:08}.json"


def read_history(path: PathLike) -> list[VersionInfo]:
    """List when, why and from what each version came, oldest first.

    Raises:
        FileNotFoundError: There is nothing at the path.
        FileFormatError: Not a project, or a damaged entry.
    """
    root = Path(path)
    infos = []
    for version in list_versions(root):
        manifest = version_path(root, version)
        short = _history_path(root, version)
        # A writer interrupted after its manifest leaves no entry; the manifest says the same.
        file = short if short.is_file() else manifest
        infos.append(_info(parse(file.read_bytes(), file), file, version))
    return infos


def _info(data: Json, file: Path, version: int) -> VersionInfo:
    rows = entry(data, "rows", dict, file)
    found = entry(data, "version", int, file)
    if found != version:
        _refuse(file, "version", str(found), str(version))
    return VersionInfo(
        version,
        None if data.get("parent") is None else entry(data, "parent", int, file),
        entry(data, "created", str, file),
        entry(data, "message", str, file),
        Counts(*(entry(rows, table, int, file, "rows") for table in LARGE_TABLES)),
    )


def _to_json(manifest: Manifest) -> Json:
    info = manifest.info
    return {
        "format": FORMAT,
        "format_version": manifest.format_version,
        "version": info.version,
        "parent": info.parent,
        "created": info.created,
        "message": info.message,
        "rows": asdict(info.rows),
        "next_ids": asdict(manifest.next_ids),
        "schemas": _schemas(),
        "attachments": None if manifest.attachments is None else asdict(manifest.attachments),
        "shards": [asdict(shard) for shard in manifest.shards],
        "deltas": [asdict(delta) for delta in manifest.deltas],
        "catalog": catalog_to_json(manifest.catalog),
    }


def _schemas() -> dict[str, dict[str, str]]:
    return {
        name: {column: str(dtype) for column, dtype in table.disk_columns.items()}
        for name, table in schema.TABLES.items()
    }


class _Parser:
    """Reads one manifest; ``file`` names it in messages."""

    def __init__(self, file: Path, root: Path) -> None:
        self.file, self.root = file, root
        self.seen: set[str] = set()

    def read(self, version: int) -> Manifest:
        """Parse, migrate and check."""
        data = self._migrated(parse(self.file.read_bytes(), self.file))
        info = _info(data, self.file, version)
        if entry(data, "schemas", dict, self.file) != _schemas():
            self._refuse("schemas", "other columns", f"those of format version {FORMAT_VERSION}")
        shards = tuple(self._parts(data, "shards", Shard))
        deltas = tuple(self._parts(data, "deltas", Delta))
        self._check_order(shards)
        self._check_rows(info.rows, shards, exact=not deltas)
        attached = data.get("attachments")
        image = None if attached is None else self._file(attached, "attachments", "h5")
        image_path = None if image is None else self.root / image.path
        small = entry(data, "catalog", dict, self.file)
        catalog = catalog_from_json(small, self.file, image_path)
        require_rules(check_catalog(catalog), self.file)
        return Manifest(info, catalog, self._next_ids(data), shards, deltas, image)

    def _refuse(self, place: str, found: str, expected: str) -> NoReturn:
        _refuse(self.file, place, found, expected)

    def _next_ids(self, data: Json) -> NextIds:
        ids = entry(data, "next_ids", dict, self.file)
        return NextIds(
            *(entry(ids, each.name, int, self.file, "next_ids") for each in fields(NextIds))
        )

    def _migrated(self, data: Json) -> Json:
        if data.get("format") != FORMAT:
            self._refuse("format", repr(data.get("format"))[:60], repr(FORMAT))
        found = entry(data, "format_version", int, self.file)
        for version in range(found, FORMAT_VERSION):
            if version not in MIGRATIONS:
                self._refuse("format_version", str(version), f"1 to {FORMAT_VERSION}")
            data = MIGRATIONS[version](data)
        if found > FORMAT_VERSION:
            raise FormatVersionError(
                str(self.file),
                place="format_version",
                found=str(found),
                expected=f"1 to {FORMAT_VERSION}",
                remedy="Upgrade tabular-labels, or open an earlier version with version=.",
            )
        return data

    def _parts(self, data: Json, key: str, kind: type[_Part]) -> Iterator[_Part]:
        names = ("frames", "instances", "points", *(("replaced",) if kind is Delta else ()))
        for number, part in enumerate(entry(data, key, list, self.file)):
            place = f"{key}[{number}]"
            first, last = self._key(part, "first", place), self._key(part, "last", place)
            if first > last:
                self._refuse(place, f"first {first} after last {last}", "first to last")
            files = (
                self._file(entry(part, name, dict, self.file, place), f"{place}.{name}")
                for name in names
            )
            found = kind(first, last, *files)
            if isinstance(found, Delta):
                commits = entry(part, "commits", int, self.file, place)
                found = replace(found, commits=commits)
            yield found

    def _key(self, part: Json, name: str, place: str) -> Key:
        key = entry(part, name, list, self.file, place)
        if len(key) != 2 or not all(type(value) is int for value in key):
            self._refuse(f"{place}.{name}", str(key)[:60], "[video_id, frame_idx]")
        if not (0 <= key[0] < 2**32 and 0 <= key[1] < FRAME_IDX_STOP):
            self._refuse(f"{place}.{name}", str(key)[:60], "numbers that fit")
        return key[0], key[1]

    def _file(self, data: Json, place: str, suffix: str = "parquet") -> DataFile:
        path = entry(data, "path", str, self.file, place)
        if not _FILE_PATH.fullmatch(path):
            raise UnsafeFileError(
                str(self.file),
                place=f"{place}.path",
                found=repr(path[:120]),
                expected="a file directly inside data/ or edits/ of the project",
                remedy="Ask whoever sent the project for one that holds its data itself.",
            )
        if path in self.seen or not path.endswith(f".{suffix}"):
            self._refuse(f"{place}.path", f"{path!r} again", f"each .{suffix} file once")
        self.seen.add(path)
        digest = entry(data, "sha256", str, self.file, place)
        if not _DIGEST.fullmatch(digest):
            self._refuse(f"{place}.sha256", repr(digest[:80]), "64 hexadecimal digits")
        rows, size = (entry(data, key, int, self.file, place) for key in ("rows", "bytes"))
        if rows >= 2**40:
            self._refuse(f"{place}.rows", str(rows), "fewer than 2**40")
        return DataFile(path, rows, size, digest)

    def _check_order(self, shards: tuple[Shard, ...]) -> None:
        for number, (before, after) in enumerate(pairwise(shards)):
            if before.last >= after.first:
                place = f"shards[{number + 1}].first"
                self._refuse(place, str(after.first), f"a key after {before.last}")

    def _check_rows(self, rows: Counts, shards: tuple[Shard, ...], *, exact: bool) -> None:
        for table in LARGE_TABLES:
            claimed, held = getattr(rows, table), sum(shard.file(table).rows for shard in shards)
            if (exact and claimed != held) or claimed >= 2**48:
                self._refuse(f"rows.{table}", str(claimed), f"{held}, as the shards say")
        if rows.frames >= 2**32 or rows.instances >= 2**32:
            self._refuse("rows", str(rows), "fewer than 2**32 frames and instances")
