"""Arrays made from columns agree with polars, whatever lies under the nulls."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_series_equal

from tabular_labels.model.buffers import (
    any_hidden,
    float_buffer,
    float_values,
    key_values,
    nan_under_nulls,
)


def test_floats_hold_nan_for_null_whatever_lies_below() -> None:
    made = pl.Series([1.0, float("nan"), 3.0]).fill_nan(None)
    filled_with_zero = pl.Series([1.0, None, 3.0])
    for column in (made, filled_with_zero, filled_with_zero.cast(pl.Float32), made[1:]):
        expected = column.fill_null(float("nan")).to_numpy()
        np.testing.assert_array_equal(float_values(column), expected)


@given(
    rows=st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40),
    start=st.integers(0, 20),
    length=st.integers(0, 40),
)
def test_slices_that_begin_anywhere_are_told_right(
    rows: list[tuple[bool, bool]], start: int, length: int
) -> None:
    """Flags are packed eight to a byte, and a slice may begin inside one."""
    here = rows[start : start + length]
    values = pl.Series([1.0 if there else None for there, _ in rows], dtype=pl.Float64)
    shown = pl.Series([flag for _, flag in rows])
    values, shown = values.slice(start, length), shown.slice(start, length)
    assert any_hidden(shown, values) == any(there and not flag for there, flag in here)
    expected = [1.0 if there else float("nan") for there, _ in here]
    np.testing.assert_array_equal(float_values(values), np.array(expected, np.float64))


@pytest.mark.parametrize("dtype", [pl.UInt16, pl.UInt32])
def test_keys_hold_a_sentinel_for_null(dtype: type[pl.DataType]) -> None:
    for values in ([3, None, 65535], [1, 2], [None], []):
        column = pl.Series(values, dtype=dtype)
        expected = column.cast(pl.Int64).fill_null(-1).to_numpy()
        np.testing.assert_array_equal(key_values(column), expected)
        np.testing.assert_array_equal(key_values(column[1:]), expected[1:])


@given(
    st.lists(st.none() | st.floats(allow_nan=False, width=32), max_size=20),
    st.sampled_from([pl.Float32, pl.Float64]),
)
def test_nan_lies_under_nulls_again_after_gathering(
    values: list[float | None], dtype: type[pl.DataType]
) -> None:
    column = pl.Series("score", values, dtype)
    gathered = column.gather(np.arange(len(values)))
    made = nan_under_nulls(gathered)
    assert_series_equal(made, column)
    below, missing = float_buffer(made)
    assert np.isnan(below[missing]).all()
    assert nan_under_nulls(pl.Series([1, None])).to_list() == [1, None]
