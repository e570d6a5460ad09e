"""Pictures of one video on their way into a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from tabular_labels._types import IntArray, Json

__all__ = ["EncodedPictures", "PictureFormat"]

PictureFormat: TypeAlias = Literal["png", "jpg", ""]
"""How pictures are kept: encoded without or with loss, or as plain arrays."""


@dataclass(frozen=True)
class EncodedPictures:
    """Some frames of a video, encoded, to be taken once.

    Attributes:
        frame_inds: int64 (n,), ascending.
        rows: Frame index, and an encoded picture, or without a form a uint8 array
            (height, width, channels): for each of `frame_inds`, in that order.
        form: How they are encoded, empty for arrays.
        channel_order: ``"RGB"``, or ``"BGR"`` where red and blue stand in each other's place.
        size: Height, width and channels; zeros when there are no frames.
        source: Entry of the video that they are taken from, as files keep it.
        fps: Frames per second, if known.
    """

    frame_inds: IntArray
    rows: Iterable[tuple[int, bytes | npt.NDArray[np.uint8]]]
    form: PictureFormat
    channel_order: str
    size: tuple[int, int, int]
    source: Json | None = None
    fps: float | None = None
