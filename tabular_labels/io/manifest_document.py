"""Manifests as JSON documents: rendered from their parts, and read with every part checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import NoReturn, TypeVar

from tabular_labels._types import Json
from tabular_labels.errors import FormatVersionError, UnsafeFileError
from tabular_labels.io.manifest import (
    FORMAT,
    FORMAT_VERSION,
    LARGE_TABLES,
    MIGRATIONS,
    DataFile,
    Delta,
    Key,
    Manifest,
    NextIds,
    Shard,
    VersionInfo,
)
from tabular_labels.io.manifest_json import (
    catalog_from_json,
    catalog_to_json,
    entry,
    parse,
    refuse,
    require_rules,
)
from tabular_labels.model import schema
from tabular_labels.model.checks import FRAME_IDX_STOP, check_catalog
from tabular_labels.model.source import Counts

__all__ = ["manifest_document", "parse_manifest", "version_info"]

_Part = TypeVar("_Part", bound="Shard")

_FILE_PATH = re.compile(r"(data|edits)/[A-Za-z0-9][A-Za-z0-9_-]{0,99}\.(parquet|h5)")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def manifest_document(manifest: Manifest) -> Json:
    """Render a manifest."""
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


def parse_manifest(file: Path, root: Path, version: int) -> Manifest:
    """Read a manifest from its file.

    Args:
        file: The file.
        root: The project's directory.
        version: Which version it should be.

    Raises:
        FileFormatError: It is damaged.
        FormatVersionError: A newer program wrote it.
        UnsafeFileError: It names files outside the project.
    """
    return _Parser(file, root).read(version)


def version_info(data: Json, file: Path, version: int) -> VersionInfo:
    """Read when, why and from what a version came, from a manifest or an entry of the history.

    Args:
        data: The document.
        file: Where it stands, for messages.
        version: Which version it should be.

    Raises:
        FileFormatError: It is damaged, or of another version.
    """
    rows = entry(data, "rows", dict, file)
    found = entry(data, "version", int, file)
    if found != version:
        refuse(file, "version", str(found), str(version))
    return VersionInfo(
        version,
        None if data.get("parent") is None else entry(data, "parent", int, file),
        entry(data, "created", str, file),
        entry(data, "message", str, file),
        Counts(*(entry(rows, table, int, file, "rows") for table in LARGE_TABLES)),
    )


class _Parser:
    """Reads one manifest; ``file`` names it in messages."""

    def __init__(self, file: Path, root: Path) -> None:
        self.file, self.root = file, root
        self.seen: set[str] = set()

    def read(self, version: int) -> Manifest:
        """Parse, migrate and check."""
        data = self._migrated(parse(self.file.read_bytes(), self.file))
        info = version_info(data, self.file, version)
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
        refuse(self.file, place, found, expected)

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
