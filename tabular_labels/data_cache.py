"""`LabelsDataCache`: the classic queries; nothing is cached by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, SupportsIndex

from tabular_labels.labels_core import VideoLike
from tabular_labels.model.arguments import as_index
from tabular_labels.model.ranges import RangeList
from tabular_labels.model.track import Track
from tabular_labels.queries.find import rotated

if TYPE_CHECKING:
    from tabular_labels.labels import Labels
    from tabular_labels.views import Instance, LabeledFrame

__all__ = ["LabelsDataCache"]


class LabelsDataCache:
    """The classic cache's questions, asked of the labels themselves.

    Args:
        labels: The labels to ask.

    Examples:
        >>> import tabular_labels as tl
        >>> cache = tl.LabelsDataCache(tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), 3)]))
        >>> cache.get_frame_count("a.mp4")
        1

    Source:
        ``sleap.io.dataset.LabelsDataCache``.
    """

    def __init__(self, labels: Labels) -> None:
        self.labels = labels

    def update(self, new_frame: LabeledFrame | None = None) -> None:
        """Do nothing: answers always come from the labels."""

    def add_track(self, video: VideoLike, track: Track) -> None:
        """Do nothing, for compatibility: `Labels.add_track` is seen at once."""

    def add_instance(self, frame: LabeledFrame, instance: Instance) -> None:
        """Do nothing, for compatibility: `Labels.add_instance` is seen at once."""

    def remove_instance(self, frame: LabeledFrame, instance: Instance) -> None:
        """Do nothing, for compatibility: `Labels.remove_instance` is seen at once."""

    def track_swap(
        self,
        video: VideoLike,
        new_track: Track | None,
        old_track: Track | int | None,
        frame_range: tuple[int, int],
    ) -> None:
        """Do nothing, for compatibility: `Labels.track_swap` is seen at once."""

    def find_frames(
        self, video: VideoLike, frame_idx: SupportsIndex | Iterable[int] | None = None
    ) -> Sequence[LabeledFrame] | None:
        """Return frames as `Labels.find`, but None for an unknown video or a missing index."""
        if self.labels._video_key(video) is None:
            return None
        found = self.labels.find(video, frame_idx)
        is_one = frame_idx is not None and as_index(frame_idx) is not None
        return None if is_one and not found else found

    def find_fancy_frame_idxs(
        self, video: VideoLike, from_frame_idx: int, reverse: bool
    ) -> list[int] | None:
        """Return frame indices in the order of `Labels.frames`; None for an unknown video."""
        key = self.labels._video_key(video)
        if key is None:
            return None
        snapshot = self.labels._snapshot
        start, stop = snapshot.frames.rows_of_video.get(key, (0, 0))
        index = snapshot.structure.frames["frame_idx"].to_numpy()[start:stop]
        order = rotated(index, from_frame_idx, reverse=reverse)
        return [int(i) for i in index[order]]

    def get_filtered_frame_idxs(
        self, video: VideoLike | None = None, filter: str = ""
    ) -> list[tuple[int, int]]:
        """Return the places of frames as a sorted list of ``(video_idx, frame_idx)``.

        Args:
            video: Only frames of this video; None for all.
            filter: ``""`` for all frames, ``"user"`` or ``"predicted"`` for those with
                such an instance.

        Raises:
            UnknownVideoError: The video is not of these labels.
            ValueError: Unknown filter.
        """
        labels = self.labels
        rows = labels._filtered_rows(video, filter)
        frames = labels._snapshot.structure.frames
        keys, index = (frames[name].to_numpy()[rows] for name in ("video_id", "frame_idx"))
        place = {key: k for k, key in enumerate(labels._objects.video_by_id)}
        pairs = zip(keys.tolist(), index.tolist(), strict=True)
        return sorted({(place[key], frame_idx) for key, frame_idx in pairs})

    def get_frame_count(self, video: VideoLike | None = None, filter: str = "") -> int:
        """Return the number of places `get_filtered_frame_idxs` lists."""
        return len(self.get_filtered_frame_idxs(video, filter))

    def get_track_occupancy(self, video: VideoLike, track: Track | None) -> RangeList:
        """Return where a track is present in a video; empty if nowhere.

        Raises:
            UnknownVideoError: The video is not of these labels.
        """
        labels = self.labels
        key = labels._require_video(video)
        if track is not None:
            known = labels._track_key(track)
            if known is None:
                return RangeList()
            track = labels._objects.track_by_id[known]
        return labels._occupancy_of(key).get(track, RangeList())

    def get_video_track_occupancy(self, video: VideoLike) -> dict[Track | None, RangeList]:
        """Return where each track is present in a video, see `Labels.get_track_occupancy`."""
        return self.labels.get_track_occupancy(video)
