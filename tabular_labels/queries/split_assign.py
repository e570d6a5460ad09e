"""Which part of a split each frame goes to."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.errors import QueryError
from tabular_labels.model.tables import order_of_list
from tabular_labels.queries.split import hash_keys, place_keys
from tabular_labels.queries.split_sizes import fraction_sizes, group_counts

__all__ = ["LEFT_OUT", "assign_frames", "split_positions"]

Hashes = npt.NDArray[np.uint64]

LEFT_OUT = -1
"""The part of frames that are in none."""

SHUFFLES = 64
"""Orders of large groups among which one is chosen whose sizes fit."""

_LARGE = 128  # a group is large when it holds more than this part of all frames
_SLACK = 50  # shuffles are as good as the best one up to this part of all frames


def assign_frames(
    frames: pl.DataFrame,
    sizes: Sequence[int],
    seed: int,
    *,
    leaders: IntArray | None = None,
    strata: IntArray | None = None,
) -> IntArray:
    """Deal frames out to parts, at random but repeatably.

    Single frames go by their hash, the lowest to the first part, and sizes are exact.

    Groups go whole, and the hash of a group is that of its first frame. Groups that hold
    more than 1/128 of the frames are dealt out in that order, each to the part that lacks
    most; of 64 such orders the first is taken that misses the sizes by at most 2 % of the
    frames more than the best of them. The other groups then fill the parts up, in the order
    of their hash. Every part gets a group.

    Strata are dealt out alike: frames are laid out by stratum and hash, and each part takes
    its share in equal steps, so that each stratum gives a part its share to within one
    frame (of what earlier parts left). With groups the same holds for groups, and sizes
    are only as near as groups are equal.

    Args:
        frames: Frames in canonical order, with ``video_id`` and ``frame_idx``.
        sizes: Frames of each part, at least 1 each, no more than there are in all.
        seed: Any integer.
        leaders: Groups that stay together, see `split_groups`; None for single frames.
        strata: Leaders of frames that are alike; None when it does not matter.

    Returns:
        int64, the part of each frame, -1 for frames that are in none.

    Raises:
        QueryError: There are fewer groups than parts, or the frames of a group are of
            several strata.

    Examples:
        >>> frames = pl.DataFrame({"video_id": [0, 0, 0, 1, 1], "frame_idx": [0, 1, 2, 0, 1]})
        >>> assign_frames(frames, [3, 2], seed=0).tolist()
        [0, 0, 1, 0, 1]
        >>> assign_frames(frames, [3, 2], seed=0, leaders=np.array([0, 0, 0, 3, 3])).tolist()
        [0, 0, 0, 1, 1]
    """
    if leaders is None:
        hashes = hash_keys(place_keys(frames), seed)
        if strata is None:
            return _by_hash(hashes, sizes)
        return _in_steps(np.lexsort((hashes, strata)), sizes, seed)
    first, weights = _groups(leaders)
    if len(first) < len(sizes):
        raise _too_few_groups(len(first), len(sizes), frames.height)
    keys = [column[first] for column in place_keys(frames)]
    if strata is None:
        of_groups = _by_weight(keys, weights, sizes, seed)
    else:
        _require_same(strata, leaders)
        hashes = hash_keys(keys, seed)
        counts = group_counts(sizes, frames.height, len(first))
        of_groups = _in_steps(np.lexsort((hashes, strata[first])), counts, seed)
    part = np.full(frames.height, LEFT_OUT)
    part[first] = of_groups
    return part[leaders]


def split_positions(
    frames: pl.DataFrame,
    fractions: Sequence[float],
    seed: int,
    positions: IntArray | None = None,
) -> list[IntArray]:
    """Deal out places in the list of frames, all or some of them.

    Args:
        frames: Frames in canonical order, with ``video_id``, ``frame_idx``, ``position``.
        fractions: As `fraction_sizes` takes them, of the given places.
        seed: Any integer.
        positions: Places in the list (int64, 0-based), repeats counting each; None for all.

    Returns:
        int64 places of each part, in the order in which they were given.

    Raises:
        QueryError: The fractions cannot be met.

    Examples:
        >>> frames = pl.DataFrame(
        ...     {"video_id": [0] * 4, "frame_idx": [5, 6, 7, 8], "position": range(4)},
        ...     schema_overrides={"position": pl.UInt32},
        ... )
        >>> split_positions(frames, [0.5, -1], 0, np.array([0, 3]))
        [array([3]), array([0])]

    Source:
        The division of ``split_labels_reader`` in ``sleap.nn.data.training``.
    """
    order = order_of_list(frames)
    given = np.arange(frames.height) if positions is None else positions
    rows = given if order is None else order[given]
    by_row = np.argsort(rows, kind="stable")
    part = np.empty(len(given), np.int64)
    sizes = fraction_sizes(len(given), fractions)
    part[by_row] = assign_frames(frames[rows[by_row]], sizes, seed)
    return [given[part == number] for number in range(len(sizes))]


def _groups(leaders: IntArray) -> tuple[IntArray, IntArray]:
    """Return the row of each group's first frame, and how many frames it has."""
    counts = np.bincount(leaders, minlength=len(leaders))
    first = np.flatnonzero(counts)
    return first, counts[first]


