"""An open media file that gives frames by index, each the one that was asked for."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from itertools import chain, dropwhile

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from tabular_labels._types import IntArray, PathLike
from tabular_labels.video.convert import Converter
from tabular_labels.video.frames import missing_frame
from tabular_labels.video.index import FrameIndex, explained, index_video, open_video

__all__ = ["MediaFile"]

# Decoding so many frames for nothing costs less than a seek.
_NEAR = 8
# Decoders that can leave out frames no other frame refers to, and give the rest unchanged.
_CAN_SKIP = frozenset({"h264", "hevc", "mpeg1video", "mpeg2video", "mpeg4", "vp8"})


class MediaFile:
    """Decodes forward from where it stands, or from a key frame before what is asked for.

    Not for several threads at once.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = os.fspath(path)
        self.index: FrameIndex = index_video(path)
        self.converter = Converter()
        self._container: InputContainer
        self._stream: VideoStream
        self._open()
        self._key_times = frozenset(self.index.key_times.tolist())
        self._is_intra = self.index.n_frames == len(self._key_times)
        self._can_skip = self._stream.codec_context.name in _CAN_SKIP

    def close(self) -> None:
        """Close the file."""
        self._forget()
        self._container.close()

    def iterate(self, wanted: IntArray | None) -> Iterator[tuple[int, VideoFrame]]:
        """Yield frames in ascending order.

        Args:
            wanted: Ascending frame indices without repeats; None for all.

        Raises:
            FileFormatError: The file is damaged, or ends before a frame.
        """
        with explained(self.path, "the pictures"):
            if wanted is None:
                if self.index.times is None:
                    yield from self._count(None)
                    return
                wanted = np.arange(len(self.index.times))
            runs = _split_runs(wanted, self.index)
            for i, run in enumerate(runs):
                left = len(run)
                # Who reads one frame after the other goes on from here; others seek next.
                drain = i + 1 < len(runs) or not self._follows(int(run[0]))
                self._previous = int(run[-1])  # now, as nobody may ask for more than one frame
                for frame_idx, frame in self._decode_run(run, drain=drain):
                    yield frame_idx, frame
                    left -= 1
                if left:  # no key frame leads there: count from the start
                    yield from self._count(run[-left:])

    def _open(self) -> None:
        self._container, self._stream = open_video(self.path)
        self._previous = -1
        self._forget()

    def _forget(self) -> None:
        """Lose the place in the file."""
        self._packets: Iterator[Packet[VideoStream]] = iter(())
        self._ready: deque[VideoFrame] = deque()
        self._skipped: set[int] = set()
        self._shown: int | None = None  # timestamp of the last frame that came out
        self._first = 0  # of the key frame that decoding began with
        self._counter: Iterator[tuple[int, VideoFrame]] | None = None
        self._n_counted = 0

    def _follows(self, frame_idx: int) -> bool:
        return 0 < frame_idx - self._previous <= _NEAR

    # By timestamps

    def _decode_run(self, run: IntArray, *, drain: bool) -> Iterator[tuple[int, VideoFrame]]:
        """Yield a run's first frames in order, as far as seeking leads there."""
        if self.index.times is None:
            return
        wanted = dict(zip(self.index.times[run].tolist(), run.tolist(), strict=True))
        waiting = deque(wanted)
        while waiting:
            n_before = len(waiting)
            for _ in self._ways_to(wanted[waiting[0]], waiting):
                for frame in self._frames_up_to(wanted, waiting, drain=drain):
                    yield wanted[waiting.popleft()], frame
                if len(waiting) < n_before:
                    break
            if len(waiting) == n_before:
                return

    def _frames_up_to(
        self, wanted: dict[int, int], waiting: deque[int], *, drain: bool
    ) -> Iterator[VideoFrame]:
        """Yield the frames waited for, while timestamps make sense."""
        last = waiting[-1]
        for frame in self._decode_from_here(wanted, last, drain=drain):
            before, self._shown = self._shown, frame.pts
            # Timestamps that go back, or pass over a frame, say nothing.
            if frame.pts is None or (before is not None and frame.pts <= before):
                break
            if frame.pts > waiting[0]:
                break
            if frame.pts == waiting[0]:
                yield frame
            if frame.pts == last:
                return
        self._forget()

    def _ways_to(self, frame_idx: int, waiting: deque[int]) -> Iterator[None]:
        """Go to places from which a frame may be reached, the nearest first."""
        if self._leads_to(frame_idx, waiting):
            yield
        for target in _landings(self.index, frame_idx):
            if self._land(target, waiting[0]):
                yield

    def _leads_to(self, frame_idx: int, waiting: deque[int]) -> bool:
        """Tell whether decoding on from here is the way to these frames."""
        if self._shown is None or self._shown >= waiting[0]:
            return False
        if self._skipped and any(time in self._skipped for time in waiting):
            return False
        assert self.index.times is not None  # nothing was shown by timestamps otherwise
        here = int(np.searchsorted(self.index.times, self._shown))
        return _key_before(self.index, frame_idx) - here <= _NEAR

    def _land(self, target: int, wanted: int) -> bool:
        """Seek, and stand before the next key frame; False when that is later than wanted."""
        self._forget()
        try:
            self._container.seek(target, stream=self._stream, backward=True)
        except av.error.FFmpegError:  # some containers cannot seek
            return False
        self._stream.codec_context.flush_buffers()
        packets = dropwhile(lambda p: not p.is_keyframe, self._container.demux(self._stream))
        first = next(packets, None)
        if first is None or first.pts is None or first.pts > wanted:
            return False
        if first.pts not in self._key_times:
            return False  # after a seek this container tells other times
        self._first = first.pts
        self._packets = chain([first], packets)
        return True

    def _decode_from_here(
        self, wanted: dict[int, int], last: int, *, drain: bool
    ) -> Iterator[VideoFrame]:
        """Decode on; leave out, where that is possible, what nobody wants."""
        context, ready = self._stream.codec_context, self._ready
        n_missing = len(wanted)
        while True:
            while ready:
                frame = ready.popleft()
                # What is shown before the key frame may refer to what was not decoded.
                if frame.pts is None or frame.pts >= self._first:
                    yield frame
            packet = next(self._packets, None)
            if packet is None:
                return
            time = packet.pts
            if time is not None and time < last and time not in wanted and packet.size:
                self._skipped.add(time)
                if self._is_intra:
                    continue
                if self._can_skip:
                    context.skip_frame = "NONREF"
            else:
                context.skip_frame = "DEFAULT"
                n_missing -= time in wanted
            ready.extend(packet.decode())
            if drain and not n_missing and packet.size:
                # Nothing further is needed from the file, only what the decoder holds back.
                ready.extend(context.decode(None))
                self._packets = iter(())

    # By counting

    def _count(self, run: IntArray | None) -> Iterator[tuple[int, VideoFrame]]:
        """Decode from the start, and count where timestamps do not tell: slow, and right.

        All frames are yielded for None.
        """
        if self._counter is None or run is None or self._n_counted > run[0]:
            self._container.close()
            self._open()
            self._counter = self._number(self._container.decode(self._stream))
        if run is None:
            yield from self._counter
            return
        wanted, last = {int(k) for k in run}, int(run[-1])
        for frame_idx, frame in self._counter:
            if frame_idx in wanted:
                yield frame_idx, frame
                wanted.remove(frame_idx)
            if frame_idx >= last:
                break
        if wanted:
            raise missing_frame(self.path, min(wanted), self.index.n_frames or self._n_counted)

    def _number(self, frames: Iterator[VideoFrame]) -> Iterator[tuple[int, VideoFrame]]:
        """Give each frame its index: by its timestamp, where these are known."""
        times = self.index.times
        place = {} if times is None else {time: k for k, time in enumerate(times.tolist())}
        for frame in frames:
            frame_idx = self._n_counted if times is None else place.get(frame.pts, -1)
            self._n_counted = max(frame_idx + 1, self._n_counted)
            yield frame_idx, frame


def _split_runs(wanted: IntArray, index: FrameIndex) -> list[IntArray]:
    """Cut wanted indices where seeking to a later key frame saves decoding."""
    if not len(wanted):
        return []
    if not len(index.keys):
        return [wanted]
    key = index.keys[np.searchsorted(index.keys, wanted, side="right") - 1]
    return np.split(wanted, np.flatnonzero(key[1:] - wanted[:-1] > _NEAR) + 1)


def _key_before(index: FrameIndex, frame_idx: int) -> int:
    return int(index.keys[np.searchsorted(index.keys, frame_idx, side="right") - 1])


def _landings(index: FrameIndex, frame_idx: int) -> Iterator[int]:
    """List timestamps to seek, the nearest before a frame first."""
    place = int(np.searchsorted(index.keys, frame_idx, side="right")) - 1
    for back in (0, 1, 2, 4, 8):
        if place >= back:
            yield int(index.key_times[place - back])
            yield int(index.key_dts[place - back])
