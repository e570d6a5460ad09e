"""Where each track is present, as runs of consecutive frames."""

from __future__ import annotations

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.buffers import key_values
from tabular_labels.model.tables import Catalog, Structure
from tabular_labels.queries.names import name_ids
from tabular_labels.queries.places import (
    instances_of_frames,
    rows_of_video,
)

__all__ = [
    "RUNS",
    "named_runs",
    "patch_runs",
    "runs_of_structure",
    "runs_of_video",
    "track_runs",
]

RUNS = pl.Schema(
    {"video_id": pl.UInt32, "track_id": pl.UInt32, "start": pl.Int64, "stop": pl.Int64}
)
"""Columns of a table of runs."""


def track_runs(instances: pl.LazyFrame, *, untracked: bool = False) -> pl.LazyFrame:
    """Summarise where each track is present as runs of consecutive frames.

    A track that holds several instances in one frame counts once there.

    Args:
        instances: Instances of any videos in any order, with ``video_id`` (UInt32),
            ``track_id`` (UInt32, null = untracked) and ``frame_idx`` (Int64).
        untracked: Whether the untracked instances of a video make runs of their own,
            with a null ``track_id``; they are left out otherwise.

    Returns:
        One row per run, sorted by ``video_id``, ``track_id`` (null last), ``start``:

        - ``video_id``, ``track_id`` (UInt32)
        - ``start``, ``stop`` (Int64): 0-based frame indices, half-open.

    Examples:
        >>> instances = pl.LazyFrame(
        ...     {"video_id": [0] * 4, "track_id": [7, 7, None, 7], "frame_idx": [3, 4, 4, 9]},
        ...     schema={"video_id": pl.UInt32, "track_id": pl.UInt32, "frame_idx": pl.Int64},
        ... )
        >>> track_runs(instances).collect().rows()
        [(0, 7, 3, 5), (0, 7, 9, 10)]
        >>> track_runs(instances, untracked=True).collect().rows()[-1]
        (0, None, 4, 5)

    Source:
        Replaces ``Labels.get_track_occupancy``.
    """
    places = instances.select("video_id", "track_id", "frame_idx")
    if not untracked:
        places = places.filter(pl.col("track_id").is_not_null())
    # The columns change their meaning here, so nothing may be pushed past this step.
    return places.map_batches(
        _runs,
        schema=RUNS,
        predicate_pushdown=False,
        projection_pushdown=False,
        slice_pushdown=False,
    )


# Up to so many possible places for each instance, a byte for every place takes no more
# memory than the packed keys do.
_ROOM = 8

_RUNS_OF_VIDEO = {
    "track_id": pl.UInt32,
    "start": pl.Int64,
    "stop": pl.Int64,
    "first": pl.UInt32,
}


def _runs(places: pl.DataFrame) -> pl.DataFrame:
    """Cut the sorted places where a step is more than one frame or leads to another track."""
    if not places.height:
        return pl.DataFrame(schema=RUNS)
    video = places["video_id"].to_numpy()
    frame = places["frame_idx"].to_numpy()
    track = places["track_id"]
    highest = -1 if track.null_count() == track.len() else _highest(track)
    if track.null_count():
        # A code after every track sorts the untracked last.
        codes: IntArray = track.cast(pl.Int64).fill_null(highest + 1).to_numpy()
    else:
        codes = track.to_numpy()
    video, codes, start, stop = _cut(video, codes, frame)
    runs = pl.DataFrame(
        {"video_id": video, "track_id": codes, "start": start, "stop": stop},
        schema={**RUNS, "track_id": pl.Int64},
    )
    tracked = pl.when(pl.col("track_id") <= highest).then("track_id")
    return runs.with_columns(tracked.cast(pl.UInt32).alias("track_id"))


def _highest(ids: pl.Series) -> int:
    return int(ids.max())  # type: ignore[arg-type]  # an integer column with values


