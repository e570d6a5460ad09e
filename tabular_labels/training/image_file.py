"""Files of images: their layout, reading and writing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from tabular_labels._types import IntArray, PathLike
from tabular_labels.errors import FileFormatError
from tabular_labels.io.atomic import atomic_path
from tabular_labels.model.pictures import PictureFormat
from tabular_labels.training.video_state import is_key

__all__ = ["ImageFile", "ImageRow", "write_images"]

ImageRow: TypeAlias = tuple[str, int, tuple[int, int, int], bool, bytes]
"""Key, frame index, shape (zeros for an encoded picture), whether colours are swapped, data."""

_MARK, _VERSION, _FORM = b"tabular_labels.images", b"1", b"form"
_AT_ONCE = 64
_REMEDY = "Delete it, or give the path of a new file."


class ImageFile:
    """The values of one Arrow file of images, mapped into memory.

    A column ``image`` of bytes, beside ``key`` (which video, in which state), ``frame_idx``,
    ``height``, ``width``, ``channels`` (0 for encoded pictures), ``is_swapped``.

    Args:
        path: The file.
        form: How its images must be encoded.

    Raises:
        FileFormatError: It is no such file, is damaged, or has another encoding.
    """

    def __init__(self, path: PathLike, form: PictureFormat) -> None:
        self.path, self.form = os.fspath(path), form
        table = _read(self.path, form)
        names = ("frame_idx", "height", "width", "channels")
        self.keys: list[str] = table["key"].to_pylist()
        self.frame_inds, *sizes = (table[name].to_numpy() for name in names)
        self.shapes: IntArray = np.stack(sizes, axis=1)
        self.is_swapped: npt.NDArray[np.bool_] = table["is_swapped"].to_numpy()
        # Views of the mapped file: no pyarrow call is needed to read an image.
        chunks = [_buffers(chunk) for chunk in table["image"].chunks]
        self._bytes = [values for _, values in chunks]
        self._offsets = [offsets for offsets, _ in chunks]
        self._first = np.cumsum([0, *(len(offsets) - 1 for offsets in self._offsets)])
        self._require_sound()

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, row: int) -> npt.NDArray[np.uint8]:
        chunk = int(np.searchsorted(self._first, row, side="right")) - 1
        place = row - int(self._first[chunk])
        start, stop = self._offsets[chunk][place : place + 2]
        return self._bytes[chunk][start:stop]

    def rows_of(self, keys: Sequence[str], frame_inds: IntArray) -> IntArray:
        """Return the row of each image: int64, -1 for those that are not there."""
        places = zip(self.keys, self.frame_inds.tolist(), strict=True)
        known = {place: row for row, place in enumerate(places)}
        asked = zip(keys, frame_inds.tolist(), strict=True)
        return np.array([known.get(place, -1) for place in asked], np.int64)

    def _require_sound(self) -> None:
        """Look whether each image kept as pixels has as many bytes as it must."""
        n_bytes = [np.diff(offsets) for offsets in self._offsets]
        found = np.concatenate([np.zeros(0, np.int64), *n_bytes])
        expected = np.prod(self.shapes, axis=1, dtype=np.int64)
        if self.form:
            found, expected = expected, np.zeros_like(found)
        if not np.array_equal(found, expected) or not all(map(is_key, set(self.keys))):
            raise _other(self.path, "a damaged file")


def write_images(path: PathLike, form: PictureFormat, rows: Iterator[ImageRow]) -> None:
    """Write a file of images, which takes the place of an old one whole or not at all."""
    import pyarrow as pa

    schema = _schema(form)
    with atomic_path(path) as temporary, pa.ipc.new_file(os.fspath(temporary), schema) as writer:
        while some := list(islice(rows, _AT_ONCE)):
            keys, inds, shapes, swapped, data = zip(*some, strict=True)
            heights, widths, channels = zip(*shapes, strict=True)
            columns = (keys, inds, heights, widths, channels, swapped, data)
            arrays = [pa.array(*pair) for pair in zip(columns, schema.types, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _schema(form: PictureFormat) -> Any:
    import pyarrow as pa

    columns = {
        "key": pa.string(),
        "frame_idx": pa.int64(),
        "height": pa.int32(),
        "width": pa.int32(),
        "channels": pa.int32(),
        "is_swapped": pa.bool_(),
        "image": pa.large_binary(),
    }
    return pa.schema(columns, {_MARK: _VERSION, _FORM: form.encode()})


def _read(path: str, form: PictureFormat) -> Any:
    """Map a file and check that it is what it says."""
    import pyarrow as pa

    try:
        with pa.memory_map(path) as mapped:
            table = pa.ipc.open_file(mapped).read_all()
        table.validate(full=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, UnicodeDecodeError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:  # the system's, not Arrow's
            raise
        raise _other(path, f"a damaged file ({str(error)[:200]})") from error
    metadata = table.schema.metadata or {}
    kept = metadata.get(_FORM, b"?").decode(errors="replace")
    if metadata.get(_MARK) != _VERSION or kept not in ("", "png", "jpg"):
        raise _other(path, "an Arrow file of something else")
    if kept != form:
        raise _other(path, f"images kept as {kept or 'raw'!r}", f"{form or 'raw'!r}")
    if table.schema != _schema(form) or any(table[n].null_count for n in table.schema.names):
        raise _other(path, "other columns")
    return table


def _other(
    path: str, found: str, expected: str = "images kept by tabular_labels"
) -> FileFormatError:
    return FileFormatError(path, place="the file", found=found, expected=expected, remedy=_REMEDY)


def _buffers(chunk: Any) -> tuple[IntArray, npt.NDArray[np.uint8]]:
    """Return the offsets and the bytes of an Arrow column, as they are mapped."""
    _, offsets, values = chunk.buffers()
    starts = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
    return starts, np.frombuffer(values or b"", np.uint8)
