"""Columns show what polars says, wherever a slice or a chunk begins."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.model import shown
from tabular_labels.model.shown import ShownColumn

NAN = float("nan")


@given(
    rows=st.lists(st.tuples(st.none() | st.floats(0, 9), st.booleans()), max_size=40),
    first=st.integers(0, 20),
    ranges=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=4),
    is_flagged=st.booleans(),
    has_nan=st.booleans(),
    dtype=st.sampled_from((pl.Float32, pl.Float64)),
)
def test_any_range_is_nan_where_null_or_not_shown(
    rows: list[tuple[float | None, bool]],
    first: int,
    ranges: list[tuple[int, int]],
    is_flagged: bool,
    has_nan: bool,
    dtype: type[pl.DataType],
) -> None:
    values = pl.Series([value for value, _ in rows], dtype=dtype)
    if has_nan:  # under the nulls, as columns of files have it
        values = values.fill_null(NAN).fill_nan(None)
    flags = pl.Series([flag for _, flag in rows], dtype=pl.Boolean)
    expected = values.fill_null(NAN).to_numpy(writable=True)
    if is_flagged:
        expected[~flags.to_numpy()] = NAN
    values, flags, expected = values[first:], flags[first:], expected[first:]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shown, "CHUNK", 8)
        column = ShownColumn(values, flags if is_flagged else None)
        n = len(values)
        for start, stop in [(min(start, n), min(stop, n)) for start, stop in ranges]:
            found = column.read(start, max(start, stop))
            np.testing.assert_array_equal(found, expected[start : max(start, stop)], strict=True)


def test_columns_are_read_without_a_copy_where_nan_stands_already() -> None:
    values = pl.Series([1.0, NAN, 3.0] * 8).fill_nan(None)
    visible = pl.Series([True, False, True] * 8)
    column = ShownColumn(values, visible)
    assert np.shares_memory(column.read(2, 9), column.read(0, 24))
    hidden = ShownColumn(values, ~visible)
    assert not np.shares_memory(hidden.read(2, 9), hidden.read(0, 24))


def test_a_range_is_looked_at_only_when_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shown, "CHUNK", 8)
    looked: list[int] = []
    look = ShownColumn._look_at

    def noted(self: ShownColumn, chunk: int) -> bool:
        looked.append(chunk)
        return look(self, chunk)

    monkeypatch.setattr(ShownColumn, "_look_at", noted)
    column = ShownColumn(pl.Series([1.0, NAN] * 20).fill_nan(None))
    assert looked == []
    for start, stop in ((7, 9), (0, 16), (32, 33), (5, 5)):
        column.read(start, stop)
    assert looked == [0, 1, 4]
