"""What only the objects of videos can say of them, as plain numbers for the tables' side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["NOTHING_KNOWN", "NO_MARKS", "VideoMark", "VideoMarks"]


class VideoMark(NamedTuple):
    """Two numbers of a video; None where there is nothing to compare.

    Attributes:
        thing: Equal numbers mean one object.
        pictures: Equal numbers mean equal pictures, different numbers different ones.

    Examples:
        >>> VideoMark(0, 7).is_same_pictures(VideoMark(1, 7))
        True
        >>> VideoMark(0, None).holds_other_pictures(VideoMark(1, 7))
        False
    """

    thing: int | None = None
    pictures: int | None = None

    def is_same_object(self, other: VideoMark) -> bool:
        """Tell whether both are known to be one object."""
        return self.thing is not None and self.thing == other.thing

    def is_same_pictures(self, other: VideoMark) -> bool:
        """Tell whether both are known to hold the same pictures."""
        return self.pictures is not None and self.pictures == other.pictures

    def holds_other_pictures(self, other: VideoMark) -> bool:
        """Tell whether both are known to hold pictures, and not the same."""
        return None not in (self.pictures, other.pictures) and self.pictures != other.pictures


NOTHING_KNOWN = VideoMark()


@dataclass(frozen=True)
class VideoMarks:
    """Marks of the videos of two projects, with numbers of both that may be compared.

    Attributes:
        base: By ``video_id`` of one project; videos that are left out are not known.
        new: By ``video_id`` of the other.
    """

    base: Mapping[int, VideoMark] = field(default_factory=dict)
    new: Mapping[int, VideoMark] = field(default_factory=dict)


NO_MARKS = VideoMarks()
