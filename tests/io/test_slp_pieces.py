"""Instances of a `.slp` are told their frames in whatever order the frames stand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.io.slp_pieces import FrameRanges


@st.composite
def ranges_of_frames(draw: st.DrawFn) -> tuple[list[tuple[int, int]], int]:
    """Ranges that do not overlap, some empty, in any order, with rows between; and all rows."""
    at, found = 0, []
    for room, count in draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=8)):
        found.append((at + room, count))
        at += room + count
    return draw(st.permutations(found)), at + draw(st.integers(0, 2))


@given(drawn=ranges_of_frames(), step=st.integers(1, 9))
def test_every_row_is_told_its_frame(drawn: tuple[list[tuple[int, int]], int], step: int) -> None:
    ranges, n_rows = drawn
    start, count = np.array(ranges, np.uint32).reshape(-1, 2).T
    held = FrameRanges.of(start, count)
    for first in range(0, n_rows, step):
        stop = min(first + step, n_rows)
        expected = [
            (row - first, frame)
            for row in range(first, stop)
            for frame, (begin, n) in enumerate(ranges)
            if begin <= row < begin + n
        ]
        frames, rows = held.within(first, stop)
        assert frames.tolist() == [frame for _, frame in expected]
        found = list(range(stop - first)) if rows is None else rows.tolist()
        assert found == [row for row, _ in expected]
