"""Undo, transactions, commits, and other labels made from these."""

from __future__ import annotations

import pickle

import polars as pl
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels.errors import QueryError
from tabular_labels.queries.diff import find_changes
from tabular_labels.queries.state import State
from tests.editing.machine import (
    OPENED,
    DeliberateError,
    Machine,
    assert_same_rows,
    warned_of_arrays,
)


class StepRules(Machine):
    """Going back and forth, and on with what was written."""

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
            # What was added meanwhile is in no labels again.
            self.views = [(view, uid) for view, uid in self.views if view.is_attached]
        if not self.open:
            self.note_step(before)

    # Other labels made from these

    @precondition(lambda self: not self.open)
    @rule(opened=st.sampled_from(OPENED))
    def save_and_open(self, opened: str) -> None:
        """Write, and go on with what was written."""
        self.write_and_open(opened)

    @precondition(lambda self: not self.open and self.project)
    @rule(go_on=st.booleans())
    def commit(self, go_on: bool) -> None:
        """Write what was edited, which stays to be undone; or open what was written."""
        assert self.project is not None
        assert self.committed is not None
        known = {row[0]: row for row in self.committed.catalog.videos.iter_rows()}
        rows = self.labels._catalog.videos.iter_rows()
        added = [
            video
            for row, video in zip(rows, self.labels.videos, strict=True)
            if known.get(row[0]) != row
        ]
        warned_of_arrays(lambda: self.labels.commit("some edits"), added)
        found = tl.scan_parquet(self.project)
        assert_same_rows(found._snapshot.tables(), self.rows())
        if go_on:
            project, self.labels = self.project, found
            self.change_objects()
            self.project = project
        self.committed = found._snapshot.tables()

    @precondition(lambda self: self.committed is not None)
    @rule(opened=st.booleans())
    def compare_with_what_was_committed(self, opened: bool) -> None:
        """Differences are those of all rows, whatever is known of where to look."""
        assert self.project is not None
        assert self.committed is not None
        version = self.labels.version
        assert version is not None
        found = self.labels.diff(tl.scan_parquet(self.project) if opened else version)
        states = State.of(self.committed), State.of(self.labels._snapshot.tables())
        expected = find_changes(*states, by_content=False)
        for name, changes in expected.items():
            assert_frame_equal(found[name].added, changes.added)
            assert_frame_equal(found[name].removed, changes.removed)
            assert_frame_equal(found[name].changed, changes.changed)

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
