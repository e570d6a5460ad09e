"""Videos that are arrays, in memory or in a ``.npy`` file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular_labels._types import IntArray, PathLike
from tabular_labels.errors import FileFormatError
from tabular_labels.video.convert import Image, with_channels
from tabular_labels.video.frames import Frames, missing_frame
from tabular_labels.video.index import file_state

__all__ = ["ArrayFrames", "as_pictures", "read_array"]

Array = npt.NDArray[Any]


class ArrayFrames(Frames):
    """Frames of an array.

    Args:
        array: (n_frames, height, width, channels), 1 or 3 channels; 4 as RGB with
            transparency, which is left out.
        name: For messages.
        grayscale: True for brightness alone, False for RGB, None for what is there.

    Examples:
        >>> ArrayFrames(np.full((2, 4, 6, 3), 7, np.uint8), grayscale=True).read([1]).shape
        (1, 4, 6, 1)
    """

    def __init__(
        self, array: Array, name: str = "an array", *, grayscale: bool | None = None
    ) -> None:
        super().__init__(name, grayscale=grayscale)
        self.array = array

    @property
    def n_frames(self) -> int:
        """Length of the array."""
        return len(self.array)

    def _size(self) -> tuple[int, int, int]:
        height, width, channels = self.array.shape[1:]
        return height, width, min(channels, 3)

    def _decode(self, wanted: IntArray | None, *, grey: bool | None) -> Iterator[tuple[int, Image]]:
        if wanted is not None and wanted[-1] >= self.n_frames:
            raise missing_frame(self.name, int(wanted[-1]), self.n_frames)
        for frame_idx in range(self.n_frames) if wanted is None else wanted.tolist():
            image = as_pictures(self.array[frame_idx], self.name, "the array")
            yield frame_idx, with_channels(image, grey=grey)


def read_array(path: PathLike) -> Array:
    """Map a ``.npy`` file of shape (n_frames, height, width, channels) into memory.

    Raises:
        MissingVideoError: There is no such file.
        FileFormatError: It holds something else.
    """
    name, _, _ = file_state(path)
    try:
        array: Array = np.load(name, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise _broken(str(path), "the file", f"no array ({error})", "a .npy file") from error
    if array.ndim != 4:
        found, expected = f"shape {array.shape}", "(n_frames, height, width, channels)"
        raise _broken(str(path), "the array", found, expected)
    return array


def as_pictures(values: Array, name: str, place: str, *, convert_range: bool = False) -> Image:
    """Return pixel values as uint8.

    Args:
        values: (..., channels): whole numbers or floats from 0 to 255, or booleans.
        name: The file, for messages.
        place: Where in it, for messages.
        convert_range: Whether floats go from 0 to 1.

    Raises:
        FileFormatError: Values, dtype or channels are none of pictures.
    """
    if values.shape[-1] not in (1, 3, 4):
        raise _broken(name, place, f"{values.shape[-1]} channels", "1, 3 or 4")
    values = values[..., :3]
    if values.dtype == np.uint8:
        return values
    if values.dtype == np.bool_:
        return values.astype(np.uint8) * np.uint8(255)
    if values.dtype.kind not in "iuf":
        raise _broken(name, place, f"dtype {values.dtype}", "numbers")
    scaled = values * 255.0 if convert_range else values
    low, high = (scaled.min(), scaled.max()) if scaled.size else (0, 0)
    if not (low >= 0 and high <= 255):
        found = f"values from {low:g} to {high:g}"
        raise _broken(name, place, found, "0 to 1" if convert_range else "0 to 255")
    whole: Image = np.floor(scaled).astype(np.uint8)
    return whole


def _broken(name: str, place: str, found: str, expected: str) -> FileFormatError:
    remedy = "Convert it to uint8 with 1 or 3 channels first."
    return FileFormatError(name, place=place, found=found, expected=expected, remedy=remedy)
