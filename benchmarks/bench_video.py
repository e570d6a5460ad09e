"""Read pictures of videos: in order, and some of them at random.

The peers seek to each frame, with OpenCV where that is installed and through sleap-io. The
limit is written by hand with PyAV.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt

from benchmarks.bench import Bench, Peer, Way
from benchmarks.report import times_limit, times_peer
from tabular_labels.video.reader import MediaFrames

__all__ = ["make_movie", "run"]

Images = npt.NDArray[np.uint8]
_GROUPS = {250: 10.0, 12: 1.0}
"""Frames between key frames, and how many times faster than seeking we must be."""


def run(bench: Bench) -> None:
    n_frames = min(bench.files.n_frames, 1000)
    movies = {
        group: bench.files.other(f"g{group}.mp4", partial(make_movie, n_frames, group))
        for group in _GROUPS
    }
    path = movies[12]
    bench.compare(
        f"all {n_frames} frames in order",
        Way(lambda: lambda: _sum(image for _, image in MediaFrames(path).iterate())),
        Way(lambda: lambda: _sum(_pyav_loop(path))),
        bounds=[times_limit(1 / 0.95, "S")],
    )
    wanted = np.random.default_rng(0).permutation(n_frames)[: n_frames // 10]
    for group, path in movies.items():
        bench.compare(
            f"{len(wanted)} of {n_frames} frames at random, a key frame in {group}",
            Way(partial(partial, _ours, path, wanted)),
            Way(partial(partial, _by_group, path, wanted)),
            _peers(path, wanted),
            [times_peer(_GROUPS[group], "S"), times_limit(1.1, "S")],
        )


def _ours(path: Path, wanted: npt.NDArray[np.int64]) -> Images:
    return MediaFrames(path).read(wanted)


def _peers(path: Path, wanted: npt.NDArray[np.int64]) -> list[Peer]:
    ways = {"cv2": ("OpenCV", _opencv), "sleap_io": ("sleap-io", _sleap_io)}
    return [
        Peer(name, partial(partial, read, path, wanted), np.asarray, np.asarray)
        for package, (name, read) in ways.items()
        if find_spec(package) is not None
    ]


def _sum(images: Iterator[Any]) -> tuple[int, int]:
    """Look at every picture, a little."""
    n, total = 0, 0
    for image in images:
        n += 1
        total += int(image[::64, ::64].sum(dtype=np.int64))
    return n, total


def _pyav_loop(path: Path) -> Iterator[Any]:
    with av.open(str(path)) as container:
        container.streams.video[0].thread_type = "AUTO"
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def _by_group(path: Path, wanted: npt.NDArray[np.int64]) -> Images:
    """Decode each group of pictures once, up to the last frame wanted of it."""
    images: list[Any] = [None] * len(wanted)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        packets = [p for p in container.demux(stream) if p.pts is not None]
        times = np.sort(np.array([p.pts for p in packets]))
        keys = np.sort(np.array([p.pts for p in packets if p.is_keyframe]))
        order = np.argsort(wanted)
        targets = times[wanted[order]]
        starts = np.searchsorted(keys, targets, side="right") - 1
        for start in np.unique(starts):
            mine = starts == start
            places = dict(zip(targets[mine].tolist(), order[mine].tolist(), strict=True))
            container.seek(int(keys[start]), stream=stream)
            for frame in container.decode(stream):
                place = places.pop(frame.pts, None)
                if place is not None:
                    images[place] = frame.to_ndarray(format="rgb24")
                if not places:
                    break
    return np.stack(images)


def _opencv(path: Path, wanted: npt.NDArray[np.int64]) -> Images:
    import cv2

    capture, images = cv2.VideoCapture(str(path)), []
    for frame_idx in wanted.tolist():
        capture.set(cv2.CAP_PROP_POS_FRAMES, frame_idx)
        _, image = capture.read()
        images.append(cv2.cvtColor(image, cv2.COLOR_BGR2RGB))
    return np.stack(images)


def _sleap_io(path: Path, wanted: npt.NDArray[np.int64]) -> Images:
    """Read through PyAV: the other plugins are OpenCV, or a process we could not time."""
    import sleap_io

    video = sleap_io.Video.from_filename(str(path), plugin="pyav", grayscale=False)
    return np.stack([video[frame_idx] for frame_idx in wanted.tolist()])


def make_movie(n_frames: int, group: int, path: Path) -> None:
    """Encode textures that move, with a key frame in each group and B-frames between."""
    side = 512 if n_frames >= 1000 else 96
    rng = np.random.default_rng(0)
    ground = rng.integers(0, 255, (side // 8, side // 8, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    options = {"g": str(group), "bf": "3", "preset": "veryfast", "sc_threshold": "0"}
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=30, options=options)
        stream.width = stream.height = side
        stream.pix_fmt = "yuv420p"
        for k in range(n_frames):
            noise = rng.integers(0, 12, (side // 2, side // 2, 1), np.uint8)
            image = np.roll(ground, k * 3, axis=1) // 2 + noise.repeat(2, 0).repeat(2, 1)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
