"""Matching videos, slow and obvious: rule by rule, pair by pair, by the objects themselves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from tabular_labels.model.video import Video

Videos: TypeAlias = Mapping[int, Video]
Found: TypeAlias = dict[int, tuple[int, str]]


def match_videos(
    base: Videos, new: Videos, rule: str, origin: Mapping[int, int]
) -> list[tuple[int, int | None, str, list[int]]]:
    """List key, key of the base, rule and candidates of every video; paths have slashes only.

    ``origin`` says which keys are known to have been one video: of the base by those of new.
    """
    rules = ["object", "lineage", "pictures", "same", "tail"]
    rules += {"name": ["name"], "shape": ["name", "shape"]}.get(rule, [])
    found: Found = {}
    for by in () if rule == "none" else rules:
        if by != "lineage" or rule != "classic":
            take(base, new, found, by, origin, is_classic=rule == "classic")
    rows: list[tuple[int, int | None, str, list[int]]] = []
    for key, video in new.items():
        if key in found:
            rows.append((key, *found[key], []))
            continue
        near = [k for k, mine in base.items() if rule != "none" and may_be_one(mine, video)]
        rows.append((key, None, "ambiguous" if near else "none", near))
    return rows


def of_one_origin(base: Videos, new: Videos, origin: Mapping[int, int]) -> dict[int, int]:
    """Return keys of the base by keys of new, of what is one object or has one origin."""
    found: Found = {}
    for by in ("object", "lineage"):
        take(base, new, found, by, origin, is_classic=False)
    return {there: here for there, (here, _) in found.items()}


def take(
    base: Videos, new: Videos, found: Found, by: str, origin: Mapping[int, int], *, is_classic: bool
) -> None:
    """Add the pairs of a rule that no other pair of either video equals or exceeds."""
    taken = {here for here, _ in found.values()}
    scores: dict[tuple[int, int], int] = {}
    for here, mine in base.items():
        for there, other in new.items():
            if here in taken or there in found:
                continue
            if by == "lineage":
                score = int(origin.get(there) == here and is_still(mine, other))
            else:
                score = SCORES[by](mine, other)
                if by == "tail" and not is_whole(mine, other, is_classic=is_classic):
                    score = 0
                if by not in ("object", "pictures") and differ(mine, other):
                    score = 0
            if score:
                scores[here, there] = score
    for pair, score in scores.items():
        rivals = [s for other, s in scores.items() if other != pair and shares(other, pair)]
        if all(rival < score for rival in rivals):
            found[pair[1]] = pair[0], by


def shares(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] == other[0] or one[1] == other[1]


def parts(video: Video) -> list[str]:
    return [part for part in video.filename.split("/") if part and not is_nameless(video)]


def is_nameless(video: Video) -> bool:
    return video.filename in ("", "Raw Video Data")


def tail(mine: Video, other: Video) -> int:
    count = 0
    for a, b in zip(reversed(parts(mine)), reversed(parts(other)), strict=False):
        if a != b:
            break
        count += 1
    return count


def is_whole(mine: Video, other: Video, *, is_classic: bool) -> bool:
    shortest = 3 if is_classic else min(3, len(parts(mine)), len(parts(other)))
    return tail(mine, other) >= shortest


def has_pictures(video: Video) -> bool:
    return video.array is not None and video.array.size > 0


def same_pictures(mine: Video, other: Video) -> bool:
    a, b = mine.array, other.array
    if a is None or b is None or not has_pictures(mine):
        return False
    return a.dtype == b.dtype and np.array_equal(a, b)


def other_pictures(mine: Video, other: Video) -> bool:
    return has_pictures(mine) and has_pictures(other) and not same_pictures(mine, other)


def differ(mine: Video, other: Video) -> bool:
    """Tell whether two videos cannot be one."""
    pairs = [(getattr(mine, k), getattr(other, k)) for k in ("n_frames", "height", "width")]
    sizes = any(a is not None and b is not None and a != b for a, b in pairs)
    return sizes or other_pictures(mine, other)


def is_still(mine: Video, other: Video) -> bool:
    if is_nameless(mine) and is_nameless(other):
        return not differ(mine, other)
    return parts(mine)[-1:] == parts(other)[-1:]


def may_be_one(mine: Video, other: Video) -> bool:
    if not (is_nameless(mine) and is_nameless(other)):
        return tail(mine, other) > 0
    if has_pictures(mine) and has_pictures(other):
        return same_pictures(mine, other)
    return not differ(mine, other)


def same_shape(mine: Video, other: Video) -> bool:
    shapes = [(one.n_frames, one.height, one.width) for one in (mine, other)]
    return None not in shapes[0] and shapes[0] == shapes[1]


SCORES: dict[str, Callable[[Video, Video], int]] = {
    "object": lambda a, b: int(a is b and is_nameless(a)),
    "pictures": lambda a, b: int(same_pictures(a, b)),
    "same": lambda a, b: int(not is_nameless(a) and a.filename == b.filename),
    "tail": tail,
    "name": lambda a, b: int(tail(a, b) > 0),
    "shape": lambda a, b: int(same_shape(a, b)),
}
