"""Find videos that moved: a callback or folders to look in."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path, PureWindowsPath
from typing import Any, TypeAlias

from tabular_labels._types import Json, PathLike
from tabular_labels.hdf5.guard import broken

__all__ = ["VideoSearch", "apply_video_search"]

VideoSearch: TypeAlias = Callable[[list[Json]], Any] | Sequence[PathLike] | PathLike
"""A function that edits the given video entries in place, or folders to look in."""


def apply_video_search(videos: list[Json], search: VideoSearch | None, path: PathLike) -> None:
    """Let a callback, or a look into folders, correct where videos are.

    Args:
        videos: Entries as files hold them, ``{"backend": {"filename": ...}}``; edited in place.
        search: None changes nothing. A function gets the whole list; when it returns True,
            reading stops. Otherwise folders (a file stands for its folder) in which missing
            videos are looked up by their last name.
        path: The project's file, for messages.

    Raises:
        FileFormatError: The function asked to stop.

    Examples:
        >>> videos = [{"backend": {"filename": "old/a.mp4"}}]
        >>> def correct(entries):
        ...     entries[0]["backend"]["filename"] = "new/a.mp4"
        >>> apply_video_search(videos, correct, "labels.slp")
        >>> videos[0]["backend"]["filename"]
        'new/a.mp4'
    """
    if search is None:
        return
    if callable(search):
        if search(videos):
            found = "a video search that asked to stop"
            raise broken(path, "videos", found, "corrected videos", "Read without the search.")
        return
    places = [search] if isinstance(search, str | os.PathLike) else search
    folders = [Path(place) for place in places]
    folders = [folder.parent if folder.is_file() else folder for folder in folders]
    for video in videos:
        backend = video.get("backend")
        name = backend.get("filename") if isinstance(backend, dict) else None
        if isinstance(backend, dict) and isinstance(name, str) and name not in ("", "."):
            backend["filename"] = _look_for(name, folders)


def _look_for(name: str, folders: list[Path]) -> str:
    if Path(name).exists():
        return name
    last = PureWindowsPath(name).name  # splits at either kind of slash
    found = (folder / last for folder in folders if (folder / last).exists())
    return str(next(found, name))
