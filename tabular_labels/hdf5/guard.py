"""Open HDF5 files as data: no links out of the file, no plugins, no sizes it cannot hold."""

from __future__ import annotations

import json
import math
import os
import reprlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from stat import S_ISDIR
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5i, h5l, h5o, h5t

from tabular_labels._types import PathLike
from tabular_labels.errors import FileFormatError, TabularLabelsError, UnsafeFileError
from tabular_labels.hdf5.heaps import check_all_heaps, check_heaps

__all__ = [
    "SPARE",
    "as_finite",
    "broken",
    "check_dataset",
    "check_members",
    "check_size",
    "load_json",
    "member",
    "open_guarded",
    "parse_json",
    "parse_json_rows",
    "read_attribute",
    "read_stored_text",
    "read_text",
    "read_texts",
    "require_shallow",
    "shown",
    "translated",
]

REMEDY = "Restore the file from a copy, or save it again with the program that wrote it."
_UNSAFE = "Ask whoever sent the file for one that holds its data itself."

# Built into the HDF5 library or h5py; anything else would load a plugin.
_FILTERS = frozenset(
    {
        h5py.h5z.FILTER_DEFLATE,
        h5py.h5z.FILTER_SHUFFLE,
        h5py.h5z.FILTER_FLETCHER32,
        h5py.h5z.FILTER_LZF,
    }
)
_PACKERS = frozenset({h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_LZF})
_LARGEST_RATIO = 1100  # deflate stays below 1032
SPARE = 64 * 2**20
"""Bytes that nobody has to account for."""

_TEXTS_AT_ONCE = 1024
_MOST_OBJECTS = 1_000_000
_LARGEST_JSON = 512 * 2**20
_SHORT = 2**16
_DEEPEST = 200
_DECODER = json.JSONDecoder()
_SHOWN = reprlib.Repr()
_SHOWN.maxstring = _SHOWN.maxother = 100


def broken(
    path: PathLike, place: str, found: str, expected: str, remedy: str = REMEDY
) -> FileFormatError:
    """Build the error for a file that does not hold what its format promises."""
    return FileFormatError(
        os.fspath(path), place=place, found=found, expected=expected, remedy=remedy
    )


def shown(value: object) -> str:
    """Show a value of a file in a message, however long or deep it is."""
    return _SHOWN.repr(value)


def _unsafe(path: PathLike, place: str, found: str, expected: str) -> UnsafeFileError:
    return UnsafeFileError(
        os.fspath(path), place=place, found=found, expected=expected, remedy=_UNSAFE
    )


@contextmanager
def translated(path: PathLike, place: str) -> Iterator[None]:
    """Turn what the HDF5 library says about damaged bytes into our error."""
    try:
        yield
    except TabularLabelsError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError) as error:
        found = f"something the HDF5 library cannot read ({_first_line(error)})"
        raise broken(path, place, found, "readable data") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


@contextmanager
def open_guarded(path: PathLike) -> Iterator[h5py.File]:
    """Open an HDF5 file for reading after looking at every link in it.

    Args:
        path: The file.

    Yields:
        The open file.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is not an HDF5 file, truncated or damaged.
        UnsafeFileError: It links to other files.
    """
    if S_ISDIR(Path(path).stat().st_mode):
        raise broken(path, "the file", "a directory", "an HDF5 file")
    if not h5py.is_hdf5(os.fspath(path)):
        raise broken(path, "the file", "no HDF5 signature", "an HDF5 file (.slp)")
    with translated(path, "the file"):
        file = h5py.File(path, "r", locking="best-effort")
    with file:
        with translated(path, "the table of contents"):
            check_members(file, path)
        yield file


def check_members(file: h5py.File, path: PathLike) -> None:
    """Refuse links out of the file and data kept elsewhere, in every group but pictures.

    Groups of embedded pictures are left to whoever reads them; `member` checks the way.
    """
    waiting: list[tuple[str, Any]] = [("", file.id)]
    seen: set[int] = set()
    while waiting:
        place, group = waiting.pop()
        for name in _names(group):
            here = f"{place}/{name.decode('utf-8', 'replace')}"
            if not _is_text(name):
                raise broken(path, here, "a name that is not UTF-8", "a name")
            _check_link(group, name, path, here)
            if not place and _is_pictures(name):
                continue
            info = h5o.get_info(group, name)
            if info.addr in seen:
                continue
            seen.add(info.addr)
            if len(seen) > _MOST_OBJECTS:
                raise broken(path, here, "over a million objects", "a labels file")
            if info.type == h5o.TYPE_GROUP:
                waiting.append((here, h5o.open(group, name)))
            elif info.type == h5o.TYPE_DATASET:
                check_dataset(h5o.open(group, name), path, here)


def _names(group: Any) -> list[bytes]:
    names: list[bytes] = []
    group.links.iterate(names.append)
    return names


