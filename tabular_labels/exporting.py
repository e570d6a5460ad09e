"""Files of other programs from labels; each writer streams what is scanned."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from tabular_labels._types import Level, PathLike
from tabular_labels.analysis_files import AnalysisRules, export_csv, export_hdf5
from tabular_labels.files import warn_of_arrays
from tabular_labels.labels_core import LabelsCore, VideoLike
from tabular_labels.origins import refuse_to_replace
from tabular_labels.queries.analysis import Untracked
from tabular_labels.streaming import Names, TableStream

__all__ = [
    "write_analysis",
    "write_analysis_csv",
    "write_csv",
    "write_json",
    "write_ndjson",
    "write_parquet_table",
]

Progress: TypeAlias = Callable[[int, int], object]
"""Called with what is done and the total; what it raises cancels the writing."""


def write_json(
    labels: LabelsCore,
    path: PathLike,
    *,
    keep_missing: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write SLEAP's JSON; an existing file is replaced whole or not at all.

    Args:
        labels: What to write; scanned labels are read piece by piece.
        path: Where. A name that ends with ``.zip`` gives an archive with one JSON file.
        keep_missing: Write missing points too, with NaN for coordinates, their marks
            and scores. The classic layout leaves them out, and is plain JSON only then.
        progress: Called with the number of frames written and their total; what it
            raises cancels the writing.

    Raises:
        ValueError: Scanned labels would replace the file that they are read from.

    Warns:
        UnmodelledDataWarning: Something has no place in JSON, as the message says.
        LeftOutWarning: Pictures of videos made from arrays are not written.
    """
    from tabular_labels.io import json_write  # loads h5py

    warn_of_arrays(labels.videos, path)
    refuse_to_replace(labels._snapshot, path)
    json_write.write_json(labels._snapshot, path, keep_missing=keep_missing, progress=progress)


def write_csv(
    labels: LabelsCore,
    path: PathLike,
    level: Level = "points",
    columns: Sequence[str] | None = None,
    *,
    wide: bool = False,
    pad_frames: bool = False,
    escape_formulas: bool = False,
    names: Names = "own",
    progress: Progress | None = None,
) -> None:
    """Write the named columns of a level as CSV; coordinates come back to the bit.

    Rows are those of `Labels.to_polars`: one per point, instance or frame, of all videos,
    with untracked instances. Scanned labels are read piece by piece.

    Args:
        labels: What to write.
        path: The file, which is replaced whole or not at all.
        level: ``"points"`` (tidy), ``"instances"`` (a column for each node and value) or
            ``"frames"``.
        columns: Only these columns, in this order; None for all.
        wide: For frames, add ``inst{k}.{node}.x`` and so on.
        pad_frames: Add a row for each frame without rows, from frame 0 to the video's
            stored length, or to its last labelled frame if that is later.
        escape_formulas: Put an apostrophe before names that a spreadsheet would take for
            formulas (those that begin with ``= + - @``, a tab or a line's end).
        names: ``"sleap-io"`` writes points or instances with the columns, and their names,
            that ``sleap_io.load_csv`` reads; it does not read ours.
        progress: Called with the number of frames written and their total; what it
            raises cancels the writing.

    Raises:
        QueryError: Unknown level or column.
        ValueError: Scanned labels would replace the file that they are read from.
    """
    stream = TableStream(
        labels._snapshot, level, columns, wide=wide, pad_frames=pad_frames, names=names
    )
    stream.write(path, "csv", progress=progress, escape_formulas=escape_formulas)


def write_ndjson(
    labels: LabelsCore,
    path: PathLike,
    level: Level = "points",
    columns: Sequence[str] | None = None,
    *,
    wide: bool = False,
    pad_frames: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write the named columns of a level as JSON lines: an object for each row.

    See `write_csv` for the arguments.
    """
    stream = TableStream(labels._snapshot, level, columns, wide=wide, pad_frames=pad_frames)
    stream.write(path, "ndjson", progress=progress)


def write_parquet_table(
    labels: LabelsCore,
    path: PathLike,
    level: Level = "points",
    columns: Sequence[str] | None = None,
    *,
    wide: bool = False,
    pad_frames: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write the named columns of a level as one Parquet file, for other programs.

    `write_parquet` keeps whole projects. See `write_csv` for the arguments.
    """
    stream = TableStream(labels._snapshot, level, columns, wide=wide, pad_frames=pad_frames)
    stream.write(path, "parquet", progress=progress)


def write_analysis(
    labels: LabelsCore,
    path: PathLike,
    video: VideoLike | None = None,
    *,
    all_frames: bool = True,
    untracked: Untracked = "drop",
    min_occupancy: float = 0.0,
    transpose: bool = True,
    labels_path: PathLike | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Write SLEAP's analysis files (HDF5): dense arrays of one video each.

    On one track of a frame a user instance comes before predicted ones, and has no
    scores; among equals the last counts. Columns without instances are left out.
    Scanned labels are read piece by piece.

    Args:
        labels: What to write.
        path: The file. With several labelled videos there is one for each, with the
            video's place and name before the suffix; all appear, or none.
        video: Only this video.
        all_frames: Begin at frame 0, otherwise at the first labelled frame. The last row
            is the last labelled frame.
        untracked: ``"drop"``, as the classic layout: where the project has tracks,
            instances without one are left out; where it has none, there is one column.
            ``"keep"`` gives them columns of their own.
        min_occupancy: Leave out tracks present in a smaller share of the rows.
        transpose: The classic layout, ``tracks`` being ``(n_tracks, 2, n_nodes,
            n_frames)``; otherwise ``(n_frames, n_nodes, 2, n_tracks)``.
        labels_path: What to note as the source.
        progress: Called with the number of rows written and their total; what it raises
            cancels the writing.

    Returns:
        The files.

    Raises:
        ValueError: There are no labelled frames.
        UnknownVideoError: The video is not of these labels.

    Warns:
        UntrackedInstancesWarning: Untracked instances were left out.
        LeftOutWarning: Other instances were left out.
    """
    return export_hdf5(
        labels._snapshot,
        path,
        None if video is None else labels._require_video(video),
        AnalysisRules(all_frames, untracked, min_occupancy),
        transpose=transpose,
        labels_path=labels_path,
        progress=progress,
    )


def write_analysis_csv(
    labels: LabelsCore,
    path: PathLike,
    video: VideoLike | None = None,
    *,
    untracked: Untracked = "drop",
    min_occupancy: float = 0.0,
    pad_frames: bool = False,
    escape_formulas: bool = False,
    progress: Progress | None = None,
) -> list[Path]:
    """Write SLEAP's analysis CSV: a row for each instance that has a point.

    Columns are ``track``, ``frame_idx``, ``instance.score`` and ``{node}.x``,
    ``{node}.y``, ``{node}.score`` for each node. Which instances are written follows
    `write_analysis`, as do the other arguments.

    Args:
        labels: What to write.
        path: The file, or one for each video.
        video: Only this video.
        untracked: See `write_analysis`.
        min_occupancy: See `write_analysis`.
        pad_frames: Add a row for each frame without instances.
        escape_formulas: See `write_csv`.
        progress: See `write_analysis`.

    Returns:
        The files.
    """
    return export_csv(
        labels._snapshot,
        path,
        None if video is None else labels._require_video(video),
        AnalysisRules(True, untracked, min_occupancy),
        pad_frames=pad_frames,
        escape_formulas=escape_formulas,
        progress=progress,
    )