def _cut(
    video: IntArray, track: IntArray, frame: IntArray, counts: IntArray | None = None
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    """Sort places and return video, track, start and stop of each run.

    With ``counts``, ``video`` and ``frame`` are of frames, and each stands for so many
    tracks; tracks below 0 are left out then.
    """
    low = [int(values.min()) for values in (video, track, frame)]
    spans = [int(v.max()) - base + 1 for v, base in zip((video, track, frame), low, strict=True)]
    # One index is left free between tracks, so that a step to the next one never looks like
    # a step to the next frame.
    width = spans[2] + 1
    if spans[0] * spans[1] * width < 2**63:
        # What does not depend on the track is worked out before it is repeated.
        key = _from(video, low[0]) * (spans[1] * width) + _from(frame, low[2])
        key -= low[1] * width
        key = key if counts is None else np.repeat(key, counts)
        key += np.multiply(track, width, dtype=np.int64)
        if counts is not None and low[1] < 0:
            key = key[track >= 0]
        first, last = _stretches(key, spans[0] * spans[1] * width)
        group, start = np.divmod(first, width)
        stop = last - group * width + 1
        of_video, of_track = np.divmod(group, spans[1])
        return of_video + low[0], of_track + low[1], start + low[2], stop + low[2]
    # Keys too far apart to be packed into 63 bits.
    if counts is not None:
        tracked = track >= 0
        video, frame = (np.repeat(values, counts)[tracked] for values in (video, frame))
        track = track[tracked]
    order = np.lexsort((frame, track, video))
    video, track, frame = video[order], track[order], frame[order]
    breaks = (np.diff(frame) > 1) | (video[1:] != video[:-1]) | (track[1:] != track[:-1])
    start, stop = _ends(breaks, frame)
    video, _ = _ends(breaks, video)
    track, _ = _ends(breaks, track)
    return video, track, start, stop + 1


def _from(values: IntArray, low: int) -> IntArray:
    """Count from the lowest value, in int64."""
    return np.subtract(values, low, dtype=np.int64)


def _stretches(keys: IntArray, n: int) -> tuple[IntArray, IntArray]:
    """Return the first and the last key of each stretch of consecutive ones, ascending.

    Keys are below ``n - 1`` and may be sorted in place.
    """
    if n <= _ROOM * len(keys):
        # Marking takes a fifth of the time that sorting does.
        marks = np.zeros(n + 1, np.bool_)
        marks[1:][keys] = True
        changes = np.flatnonzero(marks[1:] != marks[:-1])
        return changes[::2], changes[1::2] - 1
    keys.sort()
    return _ends(np.diff(keys) > 1, keys)


def _ends(breaks: BoolArray, values: IntArray) -> tuple[IntArray, IntArray]:
    """Return the first and the last value of each stretch between breaks."""
    after = np.flatnonzero(breaks) + 1
    return values[np.append(0, after)], values[np.append(after - 1, len(values) - 1)]


def runs_of_structure(structure: Structure) -> pl.DataFrame:
    """Summarise the tracks of all videos, as `track_runs` does, without a lazy plan.

    Args:
        structure: Frames and instances in canonical order.

    Returns:
        The columns of `RUNS`, sorted by video, track and start.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> runs_of_structure(LabelTables().structure).height
        0
    """
    column = structure.instances["track_id"]
    if column.null_count() == column.len():
        return pl.DataFrame(schema=RUNS)
    # Without nulls the narrow column does: half the bytes to look through.
    track = key_values(column) if column.null_count() else column.to_numpy()
    video, frame = (structure.frames[name].to_numpy() for name in ("video_id", "frame_idx"))
    runs = _cut(video, track, frame, np.diff(structure.instance_offsets))
    columns = zip(RUNS, runs, strict=True)
    return pl.DataFrame([pl.Series(name, values, dtype=RUNS[name]) for name, values in columns])


def runs_of_video(structure: Structure, video_id: int) -> pl.DataFrame:
    """Summarise one video's tracks, in the order in which they first appear.

    Args:
        structure: Frames and instances in canonical order.
        video_id: Key of the video; an unknown one has no runs.

    Returns:
        One row per run, tracks in order of their first appearance by ascending frame
        index (in one frame: by their place in it), the runs of a track ascending:

        - ``track_id`` (UInt32), null for the untracked instances
        - ``start``, ``stop`` (Int64): half-open.
        - ``first`` (UInt32): place of the track in the order of first appearance.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> runs_of_video(LabelTables().structure, 0).columns
        ['track_id', 'start', 'stop', 'first']
    """
    frames = rows_of_video(structure, video_id)
    codes = key_values(structure.instances["track_id"][instances_of_frames(structure, frames)])
    if not len(codes):
        return pl.DataFrame(schema=_RUNS_OF_VIDEO)
    video, frame = (structure.frames[name][frames].to_numpy() for name in ("video_id", "frame_idx"))
    counts = np.diff(structure.instance_offsets[frames.start : frames.stop + 1])
    # One more than the track, so that those of no track count.
    _, track, start, stop = _cut(video, codes + 1, frame, counts)
    track -= 1
    known, appearance = np.unique(codes, return_index=True)
    first = np.argsort(np.argsort(appearance))[np.searchsorted(known, track)]
    order = np.lexsort((start, first))
    columns = {"track_id": track, "start": start, "stop": stop, "first": first}
    runs = pl.DataFrame(
        {name: values[order] for name, values in columns.items()},
        schema={**_RUNS_OF_VIDEO, "track_id": pl.Int64},
    )
    # One column at a time: a whole table would use threads that a forked process lacks.
    tracked = runs["track_id"].set(runs["track_id"] < 0, None).cast(pl.UInt32)
    return runs.replace_column(0, tracked)


def patch_runs(runs: pl.DataFrame, places: IntArray, present: pl.DataFrame) -> pl.DataFrame:
    """Bring the runs of one video up to date where some frame indices were edited.

    Args:
        runs: ``track_id`` (null for untracked), ``start``, ``stop`` as they were.
        places: Frame indices that were edited, ascending, each once.
        present: What is there now: ``track_id`` and ``frame_idx``, one row for each
            instance at one of ``places``.

    Returns:
        ``track_id`` (UInt32, null for untracked, last), ``start``, ``stop`` (Int64,
        half-open), sorted by track and start.

    Examples:
        >>> runs = pl.DataFrame({"track_id": [7], "start": [0], "stop": [9]})
        >>> present = pl.DataFrame({"track_id": [2], "frame_idx": [4]})
        >>> patch_runs(runs, np.array([4]), present).rows()
        [(2, 4, 5), (7, 0, 4), (7, 5, 9)]
    """
    # In numpy throughout: polars' threads would be waited for in vain after a fork.
    track = _last_if_none(runs["track_id"])
    start, stop = runs["start"].to_numpy(), runs["stop"].to_numpy()
    first, last = np.searchsorted(places, start), np.searchsorted(places, stop)
    # Every run is cut at the edited places in it: that gives one piece more than places.
    cuts = last - first
    run = np.repeat(np.arange(len(cuts)), cuts + 1)
    piece = np.arange(len(run)) - np.repeat(np.cumsum(cuts + 1) - cuts - 1, cuts + 1)
    around = np.concatenate([places, [0]])
    at = first[run] + piece
    begin = np.where(piece == 0, start[run], around[at - 1] + 1)
    end = np.where(piece == cuts[run], stop[run], around[np.minimum(at, len(places))])
    frame = present["frame_idx"].to_numpy()
    track = np.concatenate([track[run], _last_if_none(present["track_id"])])
    begin, end = np.concatenate([begin, frame]), np.concatenate([end, frame + 1])
    some = end > begin
    track, begin, end = track[some], begin[some], end[some]
    order = np.lexsort((begin, track))
    track, begin, end = track[order], begin[order], end[order]
    is_first = np.ones(len(track), np.bool_)
    is_first[1:] = (track[1:] != track[:-1]) | (begin[1:] > end[:-1])
    at_first = np.flatnonzero(is_first)
    at_last = np.append(at_first[1:], len(track))[: len(at_first)] - 1
    kept = track[at_first]
    joined = pl.DataFrame(
        {"track_id": kept, "start": begin[at_first], "stop": end[at_last]},
        schema={"track_id": pl.Int64, "start": pl.Int64, "stop": pl.Int64},
    )
    known = joined["track_id"].set(joined["track_id"] == _UNTRACKED, None).cast(pl.UInt32)
    return joined.replace_column(0, known)


_UNTRACKED = 2**32


def _last_if_none(track: pl.Series) -> IntArray:
    keys = key_values(track.cast(pl.UInt32))
    return np.where(keys < 0, _UNTRACKED, keys)


def named_runs(catalog: Catalog, runs: pl.DataFrame) -> pl.DataFrame:
    """Add the names of videos and tracks to a table of runs.

    Args:
        catalog: Videos and tracks of the project.
        runs: As `track_runs` makes them.

    Returns:
        The rows with ``video`` and ``track`` (Enum; null for untracked) before their ids.
    """
    videos, tracks = catalog.videos, catalog.tracks
    video = name_ids(videos["filename"], videos["video_id"], runs["video_id"])
    track = name_ids(tracks["name"], tracks["track_id"], runs["track_id"])
    return pl.DataFrame(
        {
            "video": video,
            "video_id": runs["video_id"],
            "track": track,
            "track_id": runs["track_id"],
            "start": runs["start"],
            "stop": runs["stop"],
        }
    )
