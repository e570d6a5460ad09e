"""Tell formats of other programs, which sleap-io reads, by their content."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import h5py

__all__ = ["FOREIGN", "ForeignFormat", "detect_foreign"]

ForeignFormat: TypeAlias = Literal[
    "alphatracker",
    "coco",
    "dlc",
    "dlc_project",
    "jabs",
    "labelstudio",
    "leap",
    "nwb",
    "trackmate",
    "ultralytics",
]

FOREIGN: frozenset[str] = frozenset(get_args(ForeignFormat))
"""Formats that are read and written through sleap-io."""

_HDF5 = b"\x89HDF\r\n\x1a\n"
_MATLAB = (b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file")
_BOM = b"\xef\xbb\xbf"
_TRACKMATE = ["LABEL", "ID", "TRACK_ID", "QUALITY"]
_DLC = ["scorer", "bodyparts", "coords"]
_OURS = (b'"_instances"', b'"_points"', b'"skeletons"')


def detect_foreign(path: Path, head: bytes) -> ForeignFormat | None:
    """Tell a format of another program; None when it is none of them.

    Args:
        path: A file, or a folder.
        head: The first bytes of a file.
    """
    if path.is_dir():
        return _of_folder(path)
    if head.startswith(_MATLAB):
        return "leap"
    if head.startswith(_HDF5):
        return _of_hdf5(path)
    text = head.removeprefix(_BOM).lstrip()
    if text.startswith(b"["):
        return _of_list(text)
    if text.startswith(b"{"):
        found = [key in text for key in (b'"images"', b'"annotations"', b'"categories"')]
        return "coco" if any(found) and not any(key in text for key in _OURS) else None
    return _of_text(text)


def _of_folder(path: Path) -> ForeignFormat | None:
    if (path / "data.yaml").is_file():
        return "ultralytics"
    is_project = (path / "config.yaml").is_file() and (path / "labeled-data").is_dir()
    return "dlc_project" if is_project else None


def _of_list(text: bytes) -> ForeignFormat | None:
    """Tell lists of pictures with faces from lists of tasks."""
    if b'"Face"' in text and b'"class"' in text:
        return "alphatracker"
    is_tasks = b'"annotations"' in text and (b'"result"' in text or b'"keypointlabels"' in text)
    return "labelstudio" if is_tasks else None


def _of_hdf5(path: Path) -> ForeignFormat | None:
    with _opened(path) as file:
        if file is None:
            return None
        if file.id.links.exists(b"poseest"):
            return "jabs"
        is_nwb = h5py.h5a.exists(file.id, b"nwb_version")
        return "nwb" if is_nwb and file.id.links.exists(b"processing") else None


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File | None]:
    """Open an HDF5 file; None for a damaged one, of which its reader says more."""
    try:
        file = h5py.File(path, "r", locking="best-effort")
    except (OSError, RuntimeError, ValueError):
        file = None
    try:
        yield file
    finally:
        if file is not None:
            file.close()


def _of_text(text: bytes) -> ForeignFormat | None:
    lines = text[:4096].decode("utf-8", "replace").splitlines()[:4]
    rows = list(csv.reader(lines))
    if not rows:
        return None
    if rows[0][: len(_TRACKMATE)] == _TRACKMATE:
        return "trackmate"
    first = [row[0] for row in rows if row]
    return "dlc" if [name for name in first if name in _DLC] == _DLC else None
