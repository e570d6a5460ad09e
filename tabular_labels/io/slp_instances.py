"""Read and validate the instances of a ``.slp`` file, block by block."""

from __future__ import annotations

from typing import Any

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.io.hdf5_extents import Extents
from tabular_labels.io.hdf5_records import Records
from tabular_labels.io.slp_pieces import read_kinds, read_tracks
from tabular_labels.io.slp_references import NO_ROW, Known, require_apart

__all__ = ["InstanceRows"]


class InstanceRows:
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
        """Read all rows, and check them."""
        self._extents = extents
        with self.records.reader(extents) as reader:
            for at, block in reader.blocks():
                self._take(at, block)
        if not self.points_in_order:
            counts = self.known.n_nodes[self.skeleton]
            for kind in (0, 1):
                of_kind = np.flatnonzero(self.kind == kind)
                start = self.point_start[of_kind]
                require_apart(self.records, start, counts[of_kind], "points", of_kind)
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
        if int(source.min()) < -1 or int(source.max()) >= NO_ROW:
            inside = (source >= 0) & (source < NO_ROW)
            source = np.where(inside, source, NO_ROW - (source >= 0))
        self.source[rows] = source.astype(np.uint32)  # -1 becomes NO_ROW

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
        wanted = np.flatnonzero(self.source != NO_ROW)
        order = np.argsort(ids, kind="stable")
        names = self.source[wanted].astype(np.int64)
        first = np.searchsorted(ids, names, side="left", sorter=order)
        after = np.searchsorted(ids, names, side="right", sorter=order)
        rows = order[np.minimum(first, len(order) - 1)]
        self.source[wanted] = np.where(after - first == 1, rows, NO_ROW - 1)
