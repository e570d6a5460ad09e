"""The frozen bundles of tables that every layer passes around."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model import schema
from tabular_labels.model.offsets import instance_offsets, narrow_rows, point_offsets

__all__ = ["Attachments", "Catalog", "LabelTables", "Structure", "numbering", "order_of_list"]

_ALL = slice(None)


@dataclass(frozen=True)
class Attachments:
    """What a file holds that the tables do not model, carried verbatim.

    Attributes:
        counts: What there is and how many of each, for warnings and ``describe``.
        image: An HDF5 file in memory that holds the objects at their paths.
        path: Instead of ``image``: the file on disk that still holds them.
        metadata: Leftover JSON values, keyed by their place in the file's metadata.
        numbering: Digest of the row numbering the objects refer to, see `numbering`.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    image: bytes | None = None
    path: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    numbering: str = ""

    def __bool__(self) -> bool:
        """Tell whether anything is carried."""
        return bool(self.counts) or bool(self.metadata)


@dataclass(frozen=True)
class Catalog:
    """The small tables and facts of a project; always in memory.

    Row order of ``videos``, ``skeletons`` and ``tracks`` is their list order.

    Examples:
        >>> Catalog().videos.height
        0
    """

    videos: pl.DataFrame = field(default_factory=schema.VIDEOS.empty)
    skeletons: pl.DataFrame = field(default_factory=schema.SKELETONS.empty)
    nodes: pl.DataFrame = field(default_factory=schema.NODES.empty)
    edges: pl.DataFrame = field(default_factory=schema.EDGES.empty)
    tracks: pl.DataFrame = field(default_factory=schema.TRACKS.empty)
    suggestions: pl.DataFrame = field(default_factory=schema.SUGGESTIONS.empty)
    negative_anchors: pl.DataFrame = field(default_factory=schema.NEGATIVE_ANCHORS.empty)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    project_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    attachments: Attachments = field(default_factory=Attachments)

    def __post_init__(self) -> None:
        """Check columns and dtypes of every table."""
        for table_schema in schema.CATALOG:
            table = schema.conform(getattr(self, table_schema.name), table_schema)
            object.__setattr__(self, table_schema.name, table)

    @cached_property
    def n_nodes(self) -> IntArray:
        """Number of nodes by ``skeleton_id``: int64, shape ``(max(skeleton_id) + 1,)``."""
        ids = self.nodes["skeleton_id"].to_numpy()
        length = int(self.skeletons["skeleton_id"].cast(pl.Int64).max() or 0) + 1  # type: ignore[arg-type]  # an integer column
        return np.bincount(ids, minlength=length)

    def tables(self) -> dict[str, pl.DataFrame]:
        """Return the small tables by name."""
        return {
            table_schema.name: getattr(self, table_schema.name) for table_schema in schema.CATALOG
        }

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the fields; what is derived is derived again."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


