"""Columns put together from pieces are those of the pieces joined."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tabular_labels.model.point_columns import PointColumns

points = st.lists(st.tuples(st.one_of(st.none(), st.floats(-9, 9)), st.booleans()), max_size=5)


@given(pieces=st.lists(points, max_size=5))
def test_pieces_stand_one_after_the_other(pieces: list[list[tuple[float | None, bool]]]) -> None:
    schema = {"x": pl.Float64, "visible": pl.Boolean}
    tables = [pl.DataFrame(rows, schema=schema, orient="row") for rows in pieces]
    chunked = [pl.concat([table[:2], table[2:]], rechunk=False) for table in tables]
    columns = PointColumns(["x", "visible"], sum(table.height for table in tables))
    for table in chunked:
        columns.add(table)
    assert_frame_equal(columns.table(), pl.concat([pl.DataFrame(schema=schema), *tables]))
