"""Frames and instances: detached values that users build, or views of rows of labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from tabular_labels import editing
from tabular_labels._types import FloatArray
from tabular_labels.errors import UnknownNodeError
from tabular_labels.geometry import InstanceGeometry
from tabular_labels.matching import points_match, scores_match, tracks_match
from tabular_labels.model.arguments import require_type
from tabular_labels.model.pixels import Image
from tabular_labels.model.skeleton import Node, NodeLike, Skeleton
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.points import (
    BoundPoint,
    BoundPredictedPoint,
    LinkedPoint,
    LinkedPredictedPoint,
    Point,
)
from tabular_labels.selection import InstanceSelection
from tabular_labels.store.rows import Rows
from tabular_labels.values import FrameValues, InstanceValues, PointLike, Points, as_score

__all__ = [
    "Instance",
    "InstanceList",
    "LabeledFrame",
    "PredictedInstance",
    "frame_view",
    "instance_view",
]


class Instance(InstanceGeometry):
    """A user's labels of one animal in one frame.

    Either a detached value that you build, or a view of a row of labels. Views of
    one project are equal when they are the same row; otherwise contents compare.

    Args:
        skeleton: Its skeleton.
        points: By node or node name (`Point`, or a pair of coordinates), or an array of
            shape ``(n_nodes, 2)`` in pixels (x right, y down), NaN for missing.
        track: The animal's track, None if untracked.
        from_predicted: The prediction this was made from.
        frame: The frame it is in; set when a frame takes it.
        tracking_score: Confidence of the track assignment, None if there is none.

    Raises:
        UnknownNodeError: ``points`` names a node the skeleton does not have.
        ValueError: An array has the wrong shape.
        TypeError: Something is of another class than said here.

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
        values.frame = frame
        self._source = values
        self._row = 0
        self.track = track
        self.from_predicted = from_predicted
        self.tracking_score = tracking_score

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
        source = self._source
        if isinstance(source, Rows):
            editing.set_track(*source.open_instance(self._row), track)
            return
        if track is not None:
            require_type(track, Track, "track of an instance", "Pass a `Track`, or None.")
        source.track_object = track

    @property
    def tracking_score(self) -> float | None:
        """Confidence of the track assignment, None if there is none."""
        score: float | None = self._source.tracking_score(self._row)
        return score

    @tracking_score.setter
    def tracking_score(self, score: float | None) -> None:
        source = self._source
        if isinstance(source, Rows):
            editing.set_tracking_score(*source.open_instance(self._row), score)
        else:
            source.tracking_score_value = as_score(score, "tracking_score")

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
        source, row = source.located_instance(self._row)
        found: int | None = source.origin(row)
        made = None if found is None else instance_view(source, found)
        return made if isinstance(made, PredictedInstance) else None

    @from_predicted.setter
    def from_predicted(self, instance: PredictedInstance | None) -> None:
        if instance is not None:
            remedy = "Pass a prediction, or None."
            require_type(instance, PredictedInstance, "from_predicted of an instance", remedy)
        source = self._source
        if isinstance(source, Rows):
            editing.set_origin(*source.open_instance(self._row), instance)
        else:
            source.from_predicted = instance

    @property
    def frame(self) -> LabeledFrame | None:
        """The frame it is in, None for a detached instance in no frame."""
        source = self._source
        if isinstance(source, InstanceValues):
            frame: LabeledFrame | None = source.frame
            return frame
        source, row = source.located_instance(self._row)
        return frame_view(source, source.frame_row(row))

    @property
    def video(self) -> Video | None:
        """The frame's video."""
        source = self._source
        if isinstance(source, InstanceValues):
            return None if source.frame is None else source.frame.video
        source, row = source.located_instance(self._row)
        video: Video = source.video(source.frame_row(row))
        return video

    @property
    def frame_idx(self) -> int | None:
        """The frame's index in its video."""
        source = self._source
        if isinstance(source, InstanceValues):
            return None if source.frame is None else source.frame.frame_idx
        source, row = source.located_instance(self._row)
        index: int = source.frame_idx(source.frame_row(row))
        return index

    def numpy(self, *, invisible_as_nan: bool = True) -> FloatArray:
        """Return coordinates: float64, shape ``(n_nodes, 2)``, pixels, NaN = missing.

        Args:
            invisible_as_nan: Treat points that are not visible as missing.
        """
        array: FloatArray = self._source.xy(self._row, invisible_as_nan=invisible_as_nan)
        return array

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
        places = np.flatnonzero(present).tolist()
        nodes = self.skeleton.nodes
        return list(zip([nodes[k] for k in places], self._points(places), strict=True))

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
            and tracks_match(self.track, other.track)
            and points_match(self, other)
        )

    def copy(self) -> Instance:
        """Return a detached copy that keeps skeleton and track; it is in no frame."""
        source, row = self._source, self._row
        values = InstanceValues(self.skeleton, {}, predicted=self._is_predicted)
        values.copy_of = source.identity(row) if isinstance(source, Rows) else source.copy_of
        values.track_object = self.track
        values.from_predicted = self.from_predicted
        values.score_value = self.score
        values.tracking_score_value = self.tracking_score
        values.xy_array[:] = self.numpy(invisible_as_nan=False)
        for name, column in values.point_columns.items():
            column[:] = source.point_values(row, name)
        made = type(self).__new__(type(self))
        made._source = values
        made._row = 0
        return made

    def _points(self, places: Sequence[int]) -> list[Point]:
        """Return points by place: linked to a row, or bound to detached values."""
        source, row, predicted = self._source, self._row, self._is_predicted
        if isinstance(source, InstanceValues):
            nodes = source.skeleton_object.nodes
            bound = BoundPredictedPoint if predicted else BoundPoint
            return [bound(source, nodes[place]) for place in places]
        names = ("visible", "complete", "score") if predicted else ("visible", "complete")
        xy = source.xy(row, invisible_as_nan=False).tolist()
        rest = [source.point_values(row, name).tolist() for name in names]
        make = LinkedPredictedPoint if predicted else LinkedPoint
        return [make(self, k, *xy[k], *(values[k] for values in rest)) for k in places]

    def _set_point_value(self, place: int, name: str, value: float | bool) -> None:
        store, handle = self._source.open_instance(self._row)
        editing.set_point_value(store, handle, place, name, value)

    def __getitem__(self, node: NodeLike) -> Point:
        """Return the point of a node; a missing one has NaN coordinates."""
        return self._points([self.skeleton.index(node)])[0]

    def __setitem__(self, node: NodeLike, point: PointLike) -> None:
        """Set the point of a node; a pair of coordinates will do."""
        source, place = self._source, self.skeleton.index(node)
        if isinstance(source, Rows):
            editing.set_point(*source.open_instance(self._row), place, point)
        else:
            source.set_point(place, point)

    def __contains__(self, node: NodeLike) -> bool:
        """Tell whether a node has a point."""
        try:
            place = self.skeleton.index(node)
        except UnknownNodeError:
            return False
        return not np.isnan(self.numpy(invisible_as_nan=False)[place]).any()

    def __eq__(self, other: object) -> bool:
        """Compare rows within one project, contents otherwise."""
        if self is other:
            return True
        if not isinstance(other, Instance):
            return NotImplemented
        mine, theirs = self._source, other._source
        if isinstance(mine, Rows) and isinstance(theirs, Rows) and mine.shares_rows(theirs):
            return mine.instance_id(self._row) == theirs.instance_id(other._row)
        return (
            self.matches(other)
            and scores_match(self.score, other.score)
            and scores_match(self.tracking_score, other.tracking_score)
        )

    def __hash__(self) -> int:
        """Hash the coordinates in the order of node names, which equal instances share."""
        xy = self.numpy(invisible_as_nan=False)
        order = self.skeleton.places_by_name
        xy = xy if order is None else xy[order]
        xy[np.isnan(xy)] = np.inf
        return hash((xy + 0.0).tobytes())

    def __copy__(self) -> Instance:
        """Copy as `copy` does."""
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle a view as a detached instance of a detached frame."""
        source = self._source
        if isinstance(source, InstanceValues):
            return super().__reduce_ex__(protocol)
        source, row = source.located_instance(self._row)
        frame = source.frame_row(row)
        place = list(source.instances_of(frame)).index(row)
        return _itself, (_portable_frame(source, frame).instances[place],)

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
        self.score = score

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
        source = self._source
        if isinstance(source, Rows):
            editing.set_score(*source.open_instance(self._row), score)
        else:
            source.score_value = as_score(score, "score")

    @property
    def scores(self) -> FloatArray:
        """Point scores: float64, shape ``(n_nodes,)``, NaN = none."""
        scores: FloatArray = self._source.point_scores(self._row)
        return scores

    @property
    def points_and_scores_array(self) -> FloatArray:
        """``x, y, score``: float64, shape ``(n_nodes, 3)``, NaN = missing."""
        return np.column_stack([self.numpy(), self.scores])


class InstanceList(list[Instance]):
    """The instances of a frame of labels; changing the list changes the labels.

    What is put in becomes a view of a new row; what is in another frame, or in other
    labels, is copied. Copies and pickles are plain lists.
    """

    __slots__ = ("_frame", "_rows")

    @classmethod
    def of(cls, rows: Rows, frame: int) -> InstanceList:
        """Views of the instances of one frame."""
        made = cls([instance_view(rows, row) for row in rows.instances_of(frame)])
        made._rows, made._frame = rows, frame
        return made

    _rows: Rows
    _frame: int

    def _become(self, wanted: Iterable[Instance]) -> None:
        store, frame = self._rows.open_frame(self._frame)
        handles = editing.set_instances(store, frame, wanted)
        super().__setitem__(slice(None), [instance_view(store, handle) for handle in handles])

    def append(self, instance: Instance) -> None:
        """Add an instance."""
        self._become([*self, instance])

    def extend(self, instances: Iterable[Instance]) -> None:
        """Add instances."""
        self._become([*self, *instances])

    def insert(self, place: Any, instance: Instance) -> None:
        """Add an instance at a place."""
        wanted = list(self)
        wanted.insert(place, instance)
        self._become(wanted)

    def remove(self, instance: Instance) -> None:
        """Remove this instance, or the first that is equal."""
        same = [place for place, mine in enumerate(self) if mine is instance]
        del self[same[0] if same else self.index(instance)]

    def pop(self, place: Any = -1) -> Instance:
        """Remove the instance at a place, and return a detached copy."""
        copied: Instance = self[place].copy()
        del self[place]
        return copied

    def clear(self) -> None:
        """Remove all."""
        self._become(())

    def sort(self, *, key: Any = None, reverse: bool = False) -> None:
        """Put the instances in another order."""
        self._become(sorted(self, key=key, reverse=reverse))

    def reverse(self) -> None:
        """Turn the order around."""
        self._become(list(self)[::-1])

    def __setitem__(self, place: Any, value: Any) -> None:
        """Replace one instance, or a slice."""
        wanted = list(self)
        wanted[place] = value
        self._become(wanted)

    def __delitem__(self, place: Any) -> None:
        """Remove one instance, or a slice."""
        wanted = list(self)
        del wanted[place]
        self._become(wanted)

    def __iadd__(self, instances: Iterable[Instance]) -> InstanceList:  # type: ignore[misc,override]  # like list's
        """Add instances."""
        self.extend(instances)
        return self

    def __imul__(self, times: Any) -> InstanceList:  # type: ignore[misc]  # like list's
        """Repeat the instances, as copies."""
        self._become(list(self) * times)
        return self

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle and copy as a plain list."""
        return list, (list(self),)


