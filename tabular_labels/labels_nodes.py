"""Edits of the skeletons of `Labels`: nodes with their points, edges, symmetries, names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import numpy as np

from tabular_labels.catalog_lists import CatalogList
from tabular_labels.errors import AmbiguousNameError, UnknownSkeletonError
from tabular_labels.labels_core import LabelsCore
from tabular_labels.model.arguments import as_index, require_type
from tabular_labels.model.skeleton import Node, NodeLike, Skeleton
from tabular_labels.store.catalog_edits import (
    add_skeleton,
    known_skeleton,
    remove_skeleton,
    rename_skeleton,
)
from tabular_labels.store.node_edits import Link, NodeChange, change_nodes, links_of, set_links

__all__ = ["LabelsNodes", "SkeletonLike"]

SkeletonLike: TypeAlias = Skeleton | int | str
"""A skeleton, its place in `skeletons`, or the name of the only one that has it."""


class LabelsNodes(LabelsCore):
    """Skeletons as something to change; each method is one step of undo.

    A changed skeleton is a new object in `skeletons`, the nodes that stay are the same
    objects. What it was before still stands for it: an instance that was built with it
    is laid out anew when it is added.
    """

    @property
    def skeletons(self) -> CatalogList[Skeleton]:
        """Skeletons, in order.

        Always shows how things stand. `append` adds a skeleton to the labels.
        """
        return CatalogList(
            lambda: self._objects.skeletons,
            self.add_skeleton,
            lambda: self._store.step(),
            "Use `labels.remove_skeleton`, `labels.rename_skeleton` or `labels.rename_nodes`.",
        )

    @skeletons.setter
    def skeletons(self, skeletons: Iterable[Skeleton]) -> None:
        self.skeletons.become(skeletons)

    def add_skeleton(self, skeleton: Skeleton) -> Skeleton:
        """Add a skeleton; nothing happens when it, or one that is built like it, is there.

        Returns:
            The skeleton of the labels.
        """
        require_type(skeleton, Skeleton, "skeleton", "Pass a `Skeleton`.")
        key = known_skeleton(self._store, skeleton)
        if key is None:
            key = add_skeleton(self._store, skeleton)
        return self._objects.skeleton_by_id[key]

    def remove_skeleton(self, skeleton: SkeletonLike) -> None:
        """Remove a skeleton that no instance has.

        Raises:
            ValueError: Instances have it.
            UnknownSkeletonError: It is not of these labels.
        """
        key = self._require_skeleton(skeleton)
        used = int((self._snapshot.structure.instances["skeleton_id"] == key).sum())
        if used:
            message = (
                f"found {used} instances of the skeleton, expected none. Remove them first "
                "(`labels.remove(where=...)`)."
            )
            raise ValueError(message)
        remove_skeleton(self._store, key)

    def rename_skeleton(self, skeleton: SkeletonLike, name: str | None) -> None:
        """Give a skeleton another name, or None for no name.

        Raises:
            UnknownSkeletonError: It is not of these labels.
        """
        key = self._require_skeleton(skeleton)
        if name is not None:
            require_type(name, str, "name of a skeleton", "Pass a string, or None.")
        if self._objects.skeleton_by_id[key].name != name:
            rename_skeleton(self._store, key, name)

    # Nodes

    def rename_nodes(
        self,
        names: Mapping[Node, str] | Mapping[str, str] | Mapping[int, str] | Sequence[str],
        skeleton: SkeletonLike | None = None,
    ) -> None:
        """Give nodes other names.

        Args:
            names: New names by node, name or place; or a list of names for all nodes.
            skeleton: Which skeleton; None for the only one.

        Raises:
            ValueError: Two nodes would share a name, or a list is not as long as the
                skeleton; nothing is changed then.
            UnknownNodeError: A node is not the skeleton's.

        Examples:
            >>> import tabular_labels as tl
            >>> labels = tl.Labels(skeletons=[tl.Skeleton(["a", "b"], edges=[("a", "b")])])
            >>> labels.rename_nodes({"a": "b", "b": "a"})
            >>> labels.skeleton.edge_names
            [('b', 'a')]
        """
        key, old = self._skeleton_to_edit(skeleton)
        wanted = _wanted_names(old, names)
        nodes = [
            node if node.name == name else node.renamed(name)
            for node, name in zip(old.nodes, wanted, strict=True)
        ]
        _require_unique(nodes)
        if wanted != old.node_names:
            change_nodes(self._store, key, NodeChange(tuple(nodes)))

    def rename_node(self, node: NodeLike, name: str, skeleton: SkeletonLike | None = None) -> None:
        """Give one node another name, see `rename_nodes`."""
        place = self._skeleton_to_edit(skeleton)[1].index(node)
        self.rename_nodes({place: name}, skeleton)

    def add_nodes(
        self, nodes: Iterable[Node | str] | Node | str, skeleton: SkeletonLike | None = None
    ) -> None:
        """Append nodes to a skeleton; their points are missing in all its instances.

        Raises:
            ValueError: Two nodes would share a name; nothing is changed then.
        """
        key, old = self._skeleton_to_edit(skeleton)
        given = [nodes] if isinstance(nodes, str | Node) else list(nodes)
        there = {node.origin for node in old.nodes}
        made = [_new_node(node, there) for node in given]
        _require_unique([*old.nodes, *made])
        if made:
            places = [*range(len(old.nodes)), *[-1] * len(made)]
            self._change_nodes(key, [*old.nodes, *made], places)

    def add_node(self, node: Node | str, skeleton: SkeletonLike | None = None) -> None:
        """Append one node, see `add_nodes`."""
        self.add_nodes([node], skeleton)

    def remove_nodes(
        self, nodes: Iterable[NodeLike] | NodeLike, skeleton: SkeletonLike | None = None
    ) -> None:
        """Remove nodes with their points, edges and symmetries.

        Raises:
            UnknownNodeError: A node is not the skeleton's; nothing is changed then.
        """
        key, old = self._skeleton_to_edit(skeleton)
        gone = {old.index(node) for node in _listed(nodes)}
        left = [place for place in range(len(old.nodes)) if place not in gone]
        if gone:
            self._change_nodes(key, [old.nodes[place] for place in left], left)

    def remove_node(self, node: NodeLike, skeleton: SkeletonLike | None = None) -> None:
        """Remove one node, see `remove_nodes`."""
        self.remove_nodes([node], skeleton)

    def reorder_nodes(
        self, order: Iterable[NodeLike], skeleton: SkeletonLike | None = None
    ) -> None:
        """Put the nodes of a skeleton in another order; points go with their nodes.

        Args:
            order: Every node once.
            skeleton: Which skeleton; None for the only one.

        Raises:
            ValueError: Nodes are missing, or given twice.
            UnknownNodeError: A node is not the skeleton's.

        Examples:
            >>> import tabular_labels as tl
            >>> fly = tl.Skeleton(["head", "tail"])
            >>> frame = tl.LabeledFrame(tl.Video("a.mp4"), 0, [tl.Instance(fly, [[1, 2], [3, 4]])])
            >>> labels = tl.Labels([frame])
            >>> labels.reorder_nodes(["tail", "head"])
            >>> labels[0][0].numpy().tolist(), labels[0][0]["head"].x
            ([[3.0, 4.0], [1.0, 2.0]], 1.0)
        """
        key, old = self._skeleton_to_edit(skeleton)
        places = [old.index(node) for node in order]
        if sorted(places) != list(range(len(old.nodes))):
            found = [old.nodes[place].name for place in places]
            message = (
                f"order of nodes: found {found}, expected each of {old.node_names} once. "
                "Name every node."
            )
            raise ValueError(message)
        if places != list(range(len(old.nodes))):
            self._change_nodes(key, [old.nodes[place] for place in places], places)

    def merge_nodes(
        self, base_node: NodeLike, merge_node: NodeLike, skeleton: SkeletonLike | None = None
    ) -> None:
        """Merge a node into another one, and remove it.

        In each instance the base keeps its point if that is there and visible, and
        otherwise takes the other's, unless that is missing: coordinates, marks and score
        together. Edges of the merged node lead to the base; its symmetry does if the base
        has none.

        Args:
            base_node: The node that stays.
            merge_node: The node that goes.
            skeleton: Which skeleton; None for the only one.

        Raises:
            ValueError: Both are the same node.
            UnknownNodeError: A node is not the skeleton's.

        Source:
            ``Labels.merge_nodes``, which dropped the edges of the merged node.
        """
        key, old = self._skeleton_to_edit(skeleton)
        stays, goes = old.index(base_node), old.index(merge_node)
        if stays == goes:
            message = (
                f"found node {old.nodes[stays].name!r} as base and to be merged, expected two "
                "nodes. Name the one that stays and the one that goes."
            )
            raise ValueError(message)
        left = [place for place in range(len(old.nodes)) if place != goes]
        self._change_nodes(key, [old.nodes[place] for place in left], left, (stays, goes))

    def _change_nodes(
        self,
        key: int,
        nodes: Sequence[Node],
        places: Sequence[int],
        merged: tuple[int, int] | None = None,
    ) -> None:
        change = NodeChange(tuple(nodes), np.array(places, np.int64), merged)
        change_nodes(self._store, key, change)

    # Edges and symmetries

    def add_edge(
        self, source: NodeLike, destination: NodeLike, skeleton: SkeletonLike | None = None
    ) -> None:
        """Append a directed edge between two nodes.

        Raises:
            ValueError: It is there already.
            UnknownNodeError: A node is not the skeleton's.
        """
        self._add_link("edge", source, destination, skeleton)

    def remove_edge(
        self, source: NodeLike, destination: NodeLike, skeleton: SkeletonLike | None = None
    ) -> None:
        """Remove a directed edge.

        Raises:
            ValueError: It is not there.
            UnknownNodeError: A node is not the skeleton's.
        """
        self._remove_link("edge", source, destination, skeleton)

    def add_symmetry(
        self, left: NodeLike, right: NodeLike, skeleton: SkeletonLike | None = None
    ) -> None:
        """Append a pair of counterparts.

        Raises:
            ValueError: They are a pair already, in either direction.
            UnknownNodeError: A node is not the skeleton's.
        """
        self._add_link("symmetry", left, right, skeleton)

    def remove_symmetry(
        self, left: NodeLike, right: NodeLike, skeleton: SkeletonLike | None = None
    ) -> None:
        """Remove a pair of counterparts, given in either direction.

        Raises:
            ValueError: They are no pair.
            UnknownNodeError: A node is not the skeleton's.
        """
        self._remove_link("symmetry", left, right, skeleton)

    def _add_link(self, kind: str, a: NodeLike, b: NodeLike, skeleton: SkeletonLike | None) -> None:
        key, old = self._skeleton_to_edit(skeleton)
        link = (kind, old.index(a), old.index(b))
        links = links_of(self._catalog, key)
        if _alike(links, link):
            message = f"{_named(old, link)} is there already, expected each once. Leave it out."
            raise ValueError(message)
        set_links(self._store, key, [*links, link])

    def _remove_link(
        self, kind: str, a: NodeLike, b: NodeLike, skeleton: SkeletonLike | None
    ) -> None:
        key, old = self._skeleton_to_edit(skeleton)
        link = (kind, old.index(a), old.index(b))
        links = links_of(self._catalog, key)
        gone = _alike(links, link)
        if not gone:
            message = f"{_named(old, link)} is not there, expected one of the skeleton's."
            raise ValueError(message)
        set_links(self._store, key, [one for one in links if one not in gone])

    # Which skeleton

    def _skeleton_to_edit(self, skeleton: SkeletonLike | None) -> tuple[int, Skeleton]:
        """Return the key and the object of a skeleton, or of the only one.

        Raises:
            ValueError: There are several, or none, and none is given.
            UnknownSkeletonError: It is not of these labels.
        """
        key = self._require_skeleton(self.skeleton if skeleton is None else skeleton)
        return key, self._objects.skeleton_by_id[key]

    def _require_skeleton(self, skeleton: SkeletonLike) -> int:
        by_id = self._objects.skeleton_by_id
        key: int | None = None
        place = as_index(skeleton)
        if isinstance(skeleton, Skeleton):
            # What was edited stands for what it became, unless it was added again as it was.
            key = self._objects.key_of_skeleton(skeleton)
            key = known_skeleton(self._store, skeleton) if key is None else key
        elif isinstance(skeleton, str):
            same = [key for key, one in by_id.items() if one.name == skeleton]
            if len(same) > 1:
                what = "skeleton"
                raise AmbiguousNameError(what, skeleton, len(same))
            key = same[0] if same else None
        elif place is not None and -len(by_id) <= place < len(by_id):
            key = list(by_id)[place]
        if key is None:
            raise UnknownSkeletonError(skeleton, [one.name for one in by_id.values()])
        return key


def _listed(nodes: Iterable[NodeLike] | NodeLike) -> list[NodeLike]:
    if isinstance(nodes, Node | str) or as_index(nodes) is not None:
        return [nodes]  # type: ignore[list-item]  # one node
    return list(nodes)  # type: ignore[arg-type]  # several


def _wanted_names(
    skeleton: Skeleton,
    names: Mapping[Node, str] | Mapping[str, str] | Mapping[int, str] | Sequence[str],
) -> list[str]:
    wanted = skeleton.node_names
    if isinstance(names, Mapping):
        places = [skeleton.index(node) for node in names]
        if len(set(places)) != len(places):
            message = f"names of nodes: found a node twice in {list(names)}, expected each once."
            raise ValueError(message)
        for place, name in zip(places, names.values(), strict=True):
            wanted[place] = name
    elif isinstance(names, str) or len(names) != len(wanted):
        message = (
            f"names of nodes: found {names!r}, expected a mapping of old to new names, or a list "
            f"of {len(wanted)}. Pass {{old: new}}."
        )
        raise ValueError(message)
    else:
        wanted = list(names)
    for name in wanted:
        require_type(name, str, "name of a node", "Pass a string.")
    return wanted


def _require_unique(nodes: Sequence[Node]) -> None:
    names = [node.name for node in nodes]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        message = (
            f"names of nodes: found {repeated} more than once, expected unique names. Choose "
            "others; to make one node of two, use `labels.merge_nodes`."
        )
        raise ValueError(message)


def _new_node(node: Node | str, there: set[Node]) -> Node:
    if isinstance(node, str):
        return Node(node)
    require_type(node, Node, "node of a skeleton", "Pass a `Node` or its name.")
    return node.copy() if node.origin in there else node


def _alike(links: Iterable[Link], link: Link) -> list[Link]:
    """Return the links that say the same: symmetries in either direction."""
    kind, a, b = link
    same = {link} if kind == "edge" else {link, (kind, b, a)}
    return [one for one in links if one in same]


def _named(skeleton: Skeleton, link: Link) -> str:
    kind, a, b = link
    return f"{kind} ({skeleton.nodes[a].name!r}, {skeleton.nodes[b].name!r})"
