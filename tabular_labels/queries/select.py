"""Some of the frames and instances, with their keys and points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.buffers import key_values
from tabular_labels.model.offsets import offsets_of_counts, ranges, rows_of_ids, rows_of_mask
from tabular_labels.model.tables import Structure
from tabular_labels.queries.places import repeat_frames

__all__ = [
    "Selection",
    "hide_points",
    "kept_instances",
    "select_frames",
    "select_instances",
    "select_points",
    "without_empty",
]


_STEP = 2**16  # frames


def select_instances(
    structure: Structure,
    frame_mask: BoolArray | None = None,
    instance_mask: BoolArray | None = None,
) -> Structure:
    """Keep some frames and some instances.

    Args:
        structure: Frames and instances in canonical order.
        frame_mask: Frames to keep, None for all; their instances go with the others.
        instance_mask: Instances to keep, None for all; emptied frames stay.

    Returns:
        A structure with the same keys. Places are numbered anew without gaps,
        ``from_predicted`` is null where the prediction is gone, and ``point_start``
        says where the points were.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> tables = LabelTables()
        >>> select_instances(tables.structure, np.zeros(0, bool)).frames.height
        0
    """
    if frame_mask is None and instance_mask is None:
        return structure
    chosen = Selection(structure, frame_mask, instance_mask)
    return chosen.take(structure.instances.get_columns()) if chosen.leaves_out_some else structure


class Selection:
    """Some frames and instances of a structure, whose instances are not held.

    Args:
        structure: As for `select_instances`, which says what is kept of what.
        frame_mask: Frames to keep, None for all; their instances go with the others.
        instance_mask: Instances to keep, None for all; emptied frames stay.
        keep_positions: Leave gaps in the positions of frames, instead of numbering them anew.
    """

    def __init__(
        self,
        structure: Structure,
        frame_mask: BoolArray | None = None,
        instance_mask: BoolArray | None = None,
        *,
        keep_positions: bool = False,
    ) -> None:
        frames = structure.frames
        kept = kept_instances(structure, frame_mask, instance_mask)
        counts = _count_kept(kept, structure.instance_offsets)
        if frame_mask is not None and not bool(frame_mask.all()):
            frames, counts = frames.filter(pl.Series(frame_mask)), counts[frame_mask]
            if not keep_positions:
                frames = frames.with_columns(_dense_positions(frames["position"]))
        self._are_all = bool(kept.all())
        self.leaves_out_some = not self._are_all or frames.height < structure.frames.height
        self._frames, self._counts, self._kept = frames, counts, kept
        self._n_nodes = structure.n_nodes
        self._part = None if structure.part is None else structure.part[kept]
        self._starts = _kept_starts(structure, kept)

    def take(self, columns: list[pl.Series]) -> Structure:
        """Return what is kept.

        Args:
            columns: The instances; the list is emptied, so that whoever holds nothing else
                has no column twice.
        """
        made, mask, places = [], pl.Series(self._kept), _places(self._counts)
        for _ in range(len(columns)):
            column = columns.pop(0)
            if column.name == "instance_idx":
                made.append(places)
            else:
                made.append(column if self._are_all else _kept(column, mask, places.len()))
        instances = pl.DataFrame(made)
        if not self._are_all:
            instances = instances.with_columns(_without_dangling(instances))
        chosen = Structure(self._frames, instances, self._n_nodes, self._part, self._starts)
        return chosen.with_offsets(offsets_of_counts(self._counts))


def kept_instances(
    structure: Structure, frame_mask: BoolArray | None, instance_mask: BoolArray | None
) -> BoolArray:
    """Tell which instances are kept when frames go with their instances."""
    kept = np.ones(structure.instances.height, np.bool_) if instance_mask is None else instance_mask
    return kept if frame_mask is None else kept & repeat_frames(structure, frame_mask)


def without_empty(
    structure: Structure,
    frame_mask: BoolArray | None = None,
    instance_mask: BoolArray | None = None,
) -> BoolArray:
    """Tell which frames have instances left, or are marked as negative.

    Args:
        structure: Frames and instances in canonical order.
        frame_mask: Frames that are kept anyhow, None for all.
        instance_mask: Instances that are kept, None for all.

    Returns:
        bool, shape ``(n_frames,)``.
    """
    kept = kept_instances(structure, frame_mask, instance_mask)
    occupied = _count_kept(kept, structure.instance_offsets) > 0
    keep: BoolArray = occupied | structure.frames["is_negative"].to_numpy()
    return keep if frame_mask is None else keep & frame_mask


def _count_kept(kept: BoolArray, offsets: IntArray) -> IntArray:
    """Count the instances of each frame that are kept."""
    counts = np.empty(len(offsets) - 1, np.int64)
    # In steps: running sums of all instances would take four bytes for each.
    for first in range(0, len(counts), _STEP):
        mine = offsets[first : first + _STEP + 1]
        before = offsets_of_counts(kept[mine[0] : mine[-1]].view(np.uint8))
        counts[first : first + _STEP] = np.diff(before[mine - mine[0]])
    return counts


def _kept(column: pl.Series, mask: pl.Series, n: int) -> pl.Series:
    """Keep some rows of a column; of one that says the same everywhere none is copied."""
    nulls = column.null_count()
    is_same = nulls == column.len() or (
        not nulls and column.dtype.is_integer() and column.min() == column.max()
    )
    return column.slice(0, n) if is_same else column.filter(mask)


def _kept_starts(structure: Structure, kept: BoolArray) -> IntArray:
    if structure.point_start is not None:
        return structure.point_start[kept]
    if len(structure.n_nodes) > 1:
        return structure.first_points()[kept]
    starts = rows_of_mask(kept)
    if structure.n_points >= 2**31:
        starts = starts.astype(np.int64)
    starts *= int(structure.n_nodes[0])  # in place: there is a number for each instance
    return starts


def _dense_positions(position: pl.Series) -> pl.Series:
    """Number positions without gaps, in their order."""
    order = np.argsort(position.to_numpy(), kind="stable")
    dense = np.empty(len(order), np.uint32)
    dense[order] = np.arange(len(order), dtype=np.uint32)
    return pl.Series("position", dense)


def _places(counts: IntArray) -> pl.Series:
    """Number the instances of each frame from 0."""
    place = np.empty(int(counts.sum()), np.uint16)
    stop = 0
    # In steps: what is between would take eight times the memory of the result.
    for first in range(0, len(counts), _STEP):
        some = counts[first : first + _STEP]
        start, stop = stop, stop + int(some.sum())
        place[start:stop] = ranges(np.zeros(len(some), np.int64), some)
    return pl.Series("instance_idx", place)


def _without_dangling(instances: pl.DataFrame) -> pl.Series:
    """Return ``from_predicted`` with null for predictions that are not there."""
    source = instances["from_predicted"]
    if source.null_count() == source.len():
        return source
    # Few instances have one; only those are looked up.
    there = rows_of_ids(instances["instance_id"].to_numpy(), source.drop_nulls().to_numpy()) >= 0
    gone = np.flatnonzero(source.is_not_null().to_numpy())[~there]
    return source.scatter(gone, None) if len(gone) else source


def select_frames(structure: Structure, rows: IntArray) -> Structure:
    """Keep the given frames, in the order of the list.

    Args:
        structure: Frames and instances in canonical order.
        rows: Frame rows in any order. A frame that is listed again becomes one more
            frame at its place; then all frames and instances get new keys.

    Returns:
        A structure in canonical order, whose ``position`` is the place in ``rows``.
        ``from_predicted`` is null where the prediction is gone.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> select_frames(LabelTables().structure, np.zeros(0, np.int64)).frames.height
        0
    """
    # Rows stand by video and index already, and equal ones by position: their own order
    # in the list decides between them now.
    listed = np.asarray(rows, np.int64)
    if _is_ascending(listed):
        mask: BoolArray = np.zeros(structure.frames.height, np.bool_)
        mask[listed] = True
        kept = select_instances(structure, mask)
        return replace(kept, frames=kept.frames.with_columns(_numbered("position")))
    places = structure.frames.select(
        step=(pl.col("video_id").diff().fill_null(0) != 0) | (pl.col("frame_idx").diff() != 0)
    )["step"].fill_null(value=False)
    place = np.cumsum(places.to_numpy())
    order = np.argsort(place[listed], kind="stable")
    chosen = listed[order]
    counts = np.diff(structure.instance_offsets)[chosen]
    at = ranges(structure.instance_offsets[chosen], counts)
    frames = structure.frames[chosen].with_columns(pl.Series("position", order.astype(np.uint32)))
    instances = structure.instances[at]
    if len(np.unique(chosen)) < len(chosen):
        frames, instances = _with_new_keys(structure, frames, instances, chosen, counts)
    else:
        instances = instances.with_columns(_without_dangling(instances))
    part = None if structure.part is None else structure.part[at]
    return Structure(frames, instances, structure.n_nodes, part, structure.point_starts(at))


def _is_ascending(rows: IntArray | BoolArray) -> bool:
    """Tell whether rows stand in order, each once: then a mask does, faster."""
    return bool((rows[1:] > rows[:-1]).all())


def _numbered(name: str) -> pl.Expr:
    return pl.int_range(pl.len(), dtype=pl.UInt32).alias(name)


def _with_new_keys(
    structure: Structure,
    frames: pl.DataFrame,
    instances: pl.DataFrame,
    chosen: IntArray,
    counts: IntArray,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Number frames and instances anew; a copy refers to predictions in the same copy."""
    copy = np.repeat(np.arange(len(chosen)), counts)
    before, after = structure.instance_offsets, offsets_of_counts(counts)
    source = key_values(instances["from_predicted"])
    old = rows_of_ids(structure.instances["instance_id"].to_numpy(), source)
    old_frame = np.searchsorted(before, old, side="right") - 1
    first_copy = np.full(structure.frames.height + 1, -1, np.int64)
    once, at = np.unique(chosen, return_index=True)
    first_copy[once] = at
    target = np.where(chosen[copy] == old_frame, copy, first_copy[old_frame])
    new = after[target] + old - before[old_frame]
    keys = pl.DataFrame({"new": new, "is_there": (old >= 0) & (target >= 0)})
    return (
        frames.with_columns(_numbered("frame_id")),
        instances.with_columns(
            _numbered("instance_id"),
            pl.Series("frame_id", copy.astype(np.uint32)),
            keys.select(pl.when("is_there").then("new").cast(pl.UInt32).alias("from_predicted"))[
                "from_predicted"
            ],
        ),
    )


