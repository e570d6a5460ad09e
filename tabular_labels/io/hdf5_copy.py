"""Copy HDF5 objects from file to file, byte for byte, also out of damaged files.

The library's own copy may crash on damaged bytes; reading and writing says what is wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import h5py
import numpy as np
from h5py import h5a, h5d, h5o, h5s, h5t

from tabular_labels._types import PathLike
from tabular_labels.hdf5.guard import SPARE, broken, member, read_attribute

__all__ = ["copy_attributes", "copy_member"]

_BYTES_AT_ONCE = 2**24


def copy_member(source: h5py.Group, target: h5py.Group, name: str, path: PathLike) -> None:
    """Copy a member with everything in it: attributes, storage, shared members.

    Args:
        source: An open group.
        target: A group of another file, without such a member.
        name: The member's name.
        path: The source's file, for messages.

    Raises:
        UnsafeFileError: Something in it leads out of the file.
        FileFormatError: It is damaged.
    """
    _Copier(path).copy(source, target, name)


class _Copier:
    """Copies members; what was copied under another name becomes a link to it."""

    def __init__(self, path: PathLike) -> None:
        self.path = path
        self.copied: dict[int, Any] = {}

    def copy(self, source: h5py.Group, target: h5py.Group, name: str) -> None:
        waiting = [(source, target, name)]
        while waiting:
            parent, there, key = waiting.pop()
            found = member(parent, key, self.path, spare=SPARE)
            address = h5o.get_info(found.id).addr
            if address in self.copied:
                there[key] = self.copied[address]
            elif isinstance(found, h5py.Group):
                self.copied[address] = group = there.create_group(key)
                copy_attributes(found, group, list(found.attrs))
                waiting += [(found, group, inner) for inner in found]
            elif isinstance(found, h5py.Dataset):
                self.copied[address] = copy = self._copy_dataset(found, there, key)
                copy_attributes(found, copy, list(found.attrs))
            else:
                there[key] = found

    def _copy_dataset(self, source: h5py.Dataset, target: h5py.Group, name: str) -> h5py.Dataset:
        plist, type_ = source.id.get_create_plist(), source.id.get_type()
        copy = h5py.Dataset(
            h5d.create(target.id, name.encode(), type_, source.id.get_space(), dcpl=plist)
        )
        is_empty = not source.size or not source.id.get_storage_size()
        if is_empty or type_.detect_class(h5t.REFERENCE):
            return copy  # A reference is an address, which means nothing in another file.
        if source.dtype.hasobject:
            self._require_apart(source)
            _copy_values(source, copy)
        elif plist.get_layout() == h5d.CHUNKED:
            self._copy_chunks(source, copy)
        else:
            _copy_bytes(source, copy)
        return copy

    def _require_apart(self, source: h5py.Dataset) -> None:
        """Refuse records whose members overlap: converting them would write past their end."""
        fields = source.dtype.fields or {}
        ends = sorted((offset, offset + dtype.itemsize) for dtype, offset, *_ in fields.values())
        if any(stop > start for (_, stop), (start, _) in pairwise(ends)):
            found = "records whose members overlap"
            raise broken(self.path, str(source.name), found, "members beside each other")

    def _copy_chunks(self, source: h5py.Dataset, copy: h5py.Dataset) -> None:
        """Copy chunks as they are stored, without unpacking them."""
        found: list[tuple[tuple[int, ...], int]] = []
        source.id.chunk_iter(lambda info: found.append((info.chunk_offset, info.size)))
        room = source.id.get_storage_size()
        for offset, size in found:
            if size > room:
                place = f"{source.name}, chunk at {offset}"
                raise broken(self.path, place, f"{size} bytes", f"at most {room}")
            mask, data = source.id.read_direct_chunk(offset)
            copy.id.write_direct_chunk(offset, data, filter_mask=mask)


def _copy_bytes(source: h5py.Dataset, copy: h5py.Dataset) -> None:
    """Copy what is stored in one piece; the types on both sides are the same."""
    type_ = source.id.get_type()
    rows = source.shape[0] if source.shape else 1
    step = max(1, _BYTES_AT_ONCE * rows // max(1, source.size * type_.get_size()))
    for start in range(0, rows, step):
        count = min(step, rows - start)
        shape = (count, *source.shape[1:]) if source.shape else ()
        file_space, memory = source.id.get_space(), h5s.create_simple(shape or (1,))
        if source.shape:
            file_space.select_hyperslab((start, *(0 for _ in shape[1:])), shape)
        values = np.empty(shape or (1,), f"V{type_.get_size()}")
        source.id.read(memory, file_space, values, mtype=type_)
        copy.id.write(memory, file_space, values, mtype=type_)


def _copy_values(source: h5py.Dataset, copy: h5py.Dataset) -> None:
    """Copy values whose bytes are kept elsewhere in the file, as texts are."""
    if not source.shape:
        copy[()] = source[()]
        return
    step = max(1, 4096 * source.shape[0] // max(1, source.size))
    for start in range(0, source.shape[0], step):
        rows = slice(start, min(start + step, source.shape[0]))
        copy[rows] = source[rows]


def copy_attributes(source: Any, target: Any, names: Sequence[str | bytes]) -> None:
    """Copy attributes that the target does not have."""
    for name in names:
        if name in target.attrs:
            continue
        # A name that is no UTF-8 comes as bytes.
        key = name if isinstance(name, bytes) else name.encode()
        attribute = h5a.open(source.id, key)
        type_, space = attribute.get_type(), attribute.get_space()
        if type_.detect_class(h5t.REFERENCE):
            continue
        if attribute.dtype.hasobject:
            value = read_attribute(source, name, source.file.filename)
            target.attrs.create(name, value, dtype=attribute.dtype)
            continue
        copy = h5a.create(target.id, key, type_, space)
        values = np.empty(attribute.shape or (1,), f"V{type_.get_size()}")
        if values.size and space.get_simple_extent_type() != h5s.NULL:
            attribute.read(values, mtype=type_)
            copy.write(values, mtype=type_)
