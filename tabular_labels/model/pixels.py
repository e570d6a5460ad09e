"""Where a video's pictures come from: the model asks, a higher layer answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol, SupportsIndex, TypeAlias

import numpy as np
import numpy.typing as npt

from tabular_labels._types import IntArray
from tabular_labels.model.arguments import as_index
from tabular_labels.model.backends import HDF5Video, VideoBackend

__all__ = ["Image", "Opener", "Pictured", "PixelSource", "open_pixels", "set_opener"]

Image: TypeAlias = npt.NDArray[np.uint8]
"""uint8 (height, width, channels)."""


class PixelSource(Protocol):
    """The pictures of one video, by frame index."""

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(n_frames, height, width, channels)`` as the file has it."""
        ...

    @property
    def frame_inds(self) -> IntArray:
        """int64: frame indices that there are, ascending."""
        ...

    def read_one(self, frame_idx: int, *, grayscale: bool | None = None) -> Image:
        """Read one frame."""
        ...

    def read(self, indices: Sequence[int] | IntArray, *, grayscale: bool | None = None) -> Image:
        """Read frames in the asked order, ``(n, height, width, channels)``."""
        ...

    def iterate(
        self, indices: Iterable[int] | IntArray | None = None, *, grayscale: bool | None = None
    ) -> Iterator[tuple[int, Image]]:
        """Yield each frame once, ascending."""
        ...


Opener: TypeAlias = Callable[[Any], PixelSource]
_openers: list[Opener] = []


def set_opener(opener: Opener) -> None:
    """Say who opens videos, from here on."""
    _openers[:] = [opener]


def open_pixels(video: Any) -> PixelSource:
    """Return the pictures of a `Video`; no file is opened before one is asked for."""
    return _openers[-1](video)


class Pictured:
    """The half of `Video` that reads pictures."""

    __slots__ = ()
    backend: VideoBackend
    n_frames: int | None

    def get_frame(self, frame_idx: int, *, grayscale: bool | None = None) -> Image:
        """Read one frame, exactly the one that is asked for.

        Args:
            frame_idx: 0-based index in presentation order.
            grayscale: True for brightness alone, False for RGB; None as the project
                says, and as the file has it where the project does not.

        Returns:
            uint8 ``(height, width, channels)``: RGB, or one channel. The pixel in row r and
            column c has its centre at x = c, y = r.

        Raises:
            MissingVideoError: The file is not there.
            MissingFrameError: The video has no such frame.
            FileFormatError: It is not a video, or is damaged.
        """
        return open_pixels(self).read_one(frame_idx, grayscale=grayscale)

    def get_frames(
        self, frame_inds: Sequence[int] | IntArray, *, grayscale: bool | None = None
    ) -> Image:
        """Read several frames in the order asked for, decoding no part of the file twice.

        Returns:
            uint8 ``(n_indices, height, width, channels)``; raises as `get_frame` does.
        """
        return open_pixels(self).read(frame_inds, grayscale=grayscale)

    def iterate_frames(
        self, frame_inds: Iterable[int] | IntArray | None = None, *, grayscale: bool | None = None
    ) -> Iterator[tuple[int, Image]]:
        """Yield frames one at a time: ascending, each once, all of them for None.

        Yields:
            Frame index, and uint8 ``(height, width, channels)``; raises as `get_frame` does.
        """
        return open_pixels(self).iterate(frame_inds, grayscale=grayscale)

    def __getitem__(self, frames: SupportsIndex | slice | Sequence[int] | IntArray) -> Image:
        """Read a frame by its index, or several by a slice or list; negative from the end."""
        place = as_index(frames)
        if place is not None and place >= 0:
            return self.get_frame(place)
        pixels = open_pixels(self)
        if place is not None:
            return pixels.read_one(pixels.shape[0] + place)
        if isinstance(frames, slice):
            is_bounded = frames.stop is not None and (frames.start or 0) >= 0 <= frames.stop
            n_frames = self.n_frames if is_bounded and self.n_frames else pixels.shape[0]
            return pixels.read(range(n_frames)[frames])
        return pixels.read(frames)  # type: ignore[arg-type]  # no int is left

    def __iter__(self) -> Iterator[Image]:
        """Iterate over the pictures of all frames."""
        return (image for _, image in self.iterate_frames())

    def read_shape(self) -> tuple[int, int, int, int]:
        """Look into the file: ``(n_frames, height, width, channels)`` as it has them.

        Raises as `get_frame` does. `shape` is what the project stores.
        """
        return open_pixels(self).shape

    @property
    def embedded_frame_inds(self) -> list[int]:
        """Frame indices of the pictures in a training package; none for other videos."""
        if not isinstance(self.backend, HDF5Video):
            return []
        inds: list[int] = open_pixels(self).frame_inds.tolist()
        return inds
