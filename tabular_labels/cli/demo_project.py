"""The made-up project of the demonstration: a video, and labels as people and a model make them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

import tabular_labels as tl
from tabular_labels.cli.demo_scene import (
    EDGES,
    FPS,
    HEIGHT,
    MICE,
    N_FRAMES,
    NODES,
    WIDTH,
    Scene,
    make_scene,
)
from tabular_labels.video.writer import write_video

__all__ = ["label_scene", "make_project"]

_USER_EVERY = 25
_FEWEST_NODES = 4


def make_project(video_path: Path, progress: Callable[[int, int], None]) -> tl.Labels:
    """Film the scene and label it; the video file is replaced."""
    scene = make_scene()
    write_video(video_path, _counted(scene.pictures(), progress), FPS)
    return label_scene(scene, video_path)


def _counted(
    pictures: Iterable[npt.NDArray[np.uint8]], progress: Callable[[int, int], None]
) -> Iterator[npt.NDArray[np.uint8]]:
    for done, picture in enumerate(pictures):
        progress(done, N_FRAMES)
        yield picture
    progress(N_FRAMES, N_FRAMES)


def label_scene(scene: Scene, video_path: Path, seed: int = 0) -> tl.Labels:
    """Label every frame as a model would, and every 25th as a person.

    What the shelter hides is missing; a mouse of which little is seen is not found. Points
    of the model are off by about a pixel, and it misses a few.
    """
    rng = np.random.default_rng(seed)
    video = tl.Video.from_filename(
        video_path, n_frames=N_FRAMES, height=HEIGHT, width=WIDTH, channels=3, fps=FPS
    )
    symmetries = [("left_ear", "right_ear")]
    skeleton = tl.Skeleton(list(NODES), edges=EDGES, symmetries=symmetries, name="mouse")
    tracks = [tl.Track(spawned_on=0, name=name) for name in MICE]

    guessed = scene.xy + rng.normal(0, 0.8, scene.xy.shape)
    scores = np.where(scene.is_hidden, 0.0, rng.beta(14, 2, scene.is_hidden.shape))
    is_missed = scene.is_hidden | (rng.random(scene.is_hidden.shape) < 0.015)
    guessed[is_missed], scores[is_missed] = np.nan, np.nan
    seen = np.where(scene.is_hidden[..., None], np.nan, scene.xy)

    frames = []
    for frame_idx in range(N_FRAMES):
        instances: list[tl.Instance] = []
        for mouse, track in enumerate(tracks):
            points = np.column_stack([guessed[frame_idx, mouse], scores[frame_idx, mouse]])
            if np.isfinite(points[:, 0]).sum() < _FEWEST_NODES:
                continue
            score = float(np.nanmean(points[:, 2]))
            found = tl.PredictedInstance(skeleton, points, score=score, track=track)
            instances.append(found)
            if frame_idx % _USER_EVERY == 0:
                instances.append(
                    tl.Instance(skeleton, seen[frame_idx, mouse], track, from_predicted=found)
                )
        frames.append(tl.LabeledFrame(video, frame_idx, instances))
    facts = {"about": "made up by: tabular-labels demo"}
    return tl.Labels(frames, [video], [skeleton], tracks=tracks, provenance=facts)
