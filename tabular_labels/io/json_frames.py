"""Frames, instances and points as JSON text, in chunks, a few columns at a time.

The text of a project is a sequence of rows: one for each point, and one for each
frame and instance, which closes what came before and opens what follows. A row is a
prefix, chosen from a table of prefixes, and up to three numbers with fixed text between
them; so a chunk is one table, and polars writes its numbers as fast as it writes CSV.
The blank between a text and a number is white space of JSON.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.io.json_blocks import WORDS, BlockTexts, lay_blocks, words_of
from tabular_labels.model.buffers import float_values, key_values
from tabular_labels.model.offsets import offsets_of_counts, ranges, rows_of_ids
from tabular_labels.model.source import Readable
from tabular_labels.model.tables import order_of_list

__all__ = ["Progress", "write_frames"]

Progress: TypeAlias = Callable[[int, int], object]
"""Called with what is done and the total; what it raises cancels the work."""

_POINTS_AT_ONCE = 120_000
_COLUMNS = ("x", "y", "visible", "complete", "score")
_KEYS = {name: pl.Series(["", *(f',"{name}":{word}' for word in WORDS)]) for name in ("y", "score")}


@dataclass
class LeftOut:
    """Values that the layout has no place for."""

    of_missing_points: int = 0
    scores_of_users: int = 0

    def said(self) -> list[str]:
        """Name what was left out, and how much."""
        named = {
            "scores and marks of missing points": self.of_missing_points,
            "scores of user instances": self.scores_of_users,
        }
        return [f"{what} ({n})" for what, n in named.items() if n]


def write_frames(
    file: BinaryIO,
    labels: Readable,
    *,
    keep_missing: bool = False,
    progress: Progress | None = None,
) -> list[str]:
    """Write the items of the list of frames, in list order, without its brackets.

    Args:
        file: Open for writing.
        labels: What to write; points are read as they are needed.
        keep_missing: Write missing points too, with NaN for coordinates.
        progress: Called with the number of frames written and their total.

    Returns:
        What was left out.
    """
    writer = _Writer(labels, keep_missing=keep_missing)
    n = labels.structure.frames.height
    for frames in writer.chunks():
        writer.table(frames).write_csv(
            file, include_header=False, separator=" ", quote_style="never", null_value=""
        )
        if progress is not None:
            progress(writer.n_written, n)
    if n:
        file.write(f"{writer.texts.last}]}}".encode())
    return writer.left_out.said()


@dataclass
class _Writer:
    """Makes the rows of each chunk."""

    labels: Readable
    keep_missing: bool
    left_out: LeftOut = field(default_factory=LeftOut)
    n_written: int = 0

    def __post_init__(self) -> None:
        structure, catalog = self.labels.structure, self.labels.catalog
        instances = structure.instances
        self.texts = BlockTexts(self.labels)
        origin = key_values(instances["from_predicted"])
        is_linked = origin >= 0
        ids = instances["instance_id"].to_numpy()
        self.origin = origin if not is_linked.any() else rows_of_ids(ids, origin)
        self.skeleton = instances["skeleton_id"].to_numpy()
        has_score = ~np.isnan(self.texts.score)
        self.left_out.scores_of_users = int((structure.is_user & has_score).sum())
        # Nodes are numbered through, one skeleton after the other.
        counts = catalog.n_nodes[catalog.skeletons["skeleton_id"].to_numpy()]
        self.first_node = np.zeros(len(catalog.n_nodes), np.int64)
        self.first_node[catalog.skeletons["skeleton_id"].to_numpy()] = offsets_of_counts(counts)[
            :-1
        ]
        self.heads = _heads(int(counts.sum()))

    def chunks(self) -> Iterator[IntArray]:
        """Cut the frame rows, in list order, into pieces of bounded size."""
        structure = self.labels.structure
        order = order_of_list(structure.frames)
        order = np.arange(structure.frames.height) if order is None else order
        if not len(order):
            return
        # A frame counts as a point of its own, so that empty ones do not gather.
        size = np.diff(structure.first_points(structure.instance_offsets))[order] + 1
        number = (np.cumsum(size) - 1) // _POINTS_AT_ONCE
        yield from np.split(order, np.flatnonzero(np.diff(number)) + 1)

    def table(self, frames: IntArray) -> pl.DataFrame:
        """Make the rows of some frames."""
        structure = self.labels.structure
        first = structure.instance_offsets[frames]
        counts = structure.instance_offsets[frames + 1] - first
        rows = ranges(first, counts)
        blocks = lay_blocks(rows, counts, self.origin[rows])
        has_owner = blocks.owner >= 0
        owner = blocks.owner[has_owner]
        points = self.labels.read_points(_COLUMNS, _as_slice(owner))
        skeletons = self.skeleton[owner]
        n_nodes = structure.n_nodes[skeletons]
        values = _Values(points, np.repeat(structure.is_user[owner], n_nodes))
        present = values.present
        if self.keep_missing:
            present = np.ones_like(present)
        else:
            self.left_out.of_missing_points += values.n_marked_missing
        before = offsets_of_counts(present)[offsets_of_counts(n_nodes)]
        n_present = np.zeros(len(blocks.owner), np.int64)
        n_present[has_owner] = np.diff(before)
        texts = self.texts.of(frames, blocks, n_present > 0)
        self.n_written += len(frames)
        node = ranges(self.first_node[skeletons], n_nodes)[present]
        is_first = np.zeros(len(node), bool)
        is_first[before[:-1][np.diff(before) > 0]] = True
        return _rows(texts, n_present, self.heads, values, present, node, is_first)


class _Values:
    """The numbers of points, with words where they are none."""

    def __init__(self, points: pl.DataFrame, is_user: BoolArray) -> None:
        self.numbers = {name: float_values(points[name]) for name in ("x", "y", "score")}
        self.words = {name: words_of(values) for name, values in self.numbers.items()}
        self.visible = points["visible"].to_numpy()
        self.complete = points["complete"].to_numpy()
        self.present = (self.words["x"] != 1) | (self.words["y"] != 1)
        # A person's points have no score, and so no key for one.
        self.has_score = ~(is_user & (self.words["score"] == 1))
        gone = np.flatnonzero(~self.present)
        marked = self.complete[gone] | (np.nan_to_num(self.numbers["score"][gone]) != 0)
        self.n_marked_missing = int(marked.sum())


def _rows(
    texts: pl.Series,
    n_present: IntArray,
    heads: pl.Series,
    values: _Values,
    present: BoolArray,
    node: IntArray,
    is_first: BoolArray,
) -> pl.DataFrame:
    """Lay the points of each block after its text."""
    block_at = np.arange(len(texts)) + np.cumsum(n_present) - n_present
    total = len(texts) + len(node)
    is_point = np.ones(total, bool)
    is_point[block_at] = False
    at = np.flatnonzero(is_point)
    kept = slice(None) if len(at) == len(present) else present

    def laid(codes: IntArray, of_blocks: IntArray | int, dtype: type = np.uint8) -> pl.Series:
        made: IntArray = np.empty(total, dtype)
        made[block_at], made[at] = of_blocks, codes
        return pl.Series(made)

    def numbers(name: str) -> pl.Series:
        made = np.full(total, math.nan)
        made[at] = values.numbers[name][kept]
        made[~np.isfinite(made)] = math.nan
        return pl.Series(made)

    flags = values.visible * np.uint8(2) + values.complete
    code = ((node * 4 + flags[kept]) * 2 + is_first) * len(WORDS) + values.words["x"][kept]
    of_texts = len(heads) + np.arange(len(texts))
    score = np.where(values.has_score, values.words["score"] + 1, 0)[kept]
    every = pl.concat([heads, texts], rechunk=True)
    table = pl.DataFrame(
        {
            "head": laid(code, of_texts, np.uint32),
            "x": numbers("x"),
            "before y": laid(values.words["y"][kept] + 1, 0),
            "y": numbers("y"),
            "before score": laid(score, 0),
            "score": numbers("score"),
        }
    )
    return table.select(
        pl.lit(every).gather("head").alias("head"),
        pl.col("x").fill_nan(None),
        pl.lit(_KEYS["y"]).gather("before y").alias("before y"),
        pl.col("y").fill_nan(None),
        pl.lit(_KEYS["score"]).gather("before score").alias("before score"),
        pl.col("score").fill_nan(None),
    )


def _heads(n_nodes: int) -> pl.Series:
    """Write the beginning of a point for each node and each state."""
    truth = ("false", "true")
    return pl.Series(
        [
            f'{before}"{node}":{{"visible":{visible},"complete":{complete},"x":{word}'
            for node in range(n_nodes)
            for visible in truth
            for complete in truth
            for before in ("},", "")
            for word in WORDS
        ],
        dtype=pl.String,
    )


def _as_slice(rows: IntArray) -> slice | IntArray:
    """Return consecutive rows as a slice, which is read without copying."""
    if len(rows) and bool((np.diff(rows) == 1).all()):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
