"""Values that were set above points agree with a plain mapping from place to value."""

import pickle

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.model.point_patch import PointPatch

N = 12  # rows of each of the tables -1, 0 and 1

places = st.tuples(st.integers(-1, 1), st.integers(0, N - 1))
values = st.one_of(st.none(), st.floats(-5, 5))
settings = st.lists(st.tuples(st.sampled_from("xy"), st.dictionaries(places, values)), max_size=4)
runs = st.lists(st.tuples(places, st.integers(0, 4)), max_size=6)


def patched(done: list[tuple[str, dict[tuple[int, int], float | None]]]) -> PointPatch:
    patch = PointPatch()
    for name, new in done:
        part, row = (np.array([place[k] for place in new], np.int64) for k in (0, 1))
        numbers = [np.nan if value is None else value for value in new.values()]
        patch = patch.with_values(name, PointPatch.keys(part, row), np.array(numbers, np.float64))
    return patch


@given(done=settings, wanted=runs)
def test_what_was_set_last_counts_and_everything_else_stays(
    done: list[tuple[str, dict[tuple[int, int], float | None]]],
    wanted: list[tuple[tuple[int, int], int]],
) -> None:
    patch = pickle.loads(pickle.dumps(patched(done)))
    part, start, count = (
        (
            np.array(column, np.int64)
            for column in zip(*((p, s, n) for (p, s), n in wanted), strict=True)
        )
        if wanted
        else (np.empty(0, np.int64),) * 3
    )
    rows = [(p, s + k) for (p, s), n in wanted for k in range(n)]
    expected: dict[str, list[float | None]] = {
        name: [float(100 * p + row) for p, row in rows] for name in "xy"
    }
    table = pl.DataFrame(expected, schema={"x": pl.Float64, "y": pl.Float64})
    for name, new in done:
        expected[name] = [new.get(at, old) for at, old in zip(rows, expected[name], strict=True)]
    assert patch.apply(table, part, start, count).to_dict(as_series=False) == expected
    known = {place for _, new in done for place in new}
    touched = [any((p, s + k) in known for k in range(n)) for (p, s), n in wanted]
    assert patch.touches(part, start, count).tolist() == touched


def test_flags_are_set_too() -> None:
    keys = PointPatch.keys(None, np.array([1, 3]))
    patch = PointPatch().with_values("visible", keys, np.array([True, False]))
    table = pl.DataFrame({"visible": [False, True, True], "x": [1.0, None, 3.0]})
    found = patch.apply(table, None, np.array([1]), np.array([3]))
    assert found.to_dict(as_series=False) == {"visible": [True, True, False], "x": [1.0, None, 3.0]}


def test_a_column_that_is_not_read_is_not_made() -> None:
    patch = PointPatch().with_values("y", PointPatch.keys(None, np.array([0])), np.array([9.0]))
    table = pl.DataFrame({"x": [1.0]})
    assert patch.apply(table, None, np.array([0]), np.array([1])).columns == ["x"]
