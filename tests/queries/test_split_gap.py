import numpy as np
import polars as pl
import pytest

from tabular_labels.errors import QueryError
from tabular_labels.queries.split_gap import clear_gap, near_frames


def frames(n: int) -> pl.DataFrame:
    return pl.DataFrame({"video_id": [0] * n, "frame_idx": range(n)})


def test_the_part_listed_later_yields() -> None:
    part = np.array([0, 0, 0, 1, 1, 1])
    assert clear_gap(frames(6), part, 1, [1, 0]).tolist() == [0, 0, -1, 1, 1, 1]
    assert clear_gap(frames(6), part, 1, [0, 1]).tolist() == [0, 0, 0, -1, 1, 1]
    assert part.tolist() == [0, 0, 0, 1, 1, 1]


def test_frames_that_were_left_out_push_no_others_away() -> None:
    # Part 1 loses its frame beside part 2; that frame no longer counts for part 0.
    part = np.array([0, 0, 1, 1, 2])
    assert clear_gap(frames(5), part, 1, [2, 1, 0]).tolist() == [0, -1, 1, -1, 2]


def test_a_gap_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(QueryError, match="a gap of 9 leaves no frame of 3 in part 1"):
        clear_gap(frames(6), np.array([0, 0, 0, 1, 1, 1]), 9, [1, 0])


def test_nothing_is_near_in_another_video_however_large_the_gap() -> None:
    table = pl.DataFrame({"video_id": [0, 1, 1], "frame_idx": [2**32 - 2, 0, 2**32 - 2]})
    chosen = np.array([True, False, False])
    assert near_frames(table, chosen, 2**80).tolist() == [True, False, False]
    assert near_frames(table, ~chosen, 2**80).tolist() == [False, True, True]
    assert near_frames(table.head(0), chosen[:0], 3).tolist() == []
