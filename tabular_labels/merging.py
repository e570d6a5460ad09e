"""Merge snapshots: what the facade's `merge` and `merge_plan` run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import Json
from tabular_labels.model.tables import Catalog
from tabular_labels.queries.lineage import with_lineage
from tabular_labels.queries.match import CatalogMatch
from tabular_labels.queries.merge_assemble import Assembly, assemble
from tabular_labels.queries.merge_catalog import Keys, MergedCatalog, merge_catalogs
from tabular_labels.queries.merge_compare import CONFLICTING, compare_instances
from tabular_labels.queries.merge_places import meet
from tabular_labels.queries.merge_plan import MergeCounts, count_merge
from tabular_labels.queries.merge_side import Side
from tabular_labels.queries.merge_strategies import Decision, Strategy, decide
from tabular_labels.queries.places import Rows
from tabular_labels.store.merged import Parent, merge_sources
from tabular_labels.store.snapshot import Snapshot

__all__ = [
    "HISTORY_KEPT",
    "HISTORY_KEY",
    "Decided",
    "decide_merge",
    "merged_snapshot",
    "side_of",
    "with_history",
]

HISTORY_KEY = "tabular_labels.merges"
"""Where provenance keeps what was merged."""
HISTORY_KEPT = 100
"""Provenance keeps so many merges, the latest ones."""
CONFLICTS_KEPT = 20


@dataclass(frozen=True)
class Decided:
    """What a merge will do: from which snapshots, with which keys, and what is decided.

    Attributes:
        base: What takes the other in.
        new: What is taken in.
        catalog: The merged small tables, and what keys become.
        decision: What goes into the merged project.
        strategy: How conflicts are decided.
        tolerance: Up to how many pixels apart poses are versions of one.
    """

    base: Snapshot
    new: Snapshot
    catalog: MergedCatalog
    decision: Decision
    strategy: str
    tolerance: float

    def count(self) -> MergeCounts:
        """Count what there is, and what is done with it."""
        return count_merge(self.catalog, self.base.catalog, self.decision)

    def conflicts(self) -> list[tuple[str, int]]:
        """Name the first places with instances in conflict, by video and index."""
        found = self.decision.comparison
        new = found.meeting.new
        place = np.unique(new.place[new.frame[found.status == CONFLICTING]])[:CONFLICTS_KEPT]
        names = dict(self.catalog.catalog.videos.select("video_id", "filename").iter_rows())
        return [(names[key >> 32], key & (2**32 - 1)) for key in place.tolist()]


def side_of(snapshot: Snapshot, keys: Keys, alike: Mapping[int, int] | None = None) -> Side:
    """Take a snapshot as one side of a merge."""

    def read(columns: Sequence[str], rows: Rows) -> pl.DataFrame:
        return snapshot.read_points(columns, rows)

    return Side(snapshot.structure, keys, read, alike)


def decide_merge(
    base: Snapshot,
    new: Snapshot,
    match: CatalogMatch,
    strategy: Strategy = "keep_both",
    tolerance: float = 0.0,
) -> Decided:
    """Decide what a merge does, without doing it.

    Args:
        base: What takes the other in.
        new: What is taken in.
        match: What is the same in both.
        strategy: See `queries.merge_strategies.decide`.
        tolerance: Pixels, see `queries.merge_compare.compare_instances`.
    """
    catalog = merge_catalogs(match)
    meeting = meet(side_of(base, catalog.base), side_of(new, catalog.new))
    decision = decide(compare_instances(meeting, tolerance), strategy)
    return Decided(base, new, catalog, decision, strategy, float(tolerance))


def merged_snapshot(decided: Decided, catalog: Catalog | None = None) -> tuple[Snapshot, Assembly]:
    """Do what was decided.

    Args:
        decided: From `decide_merge`.
        catalog: The merged small tables, if they say more by now.

    Returns:
        A snapshot in memory if both are; otherwise one that refers to the points where
        they are. And where its instances come from.
    """
    made = assemble(decided.decision)
    parents = [
        Parent(snapshot.source, snapshot.structure, keys.skeletons)
        for snapshot, keys in (
            (decided.base, decided.catalog.base),
            (decided.new, decided.catalog.new),
        )
    ]
    source = merge_sources(
        decided.catalog.catalog if catalog is None else catalog,
        made.frames,
        made.instances,
        parents,
        made.is_new,
        made.row,
    )
    in_memory = decided.base.in_memory and decided.new.in_memory
    return Snapshot.of(source.load()) if in_memory else Snapshot(source), made


def with_history(decided: Decided, counts: MergeCounts) -> Catalog:
    """Write down in the provenance what was merged, and what keys became."""
    base, new, catalog = decided.base.catalog, decided.new.catalog, decided.catalog.catalog
    provenance: Mapping[str, Any] = base.provenance
    if base.project_id != new.project_id:
        keys = decided.catalog.new
        provenance = with_lineage(provenance, new, keys.videos, keys.tracks)
    source = new.provenance.get("filename")
    record: Json = {
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "project": new.project_id,
        "filename": source if isinstance(source, str) else decided.new.source.origin,
        "strategy": decided.strategy,
        "tolerance": decided.tolerance,
        "counts": {name: value for name, value in vars(counts).items() if value},
        "conflicts": [list(place) for place in decided.conflicts()],
    }
    before = provenance.get(HISTORY_KEY)
    history = [*(before if isinstance(before, list) else []), record][-HISTORY_KEPT:]
    return replace(catalog, provenance={**provenance, HISTORY_KEY: history})
