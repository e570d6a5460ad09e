"""Find the predictions that nested copies in a JSON document are copies of."""

from __future__ import annotations

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.model.buffers import float_columns
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.tables import Catalog

__all__ = ["resolve_links"]

_KEYS = ("skeleton_id", "track_id", "score", "tracking_score", "hash")


def resolve_links(
    rows: IntArray,
    nested: tuple[pl.DataFrame, pl.DataFrame],
    listed: tuple[pl.DataFrame, pl.DataFrame],
    counts: IntArray,
    catalog: Catalog,
) -> IntArray:
    """Find an equal prediction for each nested one: in its frame first, then anywhere.

    Args:
        rows: Instance rows that hold the nested ones.
        nested: Nested instances and their points.
        listed: All instances and their points, in list order.
        counts: Number of instances of each frame.
        catalog: Number of nodes of each skeleton.

    Returns:
        Instance rows, -1 where there is none equal; the first where there are several.
    """
    frame = np.repeat(np.arange(len(counts)), counts)
    candidates = np.flatnonzero((listed[0]["kind"] == "predicted").to_numpy())
    wanted = _keyed(nested, catalog, np.arange(nested[0].height)).with_columns(
        frame=pl.Series(frame[rows])
    )
    known = _keyed(listed, catalog, candidates).with_columns(frame=pl.Series(frame[candidates]))
    found = np.full(len(rows), -1, np.int64)
    for keys in ((*_KEYS, "frame"), _KEYS):
        missing = np.flatnonzero(found < 0)
        if not len(missing):
            break
        first = known.unique(keys, keep="first", maintain_order=True).rename({"row": "match"})
        joined = wanted[missing].join(
            first.select(*keys, "match"),
            on=list(keys),
            how="left",
            nulls_equal=True,
            maintain_order="left",
            validate="m:1",
        )
        match = joined["match"].fill_null(-1).to_numpy()
        good = match >= 0
        good[good] = _same(nested, listed, catalog, missing[good], match[good])
        found[missing[good]] = match[good]
    return found


def _keyed(
    instances: tuple[pl.DataFrame, pl.DataFrame], catalog: Catalog, rows: IntArray
) -> pl.DataFrame:
    """Return what tells instances apart, with a hash of their points."""
    table = instances[0][rows].select(_KEYS[:-1])
    values, n_nodes = _values(instances, catalog, rows)
    # One number for each point, mixed with its place, and summed over the instance.
    place = ranges(np.zeros(len(n_nodes), np.int64), n_nodes).astype(np.uint64)
    bits = values.view(np.uint64)
    mixed = bits[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ bits[:, 1]
    mixed = (mixed + place) * np.uint64(0xBF58476D1CE4E5B9)
    total = np.zeros(len(mixed) + 1, np.uint64)
    np.cumsum(mixed, out=total[1:])
    summed = np.diff(total[offsets_of_counts(n_nodes)])
    return table.with_columns(hash=pl.Series(summed), row=pl.Series(rows))


def _same(
    nested: tuple[pl.DataFrame, pl.DataFrame],
    listed: tuple[pl.DataFrame, pl.DataFrame],
    catalog: Catalog,
    mine: IntArray,
    theirs: IntArray,
) -> BoolArray:
    """Compare points value by value, as hashes may agree by chance."""
    a, n_nodes = _values(nested, catalog, mine)
    b, _ = _values(listed, catalog, theirs)
    differs = ((a != b) & ~(np.isnan(a) & np.isnan(b))).any(axis=1)
    before = offsets_of_counts(differs)[offsets_of_counts(n_nodes)]
    same: BoolArray = np.diff(before) == 0
    return same


def _values(
    instances: tuple[pl.DataFrame, pl.DataFrame], catalog: Catalog, rows: IntArray
) -> tuple[FloatArray, IntArray]:
    """Return x and y of instances, NaN for missing, and their numbers of nodes."""
    n_nodes = catalog.n_nodes[instances[0]["skeleton_id"].to_numpy()]
    at = ranges(offsets_of_counts(n_nodes)[:-1][rows], n_nodes[rows])
    columns = float_columns([instances[1][name].gather(at) for name in ("x", "y")])
    # Of zeros and NaNs there are several, which shall be one.
    return np.where(np.isnan(columns), np.nan, np.add(columns, 0.0)).T.copy(), n_nodes[rows]
