"""Edits of the tracks of `Labels`: names, order, removal and merging."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

from tabular_labels.catalog_lists import CatalogList
from tabular_labels.errors import AmbiguousNameError, MergeError, UnknownTrackError
from tabular_labels.labels_edit import LabelsEdit
from tabular_labels.model.arguments import require_type
from tabular_labels.model.track import Track
from tabular_labels.store.catalog_edits import set_tracks, track_key
from tabular_labels.tracking import count_overlaps, move_tracks

__all__ = ["LabelsTracks", "TrackLike"]

TrackLike: TypeAlias = Track | str
"""A track, or the name of the only one that has it."""


class LabelsTracks(LabelsEdit):
    """Tracks as something to change; each method is one step of undo."""

    @property
    def tracks(self) -> CatalogList[Track]:
        """Tracks, in order; some may have no instances.

        Always shows how things stand. `append` adds a track to the labels.
        """
        return CatalogList(
            lambda: self._objects.tracks,
            lambda track: self.add_track(None, track),
            lambda: self._store.step(),
            "Use `labels.remove_track`, `labels.rename_tracks` or `labels.reorder_tracks`.",
        )

    @tracks.setter
    def tracks(self, tracks: Iterable[Track]) -> None:
        self.tracks.become(tracks)

    def rename_tracks(self, names: Mapping[Track, str] | Mapping[str, str]) -> None:
        """Give tracks other names.

        A renamed track is a new object in `tracks`; the old one still stands for it
        wherever a track is asked for, and after `undo` the new one stands for the old.

        Args:
            names: New names by track, or by name; names need not be unique.

        Raises:
            UnknownTrackError: A track is not of these labels.
            AmbiguousNameError: Several tracks have a name.
            ValueError: A track is given twice.

        Examples:
            >>> import tabular_labels as tl
            >>> labels = tl.Labels(tracks=[tl.Track("a"), tl.Track("b")])
            >>> labels.rename_tracks({"a": "b", "b": "a"})
            >>> [track.name for track in labels.tracks]
            ['b', 'a']
        """
        given = dict(names)
        tracks = dict(self._objects.track_by_id)
        keys = self._keys_of_tracks(given)
        for key, name in zip(keys, given.values(), strict=True):
            require_type(name, str, "name of a track", "Pass a string.")
            if tracks[key].name != name:
                tracks[key] = Track(tracks[key].spawned_on, name)
        if any(tracks[key] is not self._objects.track_by_id[key] for key in keys):
            set_tracks(self._store, tracks)

    def reorder_tracks(self, order: Iterable[TrackLike]) -> None:
        """Put the tracks in another order, which columns of `numpy` follow.

        Args:
            order: Every track once.

        Raises:
            ValueError: Tracks are missing, or given twice.
            UnknownTrackError: A track is not of these labels.
        """
        tracks = self._objects.track_by_id
        keys = self._keys_of_tracks(order)
        if len(keys) != len(tracks):
            message = (
                f"found {len(keys)} tracks, expected all {len(tracks)}. Give every one of "
                "`labels.tracks` once."
            )
            raise ValueError(message)
        if keys != list(tracks):
            set_tracks(self._store, {key: tracks[key] for key in keys})

    def remove_track(self, track: TrackLike) -> None:
        """Remove a track; its instances stay, untracked.

        Raises:
            UnknownTrackError: The track is not of these labels.

        Source:
            ``Labels.remove_track``.
        """
        self._remove_tracks(self._keys_of_tracks([track]))

    def remove_all_tracks(self) -> None:
        """Remove every track; all instances become untracked.

        Source:
            ``Labels.remove_all_tracks``.
        """
        self._remove_tracks(list(self._objects.track_by_id))

    def remove_unused_tracks(self) -> int:
        """Remove tracks that no instance has.

        Returns:
            How many were removed.

        Source:
            ``Labels.remove_unused_tracks``.
        """
        used = set(self._snapshot.structure.instances["track_id"].unique())
        unused = [key for key in self._objects.track_by_id if key not in used]
        if unused:
            self._keep_tracks(unused)
        return len(unused)

    def merge_tracks(
        self, tracks: Iterable[TrackLike], into: TrackLike, *, allow_overlap: bool = False
    ) -> int:
        """Give the instances of several tracks to one, and remove the others.

        Args:
            tracks: Tracks to remove; ``into`` may be among them.
            into: The track that stays. A `Track` that is not of these labels is added.
            allow_overlap: Merge also where several of the tracks are in one frame; the
                track then has several instances there.

        Returns:
            How many instances changed their track.

        Raises:
            MergeError: Several of the tracks are in one frame.
            UnknownTrackError: A track is not of these labels.

        Examples:
            >>> import tabular_labels as tl
            >>> fly, video = tl.Skeleton(["head"]), tl.Video("a.mp4")
            >>> parts = [tl.Track("part 1"), tl.Track("part 2")]
            >>> labels = tl.Labels(
            ...     [
            ...         tl.LabeledFrame(video, k, [tl.Instance(fly, track=track)])
            ...         for k, track in enumerate(parts)
            ...     ]
            ... )
            >>> labels.merge_tracks(parts, "part 1"), labels.get_track_occupancy(video)
            (1, {Track(spawned_on=0, name='part 1'): RangeList([(0, 2)])})
        """
        given = self._keys_of_tracks(tracks)
        is_new = isinstance(into, Track) and self._track_key(into) is None
        store = self._store
        with store.step():
            if is_new:
                assert isinstance(into, Track)
                target = track_key(store, into)
            else:
                (target,) = self._keys_of_tracks([into])
            merged = [key for key in given if key != target]
            structure = store.snapshot.structure
            n = count_overlaps(structure, {target, *merged})
            if n and not allow_overlap:
                message = (
                    f"found {n} frames with several of the tracks, expected none. Swap or remove "
                    "instances there first, or pass allow_overlap=True to have several instances "
                    "of one track in a frame."
                )
                raise MergeError(message)
            changed = move_tracks(store, merged, target)
            if merged:
                self._keep_tracks(merged)
        return changed

    def _remove_tracks(self, keys: list[int]) -> None:
        if not keys:
            return
        with self._store.step():
            move_tracks(self._store, keys, None)
            self._keep_tracks(keys)

    def _keep_tracks(self, gone: Sequence[int]) -> None:
        """Leave some tracks out of the list."""
        left = set(gone)
        tracks = self._objects.track_by_id
        set_tracks(self._store, {key: one for key, one in tracks.items() if key not in left})

    def _keys_of_tracks(self, tracks: Iterable[TrackLike]) -> list[int]:
        """Return the keys of tracks that are given as such, or by name, each once."""
        wanted = [tracks] if isinstance(tracks, str | Track) else list(tracks)
        named: dict[str, list[int]] = {}
        if any(isinstance(one, str) for one in wanted):
            for key, track in self._objects.track_by_id.items():
                named.setdefault(track.name, []).append(key)
        keys = [self._key_of_track(one, named) for one in wanted]
        if len(set(keys)) != len(keys):
            repeated = next(key for place, key in enumerate(keys) if key in keys[:place])
            track = self._objects.track_by_id[repeated]
            message = f"found {track!r} twice, expected each track once. Leave one out."
            raise ValueError(message)
        return keys

    def _key_of_track(self, track: TrackLike, named: Mapping[str, Sequence[int]]) -> int:
        if isinstance(track, str):
            same = named.get(track, ())
            if len(same) > 1:
                what = "track"
                raise AmbiguousNameError(what, track, len(same))
            key = same[0] if same else None
        else:
            require_type(track, Track, "track", "Pass a `Track`, or its name.")
            key = self._track_key(track)
        if key is None:
            raise UnknownTrackError(track, [one.name for one in self._objects.tracks])
        return key
