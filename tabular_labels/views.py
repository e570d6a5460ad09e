"""Frames and instances: detached values that users build, or views of rows of labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NoReturn

import numpy as np

from tabular_labels._types import FloatArray
from tabular_labels.errors import UnknownNodeError
from tabular_labels.model.skeleton import Node, NodeLike, Skeleton
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.points import Point, PredictedPoint
from tabular_labels.rows import PREDICTED, Rows, refuse
from tabular_labels.values import FrameValues, InstanceValues, Points

__all__ = [
    "Instance",
    "InstanceList",
    "LabeledFrame",
    "PredictedInstance",
    "frame_view",
    "instance_view",
]


class Instance:
    """A user's labels of one animal in one frame.

    Either a detached value that you build, or a view of a row of labels. Views of
    one project are equal when they are the same row; otherwise contents compare.

    Args:
        skeleton: Its skeleton.
        points: By node or node name, or an array of shape ``(n_nodes, 2)`` in pixels
            (x right, y down), NaN for missing.
        track: The animal's track, None if untracked.
        from_predicted: The prediction this was made from.
        frame: The frame it is in; set when a frame takes it.
        tracking_score: Confidence of the track assignment, None if there is none.

    Raises:
        UnknownNodeError: ``points`` names a node the skeleton does not have.
        ValueError: An array has the wrong shape.

    Examples:
        >>> fly = Skeleton(["head", "tail"])
        >>> instance = Instance(fly, {"head": Point(1, 2)})
        >>> instance.numpy()
        array([[ 1.,  2.],
               [nan, nan]])
        >>> instance["head"].x
        1.0

    Source:
        ``sleap.instance.Instance``.
    """

    __slots__ = ("_row", "_source")
    _source: Any
    _is_predicted = False

    def __init__(
        self,
        skeleton: Skeleton,
        points: Points | None = None,
        track: Track | None = None,
        from_predicted: PredictedInstance | None = None,
        frame: LabeledFrame | None = None,
        tracking_score: float | None = None,
    ) -> None:
        values = InstanceValues(
            skeleton, {} if points is None else points, predicted=self._is_predicted
        )
        values.track_object = track
        values.from_predicted = from_predicted
        values.frame = frame
        values.tracking_score_value = tracking_score
        self._source = values
        self._row = 0

    @classmethod
    def from_numpy(
        cls,
        points: FloatArray | Sequence[Sequence[float]],
        skeleton: Skeleton,
        track: Track | None = None,
        from_predicted: PredictedInstance | None = None,
    ) -> Instance:
        """Build from an array of shape ``(n_nodes, 2)``, NaN for missing.

        Examples:
            >>> Instance.from_numpy([[1, 2]], Skeleton(["head"])).n_visible_points
            1
        """
        return cls(skeleton, points, track=track, from_predicted=from_predicted)

    from_pointsarray = from_numpy

    @property
    def is_attached(self) -> bool:
        """Whether this is a view of a row of labels."""
        return isinstance(self._source, Rows)

    @property
    def skeleton(self) -> Skeleton:
        """The skeleton."""
        skeleton: Skeleton = self._source.skeleton(self._row)
        return skeleton

    @property
    def track(self) -> Track | None:
        """The track, None if untracked."""
        track: Track | None = self._source.track(self._row)
        return track

    @track.setter
    def track(self, track: Track | None) -> None:
        self._free("track").track_object = track

    @property
    def tracking_score(self) -> float | None:
        """Confidence of the track assignment, None if there is none."""
        score: float | None = self._source.tracking_score(self._row)
        return score

    @tracking_score.setter
    def tracking_score(self, score: float | None) -> None:
        self._free("tracking_score").tracking_score_value = score

    @property
    def score(self) -> float | None:
        """Confidence; None for user instances."""
        score: float | None = self._source.score(self._row)
        return score

    @property
    def from_predicted(self) -> PredictedInstance | None:
        """The prediction this was made from, None if there is none."""
        source = self._source
        if isinstance(source, InstanceValues):
            origin: PredictedInstance | None = source.from_predicted
            return origin
        row = source.columns.source_row(self._row)
        made = None if row is None else instance_view(source, row)
        return made if isinstance(made, PredictedInstance) else None

    @from_predicted.setter
    def from_predicted(self, instance: PredictedInstance | None) -> None:
        self._free("from_predicted").from_predicted = instance

    @property
    def frame(self) -> LabeledFrame | None:
        """The frame it is in, None for a detached instance in no frame."""
        source = self._source
        if isinstance(source, InstanceValues):
            frame: LabeledFrame | None = source.frame
            return frame
        return frame_view(source, source.frame_row(self._row))

    @property
    def video(self) -> Video | None:
        """The frame's video."""
        source = self._source
        if isinstance(source, InstanceValues):
            return None if source.frame is None else source.frame.video
        return source.video(source.frame_row(self._row))  # type: ignore[no-any-return]  # Rows

    @property
    def frame_idx(self) -> int | None:
        """The frame's index in its video."""
        source = self._source
        if isinstance(source, InstanceValues):
            return None if source.frame is None else source.frame.frame_idx
        return source.frame_idx(source.frame_row(self._row))  # type: ignore[no-any-return]  # Rows

    def numpy(self, *, invisible_as_nan: bool = True) -> FloatArray:
        """Return coordinates: float64, shape ``(n_nodes, 2)``, pixels, NaN = missing.

        Args:
            invisible_as_nan: Treat points that are not visible as missing.
        """
        array: FloatArray = self._source.xy(self._row, invisible_as_nan=invisible_as_nan)
        return array

    def get_points_array(self, copy: bool = True, invisible_as_nan: bool = False) -> FloatArray:
        """Return coordinates, invisible points included unless asked otherwise."""
        del copy  # a copy is always made
        return self.numpy(invisible_as_nan=invisible_as_nan)

    @property
    def points_array(self) -> FloatArray:
        """Coordinates: float64, shape ``(n_nodes, 2)``, NaN = missing or invisible."""
        return self.numpy()

    @property
    def nodes(self) -> tuple[Node, ...]:
        """Nodes that have a point."""
        return tuple(node for node, _ in self.nodes_points)

    @property
    def points(self) -> tuple[Point, ...]:
        """Points that are not missing, in skeleton order."""
        return tuple(point for _, point in self.nodes_points)

    @property
    def nodes_points(self) -> list[tuple[Node, Point]]:
        """Pairs of node and point, without missing points."""
        present = ~np.isnan(self.numpy(invisible_as_nan=False)).any(axis=1)
        nodes = self.skeleton.nodes
        return [(nodes[i], self._point(i)) for i in np.flatnonzero(present).tolist()]

    @property
    def n_visible_points(self) -> int:
        """Number of points that are neither missing nor invisible."""
        return int((~np.isnan(self.numpy()).any(axis=1)).sum())

    @property
    def is_empty(self) -> bool:
        """Whether every point is missing."""
        return bool(np.isnan(self.numpy(invisible_as_nan=False)).any(axis=1).all())

    @property
    def bounding_box(self) -> FloatArray:
        """``[y1, x1, y2, x2]`` of the visible points: float64, NaN when there are none."""
        points = self.numpy()
        points = points[~np.isnan(points).any(axis=1)]
        if not len(points):
            return np.full(4, np.nan)
        return np.concatenate([points.min(axis=0)[::-1], points.max(axis=0)[::-1]])

    @property
    def midpoint(self) -> FloatArray:
        """Centre ``[x, y]`` of the bounding box."""
        y1, x1, y2, x2 = self.bounding_box
        return np.array([(x1 + x2) / 2, (y1 + y2) / 2])

    @property
    def centroid(self) -> FloatArray:
        """Median ``[x, y]`` of the visible points: float64, NaN when there are none."""
        points = self.numpy()
        points = points[~np.isnan(points).any(axis=1)]
        return np.median(points, axis=0) if len(points) else np.full(2, np.nan)

    def matches(self, other: Instance) -> bool:
        """Tell whether two instances say the same.

        Compared: the class, the skeletons, the points node by node (missing equals
        missing), the tracks by value, and the frame index. Not compared: video, score,
        tracking score, from_predicted.

        Source:
            ``sleap.instance.Instance.matches``, which dropped missing points first.
        """
        return (
            type(self) is type(other)
            and self.frame_idx == other.frame_idx
            and self.skeleton.matches(other.skeleton)
            and _tracks_match(self.track, other.track)
            and _points_match(self, other)
        )

    def copy(self) -> Instance:
        """Return a detached copy that keeps skeleton and track; it is in no frame."""
        made = type(self)(self.skeleton, track=self.track, tracking_score=self.tracking_score)
        values: InstanceValues = made._source
        values.from_predicted = self.from_predicted
        values.score_value = self.score
        values.xy_array[:] = self.numpy(invisible_as_nan=False)
        for name, column in values.point_columns.items():
            column[:] = self._source.point_values(self._row, name)
        return made

    def _free(self, what: str) -> InstanceValues:
        source = self._source
        return source if isinstance(source, InstanceValues) else refuse(what)

    def _point(self, place: int) -> Point:
        x, y = self._source.xy(self._row, invisible_as_nan=False)[place].tolist()
        flags = [bool(self._source.point_values(self._row, n)[place]) for n in _FLAGS]
        point = self._make_point(place, x, y, *flags)
        if self.is_attached:
            point.freeze()
        return point

    def _make_point(self, place: int, x: float, y: float, visible: bool, complete: bool) -> Point:
        del place
        return Point(x, y, visible, complete)

    def __getitem__(self, node: NodeLike) -> Point:
        """Return the point of a node; a missing one has NaN coordinates."""
        return self._point(self.skeleton.index(node))

    def __setitem__(self, node: NodeLike, point: Point) -> None:
        """Set the point of a node of a detached instance."""
        self._free(f"point {node!r}").set_point(self.skeleton.index(node), point)

    def __contains__(self, node: NodeLike) -> bool:
        """Tell whether a node has a point."""
        try:
            place = self.skeleton.index(node)
        except UnknownNodeError:
            return False
        return not np.isnan(self.numpy(invisible_as_nan=False)[place]).any()

    def __len__(self) -> int:
        """Return the number of points that are not missing."""
        return int((~np.isnan(self.numpy(invisible_as_nan=False)).any(axis=1)).sum())

    def __bool__(self) -> bool:
        """Be true, also without points."""
        return True

    def __eq__(self, other: object) -> bool:
        """Compare rows within one project, contents otherwise."""
        if self is other:
            return True
        if not isinstance(other, Instance):
            return NotImplemented
        mine, theirs = self._source, other._source
        if isinstance(mine, Rows) and isinstance(theirs, Rows) and mine.objects is theirs.objects:
            same: bool = (
                mine.columns.instance_id[self._row] == theirs.columns.instance_id[other._row]
            )
            return same
        return (
            self.matches(other)
            and _scores_match(self.score, other.score)
            and _scores_match(self.tracking_score, other.tracking_score)
        )

    def __hash__(self) -> int:
        """Hash the coordinates, which equal instances share."""
        xy = np.nan_to_num(self.numpy(invisible_as_nan=False), nan=np.inf) + 0.0
        return hash(xy.tobytes())

    def __repr__(self) -> str:
        """Say where it is and how much of it is labelled."""
        place = "" if self.frame_idx is None else f"frame_idx={self.frame_idx}, "
        track = None if self.track is None else self.track.name
        score = "" if self.score is None else f", score={self.score:.2f}"
        return (
            f"{type(self).__name__}({place}track={track!r}, "
            f"points={len(self)}/{len(self.skeleton)}{score})"
        )


