"""The small tables as plain lists: videos, skeletons, tracks and what names them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, TypeVar

from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tests.editing.model_rows import MISSING, FrameRow, InstanceRow, State, new_uid

Thing = TypeVar("Thing", Video, Skeleton, Track)


class Things(State):
    """What is known of videos, skeletons and tracks, and what becomes of their rows."""

    # Looking

    def there(self, things: Sequence[Thing], thing: Thing) -> Thing | None:
        """Return a thing that is there, or what took its place."""
        if any(thing is mine for mine in things):
            return thing
        slot = self.former.get(thing)
        return next((mine for mine in things if self.slots[mine] == slot), None)

    def known_video(self, video: Video) -> Video | None:
        """Return this video, or the only one like it."""
        mine = self.there(self.videos, video)
        same = [one for one in self.videos if one.matches(video)]
        return same[0] if mine is None and len(same) == 1 else mine

    def known_skeleton(self, skeleton: Skeleton) -> Skeleton | None:
        """Return this skeleton, or the only one built like it."""
        mine = self.there(self.skeletons, skeleton)
        if mine is not None and all(node in origins_of(mine) for node in origins_of(skeleton)):
            return mine
        same = [
            mine
            for mine in self.skeletons
            if mine.node_names == skeleton.node_names and mine.matches(skeleton)
        ]
        return same[0] if len(same) == 1 else None

    def known_track(self, track: Track) -> Track | None:
        """Return this track, or the only one like it."""
        mine = self.there(self.tracks, track)
        same = [one for one in self.tracks if one.matches(track)]
        return same[0] if mine is None and len(same) == 1 else mine

    def instances(self) -> list[tuple[FrameRow, int, InstanceRow]]:
        """List all instances with their frames and their places in these."""
        return [(f, k, i) for f in self.frames for k, i in enumerate(f.instances)]

    # Adding

    def _add(self, things: list[Thing], thing: Thing) -> Thing:
        self.slots[thing] = new_uid()
        things.append(thing)
        return thing

    def add_video(self, video: Video) -> Video:
        """Return what stands for a video, which is added if there is nothing."""
        known = self.known_video(video)
        return self._add(self.videos, video) if known is None else known

    def append_video(self, video: Video) -> Video:
        """Add a video unless it is there itself, also a second one of a file."""
        known = self.there(self.videos, video)
        return self._add(self.videos, video) if known is None else known

    def add_skeleton(self, skeleton: Skeleton) -> Skeleton:
        """Return what stands for a skeleton."""
        known = self.known_skeleton(skeleton)
        return self._add(self.skeletons, skeleton) if known is None else known

    def add_track(self, track: Track | None) -> Track | None:
        """Add a track unless it is there."""
        if track is None:
            return None
        known = self.there(self.tracks, track)
        return self._add(self.tracks, track) if known is None else known

    def lay_out(self, instance: InstanceRow) -> None:
        """Give an instance the skeleton of the labels that stands for its own."""
        given = instance.skeleton
        mine = self.there(self.skeletons, given)
        instance.skeleton = self.add_skeleton(given)
        if mine is instance.skeleton and mine is not given:
            points = dict(zip(origins_of(given), instance.points, strict=True))
            instance.points = [points.get(node, MISSING) for node in origins_of(mine)]

    # Taking another's place

    def replace(self, things: list[Thing], old: Thing, new: Thing) -> None:
        """Put a thing in the place of another."""
        if old is new:
            return
        slot = self.slots.pop(old)
        things[next(k for k, mine in enumerate(things) if mine is old)] = new
        self.slots[new] = self.former[old] = self.former[new] = slot

    def replace_video(self, old: Video, new: Video) -> None:
        """Give everything of a video to another."""
        self.replace(self.videos, old, new)
        for frame in self.frames:
            frame.video = new if frame.video is old else frame.video
        self.suggestions = [
            (new if video is old else video, index, group)
            for video, index, group in self.suggestions
        ]
        self.anchors = [
            (new if video is old else video, index, x, y) for video, index, x, y in self.anchors
        ]

    def replace_track(self, old: Track, new: Track) -> None:
        """Give the instances of a track to another that takes its place."""
        self.replace(self.tracks, old, new)
        self.move_tracks([old], new)

    def replace_skeleton(
        self,
        old: Skeleton,
        new: Skeleton,
        places: Sequence[int] | None = None,
        merged: tuple[int, int] | None = None,
    ) -> None:
        """Give the instances of a skeleton to another, whose nodes stood at these places."""
        self.replace(self.skeletons, old, new)
        places = range(len(old.nodes)) if places is None else places
        for _, _, instance in self.instances():
            if instance.skeleton is old:
                points = list(instance.points)
                if merged is not None:
                    stays, goes = (points[place] for place in merged)
                    is_poor = None in stays[:2] or not stays[2]
                    if is_poor and None not in goes[:2]:
                        points[merged[0]] = goes
                instance.skeleton = new
                instance.points = [MISSING if k < 0 else points[k] for k in places]

    # Removing

    def remove_video(self, video: Video) -> None:
        """Remove a video with all that is of it."""
        self.videos = [mine for mine in self.videos if mine is not video]
        del self.slots[video]
        self.frames = [frame for frame in self.frames if frame.video is not video]
        self.suggestions = [one for one in self.suggestions if one[0] is not video]
        self.anchors = [one for one in self.anchors if one[0] is not video]

    def remove_skeleton(self, skeleton: Skeleton) -> None:
        """Remove a skeleton that no instance has."""
        self.skeletons = [mine for mine in self.skeletons if mine is not skeleton]
        del self.slots[skeleton]

    def drop_tracks(self, tracks: Iterable[Track]) -> None:
        """Leave tracks out of the list."""
        gone = list(tracks)
        self.tracks = [mine for mine in self.tracks if mine not in gone]
        for track in gone:
            del self.slots[track]

    def remove_tracks(self, tracks: Iterable[Track], into: Track | None = None) -> int:
        """Remove tracks, whose instances go to another, or to none."""
        gone = [track for track in tracks if track is not into]
        moved = self.move_tracks(gone, into)
        self.drop_tracks(gone)
        return moved

    def move_tracks(self, tracks: Sequence[Track], into: Track | None) -> int:
        """Give the instances of tracks to another, or to none; count them."""
        mine = [one for _, _, one in self.instances() if one.track in tracks]
        for one in mine:
            one.track = into
        return len(mine)

    def unused_tracks(self) -> list[Track]:
        """List the tracks that no instance has."""
        used = [one.track for _, _, one in self.instances()]
        return [track for track in self.tracks if track not in used]

    # Suggestions and anchors

    def suggest(self, wanted: Iterable[tuple[Video, int, int | None]]) -> None:
        """Make these the suggestions."""
        self.suggestions = [(self.add_video(v), index, group) for v, index, group in wanted]

    def append_suggestions(self, wanted: Iterable[tuple[Video, int, int | None]]) -> None:
        """Add suggestions of places that have none."""
        for video, index, group in list(wanted):
            mine = self.add_video(video)
            if (mine, index) not in [one[:2] for one in self.suggestions]:
                self.suggestions.append((mine, index, group))

    def put_anchors(self, anchors: Iterable[tuple[Video, int, float | None, float | None]]) -> None:
        """Make these the negative anchors, those of each video together."""
        self.anchors = sorted(anchors, key=lambda one: self.videos.index(one[0]))

    # Questions

    def track_facts(self) -> dict[tuple[Video, Track], dict[str, Any]]:
        """Summarise each track in each video, instance by instance."""
        found: dict[tuple[Video, Track], list[tuple[int, float | None]]] = {}
        for frame, _, one in self.instances():
            if one.track is not None:
                found.setdefault((frame.video, one.track), []).append((frame.frame_idx, one.score))
        facts = {}
        for key, rows in found.items():
            indices = sorted({index for index, _ in rows})
            gaps = [b - a - 1 for a, b in pairwise(indices)]
            scores = [score for _, score in rows if score is not None]
            facts[key] = {
                "n_instances": len(rows),
                "n_frames": len(indices),
                "start": indices[0],
                "stop": indices[-1] + 1,
                "occupancy": len(indices) / (indices[-1] + 1 - indices[0]),
                "max_gap": max(gaps, default=0),
                "mean_score": sum(scores) / len(scores) if scores else None,
            }
        return facts

    def prune(self, gone: Sequence[tuple[Video, Track]], *, untrack: bool) -> None:
        """Remove the instances of tracks in videos, or their tracks."""

        def is_gone(frame: FrameRow, one: InstanceRow) -> bool:
            return any(frame.video is video and one.track is track for video, track in gone)

        for frame in self.frames:
            if untrack:
                for one in frame.instances:
                    one.track = None if is_gone(frame, one) else one.track
            else:
                frame.instances = [one for one in frame.instances if not is_gone(frame, one)]
        pruned = [track for _, track in gone]
        self.drop_tracks([track for track in self.unused_tracks() if track in pruned])

    def choose(self, is_chosen: Callable[[FrameRow, int, InstanceRow], bool]) -> list[InstanceRow]:
        """List the instances that something is true of."""
        return [one for frame, place, one in self.instances() if is_chosen(frame, place, one)]


def origins_of(skeleton: Skeleton) -> list[Any]:
    """Return what each node of a skeleton was first."""
    return [node.origin for node in skeleton.nodes]


def moved_links(
    links: Iterable[tuple[int, int]],
    places: Sequence[int],
    merged: tuple[int, int] | None,
    *,
    both_ways: bool,
) -> list[tuple[int, int]]:
    """Return where edges, or symmetries, lead when nodes have moved.

    Those of a merged node lead to the one that stays; a symmetry only if that has none.
    """
    links = list(links)
    kept: list[tuple[int, int]] = []
    for link in links:
        ends = list(link)
        if merged is not None and merged[1] in ends:
            if both_ways and any(merged[0] in other for other in links):
                continue
            ends = [merged[0] if end == merged[1] else end for end in ends]
            if ends[0] == ends[1] and link[0] != link[1]:
                continue
        if any(end not in places for end in ends):
            continue
        a, b = (places.index(end) for end in ends)
        if (a, b) not in kept and not (both_ways and (b, a) in kept):
            kept.append((a, b))
    return kept
