"""Which reader and writer a path asks for.

The readers load h5py or pyarrow, which importing the package must not; so they are
imported where they are called.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from tabular_labels._types import PathLike
from tabular_labels.analysis_files import save_analysis, tables_of_analysis
from tabular_labels.errors import LeftOutWarning
from tabular_labels.model.source import MemorySource, Source
from tabular_labels.model.tables import LabelTables
from tabular_labels.model.video import Video
from tabular_labels.origins import refuse_to_replace, rows_to_replace
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.streaming import save_table
from tabular_labels.suffixes import SUFFIXES, SaveFormat, format_of
from tabular_labels.table_input import tables_of_table

if TYPE_CHECKING:
    from tabular_labels.io.parquet_scan import ParquetSource

__all__ = [
    "VideoSearch",
    "is_for_projects",
    "open_source",
    "project_at",
    "read_tables",
    "rows_to_write",
    "save_snapshot",
    "warn_of_arrays",
    "with_suffix",
]

VideoSearch: TypeAlias = Callable[[list[dict[str, Any]]], Any] | Sequence[str] | None


def read_tables(
    path: PathLike, *, video_search: VideoSearch = None, strict: bool = False
) -> LabelTables:
    """Read a whole file or project; the format is told from the content."""
    from tabular_labels.io.detect import detect_format

    form = detect_format(path)
    if form == "parquet":
        from tabular_labels.io.parquet_scan import read_parquet

        return read_parquet(path)
    if form == "json":
        from tabular_labels.io.json_read import read_json

        return read_json(path, strict=strict, video_search=video_search)
    if form == "analysis":
        return tables_of_analysis(path)
    if form == "csv" or form == "ndjson" or form == "table":
        from tabular_labels.io.table_read import read_table

        return tables_of_table(read_table(path, form))
    if form != "slp":
        from tabular_labels.io.foreign_read import read_foreign

        return read_foreign(path, form, strict=strict, video_search=video_search)
    from tabular_labels.io.slp_read import read_slp

    return read_slp(path, strict=strict, video_search=video_search)


def open_source(
    path: PathLike, *, video_search: VideoSearch = None, strict: bool = False
) -> Source:
    """Open a file or project; rows of those that can be scanned are not read."""
    from tabular_labels.io.detect import detect_format

    form = detect_format(path)
    if form == "parquet":
        from tabular_labels.io.parquet_scan import open_parquet

        return open_parquet(path)
    if form == "slp":
        from tabular_labels.io.slp_scan import open_slp

        return open_slp(path, strict=strict, video_search=video_search)
    return MemorySource(read_tables(path, video_search=video_search, strict=strict))


def save_snapshot(snapshot: Snapshot, path: Path, **options: Any) -> list[Path]:
    """Write a snapshot in the format that the suffix names.

    Returns:
        What was written; more than the path only where each video has a file.

    Raises:
        ValueError: Unknown suffix.
    """
    form = _format_to_write(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if form == "slp":
        from tabular_labels.io.slp_write import write_slp

        write_slp(rows_to_replace(snapshot, path), path, **options)
    elif form == "json":
        from tabular_labels.io.json_write import write_json

        refuse_to_replace(snapshot, path)
        write_json(snapshot, path, **options)
    elif form == "analysis" or form == "analysis_csv":
        return save_analysis(snapshot, path, form, **options)
    elif form == "csv" or form == "ndjson":
        save_table(snapshot, path, form, **options)
    elif form != "parquet":
        from tabular_labels.io.foreign_write import write_foreign

        refuse_to_replace(snapshot, path)
        write_foreign(snapshot, path, form, **options)
    else:
        from tabular_labels.io.parquet_write import write_parquet

        write_parquet(rows_to_write(snapshot), path, **options)
    return [path]


def warn_of_arrays(videos: Iterable[Video], path: PathLike, stacklevel: int = 3) -> None:
    """Say which pictures a file does not hold: those that are in memory only."""
    known = list(videos)
    n = sum(video.array is not None for video in known)
    if n:
        message = (
            f"{os.fspath(path)}: the pictures of {n} of {len(known)} videos are arrays in memory "
            "and are not written, only their shapes are. Keep the arrays, or save pictures of "
            'labelled frames with labels.save("name.slp", with_images=True).'
        )
        warnings.warn(message, LeftOutWarning, stacklevel=stacklevel)


def is_for_projects(path: PathLike) -> bool:
    """Tell whether the suffix names a format that keeps videos.

    Raises:
        ValueError: Unknown suffix.
    """
    return _format_to_write(Path(path)) in ("slp", "json", "parquet")


def rows_to_write(snapshot: Snapshot) -> LabelTables | Snapshot:
    """Return what is written to a Parquet project: tables, or what reads them piece by piece.

    Files of a project, all of which will be read, are compared with their checksums first.
    """
    if snapshot.in_memory:
        return snapshot.tables()
    snapshot.source.verify()
    return snapshot


def project_at(path: PathLike) -> ParquetSource | None:
    """Open the newest version of a Parquet project, None when the path is none."""
    from tabular_labels.io.project_versions import is_project

    if not is_project(path):
        return None
    from tabular_labels.io.parquet_scan import open_parquet

    return open_parquet(path)


def with_suffix(path: PathLike, default_suffix: str) -> Path:
    """Add the default suffix to a name that has no known one.

    Examples:
        >>> with_suffix("day1", "slp").name, with_suffix("day1.slp", "parquet").name
        ('day1.slp', 'day1.slp')
    """
    path = Path(path)
    if format_of(path) is not None or not default_suffix:
        return path
    return path.with_name(f"{path.name}.{default_suffix.lstrip('.')}")


def _format_to_write(path: Path) -> SaveFormat:
    form = format_of(path)
    if form is None and path.suffix:
        message = (
            f"{path}: found suffix {path.suffix!r}, expected one of {sorted(SUFFIXES)} or none "
            "(a Parquet project). Change the name, or call one of the functions write_..."
        )
        raise ValueError(message)
    return form or "parquet"
