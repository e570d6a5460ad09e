"""What is known of all frames of a scan without holding their instances."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.levels import LevelReader
from tabular_labels.model.schema import FRAMES
from tabular_labels.queries.names import name_ids
from tabular_labels.queries.pieces import COUNTED, UnknownKeyError, count_pieces, pair_pieces
from tabular_labels.queries.split_tracks import group_pairs, group_tracks
from tabular_labels.store.snapshot import Snapshot

__all__ = ["frame_places", "make_columns", "track_leaders"]


def frame_places(snapshot: Snapshot, *, whole: bool = False) -> pl.DataFrame:
    """Return where all frames are, without reading instances where that can be helped.

    Args:
        snapshot: Any state.
        whole: Return the other columns of the frames, too, as the other functions need.

    Returns:
        ``video_id`` (UInt32), ``frame_idx`` (Int64) and ``position`` (UInt32), in
        canonical order.
    """
    names = list(FRAMES.memory_columns) if whole else ["video_id", "frame_idx", "position"]
    if snapshot.has_structure:
        return snapshot.structure.frames.select(names)
    return snapshot.scan("frames").select(names).collect()


def make_columns(snapshot: Snapshot, frames: pl.DataFrame, columns: Sequence[str]) -> pl.DataFrame:
    """Make columns of all frames; of a scan, instances are read in pieces and counted.

    Args:
        snapshot: Any state.
        frames: All columns of its frames.
        columns: Names from `queries.denormalise.frame_schema`.

    Returns:
        One row per frame in canonical order.

    Raises:
        FileFormatError: What was read is damaged.
        InvariantError: The rows break rules.
    """
    pieces = snapshot.instance_pieces(_needed(columns))
    if pieces is None:
        return LevelReader(snapshot, "frames").whole(columns)
    made = frames.to_dict()
    counts = [name for name in columns if name in COUNTED]
    if counts:
        try:
            made |= count_pieces(frames["frame_id"], pieces, counts)
        except UnknownKeyError:
            # Reading everything says what is wrong.
            return LevelReader(snapshot, "frames").whole(columns)
    if "video" in columns:
        videos = snapshot.catalog.videos
        made["video"] = name_ids(videos["filename"], videos["video_id"], frames["video_id"])
    return pl.DataFrame({name: made[name] for name in columns})


def track_leaders(snapshot: Snapshot, frames: pl.DataFrame) -> IntArray:
    """Keep frames together that share tracks, see `queries.split_tracks.group_tracks`.

    Of a scan, instances are read in pieces.

    Args:
        snapshot: Any state.
        frames: All columns of its frames.

    Returns:
        int64 leaders, shape ``(n_frames,)``.

    Raises:
        FileFormatError: What was read is damaged.
        InvariantError: The rows break rules.
    """
    tracks = snapshot.catalog.tracks
    pieces = snapshot.instance_pieces(["frame_id", "track_id"])
    if pieces is not None:
        pairs = pair_pieces(frames["frame_id"], tracks["track_id"], pieces)
        try:
            return group_pairs(frames.height, tracks.height, pairs)
        except UnknownKeyError:
            pass  # reading everything says what is wrong
    return group_tracks(snapshot.structure, tracks)


def _needed(columns: Sequence[str]) -> list[str]:
    """Name the columns of instances that counts are made from."""
    of_instances = (COUNTED[name] for name in columns if name in COUNTED)
    return ["frame_id", *dict.fromkeys(name for name in of_instances if name is not None)]
