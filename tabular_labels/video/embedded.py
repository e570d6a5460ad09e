"""Pictures in an HDF5 file: encoded one by one in a training package, or an array."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from tabular_labels._types import IntArray, PathLike
from tabular_labels.hdf5.guard import (
    SPARE,
    broken,
    member,
    open_guarded,
    parse_json,
    read_attribute,
    read_stored_text,
    read_text,
    translated,
)
from tabular_labels.video.arrays import as_pictures
from tabular_labels.video.convert import Image, with_channels
from tabular_labels.video.index import file_state
from tabular_labels.video.pictures import PictureDecoder

__all__ = ["Embedded", "EncodedPicture", "open_embedded"]

_AT_ONCE = 2**24  # bytes read together
_SIZES = ("height", "width", "channels")
_SOURCES = ("source_video", "original_video")
_LARGEST_INDEX = 2**32 - 2
_MOST_SEARCHED = 10_000

EncodedPicture = bytes
"""A picture as it is kept, such as the content of a PNG file."""


class Embedded:
    """An open HDF5 file and the dataset of one video. Not for several threads at once.

    Attributes:
        frame_inds: int64 (n,): frame indices there are, ascending.
        form: What pictures are encoded as (``"png"``); empty for an array.
        is_swapped: Whether red and blue stand in each other's place.
        size: Height, width and channels, as far as the file says.
        source: The entry of the video that the pictures were taken from, if it is kept.
    """

    def __init__(self, path: PathLike, dataset: str, input_format: str, *, scaled: bool) -> None:
        self.path, _, _ = file_state(path)
        self._channels_first, self._scaled = input_format == "channels_first", scaled
        self._decoder = PictureDecoder()
        with ExitStack() as stack:
            self._file = stack.enter_context(open_guarded(self.path))
            with translated(self.path, dataset or "the pictures"):
                self._data = self._find(dataset)
                self.place = str(self._data.name)
                self._read_facts()
            self._stack = stack.pop_all()  # nothing failed: the file stays open

    def close(self) -> None:
        """Close the file."""
        self._stack.close()

    def _find(self, name: str) -> h5py.Dataset:
        found: Any = self._file
        for part in name.strip("/").split("/") if name else ():
            found = member(found, part, self.path, spare=SPARE) if _is_group(found) else None
        if not name:
            found = self._search()
        elif _is_group(found):
            found = member(found, "video", self.path, spare=SPARE)
        if not isinstance(found, h5py.Dataset):
            raise broken(self.path, name or "the file", "no pictures", "a dataset of them")
        return found

    def _search(self) -> h5py.Dataset | None:
        """Look for an array of pictures, or else for embedded ones."""
        embedded, waiting = None, [self._file]
        for _ in range(_MOST_SEARCHED):
            if not waiting:
                break
            group = waiting.pop()
            for name in group:
                found = member(group, name, self.path, spare=SPARE)
                if _is_group(found):
                    waiting.append(found)
                elif isinstance(found, h5py.Dataset) and found.ndim == 4:
                    return found
                elif isinstance(found, h5py.Dataset) and name == "video" and embedded is None:
                    embedded = found
        return embedded

    def _read_facts(self) -> None:
        data, path = self._data, self.path
        text = read_attribute(data, "format", path)
        self.form = "" if text is None else read_text(text, path, f"{self.place}, format")
        self._is_array = data.ndim == 4
        if self._is_array or self.form == "hdf5":
            self.form = ""
        is_list = data.ndim == 1 and h5py.check_vlen_dtype(data.dtype) in (np.int8, np.uint8)
        is_padded = data.ndim == 2 and data.dtype in (np.int8, np.uint8)
        if not (self._is_array or is_list or is_padded):
            found = f"a dataset of shape {data.shape} and type {data.dtype}"
            expected = "pictures: (n, height, width, channels), or encoded ones"
            raise broken(path, self.place, found, expected)
        order = read_attribute(data, "channel_order", path)
        # The classic program gave RGB to an encoder that takes BGR.
        self.is_swapped = not self._is_array and (
            order is None or read_text(order, path, f"{self.place}, channel_order") != "RGB"
        )
        self.size = self._stated_size()
        self._read_numbers()
        self.source = self._read_source()

    def _stated_size(self) -> tuple[int, int, int] | None:
        if self._is_array:
            sizes = self._data.shape[1:]
            height, width, channels = sizes[::-1] if self._channels_first else sizes
            return int(height), int(width), min(int(channels), 3)
        values = [read_attribute(self._data, key, self.path) for key in _SIZES]
        if any(value is None or np.ndim(value) for value in values):
            return None
        height, width, channels = (int(value) for value in values)
        return height, width, channels

    def _read_numbers(self) -> None:
        """Read which frame each row is of; two rows of one frame: the later counts."""
        n_rows, group = len(self._data), self._data.parent
        numbers = member(group, "frame_numbers", self.path)
        self._rows: IntArray = np.arange(n_rows)
        self.frame_inds: IntArray = np.arange(n_rows)
        if not isinstance(numbers, h5py.Dataset) or self.place.rpartition("/")[2] != "video":
            return
        values = numbers[()] if numbers.dtype.kind in "iuf" else np.zeros(0)
        is_good = values.shape == (n_rows,) and bool((values >= 0).all())
        if not is_good or (values > _LARGEST_INDEX).any() or (values % 1 != 0).any():
            found = f"{numbers.dtype} numbers of shape {numbers.shape}"
            expected = f"{n_rows} frame indices, one for each picture"
            raise broken(self.path, str(numbers.name), found, expected)
        inds = values.astype(np.int64)
        rows = np.argsort(inds, kind="stable")
        is_last = np.append(np.diff(inds[rows]) > 0, True)[: len(rows)]
        self._rows, self.frame_inds = rows[is_last], inds[rows[is_last]]

    def _read_source(self) -> dict[str, Any] | None:
        for key in _SOURCES:
            group = member(self._data.parent, key, self.path)
            text = read_stored_text(group, "json", self.path) if _is_group(group) else None
            if text is not None:
                entry = parse_json(text, self.path, str(group.name))
                backend = entry.get("backend", entry) if isinstance(entry, dict) else None
                return backend if isinstance(backend, dict) else None
        return None

    def has(self, frame_inds: IntArray) -> npt.NDArray[np.bool_]:
        """Tell which of these frames have a picture here."""
        return np.isin(frame_inds, self.frame_inds)

    def first_size(self) -> tuple[int, int, int]:
        """Return height, width and channels, decoding a picture where the file does not say."""
        if self.size is None and len(self.frame_inds):
            for frame_idx, data in self.encoded(self.frame_inds[:1]):
                self.size = self._decoder.size(data, self.path, f"frame {frame_idx}")
        return self.size or (0, 0, 1)

    def iterate(self, wanted: IntArray, *, grey: bool | None) -> Iterator[tuple[int, Image]]:
        """Yield frames that there are, ascending.

        Args:
            wanted: Ascending frame indices, all of them in `frame_inds`.
            grey: Brightness alone, or RGB; None for what is kept.
        """
        if self._is_array:
            for frame_idx, values in self._read(wanted):
                turned = values.transpose(2, 1, 0) if self._channels_first else values
                place = f"frame {frame_idx}"
                image = as_pictures(turned, self.path, place, convert_range=self._scaled)
                yield frame_idx, with_channels(image, grey=grey)
            return
        if grey is None and self.size is not None:
            grey = self.size[2] == 1
        for frame_idx, data in self.encoded(wanted):
            place = f"frame {frame_idx}"
            yield (
                frame_idx,
                self._decoder.decode(data, self.path, place, grey=grey, swapped=self.is_swapped),
            )

    def encoded(self, wanted: IntArray) -> Iterator[tuple[int, EncodedPicture]]:
        """Yield the bytes of encoded pictures as they are kept, ascending."""
        for frame_idx, values in self._read(wanted):
            yield frame_idx, values.tobytes().rstrip(b"\0")

    def _read(self, wanted: IntArray) -> Iterator[tuple[int, npt.NDArray[Any]]]:
        """Read rows: those that are packed together at once."""
        rows = self._rows[np.searchsorted(self.frame_inds, wanted)]
        for run in np.split(np.arange(len(rows)), self._borders(rows)):
            if not len(run):
                continue
            first, last = int(rows[run].min()), int(rows[run].max())
            with translated(self.path, f"frame {wanted[run[0]]}"):
                block = self._data[first : last + 1]
            for place in run:
                yield int(wanted[place]), block[rows[place] - first]

    def _borders(self, rows: IntArray) -> IntArray:
        """Cut where rows are neither in one chunk nor beside each other, or become many."""
        data = self._data
        width = max(1, int(np.prod(data.shape[1:])) * data.dtype.itemsize)
        step = max(1, min(data.chunks[0] if data.chunks else 1, _AT_ONCE // width))
        borders: IntArray = np.flatnonzero(np.diff(rows // step) != 0) + 1
        return borders


def open_embedded(path: PathLike, dataset: str, input_format: str, *, scaled: bool) -> Embedded:
    """Open pictures in an HDF5 file.

    Args:
        path: The file.
        dataset: Name of the dataset; the first of pictures when it is empty.
        input_format: ``"channels_last"`` or ``"channels_first"``, for arrays.
        scaled: Whether an array holds 0 to 1.

    Raises:
        MissingVideoError: There is no such file.
        UnsafeFileError: It refers to other files, or needs plugins.
        FileFormatError: It is broken in another way, or holds no such pictures.
    """
    return Embedded(path, dataset, input_format, scaled=scaled)


def _is_group(found: Any) -> bool:
    return isinstance(found, h5py.Group)
