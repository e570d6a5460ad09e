"""Read rows of a record table straight from the file, wherever its bytes stand."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5d, h5s, h5t

from tabular_labels._types import BoolArray, FloatArray, IntArray, PathLike
from tabular_labels.hdf5.guard import (
    broken,
    member,
    parse_json,
    read_attribute,
    read_text,
    translated,
)

__all__ = ["BLOCK", "Extents", "FileState", "RecordReader", "Records", "find_records"]

BLOCK = 65_536
"""Rows read at once: a block of records stays in the processor's cache."""

_AS_INTEGER = np.dtype(np.int64)


@dataclass(frozen=True)
class FileState:
    """A file as it was when it was opened first."""

    path: str
    size: int
    modified: int

    @classmethod
    def of(cls, path: PathLike) -> FileState:
        """Look at the file."""
        found = Path(path).stat()
        return cls(os.fspath(Path(path).resolve()), found.st_size, found.st_mtime_ns)

    def require(self, found: os.stat_result) -> None:
        """Raise unless the file is still the one that was opened first."""
        if (found.st_size, found.st_mtime_ns) != (self.size, self.modified):
            raise broken(
                self.path,
                "the file",
                f"{found.st_size} bytes, modified since it was opened",
                f"the {self.size} bytes that were opened",
                "Open the file again.",
            )


@dataclass(frozen=True)
class Extents:
    """Where uncompressed records stand: runs of rows and the address of each run.

    Attributes:
        rows: First row of each run and the total: int64, shape ``(n_runs + 1,)``.
        addresses: Byte at which each run starts: int64, shape ``(n_runs,)``.
    """

    rows: IntArray
    addresses: IntArray


@dataclass(frozen=True)
class Records:
    """One record table of a file: fields, number of rows, and where the bytes are.

    Attributes:
        state: The file.
        name: The dataset's name.
        rows: Number of records.
        record: Dtype of a record as it stands in the file; truth values as bytes.
        fields: Our column name -> name of the field in ``record``.
    """

    state: FileState
    name: str
    rows: int
    record: np.dtype[Any]
    fields: Mapping[str, str]

    @property
    def place(self) -> str:
        """Path of the dataset in the file, for messages."""
        return f"/{self.name}"

    def locate(self) -> Extents | None:
        """Find the bytes; None when only the HDF5 library can read them."""
        with translated(self.state.path, self.place), _library(self.state) as file:
            return _locate(file[self.name].id, self)

    @contextmanager
    def reader(self, extents: Extents | None) -> Iterator[RecordReader]:
        """Open the table for reading; ``extents`` are what `locate` returned."""
        if extents is None:
            with translated(self.state.path, self.place), _library(self.state) as file:
                yield _LibraryReader(self, file[self.name])
        else:
            with Path(self.state.path).open("rb", buffering=0) as raw:
                self.state.require(os.fstat(raw.fileno()))
                yield _RawReader(self, raw, extents)

    def integers(self, block: np.ndarray[Any, Any], column: str, start: int) -> IntArray:
        """Take one column of a block as int64.

        Args:
            block: Records.
            column: Our name of the column.
            start: Row of the first record, for messages.
        """
        values = block[self.fields[column]]
        if values.dtype.kind == "f":
            bad = ~((values >= -(2.0**63)) & (values < 2.0**63) & (values == np.floor(values)))
            self.require(~bad, column, values, start, "whole numbers")
        elif values.dtype == np.uint64 and values.size and int(values.max()) >= 2**63:
            self.require(values < 2**63, column, values, start, "numbers below 2**63")
        return values.astype(_AS_INTEGER)

    def require(
        self,
        good: BoolArray,
        column: str,
        values: IntArray | FloatArray,
        start: int,
        expected: str,
    ) -> None:
        """Raise naming the first row where ``good`` is false."""
        if good.all():
            return
        row = int(np.argmin(good))
        count = int(len(good) - np.count_nonzero(good))
        raise broken(
            self.state.path,
            f"{self.place}, row {start + row}, column {column}",
            f"{values[row]}" + (f" (and {count - 1} more such rows)" if count > 1 else ""),
            expected,
        )


