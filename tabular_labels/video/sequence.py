"""Videos of which every frame is a file of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from tabular_labels._types import IntArray, PathLike
from tabular_labels.errors import MissingVideoError
from tabular_labels.video.convert import Image
from tabular_labels.video.frames import Frames, missing_frame
from tabular_labels.video.pictures import PictureDecoder

__all__ = ["PictureFrames"]


class PictureFrames(Frames):
    """One picture file for each frame: PNG, JPEG, BMP, TIFF (its first page) or WebP.

    Args:
        filenames: The files, in frame order.
        grayscale: True for brightness alone, False for RGB, None for what is kept.
    """

    def __init__(self, filenames: Sequence[PathLike], *, grayscale: bool | None = None) -> None:
        self.filenames = [os.fspath(name) for name in filenames]
        super().__init__(next(iter(self.filenames), "pictures"), grayscale=grayscale)

    @property
    def n_frames(self) -> int:
        """Number of files."""
        return len(self.filenames)

    def _size(self) -> tuple[int, int, int]:
        if not self.filenames:
            raise missing_frame(self.name, 0, 0)
        return PictureDecoder().size(_read(self.filenames[0]), self.filenames[0], "the file")

    def _decode(self, wanted: IntArray | None, *, grey: bool | None) -> Iterator[tuple[int, Image]]:
        if wanted is not None and wanted[-1] >= self.n_frames:
            raise missing_frame(self.name, int(wanted[-1]), self.n_frames)
        decoder = PictureDecoder()
        for frame_idx in range(self.n_frames) if wanted is None else wanted.tolist():
            path = self.filenames[frame_idx]
            yield frame_idx, decoder.decode(_read(path), path, "the file", grey=grey)


def _read(path: str) -> bytes:
    if not Path(path).is_file():  # nor a device or a pipe, which may never end
        raise MissingVideoError(path)
    return Path(path).read_bytes()