@dataclass(frozen=True)
class Structure:
    """Frames and instances in canonical order, and where each instance's points are.

    ``part`` and ``point_start`` say which of the source's point tables, and which
    row there, holds the first point of each instance; ``None`` when points stand
    in canonical order in one table. Row numbers that fit are kept in 32 bits, so that
    `point_starts` is what to calculate with.
    """

    frames: pl.DataFrame
    instances: pl.DataFrame
    n_nodes: IntArray
    part: IntArray | None = None
    point_start: IntArray | None = None

    def __post_init__(self) -> None:
        """Keep row numbers in few bits."""
        if self.point_start is not None:
            object.__setattr__(self, "point_start", narrow_rows(self.point_start))

    @cached_property
    def instance_offsets(self) -> IntArray:
        """First instance row of each frame and the total: int64, ``(n_frames + 1,)``."""
        return instance_offsets(self.frames, self.instances)

    @cached_property
    def point_offsets(self) -> IntArray:
        """First point row of each instance and the total: int64, ``(n_instances + 1,)``."""
        return point_offsets(self.instances, self.n_nodes)

    @property
    def n_points(self) -> int:
        """Number of points; of one skeleton it takes no offsets to say."""
        if len(self.n_nodes) == 1:
            return self.instances.height * int(self.n_nodes[0])
        return int(self.point_offsets[-1])

    @property
    def point_bounds(self) -> Sequence[int] | memoryview:
        """`point_offsets` to look at one by one; of one skeleton it takes no memory."""
        if len(self.n_nodes) == 1 and self.n_nodes[0]:
            n = int(self.n_nodes[0])
            return range(0, (self.instances.height + 1) * n, n)
        return self.point_offsets.data

    def point_runs(self, rows: slice | IntArray) -> tuple[IntArray, IntArray]:
        """Return where the points of some instances begin, and how many each has.

        Returns:
            ``point_start``, or what `point_offsets` says without it, and counts: int64.
        """
        return self.point_starts(rows), self.point_counts(rows)

    def point_starts(self, rows: slice | IntArray = _ALL) -> IntArray:
        """Return where the points of some instances begin in their table: int64."""
        if self.point_start is None:
            return self.first_points(rows)
        return self.point_start[rows].astype(np.int64, copy=False)

    def all_starts(self) -> IntArray:
        """Return `point_starts` of all instances, in 32 bits where they fit."""
        if self.point_start is not None:
            return self.point_start
        if len(self.n_nodes) == 1 and self.n_nodes[0] and self.n_points < 2**31:
            return np.arange(0, self.n_points, int(self.n_nodes[0]), dtype=np.int32)
        return narrow_rows(self.first_points())

    def first_points(self, rows: slice | IntArray = _ALL) -> IntArray:
        """Return the first point row of some instances in canonical order: int64.

        An array may name the row behind the last one, whose points would be the next.
        """
        if len(self.n_nodes) == 1:
            return _numbers(rows, self.instances.height) * int(self.n_nodes[0])
        offsets = self.point_offsets
        first: IntArray = offsets[:-1][rows] if isinstance(rows, slice) else offsets[rows]
        return first

    def point_counts(self, rows: slice | IntArray = _ALL) -> IntArray:
        """Return how many points some instances have: int64."""
        if len(self.n_nodes) == 1:
            here = range(self.instances.height)[rows] if isinstance(rows, slice) else rows
            return np.full(len(here), int(self.n_nodes[0]), np.int64)
        offsets = self.point_offsets
        counts: IntArray = offsets[1:][rows] - offsets[:-1][rows]
        return counts

    def instances_of_points(self, points: IntArray) -> IntArray:
        """Return the rows of the instances that points are of, given their canonical rows."""
        if len(self.n_nodes) == 1 and self.n_nodes[0]:
            owners: IntArray = points // int(self.n_nodes[0])
            return owners
        return np.searchsorted(self.point_offsets, points, side="right") - 1

    def with_offsets_of(self, other: Structure) -> Structure:
        """Take the offsets that another structure of the same rows has made already."""
        for name in ("instance_offsets", "point_offsets"):
            if name in other.__dict__:
                self.__dict__[name] = other.__dict__[name]
        return self

    def with_offsets(self, offsets: IntArray, points: IntArray | None = None) -> Structure:
        """Take offsets of instances, and of points, that are known already."""
        self.__dict__["instance_offsets"] = offsets
        if points is not None:
            self.__dict__["point_offsets"] = points
        return self

    def with_skeletons(self, n_nodes: IntArray) -> Structure:
        """Hold the same rows beside other skeletons, none of which lost or got nodes."""
        if np.array_equal(n_nodes, self.n_nodes):
            return self
        made = replace(self, n_nodes=n_nodes)
        known = ("instance_offsets", "point_offsets", "is_user")
        made.__dict__.update({name: self.__dict__[name] for name in known if name in self.__dict__})
        return made

    @cached_property
    def is_user(self) -> BoolArray:
        """Which instances a person made: bool, ``(n_instances,)``."""
        is_user: BoolArray = self.instances["kind"].to_physical().to_numpy() == 0
        return is_user

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the fields; what is derived is derived again."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def _numbers(rows: slice | IntArray, height: int) -> IntArray:
    if isinstance(rows, slice):
        return np.arange(*rows.indices(height), dtype=np.int64)
    return rows.astype(np.int64, copy=False)


