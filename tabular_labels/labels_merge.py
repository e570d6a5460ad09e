"""Merge labels into labels."""

from __future__ import annotations

import numpy as np

from tabular_labels._types import BoolArray
from tabular_labels.errors import MergeError
from tabular_labels.labels_core import LabelsCore
from tabular_labels.merge_match import Match, TrackMatching, VideoMatching, match_labels
from tabular_labels.merge_report import MergePlan, MergeReport
from tabular_labels.merge_warnings import warn_of_attachments, warn_of_circles
from tabular_labels.merging import Decided, MergedRows, decide_merge, merged_snapshot, with_history
from tabular_labels.model.arguments import require_type
from tabular_labels.model.objects import Objects, build_skeleton
from tabular_labels.model.video import Video
from tabular_labels.queries.merge_strategies import Strategy
from tabular_labels.store.fold import Folded
from tabular_labels.store.handles import Handles
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.store.store import Store

__all__ = ["LabelsMerge", "merged_objects", "put_merged"]


class LabelsMerge(LabelsCore):
    """Labels that take other labels in."""

    def match(
        self,
        other: LabelsCore,
        *,
        videos: VideoMatching = "auto",
        tracks: TrackMatching = "lineage",
    ) -> Match:
        r"""Find what of other labels is the same as what of these; nothing changes.

        Args:
            other: The other labels.
            videos: ``"auto"``: the same file, path (separators of either system count), or
                source, an equal tail of the path, or one origin of both labels; of arrays
                one object, or equal pictures; of several candidates none is guessed.
                ``"classic"`` as the classic library, ``"name"``
                also equal basenames, ``"shape"`` also equal lengths and sizes, ``"none"``.
                Or a mapping from videos of ``other`` to videos of these labels, or None;
                the rest is matched by ``"auto"``.
            tracks: ``"lineage"``: of labels with one origin, the same; all others stay
                apart. ``"name_and_spawned_on"``, ``"name"``: those that are equal, too, if
                there is one on each side. ``"classic"``, ``"none"``. Or a mapping from
                tracks of ``other`` to tracks of these labels, or None.

        Returns:
            A match that prints as tables and can be changed before it is used.

        Raises:
            MergeError: There is no such rule, video or track.
        """
        require_type(other, LabelsCore, "other", "Pass `Labels`.")
        return match_labels(self, other, videos, tracks)

    def merge_plan(
        self,
        other: LabelsCore,
        strategy: Strategy = "keep_both",
        *,
        tolerance: float = 0.0,
        videos: VideoMatching = "auto",
        tracks: TrackMatching = "lineage",
        match: Match | None = None,
    ) -> MergePlan:
        """Find out what `merge` would do; nothing changes.

        Args:
            other: The labels to be taken in.
            strategy: See `merge`.
            tolerance: See `merge`.
            videos: See `match`.
            tracks: See `match`.
            match: Instead of ``videos`` and ``tracks``: from `match`, changed or not.

        Returns:
            Tables of frames and instances, and the numbers.

        Raises:
            MergeError: As `merge`.
        """
        require_type(other, LabelsCore, "other", "Pass `Labels`.")
        if match is None:
            match = match_labels(self, other, videos, tracks)
        elif match.found.base is not self._catalog or match.found.new is not other._catalog:
            message = (
                "match: found one of other labels, or of these before they were changed, "
                "expected one of these and the other labels. Match them again."
            )
            raise MergeError(message)
        first = self._store.next_ids()
        base, new = self._snapshot, other._snapshot
        decided = decide_merge(base, new, match.found, strategy, tolerance, first)
        return MergePlan(match, decided)

    def merge(
        self,
        other: LabelsCore,
        strategy: Strategy = "keep_both",
        *,
        tolerance: float = 0.0,
        videos: VideoMatching = "auto",
        tracks: TrackMatching = "lineage",
        match: Match | None = None,
    ) -> MergeReport:
        """Take other labels into these; `undo` takes it back.

        Instances of one frame are *redundant* when they say the same (kind, skeleton,
        track and points, see `Instance.matches`); these are never added twice. Others are
        versions of one another when no node that both have is farther apart than
        ``tolerance``, or when they are of one kind and track. New instances *conflict*
        with versions of their own kind; without a tolerance, with all that remain of their
        kind in the frame. Everything else is *new*, and added.

        Merging labels with themselves changes nothing, nor does merging the same labels
        again. Views of these labels stay what they are. Provenance keeps the report, and
        which tracks and videos became which.

        Args:
            other: The labels to be taken in; they stay as they are.
            strategy: What happens in frames that both have. ``"keep_both"``: everything
                is kept. ``"keep_base"``: conflicting instances are not added.
                ``"keep_new"``: they take the place of those they conflict with.
                ``"user_over_predicted"``: of two versions a user instance wins over a
                prediction, these labels' user instance over the other, the other's
                prediction over these. ``"replace_predictions"``: predictions are those of
                ``other``, user instances these labels'. ``"update_tracks"``: versions give
                their track and tracking score; no instance is added.
            tolerance: Pixels; 0 for exact comparison.
            videos: See `match`.
            tracks: See `match`.
            match: Instead of ``videos`` and ``tracks``: from `match`, changed or not.

        Returns:
            What was added, redundant, in conflict, skipped and left out.

        Raises:
            MergeError: There is no such strategy; the match joins things that cannot be
                one; there are more rows than keys.
            ForkedProcessError: In a forked process.

        Warns:
            UnmodelledDataWarning: ``other`` carries data beyond the tables, which is left
                behind.
            CircularReferenceWarning: Merged predictions come from one another in a circle;
                ``from_predicted`` is kept.

        Examples:
            >>> import tabular_labels as tl
            >>> video = tl.Video("fly.mp4")
            >>> ours = tl.Labels([tl.LabeledFrame(video, k) for k in range(3)])
            >>> theirs = tl.Labels([tl.LabeledFrame(video, k) for k in range(2, 5)])
            >>> ours.merge(theirs).frames_added
            2
            >>> ours.merge(theirs).changes
            False
            >>> [frame.frame_idx for frame in ours]
            [0, 1, 2, 3, 4]

        Source:
            ``Labels.complex_merge_between`` of the classic library, and sleap-io's
            ``Labels.merge``; ``docs/compatibility.md`` lists what differs.
        """
        plan = self.merge_plan(
            other, strategy, tolerance=tolerance, videos=videos, tracks=tracks, match=match
        )
        return self._carry_out(plan)

    def apply_merge(self, plan: MergePlan) -> MergeReport:
        """Do what a plan says; `undo` takes it back.

        Args:
            plan: From `merge_plan` of these labels as they are now.

        Returns:
            The plan's report.

        Raises:
            MergeError: The labels have changed since, or the plan is of others.

        Warns:
            UnmodelledDataWarning: As `merge`.
            CircularReferenceWarning: As `merge`.
        """
        require_type(plan, MergePlan, "plan", "Pass what `merge_plan` returned.")
        if plan.decided.base is not self._snapshot:
            message = (
                "plan: found one of other labels, or of these before they were changed, "
                "expected one of these labels. Make the plan again."
            )
            raise MergeError(message)
        return self._carry_out(plan)

    def _carry_out(self, plan: MergePlan) -> MergeReport:
        report, decided = plan.report, plan.decided
        if report.changes:
            snapshot, made = merged_snapshot(decided, with_history(decided, report.counts))
            put_merged(self._store, decided, snapshot, made, plan.match.new_objects)
            warn_of_attachments(decided.new.catalog)
            warn_of_circles(snapshot)
        return report


