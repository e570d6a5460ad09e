"""Frames of `Labels` by video and index, by position, and by what is asked in brackets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, SupportsIndex

import numpy as np
import polars as pl

from tabular_labels.labels_core import LabelsCore, VideoLike
from tabular_labels.model.arguments import as_index
from tabular_labels.model.buffers import key_values
from tabular_labels.model.offsets import rows_of_ids
from tabular_labels.model.skeleton import Node, Skeleton
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.queries.find import (
    rotated,
)
from tabular_labels.sequences import FrameSequence
from tabular_labels.views import Instance, LabeledFrame, frame_view

__all__ = ["LabelsFind"]

# Frames asked one by one of a project on disk are read one by one this often; after
# that, reading all frames and instances once is cheaper than going on so.
SINGLE_READS = 32


class LabelsFind(LabelsCore):
    """Find frames, as the classic library names it; `labels[...]`, and `in`."""

    _single_reads: int = 0

    def find(
        self,
        video: VideoLike,
        frame_idx: SupportsIndex | Iterable[int] | None = None,
        return_new: bool = False,
    ) -> Sequence[LabeledFrame]:
        """Return the frames of a video, at one index, or at several.

        Args:
            video: A `Video`, its place in `videos`, or its filename.
            frame_idx: One index, several, or None for every frame in list order.
            return_new: For an index without a frame, give a new, empty, detached
                frame in its place.

        Raises:
            AmbiguousVideoError: Several videos are meant by ``video``.
            UnknownVideoError: With ``return_new``: a filename or place that is of no video.

        Returns:
            Frames: for one index all frames there in list order; for several, in the
            order of the indices, missing ones skipped, repeated ones repeated. Empty
            for an unknown video.

        Examples:
            >>> import tabular_labels as tl
            >>> labels = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), 3)])
            >>> len(labels.find("a.mp4", 3)), len(labels.find("a.mp4", 4))
            (1, 0)

        Source:
            ``Labels.find``; where an index has several frames it gave the last only.
        """
        key = self._video_keys.get(video)
        if key is None:
            key = self._video_key(video)
        index = frame_idx if type(frame_idx) is int else as_index(frame_idx)
        if index is not None:
            found = [] if key is None else self._find_one(key, index)
            return found or self._new_frames(video, key, [index], wanted=return_new)
        if frame_idx is None:
            return self._frames_of(key)
        indices: Iterable[int] = frame_idx  # type: ignore[assignment]  # no single index
        return self._find_several(video, key, indices, return_new=return_new)

    def _find_one(self, key: int, frame_idx: int) -> list[LabeledFrame]:
        store = self._store_made
        if store is None:
            found = self._find_unread(key, frame_idx)
            if found is not None:
                return found
            store = self._store
        return [frame_view(store, handle) for handle in store.find(key, frame_idx)]

    def _frames_of(self, key: int | None) -> FrameSequence:
        """Views of the frames of one video, in list order."""
        store = self._store
        if key is None:
            return FrameSequence(store, range(0))
        if store.has_other_frames:
            return self._frame_views(store.snapshot.video_rows(key))
        return FrameSequence(store, store.frame_handles.of(store.base.video_rows(key)))

    def _find_unread(self, key: int, frame_idx: int) -> list[LabeledFrame] | None:
        """Read one place of a project on disk without reading the rest."""
        if self._opened.has_structure or self._single_reads >= SINGLE_READS:
            return None
        self._single_reads += 1
        tables = self._opened.source.find_frame(key, frame_idx)
        if tables is None or _refers_elsewhere(tables.instances):
            return None
        glimpse = self._glimpse(tables)
        return [frame_view(glimpse, row) for row in range(tables.frames.height)]

    def _find_several(
        self, video: VideoLike, key: int | None, indices: Iterable[int], *, return_new: bool
    ) -> Sequence[LabeledFrame]:
        if key is None:
            return self._new_frames(video, key, list(indices), wanted=return_new)
        store = self._store
        if not return_new:
            handles = [handle for index in indices for handle in store.find(key, int(index))]
            return FrameSequence(store, np.array(handles, np.int64))
        out: list[LabeledFrame] = []
        for index in indices:
            there = [frame_view(store, handle) for handle in store.find(key, int(index))]
            out += there or self._new_frames(video, key, [index], wanted=True)
        return out

    def _new_frames(
        self, video: VideoLike, key: int | None, indices: Sequence[int], *, wanted: bool
    ) -> list[LabeledFrame]:
        if not wanted:
            return []
        owner = self._objects.video_by_id[key] if key is not None else video
        if not isinstance(owner, Video):
            owner = self._objects.video_by_id[self._require_video(video)]
        return [LabeledFrame(owner, int(index)) for index in indices]

    def find_first(
        self, video: VideoLike, frame_idx: int | None = None, use_cache: bool = False
    ) -> LabeledFrame | None:
        """Return the first frame of a video (at an index) in list order, or None."""
        del use_cache  # there is nothing but the index
        found = self.find(video, frame_idx)
        return found[0] if len(found) else None

    def find_last(self, video: VideoLike, frame_idx: int | None = None) -> LabeledFrame | None:
        """Return the last frame of a video (at an index) in list order, or None."""
        found = self.find(video, frame_idx)
        return found[-1] if len(found) else None

    def has_frame(
        self,
        lf: LabeledFrame | None = None,
        video: VideoLike | None = None,
        frame_idx: int | None = None,
        use_cache: bool = True,
    ) -> bool:
        """Tell whether there is a frame at a place.

        Args:
            lf: A frame whose place is meant, or
            video: a video, and
            frame_idx: an index in it.
            use_cache: Kept for compatibility.

        Raises:
            ValueError: Neither a frame nor a place was given.
        """
        del use_cache
        if lf is not None:
            video, frame_idx = lf.video, lf.frame_idx
        if video is None or frame_idx is None:
            message = "found no place, expected a frame, or a video and a frame_idx. Pass them."
            raise ValueError(message)
        return bool(self.find(video, frame_idx))

    def frames(
        self, video: VideoLike, from_frame_idx: int = -1, reverse: bool = False
    ) -> Iterator[LabeledFrame]:
        """Iterate over every frame of a video once, by index, starting anywhere.

        Args:
            video: The video; an unknown one yields nothing.
            from_frame_idx: Begin at the smallest index above this (when reversed: the
                largest below), and wrap around.
            reverse: Go through the indices in descending order.

        Yields:
            Frames.
        """
        key = self._video_key(video)
        snapshot = self._snapshot
        start, stop = snapshot.frames.rows_of_video.get(-1 if key is None else key, (0, 0))
        index = snapshot.structure.frames["frame_idx"].to_numpy()[start:stop]
        order = rotated(index, from_frame_idx, reverse=reverse)
        return iter(self._frame_views(start + order))

    def get(
        self,
        key: Any,
        *secondary_key: Any,
        use_cache: bool = False,
        raise_errors: bool = False,
    ) -> Any:
        """Return what ``labels[key]`` returns, and None for what is not there.

        Raises:
            KeyError: With ``raise_errors``, for what is not there.
        """
        del use_cache
        full = (key, *secondary_key) if secondary_key else key
        try:
            found = self[full]
        except (IndexError, KeyError):
            found = None
        is_missing = found is None or (isinstance(found, Sequence) and not len(found))
        if raise_errors and is_missing:
            raise KeyError(full)
        return found

    def __getitem__(self, key: Any) -> Any:
        """Return frames by position, by video, or by place.

        Args:
            key: An int, slice, list, array or range of positions; a video (its frames);
                ``(video, frame_idx)`` (the first frame there, or None);
                ``(video, indices)`` (the frames there).

        Raises:
            IndexError: A position is outside the list.
            KeyError: The key is of no such kind.
        """
        place = as_index(key)
        if place is not None:
            return self._frame_at(place)
        if isinstance(key, slice):
            return FrameSequence(self._store, self._store.list_order.handles()[key])
        if isinstance(key, list | range | np.ndarray):
            return self._frames_at(key)
        if isinstance(key, Video):
            return self.find(key)
        if isinstance(key, tuple) and len(key) == 2:
            is_one = as_index(key[1]) is not None
            return self.find_first(*key) if is_one else self.find(*key)
        raise KeyError(key)

    def __contains__(self, thing: object) -> bool:
        """Tell whether a frame, video, skeleton, node, track or place is in the labels."""
        if isinstance(thing, LabeledFrame):
            return thing in list(self.find(thing.video, thing.frame_idx))
        if isinstance(thing, Instance):
            if thing.video is None or thing.frame_idx is None:
                return False
            return any(thing in f.instances for f in self.find(thing.video, thing.frame_idx))
        for kind, things in (
            (Video, self.videos),
            (Skeleton, self.skeletons),
            (Node, self.nodes),
            (Track, self.tracks),
        ):
            if isinstance(thing, kind):
                return any(thing is mine for mine in things)
        if isinstance(thing, tuple) and len(thing) == 2:
            return self.has_frame(video=thing[0], frame_idx=thing[1])
        return False


def _refers_elsewhere(instances: pl.DataFrame) -> bool:
    """Tell whether a prediction that an instance was made from is in none of these rows."""
    origins = key_values(instances["from_predicted"])
    found = rows_of_ids(instances["instance_id"].to_numpy(), origins)
    return bool(((origins >= 0) & (found < 0)).any())
