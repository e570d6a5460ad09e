"""Read rows of a record table straight from the file, wherever its bytes stand."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from h5py import h5s

from tabular_labels._types import BoolArray, FloatArray, IntArray, PathLike
from tabular_labels.hdf5.guard import broken, translated
from tabular_labels.io.hdf5_extents import Extents, locate

__all__ = ["BLOCK", "FileState", "RecordReader", "Records"]

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
                return self._locate(file)
            with _library(self.state) as opened:
                return self._locate(opened)

    def _locate(self, file: h5py.File) -> Extents | None:
        itemsize = self.record.itemsize
        found = locate(file[self.name].id, self.rows, itemsize)
        if found is not None and not found.are_within(self.state.size, itemsize):
            raise broken(self.state.path, self.place, "data past the end", "all rows")
        return found

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
