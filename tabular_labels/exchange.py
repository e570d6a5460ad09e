"""Files of other programs as `Labels`."""

from __future__ import annotations

from collections.abc import Sequence

from tabular_labels._types import PathLike
from tabular_labels.analysis_files import tables_of_analysis
from tabular_labels.files import VideoSearch
from tabular_labels.labels import Labels
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.store.snapshot import Snapshot

__all__ = ["read_analysis", "read_csv", "read_json", "read_ndjson"]


def read_json(path: PathLike, *, strict: bool = False, video_search: VideoSearch = None) -> Labels:
    """Read SLEAP's JSON (``.json`` or ``.json.zip``, any version) into memory.

    Nothing in the file is built or called. An archive is read in memory and not unpacked.

    Args:
        path: The file.
        strict: Refuse a file that holds data we do not model, instead of warning.
        video_search: See `load_file`.

    Returns:
        The labels. Points that an instance does not list are missing; their marks are
        those of the classic program (visible, not complete, a score of 0 in predictions).

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is no such file, or a broken one.
        UnsafeFileError: It asks for objects to be built, or unpacks to far too much.

    Warns:
        UnmodelledDataWarning: The file holds more than labels do.
        DanglingReferenceWarning: Instances come from predictions that are in no frame.
    """
    from tabular_labels.io import json_read  # loads h5py

    tables = json_read.read_json(path, strict=strict, video_search=video_search)
    return Labels.from_snapshot(Snapshot.of(tables))


def read_csv(
    path: PathLike,
    *,
    videos: Sequence[Video] = (),
    skeletons: Sequence[Skeleton] = (),
    tracks: Sequence[Track] = (),
) -> Labels:
    """Read a CSV table of labels: of `write_csv`, SLEAP's analysis CSV, or sleap-io's.

    Args:
        path: The file.
        videos: See `Labels.from_polars`, as for the others.
        skeletons: An analysis CSV has no edges; a skeleton given here does.
        tracks: Tracks by their names.

    Returns:
        The labels.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is no table of labels, or a broken one.
        QueryError: Its rows do not make labels.
    """
    from tabular_labels.io.table_read import read_table

    table = read_table(path, "csv")
    return Labels.from_polars(table, videos=videos, skeletons=skeletons, tracks=tracks)


def read_ndjson(
    path: PathLike,
    *,
    videos: Sequence[Video] = (),
    skeletons: Sequence[Skeleton] = (),
    tracks: Sequence[Track] = (),
) -> Labels:
    """Read a table of labels in JSON lines, such as `write_ndjson` writes.

    Args:
        path: The file: an object a line. What a line lacks is missing.
        videos: See `Labels.from_polars`, as for the others.
        skeletons: A table has no edges; a skeleton given here does.
        tracks: Tracks by their names.

    Returns:
        The labels.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is no table of labels, or a broken one.
        QueryError: Its rows do not make labels.
    """
    from tabular_labels.io.table_read import read_table

    table = read_table(path, "ndjson")
    return Labels.from_polars(table, videos=videos, skeletons=skeletons, tracks=tracks)


def read_analysis(path: PathLike, *, video: Video | PathLike | None = None) -> Labels:
    """Read SLEAP's analysis file (HDF5), or sleap-io's, whatever the order of its axes.

    Args:
        path: The file.
        video: The video; None for the one that the file names.

    Returns:
        Labels with predicted instances only, since the file does not say what made them;
        scores, edges, and the places of empty instances are kept.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is no analysis file, or a broken one.
    """
    return Labels.from_snapshot(Snapshot.of(tables_of_analysis(path, video)))
