"""When each frame of a video file is presented, learned without decoding it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tabular_labels._types import PathLike
from tabular_labels.errors import FileFormatError

__all__ = ["FrameIndex", "index_video", "open_video"]

Times = npt.NDArray[np.int64]

# Containers that hold their pictures themselves. Play lists and the like would make a
# "video" read whatever files or addresses it names.
_CONTAINERS = (
    "3gp,apng,asf,av1,avi,flv,gif,h264,hevc,ivf,m4v,matroska,mjpeg,mov,mp4,mpeg,mpegts,"
    "mpegvideo,mxf,nut,obu,ogg,webm,yuv4mpegpipe"
)
# These store not every presentation time: FFmpeg makes them up, wrongly where frames are reordered.
_WITHOUT_TIMES = frozenset({"avi", "h264", "hevc", "m4v", "mpeg", "mpegvideo", "obu"})
_REMEDY = "Restore the file from a copy, or encode it again, for example as H.264 in .mp4."


@dataclass(frozen=True)
class FrameIndex:
    """The presented frames of one video file.

    Attributes:
        times: int64 (n_frames,): when frame k is presented, ascending, in units of the
            stream's time base. None when the file's timestamps do not tell; then frame k
            is the k-th one that decoding from the start gives.
        keys: int64 (n_keys,): frame indices at which decoding can start.
        key_dts: int64 (n_keys,): when those are decoded, for containers that seek by it.
        height: Pixels, as shown.
        width: Pixels, as shown.
        fps: Average frames per second; None when the file does not say.
    """

    times: Times | None
    keys: Times
    key_dts: Times
    height: int
    width: int
    fps: float | None

    @property
    def n_frames(self) -> int | None:
        """Number of frames; None when only decoding the whole file can tell."""
        return None if self.times is None else len(self.times)


@contextmanager
def open_video(path: PathLike) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open the first video stream of a media file.

    Args:
        path: A file with pictures of its own; play lists and addresses are refused.

    Yields:
        The open container and its video stream.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is not a video we can open, or damage shows up while it is open.
    """
    _require_file(path)
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    try:
        # The prefix keeps a name such as "concat:a|b" a name.
        with av.open(f"file:{os.fspath(path)}", options=options) as container:
            if not container.streams.video:
                raise _broken(path, "the file", "no video stream", "at least one")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            yield container, stream
    except av.error.FFmpegError as error:
        found = f"something FFmpeg cannot read ({_first_line(error)})"
        raise _broken(path, "the file", found, "a video") from error


def index_video(path: PathLike) -> FrameIndex:
    """Index a video file; the answer is remembered until the file changes.

    All packets are read, one frame is decoded: about 50 ms for 3,000 frames.

    Args:
        path: A media file.

    Returns:
        When each frame is presented, and where decoding can start.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: The file is not a video, or is damaged.
    """
    _require_file(path)
    state = Path(path).stat()
    return _index(os.path.realpath(path), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=32)
def _index(path: str, _changed: int, _size: int) -> FrameIndex:
    with open_video(path) as (container, stream):
        packets = _presented(container, stream)
        fps = float(stream.average_rate) if stream.average_rate else None
    with open_video(path) as (container, stream):
        first = next(container.decode(stream), None)
        if first is None:
            raise _broken(path, "the pictures", "none that decodes", "at least one")
        is_guessed = container.format.name in _WITHOUT_TIMES and _may_reorder(stream)
    if packets is None or is_guessed or first.pts is None:
        return _unindexed(first, fps)
    # What was cut off before a key frame is in the file, but cannot be decoded.
    packets = packets[packets[:, 0] >= first.pts]
    times, keys = packets[:, 0], np.flatnonzero(packets[:, 2])
    if not len(keys) or times[0] != first.pts or (np.diff(times) <= 0).any():
        return _unindexed(first, fps)
    return FrameIndex(times, keys, packets[keys, 1], *_shown_size(first), fps)


def _presented(container: InputContainer, stream: VideoStream) -> Times | None:
    """List pts, dts and whether it is a key frame of each packet to be shown, by pts."""
    packets: list[tuple[int, int, bool]] = []
    has_hidden = stream.codec_context.name == "vp8"
    for packet in container.demux(stream):
        if not packet.size or packet.is_discard:
            continue
        if has_hidden and not memoryview(packet)[0] & 0x10:  # VP8: not to be shown
            continue
        if packet.pts is None:
            return None
        dts = packet.pts if packet.dts is None else packet.dts
        packets.append((packet.pts, dts, packet.is_keyframe))
    return np.array(sorted(packets), np.int64).reshape(-1, 3)


def _unindexed(first: VideoFrame, fps: float | None) -> FrameIndex:
    nothing = np.zeros(0, np.int64)
    return FrameIndex(None, nothing, nothing, *_shown_size(first), fps)


def _may_reorder(stream: VideoStream) -> bool:
    """Tell whether frames may be shown in another order than they are stored in."""
    context = stream.codec_context
    if context.name in {"h264", "hevc", "av1", "vvc"}:  # may find out on the way
        return "Baseline" not in (context.profile or "")
    return bool(context.has_b_frames)


def _require_file(path: PathLike) -> None:
    if not Path(path).is_file():
        message = (
            f"{os.fspath(path)}: found no such file, expected a video. Check the path: labels "
            "keep the one at which the video was when they were made."
        )
        raise FileNotFoundError(message)


def _shown_size(frame: VideoFrame) -> tuple[int, int]:
    is_upright = frame.rotation % 180 == 0
    return (frame.height, frame.width) if is_upright else (frame.width, frame.height)


def _broken(path: PathLike, place: str, found: str, expected: str) -> FileFormatError:
    return FileFormatError(
        os.fspath(path), place=place, found=found, expected=expected, remedy=_REMEDY
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
