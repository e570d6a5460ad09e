"""A video, as labels know it: a name, how to open it, its stored shape, and its pictures."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from tabular_labels._types import PathLike
from tabular_labels.model.backends import (
    VideoBackend,
    as_backend,
    is_picture_name,
    names_nothing,
)
from tabular_labels.model.freezing import Freezable, FrozenList
from tabular_labels.model.pixels import Pictured
from tabular_labels.model.same_pictures import same_pictures

__all__ = ["Video"]


class Video(Pictured, Freezable):
    """A video by reference: its file is opened when pictures are asked for.

    Videos compare and hash by identity, as two entries of a project may name one
    file; `matches` compares what they refer to. Files stay open for the next question,
    a few at a time. Pictures may be asked for from several threads; a pickled video
    opens its file again.

    Args:
        filename: Path as the project stores it.
        backend: What the project stores about opening it (JSON-able).
        n_frames: Number of frames, if known.
        height: Pixels, if known.
        width: Pixels, if known.
        channels: Colour channels, if known.
        fps: Frames per second, if known.

    Examples:
        >>> video = Video.from_filename("day1/left.mp4", n_frames=1500, height=384, width=384)
        >>> video.shape
        (1500, 384, 384, None)

    Source:
        ``sleap.io.video.Video``.
    """

    __slots__ = (
        "_array",
        "_canonical_made",
        "backend",
        "channels",
        "filename",
        "fps",
        "height",
        "n_frames",
        "width",
    )
    _advice = (
        "Use `labels.update_video`, or change a copy (`.copy()`) and give it to "
        "`labels.replace_video`."
    )
    filename: str
    backend: VideoBackend
    n_frames: int | None
    height: int | None
    width: int | None
    channels: int | None
    fps: float | None

    def __init__(
        self,
        filename: str | os.PathLike[str] = "",
        backend: Mapping[str, Any] | None = None,
        *,
        n_frames: int | None = None,
        height: int | None = None,
        width: int | None = None,
        channels: int | None = None,
        fps: float | None = None,
    ) -> None:
        name = os.fspath(filename)
        stored = {"filename": name} if backend is None else dict(backend)
        # What is new is not frozen, which takes longer to ask than all else.
        put = object.__setattr__
        put(self, "filename", name)
        put(self, "backend", as_backend(stored, name))
        put(self, "n_frames", n_frames)
        put(self, "height", height)
        put(self, "width", width)
        put(self, "channels", channels)
        put(self, "fps", fps)

    @classmethod
    def from_filename(
        cls, filename: PathLike | Sequence[PathLike], grayscale: bool | None = None, **facts: Any
    ) -> Video:
        """Refer to a file or folder; its name tells the kind, nothing is opened.

        Args:
            filename: A media file, a picture, an HDF5 file, a ``.npy`` file, an imgstore
                (its folder or ``metadata.yaml``), a folder of pictures, or a list of them.
            grayscale: True to read brightness alone, False to read RGB.
            **facts: ``n_frames``, ``height``, ``width``, ``channels``, ``fps``, if known.

        Examples:
            >>> Video.from_filename(["0.png", "1.png"]).n_frames
            2
        """
        if not isinstance(filename, str | os.PathLike):
            return cls.from_image_filenames(filename, grayscale=grayscale, **facts)
        name = os.fspath(filename)
        path = Path(name)
        if path.is_dir() and not (path / "metadata.yaml").exists():
            pictures = [entry for entry in path.iterdir() if is_picture_name(entry)]
            pictures.sort(key=_natural)
            return cls.from_image_filenames(pictures, grayscale=grayscale, **facts)
        if path.is_dir() or path.name == "metadata.yaml":
            return cls(name, {"filename": name, "index_by_original": True}, **facts)
        if is_picture_name(name):
            return cls.from_image_filenames([name], grayscale=grayscale, **facts)
        if path.suffix.lower() in (".h5", ".hdf5", ".slp"):
            return cls.from_hdf5(name, grayscale=grayscale, **facts)
        if grayscale is None and facts.get("channels"):
            grayscale = facts["channels"] == 1
        backend = {
            "filename": name,
            "grayscale": grayscale,
            "bgr": True,
            "dataset": "",
            "input_format": "channels_last",
        }
        return cls(name, {k: v for k, v in backend.items() if v is not None}, **facts)

    from_media = from_filename

    @classmethod
    def from_hdf5(
        cls,
        filename: PathLike,
        dataset: str = "",
        input_format: str = "channels_last",
        convert_range: bool = False,
        grayscale: bool | None = None,
        **facts: Any,
    ) -> Video:
        """Refer to pictures in an HDF5 file.

        Args:
            filename: The file.
            dataset: Name of an array ``(n_frames, height, width, channels)``, or of
                pictures embedded in a training package, such as ``video0/video``. When it
                is empty, the first of either is taken.
            input_format: ``"channels_first"`` for arrays (n_frames, channels, width, height).
            convert_range: Whether an array holds 0 to 1 instead of 0 to 255.
            grayscale: True to read brightness alone, False to read RGB.
            **facts: ``n_frames``, ``height``, ``width``, ``channels``, ``fps``, if known.
        """
        name = os.fspath(filename)
        backend: dict[str, Any] = {
            "filename": name,
            "type": "HDF5Video",
            "dataset": dataset,
            "input_format": input_format,
            "convert_range": convert_range,
        }
        if grayscale is not None:
            backend["grayscale"] = grayscale
        return cls(name, backend, **facts)

    @classmethod
    def from_image_filenames(
        cls, filenames: Sequence[PathLike], grayscale: bool | None = None, **facts: Any
    ) -> Video:
        """Refer to one picture file for each frame, in frame order."""
        names = [os.fspath(name) for name in filenames]
        backend: dict[str, Any] = {"filename": next(iter(names), ""), "filenames": names}
        if grayscale is not None:
            backend["grayscale"] = grayscale
        return cls(backend["filename"], backend, **{"n_frames": len(names), **facts})

    @classmethod
    def from_numpy(cls, array: np.ndarray[Any, Any], **facts: Any) -> Video:
        """Take an array as a video; it is used as it is, and is not saved with labels.

        Args:
            array: ``(n_frames, height, width, channels)`` with 1 or 3 channels, uint8.
            **facts: ``fps``, if known.

        Examples:
            >>> video = Video.from_numpy(np.zeros((5, 4, 6, 1), np.uint8))
            >>> video.get_frame(2).shape
            (4, 6, 1)
        """
        pictures = np.asarray(array)
        if pictures.ndim != 4:
            message = (
                f"found an array of shape {pictures.shape}, expected (n_frames, height, width, "
                "channels). Add the axes that are missing."
            )
            raise ValueError(message)
        sizes = dict(zip(("n_frames", "height", "width", "channels"), pictures.shape, strict=True))
        backend = {"filename": "", "type": "NumpyVideo", "shape": list(pictures.shape)}
        video = cls("", backend, **{**sizes, **facts})
        object.__setattr__(video, "_array", pictures)
        return video

    @property
    def array(self) -> np.ndarray[Any, Any] | None:
        """The array that this was made from, None for other videos."""
        found: np.ndarray[Any, Any] | None = getattr(self, "_array", None)
        return found

    @property
    def shape(self) -> tuple[int | None, int | None, int | None, int | None] | None:
        """``(n_frames, height, width, channels)`` as stored; None when nothing is known."""
        shape = (self.n_frames, self.height, self.width, self.channels)
        return None if shape == (None,) * 4 else shape

    @property
    def frames(self) -> int | None:
        """Number of frames, if known."""
        return self.n_frames

    num_frames = frames

    @property
    def last_frame_idx(self) -> int | None:
        """Index of the last frame, if known."""
        return None if self.n_frames is None else self.n_frames - 1

    @property
    def grayscale(self) -> bool | None:
        """Whether the video has one channel, if known."""
        stored = self.backend.grayscale
        if stored is None and self.channels is not None:
            return self.channels == 1
        return stored

    def exists(self) -> bool:
        """Tell whether the file is where the project says (a look at the disk, no opening)."""
        return Path(self.filename).exists()

    def matches(self, other: Video) -> bool:
        """Tell whether both refer to the same thing: equal filename and backend.

        Videos made from arrays are the same if the arrays hold the same pictures (shape,
        dtype and every value). One without filename and without an array refers to nothing
        that could be compared: only it itself is the same.

        Examples:
            >>> Video.from_filename("a.mp4").matches(Video.from_filename("a.mp4"))
            True
            >>> array = np.zeros((5, 4, 6, 1), np.uint8)
            >>> Video.from_numpy(array).matches(Video.from_numpy(array + 1))
            False
        """
        if self is other:
            return True
        mine, theirs = self.array, other.array
        if mine is not None or theirs is not None:
            return mine is not None and theirs is not None and same_pictures(mine, theirs)
        if self.filename != other.filename or names_nothing(self.filename, self.backend):
            return False
        return self._canonical() == other._canonical()

    def copy(self) -> Video:
        """Return a free copy."""
        return _restore(self.filename, self.plain_backend(), self._facts(), False, self.array)

    def plain_backend(self) -> dict[str, Any]:
        """Return what is stored about opening it, as dicts and lists of its own."""
        plain: dict[str, Any] = _plain(self.backend)
        return plain

    def freeze(self) -> None:
        """Refuse every later change, also inside ``backend``."""
        if self.is_frozen:
            return
        backend = type(self.backend)(
            {k: v if type(v) in _SIMPLE else _read_only(v) for k, v in self.backend.items()}
        )
        backend.freeze()
        object.__setattr__(self, "backend", backend)
        super().freeze()

    def __setattr__(self, name: str, value: object) -> None:
        """Assign unless frozen; values that say how to open the video become a backend."""
        if name == "backend" and isinstance(value, Mapping):
            value = as_backend(value, self.filename)
        super().__setattr__(name, value)

    def _canonical(self) -> str:
        made: str | None = getattr(self, "_canonical_made", None)
        if made is None:
            made = json.dumps(self.plain_backend(), sort_keys=True)
            if self.is_frozen:
                object.__setattr__(self, "_canonical_made", made)
        return made

    def _facts(self) -> dict[str, Any]:
        names = ("n_frames", "height", "width", "channels", "fps")
        return {name: getattr(self, name) for name in names}

    def __len__(self) -> int:
        """Return the number of frames, 0 when unknown."""
        return self.n_frames or 0

    def __bool__(self) -> bool:
        """Be true, also when the length is unknown."""
        return True

    def __repr__(self) -> str:
        """Name the file and the stored shape."""
        return f"Video({self.filename!r}, shape={self.shape})"

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the values and whether labels own it."""
        facts = self._facts()
        return _restore, (self.filename, self.plain_backend(), facts, self.is_frozen, self.array)


_SIMPLE = frozenset({str, int, float, bool, type(None)})
"""Kinds of values that nobody can change, told at once: videos come by the hundred."""


def _read_only(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, Mapping):
        return MappingProxyType({key: _read_only(item) for key, item in value.items()})
    return FrozenList(map(_read_only, value)) if isinstance(value, list | tuple) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _restore(
    filename: str,
    backend: dict[str, Any],
    facts: dict[str, Any],
    frozen: bool,
    array: np.ndarray[Any, Any] | None = None,
) -> Video:
    video = Video(filename, backend, **facts)
    if array is not None:
        object.__setattr__(video, "_array", array)
    if frozen:
        video.freeze()
    return video


def _natural(path: Path) -> list[str | int]:
    """Sort numbers in names by their value."""
    parts = re.split(r"([0-9]+)", path.name)
    return [int(part) if i % 2 else part for i, part in enumerate(parts)]
