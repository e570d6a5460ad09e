"""Frames of a video as encoded pictures: copied where they are so already."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from heapq import merge
from operator import itemgetter
from typing import TypeVar

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.errors import FileFormatError
from tabular_labels.model.pictures import EncodedPictures, PictureFormat
from tabular_labels.video.backends import EmbeddedFrames
from tabular_labels.video.convert import Image
from tabular_labels.video.frames import Frames
from tabular_labels.video.pictures import encode_picture

__all__ = ["encode_frames", "in_parallel"]

_MOST_WORKERS = 8
A = TypeVar("A")
B = TypeVar("B")


def encode_frames(frames: Frames, wanted: IntArray, form: PictureFormat) -> EncodedPictures:
    """Encode frames, a few at a time and in parallel; nothing is read before it is taken.

    Pictures that a training package holds in the same form are copied byte for byte.

    Args:
        frames: The video.
        wanted: Frame indices, ascending and without repeats.
        form: ``"png"``, ``"jpg"``, or empty for arrays.

    Raises:
        MissingVideoError: There is no such file. Also while pictures are taken, as are
        MissingFrameError: The video has no such frame.
        FileFormatError: The file is damaged; or arrays, which have one shape, are asked
            for and a frame is of another size.
    """
    if not len(wanted):
        return EncodedPictures(wanted, iter(()), form, "RGB", (0, 0, 0))
    kept, order, size = np.zeros(len(wanted), bool), "RGB", frames.shape[1:]
    if isinstance(frames, EmbeddedFrames) and form:
        facts = frames.facts()
        if facts.form == form:
            kept = facts.has(wanted)
        if kept.any():
            order, size = "BGR" if facts.is_swapped else "RGB", frames.kept_size()
    parts: list[Iterator[tuple[int, bytes | Image]]] = []
    if kept.any() and isinstance(frames, EmbeddedFrames):
        parts.append(frames.encoded(wanted[kept]))
    if not kept.all():
        images = frames.iterate(wanted[~kept], grayscale=size[2] == 1)
        if form:
            parts.append(in_parallel(images, partial(_encode, form=form, order=order)))
        else:
            parts.append(_of_one_size(images, frames.name, size))
    return EncodedPictures(wanted, merge(*parts, key=itemgetter(0)), form, order, size)


def _of_one_size(
    images: Iterable[tuple[int, Image]], name: str, size: tuple[int, int, int]
) -> Iterator[tuple[int, Image]]:
    for frame_idx, image in images:
        if image.shape != size:
            raise FileFormatError(
                name,
                place=f"frame {frame_idx}",
                found=f"an image of shape {image.shape}",
                expected=f"{size}, as the others",
                remedy="Arrays have one size: keep encoded pictures, or make all of one size.",
            )
        yield frame_idx, np.ascontiguousarray(image)


def _encode(image: Image, *, form: str, order: str) -> bytes:
    return encode_picture(image[..., ::-1] if order == "BGR" else image, form)


def in_parallel(items: Iterable[tuple[int, A]], work: Callable[[A], B]) -> Iterator[tuple[int, B]]:
    """Do work on items in threads, and yield the results in order.

    A few items at a time are taken, so that memory stays bounded.

    Examples:
        >>> list(in_parallel(enumerate("ab"), str.upper))
        [(0, 'A'), (1, 'B')]
    """
    workers = min(os.cpu_count() or 1, _MOST_WORKERS)
    waiting: deque[tuple[int, Future[B]]] = deque()
    with ThreadPoolExecutor(workers) as executor:
        try:
            for key, item in items:
                waiting.append((key, executor.submit(work, item)))
                if len(waiting) > 2 * workers:
                    first, result = waiting.popleft()
                    yield first, result.result()
            while waiting:
                first, result = waiting.popleft()
                yield first, result.result()
        finally:
            for _, result in waiting:
                result.cancel()
