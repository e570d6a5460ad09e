"""Read the classic programs' JSON as data: ``.json``, ``.json.zip``, or its text.

Nothing in such a file is imported or called: tags of ``jsonpickle`` are understood where
skeletons have them (`skeleton_tags`), and refused among the labels.
"""

from __future__ import annotations

import codecs
import os
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tabular_labels._types import Json, PathLike
from tabular_labels.errors import DanglingReferenceWarning, FormatVersionError, UnsafeFileError
from tabular_labels.hdf5.guard import SPARE, broken, load_json, require_shallow, shown
from tabular_labels.io.attachments import report
from tabular_labels.io.json_labels import LabelsReader
from tabular_labels.io.slp_catalog import read_metadata
from tabular_labels.io.slp_videos import video_table
from tabular_labels.io.video_search import VideoSearch, apply_video_search
from tabular_labels.model.assemble import assemble
from tabular_labels.model.checks import check_tables, require
from tabular_labels.model.tables import Attachments, LabelTables

__all__ = ["parse_document", "parse_text", "read_json"]

_FORMAT_IDS = (None, 1)
_LARGEST_RATIO = 200
_MOST_MEMBERS = 100_000
_MADE_UP = "the JSON text"


def read_json(
    path: PathLike, *, strict: bool = False, video_search: VideoSearch | None = None
) -> LabelTables:
    """Read a ``.json`` or ``.json.zip`` file of any version of the classic programs.

    Coordinates are taken as they are. Points that an instance does not list are missing.
    A prediction that an instance came from is looked for among the frame's instances,
    then among all.

    Args:
        path: The file. Of an archive its only JSON file is read, in memory; nothing is
            unpacked to the disk.
        strict: Raise instead of warning when the file holds more than our tables.
        video_search: How to find videos that moved: a function that edits the list of
            video entries in place, or folders to look in.

    Returns:
        The tables.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is broken.
        UnsafeFileError: It asks for objects to be built, or an archive unpacks to far
            more than its size.
        UnmodelledDataError: With ``strict``: it holds more than our tables.

    Warns:
        UnmodelledDataWarning: The file holds more than our tables.
        DanglingReferenceWarning: Instances come from predictions that are in no frame.
    """
    data = _member_of(path) if zipfile.is_zipfile(path) else Path(path).read_bytes()
    text = _decoded(data, path)
    del data
    document = load_json(text, path, "the file")
    del text
    return parse_document(document, path, strict=strict, video_search=video_search)


def parse_text(text: str | bytes) -> LabelTables:
    """Read JSON that is no file, see `read_json`.

    Examples:
        >>> parse_text('{"skeletons": [], "nodes": [], "videos": []}').frames.height
        0
    """
    text = text if isinstance(text, str) else _decoded(text, _MADE_UP)
    return parse_document(load_json(text, _MADE_UP, "the text"))


def parse_document(
    document: object,
    path: PathLike = _MADE_UP,
    *,
    strict: bool = False,
    video_search: VideoSearch | None = None,
) -> LabelTables:
    """Read a document that was parsed already, see `read_json`.

    Examples:
        >>> document = {"version": "2.0.0", "skeletons": [], "nodes": [], "videos": []}
        >>> parse_document(document).frames.height
        0
    """
    path = os.fspath(path)
    if not isinstance(document, dict):
        raise broken(path, "the file", shown(document), "an object with skeletons and labels")
    if document.get("format_id") not in _FORMAT_IDS:
        raise FormatVersionError(
            path,
            place="format_id",
            found=shown(document["format_id"]),
            expected="1, or none",
            remedy="Use a newer tabular_labels, or save the file as .slp.",
        )
    metadata = _metadata(document)
    require_shallow(metadata, path, "the metadata")
    header = read_metadata(metadata, path)
    catalog = header.catalog
    if video_search is not None:
        apply_video_search(header.videos, video_search, path)
        catalog = replace(catalog, videos=video_table(header.videos, path))
    reader = LabelsReader(catalog, document, path)
    rows = reader.read()
    counts = {**header.counts, **reader.left_out}
    report(path, counts, strict=strict, stacklevel=4)
    if header.leftovers:
        attachments = Attachments(dict(header.counts), metadata=dict(header.leftovers))
        catalog = replace(catalog, attachments=attachments)
    if reader.dangling:
        message = (
            f"{path}: {reader.dangling} instances come from no prediction of any frame; "
            "their from_predicted is null"
        )
        warnings.warn(message, DanglingReferenceWarning, stacklevel=3)
    tables = assemble(catalog, rows.frames, rows.instances, rows.points)
    require(check_tables(tables))
    return tables


def _metadata(document: Mapping[str, Any]) -> Json:
    """Everything but the labels; the oldest files have no tracks."""
    known = {k: v for k, v in document.items() if k not in ("labels", "format_id")}
    return {"tracks": [], **known}


def _decoded(data: bytes, path: PathLike) -> str:
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        raise broken(path, "the file", f"bytes that are not UTF-8 ({error})", "JSON") from error


def _member_of(path: PathLike) -> bytes:
    """Read the only JSON file at the top of an archive, into memory and bounded."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if len(members) > _MOST_MEMBERS:
                found = f"an archive of {len(members)} files"
                raise broken(path, "the file", found, f"at most {_MOST_MEMBERS}")
            named = [member for member in members if _is_document(member.filename)]
            if len(named) != 1:
                found = f"{[member.filename for member in named][:5]} in the archive"
                raise broken(path, "the file", found, "one JSON file at its top")
            return _inflated(archive, named[0], path)
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        found = f"an archive that cannot be read ({error})"
        raise broken(path, "the file", found, "a .json.zip file") from error


def _is_document(name: str) -> bool:
    return name.lower().endswith(".json") and "/" not in name and "\\" not in name


def _inflated(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: PathLike) -> bytes:
    """Unpack a member; what its header says of its size is not believed."""
    room = _LARGEST_RATIO * Path(path).stat().st_size + SPARE
    with archive.open(member) as file:
        data = file.read(room + 1)
    if len(data) > room:
        raise UnsafeFileError(
            os.fspath(path),
            place=member.filename,
            found=f"over {room} bytes packed into {Path(path).stat().st_size}",
            expected=f"at most {_LARGEST_RATIO} times the size of the archive",
            remedy="Do not trust this archive; ask for the JSON file itself.",
        )
    return data