def select_points(
    points: pl.DataFrame, point_offsets: IntArray, rows: BoolArray | IntArray
) -> pl.DataFrame:
    """Take the points of some instances.

    Args:
        points: Points in canonical order.
        point_offsets: First point row of each instance, and the total.
        rows: A mask of instances, or instance rows in the wanted order.

    Returns:
        The points of those instances, in order.

    Examples:
        >>> points = pl.DataFrame({"x": [1.0, 2.0, 3.0]})
        >>> select_points(points, np.array([0, 2, 3]), np.array([1, 0]))["x"].to_list()
        [3.0, 1.0, 2.0]
    """
    counts = np.diff(point_offsets)
    if rows.dtype != np.bool_ and _is_ascending(rows):
        mask: BoolArray = np.zeros(len(counts), np.bool_)
        mask[rows] = True
        rows = mask
    if rows.dtype == np.bool_:
        width = int(counts[0]) if len(counts) and bool((counts == counts[0]).all()) else counts
        return points.filter(pl.Series(np.repeat(rows, width)))
    return points[ranges(point_offsets[:-1][rows], counts[rows])]


def hide_points(points: pl.DataFrame, kept: BoolArray) -> pl.DataFrame:
    """Make the coordinates of points missing unless they are kept; rows stay dense."""
    if bool(kept.all()):
        return points
    # NaN under the nulls, as everywhere in memory.
    values = {name: np.where(kept, points[name].to_numpy(), np.nan) for name in ("x", "y")}
    return points.with_columns(pl.Series(n, v).fill_nan(None) for n, v in values.items())
