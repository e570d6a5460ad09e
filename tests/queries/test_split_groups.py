import time

import numpy as np
import polars as pl
import pytest

from tabular_labels.errors import QueryError
from tabular_labels.queries.split_groups import (
    connect,
    group_blocks,
    group_neighbours,
    group_values,
    group_videos,
    unite_groups,
)


def places(*indices: int, video: int = 0) -> pl.DataFrame:
    return pl.DataFrame(
        {"video_id": [video] * len(indices), "frame_idx": indices},
        schema={"video_id": pl.UInt32, "frame_idx": pl.Int64},
    )


@pytest.mark.parametrize("shuffled", [False, True])
@pytest.mark.parametrize("shape", ["chain", "star", "tree", "comb"])
def test_long_chains_are_connected_in_linear_time(shape: str, *, shuffled: bool) -> None:
    n = 200_000
    one = np.arange(1, n)
    other = {
        "chain": one - 1,
        "star": np.zeros(n - 1, np.int64),
        "tree": one // 2,
        "comb": np.where(one % 2 == 1, one - 1, np.maximum(one - 2, 0)),
    }[shape]
    if shuffled:
        names = np.random.default_rng(0).permutation(n)
        one, other = names[one], names[other]
    began = time.process_time()
    assert not connect(n, one, other).any()
    # Milliseconds when it is linear; minutes when each round joins a few.
    assert time.process_time() - began < 5


def test_no_frames_have_no_groups() -> None:
    nothing = places()
    for leaders in (
        group_videos(nothing),
        group_neighbours(nothing, 3),
        group_blocks(nothing, 3),
        group_values(pl.Series([], dtype=pl.Int64)),
        unite_groups(np.zeros(0, np.int64), np.zeros(0, np.int64)),
        connect(0, np.zeros(0, np.int64), np.zeros(0, np.int64)),
    ):
        assert leaders.tolist() == []


def test_blocks_are_of_about_equally_many_places_and_frames_of_one_place_stay_together() -> None:
    frames = pl.concat([places(0, 0, 0, 7, 8, 90), places(5, 6, video=3)])
    assert group_blocks(frames, 2).tolist() == [0, 0, 0, 0, 4, 4, 6, 7]
    assert group_blocks(frames, 1).tolist() == group_videos(frames).tolist()
    assert group_blocks(frames, 99).tolist() == [0, 0, 0, 3, 4, 5, 6, 7]


def test_neighbours_join_in_a_chain_but_not_between_videos() -> None:
    frames = pl.concat([places(0, 2, 4, 7), places(7, 7, 2**32 - 2, video=1)])
    assert group_neighbours(frames, 2).tolist() == [0, 0, 0, 3, 4, 4, 6]
    assert group_neighbours(frames, 0).tolist() == [0, 1, 2, 3, 4, 4, 6]
    assert group_neighbours(frames, 2**70).tolist() == [0, 0, 0, 0, 4, 4, 4]


@pytest.mark.parametrize("values", [[True, None, True], ["é", None, "é"], [1.5, None, 1.5]])
def test_equal_values_make_a_group_and_null_is_one(values: list[object]) -> None:
    assert group_values(pl.Series(values)).tolist() == [0, 1, 0]


@pytest.mark.parametrize("bad", [-1, 1.5, None, "3"])
def test_counts_that_are_none_are_refused(bad: int) -> None:
    with pytest.raises(QueryError, match="gap: found"):
        group_neighbours(places(1), bad)
    with pytest.raises(QueryError, match="blocks: found"):
        group_blocks(places(1), bad)
