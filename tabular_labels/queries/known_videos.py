"""What a project says of its videos: names, shapes, and what their objects add to that."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from tabular_labels.model.backends import names_nothing
from tabular_labels.queries.video_marks import NOTHING_KNOWN, VideoMark

__all__ = ["KnownVideo", "known_videos"]

_TEMPORARY = re.compile(r"/tmp_\d+_")


@dataclass(frozen=True)
class _Name:
    """One path under which a recording is known."""

    parts: tuple[str, ...]
    detail: str  # what tells recordings within one file apart

    def common(self, other: _Name) -> int:
        """Count the equal last parts."""
        if self.detail != other.detail:
            return 0
        count = 0
        for mine, theirs in zip(reversed(self.parts), reversed(other.parts), strict=False):
            if mine != theirs:
                break
            count += 1
        return count


@dataclass(frozen=True)
class KnownVideo:
    """What a project says of one video."""

    key: int
    filename: str
    backend: str
    names: tuple[_Name, ...]
    shape: tuple[int | None, ...]
    mark: VideoMark
    is_nameless: bool

    def tail(self, other: KnownVideo) -> int:
        """Count the equal last parts of the names that have most of them."""
        return max((a.common(b) for a in self.names for b in other.names), default=0)

    def contradicts(self, other: KnownVideo) -> bool:
        """Tell whether both know a size, or both pictures, and not the same."""
        pairs = zip(self.shape, other.shape, strict=True)
        differs = any(None not in pair and pair[0] != pair[1] for pair in pairs)
        return differs or self.mark.holds_other_pictures(other.mark)

    def may_be(self, other: KnownVideo) -> bool:
        """Tell whether two without a filename may be one, for all that is known."""
        if not (self.is_nameless and other.is_nameless):
            return False
        return self.mark.is_same_pictures(other.mark) or not self.contradicts(other)


def known_videos(videos: pl.DataFrame, marks: Mapping[int, VideoMark]) -> list[KnownVideo]:
    """Read the table of videos.

    Args:
        videos: In its order.
        marks: What only the videos themselves can say, by ``video_id``.

    Examples:
        >>> from tabular_labels.model.tables import Catalog
        >>> known_videos(Catalog().videos, {})
        []
    """
    known = []
    for row in videos.to_dicts():
        backend = json.loads(row["backend"])
        shape = tuple(row[name] for name in ("n_frames", "height", "width"))
        # Equal but for the order of its keys.
        text = json.dumps(backend, sort_keys=True)
        key, filename = row["video_id"], row["filename"]
        nameless = names_nothing(filename, backend)
        names = () if nameless else _names(filename, backend)
        mark = marks.get(key, NOTHING_KNOWN)
        known.append(KnownVideo(key, filename, text, names, shape, mark, nameless))
    return known


def _names(filename: str, backend: Mapping[str, Any]) -> tuple[_Name, ...]:
    """_Name the file itself, then the recordings it was made from."""
    dataset, listed = backend.get("dataset"), backend.get("filenames")
    detail = dataset if isinstance(dataset, str) else ""
    if isinstance(listed, list):
        detail += "|".join(_parts(str(name))[-1] for name in listed[1:] if name)
    names = [_Name(_parts(filename), detail)] if filename else []
    for key in ("source_video", "original_video"):
        source = backend.get(key)
        inner = source.get("backend", source) if isinstance(source, dict) else {}
        path = inner.get("filename") if isinstance(inner, dict) else None
        if isinstance(path, str) and path not in ("", "."):
            names.append(_Name(_parts(path), str(inner.get("dataset") or "")))
    return tuple(dict.fromkeys(names))


def _parts(path: str) -> tuple[str, ...]:
    """Cut a path of either system at its separators."""
    text = _TEMPORARY.sub("/", path.replace("\\", "/"))
    parts = [part for part in text.split("/") if part not in ("", ".")]
    if parts and re.fullmatch("[A-Za-z]:", parts[0]):
        parts[0] = parts[0].lower()
    return tuple(parts) or ("",)
