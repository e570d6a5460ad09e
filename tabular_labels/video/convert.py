"""Decoded frames as arrays."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

__all__ = ["Converter", "Image", "is_grey_format", "shown_size", "with_channels"]

Image: TypeAlias = npt.NDArray[np.uint8]
"""uint8 (height, width, channels): RGB, or one channel of brightness."""

_HAS_THREADS = "threads" in (VideoReformatter.reformat.__doc__ or "")
_GREY = ("gray", "ya8", "ya16", "mono")


class Converter:
    """Turns decoded frames into arrays; keeps what the conversion prepares between frames.

    Args:
        alone: Whether it starts no threads of its own. One that has threads must not be
            destroyed in a forked process, which would wait for them for ever.
    """

    def __init__(self, *, alone: bool = False) -> None:
        self._reformatter = VideoReformatter()
        # NOTE: before PyAV 16 there were none, and no such option.
        self._options = {"threads": 1} if alone and _HAS_THREADS else {}

    def to_image(self, frame: VideoFrame, *, grey: bool) -> Image:
        """Return a frame's pixels, turned upright as players show it.

        Args:
            frame: A decoded frame.
            grey: Brightness alone instead of RGB.

        Returns:
            uint8 (height, width, 3) or, grey, (height, width, 1). It may be a view of the
            frame's own memory.
        """
        layout = "gray" if grey else "rgb24"
        converted = self._reformatter.reformat(frame, format=layout, **self._options)
        image: Image = converted.to_ndarray().astype(np.uint8, copy=False)
        image = image[..., np.newaxis] if grey else image
        turns = round(frame.rotation / 90) % 4  # anticlockwise, as phones store portrait videos
        return np.rot90(image, turns) if turns else image


def is_grey_format(layout: VideoFormat | None) -> bool:
    """Tell whether a pixel format has brightness alone."""
    return layout is not None and layout.name.startswith(_GREY)


def shown_size(frame: VideoFrame) -> tuple[int, int]:
    """Return height and width of a frame turned upright."""
    is_upright = frame.rotation % 180 == 0
    return (frame.height, frame.width) if is_upright else (frame.width, frame.height)


def with_channels(image: Image, *, grey: bool | None) -> Image:
    """Make an RGB picture grey or a grey one RGB.

    Args:
        image: uint8 (height, width, 1 or 3).
        grey: What it is to be; None leaves it.

    Examples:
        >>> with_channels(np.full((2, 2, 3), 100, np.uint8), grey=True).ravel().tolist()
        [100, 100, 100, 100]
    """
    if grey is None or (image.shape[2] == 1) == grey:
        return image
    if not grey:
        return np.repeat(image, 3, axis=2)
    frame = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    return Converter(alone=True).to_image(frame, grey=True)
