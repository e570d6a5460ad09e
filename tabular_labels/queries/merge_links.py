"""Where ``from_predicted`` leads after a merge."""

from __future__ import annotations

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.model.buffers import key_values
from tabular_labels.model.offsets import rows_of_ids
from tabular_labels.queries.merge_compare import REDUNDANT
from tabular_labels.queries.merge_strategies import Decision

__all__ = ["merged_links"]


def merged_links(
    decision: Decision, kept: IntArray, added: IntArray, new_ids: IntArray
) -> tuple[tuple[IntArray, IntArray], int]:
    """Return the links of kept and of added instances, and how many lead nowhere now."""
    found = decision.comparison
    base, new = found.meeting.base, found.meeting.new
    mine, theirs = base.structure.instances, new.structure.instances
    columns = mine["from_predicted"], theirs["from_predicted"]
    if all(column.null_count() == column.len() for column in columns):
        return (np.full(len(kept), -1), np.full(len(added), -1)), 0
    ids = mine["instance_id"].to_numpy().astype(np.int64)
    id_of_new = np.full(len(new.kind), -1, np.int64)
    id_of_new[added] = new_ids
    stands_for_base = np.where(decision.is_dropped, -1, ids)
    kind_for_base = base.kind.copy()
    replacing = added[found.partner[added] >= 0]
    gone = found.partner[replacing]
    is_gone = decision.is_dropped[gone]
    stands_for_base[gone[is_gone]] = id_of_new[replacing[is_gone]]
    kind_for_base[gone[is_gone]] = new.kind[replacing[is_gone]]

    stands_for_new, kind_for_new = id_of_new.copy(), new.kind.copy()
    left = np.flatnonzero((stands_for_new < 0) & (found.partner >= 0))
    stands_for_new[left] = stands_for_base[found.partner[left]]
    kind_for_new[left] = kind_for_base[found.partner[left]]
    twins = np.flatnonzero((found.twin >= 0) & (found.status == REDUNDANT))
    stands_for_new[twins] = stands_for_new[found.twin[twins]]
    kind_for_new[twins] = kind_for_new[found.twin[twins]]

    made, n_lost = [], 0
    for side, rows, stands, kinds in (
        (base, kept, stands_for_base, kind_for_base),
        (new, added, stands_for_new, kind_for_new),
    ):
        table = side.structure.instances
        wanted = key_values(table["from_predicted"])[rows]
        linked = np.flatnonzero(wanted >= 0)
        target = rows_of_ids(table["instance_id"].to_numpy(), wanted[linked])
        # A user instance comes from a prediction.
        fits = (stands[target] >= 0) & ((kinds[target] == 1) | (side.kind[rows[linked]] == 1))
        links = np.full(len(rows), -1, np.int64)
        links[linked[fits]] = stands[target[fits]]
        n_lost += int((~fits).sum())
        made.append(links)
    return (made[0], made[1]), n_lost
