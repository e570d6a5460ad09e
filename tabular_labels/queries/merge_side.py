"""One of two projects that are merged, with the keys it will have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.buffers import key_values
from tabular_labels.model.layout import lay_out
from tabular_labels.model.tables import Structure
from tabular_labels.queries.merge_catalog import Keys
from tabular_labels.queries.places import Rows, frame_rows

__all__ = ["CHUNK", "PointReader", "Side", "as_rows", "renamed", "steps"]

PointReader: TypeAlias = Callable[[Sequence[str], Rows], pl.DataFrame]
"""Reads columns of the points of instance rows, in their order."""

CHUNK = 16_384
"""Instances whose points are looked at together: about a quarter million of 15 nodes."""


@dataclass(frozen=True)
class Side:
    """Frames and instances of one project, with keys of the merged one.

    Attributes:
        structure: Frames and instances in canonical order.
        keys: What their keys become.
        read: Reads points of instance rows.
        alike: Merged tracks that count as one when instances are compared; each by the
            key that stands for all of them. None when a track is only like itself.
    """

    structure: Structure
    keys: Keys
    read: PointReader
    alike: Mapping[int, int] | None = None

    @cached_property
    def place(self) -> npt.NDArray[np.uint64]:
        """Video and index of each frame in one number: uint64, ``(n_frames,)``."""
        frames = self.structure.frames
        video = renamed(frames["video_id"].to_numpy().astype(np.int64), self.keys.videos)
        # No index reaches 2**32 - 1.
        place: npt.NDArray[np.uint64] = video.astype(np.uint64) << np.uint64(32)
        place |= frames["frame_idx"].to_numpy().astype(np.uint64)
        return place

    def with_place(self, place: npt.NDArray[np.uint64]) -> Side:
        """Take places that are known already."""
        self.__dict__["place"] = place
        return self

    @cached_property
    def order(self) -> IntArray | None:
        """Frame rows by place, equal ones as they stand; None when they stand so."""
        place = self.place
        if bool((place[1:] >= place[:-1]).all()):
            return None
        return np.argsort(place, kind="stable")

    @cached_property
    def kind(self) -> npt.NDArray[np.uint8]:
        """0 for user instances, 1 for predicted ones: ``(n_instances,)``."""
        kind: npt.NDArray[np.uint8] = self.structure.instances["kind"].to_physical().to_numpy()
        return kind

    @cached_property
    def track(self) -> IntArray:
        """Track in the merged project, -1 for none: ``(n_instances,)``."""
        return renamed(key_values(self.structure.instances["track_id"]), self.keys.tracks)

    @cached_property
    def like_track(self) -> IntArray:
        """Track to compare by, -1 for none: ``(n_instances,)``."""
        return self.track if self.alike is None else renamed(self.track, self.alike)

    @cached_property
    def skeleton(self) -> IntArray:
        """Skeleton in the merged project: ``(n_instances,)``."""
        same = {key: nodes.skeleton_id for key, nodes in self.keys.skeletons.items()}
        return renamed(self.structure.instances["skeleton_id"].to_numpy(), same)

    @cached_property
    def frame(self) -> IntArray:
        """Row of each instance's frame: ``(n_instances,)``."""
        return frame_rows(self.structure)

    def points(self, columns: Sequence[str], rows: IntArray) -> pl.DataFrame:
        """Read points of instances of one skeleton, laid out by the merged one."""
        table = self.read(columns, as_rows(rows))
        if not len(rows) or not self.keys.moves_nodes:
            return table
        key = int(self.structure.instances["skeleton_id"][int(rows[0])])
        return lay_out(table, self.keys.skeletons[key])


def renamed(values: IntArray, keys: Mapping[int, int]) -> IntArray:
    """Replace keys; -1 and keys that stay are left as they are.

    Examples:
        >>> renamed(np.array([7, -1, 8]), {7: 1, 8: 8}).tolist()
        [1, -1, 8]
    """
    if all(before == after for before, after in keys.items()):
        return values
    before = np.array(sorted(keys), np.int64)
    after = np.array([keys[key] for key in before.tolist()], np.int64)
    place = np.minimum(np.searchsorted(before, values), len(before) - 1)
    return np.where(before[place] == values, after[place], values)


def as_rows(rows: IntArray) -> slice | IntArray:
    """Return consecutive rows as a slice, so that reading them need not gather."""
    if len(rows) and int(rows[-1]) - int(rows[0]) == len(rows) - 1 and _counts(rows):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows


def _counts(rows: IntArray) -> bool:
    return bool((rows[1:] - rows[:-1] == 1).all())


def steps(n: int, size: int = CHUNK) -> Iterator[slice]:
    """Cut ``n`` rows into slices.

    Examples:
        >>> list(steps(5, 3))
        [slice(0, 3, None), slice(3, 5, None)]
    """
    for first in range(0, n, size):
        yield slice(first, min(first + size, n))
