"""Files of a version of a Parquet project: write them, finish them, take them back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from tabular_labels.io.atomic import atomic_path, sync_file
from tabular_labels.io.manifest import DataFile, Manifest, VersionInfo
from tabular_labels.io.parquet_views import render_views
from tabular_labels.io.project_files import describe_file
from tabular_labels.io.project_versions import (
    is_published,
    publish,
    record_version,
    version_path,
)
from tabular_labels.model.source import Counts

__all__ = [
    "ROW_GROUP_ROWS",
    "NewVersion",
    "new_version",
    "next_version",
    "write_pieces",
    "write_table",
]

# Measured: larger groups read one frame slower, smaller ones compress worse.
ROW_GROUP_ROWS = 65_536


class NewVersion:
    """A version that is being written.

    Attributes:
        root: The project's directory.
        created: Files and folders that were made for it; add to these before they are.
        manifest: What was, or is about to be, published.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.created: list[Path] = []
        self.manifest: Manifest | None = None

    def publish(self, manifest: Manifest) -> None:
        """Create the manifest, with which the version is there.

        Raises:
            ConflictError: Another writer was first.
        """
        self.manifest = manifest
        publish(self.root, manifest)


@contextmanager
def new_version(root: Path) -> Iterator[NewVersion]:
    """Write a version, which appears whole; what is left of one that did not is removed."""
    version = NewVersion(root)
    try:
        yield version
    except BaseException:
        if version.manifest is None or not is_published(root, version.manifest):
            remove_created(version.created)
        raise
    assert version.manifest is not None
    _finish(root, version.manifest)


def _finish(root: Path, manifest: Manifest) -> None:
    """Write what stands beside a published manifest and is made from it."""
    record_version(root, manifest)
    with atomic_path(version_path(root, manifest.info.version, ".views.sql")) as temporary:
        temporary.write_text(render_views(manifest), encoding="utf-8")


def next_version(parent: int | None, message: str, rows: Counts) -> VersionInfo:
    """Describe the version that follows another one, or the first."""
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    return VersionInfo(1 if parent is None else parent + 1, parent, now, message, rows)


def remove_created(created: list[Path]) -> None:
    """Remove what an interrupted write left, newest first; what resists is an orphan."""
    for path in reversed(created):
        with suppress(OSError):
            if path.is_dir():
                path.rmdir()
            else:
                path.unlink()


def write_table(table: pl.DataFrame, file: Path) -> DataFile:
    """Write one immutable file of a shard or delta and wait until it is on the disk.

    Args:
        table: Columns as they shall be on disk.
        file: Inside ``data/`` or ``edits/`` of the project.

    Returns:
        The manifest's entry.
    """
    return write_pieces(iter([table]), file)


def write_pieces(pieces: Iterator[pl.DataFrame], file: Path) -> DataFile:
    """Write a file as `write_table` does, of tables that follow each other; one at least."""
    table = next(pieces)
    n_rows = 0
    encoding = {column: _encoding(dtype) for column, dtype in table.schema.items()}
    first = table.to_arrow()
    with pq.ParquetWriter(
        file,
        first.schema,
        compression="zstd",
        compression_level=3,
        # A dictionary silently overrides the encoding of its column.
        use_dictionary=[column for column, code in encoding.items() if code is None],
        column_encoding={column: code for column, code in encoding.items() if code},
    ) as writer:
        for piece in chain([first], (each.to_arrow() for each in pieces)):
            writer.write_table(piece, row_group_size=ROW_GROUP_ROWS)
            n_rows += piece.num_rows
    sync_file(file)
    return describe_file(file, file.parent.parent, n_rows)


def _encoding(dtype: pl.DataType) -> str | None:
    if dtype.is_float():
        return "BYTE_STREAM_SPLIT"
    if dtype.is_integer():
        return "DELTA_BINARY_PACKED"
    return "RLE" if dtype == pl.Boolean else None
