"""Commands that draw: pictures and clips."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tabular_labels.cli.destination import require_new
from tabular_labels.cli.edge import guarded
from tabular_labels.cli.options import Json
from tabular_labels.cli.output import plain, print_json, print_line, progress_bar, working

__all__ = ["plot", "render"]

VideoFolders = Annotated[
    list[Path] | None,
    typer.Option("--videos", help="Folder of videos that moved; may be given several times."),
]
WhichVideo = Annotated[int, typer.Option("--video", help="Place of the video in the labels.")]


class Picture(StrEnum):
    """Pictures of a labels file."""

    FRAME = "frame"
    OCCUPANCY = "occupancy"
    SCORES = "scores"
    SCORE_TIME = "score-time"
    COVERAGE = "coverage"


@guarded
def plot(
    file: Annotated[Path, typer.Argument(help="A labels file or a Parquet project.")],
    kind: Annotated[Picture, typer.Argument(help="What to draw.")] = Picture.FRAME,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="NAME.png, .svg, .pdf or .jpg; FILE-KIND.png here without."),
    ] = None,
    video: WhichVideo = 0,
    frame: Annotated[
        int | None,
        typer.Option("--frame", help="Frame index; without, a frame that shows much."),
    ] = None,
    videos: VideoFolders = None,
    dpi: Annotated[float, typer.Option(help="Dots per inch.", min=10, max=1200)] = 150,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the picture.")] = False,
    as_json: Json = False,
) -> None:
    """Draw a frame, track occupancy, scores, or how often each node is present."""
    from tabular_labels.cli import drawing

    path = Path(f"{file.name.split('.')[0]}-{kind.value}.png") if out is None else out
    require_new(path, overwrite=overwrite)
    with working(f"drawing {plain(path)}"):
        labels = drawing.open_with_videos(file, videos or [])
        drawing.save_drawing(labels, kind.value, path, video=video, frame_idx=frame, dpi=dpi)
    if as_json:
        print_json({"file": str(file), "picture": str(path), "kind": kind.value})
    else:
        print_line(f"wrote {path}")


@guarded
def render(
    file: Annotated[Path, typer.Argument(help="A labels file or a Parquet project.")],
    out: Annotated[Path, typer.Option("--out", help="NAME.mp4, .mkv, .mov or .avi.")],
    video: WhichVideo = 0,
    start: Annotated[
        int | None, typer.Option(help="First frame index; the first labelled one without.")
    ] = None,
    stop: Annotated[
        int | None, typer.Option(help="One past the last; past the last labelled one without.")
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames per second; those of the video without.")
    ] = None,
    scale: Annotated[float, typer.Option(help="Size relative to the video.")] = 1.0,
    videos: VideoFolders = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the clip.")] = False,
    as_json: Json = False,
) -> None:
    """Write a clip of a video with its labels drawn into the pictures."""
    from tabular_labels.cli import drawing

    require_new(out, overwrite=overwrite)
    labels = drawing.open_with_videos(file, videos or [])
    shown = drawing.show_video(labels, video)
    with progress_bar(f"writing {plain(out)}") as progress:
        n_frames = labels.render(
            out, shown, start=start, stop=stop, fps=fps, scale=scale, progress=progress
        )
    if as_json:
        print_json({"file": str(file), "clip": str(out), "frames": n_frames})
    else:
        print_line(f"wrote {out}: {n_frames:,} frames")
