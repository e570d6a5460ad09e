"""Frames and instances: detached values that users build, or views of rows of labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from tabular_labels import editing
from tabular_labels._types import FloatArray
from tabular_labels.frame_content import FrameContent
from tabular_labels.instance_content import InstanceContent
from tabular_labels.instance_list import InstanceList
from tabular_labels.model.arguments import require_type
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.store.rows import Rows
from tabular_labels.values import FrameValues, InstanceValues, Points, as_score

__all__ = ["Instance", "LabeledFrame", "PredictedInstance", "frame_view", "instance_view"]


class Instance(InstanceContent):
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
        >>> instance = Instance(fly, {"head": (1, 2)})
        >>> instance.numpy()
        array([[ 1.,  2.],
               [nan, nan]])
        >>> instance["head"].x
        1.0

    Source:
        ``sleap.instance.Instance``.
    """

    __slots__ = ()

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


class LabeledFrame(FrameContent[Instance, PredictedInstance]):
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

    __slots__ = ()

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
    def instances(self) -> list[Instance]:
        """All instances, in order."""
        source = self._source
        if isinstance(source, FrameValues):
            return source.instances
        rows, row = source.located_frame(self._row)
        return InstanceList.of(rows, row, instance_view)

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
