"""Frames and instances: detached values and views say the same."""

import copy
import pickle
from collections.abc import Callable

import numpy as np
import polars as pl
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


def test_setting_things_on_views_changes_the_labels() -> None:
    labels = Labels([detached_frame()])
    frame, other = labels[0], Track("other")
    frame[0].track = other
    frame[0]["head"].x = 30
    frame[0]["tail"] = (7, 8)
    frame[1].score = 0.25
    frame[1].tracking_score = None
    frame.is_negative = True
    again = labels.find(VIDEO, 7)[0]
    assert again[0].track is other
    assert labels.tracks == [TRACK, other]
    assert again[0]["head"] == Point(30, 2, complete=True)
    assert again[0]["tail"] == Point(7, 8)
    assert (again[1].score, again[1].tracking_score, again.is_negative) == (0.25, None, True)
    assert labels.to_polars("instances")["track"].to_list() == ["other", "one"]
    with pytest.raises(ReadOnlyError, match="copy"):
        labels.tracks[0].name = "two"


def test_copy_is_detached_and_keeps_links() -> None:
    made = Labels([detached_frame()])[0].copy()
    assert not made.is_attached
    assert made[0].from_predicted is made[1]
    made[0].track = None
    assert made[0].track is None


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


def make_fly() -> Skeleton:
    return Skeleton(["a", "b"], edges=[("a", "b")])


def test_views_of_renumbered_or_blanked_rows_are_compared_by_content() -> None:
    fly = make_fly()
    labels = Labels([LabeledFrame(VIDEO, k, [Instance(fly, [[k, 2], [3, 4]])]) for k in range(4)])
    repeated = labels.extract([1, 1, 2])
    assert repeated[0] != labels[0]
    assert repeated[0] == labels[1]
    assert repeated[0][0] != labels[0][0]
    blanked = labels.filter(points=pl.col("node") == "a")
    assert blanked[0][0] != labels[0][0]
    assert blanked[0] != labels[0]
    again = pickle.loads(pickle.dumps(labels))
    assert again[1] == again[1]
    assert again[1] != again[2]


def test_equal_instances_have_equal_hashes_whatever_the_order_of_nodes() -> None:
    turned = Skeleton(["b", "a"], edges=[("a", "b")])
    a = Instance(make_fly(), {"a": Point(1, 2), "b": Point(np.nan, -0.0)})
    b = Instance(turned, {"a": Point(1, 2), "b": Point(np.nan, 0.0)})
    assert a == b
    assert len({a, b}) == 1
    view = Labels([LabeledFrame(VIDEO, 0, [b])])[0][0]
    LabeledFrame(VIDEO, 0, [a])
    assert len({view, a, b}) == 1


def test_points_of_detached_instances_write_through() -> None:
    user = Instance(make_fly(), [[1, 2], [3, 4]])
    point, twin = user["a"], user.points[0]
    point.x = 99
    twin.visible = False
    assert (user["a"].x, twin.x, point.visible) == (99, 99, False)
    assert user["a"] == Point(99, 2, visible=False)
    assert repr(point) == "Point(x=99.0, y=2.0, visible=False, complete=False)"
    free = point.copy()
    free.x = 1
    assert user["a"].x == 99
    assert type(pickle.loads(pickle.dumps(point))) is Point
    predicted = PredictedInstance(make_fly(), [[1, 2, 0.5], [3, 4, 0.5]])
    point = predicted["b"]
    assert isinstance(point, PredictedPoint)
    point.score = 0.75
    np.testing.assert_array_equal(predicted.scores, [0.5, 0.75])
    assert predicted["b"].copy() == PredictedPoint(3, 4, score=0.75)


def test_a_frame_of_labels_can_be_moved_and_emptied() -> None:
    labels = Labels([detached_frame()])
    view, other = labels[0], Video("other.mp4")
    view.frame_idx = 3
    assert len(labels.find(VIDEO, 7)) == 0
    assert labels.find(VIDEO, 3) == [view]
    view.video = other
    assert labels.find(other, 3) == [view]
    assert labels.videos == [VIDEO, other]
    view.instances = []
    assert (len(view), labels.all_instances) == (0, [])


def test_links_lead_to_copies_made_together() -> None:
    view = Labels([detached_frame()])[0]
    frame = LabeledFrame(view.video, view.frame_idx, [*view.instances, Instance(FLY)])
    assert frame[0].from_predicted is frame[1]
    assert frame.unused_predictions == []
    assert Labels([frame])[0][0].from_predicted == view[1]


def test_links_go_by_identity() -> None:
    fly = make_fly()
    first, second = (PredictedInstance(fly, [[1, 1], [2, 2]]) for _ in range(2))
    user = Instance(fly, [[1, 1], [2, 2]], from_predicted=second)
    frame = LabeledFrame(VIDEO, 0, [first, second, user])
    copy = frame.copy()
    assert copy[2].from_predicted is copy[1]
    assert [p is first for p in frame.unused_predictions] == [True]
    assert [i is second for i in frame.instances_to_show] == [False, False]
    assert frame.index(second) == 1
    view = Labels([frame])[0]
    assert view[2].from_predicted == view[1]
    assert view.unused_predictions == [view[0]]
    assert view.instances_to_show == [view[0], view[2]]


def test_instance_in_two_frames_is_copied_into_the_second() -> None:
    fly = make_fly()
    predicted = PredictedInstance(fly, [[1, 1], [2, 2]])
    user = Instance(fly, [[1, 1], [2, 2]], from_predicted=predicted)
    a = LabeledFrame(VIDEO, 0, [predicted, user])
    b = LabeledFrame(VIDEO, 1, [predicted])
    assert (a[0].frame_idx, b[0].frame_idx) == (0, 1)
    assert Labels([a, b])[:] == [a, b]
    link = Labels([b, a])[1][1].from_predicted
    assert link is not None
    assert link.frame_idx == 0


