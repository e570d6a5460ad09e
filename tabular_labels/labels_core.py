"""The ground of `Labels`: a snapshot, its objects, and the sequence of frames."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.errors import UnknownTrackError, UnknownVideoError
from tabular_labels.model.objects import Objects
from tabular_labels.model.skeleton import Node, Skeleton
from tabular_labels.model.suggestion import SuggestionFrame
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.rows import Rows
from tabular_labels.sequences import FrameSequence
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.views import LabeledFrame

__all__ = ["LabelsCore", "VideoLike"]

VideoLike: TypeAlias = Video | int | str
T = TypeVar("T")


class LabelsCore:
    """A snapshot and the objects of its catalog."""

    _snapshot: Snapshot
    _objects: Objects
    _rows_made: Rows | None
    _video_keys_made: dict[object, int] | None

    def _attach(self, snapshot: Snapshot, objects: Objects | None = None) -> None:
        self._snapshot = snapshot
        self._objects = Objects.of(snapshot.catalog) if objects is None else objects
        self._rows_made = None
        self._video_keys_made = None

    @property
    def _rows(self) -> Rows:
        rows = self._rows_made
        if rows is None:
            rows = self._rows_made = Rows(self._snapshot, self._objects)
        return rows

    @property
    def _video_keys(self) -> dict[object, int]:
        """Keys by what a caller may give: a video, its place, its filename."""
        if self._video_keys_made is None:
            by_id = self._objects.video_by_id
            names: dict[object, int] = {}
            for key, video in by_id.items():
                names[video.filename] = -1 if video.filename in names else key
            places: dict[object, int] = dict(enumerate(by_id))
            unique = {name: key for name, key in names.items() if key >= 0}
            self._video_keys_made = places | unique | dict(self._objects.video_ids.items())
        return self._video_keys_made

    def _video_key(self, video: VideoLike) -> int | None:
        """Return a video's key, or None for one that is not of these labels.

        A video of other labels, or a free one, stands for the only one it matches.
        """
        key = self._video_keys.get(video)
        if key is None and isinstance(video, Video):
            same = [k for k, mine in self._objects.video_by_id.items() if mine.matches(video)]
            key = same[0] if len(same) == 1 else None
        if key is None and isinstance(video, int | np.integer):
            place = int(video)
            videos = list(self._objects.video_by_id)
            key = videos[place] if -len(videos) <= place < len(videos) else None
        return key

    def _require_video(self, video: VideoLike) -> int:
        key = self._video_key(video)
        if key is None:
            raise UnknownVideoError(video, [v.filename for v in self.videos])
        return key

    def _require_track(self, track: Track) -> int:
        key = self._objects.track_ids.get(track)
        if key is None:
            same = [k for k, mine in self._objects.track_by_id.items() if mine.matches(track)]
            if len(same) != 1:
                raise UnknownTrackError(track, self.tracks)
            key = same[0]
        return key

    @property
    def videos(self) -> list[Video]:
        """Videos, in order; some may have no labelled frames."""
        return list(self._objects.videos)

    @property
    def video(self) -> Video:
        """The only video.

        Raises:
            ValueError: There are several videos, or none.
        """
        return _only("video", self._objects.videos)

    @property
    def skeletons(self) -> list[Skeleton]:
        """Skeletons, in order."""
        return list(self._objects.skeletons)

    @property
    def skeleton(self) -> Skeleton:
        """The only skeleton.

        Raises:
            ValueError: There are several skeletons, or none.
        """
        return _only("skeleton", self._objects.skeletons)

    @property
    def nodes(self) -> list[Node]:
        """Nodes of all skeletons, in skeleton order."""
        return list(self._objects.nodes)

    @property
    def tracks(self) -> list[Track]:
        """Tracks, in order; some may have no instances."""
        return list(self._objects.tracks)

    @property
    def suggestions(self) -> list[SuggestionFrame]:
        """Suggested frames, in order."""
        videos = self._objects.video_by_id
        return [
            SuggestionFrame(videos[key], frame_idx, group)
            for key, frame_idx, group in self._snapshot.catalog.suggestions.iter_rows()
        ]

    @property
    def negative_anchors(self) -> dict[Video, list[tuple[int, float, float]]]:
        """``(frame_idx, x, y)`` of points to sample as background, by video."""
        anchors: dict[Video, list[tuple[int, float, float]]] = {}
        for key, *anchor in self._snapshot.catalog.negative_anchors.iter_rows():
            anchors.setdefault(self._objects.video_by_id[key], []).append(tuple(anchor))
        return anchors

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Facts about where the labels come from (JSON-able)."""
        return self._snapshot.catalog.provenance

    @property
    def labeled_frames(self) -> FrameSequence:
        """All frames, in list order; views are made when they are looked at."""
        return FrameSequence(self._rows, self._snapshot.list_order)

    @property
    def labels(self) -> FrameSequence:
        """Alias of `labeled_frames`."""
        return self.labeled_frames

    @property
    def is_scanned(self) -> bool:
        """Whether rows are read from disk when they are needed."""
        return not self._snapshot.in_memory

    def __len__(self) -> int:
        """Return the number of frames."""
        return self._snapshot.counts.frames

    def __bool__(self) -> bool:
        """Be true, also without frames."""
        return True

    def __iter__(self) -> Iterator[LabeledFrame]:
        """Iterate over the frames in list order."""
        return iter(self.labeled_frames)

    def _frames_at(self, places: Sequence[int] | IntArray) -> FrameSequence:
        order = self._snapshot.list_order
        chosen = np.asarray(places)
        if chosen.dtype == bool:
            chosen = np.flatnonzero(chosen)
        chosen = chosen.astype(np.int64)
        bad = chosen[(chosen < -len(self)) | (chosen >= len(self))]
        if len(bad):
            message = (
                f"found position {int(bad[0])}, expected -{len(self)} to {len(self) - 1}. "
                "Ask for positions within the list of frames."
            )
            raise IndexError(message)
        return FrameSequence(self._rows, np.asarray(order)[chosen])


def _only(what: str, things: Sequence[T]) -> T:
    if len(things) != 1:
        message = f"found {len(things)} {what}s, expected one. Use `labels.{what}s`."
        raise ValueError(message)
    return things[0]
