import math

import numpy as np
import polars as pl
import pytest

from tabular_labels.errors import QueryError
from tabular_labels.queries.split import hash_keys, split_order, split_rows
from tabular_labels.testing.builders import make_tables


def frames(n: int) -> pl.DataFrame:
    return pl.DataFrame({"video_id": [0] * n, "frame_idx": range(n)})


def test_the_hash_is_splitmix64() -> None:
    # The first two outputs of the published generator seeded with 0.
    first, second, golden = 0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x9E3779B97F4A7C15
    # What a key is mixed with first is the first output itself; undo that.
    states = np.array([first ^ 0, first ^ golden], np.uint64).view(np.int64)
    assert hash_keys([states], seed=0).tolist() == [first, second]


def test_a_split_is_the_same_today_as_ever() -> None:
    assert split_order(frames(8), seed=7).tolist() == [1, 2, 5, 4, 0, 3, 7, 6]


def test_splits_of_other_seeds_differ() -> None:
    orders = {tuple(split_order(frames(20), seed=seed).tolist()) for seed in range(20)}
    assert len(orders) == 20


def test_a_frame_keeps_its_rank_when_others_go() -> None:
    order = split_order(frames(30), seed=1)
    fewer = split_order(frames(20), seed=1)
    assert order[order < 20].tolist() == fewer.tolist()


def test_splits_are_even_over_videos() -> None:
    tables = make_tables(4_000, n_videos=4)
    first, _ = split_rows(tables.frames, 0.5, seed=0)
    counts = tables.frames["video_id"].gather(first).value_counts()["count"]
    assert counts.min() > 430  # type: ignore[operator]  # a number


@pytest.mark.parametrize(
    ("n", "size"),
    [(0.5, 2), (0.7, 4), (0.0, 1), (1.0, 4), (3, 3), (0, 1), (99, 4), (np.int64(2), 2)],
)
def test_sizes_round_half_to_even_and_leave_a_frame_on_both_sides(n: float, size: int) -> None:
    first, second = split_rows(frames(5), n, seed=0)
    assert (len(first), len(second)) == (size, 5 - size)


def test_one_frame_goes_to_both_sides() -> None:
    assert [part.tolist() for part in split_rows(frames(1), 0.8, seed=0)] == [[0], [0]]


def test_no_frames_cannot_be_split() -> None:
    with pytest.raises(QueryError, match="found no frames"):
        split_rows(frames(0), 0.8, seed=0)


@pytest.mark.parametrize("n", [math.nan, math.inf])
def test_a_size_that_is_no_number_is_refused(n: float) -> None:
    with pytest.raises(QueryError, match="found size"):
        split_rows(frames(3), n, seed=0)
