"""Edits that other labels decide."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

import tabular_labels as tl
from tabular_labels import labels_merge_classic
from tabular_labels.errors import AmbiguousVideoError, CircularReferenceWarning
from tabular_labels.labels_core import LabelsCore
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries.lineage import known_keys
from tabular_labels.queries.merge_catalog import merge_catalogs
from tabular_labels.queries.merge_strategies import STRATEGIES
from tests import match_reference, merge_reference
from tests.editing.machine import OPENED, Machine, assert_same_rows, number, warned_of_arrays
from tests.editing.model import Model
from tests.editing.model_rows import InstanceRow
from tests.reference import Row, rows_of, rows_that_lead_back

SOURCES = ("nothing", "themselves", "some", "by content", "new", "kept")
other_frames = st.lists(
    st.tuples(
        number,  # video
        st.integers(0, 9),
        st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=2),
    ),
    max_size=4,
)


class OtherRules(Machine):
    """What is done to these labels because of what is in others."""

    def other_labels(
        self, source: str, places: list[int], specs: list[Any], opened: str, *, edited: bool
    ) -> tl.Labels:
        """Make labels that share everything, something or nothing with these."""
        labels = self.labels
        if source == "themselves":
            return labels
        if source == "kept" and self.others:
            return self.others[len(places) % len(self.others)][0]
        chosen = sorted({place % len(labels) for place in places}) if len(labels) else []
        if source == "some":
            made = labels.extract(chosen)
        elif source == "by content":
            # Other objects, which say what ours say.
            made = pickle.loads(pickle.dumps(labels))
            made = made.extract(chosen)
        else:
            made = tl.Labels([self.other_frame(*spec) for spec in specs if source == "new"])
        made = self.opened_again(made, opened)
        if edited and len(made):
            made.remove_frame(made[0])
            made.labeled_frames.extend([self.other_frame(*spec) for spec in specs[:1]])
        return made

    def other_frame(self, video: int, index: int, instances: list[Any]) -> tl.LabeledFrame:
        made = [self.new_instance((*one, 0, 1, 1, 0))[0] for one in instances]
        return tl.LabeledFrame(self.video(video), index, made)

    def opened_again(self, labels: tl.Labels, opened: str) -> tl.Labels:
        if opened == "memory":
            return labels
        self.n_files += 1
        path = Path(self.folder.name) / f"other {self.n_files}"
        if opened == "scanned parquet":
            warned_of_arrays(lambda: tl.write_parquet(labels, path), labels.videos)
            return tl.scan_parquet(path)
        path = path.with_suffix(".slp")
        warned_of_arrays(lambda: tl.write_slp(labels, path), labels.videos)
        return tl.scan_slp(path)

    def places_with(self, other: LabelsCore, kind: str) -> list[tuple[tl.Video, int]]:
        """List where other labels have instances of a kind, by their own videos."""
        tables = other._snapshot.tables()
        keys = tables.catalog.videos["video_id"].to_list()
        videos = dict(zip(keys, other.videos, strict=True))
        return [
            (videos[frame["video_id"]], frame["frame_idx"])
            for frame in rows_of(tables)
            if any(one["kind"] == kind for one in frame["instances"])
        ]

    @rule(
        source=st.sampled_from(SOURCES),
        places=st.lists(number, max_size=3),
        specs=other_frames,
        opened=st.sampled_from(OPENED),
        edited=st.booleans(),
        predicted=st.booleans(),
    )
    def remove_where_others_have(
        self,
        source: str,
        places: list[int],
        specs: list[Any],
        opened: str,
        edited: bool,
        predicted: bool,
    ) -> None:
        """Remove instances of a kind in the frames where other labels have some."""
        other = self.other_labels(source, places, specs, opened, edited=edited)
        remove = self.labels.remove_predictions if predicted else self.labels.remove_user_instances
        theirs = self.places_with(other, "predicted" if predicted else "user")
        before = other._snapshot.tables()
        known = self.videos_of_one_origin(other)
        if any(video not in known and self.is_ambiguous(video) for video, _ in theirs):
            self.refuse(lambda: remove(other), AmbiguousVideoError, "videos of the project are")
        else:
            wanted = {
                (known.get(video) or self.model.known_video(video), index)
                for video, index in theirs
            }
            self.count(lambda: remove(other), lambda: self.drop_in(wanted, predicted=predicted))
        assert_same_tables(other, before) if other is not self.labels else None

    def videos_of_one_origin(self, other: LabelsCore) -> dict[tl.Video, tl.Video]:
        """Name what is ours of their videos: what took its place, or what it once was."""
        base, new = (by_key(labels) for labels in (self.labels, other))
        origin = known_keys(self.labels._catalog, other._catalog, "videos")
        found = match_reference.of_one_origin(base, new, origin)
        same = {new[there]: base[here] for there, here in found.items()}
        ours = ((one, self.model.there(self.model.videos, one)) for one in new.values())
        return same | {theirs: mine for theirs, mine in ours if mine is not None}

    def look_at_added_videos(self, before: list[tl.Video], other: LabelsCore) -> None:
        """Find that added videos are the others' own, with their arrays.

        One that stands for a video already gets a copy that stands for the added one.
        """
        after = self.labels.videos
        assert list(after[: len(before)]) == before
        assert len({id(video) for video in after}) == len(after)
        for video in after[len(before) :]:
            is_here = [one for one in other.videos if self.model.there(before, one) is not None]
            assert any(video is one for one in other.videos) or any(
                video.filename == one.filename and video.array is one.array for one in is_here
            )

    @rule(
        source=st.sampled_from(SOURCES),
        places=st.lists(number, max_size=3),
        specs=other_frames,
        opened=st.sampled_from(OPENED),
        edited=st.booleans(),
        strategy=st.sampled_from(STRATEGIES),
        tolerance=st.sampled_from((0.0, 1.0, 1e9)),
    )
    def merge(
        self,
        source: str,
        places: list[int],
        specs: list[Any],
        opened: str,
        edited: bool,
        strategy: Any,
        tolerance: float,
    ) -> None:
        """Merge other labels as the slow way does, and keep what stood there known."""
        other = self.other_labels(source, places, specs, opened, edited=edited)
        plan = self.labels.merge_plan(other, strategy, tolerance=tolerance)
        base, new = self.labels._snapshot.tables(), other._snapshot.tables()
        catalog = plan.decided.catalog
        rows = rows_of(merge_reference.merge(base, new, catalog, strategy, tolerance))
        videos = list(self.labels.videos)
        for there, here in catalog.new.videos.items():
            mine, theirs = by_key(self.labels).get(here), by_key(other)[there]
            assert mine is None or not match_reference.other_pictures(mine, theirs)
        is_planned = bool(len(places) % 2)

        def merge() -> Any:
            if is_planned:
                return self.labels.apply_merge(plan)
            return self.labels.merge(other, strategy, tolerance=tolerance)

        def same() -> int:
            return self.take_over(rows) if plan.report.changes else 0

        self.edit(merge, same, warns=CircularReferenceWarning)
        self.look_at_added_videos(videos, other)
        assert_same_tables(other, new)
        if not plan.report.changes:
            assert_same_rows(self.labels._snapshot.tables(), rows)

    @rule(
        source=st.sampled_from(SOURCES),
        places=st.lists(number, max_size=3),
        specs=other_frames,
        opened=st.sampled_from(OPENED),
        unify=st.booleans(),
    )
    def extend_from(
        self, source: str, places: list[int], specs: list[Any], opened: str, unify: bool
    ) -> None:
        """Take other labels in as the slow way does, which keeps all that differs."""
        labels, other = self.labels, self.other_labels(source, places, specs, opened, edited=False)
        if not len(other):
            self.edit(lambda: labels.extend_from(other, unify), lambda: None)
            return
        base = labels.copy()
        base.merge_matching_frames()
        catalog, is_distinct = self.catalog_of(base, other, unify=unify, with_marks=False)
        tables, new = base._snapshot.tables(), other._snapshot.tables()
        if is_distinct:
            made = merge_reference.merge(tables, new, catalog, "keep_both", 0.0)

            videos = list(labels.videos)

            def same() -> None:
                self.model.merge_matching(None)
                self.take_over(rows_of(made))

            self.edit(quietly(lambda: labels.extend_from(other, unify)), same)
            self.look_at_added_videos(videos, other)

    @rule(
        source=st.sampled_from(SOURCES),
        places=st.lists(number, max_size=3),
        specs=other_frames,
        opened=st.sampled_from(OPENED),
        unify=st.booleans(),
        ours=st.booleans(),
        theirs=st.booleans(),
    )
    def merge_classic(
        self,
        source: str,
        places: list[int],
        specs: list[Any],
        opened: str,
        unify: bool,
        ours: bool,
        theirs: bool,
    ) -> None:
        """Merge what fits, and some of what does not."""
        labels, other = self.labels, self.other_labels(source, places, specs, opened, edited=False)
        catalog, is_distinct = self.catalog_of(labels, other, unify=unify)
        if not is_distinct:
            return
        before, new = labels._snapshot.tables(), other._snapshot.tables()
        added, extra_base, extra_new, kept = merge_reference.classic(before, new, catalog)
        held: list[Any] = []
        videos = list(labels.videos)

        def merge() -> None:
            held.extend(tl.Labels.complex_merge_between(labels, other, unify)[1:])

        def same() -> None:
            assert merge_reference.told_labels(labels) == sorted(kept + added)
            assert merge_reference.told_frames(held[0]) == sorted(extra_base)
            assert merge_reference.told_frames(held[1]) == sorted(extra_new)
            self.take_over(rows_of(labels._snapshot.tables()))

        self.edit(quietly(merge), same)
        self.look_at_added_videos(videos, other)
        chosen = [*(held[0] if ours else ()), *(held[1] if theirs else ())]
        told = {*kept, *added, *(extra_base if ours else ()), *(extra_new if theirs else ())}

        def finished() -> None:
            assert set(merge_reference.told_labels(labels)) == told
            self.take_over(rows_of(labels._snapshot.tables()))

        self.edit(quietly(lambda: tl.Labels.finish_complex_merge(labels, chosen)), finished)

    def catalog_of(self, base: Any, new: Any, *, unify: bool, with_marks: bool = True) -> Any:
        match = labels_merge_classic._match(base, new, unify=unify, with_marks=with_marks)
        catalog = merge_catalogs(match, self.labels._store.next_ids())
        return merge_reference.tracks_by_value(catalog)

    @rule(video=number)
    def merge_matching_frames(self, video: int) -> None:
        """Let the first frame of each place take the later ones in."""
        every = not self.model.videos or video % 3 == 0
        of = None if every else self.any_video(video)
        change = partial(self.labels.merge_matching_frames, of)
        self.edit(change, lambda: self.model.merge_matching(of))

    def take_over(self, expected: list[Row]) -> int:
        """Find the rows that are expected, and go on with them; count circles of links."""
        labels, old = self.labels, self.model
        found = labels._snapshot.tables()
        known = (
            {self.frame_ids[frame.uid]: frame.uid for frame in old.frames},
            {self.instance_ids[one.uid]: one.uid for _, _, one in old.instances()},
        )
        expected = with_keys_of(rows_of(found), expected, known)
        assert_same_rows(found, expected)
        for mine, theirs in (
            (old.videos, labels.videos),
            (old.tracks, labels.tracks),
            (old.suggestions, [(s.video, s.frame_idx, s.group) for s in labels.suggestions]),
        ):
            assert list(theirs[: len(mine)]) == mine
        made, frame_ids, instance_ids = Model.of(
            found, labels.videos, labels.skeletons, labels.tracks, known
        )
        for skeleton, new in zip(list(old.skeletons), labels.skeletons, strict=False):
            if skeleton is not new:
                assert new.node_names[: len(skeleton.nodes)] == skeleton.node_names
                old.replace(old.skeletons, skeleton, new)
        made.slots |= old.slots
        made.former = old.former
        self.model = made
        self.frame_ids |= frame_ids
        self.instance_ids |= instance_ids
        return len(rows_that_lead_back([one for row in expected for one in row["instances"]]))

    def drop_in(self, places: set[tuple[tl.Video | None, int]], *, predicted: bool) -> int:
        gone: list[InstanceRow] = [
            one
            for frame, _, one in self.model.instances()
            if one.predicted == predicted and (frame.video, frame.frame_idx) in places
        ]
        uids = [one.uid for one in gone]
        self.model.remove_instances(lambda one: one.uid in uids)
        return len(uids)


def by_key(labels: LabelsCore) -> dict[int, tl.Video]:
    return dict(zip(labels._catalog.videos["video_id"].to_list(), labels.videos, strict=True))


def quietly(change: Callable[[], object]) -> Callable[[], None]:
    """Do something whose warnings are not looked at."""

    def done() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            change()

    return done


def assert_same_tables(labels: LabelsCore, tables: LabelTables) -> None:
    found = labels._snapshot.tables()
    for name in ("frames", "instances", "points"):
        assert getattr(found, name).equals(getattr(tables, name))


def with_keys_of(found: list[Row], expected: list[Row], known: tuple[Any, Any]) -> list[Row]:
    """Give new rows the keys that they were given; those of others stay."""
    levels = (expected, found), (instances_of(expected), instances_of(found))
    keys: list[dict[Any, Any]] = []
    for (wanted, there), name, old in zip(levels, ("frame_id", "instance_id"), known, strict=True):
        pairs = {a[name]: b[name] for a, b in zip(wanted, there, strict=True)}
        assert all(pairs[key] == key for key in pairs if key in old)
        keys.append({None: None} | pairs)
    return [
        row
        | {
            "frame_id": keys[0][row["frame_id"]],
            "instances": [
                one
                | {
                    "frame_id": keys[0][row["frame_id"]],
                    "instance_id": keys[1][one["instance_id"]],
                    "from_predicted": keys[1][one["from_predicted"]],
                }
                for one in row["instances"]
            ],
        }
        for row in expected
    ]


def instances_of(rows: list[Row]) -> list[Row]:
    return [one for row in rows for one in row["instances"]]
