"""What must hold of tables beyond columns and dtypes.

Each rule says what holds; a `Violation` says how often it does not, and names the
first few keys. A sound project costs little: ids that only grow are unique, ids that
count 0, 1, 2, ... need only a look at the largest reference, and keys are looked up
when there is something to report.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.errors import InvariantError, Violation
from tabular_labels.model import schema
from tabular_labels.model.offsets import IdRows, counts_from_zero, rows_of_ids
from tabular_labels.model.schema import ForeignKey, TableSchema
from tabular_labels.model.tables import Catalog, LabelTables, Structure

__all__ = [
    "FRAME_IDX_STOP",
    "check_catalog",
    "check_points",
    "check_structure",
    "check_tables",
    "require",
]

FRAME_IDX_STOP = 2**32 - 1
"""Frame indices are smaller: packed keys need the room."""

_SAMPLE = 5
_STEP = 2**18  # instances that are compared together
_Keys: TypeAlias = Callable[[IntArray], tuple[str, ...]]


def check_tables(tables: LabelTables) -> list[Violation]:
    """List the rules that a whole project breaks.

    Args:
        tables: A project in memory.

    Returns:
        One violation for each broken rule; empty when all hold.

    Examples:
        >>> check_tables(LabelTables())
        []
    """
    # Not by way of `tables.structure`, which a broken catalog cannot make.
    structure = _check_frames(tables.catalog, tables.frames)
    structure += _check_instances(tables.catalog, tables.frames, tables.instances)
    return check_catalog(tables.catalog) + structure + check_points(tables)


def check_catalog(catalog: Catalog) -> list[Violation]:
    """List the rules that the small tables break.

    Args:
        catalog: The small tables.

    Returns:
        One violation for each broken rule; empty when all hold.

    Examples:
        >>> twice = pl.DataFrame(
        ...     {"track_id": [4, 4], "name": ["a", "b"], "spawned_on": [0, 0]},
        ...     schema=schema.TRACKS.columns,
        ... )
        >>> [str(violation) for violation in check_catalog(Catalog(tracks=twice))]
        ['tracks: track_id is unique: 1 rows (first: track_id=4)']
    """
    found: list[Violation] = []
    for table_schema in schema.CATALOG:
        table = getattr(catalog, table_schema.name)
        broken = _check_values(table_schema, table)
        if table_schema.key:
            broken += _check_unique(table_schema, table)
        for reference in table_schema.references:
            broken += _check_reference(table_schema, table, reference, catalog)
        if "frame_idx" in table_schema.columns:
            broken += _check_frame_idx(table_schema, table)
        found += broken
    return found + _check_backends(catalog.videos) + _check_nodes(catalog.nodes)


def check_structure(catalog: Catalog, structure: Structure) -> list[Violation]:
    """List the rules that frames and instances break, without looking at points.

    A table with nulls where none may be is reported for those alone, as its other
    rules cannot be judged.

    Args:
        catalog: The small tables that frames and instances refer to.
        structure: Frames and instances.

    Returns:
        One violation for each broken rule; empty when all hold.

    Examples:
        >>> tables = LabelTables()
        >>> check_structure(tables.catalog, tables.structure)
        []
    """
    return _check_frames(catalog, structure.frames) + _check_instances(
        catalog, structure.frames, structure.instances
    )


def check_points(tables: LabelTables) -> list[Violation]:
    """List the rules that points break: one row for each node, and no NaN.

    The number of rows is judged when every instance's skeleton is known.

    Args:
        tables: A project in memory.

    Returns:
        One violation for each broken rule; empty when all hold.

    Examples:
        >>> check_points(LabelTables())
        []
    """
    points, offsets = tables.points, _find_points(tables)
    keys = partial(_keys_of_points, tables.instances, offsets)
    found = _check_values(schema.POINTS, points, keys)
    if offsets is not None and points.height != int(offsets[-1]):
        rule = "there is one row for each node of each instance"
        sample = (f"found {points.height} rows", f"expected {offsets[-1]}")
        missing = abs(points.height - int(offsets[-1]))
        found.append(Violation("points", rule, missing, sample))
    return found


def require(violations: Sequence[Violation]) -> None:
    """Do nothing when no rule is broken.

    Args:
        violations: From one of the checks.

    Raises:
        InvariantError: There are violations.

    Examples:
        >>> require(check_tables(LabelTables()))
    """
    if violations:
        raise InvariantError(violations)


def _check_frames(catalog: Catalog, frames: pl.DataFrame) -> list[Violation]:
    found = _check_values(schema.FRAMES, frames)
    if found:
        return found
    found += _check_unique(schema.FRAMES, frames)
    for reference in schema.FRAMES.references:
        found += _check_reference(schema.FRAMES, frames, reference, catalog)
    found += _check_frame_idx(schema.FRAMES, frames)
    position = frames["position"].to_numpy()
    rule = "position is unique"
    found += _report(schema.FRAMES, frames, rule, _repeated(position))
    rule = "rows are sorted by video_id, frame_idx, position"
    return found + _report(schema.FRAMES, frames, rule, _unsorted(frames))


def _check_instances(
    catalog: Catalog, frames: pl.DataFrame, instances: pl.DataFrame
) -> list[Violation]:
    found = _check_values(schema.INSTANCES, instances)
    if any(instances[column].null_count() for column in _required(schema.INSTANCES)):
        return found
    found += _check_unique(schema.INSTANCES, instances)
    for reference in schema.INSTANCES.references:
        if reference.table in ("skeletons", "tracks"):
            found += _check_reference(schema.INSTANCES, instances, reference, catalog)
    if not frames["frame_id"].null_count():
        found += _check_grouping(frames["frame_id"].to_numpy(), instances)
    return found + _check_predictions(instances)


def _check_grouping(frame_ids: IntArray, instances: pl.DataFrame) -> list[Violation]:
    """Judge where instances stand; only the first instance of each frame is looked up."""
    frame_id, place = instances["frame_id"].to_numpy(), instances["instance_idx"].to_numpy()
    is_first = np.empty(len(frame_id), np.bool_)
    is_first[:1] = True
    np.not_equal(frame_id[1:], frame_id[:-1], out=is_first[1:])
    first = np.flatnonzero(is_first)
    rows = rows_of_ids(frame_ids, frame_id[first])

    report = partial(_report, schema.INSTANCES, instances)
    found: list[Violation] = []
    if len(rows) and int(rows.min()) < 0:
        unknown = np.repeat(rows < 0, np.diff(first, append=len(frame_id)))
        found += report("frame_id names a row of frames", unknown)
        first, rows = first[rows >= 0], rows[rows >= 0]
    is_back = np.zeros(len(frame_id), np.bool_)
    is_back[first[1:][rows[1:] <= rows[:-1]]] = True
    found += report("rows are grouped by frame, in the order of frames", is_back)

    return found + report("instance_idx is the place in the frame", _misplaced(place, is_first))


def _misplaced(place: IntArray, is_first: BoolArray) -> BoolArray:
    """Tell which instances do not count on from the one before, or do not begin with 0."""
    is_wrong: BoolArray = np.empty(len(place), np.bool_)
    # In steps: what is compared would take several times the memory of the answer.
    for start in range(0, len(place), _STEP):
        here = slice(start, start + _STEP)
        is_wrong[here] = is_first[here] != (place[here] == 0)
        after = slice(max(start, 1), start + _STEP)
        before = slice(after.start - 1, min(after.stop, len(place)) - 1)
        # A difference of unsigned numbers may wrap: 0 after 65535 was told above.
        is_wrong[after] |= ~is_first[after] & (place[after] - place[before] != 1)
    return is_wrong


def _check_predictions(instances: pl.DataFrame) -> list[Violation]:
    """Judge ``from_predicted``, which few instances have."""
    column = instances["from_predicted"]
    linked = np.flatnonzero(column.is_not_null().to_numpy())
    if not len(linked):
        return []
    rows = rows_of_ids(instances["instance_id"].to_numpy(), column.drop_nulls().to_numpy())
    is_user = (instances["kind"] == "user").to_numpy()
    report = partial(_report, schema.INSTANCES, instances)
    exists = rows >= 0
    broken = np.zeros(len(is_user), np.bool_)
    broken[linked[~exists]] = True
    found = report("from_predicted names a row of instances", broken)
    broken[:] = False
    linked, rows = linked[exists], rows[exists]
    broken[linked[is_user[linked] & is_user[rows]]] = True
    return found + report("from_predicted of a user instance names a prediction", broken)


def _check_values(
    table_schema: TableSchema, table: pl.DataFrame, keys: _Keys | None = None
) -> list[Violation]:
    """Find nulls where none may be, and NaN, which means nothing here."""
    report = partial(_report, table_schema, table, keys=keys)
    found: list[Violation] = []
    for name in _required(table_schema):
        if table[name].null_count():
            found += report(f"{name} is not null", table[name].is_null().to_numpy())
    for name, dtype in table_schema.memory_columns.items():
        if dtype in (pl.Float32, pl.Float64):
            is_nan = table[name].is_nan()
            if is_nan.any():
                found += report(f"{name} is not NaN", is_nan.fill_null(value=False).to_numpy())
    return found


def _check_unique(table_schema: TableSchema, table: pl.DataFrame) -> list[Violation]:
    """Find keys that an earlier row has; a key with a null in it is another rule's."""
    key = list(table_schema.key)
    if len(key) == 1 and not table[key[0]].null_count():
        ids = table[key[0]].to_numpy()
        if _grows(ids) or _grows(np.sort(ids)):
            return []
    is_repeat = ~pl.struct(key).is_first_distinct() & ~pl.any_horizontal(pl.col(key).is_null())
    broken = table.select(is_repeat).to_series().to_numpy()
    return _report(table_schema, table, f"{', '.join(key)} is unique", broken)


