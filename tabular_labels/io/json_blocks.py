"""What stands in JSON between the points of one instance and those of the next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.model.buffers import float_values, narrow_keys
from tabular_labels.model.offsets import rows_of_ids
from tabular_labels.model.source import Readable

__all__ = ["WORDS", "BlockTexts", "Blocks", "lay_blocks", "words_of"]

WORDS = ("", "NaN", "Infinity", "-Infinity")
"""How a number is written: as itself, or as a word, since columns hold finite ones only."""

# The points of a block are closed by up to two scores and what leads to the next block.
_OF_FRAME, _OF_USER, _OF_TRACKED_USER, _OF_PREDICTED = range(4)
_FIRST_KEYS = ("", "}", '},"tracking_score":', '},"score":')
_FIRSTS = pl.Series(
    [brace + key + word for key in _FIRST_KEYS for brace in ("", "}") for word in WORDS]
)
_SECONDS = pl.Series(["", *(',"tracking_score":' + word for word in WORDS)])
_NOTHING, _NEXT, _NEXT_FRAME = range(3)
_BETWEEN = ("", ",", "]},")
_THIRDS = pl.Series([end + between for end in ("", "}") for between in _BETWEEN])
# A block is opened by whose it is, and one of these.
_OPENED, _AFTER_NESTED, _OF_FRAMES, _OF_NEGATIVE = range(1, 5)
_OPENINGS = pl.Series(
    [
        "",
        'null,"_points":{',
        ',"_points":{',
        ',"_instances":[',
        ',"is_negative":true,"_instances":[',
    ]
)


@dataclass(frozen=True)
class Blocks:
    """Frames, nested predictions and instances of a chunk, in the order of the text.

    Attributes:
        frame_at: Place of each frame among them.
        nested_at: Place of each nested prediction; the instance made from it is next.
        owner: Instance row whose points follow each block, -1 for frames.
    """

    frame_at: IntArray
    nested_at: IntArray
    owner: IntArray


def lay_blocks(rows: IntArray, counts: IntArray, origins: IntArray) -> Blocks:
    """Put a prediction before the instance made from it, and a frame before its own.

    Args:
        rows: Instance rows of some frames, frame after frame.
        counts: Number of instances of each frame.
        origins: Row of the prediction that each instance was made from, -1 for none.
    """
    is_linked = origins >= 0
    instance_at = np.repeat(np.arange(len(counts)), counts) + np.cumsum(1 + is_linked)
    nested_at = instance_at[is_linked] - 1
    owner = np.full(len(counts) + len(rows) + len(nested_at), -1, np.int64)
    owner[instance_at] = rows
    owner[nested_at] = origins[is_linked]
    return Blocks(np.flatnonzero(owner < 0), nested_at, owner)


class BlockTexts:
    """Writes what stands before the points of each block; knows how the last one ends.

    A text is put together of pieces, each chosen by number from a short list, and of up
    to three numbers.

    Args:
        labels: What is written.
    """

    def __init__(self, labels: Readable) -> None:
        structure, catalog = labels.structure, labels.catalog
        instances, frames = structure.instances, structure.frames
        self.is_user = structure.is_user
        self.score = float_values(instances["score"])
        self.tracking = float_values(instances["tracking_score"])
        self.frame_idx = frames["frame_idx"].to_numpy()
        self.is_negative = frames["is_negative"].to_numpy()
        self.skeleton = _places(catalog.skeletons["skeleton_id"], instances["skeleton_id"])
        self.track = _places(catalog.tracks["track_id"], instances["track_id"])
        self.video = _places(catalog.videos["video_id"], frames["video_id"])
        n = catalog.skeletons.height
        skeletons = _numbered('{"skeleton":"', n, '","track":')
        videos = _numbered('{"video":"', catalog.videos.height, '","frame_idx":')
        self.owners, self.first_video = _listed("", skeletons, videos), n + 1
        tracks = _numbered('"', catalog.tracks.height, '"')
        self.tracks = _listed("", _listed("null", tracks) + ',"from_predicted":')
        self.last: str | None = None

    def of(self, frames: IntArray, blocks: Blocks, has_points: BoolArray) -> pl.Series:
        """Write what stands before the points of each block.

        Args:
            frames: Frame rows.
            blocks: Of these.
            has_points: Whether any point follows each block.
        """
        # The end of the last block stands in a row of its own, for the chunk to come.
        pieces = self._ends(blocks, has_points) + self._starts(frames, blocks)
        table = pl.DataFrame([pl.Series(f"{k}", piece.values) for k, piece in enumerate(pieces)])
        columns = [piece.text(f"{k}") for k, piece in enumerate(pieces)]
        texts = table.select(pl.concat_str(columns, ignore_nulls=True)).to_series()
        last, self.last = self.last or "", texts[-1]
        return pl.concat([last + texts[:1], texts[1:-1]])

    def _ends(self, blocks: Blocks, has_points: BoolArray) -> list[_Piece]:
        """Close the block before each, and separate it from the one that follows."""
        is_frame, row = blocks.owner < 0, np.maximum(blocks.owner, 0)
        score, tracking = _chosen(self.score, row), _chosen(self.tracking, row)
        kind = np.where(_chosen(self.is_user, row), _OF_USER + ~np.isnan(tracking), _OF_PREDICTED)
        kind[is_frame] = _OF_FRAME
        is_predicted = kind == _OF_PREDICTED
        first = np.where(is_predicted, score, tracking)
        first_word = np.where(kind >= _OF_TRACKED_USER, words_of(first), 0)
        first_key = (kind * 2 + has_points) * len(WORDS) + first_word
        second_key = np.where(is_predicted, words_of(tracking) + 1, 0)
        between = np.full(len(row) + 1, _NEXT)
        between[blocks.frame_at + 1] = between[blocks.nested_at + 1] = between[-1] = _NOTHING
        between[blocks.frame_at] = _NEXT_FRAME
        if self.last is None:
            between[0] = _NOTHING
        between[1:] += len(_BETWEEN) * ~is_frame
        return [
            _Piece(_later(first_key), _FIRSTS),
            _Piece(_later(_finite(first, kind >= _OF_TRACKED_USER), np.nan)),
            _Piece(_later(second_key), _SECONDS),
            _Piece(_later(_finite(tracking, is_predicted), np.nan)),
            _Piece(between, _THIRDS),
        ]

    def _starts(self, frames: IntArray, blocks: Blocks) -> list[_Piece]:
        """Open each block, and nothing after the last."""
        n, frame_at, nested_at = len(blocks.owner), blocks.frame_at, blocks.nested_at
        row = np.maximum(blocks.owner, 0)
        owner, track = _chosen(self.skeleton, row) + 1, _chosen(self.track, row) + 2
        nested = np.zeros((2, n + 1), np.int64)
        if len(nested_at):
            nested[:, nested_at] = owner[nested_at], track[nested_at]
            owner[nested_at], track[nested_at] = owner[nested_at + 1], track[nested_at + 1]
            owner[nested_at + 1] = track[nested_at + 1] = 0
        owner[frame_at] = self.first_video + self.video[frames]
        track[frame_at] = 0
        opening = np.full(n, _OPENED)
        opening[nested_at + 1] = _AFTER_NESTED
        opening[frame_at] = np.where(self.is_negative[frames], _OF_NEGATIVE, _OF_FRAMES)
        frame_idx = np.full(n + 1, -1)
        frame_idx[frame_at] = self.frame_idx[frames]
        made = [_Piece(np.append(owner, 0), self.owners), _Piece(np.append(track, 0), self.tracks)]
        if len(nested_at):
            made += [_Piece(nested[0], self.owners), _Piece(nested[1], self.tracks)]
        return [*made, _Piece(frame_idx), _Piece(np.append(opening, 0), _OPENINGS)]


@dataclass(frozen=True)
class _Piece:
    """A piece of each text: one of some texts by its number, or a number as it is.

    Of the latter, NaN and what is below zero is nothing.
    """

    values: IntArray | FloatArray
    texts: pl.Series | None = None

    def text(self, name: str) -> pl.Expr:
        """Return the piece as text; the values stand in the column of this name."""
        column = pl.col(name)
        if self.texts is not None:
            return pl.lit(self.texts).gather(column)
        if self.values.dtype.kind == "f":
            return column.fill_nan(None)
        return pl.when(column >= 0).then(column)


def words_of(values: FloatArray) -> IntArray:
    """Return which of `WORDS` stands for each value.

    Examples:
        >>> words_of(np.array([1.0, np.nan, np.inf, -np.inf])).tolist()
        [0, 1, 2, 3]
    """
    word = np.zeros(len(values), np.uint8)
    odd = np.flatnonzero(~np.isfinite(values))
    word[odd] = np.where(np.isnan(values[odd]), 1, np.where(values[odd] > 0, 2, 3))
    return word


def _chosen(values: Any, rows: IntArray) -> Any:
    """Return the values of some rows, or zeros where there is no row to look at."""
    return values[rows] if len(values) else np.zeros(len(rows), values.dtype)


def _finite(values: FloatArray, where: BoolArray) -> FloatArray:
    """Return values for which no word is written, NaN for the others."""
    return np.where(where & np.isfinite(values), values, values.dtype.type(np.nan))


def _later(values: Any, first: float = 0) -> Any:
    """Move values to the row after theirs."""
    return np.concatenate([[first], values]).astype(values.dtype)


def _places(known: pl.Series, wanted: pl.Series) -> IntArray:
    """Return the place in its list of what each row refers to, -1 for none."""
    return rows_of_ids(known.to_numpy(), narrow_keys(wanted)).astype(np.int32)


def _numbered(before: str, n: int, after: str) -> pl.Series:
    """Write the numbers from 0 to n - 1 with text around them."""
    return before + pl.Series(np.arange(n)).cast(pl.String) + after


def _listed(*texts: str | pl.Series) -> pl.Series:
    parts = [pl.Series([part]) if isinstance(part, str) else part for part in texts]
    return pl.concat(parts, rechunk=True)
