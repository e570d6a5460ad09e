"""Where two versions of a project may differ, told from the files they do not share."""

from __future__ import annotations

import polars as pl

from tabular_labels.io.parquet_edits import KEY, Columns, scan_files
from tabular_labels.io.parquet_scan import ParquetSource
from tabular_labels.model.edits import REPLACED
from tabular_labels.model.schema import FRAMES

__all__ = ["differing_places", "share_files"]


def share_files(old: ParquetSource, new: ParquetSource) -> bool:
    """Tell whether two sources are versions of one project on one disk."""
    same = old.manifest.catalog.project_id == new.manifest.catalog.project_id
    return same and old.path.resolve() == new.path.resolve()


def differing_places(old: ParquetSource, new: ParquetSource) -> pl.DataFrame:
    """List the places whose frames, instances or points may differ in two versions.

    Only shards and deltas that one of them has alone are looked at.

    Args:
        old: A version, with or without edits that are not on the disk.
        new: Another version of the same project.

    Returns:
        ``video_id`` (UInt32) and ``frame_idx`` (Int64), sorted and unique.
    """
    found = [pl.LazyFrame(schema={name: REPLACED[name] for name in KEY})]
    for mine, other in ((old, new), (new, old)):
        shared = set(other.manifest.shards)
        alone = [shard.frames for shard in mine.manifest.shards if shard not in shared]
        found.append(_places(mine, [file.path for file in alone], FRAMES.disk_columns))
        known = set(other.manifest.deltas)
        lists = [delta.replaced for delta in mine.manifest.deltas if delta not in known]
        found.append(_places(mine, [file.path for file in lists], dict(REPLACED)))
        if mine.uncommitted is not None:
            found.append(mine.uncommitted.replaced.lazy().select(KEY))
    return pl.concat(found).unique().sort(KEY).collect()


def _places(source: ParquetSource, files: list[str], columns: Columns) -> pl.LazyFrame:
    return scan_files([source.path / file for file in files], columns).select(KEY)
