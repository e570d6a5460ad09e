"""Files and projects in and out of `Labels`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from tabular_labels._types import PathLike
from tabular_labels.files import VideoSearch, project_at, rows_to_write, warn_of_arrays
from tabular_labels.labels import Labels
from tabular_labels.origins import rows_to_replace
from tabular_labels.store.snapshot import Snapshot

__all__ = [
    "load_file",
    "read_parquet",
    "read_slp",
    "scan_parquet",
    "scan_slp",
    "write_parquet",
    "write_slp",
]


def load_file(path: PathLike, *, video_search: VideoSearch = None, strict: bool = False) -> Labels:
    """Read any file or project into memory; the format is told from the content.

    Args:
        path: A file of any known format, or a Parquet project.
        video_search: Where to look for videos that moved: folders, or a callback that
            edits the list of video dicts in place and returns True to abort.
        strict: Refuse a file that holds data we do not model, instead of warning.

    Returns:
        The labels.

    Raises:
        FileNotFoundError: There is nothing at the path.
        FileFormatError: It is no labels file, or a broken one; the message names the
            place, what was found and what to do.
    """
    return Labels.load_file(path, video_search, strict=strict)


def read_slp(path: PathLike, *, strict: bool = False, video_search: VideoSearch = None) -> Labels:
    """Read a SLEAP project (``.slp``, any version) into memory.

    Args:
        path: The file.
        strict: Refuse a file that holds data we do not model, instead of warning.
        video_search: See `load_file`.

    Returns:
        The labels. Data that is not modelled is carried along, see ``docs/architecture.md``.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is not a ``.slp`` file, or a broken one.
    """
    from tabular_labels.io import slp_read  # loads h5py

    tables = slp_read.read_slp(path, strict=strict, video_search=video_search)
    return Labels.from_snapshot(Snapshot.of(tables))


def scan_slp(path: PathLike, *, strict: bool = False, video_search: VideoSearch = None) -> Labels:
    """Open a SLEAP project (``.slp``) without reading its frames, instances or points.

    Frames and instances are read (and validated) when they are first needed, points
    only where a query needs them. The file must stay as it is meanwhile.

    Args:
        path: The file.
        strict: Refuse a file that holds data we do not model, instead of warning.
        video_search: See `load_file`.

    Returns:
        Scanned labels, with the interface of loaded ones.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is not a ``.slp`` file, or a broken one.
    """
    from tabular_labels.io import slp_scan  # loads h5py

    return Labels.from_snapshot(
        Snapshot(slp_scan.open_slp(path, strict=strict, video_search=video_search))
    )


def write_slp(
    labels: Labels,
    path: PathLike,
    *,
    compat: Literal["today", "classic"] = "today",
    progress: Callable[[int, int], object] | None = None,
) -> None:
    """Write a SLEAP project (``.slp``); an existing file is replaced whole or not at all.

    Args:
        labels: What to write. The points of scanned labels are read and written piece by
            piece.
        path: Where.
        compat: ``"today"`` for what SLEAP and sleap-io write now, ``"classic"`` for
            format 1.2, which every version reads.
        progress: Called with the number of frames whose points are written, and of all;
            what it raises cancels the writing.

    Raises:
        ValueError: Scanned labels would replace the file that they are read from.

    Warns:
        UnmodelledDataWarning: Carried data was left out, because the rows it refers to
            have other numbers now.
        LeftOutWarning: Pictures of videos made from arrays are not written.
    """
    from tabular_labels.io import slp_write  # loads h5py

    warn_of_arrays(labels.videos, path)
    rows = rows_to_replace(labels._snapshot, path)
    slp_write.write_slp(rows, path, compat=compat, progress=progress)


def read_parquet(path: PathLike, *, version: int | None = None) -> Labels:
    """Read a Parquet project into memory.

    Args:
        path: The project's directory.
        version: One of its versions; None for the newest.

    Returns:
        The labels.

    Raises:
        FileFormatError: The directory is no project, or a damaged one.
    """
    from tabular_labels.io import parquet_scan  # loads pyarrow

    project = parquet_scan.open_parquet(path, version=version)
    labels = Labels.from_snapshot(Snapshot.of(project.load()))
    labels._follow(project)
    return labels


def scan_parquet(path: PathLike, *, version: int | None = None) -> Labels:
    """Open a Parquet project without reading its rows.

    Args:
        path: The project's directory.
        version: One of its versions; None for the newest.

    Returns:
        Scanned labels, with the interface of loaded ones.

    Raises:
        FileFormatError: The directory is no project, or a damaged one.
    """
    from tabular_labels.io import parquet_scan

    project = parquet_scan.open_parquet(path, version=version)
    labels = Labels.from_snapshot(Snapshot(project))
    labels._follow(project)
    return labels


def write_parquet(
    labels: Labels,
    path: PathLike,
    *,
    overwrite: bool = False,
    message: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Write a Parquet project, a directory of Parquet files and one manifest per version.

    Args:
        labels: What to write.
        path: The directory; made if it does not exist.
        overwrite: If a project is there already, add a version that replaces its
            contents; older versions stay readable. Otherwise that is an error.
        message: Kept with the version.
        progress: Called with the number of files written and their total.

    Raises:
        ProjectExistsError: A project is there already (also a ``FileExistsError``).
        FileFormatError: The directory holds something else.

    Warns:
        LeftOutWarning: Pictures of videos made from arrays are not written.
    """
    from tabular_labels.io import parquet_write

    warn_of_arrays(labels.videos, path)
    parquet_write.write_parquet(
        rows_to_write(labels._snapshot),
        path,
        overwrite=overwrite,
        message=message,
        progress=progress,
    )
    project = project_at(path)
    if project is not None:
        labels._follow(project)
