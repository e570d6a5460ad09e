"""What labels answer, between edits."""

from __future__ import annotations

import copy
import pickle
import warnings
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels.errors import StaleViewError, UntrackedInstancesWarning
from tabular_labels.model.checks import check_tables
from tests import reference
from tests.editing.machine import Machine, assert_same_rows, none, number
from tests.editing.model_rows import FrameRow, InstanceRow


class QueryRules(Machine):
    """Every answer is that of the lists."""

    @invariant()
    def tables_are_as_the_lists_say(self) -> None:
        labels, model = self.labels, self.model
        for name in ("videos", "skeletons", "tracks"):
            mine, theirs = getattr(model, name), getattr(labels, name)
            assert len(mine) == len(theirs)
            assert all(a is b for a, b in zip(mine, theirs, strict=True))
        assert len(labels) == len(model.frames)
        tables = labels._snapshot.tables()
        assert tables.catalog.tracks.rows() == [
            (key, track.name, track.spawned_on) for track, key in self.ids()[2].items()
        ]
        assert check_tables(tables) == []
        assert_same_rows(tables, self.rows())

    @invariant()
    def small_tables_are_as_the_lists_say(self) -> None:
        labels, model = self.labels, self.model
        suggested = [tl.SuggestionFrame(*one) for one in model.suggestions]
        assert list(labels.suggestions) == suggested
        labeled = [
            (frame.video, frame.frame_idx)
            for frame, _, one in model.instances()
            if not one.predicted
        ]
        free = [one for one in suggested if tuple(one) not in labeled]
        assert labels.unlabeled_suggestions == free
        anchors: dict[Any, Any] = {}
        for video, *anchor in model.anchors:
            anchors.setdefault(video, []).append(tuple(anchor))
        assert labels.negative_anchors == anchors
        assert list(labels.negative_anchors) == list(anchors)
        assert dict(labels.provenance) == model.provenance
        catalog, (_, skeletons, _) = labels._catalog, self.ids()
        assert catalog.videos["filename"].to_list() == [video.filename for video in labels.videos]
        assert catalog.skeletons["name"].to_list() == [one.name for one in labels.skeletons]
        assert sorted(catalog.nodes.rows()) == sorted(
            (key, place, node.name, node.weight)
            for one, key in skeletons.items()
            for place, node in enumerate(one.nodes)
        )
        edges = catalog.edges.filter(kind="edge").sort("skeleton_id", "position")
        assert edges.select("skeleton_id", "source", "target").rows() == sorted(
            ((key, *link) for one, key in skeletons.items() for link in one.edge_inds),
            key=lambda row: row[0],
        )

    @invariant()
    def views_show_their_rows(self) -> None:
        for view, uid in self.views:
            if isinstance(view, tl.LabeledFrame):
                self.frame_view_shows_its_row(view, self.model.frame(uid))
            else:
                self.instance_view_shows_its_row(view, self.model.instance(uid))

    def frame_view_shows_its_row(self, view: tl.LabeledFrame, row: FrameRow | None) -> None:
        if row is None:
            for ask in (lambda: view.frame_idx, lambda: view.instances, lambda: len(view)):
                with pytest.raises(StaleViewError):
                    ask()
            return
        assert view.video is row.video
        assert (view.frame_idx, view.is_negative) == (row.frame_idx, row.is_negative)
        assert len(view) == len(row.instances)
        keys = [one._source.instance_id(one._row) for one in view.instances]
        assert keys == [self.instance_ids[one.uid] for one in row.instances]

    def instance_view_shows_its_row(
        self, view: tl.Instance, found: tuple[FrameRow, InstanceRow] | None
    ) -> None:
        if found is None:
            for ask in (lambda: view.track, lambda: view.numpy(), lambda: view.frame):
                with pytest.raises(StaleViewError):
                    ask()
            return
        frame, row = found
        assert isinstance(view, tl.PredictedInstance) == row.predicted
        assert view.track is row.track
        assert view.skeleton is row.skeleton
        assert (view.score, view.tracking_score) == (row.score, row.tracking_score)
        assert (view.video, view.frame_idx) == (frame.video, frame.frame_idx)
        assert view.frame is not None
        assert len(view.frame) == len(frame.instances)
        points = [view[node] for node in row.skeleton.nodes]
        shown = [(none(p.x), none(p.y), p.visible, p.complete) for p in points]
        assert shown == [point[:4] for point in row.points]
        if isinstance(view, tl.PredictedInstance):
            assert [none(s) for s in view.scores.tolist()] == [p[4] for p in row.points]
        origin = view.from_predicted
        uid = self.model.origin_of(row)
        assert (origin is None) == (uid is None)
        if origin is not None and uid is not None:
            assert origin._source.instance_id(origin._row) == self.instance_ids[uid]

    def uids(self, frames: Any) -> list[int]:
        by_key = {self.frame_ids[frame.uid]: frame.uid for frame in self.model.frames}
        return [by_key[view._source.frame_id(view._row)] for view in frames]

    @rule(video=number, index=st.integers(0, 8), indices=st.lists(st.integers(0, 8), max_size=4))
    def find_frames(self, video: int, index: int, indices: list[int]) -> None:
        labels, model = self.labels, self.model
        asked = self.video(video)
        mine = model.known_video(asked)
        at = {k: [f.uid for f in model.find(asked, k)] if mine else [] for k in {index, *indices}}
        found = labels.find(asked, index)
        assert self.uids(found) == at[index]
        for view, uid in zip(found[:1], at[index], strict=False):
            self.keep_view(view, uid)
        assert self.uids(labels.find(asked, indices)) == [u for k in indices for u in at[k]]
        everywhere = [f.uid for f in model.find(asked)] if mine else []
        assert self.uids(labels.find(asked)) == everywhere
        first, last = labels.find_first(asked, index), labels.find_last(asked, index)
        assert self.uids([f for f in (first, last) if f]) == [*at[index][:1], *at[index][-1:]]
        assert labels.has_frame(video=asked, frame_idx=index) == bool(at[index])
        new = labels.find(asked, index, return_new=True)
        assert new[0].is_attached == bool(at[index])
        n_instances = sum(len(f.instances) for f in model.frames if f.uid in at[index])
        assert labels.instance_count(asked, index) == n_instances

    @rule(i=number, j=number, step=st.sampled_from([1, 2, -1]))
    def go_through_frames(self, i: int, j: int, step: int) -> None:
        labels, rows = self.labels, self.model.frames
        uids = [frame.uid for frame in rows]
        assert self.uids(labels) == uids
        assert self.uids(labels.labeled_frames) == uids
        assert self.uids(labels[i % 7 : j % 7 : step]) == uids[i % 7 : j % 7 : step]
        assert [len(frame) for frame in labels] == [len(frame.instances) for frame in rows]
        assert labels.has_frame(labels[i % len(rows)]) if rows else True
        with pytest.raises(IndexError, match="found position"):
            labels[len(rows)]
        if rows:
            assert self.uids([labels[i % len(rows) - len(rows)]]) == [uids[i % len(rows)]]
            chosen = [i % len(rows), j % len(rows)]
            assert self.uids(labels[chosen]) == [uids[k] for k in chosen]
            assert labels.labeled_frames.index(labels[chosen[0]]) == chosen[0]
        keys = [self.instance_ids[one.uid] for frame in rows for one in frame.instances]
        found = labels.all_instances
        assert [one._source.instance_id(one._row) for one in found] == keys
        n_user = sum(not one.predicted for frame in rows for one in frame.instances)
        assert (len(labels.user_instances), len(labels.predicted_instances)) == (
            n_user,
            len(keys) - n_user,
        )

    @rule(video=number, start=st.integers(-1, 8), reverse=st.booleans())
    def count_frames(self, video: int, start: int, reverse: bool) -> None:
        labels, rows = self.labels, self.rows()
        users = [f.uid for f in self.model.frames if any(not i.predicted for i in f.instances)]
        assert self.uids(labels.user_labeled_frames) == users
        places = [f.uid for f in self.model.frames]
        assert [places[k] for k in labels.user_labeled_frame_inds] == users
        for name in ("", "user", "predicted"):
            kept = reference.filtered_rows(rows, name)
            at = {(rows[k]["video_id"], rows[k]["frame_idx"]) for k in kept}
            assert labels.get_labeled_frame_count(filter=name) == len(at)
        asked = self.video(video)
        indices = [f.frame_idx for f in self.model.find(asked)] if self.known(asked) else []
        found = [f.frame_idx for f in labels.frames(asked, start, reverse=reverse)]
        assert found == reference.rotate(indices, start, reverse=reverse)

    @precondition(lambda self: self.model.videos)
    @rule(video=number, index=st.integers(0, 8), track=number)
    def ask_the_cache(self, video: int, index: int, track: int) -> None:
        """The classic cache never needs to be told, and telling it changes nothing."""
        labels, model, cache = self.labels, self.model, tl.LabelsDataCache(self.labels)
        asked, wanted = self.any_video(video), self.track(track) or tl.Track(9, "of nobody")
        self.edit(lambda: self.tell(cache, asked, wanted, index), lambda: None)
        frames = model.find(asked, index)
        found = cache.find_frames(asked, index)
        assert (found is None) == (not frames)
        assert self.uids(found or []) == [frame.uid for frame in frames]
        assert cache.find_frames(tl.Video("of nobody.mp4")) is None
        indices = [frame.frame_idx for frame in model.find(asked)]
        order = cache.find_fancy_frame_idxs(asked, index, reverse=False)
        assert order == reference.rotate(indices, index, reverse=False)
        rows = self.rows()
        places = {key: place for place, key in enumerate(self.ids()[0].values())}
        for name in ("", "user", "predicted"):
            kept = [rows[k] for k in reference.filtered_rows(rows, name)]
            at = sorted({(places[f["video_id"]], f["frame_idx"]) for f in kept})
            assert cache.get_filtered_frame_idxs(filter=name) == at
            assert cache.get_frame_count(filter=name) == len(at)
        runs = cache.get_video_track_occupancy(asked)
        assert runs == labels.get_track_occupancy(asked)
        mine = model.known_track(wanted)
        assert list(cache.get_track_occupancy(asked, wanted)) == list(
            runs.get(mine, ()) if mine else ()
        )

    def tell(self, cache: tl.LabelsDataCache, video: tl.Video, track: tl.Track, index: int) -> None:
        cache.update()
        self.labels.update_cache()
        cache.add_track(video, track)
        cache.track_swap(video, track, None, (0, 9))
        for frame in self.labels.find(video, index):
            cache.update(frame)
            self.labels.update_cache(frame)
            for instance in frame.instances:
                cache.add_instance(frame, instance)
                cache.remove_instance(frame, instance)

    def known(self, video: tl.Video) -> bool:
        return self.model.known_video(video) is not None

    @rule(video=number, track=number)
    def ask_for_tracks(self, video: int, track: int) -> None:
        labels, rows = self.labels, self.rows()
        runs = reference.find_runs(rows, untracked=True)
        assert labels.occupancy().drop("video", "track").rows() == reference.find_runs(rows)
        asked = self.video(video)
        mine = self.model.known_video(asked)
        video_ids, _, track_ids = self.ids()
        tracks: dict[Any, Any] = {key: one for one, key in track_ids.items()}
        key = video_ids.get(mine)
        found = labels.get_track_occupancy(asked)
        expected: dict[Any, list[tuple[int, int]]] = {}
        for video_id, track_id, start, stop in runs:
            if video_id == key:
                expected.setdefault(tracks.get(track_id), []).append((start, stop))
        assert {one: list(ranges) for one, ranges in found.items()} == expected
        if mine is not None:
            order = reference.find_tracks_of_video(rows, video_ids[mine])
            assert list(found) == [tracks.get(one) for one in order]
        wanted = self.track(track)
        meant = None if wanted is None else self.model.known_track(wanted)
        if wanted is not None and mine is not None and meant is not None:
            keys = [
                one["instance_id"]
                for frame in reference.in_list_order(rows)
                for one in frame["instances"]
                if frame["video_id"] == key and one["track_id"] == track_ids[meant]
            ]
            views = labels.find_track_occupancy(asked, wanted)
            assert [one._source.instance_id(one._row) for one in views] == keys

    @precondition(lambda self: self.model.videos)
    @rule(video=number, all_frames=st.booleans(), untracked=st.booleans(), scores=st.booleans())
    def ask_for_an_array(self, video: int, all_frames: bool, untracked: bool, scores: bool) -> None:
        chosen = self.model.videos[video % len(self.model.videos)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UntrackedInstancesWarning)
            found = self.labels.numpy(chosen, all_frames, untracked, scores)
        shape, values = reference.fill_dense(
            self.rows(),
            self.labels._catalog,
            self.ids()[0][chosen],
            all_frames=all_frames,
            untracked=untracked,
            length=chosen.n_frames,
            scores=scores,
        )
        expected = np.full(shape, np.nan, np.float32)
        for place, one in values.items():
            expected[place] = one
        np.testing.assert_array_equal(found, expected)

    @rule(level=st.sampled_from(["frames", "instances", "points"]))
    def ask_for_a_table(self, level: str) -> None:
        name = {
            "frames": reference.name_frames,
            "instances": reference.name_instances,
            "points": reference.name_points,
        }[level]
        found = self.labels.to_polars(level)  # type: ignore[arg-type]  # one of the levels
        expected = pl.DataFrame(
            [tuple(row.values()) for row in name(self.rows(), self.labels._catalog)],
            schema=found.schema,
            orient="row",
        )
        if level == "frames":
            # Places may have gaps between them; their order is what counts.
            rank = pl.col("position").rank("ordinal").cast(pl.UInt32)
            found, expected = found.with_columns(rank), expected.with_columns(rank)
        shown = [n for n in found.columns if n != "position" or level == "frames"]
        assert_frame_equal(found.select(shown), expected.select(shown))

    @precondition(lambda self: len(self.model.frames) > 1)
    @rule(seed=st.integers(0, 9), drop=st.booleans())
    def take_a_part(self, seed: int, drop: bool) -> None:
        labels, rows = self.labels, self.rows()
        first, second = labels.split(0.5, seed=seed)
        keys = [frame["frame_id"] for frame in rows]
        parts = [part._snapshot.structure.frames["frame_id"].to_list() for part in (first, second)]
        assert sorted(parts[0] + parts[1]) == sorted(keys)
        places = [seed % len(rows), (seed * 5 + 1) % len(rows)]
        in_list = reference.in_list_order(rows)
        if places[0] != places[1]:
            taken = labels.extract(places)
            expected = reference.take_frames(rows, [in_list[k]["row"] for k in places])
            assert_same_rows(taken._snapshot.tables(), expected)
        kept = {
            one["row"]
            for frame in rows
            for one in frame["instances"]
            if one["kind"] == "user" or one["track_id"] is not None
        }
        frames = {
            f["row"] for f in rows
            if not drop or f["is_negative"] or any(i["row"] in kept for i in f["instances"])
        }  # fmt: skip
        filtered = labels.filter(
            instances=(pl.col("kind") == "user") | pl.col("track_id").is_not_null(),
            drop_empty=drop,
        )
        assert_same_rows(filtered._snapshot.tables(), reference.keep_rows(rows, frames, kept))

    @precondition(lambda self: self.model.frames)
    @rule(place=number, how=st.integers(0, 2))
    def copy_a_view(self, place: int, how: int) -> None:
        """Copies and pickles of views hold the same, and stand alone."""
        view, row = self.frame(place, how)
        for copied in (view.copy(), pickle.loads(pickle.dumps(view)), copy.copy(view)):
            assert not copied.is_attached
            assert copied.frame_idx == row.frame_idx
            for mine, theirs in zip(copied.instances, view.instances, strict=True):
                np.testing.assert_array_equal(mine.numpy(), theirs.numpy())
        self.detached = [(view.copy(), row.copied())]