class LabeledFrame(InstanceSelection[Instance, PredictedInstance]):
    """The labels of one frame of one video.

    Either a detached value that you build, or a view of a row of labels. Views of
    one project are equal when they are the same row; otherwise contents compare.

    Args:
        video: The video.
        frame_idx: 0-based index in the video.
        instances: User and predicted instances, in order. Those that are in another
            frame, and views of labels, are copied.
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
        values = FrameValues(self, video, frame_idx, is_negative=is_negative)
        self._source = values
        self._row = 0
        values.instances.extend(instances)

    @property
    def is_attached(self) -> bool:
        """Whether this is a view of a row of labels."""
        return isinstance(self._source, Rows)

    @property
    def video(self) -> Video:
        """The video."""
        video: Video = self._source.video(self._row)
        return video

    @video.setter
    def video(self, video: Video) -> None:
        source = self._source
        if isinstance(source, Rows):
            editing.set_frame_video(*source.open_frame(self._row), video)
        else:
            source.set_video(video)

    @property
    def frame_idx(self) -> int:
        """0-based index in the video."""
        index: int = self._source.frame_idx(self._row)
        return index

    @frame_idx.setter
    def frame_idx(self, frame_idx: int) -> None:
        source = self._source
        if isinstance(source, Rows):
            editing.set_frame_idx(*source.open_frame(self._row), frame_idx)
        else:
            source.set_frame_idx(frame_idx)

    @property
    def image(self) -> Image:
        """The picture, read from the video: uint8 ``(height, width, channels)``.

        Raises:
            MissingVideoError: The video's file is not there.
            MissingFrameError: The video has no such frame.
            FileFormatError: It is not a video, or is damaged.
        """
        return self.video.get_frame(self.frame_idx)

    @property
    def is_negative(self) -> bool:
        """Whether a person marked the frame as showing no animal."""
        negative: bool = self._source.is_negative(self._row)
        return negative

    @is_negative.setter
    def is_negative(self, is_negative: bool) -> None:
        source = self._source
        if isinstance(source, Rows):
            editing.set_is_negative(*source.open_frame(self._row), is_negative)
        else:
            source.is_negative_value = bool(is_negative)

    @property
    def instances(self) -> list[Instance]:
        """All instances, in order."""
        source = self._source
        if isinstance(source, FrameValues):
            return source.instances
        return InstanceList.of(*source.located_frame(self._row))

    @instances.setter
    def instances(self, instances: Iterable[Instance]) -> None:
        source = self._source
        if isinstance(source, Rows):
            editing.set_instances(*source.open_frame(self._row), instances)
        else:
            source.instances.become(instances)

    def copy(self) -> LabeledFrame:
        """Return a detached copy; links between its own instances are kept."""
        return LabeledFrame(
            self.video, self.frame_idx, self.instances, is_negative=self.is_negative
        )

    def __copy__(self) -> LabeledFrame:
        """Copy as `copy` does."""
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle a view as a detached frame, not with all that it is a view of."""
        source = self._source
        if isinstance(source, FrameValues):
            return super().__reduce_ex__(protocol)
        return _itself, (_portable_frame(*source.located_frame(self._row)),)

    def __len__(self) -> int:
        """Return the number of instances."""
        source = self._source
        if isinstance(source, FrameValues):
            return len(source.instances)
        source, row = source.located_frame(self._row)
        return len(source.instances_of(row))

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
        """Return the place of an instance: of itself, or of the first that is equal."""
        mine = self.instances
        itself = [place for place, one in enumerate(mine) if one is instance]
        return itself[0] if itself else mine.index(instance)

    def __eq__(self, other: object) -> bool:
        """Compare rows within one project, contents otherwise."""
        if self is other:
            return True
        if not isinstance(other, LabeledFrame):
            return NotImplemented
        mine, theirs = self._source, other._source
        if isinstance(mine, Rows) and isinstance(theirs, Rows) and mine.shares_rows(theirs):
            return mine.frame_id(self._row) == theirs.frame_id(other._row)
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
    cls = PredictedInstance if rows.is_predicted(row) else Instance
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


def _portable_frame(rows: Rows, row: int) -> LabeledFrame:
    """Return a detached copy of a frame for a pickle: the same one all through a pickle.

    A prediction of another frame that is referred to goes along alone, as links could
    lead from frame to frame through the whole project.
    """
    values = rows.portable.get(row)
    if values is None:
        made = frame_view(rows, row).copy()
        values = made._source
        for instance in values.instances:
            origin = instance.from_predicted
            if origin is not None and origin.is_attached:
                instance.from_predicted = origin.copy()
                instance.from_predicted.from_predicted = None
        rows.portable[row] = values
    frame: LabeledFrame = values.frame
    return frame


def _itself(value: Any) -> Any:
    """Return what a view was pickled as."""
    return value
