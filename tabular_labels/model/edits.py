"""A set of edits: the new rows of the places that changed, ready to be kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.errors import SchemaMismatchError, Violation
from tabular_labels.model import schema
from tabular_labels.model.checks import FRAME_IDX_STOP, check_points, check_structure, require
from tabular_labels.model.offsets import ranges, rows_of_ids
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import Catalog, LabelTables, Structure

__all__ = [
    "REPLACED",
    "EditSet",
    "PointsLater",
    "check_edits",
    "packed_places",
    "place_bounds",
    "rows_at",
]

REPLACED: Mapping[str, pl.DataType | type[pl.DataType]] = MappingProxyType(
    {
        "video_id": pl.UInt32,
        "frame_idx": pl.Int64,
        "points": pl.Boolean,
        "removed": pl.List(pl.UInt32),
    }
)
"""Columns of the list of places that changed, see `EditSet`."""


@dataclass(frozen=True)
class PointsLater:
    """Points that are read while they are written, where all at once would be too many.

    Attributes:
        height: How many there are.
        read: Gives those of a range of the instances whose points are to be written.
    """

    height: int
    read: Callable[[slice], pl.DataFrame]


@dataclass(frozen=True)
class EditSet:
    """The new rows of every place whose frames or instances changed.

    A place is a ``(video_id, frame_idx)``. Where ``points`` is true, the points of its
    instances are here too; so it is also where the place was emptied. Where it is
    false, points stay as they were kept, but for those of the instances in ``removed``:
    that is allowed only when the remaining instances are the same ids in the same
    order as there.

    Ids are those of the project and are never given to other rows again; an instance
    that comes back (an edit was undone) comes with ``points`` true. ``position`` of a
    frame is what it was when it was read, new frames stand above all that the project
    ever had: positions order the list, gaps in them mean nothing.

    Attributes:
        catalog: The small tables of the new state.
        replaced: The places: ``video_id`` (UInt32), ``frame_idx`` (Int64), ``points``
            (Boolean), ``removed`` (List(UInt32)), sorted and unique.
        frames: In-memory columns of all frames now at these places, canonical order.
        instances: In-memory columns of all their instances, canonical order.
        points: In-memory columns of the points of those instances whose place has
            ``points`` true, canonical order; or how to read them.
        counts: Rows of the whole new state.
    """

    catalog: Catalog
    replaced: pl.DataFrame
    frames: pl.DataFrame
    instances: pl.DataFrame
    points: pl.DataFrame | PointsLater
    counts: Counts

    def __post_init__(self) -> None:
        """Check columns and dtypes of every table."""
        for each in (schema.FRAMES, schema.INSTANCES, schema.POINTS):
            table = getattr(self, each.name)
            if isinstance(table, pl.DataFrame):
                object.__setattr__(self, each.name, schema.conform(table, each))
        found = dict(self.replaced.schema)
        if found != dict(REPLACED):
            table, expected = "replaced", str(dict(REPLACED))
            raise SchemaMismatchError(table, str(found), expected)

    @cached_property
    def structure(self) -> Structure:
        """The frames and instances with their offsets; points are not in their order."""
        return Structure(self.frames, self.instances, self.catalog.n_nodes)

    @cached_property
    def has_points(self) -> BoolArray:
        """Which frames have their points here: bool, ``(n_frames,)``."""
        places = packed_places(self.replaced)
        at = np.searchsorted(places, packed_places(self.frames))
        known = np.append(self.replaced["points"].to_numpy(), False)
        is_here: BoolArray = known[at]
        return is_here

    @cached_property
    def with_points(self) -> Structure:
        """The frames whose points are here, and their instances."""
        mine = np.repeat(self.has_points, np.diff(self.structure.instance_offsets))
        return Structure(
            self.frames.filter(pl.Series(self.has_points)),
            self.instances.filter(pl.Series(mine)),
            self.catalog.n_nodes,
        )

    def tables_with_points(self, frames: slice) -> LabelTables:
        """Return some of the frames whose points are here, with their instances and points.

        Raises:
            InvariantError: Points that are read only now break rules.
        """
        structure = self.with_points
        first, stop = structure.instance_offsets[[frames.start, frames.stop]].tolist()
        tables = LabelTables(
            self.catalog, structure.frames[frames], structure.instances[first:stop]
        )
        if isinstance(self.points, PointsLater):
            tables = replace(tables, points=self.points.read(slice(first, stop)))
            require(check_points(tables))
            return tables
        begin, end = structure.first_points(np.array([first, stop])).tolist()
        return replace(tables, points=self.points[begin:end])


def packed_places(table: pl.DataFrame) -> IntArray:
    """Pack ``video_id`` and ``frame_idx`` (below 2**32) into ordered numbers (uint64).

    Examples:
        >>> packed_places(pl.DataFrame({"video_id": [1], "frame_idx": [5]})).tolist()
        [4294967301]
    """
    video = table["video_id"].to_numpy().astype(np.uint64)
    video <<= np.uint64(32)  # in place: there may be a number for each instance
    video |= table["frame_idx"].to_numpy().astype(np.uint64)
    packed: IntArray = video
    return packed


def place_bounds(table: pl.DataFrame, places: IntArray) -> tuple[IntArray, IntArray]:
    """Find where the rows of packed places begin and end.

    Args:
        table: ``video_id`` and ``frame_idx``, sorted by them.
        places: Packed and sorted.

    Returns:
        The first row of each place, and the one behind its last: int64.

    Examples:
        >>> rows = {"video_id": [0, 1, 1], "frame_idx": [9, 5, 5]}
        >>> table = pl.DataFrame(rows, schema={"video_id": pl.UInt32, "frame_idx": pl.Int64})
        >>> first, stop = place_bounds(table, packed_places(table[1:2]))
        >>> first.tolist(), stop.tolist()
        ([1], [3])
    """
    video, index = table["video_id"].to_numpy(), table["frame_idx"].to_numpy()
    wanted_video = (places >> np.uint64(32)).astype(video.dtype)
    wanted_index = (places & np.uint64(2**32 - 1)).astype(index.dtype)
    first, stop = np.empty((2, len(places)), np.int64)
    # Video by video: to pack the places of all rows would take longer than to look up a few.
    for each in np.unique(wanted_video):
        asked, here = (slice(*_bounds(ids, each)) for ids in (wanted_video, video))
        begin, end = _bounds(index[here], wanted_index[asked])
        first[asked], stop[asked] = begin + here.start, end + here.start
    return first, stop


def _bounds(ordered: IntArray, wanted: IntArray) -> tuple[IntArray, IntArray]:
    return np.searchsorted(ordered, wanted), np.searchsorted(ordered, wanted, side="right")


def rows_at(structure: Structure, places: IntArray) -> tuple[IntArray, IntArray]:
    """Return the frame rows and the instance rows at packed places, ascending.

    Args:
        structure: Frames and instances in canonical order.
        places: Packed, sorted and unique.
    """
    first, stop = place_bounds(structure.frames, places)
    frames = ranges(first, stop - first)
    offsets = structure.instance_offsets
    start = offsets[frames]
    return frames, ranges(start, offsets[frames + 1] - start)


def check_edits(edits: EditSet) -> list[Violation]:
    """List the rules that a set of edits breaks, as far as it alone can say.

    Args:
        edits: With the right columns.

    Returns:
        One violation for each broken rule; empty when all hold.

    Examples:
        >>> none = pl.DataFrame(schema=REPLACED)
        >>> tables = LabelTables()
        >>> large = (tables.frames, tables.instances, tables.points)
        >>> check_edits(EditSet(tables.catalog, none, *large, Counts(0, 0, 0)))
        []
    """
    found = _check_replaced(edits.replaced)
    if found:
        return found
    # Predictions may be in frames that were not edited.
    alone = edits.instances.with_columns(from_predicted=pl.lit(None, pl.UInt32))
    structure = Structure(edits.frames, alone, edits.catalog.n_nodes)
    found = check_structure(edits.catalog, structure)
    if found:
        return found
    lost = edits.frames.join(edits.replaced, on=["video_id", "frame_idx"], how="anti")
    if lost.height:
        rule = "every frame is at a place that was replaced"
        return [Violation("frames", rule, lost.height, _sample(lost))]
    found = _check_removed(edits)
    if isinstance(edits.points, PointsLater):
        return found
    points = LabelTables(edits.catalog, points=edits.points, instances=edits.with_points.instances)
    return found + check_points(points)


def _check_replaced(replaced: pl.DataFrame) -> list[Violation]:
    nulls = sum(replaced.null_count().row(0))
    if nulls:
        return [Violation("replaced", "nothing is null", nulls)]
    is_far = ~pl.col("frame_idx").is_between(0, FRAME_IDX_STOP, closed="left")
    far = replaced.filter(is_far)
    if far.height:
        rule = "frame_idx is at least 0 and below 2**32 - 1"
        return [Violation("replaced", rule, far.height, _sample(far))]
    keys = packed_places(replaced)
    low = replaced[1:].filter(pl.Series(keys[1:] <= keys[:-1]))
    if low.height:
        rule = "places are sorted and unique"
        return [Violation("replaced", rule, low.height, _sample(low))]
    return []


def _check_removed(edits: EditSet) -> list[Violation]:
    removed = edits.replaced["removed"].explode(empty_as_null=False).to_numpy()
    there = rows_of_ids(edits.instances["instance_id"].to_numpy(), removed) >= 0
    if not there.any():
        return []
    sample = tuple(f"instance_id={key}" for key in removed[there][:5].tolist())
    rule = "a removed instance is not among the new rows"
    return [Violation("replaced", rule, int(there.sum()), sample)]


def _sample(places: pl.DataFrame) -> tuple[str, ...]:
    return tuple(map(str, places.select("video_id", "frame_idx").head(5).rows()))
