"""Pictures and clips of a labels file, for the commands `plot` and `render`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

import polars as pl

import tabular_labels as tl
from tabular_labels.cli.edge import UserError
from tabular_labels.cli.summary import open_labels
from tabular_labels.io.detect import detect_format

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["choose_frame", "find_videos", "open_with_videos", "save_drawing", "show_video"]


def open_with_videos(path: Path, folders: list[Path]) -> tl.Labels:
    """Open labels; videos that moved are looked for in folders, and beside the file."""
    form = detect_format(path)
    labels = open_labels(path) if form in ("slp", "parquet") else tl.load_file(path)
    find_videos(labels, [*folders, path.absolute().parent])
    return labels


def find_videos(labels: tl.Labels, folders: list[Path]) -> None:
    """Name the files of videos that moved, in memory, where a folder has them."""
    for place, video in enumerate(labels.videos):
        last = PureWindowsPath(video.filename).name  # splits at either kind of slash
        if last and "filenames" not in video.backend and not video.exists():
            found = next((folder / last for folder in folders if (folder / last).exists()), None)
            if found is not None:
                labels.update_video(place, found)


def choose_frame(labels: tl.Labels) -> tl.LabeledFrame | None:
    """Choose a frame that shows much: many instances with many visible points."""
    instances = labels.to_polars("instances", ["video_id", "frame_idx", "n_visible"])
    place = ["video_id", "frame_idx"]
    frames = instances.group_by(place).agg(pl.len(), pl.col("n_visible").sum()).sort(place)
    if not frames.height:
        return labels.labeled_frames[0] if len(labels) else None
    best = frames.filter(pl.col("len") == pl.col("len").max())
    best = best.filter(pl.col("n_visible") == pl.col("n_visible").max())
    # The middle one of equals: recordings often begin with odd frames.
    video_id, frame_idx = best.select(place).row(best.height // 2)
    ids = labels.tables.videos.collect()["video_id"].to_list()
    return labels.find(labels.videos[ids.index(video_id)], frame_idx)[0]


def show_video(labels: tl.Labels, video: int) -> tl.Video:
    """Return a video by its place.

    Raises:
        UserError: There is none.
    """
    if not 0 <= video < len(labels.videos):
        n_videos = len(labels.videos)
        message = f"found --video {video}, expected 0 to {n_videos - 1}: there are {n_videos}."
        raise UserError(message)
    return labels.videos[video]


def save_drawing(
    labels: tl.Labels,
    kind: str,
    path: Path,
    *,
    video: int = 0,
    frame_idx: int | None = None,
    dpi: float = 150,
) -> None:
    """Draw one of the pictures into a file.

    Raises:
        UserError: There is no frame to draw.
        MissingExtraError: matplotlib is not installed.
        FileFormatError: The name's suffix is none of a picture.
    """
    from tabular_labels.plot.canvas import save_figure

    save_figure(_draw(labels, kind, video, frame_idx), path, dpi=dpi)


def _draw(labels: tl.Labels, kind: str, video: int, frame_idx: int | None) -> Figure:
    charts: dict[str, Callable[[], Figure]] = {
        "occupancy": labels.plot_occupancy,
        "scores": labels.plot_scores,
        "score-time": lambda: labels.plot_scores("frame"),
        "coverage": labels.plot_coverage,
    }
    if kind in charts:
        return charts[kind]()
    if frame_idx is not None:
        return labels.plot((show_video(labels, video), frame_idx))
    frame = choose_frame(labels)
    if frame is None:
        message = "found no frames to draw, expected at least one. Draw another kind of picture."
        raise UserError(message)
    return labels.plot(frame)
