"""Videos, suggestions, negative anchors and provenance."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import tabular_labels as tl
from tests.editing.machine import Machine, number

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

    @rule(k=st.integers(0, 3), value=st.sampled_from([None, 1, "two", [3, {"four": 5}]]))
    def set_a_fact(self, k: int, value: Any) -> None:
        facts = {**self.model.provenance, f"fact {k}": value}
        self.edit(
            lambda: self.labels.provenance.__setitem__(f"fact {k}", value),
            lambda: setattr(self.model, "provenance", facts),
        )
