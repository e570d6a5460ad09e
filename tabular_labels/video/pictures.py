"""Single pictures, encoded as PNG, JPEG and the like."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from tabular_labels._types import PathLike
from tabular_labels.errors import FileFormatError
from tabular_labels.video.convert import Converter, Image, is_grey_format, shown_size
from tabular_labels.video.png import encode_png

__all__ = ["FORMATS", "PictureDecoder", "encode_picture", "format_of"]

# How files of each kind begin.
_BEGINNINGS = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpg"),
    (b"BM", "bmp"),
    (b"II*\0", "tif"),
    (b"MM\0*", "tif"),
)
_DECODERS = {"png": "png", "jpg": "mjpeg", "bmp": "bmp", "tif": "tiff", "webp": "webp"}
_LARGEST = 2**28  # pixels; a few bytes may claim far more
_REMEDY = "Restore it from a copy, or save it again as PNG or JPEG."

FORMATS = frozenset({"png", "jpg"})
"""What pictures can be encoded as."""


def format_of(data: bytes) -> str | None:
    r"""Tell what a picture is encoded as from its first bytes.

    Examples:
        >>> format_of(b"\xff\xd8\xff\xe0"), format_of(b"<html>")
        ('jpg', None)
    """
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((form for start, form in _BEGINNINGS if data.startswith(start)), None)


class PictureDecoder:
    """Decodes pictures one after the other. Not for several threads at once."""

    def __init__(self) -> None:
        self._converter = Converter(alone=True)

    def decode(
        self, data: bytes, path: PathLike, place: str, *, grey: bool | None, swapped: bool = False
    ) -> Image:
        """Decode one picture.

        Args:
            data: An encoded picture.
            path: Where it comes from, for messages.
            place: Where in there, for messages.
            grey: Brightness alone, or RGB; None as the picture is.
            swapped: Whether red and blue stand in each other's place.

        Returns:
            uint8 (height, width, 3) RGB, or (height, width, 1). Transparency is left out,
            16 bits become 8.

        Raises:
            FileFormatError: It is no picture that we can decode.

        Examples:
            >>> data = encode_picture(np.full((4, 6, 1), 99, np.uint8), "png")
            >>> PictureDecoder().decode(data, "a.png", "the file", grey=None).shape
            (4, 6, 1)
        """
        frame = self._decode(data, path, place)
        grey_inside = is_grey_format(frame.format)
        if grey is None:
            grey = grey_inside
        if not swapped or grey_inside:
            return self._converter.to_image(frame, grey=grey)
        image = self._converter.to_image(frame, grey=False)[..., ::-1]
        if not grey:
            return image
        right = VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
        return self._converter.to_image(right, grey=True)

    def size(self, data: bytes, path: PathLike, place: str) -> tuple[int, int, int]:
        """Return height, width and channels of an encoded picture. Raises as `decode` does."""
        frame = self._decode(data, path, place)
        return (*shown_size(frame), 1 if is_grey_format(frame.format) else 3)

    def _decode(self, data: bytes, path: PathLike, place: str) -> VideoFrame:
        form = format_of(data)
        if form is None:
            found = f"bytes that begin with {data[:8]!r}"
            raise _broken(path, place, found, f"a picture ({', '.join(_DECODERS)})")
        # NOTE: one decoder for each: FFmpeg's PNG decoder takes what it remembers of the last
        # row of one picture for the row above the first one of the next.
        try:
            frames = _decoder(_DECODERS[form]).decode(av.Packet(data))
        except av.error.FFmpegError as error:
            found = f"a damaged picture ({str(error).splitlines()[0][:200]})"
            raise _broken(path, place, found, "a whole one") from error
        if not frames:
            raise _broken(path, place, "no whole picture", "one")
        return frames[0]


def _decoder(name: str) -> VideoCodecContext:
    context: Any = CodecContext.create(name, "r")
    # Threads would hold pictures back.
    context.thread_count = 1
    context.options = {"max_pixels": str(_LARGEST), "err_detect": "explode"}
    decoder: VideoCodecContext = context
    return decoder


def encode_picture(image: Image, form: str) -> bytes:
    """Encode a picture; PNG keeps every pixel.

    Args:
        image: uint8 (height, width, 3) RGB or (height, width, 1).
        form: ``"png"`` or ``"jpg"``.

    Examples:
        >>> encode_picture(np.zeros((4, 6, 3), np.uint8), "png")[1:4]
        b'PNG'
    """
    if form == "png":
        return encode_png(image)
    height, width, channels = image.shape
    context: Any = CodecContext.create("mjpeg", "w")
    context.width, context.height, context.time_base = width, height, Fraction(1, 30)
    context.thread_count = 1
    flat = np.ascontiguousarray(image if channels == 3 else image[..., 0])
    frame = VideoFrame.from_ndarray(flat, format="rgb24" if channels == 3 else "gray")
    context.pix_fmt = "yuvj444p" if channels == 3 else "yuvj420p"
    context.options = {"qmin": "2", "qmax": "2"}
    frame = frame.reformat(format=context.pix_fmt)
    return b"".join(map(bytes, _packets(context, frame)))


def _packets(context: Any, frame: VideoFrame) -> Iterator[Any]:
    yield from context.encode(frame)
    yield from context.encode(None)


def _broken(path: PathLike, place: str, found: str, expected: str) -> FileFormatError:
    return FileFormatError(
        os.fspath(path), place=place, found=found, expected=expected, remedy=_REMEDY
    )
