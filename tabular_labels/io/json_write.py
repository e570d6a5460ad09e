"""Write labels as the classic programs' JSON: a text, a ``.json`` file, or a ``.json.zip``."""

from __future__ import annotations

import io
import json
import os
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from tabular_labels._types import Json, PathLike
from tabular_labels.errors import UnmodelledDataWarning
from tabular_labels.io.atomic import atomic_path
from tabular_labels.io.attachments import describe
from tabular_labels.io.json_frames import Progress, write_frames
from tabular_labels.io.metadata_json import dump_metadata, dump_suggestions, json_text, leftover
from tabular_labels.io.slp_videos import dump_videos
from tabular_labels.model.source import Readable
from tabular_labels.model.tables import Catalog

__all__ = ["json_document", "write_json"]

FORMAT_ID = 1
_MADE_UP = "labels.json"
_COMPRESSION = 6


def write_json(
    labels: Readable,
    path: PathLike,
    *,
    keep_missing: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write a ``.json`` or ``.json.zip`` file; what was there stays when writing fails.

    Frames are written in list order, chunk by chunk, so that memory is bounded on a scan.
    Coordinates and scores come back to the bit.

    Args:
        labels: What to write.
        path: The file; a name that ends with ``.zip`` gives an archive with one JSON
            file. Its directory must exist.
        keep_missing: Write missing points too, as NaN, with their marks and scores.
            The classic layout leaves them out, and is plain JSON only without.
        progress: Called with the number of frames written and their total; what it
            raises cancels the writing.

    Raises:
        FileFormatError: A value cannot be written as JSON.

    Warns:
        UnmodelledDataWarning: Something was left out, as the message says.
    """
    head = _head(labels.catalog, path)
    with atomic_path(path) as temporary, _opened(temporary, Path(path)) as file:
        left_out = _write(file, head, labels, keep_missing=keep_missing, progress=progress)
    if labels.catalog.attachments.counts and _objects(labels.catalog):
        left_out.append(f"{describe(labels.catalog.attachments)}, which JSON has no place for")
    if left_out:
        message = f"{os.fspath(path)}: left out on writing: {', '.join(left_out)}"
        warnings.warn(message, UnmodelledDataWarning, stacklevel=2)


def json_document(labels: Readable, *, skip_labels: bool = False) -> str:
    """Return the text of a ``.json`` file.

    Args:
        labels: What to write.
        skip_labels: Leave out the frames.

    Examples:
        >>> from types import SimpleNamespace
        >>> from tabular_labels.model.tables import LabelTables
        >>> tables = LabelTables()
        >>> labels = SimpleNamespace(catalog=tables.catalog, structure=tables.structure)
        >>> json.loads(json_document(labels))["labels"]
        []
    """
    head = _head(labels.catalog, _MADE_UP)
    if skip_labels:
        return head.decode()
    buffer = io.BytesIO()
    _write(buffer, head, labels, keep_missing=False, progress=None)
    return buffer.getvalue().decode()


def _write(
    file: BinaryIO,
    head: bytes,
    labels: Readable,
    *,
    keep_missing: bool,
    progress: Progress | None,
) -> list[str]:
    """Write the document; the frames stand last, as their number is not bounded."""
    file.write(head.removesuffix(b"}") + b',"labels":[\n')
    left_out = write_frames(file, labels, keep_missing=keep_missing, progress=progress)
    file.write(b"]}\n")
    return left_out


def _head(catalog: Catalog, path: PathLike) -> bytes:
    metadata = dump_metadata(catalog, symmetry_both_ways=True)
    videos = dump_videos(catalog.videos, path, leftover(catalog, "videos_json"), classic=False)
    document: Json = {
        **metadata,
        "videos": [json.loads(text) for text in videos],
        "tracks": [list(row) for row in catalog.tracks.select("spawned_on", "name").rows()],
        "suggestions": dump_suggestions(catalog),
        "format_id": FORMAT_ID,
    }
    return json_text(document, path, "metadata").encode()


def _objects(catalog: Catalog) -> bool:
    """Tell whether something is carried that is no JSON."""
    return catalog.attachments.image is not None or catalog.attachments.path is not None


@contextmanager
def _opened(temporary: Path, path: Path) -> Iterator[BinaryIO]:
    """Open the file, or the only member of an archive."""
    if path.suffix.lower() != ".zip":
        with temporary.open("xb") as file:
            yield file
        return
    name = path.name[: -len(".zip")]
    name = name if name.lower().endswith(".json") else f"{name}.json"
    compression = zipfile.ZIP_DEFLATED
    with (
        zipfile.ZipFile(temporary, "x", compression, compresslevel=_COMPRESSION) as archive,
        archive.open(name, "w", force_zip64=True) as member,
    ):
        yield cast("BinaryIO", member)