class PredictedInstance(Instance):
    """A prediction of one animal in one frame.

    Args:
        skeleton: Its skeleton.
        points: As for `Instance`; values may be `PredictedPoint`, and an array may
            have a third column of point scores.
        score: Confidence of the instance.
        tracking_score: Confidence of the track assignment.
        track: The animal's track.
        frame: The frame it is in.
        from_predicted: The prediction this was made from (unusual).

    Examples:
        >>> p = PredictedInstance(Skeleton(["head"]), [[1, 2, 0.9]], score=0.8)
        >>> p.score, p.scores
        (0.8, array([0.9]))

    Source:
        ``sleap.instance.PredictedInstance``.
    """

    __slots__ = ()
    _is_predicted = True

    def __init__(
        self,
        skeleton: Skeleton,
        points: Points | None = None,
        score: float | None = 0.0,
        tracking_score: float | None = 0.0,
        track: Track | None = None,
        frame: LabeledFrame | None = None,
        from_predicted: PredictedInstance | None = None,
    ) -> None:
        super().__init__(skeleton, points, track, from_predicted, frame, tracking_score)
        self._source.score_value = score

    @classmethod
    def from_numpy(  # type: ignore[override]  # the classic signatures differ
        cls,
        points: FloatArray | Sequence[Sequence[float]],
        point_confidences: FloatArray | Sequence[float] | None = None,
        instance_score: float = 0.0,
        skeleton: Skeleton | None = None,
        tracking_score: float = 0.0,
        track: Track | None = None,
    ) -> PredictedInstance:
        """Build from arrays of shapes ``(n_nodes, 2)`` and ``(n_nodes,)``.

        Raises:
            TypeError: No skeleton was given.
        """
        if skeleton is None:
            message = "found no skeleton, expected one. Pass `skeleton=`."
            raise TypeError(message)
        made = cls(skeleton, points, instance_score, tracking_score, track)
        if point_confidences is not None:
            made._source.point_columns["score"][:] = point_confidences
        return made

    from_arrays = from_pointsarray = from_numpy  # type: ignore[assignment]  # as above

    @property
    def score(self) -> float | None:
        """Confidence of the instance, None if the file has none."""
        score: float | None = self._source.score(self._row)
        return score

    @score.setter
    def score(self, score: float | None) -> None:
        self._free("score").score_value = score

    @property
    def scores(self) -> FloatArray:
        """Point scores: float64, shape ``(n_nodes,)``, NaN = none."""
        scores: FloatArray = self._source.point_scores(self._row)
        return scores

    @property
    def points_and_scores_array(self) -> FloatArray:
        """``x, y, score``: float64, shape ``(n_nodes, 3)``, NaN = missing."""
        return np.column_stack([self.numpy(), self.scores])

    def _make_point(self, place: int, x: float, y: float, visible: bool, complete: bool) -> Point:
        return PredictedPoint(x, y, visible, complete, float(self.scores[place]))


