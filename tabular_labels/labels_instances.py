"""Instances of `Labels`, frames by the kind of their instances, and counts of both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.labels_core import VideoLike
from tabular_labels.labels_find import LabelsFind
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.queries.find import filtered_frame_rows, user_frame_rows
from tabular_labels.sequences import FrameSequence, InstanceSequence
from tabular_labels.views import Instance, LabeledFrame, PredictedInstance

__all__ = ["LabelsInstances"]


class LabelsInstances(LabelsFind):
    """Instances in frame order, user-labelled frames, and counts."""

    def instances(
        self, video: VideoLike | None = None, skeleton: Skeleton | None = None
    ) -> Iterator[Instance]:
        """Iterate over instances in frame order, of one video or skeleton if asked.

        Args:
            video: Only instances in this video.
            skeleton: Only instances with this skeleton.

        Yields:
            Instances.
        """
        frames: Sequence[LabeledFrame] = self.labeled_frames
        if video is not None:
            frames = self._frames_of(self._video_key(video))
        wanted = None if skeleton is None else self._own_skeleton(skeleton)
        if skeleton is not None and wanted is None:
            return
        for frame in frames:
            for instance in frame.instances:
                if wanted is None or instance.skeleton is wanted:
                    yield instance

    @property
    def all_instances(self) -> Sequence[Instance]:
        """All instances in frame order."""
        return self._instance_views(self._instance_order())

    @property
    def user_instances(self) -> Sequence[Instance]:
        """All instances a person made, in frame order."""
        return self._instances_of_kind("user")

    @property
    def predicted_instances(self) -> Sequence[PredictedInstance]:
        """All instances a model made, in frame order."""
        return self._instances_of_kind("predicted")  # type: ignore[return-value]  # of that kind

    def _instances_of_kind(self, kind: str) -> InstanceSequence:
        is_kind = (self._snapshot.structure.instances["kind"] == kind).to_numpy()
        order = self._instance_order()
        rows = np.flatnonzero(is_kind) if isinstance(order, range) else order[is_kind[order]]
        return self._instance_views(rows)

    def _instance_order(self) -> range | IntArray:
        order = self._snapshot.list_order
        if isinstance(order, range):
            return range(self._snapshot.counts.instances)
        return self._snapshot.instance_rows(np.asarray(order))

    @property
    def user_labeled_frames(self) -> FrameSequence:
        """Frames with at least one user instance, in list order."""
        rows = user_frame_rows(self._snapshot.structure)
        return self._frame_views(self._in_list_order(rows))

    @property
    def user_labeled_frame_inds(self) -> list[int]:
        """Positions of the frames with at least one user instance."""
        rows = user_frame_rows(self._snapshot.structure)
        return np.flatnonzero(np.isin(np.asarray(self._snapshot.list_order), rows)).tolist()

    def _in_list_order(self, rows: IntArray) -> IntArray:
        position = self._snapshot.structure.frames["position"].to_numpy()[rows]
        return rows[np.argsort(position, kind="stable")]

    def instance_count(self, video: VideoLike, frame_idx: int) -> int:
        """Return the number of instances, user and predicted, at a place; 0 if no frame."""
        return sum(len(frame) for frame in self.find(video, frame_idx))

    def get_labeled_frame_count(self, video: VideoLike | None = None, filter: str = "") -> int:
        """Return the number of places with frames.

        Args:
            video: Only of this video; None for all.
            filter: ``""`` for all frames, ``"user"`` or ``"predicted"`` for those with
                such an instance.

        Raises:
            UnknownVideoError: The video is not of these labels.
            ValueError: Unknown filter.
        """
        rows = self._filtered_rows(video, filter)
        frames = self._snapshot.structure.frames
        keys, index = (frames[name].to_numpy()[rows] for name in ("video_id", "frame_idx"))
        # Rows are sorted by place, so that frames of one place are neighbours.
        return len(rows) - int(((np.diff(keys) == 0) & (np.diff(index) == 0)).sum())

    def _filtered_rows(self, video: VideoLike | None, filter: str) -> IntArray:
        if filter not in ("", "user", "predicted"):
            message = (
                f'found filter {filter!r}, expected "", "user" or "predicted". Use one of them.'
            )
            raise ValueError(message)
        rows = filtered_frame_rows(self._snapshot.structure, filter)
        if video is None:
            return rows
        key = self._require_video(video)
        start, stop = self._snapshot.frames.rows_of_video.get(key, (0, 0))
        return rows[(rows >= start) & (rows < stop)]