def _check_reference(
    table_schema: TableSchema, table: pl.DataFrame, reference: ForeignKey, catalog: Catalog
) -> list[Violation]:
    """Find references to rows that a small table does not have; null refers to nothing."""
    there = getattr(catalog, reference.table)
    rule = f"{', '.join(reference.columns)} names a row of {reference.table}"
    if len(reference.columns) == 1:
        ids = there[reference.key[0]].drop_nulls().to_numpy()
        unknown = _unknown(ids, table[reference.columns[0]])
        return [] if unknown is None else _report(table_schema, table, rule, unknown)
    wanted = table.select(reference.columns).with_row_index("row").drop_nulls()
    lost = wanted.join(there, left_on=reference.columns, right_on=reference.key, how="anti")
    unknown = np.zeros(table.height, np.bool_)
    unknown[lost["row"].to_numpy()] = True
    return _report(table_schema, table, rule, unknown)


def _check_frame_idx(table_schema: TableSchema, table: pl.DataFrame) -> list[Violation]:
    column = table["frame_idx"]
    broken = ~column.is_between(0, FRAME_IDX_STOP, closed="left")
    rule = "frame_idx is at least 0 and below 2**32 - 1"
    return _report(table_schema, table, rule, broken.fill_null(value=False).to_numpy())


