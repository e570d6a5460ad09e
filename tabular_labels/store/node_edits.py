"""Change the nodes of a skeleton, with the points of all its instances."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TypeAlias

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.model.layout import NodeMap
from tabular_labels.model.objects import build_skeleton
from tabular_labels.model.skeleton import Node
from tabular_labels.model.tables import Catalog
from tabular_labels.store.fold import Folded
from tabular_labels.store.merged import Parent, SourceBuilder
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.store.store import Store

__all__ = ["Link", "NodeChange", "change_nodes", "links_of", "set_links"]

Link: TypeAlias = tuple[str, int, int]
"""An edge or symmetry: kind, and the places of both nodes."""


@dataclass(frozen=True)
class NodeChange:
    """What becomes of the nodes of a skeleton.

    Attributes:
        nodes: The nodes, in order.
        places: Where each was before, -1 for new ones: int64; None when all stay.
        merged: The places before of a node that stays and of one that goes into it.
    """

    nodes: tuple[Node, ...]
    places: IntArray | None = None
    merged: tuple[int, int] | None = None


def change_nodes(store: Store, key: int, change: NodeChange) -> None:
    """Give a skeleton other nodes; its edges, symmetries and points follow.

    Points of scanned labels stay unread: they are laid out anew when they are read.
    Where nodes are merged, the one that stays keeps its visible point, and takes the
    other's where it has none.
    """
    objects, places = store.objects, change.places
    old = objects.skeleton_by_id[key]
    catalog = _with_nodes(store.catalog, key, change.nodes)
    if places is not None:
        links = _moved(links_of(catalog, key), places, change.merged)
        catalog = _with_links(catalog, key, links)
        # What a file holds beside the tables may have a value for each point.
        attachments = replace(catalog.attachments, numbering="")
        catalog = replace(catalog, attachments=attachments)
    new = build_skeleton(catalog, key, change.nodes)
    made = objects.changed(
        skeletons={**objects.skeleton_by_id, key: new}, former={old: key, new: key}
    )
    folded = store.folded if places is not None else None
    with store.step():
        store.put_catalog(catalog, made)
        if places is not None and folded is not None:
            filled = None
            if change.merged is not None:
                filled = places.tolist().index(change.merged[0]), change.merged[1]
            nodes = NodeMap(key, places, len(old.nodes), filled)
            relaid = _relaid(folded.snapshot, catalog, {key: nodes})
            store.rebase(Folded(relaid, folded.frames, folded.instances))


def _relaid(snapshot: Snapshot, catalog: Catalog, nodes: Mapping[int, NodeMap]) -> Snapshot:
    """Hold the same rows, with the points of some skeletons laid out anew."""
    structure = snapshot.structure
    n = structure.instances.height
    builder = SourceBuilder([Parent(snapshot.source, structure, nodes)], n)
    builder.add(np.zeros(n, np.bool_), np.arange(n))
    source = builder.finish(catalog, structure.frames, structure.instances)
    source.structure.with_offsets(structure.instance_offsets)
    return Snapshot.of(source.load()) if snapshot.in_memory else Snapshot(source)


def _with_nodes(catalog: Catalog, key: int, nodes: Sequence[Node]) -> Catalog:
    table, of = catalog.nodes, pl.col("skeleton_id")
    rows = pl.DataFrame(
        [(key, place, node.name, node.weight) for place, node in enumerate(nodes)],
        schema=table.schema,
        orient="row",
    )
    joined = pl.concat([table.filter(of < key), rows, table.filter(of > key)])
    return replace(catalog, nodes=joined)


# Edges and symmetries


def links_of(catalog: Catalog, key: int) -> list[Link]:
    """List the edges and symmetries of a skeleton, each kind in its order."""
    mine = catalog.edges.filter(pl.col("skeleton_id") == key)
    columns = ("kind", "source", "target")
    return mine.sort("position", maintain_order=True).select(columns).rows()


def set_links(store: Store, key: int, links: Iterable[Link]) -> None:
    """Give a skeleton other edges and symmetries."""
    objects = store.objects
    old = objects.skeleton_by_id[key]
    catalog = _with_links(store.catalog, key, links)
    new = build_skeleton(catalog, key, old.nodes)
    made = objects.changed(
        skeletons={**objects.skeleton_by_id, key: new}, former={old: key, new: key}
    )
    with store.step():
        store.put_catalog(catalog, made)


def _with_links(catalog: Catalog, key: int, links: Iterable[Link]) -> Catalog:
    table = catalog.edges
    count: dict[str, int] = {}
    rows = []
    for kind, source, target in sorted(links, key=itemgetter(0)):  # edges, then symmetries
        rows.append((key, kind, source, target, count.setdefault(kind, 0)))
        count[kind] += 1
    made = pl.DataFrame(rows, schema=table.schema, orient="row")
    others = table.filter(pl.col("skeleton_id") != key)
    return replace(catalog, edges=pl.concat([others, made]))


def _moved(links: Iterable[Link], places: IntArray, merged: tuple[int, int] | None) -> list[Link]:
    """Let links follow their nodes; what ends at a node that is gone goes with it.

    The links of a node that is merged lead to the one that stays. Its symmetry does so
    only if that one has none.
    """
    to = {before: after for after, before in enumerate(places.tolist()) if before >= 0}
    links = list(links)
    if merged is not None:
        stays, goes = merged
        has_pair = any(kind == "symmetry" and stays in ends for kind, *ends in links)
        if has_pair:
            links = [one for one in links if one[0] != "symmetry" or goes not in one[1:]]
        to[goes] = to[stays]
    made = [(k, to[a], to[b]) for k, a, b in links if a in to and b in to]
    # Two nodes that were linked may be one now, and two links the same.
    loops = {(k, to[a], to[b]) for k, a, b in links if a in to and b in to and a == b}
    return [one for one in dict.fromkeys(made) if one[1] != one[2] or one in loops]
