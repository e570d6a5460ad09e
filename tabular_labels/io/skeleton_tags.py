"""The tags of ``jsonpickle`` in a skeleton's JSON, written and read as plain data.

An edge's type is ``{"py/reduce": [...]}`` where it first occurs and ``{"py/id": k}`` after
that; in files of their own nodes are ``{"py/object": ...}``. No name in such a file is
ever imported or called; a tag we do not know is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

from tabular_labels._types import Json, PathLike
from tabular_labels.errors import UnsafeFileError
from tabular_labels.hdf5.guard import as_finite, broken, shown

__all__ = ["EDGE", "SYMMETRY", "TagReader", "TaggedNode", "node_tag", "plain_node", "type_tag"]

EDGE, SYMMETRY = 1, 2
_NODE_CLASS, _EDGE_TYPE = "sleap.skeleton.Node", "sleap.skeleton.EdgeType"
_TAGS = frozenset({"py/object", "py/state", "py/reduce", "py/type", "py/tuple", "py/id"})


@dataclass(frozen=True)
class TaggedNode:
    """Name and weight of a node."""

    name: str
    weight: float


_Object: TypeAlias = TaggedNode | int
"""What a tag stands for: a node, or the number of an edge type."""

_OF_LINK: dict[str, type] = {"source": TaggedNode, "target": TaggedNode, "type": int}
_OF_NODE: dict[str, type] = {"id": TaggedNode}


def type_tag(kind: int, numbered: list[object]) -> Json:
    """Write an edge's type; ``numbered`` are the objects written before, and gets this one."""
    if kind in numbered:
        return {"py/id": numbered.index(kind) + 1}
    numbered.append(kind)
    return {"py/reduce": [{"py/type": _EDGE_TYPE}, {"py/tuple": [kind]}]}


def node_tag(end: Any, numbered: list[object]) -> Any:
    """Write a node, which is a place in a list, or name and weight; see `type_tag`."""
    if isinstance(end, int):
        return end
    if end in numbered:
        return {"py/id": numbered.index(end) + 1}
    numbered.append(end)
    return {"py/object": _NODE_CLASS, "py/state": {"py/tuple": list(end)}}


class TagReader:
    """Reads the tags of one graph.

    Args:
        path: The file, for messages.
        place: Where in the file the graph is, for messages.
    """

    def __init__(self, path: PathLike, place: str) -> None:
        self.path, self.place = path, place
        self.numbered: dict[type, list[_Object]] = {}

    def refuse_others(self, document: object) -> None:
        """Refuse tags that no skeleton has, wherever they stand.

        Raises:
            UnsafeFileError: There is one.
        """
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

    def find_numbering(self, document: dict[str, list[Any]]) -> bool:
        """Choose how py/id counts: every object as written, as sorted, or each kind by itself.

        Writers differ; the first count by which every reference finds its kind is right.

        Args:
            document: ``links`` and ``nodes`` in the order of the file.

        Returns:
            Whether there is one.
        """
        references = list(_references(document.get("links", []), document.get("nodes", [])))
        for in_order in (True, False):
            decoded = [self._decode(value) for value in _dicts(document, in_order=in_order)]
            objects = [found for found in decoded if found is not None]
            names = [found.name for found in objects if isinstance(found, TaggedNode)]
            self.numbered = {TaggedNode: objects, int: objects}
            if len(names) == len(set(names)) and self._finds_all(references):
                return True
        self.numbered = {
            kind: list(dict.fromkeys(found for found in objects if isinstance(found, kind)))
            for kind in (TaggedNode, int)
        }
        # A type that was defined elsewhere goes by its own number.
        defined = len(self.numbered[int])
        self.numbered[int] += [kind for kind in (EDGE, SYMMETRY) if kind > defined]
        return self._finds_all(references)

    def _finds_all(self, references: list[tuple[object, type]]) -> bool:
        return all(self._referred(number, kind) is not None for number, kind in references)

    def read(self, value: object, kind: type) -> _Object | None:
        """Return what a tag stands for, None when it is none; a reference needs a numbering."""
        if not isinstance(value, dict):
            return None
        return self._referred(value["py/id"], kind) if "py/id" in value else self._decode(value)

    def _decode(self, value: dict[str, Any]) -> _Object | None:
        """Decode a tag that defines something; None when the value is no such tag."""
        if "py/object" in value:
            state = value.get("py/state", {k: v for k, v in value.items() if k[:3] != "py/"})
            if isinstance(state, dict) and "py/tuple" in state:
                state = dict(zip(("name", "weight"), _sequence(state["py/tuple"]), strict=False))
            return plain_node(state, self.path, self.place)
        if "py/reduce" in value:
            parts = [part for part in _sequence(value["py/reduce"]) if isinstance(part, dict)]
            for part in parts:
                numbers = _sequence(part.get("py/tuple"))
                if numbers and type(numbers[0]) is int:
                    return numbers[0]
            self._fail(shown(value), "an edge's type")
        return None

    def _referred(self, number: object, kind: type) -> _Object | None:
        objects = self.numbered[kind]
        if type(number) is int and 0 < number <= len(objects):
            found = objects[number - 1]
            return found if isinstance(found, kind) else None
        return None

    def _fail(self, found: str, expected: str) -> NoReturn:
        raise broken(self.path, self.place, found[:200], expected)


def plain_node(value: object, path: PathLike, place: str) -> TaggedNode:
    """Read name and weight of a node.

    Raises:
        FileFormatError: They are no node's.
    """
    name = value.get("name") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(name, str):
        raise broken(path, place, shown(value), "a node with a name")
    weight = as_finite(value.get("weight", 1.0))
    if weight is None:
        raise broken(path, place, f"the weight {shown(value['weight'])}", "a number")
    return TaggedNode(name, weight)


def _sequence(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _references(links: list[Any], nodes: list[Any]) -> Iterator[tuple[object, type]]:
    """List every py/id with the kind it should refer to."""
    for entry, kinds in ((links, _OF_LINK), (nodes, _OF_NODE)):
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
