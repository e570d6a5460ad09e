"""Read and validate the frames and instances of a ``.slp`` file, block by block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.hdf5.guard import broken
from tabular_labels.io.hdf5_extents import Extents
from tabular_labels.io.hdf5_records import Records
from tabular_labels.io.slp_layout import LARGEST_FRAME_IDX
from tabular_labels.io.slp_pieces import FrameRanges, nullable_keys, read_kinds, read_tracks
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.schema import FRAMES, INSTANCES, KIND
from tabular_labels.model.tables import Structure

__all__ = [
    "Known",
    "Leftovers",
    "read_frames",
    "read_ranges",
    "read_structure",
    "resolve_videos",
]

_NONE = np.uint32(2**32 - 1)
_MOST_ROWS = 2**32 - 2
_MOST_IN_FRAME = 2**16


@dataclass(frozen=True)
class Known:
    """What frames and instances may refer to.

    Attributes:
        n_videos: Number of videos.
        n_tracks: Number of tracks.
        n_nodes: Number of nodes by skeleton: int64, shape ``(n_skeletons,)``.
        n_points: Rows of the user and of the predicted points.
        embedded: Row of the video whose pictures are in ``video<k>``, by k.
        negative: Video, frame index and row (or -1) of each negative frame: int64, ``(n, 3)``.
    """

    n_videos: int
    n_tracks: int
    n_nodes: IntArray
    n_points: tuple[int, int]
    embedded: Mapping[int, int] = field(default_factory=dict)
    negative: IntArray = field(default_factory=lambda: np.zeros((0, 3), np.int64))


@dataclass(frozen=True)
class Leftovers:
    """What was read but has no place in the tables.

    Attributes:
        counts: What was left out, and how many.
        dangling: References to predictions in no frame, read as null.
        ids_are_rows: Whether instances are numbered by their rows.
        points_in_order: Whether points stand in the order of the instances, without gaps.
    """

    counts: Mapping[str, int]
    dangling: int
    ids_are_rows: bool
    points_in_order: bool


def read_structure(
    frames: Records,
    instances: Records,
    known: Known,
    extents: tuple[Extents | None, Extents | None],
) -> tuple[Structure, Leftovers]:
    """Read frames and instances into canonical order, checking every range and reference.

    Args:
        frames: The table of frames.
        instances: The table of instances.
        known: What they may refer to.
        extents: Where the rows of both tables stand.

    Returns:
        The structure, whose ids are row numbers of the file, and what was left out.

    Raises:
        FileFormatError: A reference or range is out of bounds, or ranges overlap.
    """
    found = _Frames(frames, instances, known)
    found.read(extents[0])
    rows = _Instances(instances, known)
    rows.read(extents[1])
    return _assemble(found, rows, known)


def read_frames(
    frames: Records,
    instances: Records,
    known: Known,
    extents: Extents | None,
    columns: Sequence[str] = tuple(FRAMES.memory_columns),
) -> pl.DataFrame:
    """Read frames alone, as `read_structure` does.

    Args:
        frames: The table of frames.
        instances: The table of instances, of which nothing is read.
        known: What frames may refer to.
        extents: Where the rows of the frames stand.
        columns: Which of their columns, in this order.

    Returns:
        The frames of the structure.

    Raises:
        FileFormatError: A reference or range is out of bounds, or ranges overlap.
    """
    found = _Frames(frames, instances, known)
    found.read(extents)
    return found.table(found.canonical_order(), found.negative()[0], columns)


def read_ranges(
    frames: Records, instances: Records, known: Known, extents: Extents | None
) -> FrameRanges:
    """Read which rows of the instances each frame has.

    Raises:
        FileFormatError: A reference or range is out of bounds, or ranges overlap.
    """
    found = _Frames(frames, instances, known)
    found.read(extents)
    return FrameRanges.of(found.start, found.count)


class _Frames:
    """Frames in the file's order, as arrays."""

    def __init__(self, records: Records, instances: Records, known: Known) -> None:
        for table in (records, instances):
            if table.rows > _MOST_ROWS:
                raise broken(table.state.path, table.place, f"{table.rows} rows", f"< {_MOST_ROWS}")
        self.records, self.known, self.n_instances = records, known, instances.rows
        n = records.rows
        self.video = np.empty(n, np.uint32)
        self.frame_idx = np.empty(n, np.int64)
        self.start = np.empty(n, np.uint32)
        self.count = np.empty(n, np.uint32)

    def read(self, extents: Extents | None) -> None:
        records, limit = self.records, self.n_instances
        with records.reader(extents) as reader:
            for at, block in reader.blocks():
                rows = slice(at, at + len(block))
                video = records.integers(block, "video", at)
                good = (video >= 0) & (video < _NONE)
                records.require(good, "video", video, at, "a video of the file")
                index = records.integers(block, "frame_idx", at)
                good = (index >= 0) & (index <= LARGEST_FRAME_IDX)
                records.require(good, "frame_idx", index, at, f"0 to {LARGEST_FRAME_IDX}")
                start = records.integers(block, "instance_id_start", at)
                stop = records.integers(block, "instance_id_end", at)
                good = (start >= 0) & (start <= stop)
                records.require(good, "instance_id_start", start, at, "at most instance_id_end")
                expected = f"at most the {limit} instances"
                records.require(stop <= limit, "instance_id_end", stop, at, expected)
                self.video[rows], self.frame_idx[rows] = video, index
                self.start[rows], self.count[rows] = start, stop - start
        most = int(self.count.max(initial=0))
        expected = f"at most {_MOST_IN_FRAME} instances in a frame"
        if most > _MOST_IN_FRAME:
            row = int(self.count.argmax())
            raise broken(records.state.path, f"/frames, row {row}", f"{most}", expected)
        _require_apart(records, self.start, self.count, "instances")
        self._resolve_videos()

    def _resolve_videos(self) -> None:
        records, known = self.records, self.known
        used = _different(self.video)
        rows = resolve_videos(used, known.n_videos, known.embedded)
        if (rows < 0).any():
            wrong = used[rows < 0]
            row = int(np.flatnonzero(self.video == wrong[0])[0])
            place, some = f"/frames, row {row}, column video", f"{wrong[0]}"
            raise broken(records.state.path, place, some, f"one of {known.n_videos} videos")
        if (rows != used).any():
            self.video = rows[np.searchsorted(used, self.video)].astype(np.uint32)

    def canonical_order(self) -> IntArray | None:
        """Rows sorted by video and frame index; None when they stand so."""
        video, index = self.video, self.frame_idx
        same, later = video[1:] == video[:-1], index[1:] >= index[:-1]
        if bool(((same & later) | (video[1:] > video[:-1])).all()):
            return None
        key = video.astype(np.uint64) << np.uint64(32) | index.astype(np.uint64)
        return np.argsort(key, kind="stable")

    def table(
        self, order: IntArray | None, is_negative: BoolArray, columns: Sequence[str]
    ) -> pl.DataFrame:
        """Rows in canonical order."""
        frame_id = np.arange(self.records.rows, dtype=np.uint32)
        video, index = self.video, self.frame_idx
        if order is not None:
            frame_id, video, index = frame_id[order], video[order], index[order]
            is_negative = is_negative[order]
        made = {
            "frame_id": frame_id,
            "video_id": video,
            "frame_idx": index,
            "position": frame_id,
            "is_negative": is_negative,
        }
        return pl.DataFrame(
            {name: made[name] for name in columns},
            schema={name: FRAMES.memory_columns[name] for name in columns},
        )

    def negative(self) -> tuple[BoolArray, int]:
        """Mark the frames that are negative, and count the marks that find no frame."""
        wanted = self.known.negative
        if not len(wanted):
            return np.zeros(len(self.video), bool), 0
        used = np.unique(wanted[:, 0])
        rows = resolve_videos(used, self.known.n_videos, self.known.embedded)
        video = rows[np.searchsorted(used, wanted[:, 0])]
        marks = np.unique(video << 32 | wanted[:, 1])
        key = self.video.astype(np.int64) << 32 | self.frame_idx
        is_negative = np.isin(key, marks)
        rows = wanted[:, 2]
        if (rows >= 0).all() and (rows < len(key)).all():
            is_negative[:] = False
            is_negative[rows] = True
        return is_negative, int(np.count_nonzero(~np.isin(marks, key)))


