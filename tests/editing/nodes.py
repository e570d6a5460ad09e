"""Skeletons: their nodes, edges, symmetries and names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

import tabular_labels as tl
from tests.editing.machine import SKELETONS, Machine, number
from tests.editing.model_things import moved_links


class NodeRules(Machine):
    """Skeletons as something to change."""

    def skeleton(self, k: int) -> tl.Skeleton:
        return self.model.skeletons[k % len(self.model.skeletons)]

    def change_nodes(
        self,
        old: tl.Skeleton,
        change: Callable[[], None],
        names: Sequence[str],
        places: Sequence[int],
        merged: tuple[int, int] | None = None,
    ) -> None:
        """Change a skeleton, whose nodes stood at these places before."""

        def same() -> None:
            new = self.labels.skeletons[self.model.skeletons.index(old)]
            assert new.node_names == list(names)
            for node, place in zip(new.nodes, places, strict=True):
                was = node.origin if place < 0 else old.nodes[place]
                assert node.origin is was.origin
                assert node is was or node.name != was.name
            edges = moved_links(old.edge_inds, places, merged, both_ways=False)
            assert list(new.edge_inds) == edges
            pairs = moved_links(old.symmetry_inds, places, merged, both_ways=True)
            assert list(new.symmetry_inds) == pairs
            self.model.replace_skeleton(old, new, places, merged)

        self.edit(change, same)

    @precondition(lambda self: self.model.skeletons)
    @rule(k=number, which=st.lists(number, max_size=2), by_list=st.booleans())
    def rename_nodes(self, k: int, which: list[int], by_list: bool) -> None:
        old = self.skeleton(k)
        names, n = old.node_names, len(old.nodes)
        new = {place % n: self.new_name("node") for place in which if n}
        wanted = [new.get(place, name) for place, name in enumerate(names)]
        by_name = {names[place]: name for place, name in new.items()}

        def rename() -> None:
            if len(new) == 1 and not by_list:
                ((place, name),) = new.items()
                self.labels.rename_node(old.nodes[place], name, old)
            else:
                self.labels.rename_nodes(wanted if by_list else by_name, old)

        self.change_nodes(old, rename, wanted, range(n))

    @precondition(lambda self: self.model.skeletons)
    @rule(k=number, n_new=st.integers(0, 2))
    def add_nodes(self, k: int, n_new: int) -> None:
        old = self.skeleton(k)
        names = [self.new_name("node") for _ in range(n_new)]
        self.change_nodes(
            old,
            lambda: (
                self.labels.add_node(names[0], old)
                if n_new == 1
                else self.labels.add_nodes(names, old)
            ),
            [*old.node_names, *names],
            [*range(len(old.nodes)), *[-1] * n_new],
        )

    @precondition(lambda self: self.model.skeletons)
    @rule(k=number, which=st.lists(number, max_size=2))
    def remove_nodes(self, k: int, which: list[int]) -> None:
        old = self.skeleton(k)
        gone = [place % len(old.nodes) for place in which if old.nodes]
        places = [place for place in range(len(old.nodes)) if place not in gone]
        self.change_nodes(
            old,
            lambda: (
                self.labels.remove_node(gone[0], old)
                if len(gone) == 1
                else self.labels.remove_nodes([old.nodes[place] for place in gone], old)
            ),
            [old.node_names[place] for place in places],
            places,
        )

    @precondition(lambda self: self.model.skeletons)
    @rule(k=number, turn=number, reverse=st.booleans())
    def reorder_nodes(self, k: int, turn: int, reverse: bool) -> None:
        old = self.skeleton(k)
        places = list(range(len(old.nodes)))
        turn %= len(places) or 1
        places = places[turn:] + places[:turn]
        places = places[::-1] if reverse else places
        self.change_nodes(
            old,
            lambda: self.labels.reorder_nodes(places, old),
            [old.node_names[place] for place in places],
            places,
        )

    @precondition(lambda self: self.model.skeletons)
    @rule(k=number, a=number, b=number)
    def merge_nodes(self, k: int, a: int, b: int) -> None:
        old = self.skeleton(k)
        n = len(old.nodes)
        if n < 2 or a % n == b % n:
            return
        stays, goes = a % n, b % n
        places = [place for place in range(n) if place != goes]
        self.change_nodes(
            old,
            lambda: self.labels.merge_nodes(stays, old.nodes[goes], old),
            [old.node_names[place] for place in places],
            places,
            (stays, goes),
        )

    @precondition(lambda self: self.model.skeletons)
    @rule(k=number, a=number, b=number, symmetry=st.booleans())
    def change_links(self, k: int, a: int, b: int, symmetry: bool) -> None:
        """Add an edge, or a symmetry, or remove the one that is there."""
        old = self.skeleton(k)
        n = len(old.nodes)
        if n < 2 or a % n == b % n:
            return
        link, labels = (a % n, b % n), self.labels
        mine, others = list(old.edge_inds), list(old.symmetry_inds)
        add: Any
        remove: Any
        add, remove = labels.add_edge, labels.remove_edge
        same = [link]
        if symmetry:
            mine, others = others, mine
            add, remove = labels.add_symmetry, labels.remove_symmetry
            same = [link, link[::-1]]
        is_there = any(one in mine for one in same)
        wanted = [one for one in mine if one not in same]
        wanted += [] if is_there else [link]

        def check() -> None:
            new = labels.skeletons[self.model.skeletons.index(old)]
            found = [list(new.edge_inds), list(new.symmetry_inds)]
            assert found == ([others, wanted] if symmetry else [wanted, others])
            assert all(x is y for x, y in zip(new.nodes, old.nodes, strict=True))
            self.model.replace_skeleton(old, new)

        self.edit(lambda: (remove if is_there else add)(*link, old), check)

    @precondition(lambda self: self.model.skeletons)
    @rule(k=number, named=st.booleans())
    def rename_skeleton(self, k: int, named: bool) -> None:
        old = self.skeleton(k)
        name = self.new_name("skeleton") if named else None

        def same() -> None:
            new = self.labels.skeletons[self.model.skeletons.index(old)]
            assert new.name == name
            self.model.replace_skeleton(old, new)

        self.edit(lambda: self.labels.rename_skeleton(old, name), same)

    @rule(k=number, fresh=st.booleans())
    def add_skeleton(self, k: int, fresh: bool) -> None:
        new = tl.Skeleton([self.new_name("node")]) if fresh else SKELETONS[k % len(SKELETONS)]

        def same() -> None:
            self.model.add_skeleton(new)

        self.edit(lambda: self.labels.add_skeleton(new), same)

    @precondition(lambda self: self.model.skeletons)
    @rule(k=number)
    def remove_skeleton(self, k: int) -> None:
        old = self.skeleton(k)
        n = sum(one.skeleton is old for _, _, one in self.model.instances())
        if n:
            self.refuse(lambda: self.labels.remove_skeleton(old), ValueError, f"found {n} inst")
        else:
            self.edit(
                lambda: self.labels.remove_skeleton(old), lambda: self.model.remove_skeleton(old)
            )
