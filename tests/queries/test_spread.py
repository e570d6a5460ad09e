import numpy as np
import polars as pl
import pytest
from polars.testing import assert_series_equal

from tabular_labels._types import IntArray
from tabular_labels.queries.spread import Spread, lay_blocks

NAMES = pl.Enum(["a", "b", "never"])
COLUMNS = [
    pl.Series("key", [4, 2**32 - 1, 0, 4], dtype=pl.UInt32),
    pl.Series("key", [None, 2**32 - 1, 0, None], dtype=pl.UInt32),
    pl.Series("index", [-1, 2**62 + 1, None, 0], dtype=pl.Int64),
    pl.Series("score", [0.5, None, float("nan"), 0.0], dtype=pl.Float32),
    pl.Series("flag", [True, False, False, True]),
    pl.Series("flag", [None, False, None, True]),
    pl.Series("name", ["b", "a", "b", "b"], dtype=NAMES),
    pl.Series("name", [None, "b", None, "a"], dtype=NAMES),
    pl.Series("name", ["only"] * 4, dtype=pl.Enum(["only"])),
    pl.Series("name", [None] * 4, dtype=NAMES),
    pl.Series("name", [None] * 4, dtype=pl.Enum([])),
    pl.Series("name", ["9", "0", "9", None], dtype=pl.Enum([str(k) for k in range(300)])),
]


@pytest.mark.parametrize("counts", [[3, 3, 3, 3], [1, 1, 1, 1], [0, 0, 0, 0], [2, 0, 1, 5]])
@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: f"{c.name}, {c.null_count()} nulls")
def test_repeating_is_gathering_each_row_so_often(column: pl.Series, counts: list[int]) -> None:
    rows: IntArray = np.repeat(np.arange(4), counts)
    made = Spread(np.array(counts))(column)
    assert_series_equal(made, column.gather(pl.Series(rows)), check_exact=True)
    assert made.n_chunks() == 1


@pytest.mark.parametrize("column", COLUMNS, ids=lambda c: f"{c.name}, {c.null_count()} nulls")
def test_no_rows_make_no_rows(column: pl.Series) -> None:
    made = Spread(np.empty(0, np.int64))(column.clear())
    assert_series_equal(made, column.clear())


def test_an_only_block_is_laid_like_any_other() -> None:
    block = pl.Series("node_id", [7, 8, 9], dtype=pl.UInt16)
    made = lay_blocks(block, 3, np.array([0, 0]))
    assert_series_equal(made, pl.Series("node_id", [7, 8, 9] * 2, dtype=pl.UInt16))
    assert lay_blocks(block, 3, np.empty(0, np.int64)).is_empty()
