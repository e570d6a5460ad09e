"""Whether two instances say the same."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular_labels.model.track import Track

__all__ = ["points_match", "scores_match", "tracks_match"]


def scores_match(a: float | None, b: float | None) -> bool:
    """Compare in the precision of the tables, which detached values exceed.

    Examples:
        >>> scores_match(0.1, float(np.float32(0.1))), scores_match(0.1, None)
        (True, False)
    """
    return a == b or (a is not None and b is not None and bool(np.float32(a) == np.float32(b)))


def tracks_match(a: Track | None, b: Track | None) -> bool:
    """Compare tracks by value; none matches none."""
    return a is b or (a is not None and b is not None and a.matches(b))


def points_match(a: Any, b: Any) -> bool:
    """Compare the points of two instances of matching skeletons, node by node."""
    order = a.skeleton.places_in(b.skeleton)
    mine = a.numpy(invisible_as_nan=False)
    if not _are_same(mine, _ordered(b.numpy(invisible_as_nan=False), order)):
        return False
    missing = None
    for name in ("visible", "complete", "score"):
        left = a._source.point_values(a._row, name)
        right = _ordered(b._source.point_values(b._row, name), order)
        if left.tobytes() == right.tobytes():
            continue
        # What is said of a point that is missing does not count.
        missing = np.isnan(mine).any(axis=1) if missing is None else missing
        if not _are_same(np.where(missing, 0, left), np.where(missing, 0, right)):
            return False
    return True


def _ordered(values: Any, order: Any) -> Any:
    return values if order is None else values[order]


def _are_same(a: Any, b: Any) -> bool:
    return a.tobytes() == b.tobytes() or np.array_equal(a, b, equal_nan=True)
