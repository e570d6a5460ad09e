"""Frames, instances and points as JSON text, in chunks, a few columns at a time.

The text of a project is a sequence of rows: one for each point, and one for each
frame and instance, which closes what came before and opens what follows. A row is a
prefix, chosen from a table of prefixes, and up to three numbers with fixed text between
them; so a chunk is one table, and polars writes its numbers as fast as it writes CSV.
The blank between a text and a number is white space of JSON.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, TypeAlias

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.model.buffers import float_values, key_values, nullable
from tabular_labels.model.offsets import offsets_of_counts, ranges, rows_of_ids
from tabular_labels.model.source import Readable
from tabular_labels.model.tables import order_of_list

__all__ = ["Progress", "write_frames"]

Progress: TypeAlias = Callable[[int, int], object]
"""Called with what is done and the total; what it raises cancels the work."""

_POINTS_AT_ONCE = 120_000
_COLUMNS = ("x", "y", "visible", "complete", "score")
# How a number is written: as itself, or as a word, since the rows hold finite ones only.
_WORDS = ("", "NaN", "Infinity", "-Infinity")
_NESTED_TAIL = ',"_points":{'


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
        file.write(f"{writer.last}]}}".encode())
    return writer.left_out.said()


@dataclass(frozen=True)
class _Blocks:
    """Frames, nested predictions and instances of a chunk, in the order of the text.

    Attributes:
        n: How many there are.
        frame_at: Place of each frame among them.
        instance_at: Place of each instance.
        nested_at: Place of each nested prediction, before the instance made from it.
        linked: Which instances these belong to.
        owner: Instance row whose points follow each block, -1 for frames.
    """

    n: int
    frame_at: IntArray
    instance_at: IntArray
    nested_at: IntArray
    linked: IntArray
    owner: IntArray


@dataclass
class _Writer:
    """Makes the rows of each chunk; remembers how the last one ended."""

    labels: Readable
    keep_missing: bool
    left_out: LeftOut = field(default_factory=LeftOut)
    n_written: int = 0
    last: str = ""

    def __post_init__(self) -> None:
        structure, catalog = self.labels.structure, self.labels.catalog
        instances = structure.instances
        origin = key_values(instances["from_predicted"])
        self.linked = np.flatnonzero(origin >= 0)
        ids = instances["instance_id"].to_numpy()
        self.target = rows_of_ids(ids, origin[self.linked])
        self.video = _places(catalog.videos["video_id"])
        self.track = _places(catalog.tracks["track_id"])
        self.skeleton = _places(catalog.skeletons["skeleton_id"])
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
        size = np.diff(structure.point_offsets[structure.instance_offsets])[order] + 1
        number = (np.cumsum(size) - 1) // _POINTS_AT_ONCE
        yield from np.split(order, np.flatnonzero(np.diff(number)) + 1)

    def table(self, frames: IntArray) -> pl.DataFrame:
        """Make the rows of some frames."""
        structure = self.labels.structure
        starts, counts = structure.instance_offsets[:-1][frames], structure.instance_offsets
        counts = np.diff(counts)[frames]
        rows = ranges(starts, counts)
        blocks = self._blocks(rows, counts)
        owner = blocks.owner[blocks.owner >= 0]
        points = self.labels.read_points(_COLUMNS, _as_slice(owner))
        skeletons = structure.instances["skeleton_id"].to_numpy()[owner]
        is_user = structure.is_user[owner]
        n_nodes = structure.n_nodes[skeletons]
        values = _Values(points, np.repeat(is_user, n_nodes))
        present = values.present
        if self.keep_missing:
            present = np.ones_like(present)
        else:
            self.left_out.of_missing_points += values.n_marked_missing
        before = offsets_of_counts(present)[offsets_of_counts(n_nodes)]
        n_present = np.zeros(blocks.n, np.int64)
        n_present[blocks.owner >= 0] = np.diff(before)
        texts = self._texts(frames, rows, blocks, n_present > 0)
        self.n_written += len(frames)
        node = ranges(self.first_node[skeletons], n_nodes)[present]
        is_first = np.zeros(len(node), bool)
        is_first[before[:-1][np.diff(before) > 0]] = True
        return _rows(texts, n_present, self.heads, values, present, node, is_first)

    def _blocks(self, rows: IntArray, counts: IntArray) -> _Blocks:
        """Put a prediction before the instance made from it, and a frame before its own."""
        links = np.searchsorted(self.linked, rows)
        links = np.minimum(links, max(len(self.linked) - 1, 0))
        is_linked = self.linked[links] == rows if len(self.linked) else np.zeros(len(rows), bool)
        n_frames, until = len(counts), np.cumsum(1 + is_linked)
        instance_at = np.repeat(np.arange(n_frames), counts) + until
        total = n_frames + (int(until[-1]) if len(until) else 0)
        linked = np.flatnonzero(is_linked)
        nested_at = instance_at[linked] - 1
        owner = np.full(total, -1, np.int64)
        owner[instance_at] = rows
        owner[nested_at] = self.target[links[linked]]
        is_frame = np.ones(total, bool)
        is_frame[instance_at] = is_frame[nested_at] = False
        return _Blocks(total, np.flatnonzero(is_frame), instance_at, nested_at, linked, owner)

    def _texts(
        self, frames: IntArray, rows: IntArray, blocks: _Blocks, has_points: BoolArray
    ) -> pl.Series:
        """Write what stands before the points of each block."""
        instances = self.labels.structure.instances
        own = self._heads_and_tails(instances, rows)
        nested_rows = blocks.owner[blocks.nested_at]
        nested = self._heads_and_tails(instances, nested_rows)
        is_user = self.labels.structure.is_user[rows]
        has_score = instances["score"][rows].is_not_null().to_numpy()
        self.left_out.scores_of_users += int((is_user & has_score).sum())
        opened = [self._frame_heads(frames), own["head"] + "null" + _NESTED_TAIL]
        places = [blocks.frame_at, blocks.instance_at]
        closed = [_repeated("", len(frames)), own["tail"]]
        if len(nested_rows):
            opened += [
                own["head"].gather(blocks.linked) + nested["head"] + "null" + _NESTED_TAIL,
                _repeated(_NESTED_TAIL, len(nested_rows)),
            ]
            places += [blocks.nested_at, blocks.instance_at[blocks.linked]]
            closed += [nested["tail"], own["tail"].gather(blocks.linked)]
        at = _last_at(places, blocks.n)
        opening, closing = (pl.concat(parts).gather(at) for parts in (opened, closed))
        # A frame has no points of its own to close, and no tail.
        is_frame = blocks.owner < 0
        closing = pl.Series(np.where(has_points, "}", "")) + closing
        between = self._between(blocks, is_frame)
        text = closing.shift(1, fill_value=self.last) + between + opening
        self.last = closing[-1]
        return text

    def _between(self, blocks: _Blocks, is_frame: BoolArray) -> pl.Series:
        """Separate a block from the one before."""
        after_frame = np.concatenate([[False], is_frame[:-1]])
        code = np.where(is_frame, 2, np.where(after_frame, 0, 1))
        code[blocks.instance_at[blocks.linked]] = 0
        if not self.n_written:
            code[0] = 0
        return pl.Series(["", ",", "]},"]).gather(code)

    def _frame_heads(self, rows: IntArray) -> pl.Series:
        frames = self.labels.structure.frames[rows]
        frames = frames.with_columns(video=_looked_up(self.video, frames["video_id"]))
        negative = pl.when("is_negative").then(pl.lit('"is_negative":true,')).otherwise(pl.lit(""))
        return frames.select(
            pl.concat_str(
                pl.lit('{"video":"'),
                "video",
                pl.lit('","frame_idx":'),
                "frame_idx",
                pl.lit(","),
                negative,
                pl.lit('"_instances":['),
            )
        ).to_series()

    def _heads_and_tails(self, instances: pl.DataFrame, rows: IntArray) -> pl.DataFrame:
        """Write instances up to where they come from, and after their points."""
        table = instances[rows]
        table = table.with_columns(
            track=_looked_up(self.track, table["track_id"]),
            skeleton=_looked_up(self.skeleton, table["skeleton_id"]),
        )
        track = pl.lit('"') + pl.col("track") + pl.lit('"')
        tracking = pl.lit(',"tracking_score":') + _number("tracking_score")
        of_user = pl.when(pl.col("tracking_score").is_not_null()).then(tracking)
        scores = pl.lit(',"score":') + _number("score") + tracking
        is_user = pl.col("kind") == "user"
        tail = pl.when(is_user).then(of_user.otherwise(pl.lit(""))).otherwise(scores)
        return table.select(
            head=pl.concat_str(
                pl.lit('{"skeleton":"'),
                "skeleton",
                pl.lit('","track":'),
                track.fill_null("null"),
                pl.lit(',"from_predicted":'),
            ),
            tail=pl.concat_str(pl.lit("}"), tail, pl.lit("}")),
        )


class _Values:
    """The numbers of points, with words where they are none."""

    def __init__(self, points: pl.DataFrame, is_user: BoolArray) -> None:
        self.numbers: dict[str, FloatArray] = {}
        self.words: dict[str, IntArray] = {}
        for name in ("x", "y", "score"):
            values = float_values(points[name])
            word = np.zeros(len(values), np.int8)
            odd = np.flatnonzero(~np.isfinite(values))
            word[odd] = np.where(np.isnan(values[odd]), 1, np.where(values[odd] > 0, 2, 3))
            self.numbers[name], self.words[name] = values, word
        self.visible = points["visible"].to_numpy()
        self.complete = points["complete"].to_numpy()
        self.present = (self.words["x"] != 1) | (self.words["y"] != 1)
        score = self.numbers["score"]
        # A person's points have no score, and so no key for one.
        self.has_score = ~(is_user & (self.words["score"] == 1))
        gone = ~self.present
        marked = self.complete[gone] | (np.nan_to_num(score[gone]) != 0)
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

    def laid(codes: IntArray, of_blocks: IntArray | int, dtype: type = np.uint8) -> IntArray:
        made: IntArray = np.empty(total, dtype)
        made[block_at], made[at] = of_blocks, codes
        return made

    def numbers(name: str) -> pl.Series:
        made = np.full(total, math.nan)
        made[at] = np.where(values.words[name] == 0, values.numbers[name], math.nan)[present]
        return nullable(name, made)

    flags = values.visible * 2 + values.complete
    code = ((node * 4 + flags[present]) * 2 + is_first) * len(_WORDS) + values.words["x"][present]
    of_texts = len(heads) + np.arange(len(texts))
    score = np.where(values.has_score, values.words["score"] + 1, 0)[present]
    return pl.DataFrame(
        [
            pl.concat([heads, texts]).gather(laid(code, of_texts, np.uint32)).alias("head"),
            numbers("x"),
            _keyed("y", laid(values.words["y"][present] + 1, 0)),
            numbers("y"),
            _keyed("score", laid(score, 0)),
            numbers("score"),
        ]
    )


def _keyed(name: str, codes: IntArray) -> pl.Series:
    """Write the key before a number: nothing for code 0, else the key, and a word or none."""
    texts = pl.Enum(["", *(f',"{name}":{word}' for word in _WORDS)])
    return pl.Series(f"before {name}", codes).cat.to(texts)


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
            for word in _WORDS
        ],
        dtype=pl.String,
    )


def _places(ids: pl.Series) -> tuple[IntArray, pl.Series]:
    """Return keys, and their places in the list as text."""
    return ids.to_numpy(), pl.Series(np.arange(len(ids))).cast(pl.String)


def _looked_up(known: tuple[IntArray, pl.Series], wanted: pl.Series) -> pl.Series:
    """Return the place of each key as text, null for null."""
    ids, texts = known
    rows = pl.Series(rows_of_ids(ids, key_values(wanted)))
    if not len(texts):
        return pl.Series([None], dtype=pl.String).new_from_index(0, len(wanted))
    return texts.gather(rows.set(rows < 0, None))


def _number(name: str) -> pl.Expr:
    """Write a score; one that is missing is NaN, as the classic programs have it."""
    text = pl.col(name).cast(pl.String)
    return text.replace({"inf": "Infinity", "-inf": "-Infinity"}).fill_null("NaN")


def _repeated(text: str, n: int) -> pl.Series:
    return pl.Series([text]).new_from_index(0, n)


def _last_at(places: Sequence[IntArray], n: int) -> IntArray:
    """Return which of all listed entries stands at each place; the last listed counts."""
    at = np.empty(n, np.int64)
    at[np.concatenate(places)] = np.arange(sum(map(len, places)))
    return at


def _as_slice(rows: IntArray) -> slice | IntArray:
    """Return consecutive rows as a slice, which is read without copying."""
    if len(rows) and bool((np.diff(rows) == 1).all()):
        return slice(int(rows[0]), int(rows[-1]) + 1)
    return rows
