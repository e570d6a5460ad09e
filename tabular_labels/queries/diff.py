"""What changed between two states of labels: rows added, removed and changed, by table."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.model.edits import packed_places
from tabular_labels.model.offsets import rows_of_ids
from tabular_labels.model.schema import CATALOG, INSTANCES, POINTS
from tabular_labels.model.tables import Catalog
from tabular_labels.queries.align import aligned
from tabular_labels.queries.places import instance_places
from tabular_labels.queries.state import PointsOf, State
from tabular_labels.queries.unequal import unequal_places

__all__ = [
    "Changes",
    "TableChanges",
    "changed_places",
    "find_changes",
]

_PLACE = ("video_id", "frame_idx")
_VALUES = tuple(POINTS.memory_columns)
_CHUNK = 8_192  # instances whose points are compared at a time


@dataclass(frozen=True)
class TableChanges:
    """Rows of one table that are there on one side only, or differ.

    Attributes:
        added: Rows of the new side that the old one has not.
        removed: Rows of the old side that the new one has not.
        changed: Rows of both that differ: the key, then each other column twice, as
            ``{name}_old`` and ``{name}_new``.
    """

    added: pl.DataFrame
    removed: pl.DataFrame
    changed: pl.DataFrame

    def __bool__(self) -> bool:
        """Tell whether anything differs."""
        return bool(self.added.height or self.removed.height or self.changed.height)


class Changes(Mapping[str, TableChanges]):
    """The changes of every table, by name; ``provenance`` is one of them.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> tables = LabelTables()
        >>> changes = find_changes(State.of(tables), State.of(tables))
        >>> changes.is_empty, len(changes["tracks"].added)
        (True, 0)
    """

    def __init__(self, tables: Mapping[str, TableChanges]) -> None:
        self._tables = MappingProxyType(dict(tables))

    def __getitem__(self, table: str) -> TableChanges:
        """Return the changes of one table."""
        return self._tables[table]

    def __iter__(self) -> Iterator[str]:
        """Name the tables."""
        return iter(self._tables)

    def __len__(self) -> int:
        """Count the tables."""
        return len(self._tables)

    @property
    def is_empty(self) -> bool:
        """Whether nothing differs."""
        return not any(self._tables.values())

    def counts(self) -> pl.DataFrame:
        """Count rows: ``table``, ``added``, ``removed``, ``changed`` (UInt32)."""
        rows = [
            (name, each.added.height, each.removed.height, each.changed.height)
            for name, each in self._tables.items()
        ]
        numbers = dict.fromkeys(("added", "removed", "changed"), pl.UInt32)
        return pl.DataFrame(rows, schema={"table": pl.String, **numbers}, orient="row")

    def __repr__(self) -> str:
        """Name the tables that differ, with counts."""
        shown = [
            f"{name}: +{added} -{removed} ~{changed}"
            for name, added, removed, changed in self.counts().rows()
            if added or removed or changed
        ]
        return f"Changes({', '.join(shown) or 'none'})"


def find_changes(
    old: State,
    new: State,
    places: pl.DataFrame | None = None,
    *,
    by_content: bool | None = None,
) -> Changes:
    """Compare two states, table by table.

    Rows of one project are the same when their ids are. Rows of different projects
    (by their project ids) are told by content: videos by filename, tracks by name and
    ``spawned_on``, skeletons by name and nodes, frames by video and index, instances by
    frame and place in it; of equal ones the first goes with the first. The ids shown are
    then those of the old side, and for added rows numbers above them.

    Suggestions and negative anchors have no keys: they are added or removed, never
    changed. Missing equals missing.

    Args:
        old: Before.
        new: After.
        places: ``video_id`` and ``frame_idx`` outside of which frames, instances and
            points are known to be the same; None to compare all.
        by_content: Tell rows by content whatever the project ids are, or never; None:
            when the project ids differ. Ids are not kept by every file format.

    Returns:
        The changes. Rows are in canonical order of their side (changed ones: of the new
        side); instances and points come with ``video_id`` and ``frame_idx``.
    """
    if by_content is None:
        by_content = old.catalog.project_id != new.catalog.project_id
    if places is None and not by_content:
        places = unequal_places(old, new)
    if places is not None:
        old, new = old.at(places), new.at(places)
    if by_content:
        catalog, structure = aligned(old.catalog, old.structure, new.catalog, new.structure)
        new = replace(new, catalog=catalog, structure=structure)
    found = {}
    for schema in CATALOG:
        before, after = (each.catalog.tables()[schema.name] for each in (old, new))
        compare = _compare_keyed if schema.key else _compare_lists
        found[schema.name] = compare(before, after, schema.key)
    found["provenance"] = _compare_keyed(_facts(old.catalog), _facts(new.catalog), ("key",))
    found["frames"] = _compare_by_id(old.structure.frames, new.structure.frames, ("frame_id",))
    found["instances"], found["points"] = _compare_instances(old, new)
    return Changes(found)


def changed_places(old: State, new: State, places: pl.DataFrame | None = None) -> pl.DataFrame:
    """List the places at which two states of one project differ in any row.

    Args:
        old: Before.
        new: After, with the ids of the same project.
        places: As for `find_changes`.

    Returns:
        ``video_id`` (UInt32), ``frame_idx`` (Int64) and ``points`` (Boolean: points
        changed, or instances came), sorted and unique.
    """
    if places is None:
        places = unequal_places(old, new)
    if places is not None:
        old, new = old.at(places), new.at(places)
    old_keys, new_keys = _packed_keys(old), _packed_keys(new)
    rows_only = list(
        _differing_keys(old.structure.frames, new.structure.frames, old_keys[0], new_keys[0])
    )
    before, after = (each.structure.instances["instance_id"].to_numpy() for each in (old, new))
    rows = rows_of_ids(before, after)
    both, came = np.flatnonzero(rows >= 0), np.flatnonzero(rows < 0)
    is_kept = np.zeros(len(before), np.bool_)
    is_kept[rows[both]] = True
    changed = _changed_instances(old, new, rows[both], both)
    rows_only += [
        old_keys[1][~is_kept],
        old_keys[1][rows[both][changed]],
        new_keys[1][both[changed]],
    ]
    moved = _keys_of_points(_read_unsure(old, new, rows[both], both), old_keys[1], new_keys[1])
    with_points = np.unique(np.concatenate([new_keys[1][came], *moved]))
    keys = np.unique(np.concatenate([*rows_only, with_points]))
    return pl.DataFrame(
        {
            "video_id": pl.Series(keys >> 32, dtype=pl.UInt32),
            "frame_idx": pl.Series(keys & (2**32 - 1), dtype=pl.Int64),
            "points": np.isin(keys, with_points),
        }
    )


def _packed_keys(state: State) -> tuple[IntArray, IntArray]:
    """Return the places of frames and of instances, packed into int64."""
    frames = packed_places(state.structure.frames).astype(np.int64)
    return frames, np.repeat(frames, np.diff(state.structure.instance_offsets))


def _differing_keys(
    old: pl.DataFrame, new: pl.DataFrame, old_keys: IntArray, new_keys: IntArray
) -> Iterator[IntArray]:
    """Yield the places of frames that one side has, or that differ."""
    rows = rows_of_ids(old["frame_id"].to_numpy(), new["frame_id"].to_numpy())
    both = np.flatnonzero(rows >= 0)
    is_kept = np.zeros(old.height, np.bool_)
    is_kept[rows[both]] = True
    unequal = np.zeros(len(both), np.bool_)
    for name in old.columns:
        unequal |= old[name][rows[both]].ne_missing(new[name][both]).to_numpy()
    yield new_keys[rows < 0]
    yield old_keys[~is_kept]
    yield old_keys[rows[both][unequal]]
    yield new_keys[both[unequal]]


def _keys_of_points(
    pairs: Iterable[tuple[PointsOf, PointsOf]], old_keys: IntArray, new_keys: IntArray
) -> Iterator[IntArray]:
    """Yield the places of points that differ, came or went, given those of instances."""
    for old, new in pairs:
        (_, gone), (unequal, came) = _unequal_points(old, new)
        yield np.unique(old_keys[old.instances_of(gone)])
        for points in (unequal, came):
            yield np.unique(new_keys[new.instances_of(points)])


def _facts(catalog: Catalog) -> pl.DataFrame:
    rows = [(key, json.dumps(value, sort_keys=True)) for key, value in catalog.provenance.items()]
    return pl.DataFrame(rows, schema={"key": pl.String, "value": pl.String}, orient="row")


def _compare_keyed(old: pl.DataFrame, new: pl.DataFrame, key: Sequence[str]) -> TableChanges:
    """Compare small tables by any key."""
    rows = new.select(key).join(
        old.select(key).with_row_index("row"),
        on=key,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )["row"]
    return _compare_at(old, new, rows.fill_null(-1 % 2**32).to_numpy().astype(np.int64), key)


def _compare_by_id(old: pl.DataFrame, new: pl.DataFrame, key: Sequence[str]) -> TableChanges:
    """Compare large tables by one number."""
    rows = rows_of_ids(old[key[0]].to_numpy(), new[key[0]].to_numpy())
    return _compare_at(old, new, rows, key)


def _compare_at(
    old: pl.DataFrame, new: pl.DataFrame, rows: IntArray, key: Sequence[str]
) -> TableChanges:
    """Compare tables, given the old row of each new one (none: no row has the number)."""
    there = (rows >= 0) & (rows < old.height)
    is_kept = np.zeros(old.height, np.bool_)
    is_kept[rows[there]] = True
    before, after = old[rows[there]], new.filter(pl.Series(there))
    changed = _unequal(before, after)
    return TableChanges(
        new.filter(pl.Series(~there)),
        old.filter(pl.Series(~is_kept)),
        _side_by_side(before.filter(changed), after.filter(changed), key),
    )


def _unequal(before: pl.DataFrame, after: pl.DataFrame) -> pl.Series:
    unequal = [before[name].ne_missing(after[name]) for name in before.columns]
    return pl.select(pl.any_horizontal(unequal)).to_series()


def _side_by_side(before: pl.DataFrame, after: pl.DataFrame, key: Sequence[str]) -> pl.DataFrame:
    columns = [after[name] for name in key]
    for name in before.columns:
        if name not in key:
            columns += [before[name].alias(f"{name}_old"), after[name].alias(f"{name}_new")]
    return pl.DataFrame(columns)


def _compare_lists(old: pl.DataFrame, new: pl.DataFrame, _key: Sequence[str]) -> TableChanges:
    """Compare rows without keys; of equal ones the first goes with the first."""
    counted = [
        table.with_columns(nth=pl.int_range(pl.len()).over(table.columns)) for table in (old, new)
    ]
    names = counted[0].columns
    lost, found = (
        a.join(b, on=names, how="anti", nulls_equal=True, maintain_order="left").drop("nth")
        for a, b in (counted, counted[::-1])
    )
    return TableChanges(found, lost, _side_by_side(old.clear(), new.clear(), ()))


def _compare_instances(old: State, new: State) -> tuple[TableChanges, TableChanges]:
    """Compare instances by id, and the points of those that both sides have."""
    before, after = (each.structure.instances["instance_id"].to_numpy() for each in (old, new))
    rows = rows_of_ids(before, after)
    both = np.flatnonzero(rows >= 0)
    is_kept = np.zeros(len(before), np.bool_)
    is_kept[rows[both]] = True
    added, removed = np.flatnonzero(rows < 0), np.flatnonzero(~is_kept)
    changed = _changed_instances(old, new, rows[both], both)
    instances = TableChanges(
        new.instances(added),
        old.instances(removed),
        _side_by_side(
            old.instances(rows[both][changed]), new.instances(both[changed]), ("instance_id",)
        ),
    )
    points = _changed_points(old, new, rows[both], both)
    return instances, TableChanges(
        pl.concat([_all_points(new, added), points.added]),
        pl.concat([_all_points(old, removed), points.removed]),
        points.changed,
    )


def _all_points(state: State, rows: IntArray) -> pl.DataFrame:
    points = state.points(rows)
    return points.keyed(np.arange(points.values.height))


def _changed_instances(old: State, new: State, before: IntArray, after: IntArray) -> BoolArray:
    changed = np.zeros(len(after), np.bool_)
    for name in INSTANCES.memory_columns:
        a, b = old.structure.instances[name][before], new.structure.instances[name][after]
        changed |= a.ne_missing(b).to_numpy()
    for name in ("video_id", "frame_idx"):
        a, b = (
            instance_places(each.structure, (name,), rows)[name]
            for each, rows in ((old, before), (new, after))
        )
        changed |= a.ne_missing(b).to_numpy()
    return changed


def _changed_points(old: State, new: State, before: IntArray, after: IntArray) -> TableChanges:
    """Compare the points of instances that both sides have."""
    nothing = pl.DataFrame(schema=POINTS.disk_columns)
    key = (*_PLACE, "instance_id", "node_id")
    found = [TableChanges(nothing, nothing, _side_by_side(nothing, nothing, key))]
    unsure = old.differs(before, new, after)
    for mine, theirs in _read_pairs(old, new, before[unsure], after[unsure]):
        (a, gone), (b, came) = _unequal_points(mine, theirs)
        changed = _side_by_side(mine.keyed(a), theirs.keyed(b), key)
        found.append(TableChanges(theirs.keyed(came), mine.keyed(gone), changed))
    return TableChanges(
        pl.concat([each.added for each in found]),
        pl.concat([each.removed for each in found]),
        pl.concat([each.changed for each in found]),
    )


def _read_pairs(
    old: State,
    new: State,
    before: IntArray,
    after: IntArray,
    columns: Sequence[str] = _VALUES,
) -> Iterator[tuple[PointsOf, PointsOf]]:
    """Read the points of pairs of instances, some pairs at a time."""
    for first in range(0, len(after), _CHUNK):
        some = slice(first, first + _CHUNK)
        yield old.points(before[some], columns), new.points(after[some], columns)


def _read_unsure(
    old: State, new: State, before: IntArray, after: IntArray
) -> Iterator[tuple[PointsOf, PointsOf]]:
    """Read of pairs of instances what may differ: of values set above points only those."""
    unsure = old.differs(before, new, after)
    before, after = before[unsure], after[unsure]
    patched = old.is_only_patched(before, new, after)
    columns = sorted(old.patched_columns | new.patched_columns)
    yield from _read_pairs(old, new, before[patched], after[patched], columns)
    yield from _read_pairs(old, new, before[~patched], after[~patched])


def _unequal_points(
    old: PointsOf, new: PointsOf
) -> tuple[tuple[IntArray, IntArray], tuple[IntArray, IntArray]]:
    """Compare points node by node, wherever the instances are.

    Returns:
        Of each side the points of nodes that both have and whose values differ, and those
        of nodes that it alone has: an instance may have got another skeleton.
    """
    shared = np.minimum(*(np.diff(each.first) for each in (old, new)))
    (a, gone), (b, came) = old.cut(shared), new.cut(shared)
    values = [
        each.values if len(rows) == each.values.height else each.values[rows]
        for each, rows in ((old, a), (new, b))
    ]
    unequal = np.flatnonzero(_unequal(*values).to_numpy())
    return (a[unequal], gone), (b[unequal], came)
