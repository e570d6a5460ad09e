"""What an instance holds, and how it compares, copies and pickles."""

from __future__ import annotations

from typing import Any, Self

import numpy as np

from tabular_labels import editing
from tabular_labels.instance_points import InstancePoints
from tabular_labels.matching import points_match, scores_match, tracks_match
from tabular_labels.model.arguments import require_type
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.portable import itself, portable_frame
from tabular_labels.store.rows import Rows
from tabular_labels.values import InstanceValues, as_score

__all__ = ["InstanceContent"]


class InstanceContent(InstancePoints):
    """What an instance holds; `Instance` adds how it is made and what it is linked to."""

    __slots__ = ()

    @property
    def frame(self) -> Any:
        """The frame it is in, None for a detached instance in no frame."""
        raise NotImplementedError

    @property
    def from_predicted(self) -> Any:
        """The prediction this was made from, None if there is none."""
        raise NotImplementedError

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

    def matches(self, other: InstanceContent) -> bool:
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

    def copy(self) -> Self:
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

    def __eq__(self, other: object) -> bool:
        """Compare rows within one project, contents otherwise."""
        if self is other:
            return True
        if not isinstance(other, InstanceContent):
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

    def __copy__(self) -> Self:
        """Copy as `copy` does."""
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle a view as a detached instance of a detached frame."""
        if isinstance(self._source, InstanceValues):
            return super().__reduce_ex__(protocol)
        frame = self.frame
        _, row = self._source.located_instance(self._row)
        place = list(frame._source.instances_of(frame._row)).index(row)
        return itself, (portable_frame(frame).instances[place],)

    def __repr__(self) -> str:
        """Say where it is and how much of it is labelled."""
        place = "" if self.frame_idx is None else f"frame_idx={self.frame_idx}, "
        track = None if self.track is None else self.track.name
        score = "" if self.score is None else f", score={self.score:.2f}"
        return (
            f"{type(self).__name__}({place}track={track!r}, "
            f"points={len(self)}/{len(self.skeleton)}{score})"
        )
