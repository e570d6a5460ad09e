"""Let sleap-io read labels without a look at the videos and pictures that they name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any
from unittest.mock import patch

import numpy as np

__all__ = ["blank_points", "inert_videos", "named_pictures", "unopened_videos"]

_READING = RLock()
_SUBFOLDERS = ("", "images", "imgs", "data/images")
_PICTURES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"})


@contextmanager
def inert_videos(*, with_sizes: bool = False) -> Iterator[None]:
    """Make videos by name alone, while sleap-io reads a file.

    Its readers open each video that a file names, even over the network, and leave out
    frames whose pictures are not found. Here a name stays a name, and no frame is lost.
    One thread reads at a time; videos made by others meanwhile are only not opened.

    Args:
        with_sizes: Read the sizes of single pictures, in shares of which some formats count.
    """
    from sleap_io.io import coco
    from sleap_io.model.video import Video

    def from_filename(
        cls: Any, filename: Any, /, *_: Any, grayscale: bool | None = None, **__: Any
    ) -> Any:
        names = filename if isinstance(filename, str | os.PathLike) else list(map(str, filename))
        names = names if isinstance(names, list) else os.fspath(names)
        facts: dict[str, Any] = {} if grayscale is None else {"grayscale": grayscale}
        if with_sizes and isinstance(names, str):
            facts["shape"] = _shape(names)
        return cls(filename=names, backend_metadata=facts, open_backend=False)

    with (
        _READING,
        patch.object(Video, "__attrs_post_init__", lambda _: None),
        patch.object(Video, "from_filename", classmethod(from_filename)),
        patch.object(coco, "resolve_image_path", _picture),
        blank_points(),
    ):
        yield


def _shape(name: str) -> tuple[int, int, int, int]:
    """Read the shape of one picture."""
    import imageio.v3 as iio

    height, width, *channels = iio.improps(name).shape
    return 1, height, width, channels[0] if channels else 1


def _picture(name: str, root: Path, *_: Any) -> Path:
    """Name a picture where it is, or where it would be."""
    places = [root / folder / name for folder in _SUBFOLDERS]
    return next((place for place in places if place.is_file()), places[0])


@contextmanager
def blank_points() -> Iterator[None]:
    """Let new points be missing, where sleap-io leaves whatever was in memory.

    Its readers of JABS and Label Studio files fill in the points that a file has only.
    """
    from sleap_io.model.instance import PointsArray

    def empty(cls: Any, length: int) -> Any:
        points = np.zeros(length, cls._get_dtype()).view(cls)
        points["xy"] = np.nan
        points["name"] = None
        return points

    with patch.object(PointsArray, "empty", classmethod(empty)):
        yield


@contextmanager
def named_pictures() -> Iterator[None]:
    """Let sleap-io's reader of DeepLabCut take pictures to be where their names say."""
    from sleap_io.io import dlc

    class Named(type(Path())):  # type: ignore[misc]  # the class of paths of this system
        """A path; pictures are said to exist."""

        def exists(self, **_: Any) -> bool:
            return self.suffix.lower() in _PICTURES or bool(super().exists())

    with patch.object(dlc, "Path", Named):
        yield


def _without_look(kind: Any) -> Any:
    """Make a class of readers that knows a shape only when it was told."""

    def shape(backend: Any) -> Any:
        if backend._cached_shape is None:
            message = "the shape is not known"
            raise ValueError(message)  # sleap-io takes this for a video without a shape
        return backend._cached_shape

    return type(kind.__name__, (kind,), {"shape": property(shape)})


def unopened_videos(labels: Any) -> None:
    """Give media files and pictures the readers that sleap-io's writers ask for, unopened."""
    from sleap_io.io.video_reading import ImageVideo, MediaVideo

    kinds = {kind: _without_look(kind) for kind in (ImageVideo, MediaVideo)}
    for video in labels.videos:
        stated = video.backend_metadata
        if stated.get("dataset"):
            continue
        kind = ImageVideo if isinstance(video.filename, list) else MediaVideo
        backend = kinds[kind](filename=video.filename, grayscale=stated.get("grayscale"))
        shape = stated.get("shape")
        if shape is not None and None not in shape:
            backend._cached_shape = tuple(shape)
        backend._fps = stated.get("fps")
        video.backend = backend
