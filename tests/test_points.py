"""Points: small values, free or bound."""

import copy
import math
import pickle

import pytest

from tabular_labels.model.skeleton import Skeleton
from tabular_labels.points import Point, PredictedPoint
from tabular_labels.views import Instance, PredictedInstance


def test_points_are_equal_by_kind_and_values() -> None:
    assert Point(1, 2) == Point(1, 2)
    assert Point(math.nan, 2) == Point(math.nan, 2)
    assert Point(1, 2) != Point(1, 2, visible=False)
    assert Point(1, 2) != PredictedPoint(1, 2)
    assert PredictedPoint(1, 2, score=0.5) != PredictedPoint(1, 2, score=0.25)
    assert len({PredictedPoint(1, 2), PredictedPoint(1, 2)}) == 1


@pytest.mark.parametrize("point", [Point(1, 2, False, True), PredictedPoint(1, 2, score=0.5)])
def test_copies_of_points_are_free(point: Point) -> None:
    free = point.copy()
    assert free == point
    free.x = 3
    assert point.x == 1
    assert pickle.loads(pickle.dumps(point)) == point


@pytest.mark.parametrize("cls", [Instance, PredictedInstance])
def test_bound_points_are_like_free_ones(cls: type[Instance]) -> None:
    instance = cls(Skeleton(["a"]), {"a": PredictedPoint(1, 2, complete=True, score=0.5)})
    bound = instance["a"]
    free = bound.copy()
    assert bound == free
    assert free == bound
    assert hash(bound) == hash(free)
    assert repr(bound) == repr(free)
    assert bound.numpy().tolist() == [1, 2]
    assert not bound.isnan()
    assert type(copy.copy(bound)) is type(free)
    bound.y = math.nan
    assert bound.isnan()
    assert instance.is_empty
