"""Random edits and queries, one after another, answer as plain lists do."""

from __future__ import annotations

import copy
import math
import pickle
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels import bulk, tracking
from tabular_labels.errors import (
    DanglingReferenceWarning,
    QueryError,
    StaleViewError,
    UntrackedInstancesWarning,
)
from tabular_labels.model.checks import check_tables
from tabular_labels.model.tables import LabelTables
from tabular_labels.store import columns, store
from tabular_labels.testing.strategies import label_tables
from tests import reference
from tests.io.slp_cases import content
from tests.reference import Row, rows_of
from tests.reference_editing import (
    MISSING,
    FrameRow,
    InstanceRow,
    Model,
    PointRow,
    State,
)

T = TypeVar("T")

# Above these sizes labels go other ways; small ones lead there with few rows.
LIMITS: dict[tuple[Any, str], tuple[int, ...]] = {
    (bulk, "SINGLE_EDITS"): (500, 0, 2),
    (tracking, "SINGLE_FRAMES"): (200, 0, 2),
    (store, "RECORDS_KEPT"): (4096, 0, 4),
    (columns, "BLOCK_INSTANCES"): (512, 1, 3),
    (columns, "BLOCKS_KEPT"): (64, 1, 2),
    (columns, "MEMORY_BLOCK_INSTANCES"): (4096, 1, 3),
}
OPENED = ("memory", "scanned slp", "scanned parquet")
VIEWS_KEPT = 12

POINTS: tuple[PointRow, ...] = (
    MISSING,
    (0.0, 0.0, True, False, None),
    (-1.5, 1e6, True, True, 0.5),
    (3.25, None, True, False, None),
    (7.0, 8.0, False, True, 0.25),
)
SCORES = (None, 0.0, 0.5, 0.1)

SKELETONS = [
    tl.Skeleton(["a", "b"], edges=[("a", "b")]),
    tl.Skeleton(["head", "tail", "a"], name="mouse"),
]
VIDEOS = [tl.Video("new 0.mp4"), tl.Video("new 1.mp4", n_frames=30)]

number = st.integers(0, 60)
instance_specs = st.tuples(
    st.booleans(),  # predicted
    st.integers(0, 3),  # skeleton
    st.integers(0, 5),  # track
    st.integers(0, 3),  # scores
    st.integers(0, 5**3 - 1),  # points
    st.integers(0, 5),  # what it was made from
)
frame_specs = st.tuples(
    st.integers(0, 4), st.integers(0, 7), st.booleans(), st.lists(instance_specs, max_size=3)
)


class DeliberateError(Exception):
    """What ends a transaction half way."""


def single(value: float | None) -> float | None:
    """Round to the precision of scores."""
    return None if value is None else float(np.float32(value))


def nan(value: float | None) -> float:
    return math.nan if value is None else value


def none(value: float) -> float | None:
    return None if math.isnan(value) else value


