"""Pictures of a video file, each exactly the frame that was asked for."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, dropwhile

import av
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tabular_labels._types import IntArray, PathLike
from tabular_labels.errors import FileFormatError
from tabular_labels.video.index import FrameIndex, index_video, open_video

__all__ = ["Image", "iterate_frames", "read_frame", "read_frames"]

Image = npt.NDArray[np.uint8]

# Decoding so many frames for nothing costs less than a seek.
_NEAR = 8


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
        FileFormatError: It is not a video, is damaged, or ends before the frame.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from tabular_labels.video.writer import write_video
        >>> path = Path(tempfile.mkdtemp()) / "grey.mp4"
        >>> levels = (np.full((32, 48, 3), 10 * k, np.uint8) for k in range(20))
        >>> write_video(path, levels, fps=25)
        20
        >>> read_frame(path, 12).shape, round(float(read_frame(path, 12).mean()), -1)
        ((32, 48, 3), 120.0)
    """
    for _, image in iterate_frames(path, [frame_idx]):
        return image
    raise AssertionError  # iterate_frames yields what was asked for, or raises


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
        FileFormatError: It is not a video, is damaged, ends before a frame, or changes
            its size on the way.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from tabular_labels.video.writer import write_video
        >>> path = Path(tempfile.mkdtemp()) / "grey.mp4"
        >>> write_video(path, (np.full((32, 48, 3), 10 * k, np.uint8) for k in range(20)), fps=25)
        20
        >>> read_frames(path, [15, 3, 15]).mean(axis=(1, 2, 3)).round(-1).tolist()
        [150.0, 30.0, 150.0]
    """
    asked = np.asarray(indices, dtype=np.int64)
    index = index_video(path)
    images = np.zeros((len(asked), index.height, index.width, 3), np.uint8)
    for frame_idx, image in iterate_frames(path, asked):
        if image.shape != images.shape[1:]:
            raise FileFormatError(
                os.fspath(path),
                place=f"frame {frame_idx}",
                found=f"{image.shape[1]} x {image.shape[0]} pixels",
                expected=f"{index.width} x {index.height} as in the first frame",
                remedy="Read its frames one by one, or encode the video again in one size.",
            )
        images[asked == frame_idx] = image
    return images


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
        FileFormatError: It is not a video, is damaged, or ends before a frame.
    """
    asked = indices if isinstance(indices, np.ndarray) else list(indices)
    wanted = np.unique(np.asarray(asked, dtype=np.int64))
    index = index_video(path)
    if len(wanted) and (wanted[0] < 0 or (index.n_frames or wanted[-1] + 1) <= wanted[-1]):
        bad = wanted[0] if wanted[0] < 0 else wanted[-1]
        raise _absent(path, int(bad), index.n_frames)
    with open_video(path) as (container, stream):
        for run in _split_runs(wanted, index):
            left = len(run)
            for frame_idx, frame in _decode_run(container, stream, index, run):
                yield frame_idx, _to_image(frame)
                left -= 1
            if left:  # no key frame leads there: count from the start
                yield from _decode_counting(path, run[-left:])


def _split_runs(wanted: IntArray, index: FrameIndex) -> list[IntArray]:
    """Cut wanted indices where seeking to a later key frame saves decoding."""
    if not len(wanted):
        return []
    last_key = np.searchsorted(index.keys, wanted, side="right")
    skips_a_key = np.diff(last_key) > 0
    return np.split(wanted, np.flatnonzero(skips_a_key & (np.diff(wanted) > _NEAR)) + 1)


def _decode_run(
    container: InputContainer, stream: VideoStream, index: FrameIndex, run: IntArray
) -> Iterator[tuple[int, VideoFrame]]:
    """Yield a run's first frames in order, as far as seeking leads there."""
    if index.times is None:
        return
    wanted = {int(index.times[k]): int(k) for k in run}
    for target in _landings(index, int(run[0])):
        waiting, before = deque(wanted), -np.inf
        for frame in _decode_from(container, stream, index, target, waiting[0]):
            # Timestamps that go back, or pass over a frame, say nothing.
            if frame.pts is None or frame.pts <= before or frame.pts > waiting[0]:
                break
            before = frame.pts
            if frame.pts == waiting[0]:
                yield wanted[waiting.popleft()], frame
            if not waiting:
                return
        if len(waiting) < len(wanted):
            return


def _landings(index: FrameIndex, frame_idx: int) -> Iterator[int]:
    """List timestamps to seek, the nearest before a frame first."""
    assert index.times is not None  # asked by `_decode_run` only
    place = int(np.searchsorted(index.keys, frame_idx, side="right")) - 1
    for back in (0, 1, 2, 4, 8):
        if place >= back:
            yield int(index.times[index.keys[place - back]])
            yield int(index.key_dts[place - back])


def _decode_from(
    container: InputContainer, stream: VideoStream, index: FrameIndex, target: int, wanted: int
) -> Iterator[VideoFrame]:
    """Seek and decode from the next key frame; nothing when that is later than wanted."""
    assert index.times is not None  # asked by `_decode_run` only
    try:
        container.seek(target, stream=stream, backward=True)
    except av.error.FFmpegError:  # some containers cannot seek
        return
    packets = dropwhile(lambda packet: not packet.is_keyframe, container.demux(stream))
    first = next(packets, None)
    if first is None or first.pts is None or first.pts > wanted:
        return
    if first.pts not in index.times[index.keys]:
        return  # after a seek this container tells other times
    # What is shown before the key frame may refer to what was not decoded.
    for packet in chain([first], packets):
        yield from (f for f in packet.decode() if f.pts is None or f.pts >= first.pts)


def _decode_counting(path: PathLike, run: IntArray) -> Iterator[tuple[int, Image]]:
    """Decode from the start and count: slow, and right without timestamps."""
    wanted = {int(k) for k in run}
    last, n_frames = max(wanted), 0
    with open_video(path) as (container, stream):
        for frame_idx, frame in enumerate(container.decode(stream)):
            n_frames = frame_idx + 1
            if frame_idx in wanted:
                yield frame_idx, _to_image(frame)
            if frame_idx == last:
                return
    raise _absent(path, min(k for k in wanted if k >= n_frames), n_frames)


def _to_image(frame: VideoFrame) -> Image:
    image: Image = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    turns = round(frame.rotation / 90) % 4  # anticlockwise, as phones store portrait videos
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _absent(path: PathLike, frame_idx: int, n_frames: int | None) -> FileFormatError:
    last = "or more" if n_frames is None else f"to {n_frames - 1}: the video has {n_frames} frames"
    return FileFormatError(
        os.fspath(path),
        place=f"frame {frame_idx}",
        found="no such frame",
        expected=f"an index from 0 {last}",
        remedy="Ask for a frame within the video, or check that it is the video of these labels.",
    )
