"""Which frames are marked as showing no animal after a merge."""

from __future__ import annotations

import numpy as np

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.queries.merge_strategies import Decision

__all__ = ["negative_frames"]


def negative_frames(decision: Decision) -> tuple[IntArray, BoolArray]:
    """Return the base frames that take instances in at shared places, and their marks after.

    A frame is negative if either project says so and it shows no user instance; what the
    base says of its own instances stays.
    """
    meeting = decision.comparison.meeting
    base, new = meeting.base, meeting.new
    said = new.structure.frames["is_negative"].to_numpy()
    marked = np.zeros(len(meeting.is_shared), np.bool_)
    marked[meeting.place_of_new[said]] = True
    gets_user = np.zeros(len(meeting.is_shared), np.bool_)
    users = decision.is_added & (new.kind == 0)
    gets_user[meeting.place_of_new[new.frame[users]]] = True
    rows = meeting.base_stop[meeting.is_shared] - 1
    has_user = np.zeros(len(base.place), np.bool_)
    has_user[base.frame[(base.kind == 0) & ~decision.is_dropped]] = True
    mine = base.structure.frames["is_negative"].to_numpy()
    is_negative = mine[rows]
    place = meeting.place_of_base[mine]
    # Said by any of several frames at one place, it is said.
    marked[place[place >= 0]] = False
    after: BoolArray = is_negative | (marked[meeting.is_shared] & ~has_user[rows])
    return rows, after & ~gets_user[meeting.is_shared]
