"""Values of frames, instances and points, set one by one."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import tabular_labels as tl
from tests.editing.machine import POINTS, SCORES, Machine, nan, number, single
from tests.editing.model_rows import PointRow


class ValueRules(Machine):
    """Setting something on a view."""

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
        if not row.points:
            return
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
        if not row.points:
            return
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