def _by_hash(hashes: Hashes, sizes: Sequence[int]) -> IntArray:
    """Give the lowest hashes to the first part, and so on."""
    stops = np.cumsum(sizes)
    ordered = np.sort(hashes)
    part = np.full(len(hashes), LEFT_OUT)
    if bool((ordered[1:] == ordered[:-1]).any()):
        # Two frames of one hash, once in 2**64 pairs: the lower row comes first.
        order = np.argsort(hashes, kind="stable")
        start = 0
        for number, stop in enumerate(stops.tolist()):
            part[order[start:stop]] = number
            start = stop
        return part
    for number in range(len(sizes) - 1, -1, -1):
        part[hashes <= ordered[stops[number] - 1]] = number
    return part


def _in_steps(order: IntArray, sizes: Sequence[int], seed: int) -> IntArray:
    """Take each part's share in equal steps from a row of things; the first step varies."""
    part = np.full(len(order), LEFT_OUT)
    starts = hash_keys([np.arange(len(sizes))], seed)
    for number, size in enumerate(sizes):
        n = len(order)
        start = int(starts[number]) % n
        steps = np.arange(n + 1)  # changed in place: there may be many
        steps *= size
        steps += start
        steps //= n
        taken = steps[1:] > steps[:-1]
        part[order[taken]] = number
        order = order[~taken]
    return part


def _by_weight(
    keys: Sequence[IntArray], weights: IntArray, sizes: Sequence[int], seed: int
) -> IntArray:
    """Deal groups out so that the parts come near their sizes."""
    total = int(weights.sum())
    unused = total - sum(sizes)
    need = np.array([*sizes, unused] if unused else sizes)
    part = np.full(len(weights), -1)
    is_large = weights * _LARGE > total
    large, small = np.flatnonzero(is_large), np.flatnonzero(~is_large)
    if len(large):
        orders = _shuffles([column[large] for column in keys], seed)
        part[large] = _deal(weights[large], orders, need, len(sizes), len(small), total)
        need = need - np.bincount(part[large], weights[large], len(need)).astype(np.int64)
    if len(small):
        hashes = hash_keys([column[small] for column in keys], seed)
        order = small[np.argsort(hashes, kind="stable")]
        has_some = np.isin(np.arange(len(need)), part[large])
        has_some[len(sizes) :] = True  # frames may be left over, they need not
        part[order] = _fill(weights[order], need, ~has_some)
    part[part == len(sizes)] = LEFT_OUT
    return part


def _shuffles(keys: list[IntArray], seed: int) -> IntArray:
    """Order things by their hash, and anew with the number of the shuffle as one more key."""
    n = len(keys[0])
    hashes = [hash_keys(keys, seed)]
    hashes += [hash_keys([*keys, np.full(n, k)], seed) for k in range(1, SHUFFLES)]
    return np.argsort(np.array(hashes), axis=1, kind="stable")


def _deal(
    weights: IntArray, orders: IntArray, need: IntArray, n_parts: int, n_small: int, total: int
) -> IntArray:
    """Deal large groups out in many orders, each to the part that lacks most; choose one."""
    n_orders, n_large = orders.shape
    lacks = np.tile(need, (n_orders, 1))
    given = np.empty_like(orders)
    is_empty = np.ones(lacks.shape, np.bool_)
    is_empty[:, n_parts:] = False
    every = np.arange(n_orders)
    for step in range(n_large):
        group = orders[:, step]
        left = n_large - step + n_small
        # The last groups go where there is nothing yet.
        is_short = (is_empty.sum(axis=1) >= left)[:, None]
        wish = np.where(is_short & ~is_empty, np.iinfo(np.int64).min, lacks)
        part = np.argmax(wish, axis=1)
        given[every, group] = part
        lacks[every, part] -= weights[group]
        is_empty[every, part] = False
    excess = np.maximum(-lacks, 0).sum(axis=1)
    good = excess * _SLACK <= excess.min() * _SLACK + total
    chosen: IntArray = given[int(np.argmax(good))]
    return chosen


def _fill(weights: IntArray, need: IntArray, is_empty: BoolArray) -> IntArray:
    """Cut a row of groups where the parts are as full as they should be, in proportion."""
    n = len(weights)
    filled = np.cumsum(weights)
    wanted = np.cumsum(np.maximum(need, 0))
    wanted = wanted * filled[-1] // wanted[-1]
    stops: list[int] = []
    for number, target in enumerate(wanted.tolist()):
        stop = int(np.searchsorted(filled, target))
        before = int(filled[stop - 1]) if stop else 0
        stop += int(filled[stop]) - target <= target - before
        least = (stops[-1] if stops else 0) + int(is_empty[number])
        stops.append(min(max(stop, least), n - int(is_empty[number + 1 :].sum())))
    part: IntArray = np.searchsorted(np.array(stops), np.arange(n), side="right")
    return part


def _require_same(strata: IntArray, leaders: IntArray) -> None:
    mixed = np.flatnonzero(strata != strata[leaders])
    if len(mixed):
        n_groups = len(np.unique(leaders[mixed]))
        message = (
            f"found {n_groups} groups whose frames are of several strata, expected one each. "
            "Stratify by something that a group has in common, such as "
            'pl.col("n_user").max().over("video") for groups by video.'
        )
        raise QueryError(message)


def _too_few_groups(n_groups: int, n_parts: int, n_frames: int) -> QueryError:
    return QueryError(
        f"found {n_groups} group{'s' * (n_groups != 1)} of frames that stay together ({n_frames} "
        f"frames), expected at least {n_parts}, one for each part. Split by something finer, "
        "such as blocks=10."
    )
