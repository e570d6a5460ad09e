"""Labels with their pictures: training packages, and images with points for training.

The layers of pixels and files load PyAV and h5py, so they are imported where they are called.
"""

from __future__ import annotations

import shutil
import uuid
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import FloatArray, IntArray, Json, PathLike, Progress
from tabular_labels.errors import (
    FileFormatError,
    NothingToExportError,
    ProjectExistsError,
    UnmodelledDataWarning,
)
from tabular_labels.model.backends import HDF5Video
from tabular_labels.model.counting import Counter
from tabular_labels.model.objects import Objects
from tabular_labels.model.offsets import rows_of_ids
from tabular_labels.model.pictures import EncodedPictures, PictureFormat
from tabular_labels.model.pixels import Image
from tabular_labels.model.video import Video
from tabular_labels.origins import rows_to_replace
from tabular_labels.pixels import open_video_pixels
from tabular_labels.queries.find import user_frame_rows
from tabular_labels.queries.samples import Samples, user_samples
from tabular_labels.store.snapshot import Snapshot

__all__ = [
    "FrameChoice",
    "export_training_data",
    "save_frame_data",
    "save_package",
    "save_stores",
    "training_arrays",
]

_FORMATS = ("png", "jpg", "")
_REMEDY = "Make all videos of one size, or export the videos in groups of one size."


@dataclass(frozen=True)
class FrameChoice:
    """Which frames' pictures an export holds.

    Attributes:
        all_labels: All frames of the labels; otherwise those with user instances.
        suggested: Also the suggested ones.
    """

    all_labels: bool = False
    suggested: bool = False

    def of(self, snapshot: Snapshot) -> dict[int, IntArray]:
        """Return frame indices of every video by its key, ascending, each once."""
        frames, catalog = snapshot.structure.frames, snapshot.catalog
        rows = slice(None) if self.all_labels else user_frame_rows(snapshot.structure)
        video, index = frames["video_id"].to_numpy()[rows], frames["frame_idx"].to_numpy()[rows]
        if self.suggested:
            video = np.append(video, catalog.suggestions["video_id"].to_numpy())
            index = np.append(index, catalog.suggestions["frame_idx"].to_numpy())
        keys = catalog.videos["video_id"].to_list()
        return {key: np.unique(index[video == key]).astype(np.int64) for key in keys}


def save_package(
    snapshot: Snapshot,
    objects: Objects,
    path: PathLike,
    choice: FrameChoice,
    form: str,
    progress: Progress | None,
    **options: Any,
) -> None:
    """Write a ``.slp`` file that holds the pictures of its frames."""
    from tabular_labels.io.slp_write import write_slp

    pictures = _encode_videos(snapshot, objects, choice, form, progress)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    write_slp(rows_to_replace(snapshot, path), path, pictures=pictures, **options)


def save_frame_data(
    snapshot: Snapshot,
    objects: Objects,
    path: PathLike,
    choice: FrameChoice,
    form: str,
    progress: Progress | None,
) -> list[Video]:
    """Write an HDF5 file that holds pictures alone; return a video for each of ours."""
    from tabular_labels.io.pictures_write import write_frame_data

    pictures = _encode_videos(snapshot, objects, choice, form, progress)
    write_frame_data(path, pictures)
    return [
        Video.from_hdf5(
            path, f"video{number}/video", grayscale=mine.size[2] == 1, **_facts(video, mine)
        )
        for number, (video, mine) in enumerate(zip(objects.videos, pictures, strict=True))
    ]


def _facts(video: Video, pictures: EncodedPictures) -> dict[str, Any]:
    height, width, channels = pictures.size
    sizes = {"height": height, "width": width, "channels": channels}
    known = sizes if len(pictures.frame_inds) else {}
    return {"n_frames": video.n_frames, "fps": video.fps, **known}


def _encode_videos(
    snapshot: Snapshot,
    objects: Objects,
    choice: FrameChoice,
    form: str,
    progress: Progress | None,
) -> list[EncodedPictures]:
    """Prepare the pictures of every video; they are read when they are taken."""
    from tabular_labels.video.encoding import encode_frames

    counter = Counter(progress)
    made = []
    for key, wanted in choice.of(snapshot).items():
        video = objects.video_by_id[key]
        counter.n_total += len(wanted)
        pictures = encode_frames(_frames_of(video), wanted, _as_form(form))
        rows = counter.counted(pictures.rows)
        made.append(replace(pictures, rows=rows, source=_source_entry(video), fps=video.fps))
    return made


