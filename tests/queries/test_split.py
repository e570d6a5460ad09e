import numpy as np
import polars as pl

from tabular_labels.queries.split import hash_keys, split_order
from tabular_labels.queries.split_assign import assign_frames
from tabular_labels.testing.builders import make_tables


def frames(n: int) -> pl.DataFrame:
    return pl.DataFrame({"video_id": [0] * n, "frame_idx": range(n)})


def test_the_hash_is_splitmix64() -> None:
    # The first two outputs of the published generator seeded with 0.
    first, second, golden = 0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x9E3779B97F4A7C15
    # What a key is mixed with first is the first output itself; undo that.
    states = np.array([first ^ 0, first ^ golden], np.uint64).view(np.int64)
    assert hash_keys([states], seed=0).tolist() == [first, second]


# These are promises: what a seed gave once, it gives in every version.


def test_a_split_is_the_same_today_as_ever() -> None:
    assert split_order(frames(8), seed=7).tolist() == [1, 2, 5, 4, 0, 3, 7, 6]
    assert assign_frames(frames(8), [5, 2], seed=7).tolist() == [0, 0, 0, 1, 0, 0, -1, 1]


def test_a_split_of_groups_is_the_same_today_as_ever() -> None:
    # Three large groups, then 400 small ones.
    leaders = np.repeat([0, 50, 80, *range(100, 500)], [50, 30, 20, *[1] * 400])
    part = assign_frames(frames(500), [400, 100], seed=7, leaders=leaders)
    assert part[[0, 50, 80]].tolist() == [0, 0, 0]
    assert np.flatnonzero(part)[:8].tolist() == [100, 103, 104, 105, 106, 109, 113, 114]


def test_a_split_by_strata_is_the_same_today_as_ever() -> None:
    strata = np.array([0, 0, 0, 0, 4, 4, 4, 4])
    part = assign_frames(frames(8), [4, 4], seed=7, strata=strata)
    assert part.tolist() == [0, 0, 1, 1, 1, 0, 1, 0]


def test_splits_of_other_seeds_differ() -> None:
    orders = {tuple(split_order(frames(20), seed=seed).tolist()) for seed in range(20)}
    assert len(orders) == 20


def test_a_frame_keeps_its_rank_when_others_go() -> None:
    order = split_order(frames(30), seed=1)
    fewer = split_order(frames(20), seed=1)
    assert order[order < 20].tolist() == fewer.tolist()


def test_splits_are_even_over_videos() -> None:
    tables = make_tables(4_000, n_videos=4)
    part = assign_frames(tables.frames, [2_000, 2_000], seed=0)
    counts = np.bincount(tables.frames["video_id"].to_numpy()[part == 0])
    assert counts.min() > 430
