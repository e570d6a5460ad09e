"""Carry what a ``.slp`` file holds beyond our tables, byte for byte."""

from __future__ import annotations

import io
import uuid
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import polars as pl

from tabular_labels._types import PathLike
from tabular_labels.errors import UnmodelledDataError, UnmodelledDataWarning
from tabular_labels.hdf5.guard import check_members, open_guarded, translated
from tabular_labels.io.hdf5_copy import copy_attributes, copy_member
from tabular_labels.io.hdf5_find import find_records
from tabular_labels.io.hdf5_records import FileState
from tabular_labels.io.slp_layout import (
    CORE,
    FRAMES,
    INSTANCES,
    POINTS,
    PRED_POINTS,
    embedded_number,
)
from tabular_labels.model.tables import Attachments, Catalog, Structure, numbering

__all__ = [
    "attachment_image",
    "copy_objects",
    "count_objects",
    "describe",
    "digest_of_rows",
    "extra_fields",
    "names_rows",
    "open_image",
    "report",
    "restore_objects",
]

_OPTIONAL = ("tracking_score",)
_TABLES = {"frames": FRAMES, "instances": INSTANCES, "points": POINTS, "pred_points": PRED_POINTS}

# Members that belong to another, which is the one that is counted.
_PARTS = {
    "mask_": "masks",
    "roi_": "rois",
    "label_image_": "label_images",
    "session_data": "sessions_json",
}
_NAMES = {"sessions_json": "sessions", "identity": "identities", "video_crops": "video crops"}
# Columns that have one row for each thing of a group.
_ROWS = ("name", "x1", "x", "video", "owner_id", "category_owner_id")
# Attributes that belong to the layout of a member of ours.
_OWN_ATTRIBUTES = {"metadata": frozenset({"json", "format_id"})}
_TABLE_ATTRIBUTES = frozenset({"field_names", "video_ids"})


def count_objects(file: h5py.File) -> dict[str, int]:
    """Count what an open ``.slp`` file holds beyond our tables, by name."""
    counts: dict[str, int] = {}
    for name in file:
        if name in CORE or embedded_number(name) is not None:
            continue
        main = _main_of(name)
        if main is not None and main in file:
            continue
        n = _count(file[name])
        if n or name != "sessions_json":
            counts[_NAMES.get(name, name)] = n
    for table, columns in _extra_columns(file).items():
        counts[f"columns of {table}"] = len(columns)
    n_attributes = sum(len(names) for _, names in _extra_attributes(file))
    return counts | ({"attributes": n_attributes} if n_attributes else {})


def _main_of(name: str) -> str | None:
    """Name the member that a member is a part of."""
    return next((main for part, main in _PARTS.items() if name.startswith(part)), None)


def _count(found: Any) -> int:
    if isinstance(found, h5py.Dataset):
        return 1 if not found.shape else int(found.shape[0])
    if not isinstance(found, h5py.Group):
        return 1
    columns = [found[name] for name in _ROWS if name in found]
    columns = [column for column in columns if isinstance(column, h5py.Dataset) and column.shape]
    return int(columns[0].shape[0]) if columns else len(found)


def _extra_attributes(file: h5py.File) -> Iterator[tuple[str, list[str]]]:
    yield "/", list(file.attrs)
    for name in sorted(CORE):
        if name in file:
            known = _OWN_ATTRIBUTES.get(name, _TABLE_ATTRIBUTES)
            yield name, [key for key in file[name].attrs if key not in known]


def _extra_columns(file: h5py.File) -> dict[str, list[str]]:
    """Columns of our tables that their layouts do not name."""
    found = {}
    for table, layout in _TABLES.items():
        dataset = file.get(table)
        if isinstance(dataset, h5py.Dataset) and dataset.dtype.names is not None:
            columns = [name for name in dataset.dtype.names if name not in (layout.names or ())]
            if columns:
                found[table] = columns
    return found


def copy_objects(file: h5py.File, path: PathLike) -> bytes:
    """Copy what an open ``.slp`` file holds beyond our tables into an HDF5 file in memory.

    Members stand there under their names. A group with the name of one of our tables
    holds that table's further columns and attributes.

    Args:
        file: The open file.
        path: The same file, for messages.
    """
    with (
        translated(path, "data beyond the tables"),
        h5py.File(f"{uuid.uuid4()}.h5", "w", driver="core", backing_store=False) as image,
    ):
        for name in file:
            if name not in CORE and embedded_number(name) is None:
                copy_member(file, image, name, path)
        for table, columns in _extra_columns(file).items():
            if table in ("points", "pred_points") and not _points_in_order(file):
                continue
            for column in columns:
                image[f"{table}/{_escaped(column)}"] = file[table].fields(column)[:]
        for place, names in _extra_attributes(file):
            if names:
                copy_attributes(file[place], image.require_group(place), names)
        image.flush()
        return bytes(image.id.get_file_image())


