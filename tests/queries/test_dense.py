from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from tabular_labels._types import FloatArray
from tabular_labels.errors import QueryError
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries.dense import scatter
from tabular_labels.queries.dense_layout import DenseLayout, dense_layout
from tabular_labels.queries.select import select_points
from tabular_labels.testing.builders import make_tables


def layout_of(tables: LabelTables, **options: object) -> DenseLayout:
    return dense_layout(tables.structure, tables.catalog, 0, **options)  # type: ignore[arg-type]  # passed on


def points_of(tables: LabelTables, layout: DenseLayout) -> pl.DataFrame:
    return select_points(tables.points, tables.point_offsets, layout.instance_rows)


def test_only_the_points_of_the_video_are_needed() -> None:
    tables = make_tables(40, n_videos=4, user_fraction=0.0)
    assert layout_of(tables).instance_rows.tolist() == list(range(40))


def test_points_are_read_sparsely_when_few_are_needed() -> None:
    tables = make_tables(40, n_videos=1, user_fraction=1.0)
    layout = layout_of(tables)
    kinds = tables.instances["kind"].gather(layout.instance_rows)
    assert kinds.unique().to_list() == ["user"]


def test_a_labelled_frame_past_the_end_of_the_video_is_not_lost() -> None:
    tables = make_tables(40, n_videos=1)
    last = int(tables.frames["frame_idx"][-1])
    assert layout_of(tables, n_video_frames=1).shape[0] == last + 1
    assert layout_of(tables, n_video_frames=last + 9).shape[0] == last + 9


def test_a_video_without_frames_has_no_rows_and_the_columns_of_the_tracks() -> None:
    tables = make_tables(8, n_instances=3)
    layout = dense_layout(tables.structure, tables.catalog, 99, n_video_frames=50)
    assert layout.shape == (0, 3, 15)
    assert scatter(layout, tables.points.clear()).shape == (0, 3, 15, 3)


def test_scores_of_user_instances_are_nan_even_if_they_have_some() -> None:
    tables = make_tables(20, n_videos=1, user_fraction=0.5, missing_fraction=0.0)
    tables = replace(tables, points=tables.points.with_columns(score=pl.lit(0.5)))
    layout = layout_of(tables)
    dense = scatter(layout, points_of(tables, layout))
    is_user = layout.slots[(layout.slots >= 0) & layout.is_user]
    is_predicted = layout.slots[(layout.slots >= 0) & ~layout.is_user]
    scores = dense[..., 2].reshape(-1, 15)
    assert len(is_user)
    assert np.isnan(scores[is_user]).all()
    assert (scores[is_predicted] == 0.5).all()


def test_an_array_is_filled_in_place_whatever_it_held() -> None:
    tables = make_tables(20, n_videos=1, gap_fraction=0.2)
    layout = layout_of(tables, n_video_frames=60)
    points = points_of(tables, layout)
    out = np.zeros((*layout.shape, 3), np.float32)
    assert scatter(layout, points, out) is out
    np.testing.assert_array_equal(out, scatter(layout, points))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_an_array_that_does_not_fit_is_refused(dtype: type) -> None:
    tables = make_tables(20, n_videos=1)
    layout = layout_of(tables)
    out: FloatArray = np.zeros((*layout.shape, 3), dtype)[::-1]
    with pytest.raises(QueryError, match="expected a contiguous one of shape"):
        scatter(layout, points_of(tables, layout), out)
