"""The manifest: what one version of a Parquet project consists of.

A project is a directory::

    tabular-labels.json           marks the directory as a project
    versions/00000001.json        manifest of version 1, created exclusively, never changed
    versions/00000001.views.sql   DuckDB views of that version's current rows
    history/00000001.json         when, why and from what version 1 came
    data/*.parquet, data/*.h5     immutable files of shards and attachments
    edits/*.parquet               immutable files of deltas
    staging/                      files of unfinished bulk edits; no version lists any

A version is exactly the files its manifest lists; others in the directories belong
to other versions or to writes that were interrupted, so never glob. Files are
written and synced before the manifest, which appears whole or not at all. Of two
writers of one version one gets `ConflictError`.

**Shards** are ranges of canonical order, ascending and disjoint. ``first`` and
``last`` are the outermost ``(video_id, frame_idx)``; all rows of one such pair are
in one shard. Each shard has one file of frames, instances and points with
``TableSchema.disk_columns`` in canonical order. A frame that is in no shard would
belong to the last shard that begins before it (the first if none does).

**Deltas**, oldest first, replace the rows of places, which are ``(video_id,
frame_idx)``. The file ``replaced`` lists them, sorted and unique, with the columns
``points`` (Boolean) and ``removed`` (list of UInt32). The delta's frames and instances
are the new rows of exactly these places, in canonical order. A place without new rows
was emptied; one that was in no shard is new. The newest delta that lists a place holds
its frames and instances; shards and older deltas no longer count for it.

Points follow a rule of their own. Where ``points`` is true, the delta's points are those
of the place's instances. Where it is false, points stay where they are: in the newest
older delta that lists the place with ``points`` true, else in the shard, but for the
points of the instances in ``removed``. The instances left are then the same, in the same
order, as those of the points that stay. ``removed`` counts against older files only, so
that an instance may come back with a delta whose ``points`` are true.

Deltas are merged as bits are carried when one counts: each has ``commits``, how many it
was made of, and two neighbours of one number become one. So a version that came from n
commits on the same shards has at most ``log2(n) + 1``.

``position`` orders the frames of the classic list. It is unique, gaps mean nothing: a
frame keeps its position, new frames stand above all that a version ever held.
``next_ids`` are above every ``frame_id``, ``instance_id`` and ``position`` that the
project ever had; what was removed is not given to other rows.

Keys of a manifest: ``format``, ``format_version``, ``version``, ``parent`` (null for
the first), ``created`` (UTC, ISO 8601), ``message``, ``rows`` (current rows per
table, deltas applied), ``next_ids``, ``schemas`` (columns and dtypes per table), ``shards``,
``deltas``, ``attachments`` (a file or null) and ``catalog`` (the small tables as
columns, provenance, project id, what is attached). A file is ``path`` (relative,
inside ``data/`` or ``edits/``), ``rows``, ``bytes`` and ``sha256``. JSON is strict;
a non-finite float is written ``{"$float": "nan"}``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from tabular_labels._types import Json, TableName
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import Catalog

__all__ = [
    "FORMAT",
    "FORMAT_VERSION",
    "LARGE_TABLES",
    "MIGRATIONS",
    "DataFile",
    "Delta",
    "Key",
    "Manifest",
    "NextIds",
    "Shard",
    "VersionInfo",
]

FORMAT = "tabular_labels parquet project"
FORMAT_VERSION = 1
LARGE_TABLES: tuple[TableName, ...] = ("frames", "instances", "points")

MIGRATIONS: dict[int, Callable[[Json], Json]] = {}
"""By format version: turns a parsed manifest of it into one of the next version."""

Key = tuple[int, int]
"""A place in canonical order: ``(video_id, frame_idx)``."""


@dataclass(frozen=True)
class DataFile:
    """One immutable file: path relative to the project, rows, size and digest."""

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Shard:
    """A range of canonical order, ``first`` and ``last`` included."""

    first: Key
    last: Key
    frames: DataFile
    instances: DataFile
    points: DataFile

    def file(self, table: str) -> DataFile:
        """Return the file of one of the large tables."""
        found: DataFile = getattr(self, table)
        return found

    def files(self) -> tuple[DataFile, ...]:
        """Return all files."""
        return (self.frames, self.instances, self.points)


@dataclass(frozen=True)
class Delta(Shard):
    """New rows of the places that ``replaced`` lists; ``first`` and ``last`` are of these.

    ``commits`` is how many commits it was made of.
    """

    replaced: DataFile
    commits: int = 1

    def files(self) -> tuple[DataFile, ...]:
        """Return all files."""
        return (*super().files(), self.replaced)


@dataclass(frozen=True)
class VersionInfo:
    """When, why and from what a version came."""

    version: int
    parent: int | None
    created: str
    message: str
    rows: Counts


@dataclass(frozen=True)
class NextIds:
    """Numbers above all that the project ever gave to a row."""

    frame_id: int = 0
    instance_id: int = 0
    position: int = 0

    def above(self, frames: pl.DataFrame, instances: pl.DataFrame) -> NextIds:
        """Return numbers that are also above those of some rows."""
        columns = (frames["frame_id"], instances["instance_id"], frames["position"])
        mine = (self.frame_id, self.instance_id, self.position)
        highest = [column.to_numpy().max(initial=0) if len(column) else -1 for column in columns]
        return NextIds(
            *(max(number, int(top) + 1) for number, top in zip(mine, highest, strict=True))
        )


@dataclass(frozen=True)
class Manifest:
    """All that one version consists of."""

    info: VersionInfo
    catalog: Catalog
    next_ids: NextIds
    shards: tuple[Shard, ...] = ()
    deltas: tuple[Delta, ...] = ()
    attachments: DataFile | None = None
    format_version: int = field(default=FORMAT_VERSION)

    def files(self, table: str | None = None) -> list[DataFile]:
        """List the files of one large table, shards first, or every file of the version."""
        parts: tuple[Shard, ...] = (*self.shards, *self.deltas)
        if table is not None:
            return [part.file(table) for part in parts]
        attached = [] if self.attachments is None else [self.attachments]
        return [file for part in parts for file in part.files()] + attached
