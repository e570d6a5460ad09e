"""Skeletons as plain facts, and as the JSON of pickled graphs.

The classic programs store a skeleton as a graph of nodes and links in the clothing of
``jsonpickle``: an edge's type is ``{"py/reduce": [...]}`` where it first occurs and
``{"py/id": k}`` after that, and in files of their own nodes are ``{"py/object": ...}``.
`skeleton_parse` reads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from tabular_labels._types import Json
from tabular_labels.io.skeleton_tags import EDGE, SYMMETRY, node_tag, type_tag
from tabular_labels.model.tables import Catalog

__all__ = ["SkeletonFacts", "dump_skeleton", "dump_skeletons", "skeleton_facts"]


@dataclass(frozen=True)
class SkeletonFacts:
    """One skeleton as plain values.

    Attributes:
        name: Its name, if it has one.
        nodes: Name and weight of each node, in order.
        edges: Positions of source and target in ``nodes``, in order.
        symmetries: Positions of each pair, once, the smaller first.
        extra: What else the graph holds (a template's description and picture).
    """

    name: str | None = None
    nodes: tuple[tuple[str, float], ...] = ()
    edges: tuple[tuple[int, int], ...] = ()
    symmetries: tuple[tuple[int, int], ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)


def skeleton_facts(catalog: Catalog, extras: Mapping[str, Any]) -> list[SkeletonFacts]:
    """Gather the skeletons of a catalog.

    Args:
        catalog: Skeletons, nodes and edges.
        extras: What else graphs held, by place in the list.
    """
    found = []
    for i, (skeleton_id, name) in enumerate(catalog.skeletons.rows()):
        nodes = catalog.nodes.filter(pl.col("skeleton_id") == skeleton_id)
        edges = catalog.edges.filter(pl.col("skeleton_id") == skeleton_id).sort("position")
        extra = dict(extras.get(str(i), {}))
        pairs = {
            kind: tuple(edges.filter(pl.col("kind") == kind).select("source", "target").rows())
            for kind in ("edge", "symmetry")
        }
        found.append(
            SkeletonFacts(
                name,
                tuple(nodes.select("name", "weight").rows()),
                pairs["edge"],
                pairs["symmetry"],
                extra if extra.pop("of", None) == name else {},
            )
        )
    return found


def dump_skeletons(
    skeletons: Sequence[SkeletonFacts], *, symmetry_both_ways: bool = False
) -> tuple[list[Json], list[Json]]:
    """Write skeletons as a project's metadata holds them.

    Args:
        skeletons: The skeletons.
        symmetry_both_ways: Write two links for each symmetry, as the classic programs do.

    Returns:
        The values of ``skeletons`` and ``nodes``. Skeletons do not share nodes.
    """
    graphs: list[Json] = []
    nodes: list[Json] = []
    for skeleton in skeletons:
        first = len(nodes)
        ids = [{"id": first + i} for i in range(len(skeleton.nodes))]
        ends: list[Any] = list(range(first, first + len(skeleton.nodes)))
        links = list(_links(skeleton, ends, [], symmetry_both_ways))
        graphs.append(_wrapped(skeleton, _graph(skeleton, ids, links)))
        nodes += [{"name": name, "weight": weight} for name, weight in skeleton.nodes]
    return graphs, nodes


def dump_skeleton(skeleton: SkeletonFacts) -> Json:
    """Write one skeleton as a file of its own holds it.

    Examples:
        >>> dump_skeleton(SkeletonFacts("fly", (("a", 1.0),)))["nodes"][0]["id"]["py/object"]
        'sleap.skeleton.Node'
    """
    numbered: list[object] = []
    links = list(_links(skeleton, list(skeleton.nodes), numbered, True))
    nodes = [{"id": node_tag(node, numbered)} for node in skeleton.nodes]
    return _wrapped(skeleton, _graph(skeleton, nodes, links))


def _wrapped(skeleton: SkeletonFacts, graph: Json) -> Json:
    wrapper = dict(skeleton.extra.get("wrapper", {}))
    graph = {**graph, **skeleton.extra.get("keys", {})}
    graph["graph"] = {**graph["graph"], **skeleton.extra.get("graph", {})}
    return {**wrapper, "nx_graph": graph} if wrapper else graph


def _graph(skeleton: SkeletonFacts, nodes: list[Json], links: list[Json]) -> Json:
    return {
        "directed": True,
        "graph": {"name": skeleton.name, "num_edges_inserted": len(skeleton.edges)},
        "links": links,
        "multigraph": True,
        "nodes": nodes,
    }


def _links(
    skeleton: SkeletonFacts, ends: list[Any], numbered: list[object], both_ways: bool
) -> Iterator[Json]:
    def link(source: int, target: int, kind: int) -> Json:
        return {
            "key": 0,
            "source": node_tag(ends[source], numbered),
            "target": node_tag(ends[target], numbered),
            "type": type_tag(kind, numbered),
        }

    for i, (source, target) in enumerate(skeleton.edges):
        yield {"edge_insert_idx": i, **link(source, target, EDGE)}
    for source, target in skeleton.symmetries:
        yield link(source, target, SYMMETRY)
        if both_ways:
            yield link(target, source, SYMMETRY)
