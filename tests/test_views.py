"""Frames and instances: detached values and views say the same."""

import pickle

import numpy as np
import pytest

from tabular_labels.errors import ReadOnlyError, UnknownNodeError
from tabular_labels.labels import Labels
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.points import Point, PredictedPoint
from tabular_labels.views import Instance, LabeledFrame, PredictedInstance

FLY = Skeleton(["head", "thorax", "tail"], edges=[("head", "thorax")], name="fly")
VIDEO = Video("fly.mp4", n_frames=100, height=64, width=64, channels=1)
TRACK = Track("one")


def detached_frame() -> LabeledFrame:
    predicted = PredictedInstance.from_numpy(
        [[1, 2], [3, 4], [np.nan, np.nan]], [0.9, 0.8, 0.0], 0.7, FLY, 0.25, TRACK
    )
    user = Instance(
        FLY,
        {"head": Point(1, 2, complete=True), "tail": Point(5, 6, visible=False)},
        track=TRACK,
        from_predicted=predicted,
    )
    return LabeledFrame(VIDEO, 7, [user, predicted])


@pytest.fixture(params=["detached", "attached", "pickled"])
def frame(request: pytest.FixtureRequest) -> LabeledFrame:
    made = detached_frame()
    if request.param == "detached":
        return made
    attached: LabeledFrame = Labels([made])[0]
    return pickle.loads(pickle.dumps(attached)) if request.param == "pickled" else attached


def test_frame_tells_its_place_and_instances(frame: LabeledFrame) -> None:
    assert frame.video.filename == "fly.mp4"
    assert (frame.frame_idx, len(frame), frame.is_negative) == (7, 2, False)
    assert [type(i) for i in frame] == [Instance, PredictedInstance]
    assert (frame.n_user_instances, frame.n_predicted_instances) == (1, 1)
    assert frame.has_user_instances
    assert frame.has_predicted_instances
    assert frame.n_tracked_instances == 2
    assert frame.numpy().shape == (2, 3, 2)


def test_instance_tells_its_values(frame: LabeledFrame) -> None:
    user, predicted = frame
    np.testing.assert_array_equal(user.numpy(), [[1, 2], [np.nan] * 2, [np.nan] * 2])
    np.testing.assert_array_equal(
        user.numpy(invisible_as_nan=False), [[1, 2], [np.nan, np.nan], [5, 6]]
    )
    assert user["head"] == Point(1, 2, visible=True, complete=True)
    assert user["tail"] == Point(5, 6, visible=False)
    assert user["thorax"].isnan()
    assert user.track is not None
    assert user.track.name == "one"
    assert user.score is None
    assert user.from_predicted == predicted
    assert predicted.from_predicted is None
    assert predicted.score == pytest.approx(0.7)
    assert predicted.tracking_score == 0.25
    assert isinstance(predicted, PredictedInstance)
    np.testing.assert_array_equal(predicted.scores, [0.9, 0.8, 0.0])
    assert predicted["head"] == PredictedPoint(1, 2, score=0.9)
    np.testing.assert_array_equal(predicted.bounding_box, [2, 1, 4, 3])
    np.testing.assert_array_equal(predicted.centroid, [2, 3])
    np.testing.assert_array_equal(predicted.midpoint, [2, 3])
    assert predicted.n_visible_points == 2
    assert (len(user), user.n_visible_points) == (2, 1)
    assert [node.name for node in user.nodes] == ["head", "tail"]
    assert "head" in user
    assert "thorax" not in user
    assert "wing" not in user
    assert user.frame == frame
    assert (user.frame_idx, user.video) == (7, frame.video)


def test_unknown_node_is_an_error_that_names_the_nodes(frame: LabeledFrame) -> None:
    with pytest.raises(UnknownNodeError, match=r"wing.*head"):
        frame[0]["wing"]


def test_view_and_detached_value_are_equal_by_content_and_hash(frame: LabeledFrame) -> None:
    other = detached_frame()
    assert frame == other
    assert hash(frame) == hash(other)
    assert frame[0] == other[0]
    assert hash(frame[0]) == hash(other[0])
    other[0]["head"] = Point(1.5, 2)
    assert frame != other
    assert frame[0] != other[0]


def test_views_of_one_project_are_equal_by_row() -> None:
    twins = [Instance(FLY, [[1, 2]] * 3), Instance(FLY, [[1, 2]] * 3)]
    frame = Labels([LabeledFrame(VIDEO, 0, twins)])[0]
    assert frame[0] == frame[0]
    assert frame[0] != frame[1]
    assert frame[0].matches(frame[1])
    assert len({frame[0], frame[1], frame[0]}) == 2


def test_user_and_predicted_instances_never_match() -> None:
    points = [[1, 2]] * 3
    assert not Instance(FLY, points).matches(PredictedInstance(FLY, points))


def test_instances_match_node_by_node() -> None:
    a = Instance(Skeleton(["a", "b"]), {"a": Point(1, 1)})
    b = Instance(Skeleton(["a", "b"]), {"b": Point(1, 1)})
    turned = Instance(Skeleton(["b", "a"]), {"a": Point(1, 1)})
    assert not a.matches(b)
    assert a.matches(turned)


def test_attached_views_refuse_to_be_changed_and_say_what_to_do() -> None:
    labels = Labels([detached_frame()])
    frame = labels[0]
    with pytest.raises(ReadOnlyError, match="copy"):
        frame[0].track = None
    with pytest.raises(ReadOnlyError, match="copy"):
        frame.instances.append(Instance(FLY))
    with pytest.raises(ReadOnlyError, match="copy"):
        frame[0]["head"].x = 3
    with pytest.raises(ReadOnlyError, match="copy"):
        labels.tracks[0].name = "two"
    assert labels[0] == detached_frame()


def test_copy_is_detached_and_keeps_links() -> None:
    copy = Labels([detached_frame()])[0].copy()
    assert not copy.is_attached
    assert copy[0].from_predicted is copy[1]
    copy[0].track = None
    assert copy[0].track is None


def test_array_of_wrong_shape_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\(2, 2\).*\(3, 2\)"):
        Instance(FLY, [[1, 2], [3, 4]])


def test_frame_sorts_out_which_predictions_are_unused() -> None:
    frame = detached_frame()
    spare = PredictedInstance(FLY, [[9, 9]] * 3)
    both = LabeledFrame(VIDEO, 0, [*frame.instances, spare])
    assert both.unused_predictions == [spare]
    assert both.instances_to_show == [both[0], spare]
    assert both.find(track=TRACK, user=True) == [both[0]]
    assert both.find(track=None) == [spare]
