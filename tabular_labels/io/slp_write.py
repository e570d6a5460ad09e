"""Write tables as a ``.slp`` file, in today's layout or the classic one."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

import h5py
import numpy as np

from tabular_labels._types import PathLike
from tabular_labels.errors import FileFormatError, UnmodelledDataWarning
from tabular_labels.hdf5.guard import as_finite
from tabular_labels.io.atomic import atomic_path
from tabular_labels.io.attachments import (
    attachment_image,
    describe,
    names_rows,
    open_image,
    restore_objects,
)
from tabular_labels.io.metadata_json import (
    dump_metadata,
    dump_provenance,
    dump_suggestions,
    json_text,
    leftover,
)
from tabular_labels.io.pictures_write import write_pictures
from tabular_labels.io.slp_layout import CLASSIC_FORMAT, TODAY_FORMAT
from tabular_labels.io.slp_order import FileOrder
from tabular_labels.io.slp_tables import NewFile
from tabular_labels.io.slp_videos import dump_videos, package_table
from tabular_labels.io.slp_write_points import write_points
from tabular_labels.io.slp_write_rows import write_frames, write_instances
from tabular_labels.model.checks import check_catalog, check_structure, check_tables, require
from tabular_labels.model.pictures import EncodedPictures
from tabular_labels.model.source import Readable
from tabular_labels.model.tables import Catalog, LabelTables, numbering

__all__ = ["write_slp"]

_LARGEST_ATTRIBUTE = 64_000  # bytes; beyond it attributes need the file layout of HDF5 1.8

Progress: TypeAlias = Callable[[int, int], object]


def write_slp(
    labels: LabelTables | Readable,
    path: PathLike,
    *,
    compat: Literal["today", "classic"] = "today",
    pictures: Sequence[EncodedPictures] | None = None,
    progress: Progress | None = None,
) -> None:
    """Write a ``.slp`` file; what was there stays as it was when writing fails.

    Frames are written in list order (``position``). The project's id goes into the
    provenance. Attachments go along while frames, instances, videos and tracks have the
    numbers they had when they were read. Videos that are embedded in another package
    stay there: the new file refers to it.

    Args:
        labels: What to write; points that are not in memory are read piece by piece.
        path: The file. Its directory must exist.
        compat: ``"today"`` writes what current programs write, ``"classic"`` the layout
            of the original program (format 1.2), which has no place for attachments,
            negative frames, and the shapes of videos.
        pictures: Of each video, in the order of the table: the file becomes a training
            package. Every video then refers to its pictures in the file.
        progress: Called with the number of frames whose points are written, and of all;
            what it raises cancels the writing.

    Raises:
        InvariantError: The labels break a rule (`model.checks`).
        FileFormatError: A video is embedded in the very file to be replaced, or a
            value cannot be written as JSON.

    Warns:
        UnmodelledDataWarning: Something was left out, as the message says.
    """
    catalog = labels.catalog
    if isinstance(labels, LabelTables):
        require(check_tables(labels))
    else:
        require(check_catalog(catalog) + check_structure(catalog, labels.structure))
    if pictures is not None:
        catalog = replace(catalog, videos=package_table(catalog.videos, pictures))
    writer = _Writer(labels, catalog, path, pictures, classic=compat == "classic")
    with atomic_path(path) as temporary:
        writer.write(temporary, progress)


class _Writer:
    """Writes one file."""

    def __init__(
        self,
        labels: LabelTables | Readable,
        catalog: Catalog,
        path: PathLike,
        pictures: Sequence[EncodedPictures] | None,
        *,
        classic: bool,
    ) -> None:
        self.labels, self.catalog = labels, catalog
        self.pictures = pictures or ()
        self.path, self.classic = os.fspath(path), classic
        self.leftovers = self.catalog.attachments.metadata
        self.left_out: list[str] = []
        # Everything that can be refused is prepared before a file is created.
        self.videos = dump_videos(
            self.catalog.videos,
            path,
            leftover(self.catalog, "videos_json"),
            classic=classic,
            is_package=pictures is not None,
        )
        self.metadata = json_text(
            dump_metadata(self.catalog, symmetry_both_ways=classic), path, "metadata"
        )
        self.provenance = json_text(dump_provenance(self.catalog), path, "provenance")
        self.image = self._attached()
        self.order = FileOrder.of(labels.structure)

    def write(self, path: Path, progress: Progress | None) -> None:
        """Write the file at this path, and say what was left out."""
        text = self.metadata.encode()
        newer = len(text) > _LARGEST_ATTRIBUTE
        libver = ("v108", "latest") if newer else ("earliest", "latest")
        with h5py.File(path, "w-", libver=libver) as file, open_image(self.image) as image:
            self._write_lists(file)
            group = file.create_group("metadata")
            group.attrs["format_id"] = self._format_id(image)
            group.attrs["json"] = np.bytes_(text)
            self._write_tables(NewFile(file, image, self.classic), progress)
            if image is not None:
                restore_objects(image, file)
            for number, pictures in enumerate(self.pictures):
                write_pictures(file, number, pictures)
        if self.left_out:
            message = f"{self.path}: left out on writing: {', '.join(self.left_out)}"
            warnings.warn(message, UnmodelledDataWarning, stacklevel=3)

    def _attached(self) -> bytes | None:
        attachments = self.catalog.attachments
        if attachments.image is None and attachments.path is None:
            return None
        if self.classic:
            self.left_out.append(f"{describe(attachments)}, which the classic layout has not")
        elif attachments.numbering != numbering(self.catalog, self.labels.structure):
            self.left_out.append(f"{describe(attachments)}, which refer to other row numbers")
        else:
            try:
                if names_rows(attachments):
                    return attachment_image(attachments)
                self.left_out.append(f"{describe(attachments)}, which refer to other row numbers")
            except (FileNotFoundError, FileFormatError) as error:
                self.left_out.append(f"{describe(attachments)}, which cannot be read ({error})")
        return None

    def _format_id(self, image: h5py.File | None) -> float:
        if self.classic:
            return CLASSIC_FORMAT
        old = as_finite(self.leftovers.get("format_id")) or TODAY_FORMAT
        return TODAY_FORMAT if image is None else max(TODAY_FORMAT, old)

    def _write_lists(self, file: h5py.File) -> None:
        tracks = self.catalog.tracks.select("spawned_on", "name").rows()
        self._write_rows(file, "videos_json", self.videos)
        self._write_rows(file, "tracks_json", self._texts(tracks, "tracks"))
        suggestions = dump_suggestions(self.catalog)
        self._write_rows(file, "suggestions_json", self._texts(suggestions, "suggestions"))
        if self.classic:
            return
        self._write_rows(file, "sessions_json", [])
        file["provenance_json"] = np.bytes_(self.provenance)

    def _texts(self, rows: Sequence[object], place: str) -> list[str]:
        return [json_text(row, self.path, place) for row in rows]

    def _write_rows(self, file: h5py.File, name: str, rows: list[str]) -> None:
        if not self.classic:
            data = np.array(rows, dtype=object)
            file.create_dataset(name, data=data, dtype=h5py.string_dtype(), maxshape=(None,))
        elif rows:
            file.create_dataset(name, data=np.array(rows, dtype="S"), maxshape=(None,))
        else:
            file.create_dataset(name, shape=(0,), dtype=np.float64, maxshape=(None,))

    def _write_tables(self, file: NewFile, progress: Progress | None) -> None:
        labels, catalog, order = self.labels, self.catalog, self.order
        n_scores = write_points(labels, order, file, progress)
        write_instances(catalog, labels.structure, order, file)
        n_negative = write_frames(catalog, labels.structure, order, file, self.videos)
        if n_scores:
            self.left_out.append(f"scores of user points ({n_scores})")
        if n_negative and self.classic:
            lost = f"negative frames ({n_negative}), which the classic layout has not"
            self.left_out.append(lost)