def _check_backends(videos: pl.DataFrame) -> list[Violation]:
    """A loop over videos, of which there are few."""
    broken = [text is not None and not _is_json_object(text) for text in videos["backend"]]
    return _report(schema.VIDEOS, videos, "backend is a JSON object", np.array(broken, np.bool_))


def _check_nodes(nodes: pl.DataFrame) -> list[Violation]:
    place = pl.int_range(pl.len(), dtype=pl.Int64).over("skeleton_id")
    rules = {
        "rows are sorted by skeleton_id": pl.col("skeleton_id") < pl.col("skeleton_id").shift(),
        "node_id counts 0, 1, 2, ... in its skeleton": pl.col("node_id") != place,
        "name is unique in its skeleton": pl.col("name").is_not_null()
        & ~pl.struct("skeleton_id", "name").is_first_distinct(),
    }
    found: list[Violation] = []
    for rule, expr in rules.items():
        broken = nodes.select(expr.fill_null(value=False)).to_series()
        found += _report(schema.NODES, nodes, rule, broken.to_numpy())
    return found


def _required(table_schema: TableSchema) -> list[str]:
    return [name for name in table_schema.memory_columns if name not in table_schema.nullable]


def _is_json_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _grows(values: IntArray) -> bool:
    return bool((values[1:] > values[:-1]).all())


