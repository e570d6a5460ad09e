"""Merge any number of labels into new ones."""

from __future__ import annotations

from collections.abc import Iterable

from tabular_labels.errors import MergeError
from tabular_labels.labels import Labels
from tabular_labels.labels_merge import merged_objects
from tabular_labels.merge_match import TrackMatching, VideoMatching, match_snapshots
from tabular_labels.merge_warnings import warn_of_attachments, warn_of_circles
from tabular_labels.merging import decide_merge, merged_snapshot, with_history
from tabular_labels.model.arguments import require_type
from tabular_labels.queries.merge_strategies import Strategy
from tabular_labels.store.snapshot import Snapshot

__all__ = ["merge"]


def merge(
    projects: Iterable[Labels],
    strategy: Strategy = "keep_both",
    *,
    tolerance: float = 0.0,
    videos: VideoMatching = "auto",
    tracks: TrackMatching = "lineage",
) -> Labels:
    """Merge labels into new ones: the first takes in the second, then the third, and so on.

    Of scanned labels the points stay where they are, so that labels larger than memory
    can be merged and written (`write_parquet` takes them range by range).

    Args:
        projects: The labels; they stay as they are.
        strategy: See `Labels.merge`.
        tolerance: See `Labels.merge`.
        videos: See `Labels.match`.
        tracks: See `Labels.match`.

    Returns:
        New labels, with the first one's project id and provenance, and what was merged
        in the provenance; scanned if one of them is.

    Raises:
        MergeError: There are no labels, or they cannot be merged.

    Warns:
        UnmodelledDataWarning: As `Labels.merge`.
        CircularReferenceWarning: As `Labels.merge`.

    Examples:
        >>> import tabular_labels as tl
        >>> video = tl.Video("fly.mp4")
        >>> parts = [tl.Labels([tl.LabeledFrame(video, k)]) for k in range(3)]
        >>> len(merge(parts))
        3
    """
    listed = [require_type(one, Labels, "project", "Pass a list of `Labels`.") for one in projects]
    if not listed:
        message = "found no labels to merge, expected one at least. Pass a list of `Labels`."
        raise MergeError(message)
    snapshot, objects = _fresh(listed[0]), listed[0]._lent_objects
    for other in listed[1:]:
        match = match_snapshots(snapshot.catalog, objects, other, videos, tracks)
        decided = decide_merge(snapshot, _fresh(other), match.found, strategy, tolerance)
        counts = decided.count()
        if counts.changes:
            objects = merged_objects(objects, decided, other._objects)
            snapshot, _ = merged_snapshot(decided, with_history(decided, counts))
            warn_of_attachments(other._catalog, stacklevel=3)
    if len(listed) > 1:
        warn_of_circles(snapshot, stacklevel=3)
    return Labels.from_snapshot(snapshot, objects)


def _fresh(labels: Labels) -> Snapshot:
    """Return a snapshot that keeps what it reads for itself, and lets go of it."""
    snapshot = labels._snapshot
    return snapshot if snapshot.has_structure else Snapshot(snapshot.source, snapshot.lineage)
