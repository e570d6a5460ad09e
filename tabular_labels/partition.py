"""Snapshots divided by frames: what `Labels.split` and its kin do with rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.errors import ForkedProcessError, QueryError
from tabular_labels.frame_reading import frame_places, make_columns, track_leaders
from tabular_labels.model.arguments import as_index
from tabular_labels.model.buffers import is_forked
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries.denormalise import frame_schema
from tabular_labels.queries.filter import used_columns
from tabular_labels.queries.select import kept_instances, select_instances, select_points
from tabular_labels.queries.split_assign import assign_frames
from tabular_labels.queries.split_gap import clear_gap
from tabular_labels.queries.split_groups import (
    group_blocks,
    group_neighbours,
    group_values,
    group_videos,
    require_count,
    unite_groups,
)
from tabular_labels.store.derived import ChosenFramesSource, DerivedSource
from tabular_labels.store.snapshot import Snapshot

__all__ = ["SplitBy", "SplitRules", "Stratify", "deal", "folds", "take"]

SplitBy: TypeAlias = Literal["video", "track"] | pl.Expr
Stratify: TypeAlias = Literal["kind", "n_instances", "video"] | pl.Expr
Sizes: TypeAlias = Callable[[int], list[int]]

_STRATA = {
    "kind": (pl.col("n_user") > 0).cast(pl.Int8) * 2 + (pl.col("n_predicted") > 0).cast(pl.Int8),
    "n_instances": pl.col("n_instances"),
    "video": pl.col("video_id"),
}


@dataclass(frozen=True)
class SplitRules:
    """What a split keeps to; see `Labels.split`."""

    seed: int | None = None
    by: SplitBy | None = None
    blocks: int | None = None
    gap: int | None = None
    stratify: Stratify | None = None

    def check(self) -> int:
        """Return the seed, drawing one if there is none.

        Raises:
            QueryError: They contradict each other, or a value is of no known kind.
        """
        by, stratify = self.by, self.stratify
        if by is not None and self.blocks is not None:
            message = (
                f"found by={by!r} and blocks={self.blocks!r}, expected one of them: blocks are "
                "groups already. Leave one out."
            )
            raise QueryError(message)
        if not (by is None or isinstance(by, pl.Expr) or by in ("video", "track")):
            message = (
                f'found by={by!r}, expected "video", "track" or a polars expression over the '
                "columns of frames. Pass one of those."
            )
            raise QueryError(message)
        if not (stratify is None or isinstance(stratify, pl.Expr) or stratify in _STRATA):
            message = (
                f"found stratify={stratify!r}, expected one of {list(_STRATA)} or a polars "
                "expression over the columns of frames. Pass one of those."
            )
            raise QueryError(message)
        if self.blocks is not None:
            require_count(self.blocks, "blocks", 1)
        if self.gap is not None:
            require_count(self.gap, "gap", 0)
        if self.seed is None:
            return int(np.random.default_rng().integers(2**63))
        seed = as_index(self.seed)
        if seed is None:
            message = f"found seed {self.seed!r}, expected a whole number, or None to draw one."
            raise QueryError(message)
        return seed


def deal(snapshot: Snapshot, sizes: Sizes, rules: SplitRules) -> IntArray:
    """Decide to which part each frame goes.

    Args:
        snapshot: Any state.
        sizes: Gives the sizes of the parts for a number of frames.
        rules: What to keep to.

    Returns:
        int64, the part of each frame in canonical order, -1 for frames in none. Of two
        frames nearer than a gap between blocks, the one in the smaller part stays.

    Raises:
        QueryError: The frames cannot be split so.
        ForkedProcessError: In a forked process.
    """
    part, frames = _assigned(snapshot, sizes, rules)
    if rules.blocks is None or rules.gap is None:
        return part
    counts = np.bincount(part[part >= 0])
    # Larger parts yield; of equal ones the earlier.
    ranking = sorted(range(len(counts)), key=lambda k: (counts[k], -k))
    return clear_gap(frames, part, rules.gap, ranking)


def folds(
    snapshot: Snapshot, sizes: Sizes, rules: SplitRules
) -> Iterator[tuple[BoolArray, BoolArray]]:
    """Decide which frames each fold trains on and validates with.

    Args:
        snapshot: Any state.
        sizes: Gives the sizes of the folds for a number of frames.
        rules: What to keep to; frames nearer than a gap between blocks are left out of
            the training frames.

    Returns:
        Two masks of frames for each fold.

    Raises:
        QueryError: The frames cannot be split so.
        ForkedProcessError: In a forked process.
    """
    fold, frames = _assigned(snapshot, sizes, rules)

    def masks(number: int) -> tuple[BoolArray, BoolArray]:
        part: IntArray = (fold == number).astype(np.int64)
        if rules.blocks is not None and rules.gap is not None:
            part = clear_gap(frames, part, rules.gap, [1, 0])
        return part == 0, part == 1

    return map(masks, range(int(fold.max()) + 1))


def _assigned(snapshot: Snapshot, sizes: Sizes, rules: SplitRules) -> tuple[IntArray, pl.DataFrame]:
    if is_forked():
        what = "a split"
        raise ForkedProcessError(what)
    seed = rules.check()
    wanted = sizes(snapshot.n_frames)
    is_by_rows = isinstance(rules.by, pl.Expr) or rules.by == "track"
    frames = frame_places(snapshot, whole=is_by_rows or rules.stratify is not None)
    leaders = _leaders(snapshot, frames, rules)
    strata = None
    if rules.stratify is not None:
        kinds = rules.stratify
        expression = kinds if isinstance(kinds, pl.Expr) else _STRATA[kinds]
        strata = group_values(_values(snapshot, frames, expression, "stratify"))
    return assign_frames(frames, wanted, seed, leaders=leaders, strata=strata), frames


def _leaders(snapshot: Snapshot, frames: pl.DataFrame, rules: SplitRules) -> IntArray | None:
    """Return what stays together, None for single frames."""
    if rules.blocks is not None:
        return group_blocks(frames, rules.blocks)
    leaders: IntArray | None = None
    if isinstance(rules.by, pl.Expr):
        leaders = group_values(_values(snapshot, frames, rules.by, "by"))
    elif rules.by == "video":
        return group_videos(frames)  # no gap reaches beyond a video
    elif rules.by == "track":
        leaders = track_leaders(snapshot, frames)
    if rules.gap is None:
        return leaders
    near = group_neighbours(frames, rules.gap)
    return near if leaders is None else unite_groups(leaders, near)


def _values(snapshot: Snapshot, frames: pl.DataFrame, expression: pl.Expr, what: str) -> pl.Series:
    """Answer an expression for each frame."""
    schema = frame_schema(snapshot.catalog)
    try:
        # An expression without columns still needs rows to be answered on.
        used = used_columns(expression, schema) or ["frame_idx"]
        # Where frames are is known; only what else is asked for reads anything.
        known = frames if set(used) <= set(frames.columns) else make_columns(snapshot, frames, used)
        answer = known.select(expression)
    except (QueryError, pl.exceptions.PolarsError) as error:
        reason = str(error.__cause__ or error).partition("\n")[0]
        message = (
            f"{what}: the expression {expression} cannot be answered: {reason}. Expected one value "
            f"per frame from the columns {list(schema)}. Use those."
        )
        raise QueryError(message) from error
    values = answer.to_series() if answer.width else pl.Series([])
    if len(values) == 1 and answer.width == 1:
        values = values.new_from_index(0, snapshot.n_frames)
    if answer.width != 1 or len(values) != snapshot.n_frames:
        message = (
            f"{what}: the expression {expression} gives {answer.width} columns of "
            f"{answer.height} values, expected one value for each of {snapshot.n_frames} frames. "
            "Make it an expression over rows."
        )
        raise QueryError(message)
    return values


def take(snapshot: Snapshot, kept: BoolArray) -> Snapshot:
    """Keep some frames with their instances.

    Args:
        snapshot: Any state.
        kept: Which frames, in canonical order.

    Returns:
        Rows in memory for rows in memory; of a file, a choice that reads nothing yet.
    """
    if not snapshot.in_memory:
        if isinstance(snapshot.source, DerivedSource):
            # It has points of its own, beside which later edits put theirs.
            return snapshot.restricted(select_instances(snapshot.structure, kept))
        return Snapshot(ChosenFramesSource(snapshot, kept, select_instances))
    tables = snapshot.tables()
    structure = select_instances(tables.structure, kept)
    rows = kept_instances(tables.structure, kept, None)
    points = select_points(tables.points, tables.point_offsets, rows)
    return Snapshot.of(LabelTables(tables.catalog, structure.frames, structure.instances, points))
