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
from tabular_labels.errors import FileFormatError, MissingVideoError
from tabular_labels.video.convert import is_grey_format, shown_size

__all__ = ["FrameIndex", "explained", "file_state", "index_video", "open_video"]

Times = npt.NDArray[np.int64]

# Containers that hold their pictures themselves. Play lists and the like would make a
# "video" read whatever files or addresses it names.
_CONTAINERS = (
    "3gp,apng,asf,av1,avi,flv,gif,h264,hevc,ivf,m4v,matroska,mjpeg,mov,mp4,mpeg,mpegts,"
    "mpegvideo,mxf,nut,obu,ogg,webm,yuv4mpegpipe"
)
# These store not every presentation time: FFmpeg makes them up, wrongly where frames are reordered.
_WITHOUT_TIMES = frozenset({"avi", "h264", "hevc", "m4v", "mpeg", "mpegvideo", "obu"})
_MOST_THREADS = 8
_REMEDY = "Restore the file from a copy, or encode it again, for example as H.264 in .mp4."


@dataclass(frozen=True)
class FrameIndex:
    """The presented frames of one video file.

    Attributes:
        times: int64 (n_frames,): when frame k is presented, ascending, in units of the
            stream's time base. None when the file's timestamps do not tell; then frame k
            is the k-th one that decoding from the start gives.
        keys: int64 (n_keys,): frame indices at which decoding can start, ascending. The
            first may stand for a key frame that is not shown itself.
        key_times: int64 (n_keys,): presentation times of those key frames.
        key_dts: int64 (n_keys,): when they are decoded, for containers that seek by it.
        height: Pixels, as shown.
        width: Pixels, as shown.
        is_grey: Whether the pictures are kept as brightness alone.
        fps: Average frames per second; None when the file does not say.
    """

    times: Times | None
    keys: Times
    key_times: Times
    key_dts: Times
    height: int
    width: int
    is_grey: bool
    fps: float | None

    @property
    def n_frames(self) -> int | None:
        """Number of frames; None when only decoding the whole file can tell."""
        return None if self.times is None else len(self.times)


@contextmanager
def explained(path: PathLike, place: str) -> Iterator[None]:
    """Turn what FFmpeg says about damaged bytes into our error."""
    try:
        yield
    except av.error.FFmpegError as error:
        found = f"something FFmpeg cannot read ({_first_line(error)})"
        raise _broken(path, place, found, "a video") from error


def open_video(path: PathLike) -> tuple[InputContainer, VideoStream]:
    """Open the first video stream of a media file.

    Args:
        path: A file with pictures of its own; play lists and addresses are refused.

    Returns:
        The open container, to be closed by the caller, and its video stream.

    Raises:
        MissingVideoError: There is no such file.
        FileFormatError: It is not a video we can open.
    """
    _require_file(path)
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    with explained(path, "the file"):
        # The prefix keeps a name such as "concat:a|b" a name.
        container = av.open(f"file:{os.fspath(path)}", options=options)
    if not container.streams.video:
        container.close()
        raise _broken(path, "the file", "no video stream", "at least one")
    stream = container.streams.video[0]
    stream.thread_type = "AUTO"
    # Each thread holds a frame back; that many are enough for any size.
    stream.codec_context.thread_count = min(os.cpu_count() or 1, _MOST_THREADS)
    return container, stream


def index_video(path: PathLike) -> FrameIndex:
    """Index a video file; the answer is remembered until the file changes.

    All packets are read, one frame is decoded: about 50 ms for 3,000 frames.

    Args:
        path: A media file.

    Returns:
        When each frame is presented, and where decoding can start.

    Raises:
        MissingVideoError: There is no such file.
        FileFormatError: The file is not a video, or is damaged.
    """
    return _index(*file_state(path))


def file_state(path: PathLike) -> tuple[str, int, int]:
    """Say which file is at a path, when it was changed, and how large it is.

    Raises:
        MissingVideoError: There is no such file.
    """
    _require_file(path)
    state = Path(path).stat()
    return os.path.realpath(path), state.st_mtime_ns, state.st_size


@lru_cache(maxsize=64)
def _index(path: str, _changed: int, _size: int) -> FrameIndex:
    container, stream = open_video(path)
    with container, explained(path, "the table of contents"):
        packets = _presented(container, stream)
        fps = float(stream.average_rate) if stream.average_rate else None
    container, stream = open_video(path)
    with container, explained(path, "the first picture"):
        first = next(container.decode(stream), None)
        if first is None:
            raise _broken(path, "the pictures", "none that decodes", "at least one")
        is_guessed = container.format.name in _WITHOUT_TIMES and _may_reorder(stream)
    if packets is None or is_guessed or first.pts is None:
        return _unindexed(first, fps)
    # What was cut off before a key frame is in the file, but cannot be decoded.
    is_shown = packets[:, 3] == 0
    times = packets[is_shown & (packets[:, 0] >= first.pts), 0]
    if not len(times) or times[0] != first.pts or (np.diff(times) <= 0).any():
        return _unindexed(first, fps)
    keys = packets[packets[:, 2] == 1]
    place = np.searchsorted(times, keys[:, 0])
    keys, place = keys[place < len(times)], place[place < len(times)]
    # Of key frames before the first frame shown the last is the nearest.
    is_last = np.append(place[1:] > place[:-1], True)
    keys, place = keys[is_last], place[is_last]
    if not len(place) or place[0] > 0:
        return _unindexed(first, fps)
    return FrameIndex(times, place, keys[:, 0], keys[:, 1], *_facts(first), fps)


def _presented(container: InputContainer, stream: VideoStream) -> Times | None:
    """List pts, dts, whether it is a key frame and not to be shown, of each packet, by pts."""
    packets: list[tuple[int, int, bool, bool]] = []
    has_hidden = stream.codec_context.name == "vp8"
    for packet in container.demux(stream):
        if not packet.size:
            continue
        if has_hidden and not memoryview(packet)[0] & 0x10:  # VP8: not to be shown
            continue
        if packet.pts is None:
            return None
        dts = packet.pts if packet.dts is None else packet.dts
        packets.append((packet.pts, dts, packet.is_keyframe, packet.is_discard))
    return np.array(sorted(packets), np.int64).reshape(-1, 4)


def _unindexed(first: VideoFrame, fps: float | None) -> FrameIndex:
    nothing = np.zeros(0, np.int64)
    return FrameIndex(None, nothing, nothing, nothing, *_facts(first), fps)


def _may_reorder(stream: VideoStream) -> bool:
    """Tell whether frames may be shown in another order than they are stored in."""
    context = stream.codec_context
    if context.name in {"h264", "hevc", "av1", "vvc"}:  # may find out on the way
        return "Baseline" not in (context.profile or "")
    return bool(context.has_b_frames)


def _require_file(path: PathLike) -> None:
    if not Path(path).is_file():
        raise MissingVideoError(os.fspath(path))


def _facts(frame: VideoFrame) -> tuple[int, int, bool]:
    return (*shown_size(frame), is_grey_format(frame.format))


def _broken(path: PathLike, place: str, found: str, expected: str) -> FileFormatError:
    return FileFormatError(
        os.fspath(path), place=place, found=found, expected=expected, remedy=_REMEDY
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