def test_list_of_a_detached_frame_tells_its_instances_where_they_are() -> None:
    fly = make_fly()
    one, two, three = (Instance(fly, [[k, 0], [0, k]]) for k in range(3))
    frame = LabeledFrame(VIDEO, 5)
    frame.instances.append(one)
    frame.instances += [two]
    frame.instances.insert(0, three)
    assert [i.frame for i in (one, two, three)] == [frame] * 3
    assert list(frame) == [three, one, two]
    assert Labels([frame])[0] == frame
    assert frame.instances.pop() is two
    frame.instances.remove(three)
    assert [i.frame for i in (two, three, one)] == [None, None, frame]
    frame.instances[0] = two
    assert [i.frame for i in (one, two)] == [None, frame]
    frame.instances = [one, one]
    assert [one.frame, two.frame] == [frame, None]
    assert frame[1] is not one
    del frame.instances[:]
    assert [len(frame), one.frame] == [0, None]
    frame.instances.extend([one])
    frame.instances *= 2
    frame.instances.clear()
    assert one.frame is None
    with pytest.raises(TypeError, match="'fly', expected an Instance"):
        frame.instances.append("fly")  # type: ignore[arg-type]  # the mistake


def test_pickled_view_is_small_and_equal_and_knows_its_frame() -> None:
    fly = make_fly()
    origin = PredictedInstance(fly, [[0, 1], [2, 3]], score=0.5)
    frames = [LabeledFrame(VIDEO, 0, [origin, Instance(fly, [[1, 1]] * 2, from_predicted=origin)])]
    for k in range(1, 300):
        made = PredictedInstance(fly, [[k, 1], [2, 3]])
        frames.append(
            LabeledFrame(VIDEO, k, [made, Instance(fly, [[k, 1]] * 2, from_predicted=origin)])
        )
        origin = made
    labels = Labels(frames)
    assert len(pickle.dumps(labels[7])) < 4_000
    assert len(pickle.dumps(labels[7][0])) < 4_000
    views = list(labels)
    again = pickle.loads(pickle.dumps(views))
    assert again == views
    assert len(pickle.dumps(views)) < 300 * 2_000
    one, other = pickle.loads(pickle.dumps([labels[7][0], labels[7][1]]))
    assert one.frame is other.frame
    assert one.frame == labels[7]
    assert one.frame[0] is one
    rebuilt = Labels(again)
    link = rebuilt[8][1].from_predicted
    assert link == rebuilt[7][0]
    assert rebuilt.equals(Labels(views))


def test_list_of_a_views_instances_is_copied_and_pickled_as_a_list() -> None:
    view = Labels([detached_frame()])[0]
    assert type(copy.copy(view.instances)) is list
    assert pickle.loads(pickle.dumps(view.instances)) == view.instances
    assert copy.deepcopy(view) == view
    made = copy.copy(view)
    assert made == view
    made.frame_idx = 8
    assert copy.copy(view) == view
    assert copy.copy(view[0]).points == view[0].points
    assert not copy.copy(view[0]).is_attached


def test_points_may_be_pairs_and_nodes_any_whole_number() -> None:
    user = Instance(make_fly(), {"a": (1, 2)})
    user[np.int64(1)] = (3, 4)
    np.testing.assert_array_equal(user.numpy(), [[1, 2], [3, 4]])
    assert Labels([LabeledFrame(VIDEO, 0, [user])])[0][0][np.int64(0)] == Point(1, 2)
    with pytest.raises(TypeError, match=r"Point\(x, y\)"):
        user["a"] = (1, 2, 3)
    with pytest.raises(TypeError, match=r"Point\(x, y\)"):
        Instance(make_fly(), {"a": 3})  # type: ignore[arg-type]  # the mistake


def test_nan_scores_are_no_scores() -> None:
    made = PredictedInstance(make_fly(), score=np.nan, tracking_score=np.nan)
    assert (made.score, made.tracking_score) == (None, None)
    view = Labels([LabeledFrame(VIDEO, 0, [made])])[0][0]
    assert (view.score, view.tracking_score) == (None, None)
    with pytest.raises(TypeError, match="score: found 'high'"):
        made.score = "high"  # type: ignore[assignment]  # the mistake


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LabeledFrame(VIDEO, 3.7), "frame_idx.*3.7.*whole"),  # type: ignore[arg-type]
        (lambda: LabeledFrame("a.mp4", 0), "video.*'a.mp4'.*from_filename"),  # type: ignore[arg-type]
        (lambda: LabeledFrame(VIDEO, 0, ["fly"]), "instance.*'fly'"),  # type: ignore[list-item]
        (lambda: Instance(FLY, track="A"), "track.*'A'.*Track"),  # type: ignore[arg-type]
        (lambda: Instance(["a"]), "skeleton.*Skeleton"),  # type: ignore[arg-type]
        (lambda: Instance(FLY, from_predicted=Instance(FLY)), "from_predicted.*Predicted"),  # type: ignore[arg-type]
    ],
)
def test_wrong_arguments_are_refused_with_what_was_found(
    make: Callable[[], object], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        make()


def test_scores_of_points_are_refused_where_they_would_be_lost() -> None:
    with pytest.raises(ValueError, match="PredictedInstance"):
        Instance(make_fly(), [[1, 2, 0.5], [3, 4, 0.5]])
