"""Videos, suggestions, negative anchors and provenance."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import tabular_labels as tl
from tabular_labels.errors import ReadOnlyError
from tests.editing.machine import (
    ARRAYS,
    ARRAYS_KEPT,
    SKELETONS,
    VIDEOS,
    Machine,
    discard,
    number,
)
from tests.editing.model_rows import FrameRow

places = st.tuples(number, st.integers(0, 8), st.sampled_from([None, 0, 3]))


class CatalogRules(Machine):
    """The other small tables as something to change."""

    # Videos

    @rule(k=number)
    def add_video(self, k: int) -> None:
        video = self.video(k)

        def same() -> None:
            self.model.add_video(video)

        found = self.edit(lambda: self.labels.add_video(video), same)
        assert found is self.model.known_video(video)

    @rule(
        k=st.sampled_from(range(len(ARRAYS))),
        twice=st.booleans(),
        index=st.integers(0, 2),
        predicted=st.booleans(),
    )
    def label_an_array(self, k: int, twice: bool, index: int, predicted: bool) -> None:
        """Add an array; one with the pictures of another is the same unless it is appended."""
        video = tl.Video.from_numpy(ARRAYS[k].copy())
        self.arrays = [*self.arrays, video][-ARRAYS_KEPT:]
        labels, model = self.labels, self.model
        if twice or self.is_ambiguous(video):
            self.edit(
                lambda: labels.videos.append(video), lambda: discard(model.append_video(video))
            )
        else:
            self.edit(lambda: labels.add_video(video), lambda: discard(model.add_video(video)))
        found = model.known_video(video)
        assert found is not None
        assert found.array is not None
        assert np.array_equal(found.array, ARRAYS[k])
        instance, row = self.new_instance((predicted, 0, 0, 1, 1, 0))
        frame = tl.LabeledFrame(found, index, [instance])
        of_frame = FrameRow.detached(found, index, [row], is_negative=False)
        self.edit(lambda: labels.append(frame), lambda: model.append(of_frame))

    @precondition(lambda self: self.model.videos)
    @rule(k=number)
    def remove_video(self, k: int) -> None:
        video = self.any_video(k)
        self.edit(lambda: self.labels.remove_video(video), lambda: self.model.remove_video(video))

    @precondition(lambda self: self.model.videos)
    @rule(k=number, new=number, update=st.booleans())
    def change_a_video(self, k: int, new: int, update: bool) -> None:
        old = self.any_video(k)
        at = self.model.videos.index(old)
        name = self.new_name("moved") + ".mp4"
        given = self.video(new)
        given = tl.Video(name) if self.model.known_video(given) else given

        def same() -> None:
            made = self.labels.videos[at]
            assert made.filename == name if update else made is given
            self.model.replace_video(old, made)

        self.edit(
            lambda: (
                self.labels.update_video(old, name)
                if update
                else self.labels.replace_video(old, given)
            ),
            same,
        )

    @precondition(lambda self: self.model.videos)
    @rule(ks=st.lists(number, max_size=3), dry_run=st.booleans())
    def remap_videos(self, ks: list[int], dry_run: bool) -> None:
        old = list(dict.fromkeys(self.any_video(k) for k in ks))
        new = {one.filename: self.new_name("remapped") + ".mp4" for one in old if one.filename}

        def same() -> None:
            for one in () if dry_run else tuple(self.model.videos):
                made = self.labels.videos[self.model.videos.index(one)]
                assert made.filename == new.get(one.filename, one.filename)
                self.model.replace_video(one, made)

        def rename(name: str) -> str:
            return new.get(name, name)

        found = self.edit(lambda: self.labels.remap_videos(rename, dry_run=dry_run), same)
        assert new.items() <= found.items()

    @rule(
        name=st.sampled_from(["videos", "skeletons", "tracks"]),
        ks=st.lists(number, max_size=2),
        how=st.integers(0, 3),
    )
    def extend_a_list(self, name: str, ks: list[int], how: int) -> None:
        """Append to videos, skeletons or tracks, or refuse what rows refer to."""
        labels, model = self.labels, self.model
        add: Any
        made: list[Any]
        if name == "videos":
            add, made = model.append_video, [self.another_video(k) for k in ks]
        elif name == "skeletons":
            add, made = model.add_skeleton, [SKELETONS[k % len(SKELETONS)] for k in ks]
        else:
            add, made = model.add_track, [self.tracks[k % len(self.tracks)] for k in ks]
        things = getattr(labels, name)
        change: Callable[[], object] = partial(things.extend, made)
        if how == 1:
            change = partial(self.add_in_place, name, made)
        elif how == 2:
            change = partial(setattr, labels, name, [*things, *made])
        elif how == 3 and len(things):
            for refused in (things.clear, things.reverse, partial(setattr, labels, name, [])):
                self.refuse(refused, ReadOnlyError, "expected `append` at most")
            made = made[:1]
            change = partial(things.append, made[0]) if made else change
        self.edit(change, lambda: discard([add(one) for one in made]))

    def add_in_place(self, name: str, made: list[Any]) -> None:
        """Do as ``labels.videos += made``."""
        things = getattr(self.labels, name)
        things += made
        setattr(self.labels, name, things)

    def another_video(self, k: int) -> tl.Video:
        """Choose a video, or make another object for a file that there is once."""
        video = self.video(k)
        known = (*self.model.videos, *VIDEOS, *self.arrays)
        same = [one for one in known if one.matches(video)]
        return pickle.loads(pickle.dumps(video)) if k % 2 and same == [video] else video

    # Suggestions

    def suggested(self, specs: list[Any]) -> list[tuple[tl.Video, int, int | None]]:
        return [(self.video(k), index, group) for k, index, group in specs]

    @rule(specs=st.lists(places, max_size=3), what=st.integers(0, 4), at=number)
    def suggest(self, specs: list[Any], what: int, at: int) -> None:
        labels, model = self.labels, self.model
        wanted = self.suggested(specs)
        given: list[Any] = [tl.SuggestionFrame(*one) for one in wanted]
        mine = list(model.suggestions)
        at %= len(mine) + 1
        if what == 0:
            self.edit(lambda: labels.set_suggestions(given), lambda: model.suggest(wanted))
        elif what == 1:
            self.edit(
                lambda: labels.append_suggestions(given),
                lambda: model.append_suggestions(wanted),
            )
        elif what == 2 and wanted:
            self.edit(
                lambda: labels.add_suggestion(*wanted[0]),
                lambda: model.append_suggestions(wanted[:1]),
            )
        elif what == 3 and wanted:
            self.edit(
                lambda: labels.suggestions.insert(at, given[0]),
                lambda: model.suggest([*mine[:at], wanted[0], *mine[at:]]),
            )
        elif what == 4:
            pairs: Any = [one[:2] for one in wanted]
            self.edit(
                lambda: labels.suggestions.extend(pairs),
                lambda: model.suggest([*mine, *((v, index, None) for v, index, _ in wanted)]),
            )

    @rule(k=number, index=st.integers(0, 8), at=number, what=st.integers(0, 4))
    def take_suggestions_out(self, k: int, index: int, at: int, what: int) -> None:
        labels, model = self.labels, self.model
        mine = list(model.suggestions)
        if what == 0 and model.videos:
            video = self.any_video(k)
            left = [one for one in mine if one[:2] != (video, index)]
            self.edit(lambda: labels.remove_suggestion(video, index), lambda: model.suggest(left))
        elif what == 1 and model.videos:
            video = self.any_video(k)
            left = [one for one in mine if one[0] is not video]
            self.edit(lambda: labels.delete_suggestions(video), lambda: model.suggest(left))
        elif what == 2 and at % 4 == 0:
            self.edit(labels.clear_suggestions, lambda: model.suggest([]))
        elif what == 3 and mine:
            at %= len(mine)
            popped = self.edit(
                lambda: labels.suggestions.pop(at),
                lambda: model.suggest([*mine[:at], *mine[at + 1 :]]),
            )
            assert popped == tl.SuggestionFrame(*mine[at])
        elif what == 4:
            self.edit(labels.suggestions.reverse, lambda: model.suggest(mine[::-1]))

    @rule(specs=st.lists(places, min_size=1, max_size=3), at=number, what=st.integers(0, 7))
    def change_the_list_of_suggestions(self, specs: list[Any], at: int, what: int) -> None:
        """Do to the list of suggestions what may be done to a list."""
        labels, model = self.labels, self.model
        things, wanted = labels.suggestions, list(model.suggestions)
        rows = self.suggested(specs)
        new = [tl.SuggestionFrame(*one) for one in rows]
        i = at % len(wanted) if wanted else 0
        change: Callable[[], object]
        if what == 0:
            wanted.append(rows[0])
            change = partial(things.append, new[0])
        elif what == 1:
            wanted[i : i + 2] = rows
            change = partial(things.__setitem__, slice(i, i + 2), new)
        elif what == 2:
            del wanted[i : i + 1]
            change = partial(things.__delitem__, slice(i, i + 1))
        elif what == 3:
            wanted.sort(key=lambda one: -one[1])
            change = partial(things.sort, key=lambda one: -one.frame_idx)
        elif what == 4:
            wanted = rows
            change = partial(setattr, labels, "suggestions", new)
        elif what == 5:
            wanted += rows
            change = partial(things.__iadd__, new)
        elif what == 6 and wanted:
            wanted[i] = rows[0]
            change = partial(things.__setitem__, i, new[0])
        elif wanted:
            change = partial(things.remove, tl.SuggestionFrame(*wanted[i]))
            wanted.remove(wanted[i])
        else:
            change = things.clear
        self.edit(change, lambda: model.suggest(wanted))

    # Negative anchors

    @precondition(lambda self: self.model.videos)
    @rule(k=number, index=st.integers(0, 8), what=st.integers(0, 4), x=st.sampled_from([0.0, 2.5]))
    def change_anchors(self, k: int, index: int, what: int, x: float) -> None:
        labels, model, video = self.labels, self.model, self.any_video(k)
        mine = list(model.anchors)
        if what < 2:
            self.edit(
                lambda: labels.add_negative_anchor(video, index, (x, 1.0)),
                lambda: model.put_anchors([*mine, (video, index, x, 1.0)]),
            )
        elif what == 2:
            left = [one for one in mine if one[:2] != (video, index)]
            self.edit(
                lambda: labels.remove_negative_anchors(video, index),
                lambda: model.put_anchors(left),
            )
        elif what == 3:
            left = [one for one in mine if one[0] is not video]
            self.edit(
                lambda: labels.remove_negative_anchors(video), lambda: model.put_anchors(left)
            )
        else:
            new: Any = {video: [(index, x, x), (0, 1.0, x)]}
            self.edit(
                lambda: setattr(labels, "negative_anchors", new),
                lambda: model.put_anchors([(video, index, x, x), (video, 0, 1.0, x)]),
            )

    # Provenance

    @rule(
        k=st.integers(0, 3),
        value=st.sampled_from([None, 1, "two", [3, {"four": 5}]]),
        what=st.integers(0, 6),
    )
    def set_a_fact(self, k: int, value: Any, what: int) -> None:
        labels, name = self.labels, f"fact {k}"
        facts, wanted = labels.provenance, dict(self.model.provenance)
        change: Callable[[], object]
        if what == 0:
            wanted |= {name: value, "more": k}
            change = partial(facts.update, {name: value}, more=k)
        elif what == 1:
            wanted = {name: value}
            change = partial(setattr, labels, "provenance", wanted)
        elif what == 2:
            wanted.setdefault(name, value)
            change = partial(facts.setdefault, name, value)
        elif what == 3 and k == 0:
            wanted.clear()
            change = facts.clear
        elif what == 4:
            wanted.pop(name, None)
            change = partial(facts.pop, name, None)
        elif what == 5 and name in wanted:
            del wanted[name]
            change = partial(facts.__delitem__, name)
        else:
            wanted[name] = value
            change = partial(facts.__setitem__, name, value)
        self.edit(change, lambda: setattr(self.model, "provenance", wanted))
