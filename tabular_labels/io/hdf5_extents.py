"""Where the bytes of uncompressed records stand in a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from h5py import h5d

from tabular_labels._types import IntArray

__all__ = ["Extents", "locate"]


@dataclass(frozen=True)
class Extents:
    """Where uncompressed records stand: runs of rows and the address of each run.

    Attributes:
        rows: First row of each run and the total: int64, shape ``(n_runs + 1,)``.
        addresses: Byte at which each run starts: int64, shape ``(n_runs,)``.
    """

    rows: IntArray
    addresses: IntArray

    def are_within(self, size: int, itemsize: int) -> bool:
        """Tell whether all records, of so many bytes each, stand in a file of that size."""
        ends = np.clip(self.addresses, 0, size) + np.diff(self.rows) * itemsize
        is_outside = (self.addresses < 0) | (self.addresses > size) | (ends > size)
        return not is_outside.any()


def locate(dataset: Any, n_rows: int, itemsize: int) -> Extents | None:
    """Find the bytes of records; None when only the HDF5 library can read them.

    Args:
        dataset: An open dataset, of the low-level interface.
        n_rows: How many records it has.
        itemsize: Bytes of one record.
    """
    plist = dataset.get_create_plist()
    if plist.get_layout() == h5d.CONTIGUOUS:
        offset = dataset.get_offset()
        if offset is None and n_rows:
            return None
        return Extents(np.array([0, n_rows]), np.array([offset or 0]))
    if plist.get_layout() == h5d.CHUNKED and not plist.get_nfilters():
        found = _locate_chunks(dataset, n_rows, itemsize, plist.get_chunk())
        return None if found is None else Extents(*found)
    return None


def _locate_chunks(
    dataset: Any, n_rows: int, itemsize: int, chunk: tuple[int, ...]
) -> tuple[IntArray, IntArray] | None:
    if len(chunk) == 2 and chunk[1] != dataset.shape[1]:
        return None
    n_chunks = -(-n_rows // chunk[0])
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
    follows = np.diff(address) == chunk[0] * itemsize
    keep = np.concatenate([[True], ~follows]) if n_chunks else np.zeros(0, bool)
    rows = np.append(first[keep], n_rows)
    return rows, address[keep]
