"""Labels row by row: what editing is held against."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.tables import LabelTables
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tests.editing.model_rows import (
    FrameRow,
    InstanceRow,
    forget_copy,
    keys_of,
    new_uid,
    origin_keys,
)
from tests.editing.model_things import Things
from tests.reference import Row, rows_of


class Model(Things):
    """Labels row by row."""

    @classmethod
    def of(
        cls,
        tables: LabelTables,
        videos: Sequence[Video],
        skeletons: Sequence[Skeleton],
        tracks: Sequence[Track],
        known: tuple[Mapping[int, int], Mapping[int, int]] = ({}, {}),
    ) -> tuple[Model, dict[int, int], dict[int, int]]:
        """Read tables; also give the keys of frames and instances by their numbers.

        Rows whose keys are known, with their numbers, keep these.
        """
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
            key: known[1].get(key) or new_uid() for key in tables.instances["instance_id"].to_list()
        }
        uids[None] = None
        model = cls(list(videos), list(skeletons), list(tracks), [])
        model.slots = {thing: new_uid() for thing in (*videos, *skeletons, *tracks)}
        model.suggestions = [(by_id[0][key], *rest) for key, *rest in catalog.suggestions.rows()]
        model.anchors = [(by_id[0][key], *rest) for key, *rest in catalog.negative_anchors.rows()]
        model.provenance = dict(catalog.provenance)
        frame_ids, instance_ids = {}, {}
        for row in sorted(rows_of(tables), key=lambda frame: int(frame["position"])):
            frame = FrameRow(
                by_id[0][row["video_id"]],
                row["frame_idx"],
                row["is_negative"],
                is_row=True,
                uid=known[0].get(row["frame_id"]) or new_uid(),
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

    def find(self, video: Video, frame_idx: int | None = None) -> list[FrameRow]:
        """Return the frames of a video, or of one place, in list order."""
        mine = self.known_video(video)
        return [
            frame
            for frame in self.frames
            if frame.video is mine and frame_idx in (None, frame.frame_idx)
        ]

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
            self.lay_out(taken)
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
            forget_copy(taken.uid)
        frame.instances = result
        return dangling

    def add_instance(self, frame: FrameRow, given: InstanceRow) -> int:
        """Add an instance, without its track if a user instance of the frame has it."""
        track = None if given.track is None else self.there(self.tracks, given.track)
        taken = track is not None and any(
            other.track is track and not other.predicted for other in frame.instances
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
        new = self.add_track(new)
        if not isinstance(old, int):
            known = self.there(self.tracks, old)
            old = self.add_track(old) if known is None and new is not None else known
            if old is None:
                return
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

    def remove_empty_frames(self, *, keep_negative: bool) -> int:
        """Remove frames without instances; count them."""
        left = [f for f in self.frames if f.instances or (keep_negative and f.is_negative)]
        n_gone = len(self.frames) - len(left)
        self.frames = left
        return n_gone

    def remove_instances(self, is_gone: Callable[[InstanceRow], bool]) -> None:
        """Remove instances; their frames stay."""
        for frame in self.frames:
            frame.instances = [i for i in frame.instances if not is_gone(i)]

    def merge_matching(self, video: Video | None) -> None:
        """Let the first frame of each place take in what the later ones add."""
        leads: dict[Any, FrameRow] = {}
        same: dict[int, int] = {}
        for frame in list(self.frames):
            lead = leads.setdefault((frame.video, frame.frame_idx), frame)
            if lead is frame or video not in (None, frame.video):
                continue
            earlier = list(lead.instances)
            for one in frame.instances:
                twin = next((mine for mine in earlier if says_the_same(mine, one)), None)
                if twin is None:
                    one.owner = lead.uid
                    lead.instances.append(one)
                else:
                    same[one.uid] = twin.uid
            lead.is_negative |= frame.is_negative
            self.remove_frames([frame.uid])
        for _, _, one in self.instances():
            one.origin = same.get(one.origin, one.origin) if one.origin else None

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


def says_the_same(a: InstanceRow, b: InstanceRow) -> bool:
    """Compare kind, skeleton, track and points; of missing points only that they are."""
    points = [[point[:2] if None in point[:2] else point for point in one.points] for one in (a, b)]
    things = (a.skeleton is b.skeleton, a.track is b.track, a.predicted == b.predicted)
    return all(things) and points[0] == points[1]


def swapped(track: Track | None, place: int, new: Track | None, old: Track | int) -> Track | None:
    """Return the track of one instance after a swap; ints stand for untracked ones."""
    if isinstance(old, int):
        return new if track is None and place == old else track
    if track is old:
        return new
    return old if new is not None and track is new else track