def _points_in_order(file: h5py.File) -> bool:
    """Tell whether points stand in the order of the instances, so that they would again."""
    instances = file["instances"]
    kind = instances.fields("instance_type")[:]
    start, stop = instances.fields("point_id_start")[:], instances.fields("point_id_end")[:]
    for which in np.unique(kind):
        mine = kind == which
        if start[mine][0] != 0 or (start[mine][1:] != stop[mine][:-1]).any():
            return False
    return True


def attachment_image(attachments: Attachments) -> bytes | None:
    """Return the attached objects as an HDF5 file in memory, see `copy_objects`.

    Args:
        attachments: With an image, or the path of a ``.slp`` file or of an image.

    Returns:
        The bytes; None when there are no objects.

    Raises:
        FileNotFoundError: The file that held them is gone.
        FileFormatError: It is broken.
    """
    if attachments.image is not None or attachments.path is None:
        return attachments.image
    with open_guarded(attachments.path) as file:
        if _is_slp(file):
            return copy_objects(file, attachments.path)
    return Path(attachments.path).read_bytes()


def _is_slp(file: h5py.File) -> bool:
    return "videos_json" in file or ("frames" in file and isinstance(file["frames"], h5py.Dataset))


def names_rows(attachments: Attachments) -> bool:
    """Tell whether objects that are still in a ``.slp`` file can name instances by their rows.

    They cannot where the file numbers instances otherwise; its rows are then ids here.

    Raises:
        FileNotFoundError: The file that held them is gone.
        FileFormatError: It is broken.
    """
    path = attachments.path
    if attachments.image is not None or path is None:
        return True
    with open_guarded(path) as file:
        if not _is_slp(file):
            return True
        records = find_records(file, FileState.of(path), "instances", INSTANCES, _OPTIONAL)
        extents = records.locate(file)
    with records.reader(extents) as reader:
        return all(
            bool((records.integers(block, "instance_id", at) == at + np.arange(len(block))).all())
            for at, block in reader.blocks()
        )


@contextmanager
def open_image(image: bytes | None) -> Iterator[h5py.File | None]:
    """Open an HDF5 file in memory for reading; None stays None."""
    if image is None:
        yield None
        return
    with (
        translated("attachments", "the image"),
        h5py.File(io.BytesIO(image), "r") as file,
    ):
        check_members(file, "attachments")
        yield file


def _escaped(column: str) -> str:
    return column.replace("%", "%25").replace("/", "%2F").replace(".", "%2E")


def _unescaped(column: str) -> str:
    return column.replace("%2E", ".").replace("%2F", "/").replace("%25", "%")


def extra_fields(
    image: h5py.File, table: str, layout: np.dtype[Any], rows: int
) -> dict[str, h5py.Dataset]:
    """Find the further columns of one of our tables that fit its number of rows."""
    group = image.get(table)
    found = {_unescaped(name): group[name] for name in group or ()}
    return {
        name: data
        for name, data in found.items()
        if name not in (layout.names or ())
        and isinstance(data, h5py.Dataset)
        and data.shape == (rows,)
    }


def restore_objects(image: h5py.File, file: h5py.File) -> None:
    """Copy attachments into a file in which our tables stand already.

    Args:
        image: What `copy_objects` made, opened.
        file: The file being written.
    """
    for name in image:
        if name in CORE:
            if name in file:
                copy_attributes(image[name], file[name], list(image[name].attrs))
            continue
        if name in file:
            del file[name]
        copy_member(image, file, name, "attachments")
    copy_attributes(image, file, list(image.attrs))


def digest_of_rows(catalog: Catalog, n_frames: int, n_instances: int) -> str:
    """Digest the numbering of a file whose ids are its row numbers, see `numbering`."""
    frame_id = np.arange(n_frames, dtype=np.uint32)
    instance_id = np.arange(n_instances, dtype=np.uint32)
    frames = pl.DataFrame({"frame_id": frame_id, "position": frame_id})
    # Which frame an instance is in does not enter the digest while frames are in order.
    instances = pl.DataFrame({"instance_id": instance_id, "frame_id": instance_id * 0})
    return numbering(catalog, Structure(frames, instances, catalog.n_nodes))


def report(path: PathLike, counts: Mapping[str, int], *, strict: bool, stacklevel: int = 3) -> None:
    """Name in one warning what a file holds beyond our tables.

    Raises:
        UnmodelledDataError: With ``strict``.
    """
    if not counts:
        return
    found = ", ".join(f"{what} ({n})" for what, n in counts.items())
    if strict:
        raise UnmodelledDataError(
            str(path),
            place="the file",
            found=found,
            expected="videos, skeletons, tracks, suggestions, frames, instances and points only",
            remedy="Read without strict=True to leave this aside.",
        )
    message = f"{path}: data that the tables do not hold: {found}"
    warnings.warn(message, UnmodelledDataWarning, stacklevel=stacklevel)


def describe(attachments: Attachments) -> str:
    """Name what attachments hold, for messages."""
    return ", ".join(f"{what} ({n})" for what, n in attachments.counts.items())