def _as_form(form: str) -> PictureFormat:
    if form not in _FORMATS:
        message = (
            f"format: found {form!r}, expected one of {_FORMATS}. Use 'png' to keep every pixel, "
            "'jpg' for small files, '' for plain arrays."
        )
        raise ValueError(message)
    return form  # type: ignore[return-value]  # one of them


def _frames_of(video: Video) -> Any:
    return open_video_pixels(video)


def _source_entry(video: Video) -> Json:
    """Return the entry of the video that pictures come from in the first place."""
    backend = video.plain_backend()
    if isinstance(video.backend, HDF5Video) and video.backend.source_video is not None:
        source: Json = backend.get("source_video") or backend["original_video"]
        return source if "backend" in source else {"backend": source}
    if backend.get("filename") in (".", None):
        backend["filename"] = video.filename
    shape = video.shape
    if shape is not None and None not in shape:
        backend.setdefault("shape", list(shape))
    return {"filename": backend.get("filenames", backend["filename"]), "backend": backend}


# Images with points


def training_arrays(
    snapshot: Snapshot, objects: Objects
) -> tuple[Image | list[Image], list[FloatArray]]:
    """Read the images of all frames with user instances, and the points of these."""
    samples = _require_samples(snapshot, objects)
    images: list[Any] = [None] * len(samples.counts)
    for sample, image in _sample_images(snapshot, objects, samples):
        images[sample] = np.ascontiguousarray(image)
    points = np.split(_user_points(snapshot, samples), np.cumsum(samples.counts)[:-1])
    is_even = len({image.shape for image in images}) == 1
    return (np.stack(images) if is_even else images), points


def export_training_data(
    snapshot: Snapshot, objects: Objects, path: PathLike, progress: Progress | None
) -> None:
    """Write images and points as one HDF5 file."""
    from tabular_labels.io.training_write import TrainingData, write_training_data
    from tabular_labels.video.encoding import in_parallel

    samples = _require_samples(snapshot, objects)
    structure, skeleton = snapshot.structure, objects.skeletons[0]
    frames, catalog = structure.frames[samples.frame_rows], snapshot.catalog
    video_ids = catalog.videos["video_id"].to_numpy()
    video_inds = rows_of_ids(video_ids, frames["video_id"].to_numpy())
    shapes = {
        place: _frames_of(objects.videos[place]).shape for place in np.unique(video_inds).tolist()
    }
    shape = _one_shape(objects, shapes)
    track_id = structure.instances["track_id"].cast(pl.Int64).fill_null(-1).to_numpy()
    track = rows_of_ids(catalog.tracks["track_id"].to_numpy(), track_id[samples.instance_rows])
    data = TrainingData(
        node_names=skeleton.node_names,
        edges=np.asarray(skeleton.edge_inds, np.int64),
        videos=[_video_facts(video, shapes.get(k)) for k, video in enumerate(objects.videos)],
        video_inds=video_inds,
        frame_inds=frames["frame_idx"].to_numpy(),
        counts=samples.counts,
        xy=_user_points(snapshot, samples),
        tracks=np.where(track < 0, np.nan, track),
    )
    counter = Counter(progress)
    counter.n_total = len(samples.counts)
    images = _sample_images(snapshot, objects, samples, shape)
    packed = counter.counted(in_parallel(images, _pack))
    write_training_data(path, data, shape, packed)


def _pack(image: Image) -> bytes:
    return zlib.compress(np.ascontiguousarray(image).data, 1)


def _one_shape(
    objects: Objects, shapes: Mapping[int, tuple[int, int, int, int]]
) -> tuple[int, int, int]:
    different = {shape[1:] for shape in shapes.values()}
    if len(different) == 1:
        return different.pop()
    found = ", ".join(
        f"{objects.videos[place].filename} {shape[1:]}" for place, shape in shapes.items()
    )
    message = (
        f"found images of several sizes (height, width, channels): {found}; expected one. {_REMEDY}"
    )
    raise ValueError(message)