_FLAGS = ("visible", "complete")


def _scores_match(a: float | None, b: float | None) -> bool:
    """Compare in the precision of the tables, which detached values exceed."""
    return a == b or (a is not None and b is not None and np.float32(a) == np.float32(b))


def _tracks_match(a: Track | None, b: Track | None) -> bool:
    return a is b or (a is not None and b is not None and a.matches(b))


def _points_match(a: Instance, b: Instance) -> bool:
    order = [b.skeleton.index(name) for name in a.skeleton.node_names]
    if not np.array_equal(
        a.numpy(invisible_as_nan=False), b.numpy(invisible_as_nan=False)[order], equal_nan=True
    ):
        return False
    missing = np.isnan(a.numpy(invisible_as_nan=False)).any(axis=1)
    return all(
        np.array_equal(
            np.where(missing, 0, a._source.point_values(a._row, name)),
            np.where(missing, 0, b._source.point_values(b._row, name)[order]),
            equal_nan=True,
        )
        for name in (*_FLAGS, "score")
    )


class InstanceList(list[Instance]):
    """The instances of an attached frame: a list that refuses to be changed in place."""

    __slots__ = ()

    @classmethod
    def of_rows(cls, rows: Rows, start: int, stop: int) -> InstanceList:
        """Views of consecutive instance rows."""
        return cls([instance_view(rows, row) for row in range(start, stop)])

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        refuse("the list of instances")

    append = extend = insert = remove = clear = sort = reverse = pop = _refuse
    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse


