"""Names in place of keys, as Enum columns."""

from __future__ import annotations

import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.buffers import key_values
from tabular_labels.model.offsets import rows_of_ids

__all__ = ["name_enum", "name_ids", "name_rows"]


def name_enum(names: pl.Series) -> pl.Enum:
    """Make an Enum of names: each once, in the order of first appearance, no null.

    Examples:
        >>> name_enum(pl.Series(["b", "a", "b"])).categories.to_list()
        ['b', 'a']
    """
    return pl.Enum(names.drop_nulls().unique(maintain_order=True))


def name_rows(names: pl.Series) -> pl.Series:
    """Turn a column of names into an Enum with its own names as categories."""
    return names.cast(name_enum(names))


def name_ids(names: pl.Series, ids: pl.Series, wanted: pl.Series) -> pl.Series:
    """Look up the names of ids.

    Args:
        names: Name of each row of a catalogue table; repeats share a category.
        ids: Unique key of each of those rows.
        wanted: Keys to name, null for none.

    Returns:
        Enum of all names, null where ``wanted`` is null or not among ``ids``.

    Examples:
        >>> ids = pl.Series([4, 2], dtype=pl.UInt32)
        >>> wanted = pl.Series([2, None, 4], dtype=pl.UInt32)
        >>> name_ids(pl.Series(["b", "a"]), ids, wanted).to_list()
        ['a', None, 'b']
    """
    rows: IntArray = rows_of_ids(ids.to_numpy(), key_values(wanted))
    places = pl.Series(rows, dtype=pl.Int64)
    if len(rows) and int(rows.min()) < 0:
        places = places.to_frame("row").select(pl.when(pl.col("row") >= 0).then("row"))["row"]
    return name_rows(names).gather(places)
