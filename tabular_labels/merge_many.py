"""Merge any number of labels into new ones."""

from __future__ import annotations

from collections.abc import Iterable

from tabular_labels.errors import MergeError
from tabular_labels.labels import Labels
from tabular_labels.merge_match import TrackMatching, VideoMatching
from tabular_labels.model.arguments import require_type
from tabular_labels.queries.merge_strategies import Strategy

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
    merged = listed[0].copy()
    for other in listed[1:]:
        merged.merge(other, strategy, tolerance=tolerance, videos=videos, tracks=tracks)
    return Labels.from_snapshot(merged._snapshot, merged._lent_objects)
