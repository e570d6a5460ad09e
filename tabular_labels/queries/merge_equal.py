"""Which instances of two projects say the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.model.buffers import float_columns
from tabular_labels.queries.merge_side import Side, steps

__all__ = ["equal_rows", "find_equal", "find_first_equal", "pose_hashes"]

_COLUMNS = ("x", "y", "visible", "complete", "score")
_MIX = np.uint64(0x9E3779B97F4A7C15)
_NAN = np.uint64(0x7FF8000000000000)

Hashes = npt.NDArray[np.uint64]


def find_equal(
    base: Side, new: Side, base_rows: IntArray, new_rows: IntArray, base_at: Any, new_at: Any
) -> tuple[IntArray, BoolArray]:
    """Find for instances one at the same place that says the same.

    Equal are: kind, skeleton, track, and every point: coordinates, ``visible``,
    ``complete`` and ``score``; missing equals missing, whatever else is said of such a
    point. The instance's own scores do not count.

    Args:
        base: One project.
        new: The other.
        base_rows: Instance rows, grouped by place.
        new_rows: Instance rows, grouped by place.
        base_at: Number of each row's place, ascending.
        new_at: Number of each row's place, ascending.

    Returns:
        For each new row one of ``base``, -1 for none: the instance that stands as far
        from the first of its place if they are equal, else the first that is equal.
        int64, shape of ``new_rows``. And which base rows some new one is equal to.
    """
    found = np.full(len(new_rows), -1, np.int64)
    is_met = np.zeros(len(base_rows), np.bool_)
    if not len(base_rows) or not len(new_rows):
        return found, is_met
    # Copies of one project mostly agree; what stands alike is compared without a search.
    rank = np.arange(len(new_rows)) - np.searchsorted(new_at, new_at)
    guess = np.minimum(np.searchsorted(base_at, new_at) + rank, len(base_rows) - 1)
    likely = np.flatnonzero(base_at[guess] == new_at)
    rows = base_rows[guess[likely]]
    good = equal_rows(base, new, rows, new_rows[likely])
    found[likely[good]] = rows[good]
    is_met[guess[likely[good]]] = True
    left, unmet = np.flatnonzero(found < 0), np.flatnonzero(~is_met)
    ours, theirs = (base, base_rows, base_at), (new, new_rows, new_at)
    found[left] = find_first_equal(*_near(ours, new_at[left]), *_some(theirs, left))
    is_met[unmet] = find_first_equal(*_near(theirs, base_at[unmet]), *_some(ours, unmet)) >= 0
    return found, is_met


def _some(rows: tuple[Side, IntArray, Any], chosen: IntArray) -> tuple[Side, IntArray, Any]:
    return rows[0], rows[1][chosen], rows[2][chosen]


def _near(rows: tuple[Side, IntArray, Any], at: Any) -> tuple[Side, IntArray, Any]:
    """Leave out the rows at other places."""
    return _some(rows, np.flatnonzero(np.isin(rows[2], at)))


def find_first_equal(
    base: Side, base_rows: IntArray, base_at: Any, new: Side, new_rows: IntArray, new_at: Any
) -> IntArray:
    """Find for instances the first one at the same place that says the same, -1 for none."""
    found = np.full(len(new_rows), -1, np.int64)
    if not len(base_rows) or not len(new_rows):
        return found
    ours, theirs = _hashes(base, base_rows, base_at), _hashes(new, new_rows, new_at)
    order = np.argsort(ours, kind="stable")
    ours = ours[order]
    place, end = np.searchsorted(ours, theirs), np.searchsorted(ours, theirs, side="right")
    asking = np.flatnonzero(place < end)
    # One round, unless instances that differ have one hash.
    while len(asking):
        at = order[place[asking]]
        rows = base_rows[at]
        good = (base_at[at] == new_at[asking]) & equal_rows(base, new, rows, new_rows[asking])
        found[asking[good]] = rows[good]
        asking = asking[~good]
        place[asking] += 1
        asking = asking[place[asking] < end[asking]]
    return found


def _hashes(side: Side, rows: IntArray, at: Any) -> Hashes:
    """Hash what must be equal, the points as far as they are not missing."""
    result = pose_hashes(side, rows)
    for values in (at, side.kind[rows], side.skeleton[rows], side.like_track[rows]):
        result = _stir(result ^ np.asarray(values).astype(np.int64).view(np.uint64))
    return result


def pose_hashes(side: Side, rows: IntArray) -> Hashes:
    """Hash the coordinates of instances: uint64, shape of ``rows``."""
    result = np.zeros(len(rows), np.uint64)
    for group in _by_skeleton(side, rows):
        for step in steps(len(group)):
            some = group[step]
            x, y = float_columns(side.points(("x", "y"), rows[some]).get_columns())
            n_nodes = len(x) // len(some)
            odd = _stir(np.arange(1, 2 * n_nodes + 1, dtype=np.uint64)) | np.uint64(1)
            total = np.zeros(len(some), np.uint64)
            for values, factors in ((x, odd[:n_nodes]), (y, odd[n_nodes:])):
                bits = _stir(_bits(values)).reshape(len(some), n_nodes)
                total += (bits * factors).sum(axis=1, dtype=np.uint64)
            result[some] = total
    return result


def _stir(values: Hashes) -> Hashes:
    values = values * _MIX
    return values ^ (values >> np.uint64(29))


def _bits(values: FloatArray) -> Hashes:
    """Return bits that are equal for equal numbers, and for all NaN."""
    # Adding zero turns -0.0 into 0.0.
    bits = (values.astype(np.float64) + 0.0).view(np.uint64)
    return np.where(np.isnan(values), _NAN, bits)


def _by_skeleton(side: Side, rows: IntArray) -> list[IntArray]:
    """Group positions in ``rows`` by the skeletons that instances have before."""
    keys = side.structure.instances["skeleton_id"].to_numpy()
    if len(side.keys.skeletons) == 1:
        return [np.arange(len(rows))]
    own = keys[rows]
    return [np.flatnonzero(own == key) for key in np.unique(own).tolist()]


def equal_rows(base: Side, new: Side, base_rows: IntArray, new_rows: IntArray) -> BoolArray:
    """Tell of pairs of instances whether they say the same: bool, ``(n_pairs,)``."""
    same: BoolArray = (
        (base.kind[base_rows] == new.kind[new_rows])
        & (base.skeleton[base_rows] == new.skeleton[new_rows])
        & (base.like_track[base_rows] == new.like_track[new_rows])
    )
    alike = np.flatnonzero(same)
    for group in _by_skeleton(new, new_rows[alike]):
        mine = alike[group]
        for part in _by_skeleton(base, base_rows[mine]):
            pairs = mine[part]
            for step in steps(len(pairs)):
                some = pairs[step]
                same[some] = _equal_points(
                    base.points(_COLUMNS, base_rows[some]),
                    new.points(_COLUMNS, new_rows[some]),
                    len(some),
                )
    return same


def _equal_points(mine: pl.DataFrame, theirs: pl.DataFrame, n: int) -> BoolArray:
    """Compare as many points of ``n`` instances each."""
    a, b = _arrays(mine), _arrays(theirs)
    if not len(a[0]):
        return np.ones(n, np.bool_)
    same = a[3] == b[3]
    same &= a[4] == b[4]
    for left, right in zip(a[:3], b[:3], strict=True):
        same &= left.view(np.uint64) == right.view(np.uint64)
    equal: BoolArray = same.reshape(n, -1).all(axis=1)
    # The same bits say the same; of the few others some say the same in other bits.
    unsure = np.flatnonzero(~equal)
    if len(unsure):
        some = [[values.reshape(n, -1)[unsure] for values in side] for side in (a, b)]
        equal[unsure] = _equal_values(some[0], some[1])
    return equal


def _equal_values(a: list[Any], b: list[Any]) -> BoolArray:
    missing = np.isnan(a[0]) | np.isnan(a[1])
    same = _same(a[0], b[0]) & _same(a[1], b[1])
    said = _same(a[2], b[2])
    said &= a[3] == b[3]
    said &= a[4] == b[4]
    same &= said | missing
    equal: BoolArray = np.logical_and.reduce(same, axis=1)
    return equal


def _same(a: FloatArray, b: FloatArray) -> BoolArray:
    equal, missing = np.asarray(a == b), np.asarray(np.isnan(a) & np.isnan(b))
    same: BoolArray = np.logical_or(equal, missing)
    return same


def _arrays(points: pl.DataFrame) -> list[Any]:
    floats = float_columns([points["x"], points["y"], points["score"]])
    return [*floats, points["visible"].to_numpy(), points["complete"].to_numpy()]
