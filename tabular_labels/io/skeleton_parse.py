"""Read skeletons from the JSON of pickled graphs, as plain data; see `skeleton_json`."""

from __future__ import annotations

from typing import Any, NoReturn

from tabular_labels._types import PathLike
from tabular_labels.hdf5.guard import broken, shown
from tabular_labels.io.skeleton_json import SkeletonFacts
from tabular_labels.io.skeleton_tags import EDGE, SYMMETRY, TaggedNode, TagReader, plain_node

__all__ = ["parse_skeleton", "parse_skeletons"]

_GRAPH_KEYS = frozenset({"directed", "graph", "links", "multigraph", "nodes"})
_FACTS = frozenset({"name", "num_edges_inserted"})
_MOST_NODES = 65_535


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
    known = [plain_node(value, path, f"{place}[{i}]") for i, value in enumerate(nodes)]
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


class _Graph:
    """Reads one graph; ``known`` are the project's nodes, None for a file of its own."""

    def __init__(
        self, value: object, known: list[TaggedNode] | None, path: PathLike, place: str
    ) -> None:
        self.path, self.place, self.known = path, place, known
        self.tags = TagReader(path, place)
        self.wrapper: dict[str, Any] = {}
        if isinstance(value, dict) and "nx_graph" in value:
            self.wrapper = {k: v for k, v in value.items() if k != "nx_graph"}
            value = value["nx_graph"]
        if not isinstance(value, dict):
            self._fail(shown(value), "a graph")
        self.graph: dict[str, Any] = value

    def read(self) -> SkeletonFacts:
        links, nodes = self._list("links"), self._list("nodes")
        both = {"links": links, "nodes": nodes}
        self.tags.refuse_others(both)
        if not self.tags.find_numbering({key: both[key] for key in self.graph if key in both}):
            self._fail("a py/id that refers to nothing of its kind", "a node or an edge type")
        if len(nodes) > _MOST_NODES:
            self._fail(f"{len(nodes)} nodes", f"at most {_MOST_NODES}")
        places: dict[object, int] = {}
        found: dict[str, TaggedNode] = {}
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
            if self._type(link.get("type")) == EDGE:
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

    def _end(self, value: object) -> tuple[object, TaggedNode]:
        """Return the identity and the facts of a node, given by place or by tag."""
        if self.known is not None and type(value) is int and 0 <= value < len(self.known):
            return value, self.known[value]
        found = self.tags.read(value, TaggedNode)
        if isinstance(found, TaggedNode):
            return found.name, found
        return self._fail(f"{shown(value)} for a node", "a node of the file")

    def _type(self, value: object) -> int:
        found = self.tags.read(value, int)
        if isinstance(found, int) and found in (EDGE, SYMMETRY):
            return found
        return self._fail(f"{shown(value)} for an edge's type", "an edge or a symmetry")

    def _fail(self, found: str, expected: str) -> NoReturn:
        raise broken(self.path, self.place, found[:200], expected)
