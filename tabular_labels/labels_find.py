"""The classic read-only queries of `Labels`."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, SupportsIndex

import numpy as np
import polars as pl

from tabular_labels._types import FloatArray, IntArray
from tabular_labels.errors import UntrackedInstancesWarning
from tabular_labels.labels_core import LabelsCore, VideoLike
from tabular_labels.model.arguments import as_index
from tabular_labels.model.buffers import key_values
from tabular_labels.model.offsets import rows_of_ids
from tabular_labels.model.ranges import RangeList
from tabular_labels.model.skeleton import Node, Skeleton
from tabular_labels.model.suggestion import SuggestionFrame
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.occupied import ranges_of_video
from tabular_labels.queries.dense import DenseLayout, dense_layout, scatter
from tabular_labels.queries.find import (
    filtered_frame_rows,
    find_track_instances,
    rotated,
    user_frame_rows,
)
from tabular_labels.queries.suggestions import next_suggestion
from tabular_labels.sequences import FrameSequence, InstanceSequence
from tabular_labels.views import Instance, LabeledFrame, PredictedInstance, frame_view

__all__ = ["LabelsFind"]

# Frames asked one by one of a project on disk are read one by one this often; after
# that, reading all frames and instances once is cheaper than going on so.
SINGLE_READS = 32


class LabelsFind(LabelsCore):
    """Find, frames, instances, occupancy and suggestions, as the classic library names them."""

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

    def get_video_suggestions(self, video: VideoLike | None = None) -> list[Any]:
        """Return suggested frame indices of a video, or all suggestions.

        Args:
            video: The video; None for every suggestion.

        Returns:
            Frame indices in list order; `SuggestionFrame` objects without a video.
        """
        if video is None:
            return list(self.suggestions)
        key = self._video_key(video)
        table = self._catalog.suggestions
        return [] if key is None else table.filter(video_id=key)["frame_idx"].to_list()

    def get_next_suggestion(
        self, video: VideoLike, frame_idx: int, seek_direction: int = 1
    ) -> SuggestionFrame | None:
        """Return the next suggestion, seen from a frame.

        Args:
            video: Where we are.
            frame_idx: Where we are.
            seek_direction: 1 for the next, -1 for the previous.

        Returns:
            The neighbour in list order if we stand on a suggestion, else the nearest
            in the video, else the first of the videos after it (last of those
            before), wrapping around; None if there is none or the video is unknown.

        Raises:
            ValueError: ``seek_direction`` is neither 1 nor -1.
        """
        if seek_direction not in (-1, 1):
            message = f"found seek_direction {seek_direction}, expected 1 or -1. Use one of them."
            raise ValueError(message)
        key = self._video_key(video)
        if key is None:
            return None
        place = next_suggestion(
            self._catalog.suggestions,
            list(self._objects.video_by_id),
            key,
            frame_idx,
            seek_direction,
        )
        return None if place is None else self.suggestions[place]

    def numpy(
        self,
        video: VideoLike | None = None,
        all_frames: bool = True,
        untracked: bool = False,
        return_confidence: bool = False,
    ) -> FloatArray:
        """Return the points of one video as a dense array.

        User instances win over predicted ones on the same frame; invisible points
        count as missing. No video is opened.

        Args:
            video: The video; None for the first.
            all_frames: Begin at frame 0 and run to the stored length of the video, or
                to the last labelled frame when the length is unknown; otherwise from
                the first to the last labelled frame.
            untracked: One column per place in the frame instead of per track. Without
                it, columns follow `tracks` (unless no frame has more than one instance).
            return_confidence: Add point scores as a third value; NaN for user instances.

        Returns:
            float32, shape ``(n_frames, n_tracks, n_nodes, 2)`` (or 3), pixels, NaN =
            missing; shape ``(0, ...)`` for a video without frames.

        Raises:
            UnknownVideoError: The video is not of these labels, or there is none.

        Warns:
            UntrackedInstancesWarning: Untracked instances have no column.
        """
        layout = self._dense_layout(video, all_frames=all_frames, untracked=untracked)
        return self._dense(layout, scores=return_confidence)

    def _dense_layout(
        self, video: VideoLike | None, *, all_frames: bool, untracked: bool
    ) -> DenseLayout:
        key = self._require_video(0 if video is None else video)
        layout = dense_layout(
            self._snapshot.structure,
            self._snapshot.catalog,
            key,
            all_frames=all_frames,
            untracked=untracked,
            n_video_frames=self._objects.video_by_id[key].n_frames,
        )
        if layout.n_left_out:
            message = (
                f"{layout.n_left_out} untracked instances have no column in an array with a "
                "column per track. Pass untracked=True to numpy() for a column per place."
            )
            warnings.warn(message, UntrackedInstancesWarning, stacklevel=3)
        return layout

    def _dense(self, layout: DenseLayout, *, scores: bool) -> FloatArray:
        columns = ["x", "y", "visible", *(["score"] if scores else [])]
        found = layout.instance_rows
        rows: slice | IntArray = found
        # Rows ascend, so that their ends tell whether they are one run.
        if len(found) and int(found[-1]) - int(found[0]) == len(found) - 1:
            rows = slice(int(found[0]), int(found[-1]) + 1)
        return scatter(layout, self._snapshot.read_points(columns, rows))

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
