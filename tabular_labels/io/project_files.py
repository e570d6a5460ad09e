"""The files of a project on disk: described when written, checked before they are read."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from tabular_labels.errors import ChecksumError, FileFormatError, UnsafeFileError
from tabular_labels.io.manifest import DataFile

__all__ = ["WORKERS", "check_files", "describe_file", "verify_file"]

WORKERS = min(4, os.cpu_count() or 1)
"""Threads that read files at the same time."""

_RESTORE = "Restore the file from a copy, or open another version with version=."


def describe_file(file: Path, root: Path, rows: int) -> DataFile:
    """Return the manifest's entry of a finished file."""
    path = file.relative_to(root).as_posix()
    return DataFile(path, rows, file.stat().st_size, _digest(file))


def _digest(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def check_files(root: Path, files: Iterable[DataFile]) -> None:
    """Look at every file without opening it: there, regular, inside the project, of its size.

    Args:
        root: The project's directory.
        files: Entries of a manifest.

    Raises:
        FileFormatError: A file is missing or has another size.
        UnsafeFileError: A file is a link out of the project, or no regular file.
    """
    inside = os.path.realpath(root)
    for folder in ("data", "edits"):
        _refuse_outside(root, folder, inside)
    for file in files:
        path = root / file.path
        try:
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                _refuse_outside(root, file.path, inside)
                status = path.stat()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _broken(root, file, "no such file", f"{file.bytes} bytes") from error
        if not stat.S_ISREG(status.st_mode):
            raise _unsafe(root, file.path, "no regular file", "a regular file")
        if status.st_size != file.bytes:
            raise _broken(root, file, f"{status.st_size} bytes", f"{file.bytes} bytes")


def _refuse_outside(root: Path, path: str, inside: str) -> None:
    target = os.path.realpath(root / path)
    if not Path(target).is_relative_to(inside):
        raise _unsafe(root, path, f"a link to {target}", "a file inside the project")


def _unsafe(root: Path, path: str, found: str, expected: str) -> UnsafeFileError:
    return UnsafeFileError(
        str(root / path),
        place="the file",
        found=found,
        expected=expected,
        remedy="Ask whoever sent the project for one that holds its data itself.",
    )


def _broken(root: Path, file: DataFile, found: str, expected: str) -> FileFormatError:
    return FileFormatError(
        str(root / file.path),
        place="the file",
        found=found,
        expected=f"{expected}, as the manifest says",
        remedy=_RESTORE,
    )


def verify_file(root: Path, file: DataFile) -> None:
    """Compare a file's bytes with the digest in the manifest.

    Args:
        root: The project's directory.
        file: An entry of a manifest.

    Raises:
        FileFormatError: The file is missing or has another size.
        UnsafeFileError: It is not a file inside the project.
        ChecksumError: Its bytes changed.
    """
    check_files(root, [file])
    found = _digest(root / file.path)
    if found != file.sha256:
        raise ChecksumError(
            str(root / file.path),
            place="the file",
            found=f"SHA-256 {found[:16]}...",
            expected=f"{file.sha256[:16]}..., as the manifest says",
            remedy=_RESTORE,
        )
