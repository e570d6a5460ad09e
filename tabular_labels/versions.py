"""The versions of a Parquet project: list them, fold edits into them, delete old ones."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import polars as pl

from tabular_labels._types import PathLike

if TYPE_CHECKING:
    from tabular_labels.io.parquet_vacuum import Vacuumed

__all__ = ["compact", "history", "vacuum"]


def history(path: PathLike) -> pl.DataFrame:
    """List when, why and from what each version of a Parquet project came.

    Args:
        path: The project's directory.

    Returns:
        One row per version, oldest first: ``version``, ``parent`` (Int64, null for the
        first), ``created`` (Datetime, UTC), ``message``, and the number of ``frames``,
        ``instances`` and ``points`` (Int64).

    Raises:
        FileNotFoundError: There is nothing at the path.
        FileFormatError: Not a project, or a damaged entry.

    Examples:
        >>> import tempfile
        >>> import tabular_labels as tl
        >>> folder = tempfile.mkdtemp()
        >>> tl.write_parquet(tl.Labels(), folder, message="begin")
        >>> tl.history(folder).select("version", "message", "frames").rows()
        [(1, 'begin', 0)]
    """
    from tabular_labels.io.project_versions import read_history

    rows = [
        (info.version, info.parent, info.created, info.message, *vars(info.rows).values())
        for info in read_history(path)
    ]
    numbers = dict.fromkeys(("frames", "instances", "points"), pl.Int64)
    columns = {"version": pl.Int64, "parent": pl.Int64, "created": pl.String, "message": pl.String}
    table = pl.DataFrame(rows, schema={**columns, **numbers}, orient="row")
    return table.with_columns(pl.col("created").str.to_datetime(time_unit="us", time_zone="UTC"))


def compact(path: PathLike, *, message: str = "compact") -> int:
    """Fold the edits of a project's newest version into its larger files.

    Only files that edits fall on are written anew, as a new version that says the same;
    without edits there is nothing to do. Earlier versions stay readable.

    Args:
        path: The project's directory.
        message: Kept with the version.

    Returns:
        The number of the newest version.

    Raises:
        ConflictError: Another writer committed meanwhile; nothing was written.
        FileFormatError: Not a project, or a damaged one.

    Examples:
        >>> import tempfile
        >>> import tabular_labels as tl
        >>> folder = tempfile.mkdtemp()
        >>> tl.write_parquet(tl.Labels(), folder)
        >>> tl.compact(folder)
        1
    """
    from tabular_labels.io import parquet_rewrite  # loads pyarrow

    return parquet_rewrite.compact(path, message=message).manifest.info.version


def vacuum(
    path: PathLike,
    *,
    keep: int | None = None,
    older_than: timedelta = timedelta(hours=1),
    dry_run: bool = False,
) -> Vacuumed:
    """Delete files of a project that no version lists, and with ``keep`` old versions.

    Args:
        path: The project's directory.
        keep: Delete all but so many of the newest versions; None for none. Labels that
            are open at a deleted version can no longer read all of their rows.
        older_than: Leave alone unlisted files that were changed more recently: another
            writer may be about to list them. Longer than a write takes.
        dry_run: Only say what would be deleted.

    Returns:
        What was deleted: ``files`` (relative paths), ``versions`` and ``bytes``.

    Raises:
        FileNotFoundError: There is nothing at the path.
        FileFormatError: Not a project, or a version that stays is damaged; nothing was
            deleted.
        QueryError: ``keep`` is below 1, or ``older_than`` below 0.

    Examples:
        >>> import tempfile
        >>> import tabular_labels as tl
        >>> folder = tempfile.mkdtemp()
        >>> tl.write_parquet(tl.Labels(), folder)
        >>> tl.vacuum(folder).files
        ()
    """
    from tabular_labels.io import parquet_vacuum

    return parquet_vacuum.vacuum(path, keep=keep, older_than=older_than, dry_run=dry_run)
