"""Videos of a ``.slp`` file: its JSON rows and our table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import polars as pl

from tabular_labels._types import Json, PathLike
from tabular_labels.hdf5.guard import (
    as_finite,
    broken,
    member,
    parse_json,
    read_attribute,
    read_stored_text,
    shown,
    translated,
)
from tabular_labels.io.slp_layout import embedded_number
from tabular_labels.model.pictures import EncodedPictures
from tabular_labels.model.schema import VIDEOS

__all__ = [
    "PACKAGE",
    "dump_videos",
    "embedded_numbers",
    "package_table",
    "read_video_rows",
    "video_table",
]

PACKAGE = "."
"""The filename of a video whose pictures are in the project's own file."""

# Facts of ours that the row's own keys cannot express.
_OURS = "tabular_labels"
_SOURCES = ("source_video", "original_video")
_SIZES = ("n_frames", "height", "width", "channels")


class _Facts(NamedTuple):
    filename: str
    sizes: tuple[int | None, int | None, int | None, int | None]
    fps: float | None


def read_video_rows(
    rows: Sequence[object], file: h5py.File | None, path: PathLike
) -> tuple[list[Json], dict[str, Any]]:
    """Check the rows, and complete embedded videos by what their groups hold.

    Args:
        rows: Parsed rows of ``videos_json`` (or of the old metadata).
        file: The open file; None when it has no pictures.
        path: The same file, for messages.

    Returns:
        ``{"backend": {...}}`` of each video, the original video under the backend's
        ``source_video``; and the rows' other values by row number.
    """
    videos: list[Json] = []
    others: dict[str, Any] = {}
    for i, row in enumerate(rows):
        place = f"videos_json, row {i}"
        if not isinstance(row, dict):
            raise broken(path, place, shown(row), "a video")
        backend = row.get("backend", row)
        if not isinstance(backend, dict):
            raise broken(path, place, f"the backend {shown(backend)}", "an object")
        backend = dict(backend)
        if "backend" in row:
            if "filename" not in backend and "filenames" not in backend:
                backend["filename"] = row.get("filename", "")
            backend |= {key: row[key] for key in _SOURCES if row.get(key) is not None}
            left = row.keys() - {"backend", "filename", *_SOURCES}
            if left:
                others[str(i)] = {key: row[key] for key in sorted(left)}
        if backend.get("filename") == PACKAGE and file is not None:
            with translated(path, f"{place}, embedded pictures"):
                _complete(backend, file, path)
        videos.append({"backend": backend})
    return videos, others


def _complete(backend: Json, file: h5py.File, path: PathLike) -> None:
    """Add the shape and the source of embedded pictures, which old packages keep beside them."""
    number = embedded_number(backend.get("dataset"))
    group = member(file, f"video{number}", path) if number is not None else None
    if not isinstance(group, h5py.Group):
        return
    for key in _SOURCES:
        source = member(group, key, path)
        if key not in backend and isinstance(source, h5py.Group):
            text = read_stored_text(source, "json", path)
            if text is not None:
                backend[key] = parse_json(text, path, source.name)
    pictures = member(group, "video", path)
    if backend.get("shape") is None and isinstance(pictures, h5py.Dataset):
        sizes = [read_attribute(pictures, key, path) for key in ("height", "width", "channels")]
        if pictures.ndim == 4:
            sizes = list(pictures.shape[1:])
        if all(_is_size(size) for size in sizes) and pictures.ndim:
            backend["shape"] = [int(size) for size in (pictures.shape[0], *sizes)]


def _is_size(value: Any) -> bool:
    return value is not None and getattr(value, "ndim", 0) == 0 and int(value) == value >= 0


