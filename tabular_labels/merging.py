"""Merge snapshots: what the facade's `merge` and `merge_plan` run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray, Json
from tabular_labels.merging_parts import DecidedPart, Rule, Sides, decide_parts, side_of
from tabular_labels.model.tables import Catalog
from tabular_labels.queries.lineage import with_lineage
from tabular_labels.queries.match import CatalogMatch
from tabular_labels.queries.merge_assemble import assemble, first_key, number_positions
from tabular_labels.queries.merge_catalog import MergedCatalog, merge_catalogs
from tabular_labels.queries.merge_collect import InstanceCollector
from tabular_labels.queries.merge_compare import CONFLICTING
from tabular_labels.queries.merge_links import Part, merge_links
from tabular_labels.queries.merge_plan import MergeCounts, count_merge
from tabular_labels.queries.merge_strategies import Decision, Strategy, decide
from tabular_labels.store.merged import Parent, SourceBuilder
from tabular_labels.store.snapshot import Snapshot

__all__ = [
    "HISTORY_KEPT",
    "HISTORY_KEY",
    "Decided",
    "MergedRows",
    "decide_by",
    "decide_merge",
    "merged_snapshot",
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
        parts: What goes into the merged project, in canonical order.
        strategy: How conflicts are decided.
        tolerance: Up to how many pixels apart poses are versions of one.
        first: The first keys to give to new rows, by kind, and the first position; where
            one is not named, those of the base decide.
    """

    base: Snapshot
    new: Snapshot
    catalog: MergedCatalog
    parts: Sequence[DecidedPart]
    strategy: str
    tolerance: float
    first: Mapping[str, int] = field(default_factory=dict)

    def decisions(self) -> Iterator[Decision]:
        """Make what is decided again, part by part."""
        return (part.decision() for part in self.parts)

    def count(self) -> MergeCounts:
        """Count what there is, and what is done with it."""
        return count_merge(self.catalog.catalog, self.base.catalog, self.decisions())

    @property
    def n_instances(self) -> int:
        """How many instances there will be."""
        kept = self.base.structure.instances.height - int(self.is_dropped.sum())
        return kept + sum(int(part.is_added.sum()) for part in self.parts)

    @property
    def is_dropped(self) -> BoolArray:
        """Which base instances are left out: bool, ``(n_instances,)``."""
        return np.concatenate([part.is_dropped for part in self.parts])

    @property
    def n_namesakes(self) -> int:
        """How many tracks are added although the base has one of their name."""
        merged, before = self.catalog.catalog.tracks, self.base.catalog.tracks
        added = merged.join(before.select("track_id"), on="track_id", how="anti")
        return int(added["name"].is_in(before["name"].implode()).sum())

    def conflicts(self) -> list[tuple[str, int]]:
        """Name the first places with instances in conflict, by video and index."""
        names = dict(self.catalog.catalog.videos.select("video_id", "filename").iter_rows())
        found: list[tuple[str, int]] = []
        for part in self.parts:
            if len(found) >= CONFLICTS_KEPT or not (part.status == CONFLICTING).any():
                continue
            new = part.decision().comparison.meeting.new
            place = np.unique(new.place[new.frame[part.status == CONFLICTING]])
            found += [(names[key >> 32], key & (2**32 - 1)) for key in place.tolist()]
        return found[:CONFLICTS_KEPT]


@dataclass(frozen=True)
class MergedRows:
    """Where the rows of a merged snapshot come from.

    Attributes:
        is_added: Which frames are added; the others are the base's, in their order.
        is_new: Which instances are added; the others are those that the base keeps.
    """

    is_added: BoolArray
    is_new: BoolArray


