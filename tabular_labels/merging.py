"""Merge snapshots: what the facade's `merge` and `merge_plan` run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from tabular_labels.queries.match import CatalogMatch
from tabular_labels.queries.merge_assemble import Assembly, assemble
from tabular_labels.queries.merge_catalog import Keys, MergedCatalog, merge_catalogs
from tabular_labels.queries.merge_compare import compare_instances
from tabular_labels.queries.merge_places import meet
from tabular_labels.queries.merge_side import Side
from tabular_labels.queries.merge_strategies import Decision, Strategy, decide
from tabular_labels.queries.places import Rows
from tabular_labels.store.merged import Parent, merge_sources
from tabular_labels.store.snapshot import Snapshot

__all__ = ["Decided", "decide_merge", "merged_snapshot"]


@dataclass(frozen=True)
class Decided:
    """What a merge will do: from which snapshots, with which keys, and what is decided."""

    base: Snapshot
    new: Snapshot
    catalog: MergedCatalog
    decision: Decision


def side_of(snapshot: Snapshot, keys: Keys) -> Side:
    """Take a snapshot as one side of a merge."""

    def read(columns: Sequence[str], rows: Rows) -> pl.DataFrame:
        return snapshot.read_points(columns, rows)

    return Side(snapshot.structure, keys, read)


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
    return Decided(base, new, catalog, decide(compare_instances(meeting, tolerance), strategy))


def merged_snapshot(decided: Decided) -> tuple[Snapshot, Assembly]:
    """Do what was decided.

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
    catalog = decided.catalog.catalog
    source = merge_sources(catalog, made.frames, made.instances, parents, made.is_new, made.row)
    in_memory = decided.base.in_memory and decided.new.in_memory
    return Snapshot.of(source.load()) if in_memory else Snapshot(source), made