def _video_facts(video: Video, shape: Sequence[int] | None) -> Json:
    is_hdf5 = isinstance(video.backend, HDF5Video)
    stored = video.shape or (None,) * 4
    return {
        "filepath": video.filename,
        "dataset": video.backend.dataset if isinstance(video.backend, HDF5Video) else "",
        "image_data_format": video.backend.get("input_format", "") if is_hdf5 else "",
        "shape": [int(size or 0) for size in (stored if shape is None else shape)],
    }


def _require_samples(snapshot: Snapshot, objects: Objects) -> Samples:
    if not objects.skeleton_by_id:
        raise NothingToExportError(_nothing())
    samples = user_samples(snapshot.structure, next(iter(objects.skeleton_by_id)))
    if not len(samples.counts):
        raise NothingToExportError(_nothing())
    if samples.n_left_out:
        message = (
            f"{samples.n_left_out} user instances have another skeleton than the first, "
            f"{objects.skeletons[0]!r}, and were left out"
        )
        warnings.warn(message, UnmodelledDataWarning, stacklevel=4)
    return samples


def _nothing() -> str:
    return (
        "found no frames with user instances of the first skeleton, expected at least one. "
        "Label frames first; `save(..., with_images=True, all_labels=True)` takes predicted ones."
    )


def _user_points(snapshot: Snapshot, samples: Samples) -> FloatArray:
    """Read points: float64 (n_instances, n_nodes, 2), missing and invisible ones NaN."""
    points = snapshot.read_points(("x", "y", "visible"), samples.instance_rows)
    xy = np.column_stack([points[axis].fill_null(np.nan).to_numpy() for axis in "xy"])
    xy[~points["visible"].to_numpy()] = np.nan
    result: FloatArray = xy.reshape(len(samples.instance_rows), -1, 2)
    return result


def _sample_images(
    snapshot: Snapshot,
    objects: Objects,
    samples: Samples,
    shape: tuple[int, int, int] | None = None,
) -> Iterator[tuple[int, Image]]:
    """Yield the number of each sample and its image, video by video; each decoded once."""
    frames = snapshot.structure.frames[samples.frame_rows]
    video_id, frame_idx = frames["video_id"].to_numpy(), frames["frame_idx"].to_numpy()
    for key in np.unique(video_id).tolist():
        video = objects.video_by_id[key]
        mine = np.flatnonzero(video_id == key)
        order = mine[np.argsort(frame_idx[mine], kind="stable")]
        place = 0
        for index, image in video.iterate_frames(frame_idx[order]):
            if shape is not None and image.shape != shape:
                raise FileFormatError(
                    video.filename,
                    place=f"frame {index}",
                    found=f"an image of shape {image.shape}",
                    expected=f"{shape}, as the others",
                    remedy=_REMEDY,
                )
            while place < len(order) and frame_idx[order[place]] == index:
                yield int(order[place]), image
                place += 1


# Imgstores


def save_stores(
    snapshot: Snapshot,
    objects: Objects,
    folder: PathLike,
    choice: FrameChoice,
    form: str,
    progress: Progress | None,
) -> list[Video]:
    """Write an imgstore for each video; all of them appear, or none."""
    from tabular_labels.video.imgstore import import_imgstore, write_store

    imgstore = import_imgstore("writing imgstores")
    root, wanted = Path(folder), choice.of(snapshot)
    targets = [root / f"frame_data_vid{number}" for number in range(len(wanted))]
    for target in targets:
        if target.exists():
            raise ProjectExistsError(str(target))
    root.mkdir(parents=True, exist_ok=True)
    scratch = root / f".{uuid.uuid4().hex}.tmp"
    counter = Counter(progress)
    counter.n_total = sum(map(len, wanted.values()))
    try:
        for target, (key, inds) in zip(targets, wanted.items(), strict=True):
            frames = _frames_of(objects.video_by_id[key])
            images = counter.counted(frames.iterate(inds))
            write_store(imgstore, scratch / target.name, images, inds, frames, form)
        for target in targets:
            (scratch / target.name).rename(target)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return [Video.from_filename(target) for target in targets]
