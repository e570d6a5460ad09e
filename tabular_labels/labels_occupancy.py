"""Where the tracks of `Labels` are, as the classic library asks it."""

from __future__ import annotations

from typing import Any

from tabular_labels.labels_core import LabelsCore, VideoLike
from tabular_labels.model.arguments import as_index
from tabular_labels.model.ranges import RangeList
from tabular_labels.model.track import Track
from tabular_labels.occupied import ranges_of_video
from tabular_labels.queries.find import find_track_instances
from tabular_labels.views import Instance

__all__ = ["LabelsOccupancy"]


class LabelsOccupancy(LabelsCore):
    """Occupancy of tracks; `Labels.occupancy` gives it as a table."""

    def get_track_occupancy(self, video: VideoLike) -> dict[Track | None, RangeList]:
        """Return where each track is present in a video.

        Args:
            video: The video; an unknown one has no tracks.

        Returns:
            Half-open ranges of frame indices by track, the key None for untracked
            instances, tracks without instances left out; keys in order of first
            appearance by frame index.

        Examples:
            >>> import tabular_labels as tl
            >>> fly, track = tl.Skeleton(["head"]), tl.Track("a")
            >>> video = tl.Video("a.mp4")
            >>> labels = tl.Labels(
            ...     [tl.LabeledFrame(video, k, [tl.Instance(fly, track=track)]) for k in (2, 3)]
            ... )
            >>> labels.get_track_occupancy(video)[track]
            RangeList([(2, 4)])

        Source:
            ``Labels.get_track_occupancy``.
        """
        key = self._video_key(video)
        return {} if key is None else dict(self._occupancy_of(key))

    def _occupancy_of(self, key: int) -> dict[Track | None, RangeList]:
        tracks = self._objects.track_by_id
        return {
            None if key < 0 else tracks[key]: ranges
            for key, ranges in ranges_of_video(self._opened, self._store_made, key).items()
        }

    def get_track_count(self, video: VideoLike) -> int:
        """Return the number of tracks with instances in a video."""
        return sum(track is not None for track in self.get_track_occupancy(video))

    def find_track_occupancy(
        self,
        video: VideoLike,
        track: Track | int | None,
        frame_range: Any = None,
    ) -> list[Instance]:
        """Return the instances of a track in a video, in frame list order.

        Args:
            video: The video.
            track: A track; or an int ``k``, a pseudo-track: untracked instances at
                place ``k`` of their frame. None has no instances.
            frame_range: ``(start, stop)``, half-open, or any container of frame
                indices; None for all.

        Returns:
            Instances; empty for an unknown video or track.

        Raises:
            TypeError: ``track`` is neither a track, an int nor None.
        """
        pseudo = as_index(track)
        if pseudo is None and track is not None and not isinstance(track, Track):
            message = f"found track {track!r}, expected a Track or an int. Use one of `tracks`."
            raise TypeError(message)
        key = self._video_key(video)
        wanted = self._track_key(track) if isinstance(track, Track) else None
        if key is None or (wanted is None and pseudo is None):
            return []
        rows = find_track_instances(
            self._snapshot.structure, key, wanted, pseudo_track=pseudo, frame_range=frame_range
        )
        return list(self._instance_views(rows))
