"""Write images and points for training elsewhere, without anything that needs SLEAP."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from tabular_labels._types import FloatArray, IntArray, PathLike
from tabular_labels.io.atomic import atomic_path

__all__ = ["TrainingData", "write_training_data"]


@dataclass(frozen=True)
class TrainingData:
    """What is written beside the images.

    Attributes:
        node_names: Of the skeleton.
        edges: int (n_edges, 2), node numbers.
        videos: ``filepath``, ``dataset``, ``image_data_format`` (texts) and ``shape``
            (four numbers, 0 = unknown) of each video.
        video_inds: int (n_samples,), places in the list of videos.
        frame_inds: int (n_samples,).
        counts: int (n_samples,), instances of each sample.
        xy: float (n_instances, n_nodes, 2), pixels, NaN = missing.
        tracks: float (n_instances,), places in the list of tracks, NaN = untracked.
    """

    node_names: Sequence[str]
    edges: IntArray
    videos: Sequence[Mapping[str, Any]]
    video_inds: IntArray
    frame_inds: IntArray
    counts: IntArray
    xy: FloatArray
    tracks: FloatArray


def write_training_data(
    path: PathLike,
    data: TrainingData,
    shape: tuple[int, int, int],
    images: Iterable[tuple[int, bytes]],
) -> None:
    """Write the file; it appears whole or not at all.

    Args:
        path: The file. Its directory must exist.
        data: What goes beside the images.
        shape: Height, width and channels of every image.
        images: Sample number, and its pixels in row order, packed by zlib; in any order.
    """
    with atomic_path(path) as temporary, h5py.File(temporary, "w-") as file:
        n_samples, n_nodes = len(data.counts), len(data.node_names)
        file["skeleton/node_names"] = _texts(data.node_names)
        file["skeleton/n_nodes"] = n_nodes
        file["skeleton/edges"] = np.asarray(data.edges, np.int64).reshape(-1, 2)
        for key in ("filepath", "dataset", "image_data_format"):
            file[f"videos/{key}"] = _texts([video[key] for video in data.videos])
        file["videos/shape"] = np.array([v["shape"] for v in data.videos], np.int64).reshape(-1, 4)
        file["video_inds"] = data.video_inds.astype(np.int32)
        file["frame_inds"] = data.frame_inds.astype(np.int64)
        for key, values in _peaks(data, n_nodes).items():
            file[f"peaks/{key}"] = values
        dataset = file.create_dataset(
            "imgs",
            (n_samples, *shape),
            np.uint8,
            chunks=(1, *shape),
            compression="gzip",
            compression_opts=1,
        )
        for sample, packed in images:
            dataset.id.write_direct_chunk((sample, 0, 0, 0), packed)


def _peaks(data: TrainingData, n_nodes: int) -> dict[str, npt.NDArray[Any]]:
    """Lay points out as one row for each node of each instance."""
    n_instances, n_peaks = len(data.xy), len(data.xy) * n_nodes
    starts = np.repeat(np.cumsum(data.counts) - data.counts, data.counts)
    sample = np.repeat(np.arange(len(data.counts)), data.counts)
    return {
        "xy": data.xy.reshape(n_peaks, 2).astype(np.float32),
        "sample": np.repeat(sample, n_nodes).astype(np.int32),
        "instance": np.repeat(np.arange(n_instances) - starts, n_nodes).astype(np.int32),
        "channel": np.tile(np.arange(n_nodes), n_instances).astype(np.int32),
        "track": np.repeat(data.tracks, n_nodes),
    }


def _texts(texts: Sequence[str]) -> npt.NDArray[np.bytes_]:
    return np.array([text.encode() for text in texts] or [b""], "S")[: len(texts)]
