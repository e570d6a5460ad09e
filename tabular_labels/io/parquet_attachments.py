"""Keep what a project carries along but does not model: an HDF5 file beside the tables."""

from __future__ import annotations

import uuid
from pathlib import Path

import h5py

from tabular_labels.io.atomic import sync_file
from tabular_labels.io.hdf5_guard import member, open_guarded
from tabular_labels.io.manifest import DataFile
from tabular_labels.io.project_files import describe_file
from tabular_labels.model.tables import Attachments

__all__ = ["write_attachments"]


def write_attachments(attachments: Attachments, root: Path, created: list[Path]) -> DataFile | None:
    """Write the attached objects into the project's ``data/``.

    Args:
        attachments: An image is written verbatim; from a file on disk the objects
            that ``counts`` names are copied with all they hold.
        root: The project's directory.
        created: Gets the new file's path before it is written.

    Returns:
        The manifest's entry, or None when there are no objects.

    Raises:
        FileNotFoundError: The file that holds the objects is gone.
        FileFormatError: It is damaged.
        UnsafeFileError: It links out of itself.
    """
    if attachments.image is None and (attachments.path is None or not attachments.counts):
        return None
    file = root / "data" / f"attachments-{uuid.uuid4().hex}.h5"
    created.append(file)
    if attachments.image is not None:
        file.write_bytes(attachments.image)
        sync_file(file)
    elif attachments.path is not None:
        _copy_objects(attachments, attachments.path, file)
    return describe_file(file, root, 0)


def _copy_objects(attachments: Attachments, path: str, file: Path) -> None:
    with open_guarded(path) as source, h5py.File(file, "x") as target:
        for name in {place.strip("/").partition("/")[0] for place in attachments.counts}:
            found = member(source, name, path)
            if found is not None:
                source.copy(found, target, name)
    sync_file(file)
