"""The ground of `Labels`: a snapshot, its objects, and the sequence of frames."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from threading import RLock
from types import MappingProxyType
from typing import Any, TypeAlias, TypeVar, cast

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.errors import AmbiguousVideoError, UnknownVideoError
from tabular_labels.model.arguments import as_index
from tabular_labels.model.objects import Objects
from tabular_labels.model.skeleton import Node, Skeleton
from tabular_labels.model.suggestion import SuggestionFrame
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.rows import Rows
from tabular_labels.sequences import FrameSequence
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.views import LabeledFrame, frame_view

__all__ = ["LabelsCore", "VideoLike"]

VideoLike: TypeAlias = Video | int | str | os.PathLike[str]
T = TypeVar("T")
_ATTACHING = RLock()


class LabelsCore:
    """A snapshot and the objects of its catalog."""

    _snapshot: Snapshot
    _objects: Objects
    _rows_made: Rows | None
    _video_keys_made: dict[object, int] | None

    def _attach(self, snapshot: Snapshot, objects: Objects | None = None) -> None:
        self._snapshot = snapshot
        self._objects = Objects.of(snapshot.catalog) if objects is None else objects
        self._objects.freeze()
        self._rows_made = None
        self._video_keys_made = None

    @property
    def _rows(self) -> Rows:
        rows = self._rows_made
        if rows is None:
            # Under a lock: views of one project must all read through the same rows.
            with _ATTACHING:
                rows = self._rows_made
                if rows is None:
                    rows = self._rows_made = Rows(self._snapshot, self._objects)
        return rows

    @property
    def _video_keys(self) -> dict[object, int]:
        """Keys by what a caller may give: a video, its place, its filename."""
        if self._video_keys_made is None:
            by_id = self._objects.video_by_id
            counts = Counter(video.filename for video in by_id.values())
            unique: dict[object, int] = {
                video.filename: key for key, video in by_id.items() if counts[video.filename] == 1
            }
            places: dict[object, int] = dict(enumerate(by_id))
            self._video_keys_made = places | unique | dict(self._objects.video_ids.items())
        return self._video_keys_made

    def _video_key(self, video: VideoLike) -> int | None:
        """Return a video's key, or None for one that is not of these labels.

        A video of other labels, or a free one, stands for the only one it matches.

        Raises:
            AmbiguousVideoError: It matches several.
        """
        key = self._video_keys.get(video)
        if key is not None:
            return key
        by_id = self._objects.video_by_id
        place = as_index(video)
        if place is not None:
            return list(by_id)[place] if -len(by_id) <= place < len(by_id) else None
        if isinstance(video, Video):
            same = [k for k, mine in by_id.items() if mine.matches(video)]
        else:
            name = os.fspath(cast("str | os.PathLike[str]", video))
            same = [k for k, mine in by_id.items() if mine.filename == name]
        if len(same) > 1:
            raise AmbiguousVideoError(video, len(same))
        return same[0] if same else None

    def _require_video(self, video: VideoLike) -> int:
        key = self._video_key(video)
        if key is None:
            raise UnknownVideoError(video, [v.filename for v in self.videos])
        return key

    def _track_key(self, track: Track) -> int | None:
        """Return a track's key; a track of other labels stands for the only one it matches."""
        key = self._objects.track_ids.get(track)
        if key is not None:
            return key
        same = [k for k, mine in self._objects.track_by_id.items() if mine.matches(track)]
        return same[0] if len(same) == 1 else None

    def _own_skeleton(self, skeleton: Skeleton) -> Skeleton | None:
        """Return our skeleton: the given one, or the only one it matches."""
        if skeleton in self._objects.skeleton_ids:
            return skeleton
        same = [mine for mine in self._objects.skeletons if mine.matches(skeleton)]
        return same[0] if len(same) == 1 else None

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
        """Facts about where the labels come from (JSON-able); read-only."""
        return MappingProxyType(dict(self._snapshot.catalog.provenance))

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
        chosen = np.asarray(places)
        if chosen.ndim == 1 and chosen.dtype == bool and len(chosen) == len(self):
            chosen = np.flatnonzero(chosen)
        if not chosen.size:
            chosen = np.empty(0, np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iu":
            message = (
                f"found positions of shape {chosen.shape} and dtype {chosen.dtype}, expected one "
                f"dimension of integers, or a mask of {len(self)}. Pass a list of positions."
            )
            raise IndexError(message)
        chosen = chosen.astype(np.int64)
        bad = chosen[(chosen < -len(self)) | (chosen >= len(self))]
        if len(bad):
            raise IndexError(self._outside(int(bad[0])))
        order = self._snapshot.list_order
        rows = chosen % len(self) if isinstance(order, range) else np.asarray(order)[chosen]
        return FrameSequence(self._rows, rows)

    def _frame_at(self, place: int) -> LabeledFrame:
        if not -len(self) <= place < len(self):
            raise IndexError(self._outside(place))
        return frame_view(self._rows, int(self._snapshot.list_order[place]))

    def _outside(self, place: int) -> str:
        return (
            f"found position {place}, expected -{len(self)} to {len(self) - 1}. "
            "Ask for positions within the list of frames."
        )


def _only(what: str, things: Sequence[T]) -> T:
    if len(things) != 1:
        message = f"found {len(things)} {what}s, expected one. Use `labels.{what}s`."
        raise ValueError(message)
    return things[0]
