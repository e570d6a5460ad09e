import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tabular_labels.errors import QueryError
from tabular_labels.queries.leakage import count_leaks, nearest_steps

SCHEMA = {"video_id": pl.UInt32, "frame_idx": pl.Int64}


def frames(*places: tuple[int, int]) -> pl.DataFrame:
    return pl.DataFrame(list(places), schema=SCHEMA, orient="row")


def test_leaks_are_counted_by_video() -> None:
    training = frames((2, 9), (0, 5), (0, 6), (1, 0))
    validation = frames((0, 4), (0, 16), (2, 9), (3, 9), (2**32 - 1, 2**32 - 2))
    expected = pl.DataFrame(
        {
            "video_id": [0, 1, 2, 3, 2**32 - 1],
            "n_training": [2, 1, 1, 0, 0],
            "n_validation": [2, 0, 1, 1, 1],
            "nearest": [1, None, 0, None, None],
            "median": [5.5, None, 0.0, None, None],
            "within_0": [0, 0, 1, 0, 0],
            "within_5": [1, 0, 1, 0, 0],
        },
        schema_overrides={
            "video_id": pl.UInt32,
            **dict.fromkeys(["n_training", "n_validation", "within_0", "within_5"], pl.UInt32),
        },
    )
    assert_frame_equal(count_leaks(training, validation, [5, 0, 5]), expected)


def test_nothing_leaks_where_there_is_nothing() -> None:
    some = frames((0, 4))
    assert count_leaks(frames(), frames(), [3]).height == 0
    assert count_leaks(some, frames(), [3])["within_3"].to_list() == [0]
    assert count_leaks(frames(), some, [2**70])[f"within_{2**70}"].to_list() == [0]
    assert nearest_steps(some, frames()).tolist() == []


@pytest.mark.parametrize("bad", [-1, 0.5, None])
def test_distances_are_whole_numbers(bad: int) -> None:
    with pytest.raises(QueryError, match="within: found"):
        count_leaks(frames(), frames(), [bad])
