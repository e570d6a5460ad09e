"""What a project stores about opening a video, by kind."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import PurePath, PureWindowsPath
from typing import Any

from tabular_labels.model.freezing import FreezableDict

__all__ = [
    "HDF5Video",
    "ImageSequenceVideo",
    "ImgStoreVideo",
    "MediaVideo",
    "NumpyVideo",
    "VideoBackend",
    "as_backend",
    "is_picture_name",
    "names_nothing",
]

_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
_HDF5 = frozenset({".h5", ".hdf5", ".slp"})
# The classic library gave the second one to every video made from an array.
_NO_NAMES = ("", "Raw Video Data")


class VideoBackend(FreezableDict):
    """The JSON-able values of a video's entry: a dict, with the common ones as attributes."""

    __slots__ = ()

    @property
    def filename(self) -> str:
        """The file or folder, as stored; of a sequence of pictures the first."""
        stated = self.get("filename")
        names = stated if isinstance(stated, Sequence) and not isinstance(stated, str) else ()
        name = next(iter(names), "") if stated is None or names else stated
        return name if isinstance(name, str) else ""

    @property
    def grayscale(self) -> bool | None:
        """Whether pictures are to be read as brightness alone, if stored."""
        value = self.get("grayscale")
        return value if isinstance(value, bool) else None

    def __repr__(self) -> str:
        """Name the kind and the values."""
        return f"{type(self).__name__}({dict(self)})"


class MediaVideo(VideoBackend):
    """A media file, such as ``.mp4``."""

    __slots__ = ()


class HDF5Video(VideoBackend):
    """Pictures in an HDF5 file: encoded one by one, or as an array."""

    __slots__ = ()

    @property
    def dataset(self) -> str:
        """Name of the dataset, empty when it is to be looked for."""
        value = self.get("dataset")
        return value if isinstance(value, str) else ""

    @property
    def input_format(self) -> str:
        """``channels_last`` or ``channels_first`` (frame, channel, column, row)."""
        value = self.get("input_format")
        return value if isinstance(value, str) and value else "channels_last"

    @property
    def convert_range(self) -> bool:
        """Whether an array holds 0 to 1 instead of 0 to 255."""
        return self.get("convert_range") is True

    @property
    def source_video(self) -> Mapping[str, Any] | None:
        """The entry of the video that the pictures were taken from, if stored."""
        value = self.get("source_video", self.get("original_video"))
        return value if isinstance(value, Mapping) else None


class ImageSequenceVideo(VideoBackend):
    """One picture file for each frame."""

    __slots__ = ()

    @property
    def filenames(self) -> list[str]:
        """The files, in frame order."""
        for value in (self.get("filenames"), self.get("filename")):
            if isinstance(value, Sequence) and not isinstance(value, str):
                return [name for name in value if isinstance(name, str)]
        return [self.filename]


class ImgStoreVideo(VideoBackend):
    """A folder in the layout of the package imgstore."""

    __slots__ = ()

    @property
    def index_by_original(self) -> bool:
        """Whether frame indices are those of the recording rather than places in the store."""
        return self.get("index_by_original") is not False


class NumpyVideo(VideoBackend):
    """An array in memory, or in a ``.npy`` file."""

    __slots__ = ()


def as_backend(values: Mapping[str, Any], filename: str = "") -> VideoBackend:
    """Wrap what is stored about opening a video; the values tell its kind.

    Args:
        values: JSON-able values, or a backend, which is returned as it is.
        filename: Where the video is, when the values do not say.

    Examples:
        >>> as_backend({"filename": "a.pkg.slp", "dataset": "video0/video"})
        HDF5Video({'filename': 'a.pkg.slp', 'dataset': 'video0/video'})
    """
    if isinstance(values, VideoBackend):
        return values
    return _kind_of(values, filename)(values)


def is_picture_name(name: str | os.PathLike[str]) -> bool:
    """Tell whether a file's name says that it holds one picture."""
    return PurePath(name).suffix.lower() in _PICTURES


def names_nothing(filename: str, values: Mapping[str, Any]) -> bool:
    """Tell whether nothing says where a video's pictures are, as of one made from an array.

    Args:
        filename: Path as the project stores it.
        values: What is stored about opening the video.

    Examples:
        >>> names_nothing("", {"filename": "", "type": "NumpyVideo"})
        True
        >>> names_nothing("Raw Video Data", {"filename": "Raw Video Data"})
        True
        >>> names_nothing("", {"filename": "", "source_video": {"filename": "a.mp4"}})
        False
    """
    if filename not in _NO_NAMES or values.get("filename", "") not in (None, *_NO_NAMES):
        return False
    keys = ("filenames", "dataset", "source_video", "original_video")
    return not any(values.get(key) for key in keys)


def _kind_of(values: Mapping[str, Any], filename: str) -> type[VideoBackend]:
    stated, names = values.get("filename"), values.get("filenames")
    if isinstance(names, list | tuple) or isinstance(stated, list | tuple):
        return ImageSequenceVideo
    kind, name = values.get("type"), stated if isinstance(stated, str) and stated else filename
    last, suffix = _last_part(name if name != "." else filename)
    if values.get("dataset") or kind == "HDF5Video" or suffix in _HDF5:
        return HDF5Video
    if "index_by_original" in values or kind == "ImgStoreVideo" or last == "metadata.yaml":
        return ImgStoreVideo
    if kind == "NumpyVideo" or suffix == ".npy":
        return NumpyVideo
    if kind == "ImageVideo" or suffix in _PICTURES:
        return ImageSequenceVideo
    return MediaVideo


def _last_part(name: str) -> tuple[str, str]:
    """Return the last part of a path of any system, and its suffix in lower case."""
    last = name.rpartition("/")[2]
    stem, dot, suffix = last.rpartition(".")
    is_plain = suffix.isalnum() and not name.startswith("//")
    # Most names need no library to be taken apart, which takes longer than all else here.
    if stem and stem[0] != "." and is_plain and "\\" not in name and ":" not in name:
        return last, f"{dot}{suffix.lower()}"
    path = PureWindowsPath(name)
    return path.name, path.suffix.lower()
