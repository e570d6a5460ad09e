"""Small projects with pictures in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

import tabular_labels as tl

FLY = tl.Skeleton(["head", "tail", "wing"], name="fly")
DOT = tl.Skeleton(["dot"], name="dot")
SIZES = [(4, 6), (4, 6), (8, 5), (3, 9)]
N_FRAMES = 6


def random_video(
    seed: int = 0, n_frames: int = N_FRAMES, size: tuple[int, ...] = (16, 24, 3)
) -> tl.Video:
    return tl.Video.from_numpy(random_images(seed, n_frames, size))


def random_images(seed: int, n_frames: int, size: tuple[int, ...]) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (n_frames, *size)).astype(np.uint8)


def labels_on(*videos: tl.Video, n_frames: int = N_FRAMES) -> tl.Labels:
    """Label the first frames of videos in turns: 0, 1, 2, 0, ... flies in each, one predicted."""
    track = tl.Track(0, "a")
    frames = []
    for k in range(n_frames):
        for v, video in enumerate(videos):
            xy: list[list[float]] = [[k, v], [np.nan, np.nan], [k + 0.5, 2.25]]
            flies = [
                tl.Instance(FLY, xy, track=track),
                tl.PredictedInstance(FLY, [[9, k], [1, 1], [2, 2]]),
            ]
            frames.append(tl.LabeledFrame(video, k, flies[: (k + v) % 3]))
    return tl.Labels(frames, videos=videos, skeletons=[FLY], tracks=[track])


def scenes(*, channels: int = 3) -> st.SearchStrategy[tl.Labels]:
    """Draw projects: videos of several sizes, two skeletons, every kind of instance."""
    places = st.tuples(st.integers(0, 3), st.integers(0, N_FRAMES - 1))
    instances = st.lists(st.integers(0, 2**14 - 1), max_size=3)
    frames = st.lists(st.tuples(places, instances), min_size=1, max_size=8)
    sizes = st.lists(st.sampled_from(SIZES), min_size=1, max_size=3)
    return st.builds(_make, sizes, frames, st.just(channels))


def _make(
    sizes: list[tuple[int, int]],
    frames: list[tuple[tuple[int, int], list[int]]],
    channels: int,
) -> tl.Labels:
    videos = [random_video(k, size=(*size, channels)) for k, size in enumerate(sizes)]
    tracks = [tl.Track(0, "a"), tl.Track(3, "b")]
    made = [
        tl.LabeledFrame(
            videos[video % len(videos)], frame_idx, [_instance(code, tracks) for code in codes]
        )
        for (video, frame_idx), codes in frames
    ]
    return tl.Labels(made, videos=videos, skeletons=[FLY, DOT], tracks=tracks)


def _instance(code: int, tracks: list[tl.Track]) -> tl.Instance:
    """Read kind, track, skeleton, and the fate of each point from bits of a number."""
    skeleton = DOT if code & 1 else FLY
    track = [None, None, *tracks][code >> 1 & 3]
    points = {}
    for k, node in enumerate(skeleton.nodes):
        fate = code >> (4 + 2 * k) & 3
        x, y = float(code % 97), float(k) + 0.25
        if fate != 3:  # missing
            points[node.name] = tl.Point(x, y, visible=fate != 2)
    if code >> 3 & 1:
        predicted = {
            name: tl.PredictedPoint(p.x, p.y, visible=p.visible, score=0.5)
            for name, p in points.items()
        }
        return tl.PredictedInstance(skeleton, predicted, track=track, score=0.5)
    return tl.Instance(skeleton, points, track=track)
