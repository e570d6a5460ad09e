"""What each track amounts to: where it begins and ends, how whole and how sure it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.buffers import key_values
from tabular_labels.model.tables import Catalog, Structure
from tabular_labels.queries.names import name_ids
from tabular_labels.queries.places import frames_of_instances, repeat_frames

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
    of_frames, counts = frames_of_instances(structure, rows)
    video, index = (
        structure.frames[name][of_frames].to_numpy() for name in ("video_id", "frame_idx")
    )
    # Frames of one place count once. Places are numbered in their order, so that one
    # number for track and place sorts the instances by both.
    is_new = np.ones(len(index), np.bool_)
    is_new[1:] = (index[1:] != index[:-1]) | (video[1:] != video[:-1])
    video, index = video[is_new], index[is_new]
    track = key_values(structure.instances["track_id"][rows])
    score = structure.instances["score"][rows].cast(pl.Float64)
    keys = np.repeat(np.cumsum(is_new) - 1, counts)
    keys |= track << 32
    if bool((track < 0).any()):
        score, keys = score.filter(pl.Series(track >= 0)), keys[track >= 0]
    if not len(keys):
        return pl.DataFrame(schema=SUMMARY)
    ordered = np.sort(keys)
    place, track = ordered & (2**32 - 1), ordered >> 32
    is_first = np.ones(len(ordered), np.bool_)
    is_first[1:] = (track[1:] != track[:-1]) | (video[place[1:]] != video[place[:-1]])
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(ordered)) - 1
    step = np.diff(index[place], prepend=0)
    step[first] = 0
    has_moved = step > 0
    n_frames = np.add.reduceat(has_moved, first, dtype=np.int64) + 1
    start, stop = index[place[first]], index[place[last]] + 1
    mean_score = _means(score, np.searchsorted(ordered[first], keys, side="right") - 1, len(first))
    made = pl.DataFrame(
        {
            "video_id": video[place[first]],
            "track_id": track[first],
            "n_instances": last - first + 1,
            "n_frames": n_frames,
            "start": start,
            "stop": stop,
            "occupancy": n_frames / (stop - start),
            "max_gap": np.maximum(np.maximum.reduceat(step, first) - 1, 0),
            "mean_score": mean_score,
        }
    )
    return made.cast(dict(SUMMARY)).sort("video_id", "track_id")  # type: ignore[arg-type]  # classes and instances


def _means(values: pl.Series, group: IntArray, n_groups: int) -> pl.Series:
    """Return the mean of each group; null where it has no values."""
    known = values.is_not_null().to_numpy()
    counts = np.bincount(group[known], minlength=n_groups)
    sums = np.bincount(group[known], values.drop_nulls().to_numpy(), minlength=n_groups)
    means = np.full(n_groups, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return pl.Series(means).fill_nan(None)


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
