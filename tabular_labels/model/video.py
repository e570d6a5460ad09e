"""A video, as labels know it: a name, how to open it, and its stored shape."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tabular_labels.model.freezing import Freezable, FrozenList

__all__ = ["Video"]


class Video(Freezable):
    """A video by reference: nothing here opens a file.

    Videos compare and hash by identity, as two entries of a project may name one
    file; `matches` compares what they refer to.

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
        "_canonical_made",
        "backend",
        "channels",
        "filename",
        "fps",
        "height",
        "n_frames",
        "width",
    )

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
        self.filename = os.fspath(filename)
        self.backend: Mapping[str, Any] = (
            dict(backend) if backend is not None else {"filename": self.filename}
        )
        self.n_frames = n_frames
        self.height = height
        self.width = width
        self.channels = channels
        self.fps = fps

    @classmethod
    def from_filename(cls, filename: str | os.PathLike[str], **facts: Any) -> Video:
        """Refer to a media file; facts such as ``n_frames`` may be given by name."""
        name = os.fspath(filename)
        backend = {
            "filename": name,
            "grayscale": facts.get("channels") == 1 if facts.get("channels") else None,
            "bgr": True,
            "dataset": "",
            "input_format": "channels_last",
        }
        return cls(name, {k: v for k, v in backend.items() if v is not None}, **facts)

    from_media = from_filename

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
        stored = self.backend.get("grayscale")
        if stored is None and self.channels is not None:
            return self.channels == 1
        return stored if isinstance(stored, bool) else None

    def exists(self) -> bool:
        """Tell whether the file is where the project says (a look at the disk, no opening)."""
        return Path(self.filename).exists()

    def matches(self, other: Video) -> bool:
        """Tell whether both refer to the same thing: equal filename and backend.

        Examples:
            >>> Video.from_filename("a.mp4").matches(Video.from_filename("a.mp4"))
            True
        """
        return self is other or (
            self.filename == other.filename and self._canonical() == other._canonical()
        )

    def copy(self) -> Video:
        """Return a free copy."""
        return Video(self.filename, self.plain_backend(), **self._facts())

    def plain_backend(self) -> dict[str, Any]:
        """Return what is stored about opening it, as dicts and lists of its own."""
        plain: dict[str, Any] = _plain(self.backend)
        return plain

    def freeze(self) -> None:
        """Refuse every later change, also inside ``backend``."""
        if self.is_frozen:
            return
        self.backend = _read_only(self.backend)
        super().freeze()

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
        return _restore, (self.filename, self.plain_backend(), self._facts(), self.is_frozen)


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
) -> Video:
    video = Video(filename, backend, **facts)
    if frozen:
        video.freeze()
    return video
