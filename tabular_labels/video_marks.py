"""Which videos of two labels are one object, or arrays of the same pictures."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from itertools import chain
from typing import TypeAlias

from tabular_labels.model.backends import names_nothing
from tabular_labels.model.objects import Objects
from tabular_labels.model.same_pictures import Array, glance_of, same_pictures
from tabular_labels.model.video import Video
from tabular_labels.queries.video_marks import NO_MARKS, VideoMark, VideoMarks

__all__ = ["mark_videos"]

_Alike: TypeAlias = list[tuple[int, Array]]


def mark_videos(base: Objects, new: Objects) -> VideoMarks:
    """Number the videos that no filename tells apart.

    Arrays are read only where both labels have some of one shape and dtype, and beyond a
    few pixels only where those are equal.

    Args:
        base: The objects of one project.
        new: Those of another.
    """
    mine, theirs = _nameless(base), _nameless(new)
    if not mine or not theirs:
        return NO_MARKS
    pictures = _number_pictures(mine.values(), theirs.values())
    # Objects live as long as they are numbered, so that no id is used twice.
    things = {id(video): n for n, video in enumerate(chain(mine.values(), theirs.values()))}
    sides = (
        {key: VideoMark(things[id(one)], pictures.get(id(one))) for key, one in side.items()}
        for side in (mine, theirs)
    )
    return VideoMarks(*sides)


def _nameless(objects: Objects) -> Mapping[int, Video]:
    return {
        key: video
        for key, video in objects.video_by_id.items()
        if video.array is not None or names_nothing(video.filename, video.backend)
    }


def _number_pictures(mine: Iterable[Video], theirs: Iterable[Video]) -> dict[int, int]:
    """Give arrays with pictures numbers, by the ids of their videos; equal ones share theirs."""
    arrays = [
        {id(one): one.array for one in side if one.array is not None} for side in (mine, theirs)
    ]
    forms = [{_form(array) for array in side.values()} for side in arrays]
    numbers: dict[int, int] = {}
    alike: dict[Hashable, _Alike] = {}
    for key, array in (arrays[0] | arrays[1]).items():
        if not array.size:
            continue
        numbers[key] = len(numbers)
        if _form(array) not in forms[0] & forms[1]:
            continue
        known = alike.setdefault(glance_of(array), [])
        same = next((n for n, other in known if same_pictures(array, other)), None)
        if same is None:
            known.append((numbers[key], array))
        else:
            numbers[key] = same
    return numbers


def _form(array: Array) -> tuple[tuple[int, ...], str]:
    return array.shape, array.dtype.str
