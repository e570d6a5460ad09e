from dataclasses import replace

import numpy as np
import polars as pl
import polars.selectors as cs
import pytest
from polars.testing import assert_frame_equal

from tabular_labels.errors import QueryError
from tabular_labels.model.tables import Structure
from tabular_labels.queries.filter import filter_tables, is_by_row, keep_mask, used_columns
from tabular_labels.queries.select import hide_points, select_frames, select_instances
from tabular_labels.testing.builders import make_tables

TABLE = pl.DataFrame({"score": [0.9, 0.1, None, None], "x": [1.0, 2.0, 3.0, None]})


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        (pl.col("score") > 0.5, [True, False, True, True]),
        (pl.col("x") > 1.5, [False, True, True, False]),
        (cs.float() > 0.5, None),
        (pl.any_horizontal(cs.float() > 2.5), [False, False, True, False]),
        (pl.col("score") > pl.col("score").mean(), [True, False, True, True]),
        (pl.col("x").max() > 2, [True] * 4),
        (pl.lit(value=True), [True] * 4),
        (pl.lit(None), [False] * 4),
        (pl.col("score").is_null(), [False, False, True, True]),
    ],
)
def test_rows_are_kept_where_the_predicate_holds_or_lacks_a_score(
    predicate: pl.Expr, expected: list[bool] | None
) -> None:
    if expected is None:
        with pytest.raises(QueryError, match="Expected one boolean"):
            keep_mask(TABLE, predicate)
    else:
        assert keep_mask(TABLE, predicate).tolist() == expected


def test_which_columns_are_scores_can_be_said() -> None:
    assert keep_mask(TABLE, pl.col("x") > 5, ["x"]).tolist() == [False, False, False, True]


@pytest.mark.parametrize("predicate", [pl.col("x"), pl.col("nowhere") > 1, pl.col("x").head(2) > 0])
def test_an_expression_that_is_not_one_boolean_a_row_is_refused(predicate: pl.Expr) -> None:
    with pytest.raises(QueryError, match=r"Expected one boolean over the columns \['score', 'x'\]"):
        keep_mask(TABLE, predicate)


def test_an_unknown_column_is_named_with_the_known_ones() -> None:
    with pytest.raises(QueryError, match=r"nowhere.*'score', 'x'"):
        used_columns(pl.col("nowhere") > 1, TABLE.schema)


def test_a_filter_by_score_keeps_what_users_made() -> None:
    tables = make_tables(100, user_fraction=0.3)
    made = filter_tables(tables, instances=pl.col("score") > 2)
    assert made.instances["kind"].unique().to_list() == ["user"]
    assert made.frames.height == tables.frames.height
    assert made.instances["from_predicted"].null_count() == made.instances.height


def test_dropping_empty_frames_keeps_negative_ones() -> None:
    tables = make_tables(10, user_fraction=0.0)
    is_negative = np.arange(10) == 4
    tables = replace(tables, frames=tables.frames.with_columns(is_negative=is_negative))
    made = filter_tables(tables, instances=pl.lit(value=False), drop_empty=True)
    assert made.frames["is_negative"].to_list() == [True]
    assert made.frames["position"].to_list() == [0]


def test_hidden_points_lose_their_coordinates_only() -> None:
    tables = make_tables(10)
    made = filter_tables(tables, points=pl.col("node") == "head")
    is_head = np.arange(made.points.height) % 15 == 0
    assert_frame_equal(made.points.drop("x", "y"), tables.points.drop("x", "y"))
    assert made.points.filter(~is_head)["x"].null_count() == (~is_head).sum()
    assert_frame_equal(made.points.filter(is_head), tables.points.filter(is_head))
    assert hide_points(tables.points, np.ones(tables.points.height, bool)) is tables.points


def test_a_filter_that_keeps_everything_shares_its_tables() -> None:
    tables = make_tables(10)
    made = filter_tables(tables, frames=pl.lit(value=True), instances=pl.lit(value=True))
    assert_frame_equal(made.points, tables.points)
    ids = made.instances["instance_id"].to_numpy()
    assert np.shares_memory(ids, tables.instances["instance_id"].to_numpy())
    assert select_instances(tables.structure) is tables.structure


def test_where_points_are_is_carried_along() -> None:
    structure = make_tables(6, n_videos=1, n_instances=1, user_fraction=0.0).structure
    starts, parts = np.array([5, 4, 3, 2, 1, 0]) * 15, np.array([0, 1, 0, 1, 0, 1])
    scattered = Structure(structure.frames, structure.instances, structure.n_nodes, parts, starts)
    mask = np.array([True, False, True, True, False, False])
    for made in (
        select_instances(scattered, mask),
        select_instances(scattered, None, mask),
        select_frames(scattered, np.array([0, 2, 3])),
        select_frames(scattered, np.array([3, 2, 0])),
    ):
        assert made.point_start is not None
        assert made.part is not None
        assert made.point_start.tolist() == [75, 45, 30]
        assert made.part.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("predicate", "expected"),
    [
        (pl.col("x") > 1, True),
        (pl.col("flag"), True),
        (pl.lit(value=True), True),
        ((pl.col("x") % 2 == 1) & ~pl.col("flag"), True),
        (pl.when("flag").then("x").otherwise(0) > 1, True),
        (pl.col("x") > pl.col("x").mean(), False),
        ((pl.col("x") > 1) & (pl.col("x") < pl.col("x").max()), False),
        (pl.col("x").shift() > 1, False),
        (pl.col("x").rank() > 1, False),
        (pl.col("x").sum().over("flag") > 1, False),
        (pl.col("x").is_duplicated(), False),
        (pl.int_range(pl.len()) > 3, False),
    ],
)
def test_predicates_are_told_that_look_beyond_their_row(predicate: pl.Expr, expected: bool) -> None:
    schema = pl.Schema({"x": pl.Float64(), "flag": pl.Boolean()})
    assert is_by_row(predicate, schema) == expected
