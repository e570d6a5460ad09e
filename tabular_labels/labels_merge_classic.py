"""The classic interface for merging labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np

from tabular_labels.bulk import remove_frames
from tabular_labels.encode import encode
from tabular_labels.labels_core import LabelsCore, VideoLike
from tabular_labels.labels_edit import LabelsEdit
from tabular_labels.labels_merge import put_merged
from tabular_labels.merge_warnings import warn_of_circles
from tabular_labels.merging import Decided, MergedRows, merged_snapshot, with_history
from tabular_labels.merging_classic import (
    bare,
    decide_classic,
    match_classic,
    match_objects,
    merge_container_dicts,
)
from tabular_labels.merging_parts import side_of
from tabular_labels.model.arguments import require_type
from tabular_labels.model.objects import Objects
from tabular_labels.model.video import Video
from tabular_labels.queries.match import match_catalogs
from tabular_labels.queries.merge_catalog import merge_catalogs
from tabular_labels.queries.merge_matching import merge_matching
from tabular_labels.sequences import FrameSequence, InstanceSequence
from tabular_labels.store.fold import Folded
from tabular_labels.store.handles import Handles
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.views import LabeledFrame

__all__ = ["LabelsMergeClassic", "Merged"]

Merged = dict[Video, dict[int, InstanceSequence]]
"""What was merged cleanly: instances by video and frame index."""


class LabelsMergeClassic(LabelsEdit):
    """Labels with the methods of the classic library that merge."""

    _emptied: ClassVar[Sequence[tuple[int, int]]] = ()

    @classmethod
    def complex_merge_between(
        cls, base_labels: Self, new_labels: LabelsCore, unify: bool = True
    ) -> tuple[Merged, FrameSequence, FrameSequence]:
        """Merge what fits into labels, and hand back what does not.

        A frame of both conflicts when each side has instances of one kind (user, or
        predicted) that the other lacks; user instances on one side and predictions on
        the other merge. Of a frame in conflict ``base_labels`` keep the instances that both
        have. The other ones are handed back; give those that are to stay to
        `finish_complex_merge`.

        Args:
            base_labels: Are changed; one step of `undo`.
            new_labels: Stay as they are.
            unify: Match videos by equal paths or three equal last parts of them, those made
                from arrays by their pictures, and tracks by name and ``spawned_on``;
                otherwise only a video or track that is the same object in both is the same.
                Skeletons are matched by node names.

        Returns:
            The instances that were added, by video and frame index; frames with the
            instances of ``base_labels`` in conflict; frames with those of ``new_labels``.

        Raises:
            MergeError: The projects cannot be merged.

        Source:
            ``Labels.complex_merge_between``
        """
        del cls
        require_type(base_labels, LabelsMergeClassic, "base_labels", "Pass `Labels`.")
        require_type(new_labels, LabelsCore, "new_labels", "Pass `Labels`.")
        first = base_labels._store.next_ids()
        base, new = base_labels._snapshot, new_labels._snapshot
        match = _match(base_labels, new_labels, unify=unify)
        made = decide_classic(base, new, match, first, hold_conflicts=True)
        extra_base = type(base_labels).from_snapshot(made.extra_base, base_labels._lent_objects)
        added = _put(base_labels, made.decided, new_labels._objects)
        base_labels._emptied = [*base_labels._emptied, *made.emptied]  # type: ignore[misc]  # its own from now on
        extra_new = type(base_labels).from_snapshot(made.extra_new, base_labels._lent_objects)
        return _by_place(base_labels, added), extra_base[:], extra_new[:]

    @staticmethod
    def finish_complex_merge(
        base_labels: LabelsMergeClassic, resolved_frames: Iterable[LabeledFrame]
    ) -> None:
        """Put the frames that were chosen of those in conflict into labels.

        Frames that `complex_merge_between` emptied, and that stay so, are removed.

        Args:
            base_labels: What `complex_merge_between` merged into; changed.
            resolved_frames: The frames with ours (its second result), with the others'
                (its third), both, or any others.

        Source:
            ``Labels.finish_complex_merge``
        """
        with base_labels.transaction():
            base_labels.extend_from(list(resolved_frames))
            store = base_labels._store
            emptied = [
                handle
                for place in dict.fromkeys(base_labels._emptied)  # one for each frame at it
                for handle in store.find(*place)
                if not store.instances_of(handle) and not store.is_negative(handle)
            ]
            remove_frames(store, emptied)
        base_labels._emptied = ()  # type: ignore[misc]  # its own

    def extend_from(
        self, new_frames: LabelsCore | Sequence[LabeledFrame], unify: bool = False
    ) -> bool:
        """Take in frames; those of one index become one, and equal instances one.

        Suggestions and negative anchors of other labels are not taken over.

        Args:
            new_frames: Labels, or a list of frames.
            unify: See `complex_merge_between`.

        Returns:
            Whether there was anything to add.

        Raises:
            MergeError: The projects cannot be merged.

        Source:
            ``Labels.extend_from``
        """
        new = new_frames
        is_project = isinstance(new, LabelsCore)
        if not isinstance(new, LabelsCore):
            if not isinstance(new, Sequence) or isinstance(new, tuple) or not len(new):
                return False
            tables, objects = encode(new, self.videos, self.skeletons, self.tracks)
            new = type(self).from_snapshot(Snapshot.of(tables), objects)
        if not len(new):
            return False
        with self.transaction():
            self.merge_matching_frames()
            match = _match(self, new, unify=unify, with_marks=False)
            first = self._store.next_ids()
            made = decide_classic(self._snapshot, new._snapshot, match, first, hold_conflicts=False)
            _put(self, made.decided, new._objects, is_project=is_project)
        return True

    def merge_matching_frames(self, video: VideoLike | None = None) -> None:
        """Make frames of one index one: the first takes in what the later ones add.

        Args:
            video: Only in this video; None for all.

        Raises:
            UnknownVideoError: The video is not one of the labels.

        Source:
            ``Labels.merge_matching_frames``
        """
        key = None if video is None else self._require_video(video)
        store = self._store
        folded = store.folded
        snapshot = folded.snapshot
        alone = merge_catalogs(match_catalogs(snapshot.catalog, snapshot.catalog))
        made = merge_matching(side_of(snapshot, alone.base), key)
        if made is None:
            return
        frames, instances = np.flatnonzero(made.frames), np.flatnonzero(made.instances)
        with store.step():
            store.rebase(
                Folded(
                    snapshot.restricted(made.structure),
                    Handles(np.asarray(folded.frames.of(frames), np.int64), len(frames)),
                    Handles(np.asarray(folded.instances.of(instances), np.int64), len(instances)),
                )
            )

    @staticmethod
    def merge_container_dicts(
        dict_a: dict[Any, list[Any]], dict_b: Mapping[Any, Sequence[Any]]
    ) -> dict[Any, list[Any]]:
        """Extend the lists of one dict by those of another, without repeats.

        Args:
            dict_a: Is changed, and returned.
            dict_b: Stays as it is.

        Source:
            ``Labels.merge_container_dicts``
        """
        return merge_container_dicts(dict_a, dict_b)


def _match(base: LabelsCore, new: LabelsCore, *, unify: bool, with_marks: bool = True) -> Any:
    catalog = new._catalog if with_marks else bare(new._catalog)
    match = match_classic if unify else match_objects
    return match((base._catalog, base._objects), (catalog, new._objects))


def _put(
    labels: LabelsCore, decided: Decided, new: Objects, *, is_project: bool = True
) -> tuple[Decided, MergedRows] | None:
    """Do what was decided, and write down what came from another project; None for nothing."""
    counts = decided.count()
    if not counts.changes:
        return None
    catalog = with_history(decided, counts) if is_project else None
    snapshot, made = merged_snapshot(decided, catalog)
    put_merged(labels._store, decided, snapshot, made, new)
    warn_of_circles(snapshot, stacklevel=4)
    return decided, made


def _by_place(labels: LabelsCore, added: tuple[Decided, MergedRows] | None) -> Merged:
    """Group the instances that were added by video and frame index."""
    merged: Merged = {}
    if added is None:
        return merged
    rows = np.flatnonzero(added[1].is_new)
    if not len(rows):
        return merged
    store = labels._store
    frame = store.snapshot.structure
    at = np.searchsorted(frame.instance_offsets, rows, side="right") - 1
    first = np.flatnonzero(np.diff(at, prepend=-1))
    handles = np.asarray(store.folded.instances.of(rows), np.int64)
    video = frame.frames["video_id"].to_numpy()[at[first]].tolist()
    index = frame.frames["frame_idx"].to_numpy()[at[first]].tolist()
    stops = [*first[1:].tolist(), len(rows)]
    videos = store.objects.video_by_id
    for key, frame_idx, start, stop in zip(video, index, first.tolist(), stops, strict=True):
        instances = InstanceSequence(store, handles[start:stop])
        merged.setdefault(videos[key], {})[frame_idx] = instances
    return merged
