"""Steps are made, taken back, and made again; what they put is never changed."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import polars as pl
import pytest

import tabular_labels as tl
from tabular_labels import bulk
from tabular_labels.errors import QueryError, StaleViewError
from tabular_labels.store import store as store_module
from tabular_labels.store.store import Store
from tabular_labels.testing.builders import make_tables


@pytest.fixture
def labels() -> tl.Labels:
    return tl.Labels.from_tables(make_tables(12, n_nodes=2, n_videos=2))


def ids(labels: tl.Labels) -> list[int]:
    return labels._snapshot.structure.frames["frame_id"].to_list()


def test_a_step_without_changes_is_no_step(labels: tl.Labels) -> None:
    with labels.transaction():
        assert len(labels) == 12
    assert not labels.undo()


def test_undo_and_redo_walk_the_same_states(labels: tl.Labels) -> None:
    states = [labels.to_polars("points")]
    for k in (0, 3, 5):
        labels[k][0].track = labels.tracks[2]
        labels[k][1][0] = (k, k)
        del labels[k]
        states.append(labels.to_polars("points"))
    for state in states[-2::-1]:
        assert all(labels.undo() for _ in range(3))
        assert labels.to_polars("points").equals(state)
    assert not labels.undo()
    for state in states[1:]:
        assert all(labels.redo() for _ in range(3))
        assert labels.to_polars("points").equals(state)
    assert not labels.redo()


def test_an_edit_after_undo_leaves_nothing_to_redo(labels: tl.Labels) -> None:
    del labels[0]
    assert labels.undo()
    labels[0].is_negative = True
    assert not labels.redo()


def test_what_fails_half_way_leaves_everything_as_it_was(labels: tl.Labels) -> None:
    before, tracks = labels.to_polars("points"), labels.tracks
    gone = labels[3]

    def fail_within() -> None:
        with labels.transaction():
            labels.remove_frame(gone)
            raise KeyError

    def fail_half_way() -> None:
        with labels.transaction():
            labels[0][0].track = tl.Track(0, "new")
            with pytest.raises(KeyError):
                fail_within()
            assert len(gone) == 4
            labels.remove_frames(labels[2:4])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_half_way()
    assert labels.tracks == tracks
    assert labels.to_polars("points").equals(before)
    assert not labels.undo()
    assert gone.frame_idx == 3


def test_undo_waits_for_the_end_of_a_transaction(labels: tl.Labels) -> None:
    with labels.transaction():
        del labels[0]
        with pytest.raises(QueryError, match="open transaction"):
            labels.undo()
    assert labels.undo()
    assert len(labels) == 12


def test_a_nested_transaction_is_part_of_the_outer_one(labels: tl.Labels) -> None:
    with labels.transaction():
        del labels[0]
        with labels.transaction():
            del labels[0]
    assert len(labels) == 10
    assert labels.undo()
    assert len(labels) == 12


@pytest.mark.parametrize("kept", [0, 2, 100])
def test_settling_changes_nothing_that_is_seen_or_undone(
    labels: tl.Labels, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "RECORDS_KEPT", kept)
    first, gone, before = labels[1], labels[4][0], labels.to_polars("points")
    steps: list[Callable[[], object]] = [
        lambda: setattr(first[0], "track", labels.tracks[3]),
        lambda: labels.remove_instance(labels[4], gone),
        lambda: labels.labeled_frames.insert(0, tl.LabeledFrame(labels.videos[1], 99)),
        lambda: setattr(first, "frame_idx", 77),
    ]
    seen = [before]
    for step in steps:
        step()
        seen.append(labels.to_polars("points"))
    assert first.frame_idx == 77
    with pytest.raises(StaleViewError, match="was removed"):
        assert gone.track
    for state in seen[-2::-1]:
        assert labels.undo()
        assert labels.to_polars("points").equals(state)
    assert (first.frame_idx, gone.track) == (1, labels.tracks[0])


def test_keys_are_not_given_twice(labels: tl.Labels) -> None:
    video = labels.videos[0]
    labels.append(tl.LabeledFrame(video, 50))
    first = ids(labels)
    assert labels.undo()
    labels.append(tl.LabeledFrame(video, 51))
    assert len(set(first) | set(ids(labels))) == 14


def test_a_store_pickles_as_it_stands_without_its_past(labels: tl.Labels) -> None:
    labels[2][0].track = labels.tracks[3]
    del labels[5]
    copied = pickle.loads(pickle.dumps(labels._store))
    assert isinstance(copied, Store)
    assert copied.snapshot.tables().instances.equals(labels._snapshot.tables().instances)
    assert not copied.undo()
    assert copied.new_id("frame") == labels._store.new_id("frame")
    assert copied.find(0, 2) == labels._store.find(0, 2)


def test_pickled_labels_hold_edits_and_can_be_edited(labels: tl.Labels) -> None:
    labels[2][0][0] = (5.0, 6.0)
    labels.append(tl.LabeledFrame(labels.videos[0], 70))
    copied = pickle.loads(pickle.dumps(labels))
    assert copied.equals(labels)
    del copied[0]
    assert (len(copied), len(labels)) == (12, 13)


def test_labels_made_from_edited_labels_do_not_follow_their_edits(labels: tl.Labels) -> None:
    labels[0][0].track = tl.Track(0, "new")
    made = [labels.copy(), labels.extract(range(12)), labels.collect()]
    labels[0][0].track = None
    labels.add_track(None, tl.Track(0, "later"))
    for other in made:
        track = other[0][0].track
        assert track is not None
        assert track.name == "new"
        other[0][0].track = tl.Track(0, "mine")
        assert [one.name for one in other.tracks[4:]] == ["new", "mine"]
    assert [one.name for one in labels.tracks[4:]] == ["new", "later"]


@pytest.mark.parametrize(("kept", "single"), [(2, 500), (4096, 0)])
def test_keys_of_removed_rows_are_not_given_again(
    labels: tl.Labels, monkeypatch: pytest.MonkeyPatch, kept: int, single: int
) -> None:
    monkeypatch.setattr(store_module, "RECORDS_KEPT", kept)
    monkeypatch.setattr(bulk, "SINGLE_EDITS", single)
    before = labels._snapshot.tables()
    given = [set(before.frames["frame_id"]), set(before.instances["instance_id"])]
    for remove in (
        lambda: labels.remove(where=pl.col("frame_idx") > 2, level="frames"),
        lambda: labels.remove_frames(list(labels[-2:])),
        labels.clear,
    ):
        remove()
        assert len(labels.to_polars("frames")) == len(labels)  # after a fold
        instance = tl.Instance(labels.skeletons[0], [[1, 2], [3, 4]])
        labels.append(tl.LabeledFrame(labels.videos[0], 99, [instance]))
        for ids, key in zip(
            given,
            (labels[-1]._source.frame_id(labels[-1]._row),
             labels[-1][0]._source.instance_id(labels[-1][0]._row)),
            strict=True,
        ):  # fmt: skip
            assert key > max(ids)
            ids.add(key)