def _different(values: IntArray) -> IntArray:
    """Return the different values, sorted; counting is faster than sorting where they are few."""
    if int(values.max(initial=0)) < 2**20:
        return np.flatnonzero(np.bincount(values))
    return np.unique(values).astype(np.int64)


def resolve_videos(used: IntArray, n_videos: int, embedded: Mapping[int, int]) -> IntArray:
    """Say which video each number in a file's frames means.

    Normally it is the video's row. In packages from which videos were removed it is the
    number k of the group ``video<k>`` with its pictures.

    Args:
        used: The different numbers in the frames, sorted.
        n_videos: Number of videos.
        embedded: Row of the video whose pictures are in ``video<k>``, by k.

    Returns:
        Rows, -1 where there is no such video.

    Examples:
        >>> resolve_videos(np.array([3, 5]), 2, {3: 0, 5: 1}).tolist()
        [0, 1]
    """
    plain = np.where((used >= 0) & (used < n_videos), used, -1)
    every_row = len(used) == n_videos and bool((plain >= 0).all())
    if every_row or all(k == row for k, row in embedded.items()):
        return plain
    rows = plain.copy()
    for k, row in embedded.items():
        rows[used == k] = row
    return rows


class _Instances:
    """Instances in the file's order, as arrays."""

    def __init__(self, records: Records, known: Known) -> None:
        self.records, self.known = records, known
        n = records.rows
        self.kind = np.empty(n, np.uint8)
        self.skeleton = np.empty(n, np.uint16)
        self.track = np.empty(n, np.uint32)
        self.score = np.empty(n, np.float32)
        has_tracking = "tracking_score" in records.fields
        self.tracking_score = np.empty(n, np.float32) if has_tracking else np.full(n, np.nan, "f4")
        self.source = np.empty(n, np.uint32)
        self.point_start = np.empty(n, np.int64)
        self.ids_are_rows = True
        self.points_in_order = True
        self._ends = [0, 0]
        self.n_covered = [0, 0]

    def read(self, extents: Extents | None) -> None:
        self._extents = extents
        with self.records.reader(extents) as reader:
            for at, block in reader.blocks():
                self._take(at, block)
        if not self.points_in_order:
            counts = self.known.n_nodes[self.skeleton]
            for kind in (0, 1):
                of_kind = np.flatnonzero(self.kind == kind)
                start = self.point_start[of_kind]
                _require_apart(self.records, start, counts[of_kind], "points", of_kind)
        if not self.ids_are_rows:
            self._resolve_sources()

    def _take(self, at: int, block: np.ndarray[Any, Any]) -> None:
        records, known = self.records, self.known
        rows = slice(at, at + len(block))
        kind = read_kinds(records, block, at)
        skeleton = records.integers(block, "skeleton", at)
        good = (skeleton >= 0) & (skeleton < len(known.n_nodes))
        expected = f"one of {len(known.n_nodes)} skeletons"
        records.require(good, "skeleton", skeleton, at, expected)
        track = read_tracks(records, block, at, known.n_tracks)
        self.kind[rows], self.skeleton[rows] = kind, skeleton
        self.track[rows] = track
        self._take_points(at, block, kind, skeleton)
        self._take_scores(rows, block, np.flatnonzero(kind == 0))
        ids = records.integers(block, "instance_id", at)
        if self.ids_are_rows and (ids != np.arange(at, at + len(block))).any():
            self.ids_are_rows = False
        source = records.integers(block, "from_predicted", at)
        if int(source.min()) < -1 or int(source.max()) >= _NONE:
            inside = (source >= 0) & (source < _NONE)
            source = np.where(inside, source, _NONE - (source >= 0))
        self.source[rows] = source.astype(np.uint32)  # -1 becomes _NONE

    def _take_points(
        self, at: int, block: np.ndarray[Any, Any], kind: IntArray, skeleton: IntArray
    ) -> None:
        records, known = self.records, self.known
        start = records.integers(block, "point_id_start", at).astype(np.int64, copy=False)
        stop = records.integers(block, "point_id_end", at).astype(np.int64, copy=False)
        n_points = np.where(kind == 0, *known.n_points)
        good = (start >= 0) & (start <= stop) & (stop <= n_points)
        expected = f"at most {known.n_points[0]} user or {known.n_points[1]} predicted points"
        records.require(good, "point_id_end", stop, at, expected)
        is_one = len(known.n_nodes) == 1
        count = stop - start
        good = count == (known.n_nodes[0] if is_one else known.n_nodes[skeleton])
        expected = "one point for each node of the skeleton"
        records.require(good, "point_id_end", count, at, expected)
        self.point_start[at : at + len(block)] = start
        self.points_in_order &= self._goes_on(kind, start, stop)
        of_users = int(count[kind == 0].sum())
        self.n_covered[0] += of_users
        self.n_covered[1] += int(count.sum()) - of_users

    def _goes_on(self, kind: IntArray, start: IntArray, stop: IntArray) -> bool:
        """Tell whether the points of each kind follow each other, and those before."""
        turns = np.flatnonzero(kind[1:] != kind[:-1])
        follows = start[1:] == stop[:-1]
        follows[turns] = True
        # The kinds take turns: a run goes on where the last but one ended.
        now, other = int(kind[0]), 1 - int(kind[0])
        before = [self._ends[now], self._ends[other]]
        ends = np.concatenate([before, stop[turns], stop[-1:]])
        starts = np.concatenate([start[:1], start[turns + 1]])
        now, other = int(kind[-1]), 1 - int(kind[-1])
        self._ends[other], self._ends[now] = ends[-2:].tolist()
        return bool(follows.all() and (starts == ends[:-2]).all())

    def _take_scores(self, rows: slice, block: np.ndarray[Any, Any], users: IntArray) -> None:
        """Take scores; 0 is what today's programs write where a person's instance has none."""
        for column, target in (("score", self.score), ("tracking_score", self.tracking_score)):
            if column in self.records.fields:
                with np.errstate(over="ignore"):  # a double beyond floats becomes infinite
                    target[rows] = block[self.records.fields[column]]
        scores = self.score[rows]
        scores[users[scores[users] == 0]] = np.nan

    def _resolve_sources(self) -> None:
        """Turn ids into rows; an id that several instances have names none of them."""
        ids = np.empty(self.records.rows, np.int64)
        with self.records.reader(self._extents) as reader:
            for at, block in reader.blocks():
                ids[at : at + len(block)] = self.records.integers(block, "instance_id", at)
        wanted = np.flatnonzero(self.source != _NONE)
        order = np.argsort(ids, kind="stable")
        names = self.source[wanted].astype(np.int64)
        first = np.searchsorted(ids, names, side="left", sorter=order)
        after = np.searchsorted(ids, names, side="right", sorter=order)
        rows = order[np.minimum(first, len(order) - 1)]
        self.source[wanted] = np.where(after - first == 1, rows, _NONE - 1)


