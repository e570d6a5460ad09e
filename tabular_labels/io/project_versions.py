"""The versions of a Parquet project: which there are, reading one, creating the next."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NoReturn

from tabular_labels._types import PathLike
from tabular_labels.errors import ConflictError, FileFormatError, QueryError
from tabular_labels.io.atomic import atomic_path, create_exclusively
from tabular_labels.io.manifest import FORMAT, Manifest, VersionInfo
from tabular_labels.io.manifest_document import manifest_document, parse_manifest, version_info
from tabular_labels.io.manifest_json import dump, entry, parse, refuse

__all__ = [
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

MARKER = "tabular-labels.json"

_VERSION_NAME = re.compile(r"([0-9]{8,18})\.json")


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
        refuse(marker, "format", repr(found), repr(FORMAT))


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
        refuse(Path(path) / "versions", "the directory", "no version", "at least 00000001.json")
    wanted = known[-1] if version is None else version
    if wanted not in known:
        message = (
            f"{os.fspath(path)}: found versions {known[0]} to {known[-1]}, expected {version}. "
            "Ask for one of those."
        )
        raise QueryError(message)
    file = version_path(path, wanted)
    return parse_manifest(file, Path(path), wanted)


def publish(path: PathLike, manifest: Manifest) -> None:
    """Create a version from files that are already on the disk.

    Raises:
        ConflictError: Another writer created the version first.
    """
    file = version_path(path, manifest.info.version)
    create_exclusively(file, dump(manifest_document(manifest), file))


def is_published(path: PathLike, manifest: Manifest) -> bool:
    """Tell whether this manifest, not another one of its version, is on the disk."""
    file = version_path(path, manifest.info.version)
    return file.is_file() and file.read_bytes() == dump(manifest_document(manifest), file)


def record_version(path: PathLike, manifest: Manifest) -> None:
    """Add a published version to the history, which is read without any manifest.

    Only the writer that published a version records it, so that an older entry of the
    same number belongs to a version that somebody removed.
    """
    document = manifest_document(manifest)
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
        infos.append(version_info(parse(file.read_bytes(), file), file, version))
    return infos
