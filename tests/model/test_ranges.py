"""Range lists say what sets of integers say."""

from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.model.ranges import RangeList

PAIRS = st.tuples(st.integers(0, 30), st.integers(0, 8)).map(lambda p: (p[0], p[0] + p[1]))


def members(ranges: RangeList) -> set[int]:
    return {k for start, stop in ranges for k in range(start, stop)}


def assert_canonical(ranges: RangeList) -> None:
    assert all(start < stop for start, stop in ranges)
    assert all(a[1] < b[0] for a, b in zip(ranges.list, ranges.list[1:], strict=False))


@given(st.lists(PAIRS, max_size=12))
def test_insert_unites(pairs: list[tuple[int, int]]) -> None:
    ranges = RangeList(pairs)
    expected = {k for a, b in pairs for k in range(a, b)}
    assert members(ranges) == expected
    assert_canonical(ranges)
    assert all((k in ranges) == (k in expected) for k in range(-1, 40))
    assert ranges.is_empty == (not expected)
    assert ranges.start == (min(expected) if expected else None)
    assert ranges.end == (max(expected) + 1 if expected else None)


@given(st.lists(PAIRS, max_size=12), PAIRS)
def test_cut_parts_and_remove(pairs: list[tuple[int, int]], cut: tuple[int, int]) -> None:
    ranges = RangeList(pairs)
    before, within, after = ranges.cut_range(cut)
    everything = members(ranges)
    assert members(before) == {k for k in everything if k < cut[0]}
    assert members(after) == {k for k in everything if k >= cut[1]} - members(before)
    assert members(within) == everything & set(range(*cut))
    ranges.remove(cut)
    assert members(ranges) == everything - set(range(*cut))
    assert_canonical(ranges)


@given(st.lists(st.integers(0, 30), max_size=20))
def test_add_takes_values_in_any_order(values: list[int]) -> None:
    ranges = RangeList()
    for value in values:
        ranges.add(value)
    assert members(ranges) == set(values)
    assert_canonical(ranges)


def test_add_bridges_a_gap_within_tolerance() -> None:
    ranges = RangeList([(0, 3)])
    ranges.add(4, tolerance=1)
    assert ranges == [(0, 5)]


def test_range_objects_are_taken_too() -> None:
    ranges = RangeList()
    ranges.insert(range(2, 4))
    assert ranges[0] == (2, 4)
    assert len(ranges) == 1
    assert ranges != "ranges"
