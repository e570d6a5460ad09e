"""Tell a file's format from its content."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Literal, TypeAlias

import h5py

from tabular_labels._types import PathLike
from tabular_labels.errors import FileFormatError
from tabular_labels.io.foreign_detect import ForeignFormat, detect_foreign
from tabular_labels.io.manifest import is_project

__all__ = ["CsvForm", "Format", "csv_form", "detect_format"]

Format: TypeAlias = Literal["slp", "parquet", "json", "analysis", "csv"] | ForeignFormat
CsvForm: TypeAlias = Literal["points", "instances", "frames", "analysis"]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_ANALYSIS = "track_occupancy"
# Large enough for a skeleton or two before the first label.
_HEAD_BYTES = 65_536
_OF_JSON = (b'"skeletons"', b'"_instances"', b'"_points"')
_WHITE = b" \t\r\n"


def detect_format(path: PathLike) -> Format:
    """Tell what a path holds; the name is not looked at.

    Returns:
        ``"slp"`` (an HDF5 file), ``"analysis"`` (an HDF5 file with dense arrays),
        ``"json"`` (also in a zip archive), ``"csv"``, ``"parquet"`` (a project), or one of
        the formats of other programs.

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
        form = detect_foreign(path, head) or _of_head(path, head)
        if form is not None:
            return form
        found = f"a file that begins with {head[:8]!r}" if head else "an empty file"
    raise FileFormatError(
        path,
        place="content",
        found=found,
        expected="a .slp file (HDF5), SLEAP's JSON or analysis files, a CSV table of labels, "
        "or a Parquet project directory",
        remedy="Check the path, or export the labels as .slp from the program that made them.",
    )


def _of_head(path: Path, head: bytes) -> Format | None:
    if head.startswith(HDF5_SIGNATURE) or _has_user_block(path):
        return "analysis" if _is_analysis(path) else "slp"
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip(_WHITE)
    if text.startswith(b"{"):
        return "json" if any(key in head for key in _OF_JSON) else None
    if head.startswith(b"PK\x03\x04"):
        return "json" if _has_json(path) else None
    return None if csv_form(head) is None else "csv"


def csv_form(head: bytes) -> CsvForm | None:
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
    names = next(csv.reader([line.splitlines()[0] if line.strip() else ""]), [])
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
