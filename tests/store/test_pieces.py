"""Pieces of tables one after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tabular_labels._types import IntArray
from tabular_labels.store import pieces
from tabular_labels.store.pieces import first_of_runs, join_pieces

COLUMNS = ["x", "score", "visible"]


def make_table(n: int, seed: int) -> pl.DataFrame:
    """Make points some of which are null, with numbers below the nulls."""
    rng = np.random.default_rng(seed)
    x = pl.Series(rng.normal(size=n)).set(pl.Series(rng.random(n) < 0.3), None)
    score = pl.Series(rng.random(n).astype(np.float32))
    return pl.DataFrame({"x": x, "score": score, "visible": rng.random(n) < 0.5})


def numbers(cut: list[tuple[int, int, int]]) -> tuple[IntArray, IntArray, IntArray]:
    array = np.array(cut, np.int64).reshape(-1, 3)
    return array[:, 0], array[:, 1], array[:, 2]


@st.composite
def cuts(draw: st.DrawFn) -> tuple[list[pl.DataFrame], list[tuple[int, int, int]]]:
    sizes = draw(st.lists(st.integers(1, 30), min_size=1, max_size=3))
    tables = [make_table(n, seed) for seed, n in enumerate(sizes)]
    cut = []
    for _ in range(draw(st.integers(0, 8))):
        k = draw(st.integers(0, len(tables) - 1))
        first = draw(st.integers(0, sizes[k] - 1))
        cut.append((k, first, draw(st.integers(1, sizes[k] - first))))
    return tables, cut


@given(cuts(), st.integers(1, 40))
def test_pieces_are_what_slices_one_after_the_other_are(
    drawn: tuple[list[pl.DataFrame], list[tuple[int, int, int]]], shared_rows: int
) -> None:
    tables, cut = drawn
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "SHARED_ROWS", shared_rows)
        made = join_pieces(tables, numbers(cut), COLUMNS)
    parts = [tables[k].slice(first, n) for k, first, n in cut]
    assert_frame_equal(made, pl.concat([*parts, tables[0].clear()]))


def addresses(table: pl.DataFrame) -> list[Any]:
    return [chunk.to_arrow().buffers()[1].address for chunk in table["x"].get_chunks()]


def test_long_pieces_share_memory_and_short_ones_are_copied(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pieces, "SHARED_ROWS", 20)
    tables = [make_table(30, 0), make_table(30, 1)]
    made = join_pieces(tables, numbers([(0, 0, 25), (1, 0, 3), (0, 25, 5), (1, 5, 25)]), COLUMNS)
    there = [addresses(table)[0] for table in tables]
    found = addresses(made)
    assert [found[0], found[2]] == there
    assert len(found) == 3
    assert found[1] not in there


def test_a_table_is_not_kept_for_a_small_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "SHARED_ROWS", 20)
    table = make_table(100, 0)
    made = join_pieces([table], numbers([(0, 0, 30)]), COLUMNS)
    assert addresses(made)[0] != addresses(table)[0]


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6), st.integers(0, 3)), max_size=12))
def test_runs_begin_where_a_row_does_not_follow_the_one_before(
    rows: list[tuple[int, int, int]],
) -> None:
    part, start, count = numbers(rows)
    expected = [
        k
        for k in range(len(rows))
        if k == 0 or (part[k], start[k]) != (part[k - 1], start[k - 1] + count[k - 1])
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "_STEP", 3)
        assert first_of_runs(part, start, count).tolist() == expected
