"""Edits one by one: what they do to views, what they warn of, what they refuse."""

from __future__ import annotations

import copy
import os
import pickle
import threading
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tabular_labels as tl
from tabular_labels.errors import DanglingReferenceWarning, StaleViewError
from tabular_labels.store import store
from tabular_labels.testing.builders import make_tables

FLY = tl.Skeleton(["head", "tail"])
VIDEO = tl.Video("a.mp4")


def prediction(x: float = 1.0) -> tl.PredictedInstance:
    return tl.PredictedInstance(FLY, [[x, 2.0], [3.0, 4.0]], score=0.5)


def labels_of(n_frames: int) -> tl.Labels:
    """Make labels with one prediction in each frame, whose first point tells the frame."""
    return tl.Labels([tl.LabeledFrame(VIDEO, k, [prediction(k)]) for k in range(n_frames)])


def indices(labels: tl.Labels) -> list[int]:
    return [frame.frame_idx for frame in labels]


@pytest.mark.parametrize("is_sorted_first", [False, True])
def test_points_of_a_new_instance_of_a_scanned_file_are_its_own(
    tmp_path: Path, is_sorted_first: bool
) -> None:
    tl.write_slp(
        tl.Labels.from_tables(make_tables(6, n_nodes=2, user_fraction=0.3)), tmp_path / "a.slp"
    )
    labels = tl.scan_slp(tmp_path / "a.slp")
    if is_sorted_first:
        labels.labeled_frames.reverse()
    expected = [one.numpy() for one in labels[1].instances] + [np.array([[1.0, 2.0], [3.0, 4.0]])]
    new = tl.PredictedInstance(labels.skeletons[0], [[1.0, 2.0], [3.0, 4.0]])
    labels.add_instance(labels[1], new)
    found = labels.extract([1]).collect()
    assert [one.numpy().tolist() for one in found[0]] == [one.tolist() for one in expected]


def test_a_frame_that_is_in_the_list_twice_is_a_copy_the_second_time() -> None:
    labels = labels_of(4)
    kept, new = labels[2], tl.LabeledFrame(VIDEO, 9)
    labels.labeled_frames[0:1] = [labels[2], new, new]
    assert indices(labels) == [2, 9, 9, 1, 2, 3]
    assert labels[0] == kept
    assert labels[4] != kept
    assert labels[1] == new
    labels[4][0]["head"] = (7.0, 7.0)
    assert labels[0][0]["head"].x == 2.0
    assert labels.undo()
    assert labels.undo()
    assert indices(labels) == [0, 1, 2, 3]


def test_a_link_to_a_prediction_that_was_removed_is_dropped_with_a_warning() -> None:
    labels = labels_of(3)
    labels[2].instances.append(tl.Instance(FLY, [[1, 1], [1, 1]], from_predicted=labels[0][0]))
    popped = labels.pop(2)
    del labels[0]
    assert popped.unused_predictions == [popped[0]]
    with pytest.warns(DanglingReferenceWarning, match="1 from_predicted links"):
        assert tl.Labels([popped])[0][1].from_predicted is None
    with pytest.warns(DanglingReferenceWarning, match="1 from_predicted links"):
        labels.append(popped)
    assert labels[1][1].from_predicted is None


def test_what_was_removed_cannot_be_named_as_a_prediction() -> None:
    labels = labels_of(2)
    gone = labels[0][0]
    del labels[0]
    with pytest.raises(StaleViewError):
        labels[0][0].from_predicted = gone
    assert not labels[0][0].from_predicted


