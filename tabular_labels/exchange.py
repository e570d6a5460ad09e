"""Formats of other programs in and out of `Labels`; each writer streams what is scanned."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from tabular_labels._types import PathLike
from tabular_labels.files import VideoSearch, refuse_to_replace
from tabular_labels.labels import Labels
from tabular_labels.store.snapshot import Snapshot

__all__ = ["read_json", "write_json"]

Progress: TypeAlias = Callable[[int, int], object]
"""Called with what is done and the total; what it raises cancels the writing."""


def read_json(path: PathLike, *, strict: bool = False, video_search: VideoSearch = None) -> Labels:
    """Read SLEAP's JSON (``.json`` or ``.json.zip``, any version) into memory.

    Nothing in the file is built or called. An archive is read in memory and not unpacked.

    Args:
        path: The file.
        strict: Refuse a file that holds data we do not model, instead of warning.
        video_search: See `load_file`.

    Returns:
        The labels. Points that an instance does not list are missing; their marks are
        those of the classic program (visible, not complete, a score of 0 in predictions).

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is no such file, or a broken one.
        UnsafeFileError: It asks for objects to be built, or unpacks to far too much.

    Warns:
        UnmodelledDataWarning: The file holds more than labels do.
        DanglingReferenceWarning: Instances come from predictions that are in no frame.
    """
    from tabular_labels.io import json_read  # loads h5py

    tables = json_read.read_json(path, strict=strict, video_search=video_search)
    return Labels.from_snapshot(Snapshot.of(tables))


def write_json(
    labels: Labels,
    path: PathLike,
    *,
    keep_missing: bool = False,
    progress: Progress | None = None,
) -> None:
    """Write SLEAP's JSON; an existing file is replaced whole or not at all.

    Args:
        labels: What to write; scanned labels are read piece by piece.
        path: Where. A name that ends with ``.zip`` gives an archive with one JSON file.
        keep_missing: Write missing points too, with NaN for coordinates, their marks
            and scores. The classic layout leaves them out, and is plain JSON only then.
        progress: Called with the number of frames written and their total; what it
            raises cancels the writing.

    Raises:
        ValueError: Scanned labels would replace the file that they are read from.

    Warns:
        UnmodelledDataWarning: Something has no place in JSON, as the message says.
    """
    from tabular_labels.io import json_write  # loads h5py

    refuse_to_replace(labels._snapshot, path)
    json_write.write_json(labels._snapshot, path, keep_missing=keep_missing, progress=progress)
