"""Look at the heaps that hold variable-length values, before the HDF5 library does.

The library walks a heap by the sizes of its objects, and would walk in place for ever
where damage made such a step zero.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from h5py import h5d, h5i, h5t

from tabular_labels._types import PathLike
from tabular_labels.errors import FileFormatError

__all__ = ["check_heaps"]

_REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])
_OBJECT = struct.Struct("<HHIQ")  # index, uses, nothing, size
_HEAD = 16
_UNDEFINED = 2**64 - 1


def check_heaps(dataset: h5py.Dataset, path: PathLike) -> None:
    """Refuse a dataset of texts or lists whose heaps cannot be walked.

    Args:
        dataset: Any dataset; only variable-length ones are looked at.
        path: Its file; nothing is looked at when that is not on disk.

    Raises:
        FileFormatError: A heap is damaged.
    """
    type_, file = dataset.id.get_type(), h5i.get_file_id(dataset.id)
    is_text = isinstance(type_, h5t.TypeStringID) and type_.is_variable_str()
    if not (is_text or isinstance(type_, h5t.TypeVlenID)) or not Path(path).is_file():
        return
    plist = file.get_create_plist()
    if plist.get_sizes() != (8, 8):
        return
    base = plist.get_userblock()
    with Path(path).open("rb") as raw:
        seen: set[int] = {0, _UNDEFINED}
        for block in _references(dataset, raw):
            for address in np.unique(block["heap"]).tolist():
                if address not in seen:
                    seen.add(address)
                    if not _is_sound(raw, base + address):
                        raise FileFormatError(
                            str(path),
                            place=str(dataset.name),
                            found=f"values in a damaged heap at byte {address}",
                            expected="readable values",
                            remedy="Restore the file from a copy.",
                        )


def _references(dataset: h5py.Dataset, raw: BinaryIO) -> Iterator[np.ndarray[Any, Any]]:
    """Read where each value is, as it stands in the file."""
    plist = dataset.id.get_create_plist()
    filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
    if plist.get_layout() == h5d.CONTIGUOUS:
        offset = dataset.id.get_offset()
        if offset is not None:
            yield _parsed(_read(raw, offset, dataset.size * _REFERENCE.itemsize))
        return
    if plist.get_layout() != h5d.CHUNKED or filters not in ([], [h5py.h5z.FILTER_DEFLATE]):
        return
    room = dataset.id.get_storage_size()
    size = int(np.prod(dataset.chunks)) * _REFERENCE.itemsize
    found: list[tuple[int, int]] = []
    if hasattr(dataset.id, "chunk_iter"):
        dataset.id.chunk_iter(lambda info: found.append((info.byte_offset or 0, info.size)))
    for offset, stored in found:
        data = _read(raw, offset, min(stored, room))
        if filters:
            try:
                data = zlib.decompressobj().decompress(data, size)
            except zlib.error:
                continue  # The library will say so.
        yield _parsed(data)


def _read(raw: BinaryIO, offset: int, count: int) -> bytes:
    raw.seek(offset)
    return raw.read(count)


def _parsed(data: bytes) -> np.ndarray[Any, Any]:
    return np.frombuffer(data[: len(data) - len(data) % _REFERENCE.itemsize], _REFERENCE)


def _is_sound(raw: BinaryIO, address: int) -> bool:
    """Walk a heap as the library does; each step must lead on, and stay inside."""
    if address >= 2**63:
        return False
    head = _read(raw, address, _HEAD)
    if head[:4] != b"GCOL" or len(head) < _HEAD:
        return False
    size = int.from_bytes(head[8:], "little")
    data = head + raw.read(min(max(size - _HEAD, 0), 2**31))
    if len(data) != size:
        return False
    at = _HEAD
    while at + _OBJECT.size <= size:
        index, _, _, length = _OBJECT.unpack_from(data, at)
        step = _OBJECT.size + -(-length // 8) * 8 if index else length
        if step < 1 or at + step > size:
            return False
        at += step
    return True
