"""Look at the heaps that hold variable-length values, before the HDF5 library does.

The library walks a heap by the sizes of its objects, and would walk in place for ever
where damage made such a step zero.
"""

from __future__ import annotations

import mmap
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import h5py
import numpy as np
from h5py import h5d, h5i, h5t

from tabular_labels._types import PathLike
from tabular_labels.errors import FileFormatError

__all__ = ["check_all_heaps", "check_heaps"]

_REFERENCE = np.dtype([("length", "<u4"), ("heap", "<u8"), ("index", "<u4")])
_OBJECT = struct.Struct("<HHIQ")  # index, uses, nothing, size
_SIGNATURE, _VERSION = b"GCOL", b"\x01\0\0\0"
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
    with (
        Path(path).open("rb") as raw,
        # Heaps of pictures are large, and a walk looks at few bytes of them.
        mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        seen: set[int] = {0, _UNDEFINED}
        for block in _references(dataset, raw):
            for address in np.unique(block["heap"]).tolist():
                if address not in seen:
                    seen.add(address)
                    if not _is_sound(data, base + address):
                        raise _damaged(path, str(dataset.name), address)


def check_all_heaps(path: PathLike) -> None:
    """Look at every heap of a file, for values that do not say which one they are in.

    Args:
        path: The file; nothing is looked at when that is not on disk.

    Raises:
        FileFormatError: In a heap the library would walk on the spot.
    """
    if not Path(path).is_file():
        return
    found = Path(path).stat()
    address = _find_trap(str(path), found.st_size, found.st_mtime_ns)
    if address is not None:
        raise _damaged(path, "attributes", address)


@lru_cache(maxsize=16)
def _find_trap(path: str, size: int, modified: int) -> int | None:
    """Return the address of a heap that has a step of zero, None when there is none."""
    if not size:
        return None
    with (
        Path(path).open("rb") as raw,
        mmap.mmap(raw.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        at = data.find(_SIGNATURE)
        while at >= 0:
            stop = at + int.from_bytes(data[at + 8 : at + _HEAD], "little")
            if (
                data[at + 4 : at + 8] == _VERSION
                and stop <= len(data)
                and _walk(data, at, stop) == 0
            ):
                return at
            at = data.find(_SIGNATURE, at + 4)
    return None


def _damaged(path: PathLike, place: str, address: int) -> FileFormatError:
    return FileFormatError(
        str(path),
        place=place,
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


def _is_sound(data: mmap.mmap, address: int) -> bool:
    """Walk a heap as the library does; each step must lead on, and stay inside."""
    head = data[address : address + _HEAD] if address < len(data) else b""
    if head[:4] != _SIGNATURE or len(head) < _HEAD:
        return False
    stop = address + int.from_bytes(head[8:], "little")
    return stop <= len(data) and _walk(data, address, stop) is None


def _walk(data: bytes | mmap.mmap, start: int, stop: int) -> int | None:
    """Go through a heap; return the first step that is zero or leads out, else None."""
    at = start + _HEAD
    while at + _OBJECT.size <= stop:
        index: int
        length: int
        index, _, _, length = _OBJECT.unpack_from(data, at)
        # As the library reckons: in 64 bits, where large sizes come round to zero.
        step = (_OBJECT.size + (length + 7) % 2**64 // 8 * 8) % 2**64 if index else length
        if step < 1 or at + step > stop:
            return step
        at += step
    return None
