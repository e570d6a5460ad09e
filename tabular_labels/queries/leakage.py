"""How near validation frames are to training frames: what a model may have seen already."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.queries.split_groups import require_count

__all__ = ["count_leaks", "nearest_steps"]


def nearest_steps(training: pl.DataFrame, validation: pl.DataFrame) -> IntArray:
    """Measure how far each validation frame is from the nearest training frame.

    Args:
        training: ``video_id`` and ``frame_idx`` (0 <= frame_idx < 2**32), any order.
        validation: The same; equal ids are equal videos.

    Returns:
        int64 steps between indices, one per row of ``validation``; -1 where its video has
        no training frames.

    Examples:
        >>> def frames(indices):
        ...     return pl.DataFrame({"video_id": [0] * len(indices), "frame_idx": indices})
        >>> nearest_steps(frames([10, 20]), frames([10, 14, 17, 40])).tolist()
        [0, 4, 3, 20]
    """
    places = _line(validation)
    if not training.height:
        return np.full(len(places), -1)
    known = np.sort(_line(training))
    after = np.searchsorted(known, places)
    best = np.full(len(places), 2**32)
    for neighbour in (np.maximum(after - 1, 0), np.minimum(after, len(known) - 1)):
        found = known[neighbour]
        same = found >> 32 == places >> 32
        best = np.minimum(best, np.where(same, np.abs(found - places), 2**32))
    return np.where(best < 2**32, best, -1)


def _line(frames: pl.DataFrame) -> IntArray:
    video = frames["video_id"].to_numpy().astype(np.int64)
    line: IntArray = (video << 32) + frames["frame_idx"].to_numpy()
    return line


def count_leaks(
    training: pl.DataFrame, validation: pl.DataFrame, within: Sequence[int]
) -> pl.DataFrame:
    """Count, for each video, the validation frames that lie near training frames.

    Args:
        training: ``video_id`` (UInt32) and ``frame_idx``, any order.
        validation: The same; equal ids are equal videos.
        within: Distances in frames; 0 counts frames at an index that is trained on.

    Returns:
        One row per video with frames, by ``video_id``:

        - ``video_id`` (UInt32)
        - ``n_training``, ``n_validation`` (UInt32): frames.
        - ``nearest`` (Int64), ``median`` (Float64): steps from a validation frame to the
          nearest training frame of the video, the smallest and the median; null where one
          side has no frames.
        - ``within_{n}`` (UInt32), for each distance: validation frames at most ``n`` steps
          from a training frame.

    Raises:
        QueryError: A distance is no whole number, or negative.

    Examples:
        >>> def frames(indices):
        ...     table = {"video_id": [0] * len(indices), "frame_idx": indices}
        ...     return pl.DataFrame(table, schema_overrides={"video_id": pl.UInt32})
        >>> count_leaks(frames([0, 1, 2, 3]), frames([4, 9]), [1, 5]).to_dicts()[0]
        {'video_id': 0, 'n_training': 4, 'n_validation': 2, 'nearest': 1, 'median': 3.5,
         'within_1': 1, 'within_5': 1}
    """
    distances = sorted({require_count(n, "within", 0) for n in within})
    steps = pl.Series("steps", nearest_steps(training, validation), dtype=pl.Int64)
    parts = [
        training.select("video_id", is_training=True, steps=pl.lit(None, pl.Int64)),
        validation.select("video_id", is_training=False).with_columns(steps),
    ]
    known = pl.col("steps") >= 0
    near = [
        (known & (pl.col("steps") <= min(n, 2**32))).sum().cast(pl.UInt32).alias(f"within_{n}")
        for n in distances
    ]
    return (
        pl.concat(parts)
        .group_by("video_id")
        .agg(
            pl.col("is_training").sum().cast(pl.UInt32).alias("n_training"),
            (~pl.col("is_training")).sum().cast(pl.UInt32).alias("n_validation"),
            pl.col("steps").filter(known).min().alias("nearest"),
            pl.col("steps").filter(known).median().alias("median"),
            *near,
        )
        .sort("video_id")
    )
