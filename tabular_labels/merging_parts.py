"""Two snapshots cut into parts whose frames meet apart from all others.

A part is a range of places, thus of rows on both sides. What is decided of it is kept in
small arrays; all else is made again when it is needed, so that merging needs memory for
one part beside frames and instances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.model.tables import Structure
from tabular_labels.queries.merge_catalog import Keys
from tabular_labels.queries.merge_compare import (
    REDUNDANT,
    Comparison,
    Statuses,
    compare_instances,
)
from tabular_labels.queries.merge_places import meet
from tabular_labels.queries.merge_side import Side
from tabular_labels.queries.merge_strategies import Decision
from tabular_labels.queries.places import Rows
from tabular_labels.store.snapshot import Snapshot

__all__ = ["PART_FRAMES", "Rule", "Sides", "decide_parts", "side_of"]

PART_FRAMES = 50_000
"""Frames of both projects that a part has at most, unless more are at one place."""

Rule = Callable[[Comparison], Decision]


def side_of(snapshot: Snapshot, keys: Keys, alike: Mapping[int, int] | None = None) -> Side:
    """Take a snapshot as one side of a merge."""
    structure = snapshot.structure

    def read(columns: Sequence[str], rows: Rows) -> pl.DataFrame:
        if rows is None or _has_offsets(structure):
            return snapshot.read_points(columns, rows)
        # Of one skeleton the places of points are known without an offset for each.
        n_nodes = int(structure.n_nodes[0])
        chosen = np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows
        count = np.full(len(chosen), n_nodes, np.int64)
        return snapshot.source.read_points(None, chosen * n_nodes, count, columns)

    return Side(structure, keys, read, alike)


def _has_offsets(structure: Structure) -> bool:
    return (
        structure.part is not None
        or structure.point_start is not None
        or (len(structure.n_nodes) != 1)
    )


@dataclass(frozen=True)
class Sides:
    """Both sides of a merge.

    Attributes:
        base: What takes the other in.
        new: What is taken in.
    """

    base: Side
    new: Side

    def parts(self) -> Iterator[tuple[slice, slice]]:
        """Cut the frames of both sides between places."""
        ours, theirs = self.base.place, self.new.place
        # Out of order there is one part; so there is when it is small enough.
        if self.new.order is not None or len(ours) + len(theirs) <= PART_FRAMES:
            yield slice(0, len(ours)), slice(0, len(theirs))
            return
        half = PART_FRAMES // 2
        cuts = np.union1d(ours[half::half], theirs[half::half])
        edges_a = [0, *np.searchsorted(ours, cuts).tolist(), len(ours)]
        edges_b = [0, *np.searchsorted(theirs, cuts).tolist(), len(theirs)]
        a = b = 0
        for k in range(1, len(edges_a)):
            is_last = k == len(edges_a) - 1
            if is_last or edges_a[k + 1] - a + edges_b[k + 1] - b > PART_FRAMES:
                yield slice(a, edges_a[k]), slice(b, edges_b[k])
                a, b = edges_a[k], edges_b[k]

    def part(self, frames: tuple[slice, slice]) -> Sides:
        """Take a part of both."""
        return Sides(_part(self.base, frames[0]), _part(self.new, frames[1]))


def _part(side: Side, frames: slice) -> Side:
    rows = rows_of(side, frames)
    whole = side.structure
    if frames == slice(0, whole.frames.height):
        return replace(side)

    def read(columns: Sequence[str], chosen: Rows) -> pl.DataFrame:
        assert chosen is not None, "parts are read by rows"
        if isinstance(chosen, slice):
            return side.read(columns, slice(chosen.start + rows.start, chosen.stop + rows.start))
        return side.read(columns, chosen + rows.start)

    structure = Structure(whole.frames[frames], whole.instances[rows], whole.n_nodes)
    offsets = whole.instance_offsets[frames.start : frames.stop + 1]
    structure.with_offsets(offsets - rows.start)
    return Side(structure, side.keys, read, side.alike).with_place(side.place[frames])


def rows_of(side: Side, frames: slice) -> slice:
    """Return the instance rows of a range of frames."""
    offsets = side.structure.instance_offsets
    return slice(int(offsets[frames.start]), int(offsets[frames.stop]))


@dataclass(frozen=True)
class DecidedPart:
    """What is decided of a part, in as little memory as it needs."""

    sides: Sides
    frames: tuple[slice, slice]
    base_rows: slice
    new_rows: slice
    n_places: int
    status: Statuses
    partner: IntArray
    far_row: IntArray
    far: FloatArray
    twin_row: IntArray
    twin_of: IntArray
    is_met: BoolArray
    in_conflict: BoolArray
    is_added: BoolArray
    is_dropped: BoolArray
    updates: IntArray
    n_leads: int

    def decision(self) -> Decision:
        """Make the decision again."""
        part = self.sides.part(self.frames)
        partner = self.partner.astype(np.int64)
        distance = np.full(len(partner), np.nan)
        twin = np.full(len(partner), -1, np.int64)
        twin[self.twin_row] = self.twin_of
        distance[(self.status == REDUNDANT) & (twin < 0)] = 0.0
        distance[self.far_row] = self.far
        comparison = Comparison(
            meet(part.base, part.new),
            self.status,
            partner,
            distance,
            twin,
            self.is_met,
            self.in_conflict,
        )
        return Decision(comparison, self.is_added, self.is_dropped, self.updates)


def decide_parts(sides: Sides, tolerance: float, rule: Rule) -> list[DecidedPart]:
    """Compare and decide part by part.

    Args:
        sides: Both projects.
        tolerance: Pixels, see `queries.merge_compare.compare_instances`.
        rule: Decides what goes into the merged project.
    """
    return [_decide(sides, frames, tolerance, rule) for frames in sides.parts()]


def _decide(sides: Sides, frames: tuple[slice, slice], tolerance: float, rule: Rule) -> DecidedPart:
    part = sides.part(frames)
    found = compare_instances(meet(part.base, part.new), tolerance)
    decision = rule(found)
    far_row = np.flatnonzero(~np.isnan(found.distance) & (found.status != REDUNDANT))
    twin_row = np.flatnonzero(found.twin >= 0)
    return DecidedPart(
        sides,
        frames,
        rows_of(sides.base, frames[0]),
        rows_of(sides.new, frames[1]),
        len(found.meeting.is_shared),
        found.status,
        found.partner.astype(np.int32),
        far_row,
        found.distance[far_row],
        twin_row,
        found.twin[twin_row],
        found.is_met,
        found.in_conflict,
        decision.is_added,
        decision.is_dropped,
        decision.updates,
        int((~found.meeting.is_shared).sum()),
    )
