"""Folders in the layout of the package imgstore, read through it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular_labels._types import IntArray, PathLike
from tabular_labels.errors import FileFormatError, MissingExtraError, MissingVideoError
from tabular_labels.video.arrays import as_pictures
from tabular_labels.video.convert import Image, with_channels
from tabular_labels.video.frames import Frames, missing_frame
from tabular_labels.video.pool import FILES

__all__ = ["StoreFrames", "import_imgstore", "write_store"]


_CHUNK = 1000  # frames in a folder
_PACKAGES = "imgstore opencv-python-headless"


class StoreFrames(Frames):
    """Frames of an imgstore. Needs the packages imgstore and opencv-python-headless.

    Args:
        path: The store's folder, or its ``metadata.yaml``.
        by_original: Whether frame indices are the store's frame numbers, or places in it.
        grayscale: True for brightness alone, False for RGB, None for what is kept.
    """

    def __init__(
        self, path: PathLike, *, by_original: bool = True, grayscale: bool | None = None
    ) -> None:
        folder = Path(path).parent if Path(path).name == "metadata.yaml" else Path(path)
        super().__init__(os.fspath(folder), grayscale=grayscale)
        self.by_original = by_original

    @property
    def n_frames(self) -> int:
        """One more than the last frame index."""
        inds = self.frame_inds
        return int(inds[-1]) + 1 if len(inds) else 0

    @property
    def frame_inds(self) -> IntArray:
        """int64: the store's frame numbers, or places in it."""
        with FILES.borrow(self._key(), self._open) as store:
            return store.frame_numbers if self.by_original else np.arange(len(store.frame_numbers))

    def _size(self) -> tuple[int, int, int]:
        with FILES.borrow(self._key(), self._open) as store:
            return store.size

    def _decode(self, wanted: IntArray | None, *, grey: bool | None) -> Iterator[tuple[int, Image]]:
        there = self.frame_inds
        wanted = there if wanted is None else wanted
        absent = wanted[np.isin(wanted, there, invert=True)]
        if len(absent):
            raise missing_frame(self.name, int(absent[0]), self.n_frames)
        with FILES.borrow(self._key(), self._open) as store:
            for frame_idx, place in zip(wanted, np.searchsorted(there, wanted), strict=True):
                image = as_pictures(store.read(int(place)), self.name, f"frame {frame_idx}")
                yield int(frame_idx), with_channels(image, grey=grey)

    def _key(self) -> tuple[str, str, int]:
        metadata = Path(self.name) / "metadata.yaml"
        if not metadata.is_file():
            raise MissingVideoError(os.fspath(metadata))
        return "imgstore", os.path.realpath(self.name), metadata.stat().st_mtime_ns

    def _open(self) -> _Store:
        return _Store(self.name)


class _Store:
    """An open store."""

    def __init__(self, folder: str) -> None:
        imgstore = import_imgstore("reading an imgstore")
        try:
            self._store: Any = imgstore.new_for_filename(os.fspath(Path(folder) / "metadata.yaml"))
            numbers = self._store.get_frame_metadata()["frame_number"]
        except (OSError, KeyError, ValueError, TypeError) as error:
            raise FileFormatError(
                folder,
                place="the store",
                found=f"something that imgstore cannot read ({error})",
                expected="a folder that imgstore wrote",
                remedy="Restore it from a copy.",
            ) from error
        # Frames may be stored in any order; indices are ascending.
        self._places = np.argsort(np.asarray(numbers, np.int64), kind="stable")
        self.frame_numbers: IntArray = np.asarray(numbers, np.int64)[self._places]
        shape = tuple(self._store.image_shape)
        self.size = (int(shape[0]), int(shape[1]), int(shape[2]) if len(shape) > 2 else 1)

    def read(self, place: int) -> npt.NDArray[Any]:
        """Read the frame of the place-th smallest number: (height, width, channels), RGB."""
        found, _ = self._store.get_image(frame_number=None, frame_index=int(self._places[place]))
        image = np.asarray(found)
        # OpenCV's order of colours; one channel comes without its axis.
        return image[..., np.newaxis] if image.ndim == 2 else image[..., ::-1]

    def close(self) -> None:
        """Close the store."""
        self._store.close()


def import_imgstore(purpose: str) -> Any:
    """Import the package imgstore.

    Raises:
        MissingExtraError: It, or the OpenCV that it needs, is not installed.
    """
    try:
        import imgstore
    except ImportError as error:
        raise MissingExtraError(_PACKAGES, None, purpose) from error
    return imgstore


def write_store(
    imgstore: Any,
    folder: Path,
    images: Iterator[tuple[int, Image]],
    frame_inds: IntArray,
    frames: Frames,
    form: str,
) -> None:
    """Write pictures as an imgstore whose frame numbers are their frame indices.

    Args:
        imgstore: The package.
        folder: The store, which must not exist.
        images: Frame index and picture, ascending.
        frame_inds: Their indices; a store of none is empty.
        frames: The video, asked for the size of its pictures.
        form: As imgstore knows it.
    """
    _, height, width, channels = frames.shape if len(frame_inds) else (0, 1, 1, 1)
    shape = (height, width, channels) if channels == 3 else (height, width)
    store = imgstore.new_for_format(
        form, mode="w", basedir=os.fspath(folder), imgshape=shape, chunksize=_CHUNK
    )
    try:
        for frame_idx, image in images:
            # OpenCV, which encodes, takes blue first.
            pixels = image[..., ::-1] if channels == 3 else image[..., 0]
            store.add_image(np.ascontiguousarray(pixels), frame_idx, float(frame_idx))
    finally:
        store.close()
