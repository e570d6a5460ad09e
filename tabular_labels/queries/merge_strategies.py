"""What becomes of instances that two projects have at the same place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias, get_args

import numpy as np

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.errors import MergeError
from tabular_labels.queries.merge_compare import NEW, REDUNDANT, Comparison

__all__ = ["STRATEGIES", "Decision", "Strategy", "decide"]

Strategy: TypeAlias = Literal[
    "keep_both",
    "keep_base",
    "keep_new",
    "user_over_predicted",
    "replace_predictions",
    "update_tracks",
]
STRATEGIES: tuple[str, ...] = get_args(Strategy)

_PREDICTED = 1


@dataclass(frozen=True)
class Decision:
    """What goes into the merged project.

    Attributes:
        comparison: What it is decided from.
        is_added: Which new instances are added.
        is_dropped: Which base instances are left out.
        updates: New instances whose partners take their track and tracking score.
    """

    comparison: Comparison
    is_added: BoolArray
    is_dropped: BoolArray
    updates: IntArray


def decide(comparison: Comparison, strategy: Strategy = "keep_both") -> Decision:
    """Apply a strategy to the instances of frames that both projects have.

    Redundant instances are never added; instances of frames that only the new project
    has always are.

    - ``keep_both``: all others are added; nothing of the base goes.
    - ``keep_base``: those in conflict are not added.
    - ``keep_new``: all others are added, and base instances in conflict go.
    - ``user_over_predicted``: of partners, a user instance stays and a prediction goes; of
      two user instances the base's stays, of two predictions the new one.
    - ``replace_predictions``: predictions of the base go unless they are redundant, and
      new predictions come; user instances are the base's.
    - ``update_tracks``: base instances take track and tracking score of their partners;
      none is added.

    Args:
        comparison: What the instances are to each other.
        strategy: One of the above.

    Raises:
        MergeError: There is no such strategy.

    Source:
        ``Labels.complex_merge_between`` of the classic library, and the frame strategies
        of sleap-io.
    """
    rule = _RULES.get(strategy)
    if rule is None:
        message = (
            f"strategy: found {strategy!r}, expected one of {', '.join(STRATEGIES)}. Choose one."
        )
        raise MergeError(message)
    meeting = comparison.meeting
    is_shared = meeting.is_shared[meeting.place_of_new][meeting.new.frame]
    return rule(comparison, is_shared)


_Rule: TypeAlias = Callable[[Comparison, BoolArray], Decision]


def _keep_both(found: Comparison, _is_shared: BoolArray) -> Decision:
    return _decision(found)


def _keep_base(found: Comparison, _is_shared: BoolArray) -> Decision:
    return _decision(found, is_added=found.status == NEW)


def _keep_new(found: Comparison, _is_shared: BoolArray) -> Decision:
    return _decision(found, is_dropped=found.in_conflict)


def _user_over_predicted(found: Comparison, _is_shared: BoolArray) -> Decision:
    paired, partner = _pairs(found)
    base_wins = found.meeting.base.kind[partner] != _PREDICTED
    is_added = found.status != REDUNDANT
    is_added[paired[base_wins]] = False
    is_dropped = np.zeros(len(found.is_met), np.bool_)
    is_dropped[partner[~base_wins]] = True
    return _decision(found, is_added, is_dropped)


def _replace_predictions(found: Comparison, is_shared: BoolArray) -> Decision:
    base, new = found.meeting.base, found.meeting.new
    is_added = (found.status != REDUNDANT) & ~(is_shared & (new.kind != _PREDICTED))
    is_here = found.meeting.place_of_base[base.frame] >= 0
    return _decision(found, is_added, is_here & (base.kind == _PREDICTED) & ~found.is_met)


def _update_tracks(found: Comparison, is_shared: BoolArray) -> Decision:
    paired, _ = _pairs(found)
    # A pair that only shares its track is not one pose; a missing track says nothing.
    paired = paired[~np.isnan(found.distance[paired]) & (found.meeting.new.track[paired] >= 0)]
    return _decision(found, (found.status != REDUNDANT) & ~is_shared, updates=paired)


def _pairs(found: Comparison) -> tuple[IntArray, IntArray]:
    """Return new instances that have a partner which is not equal, and the partners."""
    paired = np.flatnonzero((found.partner >= 0) & (found.status != REDUNDANT))
    return paired, found.partner[paired]


def _decision(
    found: Comparison,
    is_added: BoolArray | None = None,
    is_dropped: BoolArray | None = None,
    updates: IntArray | None = None,
) -> Decision:
    return Decision(
        found,
        found.status != REDUNDANT if is_added is None else is_added,
        np.zeros(len(found.is_met), np.bool_) if is_dropped is None else is_dropped,
        np.empty(0, np.int64) if updates is None else updates,
    )


_RULES: Mapping[str, _Rule] = MappingProxyType(
    {
        "keep_both": _keep_both,
        "keep_base": _keep_base,
        "keep_new": _keep_new,
        "user_over_predicted": _user_over_predicted,
        "replace_predictions": _replace_predictions,
        "update_tracks": _update_tracks,
    }
)

assert set(_RULES) == set(STRATEGIES)
