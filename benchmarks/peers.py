"""The same works with sleap-io, and its answers in a form that can be compared."""

from __future__ import annotations

import gc
import warnings
from collections import defaultdict
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import FloatArray

__all__ = [
    "array_of",
    "find_all",
    "frame_values",
    "has_peers",
    "kept_labels",
    "load",
    "save",
    "summary",
    "table_of_points",
    "track_runs",
]


def has_peers() -> bool:
    """Import sleap-io, which is no part of what is measured; tell whether it is there."""
    if find_spec("sleap_io") is None:
        return False
    import sleap_io

    return bool(sleap_io.__version__)


def load(path: Path, *, lazy: bool) -> Any:
    """Load a file; no video is opened."""
    import sleap_io

    return sleap_io.load_slp(str(path), open_videos=False, lazy=lazy)


@cache
def kept_labels(path: Path, *, lazy: bool) -> Any:
    """Load a file once for several works.

    Its objects are kept from Python's collector: each of its passes would go through all
    of them, also while something else is timed.
    """
    labels = load(path, lazy=lazy)
    gc.freeze()
    return labels


def summary(labels: Any) -> dict[str, Any]:
    """Say what was loaded."""
    return {
        "frames": len(labels),
        "videos": [video.filename for video in labels.videos],
        "tracks": [track.name for track in labels.tracks],
        "nodes": list(labels.skeletons[0].node_names),
        "first": frame_values(labels[0]),
        "last": frame_values(labels[len(labels) - 1]),
    }


def frame_values(frame: Any) -> tuple[int, list[FloatArray], list[str | None]]:
    """Return a frame's index, the coordinates of its instances, and their tracks."""
    instances = list(frame.instances)
    return (
        int(frame.frame_idx),
        [np.asarray(instance.numpy(), np.float64) for instance in instances],
        [None if instance.track is None else instance.track.name for instance in instances],
    )


def table_of_points(labels: Any) -> pl.DataFrame:
    """Make the table of all points."""
    table: pl.DataFrame = labels.to_dataframe(format="points", backend="polars", include_video=True)
    return table


def find_all(labels: Any, video: int) -> Any:
    """Find all frames of a video."""
    return labels.find(labels.videos[video])


def track_runs(labels: Any) -> list[tuple[str, str, int, int]]:
    """Find where each track is present by a loop: what its objects leave us to write."""
    places: dict[tuple[str, str], list[int]] = defaultdict(list)
    for frame in labels.labeled_frames:
        filename, index = frame.video.filename, int(frame.frame_idx)
        for instance in frame.instances:
            if instance.track is not None:
                places[filename, instance.track.name].append(index)
    runs = []
    for (filename, track), indices in places.items():
        indices.sort()
        start = last = indices[0]
        for index in indices[1:]:
            if index > last + 1:
                runs.append((filename, track, start, last + 1))
                start = index
            last = index
        runs.append((filename, track, start, last + 1))
    return sorted(runs)


def array_of(labels: Any) -> list[FloatArray]:
    """Make the dense array of each video."""
    return [labels.numpy(video=video) for video in labels.videos]


def save(labels: Any, path: Path) -> Path:
    """Write a file."""
    import sleap_io

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sleap_io.save_slp(labels, str(path), verbose=False)
    return path
