"""What a merge would do, as tables and in numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.schema import KIND
from tabular_labels.model.tables import Catalog
from tabular_labels.queries.merge_catalog import MergedCatalog
from tabular_labels.queries.merge_compare import CONFLICTING, REDUNDANT, STATUSES
from tabular_labels.queries.merge_near import find_near, nearest
from tabular_labels.queries.merge_negative import negative_frames
from tabular_labels.queries.merge_strategies import Decision

__all__ = ["MergeCounts", "count_merge", "plan_dropped", "plan_frames", "plan_instances"]

WHERE = pl.Enum(["base", "new", "both"])
STATUS = pl.Enum(list(STATUSES))
ACTION = pl.Enum(["add", "skip", "update_track"])


@dataclass(frozen=True)
class MergeCounts:
    """How much of what there is, and what is done with it.

    Attributes:
        frames_only_in_base: Places that only the base has frames at.
        frames_only_in_new: Places that only the new project has frames at.
        frames_in_both: Places that both have frames at.
        frames_added: Frames that are added.
        instances_redundant: New instances that are there already.
        instances_conflicting: New instances at odds with some of the base.
        instances_added: New instances that are added.
        instances_skipped: New instances that are not added, nor redundant.
        instances_dropped: Base instances that are left out.
        instances_updated: Base instances that get another track or tracking score.
        negative_changed: Base frames whose mark as negative changes.
        videos_added: Videos.
        skeletons_added: Skeletons.
        nodes_added: Nodes, of added skeletons too.
        tracks_added: Tracks.
        suggestions_added: Suggestions.
        negative_anchors_added: Negative anchors.
    """

    frames_only_in_base: int
    frames_only_in_new: int
    frames_in_both: int
    frames_added: int
    instances_redundant: int
    instances_conflicting: int
    instances_added: int
    instances_skipped: int
    instances_dropped: int
    instances_updated: int
    negative_changed: int
    videos_added: int
    skeletons_added: int
    nodes_added: int
    tracks_added: int
    suggestions_added: int
    negative_anchors_added: int

    @property
    def changes(self) -> bool:
        """Whether the base will not stay as it is."""
        done = ("frames_added", "instances_dropped", "instances_updated", "negative_changed")
        added = (value for name, value in vars(self).items() if name.endswith("_added"))
        return any(added) or any(getattr(self, name) for name in done)


def count_merge(merged: Catalog, base: Catalog, decisions: Iterable[Decision]) -> MergeCounts:
    """Count what a merge will do.

    Args:
        merged: The merged small tables.
        base: The base's small tables.
        decisions: What goes into the merged project, part by part.
    """
    names = ("videos", "skeletons", "nodes", "tracks", "suggestions", "negative_anchors")
    total = dict.fromkeys(MergeCounts.__dataclass_fields__, 0)
    for name in names:
        total[f"{name}_added"] = getattr(merged, name).height - getattr(base, name).height
    for decision in decisions:
        for name, count in _count_rows(decision).items():
            total[name] += count
    return MergeCounts(**total)


def _count_rows(decision: Decision) -> dict[str, int]:
    found = decision.comparison
    meeting, status = found.meeting, found.status
    n_both = int(meeting.is_shared.sum())
    n_new = len(meeting.is_shared) - n_both
    place = meeting.base.place
    n_base = int((place[1:] != place[:-1]).sum()) + min(len(place), 1)
    return {
        "frames_only_in_base": n_base - n_both,
        "frames_only_in_new": n_new,
        "frames_in_both": n_both,
        "frames_added": n_new,
        "instances_redundant": int((status == REDUNDANT).sum()),
        "instances_conflicting": int((status == CONFLICTING).sum()),
        "instances_added": int(decision.is_added.sum()),
        "instances_skipped": int(((status != REDUNDANT) & ~decision.is_added).sum()),
        "instances_dropped": int(decision.is_dropped.sum()),
        "instances_updated": int(_changed_updates(decision).sum()),
        "negative_changed": _n_marked(decision),
    }


def _changed_updates(decision: Decision) -> BoolArray:
    """Tell which updates say something that the base does not say yet."""
    found, rows = decision.comparison, decision.updates
    base, new = found.meeting.base, found.meeting.new
    partner = found.partner[rows]
    mine = base.structure.instances["tracking_score"].gather(partner)
    theirs = new.structure.instances["tracking_score"].gather(rows)
    changed: BoolArray = (base.track[partner] != new.track[rows]) | (
        mine.ne_missing(theirs).to_numpy()
    )
    return changed


def _n_marked(decision: Decision) -> int:
    rows, after = negative_frames(decision)
    frames = decision.comparison.meeting.base.structure.frames
    return int((frames["is_negative"].to_numpy()[rows] != after).sum())


def plan_frames(catalog: MergedCatalog, decision: Decision) -> pl.DataFrame:
    """List every place of both projects.

    Returns:
        One row per place, by video and index: ``video`` (filename), ``video_id`` (of the
        merged project), ``frame_idx``, ``where`` (``base``, ``new``, ``both``), and how many
        instances: ``n_base``, ``n_new``, ``n_redundant``, ``n_conflicting``, ``n_added``,
        ``n_dropped``.
    """
    found = decision.comparison
    meeting = found.meeting
    base, new = meeting.base, meeting.new
    places = np.union1d(base.place, new.place)
    at_base, at_new = np.searchsorted(places, base.place), np.searchsorted(places, new.place)
    is_base, is_new = np.zeros((2, len(places)), np.bool_)
    is_base[at_base], is_new[at_new] = True, True

    def count(of: IntArray, mask: BoolArray | None = None) -> IntArray:
        return np.bincount(of if mask is None else of[mask], minlength=len(places))

    ours, theirs = at_base[base.frame], at_new[new.frame]
    where = np.where(is_base & is_new, 2, np.where(is_new, 1, 0)).astype(np.uint8)
    table = pl.DataFrame(
        {
            "video_id": (places >> np.uint64(32)).astype(np.uint32),
            "frame_idx": (places & np.uint64(2**32 - 1)).astype(np.int64),
            "where": where,
            "n_base": count(ours),
            "n_new": count(theirs),
            "n_redundant": count(theirs, found.status == REDUNDANT),
            "n_conflicting": count(theirs, found.status == CONFLICTING),
            "n_added": count(theirs, decision.is_added),
            "n_dropped": count(ours, decision.is_dropped),
        }
    ).with_columns(pl.col("where").cat.to(WHERE))
    return _with_video(catalog, table)


def plan_instances(catalog: MergedCatalog, decision: Decision) -> pl.DataFrame:
    """List every instance of the new project.

    Returns:
        One row per instance, in its order: ``video``, ``video_id`` (of the merged
        project), ``frame_idx``, ``instance_id`` and ``track_id`` (of the new project),
        ``kind``, ``status`` (``new``, ``redundant``, ``conflicting``), ``action`` (``add``,
        ``skip``, ``update_track``), ``base_instance_id`` (the same one, or another version of
        it, or the nearest it conflicts with) and ``distance`` to that in pixels, the
        largest between nodes that both have; both null where there is none.
    """
    found = decision.comparison
    new = found.meeting.new
    partner, distance = _with_nearest(decision)
    action = np.where(decision.is_added, 0, 1).astype(np.uint8)
    action[decision.updates[_changed_updates(decision)]] = 2
    place = new.place[new.frame]
    instances = new.structure.instances
    ids = found.meeting.base.structure.instances["instance_id"].to_numpy()
    table = pl.DataFrame(
        {
            "video_id": (place >> np.uint64(32)).astype(np.uint32),
            "frame_idx": (place & np.uint64(2**32 - 1)).astype(np.int64),
            "instance_id": instances["instance_id"],
            "kind": new.kind,
            "track_id": instances["track_id"],
            "status": found.status,
            "action": action,
            "base_instance_id": ids[partner] if len(ids) else np.zeros(len(partner), np.uint32),
            "distance": distance,
            "alone": partner < 0,
        }
    ).with_columns(
        pl.col("kind").cat.to(KIND),
        pl.col("status").cat.to(STATUS),
        pl.col("action").cat.to(ACTION),
        pl.col("distance").fill_nan(None),
        pl.when(~pl.col("alone")).then("base_instance_id").alias("base_instance_id"),
    )
    return _with_video(catalog, table.drop("alone"))


def _with_nearest(decision: Decision) -> tuple[IntArray, Any]:
    """Complete partners and distances by the nearest of those in conflict."""
    found = decision.comparison
    meeting = found.meeting
    base, new = meeting.base, meeting.new
    partner, distance = found.partner.copy(), found.distance.copy()
    base_rows, base_at = meeting.base_instances()
    new_rows, new_at = meeting.new_instances()
    asking = (found.status[new_rows] == CONFLICTING) & np.isnan(distance[new_rows])
    there = found.in_conflict[base_rows]
    a, b, far = find_near(
        base, new, base_rows[there], new_rows[asking], base_at[there], new_at[asking], np.inf
    )
    # Partners by track keep each other, and only learn how far apart they are.
    fits = (base.kind[a] == new.kind[b]) & ((partner[b] < 0) | (partner[b] == a))
    a, b, far = nearest((a[fits], b[fits], far[fits]), len(base.kind), len(new.kind))
    partner[b], distance[b] = a, far
    return partner, distance


def plan_dropped(catalog: MergedCatalog, decision: Decision) -> pl.DataFrame:
    """List the base instances that a merge leaves out.

    Returns:
        ``video``, ``video_id``, ``frame_idx``, ``instance_id``, ``kind``, ``track_id``, in the
        order of the base.
    """
    base = decision.comparison.meeting.base
    rows = np.flatnonzero(decision.is_dropped)
    place = base.place[base.frame[rows]]
    instances = base.structure.instances[rows]
    table = pl.DataFrame(
        {
            "video_id": (place >> np.uint64(32)).astype(np.uint32),
            "frame_idx": (place & np.uint64(2**32 - 1)).astype(np.int64),
            **{name: instances[name] for name in ("instance_id", "kind", "track_id")},
        }
    )
    return _with_video(catalog, table)


def _with_video(catalog: MergedCatalog, table: pl.DataFrame) -> pl.DataFrame:
    names = dict(catalog.catalog.videos.select("video_id", "filename").iter_rows())
    video = pl.col("video_id").replace_strict(names, return_dtype=pl.String, default=None)
    return table.select(video.alias("video"), pl.all())
