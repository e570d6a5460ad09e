"""Frames and instances of two projects as those of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.errors import MergeError
from tabular_labels.model.buffers import float_values, nullable
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.schema import FRAMES, INSTANCES, KIND
from tabular_labels.queries.merge_negative import negative_frames
from tabular_labels.queries.merge_strategies import Decision

__all__ = ["Assembly", "added_in_order", "assemble", "first_key", "number_positions"]

_LAST_ID = 2**32 - 1
_LAST_PLACE = 2**16 - 1


@dataclass(frozen=True)
class Assembly:
    """Merged frames and instances, and where each comes from.

    Attributes:
        frames: In canonical order; ``position`` of added ones is that in their project.
        instances: In canonical order.
        is_added: Which frames are added: bool, ``(n_frames,)``.
        is_new: Which instances come from the new project: bool, ``(n_instances,)``.
        row: Their rows in the project they come from: int64, ``(n_instances,)``.
    """

    frames: pl.DataFrame
    instances: pl.DataFrame
    is_added: BoolArray
    is_new: BoolArray
    row: IntArray


@dataclass(frozen=True)
class _Places:
    """Where the rows of both projects go."""

    lead: IntArray  # new frame rows that become frames
    frame_of_base: IntArray
    frame_of_lead: IntArray
    frame_of_place: IntArray  # merged frames that take the new ones in
    kept: IntArray  # base instance rows
    added: IntArray  # new instance rows
    target: IntArray  # merged frames of these
    at_kept: IntArray
    at_added: IntArray
    counts: IntArray  # instances of each merged frame


def assemble(
    decision: Decision, first_frame: int, first_instance: int, links: tuple[IntArray, IntArray]
) -> Assembly:
    """Put the frames and instances of two projects, or of a part of them, together.

    Rows of the base keep their keys, their order in the list and in their frames. New
    instances follow those of the frame; of several base frames at one place the last
    takes them. A frame is negative as `negative_frames` says.

    Args:
        decision: What goes into the merged project.
        first_frame: Key of the first frame that is added; the others follow by place.
        first_instance: Key of the first instance that is added; the others follow.
        links: ``from_predicted`` of each base and each new instance, -1 for none.

    Raises:
        MergeError: A frame would have too many instances.
    """
    places = _place(decision)
    n_out = len(places.kept) + len(places.added)
    is_new, row = np.zeros(n_out, np.bool_), np.empty(n_out, np.int64)
    is_new[places.at_added] = True
    row[places.at_kept], row[places.at_added] = places.kept, places.added
    is_added = np.zeros(len(places.counts), np.bool_)
    is_added[places.frame_of_lead] = True
    frames = _frames(decision, places, first_frame)
    ids = frames["frame_id"].to_numpy()
    instances = _instances(decision, places, ids, first_instance, links)
    return Assembly(frames, instances, is_added, is_new, row)


def number_positions(frames: pl.DataFrame, is_added: BoolArray, least: int = 0) -> pl.DataFrame:
    """Let the frames that were added follow the others in the list, in their own order.

    Places of the others may have gaps between them; new ones are not below ``least``.
    """
    position = frames["position"].to_numpy().copy()
    others = position[~is_added]
    first = max(int(others.max()) + 1 if len(others) else 0, least)
    rank = np.empty(int(is_added.sum()), np.uint32)
    rank[np.argsort(position[is_added], kind="stable")] = np.arange(len(rank), dtype=np.uint32)
    position[is_added] = np.uint32(first) + rank
    return frames.with_columns(position=pl.Series(position))


def first_key(ids: pl.Series, n: int, what: str, least: int = 0) -> int:
    """Return the first of ``n`` keys that are not given yet, nor below another.

    Raises:
        MergeError: There are not so many.
    """
    first = max(int(ids.max()) + 1 if len(ids) else 0, least)  # type: ignore[arg-type]  # an integer column
    if first + n > _LAST_ID + 1:
        message = (
            f"{what}: found keys up to {first - 1} and {n} more rows, expected keys up to "
            f"{_LAST_ID}. Write the base project and read it again: keys count from 0 then."
        )
        raise MergeError(message)
    return first


def _place(decision: Decision) -> _Places:
    meeting = decision.comparison.meeting
    base, new = meeting.base, meeting.new
    n_base, offsets = len(base.place), base.structure.instance_offsets
    lead = meeting.order[meeting.first[:-1][~meeting.is_shared]]
    # No place of these is one of the base's, so counting the smaller ones places them.
    frame_of_base = np.arange(n_base) + np.searchsorted(new.place[lead], base.place)
    frame_of_lead = np.arange(len(lead)) + np.searchsorted(base.place, new.place[lead])

    frame_of_place = np.empty(len(meeting.is_shared), np.int64)
    frame_of_place[~meeting.is_shared] = frame_of_lead
    last = meeting.base_stop[meeting.is_shared] - 1
    frame_of_place[meeting.is_shared] = frame_of_base[last]

    n_frames = n_base + len(lead)
    added = added_in_order(decision)
    target = frame_of_place[meeting.place_of_new[new.frame[added]]]
    n_added = np.bincount(target, minlength=n_frames)
    kept = np.flatnonzero(~decision.is_dropped)
    kept_of_base = np.diff(offsets)
    if len(kept) < len(decision.is_dropped):
        kept_of_base = np.diff(offsets_of_counts((~decision.is_dropped).view(np.uint8))[offsets])
    n_kept = np.zeros(n_frames, np.int64)
    n_kept[frame_of_base] = kept_of_base
    before_added, before_kept = offsets_of_counts(n_added), offsets_of_counts(n_kept)
    at_kept = np.arange(len(kept)) + np.repeat(before_added[frame_of_base], kept_of_base)
    at_added = np.arange(len(added)) + before_kept[target + 1]
    counts = n_kept + n_added
    if int(counts.max(initial=0)) > _LAST_PLACE:
        message = (
            f"a frame would have {counts.max()} instances, expected at most {_LAST_PLACE}. "
            "Leave some out before merging."
        )
        raise MergeError(message)
    return _Places(
        lead,
        frame_of_base,
        frame_of_lead,
        frame_of_place,
        kept,
        added,
        target,
        at_kept,
        at_added,
        counts,
    )


def added_in_order(decision: Decision) -> IntArray:
    """Return the added instances by place, frame and place in the frame."""
    meeting = decision.comparison.meeting
    if meeting.new.order is None:
        return np.flatnonzero(decision.is_added)
    offsets = meeting.new.structure.instance_offsets
    rows = ranges(offsets[meeting.order], np.diff(offsets)[meeting.order])
    return rows[decision.is_added[rows]]


def _frames(decision: Decision, places: _Places, first: int) -> pl.DataFrame:
    meeting = decision.comparison.meeting
    mine, theirs = meeting.base.structure.frames, meeting.new.structure.frames
    n_frames = len(places.counts)

    def column(name: str, added: npt.NDArray[np.generic]) -> pl.Series:
        out: npt.NDArray[Any] = np.empty(n_frames, _FRAME_DTYPES[name])
        out[places.frame_of_base] = mine[name].to_numpy()
        out[places.frame_of_lead] = added
        return pl.Series(name, out)

    lead = places.lead
    place = meeting.new.place[lead]
    columns = {
        "frame_id": np.arange(first, first + len(lead)),
        "video_id": place >> np.uint64(32),
        "frame_idx": place & np.uint64(_LAST_ID),
        "position": theirs["position"].to_numpy()[lead],
        "is_negative": np.zeros(len(lead), np.bool_),
    }
    table = pl.DataFrame([column(name, values) for name, values in columns.items()])
    negative = _negative(decision, places)
    return table.with_columns(pl.Series("is_negative", negative))


_FRAME_DTYPES: dict[str, type[np.generic]] = {
    "frame_id": np.uint32,
    "video_id": np.uint32,
    "frame_idx": np.int64,
    "position": np.uint32,
    "is_negative": np.bool_,
}
assert list(_FRAME_DTYPES) == list(FRAMES.columns)


def _negative(decision: Decision, places: _Places) -> BoolArray:
    meeting = decision.comparison.meeting
    negative = np.zeros(len(places.counts), np.bool_)
    negative[places.frame_of_base] = meeting.base.structure.frames["is_negative"].to_numpy()
    rows, marks = negative_frames(decision)
    negative[places.frame_of_base[rows]] = marks
    saying = meeting.new.structure.frames["is_negative"].to_numpy()
    place = meeting.place_of_new[saying]
    negative[places.frame_of_place[place[~meeting.is_shared[place]]]] = True
    return negative


def _instances(
    decision: Decision,
    places: _Places,
    frame_ids: IntArray,
    first: int,
    links: tuple[IntArray, IntArray],
) -> pl.DataFrame:
    meeting = decision.comparison.meeting
    base, new = meeting.base, meeting.new
    mine, theirs = base.structure.instances, new.structure.instances
    kept, added = places.kept, places.added
    n_out = len(kept) + len(added)

    def spread(ours: Any, others: Any, dtype: Any) -> Any:
        out = np.empty(n_out, dtype)
        out[places.at_kept] = ours
        out[places.at_added] = others
        return out

    track = base.track
    tracking = float_values(mine["tracking_score"])
    if len(decision.updates):
        updated = decision.comparison.partner[decision.updates]
        track, tracking = track.copy(), tracking.copy()
        track[updated] = new.track[decision.updates]
        tracking[updated] = float_values(theirs["tracking_score"])[decision.updates]
    ids = mine["instance_id"].to_numpy()
    new_ids = np.arange(first, first + len(added))
    starts = np.repeat(offsets_of_counts(places.counts)[:-1], places.counts)
    table = pl.DataFrame(
        {
            "instance_id": spread(ids[kept], new_ids, np.uint32),
            "frame_id": np.repeat(frame_ids, places.counts),
            "instance_idx": (np.arange(n_out) - starts).astype(np.uint16),
            "skeleton_id": spread(base.skeleton[kept], new.skeleton[added], np.uint16),
            "track_id": _or_null(spread(track[kept], new.track[added], np.int64)),
            "kind": spread(base.kind[kept], new.kind[added], np.uint8),
            "score": nullable(
                "score",
                spread(
                    float_values(mine["score"])[kept],
                    float_values(theirs["score"])[added],
                    np.float32,
                ),
            ),
            "tracking_score": nullable(
                "tracking_score",
                spread(tracking[kept], float_values(theirs["tracking_score"])[added], np.float32),
            ),
            "from_predicted": _or_null(spread(links[0][kept], links[1][added], np.int64)),
        }
    )
    table = table.with_columns(pl.col("kind").cat.to(KIND))
    return table.select(list(INSTANCES.memory_columns))


def _or_null(keys: IntArray) -> pl.Series:
    """Return keys as UInt32, null for -1."""
    column = pl.Series(np.maximum(keys, 0).astype(np.uint32))
    missing = keys < 0
    return column.set(pl.Series(missing), None) if missing.any() else column
