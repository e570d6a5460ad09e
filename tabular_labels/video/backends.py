"""Every kind of video, opened from what a project stores about it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from heapq import merge
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.errors import MissingFrameError
from tabular_labels.model.backends import (
    HDF5Video,
    ImageSequenceVideo,
    ImgStoreVideo,
    NumpyVideo,
    VideoBackend,
    as_backend,
)
from tabular_labels.video.arrays import ArrayFrames, read_array
from tabular_labels.video.convert import Image
from tabular_labels.video.embedded import Embedded, open_embedded
from tabular_labels.video.frames import Frames, missing_frame
from tabular_labels.video.imgstore import StoreFrames
from tabular_labels.video.index import file_state
from tabular_labels.video.pool import FILES
from tabular_labels.video.reader import MediaFrames
from tabular_labels.video.sequence import PictureFrames

__all__ = ["EmbeddedFrames", "open_frames"]

# A source may have a source; more than that is somebody's trick.
_DEEPEST = 4


def open_frames(
    filename: str, backend: VideoBackend, *, grayscale: bool | None = None, depth: int = 0
) -> Frames:
    """Return a video's pictures; nothing is opened before one is asked for.

    Args:
        filename: Where the file is.
        backend: What is stored about opening it.
        grayscale: True for brightness alone, False for RGB, None for what is kept.
        depth: How many embedded videos led here.

    Examples:
        >>> open_frames("a.mp4", as_backend({"filename": "a.mp4"})).name
        'a.mp4'
    """
    if isinstance(backend, HDF5Video):
        return EmbeddedFrames(filename, backend, grayscale=grayscale, depth=depth)
    if isinstance(backend, ImageSequenceVideo):
        names = backend.filenames
        # A video that was found elsewhere took its pictures along.
        if names and filename and names[0] != filename and Path(filename).is_file():
            folder = Path(filename).parent
            names = [os.fspath(folder / Path(name).name) for name in names]
        return PictureFrames(names, grayscale=grayscale)
    if isinstance(backend, ImgStoreVideo):
        return StoreFrames(filename, by_original=backend.index_by_original, grayscale=grayscale)
    if isinstance(backend, NumpyVideo):
        return ArrayFrames(read_array(filename), filename, grayscale=grayscale)
    return MediaFrames(filename, grayscale=grayscale)


class EmbeddedFrames(Frames):
    """Pictures in an HDF5 file; frames that are not in it come from the source video.

    Args:
        path: The file.
        backend: What is stored about it.
        grayscale: True for brightness alone, False for RGB, None for what is kept.
        depth: How many embedded videos led here.
    """

    def __init__(
        self,
        path: str,
        backend: HDF5Video,
        *,
        grayscale: bool | None = None,
        depth: int = 0,
    ) -> None:
        super().__init__(path, grayscale=grayscale)
        self.backend = backend
        self._depth = depth

    @property
    def n_frames(self) -> int:
        """One more than the last frame index in the file."""
        inds = self.frame_inds
        return int(inds[-1]) + 1 if len(inds) else 0

    @property
    def frame_inds(self) -> IntArray:
        """int64: the frame indices in the file."""
        with FILES.borrow(self._key(), self._open) as file:
            return file.frame_inds

    def encoded(self, wanted: IntArray) -> Iterator[tuple[int, bytes]]:
        """Yield pictures as they are kept, ascending; they must be there, and encoded."""
        with FILES.borrow(self._key(), self._open) as file:
            yield from file.encoded(wanted)

    def facts(self) -> Embedded:
        """Return what the file says about its pictures, for reading attributes only."""
        with FILES.borrow(self._key(), self._open) as file:
            return file

    def kept_size(self) -> tuple[int, int, int]:
        """Return height, width and channels of the pictures in the file."""
        return self._size()

    def source(self) -> Frames | None:
        """Return the pictures of the video that these were taken from, if it is known."""
        entry: Mapping[str, Any] | None = self.backend.source_video or self.facts().source
        if entry is None or self._depth >= _DEEPEST:
            return None
        inner = entry.get("backend", entry)
        if not isinstance(inner, Mapping):
            return None
        backend = as_backend({**inner}, str(entry.get("filename", "")))
        name = backend.filename or str(entry.get("filename", ""))
        if not name or name == ".":
            return None
        return open_frames(name, backend, grayscale=self.grayscale, depth=self._depth + 1)

    def _size(self) -> tuple[int, int, int]:
        with FILES.borrow(self._key(), self._open) as file:
            return file.first_size()

    def _decode(self, wanted: IntArray | None, *, grey: bool | None) -> Iterator[tuple[int, Image]]:
        with FILES.borrow(self._key(), self._open) as file:
            wanted = file.frame_inds if wanted is None else wanted
            if grey is None and file.size is not None:
                grey = file.size[2] == 1  # also where the source has colours
            is_here = file.has(wanted)
            parts: list[Iterator[tuple[int, Image]]] = [file.iterate(wanted[is_here], grey=grey)]
            if not is_here.all():
                parts.append(self._from_source(wanted[~is_here], grey=grey))
            yield from merge(*parts, key=itemgetter(0))

    def _from_source(self, wanted: IntArray, *, grey: bool | None) -> Iterator[tuple[int, Image]]:
        source = self.source()
        if source is None:
            raise self._absent(int(wanted[0]), "it names no source video")
        if not Path(source.name).exists():
            raise self._absent(int(wanted[0]), f"its source video {source.name} is not there")
        yield from source.iterate(wanted, grayscale=grey)

    def _absent(self, frame_idx: int, reason: str) -> MissingFrameError:
        inds = self.frame_inds
        if self.source() is None and np.array_equal(inds, np.arange(len(inds))):
            return missing_frame(self.name, frame_idx, len(inds))
        return MissingFrameError(
            self.name,
            place=f"frame {frame_idx}",
            found=f"no such frame among the {len(inds)} embedded ones, and {reason}",
            expected=f"one of {_shown(inds)}",
            remedy="Ask for a frame that is embedded, or restore the source video.",
        )

    def _key(self) -> tuple[object, ...]:
        backend = self.backend
        return (
            *file_state(self.name),
            backend.dataset,
            backend.input_format,
            backend.convert_range,
        )

    def _open(self) -> Embedded:
        backend = self.backend
        return open_embedded(
            self.name, backend.dataset, backend.input_format, scaled=backend.convert_range
        )


def _shown(inds: IntArray) -> str:
    some = ", ".join(map(str, inds[:6]))
    return f"{some}, ... {inds[-1]}" if len(inds) > 6 else some or "none"