class RecordReader:
    """Reads rows of one open record table."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self._buffer = np.empty(0, records.record)

    def read(self, start: int, stop: int) -> np.ndarray[Any, Any]:
        """Return records ``start:stop``; the array is reused by the next call."""
        count = stop - start
        if len(self._buffer) < count:
            self._buffer = np.empty(count, self.records.record)
        block = self._buffer[:count]
        if count:
            self._fill(block, start)
        return block

    def blocks(self) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
        """Go through all rows: first row and records of each block."""
        for start in range(0, self.records.rows, BLOCK):
            yield start, self.read(start, min(start + BLOCK, self.records.rows))

    def _fill(self, block: np.ndarray[Any, Any], start: int) -> None:
        raise NotImplementedError


class _RawReader(RecordReader):
    """Reads at byte offsets, without the HDF5 library."""

    def __init__(self, records: Records, raw: Any, extents: Extents) -> None:
        super().__init__(records)
        self._raw = raw
        self._extents = extents

    def _fill(self, block: np.ndarray[Any, Any], start: int) -> None:
        size, stop = self.records.record.itemsize, start + len(block)
        target = block.view(np.uint8).data.cast("B")
        rows, addresses = self._extents.rows, self._extents.addresses
        run = int(np.searchsorted(rows, start, side="right")) - 1
        at = start
        while at < stop:
            end = min(stop, int(rows[run + 1]))
            self._raw.seek(int(addresses[run]) + (at - int(rows[run])) * size)
            self._read_exactly(target[(at - start) * size : (end - start) * size])
            at, run = end, run + 1

    def _read_exactly(self, target: memoryview) -> None:
        while len(target):
            got = self._raw.readinto(target)
            if not got:
                found = f"the end of the file {len(target)} bytes early"
                raise broken(self.records.state.path, self.records.place, found, "all rows")
            target = target[got:]


class _LibraryReader(RecordReader):
    """Reads compressed or unusual tables through the HDF5 library."""

    def __init__(self, records: Records, dataset: h5py.Dataset) -> None:
        super().__init__(records)
        self._dataset = dataset
        # A chunk larger than a block is unpacked once, not for each block.
        self._chunk = dataset.chunks[0] if dataset.chunks else 0
        self._held: tuple[int, np.ndarray[Any, Any]] = (0, np.empty(0, records.record))

    def _fill(self, block: np.ndarray[Any, Any], start: int) -> None:
        if self._chunk <= len(block):
            block[:] = self._rows(start, start + len(block))
            return
        done = 0
        while done < len(block):
            first, held = self._held
            at = start + done
            if not first <= at < first + len(held):
                first = at - at % self._chunk
                held = self._rows(first, min(first + self._chunk, self.records.rows))
                self._held = first, held
            piece = held[at - first : at - first + len(block) - done]
            block[done : done + len(piece)] = piece
            done += len(piece)

    def _rows(self, start: int, stop: int) -> np.ndarray[Any, Any]:
        """Read records without any conversion; the library's trusts what types claim."""
        record, dataset = self.records.record, self._dataset
        with translated(self.records.state.path, self.records.place):
            type_, space = dataset.id.get_type(), dataset.id.get_space()
            shape = (stop - start, *dataset.shape[1:])
            if dataset.dtype.hasobject:
                rows = np.zeros(shape, record)
                values = dataset.fields(list(record.names or ()))[start:stop]
                for name in record.names or ():
                    rows[name] = values[name]
                return rows
            space.select_hyperslab((start, *(0 for _ in shape[1:])), shape)
            stored = np.empty(shape, f"V{type_.get_size()}")
            dataset.id.read(h5s.create_simple(shape), space, stored, mtype=type_)
            return stored.view(record).reshape(-1)


@contextmanager
def _library(state: FileState) -> Iterator[h5py.File]:
    state.require(Path(state.path).stat())
    with h5py.File(state.path, "r", locking="best-effort") as file:
        yield file


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


def _locate(dataset: Any, records: Records) -> Extents | None:
    size, plist = records.record.itemsize, dataset.get_create_plist()
    limit = records.state.size
    if plist.get_layout() == h5d.CONTIGUOUS:
        offset = dataset.get_offset()
        if offset is None and records.rows:
            return None
        rows, addresses = np.array([0, records.rows]), np.array([offset or 0])
    elif plist.get_layout() == h5d.CHUNKED and not plist.get_nfilters():
        found = _locate_chunks(dataset, records, plist.get_chunk())
        if found is None:
            return None
        rows, addresses = found
    else:
        return None
    ends = np.clip(addresses, 0, limit) + np.diff(rows) * size
    if (addresses < 0).any() or (addresses > limit).any() or (ends > limit).any():
        raise broken(records.state.path, records.place, "data past the end", "all rows")
    return Extents(rows, addresses)


def _locate_chunks(
    dataset: Any, records: Records, chunk: tuple[int, ...]
) -> tuple[IntArray, IntArray] | None:
    if len(chunk) == 2 and chunk[1] != dataset.shape[1]:
        return None
    n_chunks = -(-records.rows // chunk[0])
    starts: list[int] = []
    addresses: list[int] = []

    def note(info: Any) -> None:
        starts.append(info.chunk_offset[0])
        addresses.append(info.byte_offset if info.byte_offset is not None else -1)

    if not hasattr(dataset, "chunk_iter"):
        return None  # An HDF5 library before 1.14.
    dataset.chunk_iter(note)
    order = np.argsort(np.array(starts, np.int64), kind="stable")
    first = np.array(starts, np.int64)[order][:n_chunks]
    if len(first) != n_chunks or (first != np.arange(n_chunks) * chunk[0]).any():
        return None  # Unwritten chunks hold fill values; the library knows them.
    address = np.array(addresses, np.int64)[order][:n_chunks]
    follows = np.diff(address) == chunk[0] * records.record.itemsize
    keep = np.concatenate([[True], ~follows]) if n_chunks else np.zeros(0, bool)
    rows = np.append(first[keep], records.rows)
    return rows, address[keep]
