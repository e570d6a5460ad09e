"""Another entry for a video: where it is, and what is known of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from tabular_labels._types import PathLike
from tabular_labels.model.video import Video

__all__ = ["changed_video"]

FACTS = ("n_frames", "height", "width", "channels", "fps")


def changed_video(
    video: Video,
    filename: PathLike | Sequence[PathLike] | None,
    backend: Mapping[str, Any] | None,
    facts: Mapping[str, Any],
) -> Video:
    """Return a free video with other values, see `Labels.update_video`."""
    unknown = [name for name in facts if name not in FACTS]
    if unknown:
        message = f"found {unknown[0]!r}, expected one of {list(FACTS)}. Use one of those."
        raise TypeError(message)
    known = {name: getattr(video, name) for name in FACTS} | dict(facts)
    stored = video.plain_backend() if backend is None else dict(backend)
    name = video.filename if backend is None else str(stored.get("filename", video.filename))
    if filename is not None:
        name, stored = _with_filename(stored, filename)
    made = Video(name, stored, **known)
    if video.array is not None and filename is None and backend is None:
        object.__setattr__(made, "_array", video.array)
    return made


def _with_filename(
    stored: dict[str, Any], filename: PathLike | Sequence[PathLike]
) -> tuple[str, dict[str, Any]]:
    several = next((key for key in ("filenames", "filename") if _is_list(stored.get(key))), None)
    if isinstance(filename, str | os.PathLike):
        if several is not None and len(stored[several]) != 1:
            message = (
                f"found one filename for {len(stored[several])} pictures, expected a list of as "
                "many. Pass all of them."
            )
            raise ValueError(message)
        names = [os.fspath(filename)]
    else:
        names = [os.fspath(name) for name in filename]
    first = next(iter(names), "")
    if several is None and len(names) != 1:
        several = "filenames"
    changed = stored if several is None else {**stored, several: names}
    if several != "filename":
        changed = {**changed, "filename": first}
    return first, changed


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)
