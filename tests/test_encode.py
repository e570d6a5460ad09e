"""From objects to tables: nothing lost, nothing shifted, nothing frozen too early."""

import pickle
import warnings

import numpy as np
import pytest

from tabular_labels.encode import encode
from tabular_labels.errors import DanglingReferenceWarning, InvariantError
from tabular_labels.labels import Labels
from tabular_labels.model.skeleton import Node, Skeleton
from tabular_labels.model.suggestion import SuggestionFrame
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.views import Instance, LabeledFrame, PredictedInstance

VIDEO = Video("a.mp4", n_frames=10)


def make_fly() -> Skeleton:
    return Skeleton(["a", "b"], edges=[("a", "b")])


def linked_labels(n: int = 4) -> Labels:
    """Labels whose users come from the prediction of the frame before."""
    fly, frames, origin = make_fly(), [], None
    for k in range(n):
        made = PredictedInstance(fly, [[k, 1], [k, 2]])
        frames.append(LabeledFrame(VIDEO, k, [made, Instance(fly, from_predicted=origin)]))
        origin = made
    return Labels(frames)


def links(labels: Labels) -> list[int | None]:
    origins = [frame[1].from_predicted for frame in labels]
    return [None if origin is None else origin.frame_idx for origin in origins]


def test_frames_may_come_from_any_iterable() -> None:
    frames = [LabeledFrame(VIDEO, k, [Instance(make_fly(), [[k, 1]] * 2)]) for k in range(3)]
    tables, objects = encode(frame for frame in frames)
    assert (tables.frames.height, tables.instances.height, tables.points.height) == (3, 3, 6)
    assert objects.videos == [VIDEO]


def test_links_survive_however_attached_frames_are_taken_over() -> None:
    labels = linked_labels()
    assert links(labels) == [None, 0, 1, 2]
    ways = {
        "views": list(labels),
        "copies": [frame.copy() for frame in labels],
        "new frames": [LabeledFrame(f.video, f.frame_idx, f.instances) for f in labels],
        "mixed": [labels[0], labels[1].copy(), labels[2], labels[3].copy()],
        "single instances": [
            LabeledFrame(f.video, f.frame_idx, [i.copy() for i in f]) for f in labels
        ],
        "pickled": pickle.loads(pickle.dumps(list(labels))),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for way, frames in ways.items():
            assert links(Labels(frames)) == [None, 0, 1, 2], way


def test_frame_taken_twice_links_within_itself() -> None:
    fly = make_fly()
    predicted = PredictedInstance(fly, [[1, 1]] * 2)
    frame = LabeledFrame(VIDEO, 0, [predicted, Instance(fly, from_predicted=predicted)])
    view = Labels([frame])[0]
    for twice in ([frame, frame], [view, view], [view, view.copy()], [view.copy(), view]):
        tables, _ = encode(twice)
        assert tables.instances["from_predicted"].to_list() == [None, 0, None, 2]


def test_links_to_predictions_in_no_frame_are_counted() -> None:
    labels = linked_labels()
    with pytest.warns(DanglingReferenceWarning, match="1 from_predicted"):
        assert links(Labels([labels[0], *labels[2:]])) == [None, None, 2]


def test_nodes_added_or_moved_after_instances_are_followed() -> None:
    fly = make_fly()
    old = PredictedInstance(fly, [[1, 2, 0.5], [3, 4, 0.25]])
    point = old["b"]
    fly.add_node("c")
    fly.nodes.insert(0, fly.nodes.pop(1))
    new = Instance(fly, {"c": (5, 6)})
    point.x = 33
    frame = Labels([LabeledFrame(VIDEO, 0, [old, new])])[0]
    assert fly.node_names == ["b", "a", "c"]
    nan = [np.nan, np.nan]
    np.testing.assert_array_equal(frame[0].numpy(), [[33, 4], [1, 2], nan])
    np.testing.assert_array_equal(old.scores, [0.25, 0.5, np.nan])
    np.testing.assert_array_equal(frame[1].numpy(), [nan, nan, [5, 6]])
    assert frame[0] == old


def test_nodes_taken_out_after_instances_are_refused_with_the_place() -> None:
    fly = make_fly()
    without, with_point = Instance(fly, {"a": (1, 2)}), Instance(fly, [[1, 2], [3, 4]])
    frame = LabeledFrame(VIDEO, 7, [without, with_point])
    fly.edges.clear()
    fly.nodes.pop()
    np.testing.assert_array_equal(without.numpy(), [[1, 2]])
    with pytest.raises(ValueError, match=r"instance 1 of frame 7 of 'a.mp4'.*\['b'\]"):
        Labels([frame])


def test_renamed_nodes_are_found_under_their_new_names() -> None:
    fly = make_fly()
    user = Instance(fly, [[1, 2], [3, 4]])
    fly.nodes[0].name = "z"
    assert user["z"].x == 1
    labels = Labels([LabeledFrame(VIDEO, 0, [user])])
    assert labels[0][0]["z"].x == 1
    assert labels.skeleton.edge_names == [("z", "b")]


def test_refused_labels_leave_the_objects_free() -> None:
    fly, track, video = make_fly(), Track("one"), Video("b.mp4")
    frame = LabeledFrame(video, -1, [Instance(fly, track=track)])
    with pytest.raises(InvariantError, match="frame_idx"):
        Labels([frame])
    fly.add_node("c")
    track.name, video.n_frames = "two", 3
    frame.frame_idx = 1
    assert Labels([frame]).skeleton is fly
    assert fly.is_frozen
    assert track.is_frozen
    assert video.is_frozen


def test_more_instances_than_can_be_numbered_are_refused() -> None:
    empty = Skeleton([Node("a")])
    frame = LabeledFrame(VIDEO, 3)
    list.extend(frame.instances, [Instance(empty)] * 2**16)
    with pytest.raises(ValueError, match=r"frame 3 of 'a.mp4'.*65536.*65535"):
        Labels([frame])


def test_suggestions_may_be_pairs() -> None:
    labels = Labels(suggestions=[(VIDEO, 3), SuggestionFrame(VIDEO, 4, 1)])
    assert labels.suggestions == [SuggestionFrame(VIDEO, 3), SuggestionFrame(VIDEO, 4, 1)]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"labeled_frames": ["a"]}, TypeError, "item 0 of the frames.*'a'.*LabeledFrame"),
        ({"videos": ["a.mp4"]}, TypeError, "video of labels.*'a.mp4'.*Video"),
        ({"tracks": ["A"]}, TypeError, "track of labels.*'A'.*Track"),
        ({"skeletons": [["a"]]}, TypeError, "skeleton of labels.*Skeleton"),
        ({"suggestions": [3]}, TypeError, "suggestion.*3.*SuggestionFrame"),
        ({"suggestions": [(VIDEO, 3.5)]}, TypeError, "frame_idx.*3.5.*whole"),
        ({"negative_anchors": {VIDEO: [(1, 2.0)]}}, ValueError, "anchor.*three numbers"),
    ],
)
def test_wrong_arguments_are_refused_with_what_was_found(
    arguments: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Labels(**arguments)  # type: ignore[arg-type]  # the mistakes