@dataclass(frozen=True)
class LabelTables:
    """A whole project as tables, rows in canonical order.

    Canonical order is ``(video_id, frame_idx, position, instance_idx, node_id)``;
    points are dense, one row per node of the instance's skeleton. So the points of
    the instance in row ``i`` are rows ``point_offsets[i]:point_offsets[i + 1]``, and
    the instances of the frame in row ``i`` are found in the same way.

    Columns and dtypes are checked here; the invariants by `model.checks`.

    Examples:
        >>> LabelTables().points.columns
        ['x', 'y', 'visible', 'complete', 'score']
    """

    catalog: Catalog = field(default_factory=Catalog)
    frames: pl.DataFrame = field(default_factory=schema.FRAMES.empty)
    instances: pl.DataFrame = field(default_factory=schema.INSTANCES.empty)
    points: pl.DataFrame = field(default_factory=schema.POINTS.empty)

    def __post_init__(self) -> None:
        """Check columns and dtypes."""
        for table_schema in (schema.FRAMES, schema.INSTANCES, schema.POINTS):
            table = schema.conform(getattr(self, table_schema.name), table_schema)
            object.__setattr__(self, table_schema.name, table)

    @cached_property
    def structure(self) -> Structure:
        """Frames and instances with their offsets."""
        return Structure(self.frames, self.instances, self.catalog.n_nodes)

    @classmethod
    def on(cls, structure: Structure, catalog: Catalog, points: pl.DataFrame) -> LabelTables:
        """Put together tables that are known to be sound, as they are: in any chunks."""
        made = cls.__new__(cls)
        columns = (catalog, structure.frames, structure.instances, points)
        for f, value in zip(fields(cls), columns, strict=True):
            object.__setattr__(made, f.name, value)
        if structure.point_start is None:
            made.__dict__["structure"] = structure
        elif "instance_offsets" in structure.__dict__:
            made.structure.with_offsets(structure.instance_offsets)
        return made

    @property
    def instance_offsets(self) -> IntArray:
        """First instance row of each frame and the total: int64, ``(n_frames + 1,)``."""
        return self.structure.instance_offsets

    @property
    def point_offsets(self) -> IntArray:
        """First point row of each instance and the total: int64, ``(n_instances + 1,)``."""
        return self.structure.point_offsets

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the fields; what is derived is derived again."""
        return {f.name: getattr(self, f.name) for f in fields(self)}


def order_of_list(frames: pl.DataFrame) -> IntArray | None:
    """Return the frame rows in classic list order, or None when rows already stand so.

    Args:
        frames: Frames with ``position`` (UInt32), any order.

    Returns:
        int64 row numbers, shape ``(n_frames,)``, or None for the identity.

    Examples:
        >>> frames = pl.DataFrame({"position": [1, 0]}, schema={"position": pl.UInt32})
        >>> order_of_list(frames).tolist()
        [1, 0]
    """
    position = frames["position"].to_numpy()
    if bool((position[1:] > position[:-1]).all()):
        return None
    return np.argsort(position, kind="stable")


def numbering(catalog: Catalog, structure: Structure) -> str:
    """Digest the numbers that rows get when a project is written in list order.

    Attachments refer to videos, tracks, frames and instances by such numbers; they
    may be written back only while the digest is the one they came with.

    Returns:
        A hexadecimal digest.
    """
    digest = hashlib.blake2b(digest_size=16)
    for column in (catalog.videos["video_id"], catalog.tracks["track_id"]):
        digest.update(np.ascontiguousarray(column.to_numpy()).tobytes() + b"|")
    frames, instances = structure.frames, structure.instances["instance_id"].to_numpy()
    order = order_of_list(frames)
    ids, starts = frames["frame_id"].to_numpy(), structure.instance_offsets
    if order is not None:
        counts = np.diff(starts)[order]
        ends = np.cumsum(counts)
        gather = np.repeat(starts[:-1][order] - (ends - counts), counts) + np.arange(len(instances))
        ids, instances = ids[order], instances[gather]
    digest.update(np.ascontiguousarray(ids).tobytes() + b"|")
    digest.update(np.ascontiguousarray(instances).tobytes())
    return digest.hexdigest()
