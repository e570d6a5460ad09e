"""Write pictures into HDF5 files, as training packages hold them."""

from __future__ import annotations

import json
from collections.abc import Sequence

import h5py
import numpy as np

from tabular_labels._types import PathLike
from tabular_labels.io.atomic import atomic_path
from tabular_labels.model.pictures import EncodedPictures

__all__ = ["write_frame_data", "write_pictures"]

_LARGEST_ATTRIBUTE = 60_000  # bytes


def write_frame_data(path: PathLike, videos: Sequence[EncodedPictures]) -> None:
    """Write a file that holds nothing but pictures; it appears whole or not at all.

    Args:
        path: The file. Its directory must exist.
        videos: Pictures of each video; video k goes into the group ``video<k>``.
    """
    with atomic_path(path) as temporary, h5py.File(temporary, "w-") as file:
        for number, pictures in enumerate(videos):
            write_pictures(file, number, pictures)


def write_pictures(file: h5py.File, number: int, pictures: EncodedPictures) -> None:
    """Write the pictures of one video into an open file.

    Encoded pictures become a list of bytes, arrays one of (n, height, width, channels).

    Args:
        file: Open for writing, without such a group.
        number: k of the group ``video<k>``.
        pictures: They are taken one at a time.
    """
    group, n = file.create_group(f"video{number}"), len(pictures.frame_inds)
    height, width, channels = pictures.size
    if pictures.form:
        # Lists of bytes are written and read several times faster than rows of one length.
        dataset = group.create_dataset("video", (n,), h5py.vlen_dtype(np.int8))
        dataset.attrs["format"] = pictures.form
        dataset.attrs["channel_order"] = pictures.channel_order
    else:
        shape = (n, height, width, channels)
        chunks = (1, *shape[1:]) if n else None
        packing = {"compression": "gzip", "compression_opts": 1} if n else {}
        dataset = group.create_dataset("video", shape, np.uint8, chunks=chunks, **packing)
    facts = {"height": height, "width": width, "channels": channels, "frames": n}
    for key, value in (facts | ({"fps": pictures.fps} if pictures.fps else {})).items():
        dataset.attrs[key] = value
    group["frame_numbers"] = pictures.frame_inds.astype(np.int64)
    if pictures.source is not None:
        _write_source(group, json.dumps(pictures.source, separators=(",", ":")))
    for row, (_, data) in zip(range(n), pictures.rows, strict=True):
        dataset[row] = np.frombuffer(data, np.int8) if isinstance(data, bytes) else data


def _write_source(group: h5py.Group, text: str) -> None:
    source = group.create_group("source_video")
    if len(text.encode()) > _LARGEST_ATTRIBUTE:
        source["json"] = text
    else:
        source.attrs["json"] = text