def decide_merge(
    base: Snapshot,
    new: Snapshot,
    match: CatalogMatch,
    strategy: Strategy = "keep_both",
    tolerance: float = 0.0,
    first: Mapping[str, int] | None = None,
) -> Decided:
    """Decide what a merge does, without doing it.

    Args:
        base: What takes the other in.
        new: What is taken in.
        match: What is the same in both.
        strategy: See `queries.merge_strategies.decide`.
        tolerance: Pixels, see `queries.merge_compare.compare_instances`.
        first: See `Decided`.
    """
    catalog = merge_catalogs(match, first)
    rule = partial(decide, strategy=strategy)
    decided = decide_by(rule, base, new, catalog, strategy=strategy, tolerance=tolerance)
    return replace(decided, first=first or {})


def decide_by(
    rule: Rule,
    base: Snapshot,
    new: Snapshot,
    catalog: MergedCatalog,
    *,
    strategy: str,
    tolerance: float = 0.0,
    alike: Mapping[int, int] | None = None,
) -> Decided:
    """Decide a merge by a rule; ``alike`` as `queries.merge_side.Side` has it."""
    sides = Sides(side_of(base, catalog.base, alike), side_of(new, catalog.new, alike))
    parts = decide_parts(sides, tolerance, rule)
    return Decided(base, new, catalog, parts, strategy, float(tolerance))


def merged_snapshot(
    decided: Decided, catalog: Catalog | None = None
) -> tuple[Snapshot, MergedRows]:
    """Do what was decided.

    Args:
        decided: From `decide_merge`.
        catalog: The merged small tables, if they say more by now.

    Returns:
        A snapshot in memory if both are; otherwise one that refers to the points where
        they are. And where its rows come from.
    """
    base, new = decided.base, decided.new
    builder = SourceBuilder(
        [
            Parent(snapshot.source, snapshot.structure, keys.skeletons)
            for snapshot, keys in ((base, decided.catalog.base), (new, decided.catalog.new))
        ],
        decided.n_instances,
    )
    frames, instances, rows = _assemble(decided, builder)
    source = builder.finish(
        decided.catalog.catalog if catalog is None else catalog, frames, instances
    )
    in_memory = base.in_memory and new.in_memory
    return Snapshot.of(source.load()) if in_memory else Snapshot(source), rows


def _assemble(
    decided: Decided, builder: SourceBuilder
) -> tuple[pl.DataFrame, pl.DataFrame, MergedRows]:
    """Put frames and instances together part by part."""
    mine, theirs = decided.base.structure, decided.new.structure
    n_added = [int(part.is_added.sum()) for part in decided.parts]
    n_leads = [part.n_leads for part in decided.parts]
    least = decided.first
    frame = first_key(mine.frames["frame_id"], sum(n_leads), "frames", least.get("frame", 0))
    instance = first_key(
        mine.instances["instance_id"], sum(n_added), "instances", least.get("instance", 0)
    )
    firsts = instance + np.cumsum([0, *n_added])
    parts = [
        Part(part.base_rows, part.new_rows, int(first), part.decision)
        for part, first in zip(decided.parts, firsts, strict=False)
    ]
    links = merge_links(mine.instances, theirs.instances, parts)
    frames: list[pl.DataFrame] = []
    instances = InstanceCollector(decided.n_instances)
    is_added: list[BoolArray] = []
    is_new: list[BoolArray] = []
    for k, (part, rows) in enumerate(zip(decided.parts, parts, strict=True)):
        known = _no_links(part) if links is None else links[k]
        made = assemble(part.decision(), frame, rows.first_instance, known)
        frame += part.n_leads
        first = np.where(made.is_new, rows.new_rows.start, rows.base_rows.start)
        builder.add(made.is_new, made.row + first)
        frames.append(made.frames)
        instances.add(made.instances)
        is_added.append(made.is_added)
        is_new.append(made.is_new)
    came = MergedRows(np.concatenate(is_added), np.concatenate(is_new))
    joined = pl.concat(frames, rechunk=True)
    numbered = number_positions(joined, came.is_added, least.get("position", 0))
    return numbered, instances.finish(), came


def _no_links(part: DecidedPart) -> tuple[IntArray, IntArray]:
    return np.full(len(part.is_dropped), -1, np.int64), np.full(len(part.is_added), -1, np.int64)


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
