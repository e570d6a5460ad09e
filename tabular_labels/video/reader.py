"""Pictures of a video file, each exactly the frame that was asked for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from tabular_labels._types import IntArray, PathLike
from tabular_labels.video.convert import Image
from tabular_labels.video.frames import Frames, missing_frame
from tabular_labels.video.index import FrameIndex, explained, file_state, index_video, open_video
from tabular_labels.video.media import MediaFile
from tabular_labels.video.pool import FILES

__all__ = ["Image", "MediaFrames", "iterate_frames", "read_frame", "read_frames"]


class MediaFrames(Frames):
    """A media file's frames, decoded by groups of pictures.

    Args:
        path: A media file.
        grayscale: True for brightness alone, False for RGB, None for what is kept.

    Examples:
        >>> import tempfile
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from tabular_labels.video.writer import write_video
        >>> path = Path(tempfile.mkdtemp()) / "grey.mp4"
        >>> write_video(path, (np.full((32, 48, 3), 10 * k, np.uint8) for k in range(20)), fps=25)
        20
        >>> frames = MediaFrames(path)
        >>> frames.shape
        (20, 32, 48, 3)
        >>> frames.read([15, 3, 15], grayscale=True).mean(axis=(1, 2, 3)).round(-1).tolist()
        [150.0, 30.0, 150.0]
    """

    def __init__(self, path: PathLike, *, grayscale: bool | None = None) -> None:
        super().__init__(os.fspath(path), grayscale=grayscale)

    @property
    def index(self) -> FrameIndex:
        """When frames are presented. Opens the file."""
        return index_video(self.name)

    @property
    def n_frames(self) -> int:
        """Number of frames; decodes the whole file where only that can tell."""
        known = self.index.n_frames
        return _count_frames(*file_state(self.name)) if known is None else known

    def _size(self) -> tuple[int, int, int]:
        index = self.index
        return index.height, index.width, 1 if index.is_grey else 3

    def _decode(self, wanted: IntArray | None, *, grey: bool | None) -> Iterator[tuple[int, Image]]:
        index = self.index
        if wanted is not None and index.n_frames is not None and wanted[-1] >= index.n_frames:
            raise missing_frame(self.name, int(wanted[-1]), index.n_frames)
        grey = index.is_grey if grey is None else grey
        with FILES.borrow(file_state(self.name), lambda: MediaFile(self.name)) as file:
            to_image = file.converter.to_image
            for frame_idx, frame in file.iterate(wanted):
                yield frame_idx, to_image(frame, grey=grey)


@lru_cache(maxsize=64)
def _count_frames(path: str, _changed: int, _size: int) -> int:
    container, stream = open_video(path)
    with container, explained(path, "the pictures"):
        return sum(1 for _ in container.decode(stream))


def read_frame(path: PathLike, frame_idx: int) -> Image:
    """Read one frame of a video file.

    Args:
        path: A media file.
        frame_idx: 0-based index in presentation order.

    Returns:
        uint8 (height, width, 3), RGB, turned upright as players show it. The pixel in
        row r and column c has its centre at x = c, y = r.

    Raises:
        FileNotFoundError: There is no such file.
        MissingFrameError: The video ends before the frame.
        FileFormatError: It is not a video, or is damaged.

    Examples:
        >>> import tempfile
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from tabular_labels.video.writer import write_video
        >>> path = Path(tempfile.mkdtemp()) / "grey.mp4"
        >>> levels = (np.full((32, 48, 3), 10 * k, np.uint8) for k in range(20))
        >>> write_video(path, levels, fps=25)
        20
        >>> read_frame(path, 12).shape, round(float(read_frame(path, 12).mean()), -1)
        ((32, 48, 3), 120.0)
    """
    return MediaFrames(path, grayscale=False).read_one(frame_idx)


def read_frames(path: PathLike, indices: Sequence[int] | IntArray) -> Image:
    """Read several frames of a video file; each group of pictures is decoded once.

    Args:
        path: A media file.
        indices: 0-based indices in presentation order, in any order, repeats allowed.

    Returns:
        uint8 (n_indices, height, width, 3), RGB, in the order of ``indices``. All are in
        memory at once; `iterate_frames` holds one at a time.

    Raises:
        FileNotFoundError: There is no such file.
        MissingFrameError: The video ends before a frame.
        FileFormatError: It is not a video, is damaged, or changes its size on the way.

    Examples:
        >>> import tempfile
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from tabular_labels.video.writer import write_video
        >>> path = Path(tempfile.mkdtemp()) / "grey.mp4"
        >>> write_video(path, (np.full((32, 48, 3), 10 * k, np.uint8) for k in range(20)), fps=25)
        20
        >>> read_frames(path, [15, 3, 15]).mean(axis=(1, 2, 3)).round(-1).tolist()
        [150.0, 30.0, 150.0]
    """
    return MediaFrames(path, grayscale=False).read(indices)


def iterate_frames(
    path: PathLike, indices: Iterable[int] | IntArray
) -> Iterator[tuple[int, Image]]:
    """Read frames of a video file one after the other.

    Args:
        path: A media file.
        indices: 0-based indices in presentation order; order and repeats do not matter.

    Yields:
        Each frame index once, ascending, with its picture: uint8 (height, width, 3), RGB.

    Raises:
        FileNotFoundError: There is no such file.
        MissingFrameError: The video ends before a frame.
        FileFormatError: It is not a video, or is damaged.
    """
    return MediaFrames(path, grayscale=False).iterate(indices)
