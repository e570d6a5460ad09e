"""What each instance of a new project is to those of the base: redundant, new, in conflict."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.errors import MergeError
from tabular_labels.queries.merge_equal import find_equal, find_first_equal
from tabular_labels.queries.merge_near import find_near, nearest, pair_tracks
from tabular_labels.queries.merge_places import Meeting

__all__ = ["CONFLICTING", "NEW", "REDUNDANT", "STATUSES", "Comparison", "compare_instances"]

STATUSES = ("new", "redundant", "conflicting")
"""What an instance of the new project may be, by number."""
NEW, REDUNDANT, CONFLICTING = range(3)

Statuses = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Comparison:
    """What the instances of two projects are to each other.

    Attributes:
        meeting: Where the frames meet.
        status: Of each new instance: `NEW`, `REDUNDANT` or `CONFLICTING`.
        partner: The base instance that is the same or another version; -1 for none.
        distance: To the partner in pixels; NaN without a node in common.
        twin: An earlier frame's new instance at the same place that is equal; -1 for none.
        is_met: Which base instances some new one is equal to.
        in_conflict: Which base instances are at odds with some new one of their kind.
    """

    meeting: Meeting
    status: Statuses
    partner: IntArray
    distance: FloatArray
    twin: IntArray
    is_met: BoolArray
    in_conflict: BoolArray


def compare_instances(meeting: Meeting, tolerance: float = 0.0) -> Comparison:
    """Compare the instances of frames that both projects have.

    A new instance is *redundant* if an equal one is there. Of the others, the nearest of
    one kind become partners, then the nearest of two kinds, then those of one kind and
    track; near is at most ``tolerance``. New instances with a partner of their kind are
    *conflicting*. Without a tolerance nobody can tell which of the remaining instances
    show one animal: then all of one kind at one place conflict, if both projects have
    some. Everything else is *new*.

    Args:
        meeting: Where the frames meet.
        tolerance: In pixels; 0 for exact comparison.

    Raises:
        MergeError: The tolerance is negative or no number.
    """
    if not tolerance >= 0:
        message = f"tolerance: found {tolerance!r}, expected pixels, at least 0. Leave it out."
        raise MergeError(message)
    base, new = meeting.base, meeting.new
    n_base, n_new = base.structure.instances.height, new.structure.instances.height
    status: Statuses = np.full(n_new, NEW, np.uint8)
    partner, distance = np.full(n_new, -1, np.int64), np.full(n_new, np.nan)
    is_met, in_conflict = np.zeros(n_base, np.bool_), np.zeros(n_base, np.bool_)
    twin = _twins(meeting)
    status[twin >= 0] = REDUNDANT

    base_rows, base_at = meeting.base_instances()
    new_rows, new_at = meeting.new_instances()
    single = twin[new_rows] < 0
    new_rows, new_at = new_rows[single], new_at[single]
    partner[new_rows], met = find_equal(base, new, base_rows, new_rows, base_at, new_at)
    is_met[base_rows[met]] = True
    equal = new_rows[partner[new_rows] >= 0]
    status[equal], distance[equal] = REDUNDANT, 0.0

    left = partner[new_rows] < 0
    found = Comparison(meeting, status, partner, distance, twin, is_met, in_conflict)
    _pair(found, base_rows[~met], new_rows[left], base_at[~met], new_at[left], tolerance)
    return found


def _twins(meeting: Meeting) -> IntArray:
    """Find new instances that are in an earlier new frame of the same place already."""
    new = meeting.new
    twin = np.full(new.structure.instances.height, -1, np.int64)
    rows, at = meeting.repeated_instances()
    first = find_first_equal(new, rows, at, new, rows, at)
    # Equal instances of one frame are two animals that nobody told apart.
    is_later = new.frame[first] != new.frame[rows]
    twin[rows[is_later]] = first[is_later]
    return twin


def _pair(
    found: Comparison,
    base_rows: IntArray,
    new_rows: IntArray,
    base_at: IntArray,
    new_at: IntArray,
    tolerance: float,
) -> None:
    """Pair what is not equal, and mark what is in conflict."""
    base, new = found.meeting.base, found.meeting.new
    if not len(new_rows) or not len(base_rows):
        return
    a, b, far = find_near(base, new, base_rows, new_rows, base_at, new_at, tolerance)
    alike = base.kind[a] == new.kind[b]
    size = len(base.kind), len(new.kind)
    taken = np.zeros(size[0], np.bool_)
    for chosen in (alike, ~alike):
        free = chosen & ~taken[a] & (found.partner[b] < 0)
        mine, theirs, near = nearest((a[free], b[free], far[free]), *size)
        found.partner[theirs], found.distance[theirs] = mine, near
        taken[mine] = True
    open_a, open_b = ~taken[base_rows], found.partner[new_rows] < 0
    mine, theirs = pair_tracks(
        base, new, base_rows[open_a], new_rows[open_b], base_at[open_a], new_at[open_b]
    )
    found.partner[theirs] = mine
    with_partner = new_rows[found.partner[new_rows] >= 0]
    at_odds = with_partner[base.kind[found.partner[with_partner]] == new.kind[with_partner]]
    found.status[at_odds] = CONFLICTING
    found.in_conflict[found.partner[at_odds]] = True
    if tolerance == 0:
        for kind in (0, 1):
            ours, theirs = base.kind[base_rows] == kind, new.kind[new_rows] == kind
            found.in_conflict[base_rows[ours & np.isin(base_at, new_at[theirs])]] = True
            found.status[new_rows[theirs & np.isin(new_at, base_at[ours])]] = CONFLICTING