def _require_apart(
    records: Records,
    start: IntArray,
    count: IntArray,
    what: str,
    row_of: IntArray | None = None,
) -> None:
    """Raise when two ranges share a row."""
    stop = start + count
    if bool((start[1:] >= stop[:-1]).all()):
        return
    filled = np.flatnonzero(count)
    order = filled[np.argsort(start[filled], kind="stable")]
    overlaps = np.flatnonzero(start[order][1:] < stop[order][:-1])
    if len(overlaps):
        first, second = order[overlaps[0]], order[overlaps[0] + 1]
        if row_of is not None:
            first, second = row_of[first], row_of[second]
        raise broken(
            records.state.path,
            f"{records.place}, rows {first} and {second}",
            f"the same {what} in both (and in {len(overlaps) - 1} more pairs)",
            f"each of the {what} once",
        )


def _assemble(frames: _Frames, rows: _Instances, known: Known) -> tuple[Structure, Leftovers]:
    n_rows = rows.records.rows
    order = frames.canonical_order()
    is_negative, n_lost = frames.negative()
    frames_table = frames.table(order, is_negative, tuple(FRAMES.memory_columns))
    start, count = frames.start, frames.count
    if order is not None:
        start, count = start[order], count[order]
    offsets = offsets_of_counts(count)
    n_kept = int(offsets[-1])
    is_same = n_kept == n_rows and bool((start == offsets[:-1]).all())
    gather = None if is_same else ranges(start, count)
    frame_id = frames_table["frame_id"].to_numpy()
    source, dangling = _linked(rows, gather, n_kept)
    instances_table = _instance_table(rows, frame_id, count, offsets, gather, source)
    part, point_start = _places(rows, known, gather)
    n_nodes = known.n_nodes if len(known.n_nodes) else np.zeros(1, np.int64)
    structure = Structure(frames_table, instances_table, n_nodes, part, point_start)
    counts = {
        "instances in no frame": n_rows - n_kept,
        "points in no instance": sum(known.n_points) - sum(rows.n_covered),
        "negative marks without a frame": n_lost,
    }
    left = {what: n for what, n in counts.items() if n}
    return structure, Leftovers(left, dangling, rows.ids_are_rows, rows.points_in_order)


