"""Tracks: of instances, and as a list."""

from __future__ import annotations

import math
from typing import Any

import polars as pl
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import tabular_labels as tl
from tabular_labels.errors import MergeError
from tests.editing.machine import Machine, discard, number

LIMITS: list[tuple[dict[str, Any], Any]] = [
    ({"min_frames": 2}, lambda facts: facts["n_frames"] < 2),
    ({"min_occupancy": 0.6}, lambda facts: facts["occupancy"] < 0.6),
    (
        {"min_mean_score": 0.27},
        lambda facts: facts["mean_score"] is not None and facts["mean_score"] < 0.27,
    ),
    ({"max_gap": 1}, lambda facts: facts["max_gap"] > 1),
    ({"where": pl.col("n_instances") > 2}, lambda facts: facts["n_instances"] > 2),
    (
        {"min_frames": 2, "where": pl.col("start") > 3},
        lambda facts: facts["n_frames"] < 2 or facts["start"] > 3,
    ),
]
"""Limits of `prune_tracks`, and what they say of a track."""


class TrackRules(Machine):
    """Setting, swapping, pruning, merging and naming tracks."""

    @precondition(lambda self: self.model.frames)
    @rule(place=number, how=st.integers(0, 2), k=number, track=number)
    def track_set_instance(self, place: int, how: int, k: int, track: int) -> None:
        found = self.instance(place, k, how)
        if found is None:
            return
        instance, row, frame = found
        view, _ = self.frame(place, how)
        new = self.track(track)
        self.edit(
            lambda: self.labels.track_set_instance(view, instance, new),
            lambda: self.model.set_track(frame, row, new),
        )

    @precondition(lambda self: self.model.videos)
    @rule(video=number, new=number, old=number, start=st.integers(0, 8), n=st.integers(0, 8))
    def track_swap(self, video: int, new: int, old: int, start: int, n: int) -> None:
        chosen = self.model.videos[video % len(self.model.videos)]
        one = self.track(new)
        other: Any = old % 3 if old % 4 == 0 else self.track(old)
        self.edit(
            lambda: self.labels.track_swap(chosen, one, other, (start, start + n)),
            lambda: self.model.swap(chosen, one, other, (start, start + n)),
        )

    @rule(track=number, video=number)
    def add_track(self, track: int, video: int) -> None:
        new = self.track(track)
        if new is not None:

            def same() -> None:
                self.model.add_track(new)

            of = self.video(video) if video % 2 else None
            self.edit(lambda: self.labels.add_track(of, new), same)

    @rule(ks=st.lists(number, max_size=3), by_name=st.booleans())
    def rename_tracks(self, ks: list[int], by_name: bool) -> None:
        old = self.known_tracks(ks)
        names = [track.name for track in self.model.tracks]
        new = {track: self.new_name("renamed") for track in old}
        given: Any = new
        if by_name and all(names.count(track.name) == 1 for track in old):
            given = {track.name: name for track, name in new.items()}

        def same() -> None:
            for track, name in new.items():
                place = self.model.tracks.index(track)
                made = self.labels.tracks[place]
                assert (made.name, made.spawned_on) == (name, track.spawned_on)
                self.model.replace_track(track, made)

        self.edit(lambda: self.labels.rename_tracks(given), same)

    @rule(turn=number, reverse=st.booleans())
    def reorder_tracks(self, turn: int, reverse: bool) -> None:
        tracks = list(self.model.tracks)
        turn %= len(tracks) or 1
        order = tracks[turn:] + tracks[:turn]
        order = order[::-1] if reverse else order
        self.edit(
            lambda: self.labels.reorder_tracks(order), lambda: setattr(self.model, "tracks", order)
        )

    @rule(k=number, what=st.sampled_from(["one", "one", "one", "all", "unused", "unused"]))
    def remove_tracks(self, k: int, what: str) -> None:
        model, labels = self.model, self.labels
        if what == "all":
            gone = list(model.tracks)
            self.edit(labels.remove_all_tracks, lambda: discard(model.remove_tracks(gone)))
        elif what == "unused":
            gone = model.unused_tracks()

            def same() -> int:
                model.drop_tracks(gone)
                return len(gone)

            self.count(labels.remove_unused_tracks, same)
        elif model.tracks:
            (one,) = self.known_tracks([k])
            self.edit(lambda: labels.remove_track(one), lambda: discard(model.remove_tracks([one])))

    @precondition(lambda self: self.model.tracks)
    @rule(ks=st.lists(number, min_size=1, max_size=3), into=number, overlap=st.booleans())
    def merge_tracks(self, ks: list[int], into: int, overlap: bool) -> None:
        model, labels = self.model, self.labels
        tracks = self.known_tracks(ks)
        given = self.track(into) or tracks[0]
        target = model.known_track(given)
        meant = [*tracks, *([] if target is None else [target])]
        n = sum(
            len({id(one.track) for one in frame.instances if one.track in meant}) > 1
            for frame in model.frames
        )
        if n and not overlap:
            self.refuse(lambda: labels.merge_tracks(tracks, given), MergeError, f"found {n} frames")
            return

        def same() -> int:
            own = model.add_track(given) if target is None else target
            return model.remove_tracks(tracks, own)

        self.count(lambda: labels.merge_tracks(tracks, given, allow_overlap=overlap), same)

    @rule(what=st.integers(0, len(LIMITS) - 1), untrack=st.booleans())
    def prune_tracks(self, what: int, untrack: bool) -> None:
        limits, is_poor = LIMITS[what]
        model, ids = self.model, self.ids()
        gone = [key for key, facts in model.track_facts().items() if is_poor(facts)]
        pruned = self.edit(
            lambda: self.labels.prune_tracks(**limits, untrack=untrack),
            lambda: model.prune(gone, untrack=untrack),
        )
        found = pruned.select("video_id", "track_id").rows()
        assert found == sorted((ids[0][video], ids[2][track]) for video, track in gone)

    @rule(ks=st.lists(number, max_size=4), tracks=st.lists(number, min_size=1), named=st.booleans())
    def assign_tracks(self, ks: list[int], tracks: list[int], named: bool) -> None:
        instances = [one for _, _, one in self.model.instances()]
        chosen = {one.uid: one for one in (instances[k % len(instances)] for k in ks if instances)}
        choices: list[tl.Track | None] = [None, *self.model.tracks]
        wanted = [choices[k % len(choices)] for k, _ in zip(tracks * 4, chosen, strict=False)]
        ids: dict[Any, int | None] = {None: None, **self.ids()[2]}
        column: list[Any] = [ids[track] for track in wanted]
        fresh = tl.Track(0, self.new_name("assigned"))
        if named:
            column = [fresh.name if track is None else None for track in wanted]
        table = pl.DataFrame(
            {
                "instance_id": [self.instance_ids[uid] for uid in chosen],
                "track" if named else "track_id": column,
            },
            schema_overrides={"instance_id": pl.UInt32, "track": pl.String, "track_id": pl.UInt32},
        )

        def same() -> int:
            new = None
            if named and None in wanted:
                new = self.model.add_track(self.labels.tracks[-1])
                assert new is not None
                assert (new.name, new.spawned_on) == (fresh.name, 0)
            for one, track in zip(chosen.values(), wanted, strict=True):
                one.track = (new if track is None else None) if named else track
            return len(chosen)

        self.count(lambda: self.labels.assign_tracks(table), same)

    @rule()
    def look_at_the_table_of_tracks(self) -> None:
        ids = self.ids()
        expected = {
            (ids[0][video], ids[2][track]): facts
            for (video, track), facts in self.model.track_facts().items()
        }
        found = self.labels.track_table().to_dicts()
        assert [(row["video_id"], row["track_id"]) for row in found] == sorted(expected)
        for row in found:
            facts = expected[row["video_id"], row["track_id"]]
            for name, value in facts.items():
                is_same = row[name] == value
                assert is_same or math.isclose(row[name], value, rel_tol=1e-6), (name, row)
