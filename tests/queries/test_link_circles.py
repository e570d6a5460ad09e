"""Instances that come from one another in a circle."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.queries.link_circles import rows_in_circles
from tests.reference import rows_that_lead_back


def table(ids: list[int], links: list[int | None]) -> pl.DataFrame:
    schema = {"instance_id": pl.UInt32, "from_predicted": pl.UInt32}
    return pl.DataFrame({"instance_id": ids, "from_predicted": links}, schema=schema)


@st.composite
def linked(draw: st.DrawFn) -> pl.DataFrame:
    ids = draw(st.lists(st.integers(0, 40), unique=True, max_size=14))
    link = st.one_of(st.none(), st.sampled_from(ids), st.integers(0, 40)) if ids else st.none()
    return table(ids, [draw(link) for _ in ids])


@given(linked())
def test_circles_are_found_as_by_following_each_link(instances: pl.DataFrame) -> None:
    assert rows_in_circles(instances).tolist() == rows_that_lead_back(instances.to_dicts())


@pytest.mark.parametrize("length", [1, 2, 3, 64, 65])
def test_a_circle_of_any_length_is_found_and_what_leads_into_it_is_not(length: int) -> None:
    circle = [*range(1, length), 0]
    instances = table(list(range(length + 2)), [*circle, 0, length])
    assert rows_in_circles(instances).tolist() == list(range(length))


def test_a_chain_of_a_million_ends() -> None:
    n = 1_000_000
    numbers = np.random.default_rng(0).permutation(n).astype(np.uint32)
    links = np.empty(n, np.int64)
    links[numbers[:-1]], links[numbers[-1]] = numbers[1:], n  # an id that is not there
    instances = pl.DataFrame(
        {"instance_id": np.arange(n, dtype=np.uint32), "from_predicted": links.astype(np.uint32)}
    )
    start = time.process_time()
    assert len(rows_in_circles(instances)) == 0
    assert time.process_time() - start < 10
