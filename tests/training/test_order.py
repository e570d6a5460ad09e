"""Orders of examples: every one once, the same for a seed, shared out among workers."""

from __future__ import annotations

import subprocess
import sys
from itertools import chain
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.errors import QueryError
from tabular_labels.training.order import BatchOrder

N, SIZE, EPOCHS = st.integers(0, 40), st.integers(1, 12), st.integers(0, 2**40)
SEEDS = st.integers(-(2**70), 2**70)
ORDER = """
from tabular_labels.training.order import BatchOrder
print([BatchOrder(9, 4, shuffle=True, seed=5).rows(epoch).tolist() for epoch in range(3)])
"""
PROMISED = [[3, 5, 2, 4, 6, 0, 8, 7, 1], [4, 8, 7, 2, 0, 5, 1, 3, 6], [1, 6, 3, 0, 7, 5, 2, 4, 8]]


def joined(lists: list[list[int]]) -> list[int]:
    return list(chain.from_iterable(lists))


def taken(order: BatchOrder, epoch: int) -> list[list[int]]:
    return [rows.tolist() for rows in order.batches(epoch)]


@given(N, SIZE, st.booleans(), SEEDS, EPOCHS)
def test_an_epoch_has_every_example_once(
    n: int, size: int, shuffle: bool, seed: int, epoch: int
) -> None:
    order = BatchOrder(n, size, shuffle=shuffle, seed=seed)
    batches = taken(order, epoch)
    assert sorted(joined(batches)) == list(range(n))
    assert all(len(batch) == size for batch in batches[:-1])
    assert order.n_batches == len(batches)
    assert order.n_taken == n
    if not shuffle:
        assert joined(batches) == list(range(n))


@given(N, SIZE, st.integers(1, 6), SEEDS, EPOCHS)
def test_shards_together_have_every_example_once(
    n: int, size: int, count: int, seed: int, epoch: int
) -> None:
    every: list[int] = []
    for index in range(count):
        order = BatchOrder(n, size, shuffle=True, seed=seed, shard=(index, count))
        mine = joined(taken(order, epoch))
        assert len(mine) == order.n_taken
        assert abs(len(mine) - n / count) < 1
        every += mine
    assert sorted(every) == list(range(n))


@given(N, SIZE, st.integers(1, 6), SEEDS, EPOCHS)
def test_shards_have_equally_many_batches_without_the_remainder(
    n: int, size: int, count: int, seed: int, epoch: int
) -> None:
    every: list[int] = []
    for index in range(count):
        order = BatchOrder(
            n, size, shuffle=True, seed=seed, drop_remainder=True, shard=(index, count)
        )
        batches = taken(order, epoch)
        assert len(batches) == order.n_batches == n // count // size
        assert all(len(batch) == size for batch in batches)
        every += joined(batches)
    assert len(set(every)) == len(every)


def test_the_same_seed_gives_the_promised_order_in_any_process() -> None:
    orders = [BatchOrder(9, 4, shuffle=True, seed=5).rows(epoch).tolist() for epoch in range(3)]
    assert orders == PROMISED
    found = subprocess.run(
        [sys.executable, "-c", ORDER], capture_output=True, text=True, check=True, timeout=300
    )
    assert found.stdout.strip() == str(PROMISED)


def test_epochs_and_seeds_differ() -> None:
    orders = {
        tuple(BatchOrder(30, 4, shuffle=True, seed=seed).rows(epoch).tolist())
        for seed in range(5)
        for epoch in range(5)
    }
    assert len(orders) == 25


def test_places_are_shuffled_evenly() -> None:
    # Each of 5 examples is first in about a fifth of 2,000 epochs: 400, give or take 5 sigma.
    first = [BatchOrder(5, 1, shuffle=True, seed=1).rows(epoch)[0] for epoch in range(2000)]
    assert (np.abs(np.bincount(first, minlength=5) - 400) < 90).all()


@pytest.mark.parametrize("size", [0, -3])
def test_sizes_of_batches_that_are_not_possible_are_refused(size: int) -> None:
    with pytest.raises(QueryError, match=rf"batch_size: found {size}, expected 1 or more"):
        BatchOrder(9, size)


@pytest.mark.parametrize("shard", [(2, 2), (-1, 2), (0, 0), (0, -1), (1,), (0, 1, 2), ()])
def test_shards_that_are_not_possible_are_refused(shard: Any) -> None:
    with pytest.raises(QueryError, match=r"shard: found .* expected \(index, count\)"):
        BatchOrder(9, 2, shard=shard)


@pytest.mark.parametrize(
    ("size", "shard", "name"), [(2.0, (0, 1), "batch_size"), (2, (0, 1.5), "shard")]
)
def test_numbers_that_are_not_whole_are_refused(size: Any, shard: Any, name: str) -> None:
    with pytest.raises(TypeError, match=f"{name}: found float"):
        BatchOrder(9, size, shard=shard)
