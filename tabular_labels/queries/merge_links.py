"""Where ``from_predicted`` leads after a merge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.offsets import rows_of_ids
from tabular_labels.queries.merge_assemble import added_in_order
from tabular_labels.queries.merge_compare import REDUNDANT
from tabular_labels.queries.merge_strategies import Decision

__all__ = ["Part", "merge_links"]

_Kinds = npt.NDArray[np.uint8]
_Stand = tuple[IntArray, _Kinds]


@dataclass(frozen=True)
class Part:
    """A part of two projects whose frames meet apart from all others.

    Attributes:
        base_rows: Its instances in the base.
        new_rows: Its instances in the new project.
        first_instance: Key of the first instance that is added.
        decide: Returns what goes into the merged project.
    """

    base_rows: slice
    new_rows: slice
    first_instance: int
    decide: Callable[[], Decision]


@dataclass(frozen=True)
class _Links:
    """The linked instances of one project, and where their links lead."""

    row: IntArray  # of those that are linked, ascending
    target: IntArray
    is_predicted: npt.NDArray[np.bool_]
    found: IntArray  # keys in the merged project
    found_kind: _Kinds


def merge_links(
    base: pl.DataFrame, new: pl.DataFrame, parts: Sequence[Part]
) -> list[tuple[IntArray, IntArray]] | None:
    """Find where links lead in the merged project.

    A link leads to the instance itself, to the one that is equal, to the one that takes
    its place, or nowhere: a user instance comes from a prediction.

    Args:
        base: Instances of the base.
        new: Instances of the new project.
        parts: What is decided of all of them, in order.

    Returns:
        For each part the keys that its base and its new instances lead to, -1 for
        none; None when there are no links at all.
    """
    columns = base["from_predicted"], new["from_predicted"]
    if all(column.null_count() == column.len() for column in columns):
        return None
    mine, theirs = _linked(base), _linked(new)
    for part in parts:
        asked = _within(mine.target, part.base_rows), _within(theirs.target, part.new_rows)
        if not len(asked[0]) and not len(asked[1]):
            continue
        stands = _stand_ins(part.decide(), part.first_instance)
        for links, at, first, (keys, kinds) in (
            (mine, asked[0], part.base_rows.start, stands[0]),
            (theirs, asked[1], part.new_rows.start, stands[1]),
        ):
            rows = links.target[at] - first
            links.found[at], links.found_kind[at] = keys[rows], kinds[rows]
    return [(_of_part(mine, part.base_rows), _of_part(theirs, part.new_rows)) for part in parts]


def _linked(instances: pl.DataFrame) -> _Links:
    column = instances["from_predicted"]
    rows = np.flatnonzero(column.is_not_null().to_numpy())
    target = rows_of_ids(instances["instance_id"].to_numpy(), column.gather(rows).to_numpy())
    kind = instances["kind"].gather(rows).to_physical().to_numpy()
    nowhere = np.full(len(rows), -1, np.int64)
    return _Links(rows, target, kind == 1, nowhere, np.zeros(len(rows), np.uint8))


def _within(rows: IntArray, part: slice) -> IntArray:
    return np.flatnonzero((rows >= part.start) & (rows < part.stop))


def _of_part(links: _Links, part: slice) -> IntArray:
    keys = np.full(part.stop - part.start, -1, np.int64)
    at = _within(links.row, part)
    fits = (links.found_kind[at] == 1) | links.is_predicted[at]
    keys[links.row[at] - part.start] = np.where(fits, links.found[at], -1)
    return keys


def _stand_ins(decision: Decision, first_instance: int) -> tuple[_Stand, _Stand]:
    """Return what stands for each base and each new instance: its key, -1 for none, and kind."""
    found = decision.comparison
    base, new = found.meeting.base, found.meeting.new
    ids = base.structure.instances["instance_id"].to_numpy().astype(np.int64)
    added = added_in_order(decision)
    for_new, kind_for_new = np.full(len(new.kind), -1, np.int64), new.kind.copy()
    for_new[added] = first_instance + np.arange(len(added))
    for_base, kind_for_base = np.where(decision.is_dropped, -1, ids), base.kind.copy()
    taking = added[found.partner[added] >= 0]
    taking = taking[decision.is_dropped[found.partner[taking]]]
    for_base[found.partner[taking]] = for_new[taking]
    kind_for_base[found.partner[taking]] = new.kind[taking]

    left = np.flatnonzero((for_new < 0) & (found.partner >= 0))
    for_new[left] = for_base[found.partner[left]]
    kind_for_new[left] = kind_for_base[found.partner[left]]
    twins = np.flatnonzero((found.twin >= 0) & (found.status == REDUNDANT))
    for_new[twins] = for_new[found.twin[twins]]
    kind_for_new[twins] = kind_for_new[found.twin[twins]]
    return (for_base, kind_for_base), (for_new, kind_for_new)
