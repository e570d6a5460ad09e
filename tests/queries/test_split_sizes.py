import math

import numpy as np
import pytest

from tabular_labels.errors import QueryError
from tabular_labels.queries.split_sizes import (
    fold_sizes,
    fraction_sizes,
    group_counts,
    pair_sizes,
    validation_sizes,
)


@pytest.mark.parametrize(
    ("n", "size"),
    [(0.5, 2), (0.7, 4), (0.0, 1), (1.0, 4), (3, 3), (0, 1), (99, 4), (-3, 1), (np.int64(2), 2)],
)
def test_sizes_round_half_to_even_and_leave_a_frame_on_both_sides(n: float, size: int) -> None:
    assert pair_sizes(5, n) == [size, 5 - size]


@pytest.mark.parametrize(("fraction", "n_val"), [(0.1, 1), (0.25, 2), (0.35, 4), (0, 1), (1, 9)])
def test_validation_gets_its_share_and_at_least_one_frame(fraction: float, n_val: int) -> None:
    assert validation_sizes(10, fraction) == [10 - n_val, n_val]


@pytest.mark.parametrize(
    ("total", "fractions", "sizes"),
    [
        # In binary these are a little more than they say; rounded up they were 101 and 102.
        (100, [0.55, 0.45], [55, 45]),
        (100, [0.07, 0.93], [7, 93]),
        (10, [0.5], [5]),
        (10, [0.01, -1], [1, 9]),
        (10, [0.0, 0.9], [1, 9]),
        (3, [0.5, -1], [2, 1]),
        (1, [1], [1]),
        (1200, [0.8, 0.1, 0.1], [960, 120, 120]),
        (7, np.array([0.5, -1.0]), [4, 3]),
        (5, [-1], [5]),
    ],
)
def test_fractions_are_exact_and_rounded_up(
    total: int, fractions: list[float], sizes: list[int]
) -> None:
    assert fraction_sizes(total, fractions) == sizes


@pytest.mark.parametrize(
    ("total", "fractions", "message"),
    [
        (11, [0.5, 0.5], r"\[6, 6\]: found 12 frames, expected 11 at most"),
        (3, [0.8, 0.2], "found 4 frames, expected 3"),
        (10, [1.0, -1], "found 11 frames, expected 10"),
        (10, [0.7, 0.7], "found 14 frames, expected 10"),
        (1, [0.5, 0.5], "found 2 frames, expected 1"),
        (10, [-1, -1], "found -1 2 times"),
        (10, [], "found no fractions"),
        (10, [0.5, 1.2], r"found fractions \[1.2\]"),
        (10, [-0.5], r"found fractions \[-0.5\]"),
        (10, [math.nan], "found size nan"),
        (10, ["half"], "found size 'half'"),
        (0, [0.5], "found no frames"),
    ],
)
def test_fractions_that_cannot_be_met_are_refused(
    total: int, fractions: list[float], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        fraction_sizes(total, fractions)


@pytest.mark.parametrize("n", [math.nan, math.inf, None, "half"])
def test_a_size_that_is_no_number_is_refused(n: float) -> None:
    with pytest.raises(QueryError, match="found size"):
        pair_sizes(3, n)


@pytest.mark.parametrize("sizes", [pair_sizes, validation_sizes])
def test_no_frames_have_no_sizes(sizes: type) -> None:
    with pytest.raises(QueryError, match="found no frames"):
        sizes(0, 0.5)


def test_folds_differ_by_one_frame_at_most() -> None:
    assert fold_sizes(11, 4) == [3, 3, 3, 2]
    assert fold_sizes(4, 4) == [1, 1, 1, 1]


@pytest.mark.parametrize(
    ("total", "k", "message"),
    [
        (9, 1, "found 1 folds"),
        (9, 2.5, "found 2.5 folds"),
        (3, 4, "found 3 frames for 4"),
        (0, 2, "no"),
    ],
)
def test_folds_that_cannot_be_are_refused(total: int, k: int, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        fold_sizes(total, k)


def test_a_share_too_small_for_a_group_gets_one() -> None:
    assert group_counts([998, 1, 1], 1000, 3) == [1, 1, 1]
    assert group_counts([1, 1, 998], 1000, 4) == [1, 1, 2]
    assert group_counts([500], 1000, 10) == [5]
