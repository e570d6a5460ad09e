"""Skeletons: nodes, and the edges and symmetries between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from tabular_labels.errors import UnknownNodeError
from tabular_labels.model.freezing import Freezable

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

    __slots__ = ("name", "weight")

    def __init__(self, name: str, weight: float = 1.0) -> None:
        self.name = str(name)
        self.weight = float(weight)

    def matches(self, other: Node) -> bool:
        """Tell whether name and weight are equal."""
        return self.name == other.name and self.weight == other.weight

    def __repr__(self) -> str:
        """Show the constructor call."""
        weight = "" if self.weight == 1.0 else f", weight={self.weight}"
        return f"Node({self.name!r}{weight})"


NodeLike: TypeAlias = Node | str | int


class Edge(NamedTuple):
    """A connection from one node to another; unpacks as ``(source, destination)``."""

    source: Node
    destination: Node


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
        ValueError: Two nodes share a name, or an edge is given twice.

    Examples:
        >>> fly = Skeleton(["head", "thorax"], edges=[("head", "thorax")], name="fly")
        >>> fly.edge_inds
        [(0, 1)]
        >>> fly["head"]
        Node('head')

    Source:
        ``sleap.skeleton.Skeleton``.
    """

    __slots__ = ("_index", "edges", "name", "nodes", "symmetries")

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
        for node in () if isinstance(nodes, str) else nodes:
            self.add_node(node)
        for source, destination in edges:
            self.add_edge(source, destination)
        for left, right in symmetries:
            self.add_symmetry(left, right)

    def add_node(self, node: Node | str) -> Node:
        """Append a node, and return it."""
        self._require_free()
        node = Node(node) if isinstance(node, str) else node
        if node.name in self._index:
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
        """Append a pair of counterparts."""
        self._require_free()
        self.symmetries.append((self[left], self[right]))

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
        if isinstance(node, int):
            if not -len(self.nodes) <= node < len(self.nodes):
                raise UnknownNodeError(node, self.node_names)
            return node % len(self.nodes)
        name = node.name if isinstance(node, Node) else node
        try:
            return self._index[name]
        except KeyError:
            raise UnknownNodeError(name, self.node_names) from None

    def matches(self, other: Skeleton) -> bool:
        """Tell whether node names (in any order) and edges (as they are) are equal.

        Examples:
            >>> a = Skeleton(["x", "y"], edges=[("x", "y")])
            >>> a.matches(Skeleton(["y", "x"], edges=[("x", "y")]))
            True
            >>> a.matches(Skeleton(["x", "y"], edges=[("y", "x")]))
            False
        """
        return set(self.node_names) == set(other.node_names) and set(self.edge_names) == set(
            other.edge_names
        )

    def copy(self) -> Skeleton:
        """Return a free copy with new nodes."""
        nodes = [Node(node.name, node.weight) for node in self.nodes]
        return Skeleton(nodes, self.edge_inds, self.symmetry_inds, self.name)

    def freeze(self) -> None:
        """Refuse every later change, of the nodes too."""
        for node in self.nodes:
            node.freeze()
        super().freeze()

    def __getitem__(self, node: NodeLike) -> Node:
        """Return a node by name, by index, or itself."""
        return self.nodes[self.index(node)]

    def __contains__(self, node: object) -> bool:
        """Tell whether a node, or a node of that name, is there."""
        if isinstance(node, Node):
            return any(node is mine for mine in self.nodes)
        return node in self._index

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
