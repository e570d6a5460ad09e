"""Skeletons as the JSON of pickled graphs, read and written as plain data.

The classic programs store a skeleton as a graph of nodes and links in the clothing of
``jsonpickle``: an edge's type is ``{"py/reduce": [...]}`` where it first occurs and
``{"py/id": k}`` after that, and in files of their own nodes are ``{"py/object": ...}``.
No name in such a file is ever imported or called; a tag we do not know is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeAlias

import polars as pl

from tabular_labels._types import Json, PathLike
from tabular_labels.errors import UnsafeFileError
from tabular_labels.hdf5.guard import as_finite, broken, shown
from tabular_labels.model.tables import Catalog

__all__ = [
    "SkeletonFacts",
    "dump_skeleton",
    "dump_skeletons",
    "parse_skeleton",
    "parse_skeletons",
    "skeleton_facts",
]

_EDGE, _SYMMETRY = 1, 2
_NODE_CLASS, _EDGE_TYPE = "sleap.skeleton.Node", "sleap.skeleton.EdgeType"
_TAGS = frozenset({"py/object", "py/state", "py/reduce", "py/type", "py/tuple", "py/id"})
_GRAPH_KEYS = frozenset({"directed", "graph", "links", "multigraph", "nodes"})
_FACTS = frozenset({"name", "num_edges_inserted"})
_MOST_NODES = 65_535


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


@dataclass(frozen=True)
class _Node:
    name: str
    weight: float


_Object: TypeAlias = _Node | int
"""What a tag stands for: a node, or the number of an edge type."""

_ID: dict[str, type] = {"id": _Node}


def parse_skeletons(skeletons: object, nodes: object, path: PathLike) -> list[SkeletonFacts]:
    """Read the skeletons of a project's metadata.

    Args:
        skeletons: The value of ``skeletons``: graphs whose nodes are places in ``nodes``.
        nodes: The value of ``nodes``: name and weight of each.
        path: The file, for messages.

    Raises:
        FileFormatError: An edge names a node that is not there, names repeat, or the
            JSON has another form.
        UnsafeFileError: It holds a tag that no skeleton has.

    Examples:
        >>> graph = {"graph": {"name": "fly"}, "nodes": [{"id": 1}, {"id": 0}], "links": []}
        >>> parse_skeletons([graph], [{"name": "a"}, {"name": "b"}], "fly.slp")[0].nodes
        (('b', 1.0), ('a', 1.0))
    """
    place = "metadata, nodes"
    if not isinstance(nodes, list) or not isinstance(skeletons, list):
        raise broken(path, "metadata", "no skeletons and nodes", "two lists")
    known = [_plain_node(value, path, f"{place}[{i}]") for i, value in enumerate(nodes)]
    return [
        _Graph(value, known, path, f"metadata, skeletons[{i}]").read()
        for i, value in enumerate(skeletons)
    ]


def parse_skeleton(document: object, path: PathLike) -> SkeletonFacts:
    """Read a skeleton file: a graph whose nodes stand in it, or a template around one.

    Raises:
        FileFormatError: An edge names a node that is not there, names repeat, or the
            JSON has another form.
        UnsafeFileError: It holds a tag that no skeleton has.
    """
    return _Graph(document, None, path, "the skeleton").read()


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
    nodes = [{"id": _node_tag(node, numbered)} for node in skeleton.nodes]
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
            "source": _node_tag(ends[source], numbered),
            "target": _node_tag(ends[target], numbered),
            "type": _type_tag(kind, numbered),
        }

    for i, (source, target) in enumerate(skeleton.edges):
        yield {"edge_insert_idx": i, **link(source, target, _EDGE)}
    for source, target in skeleton.symmetries:
        yield link(source, target, _SYMMETRY)
        if both_ways:
            yield link(target, source, _SYMMETRY)


def _type_tag(kind: int, numbered: list[object]) -> Json:
    if kind in numbered:
        return {"py/id": numbered.index(kind) + 1}
    numbered.append(kind)
    return {"py/reduce": [{"py/type": _EDGE_TYPE}, {"py/tuple": [kind]}]}


def _node_tag(end: Any, numbered: list[object]) -> Any:
    if isinstance(end, int):
        return end
    if end in numbered:
        return {"py/id": numbered.index(end) + 1}
    numbered.append(end)
    return {"py/object": _NODE_CLASS, "py/state": {"py/tuple": list(end)}}


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


class _Graph:
    """Reads one graph; ``known`` are the project's nodes, None for a file of its own."""

    def __init__(
        self, value: object, known: list[_Node] | None, path: PathLike, place: str
    ) -> None:
        self.path, self.place, self.known = path, place, known
        self.wrapper: dict[str, Any] = {}
        if isinstance(value, dict) and "nx_graph" in value:
            self.wrapper = {k: v for k, v in value.items() if k != "nx_graph"}
            value = value["nx_graph"]
        if not isinstance(value, dict):
            self._fail(shown(value), "a graph")
        self.graph: dict[str, Any] = value
        self.numbered: dict[type, list[_Object]] = {}

    def read(self) -> SkeletonFacts:
        links, nodes = self._list("links"), self._list("nodes")
        self._refuse_tags({"links": links, "nodes": nodes})
        if not self._find_numbering(links, nodes):
            self._fail("a py/id that refers to nothing of its kind", "a node or an edge type")
        if len(nodes) > _MOST_NODES:
            self._fail(f"{len(nodes)} nodes", f"at most {_MOST_NODES}")
        places: dict[object, int] = {}
        found: dict[str, _Node] = {}
        for entry in nodes:
            key, node = self._end(entry.get("id") if isinstance(entry, dict) else entry)
            if node.name in found:
                self._fail(f"the node {node.name!r} twice", "different names")
            places[key] = len(found)
            found[node.name] = node
        edges, symmetries = self._pairs(links, places)
        facts = self.graph.get("graph")
        facts = facts if isinstance(facts, dict) else {}
        name = facts.get("name")
        if name is not None and not isinstance(name, str):
            self._fail(f"the name {shown(name)}", "text")
        return SkeletonFacts(
            name,
            tuple((node.name, node.weight) for node in found.values()),
            edges,
            symmetries,
            self._extra(facts),
        )

    def _extra(self, facts: dict[str, Any]) -> dict[str, Any]:
        extra = {
            "wrapper": {k: v for k, v in self.wrapper.items() if v is not None},
            "graph": {k: v for k, v in facts.items() if k not in _FACTS},
            "keys": {k: v for k, v in self.graph.items() if k not in _GRAPH_KEYS},
        }
        return {key: value for key, value in extra.items() if value}

    def _list(self, key: str) -> list[Any]:
        value = self.graph.get(key, [])
        if not isinstance(value, list):
            self._fail(f"{key} {shown(value)}", "a list")
        return value

    def _pairs(
        self, links: list[Any], places: dict[object, int]
    ) -> tuple[tuple[tuple[int, int], ...], tuple[tuple[int, int], ...]]:
        edges: list[tuple[object, tuple[int, int]]] = []
        symmetries: dict[tuple[int, int], None] = {}
        for link in links:
            pair = self._place(link, "source", places), self._place(link, "target", places)
            if self._type(link.get("type")) == _EDGE:
                edges.append((link.get("edge_insert_idx"), pair))
            else:
                symmetries[min(pair), max(pair)] = None
        if all(type(index) is int for index, _ in edges):
            edges.sort(key=lambda edge: edge[0])  # type: ignore[arg-type, return-value]  # all int
        return tuple(dict.fromkeys(pair for _, pair in edges)), tuple(symmetries)

    def _place(self, link: object, end: str, places: dict[object, int]) -> int:
        if not isinstance(link, dict) or end not in link:
            self._fail(f"a link without {end}", "source, target and type")
        key, node = self._end(link[end])
        if key not in places:
            self._fail(f"a link to {node.name!r}", "a link between the skeleton's nodes")
        return places[key]

    def _end(self, value: object) -> tuple[object, _Node]:
        """Return the identity and the facts of a node, given by place or by tag."""
        if self.known is not None and type(value) is int and 0 <= value < len(self.known):
            return value, self.known[value]
        found = self._object(value, _Node)
        if isinstance(found, _Node):
            return found.name, found
        return self._fail(f"{shown(value)} for a node", "a node of the file")

    def _type(self, value: object) -> int:
        found = self._object(value, int)
        if isinstance(found, int) and found in (_EDGE, _SYMMETRY):
            return found
        return self._fail(f"{shown(value)} for an edge's type", "an edge or a symmetry")

    def _object(self, value: object, kind: type) -> _Object | None:
        if not isinstance(value, dict):
            return None
        return self._referred(value["py/id"], kind) if "py/id" in value else self._decode(value)

    def _decode(self, value: dict[str, Any]) -> _Object | None:
        """Decode a tag that defines something; None when the value is no such tag."""
        if "py/object" in value:
            state = value.get("py/state", {k: v for k, v in value.items() if k[:3] != "py/"})
            if isinstance(state, dict) and "py/tuple" in state:
                state = dict(zip(("name", "weight"), _sequence(state["py/tuple"]), strict=False))
            return _plain_node(state, self.path, self.place)
        if "py/reduce" in value:
            parts = [part for part in _sequence(value["py/reduce"]) if isinstance(part, dict)]
            for part in parts:
                numbers = _sequence(part.get("py/tuple"))
                if numbers and type(numbers[0]) is int:
                    return numbers[0]
            self._fail(shown(value), "an edge's type")
        return None

    def _refuse_tags(self, document: object) -> None:
        for value in _dicts(document, in_order=True):
            tags = {key for key in value if key.startswith("py/")}
            named = [value[tag] for tag in ("py/object", "py/type") if tag in value]
            good = all(
                isinstance(name, str) and name.endswith(("skeleton.Node", "skeleton.EdgeType"))
                for name in named
            )
            if not good or not tags <= _TAGS:
                raise UnsafeFileError(
                    str(self.path),
                    place=self.place,
                    found=shown((named or sorted(tags - _TAGS))[0]),
                    expected="nodes and edge types only",
                    remedy="Do not trust this file; ask for the skeleton from its source.",
                )

    def _find_numbering(self, links: list[Any], nodes: list[Any]) -> bool:
        """Choose how py/id counts: every object as written, as sorted, or each kind by itself.

        Writers differ; the first count by which every reference finds its kind is right.
        """
        keys = [key for key in self.graph if key in ("links", "nodes")]
        document = {key: {"links": links, "nodes": nodes}[key] for key in keys}
        references = list(_references(links, nodes))
        for in_order in (True, False):
            decoded = [self._decode(value) for value in _dicts(document, in_order=in_order)]
            objects = [found for found in decoded if found is not None]
            names = [found.name for found in objects if isinstance(found, _Node)]
            self.numbered = {_Node: objects, int: objects}
            if len(names) == len(set(names)) and self._finds_all(references):
                return True
        self.numbered = {
            kind: list(dict.fromkeys(found for found in objects if isinstance(found, kind)))
            for kind in (_Node, int)
        }
        # A type that was defined elsewhere goes by its own number.
        defined = len(self.numbered[int])
        self.numbered[int] += [kind for kind in (_EDGE, _SYMMETRY) if kind > defined]
        return self._finds_all(references)

    def _finds_all(self, references: list[tuple[object, type]]) -> bool:
        return all(self._referred(number, kind) is not None for number, kind in references)

    def _referred(self, number: object, kind: type) -> _Object | None:
        objects = self.numbered[kind]
        if type(number) is int and 0 < number <= len(objects):
            found = objects[number - 1]
            return found if isinstance(found, kind) else None
        return None

    def _fail(self, found: str, expected: str) -> NoReturn:
        raise broken(self.path, self.place, found[:200], expected)


def _plain_node(value: object, path: PathLike, place: str) -> _Node:
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(name, str):
        raise broken(path, place, shown(value), "a node with a name")
    weight = as_finite(value.get("weight", 1.0))
    if weight is None:
        raise broken(path, place, f"the weight {shown(value['weight'])}", "a number")
    return _Node(name, weight)


def _sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _references(links: list[Any], nodes: list[Any]) -> Iterator[tuple[object, type]]:
    """List every py/id with the kind it should refer to."""
    for entry, kinds in ((links, {"source": _Node, "target": _Node, "type": int}), (nodes, _ID)):
        for item in entry:
            for key, kind in kinds.items() if isinstance(item, dict) else ():
                value = item.get(key)
                if isinstance(value, dict) and "py/id" in value:
                    yield value["py/id"], kind


def _dicts(document: object, *, in_order: bool) -> Iterator[dict[str, Any]]:
    """Walk all objects of a document, parents first, keys as written or sorted."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            items = value.items() if in_order else sorted(value.items(), key=_key)
            waiting += [child for _, child in items][::-1]
        elif isinstance(value, list):
            waiting += value[::-1]


def _key(item: tuple[str, Any]) -> str:
    return item[0]
