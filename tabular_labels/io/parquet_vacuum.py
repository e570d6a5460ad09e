"""Delete what no version needs any more."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from tabular_labels._types import PathLike
from tabular_labels.errors import QueryError
from tabular_labels.io.project_versions import list_versions, read_manifest

__all__ = ["Vacuumed", "vacuum"]

_FOLDERS = ("data", "edits", "versions", "history", "staging")
_TEMPORARY = re.compile(r"\..*\.(tmp|claim)")
_OF_VERSION = re.compile(r"([0-9]{8,18})(\.json|\.views\.sql)")


@dataclass(frozen=True)
class Vacuumed:
    """What was deleted, or would be.

    Attributes:
        files: Paths relative to the project, sorted.
        versions: Numbers of the versions, ascending.
        bytes: Size of the files together.
    """

    files: tuple[str, ...]
    versions: tuple[int, ...]
    bytes: int


def vacuum(
    path: PathLike,
    *,
    keep: int | None = None,
    older_than: timedelta = timedelta(hours=1),
    dry_run: bool = False,
) -> Vacuumed:
    """Delete files that no version lists, and leftovers of interrupted writes.

    Files of versions that stay are never touched. What another writer is writing at the
    moment is no version's yet; that is why younger files stay: ``older_than`` must be
    longer than a write takes. Labels that are open at a version which is deleted can
    no longer read all of their rows.

    Args:
        path: The project's directory.
        keep: Delete all but so many of the newest versions, whatever their age; None
            for none. Their files go as soon as no other version lists them.
        older_than: Leave alone unlisted files that were changed more recently.
        dry_run: Only say what would be deleted.

    Returns:
        What was deleted.

    Raises:
        FileNotFoundError: There is nothing at the path.
        FileFormatError: Not a project, or a version that stays is damaged; nothing was
            deleted.
        QueryError: ``keep`` is below 1, or ``older_than`` below 0.

    Examples:
        >>> import tempfile
        >>> from tabular_labels.io.parquet_write import write_parquet
        >>> from tabular_labels.model.tables import LabelTables
        >>> folder = Path(tempfile.mkdtemp()) / "mice"
        >>> write_parquet(LabelTables(), folder)
        >>> vacuum(folder)
        Vacuumed(files=(), versions=(), bytes=0)
    """
    _require_sense(keep, older_than)
    root = Path(path).absolute()
    latest = time.time() - older_than.total_seconds()
    versions = list_versions(root)
    # Before manifests are read: a file that appears later is none of ours to judge.
    found = dict(_walk(root))
    n_old = 0 if keep is None else max(len(versions) - keep, 0)
    gone, kept = versions[:n_old], versions[n_old:]
    listed = _listed(root, kept)
    dropped = _listed(root, gone, lenient=True) - listed
    age = _ages(found)

    def is_leftover(file: str) -> bool:
        number = _version_of(file)
        return age[file] <= latest and _is_ours(file) and (number is None or number not in versions)

    # A version goes before its files: it is there whole, or not at all.
    doomed = [file for number in gone for file in _files_of(number) if file in found]
    known = listed | set(doomed)
    doomed += [f for f in found if f not in known and (f in dropped or is_leftover(f))]
    if not dry_run:
        _delete(root, doomed, latest)
    size = sum(found[file].st_size for file in doomed)
    return Vacuumed(tuple(sorted(doomed)), tuple(gone), size)


def _require_sense(keep: int | None, older_than: timedelta) -> None:
    if keep is not None and keep < 1:
        text = f"keep: found {keep}, expected at least 1. The newest version always stays."
        raise QueryError(text)
    if older_than < timedelta(0):
        text = f"older_than: found {older_than}, expected no negative time. Leave it out."
        raise QueryError(text)


def _walk(root: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Find the files inside the project's own folders; links are not followed."""
    for folder in _FOLDERS:
        for place, _, names in os.walk(root / folder):
            here = Path(place).relative_to(root).as_posix()
            for name in names:
                with suppress(FileNotFoundError):  # another writer cleaned up
                    yield f"{here}/{name}", (root / here / name).lstat()


def _ages(found: Mapping[str, os.stat_result]) -> dict[str, float]:
    """Say when files changed; files of one unfinished write are as young as the youngest."""
    ages = {file: status.st_mtime for file, status in found.items()}
    newest: dict[str, float] = {}
    for file, age in ages.items():
        folder = file.rpartition("/")[0]
        newest[folder] = max(age, newest.get(folder, age))
    return {
        file: newest[file.rpartition("/")[0]] if file.startswith("staging/") else age
        for file, age in ages.items()
    }


def _listed(root: Path, versions: Sequence[int], *, lenient: bool = False) -> set[str]:
    """Name the data files of versions; a damaged manifest is an error, or lists nothing."""
    listed: set[str] = set()
    for version in versions:
        try:
            listed |= {file.path for file in read_manifest(root, version).files()}
        except ValueError:  # damaged; its files are leftovers, which wait for their age
            if not lenient:
                raise
    return listed


def _files_of(version: int) -> tuple[str, ...]:
    name = f"{version:08}"
    return (f"versions/{name}.json", f"versions/{name}.views.sql", f"history/{name}.json")


def _version_of(file: str) -> int | None:
    folder, _, name = file.partition("/")
    match = _OF_VERSION.fullmatch(name) if folder in ("versions", "history") else None
    return int(match[1]) if match else None


def _is_ours(file: str) -> bool:
    """Tell whether our writers leave such files; others are not ours to delete."""
    folder, _, name = file.partition("/")
    if folder == "staging" or _TEMPORARY.fullmatch(name):
        return True
    if folder in ("versions", "history"):
        return _version_of(file) is not None
    return name.endswith((".parquet", ".h5"))


def _delete(root: Path, doomed: Sequence[str], latest: float) -> None:
    for file in doomed:
        (root / file).unlink(missing_ok=True)
    emptied = {root / file.rpartition("/")[0] for file in doomed if file.startswith("staging/")}
    for place, _, _ in os.walk(root / "staging", topdown=False):
        folder = Path(place)
        if folder in emptied or folder.stat().st_mtime <= latest:
            with suppress(OSError):  # not empty, or in use
                folder.rmdir()
