"""Merging answers as its slow twin, and keeps its laws."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tabular_labels import merging_parts
from tabular_labels.merging import decide_merge, merged_snapshot
from tabular_labels.model.checks import check_tables
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries.compare import find_differences
from tabular_labels.queries.match import match_catalogs
from tabular_labels.queries.merge_strategies import STRATEGIES
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.testing.strategies import label_tables
from tests import merge_reference
from tests.merge_cases import pairs

strategies = st.sampled_from(STRATEGIES)
tolerances = st.sampled_from((0.0, 1.0, 5.0, 1e9))
few = settings(max_examples=40)


def merge(
    base: LabelTables,
    new: LabelTables,
    strategy: Any = "keep_both",
    tolerance: float = 0.0,
    **rules: Any,
) -> LabelTables:
    match = match_catalogs(base.catalog, new.catalog, **rules)
    decided = decide_merge(Snapshot.of(base), Snapshot.of(new), match, strategy, tolerance)
    return merged_snapshot(decided)[0].tables()


def assert_same(made: LabelTables, expected: LabelTables) -> None:
    for name in ("frames", "instances", "points"):
        assert_frame_equal(getattr(made, name), getattr(expected, name), check_exact=True)


@given(
    pairs(),
    strategies,
    tolerances,
    st.sampled_from(("lineage", "classic")),
    st.sampled_from((2, 5, 1000)),
)
def test_merging_an_edited_copy_equals_the_slow_way(
    pair: tuple[LabelTables, LabelTables],
    strategy: Any,
    tolerance: float,
    tracks: Any,
    most_frames: int,
) -> None:
    base, new = pair
    match = match_catalogs(base.catalog, new.catalog, tracks=tracks)
    with mock.patch.object(merging_parts, "PART_FRAMES", most_frames):
        decided = decide_merge(Snapshot.of(base), Snapshot.of(new), match, strategy, tolerance)
    made = merged_snapshot(decided)[0].tables()
    assert check_tables(made) == []
    expected = merge_reference.merge(base, new, decided.catalog, strategy, tolerance)
    assert_same(made, expected)


@few
@given(label_tables(), label_tables(), strategies)
def test_merging_any_two_projects_equals_the_slow_way(
    base: LabelTables, new: LabelTables, strategy: Any
) -> None:
    match = match_catalogs(base.catalog, new.catalog)
    decided = decide_merge(Snapshot.of(base), Snapshot.of(new), match, strategy)
    made = merged_snapshot(decided)[0].tables()
    assert check_tables(made) == []
    assert_same(made, merge_reference.merge(base, new, decided.catalog, strategy, 0.0))


@few
@given(label_tables(), strategies, tolerances)
def test_merging_with_itself_changes_nothing(
    tables: LabelTables, strategy: Any, tolerance: float
) -> None:
    assert find_differences(merge(tables, tables, strategy, tolerance), tables) == []


@few
@given(pairs(same_origin=True), strategies, tolerances)
def test_merging_again_changes_nothing(
    pair: tuple[LabelTables, LabelTables], strategy: Any, tolerance: float
) -> None:
    base, new = pair
    once = merge(base, new, strategy, tolerance)
    assert find_differences(merge(once, new, strategy, tolerance), once) == []


@few
@given(pairs(same_origin=True))
def test_no_instance_is_lost_or_invented(pair: tuple[LabelTables, LabelTables]) -> None:
    base, new = pair
    found = set(merge_reference.contents(merge(base, new)))
    assert found == set(merge_reference.contents(base)) | set(merge_reference.contents(new))


@few
@given(pairs(same_origin=True))
def test_keeping_both_does_not_depend_on_the_order(pair: tuple[LabelTables, LabelTables]) -> None:
    base, new = (without_duplicates(tables) for tables in pair)
    one, other = merge(base, new), merge(new, base)
    assert set(merge_reference.contents(one)) == set(merge_reference.contents(other))


def without_duplicates(tables: LabelTables) -> LabelTables:
    """Merge into nothing: frames of one index become one, and equal instances of them one."""
    nothing = LabelTables(replace(tables.catalog))
    return merge(nothing, tables)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_empty_projects_are_merged(strategy: Any) -> None:
    assert merge(LabelTables(), LabelTables(), strategy).frames.height == 0
