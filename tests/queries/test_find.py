import numpy as np
import polars as pl
import pytest

from tabular_labels.errors import QueryError
from tabular_labels.queries.find import filtered_frame_rows, find_track_instances, rotated
from tabular_labels.queries.suggestions import next_suggestion
from tabular_labels.testing.builders import make_tables


def test_an_unknown_filter_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'users', expected one of \('', 'user', 'predicted'\)"):
        filtered_frame_rows(make_tables(2).structure, "users")


@pytest.mark.parametrize("reverse", [False, True])
def test_rotation_of_no_frames_is_empty(reverse: bool) -> None:
    assert rotated(np.array([], np.int64), 3, reverse=reverse).tolist() == []


def test_a_backward_rotation_starts_at_the_last_frame_by_default() -> None:
    index = np.array([3, 5, 9])
    assert index[rotated(index, reverse=True)].tolist() == [9, 5, 3]


def test_neither_a_track_nor_a_pseudo_track_finds_nothing() -> None:
    assert len(find_track_instances(make_tables(4).structure, 0, None)) == 0


def test_a_direction_other_than_one_step_is_refused() -> None:
    suggestions = pl.DataFrame({"video_id": [0], "frame_idx": [1]})
    with pytest.raises(QueryError, match="expected 1 or -1"):
        next_suggestion(suggestions, [0], 0, 0, 2)
