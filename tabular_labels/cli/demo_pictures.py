"""The pictures of the demonstration."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

import tabular_labels as tl
from tabular_labels.errors import FileFormatError
from tabular_labels.video.reader import read_frame

__all__ = ["choose_frame", "save_frame_picture", "save_occupancy_picture"]


def save_occupancy_picture(labels: tl.Labels, path: Path) -> None:
    """Draw where each track is present.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    from tabular_labels.plot.canvas import save_figure
    from tabular_labels.plot.occupancy import plot_occupancy

    save_figure(plot_occupancy(labels.occupancy()), path)


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


def save_frame_picture(
    labels: tl.Labels, frame: tl.LabeledFrame, folders: list[Path], path: Path
) -> str | None:
    """Draw a labelled frame over its picture, or without where the video cannot be read.

    Args:
        labels: Whose tracks number the colours.
        frame: The frame.
        folders: Where to look for a video that is not where the labels say.
        path: The picture's file.

    Returns:
        Why the frame was drawn without its picture, None when it was drawn with it.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    from tabular_labels.plot.canvas import name_text, save_figure
    from tabular_labels.plot.frame import plot_frame

    image, reason = _read_picture(frame, folders)
    shown = _to_show(frame)
    skeleton = shown[0].skeleton if shown else None
    points = [instance.numpy() for instance in shown]
    numbers = {track: number for number, track in enumerate(labels.tracks)}
    tracks = [instance.track for instance in shown]
    name = Path(frame.video.filename.replace("\\", "/")).name
    note = name_text(name, 60) + (", drawn without its picture" if reason else "")
    figure = plot_frame(
        image,
        np.stack(points) if points else np.zeros((0, 0, 2)),
        edges=skeleton.edge_inds if skeleton else (),
        node_names=skeleton.node_names if skeleton else (),
        track_names=[None if track is None else track.name for track in tracks],
        colour_numbers=[
            len(numbers) + place if track is None else numbers[track]
            for place, track in enumerate(tracks)
        ],
        is_predicted=[isinstance(instance, tl.PredictedInstance) for instance in shown],
        title=f"Frame {frame.frame_idx:,}",
        note=note,
    )
    save_figure(figure, path)
    return reason


def _to_show(frame: tl.LabeledFrame) -> list[tl.Instance]:
    """Choose instances of one skeleton, without predictions a person has corrected."""
    shown = list(frame.instances_to_show)
    return [instance for instance in shown if instance.skeleton is shown[0].skeleton]


def _read_picture(
    frame: tl.LabeledFrame, folders: list[Path]
) -> tuple[npt.NDArray[Any] | None, str | None]:
    stored = Path(frame.video.filename.replace("\\", "/"))
    places = [Path(frame.video.filename), *(folder / stored.name for folder in folders)]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        return None, f"the video {frame.video.filename} is not here"
    try:
        return read_frame(found, frame.frame_idx), None
    except FileFormatError as error:
        return None, str(error)
