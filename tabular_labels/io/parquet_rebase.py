"""Apply edits of one version to a newer one."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from tabular_labels.errors import ConflictError, InvariantError
from tabular_labels.io.manifest import LARGE_TABLES
from tabular_labels.io.parquet_edits import KEY, packed_key
from tabular_labels.io.parquet_scan import ParquetSource
from tabular_labels.io.reconcile import (
    merge_catalogs,
    new_track_ids,
    rebased_counts,
    renumber_new_rows,
)
from tabular_labels.model.checks import check_catalog, require
from tabular_labels.model.edits import EditSet, check_edits
from tabular_labels.model.tables import Catalog

__all__ = ["rebase_edits"]

_REFERENCES = (
    ("videos", "video_id", "frames"),
    ("tracks", "track_id", "instances"),
    ("skeletons", "skeleton_id", "instances"),
)


def rebase_edits(base: ParquetSource, edits: EditSet, newest: ParquetSource) -> EditSet:
    """Turn edits of one version into edits of a newer one.

    They fit when no place they replace was changed meanwhile, and the small tables can
    be put together (`merge_catalogs`). New frames, instances and tracks get ids above
    those that the other side gave, and new frames follow its frames in the list.

    Args:
        base: The version that was edited.
        edits: Relative to it.
        newest: A later version of the project.

    Returns:
        Edits relative to ``newest``.

    Raises:
        ConflictError: Both sides changed one place, one row of a small table, or one
            side's rows need what the other removed.
    """
    _require_same_skeletons(base, edits, newest)
    _require_disjoint(base, edits, newest)
    before, theirs = base.manifest, newest.manifest
    tracks = new_track_ids(before.catalog, edits.catalog, theirs.catalog)
    mine = edits.catalog
    renamed = mine.tracks["track_id"].replace(list(tracks), list(tracks.values()))
    mine = replace(mine, tracks=mine.tracks.with_columns(track_id=renamed))
    catalog = merge_catalogs(before.catalog, mine, theirs.catalog, newest.path)
    renumbered = renumber_new_rows(edits, before.next_ids, theirs.next_ids, tracks)
    counts = rebased_counts(edits, before.info.rows, theirs.info.rows)
    rebased = replace(renumbered, catalog=catalog, counts=counts)
    try:
        require(check_catalog(catalog) + check_edits(rebased))
    except InvariantError as error:
        raise _conflict(newest, f"edited rows do not fit what others left: {error}") from error
    _require_references(before.catalog, rebased, newest)
    return rebased


def _require_same_skeletons(base: ParquetSource, edits: EditSet, newest: ParquetSource) -> None:
    """Nodes and skeletons may be changed on one side, and only added."""
    for name in ("skeletons", "nodes"):
        three = [
            catalog.tables()[name]
            for catalog in (base.manifest.catalog, edits.catalog, newest.manifest.catalog)
        ]
        if not (three[0].equals(three[1]) or three[0].equals(three[2])):
            raise _conflict(newest, f"both sides changed {name}")


def _require_disjoint(base: ParquetSource, edits: EditSet, newest: ParquetSource) -> None:
    """Require that what others committed left the edited places as they were."""
    suspects = _suspects(base, edits, newest)
    if not suspects.height:
        return
    changed = pl.concat([_differing(base, newest, table, suspects) for table in LARGE_TABLES])
    changed = changed.unique().sort(KEY)
    if changed.height:
        first = ", ".join(map(str, changed.head(5).rows()))
        what = f"both sides edited {changed.height} places (video_id, frame_idx; first: {first})"
        raise _conflict(newest, what)


def _suspects(base: ParquetSource, edits: EditSet, newest: ParquetSource) -> pl.DataFrame:
    """Choose the edited places that newer files may have changed."""
    places = edits.replaced.select(KEY)
    if base.manifest.shards != newest.manifest.shards:
        return places
    known = set(base.manifest.deltas)
    fresh = [n for n, delta in enumerate(newest.manifest.deltas) if delta not in known]
    lists = newest.edits.lists.filter(pl.col("delta").is_in(fresh))
    return places.join(lists, on=KEY, how="semi", maintain_order="left")


def _differing(
    base: ParquetSource, newest: ParquetSource, table: str, places: pl.DataFrame
) -> pl.DataFrame:
    """List the places whose rows of a table are others in two versions."""
    old, new = (_rows_at(source, table, places) for source in (base, newest))
    order = [pl.int_range(pl.len()).over(KEY).alias("row")]
    columns = [*old.columns, "row"]
    old, new = (each.with_columns(order) for each in (old, new))
    lost = old.join(new, on=columns, how="anti", nulls_equal=True)
    found = new.join(old, on=columns, how="anti", nulls_equal=True)
    return pl.concat([lost, found]).select(KEY)


def _rows_at(source: ParquetSource, table: str, places: pl.DataFrame) -> pl.DataFrame:
    keys = places.select(packed_key()).to_series()
    bounds = places.select(pl.col(KEY).min().name.suffix("_min"), pl.col(KEY).max())
    low = bounds.row(0, named=True)
    near = pl.all_horizontal(pl.col(name).is_between(low[f"{name}_min"], low[name]) for name in KEY)
    return source.scan(table).filter(near & packed_key().is_in(keys.implode())).collect()


def _require_references(before: Catalog, edits: EditSet, newest: ParquetSource) -> None:
    """Require that rows of others do not need what the edits removed."""
    for small, key, table in _REFERENCES:
        old, kept = (each.tables()[small][key] for each in (before, edits.catalog))
        gone = old.filter(~old.is_in(kept.implode()))
        if not len(gone):
            continue
        others = newest.scan(table).join(edits.replaced.lazy(), on=KEY, how="anti")
        used = others.filter(pl.col(key).is_in(gone.implode())).select(pl.len()).collect().item()
        if used:
            what = f"{used} {table} that others left need {small} that the edits removed"
            raise _conflict(newest, what)


def _conflict(newest: ParquetSource, what: str) -> ConflictError:
    text = (
        f"{newest.path}: {what}, expected edits of different places. Nothing was written: open "
        f"version {newest.manifest.info.version} and make those edits again."
    )
    return ConflictError(text)
