"""Several frames at one place made one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.buffers import key_values
from tabular_labels.model.offsets import offsets_of_counts, rows_of_ids
from tabular_labels.model.tables import Structure
from tabular_labels.queries.merge_equal import find_first_equal
from tabular_labels.queries.merge_side import Side
from tabular_labels.queries.select import select_instances

__all__ = ["Matched", "merge_matching"]


@dataclass(frozen=True)
class Matched:
    """Frames of which no two are at one place.

    Attributes:
        structure: With references to the points.
        frames: Which frames are left: bool, ``(n_frames,)``.
        instances: Which instances are left: bool, ``(n_instances,)``.
    """

    structure: Structure
    frames: BoolArray
    instances: BoolArray


def merge_matching(side: Side, video_id: int | None = None) -> Matched | None:
    """Let the first frame of each place take in the later ones.

    Instances that an earlier frame of the place has already are left out; links to them
    lead to those that say the same. The frame is negative if one of them is.

    Args:
        side: The project.
        video_id: Only in this video; None for all.

    Returns:
        What is left, None when no two frames are at one place.

    Source:
        ``Labels.merge_matching_frames``, which also removed every empty frame.
    """
    structure, place = side.structure, side.place
    is_first = np.ones(len(place), np.bool_)
    is_first[1:] = place[1:] != place[:-1]
    if video_id is not None:
        is_first |= structure.frames["video_id"].to_numpy() != video_id
    if bool(is_first.all()):
        return None
    group = np.cumsum(is_first) - 1
    many = np.bincount(group) > 1
    rows = np.flatnonzero(many[group[side.frame]])
    at = group[side.frame[rows]]
    first = find_first_equal(side, rows, at, side, rows, at)
    is_twin = side.frame[first] != side.frame[rows]
    kept = np.ones(structure.instances.height, np.bool_)
    kept[rows[is_twin]] = False

    instances = _relinked(structure.instances, rows[is_twin], first[is_twin])
    lead = np.flatnonzero(is_first)
    counts = np.diff(offsets_of_counts(np.bincount(group[side.frame], minlength=len(lead))))
    starts = np.repeat(offsets_of_counts(counts)[:-1], counts)
    ids = structure.frames["frame_id"].to_numpy()
    places = (np.arange(len(starts)) - starts).astype(np.uint16)
    instances = instances.with_columns(
        frame_id=pl.Series(ids[lead[group[side.frame]]]), instance_idx=pl.Series(places)
    )
    negative = np.zeros(len(lead), np.bool_)
    negative[group[structure.frames["is_negative"].to_numpy()]] = True
    frames = _with_dense_positions(structure.frames.filter(pl.Series(is_first)))
    frames = frames.with_columns(is_negative=pl.Series(negative))
    whole = Structure(frames, instances, structure.n_nodes, structure.part, structure.point_start)
    return Matched(select_instances(whole, None, kept), is_first, kept)


def _with_dense_positions(frames: pl.DataFrame) -> pl.DataFrame:
    order = np.argsort(frames["position"].to_numpy(), kind="stable")
    position = np.empty(len(order), np.uint32)
    position[order] = np.arange(len(order), dtype=np.uint32)
    return frames.with_columns(position=pl.Series(position))


def _relinked(instances: pl.DataFrame, gone: IntArray, same: IntArray) -> pl.DataFrame:
    """Lead links to instances that go to those that say the same."""
    column = instances["from_predicted"]
    if not len(gone) or column.null_count() == column.len():
        return instances
    ids = instances["instance_id"].to_numpy()
    stands_for = ids.astype(np.int64)
    stands_for[gone] = ids[same]
    links = key_values(column)
    linked = np.flatnonzero(links >= 0)
    targets = stands_for[rows_of_ids(ids, links[linked])].astype(np.uint32)
    return instances.with_columns(column.scatter(linked, pl.Series(targets)))
