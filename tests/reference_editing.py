"""Labels as plain lists of small objects, edited one by one: what editing is held against.

Rows are known by a number of their own, ``uid``, that goes with them wherever they are
moved. Nothing here is fast, and nothing is shared with the package but its objects for
videos, skeletons and tracks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.tables import LabelTables
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tests.reference import Row, rows_of

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


def keys_of(instance: InstanceRow) -> tuple[int, ...]:
    """Return what an instance is known by: itself, then what it was copied from."""
    return (instance.uid,) if instance.copy_of is None else (instance.uid, instance.copy_of)


def origin_keys(instance: InstanceRow) -> tuple[int, ...]:
    """Return what the prediction is known by that an instance was made from."""
    origin = instance.origin
    if origin is None:
        return ()
    return (origin, _COPIES[origin]) if origin in _COPIES else (origin,)


@dataclass
class State:
    """Everything that undo brings back."""

    videos: list[Video]
    skeletons: list[Skeleton]
    tracks: list[Track]
    frames: list[FrameRow]

    def saved(self) -> State:
        """Copy the state, with the same rows."""
        frames = [
            replace(frame, instances=[replace(i, points=list(i.points)) for i in frame.instances])
            for frame in self.frames
        ]
        return State(list(self.videos), list(self.skeletons), list(self.tracks), frames)


class Model(State):
    """Labels row by row."""

    @classmethod
    def of(
        cls,
        tables: LabelTables,
        videos: Sequence[Video],
        skeletons: Sequence[Skeleton],
        tracks: Sequence[Track],
    ) -> tuple[Model, dict[int, int], dict[int, int]]:
        """Read tables; also give the keys of frames and instances by their new numbers."""
        catalog = tables.catalog
        by_id: list[dict[int, Any]] = [
            dict(zip(table[key].to_list(), things, strict=True))
            for table, key, things in (
                (catalog.videos, "video_id", videos),
                (catalog.skeletons, "skeleton_id", skeletons),
                (catalog.tracks, "track_id", tracks),
            )
        ]
        uids: dict[int | None, int | None] = {
            key: new_uid() for key in tables.instances["instance_id"].to_list()
        }
        uids[None] = None
        model = cls(list(videos), list(skeletons), list(tracks), [])
        frame_ids, instance_ids = {}, {}
        for row in sorted(rows_of(tables), key=lambda frame: int(frame["position"])):
            frame = FrameRow(
                by_id[0][row["video_id"]], row["frame_idx"], row["is_negative"], is_row=True
            )
            frame_ids[frame.uid] = row["frame_id"]
            model.frames.append(frame)
            for one in row["instances"]:
                uid = uids[one["instance_id"]]
                assert uid is not None
                instance_ids[uid] = one["instance_id"]
                track = one["track_id"]
                frame.instances.append(
                    InstanceRow(
                        one["kind"] == "predicted",
                        by_id[1][one["skeleton_id"]],
                        None if track is None else by_id[2][track],
                        one["score"],
                        one["tracking_score"],
                        [
                            (p["x"], p["y"], p["visible"], p["complete"], p["score"])
                            for p in one["points"]
                        ],
                        uids[one["from_predicted"]],
                        frame.uid,
                        None,
                        is_row=True,
                        uid=uid,
                    )
                )
        return model, frame_ids, instance_ids

    def restore(self, state: State) -> None:
        """Be as things stood."""
        saved = state.saved()
        self.videos, self.skeletons = saved.videos, saved.skeletons
        self.tracks, self.frames = saved.tracks, saved.frames

    # Looking

    def frame(self, uid: int) -> FrameRow | None:
        """Return a frame that is there."""
        return next((frame for frame in self.frames if frame.uid == uid), None)

    def instance(self, uid: int | None) -> tuple[FrameRow, InstanceRow] | None:
        """Return an instance that is there, with its frame."""
        for frame in self.frames:
            for instance in frame.instances:
                if instance.uid == uid:
                    return frame, instance
        return None

    def origin_of(self, instance: InstanceRow) -> int | None:
        """Return the prediction it was made from, if it is there."""
        return None if self.instance(instance.origin) is None else instance.origin

    def cut_links(self) -> None:
        """Forget predictions that are gone; only undo brings them back."""
        for frame in self.frames:
            for instance in frame.instances:
                instance.origin = self.origin_of(instance)

    def known_video(self, video: Video) -> Video | None:
        """Return this video, or the only one like it."""
        if video in self.videos:
            return video
        same = [mine for mine in self.videos if mine.matches(video)]
        return same[0] if len(same) == 1 else None

    def known_skeleton(self, skeleton: Skeleton) -> Skeleton | None:
        """Return this skeleton, or the only one built like it."""
        if any(skeleton is mine for mine in self.skeletons):
            return skeleton
        same = [
            mine
            for mine in self.skeletons
            if mine.node_names == skeleton.node_names and mine.matches(skeleton)
        ]
        return same[0] if len(same) == 1 else None

    def find(self, video: Video, frame_idx: int | None = None) -> list[FrameRow]:
        """Return the frames of a video, or of one place, in list order."""
        mine = self.known_video(video)
        return [
            frame
            for frame in self.frames
            if frame.video is mine and frame_idx in (None, frame.frame_idx)
        ]

    def known_track(self, track: Track) -> Track | None:
        """Return this track, or the only one like it."""
        if any(track is mine for mine in self.tracks):
            return track
        same = [mine for mine in self.tracks if mine.matches(track)]
        return same[0] if len(same) == 1 else None

    # Small tables

    def add_video(self, video: Video) -> Video:
        """Return what stands for a video, which is added if there is nothing."""
        known = self.known_video(video)
        if known is None:
            self.videos.append(video)
        return known or video

    def add_skeleton(self, skeleton: Skeleton) -> Skeleton:
        """Return what stands for a skeleton."""
        known = self.known_skeleton(skeleton)
        if known is None:
            self.skeletons.append(skeleton)
        return skeleton if known is None else known

    def add_track(self, track: Track | None) -> Track | None:
        """Add a track unless it is there."""
        if track is not None and not any(track is mine for mine in self.tracks):
            self.tracks.append(track)
        return track

    # Frames

    def add_frame(self, given: FrameRow, place: int | None = None) -> int:
        """Add a frame to the list; a row of labels is copied. Return the dangling links."""
        frame = given.copied() if given.is_row else given
        frame.is_row = True
        frame.video = self.add_video(frame.video)
        wanted, frame.instances = frame.instances, []
        self.frames.insert(len(self.frames) if place is None else place, frame)
        return self.put_instances(frame, wanted)

    def append(self, given: FrameRow, place: int | None = None) -> int:
        """Add a frame unless there is one at its place."""
        mine = self.known_video(given.video)
        if mine is not None and self.find(mine, given.frame_idx):
            return 0
        return self.add_frame(given, place)

    def put_frames(self, wanted: list[FrameRow]) -> int:
        """Make these the frames of the list, of which some are there already."""
        old = {frame.uid for frame in self.frames}
        kept: set[int] = set()
        new: list[FrameRow] = []
        result: list[FrameRow] = []
        for given in wanted:
            if given.uid in old and given.uid not in kept:
                kept.add(given.uid)
                result.append(given)
            else:
                made = given.copied() if given.is_row or given in new else given
                new.append(made)
                result.append(made)
        self.frames = [frame for frame in self.frames if frame.uid in kept]
        dangling = sum(self.add_frame(frame) for frame in new)
        self.frames = result
        return dangling

    def remove_frames(self, uids: Iterable[int]) -> None:
        """Remove frames with their instances."""
        gone = set(uids)
        self.frames = [frame for frame in self.frames if frame.uid not in gone]

    # Instances

    def put_instances(self, frame: FrameRow, wanted: Iterable[InstanceRow]) -> int:
        """Make these the instances of a frame; return how many links lead nowhere."""
        mine = {instance.uid for instance in frame.instances}
        result: list[InstanceRow] = []
        known: dict[int, int] = {}
        fresh: list[InstanceRow] = []
        for given in wanted:
            is_twice = any(given.uid == other.uid for other in result)
            if given.uid in mine and not is_twice:
                result.append(given)
                continue
            is_free = not given.is_row and given.owner in (None, frame.uid)
            taken = given if is_free and not is_twice else given.copied()
            result.append(taken)
            fresh.append(taken)
            for key in (*keys_of(given), *keys_of(taken)):
                known.setdefault(key, taken.uid)
        there = {i.uid for other in self.frames for i in other.instances}
        dangling = 0
        for taken in fresh:
            taken.skeleton = self.add_skeleton(taken.skeleton)
            taken.track = self.add_track(taken.track)
        for taken in fresh:
            taken.owner, taken.is_row = frame.uid, True
            if taken.origin is not None:
                found = [known[key] for key in origin_keys(taken) if key in known]
                found += [taken.origin] if taken.origin in there else []
                dangling += not found
                taken.origin = found[0] if found else None
        for taken in fresh:
            # A row of labels is a copy of nothing.
            taken.copy_of = None
            _COPIES.pop(taken.uid, None)
        frame.instances = result
        return dangling

    def add_instance(self, frame: FrameRow, given: InstanceRow) -> int:
        """Add an instance, without its track if a user instance of the frame has it."""
        taken = given.track is not None and any(
            other.track is given.track and not other.predicted for other in frame.instances
        )
        dangling = self.put_instances(frame, [*frame.instances, given])
        if taken:
            frame.instances[-1].track = None
        return dangling

    def swap(
        self,
        video: Video,
        new: Track | None,
        old: Track | int | None,
        frame_range: tuple[int, int],
    ) -> None:
        """Swap two tracks on a range of frames."""
        if old is None:
            return
        self.add_track(new)
        if not isinstance(old, int):
            known = self.known_track(old)
            if known is None and new is not None:
                self.add_track(old)
            old = old if known is None else known
        start, stop = frame_range
        for frame in self.find(video):
            if start <= frame.frame_idx < stop:
                for place, instance in enumerate(frame.instances):
                    instance.track = swapped(instance.track, place, new, old)

    def set_track(self, frame: FrameRow, instance: InstanceRow, new: Track | None) -> None:
        """Set a track; one that has a track swaps with whoever has the new one."""
        if instance.track is not None and new is not None:
            index = frame.frame_idx
            self.swap(frame.video, new, instance.track, (index, index + 1))
        instance.track = self.add_track(new)

    def remove_instances(self, is_gone: Callable[[InstanceRow], bool]) -> None:
        """Remove instances; their frames stay."""
        for frame in self.frames:
            frame.instances = [i for i in frame.instances if not is_gone(i)]

    # As rows

    def rows(
        self,
        frame_ids: dict[int, int],
        instance_ids: dict[int, int],
        ids: tuple[dict[Any, int], dict[Any, int], dict[Any, int]],
    ) -> list[Row]:
        """List everything as `tests.reference.rows_of` does; positions are list places."""
        video_ids, skeleton_ids, track_ids = ids
        there = {i.uid for frame in self.frames for i in frame.instances}
        placed = sorted(
            enumerate(self.frames), key=lambda one: (video_ids[one[1].video], one[1].frame_idx)
        )
        rows: list[Row] = []
        number = count()
        for row, (position, frame) in enumerate(placed):
            frame_id = frame_ids[frame.uid]
            rows.append(
                {
                    "frame_id": frame_id,
                    "video_id": video_ids[frame.video],
                    "frame_idx": frame.frame_idx,
                    "position": position,
                    "is_negative": frame.is_negative,
                    "row": row,
                    "instances": [
                        {
                            "instance_id": instance_ids[one.uid],
                            "frame_id": frame_id,
                            "instance_idx": place,
                            "skeleton_id": skeleton_ids[one.skeleton],
                            "track_id": None if one.track is None else track_ids[one.track],
                            "kind": "predicted" if one.predicted else "user",
                            "score": one.score,
                            "tracking_score": one.tracking_score,
                            "from_predicted": instance_ids[one.origin]
                            if one.origin in there and one.origin is not None
                            else None,
                            "row": next(number),
                            "points": [
                                dict(
                                    zip(
                                        ("x", "y", "visible", "complete", "score"),
                                        point,
                                        strict=True,
                                    )
                                )
                                | {"node": name, "node_id": k}
                                for k, (point, name) in enumerate(
                                    zip(one.points, one.skeleton.node_names, strict=True)
                                )
                            ],
                        }
                        for place, one in enumerate(frame.instances)
                    ],
                }
            )
        return rows


def swapped(track: Track | None, place: int, new: Track | None, old: Track | int) -> Track | None:
    """Return the track of one instance after a swap; ints stand for untracked ones."""
    if isinstance(old, int):
        return new if track is None and place == old else track
    if track is old:
        return new
    return old if new is not None and track is new else track
