"""Which skeletons and nodes of two projects are the same, by the names of the nodes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from tabular_labels.model.tables import Catalog

__all__ = ["NODE_MATCHES", "SKELETON_MATCHES", "match_nodes", "match_skeletons"]

SKELETON_MATCHES: dict[str, pl.DataType | type[pl.DataType]] = {
    "skeleton_id": pl.UInt16,
    "name": pl.String,
    "base_skeleton_id": pl.UInt16,
    "base_name": pl.String,
    "by": pl.String,
    "same_edges": pl.Boolean,
}
"""Columns of the table of matched skeletons; ``base_skeleton_id`` is null where there is none."""

NODE_MATCHES: dict[str, pl.DataType | type[pl.DataType]] = {
    "skeleton_id": pl.UInt16,
    "node_id": pl.UInt16,
    "name": pl.String,
    "base_skeleton_id": pl.UInt16,
    "base_node_id": pl.UInt16,
}
"""Columns of the table of matched nodes; ``base_node_id`` is null for a node to be added."""


@dataclass(frozen=True)
class _Form:
    """A skeleton as names: the order of nodes has no meaning, edges have a direction."""

    key: int
    name: str | None
    nodes: frozenset[str]
    edges: frozenset[tuple[str, str]]


def match_skeletons(base: Catalog, new: Catalog) -> pl.DataFrame:
    """Find for each skeleton of a project the same one of another.

    In order: ``same`` (equal node names and edges), ``nodes`` (equal node names, other
    edges), ``part`` (all nodes of one are in the other; or each project has one skeleton,
    and some node name in common). The order of nodes has no meaning. Of several that are
    ``same``, one with the same key in projects of one origin comes first, then one with
    the same name, then the first; otherwise one of several is not guessed.

    Args:
        base: The project to find them in.
        new: The project whose skeletons are looked for.

    Returns:
        One row per skeleton of ``new``, in its order: ``skeleton_id``, ``name``,
        ``base_skeleton_id`` and ``base_name`` (null without a match), ``by``,
        ``same_edges`` (null without a match).

    Examples:
        >>> from tabular_labels.model.objects import catalog_tables
        >>> from tabular_labels.model.skeleton import Skeleton
        >>> ours = Catalog(**catalog_tables([], [Skeleton(["a", "b"])], []))
        >>> theirs = Catalog(**catalog_tables([], [Skeleton(["b", "a", "c"])], []))
        >>> match_skeletons(ours, theirs).select("base_skeleton_id", "by").row(0)
        (0, 'part')

    Source:
        ``Skeleton.matches`` and ``Labels.unify`` of the classic library.
    """
    mine, theirs = _forms(base), _forms(new)
    same_origin = base.project_id == new.project_id
    taken: set[int] = set()
    found: dict[int, tuple[_Form, str]] = {}
    for by in ("same", "nodes", "part"):
        for form in theirs:
            if form.key in found:
                continue
            match = _choose(form, mine, theirs, taken, by, same_origin=same_origin)
            if match is not None:
                found[form.key] = match, by
                taken.add(match.key)
    rows: list[tuple[object, ...]] = []
    for form in theirs:
        if form.key not in found:
            rows.append((form.key, form.name, None, None, "none", None))
            continue
        match, by = found[form.key]
        rows.append((form.key, form.name, match.key, match.name, by, match.edges == form.edges))
    return pl.DataFrame(rows, schema=SKELETON_MATCHES, orient="row")


def _choose(
    form: _Form,
    mine: Sequence[_Form],
    theirs: Sequence[_Form],
    taken: set[int],
    by: str,
    *,
    same_origin: bool,
) -> _Form | None:
    fitting = [other for other in mine if _fits(form, other, by, len(mine) == len(theirs) == 1)]
    if by == "same":
        # All say the same, so nothing is guessed.
        order = sorted(
            fitting,
            key=lambda o: (
                not (same_origin and o.key == form.key),
                o.key in taken,
                o.name != form.name,
            ),
        )
        return order[0] if order else None
    free = [other for other in fitting if other.key not in taken]
    named = [other for other in free if other.name == form.name and form.name is not None]
    for some in (free, named):
        if len(some) == 1:
            return some[0]
    return None


def _fits(form: _Form, other: _Form, by: str, are_alone: bool) -> bool:
    if by == "same":
        return (form.nodes, form.edges) == (other.nodes, other.edges)
    if by == "nodes":
        return form.nodes == other.nodes
    common = form.nodes & other.nodes
    return bool(common) and (are_alone or common in (form.nodes, other.nodes))


def match_nodes(base: Catalog, new: Catalog, skeletons: Mapping[int, int]) -> pl.DataFrame:
    """Find each node of a project in the skeleton that its own is the same as.

    Args:
        base: The project to find them in.
        new: The project whose nodes are looked for.
        skeletons: Keys of ``base`` by keys of ``new``; others have no match.

    Returns:
        One row per node of ``new``: ``skeleton_id``, ``node_id``, ``name``,
        ``base_skeleton_id`` and ``base_node_id``. A null ``base_node_id`` beside a
        skeleton marks a node to be added to it.

    Examples:
        >>> match_nodes(Catalog(), Catalog(), {}).height
        0
    """
    places = {(key, name): place for key, place, name in _nodes(base)}
    rows = []
    for key, place, name in _nodes(new):
        target = skeletons.get(key)
        rows.append((key, place, name, target, places.get((target, name))))  # type: ignore[arg-type]  # None is no key
    return pl.DataFrame(rows, schema=NODE_MATCHES, orient="row")


def _nodes(catalog: Catalog) -> Iterator[tuple[int, int, str]]:
    return catalog.nodes.select("skeleton_id", "node_id", "name").iter_rows()


def _forms(catalog: Catalog) -> list[_Form]:
    names: dict[int, dict[int, str]] = {}
    for key, place, name in _nodes(catalog):
        names.setdefault(key, {})[place] = name
    edges: dict[int, set[tuple[str, str]]] = {}
    links = catalog.edges.filter(pl.col("kind") == "edge")
    for key, source, target in links.select("skeleton_id", "source", "target").iter_rows():
        edges.setdefault(key, set()).add((names[key][source], names[key][target]))
    return [
        _Form(key, name, frozenset(names.get(key, {}).values()), frozenset(edges.get(key, ())))
        for key, name in catalog.skeletons.iter_rows()
    ]
