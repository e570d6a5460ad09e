"""What each track amounts to: where it begins and ends, how whole and how sure it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.buffers import key_values
from tabular_labels.model.tables import Catalog, Structure
from tabular_labels.queries.names import name_ids
from tabular_labels.queries.places import repeat_frames

__all__ = ["SUMMARY", "instances_of_tracks", "named_tracks", "summarise_tracks"]

SUMMARY = pl.Schema(
    {
        "video_id": pl.UInt32,
        "track_id": pl.UInt32,
        "n_instances": pl.UInt32,
        "n_frames": pl.UInt32,
        "start": pl.Int64,
        "stop": pl.Int64,
        "occupancy": pl.Float64,
        "max_gap": pl.Int64,
        "mean_score": pl.Float64,
    }
)
"""Columns of a table of tracks."""

# Instances that are looked at together, unless one video has more.
_PIECE = 500_000


def summarise_tracks(structure: Structure) -> pl.DataFrame:
    """Summarise each track in each video where it has instances.

    Args:
        structure: Frames and instances in canonical order.

    Returns:
        One row per video and track, sorted by them; untracked instances are left out.
        The columns of `SUMMARY`:

        - ``n_instances``, ``n_frames``: several instances of one frame index are one frame.
        - ``start``, ``stop``: first frame index, and one past the last.
        - ``occupancy``: ``n_frames / (stop - start)``, from above 0 to 1.
        - ``max_gap``: the most frame indices in a row that are missing in between.
        - ``mean_score``: of the instances; null where none has a score.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> summarise_tracks(LabelTables().structure).height
        0
    """
    parts = [_summarise(structure, rows) for rows in _groups_of_videos(structure)]
    return pl.concat(parts) if parts else pl.DataFrame(schema=SUMMARY)


def _groups_of_videos(structure: Structure) -> Iterator[slice]:
    """Cut the instances between videos, into pieces of bounded size where videos allow."""
    video, offsets = structure.frames["video_id"].to_numpy(), structure.instance_offsets
    begins = np.flatnonzero(np.diff(video, prepend=np.uint32(0)) != 0)
    start = 0
    for stop in [*offsets[begins].tolist(), int(offsets[-1])]:
        if stop - start >= _PIECE:
            yield slice(start, stop)
            start = stop
    if start < int(offsets[-1]):
        yield slice(start, int(offsets[-1]))


def _summarise(structure: Structure, rows: slice) -> pl.DataFrame:
    places = pl.DataFrame(
        {
            "video_id": repeat_frames(structure, structure.frames["video_id"].to_numpy(), rows),
            "track_id": structure.instances["track_id"][rows],
            "frame_idx": repeat_frames(structure, structure.frames["frame_idx"].to_numpy(), rows),
            "score": structure.instances["score"][rows],
        }
    )
    of_track = ["video_id", "track_id"]
    # Rows stand by video and frame index, so that each track's are in order, too.
    step = pl.col("frame_idx").diff()
    return (
        places.lazy()
        .filter(pl.col("track_id").is_not_null())
        .group_by(of_track)
        .agg(
            n_instances=pl.len(),
            n_frames=((step != 0).fill_null(value=True)).sum(),
            start=pl.col("frame_idx").first(),
            stop=pl.col("frame_idx").last() + 1,
            max_gap=(step.max().fill_null(1) - 1).clip(lower_bound=0),
            mean_score=pl.col("score").cast(pl.Float64).mean(),
        )
        .with_columns(occupancy=pl.col("n_frames") / (pl.col("stop") - pl.col("start")))
        .sort(of_track)
        .select(pl.col(name).cast(dtype) for name, dtype in SUMMARY.items())
        .collect()
    )


def instances_of_tracks(structure: Structure, tracks: pl.DataFrame) -> BoolArray:
    """Tell which instances are of given tracks in given videos.

    Args:
        structure: Frames and instances in canonical order.
        tracks: ``video_id`` and ``track_id`` (UInt32), each pair once.

    Returns:
        bool, shape ``(n_instances,)``.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> none = pl.DataFrame(schema={"video_id": pl.UInt32, "track_id": pl.UInt32})
        >>> instances_of_tracks(LabelTables().structure, none).tolist()
        []
    """
    wanted = _packed(tracks["video_id"].to_numpy(), tracks["track_id"].to_numpy())
    found: BoolArray = np.zeros(structure.instances.height, np.bool_)
    video = structure.frames["video_id"].to_numpy()
    for rows in _groups_of_videos(structure):
        track = key_values(structure.instances["track_id"][rows])
        packed = _packed(repeat_frames(structure, video, rows), track)
        found[rows] = np.isin(packed, wanted) & (track >= 0)
    return found


def _packed(video: IntArray, track: IntArray) -> IntArray:
    packed: IntArray = (video.astype(np.int64) << 32) | track.astype(np.int64)
    return packed


def named_tracks(catalog: Catalog, summary: pl.DataFrame) -> pl.DataFrame:
    """Add the names of videos and tracks to a table of tracks."""
    videos, tracks = catalog.videos, catalog.tracks
    return summary.select(
        name_ids(videos["filename"], videos["video_id"], summary["video_id"]).alias("video"),
        "video_id",
        name_ids(tracks["name"], tracks["track_id"], summary["track_id"]).alias("track"),
        pl.exclude("video_id"),
    )
