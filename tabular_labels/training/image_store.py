"""Images of examples, kept in memory or read from the videos again and again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from threading import local
from typing import Any, Literal, Protocol, TypeAlias

import numpy as np

from tabular_labels._types import BoolArray, IntArray, Progress
from tabular_labels.errors import QueryError
from tabular_labels.model.counting import Counter
from tabular_labels.model.pictures import PictureFormat
from tabular_labels.model.pixels import Image
from tabular_labels.training.wanted import WantedImages
from tabular_labels.video.encoding import encode_frames
from tabular_labels.video.pictures import PictureDecoder

__all__ = [
    "Encoding",
    "ImageStore",
    "KeptImages",
    "VideoImages",
    "as_form",
    "keep_images",
    "read_video",
]

Encoding: TypeAlias = Literal["auto", "raw", "png", "jpg"]
"""How kept images are encoded; ``"auto"`` is raw while that takes little memory, else PNG."""

MOST_RAW = 2**30
"""Bytes up to which images are kept raw when nobody says how."""

_MOST_WORKERS = 8
_ON_THREAD = local()


class _Numbered(Protocol):
    """Bytes by number."""

    def __getitem__(self, number: int, /) -> Any: ...


class ImageStore(Protocol):
    """Images by their number among those that are wanted."""

    def read(self, numbers: IntArray) -> list[Image]:
        """Return images in the asked order; repeats are allowed."""
        ...


@dataclass(frozen=True)
class VideoImages:
    """Images read from the videos whenever they are asked for."""

    wanted: WantedImages

    def read(self, numbers: IntArray) -> list[Image]:
        """Read images, those of a video in one pass over its groups of pictures."""
        asked, places = np.unique(numbers, return_inverse=True)
        chosen = replace(
            self.wanted,
            video_inds=self.wanted.video_inds[asked],
            frame_inds=self.wanted.frame_inds[asked],
        )
        images = [
            np.ascontiguousarray(image)
            for video, run in chosen.runs()
            for _, image in chosen.sources[video].iterate(chosen.frame_inds[run])
        ]
        return [images[place] for place in places.tolist()]


@dataclass(frozen=True)
class KeptImages:
    """Images that were read once.

    Attributes:
        data: An encoded picture, or the pixels of an image, for each number.
        shapes: int32 (n_images, 3): height, width and channels of images kept as pixels, 0
            for encoded pictures.
        is_grey: Which images have one channel.
        is_swapped: In which pictures red and blue stand in each other's place.
        name: Where they are, for messages.
    """

    data: _Numbered
    shapes: IntArray
    is_grey: BoolArray
    is_swapped: BoolArray
    name: str = "memory"

    def read(self, numbers: IntArray) -> list[Image]:
        """Return images; encoded ones are decoded in parallel."""
        asked = numbers.tolist()
        if len(asked) < 2 or not (self.shapes[numbers, 0] == 0).any():
            return [self._image(number) for number in asked]
        return list(_executor().map(self._image, asked))

    def _image(self, number: int) -> Image:
        data, shape = self.data[number], self.shapes[number]
        if shape[0]:
            return np.frombuffer(data, np.uint8).reshape(shape)
        return _decoder().decode(
            bytes(data),
            self.name,
            f"image {number}",
            grey=bool(self.is_grey[number]),
            swapped=bool(self.is_swapped[number]),
        )


def _decoder() -> PictureDecoder:
    """Return a decoder of this thread's own."""
    made: PictureDecoder | None = getattr(_ON_THREAD, "decoder", None)
    if made is None:
        made = _ON_THREAD.decoder = PictureDecoder()
    return made


class _Executors:
    """Threads that decode, of this process: a forked child has none of its parent's."""

    def __init__(self) -> None:
        self.process = 0
        self.executor: ThreadPoolExecutor | None = None

    def get(self) -> ThreadPoolExecutor:
        if self.executor is None or self.process != os.getpid():
            workers = min(os.cpu_count() or 1, _MOST_WORKERS)
            self.process, self.executor = os.getpid(), ThreadPoolExecutor(workers, "decode")
        return self.executor


_EXECUTORS = _Executors()
_executor = _EXECUTORS.get


def as_form(encoding: str, wanted: WantedImages) -> PictureFormat:
    """Say how images are kept in memory.

    Raises:
        QueryError: Unknown encoding. A ``ValueError``.
    """
    if encoding == "auto":
        sizes = wanted.sizes()
        n_bytes = sum(
            (run.stop - run.start) * int(np.prod(sizes[video])) for video, run in wanted.runs()
        )
        return "" if n_bytes <= MOST_RAW else "png"
    forms: dict[str, PictureFormat] = {"raw": "", "png": "png", "jpg": "jpg"}
    if encoding not in forms:
        message = (
            f"encoding: found {encoding!r}, expected one of 'auto', 'raw', 'png', 'jpg'. "
            "Use 'png' to keep every pixel in little memory."
        )
        raise QueryError(message)
    return forms[encoding]


def keep_images(
    wanted: WantedImages, encoding: str = "auto", progress: Progress | None = None
) -> KeptImages:
    """Read images in one pass over each video, and keep them in memory.

    Pictures that a training package holds in the same form are kept as they are.

    Args:
        wanted: Which images.
        encoding: See `Encoding`.
        progress: Called with images done and in all; False cancels.

    Raises:
        ExportCancelledError: It was cancelled.
        MissingVideoError: A file is not there.
        MissingFrameError: A video has no such frame.
        FileFormatError: A file is damaged.
    """
    form = as_form(encoding, wanted)
    counter = Counter(progress, len(wanted))
    data: list[Any] = []
    shapes = np.zeros((len(wanted), 3), np.int32)
    is_grey, is_swapped = (np.zeros(len(wanted), np.bool_) for _ in range(2))
    for video, run in wanted.runs():
        is_grey[run] = wanted.sources[video].shape[3] == 1
        for picture, is_bgr in counter.counted(read_video(wanted, video, run, form)):
            is_swapped[len(data)] = is_bgr
            if not isinstance(picture, bytes):
                shapes[len(data)] = picture.shape
            data.append(picture)
    return KeptImages(data, shapes, is_grey, is_swapped)


def read_video(
    wanted: WantedImages, video: int, run: slice, form: PictureFormat
) -> Iterator[tuple[bytes | Image, bool]]:
    """Yield the images of one video, and whether red and blue are swapped."""
    source, inds = wanted.sources[video], np.asarray(wanted.frame_inds[run])
    if not form:
        # NOTE: a copy, since what is yielded may be a view of what the decoder fills next.
        images = (np.array(image, order="C") for _, image in source.iterate(inds))
        yield from ((image, False) for image in images)
        return
    pictures = encode_frames(source, inds, form)
    is_bgr = pictures.channel_order == "BGR"
    make = partial(_as_bytes, is_bgr)
    yield from map(make, pictures.rows)


def _as_bytes(is_bgr: bool, row: tuple[int, Any]) -> tuple[bytes, bool]:
    return bytes(row[1]), is_bgr
