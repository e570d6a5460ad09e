"""The list of frames is in the order of positions, however it came about."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.store.list_order import ListOrder


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 20)), max_size=30), st.integers(0, 5))
def test_handles_stand_in_the_order_of_their_positions(
    changes: list[tuple[bool, int]], n: int
) -> None:
    order, known = ListOrder(range(n), float), list(range(n))
    for adds, handle in changes:
        if adds and handle not in known:
            order.add(handle)
            known = sorted([*known, handle])
        elif not adds and handle in known:
            order.discard(handle)
            known.remove(handle)
        assert list(order) == known
        assert len(order) == len(known)
        assert np.asarray(order.handles()).tolist() == known
        assert [order[k] for k in range(len(known))] == known
        assert [order[-k - 1] for k in range(len(known))] == known[::-1]
        assert order.last_position() == (known[-1] if known else -1)
        assert [order.place_of(one) for one in known] == list(range(len(known)))


def test_the_order_to_begin_with_is_shared_until_it_changes_and_never_changed() -> None:
    base = np.array([3, 1, 2], np.int64)
    positions = {3: 0.0, 1: 1.0, 2: 2.0, 7: 1.5, 9: 3.0}
    order = ListOrder(base, positions.__getitem__)
    assert order.handles() is base
    order.add(9)
    order.discard(9)
    assert order.handles() is base
    order.add(7)
    assert list(order) == [3, 1, 7, 2]
    assert base.tolist() == [3, 1, 2]


def test_what_was_taken_out_of_the_order_is_a_copy() -> None:
    order = ListOrder(array("q", [0, 2]), float)
    order.add(1)
    before, walk = order.handles(), iter(order)
    order.discard(0)
    assert np.asarray(before).tolist() == [0, 1, 2]
    assert list(walk) == [0, 1, 2]
    assert list(order) == [1, 2]


def test_a_place_beyond_the_list_is_an_error() -> None:
    order = ListOrder(range(2), float)
    order.add(5)
    assert order[2] == 5
    with pytest.raises(IndexError):
        order[3]
