"""What every kind of video answers, and what is asked of each kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.errors import FileFormatError, MissingFrameError, MissingVideoError
from tabular_labels.model.arguments import as_places
from tabular_labels.video.convert import Image

__all__ = ["Frames", "missing_frame"]


class Frames(ABC):
    """Pictures of one video by frame index. Cheap to make; files are opened to be read.

    May be used from several threads, and pickled.

    Args:
        name: The file, for messages.
        grayscale: True for brightness alone, False for RGB, None for what is kept.
    """

    def __init__(self, name: str, *, grayscale: bool | None = None) -> None:
        self.name = name
        self.grayscale = grayscale

    @property
    @abstractmethod
    def n_frames(self) -> int:
        """One more than the last frame index there is. Opens the file."""

    @abstractmethod
    def _size(self) -> tuple[int, int, int]:
        """Return height, width and channels as they are kept. Opens the file."""

    @abstractmethod
    def _decode(self, wanted: IntArray | None, *, grey: bool | None) -> Iterator[tuple[int, Image]]:
        """Yield wanted frames, ascending and once each (None for all), or raise."""

    @property
    def frame_inds(self) -> IntArray:
        """int64 (n,): the frame indices there are, ascending. Opens the file."""
        return np.arange(self.n_frames, dtype=np.int64)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """``(n_frames, height, width, channels)`` as the file has it. Opens the file."""
        height, width, channels = self._size()
        if self.grayscale is not None:
            channels = 1 if self.grayscale else 3
        return self.n_frames, height, width, channels

    def iterate(
        self, indices: Iterable[int] | IntArray | None = None, *, grayscale: bool | None = None
    ) -> Generator[tuple[int, Image], None, None]:
        """Yield each frame once, ascending, with its picture.

        Args:
            indices: 0-based frame indices; order and repeats do not matter. None for all.
            grayscale: Brightness alone, or RGB; None as this was made.

        Yields:
            Frame index, and uint8 (height, width, channels), which may be a view.

        Raises:
            MissingVideoError: There is no such file.
            MissingFrameError: The video has no such frame.
            FileFormatError: The file is damaged.
            TypeError: An index is not whole.
        """
        wanted = None if indices is None else np.unique(as_indices(indices))
        if wanted is not None and not len(wanted):
            return
        if wanted is not None and wanted[0] < 0:
            raise missing_frame(self.name, int(wanted[0]), None)
        grey = self.grayscale if grayscale is None else grayscale
        n_read = 0
        try:
            for frame_idx, image in self._decode(wanted, grey=grey):
                n_read += 1
                yield frame_idx, image
        except (FileFormatError, MissingVideoError) as error:
            raise _at_frame(error, n_read if wanted is None else int(wanted[n_read])) from error

    def read_one(self, frame_idx: int, *, grayscale: bool | None = None) -> Image:
        """Read one frame: uint8 (height, width, channels). Raises as `iterate` does."""
        with closing(self.iterate([frame_idx], grayscale=grayscale)) as found:
            return np.ascontiguousarray(next(found)[1])

    def read(self, indices: Sequence[int] | IntArray, *, grayscale: bool | None = None) -> Image:
        """Read several frames, each decoded once, in the order in which they are asked for.

        Args:
            indices: 0-based frame indices, in any order, repeats allowed.
            grayscale: Brightness alone, or RGB; None as this was made.

        Returns:
            uint8 (n_indices, height, width, channels). All are in memory at once.

        Raises:
            MissingVideoError: There is no such file.
            MissingFrameError: The video has no such frame.
            FileFormatError: The file is damaged, or changes its size on the way.
            TypeError: An index is not whole.
        """
        asked = as_indices(indices)
        images: Image | None = None
        order = np.argsort(asked, kind="stable")
        stops = (np.flatnonzero(np.diff(asked[order], append=-1)) + 1).tolist()
        start = 0
        frames = self.iterate(asked, grayscale=grayscale)
        for stop, (frame_idx, image) in zip(stops, frames, strict=True):
            if images is None:
                images = np.empty((len(asked), *image.shape), np.uint8)
            if image.shape != images.shape[1:]:
                raise _mixed(self.name, frame_idx, image, images[0])
            for place in order[start:stop]:
                images[place] = image
            start = stop
        if images is None:
            _, *size = self.shape
            if grayscale is not None:
                size[2] = 1 if grayscale else 3
            return np.empty((0, *size), np.uint8)
        return images


def as_indices(indices: Iterable[int] | IntArray) -> IntArray:
    """Return frame indices as int64.

    Raises:
        TypeError: One is not whole.
    """
    listed = indices if isinstance(indices, np.ndarray | Sequence) else list(indices)
    return as_places(listed, "frame indices")


def missing_frame(name: str, frame_idx: int, n_frames: int | None) -> MissingFrameError:
    """Build the error for a frame outside a video."""
    last = "or more" if n_frames is None else f"to {n_frames - 1}: the video has {n_frames} frames"
    expected = f"an index from 0 {last}" if n_frames != 0 else "a video that has frames"
    return MissingFrameError(
        name,
        place=f"frame {frame_idx}",
        found="no such frame",
        expected=expected,
        remedy="Ask for a frame within the video, or check that it is the video of these labels.",
    )


def _at_frame(
    error: FileFormatError | MissingVideoError, frame_idx: int
) -> FileFormatError | MissingVideoError:
    """Name the frame in an error that does not."""
    if isinstance(error, MissingVideoError):
        return MissingVideoError(error.path, frame_idx)
    if error.place.startswith("frame "):
        return error
    return type(error)(
        error.path,
        place=f"frame {frame_idx}: {error.place}",
        found=error.found,
        expected=error.expected,
        remedy=error.remedy,
    )


def _mixed(name: str, frame_idx: int, image: Image, first: Image) -> FileFormatError:
    found, expected = (f"{shape[1]} x {shape[0]} pixels" for shape in (image.shape, first.shape))
    if image.shape[:2] == first.shape[:2]:
        found, expected = f"{image.shape[2]} channels", f"{first.shape[2]}"
    return FileFormatError(
        name,
        place=f"frame {frame_idx}",
        found=found,
        expected=f"{expected} as in the other frames",
        remedy="Read its frames one by one, or make all pictures of one size.",
    )
