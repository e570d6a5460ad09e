"""Videos that moved: other names in labels, and a callback that looks for missing files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tabular_labels._types import Json, PathLike
from tabular_labels.errors import MissingExtraError
from tabular_labels.model.moved import Remap, remap_entry, renamer, split_name
from tabular_labels.model.video import Video
from tabular_labels.store.catalog_edits import replace_videos
from tabular_labels.store.store import Store

__all__ = ["remap_videos", "video_callback"]


def remap_videos(
    store: Store, rule: Remap, *, only_existing: bool, dry_run: bool
) -> dict[str, str]:
    """Rename the videos' files in one step; see `Labels.remap_videos`."""
    rename = renamer(rule)
    if only_existing:
        rename = _where_files_are(rename)
    moved: dict[int, Video] = {}
    changed: dict[str, str] = {}
    for key, video in store.objects.video_by_id.items():
        other = _renamed(video, rename)
        if other is not None:
            moved[key] = other
            changed[video.filename] = other.filename
    if moved and not dry_run:
        replace_videos(store, moved)
    return changed


def _where_files_are(rename: Callable[[str], str]) -> Callable[[str], str]:
    def checked(name: str) -> str:
        new = rename(name)
        return new if new != name and Path(new).exists() else name

    return checked


def _renamed(video: Video, rename: Callable[[str], str]) -> Video | None:
    """Return a video with other names, None when they are the same."""
    old = video.plain_backend()
    backend = remap_entry(old, rename)
    filename = rename(video.filename) if video.filename else ""
    if filename == video.filename and backend == old:
        return None
    names = ("n_frames", "height", "width", "channels", "fps")
    return Video(filename, backend, **{name: getattr(video, name) for name in names})


def video_callback(
    search_paths: Sequence[PathLike] | None, *, use_gui: bool
) -> Callable[[list[Json]], bool | None]:
    """Make a function that looks for missing videos; see `Labels.make_video_callback`."""
    paths = [Path(path) for path in search_paths or ()]
    if use_gui and find_spec("_tkinter") is None:
        package, purpose = "tkinter", "make_video_callback(use_gui=True)"
        raise MissingExtraError(package, None, purpose)

    def find_videos(videos: list[Json]) -> bool | None:
        moved: dict[str, str] = {}
        in_turn = _in_turn(paths, videos)
        for video, given in zip(videos, in_turn, strict=True):
            backend = video.get("backend")
            name = backend.get("filename") if isinstance(backend, dict) else None
            if not isinstance(backend, dict) or not isinstance(name, str) or name in ("", "."):
                continue
            if Path(name).exists():
                continue
            found = _look_for(name, paths, moved) or given
            if found is None and use_gui:
                found = _ask_for(name)
                if found is None:
                    return True
            if found is not None:
                backend["filename"] = found
                _learn(moved, name, found)
        return None

    return find_videos


def _in_turn(paths: list[Path], videos: list[Json]) -> list[str | None]:
    """Take as many files as there are videos, with the same endings, to be these in turn."""
    if len(paths) == len(videos):
        names = [str((video.get("backend") or {}).get("filename", "")) for video in videos]
        same = (
            Path(name).suffix.lower() == path.suffix.lower() != ""
            for name, path in zip(names, paths, strict=True)
        )
        if all(same) and all(path.is_file() for path in paths):
            return [str(path) for path in paths]
    return [None] * len(videos)


def _look_for(name: str, paths: list[Path], moved: dict[str, str]) -> str | None:
    """Look where other videos of the same folders went, then in the given folders."""
    known = renamer(moved)(name)
    if known != name and Path(known).exists():
        return known
    last = split_name(name)[-1:]
    for path in paths:
        folder = path.parent if path.is_file() else path
        candidate = folder.joinpath(*last)
        if last and candidate.exists():
            return str(candidate)
    return None


def _learn(moved: dict[str, str], old: str, new: str) -> None:
    """Remember which folder became which, as far up as both names end alike."""
    left, right = split_name(old), split_name(new)
    same = 0
    while same < min(len(left), len(right)) - 1 and left[-1 - same] == right[-1 - same]:
        same += 1
    if same:
        moved[_folder(left[:-same])] = _folder(right[:-same])


def _folder(parts: Sequence[str]) -> str:
    if not parts:
        return ""
    head, *rest = parts
    return head + "/".join(rest) if head.endswith("/") else "/".join(parts)


def _ask_for(name: str) -> str | None:
    """Ask for a file in a window; None when nothing was chosen."""
    import tkinter
    from tkinter import filedialog

    root: Any = tkinter.Tk()
    root.withdraw()
    try:
        chosen = filedialog.askopenfilename(title=f"Where is {name}?")
    finally:
        root.destroy()
    return chosen or None
