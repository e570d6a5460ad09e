"""Edits of many rows at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
from hypothesis import strategies as st
from hypothesis.stateful import rule

import tabular_labels as tl
from tests.editing.machine import SCORES, Machine, number, single
from tests.editing.model_rows import FrameRow, InstanceRow, PointRow

# Each predicate, and what it says of one row. Some look beyond their row.

OF_FRAMES: list[tuple[pl.Expr | None, Callable[[list[FrameRow], FrameRow], bool]]] = [
    (None, lambda _all, _frame: True),
    (pl.col("frame_idx") % 2 == 1, lambda _all, frame: frame.frame_idx % 2 == 1),
    (pl.col("is_negative"), lambda _all, frame: frame.is_negative),
    (
        pl.col("frame_idx") == pl.col("frame_idx").max(),
        lambda every, frame: frame.frame_idx == max(one.frame_idx for one in every),
    ),
    (pl.lit(value=False), lambda _all, _frame: False),
]

Chosen = Callable[[list[FrameRow], FrameRow, int, InstanceRow], bool]
OF_INSTANCES: list[tuple[pl.Expr | None, Chosen]] = [
    (None, lambda _all, _frame, _place, _one: True),
    (pl.col("kind") == "predicted", lambda _all, _frame, _place, one: one.predicted),
    (pl.col("track").is_null(), lambda _all, _frame, _place, one: one.track is None),
    (
        pl.col("score") < 0.3,
        lambda _all, _frame, _place, one: one.score is not None and one.score < 0.3,
    ),
    (pl.col("instance_idx") == 0, lambda _all, _frame, place, _one: place == 0),
    (
        (pl.col("frame_idx") < pl.col("frame_idx").max()) & (pl.col("kind") == "predicted"),
        lambda every, frame, _place, one: (
            one.predicted and frame.frame_idx < max(f.frame_idx for f in every if f.instances)
        ),
    ),
]

OF_POINTS: list[tuple[pl.Expr | None, Callable[[FrameRow, InstanceRow, int, PointRow], bool]]] = [
    (None, lambda _frame, _one, _node, _point: True),
    (pl.col("node_id") == 0, lambda _frame, _one, node, _point: node == 0),
    (pl.col("x") > 0, lambda _frame, _one, _node, point: point[0] is not None and point[0] > 0),
    (~pl.col("visible"), lambda _frame, _one, _node, point: not point[2]),
    (
        (pl.col("frame_idx") % 2 == 0) & (pl.col("kind") == "user"),
        lambda frame, one, _node, _point: frame.frame_idx % 2 == 0 and not one.predicted,
    ),
    (
        (pl.col("kind") == "predicted") & pl.col("x").is_null(),
        lambda _frame, one, _node, point: one.predicted and point[0] is None,
    ),
]

VALUES_OF_POINTS: list[tuple[dict[str, Any], Callable[[PointRow], PointRow]]] = [
    (
        {"x": pl.col("x") * 2},
        lambda p: (None if p[0] is None else p[0] * 2, *p[1:]),
    ),
    ({"x": None, "y": None}, lambda p: (None, None, *p[2:])),
    ({"y": 2.5, "visible": True}, lambda p: (p[0], 2.5, True, *p[3:])),
    ({"complete": ~pl.col("visible")}, lambda p: (*p[:3], not p[2], p[4])),
]


class BulkRules(Machine):
    """Edits by query, and the classic ones of a kind."""

    @rule(place=number, what=st.integers(0, 5), flag=st.booleans())
    def remove_a_kind(self, place: int, what: int, flag: bool) -> None:
        labels = self.labels
        if what == 0:
            self.count(labels.remove_predictions, lambda: self.drop(lambda one: one.predicted))
        elif what == 1:
            self.count(labels.remove_user_instances, lambda: self.drop(lambda i: not i.predicted))
        elif what in (2, 3):
            gone = self.drop_empty if what == 2 else self.drop_untracked
            self.count(
                lambda: (
                    labels.remove_empty_instances(keep_empty_frames=flag)
                    if what == 2
                    else labels.remove_untracked_instances(remove_empty_frames=not flag)
                ),
                lambda: gone(keep_frames=flag),
            )
        else:
            self.count(
                lambda: labels.remove_empty_frames(keep_negative=flag),
                lambda: self.model.remove_empty_frames(keep_negative=flag),
            )

    def drop(self, is_gone: Callable[[InstanceRow], bool]) -> int:
        n = len(self.model.instances())
        self.model.remove_instances(is_gone)
        return n - len(self.model.instances())

    def drop_empty(self, *, keep_frames: bool) -> int:
        n = self.drop(lambda one: all(point[0] is None or point[1] is None for point in one.points))
        if not keep_frames:
            self.model.remove_empty_frames(keep_negative=True)
        return n

    def drop_untracked(self, *, keep_frames: bool) -> int:
        n = self.drop(lambda one: one.track is None)
        if not keep_frames:
            self.model.remove_empty_frames(keep_negative=True)
        return n

    @rule(where=st.integers(0, len(OF_FRAMES) - 1), value=st.booleans(), remove=st.booleans())
    def edit_frames_by_query(self, where: int, value: bool, remove: bool) -> None:
        predicate, is_chosen = OF_FRAMES[where]
        every = list(self.model.frames)
        chosen = [frame for frame in every if is_chosen(every, frame)]
        if remove and predicate is not None:
            self.count(
                lambda: self.labels.remove(where=predicate, level="frames"),
                lambda: self.removed(self.model.remove_frames, [one.uid for one in chosen]),
            )
            return

        def same() -> int:
            for frame in chosen:
                frame.is_negative = value
            return len(chosen)

        self.count(lambda: self.labels.update(frames={"is_negative": value}, where=predicate), same)

    @staticmethod
    def removed(remove: Callable[[list[int]], None], uids: list[int]) -> int:
        remove(uids)
        return len(uids)

    @rule(
        where=st.integers(0, len(OF_INSTANCES) - 1),
        what=st.integers(0, 5),
        track=number,
        score=st.sampled_from(SCORES),
    )
    def edit_instances_by_query(
        self, where: int, what: int, track: int, score: float | None
    ) -> None:
        predicate, is_chosen = OF_INSTANCES[where]
        every = list(self.model.frames)
        chosen = [
            one for frame, place, one in self.model.instances()
            if is_chosen(every, frame, place, one)
        ]  # fmt: skip
        if what == 0 and predicate is not None:
            uids = [one.uid for one in chosen]
            self.count(
                lambda: self.labels.remove(where=predicate),
                lambda: self.drop(lambda one: one.uid in uids),
            )
            return
        values, set_value = self.values_of_instances(what, track, score)

        def same() -> int:
            if chosen:
                set_value(chosen)
            return len(chosen)

        self.count(lambda: self.labels.update(instances=values, where=predicate), same)

    def values_of_instances(
        self, what: int, track: int, score: float | None
    ) -> tuple[dict[str, Any], Callable[[list[InstanceRow]], None]]:
        model, wanted = self.model, self.track(track)

        def set_track(rows: list[InstanceRow]) -> None:
            known = model.add_track(wanted)
            for one in rows:
                one.track = known

        def set_new_track(rows: list[InstanceRow]) -> None:
            made = model.add_track(self.labels.tracks[-1])
            assert made is not None
            assert made.matches(tl.Track(0, name))
            for one in rows:
                one.track = made

        def set_scores(rows: list[InstanceRow]) -> None:
            for one in rows:
                one.tracking_score = single(score) if what == 3 else one.score

        if what in (0, 1):
            return {"track": wanted}, set_track
        if what == 2:
            name = self.new_name("by query")
            return {"track": name}, set_new_track
        return {"tracking_score": score if what == 3 else pl.col("score")}, set_scores

    @rule(
        where=st.integers(0, len(OF_POINTS) - 1),
        what=st.integers(-1, len(VALUES_OF_POINTS) - 1),
    )
    def edit_points_by_query(self, where: int, what: int) -> None:
        predicate, is_chosen = OF_POINTS[where]
        values, changed = VALUES_OF_POINTS[1 if what < 0 else what]  # -1: removed

        def same() -> int:
            n = 0
            for frame, _, one in self.model.instances():
                for node, point in enumerate(one.points):
                    if is_chosen(frame, one, node, point):
                        one.points[node] = changed(point)
                        n += 1
            return n

        def change() -> int:
            if what < 0 and predicate is not None:
                return self.labels.remove(where=predicate, level="points")
            return self.labels.update(points=values, where=predicate)

        self.count(change, same)