class LabeledFrame:
    """The labels of one frame of one video.

    Either a detached value that you build, or a view of a row of labels. Views of
    one project are equal when they are the same row; otherwise contents compare.

    Args:
        video: The video.
        frame_idx: 0-based index in the video.
        instances: User and predicted instances, in order.
        is_negative: Whether a person marked the frame as showing no animal.

    Examples:
        >>> frame = LabeledFrame(Video("a.mp4"), 3, [Instance(Skeleton(["head"]), [[1, 2]])])
        >>> len(frame), frame[0].frame_idx
        (1, 3)

    Source:
        ``sleap.instance.LabeledFrame``.
    """

    __slots__ = ("_row", "_source")
    _source: Any

    def __init__(
        self,
        video: Video,
        frame_idx: int,
        instances: Iterable[Instance] = (),
        *,
        is_negative: bool = False,
    ) -> None:
        values = FrameValues(video, frame_idx, is_negative=is_negative)
        self._source = values
        self._row = 0
        for instance in instances:
            taken = instance.copy() if instance.is_attached else instance
            taken._source.frame = self
            values.instances.append(taken)

    @property
    def is_attached(self) -> bool:
        """Whether this is a view of a row of labels."""
        return isinstance(self._source, Rows)

    @property
    def video(self) -> Video:
        """The video."""
        video: Video = self._source.video(self._row)
        return video

    @property
    def frame_idx(self) -> int:
        """0-based index in the video."""
        index: int = self._source.frame_idx(self._row)
        return index

    @property
    def is_negative(self) -> bool:
        """Whether a person marked the frame as showing no animal."""
        negative: bool = self._source.is_negative(self._row)
        return negative

    @property
    def instances(self) -> list[Instance]:
        """All instances, in order."""
        source = self._source
        if isinstance(source, FrameValues):
            return source.instances
        start = source.instance_start
        return InstanceList.of_rows(source, start[self._row], start[self._row + 1])

    @property
    def user_instances(self) -> list[Instance]:
        """Instances a person made, in order."""
        return [i for i in self.instances if type(i) is Instance]

    @property
    def predicted_instances(self) -> list[PredictedInstance]:
        """Instances a model made, in order."""
        return [i for i in self.instances if isinstance(i, PredictedInstance)]

    @property
    def tracked_instances(self) -> list[Instance]:
        """Instances with a track, in order."""
        return [i for i in self.instances if i.track is not None]

    @property
    def n_user_instances(self) -> int:
        """Number of user instances."""
        return len(self) - self.n_predicted_instances

    @property
    def n_predicted_instances(self) -> int:
        """Number of predicted instances."""
        return len(self.predicted_instances)

    @property
    def n_tracked_instances(self) -> int:
        """Number of instances with a track."""
        return len(self.tracked_instances)

    @property
    def has_user_instances(self) -> bool:
        """Whether there is a user instance."""
        return self.n_user_instances > 0

    @property
    def has_predicted_instances(self) -> bool:
        """Whether there is a predicted instance."""
        return self.n_predicted_instances > 0

    @property
    def has_tracked_instances(self) -> bool:
        """Whether there is an instance with a track."""
        return self.n_tracked_instances > 0

    @property
    def unused_predictions(self) -> list[PredictedInstance]:
        """Predictions that no user instance replaces, by link or by track."""
        users = self.user_instances
        tracks = {id(i.track) for i in users if i.track is not None}
        origins = [i.from_predicted for i in users if i.from_predicted is not None]
        return [
            p
            for p in self.predicted_instances
            if p not in origins and (p.track is None or id(p.track) not in tracks)
        ]

    @property
    def instances_to_show(self) -> list[Instance]:
        """User instances, and predictions that none of them replaces, in order."""
        unused = self.unused_predictions
        return [i for i in self.instances if type(i) is Instance or i in unused]

    @property
    def training_instances(self) -> list[Instance]:
        """User instances with at least one visible point."""
        return [i for i in self.user_instances if i.n_visible_points]

    def find(self, track: Track | int | None = -1, user: bool = False) -> list[Instance]:
        """Return the instances of a track, or user instances only.

        Args:
            track: A track, None for untracked instances, -1 for any.
            user: Leave predictions out.
        """
        return [
            i
            for i in self.instances
            if (track == -1 or i.track is track) and not (user and i._is_predicted)
        ]

    def numpy(self) -> FloatArray:
        """Return all instances: float64, ``(n_instances, n_nodes, 2)``, NaN = missing.

        With several skeletons, ``n_nodes`` is that of the largest.
        """
        arrays = [i.numpy() for i in self.instances]
        n_nodes = max((len(a) for a in arrays), default=0)
        out = np.full((len(arrays), n_nodes, 2), np.nan)
        for place, array in enumerate(arrays):
            out[place, : len(array)] = array
        return out

    def copy(self) -> LabeledFrame:
        """Return a detached copy; links between its own instances are kept."""
        mine = self.instances
        made = LabeledFrame(
            self.video, self.frame_idx, [i.copy() for i in mine], is_negative=self.is_negative
        )
        copies = made.instances
        for copy in copies:
            origin = copy.from_predicted
            if origin is not None and origin in mine:
                copy.from_predicted = copies[mine.index(origin)]  # type: ignore[assignment]
        return made

    def __len__(self) -> int:
        """Return the number of instances."""
        source = self._source
        if isinstance(source, FrameValues):
            return len(source.instances)
        start = source.instance_start
        count: int = start[self._row + 1] - start[self._row]
        return count

    def __bool__(self) -> bool:
        """Be true, also without instances."""
        return True

    def __iter__(self) -> Iterator[Instance]:
        """Iterate over the instances."""
        return iter(self.instances)

    def __getitem__(self, place: int) -> Instance:
        """Return one instance by its place."""
        return self.instances[place]

    def index(self, instance: Instance) -> int:
        """Return the place of an instance."""
        return self.instances.index(instance)

    def __eq__(self, other: object) -> bool:
        """Compare rows within one project, contents otherwise."""
        if self is other:
            return True
        if not isinstance(other, LabeledFrame):
            return NotImplemented
        mine, theirs = self._source, other._source
        if isinstance(mine, Rows) and isinstance(theirs, Rows) and mine.objects is theirs.objects:
            same: bool = mine.frames.frame_id[self._row] == theirs.frames.frame_id[other._row]
            return same
        return (
            self.frame_idx == other.frame_idx
            and self.is_negative == other.is_negative
            and (self.video is other.video or self.video.matches(other.video))
            and list(self.instances) == list(other.instances)
        )

    def __hash__(self) -> int:
        """Hash the place, which equal frames share."""
        return hash((self.frame_idx, self.video.filename))

    def __repr__(self) -> str:
        """Say where it is and what it holds."""
        return (
            f"LabeledFrame(video={self.video.filename!r}, frame_idx={self.frame_idx}, "
            f"user={self.n_user_instances}, predicted={self.n_predicted_instances})"
        )


def instance_view(rows: Rows, row: int) -> Instance:
    """Return a view of one instance row."""
    cls = PredictedInstance if rows.columns.kind[row] == PREDICTED else Instance
    view = cls.__new__(cls)
    view._source = rows
    view._row = row
    return view


def frame_view(rows: Rows, row: int) -> LabeledFrame:
    """Return a view of one frame row."""
    view = LabeledFrame.__new__(LabeledFrame)
    view._source = rows
    view._row = row
    return view
