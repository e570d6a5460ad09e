"""Where two states of one project may differ, found in pieces."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.edits import packed_places
from tabular_labels.queries.state import State

__all__ = ["unequal_places"]

# Frames that are compared together. Where one came or went, all of a piece may differ.
_PIECE = 4096


def unequal_places(old: State, new: State) -> pl.DataFrame | None:
    """List the places outside of which two states hold the same rows in the same order.

    Rows are compared with those that stand at the same place, a piece at a time: nothing
    as long as the tables is made.

    Args:
        old: Before.
        new: After, with the ids of the same project.

    Returns:
        ``video_id`` (UInt32) and ``frame_idx`` (Int64), sorted and unique; some of them
        may be equal after all. None when it is not known which points are the same.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> state = State.of(LabelTables())
        >>> unequal_places(state, state) is None
        True
    """
    if old.shared is None or new.shared is None or old.shared.key != new.shared.key:
        return None
    keys = packed_places(old.structure.frames), packed_places(new.structure.frames)
    cuts = keys[0][_PIECE::_PIECE]
    found = []
    for before, after in zip(*(pairwise(_bounds(each, cuts)) for each in keys), strict=True):
        pieces = slice(*before), slice(*after)
        unequal = _unequal_frames(old, new, *pieces)
        if unequal is None:
            found += [k[piece] for k, piece in zip(keys, pieces, strict=True)]
        else:
            # A frame may have moved, so that its place is another on each side.
            found += [k[piece][unequal] for k, piece in zip(keys, pieces, strict=True)]
    places = np.unique(np.concatenate([keys[0][:0], *found]))
    return pl.DataFrame(
        {
            "video_id": (places >> np.uint64(32)).astype(np.uint32),
            "frame_idx": (places & np.uint64(2**32 - 1)).astype(np.int64),
        }
    )


def _unequal_frames(old: State, new: State, mine: slice, theirs: slice) -> BoolArray | None:
    """Tell which frames of a piece differ; None where they do not go together one by one."""
    offsets = [
        each.structure.instance_offsets[piece.start : piece.stop + 1]
        for each, piece in ((old, mine), (new, theirs))
    ]
    counts = [np.diff(each) for each in offsets]
    if not np.array_equal(counts[0], counts[1]):
        return None
    unequal = _unequal_rows(old.structure.frames[mine], new.structure.frames[theirs])
    rows = [np.arange(each[0], each[-1]) for each in offsets]
    first, second = (
        each.structure.instances[int(at[0]) : int(at[-1])]
        for each, at in ((old, offsets[0]), (new, offsets[1]))
    )
    changed = _unequal_rows(first, second)
    changed[old.differs(rows[0], new, rows[1])] = True
    unequal[np.repeat(np.arange(len(counts[0])), counts[0])[changed]] = True
    return unequal


def _unequal_rows(before: pl.DataFrame, after: pl.DataFrame) -> BoolArray:
    unequal: BoolArray = np.zeros(before.height, np.bool_)
    for name in before.columns:
        if not before[name].equals(after[name], null_equal=True):
            unequal |= before[name].ne_missing(after[name]).to_numpy()
    return unequal


def _bounds(keys: IntArray, cuts: IntArray) -> list[int]:
    return [0, *np.searchsorted(keys, cuts).tolist(), len(keys)]
