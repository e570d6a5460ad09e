"""What each track amounts to: where it begins and ends, how whole and how sure it is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.model.buffers import key_values
from tabular_labels.model.tables import Catalog, Structure
from tabular_labels.queries.names import name_ids
from tabular_labels.queries.places import instances_of_frames, repeat_frames

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

_PART = pl.Schema(
    {
        "video_id": pl.UInt32,
        "track_id": pl.UInt32,
        "n_instances": pl.UInt32,
        "n_frames": pl.UInt32,
        "start": pl.Int64,
        "stop": pl.Int64,
        "max_gap": pl.Int64,
        "score": pl.Float64,
        "n_scores": pl.UInt32,
    }
)

# Instances that are looked at together, unless one place has more.
_PIECE = 2**18


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
    parts = [_summarise(structure, frames) for frames in _pieces(structure)]
    return _joined(pl.concat(parts)) if parts else pl.DataFrame(schema=SUMMARY)


def _pieces(structure: Structure) -> Iterator[slice]:
    """Cut the frames between places, into pieces of a bounded number of instances."""
    places = structure.frames.select("video_id", "frame_idx")
    offsets, n_frames = structure.instance_offsets, structure.frames.height
    is_first = np.ones(n_frames, np.bool_)
    is_first[1:] = _steps(*(places[name].to_numpy() for name in places.columns))
    start = 0
    while start < n_frames:
        stop = int(np.searchsorted(offsets, offsets[start] + _PIECE))
        if stop < n_frames:
            to_next = int(is_first[stop:].argmax())
            stop = stop + to_next if is_first[stop + to_next] else n_frames
        yield slice(start, min(stop, n_frames))
        start = stop


def _steps(*columns: IntArray) -> BoolArray:
    """Tell which rows after the first differ from the one before."""
    steps = [column[1:] != column[:-1] for column in columns]
    differs: BoolArray = np.logical_or.reduce(steps)
    return differs


def _summarise(structure: Structure, frames: slice) -> pl.DataFrame:
    """Summarise the tracks of some frames; scores as their sum and number."""
    rows = instances_of_frames(structure, frames)
    counts = np.diff(structure.instance_offsets[frames.start : frames.stop + 1])
    video, index = (structure.frames[name][frames].to_numpy() for name in ("video_id", "frame_idx"))
    # Frames of one place count once. Places are numbered in their order, so that one
    # number for track and place sorts the instances by both.
    is_new = np.ones(len(index), np.bool_)
    is_new[1:] = _steps(index, video)
    video, index = video[is_new], index[is_new]
    track = key_values(structure.instances["track_id"][rows])
    score = structure.instances["score"][rows].cast(pl.Float64)
    keys = np.repeat(np.cumsum(is_new) - 1, counts)
    keys |= track << 32
    if bool((track < 0).any()):
        score, keys = score.filter(pl.Series(track >= 0)), keys[track >= 0]
    if not len(keys):
        return pl.DataFrame(schema=_PART)
    ordered = np.sort(keys)
    place, track = ordered & (2**32 - 1), ordered >> 32
    is_first = np.ones(len(ordered), np.bool_)
    is_first[1:] = _steps(track, video[place])
    first = np.flatnonzero(is_first)
    last = np.append(first[1:], len(ordered)) - 1
    step = np.diff(index[place], prepend=0)
    step[first] = 0
    has_moved = step > 0
    group = np.searchsorted(ordered[first], keys, side="right") - 1
    made = {
        "video_id": video[place[first]],
        "track_id": track[first],
        "n_instances": last - first + 1,
        "n_frames": np.add.reduceat(has_moved, first, dtype=np.int64) + 1,
        "start": index[place[first]],
        "stop": index[place[last]] + 1,
        "max_gap": np.maximum(np.maximum.reduceat(step, first) - 1, 0),
        **_sums(score, group, len(first)),
    }
    return pl.DataFrame(made).cast(dict(_PART))  # type: ignore[arg-type]  # classes and instances


def _sums(values: pl.Series, group: IntArray, n_groups: int) -> dict[str, IntArray | FloatArray]:
    """Return the sum of the values of each group and how many there are."""
    known = values.is_not_null().to_numpy()
    mine = group[known]
    return {
        "score": np.bincount(mine, values.drop_nulls().to_numpy(), minlength=n_groups),
        "n_scores": np.bincount(mine, minlength=n_groups),
    }


def _joined(parts: pl.DataFrame) -> pl.DataFrame:
    """Make one row of those of a track in pieces that follow each other."""
    between = pl.col("start") - pl.col("stop").shift()
    tracks = parts.group_by("video_id", "track_id", maintain_order=True).agg(
        pl.col("n_instances", "n_frames").sum(),
        pl.col("start").first(),
        pl.col("stop").last(),
        pl.max_horizontal(pl.col("max_gap").max(), between.max()).alias("max_gap"),
        pl.col("score", "n_scores").sum(),
    )
    summary = tracks.with_columns(
        occupancy=pl.col("n_frames") / (pl.col("stop") - pl.col("start")),
        mean_score=pl.when(pl.col("n_scores") > 0).then(pl.col("score") / pl.col("n_scores")),
    )
    return summary.select(SUMMARY.names()).cast(dict(SUMMARY)).sort("video_id", "track_id")  # type: ignore[arg-type]  # classes and instances


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
    for frames in _pieces(structure):
        rows = instances_of_frames(structure, frames)
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
