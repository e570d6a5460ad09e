"""Clips of a video with its labels drawn into the pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from tabular_labels._types import PathLike
from tabular_labels.drawing import Colouring, DrawnInstances
from tabular_labels.errors import FileFormatError, NothingToExportError
from tabular_labels.model.video import Video
from tabular_labels.views import LabeledFrame

if TYPE_CHECKING:
    from tabular_labels.plot.overlay import Overlay

__all__ = ["Progress", "render_clip"]

Progress: TypeAlias = Callable[[int, int], object]
"""Called with frames done and in all; an exception cancels."""


def render_clip(
    path: PathLike,
    video: Video,
    frames: Sequence[LabeledFrame],
    colouring: Colouring,
    *,
    start: int | None,
    stop: int | None,
    fps: float | None,
    scale: float,
    progress: Progress | None,
) -> int:
    """Write the clip; see `Labels.render`."""
    from tabular_labels.plot.overlay import Overlay
    from tabular_labels.video.writer import write_video

    labelled = {frame.frame_idx: frame for frame in reversed(frames)}
    first = min(labelled, default=0) if start is None else start
    end = max(labelled, default=-1) + 1 if stop is None else stop
    if not 0 <= first < end:
        message = (
            f"found frames {first} to {end} (not included) of {video.filename!r}, expected at "
            "least one. Give a start and a stop within the video."
        )
        raise NothingToExportError(message)
    if not 0 < scale < 100:
        message = f"found scale {scale}, expected a number above 0. 1 keeps the size."
        raise ValueError(message)

    def pictures() -> Iterator[npt.NDArray[np.uint8]]:
        overlay: Overlay | None = None
        for number, (frame_idx, image) in enumerate(video.iterate_frames(range(first, end))):
            if overlay is None:
                overlay = Overlay(*image.shape[:2], scale=scale)
            yield _draw(overlay, image, labelled.get(frame_idx), colouring)
            if progress is not None:
                progress(number + 1, end - first)

    return write_video(path, pictures(), fps=_rate(video) if fps is None else fps)


def _draw(
    overlay: Overlay,
    image: npt.NDArray[np.uint8],
    frame: LabeledFrame | None,
    colouring: Colouring,
) -> npt.NDArray[np.uint8]:
    instances = [] if frame is None else frame.instances_to_show
    drawn = DrawnInstances.of(instances, colouring)
    return overlay.draw(
        image,
        drawn.xy,
        edges=drawn.edges,
        colour_numbers=drawn.colour_numbers,
        is_predicted=drawn.is_predicted,
    )


def _rate(video: Video) -> float:
    """Return frames per second as the labels or the file say, 25 where neither does."""
    if video.fps:
        return video.fps
    from tabular_labels.video.index import index_video

    try:
        return index_video(video.filename).fps or 25.0
    except (FileFormatError, OSError):
        # Pictures in other kinds of files have no times; what is broken shows on reading.
        return 25.0
