"""Columns, dtypes, keys and foreign keys: one constant per table.

A table's ``columns`` are what a query sees and what is kept on disk. Two of the
keys are implied by position while rows stand in canonical order; those are not
held in memory (``implied``), and are written on disk together with
``video_id`` and ``frame_idx`` (``disk``), which other tools and pruning need.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import polars as pl

from tabular_labels.errors import SchemaMismatchError

__all__ = [
    "CATALOG",
    "EDGES",
    "EDGE_KIND",
    "FRAMES",
    "INSTANCES",
    "KIND",
    "NEGATIVE_ANCHORS",
    "NODES",
    "POINTS",
    "SCHEMA_VERSION",
    "SKELETONS",
    "SUGGESTIONS",
    "TABLES",
    "TRACKS",
    "VIDEOS",
    "ForeignKey",
    "TableSchema",
    "conform",
]

SCHEMA_VERSION = 1

KIND = pl.Enum(["user", "predicted"])
"""What made an instance: a person (physical 0) or a model (physical 1)."""

EDGE_KIND = pl.Enum(["edge", "symmetry"])
"""What joins two nodes: an anatomical connection, or left/right symmetry."""


@dataclass(frozen=True)
class ForeignKey:
    """``columns`` of one table name a row of ``table`` by its ``key``."""

    columns: tuple[str, ...]
    table: str
    key: tuple[str, ...]


@dataclass(frozen=True)
class TableSchema:
    """Columns with dtypes, key, nullable columns and references of one table."""

    name: str
    columns: Mapping[str, pl.DataType | type[pl.DataType]]
    key: tuple[str, ...]
    nullable: frozenset[str] = frozenset()
    references: tuple[ForeignKey, ...] = ()
    implied: tuple[str, ...] = ()
    disk: Mapping[str, pl.DataType | type[pl.DataType]] = field(
        default_factory=lambda: MappingProxyType({})
    )

    @property
    def memory_columns(self) -> dict[str, pl.DataType | type[pl.DataType]]:
        """Columns held in memory: without the keys that position implies."""
        return {k: v for k, v in self.columns.items() if k not in self.implied}

    @property
    def disk_columns(self) -> dict[str, pl.DataType | type[pl.DataType]]:
        """Columns written to disk: every key first, then the values."""
        return {**self.disk, **self.columns}

    def empty(self) -> pl.DataFrame:
        """Return a table with the in-memory columns and no rows."""
        return pl.DataFrame(schema=self.memory_columns)


def _schema(
    name: str,
    columns: dict[str, pl.DataType | type[pl.DataType]],
    key: tuple[str, ...],
    *,
    nullable: tuple[str, ...] = (),
    references: tuple[ForeignKey, ...] = (),
    implied: tuple[str, ...] = (),
    disk: dict[str, pl.DataType | type[pl.DataType]] | None = None,
) -> TableSchema:
    return TableSchema(
        name,
        MappingProxyType(columns),
        key,
        frozenset(nullable),
        references,
        implied,
        MappingProxyType(disk or {}),
    )


_OF_VIDEO = ForeignKey(("video_id",), "videos", ("video_id",))
_OF_SKELETON = ForeignKey(("skeleton_id",), "skeletons", ("skeleton_id",))
_PLACE: dict[str, pl.DataType | type[pl.DataType]] = {"video_id": pl.UInt32, "frame_idx": pl.Int64}

VIDEOS = _schema(
    "videos",
    {
        "video_id": pl.UInt32,
        "filename": pl.String,
        "backend": pl.String,
        "n_frames": pl.Int64,
        "height": pl.Int64,
        "width": pl.Int64,
        "channels": pl.Int64,
        "fps": pl.Float64,
    },
    ("video_id",),
    nullable=("n_frames", "height", "width", "channels", "fps"),
)
SKELETONS = _schema(
    "skeletons",
    {"skeleton_id": pl.UInt16, "name": pl.String},
    ("skeleton_id",),
    nullable=("name",),
)
NODES = _schema(
    "nodes",
    {"skeleton_id": pl.UInt16, "node_id": pl.UInt16, "name": pl.String, "weight": pl.Float64},
    ("skeleton_id", "node_id"),
    references=(_OF_SKELETON,),
)
EDGES = _schema(
    "edges",
    {
        "skeleton_id": pl.UInt16,
        "kind": EDGE_KIND,
        "source": pl.UInt16,
        "target": pl.UInt16,
        "position": pl.UInt32,
    },
    ("skeleton_id", "kind", "source", "target"),
    references=(
        ForeignKey(("skeleton_id", "source"), "nodes", ("skeleton_id", "node_id")),
        ForeignKey(("skeleton_id", "target"), "nodes", ("skeleton_id", "node_id")),
    ),
)
TRACKS = _schema(
    "tracks",
    {"track_id": pl.UInt32, "name": pl.String, "spawned_on": pl.Int64},
    ("track_id",),
)
SUGGESTIONS = _schema(
    "suggestions",
    {"video_id": pl.UInt32, "frame_idx": pl.Int64, "group": pl.Int64},
    (),
    nullable=("group",),
    references=(_OF_VIDEO,),
)
NEGATIVE_ANCHORS = _schema(
    "negative_anchors",
    {"video_id": pl.UInt32, "frame_idx": pl.Int64, "x": pl.Float64, "y": pl.Float64},
    (),
    nullable=("x", "y"),
    references=(_OF_VIDEO,),
)
FRAMES = _schema(
    "frames",
    {
        "frame_id": pl.UInt32,
        "video_id": pl.UInt32,
        "frame_idx": pl.Int64,
        "position": pl.UInt32,
        "is_negative": pl.Boolean,
    },
    ("frame_id",),
    references=(_OF_VIDEO,),
)
INSTANCES = _schema(
    "instances",
    {
        "instance_id": pl.UInt32,
        "frame_id": pl.UInt32,
        "instance_idx": pl.UInt16,
        "skeleton_id": pl.UInt16,
        "track_id": pl.UInt32,
        "kind": KIND,
        "score": pl.Float32,
        "tracking_score": pl.Float32,
        "from_predicted": pl.UInt32,
    },
    ("instance_id",),
    nullable=("track_id", "score", "tracking_score", "from_predicted"),
    references=(
        ForeignKey(("frame_id",), "frames", ("frame_id",)),
        _OF_SKELETON,
        ForeignKey(("track_id",), "tracks", ("track_id",)),
        ForeignKey(("from_predicted",), "instances", ("instance_id",)),
    ),
    disk=_PLACE,
)
POINTS = _schema(
    "points",
    {
        "instance_id": pl.UInt32,
        "node_id": pl.UInt16,
        "x": pl.Float64,
        "y": pl.Float64,
        "visible": pl.Boolean,
        "complete": pl.Boolean,
        "score": pl.Float64,
    },
    ("instance_id", "node_id"),
    nullable=("x", "y", "score"),
    references=(ForeignKey(("instance_id",), "instances", ("instance_id",)),),
    implied=("instance_id", "node_id"),
    disk=_PLACE,
)

CATALOG: tuple[TableSchema, ...] = (
    VIDEOS,
    SKELETONS,
    NODES,
    EDGES,
    TRACKS,
    SUGGESTIONS,
    NEGATIVE_ANCHORS,
)
"""The small tables: always in memory, kept in a project's manifest."""

