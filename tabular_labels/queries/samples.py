"""Frames with user instances, as samples to train from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.model.tables import Structure

__all__ = ["Samples", "user_samples"]


@dataclass(frozen=True)
class Samples:
    """Which frames are samples, and which instances are in each.

    Attributes:
        frame_rows: int64 (n_samples,): frame rows, in list order.
        instance_rows: int64: instance rows, sample by sample, in their order in the frame.
        counts: int64 (n_samples,): instances of each sample.
        n_left_out: User instances of other skeletons, which are in no sample.
    """

    frame_rows: IntArray
    instance_rows: IntArray
    counts: IntArray
    n_left_out: int


def user_samples(structure: Structure, skeleton_id: int) -> Samples:
    """Choose the frames with user instances of one skeleton.

    Args:
        structure: Frames and instances in canonical order.
        skeleton_id: Key of the skeleton.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> len(user_samples(LabelTables().structure, 0).frame_rows)
        0
    """
    instances, n_frames = structure.instances, structure.frames.height
    is_user = (instances["kind"] == "user").to_numpy()
    is_mine = is_user & (instances["skeleton_id"].to_numpy() == skeleton_id)
    rows = np.flatnonzero(is_mine)
    frame = np.repeat(np.arange(n_frames), np.diff(structure.instance_offsets))[rows]
    counts = np.bincount(frame, minlength=n_frames)
    chosen = np.flatnonzero(counts)
    position = structure.frames["position"].to_numpy()
    chosen = chosen[np.argsort(position[chosen], kind="stable")]
    order = np.argsort(position[frame], kind="stable")
    n_left_out = int(np.count_nonzero(is_user) - len(rows))
    return Samples(chosen, rows[order], counts[chosen], n_left_out)
