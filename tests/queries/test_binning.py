"""Bins hold what row-by-row counting finds."""

from __future__ import annotations

import math
import statistics
import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.queries.binning import FrameBins, LevelCounts, level_quantiles, sum_by_frame

SCORES = st.one_of(
    st.floats(-2, 40, allow_nan=False), st.sampled_from([float("nan"), float("inf"), 0.0, 1.0, 2.0])
)


@given(first=st.integers(0, 10**6), length=st.integers(1, 5000), most=st.integers(1, 60))
def test_bins_are_equal_few_and_cover_the_range(first: int, length: int, most: int) -> None:
    bins = FrameBins.over(first, first + length, most)
    assert 1 <= bins.n_bins <= most
    found = bins.bin_of(np.arange(first, first + length)).tolist()
    assert found == [(k // bins.width) for k in range(length)]
    assert found[-1] == bins.n_bins - 1


@given(
    rows=st.lists(st.tuples(st.integers(0, 2), SCORES), max_size=30),
    n_chunks=st.integers(1, 4),
)
def test_levels_hold_the_scores_of_a_slow_count(
    rows: list[tuple[int, float]], n_chunks: int
) -> None:
    levels = LevelCounts(3, n_levels=8)
    for chunk in range(n_chunks):
        mine = rows[chunk::n_chunks]
        row = np.array([r for r, _ in mine], np.int64)
        levels.add(row, np.array([score for _, score in mine], np.float64))
    largest = max((s for _, s in rows if math.isfinite(s)), default=0)
    top = 1
    while top < largest:
        top *= 2
    assert levels.top == top
    expected = [[0] * 8 for _ in range(3)]
    for row_, score in rows:
        if math.isfinite(score):
            expected[row_][max(math.ceil(score * 8 / top), 1) - 1] += 1
    assert levels.counts.tolist() == expected


@given(
    present=st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=20), data=st.data()
)
def test_sums_hold_the_points_of_a_slow_count(
    present: list[list[bool]], data: st.DataObject
) -> None:
    frame_bin = sorted(data.draw(st.integers(0, 4)) for _ in present)
    expected = [[0] * 3 for _ in range(5)]
    for bin_, nodes in zip(frame_bin, present, strict=True):
        for node, is_there in enumerate(nodes):
            expected[bin_][node] += is_there
    table = np.array(present, bool).reshape(len(present), 3)
    assert sum_by_frame(table, np.array(frame_bin, np.int64), 5).tolist() == expected


@given(levels=st.lists(st.integers(0, 15), min_size=1, max_size=40))
def test_medians_are_those_of_the_middles_of_levels(levels: list[int]) -> None:
    counts = np.bincount(levels, minlength=16)[np.newaxis]
    ((median,),) = level_quantiles(counts, (0.5,), top=32.0).tolist()
    assert median == statistics.median(2 * (level + 0.5) for level in levels)


@given(levels=st.lists(st.integers(0, 15), min_size=1, max_size=40))
def test_quantiles_leave_their_part_below(levels: list[int]) -> None:
    counts = np.bincount(levels, minlength=16)[np.newaxis]
    found = level_quantiles(counts, (0.1, 0.5, 0.9), top=16.0)[0].tolist()
    for part, quantile in zip((0.1, 0.5, 0.9), found, strict=True):
        middles = [level + 0.5 for level in levels]
        assert sum(m < quantile for m in middles) <= part * len(levels) + 1e-9
        assert sum(m > quantile for m in middles) <= (1 - part) * len(levels) + 1e-9


def test_nothing_counted_has_no_quantiles() -> None:
    assert np.isnan(level_quantiles(np.zeros((2, 4), np.int64), (0.1, 0.5), top=1.0)).all()


def test_a_million_frames_are_counted_in_less_than_a_second() -> None:
    rng = np.random.default_rng(0)
    bins = FrameBins.over(0, 10**6, 300)
    frame_idx, score = np.arange(10**6), rng.random(10**6)
    began = time.process_time()
    levels = LevelCounts(bins.n_bins)
    levels.add(bins.bin_of(frame_idx), score)
    level_quantiles(levels.counts, (0.1, 0.5, 0.9), top=levels.top)
    sum_by_frame(rng.random((10**6, 8)) < 0.9, bins.bin_of(frame_idx), bins.n_bins)
    assert time.process_time() - began < 1
    assert int(levels.counts.sum()) == 10**6
