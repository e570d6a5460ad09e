"""Frames and instances as lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import tabular_labels as tl
from tests.editing.machine import Machine, T, frame_specs, instance_specs, number
from tests.editing.model_rows import FrameRow, InstanceRow


class ListRules(Machine):
    """Putting in, taking out and moving."""

    @precondition(lambda self: self.model.frames)
    @rule(
        place=number,
        how=st.integers(0, 2),
        what=st.integers(0, 11),
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
        if what in (1, 11):
            wanted += new_rows
            return lambda: (things.extend if what == 1 else things.__iadd__)(news), wanted
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
    @rule(place=number, what=st.integers(0, 8), n=st.integers(0, 3))
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
            clear = (self.labels if place % 2 else self.labels.labeled_frames).clear
            self.take_out(clear, [frame.uid for frame in self.model.frames])
        elif what == 6:
            assert self.take_out(lambda: self.labels.remove(view), [row.uid]) == 1
        else:
            copied = row.copied()
            frames = self.labels.labeled_frames if what == 7 else self.labels
            popped = self.take_out(lambda: frames.pop(place), [row.uid])
            assert not popped.is_attached
            self.detached.append((popped, copied))

    def take_out(self, change: Callable[[], T], uids: list[int]) -> T:
        return self.edit(change, lambda: self.model.remove_frames(uids))

    @rule(turn=number, source=number, spec=frame_specs, fresh=st.booleans())
    def assign_frames(self, turn: int, source: int, spec: Any, fresh: bool) -> None:
        """Make other frames the list: some of now, in another order, and one more."""
        rows = list(self.model.frames)
        views = list(self.labels)
        turn %= len(rows) or 1
        views, rows = views[turn:] + views[: turn // 2], rows[turn:] + rows[: turn // 2]
        if fresh:
            view, row = self.some_frame(source % 4, spec)
            views, rows = [*views, view], [*rows, row]
        self.edit(
            lambda: setattr(self.labels, "labeled_frames", views),
            lambda: self.model.put_frames(rows),
        )

    @rule()
    def reverse_frames(self) -> None:
        self.edit(self.labels.labeled_frames.reverse, self.model.frames.reverse)

    @rule(reverse=st.booleans(), what=st.integers(0, 2))
    def sort_frames(self, reverse: bool, what: int) -> None:
        frames = self.labels.labeled_frames

        def key(frame: Any) -> Any:
            return (frame.frame_idx, len(frame.instances)) if what else -frame.frame_idx

        def same() -> None:
            self.model.frames.sort(key=key, reverse=reverse)

        self.edit(lambda: frames.sort(key=key, reverse=reverse), same)