def _linked(rows: _Instances, gather: IntArray | None, n_kept: int) -> tuple[IntArray, int]:
    """Keep links to instances that are in a frame; a person's to predictions; count others."""
    n_rows = rows.records.rows
    given = np.flatnonzero(rows.source != _NONE)
    target = rows.source[given].astype(np.int64)
    inside = target < n_rows
    target[~inside] = 0
    reachable = inside & ((rows.kind[target] == 1) | (rows.kind[given] == 1))
    lost = ~reachable
    if gather is not None and n_kept != n_rows:
        is_kept = np.zeros(n_rows, bool)
        is_kept[gather] = True
        reachable &= is_kept[target]
        lost = ~reachable & is_kept[given]
    rows.source[given[~reachable]] = _NONE
    return rows.source, int(np.count_nonzero(lost))


def _instance_table(
    rows: _Instances,
    frame_id: IntArray,
    count: IntArray,
    offsets: IntArray,
    gather: IntArray | None,
    source: IntArray,
) -> pl.DataFrame:
    n = int(offsets[-1])
    place = np.arange(n, dtype=np.uint32)
    ids = place if gather is None else gather.astype(np.uint32)
    place = place - np.repeat(offsets[:-1].astype(np.uint32), count)

    def taken(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return values if gather is None else values[gather]

    return pl.DataFrame(
        {
            "instance_id": ids,
            "frame_id": np.repeat(frame_id, count),
            "instance_idx": place.astype(np.uint16),
            "skeleton_id": taken(rows.skeleton),
            "track_id": nullable_keys(taken(rows.track)),
            "kind": pl.Series(taken(rows.kind)).cat.to(KIND),
            "score": pl.Series(taken(rows.score)).fill_nan(None),
            "tracking_score": pl.Series(taken(rows.tracking_score)).fill_nan(None),
            "from_predicted": nullable_keys(taken(source)),
        },
        schema=INSTANCES.memory_columns,
    )


def _places(
    rows: _Instances, known: Known, gather: IntArray | None
) -> tuple[IntArray | None, IntArray | None]:
    """Say where each instance's points are; None when one table has them in order."""
    one_table = 0 in known.n_points
    if gather is None and one_table and rows.points_in_order:
        return None, None
    part, start = rows.kind, rows.point_start
    return (part, start) if gather is None else (part[gather], start[gather])
