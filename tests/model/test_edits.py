"""Places are found in a table as they would be row by row."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.model.edits import packed_places, place_bounds
from tests import reference

PLACE = st.tuples(st.sampled_from([0, 1, 2, 7, 2**32 - 1]), st.sampled_from([0, 1, 5, 2**32 - 1]))


def table_of(places: list[tuple[int, int]]) -> pl.DataFrame:
    schema = {"video_id": pl.UInt32, "frame_idx": pl.Int64}
    return pl.DataFrame(places, schema=schema, orient="row")


@given(st.lists(PLACE).map(sorted), st.lists(PLACE).map(sorted))
def test_places_are_found_where_their_rows_are(
    rows: list[tuple[int, int]], places: list[tuple[int, int]]
) -> None:
    first, stop = place_bounds(table_of(rows), packed_places(table_of(places)))
    assert [list(pair) for pair in zip(first, stop, strict=True)] == reference.place_bounds(
        rows, places
    )
