"""Examples and batches row by row: a slow, obvious twin of `tabular_labels.training`.

Everything is asked of labels, frames and instances one by one, and every image of its video.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

import tabular_labels as tl

Example = dict[str, Any]


def example(
    labels: tl.Labels,
    place: int,
    *,
    images: bool = False,
    grayscale: bool | None = None,
    user_instances_only: bool = False,
    with_track_only: bool = False,
) -> Example:
    """Make the example of one frame."""
    frame = labels[place]
    n_nodes = max((len(skeleton.nodes) for skeleton in labels.skeletons), default=0)
    points, skeletons, tracks = [], [], []
    for instance in frame.instances:
        if user_instances_only and isinstance(instance, tl.PredictedInstance):
            continue
        if with_track_only and instance.track is None:
            continue
        xy = instance.numpy()
        if not any(np.isfinite(x) and np.isfinite(y) for x, y in xy):
            continue
        rows = np.full((n_nodes, 2), np.nan, np.float32)
        rows[: len(xy)] = xy
        points.append(rows)
        skeletons.append(position(labels.skeletons, instance.skeleton))
        tracks.append(-1 if instance.track is None else position(labels.tracks, instance.track))
    made: Example = {
        "example_ind": np.int64(place),
        "video_ind": np.int32(position(labels.videos, frame.video)),
        "frame_ind": np.int64(frame.frame_idx),
        "scale": np.ones(2, np.float32),
        "n_instances": np.int32(len(points)),
        "n_tracks": np.int32(len(labels.tracks)),
        "instances": np.array(points, np.float32).reshape(len(points), n_nodes, 2),
        "skeleton_inds": np.array(skeletons, np.int32),
        "track_inds": np.array(tracks, np.int32),
    }
    if images:
        image = frame.video.get_frame(frame.frame_idx, grayscale=grayscale)
        made["image"], made["raw_image_size"] = image, np.array(image.shape, np.int32)
    return made


def position(things: Iterable[Any], thing: Any) -> int:
    """Find the very same object in a list."""
    return next(k for k, other in enumerate(things) if other is thing)


def batch(every: Sequence[Example], rows: Sequence[int], *, ragged: bool = False) -> Example:
    """Make a batch of some of all examples."""
    chosen = [every[row] for row in rows]
    most = max((len(one["instances"]) for one in every), default=0)
    free = {"instances": np.nan, "skeleton_inds": -1, "track_inds": -1}
    made: Example = {}
    for key in chosen[0]:
        values = [one[key] for one in chosen]
        if key in free and ragged:
            made[key] = np.concatenate(values)
        elif key in free:
            shape = (len(chosen), most, *values[0].shape[1:])
            made[key] = np.full(shape, free[key], values[0].dtype)
            for row, value in zip(made[key], values, strict=True):
                row[: len(value)] = value
        elif key == "image":
            height, width = (max(one["image"].shape[k] for one in every) for k in (0, 1))
            made[key] = np.zeros((len(chosen), height, width, values[0].shape[2]), np.uint8)
            for row, value in zip(made[key], values, strict=True):
                row[: value.shape[0], : value.shape[1]] = value
        else:
            made[key] = np.array(values)
    return made


def assert_equal(found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Compare two examples or batches whole: keys, shapes, dtypes, values."""
    assert set(found) == set(expected)
    for key, value in expected.items():
        assert found[key].dtype == value.dtype, key
        np.testing.assert_array_equal(found[key], value, err_msg=key, strict=True)
