"""Edits of `Labels`: frames, instances and tracks, with undo and transactions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tabular_labels import editing
from tabular_labels.frame_list import FrameList
from tabular_labels.labels_core import VideoLike
from tabular_labels.labels_find import LabelsFind
from tabular_labels.model.arguments import as_index, require_type
from tabular_labels.model.track import Track
from tabular_labels.store.catalog_edits import known_video, track_key
from tabular_labels.tracking import swap_tracks
from tabular_labels.views import Instance, LabeledFrame

__all__ = ["LabelsEdit"]


class LabelsEdit(LabelsFind):
    """Labels as something to change: every change can be undone, and is seen at once."""

    # Undo and transactions

    def transaction(self) -> AbstractContextManager[None]:
        """Make several edits one: all of them or, if an error is raised, none.

        Transactions may be nested; the outermost is one step of `undo`.

        Examples:
            >>> import tabular_labels as tl
            >>> labels = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), k) for k in range(3)])
            >>> with labels.transaction():
            ...     del labels[0]
            ...     del labels[0]
            >>> len(labels), labels.undo(), len(labels)
            (1, True, 3)
        """
        return self._store.step()

    def undo(self) -> bool:
        """Take back the last edit, or transaction; False when there is none.

        Goes back to when the labels were opened, also over commits: what was committed
        stays a version of the project, and undoing is an edit like any other.

        Raises:
            QueryError: A transaction is open.
        """
        return self._store.undo()

    def redo(self) -> bool:
        """Make the edit again that was undone last; False when there is none.

        Raises:
            QueryError: A transaction is open.
        """
        return self._store.redo()

    def update_cache(self, new_frame: LabeledFrame | None = None) -> None:
        """Do nothing, for compatibility: there is no cache that could be stale."""

    # The list of frames

    @property
    def labeled_frames(self) -> FrameList:
        """All frames, in list order; changing the list changes the labels."""
        return FrameList(self._store, self.append)

    @labeled_frames.setter
    def labeled_frames(self, frames: Iterable[LabeledFrame]) -> None:
        self.labeled_frames[:] = frames

    @property
    def labels(self) -> FrameList:
        """Alias of `labeled_frames`."""
        return self.labeled_frames

    @labels.setter
    def labels(self, frames: Iterable[LabeledFrame]) -> None:
        self.labeled_frames = frames

    def append(self, value: LabeledFrame) -> None:
        """Add a frame at the end of the list, with its video, skeletons and tracks.

        The frame becomes a view of its row, so that changing it changes the labels; a
        view of other labels is copied. Nothing happens when there is a frame at that
        place already.

        Args:
            value: A frame.

        Raises:
            TypeError: It is no frame.

        Warns:
            DanglingReferenceWarning: Links to predictions that are in no frame.

        Source:
            ``Labels.append``.
        """
        self.insert(len(self), value)

    def insert(self, index: int, value: LabeledFrame) -> None:
        """Add a frame at a place of the list, see `append`.

        Source:
            ``Labels.insert``, which also sorted the tracks.
        """
        frame = _frame(value)
        store = self._store
        key = known_video(store, frame.video)
        if key is not None and store.find(key, frame.frame_idx):
            return
        self.labeled_frames.insert(index, frame)

    def extend(self, values: Iterable[LabeledFrame]) -> None:
        """Add frames at the end of the list, see `append`; all of them or none."""
        with self._store.step():
            for value in list(values):
                self.append(value)

    def __setitem__(self, index: int, value: LabeledFrame) -> None:
        """Replace the frame at a position; the new one takes its place in the list."""
        self.labeled_frames[index] = _frame(value)

    def __delitem__(self, index: int | slice) -> None:
        """Remove the frame at a position, or the frames of a slice."""
        del self.labeled_frames[index]

    def pop(self, index: int = -1) -> LabeledFrame:
        """Remove the frame at a position, and return a detached copy."""
        return self.labeled_frames.pop(index)

    def clear(self) -> None:
        """Remove every frame; videos, skeletons and tracks stay."""
        self.labeled_frames.clear()

    def index(self, value: LabeledFrame) -> int:
        """Return the position of the first frame that is equal.

        Raises:
            ValueError: There is none.
        """
        return self.labeled_frames.index(value)

    def count(self, value: LabeledFrame) -> int:
        """Return how many frames are equal."""
        return sum(frame == value for frame in self.find(value.video, value.frame_idx))

    def remove_frame(self, lf: LabeledFrame, update_cache: bool = True) -> None:
        """Remove one frame with its instances.

        Raises:
            ValueError: The frame is not of these labels.
        """
        del update_cache
        editing.remove_frame(self._store, self._own_frame(lf))

    def remove_frames(self, lfs: Iterable[LabeledFrame]) -> None:
        """Remove frames with their instances; all of them or none.

        Raises:
            ValueError: One of them is not of these labels.
        """
        with self._store.step():
            for handle in [self._own_frame(frame) for frame in lfs]:
                if self._store.has_frame(handle):
                    editing.remove_frame(self._store, handle)

    def _own_frame(self, frame: LabeledFrame) -> int:
        """Return the handle of a frame of ours, or of the first that is equal."""
        _frame(frame)
        if frame.is_attached:
            store, handle = frame._source.open_frame(frame._row)
            if store is self._store:
                frame._source.frame_idx(frame._row)  # says so when it is gone
                return int(handle)
        for mine in self.find(frame.video, frame.frame_idx):
            if mine == frame:
                return int(mine._row)
        message = (
            f"found {frame!r}, which is not of these labels; expected one of their frames. "
            "Get it with `labels.find(...)`."
        )
        raise ValueError(message)

    # Instances

    def add_instance(self, frame: LabeledFrame, instance: Instance) -> None:
        """Add an instance to a frame, last.

        When a user instance of the frame has the same track, the new one gets none. An
        unknown track is added to `tracks`.

        Args:
            frame: A frame of these labels; a detached one takes the instance, too.
            instance: It becomes a view of its new row; one that is in another frame is
                copied.

        Source:
            ``Labels.add_instance``.
        """
        _frame(frame)
        require_type(instance, Instance, "instance", "Pass an `Instance`.")
        track = instance.track
        key = None if track is None else self._objects.key_of_track(track)
        if key is not None:
            track = self._objects.track_by_id[key]
        with self._edits_of(frame):
            taken = track is not None and any(i.track is track for i in frame.user_instances)
            frame.instances.append(instance)
            if taken:
                frame.instances[-1].track = None

    def _edits_of(self, frame: LabeledFrame) -> AbstractContextManager[None]:
        return self._store.step() if frame.is_attached else _nothing()

    def remove_instance(
        self, frame: LabeledFrame, instance: Instance, in_transaction: bool = False
    ) -> None:
        """Remove an instance from its frame; the frame stays, also when it is empty.

        Args:
            frame: A frame of these labels.
            instance: Itself, or one that is equal.
            in_transaction: Kept for compatibility: nothing is cached.

        Raises:
            ValueError: The frame has no such instance.

        Source:
            ``Labels.remove_instance``, which kept the occupancy of the last instance.
        """
        del in_transaction
        _frame(frame)
        if not frame.is_attached:
            frame.instances.remove(instance)
            return
        store, handle = frame._source.open_frame(frame._row)
        if instance.is_attached:
            home, row = instance._source.open_instance(instance._row)
            if home is store and row in store.instances_of(handle):
                editing.remove_instance(store, row)
                return
        frame.instances.remove(instance)

    # Tracks

    def add_track(self, video: VideoLike | None, track: Track) -> None:
        """Add a track, which no instance has yet; nothing happens when it is there.

        Args:
            video: Kept for compatibility: tracks belong to the labels.
            track: The track.
        """
        del video
        require_type(track, Track, "track", "Pass a `Track`.")
        with self._store.step():
            track_key(self._store, track)

    def track_set_instance(
        self, frame: LabeledFrame, instance: Instance, new_track: Track | None
    ) -> None:
        """Set the track of an instance; a tracked one swaps with whoever has the new track.

        An untracked instance gets the track without a swap, and with None an instance
        becomes untracked.

        Args:
            frame: Its frame.
            instance: The instance.
            new_track: A track, which is added if it is unknown, or None.

        Source:
            ``Labels.track_set_instance``.
        """
        _frame(frame)
        old = instance.track
        with self._edits_of(frame):
            if old is not None and new_track is not None and frame.is_attached:
                index = frame.frame_idx
                self.track_swap(frame.video, new_track, old, (index, index + 1))
            instance.track = new_track

    def track_swap(
        self,
        video: VideoLike,
        new_track: Track | None,
        old_track: Track | int | None,
        frame_range: tuple[int, int],
    ) -> None:
        """Swap the tracks of instances on a range of frames of a video.

        A track is meant itself, or what took its place when it was renamed: as where the
        track of an instance is set, one that merely has the same name is another track.

        Args:
            video: The video.
            new_track: A track, which is added if it is unknown; None makes the instances
                on ``old_track`` untracked.
            old_track: The other track, which those on ``new_track`` get, and which is added
                for them if it is unknown. An int ``k`` is a pseudo-track: untracked instances
                at place ``k`` of their frame get ``new_track``, and those on ``new_track``
                keep it. With None nothing happens.
            frame_range: ``(start, stop)``, half-open, frame indices.

        Raises:
            UnknownVideoError: The video is not of these labels.
            TypeError: A track is of another class.

        Examples:
            >>> import tabular_labels as tl
            >>> fly, one, two = tl.Skeleton(["head"]), tl.Track("one"), tl.Track("two")
            >>> video = tl.Video("a.mp4")
            >>> labels = tl.Labels(
            ...     [tl.LabeledFrame(video, k, [tl.Instance(fly, track=one)]) for k in range(9)],
            ...     tracks=[one, two],
            ... )
            >>> labels.track_swap(video, two, one, (3, 5))
            >>> labels.get_track_occupancy(video)
            {Track(spawned_on=0, name='one'): RangeList([(0, 3), (5, 9)]), \
Track(spawned_on=0, name='two'): RangeList([(3, 5)])}

        Source:
            ``Labels.track_swap``.
        """
        key = self._require_video(video)
        start, stop = frame_range
        pseudo = None if isinstance(old_track, Track) else as_index(old_track)
        if new_track is not None:
            require_type(new_track, Track, "new_track", "Pass a `Track`, or None.")
        if old_track is not None and pseudo is None:
            require_type(old_track, Track, "old_track", "Pass a `Track`, an int or None.")
        if old_track is None:
            return
        store = self._store
        old = self._objects.key_of_track(old_track) if isinstance(old_track, Track) else None
        with store.step():
            new = track_key(store, new_track)
            if isinstance(old_track, Track) and old is None and new_track is not None:
                old = track_key(store, old_track)
            swap_tracks(store, key, new, old, pseudo, (int(start), int(stop)))


def _frame(value: object) -> LabeledFrame:
    remedy = "Pass `LabeledFrame(video, frame_idx, instances)`."
    return require_type(value, LabeledFrame, "frame", remedy)


@contextmanager
def _nothing() -> Iterator[None]:
    yield
