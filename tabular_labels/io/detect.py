"""Tell a file's format from its content."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from tabular_labels._types import PathLike
from tabular_labels.errors import FileFormatError
from tabular_labels.io.manifest import is_project

__all__ = ["Format", "detect_format"]

Format: TypeAlias = Literal["slp", "parquet"]

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def detect_format(path: PathLike) -> Format:
    """Tell what a path holds: ``"slp"`` (an HDF5 file) or ``"parquet"`` (a project).

    The name is not looked at.

    Raises:
        FileNotFoundError: There is nothing at the path.
        FileFormatError: It is neither.
    """
    path = Path(path)
    if not path.exists():
        message = f"{path}: found nothing there, expected a file or a project. Check the path."
        raise FileNotFoundError(message)
    if path.is_dir():
        if is_project(path):
            return "parquet"
        found = "a directory that is no project"
    else:
        with path.open("rb") as file:
            head = file.read(len(HDF5_SIGNATURE))
        if head == HDF5_SIGNATURE or _has_user_block(path):
            return "slp"
        found = f"a file that begins with {head!r}" if head else "an empty file"
    raise FileFormatError(
        path,
        place="content",
        found=found,
        expected="a .slp file (HDF5) or a Parquet project directory",
        remedy="Check the path, or export the labels as .slp from the program that made them.",
    )


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
