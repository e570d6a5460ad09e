"""Names of files that moved: other folders, other systems, part by part."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from tabular_labels._types import Json

__all__ = ["Remap", "remap_entry", "renamer", "split_name"]

Remap: TypeAlias = Mapping[str, str] | Sequence[str] | Callable[[str], str]
"""Old and new names by name or folder, one such pair, or a function of a name."""

_DRIVE = re.compile(r"[A-Za-z]:")
_HERE = "."


def split_name(name: str) -> tuple[str, ...]:
    r"""Split a name of either kind of system into its parts, the root first.

    Backslashes separate parts where there is a drive, a network share, or no slash.

    Examples:
        >>> split_name("C:\\lab\\a.mp4"), split_name("/lab//a.mp4")
        (('C:/', 'lab', 'a.mp4'), ('/', 'lab', 'a.mp4'))
        >>> split_name("\\\\nas\\lab"), split_name("a\\b"), split_name("a/b\\c")
        (('//', 'nas', 'lab'), ('a', 'b'), ('a', 'b\\c'))
    """
    if _is_windows(name):
        name = name.replace("\\", "/")
    root = ""
    if _DRIVE.match(name):
        root, name = name[:3] if name[2:3] == "/" else name[:2], name[2:]
    elif name.startswith("//") and not name.startswith("///"):
        root = "//"
    elif name.startswith("/"):
        root = "/"
    parts = [part for part in name.split("/") if part not in ("", _HERE)]
    return (root, *parts) if root else tuple(parts)


def _is_windows(name: str) -> bool:
    is_rooted = bool(_DRIVE.match(name)) or name.startswith("\\\\")
    return is_rooted or ("\\" in name and "/" not in name)


def renamer(rule: Remap) -> Callable[[str], str]:
    r"""Make a function that returns the new name of a name, or the same.

    Args:
        rule: A mapping of old to new names or folders, of which the longest that fits
            counts; one pair of them; or such a function itself. Parts are compared whole,
            with slashes or backslashes, and without regard to case where there is a drive
            or a share. An empty old folder fits every relative name.

    Raises:
        ValueError: It is none of these.

    Examples:
        >>> rename = renamer({"C:\\lab": "/data", "C:/lab/old": "/archive"})
        >>> rename("c:\\LAB\\day1\\a.mp4"), rename("C:/lab/old/b.mp4")
        ('/data/day1/a.mp4', '/archive/b.mp4')
        >>> rename("C:/labs/c.mp4")
        'C:/labs/c.mp4'
    """
    if callable(rule):
        return rule
    pairs: list[Any] = [rule]
    if isinstance(rule, Mapping):
        pairs = list(rule.items())
    is_sound = all(isinstance(pair, tuple | list) for pair in pairs) and all(
        len(pair) == 2 and all(isinstance(name, str) for name in pair) for pair in pairs
    )
    if not is_sound:
        message = (
            f"found {rule!r}, expected a mapping of old to new folders, a pair (old, new), or a "
            "function of a name. Give one of these."
        )
        raise ValueError(message)
    known = [(_compared(split_name(old)), new) for old, new in pairs]
    known.sort(key=lambda pair: len(pair[0]), reverse=True)

    def rename(name: str) -> str:
        parts = split_name(name)
        compared = _compared(parts)
        for old, new in known:
            fits = compared[: len(old)] == old and (old or not _is_rooted(parts))
            if fits and name:
                return _joined(new, parts[len(old) :])
        return name

    return rename


def _is_rooted(parts: tuple[str, ...]) -> bool:
    return bool(parts) and parts[0].endswith(("/", ":"))


def _compared(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Fold the case of names of systems that do not tell it."""
    has_case = not parts or not (parts[0] == "//" or _DRIVE.match(parts[0]))
    return parts if has_case else tuple(part.casefold() for part in parts)


def _joined(folder: str, parts: Sequence[str]) -> str:
    """Put parts below a folder, with the folder's own separators."""
    slash = "\\" if _is_windows(folder) and "/" not in folder else "/"
    if not parts:
        return folder
    if not folder:
        return slash.join(parts)
    return folder.rstrip("/\\") + slash + slash.join(parts)


def remap_entry(entry: Json, rename: Callable[[str], str]) -> Json:
    """Rename the files in what is stored about a video, and in what it was made from."""
    made = dict(entry)
    for key in ("filename", "filenames", "source_video", "original_video", "backend"):
        if key in made:
            made[key] = _renamed(made[key], rename)
    return made


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return value if value in ("", _HERE) else rename(value)
    if isinstance(value, list | tuple):
        return [_renamed(item, rename) for item in value]
    return remap_entry(dict(value), rename) if isinstance(value, Mapping) else value
