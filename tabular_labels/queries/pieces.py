"""Answers from instances that come piece by piece, in any order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.buffers import key_values
from tabular_labels.model.offsets import IdRows

__all__ = ["COUNTED", "UnknownKeyError", "count_pieces", "pair_pieces"]

COUNTED = {
    "n_instances": None,
    "n_user": "kind",
    "n_predicted": "kind",
    "n_tracked": "track_id",
}
"""What can be counted in a frame, and the column of instances that tells."""


class UnknownKeyError(Exception):
    """An instance names a frame or a track that is not there."""


def count_pieces(
    frame_id: pl.Series, pieces: Iterable[pl.DataFrame], names: Sequence[str]
) -> dict[str, pl.Series]:
    """Count the instances of each frame: all, of one kind, or those with a track.

    Args:
        frame_id: Keys of all frames, any order.
        pieces: Instances with ``frame_id`` and the columns that `COUNTED` says.
        names: Names from `COUNTED`.

    Returns:
        Counts by name in the order of ``frame_id``: UInt32.

    Raises:
        UnknownKeyError: An instance is of no frame.

    Examples:
        >>> frames = pl.Series([4, 2], dtype=pl.UInt32)
        >>> pieces = [pl.DataFrame({"frame_id": some}) for some in ([4, 4], [2, 4])]
        >>> count_pieces(frames, pieces, ["n_instances"])["n_instances"].to_list()
        [3, 1]
    """
    frames = IdRows(frame_id.to_numpy())
    counts: dict[str, npt.NDArray[np.uint32]] = {
        name: np.zeros(len(frame_id), np.uint32) for name in names
    }
    for piece in pieces:
        rows = _known(frames, piece["frame_id"])
        for name, count in counts.items():
            np.add.at(count, _counted(piece, name, rows), np.uint32(1))
    return {name: pl.Series(name, count) for name, count in counts.items()}


def pair_pieces(
    frame_id: pl.Series, track_id: pl.Series, pieces: Iterable[pl.DataFrame]
) -> Iterator[tuple[IntArray, IntArray]]:
    """Say which frames hold which tracks.

    Args:
        frame_id: Keys of all frames, any order.
        track_id: Keys of all tracks, any order.
        pieces: Instances with ``frame_id`` and ``track_id``.

    Returns:
        For each piece the rows of frames and of tracks, of the instances that have one.

    Raises:
        UnknownKeyError: An instance is of no frame, or of a track that is not there.
    """
    frames, tracks = IdRows(frame_id.to_numpy()), IdRows(track_id.to_numpy())
    for piece in pieces:
        tracked = piece.filter(pl.col("track_id").is_not_null())
        yield _known(frames, tracked["frame_id"]), _known(tracks, tracked["track_id"])


def _counted(piece: pl.DataFrame, name: str, rows: IntArray) -> IntArray:
    """Choose the instances that count."""
    if name == "n_instances":
        return rows
    if name == "n_tracked":
        counts = piece["track_id"].is_not_null()
    else:
        counts = piece["kind"] == name.removeprefix("n_")
    counted: IntArray = rows[counts.to_numpy()]
    return counted


def _known(rows: IdRows, ids: pl.Series) -> IntArray:
    found = rows.find(key_values(ids))
    if int(found.min(initial=0)) < 0:
        raise UnknownKeyError
    return found
