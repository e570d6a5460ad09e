"""Tell a file's format from its content."""

from __future__ import annotations

import csv
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, TypeAlias

import h5py

from tabular_labels._types import PathLike
from tabular_labels.errors import FileFormatError
from tabular_labels.io.foreign_detect import ForeignFormat, detect_foreign
from tabular_labels.io.project_versions import is_project

__all__ = ["Format", "TableForm", "csv_form", "detect_format", "lines_form", "names_of_lines"]

Format: TypeAlias = (
    Literal["slp", "parquet", "json", "analysis", "csv", "ndjson", "table"] | ForeignFormat
)
TableForm: TypeAlias = Literal["points", "instances", "frames", "analysis"]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_PARQUET = b"PAR1"
_ANALYSIS = "track_occupancy"
# Large enough for a skeleton or two before the first label.
_HEAD_BYTES = 65_536
_LINE_BYTES = 1 << 20
_OF_JSON = (b'"skeletons"', b'"_instances"', b'"_points"')
_WHITE = b" \t\r\n"


def detect_format(path: PathLike) -> Format:
    """Tell what a path holds; the name is not looked at.

    Returns:
        ``"slp"`` (an HDF5 file), ``"analysis"`` (an HDF5 file with dense arrays),
        ``"json"`` (also in a zip archive), ``"csv"``, ``"ndjson"`` (JSON lines),
        ``"table"`` (one Parquet file), ``"parquet"`` (a project), or one of the formats of
        other programs.

    Raises:
        FileNotFoundError: There is nothing at the path.
        FileFormatError: It is none of them.
    """
    path = Path(path)
    if not path.exists():
        message = f"{path}: found nothing there, expected a file or a project. Check the path."
        raise FileNotFoundError(message)
    if path.is_dir():
        if is_project(path):
            return "parquet"
        form: Format | None = detect_foreign(path, b"")
        if form is not None:
            return form
        found = "a directory that is no project"
    else:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        form = _of_lines(path, head) or detect_foreign(path, head) or _of_head(path, head)
        if form is not None:
            return form
        found = f"a file that begins with {head[:8]!r}" if head else "an empty file"
    raise FileFormatError(
        path,
        place="content",
        found=found,
        expected="a .slp file (HDF5), SLEAP's JSON or analysis files, a table of labels (CSV, "
        "JSON lines or a Parquet file), or a Parquet project directory",
        remedy="Check the path, or export the labels as .slp from the program that made them.",
    )


def _of_head(path: Path, head: bytes) -> Format | None:
    if head.startswith(HDF5_SIGNATURE) or _has_user_block(path):
        return "analysis" if _is_analysis(path) else "slp"
    if head.startswith(_PARQUET):
        return "table"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip(_WHITE)
    if text.startswith(b"{"):
        return "json" if any(key in head for key in _OF_JSON) else None
    if head.startswith(b"PK\x03\x04"):
        return "json" if _has_json(path) else None
    return None if csv_form(head) is None else "csv"


def _of_lines(path: Path, head: bytes) -> Format | None:
    if not head.removeprefix(b"\xef\xbb\xbf").startswith(b"{") or b'"frame_idx"' not in head:
        return None
    if b"\n" not in head and len(head) == _HEAD_BYTES and not any(key in head for key in _OF_JSON):
        # One line of many instances side by side is long.
        with path.open("rb") as file:
            head = file.read(_LINE_BYTES)
    return None if lines_form(head) is None else "ndjson"


def lines_form(head: bytes) -> TableForm | None:
    """Tell what a table of labels in JSON lines has in its rows, by its first line.

    Examples:
        >>> lines_form(b'{"frame_idx": 3, "node": "head", "x": 1.5, "y": null}')
        'points'
        >>> lines_form(b'{"frame_idx": 3}') is None
        True
    """
    return _form_of(names_of_lines(head))


def names_of_lines(head: bytes) -> list[str]:
    """List the keys of the object in the first line, also repeated ones; none for other texts."""
    line = head.removeprefix(b"\xef\xbb\xbf").partition(b"\n")[0]
    found: list[list[str]] = []

    def noted(pairs: list[tuple[str, object]]) -> None:
        # The outermost object is the last one that ends.
        found.append([name for name, _ in pairs])

    try:
        json.loads(line, object_pairs_hook=noted)
    except (ValueError, RecursionError):
        return []
    return found[-1] if line.startswith(b"{") else []


def csv_form(head: bytes) -> TableForm | None:
    """Tell what a CSV table of labels has in its rows, by its header; None for other texts.

    Examples:
        >>> csv_form(b"frame_idx,track,node,x,y")
        'points'
        >>> csv_form(b"track,frame_idx,instance.score,head.x,head.y,head.score")
        'analysis'
        >>> csv_form(b"scorer,Scorer,Scorer") is None
        True
    """
    try:
        line = head.decode("utf-8-sig", "strict" if len(head) < _HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return None
    return _form_of(next(csv.reader([line.splitlines()[0] if line.strip() else ""]), []))


def _form_of(names: Sequence[str]) -> TableForm | None:
    if "frame_idx" not in names:
        return None
    if "instance.score" in names:
        return "analysis"
    if {"node", "x", "y"} <= set(names):
        return "points"
    dotted = [name for name in names if name.endswith((".x", ".y"))]
    if any(name.startswith("inst") and name.count(".") > 1 for name in dotted):
        return "frames"
    return "instances" if dotted else None


def _is_analysis(path: Path) -> bool:
    try:
        with h5py.File(path, "r", locking="best-effort") as file:
            return bool(file.id.links.exists(_ANALYSIS.encode()))
    except (OSError, RuntimeError, ValueError, KeyError):
        return False  # damaged: let the reader of .slp say how


def _has_json(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.lower().endswith(".json") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def _has_user_block(path: Path) -> bool:
    """HDF5 may begin after a block of 512 bytes, or of any doubling of that."""
    size, offset = path.stat().st_size, 512
    with path.open("rb") as file:
        while offset < min(size, 2**20):
            file.seek(offset)
            if file.read(len(HDF5_SIGNATURE)) == HDF5_SIGNATURE:
                return True
            offset *= 2
    return False
