"""Labels as plain lists of small objects, edited one by one: what editing is held against.

Rows are known by a number of their own, ``uid``, that goes with them wherever they are
moved. Nothing here is fast, and nothing is shared with the package but its objects for
videos, skeletons and tracks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video

_NUMBERS = count(1)

PointRow = tuple[float | None, float | None, bool, bool, float | None]
"""``x, y, visible, complete, score``; None for missing."""

MISSING: PointRow = (None, None, False, False, None)

_COPIES: dict[int, int] = {}
"""What copies that are in no labels were copied from."""


def new_uid() -> int:
    """Return a number that no row has."""
    return next(_NUMBERS)


@dataclass
class InstanceRow:
    """One instance; ``origin`` is the ``uid`` of the prediction it was made from.

    ``owner`` is the frame it is in, ``copy_of`` the row of labels it was copied from.
    """

    predicted: bool
    skeleton: Skeleton
    track: Track | None
    score: float | None
    tracking_score: float | None
    points: list[PointRow]
    origin: int | None = None
    owner: int | None = None
    copy_of: int | None = None
    is_row: bool = False
    uid: int = field(default_factory=new_uid)

    def copied(self) -> InstanceRow:
        """Copy as a free instance."""
        source = self.uid if self.is_row else self.copy_of
        points = list(self.points)
        made = replace(self, uid=new_uid(), points=points, copy_of=source, owner=None, is_row=False)
        if source is not None:
            _COPIES[made.uid] = source
        return made


@dataclass
class FrameRow:
    """One frame with its instances, in labels or not."""

    video: Video
    frame_idx: int
    is_negative: bool = False
    instances: list[InstanceRow] = field(default_factory=list)
    is_row: bool = False
    uid: int = field(default_factory=new_uid)

    @classmethod
    def detached(
        cls, video: Video, frame_idx: int, instances: Iterable[InstanceRow], *, is_negative: bool
    ) -> FrameRow:
        """Make a frame that is in no labels; what is in another frame is copied."""
        made = cls(video, frame_idx, is_negative)
        known: dict[int, InstanceRow] = {}
        for given in instances:
            is_free = not given.is_row and given.owner is None
            taken = given if is_free else given.copied()
            taken.owner = made.uid
            made.instances.append(taken)
            for key in keys_of(given):
                known.setdefault(key, taken)
        for instance in made.instances:
            found = [known[key] for key in origin_keys(instance) if key in known]
            instance.origin = found[0].uid if found else instance.origin
        return made

    def copied(self) -> FrameRow:
        """Copy as a frame that is in no labels."""
        return FrameRow.detached(
            self.video, self.frame_idx, self.instances, is_negative=self.is_negative
        )


def forget_copy(uid: int) -> None:
    """Note that a row is a copy of nothing any more."""
    _COPIES.pop(uid, None)


def keys_of(instance: InstanceRow) -> tuple[int, ...]:
    """Return what an instance is known by: itself, then what it was copied from."""
    return (instance.uid,) if instance.copy_of is None else (instance.uid, instance.copy_of)


def origin_keys(instance: InstanceRow) -> tuple[int, ...]:
    """Return what the prediction is known by that an instance was made from."""
    origin = instance.origin
    if origin is None:
        return ()
    return (origin, _COPIES[origin]) if origin in _COPIES else (origin,)


Suggestion = tuple[Video, int, int | None]
"""``video, frame_idx, group``."""

Anchor = tuple[Video, int, float | None, float | None]
"""``video, frame_idx, x, y``."""


@dataclass
class State:
    """Everything that undo brings back.

    ``former`` says what took the place of what: things with the same number stand for
    the same row of a small table, of which `slots` names those that are there.
    """

    videos: list[Video]
    skeletons: list[Skeleton]
    tracks: list[Track]
    frames: list[FrameRow]
    suggestions: list[Suggestion] = field(default_factory=list)
    anchors: list[Anchor] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    slots: dict[Any, int] = field(default_factory=dict)
    former: dict[Any, int] = field(default_factory=dict)

    def saved(self) -> State:
        """Copy the state, with the same rows."""
        frames = [
            replace(frame, instances=[replace(i, points=list(i.points)) for i in frame.instances])
            for frame in self.frames
        ]
        return State(
            list(self.videos),
            list(self.skeletons),
            list(self.tracks),
            frames,
            list(self.suggestions),
            list(self.anchors),
            dict(self.provenance),
            dict(self.slots),
            dict(self.former),
        )

    def is_at(self, state: State) -> bool:
        """Tell whether all rows are as they were; what took whose place may be known since."""
        return self.saved() == replace(state, former=self.former)

    def restore(self, state: State) -> None:
        """Be as things stood; what took whose place stays known."""
        saved = state.saved()
        saved.former = {**self.former, **saved.former}
        self.__dict__.update(saved.__dict__)
