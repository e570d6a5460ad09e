"""Nodes, edges and skeletons are edited through labels, in memory and on scans."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels.errors import (
    AmbiguousNameError,
    ReadOnlyError,
    UnknownNodeError,
    UnknownSkeletonError,
)
from tabular_labels.testing.builders import make_tables

NODES = ("head", "thorax", "abdomen", "tail")


def in_memory(labels: tl.Labels, _folder: Path) -> tl.Labels:
    return labels


def scanned_slp(labels: tl.Labels, folder: Path) -> tl.Labels:
    tl.write_slp(labels, folder / "some.slp")
    return tl.scan_slp(folder / "some.slp")


def scanned_parquet(labels: tl.Labels, folder: Path) -> tl.Labels:
    tl.write_parquet(labels, folder / "some.parquet")
    return tl.scan_parquet(folder / "some.parquet")


@pytest.fixture(params=[in_memory, scanned_slp, scanned_parquet])
def labels(request: pytest.FixtureRequest, tmp_path: Path) -> tl.Labels:
    tables = make_tables(60, n_videos=2, n_nodes=4, gap_fraction=0.3, missing_fraction=0.3, seed=3)
    opened: Callable[[tl.Labels, Path], tl.Labels] = request.param
    made = opened(tl.Labels.from_tables(tables), tmp_path)
    made.rename_nodes(NODES)
    return made


def by_node(labels: tl.Labels) -> dict[str, list[tuple[float, float]]]:
    points = labels.to_polars("points", ["node", "x", "y"])
    return {
        str(name): rows.select("x", "y").fill_null(-1).rows()
        for (name,), rows in points.group_by("node", maintain_order=True)
    }


def small(*names: str) -> tuple[tl.Labels, tl.Skeleton]:
    fly = tl.Skeleton(list(names), name="fly")
    xy = np.arange(2.0 * len(names)).reshape(-1, 2)
    return tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), 0, [tl.Instance(fly, xy)])]), fly


def test_reordered_nodes_keep_their_points(labels: tl.Labels) -> None:
    before, view = by_node(labels), labels[7][0]
    head = view["head"].x
    labels.reorder_nodes(["tail", "head", 2, labels.skeleton.nodes[1]])
    assert labels.skeleton.node_names == ["tail", "head", "abdomen", "thorax"]
    assert by_node(labels) == before
    assert list(by_node(labels)) == labels.skeleton.node_names
    assert view["head"].x == head
    assert view.skeleton is labels.skeleton
    dense = labels.numpy(labels.videos[0])
    labels.undo()
    np.testing.assert_array_equal(labels.numpy(labels.videos[0])[:, :, [3, 0, 2, 1]], dense)


def test_removed_nodes_take_their_points_along(labels: tl.Labels) -> None:
    before = by_node(labels)
    labels.remove_nodes(["tail", "head"])
    assert by_node(labels) == {name: before[name] for name in ("thorax", "abdomen")}
    assert labels[0][0].numpy().shape == (2, 2)
    with pytest.raises(UnknownNodeError, match="head"):
        labels[0][0]["head"]


def test_added_nodes_are_missing_points_that_can_be_set(labels: tl.Labels) -> None:
    before = by_node(labels)
    labels.add_nodes(["left", tl.Node("right", 2.0)])
    made = by_node(labels)
    assert {name: made[name] for name in before} == before
    assert set(made["left"]) == set(made["right"]) == {(-1.0, -1.0)}
    instance = labels[5][0]
    instance["right"] = tl.Point(1.5, 2.5)
    assert instance["right"].x == 1.5
    assert made["right"] != by_node(labels)["right"]
    assert labels.skeleton.nodes[-1].weight == 2.0
    labels.undo()
    assert by_node(labels) == made
    labels.undo()
    assert by_node(labels) == before


def test_merged_nodes_fill_what_the_base_lacks(labels: tl.Labels) -> None:
    before = by_node(labels)
    labels.update(points={"visible": True})
    labels.merge_nodes("head", "tail")
    made = by_node(labels)
    pairs = zip(before["head"], before["tail"], strict=True)
    expected = [tail if head == (-1.0, -1.0) else head for head, tail in pairs]
    assert made.pop("head") == expected
    assert expected != before["head"]
    assert made == {name: before[name] for name in ("thorax", "abdomen")}


def test_a_merged_point_comes_with_its_marks_and_its_score() -> None:
    fly = tl.Skeleton(["a", "b"])
    points = {
        "a": tl.PredictedPoint(1, 2, visible=False, score=0.1),
        "b": tl.PredictedPoint(3, 4, complete=True, score=0.9),
    }
    kept = {"a": tl.PredictedPoint(1, 2, visible=False, score=0.1)}
    frame = tl.LabeledFrame(
        tl.Video("a.mp4"), 0, [tl.PredictedInstance(fly, points), tl.PredictedInstance(fly, kept)]
    )
    labels = tl.Labels([frame])
    labels.merge_nodes("a", "b")
    taken, own = (instance["a"] for instance in labels[0])
    assert (taken.x, taken.y, taken.visible, taken.complete, taken.score) == (3, 4, True, True, 0.9)
    assert (own.x, own.y, own.visible, own.complete, own.score) == (1, 2, False, False, 0.1)


def test_links_of_a_merged_node_lead_to_the_base() -> None:
    edges = [("a", "b"), ("b", "c"), ("a", "c"), ("d", "b")]
    fly = tl.Skeleton(["a", "b", "c", "d"], edges, symmetries=[("b", "d")])
    labels = tl.Labels(skeletons=[fly])
    labels.merge_nodes("a", "b")
    assert labels.skeleton.edge_names == [("a", "c"), ("d", "a")]
    assert labels.skeleton.symmetry_names == [("a", "d")]
    labels.undo()
    assert labels.skeleton is fly


def test_edits_go_on_above_edited_nodes_and_are_saved(labels: tl.Labels, tmp_path: Path) -> None:
    labels.reorder_nodes([3, 2, 1, 0])
    labels[3][0]["head"] = tl.Point(7, 8)
    labels.add_node("new")
    labels.remove_nodes(["abdomen"])
    labels[4][0]["new"] = tl.Point(9, 10)
    del labels[0]
    labels.track_swap(labels.videos[0], labels.tracks[0], labels.tracks[1], (0, 10**6))
    labels.merge_nodes("thorax", "new")
    expected = labels.collect()
    assert (labels[2][0]["head"].x, labels[2][0]["head"].y) == (7.0, 8.0)
    tl.write_slp(labels, tmp_path / "made.slp")
    tl.write_parquet(labels, tmp_path / "made.parquet")
    for again in (tl.scan_slp(tmp_path / "made.slp"), tl.scan_parquet(tmp_path / "made.parquet")):
        assert again.skeleton.node_names == ["tail", "thorax", "head"]
        assert again.equals(expected)
    for level in ("points", "instances", "frames"):
        assert_frame_equal(labels.to_polars(level), expected.to_polars(level))
    assert pickle.loads(pickle.dumps(labels)).equals(expected)


def test_nothing_is_read_when_nodes_of_a_scan_are_edited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = scanned_parquet(tl.Labels.from_tables(make_tables(40, n_nodes=4)), tmp_path)
    source = type(labels._snapshot.source)
    read: list[int] = []
    original = source.read_points

    def counted(
        self: object, part: object, start: np.ndarray, count: object, columns: object
    ) -> object:
        read.append(len(start))
        return original(self, part, start, count, columns)  # type: ignore[arg-type]  # handed on

    monkeypatch.setattr(source, "read_points", counted)
    labels.reorder_nodes([3, 2, 1, 0])
    labels.add_node("new")
    labels.merge_nodes(0, "new")
    assert read == []
    assert len(labels[0][0].numpy()) == 4
    assert sum(read) > 0


def test_names_may_swap_and_points_go_with_their_nodes() -> None:
    labels, _ = small("a", "b")
    old = labels.skeleton.nodes[0]
    labels.rename_nodes({"a": "b", "b": "a"})
    instance = labels[0][0]
    assert (instance["b"].x, instance["a"].x) == (0.0, 2.0)
    assert labels.skeleton.index(old) == 0
    assert instance[old].x == 0.0
    labels.rename_node("b", "c")
    labels.reorder_nodes(["a", "c"])
    assert instance[old].x == 0.0
    assert instance[labels.skeleton["c"]].x == 0.0


def test_old_and_new_skeletons_stand_for_the_same_one(labels: tl.Labels) -> None:
    old = labels.skeleton
    labels.rename_skeleton(old, "beast")
    labels.rename_nodes({"head": "nose"}, old)
    labels.rename_nodes({"nose": "snout"}, old)
    new = labels.skeleton
    assert (new.name, new.node_names[0], old.node_names[0]) == ("beast", "snout", "head")
    assert new.nodes[1] is old.nodes[1]
    labels[0].instances.append(tl.Instance(old, {"head": (1, 2)}))
    assert labels[0][-1]["snout"].x == 1.0
    assert labels.skeletons == [new]
    labels.undo()
    labels.undo()
    labels.rename_nodes({"nose": "beak"}, new)
    assert labels.skeleton.node_names[0] == "beak"
    assert len(labels.skeletons) == 1


def test_an_instance_of_an_older_layout_is_laid_out_anew() -> None:
    labels, fly = small("a", "b", "c")
    before = labels[0][0].copy()
    labels.reorder_nodes(["c", "a", "b"])
    labels.add_node("d")
    labels[0].instances.append(tl.Instance(fly, {"a": (5, 6), "c": (7, 8)}))
    labels[0].instances.append(before)
    made, copied = labels[0][1], labels[0][2]
    assert (made["a"], made["c"], made["b"].isnan(), made["d"].isnan()) == (
        tl.Point(5, 6),
        tl.Point(7, 8),
        True,
        True,
    )
    assert copied.numpy().tolist()[:3] == [[4.0, 5.0], [0.0, 1.0], [2.0, 3.0]]
    assert len(labels.skeletons) == 1


def test_points_of_removed_nodes_are_not_lost_silently() -> None:
    labels, fly = small("a", "b")
    labels.remove_nodes(["a"])
    labels[0].instances.append(tl.Instance(fly, {"a": (5, 6), "b": (7, 8)}))
    assert [one.node_names for one in labels.skeletons] == [["b"], ["a", "b"]]
    assert labels[0][1]["a"].x == 5.0


@pytest.mark.parametrize(
    ("edit", "error", "match"),
    [
        (lambda x: x.rename_nodes({"a": "b"}), ValueError, r"\['b'\] more than once"),
        (lambda x: x.rename_nodes(["x"]), ValueError, "list of 3"),
        (lambda x: x.rename_nodes("abc"), ValueError, "mapping"),
        (lambda x: x.rename_nodes({"a": 3}), TypeError, "name of a node.*3"),
        (lambda x: x.rename_nodes({"a": "x", 0: "y"}), ValueError, "twice"),
        (lambda x: x.rename_nodes({"q": "x"}), UnknownNodeError, "q"),
        (lambda x: x.add_nodes(["d", "d"]), ValueError, "more than once"),
        (lambda x: x.add_nodes(["a"]), ValueError, "more than once"),
        (lambda x: x.add_nodes([3]), TypeError, "node of a skeleton.*3"),
        (lambda x: x.remove_nodes(["a", "q"]), UnknownNodeError, "q"),
        (lambda x: x.reorder_nodes(["a", "b"]), ValueError, "each of"),
        (lambda x: x.reorder_nodes(["a", "b", "b"]), ValueError, "each of"),
        (lambda x: x.reorder_nodes(["a", "b", 7]), UnknownNodeError, "7"),
        (lambda x: x.merge_nodes("a", 0), ValueError, "two nodes"),
        (lambda x: x.merge_nodes("a", "q"), UnknownNodeError, "q"),
        (lambda x: x.add_edge("a", "b"), ValueError, "there already"),
        (lambda x: x.remove_edge("b", "a"), ValueError, "not there"),
        (lambda x: x.add_symmetry("c", "a"), ValueError, "there already"),
        (lambda x: x.remove_symmetry("a", "b"), ValueError, "not there"),
        (lambda x: x.rename_skeleton("dog", "cat"), UnknownSkeletonError, "dog"),
        (lambda x: x.rename_skeleton(1, "cat"), UnknownSkeletonError, "1"),
        (lambda x: x.rename_skeleton("fly", 3), TypeError, "name of a skeleton"),
        (lambda x: x.remove_skeleton("fly"), ValueError, "found 1 instances"),
        (lambda x: x.skeletons.remove(x.skeleton), ReadOnlyError, "labels.remove_skeleton"),
    ],
)
def test_bad_edits_change_nothing(
    edit: Callable[[tl.Labels], object], error: type[Exception], match: str
) -> None:
    fly = tl.Skeleton(["a", "b", "c"], [("a", "b")], [("a", "c")], name="fly")
    frame = tl.LabeledFrame(tl.Video("a.mp4"), 0, [tl.Instance(fly, {"a": (1, 2)})])
    labels = tl.Labels([frame])
    snapshot = labels._snapshot
    with pytest.raises(error, match=match):
        edit(labels)
    assert labels._snapshot is snapshot
    assert labels.skeleton is fly
    assert not labels.undo()


def test_edges_and_symmetries_are_added_and_removed() -> None:
    labels, _ = small("a", "b", "c")
    labels.add_edge("a", "b")
    labels.add_edge(2, "a")
    labels.add_symmetry("b", "c")
    assert labels.skeleton.edge_names == [("a", "b"), ("c", "a")]
    labels.reorder_nodes(["c", "b", "a"])
    assert labels.skeleton.edge_inds == [(2, 1), (0, 2)]
    assert labels.skeleton.symmetry_names == [("b", "c")]
    labels.remove_edge("a", "b")
    labels.remove_symmetry("c", "b")
    assert labels.skeleton.edge_names == [("c", "a")]
    assert labels.skeleton.symmetries == []
    labels.remove_node("c")
    assert labels.skeleton.edges == []


def test_only_the_named_skeleton_changes() -> None:
    one, two = tl.Skeleton(["a", "b"], name="one"), tl.Skeleton(["a", "b", "c"], name="two")
    instances = [tl.Instance(s, np.arange(2.0 * len(s)).reshape(-1, 2)) for s in (one, two, one)]
    labels = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), 0, instances)])
    with pytest.raises(ValueError, match="found 2 skeletons"):
        labels.add_node("d")
    labels.reorder_nodes(["c", "b", "a"], "two")
    labels.add_node("z", 0)
    assert [s.node_names for s in labels.skeletons] == [["a", "b", "z"], ["c", "b", "a"]]
    shown = [np.nan_to_num(i.numpy(), nan=-1).tolist() for i in labels[0]]
    assert shown[0] == shown[2] == [[0, 1], [2, 3], [-1, -1]]
    assert shown[1] == [[4, 5], [2, 3], [0, 1]]
    labels.rename_skeleton(1, "one")
    with pytest.raises(AmbiguousNameError, match=r"2 skeletons.*'one'"):
        labels.add_node("d", "one")
    labels.skeletons.append(tl.Skeleton(["q"], name="three"))
    labels.remove_skeleton("three")
    assert len(labels.skeletons) == 2


def test_labels_that_share_objects_stay_as_they_are() -> None:
    labels, fly = small("a", "b")
    others = labels.copy()
    labels.rename_nodes({"a": "x"})
    labels.reorder_nodes(["b", "x"])
    assert others.skeleton is fly
    assert fly.node_names == ["a", "b"]
    assert others[0][0]["a"].x == 0.0
    part = labels.extract([0])
    labels.append(tl.LabeledFrame(tl.Video("a.mp4"), 1, [others[0][0]]))
    assert labels[1][0]["x"].x == 0.0
    assert part.skeleton.node_names == ["b", "x"]


def test_a_skeleton_that_no_instance_has_is_edited_too() -> None:
    labels = tl.Labels(skeletons=[tl.Skeleton(["a"], name="fly")])
    labels.add_node("b")
    labels.append(
        tl.LabeledFrame(tl.Video("a.mp4"), 0, [tl.Instance(labels.skeleton, [[1, 2], [3, 4]])])
    )
    assert labels[0][0].numpy().tolist() == [[1, 2], [3, 4]]
    labels.remove_nodes(["a", "b"])
    labels.add_nodes(["c"])
    assert np.isnan(labels[0][0].numpy()).tolist() == [[True, True]]


def test_owned_skeletons_name_the_method_to_use() -> None:
    labels, fly = small("a")
    with pytest.raises(ReadOnlyError, match=r"labels\.rename_nodes"):
        labels.skeleton.nodes[0].name = "b"
    with pytest.raises(ReadOnlyError, match=r"labels\.add_nodes"):
        fly.add_node("b")
    with pytest.raises(ReadOnlyError, match=r"labels\.rename_skeleton"):
        fly.name = "x"
    with pytest.raises(ReadOnlyError, match=r"labels\.add_edge"):
        fly.edges.clear()


def test_a_skeleton_that_was_added_again_as_it_was_stands_for_itself() -> None:
    first = tl.Skeleton(["a", "b"])
    labels = tl.Labels(skeletons=[first])
    labels.remove_nodes(["b"], 0)
    labels.add_skeleton(first)
    labels.rename_nodes(["c", "d"], first)
    assert [one.node_names for one in labels.skeletons] == [["a"], ["c", "d"]]


def test_queries_know_of_a_skeleton_that_was_just_added() -> None:
    fly, video = tl.Skeleton(["head"]), tl.Video("a.mp4")
    labels = tl.Labels([tl.LabeledFrame(video, 0, [tl.Instance(fly, [[1, 2]])])])
    assert labels.numpy().shape == (1, 1, 1, 2)
    labels.add_skeleton(tl.Skeleton(["a", "b", "c"]))
    assert labels.numpy().shape == (1, 1, 3, 2)


def test_edges_stand_before_symmetries_as_in_files(tmp_path: Path) -> None:
    labels = tl.Labels(skeletons=[tl.Skeleton(["a", "b"], symmetries=[("a", "b")])])
    labels.add_edge("a", "b")
    labels.save(tmp_path / "some.slp")
    written = tl.read_slp(tmp_path / "some.slp")
    assert_frame_equal(written._catalog.edges, labels._catalog.edges)
