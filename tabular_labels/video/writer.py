"""Write pictures as a video file."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.video.stream import VideoStream

from tabular_labels._types import PathLike
from tabular_labels.errors import FileFormatError

__all__ = ["write_video"]

_ENCODERS = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "mpeg4": {"qscale": "3"},
}
_SUFFIXES = (".avi", ".mkv", ".mov", ".mp4")


def write_video(path: PathLike, frames: Iterable[npt.NDArray[np.uint8]], fps: float) -> int:
    """Encode pictures as a video file, which appears when it is whole.

    Compression changes pixels a little. Existing files are replaced.

    Args:
        path: Where to write, ending in ``.mp4``, ``.mkv``, ``.mov`` or ``.avi``. Its
            directory must exist.
        frames: uint8 (height, width, 3) RGB or (height, width) or (height, width, 1)
            grey, all of one size; taken one at a time.
        fps: Frames per second.

    Returns:
        The number of frames written.

    Raises:
        FileFormatError: Unknown suffix, no frames, or a frame of another shape or dtype.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "black.mp4"
        >>> write_video(path, (np.zeros((48, 64), np.uint8) for _ in range(5)), fps=30)
        5
    """
    target = Path(path)
    if target.suffix.lower() not in _SUFFIXES:
        raise _refused(
            path, "the name", f"suffix {target.suffix!r}", f"one of {', '.join(_SUFFIXES)}"
        )
    waiting = iter(frames)
    first = next(waiting, None)
    if first is None:
        raise _refused(path, "the pictures", "none", "at least one")
    shape = first.shape
    if len(shape) not in (2, 3) or shape[2:] not in ((), (1,), (3,)) or not first.size:
        raise _refused(path, "frame 0", f"shape {shape}", "(height, width, 3) or (height, width)")
    if not 0 < fps < np.inf:
        raise _refused(path, "the frame rate", f"{fps}", "a number above 0")
    with _appearing(target) as temporary, av.open(os.fspath(temporary), "w") as container:
        stream = _add_stream(container, shape, fps)
        n_frames = 0
        for image in chain([first], waiting):
            if image.shape != shape or image.dtype != np.uint8:
                found, expected = f"{image.dtype} {image.shape}", f"uint8 {shape}, as the first"
                raise _refused(path, f"frame {n_frames}", found, expected)
            container.mux(stream.encode(_to_frame(image)))
            n_frames += 1
        container.mux(stream.encode(None))
    return n_frames


def _add_stream(container: OutputContainer, shape: tuple[int, ...], fps: float) -> VideoStream:
    name = next(name for name in _ENCODERS if _can_encode(name))
    rate = Fraction(fps).limit_denominator(1001)
    stream = container.add_stream(name, rate=rate, options=dict(_ENCODERS[name]))
    assert isinstance(stream, VideoStream)  # by the choice of encoders
    stream.height, stream.width = shape[:2]
    # Halved colour planes need even sizes; padding would invent pixels.
    is_even = not (shape[0] % 2 or shape[1] % 2)
    stream.pix_fmt = "yuv420p" if is_even or name == "mpeg4" else "yuv444p"
    return stream


def _can_encode(name: str) -> bool:
    try:
        av.codec.Codec(name, "w")
    except UnknownCodecError:
        return False
    return True


def _to_frame(image: npt.NDArray[np.uint8]) -> av.VideoFrame:
    if image.ndim == 3 and image.shape[2] == 3:
        return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
    grey = np.ascontiguousarray(image.reshape(image.shape[:2]))
    return av.VideoFrame.from_ndarray(grey, format="gray")


@contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """Yield a path beside the target, with its suffix; rename when the block succeeds."""
    temporary = target.with_name(f".{target.stem[:40]}.{uuid.uuid4().hex}{target.suffix}")
    try:
        yield temporary
        temporary.replace(target)
    except BaseException:
        with suppress(OSError):  # the first error matters more
            temporary.unlink()
        raise


def _refused(path: PathLike, place: str, found: str, expected: str) -> FileFormatError:
    remedy = "Give pictures and a name of that kind; nothing was written."
    return FileFormatError(
        os.fspath(path), place=place, found=found, expected=expected, remedy=remedy
    )