def _is_text(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _is_pictures(name: bytes) -> bool:
    return name.startswith(b"video") and name[5:].isdigit()


def _check_link(group: Any, name: bytes, path: PathLike, place: str) -> None:
    if group.links.get_info(name).type == h5l.TYPE_HARD:
        return
    raise _unsafe(path, place, "a link to somewhere else", "the data itself")


def check_dataset(dataset: Any, path: PathLike, place: str) -> None:
    """Refuse a dataset that is kept in other files or needs plugins to be read.

    Args:
        dataset: A low-level dataset (``h5py.Dataset.id``).
        path: The file, for messages.
        place: The dataset's path in it.
    """
    plist = dataset.get_create_plist()
    if plist.get_layout() == h5d.VIRTUAL:
        raise _unsafe(path, place, "a virtual dataset", "the data itself")
    if plist.get_layout() == h5d.CONTIGUOUS and plist.get_external_count():
        raise _unsafe(path, place, "a dataset kept in other files", "the data itself")
    filters = _filters(plist)
    if not _FILTERS.issuperset(filters):
        found = f"the filter {min(set(filters) - _FILTERS)}"
        raise _unsafe(path, place, found, "gzip, lzf, shuffle or fletcher32")
    if sum(code in _PACKERS for code in filters) > 1:
        raise _unsafe(path, place, "data packed more than once", "one compression filter")


def _filters(plist: Any) -> list[int]:
    return [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]


def check_size(dataset: Any, path: PathLike, place: str, *, spare: int = 0) -> None:
    """Refuse a dataset that claims more items than its stored bytes can hold.

    Args:
        dataset: A low-level dataset (``h5py.Dataset.id``).
        path: The file, for messages.
        place: The dataset's path in it.
        spare: Bytes that may be claimed without being stored.
    """
    plist, stored = dataset.get_create_plist(), dataset.get_storage_size()
    size = _file_size(dataset)
    if stored > size:
        raise broken(path, place, f"{stored} stored bytes", f"at most the file's {size}")
    item = dataset.get_type().get_size()
    room = stored * (_LARGEST_RATIO if _PACKERS.intersection(_filters(plist)) else 1)
    claimed = _product(dataset.shape or ()) * item
    if claimed > max(room, spare):
        found = f"{dataset.shape} items ({claimed} bytes) in {stored} stored bytes"
        raise broken(path, place, found, "every item stored")
    if plist.get_layout() == h5d.CHUNKED:
        chunk = _product(plist.get_chunk()) * item
        if chunk > max(room, SPARE):
            raise broken(path, place, f"chunks of {chunk} bytes", f"at most {room}")


def _file_size(dataset: Any) -> int:
    """Bytes of the file that a low-level dataset is in, on disk or in memory."""
    return int(h5i.get_file_id(dataset).get_filesize())


def _product(sizes: Any) -> int:
    result = 1
    for size in sizes:
        result *= int(size)
    return result


def member(group: h5py.Group, name: str, path: PathLike, *, spare: int = 0) -> Any:
    """Return a direct member of a group, or None; never follow a link out.

    Args:
        group: An open group.
        name: One name, without slashes.
        path: The file, for messages.
        spare: Bytes that a dataset may claim without storing them.

    Returns:
        The h5py group or dataset, or None when there is none.
    """
    key = name.encode()
    if not group.id.links.exists(key):
        return None
    place = f"{group.name.rstrip('/')}/{name}"
    with translated(path, place):
        _check_link(group.id, key, path, place)
        found = group[name]
        if isinstance(found, h5py.Dataset):
            check_dataset(found.id, path, place)
            check_size(found.id, path, place, spare=spare)
            check_heaps(found, path)
    return found


def read_attribute(holder: Any, name: str | bytes, path: PathLike) -> Any:
    """Read an attribute of a group or dataset; None when there is none.

    Args:
        holder: The h5py group or dataset.
        name: The attribute's name.
        path: The file, for messages.
    """
    with translated(path, f"{holder.name}, attribute {name!r}"):
        if name not in holder.attrs:
            return None
        type_ = holder.attrs.get_id(name).get_type()
        is_text = isinstance(type_, h5t.TypeStringID) and type_.is_variable_str()
        if is_text or type_.detect_class(h5t.VLEN) or isinstance(type_, h5t.TypeCompoundID):
            check_all_heaps(path)
        return holder.attrs[name]


def read_text(value: Any, path: PathLike, place: str) -> str:
    """Decode a JSON attribute or scalar dataset: bytes, text, or an array of bytes."""
    if isinstance(value, np.ndarray):
        value = value.tobytes().rstrip(b"\0") if value.dtype.kind in "SuiV" else value.item()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError as error:
            raise broken(path, place, "bytes that are not UTF-8", "text") from error
    if isinstance(value, str):
        return str(value)
    raise broken(path, place, type(value).__name__, "text")


def read_stored_text(group: h5py.Group, name: str, path: PathLike) -> str | None:
    """Read a text that is a scalar member of a group or, when short, its attribute."""
    dataset = member(group, name, path)
    if isinstance(dataset, h5py.Dataset) and dataset.shape == ():
        return read_text(dataset[()], path, str(dataset.name))
    value = read_attribute(group, name, path)
    return None if value is None else read_text(value, path, f"{group.name}, attribute {name}")


def read_texts(dataset: h5py.Dataset, path: PathLike) -> list[str]:
    """Read a list of texts: variable-length or fixed, or the empty float64 of old writers."""
    place = str(dataset.name)
    if not isinstance(dataset, h5py.Dataset) or dataset.ndim != 1:
        raise broken(path, place, "no list", "a list of texts")
    if not dataset.size:
        return []
    with translated(path, place):
        dtype = dataset.dtype
    if dtype.kind not in "SO" or h5py.check_dtype(ref=dtype):
        raise broken(path, place, f"items of type {dtype}", "texts")
    texts: list[str] = []
    room = 4 * os.stat(path).st_size + SPARE  # noqa: PTH116 - any kind of path
    for start in range(0, len(dataset), _TEXTS_AT_ONCE):
        with translated(path, place):
            values = dataset[start : start + _TEXTS_AT_ONCE]
        try:
            texts += [value.decode() for value in values]
        except (AttributeError, UnicodeDecodeError):  # text already, or what is none
            texts += [read_text(value, path, place) for value in values]
        room -= sum(map(len, values))
        if room < 0:
            raise broken(path, place, "more text than the file has bytes", "each text once")
    return texts


def parse_json(text: str, path: PathLike, place: str) -> Any:
    """Parse JSON, bounded in size and depth.

    Raises:
        FileFormatError: It is not JSON, too large, or nested too deeply.
    """
    if len(text) > _LARGEST_JSON:
        raise broken(path, place, f"{len(text)} characters of JSON", f"at most {_LARGEST_JSON}")
    value = load_json(text, path, place)
    if _may_be_deep(text):
        require_shallow(value, path, place)
    return value


def parse_json_rows(texts: Sequence[str], path: PathLike, place: str) -> list[Any]:
    """Parse texts of JSON, one for each row, as `parse_json` does.

    Raises:
        FileFormatError: One of them is not as it should be; the message names its row.
    """
    values = []
    for i, text in enumerate(texts):
        # Nearly all are short and sound, and there may be many.
        try:
            value, end = _DECODER.raw_decode(text)
        except (ValueError, RecursionError):
            end = -1
        if end != len(text) or len(text) > _SHORT or "\\u" in text or _may_be_deep(text):
            value = parse_json(text, path, f"{place}, row {i}")
        values.append(value)
    return values


def load_json(text: str, path: PathLike, place: str) -> Any:
    """Parse JSON of any size, as deep as the parser goes.

    Raises:
        FileFormatError: It is not JSON, nested too deeply for the parser, or holds half
            a character, which no text can.
    """
    try:
        value = json.loads(text) if text[-1:].isspace() else _parsed(text)
        if "\\ud" in text or "\\uD" in text:
            _require_whole_characters(value, path, place)
        return value
    except ValueError as error:
        raise broken(path, place, f"no valid JSON ({error})", "JSON") from error
    except RecursionError as error:
        raise _too_deep(path, place) from error


def _require_whole_characters(value: object, path: PathLike, place: str) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        found = f"half a character, {error.object[error.start]!r}"
        raise broken(path, place, found, "text") from error


def require_shallow(value: object, path: PathLike, place: str) -> None:
    """Raise when a JSON value is nested more deeply than what walks over it may go.

    Raises:
        FileFormatError: It is.
    """
    if _depth(value) > _DEEPEST:
        raise _too_deep(path, place)


def _too_deep(path: PathLike, place: str) -> FileFormatError:
    return broken(path, place, "JSON nested too deeply", f"at most {_DEEPEST} levels")


def _parsed(text: str) -> Any:
    """Parse JSON; rows of lists have no space around them, which costs as much to look for."""
    try:
        value, end = _DECODER.raw_decode(text)
    except ValueError:
        return json.loads(text)
    return value if end == len(text) else json.loads(text)


def _may_be_deep(text: str) -> bool:
    return len(text) > _DEEPEST and text.count("[") + text.count("{") > _DEEPEST


def _depth(value: object) -> int:
    """Count levels without recursion."""
    depth, level = 0, [value]
    while level and depth <= _DEEPEST:
        depth += 1
        inside: list[object] = []
        for item in level:
            if isinstance(item, dict):
                inside += item.values()
            elif isinstance(item, list):
                inside += item
        level = [item for item in inside if isinstance(item, dict | list)]
    return depth


def as_finite(value: object) -> float | None:
    """Read a JSON number as float; None for anything else, also beyond floats."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