def video_table(videos: Sequence[Json], path: PathLike) -> pl.DataFrame:
    """Build the table of videos.

    ``backend`` keeps the row's backend as JSON text. Of pictures embedded in the file
    itself it keeps the filename ``"."``, while ``filename`` says where the file is, so
    that a copy of the labels elsewhere still refers to it. An embedded video counts its
    source's frames, as the labels do, not the embedded ones.

    Args:
        videos: ``{"backend": {...}}`` of each video.
        path: The file they came from.
    """
    rows: list[tuple[Any, ...]] = []
    for i, video in enumerate(videos):
        backend = dict(video["backend"])
        ours = backend.pop(_OURS, None)
        facts = _facts(backend, str(path))
        sizes: Sequence[int | None] = facts.sizes
        if isinstance(ours, dict):
            stated = zip(_SIZES, sizes, strict=True)
            sizes = [_size(ours[key]) if key in ours else size for key, size in stated]
            added = ours.get("added")
            if isinstance(added, list):
                backend = {key: value for key, value in backend.items() if key not in added}
        rows.append((i, facts.filename, json.dumps(backend), *sizes, facts.fps))
    # Without rows there are no columns to name, and the schema has them all.
    columns = dict(zip(VIDEOS.columns, zip(*rows, strict=True), strict=bool(rows)))
    return pl.DataFrame(columns, schema=VIDEOS.memory_columns)


def _facts(backend: Mapping[str, Any], package: str) -> _Facts:
    """Read the filename, the shape and the rate that a backend states."""
    names = backend.get("filenames")
    names = names if isinstance(names, list) else []
    stated = backend.get("filename")
    if isinstance(stated, str) and stated:
        filename = stated
    elif isinstance(stated, list):
        filename = next((n for n in stated if isinstance(n, str)), "")
    else:
        filename = next((n for n in names if isinstance(n, str) and n), "")
    shape = _shape(backend)
    if shape is None:
        sizes = [_size(backend.get(key)) for key in ("height_", "width_", "channels_")]
        shape = (len(names) or None, sizes[0], sizes[1], sizes[2])
    if embedded_number(backend.get("dataset")) is not None:
        source = backend.get("source_video", backend.get("original_video"))
        inner = source.get("backend") if isinstance(source, dict) else None
        original = _shape(inner) if isinstance(inner, dict) else None
        shape = (original[0] if original else None, *shape[1:])
    rate = as_finite(backend.get("fps"))
    rate = None if rate is None or rate <= 0 else rate
    return _Facts(package if filename == PACKAGE else filename, shape, rate)


def _shape(
    backend: Mapping[str, Any],
) -> tuple[int | None, int | None, int | None, int | None] | None:
    shape = backend.get("shape")
    if not isinstance(shape, list) or len(shape) != 4:
        return None
    sizes = [_size(value) for value in shape]
    return None if None in sizes else (sizes[0], sizes[1], sizes[2], sizes[3])


def _size(value: object) -> int | None:
    return value if type(value) is int and 0 <= value < 2**63 else None


