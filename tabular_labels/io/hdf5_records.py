"""Read rows of a record table straight from the file, wherever its bytes stand."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
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

_BLOCK_BYTES = 2**20
_AS_INTEGER = np.dtype(np.int64)
# What one call of the system takes at most, on Linux and macOS.
_MOST_PIECES = 1024


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

    def locate(self, file: h5py.File | None = None) -> Extents | None:
        """Find the bytes; None when only the HDF5 library can read them.

        Args:
            file: The open file; by default it is opened for this.
        """
        with translated(self.state.path, self.place):
            if file is not None:
                return _locate(file[self.name].id, self)
            with _library(self.state) as opened:
                return _locate(opened[self.name].id, self)

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
        """Take one column of a block as whole numbers that int64 can hold.

        Args:
            block: Records.
            column: Our name of the column.
            start: Row of the first record, for messages.

        Returns:
            A copy: integers as wide as they are stored, floats and uint64 as int64.
        """
        values = block[self.fields[column]]
        if values.dtype.kind == "f":
            bad = ~((values >= -(2.0**63)) & (values < 2.0**63) & (values == np.floor(values)))
            self.require(~bad, column, values, start, "whole numbers")
            return values.astype(_AS_INTEGER)
        # Side by side and in the machine's byte order everything after is faster.
        values = values.astype(values.dtype.newbyteorder("="))
        if values.dtype != np.uint64:
            return values
        signed = values.view(_AS_INTEGER)
        if int(signed.min(initial=0)) < 0:
            self.require(signed >= 0, column, values, start, "numbers below 2**63")
        return signed

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
        block = self._room(stop - start)
        if len(block):
            self._fill(block, start)
        return block

    def read_apart(
        self, start: int, places: IntArray, counts: IntArray, rows: int
    ) -> np.ndarray[Any, Any]:
        """Return records from ``start`` on in runs with room between them.

        Args:
            start: First record; the runs follow each other in the file.
            places: Row of the result at which each run begins, ascending: int64.
            counts: Number of records of each run: int64.
            rows: Length of the result. Anything may stand between the runs.

        Returns:
            The records; the array is reused by the next call.
        """
        block = self._room(rows)
        for place, count in zip(places.tolist(), counts.tolist(), strict=True):
            self._fill(block[place : place + count], start)
            start += count
        return block

    def _room(self, rows: int) -> np.ndarray[Any, Any]:
        if len(self._buffer) < rows:
            self._buffer = np.empty(rows, self.records.record)
        return self._buffer[:rows]

    def blocks(self) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
        """Go through all rows: first row and records of each block."""
        rows = self.records.rows
        step = max(_BLOCK_BYTES // self.records.record.itemsize, 1)
        for start in range(0, rows, step):
            yield start, self.read(start, min(start + step, rows))

    def _fill(self, block: np.ndarray[Any, Any], start: int) -> None:
        raise NotImplementedError


class _RawReader(RecordReader):
    """Reads at byte offsets, without the HDF5 library."""

    def __init__(self, records: Records, raw: Any, extents: Extents) -> None:
        super().__init__(records)
        self._raw = raw
        self._extents = extents

    def read_apart(
        self, start: int, places: IntArray, counts: IntArray, rows: int
    ) -> np.ndarray[Any, Any]:
        """See `RecordReader.read_apart`; many runs are read at once."""
        block, size = self._room(rows), self.records.record.itemsize
        target = _bytes_of(block)
        ends = (places + counts) * size
        ranges = zip((places * size).tolist(), ends.tolist(), strict=True)
        pieces = deque([target[first:end] for first, end in ranges])
        self._read(pieces, start, start + int(counts.sum()))
        return block

    def _fill(self, block: np.ndarray[Any, Any], start: int) -> None:
        self._read(deque([_bytes_of(block)]), start, start + len(block))

    def _read(self, pieces: deque[memoryview], start: int, stop: int) -> None:
        """Read records ``start:stop`` into pieces of memory, one after the other."""
        size = self.records.record.itemsize
        rows, addresses = self._extents.rows, self._extents.addresses
        run = int(np.searchsorted(rows, start, side="right")) - 1
        while start < stop:
            end = min(stop, int(rows[run + 1]))
            address = int(addresses[run]) + (start - int(rows[run])) * size
            count = (end - start) * size
            wanted = pieces if end == stop else _cut(pieces, count)
            self._read_exactly(wanted, address, count)
            start, run = end, run + 1

    def _read_exactly(self, pieces: deque[memoryview], address: int, count: int) -> None:
        while count:
            got = self._read_some(pieces, address)
            if not got:
                found = f"the end of the file {count} bytes early"
                raise broken(self.records.state.path, self.records.place, found, "all rows")
            address, count = address + got, count - got
            if count:
                _cut(pieces, got)

    def _read_some(self, pieces: deque[memoryview], address: int) -> int:
        """Read into the first pieces; return the number of bytes."""
        if len(pieces) > 1 and hasattr(os, "preadv"):
            some = list(islice(pieces, _MOST_PIECES))
            return int(os.preadv(self._raw.fileno(), some, address))
        self._raw.seek(address)
        return int(self._raw.readinto(pieces[0]))


def _bytes_of(block: np.ndarray[Any, Any]) -> memoryview:
    return block.view(np.uint8).data.cast("B")


def _cut(pieces: deque[memoryview], count: int) -> deque[memoryview]:
    """Take so many bytes from the first pieces."""
    taken: deque[memoryview] = deque()
    while count:
        piece = pieces.popleft()
        if len(piece) > count:
            pieces.appendleft(piece[count:])
            piece = piece[:count]
        taken.append(piece)
        count -= len(piece)
    return taken


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
