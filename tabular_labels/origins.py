"""Files that scanned labels are read from, which must stay as they are."""

from __future__ import annotations

from pathlib import Path

from tabular_labels._types import PathLike
from tabular_labels.model.tables import LabelTables
from tabular_labels.store.snapshot import Snapshot

__all__ = ["refuse_to_replace", "rows_to_replace"]


def rows_to_replace(snapshot: Snapshot, path: PathLike) -> LabelTables | Snapshot:
    """Return what is written to a file that may replace another: tables, or what reads them.

    Files of a project, all of which will be read, are compared with their checksums first.

    Raises:
        ValueError: It would replace the file that scanned labels are read from.
    """
    refuse_to_replace(snapshot, path)
    if snapshot.in_memory:
        return snapshot.tables()
    snapshot.source.verify()
    return snapshot


def refuse_to_replace(snapshot: Snapshot, path: PathLike) -> None:
    """Raise when a path is the file that scanned labels are read from.

    Raises:
        ValueError: It is.
    """
    origin = snapshot.source.origin
    if origin is not None and Path(path).exists() and Path(origin).samefile(path):
        message = (
            f"{path}: found the file that these scanned labels are read from, expected another. "
            "Write elsewhere, or write `labels.collect()`, which no longer needs the file."
        )
        raise ValueError(message)
