"""Random edits and queries, one after another, answer as plain lists do."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.editing.bulk import BulkRules
from tests.editing.catalog import CatalogRules
from tests.editing.lists import ListRules
from tests.editing.nodes import NodeRules
from tests.editing.others import OtherRules
from tests.editing.queries import QueryRules
from tests.editing.steps import StepRules
from tests.editing.tracks import TrackRules
from tests.editing.values import ValueRules


class Editing(
    ValueRules,
    ListRules,
    TrackRules,
    BulkRules,
    OtherRules,
    NodeRules,
    CatalogRules,
    StepRules,
    QueryRules,
):
    """Labels that are edited in every way."""


CHECKS = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


def run(examples: int, steps: int) -> None:
    run_state_machine_as_test(
        Editing,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=CHECKS,
        ),
    )


def test_any_edits_do_what_they_do_to_lists() -> None:
    run(30, 16)


@pytest.mark.slow
def test_many_edits_do_what_they_do_to_lists() -> None:
    run(400, 60)