TABLES: Mapping[str, TableSchema] = MappingProxyType(
    {schema.name: schema for schema in (*CATALOG, FRAMES, INSTANCES, POINTS)}
)


def conform(table: pl.DataFrame, schema: TableSchema) -> pl.DataFrame:
    """Check that a table has exactly its schema's in-memory columns, and order them.

    Args:
        table: Any polars table.
        schema: The schema it should have.

    Returns:
        The same rows with the columns in the schema's order, one chunk each.

    Raises:
        SchemaMismatchError: A column is missing, extra, or has another dtype.

    Examples:
        >>> conform(TRACKS.empty(), TRACKS).columns
        ['track_id', 'name', 'spawned_on']
    """
    expected = schema.memory_columns
    found = dict(table.schema)
    if found.keys() != expected.keys():
        raise SchemaMismatchError(schema.name, f"columns {list(found)}", f"{list(expected)}")
    wrong = {name: found[name] for name in expected if found[name] != expected[name]}
    if wrong:
        raise SchemaMismatchError(
            schema.name, f"dtypes {wrong}", f"{ {name: expected[name] for name in wrong} }"
        )
    # Tables are made often, and mostly as they should be.
    if list(found) != list(expected):
        table = table.select(list(expected))
    return table.rechunk() if max(table.n_chunks("all"), default=1) > 1 else table