def put_merged(
    store: Store, decided: Decided, snapshot: Snapshot, made: MergedRows, new: Objects
) -> None:
    """Let merged rows take the place of those of now; rows that were there keep their handles.

    ``new`` are the objects of what is taken in.
    """
    folded = store.folded
    assert folded.snapshot is decided.base, "nothing was edited since"
    frames = _handles(store, "frame", folded.frames, None, made.is_added)
    instances = _handles(store, "instance", folded.instances, decided.is_dropped, made.is_new)
    objects = merged_objects(store.objects, decided, new)
    catalogs = decided.base.catalog, snapshot.catalog
    with store.step():
        store.put_catalog(snapshot.catalog, objects)
        store.rebase(Folded(snapshot, frames, instances))
    # The keys that were given are not given again.
    store.reserve_ids("frame", int(made.is_added.sum()))
    store.reserve_ids("instance", int(made.is_new.sum()))
    store.reserve_ids("track", catalogs[1].tracks.height - catalogs[0].tracks.height)


def _handles(
    store: Store, kind: str, before: Handles, is_dropped: BoolArray | None, is_new: BoolArray
) -> Handles:
    """Give new rows new handles; the others are those of the base, in their order."""
    n = int((~is_new).sum())
    kept = np.arange(n) if is_dropped is None else np.flatnonzero(~is_dropped)
    handles = np.empty(len(is_new), np.int64)
    handles[~is_new] = before.of(kept)
    handles[is_new] = store.reserve_handles(kind, len(is_new) - n)
    return Handles(handles, len(handles))


def _frozen_copy(video: Video) -> Video:
    made = video.copy()
    made.freeze()
    return made


def merged_objects(objects: Objects, decided: Decided, new: Objects) -> Objects:
    """Keep the objects that there are, and take the new project's videos with their arrays.

    The objects of skeletons that got nodes are replaced.
    """
    catalog = decided.catalog.catalog
    all_of_them = Objects.of(catalog)
    became = decided.catalog.new.videos
    # One that stands for a video here already gets a copy to stand for another.
    here = objects.video_by_id
    taken = [*here.values(), *(one for one, key in objects.aliases.items() if key in here)]
    known = {id(one) for one in taken}
    videos = {
        became[key]: _frozen_copy(video) if id(video) in known else video
        for key, video in new.video_by_id.items()
        if became[key] not in here
    }
    mine = objects.skeleton_by_id
    grown = {}
    for key, nodes in decided.catalog.base.skeletons.items():
        if nodes.nodes is not None:
            # The nodes that there are stay what they were; added ones follow them.
            added = all_of_them.skeleton_by_id[key].nodes[len(mine[key].nodes) :]
            grown[key] = build_skeleton(catalog, key, [*mine[key].nodes, *added])
    made = Objects(
        {**all_of_them.video_by_id, **videos, **here},
        {**all_of_them.skeleton_by_id, **mine, **grown},
        {**all_of_them.track_by_id, **objects.track_by_id},
    )
    made.aliases = {
        **objects.aliases,
        **{mine[key]: key for key in grown},
        **{new: key for key, new in grown.items()},
    }
    made.is_shared = False
    return made
