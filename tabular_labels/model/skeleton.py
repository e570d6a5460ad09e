"""Skeletons: nodes, and the edges and symmetries between them."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, SupportsIndex, TypeAlias

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.errors import UnknownNodeError
from tabular_labels.model.arguments import require_type
from tabular_labels.model.freezing import Freezable, FrozenList

__all__ = ["Edge", "Node", "NodeLike", "Skeleton"]


class Node(Freezable):
    """A named place on an animal's body.

    Nodes compare and hash by identity; `matches` compares their values.

    Examples:
        >>> Node("head")
        Node('head')

    Source:
        ``sleap.skeleton.Node``.
    """

    __slots__ = ("_origin", "name", "weight")
    _advice = (
        "Use `labels.rename_nodes`, or change a copy of its skeleton (`skeleton.copy()`) and build "
        "new labels from that."
    )

    def __init__(self, name: str, weight: float = 1.0) -> None:
        self.name = str(name)
        self.weight = float(weight)

    def matches(self, other: Node) -> bool:
        """Tell whether name and weight are equal."""
        return self.name == other.name and self.weight == other.weight

    def copy(self) -> Node:
        """Return a free copy."""
        return Node(self.name, self.weight)

    def renamed(self, name: str) -> Node:
        """Return a free node of another name that stands for the same place on the body."""
        made = Node(name, self.weight)
        made._origin = self.origin
        return made

    @property
    def origin(self) -> Node:
        """The node that this one was first, before it was renamed."""
        found: Node = getattr(self, "_origin", self)
        return found

    def __repr__(self) -> str:
        """Show the constructor call."""
        weight = "" if self.weight == 1.0 else f", weight={self.weight}"
        return f"Node({self.name!r}{weight})"


NodeLike: TypeAlias = Node | str | SupportsIndex


class Edge(NamedTuple):
    """A connection from one node to another; unpacks as ``(source, destination)``."""

    source: Node
    destination: Node


class _Form(NamedTuple):
    """What comparisons of a skeleton look at."""

    names: tuple[str, ...]
    name_set: frozenset[str]
    edges: frozenset[tuple[str, str]]
    by_name: IntArray | None
    """Places of the nodes in the order of their names; None when that is their order."""


class Skeleton(Freezable):
    """Nodes in order, with directed edges and undirected symmetries.

    Args:
        nodes: Nodes or their names, in order. A string in this place is the
            skeleton's name, as in the classic constructor.
        edges: Pairs of nodes, names or indices, in order.
        symmetries: Pairs of left and right counterparts.
        name: The skeleton's name.

    Raises:
        UnknownNodeError: An edge or symmetry names a node that is not there.
        ValueError: Two nodes share a name, or an edge or symmetry is given twice.
        TypeError: A node is neither a `Node` nor a name.

    Examples:
        >>> fly = Skeleton(["head", "thorax"], edges=[("head", "thorax")], name="fly")
        >>> fly.edge_inds
        [(0, 1)]
        >>> fly["head"]
        Node('head')

    Source:
        ``sleap.skeleton.Skeleton``.
    """

    __slots__ = (
        "_form_made",
        "_index",
        "_nodes_seen",
        "_place_of",
        "edges",
        "name",
        "nodes",
        "symmetries",
    )
    _advice = (
        "Use the labels' methods, such as `labels.rename_nodes`, `labels.add_nodes`, "
        "`labels.add_edge` or `labels.rename_skeleton`, or change a copy (`.copy()`) and build new "
        "labels from it."
    )

    def __init__(
        self,
        nodes: Iterable[Node | str] | str = (),
        edges: Iterable[tuple[NodeLike, NodeLike]] = (),
        symmetries: Iterable[tuple[NodeLike, NodeLike]] = (),
        name: str | None = None,
    ) -> None:
        self.name = nodes if isinstance(nodes, str) and name is None else name
        self.nodes: list[Node] = []
        self.edges: list[Edge] = []
        self.symmetries: list[tuple[Node, Node]] = []
        self._index: dict[str, int] = {}
        self._nodes_seen: list[Node] = []
        self._place_of: dict[Node, int] = {}
        for node in () if isinstance(nodes, str) else nodes:
            self.add_node(node)
        for source, destination in edges:
            self.add_edge(source, destination)
        for left, right in symmetries:
            self.add_symmetry(left, right)

    def add_node(self, node: Node | str) -> Node:
        """Append a node, and return it."""
        self._require_free()
        if isinstance(node, str):
            node = Node(node)
        require_type(node, Node, "node of a skeleton", "Pass a `Node` or its name.")
        if self._find(node.name) is not None:
            message = (
                f"skeleton {self.name!r} already has a node {node.name!r}, expected unique names. "
                "Give the node another name."
            )
            raise ValueError(message)
        self._index[node.name] = len(self.nodes)
        self.nodes.append(node)
        return node

    def add_edge(self, source: NodeLike, destination: NodeLike) -> None:
        """Append a directed edge between two nodes."""
        self._require_free()
        edge = Edge(self[source], self[destination])
        if edge in self.edges:
            message = f"edge {edge} is there already, expected each once. Leave it out."
            raise ValueError(message)
        self.edges.append(edge)

    def add_symmetry(self, left: NodeLike, right: NodeLike) -> None:
        """Append a pair of counterparts.

        Raises:
            ValueError: They are a pair already, in either direction.
        """
        self._require_free()
        pair = self[left], self[right]
        if pair in self.symmetries or pair[::-1] in self.symmetries:
            message = f"symmetry {pair} is there already, expected each once. Leave it out."
            raise ValueError(message)
        self.symmetries.append(pair)

    def has_node(self, node: Node | str) -> bool:
        """Tell whether a node, or a node of that name, is there."""
        return node in self

    def has_edge(self, source: NodeLike, destination: NodeLike) -> bool:
        """Tell whether an edge leads from one node to another, given as nodes or names.

        Examples:
            >>> fly = Skeleton(["head", "tail"], edges=[("head", "tail")])
            >>> fly.has_edge("head", "tail"), fly.has_edge("tail", "head")
            (True, False)
        """
        try:
            edge = Edge(self[source], self[destination])
        except UnknownNodeError:
            return False
        return edge in self.edges

    @property
    def node_names(self) -> list[str]:
        """Names of the nodes, in order."""
        return [node.name for node in self.nodes]

    @property
    def edge_inds(self) -> list[tuple[int, int]]:
        """Edges as pairs of node indices."""
        return [(self.index(a), self.index(b)) for a, b in self.edges]

    @property
    def edge_names(self) -> list[tuple[str, str]]:
        """Edges as pairs of node names."""
        return [(a.name, b.name) for a, b in self.edges]

    @property
    def symmetry_inds(self) -> list[tuple[int, int]]:
        """Symmetries as pairs of node indices."""
        return [(self.index(a), self.index(b)) for a, b in self.symmetries]

    @property
    def symmetry_names(self) -> list[tuple[str, str]]:
        """Symmetries as pairs of node names."""
        return [(a.name, b.name) for a, b in self.symmetries]

    def index(self, node: NodeLike) -> int:
        """Return the 0-based place of a node, its name, or its index.

        Raises:
            UnknownNodeError: The skeleton has no such node.
        """
        if not isinstance(node, str | Node):
            return self._place(node)
        if isinstance(node, str):
            name = node
        else:
            known = self._place_of.get(node.origin)
            if known is not None:
                return known
            name = node.name
        place = self._find(name)
        if place is None:
            raise UnknownNodeError(name, self.node_names)
        return place

    def _place(self, node: object) -> int:
        """Return a place that is given as a whole number of any kind."""
        try:
            place = operator.index(node)  # type: ignore[arg-type]  # that is the question
        except TypeError:
            raise UnknownNodeError(node, self.node_names) from None
        if not -len(self.nodes) <= place < len(self.nodes):
            raise UnknownNodeError(place, self.node_names)
        return place % len(self.nodes)

    def _find(self, name: str) -> int | None:
        """Return a name's place; nodes of a free skeleton may have been renamed or moved."""
        place = self._index.get(name)
        if place is not None and place < len(self.nodes) and self.nodes[place].name == name:
            return place
        index = {node.name: place for place, node in enumerate(self.nodes)}
        object.__setattr__(self, "_index", index)
        return index.get(name)

    def seen_nodes(self) -> list[Node]:
        """Return the nodes of now: a list that later changes of the skeleton leave alone."""
        if self._nodes_seen != self.nodes:
            object.__setattr__(self, "_nodes_seen", list(self.nodes))
        return self._nodes_seen

    def _form(self) -> _Form:
        made: _Form | None = getattr(self, "_form_made", None)
        if made is None:
            names = tuple(self.node_names)
            by_name = np.array(sorted(range(len(names)), key=names.__getitem__), np.int64)
            is_sorted = bool((by_name == np.arange(len(names))).all())
            edges = frozenset(self.edge_names)
            made = _Form(names, frozenset(names), edges, None if is_sorted else by_name)
            if self.is_frozen:
                object.__setattr__(self, "_form_made", made)
        return made

    @property
    def places_by_name(self) -> IntArray | None:
        """Places of the nodes in the order of their names; None when they stand so."""
        return self._form().by_name

    def places_in(self, other: Skeleton) -> IntArray | None:
        """Return where our nodes stand in a skeleton that matches; None when alike.

        Examples:
            >>> Skeleton(["a", "b"]).places_in(Skeleton(["b", "a"])).tolist()
            [1, 0]
        """
        names = self._form().names
        if self is other or names == other._form().names:
            return None
        return np.array([other.index(name) for name in names], np.int64)

    def former_places(self, other: Skeleton) -> IntArray | None:
        """Return where each node stands in what this skeleton was before edits.

        Args:
            other: What it was.

        Returns:
            int64 ``(n_nodes,)``, -1 for nodes that are new; None when all stand alike.

        Raises:
            UnknownNodeError: A node of the other is no longer there.
        """
        there = {node.origin: place for place, node in enumerate(other.nodes)}
        places = [there.pop(node.origin, -1) for node in self.nodes]
        if there:
            raise UnknownNodeError(next(iter(there)).name, self.node_names)
        return None if places == list(range(len(other.nodes))) else np.array(places, np.int64)

    def matches(self, other: Skeleton) -> bool:
        """Tell whether node names (in any order) and edges (as they are) are equal.

        Examples:
            >>> a = Skeleton(["x", "y"], edges=[("x", "y")])
            >>> a.matches(Skeleton(["y", "x"], edges=[("x", "y")]))
            True
            >>> a.matches(Skeleton(["x", "y"], edges=[("y", "x")]))
            False
        """
        if self is other:
            return True
        mine, theirs = self._form(), other._form()
        return mine.name_set == theirs.name_set and mine.edges == theirs.edges

    def copy(self) -> Skeleton:
        """Return a free copy with new nodes."""
        nodes = [node.copy() for node in self.nodes]
        return Skeleton(nodes, self.edge_inds, self.symmetry_inds, self.name)

    def freeze(self) -> None:
        """Refuse every later change, of the nodes too."""
        if self.is_frozen:
            return
        for node in self.nodes:
            node.freeze()
        self._place_of = {node.origin: place for place, node in enumerate(self.nodes)}
        self.nodes = FrozenList(self.nodes)
        self.edges = FrozenList(self.edges)
        self.symmetries = FrozenList(self.symmetries)
        super().freeze()

    def __getitem__(self, node: NodeLike) -> Node:
        """Return a node by name, by index, or itself."""
        return self.nodes[self.index(node)]

    def __contains__(self, node: object) -> bool:
        """Tell whether a node, or a node of that name, is there."""
        if isinstance(node, Node):
            return any(node is mine for mine in self.nodes)
        return isinstance(node, str) and self._find(node) is not None

    def __len__(self) -> int:
        """Return the number of nodes."""
        return len(self.nodes)

    def __iter__(self) -> Iterator[Node]:
        """Iterate over the nodes."""
        return iter(self.nodes)

    def __bool__(self) -> bool:
        """Be true, also without nodes."""
        return True

    def __repr__(self) -> str:
        """Name the nodes and count the edges."""
        return (
            f"Skeleton(name={self.name!r}, nodes={_shorten(self.node_names)}, "
            f"edges={len(self.edges)}, symmetries={len(self.symmetries)})"
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle the values and whether labels own it."""
        return _restore, (self.nodes, self.edge_inds, self.symmetry_inds, self.name, self.is_frozen)


def _restore(
    nodes: list[Node],
    edges: list[tuple[int, int]],
    symmetries: list[tuple[int, int]],
    name: str | None,
    frozen: bool,
) -> Skeleton:
    skeleton = Skeleton(nodes, edges, symmetries, name)
    if frozen:
        skeleton.freeze()
    return skeleton


def _shorten(names: Sequence[str], limit: int = 6) -> str:
    shown = ", ".join(repr(name) for name in names[:limit])
    return f"[{shown}, ... {len(names)}]" if len(names) > limit else f"[{shown}]"
