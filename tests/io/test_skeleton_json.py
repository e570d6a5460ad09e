"""Skeletons in the JSON of pickled graphs, as its writers vary."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.errors import FileFormatError, UnsafeFileError
from tabular_labels.io.skeleton_json import SkeletonFacts, dump_skeleton, dump_skeletons
from tabular_labels.io.skeleton_parse import parse_skeleton, parse_skeletons
from tests.io.slp_cases import BODY, SYMMETRY

NODES = [{"name": name, "weight": 1.0} for name in "abcd"]
NODE = "sleap.skeleton.Node"


def parse(graph: dict[str, Any], nodes: Any = NODES) -> SkeletonFacts:
    return parse_skeletons([graph], nodes, "fly.slp")[0]


def graph_of(*links: Any, nodes: Any = (0, 1, 2, 3), **facts: Any) -> dict[str, Any]:
    return {
        "graph": {"name": "fly", **facts},
        "links": [dict(zip(("source", "target", "type"), link, strict=False)) for link in links],
        "nodes": [{"id": node} for node in nodes],
    }


@st.composite
def facts(draw: st.DrawFn) -> SkeletonFacts:
    names = draw(st.lists(st.text(max_size=3), unique=True, max_size=5))
    weights = st.sampled_from([1.0, 0.5, 2.0])
    place = st.integers(0, max(len(names) - 1, 0))
    pair = st.tuples(place, place)
    edges = draw(st.lists(pair, unique=True, max_size=5)) if names else []
    pairs = st.lists(pair.map(lambda p: (min(p), max(p))), unique=True, max_size=3)
    return SkeletonFacts(
        draw(st.one_of(st.none(), st.text(max_size=3))),
        tuple((name, draw(weights)) for name in names),
        tuple(edges),
        tuple(draw(pairs) if names else []),
    )


@given(skeletons=st.lists(facts(), max_size=3), both_ways=st.booleans())
def test_skeletons_of_projects_come_back(skeletons: list[SkeletonFacts], both_ways: bool) -> None:
    text = json.dumps(dump_skeletons(skeletons, symmetry_both_ways=both_ways))
    graphs, nodes = json.loads(text)
    assert parse_skeletons(graphs, nodes, "fly.slp") == skeletons


@given(skeleton=facts(), indent=st.sampled_from([None, 2]), sort_keys=st.booleans())
def test_skeletons_of_their_own_files_come_back(
    skeleton: SkeletonFacts, indent: int | None, sort_keys: bool
) -> None:
    text = json.dumps(dump_skeleton(skeleton), indent=indent, sort_keys=sort_keys)
    assert parse_skeleton(json.loads(text), "fly.json") == skeleton


def test_symmetries_are_kept_once_the_smaller_first() -> None:
    again = {"py/id": 1}
    found = parse(graph_of((3, 2, SYMMETRY), (2, 3, again), (0, 1, again)))
    assert found.symmetries == ((2, 3), (0, 1))


def test_types_are_counted_as_they_first_occur() -> None:
    found = parse(
        graph_of((0, 1, SYMMETRY), (0, 2, BODY), (1, 3, {"py/id": 1}), (2, 3, {"py/id": 2}))
    )
    assert found.edges == ((0, 2), (2, 3))
    assert found.symmetries == ((0, 1), (1, 3))


def test_a_type_that_was_never_defined_goes_by_its_own_number() -> None:
    # What sleap-io writes for a skeleton of symmetries only.
    assert parse(graph_of((0, 1, SYMMETRY), (2, 3, {"py/id": 2}))).symmetries == ((0, 1), (2, 3))
    assert parse(graph_of((0, 1, {"py/id": 1}), (2, 3, {"py/id": 2}))).edges == ((0, 1),)


def test_padded_definitions_are_understood() -> None:
    padded = {"py/reduce": [*BODY["py/reduce"], None, None, None]}
    assert parse(graph_of((0, 1, padded))).edges == ((0, 1),)


def test_edges_without_number_keep_the_files_order() -> None:
    found = parse(graph_of((1, 0, BODY), (0, 2, {"py/id": 1})))
    assert found.edges == ((1, 0), (0, 2))


def test_links_may_repeat() -> None:
    assert parse(graph_of((1, 0, BODY), (1, 0, {"py/id": 1}))).edges == ((1, 0),)


def node(name: str) -> dict[str, Any]:
    return {"py/object": NODE, "py/state": {"py/tuple": [name, 1.0]}}


def test_every_object_counts_in_files_of_their_own() -> None:
    document = {
        "graph": {"name": "fly"},
        "links": [
            {"source": node("a"), "target": node("b"), "type": BODY},
            {"source": {"py/id": 1}, "target": node("c"), "type": {"py/id": 3}},
        ],
        "nodes": [{"id": {"py/id": 4}}, {"id": {"py/id": 2}}, {"id": {"py/id": 1}}],
    }
    found = parse_skeleton(document, "fly.json")
    assert [name for name, _ in found.nodes] == ["c", "b", "a"]
    assert found.edges == ((2, 1), (2, 0))


def test_objects_may_be_counted_in_sorted_order() -> None:
    # Written with the keys of each link in another order than they were counted.
    document = {
        "nodes": [{"id": {"py/id": 1}}, {"id": {"py/id": 2}}],
        "links": [{"type": BODY, "target": node("b"), "source": node("a")}],
        "graph": {"name": None},
    }
    found = parse_skeleton(document, "fly.json")
    assert [name for name, _ in found.nodes] == ["a", "b"]
    assert found.edges == ((0, 1),)


def test_nodes_and_types_may_be_counted_apart() -> None:
    document = {
        "graph": {},
        "links": [
            {"source": node("a"), "target": node("b"), "type": BODY},
            {"source": node("a"), "target": node("c"), "type": {"py/id": 1}},
        ],
        "nodes": [{"id": {"py/id": k}} for k in (1, 2, 3)],
    }
    found = parse_skeleton(document, "fly.json")
    assert [name for name, _ in found.nodes] == ["a", "b", "c"]
    assert found.edges == ((0, 1), (0, 2))


def test_nodes_may_hold_their_values_by_name() -> None:
    document = {"nodes": [{"id": {"py/object": NODE, "name": "a", "weight": 0.5}}], "links": []}
    assert parse_skeleton(document, "fly.json").nodes == (("a", 0.5),)


def test_a_template_and_unknown_keys_are_carried() -> None:
    inner = graph_of((0, 1, BODY), season="wet") | {"future": [1]}
    template = {"nx_graph": inner, "description": "d", "preview_image": {"py/b64": "aGk="}}
    found = parse(template)
    assert found.extra == {
        "wrapper": {"description": "d", "preview_image": {"py/b64": "aGk="}},
        "graph": {"season": "wet"},
        "keys": {"future": [1]},
    }
    assert parse_skeletons(*dump_skeletons([found]), "fly.slp") == [found]
    assert parse_skeleton(dump_skeleton(found), "fly.json") == found


def test_too_many_nodes_are_refused() -> None:
    many = [{"name": str(i)} for i in range(70_000)]
    with pytest.raises(FileFormatError, match="70000 nodes"):
        parse(graph_of(nodes=range(70_000)), many)


def test_deep_graphs_do_not_exhaust_the_stack() -> None:
    deep: Any = {}
    for _ in range(50_000):
        deep = {"a": deep}
    with pytest.raises(FileFormatError):
        parse(graph_of((0, 1, deep)))


def test_other_objects_are_refused_wherever_they_are() -> None:
    for tag in ({"py/object": "os.system"}, {"py/function": "os.system"}, {"py/type": "os.system"}):
        for document in (
            graph_of((0, 1, {"deeper": [tag]})),
            graph_of(nodes=[tag]),
            graph_of((tag, 1, BODY)),
        ):
            with pytest.raises(UnsafeFileError, match="Do not trust"):
                parse_skeleton(document, "fly.json")
