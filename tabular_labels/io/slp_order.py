"""Which number each frame, instance and point gets in a ``.slp`` file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.tables import Structure, order_of_list

__all__ = ["FileOrder"]


@dataclass(frozen=True)
class FileOrder:
    """The rows of frames and instances in the order in which a file has them: list order.

    Attributes:
        frames: Frame rows, None when they stand so.
        instances: Instance rows, None when they stand so.
        offsets: First instance of each frame and the total, in the file's numbers: int64.
        point_start: First row of each instance in the file's table of points of its kind,
            by instance row: int64, shape ``(n_instances,)``.
    """

    frames: IntArray | None
    instances: IntArray | None
    offsets: IntArray
    point_start: IntArray

    @classmethod
    def of(cls, structure: Structure) -> FileOrder:
        """Number the rows of a structure."""
        frames, offsets = order_of_list(structure.frames), structure.instance_offsets
        instances = None
        if frames is not None:
            counts = np.diff(offsets)[frames]
            instances = ranges(offsets[:-1][frames], counts)
            offsets = offsets_of_counts(counts)
        return cls(frames, instances, offsets, _point_start(structure, instances))

    def rows(self, numbers: slice) -> slice | IntArray:
        """Return the instance rows that get these numbers."""
        return numbers if self.instances is None else self.instances[numbers]

    def frame_numbers(self, numbers: slice) -> IntArray:
        """Return the number of the frame of each of these instances: int64."""
        first, last = np.searchsorted(self.offsets, [numbers.start, numbers.stop - 1], "right")
        edges = np.clip(self.offsets[first - 1 : last + 1], numbers.start, numbers.stop)
        return np.repeat(np.arange(first - 1, last), np.diff(edges))


def _point_start(structure: Structure, instances: IntArray | None) -> IntArray:
    offsets, is_user = structure.point_offsets, structure.is_user
    is_one_kind = bool(is_user.all()) or not bool(is_user.any())
    if is_one_kind and instances is None:
        return offsets[:-1]
    counts = np.diff(offsets)
    if instances is not None:
        counts, is_user = counts[instances], is_user[instances]
    # Each kind has a table of its own, in which the other's points do not count.
    of_users = np.cumsum(np.where(is_user, counts, 0))
    start = np.where(is_user, of_users, np.cumsum(counts) - of_users) - counts
    if instances is None:
        return start
    by_row = np.empty_like(start)
    by_row[instances] = start
    return by_row
