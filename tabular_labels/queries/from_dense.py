"""Dense arrays of videos as tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.model.assemble import ListedFrames, assemble
from tabular_labels.model.buffers import nullable
from tabular_labels.model.schema import KIND
from tabular_labels.model.tables import Catalog, LabelTables

__all__ = ["DenseVideo", "tables_of_dense"]


@dataclass(frozen=True)
class DenseVideo:
    """One video as arrays; NaN = missing.

    Attributes:
        video_id: Key of the video.
        xy: float ``(n_frames, n_columns, n_nodes, 2)``, pixels.
        tracks: Key of each column's track, -1 for an untracked one.
        first_frame: Frame index of the first row.
        present: Which instances there are, bool ``(n_frames, n_columns)``; None for those
            with a coordinate.
        point_scores: float ``(n_frames, n_columns, n_nodes)``, or None.
        instance_scores: float ``(n_frames, n_columns)``, or None.
        tracking_scores: float ``(n_frames, n_columns)``, or None.
    """

    video_id: int
    xy: FloatArray
    tracks: IntArray
    first_frame: int = 0
    present: BoolArray | None = None
    point_scores: FloatArray | None = None
    instance_scores: FloatArray | None = None
    tracking_scores: FloatArray | None = None


def tables_of_dense(
    catalog: Catalog,
    videos: Sequence[DenseVideo],
    skeleton_id: int,
    *,
    kind: Literal["user", "predicted"] = "predicted",
) -> LabelTables:
    """Build tables with a frame for each row that holds an instance.

    Args:
        catalog: Videos, tracks and the skeleton.
        videos: Arrays with as many nodes as the skeleton has.
        skeleton_id: Key of the skeleton.
        kind: What made the instances. Users' ones have no scores.

    Returns:
        The tables. Points are visible unless they are missing.

    Examples:
        >>> tables_of_dense(Catalog(), [], 0).frames.height
        0
    """
    listed: list[tuple[IntArray, IntArray, IntArray]] = []
    instances: list[pl.DataFrame] = []
    points: list[pl.DataFrame] = []
    for video in videos:
        with_points = np.logical_not(np.isnan(video.xy).all(axis=(2, 3)))
        frame, column = np.nonzero(with_points if video.present is None else video.present)
        rows, counts = np.unique(frame, return_counts=True)
        listed.append((np.full(len(rows), video.video_id), rows + video.first_frame, counts))
        instances.append(_instances(video, frame, column, skeleton_id, kind))
        points.append(_points(video, frame, column, kind))
    empty = LabelTables()
    if not listed:
        return LabelTables(catalog, empty.frames, empty.instances, empty.points)
    video_id, frame_idx, counts = (np.concatenate(parts) for parts in zip(*listed, strict=True))
    frames = ListedFrames(video_id, frame_idx, counts)
    return assemble(catalog, frames, pl.concat(instances), pl.concat(points))


def _instances(
    video: DenseVideo, frame: IntArray, column: IntArray, skeleton_id: int, kind: str
) -> pl.DataFrame:
    n = len(frame)
    track = pl.Series(video.tracks[column])

    def score(name: str, values: FloatArray | None) -> pl.Series:
        if values is None or kind == "user":
            return pl.Series(name, [None], dtype=pl.Float32).new_from_index(0, n)
        return nullable(name, values[frame, column].astype(np.float32))

    return pl.DataFrame(
        {
            "skeleton_id": np.full(n, skeleton_id),
            "track_id": track.set(track < 0, None),
            "kind": pl.Series([kind], dtype=KIND).new_from_index(0, n),
            "score": score("score", video.instance_scores),
            "tracking_score": score("tracking_score", video.tracking_scores),
            "from_predicted": pl.Series([None], dtype=pl.Int64).new_from_index(0, n),
        }
    )


def _points(video: DenseVideo, frame: IntArray, column: IntArray, kind: str) -> pl.DataFrame:
    xy = video.xy[frame, column].astype(np.float64, copy=False)
    x, y = (np.ascontiguousarray(xy[..., k]).reshape(-1) for k in (0, 1))
    score = np.full(len(x), np.nan)
    if video.point_scores is not None and kind != "user":
        score = video.point_scores[frame, column].astype(np.float64).reshape(-1)
    seen = ~(np.isnan(x) | np.isnan(y))
    return pl.DataFrame(
        [
            nullable("x", x),
            nullable("y", y),
            pl.Series("visible", seen),
            pl.Series("complete", np.zeros(len(x), bool)),
            nullable("score", score),
        ]
    )
