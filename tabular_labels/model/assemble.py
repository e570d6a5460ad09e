"""Frames, instances and points in list order, brought into canonical order."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.errors import QueryError
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.schema import FRAMES, INSTANCES
from tabular_labels.model.tables import Catalog, LabelTables

__all__ = ["MOST_IN_FRAME", "ListedFrames", "assemble"]

MOST_IN_FRAME = 2**16
"""Places in a frame are 16 bits wide."""


@dataclass(frozen=True)
class ListedFrames:
    """Frames in list order.

    Attributes:
        video_id: Keys: shape ``(n_frames,)``.
        frame_idx: int64, shape ``(n_frames,)``.
        counts: Number of instances of each.
        is_negative: Which are negative; None for none.
    """

    video_id: IntArray
    frame_idx: IntArray
    counts: IntArray
    is_negative: BoolArray | None = None


def assemble(
    catalog: Catalog, frames: ListedFrames, instances: pl.DataFrame, points: pl.DataFrame
) -> LabelTables:
    """Build tables with dense ids from rows in list order.

    Args:
        catalog: The small tables.
        frames: Frames in list order, which becomes their ``position``.
        instances: ``skeleton_id``, ``track_id``, ``kind``, ``score``, ``tracking_score`` and
            ``from_predicted`` (Int64, a row of this table, or null), frame after frame.
        points: The in-memory columns of points, one row per node, instance after instance.

    Returns:
        The tables. Whether they keep every rule is for `model.checks` to say.

    Raises:
        QueryError: A frame has more instances than can be numbered.

    Examples:
        >>> nothing = np.empty(0, np.int64)
        >>> listed = ListedFrames(nothing, nothing, nothing)
        >>> empty = INSTANCES.empty().with_columns(pl.col("from_predicted").cast(pl.Int64))
        >>> assemble(Catalog(), listed, empty, LabelTables().points).frames.height
        0
    """
    n, counts = len(frames.frame_idx), frames.counts
    most = int(counts.max(initial=0))
    if most > MOST_IN_FRAME:
        message = f"found {most} instances in a frame, expected at most {MOST_IN_FRAME}. Drop some."
        raise QueryError(message)
    order = _canonical_order(frames.video_id, frames.frame_idx)
    position = np.arange(n) if order is None else order
    is_negative = np.zeros(n, bool) if frames.is_negative is None else frames.is_negative
    rows = {
        "frame_id": np.arange(n),
        "video_id": frames.video_id[position],
        "frame_idx": frames.frame_idx[position],
        "position": position,
        "is_negative": is_negative[position],
    }
    if order is not None:
        gather = ranges(offsets_of_counts(counts)[:-1][order], counts[order])
        n_nodes = catalog.n_nodes[instances["skeleton_id"].to_numpy()]
        start = offsets_of_counts(n_nodes)[:-1]
        points = points[ranges(start[gather], n_nodes[gather])]
        instances = _renumbered(instances, gather)
        counts = counts[order]
    numbers = {
        "instance_id": np.arange(instances.height),
        "frame_id": np.repeat(np.arange(n), counts),
        "instance_idx": ranges(np.zeros(n, np.int64), counts),
    }
    return LabelTables(
        catalog,
        pl.DataFrame(rows, schema=FRAMES.memory_columns, strict=False),
        instances.with_columns(**{k: pl.Series(v) for k, v in numbers.items()})
        .select(list(INSTANCES.memory_columns))
        .cast(INSTANCES.memory_columns),  # type: ignore[arg-type]  # classes and instances
        points,
    )


def _canonical_order(video_id: IntArray, frame_idx: IntArray) -> IntArray | None:
    """Return rows sorted by video and frame index, or None when they stand so."""
    same, later = video_id[1:] == video_id[:-1], frame_idx[1:] >= frame_idx[:-1]
    if bool(((same & later) | (video_id[1:] > video_id[:-1])).all()):
        return None
    return np.lexsort((np.arange(len(frame_idx)), frame_idx, video_id))


def _renumbered(instances: pl.DataFrame, gather: IntArray) -> pl.DataFrame:
    """Take rows in another order, and let links follow the rows they name."""
    moved = instances[gather]
    links = moved["from_predicted"]
    if links.null_count() == len(links):
        return moved
    known = links.drop_nulls().to_numpy()
    place = np.empty(len(gather), np.int64)
    place[gather] = np.arange(len(gather))
    new = pl.Series(np.full(len(gather), -1))
    new = new.scatter(links.is_not_null().arg_true(), place[known])
    return moved.with_columns(from_predicted=pl.when(new >= 0).then(new))
