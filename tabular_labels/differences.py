"""Differences between labels, files and versions of projects."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

import polars as pl

from tabular_labels.model.source import MemorySource, Source
from tabular_labels.model.tables import Structure
from tabular_labels.queries.diff import Changes, changed_places, find_changes
from tabular_labels.queries.state import SharedPoints, State
from tabular_labels.store.derived import DerivedSource, same_points
from tabular_labels.store.snapshot import Snapshot

if TYPE_CHECKING:
    from tabular_labels.io.parquet_scan import ParquetSource

__all__ = [
    "StateAt",
    "changed_at",
    "diff_at",
    "diff_sources",
    "diff_version",
    "read_at",
    "state_of",
]

StateAt: TypeAlias = Callable[[pl.DataFrame], State]
"""Gives what a state has at some places."""

# Places whose rows of both sides are in memory at a time.
_AT_ONCE = 16_384


def diff_sources(
    old: Source,
    new: Source,
    *,
    old_structure: Structure | None = None,
    new_structure: Structure | None = None,
    by_content: bool | None = None,
) -> Changes:
    """Compare two states of labels, wherever they are kept.

    Of two versions of one Parquet project only the files that they do not share are read.

    Args:
        old: Before.
        new: After.
        old_structure: Frames and instances of ``old``, where they were read already.
        new_structure: Those of ``new``.
        by_content: Tell rows by content, not by id; None: when the project ids differ.
            Versions of one Parquet project are always compared by id.

    Returns:
        Rows added, removed and changed, by table; see `queries.diff.find_changes`.

    Examples:
        >>> from tabular_labels.model.source import MemorySource
        >>> from tabular_labels.model.tables import LabelTables
        >>> nothing = MemorySource(LabelTables())
        >>> diff_sources(nothing, nothing)
        Changes(none)
    """
    from tabular_labels.io.parquet_compare import differing_places, share_files
    from tabular_labels.io.parquet_scan import ParquetSource

    if isinstance(old, ParquetSource) and isinstance(new, ParquetSource) and share_files(old, new):
        return diff_at(partial(read_at, old), partial(read_at, new), differing_places(old, new))
    before, after = State.of(old, old_structure), State.of(new, new_structure)
    return find_changes(before, after, by_content=by_content)


def diff_version(
    old: ParquetSource, committed: ParquetSource, now: Snapshot, touched: pl.DataFrame
) -> Changes:
    """Compare labels with a version of their project, whose rows are read where they differ.

    Args:
        old: The version.
        committed: The version that the labels were committed as last.
        now: The labels.
        touched: Where they may differ from that: ``video_id``, ``frame_idx``.
    """
    from tabular_labels.io.parquet_compare import differing_places

    places = pl.concat([differing_places(old, committed), touched]).unique()
    return diff_at(partial(read_at, old), state_of(now).at, places.sort("video_id", "frame_idx"))


def diff_at(old: StateAt, new: StateAt, places: pl.DataFrame) -> Changes:
    """Compare two states of one project, a piece at a time where there are many places."""
    if places.height > _AT_ONCE:
        places = changed_at(old, new, places).drop("points")
    return find_changes(old(places), new(places), by_content=False)


def changed_at(old: StateAt, new: StateAt, places: pl.DataFrame) -> pl.DataFrame:
    """List the places at which two states of one project differ, a piece at a time.

    Args:
        old: Before.
        new: After.
        places: ``video_id`` and ``frame_idx`` outside of which they are the same, sorted.

    Returns:
        As `queries.diff.changed_places`.
    """
    found = []
    for first in range(0, max(places.height, 1), _AT_ONCE):
        some = places[first : first + _AT_ONCE]
        found.append(changed_places(old(some), new(some)))
    return pl.concat(found)


def read_at(source: ParquetSource, places: pl.DataFrame) -> State:
    """Read what a version of a project has at some places."""
    return State.of(source, source.load_places(places), shared_points(source))


def state_of(snapshot: Snapshot) -> State:
    """Return a snapshot as a state to compare, with what it shares with others."""
    return State.of(snapshot.source, snapshot.structure, shared_points(snapshot.source))


def shared_points(source: Source) -> SharedPoints | None:
    """Say which points of a scan are known to be those of another scan."""
    beside = same_points(source)
    root = source if beside is None else beside.parent
    patch = None if beside is None else beside.patch
    if isinstance(root, MemorySource | DerivedSource):
        return None
    manifest = getattr(root, "manifest", None)
    if manifest is None:
        return SharedPoints(id(root), 2**48, patch)
    files = tuple(shard.points.path for shard in manifest.shards)
    return SharedPoints(files, sum(shard.points.rows for shard in manifest.shards), patch)
