"""Which video it is, and in which state: what kept images are known by."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tabular_labels._types import PathLike
from tabular_labels.video.arrays import ArrayFrames
from tabular_labels.video.backends import EmbeddedFrames
from tabular_labels.video.frames import Frames
from tabular_labels.video.imgstore import StoreFrames
from tabular_labels.video.sequence import PictureFrames

__all__ = ["is_key", "is_older", "video_key"]


def video_key(source: Frames) -> str:
    """Name a video, the state in which its files are, and how it is read.

    Pictures that are in memory alone have another key each time.

    Examples:
        >>> import numpy as np
        >>> array = ArrayFrames(np.zeros((1, 4, 6, 1), np.uint8))
        >>> video_key(array) == video_key(array)
        False
    """
    how: list[object] = [source.shape[3]]
    if isinstance(source, StoreFrames):
        how.append(source.by_original)
    if isinstance(source, EmbeddedFrames):
        backend = source.backend
        how += [backend.dataset, backend.input_format, backend.convert_range]
    return json.dumps([_place(source), _state(source), how])


def is_older(key: str, current: Iterable[str]) -> bool:
    """Tell whether a key names a video of ``current``, but as it was before a change."""
    place, state, _ = json.loads(key)
    states = [other[1] for other in map(json.loads, current) if other[0] == place]
    return bool(states) and state not in states


def is_key(text: str) -> bool:
    """Tell whether a text is what `video_key` returns."""
    try:
        parts = json.loads(text)
    except ValueError:
        return False
    return isinstance(parts, list) and len(parts) == 3


def _place(source: Frames) -> str:
    if isinstance(source, PictureFrames):
        return _digest(map(os.path.realpath, source.filenames))
    return "memory" if _is_in_memory(source) else os.path.realpath(source.name)


def _state(source: Frames) -> object:
    if isinstance(source, PictureFrames):
        return _digest(str(_stat(name)) for name in source.filenames)
    if isinstance(source, StoreFrames):
        return _stat(Path(source.name) / "metadata.yaml")
    if isinstance(source, EmbeddedFrames):
        # Frames that are not in a package are read from the video it was made from.
        inner = source.source()
        return [_stat(source.name), inner and [_place(inner), _state(inner)]]
    return uuid.uuid4().hex if _is_in_memory(source) else _stat(source.name)


def _is_in_memory(source: Frames) -> bool:
    if not isinstance(source, ArrayFrames):
        return False
    return not (isinstance(source.array, np.memmap) and Path(source.name).is_file())


def _stat(path: PathLike) -> list[int] | None:
    try:
        state = Path(path).stat()
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns]


def _digest(texts: Iterable[str]) -> str:
    data = "\n".join(texts).encode(errors="surrogatepass")
    return hashlib.blake2b(data, digest_size=16).hexdigest()
