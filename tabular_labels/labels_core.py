"""The ground of `Labels`: a snapshot, its objects, and the sequence of frames."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from threading import RLock
from types import MappingProxyType
from typing import Any, Self, TypeAlias, TypeVar, cast
from weakref import ref as weakref

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.errors import AmbiguousVideoError, UnknownVideoError
from tabular_labels.model.arguments import as_index
from tabular_labels.model.objects import Objects
from tabular_labels.model.skeleton import Node, Skeleton
from tabular_labels.model.source import MemorySource
from tabular_labels.model.suggestion import SuggestionFrame
from tabular_labels.model.tables import Catalog, LabelTables
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.sequences import FrameSequence, InstanceSequence
from tabular_labels.store.glimpse import Glimpse
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.store.store import Store
from tabular_labels.views import LabeledFrame, frame_view

__all__ = ["LabelsCore", "VideoLike"]

VideoLike: TypeAlias = Video | int | str | os.PathLike[str]
T = TypeVar("T")
_ATTACHING = RLock()


class LabelsCore:
    """Rows, the objects of their catalog, and the store through which both change."""

    _opened: Snapshot
    """What the labels were made with."""
    _opened_objects: Objects
    _store_made: Store | None
    _video_keys_made: tuple[Objects | None, dict[object, int]]

    def _attach(self, snapshot: Snapshot, objects: Objects | None = None) -> None:
        self._opened = snapshot
        self._opened_objects = Objects.of(snapshot.catalog) if objects is None else objects
        self._opened_objects.freeze()
        self._store_made = None
        self._video_keys_made = None, {}
        self._glimpses: list[weakref[Glimpse]] = []

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot, objects: Objects | None = None) -> Self:
        """Wrap a snapshot; ``objects`` are those of its catalog, if they exist already."""
        labels = cls.__new__(cls)
        labels._attach(snapshot, objects)
        return labels

    def _with_snapshot(self, snapshot: Snapshot) -> Self:
        """Wrap another snapshot with the same catalog."""
        return type(self).from_snapshot(snapshot, self._lent_objects)

    @property
    def _store(self) -> Store:
        store = self._store_made
        if store is None:
            # Under a lock: views of one project must all read through the same rows.
            with _ATTACHING:
                store = self._store_made
                if store is None:
                    store = Store(self._opened, self._opened_objects)
                    self._use_store(store)
        return store

    def _use_store(self, store: Store) -> None:
        self._store_made = store
        self._opened = self._opened.unread()  # the store holds what was read
        for reference in self._glimpses:
            glimpse = reference()
            if glimpse is not None:
                glimpse.continue_in(store)
        self._glimpses = []

    @property
    def _snapshot(self) -> Snapshot:
        """The rows of now."""
        store = self._store_made
        return self._opened if store is None else store.snapshot

    @property
    def _catalog(self) -> Catalog:
        """The small tables of now."""
        store = self._store_made
        return self._opened.catalog if store is None else store.catalog

    @property
    def _objects(self) -> Objects:
        """The objects of now."""
        store = self._store_made
        return self._opened_objects if store is None else store.objects

    @property
    def _lent_objects(self) -> Objects:
        """The objects of now, for other labels to use too."""
        store = self._store_made
        return self._opened_objects if store is None else store.lent_objects()

    def _frame_views(self, rows: Any) -> FrameSequence:
        """Views of frame rows of the snapshot."""
        store = self._store
        return FrameSequence(store, store.folded.frames.of(rows))

    def _instance_views(self, rows: Any) -> InstanceSequence:
        """Views of instance rows of the snapshot."""
        store = self._store
        return InstanceSequence(store, store.folded.instances.of(rows))

    def _glimpse(self, tables: LabelTables) -> Glimpse:
        """Look at one place before the rest is read; edits lead to the rest."""
        snapshot = Snapshot(MemorySource(tables), self._opened.lineage)
        glimpse = Glimpse(snapshot, self._opened_objects, lambda: self._store)
        self._glimpses = [known for known in self._glimpses if known() is not None]
        self._glimpses.append(weakref(glimpse))
        return glimpse

    @property
    def _video_keys(self) -> dict[object, int]:
        """Keys by what a caller may give: a video, its place, its filename."""
        objects = self._objects
        if self._video_keys_made[0] is not objects:
            by_id = objects.video_by_id
            counts = Counter(video.filename for video in by_id.values())
            unique: dict[object, int] = {
                video.filename: key for key, video in by_id.items() if counts[video.filename] == 1
            }
            places: dict[object, int] = dict(enumerate(by_id))
            replaced = {old: key for old, key in objects.aliases.items() if key in by_id}
            known = places | unique | replaced | dict(objects.video_ids.items())
            self._video_keys_made = objects, known
        return self._video_keys_made[1]

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
        objects = self._objects
        key = objects.key_of_track(track)
        if key is not None:
            return key
        same = [k for k, mine in objects.track_by_id.items() if mine.matches(track)]
        return same[0] if len(same) == 1 else None

    def _own_skeleton(self, skeleton: Skeleton) -> Skeleton | None:
        """Return our skeleton: the given one, or the only one it matches."""
        objects = self._objects
        key = objects.key_of_skeleton(skeleton)
        if key is not None:
            return objects.skeleton_by_id[key]
        same = [mine for mine in objects.skeletons if mine.matches(skeleton)]
        return same[0] if len(same) == 1 else None

    @property
    def videos(self) -> Sequence[Video]:
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
    def skeletons(self) -> Sequence[Skeleton]:
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
    def tracks(self) -> Sequence[Track]:
        """Tracks, in order; some may have no instances."""
        return list(self._objects.tracks)

    @property
    def suggestions(self) -> Sequence[SuggestionFrame]:
        """Suggested frames, in order."""
        videos = self._objects.video_by_id
        return [
            SuggestionFrame(videos[key], frame_idx, group)
            for key, frame_idx, group in self._catalog.suggestions.iter_rows()
        ]

    @property
    def negative_anchors(self) -> Mapping[Video, Sequence[tuple[int, float, float]]]:
        """``(frame_idx, x, y)`` of points to sample as background, by video."""
        anchors: dict[Video, list[tuple[int, float, float]]] = {}
        for key, *anchor in self._catalog.negative_anchors.iter_rows():
            anchors.setdefault(self._objects.video_by_id[key], []).append(tuple(anchor))
        return anchors

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Facts about where the labels come from (JSON-able); read-only."""
        return MappingProxyType(dict(self._catalog.provenance))

    @property
    def labeled_frames(self) -> FrameSequence:
        """All frames, in list order; views are made when they are looked at."""
        return FrameSequence(self._store, self._store.list_order.handles())

    @property
    def is_scanned(self) -> bool:
        """Whether rows are read from disk when they are needed."""
        return not (self._store_made.base if self._store_made else self._opened).in_memory

    def __len__(self) -> int:
        """Return the number of frames."""
        store = self._store_made
        return self._opened.n_frames if store is None else len(store.list_order)

    def __bool__(self) -> bool:
        """Be true, also without frames."""
        return True

    def __iter__(self) -> Iterator[LabeledFrame]:
        """Iterate over the frames in list order."""
        return iter(self.labeled_frames)

    def _frames_at(self, places: Sequence[int] | IntArray) -> FrameSequence:
        chosen = self._places_at(places)
        order = self._store.list_order.handles()
        handles = chosen if isinstance(order, range) else np.asarray(order)[chosen]
        return FrameSequence(self._store, handles)

    def _places_at(self, places: Sequence[int] | IntArray) -> IntArray:
        """Return the places in the list that are meant, counted from its beginning."""
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
        return chosen % len(self) if len(chosen) else chosen

    def _frame_at(self, place: int) -> LabeledFrame:
        if not -len(self) <= place < len(self):
            raise IndexError(self._outside(place))
        return frame_view(self._store, self._store.list_order[place])

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
