"""Look at a record table of a file: its fields, their types, its number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from h5py import h5t

from tabular_labels.hdf5.guard import (
    broken,
    member,
    parse_json,
    read_attribute,
    read_text,
    translated,
)
from tabular_labels.io.hdf5_records import FileState, Records

__all__ = ["find_records"]


def find_records(
    file: h5py.File,
    state: FileState,
    name: str,
    layout: np.dtype[Any],
    optional: Sequence[str] = (),
) -> Records:
    """Look at a record table: compound, or a plain 2-D array with the columns in order.

    Args:
        file: The open file.
        state: The same file.
        name: Name of the dataset.
        layout: The records it should hold, as far as names go; widths may differ.
        optional: Columns that may be missing.

    Raises:
        FileFormatError: The dataset is missing, or is no such table.
    """
    path, place = state.path, f"/{name}"
    dataset = member(file, name, path)
    if not isinstance(dataset, h5py.Dataset):
        raise broken(path, place, "no such dataset", "a table of records")
    with translated(path, place):
        type_ = dataset.id.get_type()
        if isinstance(type_, h5t.TypeCompoundID) and dataset.ndim == 1:
            names, record = _fields(type_)
        elif _plain(type_) is not None and dataset.ndim == 2:
            names = _plain_names(dataset, layout, path)
            record = np.dtype({"names": names, "formats": [_plain(type_)] * len(names)})
        else:
            found = f"{dataset.ndim} dimensions of {type(type_).__name__}"
            raise broken(path, place, found, "a list of records")
    wanted = layout.names or ()
    missing = [column for column in wanted if column not in names and column not in optional]
    if missing:
        raise broken(path, place, f"columns {', '.join(names)}", f"also {', '.join(missing)}")
    for column in wanted:
        if column in names and column not in (record.names or ()):
            raise broken(path, f"{place}, column {column}", "another type", "numbers")
    return Records(
        state,
        name,
        len(dataset),
        record,
        {column: column for column in wanted if column in names},
    )


def _fields(type_: Any) -> tuple[list[str], np.dtype[Any]]:
    """Name all members of a compound type; take the numbers among them as they are stored.

    Truth values are taken as bytes, for not only 0 and 1 may stand there.
    """
    names: list[str] = []
    found: list[tuple[str, np.dtype[Any], int]] = []
    end = 0
    members = [(type_.get_member_offset(i), i) for i in range(type_.get_nmembers())]
    for offset, i in sorted(members):
        name, member_type = type_.get_member_name(i), type_.get_member_type(i)
        if offset < end:
            message = "members of a record overlap"
            raise ValueError(message)
        end = offset + member_type.get_size()
        names.append(name.decode() if isinstance(name, bytes) else name)
        dtype = _plain(member_type)
        if dtype is not None:
            found.append((names[-1], dtype, offset))
    return names, np.dtype(
        {
            "names": [name for name, _, _ in found],
            "formats": [dtype for _, dtype, _ in found],
            "offsets": [offset for _, _, offset in found],
            "itemsize": type_.get_size(),
        }
    )


def _plain(type_: Any) -> np.dtype[Any] | None:
    """Return the dtype of a number whose bytes numpy reads as they are stored, else None."""
    if isinstance(type_, h5t.TypeEnumID):
        return np.dtype("u1") if type_.get_size() == 1 else None
    if not isinstance(type_, h5t.TypeIntegerID | h5t.TypeFloatID):
        return None
    dtype = type_.dtype
    is_plain = dtype.kind in "iuf" and dtype.itemsize == type_.get_size() <= 8
    return dtype if is_plain and h5t.py_create(dtype) == type_ else None


def _plain_names(dataset: h5py.Dataset, layout: np.dtype[Any], path: str) -> list[str]:
    """Name the columns of a plain array: by its attribute, else by the layout's order."""
    width = dataset.shape[1]
    stated = read_attribute(dataset, "field_names", path)
    if stated is not None:
        place = f"{dataset.name}, attribute field_names"
        names = parse_json(read_text(stated, path, place), path, place)
        if not (isinstance(names, list) and all(isinstance(n, str) for n in names)):
            raise broken(path, place, repr(names)[:80], "a list of names")
        if len(names) != width or len(set(names)) != width:
            raise broken(path, place, f"{len(names)} names", f"{width} different names")
        return names
    known = list(layout.names or ())
    return known[:width] + [f"column {i}" for i in range(len(known), width)]
