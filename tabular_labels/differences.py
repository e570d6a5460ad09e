"""Differences between labels, files and versions of projects."""

from __future__ import annotations

from tabular_labels.model.source import Source
from tabular_labels.model.tables import Structure
from tabular_labels.queries.diff import Changes, find_changes
from tabular_labels.queries.state import State

__all__ = ["diff_sources"]


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
        places = differing_places(old, new)
        before, after = (State.of(source, source.load_places(places)) for source in (old, new))
        return find_changes(before, after)
    before, after = State.of(old, old_structure), State.of(new, new_structure)
    return find_changes(before, after, by_content=by_content)