class Editing(RuleBasedStateMachine):
    """Labels, and the lists that they should be like."""

    labels: tl.Labels
    model: Model

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.kept = {key: getattr(*key) for key in LIMITS}
        self.n_files = 0
        self.tracks = [tl.Track(0, "new"), tl.Track(3, "new"), tl.Track(1, "other")]
        self.others: list[tuple[tl.Labels, LabelTables]] = []

    def teardown(self) -> None:
        for transaction, _ in reversed(getattr(self, "open", [])):
            transaction.__exit__(None, None, None)
        for (module, name), value in self.kept.items():
            setattr(module, name, value)
        self.folder.cleanup()

    # Beginning, and beginning anew

    @initialize(
        tables=label_tables(max_frames=5),
        opened=st.sampled_from(OPENED),
        limits=st.lists(st.integers(0, 2), min_size=len(LIMITS), max_size=len(LIMITS)),
    )
    def begin(self, tables: LabelTables, opened: str, limits: list[int]) -> None:
        for ((module, name), values), chosen in zip(LIMITS.items(), limits, strict=True):
            setattr(module, name, values[chosen])
        self.use(tl.Labels.from_tables(tables))
        if opened != "memory":
            self.save_and_open(opened)

    def use(self, labels: tl.Labels) -> None:
        """Go on with other labels, taking what they hold for right."""
        self.labels = labels
        self.model, self.frame_ids, self.instance_ids = Model.of(
            labels._snapshot.tables(), labels.videos, labels.skeletons, labels.tracks
        )
        self.forget()

    def forget(self) -> None:
        self.project: Path | None = None
        self.past: list[State] = []
        self.future: list[State] = []
        self.open: list[tuple[Any, State]] = []
        self.views: list[tuple[Any, int]] = []
        self.detached: list[tuple[tl.LabeledFrame, FrameRow]] = []

    # Edits

    def edit(self, change: Callable[[], T], same: Callable[[], int | None]) -> T:
        """Do something to the labels, and the same to the lists."""
        before = self.model.saved()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = change()
        n_dangling = same() or 0
        self.model.cut_links()
        assert {w.category for w in caught} == ({DanglingReferenceWarning} if n_dangling else set())
        self.learn_ids()
        if not self.open:
            self.note_step(before)
        return result

    def note_step(self, before: State) -> None:
        made = len(self.labels._store._undo) - len(self.past)
        assert made == 1 or (made == 0 and before == self.model.saved())
        if made:
            self.past.append(before)
            self.future.clear()

    def refuse(self, change: Callable[[], Any], error: type[Exception], text: str) -> None:
        """Find that something is refused, and nothing changed."""
        with pytest.raises(error, match=text):
            change()

    def learn_ids(self) -> None:
        """Take note of the keys of new rows; those of others must stay."""
        for frame, view in zip(self.model.frames, self.labels, strict=True):
            key = view._source.frame_id(view._row)
            assert self.frame_ids.setdefault(frame.uid, key) == key
            assert len(frame.instances) == len(view)
            for row, instance in zip(frame.instances, view.instances, strict=True):
                key = instance._source.instance_id(instance._row)
                assert self.instance_ids.setdefault(row.uid, key) == key

    def frame(self, place: int, how: int = 0) -> tuple[tl.LabeledFrame, FrameRow]:
        """Take a view of some frame, in one way or another."""
        row = self.model.frames[place % len(self.model.frames)]
        known = [view for view, uid in self.views if uid == row.uid]
        if how == 1 and known:
            return known[-1], row
        if how == 2:
            there = self.model.find(row.video, row.frame_idx)
            at = next(k for k, frame in enumerate(there) if frame.uid == row.uid)
            found = self.labels.find(row.video, row.frame_idx)
            assert len(found) == len(there)
            view = found[at]
        else:
            view = self.labels[place % len(self.model.frames)]
        self.keep_view(view, row.uid)
        return view, row

    def instance(
        self, place: int, k: int, how: int = 0
    ) -> tuple[tl.Instance, InstanceRow, FrameRow] | None:
        """Take a view of some instance of a frame."""
        view, frame = self.frame(place, how)
        if not frame.instances:
            return None
        row = frame.instances[k % len(frame.instances)]
        known = [view for view, uid in self.views if uid == row.uid]
        if how == 1 and known:
            return known[-1], row, frame
        instance = view.instances[k % len(frame.instances)]
        self.keep_view(instance, row.uid)
        return instance, row, frame

    def keep_view(self, view: Any, uid: int) -> None:
        if len(self.views) >= VIEWS_KEPT:
            self.views.pop(len(self.past) % VIEWS_KEPT)
        self.views.append((view, uid))

    def track(self, k: int) -> tl.Track | None:
        """Choose a track: of the labels, another, or none."""
        choices = [None, *self.model.tracks[:4], *self.tracks]
        return choices[k % len(choices)]

    def video(self, k: int) -> tl.Video:
        choices = [*self.model.videos, *VIDEOS]
        return choices[k % len(choices)]

    def new_instance(self, spec: Any, before: list[Any] | None = None) -> tuple[Any, InstanceRow]:
        """Build an instance that is in no frame."""
        predicted, skeleton_k, track, scores, points_k, link = spec
        choices = [*SKELETONS, *self.model.skeletons]
        skeleton = choices[skeleton_k % len(choices)]
        points = [POINTS[(points_k // 5**n) % 5] for n in range(len(skeleton.nodes))]
        points = [p if predicted else (*p[:4], None) for p in points]
        score, tracking = SCORES[scores], SCORES[3 - scores]
        row = InstanceRow(
            predicted,
            skeleton,
            self.track(track),
            single(score) if predicted else None,
            single(tracking),
            points,
        )
        kwargs: dict[str, Any] = {"track": row.track, "tracking_score": tracking}
        made = {
            node: tl.PredictedPoint(nan(x), nan(y), visible, complete, nan(score))
            if predicted
            else tl.Point(nan(x), nan(y), visible, complete)
            for node, (x, y, visible, complete, score) in zip(
                skeleton.node_names, points, strict=True
            )
        }
        origin, row.origin = self.some_prediction(link, before or [])
        kwargs["from_predicted"] = origin
        if predicted:
            return tl.PredictedInstance(skeleton, made, score=score, **kwargs), row
        return tl.Instance(skeleton, made, **kwargs), row

    def some_prediction(self, link: int, before: list[Any]) -> tuple[Any, int | None]:
        """Choose what an instance was made from: one beside it, of the labels, of nobody."""
        beside = [(one, row.uid) for one, row in before if row.predicted]
        if link == 1 and beside:
            return beside[-1]
        if link in (2, 3):
            rows = [
                (i, k) for i, f in enumerate(self.model.frames)
                for k, one in enumerate(f.instances) if one.predicted
            ]  # fmt: skip
            if rows:
                i, k = rows[link % len(rows)]
                return self.labels[i].instances[k], self.model.frames[i].instances[k].uid
        if link == 4:
            free = tl.PredictedInstance(SKELETONS[0])
            return free, InstanceRow(True, SKELETONS[0], None, 0.0, 0.0, []).uid
        return None, None

    def new_frame(self, spec: Any) -> tuple[tl.LabeledFrame, FrameRow]:
        """Build a frame that is in no labels, or take one that was taken out of them."""
        video_k, frame_idx, is_negative, instances = spec
        if is_negative and frame_idx > 5 and self.detached:
            return self.detached.pop()
        made: list[Any] = []
        for one in instances:
            made.append(self.new_instance(one, made))
        video = self.video(video_k)
        view = tl.LabeledFrame(video, frame_idx, [m for m, _ in made], is_negative=is_negative)
        return view, FrameRow.detached(
            video, frame_idx, [row for _, row in made], is_negative=is_negative
        )

    def some_frame(self, source: int, spec: Any) -> tuple[tl.LabeledFrame, FrameRow]:
        """Take a new frame, or a view of one that is in the labels."""
        if source and self.model.frames:
            return self.frame(source, how=source % 3)
        return self.new_frame(spec)

    @precondition(lambda self: self.model.frames)
    @rule(place=number, k=number, how=st.integers(0, 2), track=number)
    def set_track(self, place: int, k: int, how: int, track: int) -> None:
        found = self.instance(place, k, how)
        if found is not None:
            view, row, _ = found
            wanted = self.track(track)

            def same() -> None:
                row.track = self.model.add_track(wanted)

            self.edit(lambda: setattr(view, "track", wanted), same)

    @precondition(lambda self: self.model.frames)
    @rule(place=number, k=number, how=st.integers(0, 2), score=st.sampled_from(SCORES))
    def set_scores(self, place: int, k: int, how: int, score: float | None) -> None:
        found = self.instance(place, k, how)
        if found is None:
            return
        view, row, _ = found
        name = "score" if row.predicted and place % 2 else "tracking_score"
        self.edit(lambda: setattr(view, name, score), lambda: setattr(row, name, single(score)))

    @precondition(lambda self: self.model.frames)
    @rule(place=number, k=number, how=st.integers(0, 2), link=st.integers(0, 4))
    def set_origin(self, place: int, k: int, how: int, link: int) -> None:
        found = self.instance(place, k, how)
        if found is None:
            return
        view, row, _ = found
        origin, uid = self.some_prediction(link, [])
        if link == 4:
            self.refuse(
                lambda: setattr(view, "from_predicted", origin), ValueError, "not of these labels"
            )
        else:
            self.edit(
                lambda: setattr(view, "from_predicted", origin),
                lambda: setattr(row, "origin", uid),
            )

    @precondition(lambda self: self.model.frames)
    @rule(place=number, k=number, how=st.integers(0, 2), node=number, point=number)
    def set_point(self, place: int, k: int, how: int, node: int, point: int) -> None:
        found = self.instance(place, k, how)
        if found is None:
            return
        view, row, _ = found
        at = node % len(row.points)
        x, y, visible, complete, score = POINTS[point % len(POINTS)]
        given: Any = tl.Point(nan(x), nan(y), visible, complete)
        made: PointRow = (x, y, visible, complete, None)
        if point % 3 == 1:
            given = (nan(x), nan(y))
            made = (x, y, x is not None and y is not None, False, None)
        elif point % 3 == 2 and row.predicted:
            given = tl.PredictedPoint(nan(x), nan(y), visible, complete, nan(score))
            made = (x, y, visible, complete, score)
        name = row.skeleton.node_names[at]
        self.edit(lambda: view.__setitem__(name, given), lambda: row.points.__setitem__(at, made))

    @precondition(lambda self: self.model.frames)
    @rule(place=number, k=number, how=st.integers(0, 2), node=number, what=number)
    def set_value_of_a_point(self, place: int, k: int, how: int, node: int, what: int) -> None:
        found = self.instance(place, k, how)
        if found is None:
            return
        view, row, _ = found
        at = node % len(row.points)
        names = ["x", "y", "visible", "complete", *(["score"] if row.predicted else [])]
        name = names[what % len(names)]
        value: Any = bool(what % 2) if name in ("visible", "complete") else what / 4
        order = ["x", "y", "visible", "complete", "score"].index(name)
        point = view[row.skeleton.nodes[at] if what % 3 else row.skeleton.node_names[at]]
        made: Any = list(row.points[at])
        made[order] = value
        self.edit(
            lambda: setattr(point, name, value),
            lambda: row.points.__setitem__(at, tuple(made)),
        )
        assert getattr(point, name) == value

    @precondition(lambda self: self.model.frames)
    @rule(place=number, how=st.integers(0, 2), what=st.integers(0, 2), value=number)
    def set_value_of_a_frame(self, place: int, how: int, what: int, value: int) -> None:
        view, row = self.frame(place, how)
        if what == 0:
            self.edit(
                lambda: setattr(view, "is_negative", value % 2 == 1),
                lambda: setattr(row, "is_negative", value % 2 == 1),
            )
        elif what == 1:
            self.edit(
                lambda: setattr(view, "frame_idx", value % 8),
                lambda: setattr(row, "frame_idx", value % 8),
            )
        else:
            video = self.video(value)
            self.edit(
                lambda: setattr(view, "video", video),
                lambda: setattr(row, "video", self.model.add_video(video)),
            )

    @precondition(lambda self: self.model.frames)
    @rule(
        place=number,
        how=st.integers(0, 2),
        what=st.integers(0, 10),
        i=number,
        j=number,
        source=st.integers(0, 3),
        spec=instance_specs,
    )
    def change_instances(
        self, place: int, how: int, what: int, i: int, j: int, source: int, spec: Any
    ) -> None:
        """Do to the list of instances what may be done to a list."""
        view, frame = self.frame(place, how)
        given = self.some_instances(source, i + j, spec)
        news, rows = [g for g, _ in given], [r for _, r in given]
        n = len(frame.instances)
        i, j = (i % n, j % n) if n else (0, 0)
        change, wanted = self.list_change(
            what, view.instances, list(frame.instances), (i, j), news, rows
        )
        if change is not None:
            self.edit(change, lambda: self.model.put_instances(frame, wanted))

    def some_instances(self, source: int, k: int, spec: Any) -> list[tuple[Any, InstanceRow]]:
        """Take a new instance, views of instances of other frames, or what is in none."""
        if source == 1 and self.model.frames:
            found = self.instance(k, k)
            return [] if found is None else [found[:2]]
        if source == 2 and self.detached:
            view, frame = self.detached[-1]
            return list(zip(view.instances, frame.instances, strict=True))
        made = self.new_instance(spec)
        return [made, made] if source == 3 else [made]

    @staticmethod
    def list_change(
        what: int,
        things: Any,
        rows: list[Any],
        places: tuple[int, int],
        news: list[Any],
        new_rows: list[Any],
    ) -> tuple[Callable[[], Any] | None, list[Any]]:
        """Return a change of a list, and what is in it afterwards."""
        i, j = places
        wanted = list(rows)
        if what == 0 and news:
            wanted.append(new_rows[0])
            return lambda: things.append(news[0]), wanted
        if what == 1:
            wanted += new_rows
            return lambda: things.extend(news), wanted
        if what == 2 and news:
            wanted.insert(i, new_rows[0])
            return lambda: things.insert(i, news[0]), wanted
        if what == 3:
            wanted.reverse()
            return things.reverse, wanted
        if what == 4:
            wanted[i:j] = new_rows
            return lambda: things.__setitem__(slice(i, j), news), wanted
        if what == 5:
            del wanted[i : j + 1]
            return lambda: things.__delitem__(slice(i, j + 1)), wanted
        if not rows:
            return None, wanted
        if what == 6 and news:
            wanted[i] = new_rows[0]
            return lambda: things.__setitem__(i, news[0]), wanted
        if what == 7:
            del wanted[i]
            return lambda: things.__delitem__(i), wanted
        if what == 8:
            del wanted[i]
            mine = things[i]
            return lambda: things.remove(mine), wanted
        if what == 9:
            order = [(k * 7 + j) % 5 for k in range(len(rows))]
            wanted = [row for _, row in sorted(zip(order, rows, strict=True), key=lambda p: p[0])]
            by_view = iter(order)
            return lambda: things.sort(key=lambda _: next(by_view)), wanted
        if what == 10:
            # A rotation of what is there, by a slice of itself.
            wanted = rows[i:] + rows[:i]
            turned = list(things[i:]) + list(things[:i])
            return lambda: things.__setitem__(slice(None), turned), wanted
        return None, wanted

    @precondition(lambda self: self.model.frames)
    @rule(place=number, how=st.integers(0, 2), k=number, what=st.integers(0, 3))
    def take_instances_out(self, place: int, how: int, k: int, what: int) -> None:
        found = self.instance(place, k, how)
        if found is None:
            return
        instance, row, frame = found
        view, _ = self.frame(place, how)
        at = [one.uid for one in frame.instances].index(row.uid)
        wanted = [one for one in frame.instances if one.uid != row.uid]
        if what == 0:
            popped = self.edit(
                lambda: view.instances.pop(at), lambda: self.model.put_instances(frame, wanted)
            )
            assert not popped.is_attached
            assert popped.frame is None
        elif what == 1:
            self.edit(view.instances.clear, lambda: self.model.put_instances(frame, []))
        elif what == 2:
            self.edit(
                lambda: self.labels.remove_instance(view, instance),
                lambda: self.model.put_instances(frame, wanted),
            )
        else:
            doubled = [*frame.instances, *frame.instances]
            twice = view.instances
            self.edit(lambda: twice.__imul__(2), lambda: self.model.put_instances(frame, doubled))

    @precondition(lambda self: self.model.frames)
    @rule(place=number, how=st.integers(0, 2), other=number, spec=instance_specs)
    def set_instances(self, place: int, how: int, other: int, spec: Any) -> None:
        view, frame = self.frame(place, how)
        theirs, rows = self.frame(other)
        new, row = self.new_instance(spec)
        self.edit(
            lambda: setattr(view, "instances", [new, *theirs.instances]),
            lambda: self.model.put_instances(frame, [row, *rows.instances]),
        )
        # Whether it was adopted or copied, the instance that was given is now a view.
        assert new.is_attached

    @precondition(lambda self: self.model.frames)
    @rule(place=number, how=st.integers(0, 2), source=st.integers(0, 2), spec=instance_specs)
    def add_instance(self, place: int, how: int, source: int, spec: Any) -> None:
        view, frame = self.frame(place, how)
        given = self.some_instances(source, place, spec)
        if given and not any(given[0][1].uid == mine.uid for mine in frame.instances):
            new, row = given[0]
            self.edit(
                lambda: self.labels.add_instance(view, new),
                lambda: self.model.add_instance(frame, row),
            )

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

    @rule(track=number)
    def add_track(self, track: int) -> None:
        new = self.track(track)
        if new is not None:

            def same() -> None:
                self.model.add_track(new)

            self.edit(lambda: self.labels.add_track(None, new), same)

    @rule(spec=frame_specs, source=number, place=number, what=st.integers(0, 3))
    def add_frame(self, spec: Any, source: int, place: int, what: int) -> None:
        new, row = self.some_frame(source % 4, spec)
        place %= len(self.model.frames) + 1
        if what == 0:
            self.edit(lambda: self.labels.append(new), lambda: self.model.append(row))
        elif what == 1:
            self.edit(lambda: self.labels.insert(place, new), lambda: self.model.append(row, place))
        elif what == 2:
            self.edit(
                lambda: self.labels.labeled_frames.insert(place, new),
                lambda: self.model.add_frame(row, place),
            )
        else:
            self.edit(
                lambda: self.labels.labeled_frames.append(new), lambda: self.model.append(row)
            )
        if new.is_attached and row.is_row and self.model.frame(row.uid):
            self.keep_view(new, row.uid)

    @rule(specs=st.lists(frame_specs, max_size=3), by_list=st.booleans())
    def extend_frames(self, specs: list[Any], by_list: bool) -> None:
        made = [self.new_frame(spec) for spec in specs]

        def extend() -> None:
            if by_list:
                self.labels.labeled_frames += [view for view, _ in made]
            else:
                self.labels.extend([view for view, _ in made])

        self.edit(extend, lambda: sum(self.model.append(row) for _, row in made))

    @rule(
        what=st.integers(4, 10),
        i=number,
        j=number,
        source=number,
        spec=frame_specs,
        n=st.integers(0, 2),
    )
    def change_frames(self, what: int, i: int, j: int, source: int, spec: Any, n: int) -> None:
        """Do to the list of frames what may be done to a list."""
        given = [self.some_frame(source * (k + 1) % 4, spec) for k in range(n)]
        rows = list(self.model.frames)
        places = (i % len(rows), j % len(rows)) if rows else (0, 0)
        frames = self.labels.labeled_frames
        if what == 6 and given and rows:
            self.replace_frame(places[0], *given[0])
            return
        change, wanted = self.list_change(
            what, frames, rows, places, [g for g, _ in given], [r for _, r in given]
        )
        if change is not None:
            self.edit(change, lambda: self.model.put_frames(wanted))

    def replace_frame(self, place: int, new: tl.LabeledFrame, row: FrameRow) -> None:
        def same() -> int:
            added = row.copied() if row.is_row else row
            self.model.remove_frames([self.model.frames[place].uid])
            return self.model.add_frame(added, place)

        self.edit(lambda: self.labels.__setitem__(place, new), same)

    @precondition(lambda self: self.model.frames)
    @rule(place=number, what=st.integers(0, 6), n=st.integers(0, 3))
    def take_frames_out(self, place: int, what: int, n: int) -> None:
        place %= len(self.model.frames)
        view, row = self.frame(place)
        several = [row.uid for row in self.model.frames[place : place + n]]
        some = list(self.labels[place : place + n])
        if what == 0:
            self.take_out(lambda: self.labels.remove_frame(view), [row.uid])
        elif what == 1:
            self.take_out(lambda: self.labels.remove_frames(some), several)
        elif what == 2:
            self.take_out(lambda: self.labels.labeled_frames.remove(view), [row.uid])
        elif what == 3:
            self.take_out(lambda: self.labels.__delitem__(slice(place, place + n)), several)
        elif what == 4:
            self.take_out(lambda: self.labels.__delitem__(place), [row.uid])
        elif what == 5 and n == 3:
            self.take_out(self.labels.clear, [frame.uid for frame in self.model.frames])
        else:
            copied = row.copied()
            popped = self.take_out(lambda: self.labels.pop(place), [row.uid])
            assert not popped.is_attached
            self.detached.append((popped, copied))

    def take_out(self, change: Callable[[], T], uids: list[int]) -> T:
        return self.edit(change, lambda: self.model.remove_frames(uids))

    @rule(reverse=st.booleans(), what=st.integers(0, 2))
    def sort_frames(self, reverse: bool, what: int) -> None:
        frames = self.labels.labeled_frames

        def key(frame: Any) -> Any:
            return (frame.frame_idx, len(frame.instances)) if what else -frame.frame_idx

        def same() -> None:
            self.model.frames.sort(key=key, reverse=reverse)

        self.edit(lambda: frames.sort(key=key, reverse=reverse), same)

    @rule(place=number, what=st.integers(0, 2))
    def remove_a_kind(self, place: int, what: int) -> None:
        model = self.model
        if what == 0:
            self.edit(
                self.labels.remove_predictions,
                lambda: model.remove_instances(lambda one: one.predicted),
            )
        elif what == 1:
            self.edit(
                self.labels.remove_user_instances,
                lambda: model.remove_instances(lambda one: not one.predicted),
            )
        else:
            self.edit(
                lambda: self.labels.remove_untracked_instances(remove_empty_frames=False),
                lambda: model.remove_instances(lambda one: one.track is None),
            )

    # Undo and transactions

    @precondition(lambda self: not self.open)
    @rule()
    def undo(self) -> None:
        assert self.labels.undo() == bool(self.past)
        if self.past:
            self.future.append(self.model.saved())
            self.model.restore(self.past.pop())

    @precondition(lambda self: not self.open)
    @rule()
    def redo(self) -> None:
        assert self.labels.redo() == bool(self.future)
        if self.future:
            self.past.append(self.model.saved())
            self.model.restore(self.future.pop())

    @precondition(lambda self: self.open)
    @rule(redo=st.booleans())
    def undo_within_a_transaction(self, redo: bool) -> None:
        step = self.labels.redo if redo else self.labels.undo
        self.refuse(step, QueryError, "open transaction")

    @precondition(lambda self: len(self.open) < 3)
    @rule()
    def begin_transaction(self) -> None:
        transaction = self.labels.transaction()
        transaction.__enter__()
        self.open.append((transaction, self.model.saved()))

    @precondition(lambda self: self.open)
    @rule(fails=st.booleans())
    def end_transaction(self, fails: bool) -> None:
        transaction, before = self.open.pop()
        if not fails:
            transaction.__exit__(None, None, None)
        else:
            # As a `with` block does when it is left by an error, which it passes on.
            assert not transaction.__exit__(DeliberateError, DeliberateError(), None)
            self.model.restore(before)
        if not self.open:
            self.note_step(before)

    # Other labels made from these

    @precondition(lambda self: not self.open)
    @rule(opened=st.sampled_from(OPENED), compat=st.booleans())
    def save_and_open(self, opened: str, compat: bool = True) -> None:
        """Write, and go on with what was written."""
        self.n_files += 1
        path = Path(self.folder.name) / f"{self.n_files}"
        expected = self.expected_tables()
        if opened == "scanned parquet":
            tl.write_parquet(self.labels, path)
            found = tl.scan_parquet(path)
            assert_same_rows(found._snapshot.tables(), rows_of(expected))
            self.labels = found
            self.change_objects()
            self.project = path
            return
        path = path.with_suffix(".slp")
        tl.write_slp(self.labels, path)
        found = tl.scan_slp(path)
        if opened == "memory":
            found = tl.read_slp(path)
        assert content(found._snapshot.tables()) == content(expected)
        self.use(found)

    @precondition(lambda self: not self.open and self.project)
    @rule(go_on=st.booleans())
    def commit(self, go_on: bool) -> None:
        """Write what was edited, which stays to be undone; or open what was written."""
        assert self.project is not None
        self.labels.commit("some edits")
        found = tl.scan_parquet(self.project)
        assert_same_rows(found._snapshot.tables(), self.rows())
        if go_on:
            project, self.labels = self.project, found
            self.change_objects()
            self.project = project

    def change_objects(self) -> None:
        """Name the objects of labels that were opened, which hold the same rows."""
        labels, model = self.labels, self.model
        names = ("videos", "skeletons", "tracks")
        same: dict[Any, Any] = {None: None}
        for name in names:
            pairs = zip(getattr(model, name), getattr(labels, name), strict=True)
            same |= {old: new for old, new in pairs if old.matches(new)}
            setattr(model, name, list(getattr(labels, name)))
        for frame in model.frames:
            frame.video = same[frame.video]
            for one in frame.instances:
                one.skeleton, one.track = same[one.skeleton], same[one.track]
                one.origin = model.origin_of(one)
        self.forget()

    @precondition(lambda self: not self.open)
    @rule(what=st.integers(0, 3), go_on=st.booleans())
    def copy_labels(self, what: int, go_on: bool) -> None:
        """Make labels of all rows; edits of one do not show in the other."""
        made = (
            lambda: self.labels.copy(),
            lambda: self.labels.extract(range(len(self.labels))),
            lambda: pickle.loads(pickle.dumps(self.labels)),
            lambda: self.labels.filter(frames=pl.col("frame_idx") >= 0),
        )[what]()
        expected = self.rows()
        assert_same_rows(made._snapshot.tables(), expected)
        if len(self.others) < 2:
            left, taken = (self.labels, made) if go_on else (made, self.labels)
            self.others.append((left, left._snapshot.tables()))
            if go_on:
                self.labels = taken
                self.change_objects()

    @invariant()
    def other_labels_are_as_they_were(self) -> None:
        for labels, tables in self.others:
            now = labels._snapshot.tables()
            for name in ("frames", "instances", "points"):
                assert getattr(now, name).equals(getattr(tables, name))

    # Queries

    def ids(self) -> tuple[dict[Any, int], dict[Any, int], dict[Any, int]]:
        labels, catalog = self.labels, self.labels._catalog
        return (
            dict(zip(labels.videos, catalog.videos["video_id"].to_list(), strict=True)),
            dict(zip(labels.skeletons, catalog.skeletons["skeleton_id"].to_list(), strict=True)),
            dict(zip(labels.tracks, catalog.tracks["track_id"].to_list(), strict=True)),
        )

    def rows(self) -> list[Row]:
        return self.model.rows(self.frame_ids, self.instance_ids, self.ids())

    def expected_tables(self) -> LabelTables:
        return reference.tables_of(self.labels._catalog, self.rows())

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
        if wanted is not None and mine is not None and wanted in track_ids:
            keys = [
                one["instance_id"]
                for frame in reference.in_list_order(rows)
                for one in frame["instances"]
                if frame["video_id"] == key and one["track_id"] == track_ids[wanted]
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


def assert_same_rows(tables: LabelTables, expected: list[Row]) -> None:
    """Compare tables with rows; positions count by their order."""
    for table, empty in zip(
        (tables.frames, tables.instances, tables.points),
        (LabelTables().frames, LabelTables().instances, LabelTables().points),
        strict=True,
    ):
        assert table.schema == empty.schema
    found, wanted = (flat(with_ranks(rows)) for rows in (rows_of(tables), expected))
    assert [a for a, b in zip(found, wanted, strict=False) if a != b] == [
        b for a, b in zip(found, wanted, strict=False) if a != b
    ]
    assert len(found) == len(wanted)


def flat(rows: list[Row]) -> list[Row]:
    """List frames, instances and points one after another, each without what is in it."""
    out: list[Row] = []
    for row in rows:
        children = [child for value in row.values() if isinstance(value, list) for child in value]
        # Parts keep the row numbers of the whole in the slow twins.
        own = {name: value for name, value in row.items() if not isinstance(value, list)}
        own.pop("row", None)
        out.append(own)
        out += flat(children)
    return out


def with_ranks(rows: list[Row]) -> list[Row]:
    places = {row["position"]: k for k, row in enumerate(reference.in_list_order(rows))}
    assert len(places) == len(rows)
    return [row | {"position": places[row["position"]]} for row in rows]


CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Editing,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=CHECKS,
        ),
    )


def test_any_edits_do_what_they_do_to_lists() -> None:
    run(30, 16)


@pytest.mark.slow
def test_many_edits_do_what_they_do_to_lists() -> None:
    run(400, 60)