def _dump(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def embedded_numbers(videos: Sequence[Json]) -> dict[int, int]:
    """Map k of each dataset ``video<k>/video`` to the row of the video that names it."""
    found: dict[int, int] = {}
    for row, video in enumerate(videos):
        number = embedded_number(video["backend"].get("dataset"))
        if number is not None:
            found.setdefault(number, row)
    return found


def package_table(videos: pl.DataFrame, pictures: Sequence[EncodedPictures]) -> pl.DataFrame:
    """Let each video refer to its pictures in the very file that is to be written.

    Args:
        videos: The table of videos.
        pictures: Of each video, in the order of the table.
    """
    rows = []
    for number, (row, mine) in enumerate(zip(videos.to_dicts(), pictures, strict=True)):
        backend: Json = {
            "type": "HDF5Video",
            "filename": PACKAGE,
            "dataset": f"video{number}/video",
            "input_format": "channels_last",
            "convert_range": False,
            "has_embedded_images": bool(mine.form),
        }
        if len(mine.frame_inds):
            backend["shape"] = [len(mine.frame_inds), *mine.size]
            backend["grayscale"] = mine.size[2] == 1
            known = zip(_SIZES[1:], mine.size, strict=True)
            row |= {key: size for key, size in known if row[key] is None}
        if mine.fps is not None:
            backend["fps"] = mine.fps
        if mine.source is not None:
            backend["source_video"] = mine.source
        rows.append({**row, "backend": json.dumps(backend)})
    return pl.DataFrame(rows, schema=VIDEOS.memory_columns)


def dump_videos(
    videos: pl.DataFrame,
    target: PathLike,
    others: Mapping[str, Any],
    *,
    classic: bool,
    is_package: bool = False,
) -> list[str]:
    """Write the rows of ``videos_json``.

    The columns decide: where a filename, shape or rate differs from what the backend
    states, the backend is changed.

    Args:
        videos: The table of videos.
        target: The file to be written.
        others: Other values of rows, as `read_video_rows` returned them.
        classic: Write only the keys that the classic programs know.
        is_package: The target itself will hold the pictures, see `package_table`.

    Raises:
        FileFormatError: A video's pictures are inside the file to be replaced.
    """
    rows = []
    for i, row in enumerate(videos.iter_rows(named=True)):
        backend = parse_json(row["backend"], target, f"videos, row {i}, backend")
        if not isinstance(backend, dict):
            raise broken(target, f"videos, row {i}", "no object as backend", "an object")
        if not is_package:
            _require_elsewhere(backend, row["filename"], target, i)
        sources = {key: backend.pop(key) for key in _SOURCES if key in backend}
        _update(backend, sources, row)
        if is_package:
            backend["filename"] = PACKAGE
        if classic:
            rows.append(_dump({"backend": _classic_keys(backend)}))
            continue
        names = backend.get("filenames")
        named = names if isinstance(names, list) else backend["filename"]
        rest = others.get(str(i), {})
        rows.append(_dump({"filename": named, "backend": backend, **sources, **rest}))
    return rows


def _require_elsewhere(backend: Json, filename: str, target: PathLike, row: int) -> None:
    if embedded_number(backend.get("dataset")) is None:
        return
    here, there = Path(target), Path(filename)
    if here.exists() and there.exists() and here.samefile(there):
        raise broken(
            target,
            f"videos, row {row}",
            "pictures embedded in the file that would be replaced",
            "another file to write to",
            "Save under another name; the new file will refer to this one for its pictures.",
        )


def _update(backend: Json, sources: Json, row: Mapping[str, Any]) -> None:
    """Make the backend state what the columns say, and remember what was added to it."""
    given = set(backend)
    if backend.get("filename") == PACKAGE:
        backend["filename"] = row["filename"]
    facts = _facts({**backend, **sources}, "")
    if facts.filename != row["filename"] or "filename" not in backend:
        backend["filename"] = row["filename"]
    if facts.fps != row["fps"]:
        backend["fps"] = row["fps"]
    ours: Json = {}
    sizes = tuple(row[key] for key in _SIZES)
    if facts.sizes != sizes:
        if None not in sizes and embedded_number(backend.get("dataset")) is None:
            backend["shape"] = list(sizes)
        else:
            stated = zip(_SIZES, sizes, facts.sizes, strict=True)
            ours = {key: size for key, size, old in stated if size != old}
    if added := sorted(set(backend) - given):
        ours["added"] = added
    if ours:
        backend[_OURS] = ours


def _classic_keys(backend: Json) -> Json:
    """Keep what the classic program's video of this kind understands."""
    keys: tuple[str, ...]
    if "filenames" in backend:
        keys = ("filename", "filenames", "height_", "width_", "channels_", "grayscale")
    elif backend.get("dataset"):
        keys = ("filename", "dataset", "input_format", "convert_range")
    elif "index_by_original" in backend:
        keys = ("filename", "index_by_original")
    else:
        backend = {"dataset": "", "input_format": "", "bgr": True, **backend}
        keys = ("filename", "grayscale", "bgr", "dataset", "input_format")
    return {key: backend[key] for key in keys if backend.get(key) is not None}