def test_views_found_before_the_rest_was_read_show_edits_below(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tl.write_parquet(labels_of(5), tmp_path / "flies")
    labels = tl.scan_parquet(tmp_path / "flies")
    view = labels.find(labels.videos[0], 3)[0][0]
    view["head"] = (8.0, 9.0)
    monkeypatch.setattr(store, "RECORDS_KEPT", 0)
    assert labels.to_polars("points").filter(x=8.0).height == 1
    assert view["head"].y == 9.0
    assert view.numpy().tolist() == [[8.0, 9.0], [3.0, 4.0]]
    assert isinstance(view, tl.PredictedInstance)
    assert np.isnan(view.scores).all()


def test_a_pickled_view_holds_what_is_there_now() -> None:
    labels = labels_of(2)
    for x in (5.0, 6.0):
        labels[0][0]["head"] = (x, 1.0)
        assert pickle.loads(pickle.dumps(labels[0]))[0]["head"].x == x
    assert labels.undo()
    assert pickle.loads(pickle.dumps(labels[0][0]))["head"].x == 5.0


def test_a_swap_gives_a_track_that_is_not_known_to_those_on_the_other() -> None:
    labels, one, other = labels_of(3), tl.Track(0, "one"), tl.Track(0, "other")
    labels[1][0].track = one
    labels.track_swap(VIDEO, one, other, (0, 3))
    assert labels.tracks == [one, other]
    assert [frame[0].track for frame in labels] == [None, other, None]
    labels.track_swap(VIDEO, None, tl.Track(0, "third"), (0, 3))
    assert labels.tracks == [one, other]


def test_views_found_before_the_rest_was_read_name_what_was_added_since(tmp_path: Path) -> None:
    tl.write_parquet(labels_of(3), tmp_path / "flies")
    labels = tl.scan_parquet(tmp_path / "flies")
    frame = labels.find(labels.videos[0], 1)[0]
    instance, track, video = frame[0], tl.Track(0, "new"), tl.Video("b.mp4")
    instance.track, frame.video = track, video
    assert (instance.track, frame.video, instance.video) == (track, video, video)
    frame.instances = [tl.Instance(tl.Skeleton(["nose"]))]
    assert frame[0].skeleton.node_names == ["nose"]
    with pytest.raises(StaleViewError):
        assert instance.track
    assert labels.undo()
    assert instance.track is track


def test_what_is_put_in_becomes_a_view_and_what_is_elsewhere_is_copied() -> None:
    labels, other = labels_of(2), labels_of(1)
    new, elsewhere = prediction(9), prediction(8)
    detached = tl.LabeledFrame(VIDEO, 5, [elsewhere])
    labels[0].instances.extend([new, elsewhere, other[0][0], labels[1][0]])
    assert new.is_attached
    assert new.frame == labels[0]
    assert elsewhere.frame is detached
    assert [len(frame) for frame in (labels[0], labels[1], other[0])] == [5, 1, 1]
    labels.append(detached)
    assert detached.is_attached
    assert elsewhere.is_attached
    elsewhere["head"] = (3.0, 3.0)
    assert labels[2][0]["head"].x == 3.0
    assert labels[0][2]["head"].x == 8.0


def test_links_follow_predictions_into_copies() -> None:
    labels = labels_of(2)
    labels[0].instances.append(tl.Instance(FLY, [[1, 1], [2, 2]], from_predicted=labels[0][0]))
    labels[1].instances = labels[0].instances
    assert labels[1][1].from_predicted == labels[1][0]
    assert labels[0][1].from_predicted == labels[0][0]
    labels.remove_instance(labels[0], labels[0][0])
    assert labels[0][0].from_predicted is None
    assert labels[1][1].from_predicted == labels[1][0]
    assert labels.to_polars("instances")["from_predicted"].null_count() == 2
    assert labels.undo()
    assert labels[0][1].from_predicted == labels[0][0]


@pytest.mark.parametrize(
    ("edit", "error", "text"),
    [
        (lambda labels: labels.append(3), TypeError, "expected"),
        (lambda labels: labels[0].instances.append("fly"), TypeError, "expected an Instance"),
        (lambda labels: setattr(labels[0], "frame_idx", -1), ValueError, "expected 0 to"),
        (lambda labels: setattr(labels[0][0], "track", "a"), TypeError, "Pass a `Track`"),
        (lambda labels: setattr(labels[0][0], "score", "high"), TypeError, "expected a number"),
        (lambda labels: labels[0][0].__setitem__("head", 3), TypeError, "pair of coordinates"),
        (lambda labels: labels.pop(3), IndexError, "expected -3 to 2"),
        (lambda labels: labels.remove_frame(tl.LabeledFrame(VIDEO, 9)), ValueError, "not of these"),
        (lambda labels: labels.remove_instance(labels[0], prediction(7)), ValueError, "not in"),
        (lambda labels: labels.track_swap(VIDEO, 3, None, (0, 1)), TypeError, "new_track"),
    ],
)
def test_bad_input_is_refused_and_nothing_changes(edit: Any, error: Any, text: str) -> None:
    labels = labels_of(3)
    before = labels.to_polars("points")
    with pytest.raises(error, match=text):
        edit(labels)
    assert labels.to_polars("points").equals(before)
    assert not labels.undo()


def test_threads_read_while_one_edits() -> None:
    labels, stop, failed = labels_of(200), threading.Event(), []
    tracks = [tl.Track(0, f"track {k}") for k in range(2)]

    def read() -> None:
        while not stop.is_set():
            for k in range(0, 200, 7):
                found = labels.find(VIDEO, k)
                if [frame.frame_idx for frame in found] != [k] or found[0][0]["tail"].y != 4.0:
                    failed.append(k)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for k in range(2_000):
        labels[k % 200][0].track = tracks[k % 2]
    stop.set()
    for reader in readers:
        reader.join()
    assert failed == []
    assert labels.get_track_count(VIDEO) == 2


def test_a_forked_process_reads_edits_that_were_made_before() -> None:
    labels = labels_of(5)
    labels[1][0]["head"] = (5.0, 6.0)
    del labels[0]
    assert labels.find(VIDEO, 3)[0][0]["head"].x == 3.0
    with warnings.catch_warnings():
        # The fork of a process with threads, which is what is tried here.
        warnings.simplefilter("ignore")
        child = os.fork()
    if child == 0:
        is_right = labels[0][0]["head"].x == 5.0 and len(labels) == 4
        os._exit(0 if is_right and [f.frame_idx for f in labels] == [1, 2, 3, 4] else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_frames_of_a_step_that_failed_are_detached_again() -> None:
    labels, made = labels_of(1), prediction(3.0)
    frame, other = tl.LabeledFrame(VIDEO, 5, [made]), tl.LabeledFrame(VIDEO, 6)

    def fail(inside: bool = True) -> None:
        with labels.transaction():
            if inside:
                labels.append(frame)
                with pytest.raises(KeyError):
                    fail(inside=False)
                assert (frame.is_attached, other.is_attached) == (True, False)
            labels.append(other)
            raise KeyError

    with pytest.raises(TypeError, match="found str"):
        labels.extend([frame, "no frame"])  # type: ignore[list-item]  # the point
    with pytest.raises(KeyError):
        fail()
    assert not any(one.is_attached for one in (frame, made, other))
    assert made.frame is frame
    assert (len(labels), frame.frame_idx, frame[0].numpy()[0].tolist()) == (1, 5, [3.0, 2.0])
    labels.append(frame)
    assert frame.is_attached
    assert (labels[-1], made.frame) == (frame, frame)


def test_a_detached_frame_pickles_when_what_it_was_made_from_is_gone() -> None:
    origin = prediction(7.0)
    user = tl.Instance(FLY, [[1, 2], [3, 4]], from_predicted=origin)
    labels = tl.Labels([tl.LabeledFrame(VIDEO, 0, [origin]), tl.LabeledFrame(VIDEO, 1, [user])])
    popped = labels.pop(1)
    again = pickle.loads(pickle.dumps(popped))
    assert again[0].from_predicted.numpy()[0].tolist() == [7.0, 2.0]
    labels.clear()
    for again in (pickle.loads(pickle.dumps(popped)), copy.deepcopy(popped)):
        assert again[0].from_predicted is None
        assert again[0].numpy().tolist() == [[1, 2], [3, 4]]