def _unknown(ids: IntArray, wanted: pl.Series) -> BoolArray | None:
    """Mark wanted ids that are not among ids; None when all are."""
    highest: Any = wanted.max()
    if highest is None:
        return None
    if not len(ids):
        return wanted.is_not_null().to_numpy()
    if counts_from_zero(ids) and highest < len(ids):
        return None
    rows, unknown = IdRows(ids), np.zeros(wanted.len(), np.bool_)
    for start in range(0, len(unknown), _STEP):
        # Null stands for an id that is there.
        asked = wanted.slice(start, _STEP).fill_null(int(ids[0])).to_numpy()
        unknown[start : start + len(asked)] = rows.find(asked) < 0
    return unknown if unknown.any() else None


def _repeated(values: IntArray) -> BoolArray:
    """Mark values that stand in an earlier row too."""
    is_repeat = np.zeros(len(values), np.bool_)
    if not _grows(values) and not _grows(np.sort(values)):
        is_repeat[:] = True
        _, first = np.unique(values, return_index=True)
        is_repeat[first] = False
    return is_repeat


def _unsorted(frames: pl.DataFrame) -> BoolArray:
    """Mark rows that belong before the row above."""
    video, index, position = (
        frames[name].to_numpy() for name in ("video_id", "frame_idx", "position")
    )
    broken = np.zeros(len(video), np.bool_)
    same_video = video[1:] == video[:-1]
    same_index = same_video & (index[1:] == index[:-1])
    broken[1:] = video[1:] < video[:-1]
    broken[1:] |= same_video & (index[1:] < index[:-1])
    broken[1:] |= same_index & (position[1:] < position[:-1])
    return broken


def _report(
    table_schema: TableSchema,
    table: pl.DataFrame,
    rule: str,
    broken: BoolArray,
    keys: _Keys | None = None,
) -> list[Violation]:
    count = int(np.count_nonzero(broken))
    if not count:
        return []
    rows = np.flatnonzero(broken)[:_SAMPLE]
    sample = keys(rows) if keys else _keys_of_rows(table_schema, table, rows)
    return [Violation(table_schema.name, rule, count, sample)]


def _keys_of_rows(
    table_schema: TableSchema, table: pl.DataFrame, rows: IntArray
) -> tuple[str, ...]:
    if not table_schema.key:
        return tuple(f"row {row}" for row in rows.tolist())
    some = table.select(table_schema.key)[rows]
    return tuple(
        ", ".join(f"{name}={value}" for name, value in row.items()) for row in some.to_dicts()
    )


def _find_points(tables: LabelTables) -> IntArray | None:
    """Offsets of points, or None when some instance's number of nodes is not known."""
    skeleton_ids, wanted = tables.catalog.skeletons["skeleton_id"], tables.instances["skeleton_id"]
    lost = (
        column.null_count()
        for column in (skeleton_ids, wanted, tables.catalog.nodes["skeleton_id"])
    )
    if any(lost) or _unknown(skeleton_ids.to_numpy(), wanted) is not None:
        return None
    return tables.point_offsets


def _keys_of_points(
    instances: pl.DataFrame, offsets: IntArray | None, rows: IntArray
) -> tuple[str, ...]:
    if offsets is None or len(offsets) == 1 or int(rows[-1]) >= int(offsets[-1]):
        return tuple(f"row {row}" for row in rows.tolist())
    of = np.searchsorted(offsets, rows, side="right") - 1
    ids = instances["instance_id"][of].to_list()
    nodes = (rows - offsets[of]).tolist()
    return tuple(f"instance_id={i}, node_id={n}" for i, n in zip(ids, nodes, strict=True))
