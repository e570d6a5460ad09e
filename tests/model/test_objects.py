"""Small objects: built freely, read-only in a project, the same after a round trip."""

import pickle

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tabular_labels.errors import ReadOnlyError, UnknownNodeError
from tabular_labels.model.objects import Objects, catalog_tables
from tabular_labels.model.skeleton import Node, Skeleton
from tabular_labels.model.suggestion import SuggestionFrame
from tabular_labels.model.tables import Catalog
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video


def make_catalog() -> Catalog:
    videos = [Video.from_filename("a.mp4", n_frames=9, channels=1), Video("b.mp4", fps=25.0)]
    skeletons = [
        Skeleton(["a", "b", "c"], [("b", "a"), ("a", "c")], [("a", "b")], "one"),
        Skeleton([Node("a", 0.5)], name=None),
    ]
    suggestions = [SuggestionFrame(videos[1], 3, 1), SuggestionFrame(videos[0], 2)]
    tables = catalog_tables(
        videos, skeletons, [Track(3, "x"), Track("x")], suggestions, {videos[0]: [(1, 2.0, 3.0)]}
    )
    return Catalog(**tables)  # type: ignore[arg-type]  # tables only


def test_objects_and_tables_say_the_same() -> None:
    catalog = make_catalog()
    objects = Objects.of(catalog)
    again = catalog_tables(objects.videos, objects.skeletons, objects.tracks)
    for name in ("videos", "skeletons", "nodes", "edges", "tracks"):
        assert_frame_equal(again[name], getattr(catalog, name))


def test_objects_keep_keys_that_are_no_places() -> None:
    catalog = make_catalog()
    moved = catalog.tracks.with_columns(pl.col("track_id") + 7)
    objects = Objects.of(Catalog(tracks=moved))
    assert list(objects.track_by_id) == [7, 8]
    assert objects.track_ids[objects.tracks[1]] == 8


def test_owned_objects_refuse_changes() -> None:
    objects = Objects.of(make_catalog())
    changes = [
        (objects.videos[0], "filename"),
        (objects.tracks[0], "name"),
        (objects.skeletons[0], "name"),
        (objects.nodes[0], "name"),
    ]
    for thing, name in changes:
        with pytest.raises(ReadOnlyError, match="copy"):
            setattr(thing, name, "other")
    with pytest.raises(ReadOnlyError):
        objects.skeletons[0].add_node("d")
    copy = objects.skeletons[0].copy()
    copy.add_node("d")
    assert len(copy) == 4


def test_objects_pickle_with_their_state() -> None:
    objects = Objects.of(make_catalog())
    for video in objects.videos:
        assert pickle.loads(pickle.dumps(video)).matches(video)
    for track in objects.tracks:
        assert pickle.loads(pickle.dumps(track)).is_frozen
    for skeleton in objects.skeletons:
        again = pickle.loads(pickle.dumps(skeleton))
        assert again.matches(skeleton)
        assert again.is_frozen
    assert not pickle.loads(pickle.dumps(Track("free"))).is_frozen


def test_skeleton_refuses_what_it_cannot_hold() -> None:
    with pytest.raises(ValueError, match="unique"):
        Skeleton(["a", "a"])
    with pytest.raises(UnknownNodeError, match="'b'"):
        Skeleton(["a"], edges=[("a", "b")])
    with pytest.raises(ValueError, match="each once"):
        Skeleton(["a", "b"], edges=[("a", "b"), ("a", "b")])
    with pytest.raises(UnknownNodeError):
        Skeleton(["a"]).index(3)


def test_skeleton_is_built_step_by_step() -> None:
    skeleton = Skeleton("fly")
    head = skeleton.add_node("head")
    skeleton.add_node(Node("tail"))
    skeleton.add_edge("head", "tail")
    skeleton.add_symmetry(head, 1)
    assert skeleton.name == "fly"
    assert skeleton.edge_names == [("head", "tail")]
    assert skeleton.symmetry_inds == [(0, 1)]
    assert skeleton.edges[0].destination is skeleton["tail"]
    assert head in skeleton
    assert "tail" in skeleton
    assert Node("head") not in skeleton
    assert list(skeleton) == skeleton.nodes


def test_video_tells_its_stored_facts_without_a_file() -> None:
    video = Video.from_filename("none.mp4", n_frames=9, height=4, width=5, channels=1)
    assert video.shape == (9, 4, 5, 1)
    assert (len(video), video.num_frames, video.last_frame_idx) == (9, 9, 8)
    assert video.grayscale
    assert not video.exists()
    unknown = Video("other.mp4")
    assert unknown.shape is None
    assert len(unknown) == 0
    assert unknown
    assert unknown.last_frame_idx is None
    assert video.matches(video.copy())
    assert not video.matches(unknown)


def test_suggestion_unpacks_as_place() -> None:
    video = Video("a.mp4")
    suggestion = SuggestionFrame(video, 4, group=2)
    where, index = suggestion
    assert (where, index, suggestion.group) == (video, 4, 2)
    assert suggestion == SuggestionFrame(video, 4, 2)
    assert suggestion != SuggestionFrame(video, 4)
    assert len({suggestion, SuggestionFrame(video, 4, 2)}) == 1


def test_owned_objects_refuse_changes_inside_them() -> None:
    objects = Objects.of(make_catalog())
    skeleton, video = objects.skeletons[0], objects.videos[0]
    nodes, edges = list(skeleton.nodes), list(skeleton.edges)
    for change in (
        lambda: skeleton.nodes.append(Node("d")),
        lambda: skeleton.edges.clear(),
        lambda: skeleton.symmetries.pop(),
    ):
        with pytest.raises(ReadOnlyError, match="copy"):
            change()
    with pytest.raises(ReadOnlyError, match="copy"):
        video.backend["x"] = 1
    assert skeleton.nodes == nodes
    assert skeleton.edges == edges
    assert repr(skeleton.nodes) == "[Node('a'), Node('b'), Node('c')]"
    assert video.backend == Video.from_filename("a.mp4", channels=1).backend
    copy = video.copy()
    copy.backend["x"] = 1
    assert "x" not in video.backend


def test_backends_are_read_only_to_the_ground_and_encode_the_same() -> None:
    stored = {"filename": "a", "shape": [1, {"k": [2]}]}
    video = Video("a", stored)
    before = catalog_tables([video], [], [])["videos"]
    video.freeze()
    with pytest.raises(ReadOnlyError):
        video.backend["shape"].append(3)
    assert_frame_equal(catalog_tables([video], [], [])["videos"], before)
    assert pickle.loads(pickle.dumps(video)).plain_backend() == stored
    assert video.copy().backend == stored
    assert video.matches(Video("a", stored))


def test_making_objects_does_not_freeze_them() -> None:
    video, skeleton, track = Video("a.mp4"), Skeleton(["a"]), Track("x")
    objects = Objects({0: video}, {0: skeleton}, {0: track})
    assert not any(thing.is_frozen for thing in (video, skeleton, track))
    objects.freeze()
    assert all(thing.is_frozen for thing in (video, skeleton, track, *skeleton.nodes))


def test_places_of_nodes_follow_changes_of_a_free_skeleton() -> None:
    skeleton = Skeleton(["a", "b", "c"], [("a", "b")])
    skeleton.nodes[0].name = "z"
    assert (skeleton.index("z"), skeleton.edge_names) == (0, [("z", "b")])
    assert "a" not in skeleton
    skeleton.nodes.reverse()
    assert [skeleton.index(name) for name in ("c", "b", "z")] == [0, 1, 2]
    skeleton.add_node("a")
    with pytest.raises(ValueError, match="unique"):
        skeleton.add_node("z")
    with pytest.raises(UnknownNodeError):
        skeleton.index("gone")


def test_indices_of_nodes_are_whole_numbers_of_any_kind() -> None:
    skeleton = Skeleton(["a", "b"])
    assert (skeleton.index(np.int64(1)), skeleton.index(-1)) == (1, 1)
    for wrong in (1.0, None, np.int64(2)):
        with pytest.raises(UnknownNodeError, match="'a'"):
            skeleton.index(wrong)  # type: ignore[arg-type]  # the mistake


def test_symmetries_are_given_once_in_either_direction() -> None:
    skeleton = Skeleton(["l", "r"], symmetries=[("l", "r")])
    for pair in (("l", "r"), ("r", "l")):
        with pytest.raises(ValueError, match="each once"):
            skeleton.add_symmetry(*pair)
    assert skeleton.symmetry_names == [("l", "r")]


def test_symmetries_that_a_table_has_both_ways_are_one() -> None:
    tables = catalog_tables([], [Skeleton(["a", "b", "c"], (), [("a", "b"), ("b", "c")])], [])
    turned = tables["edges"][:1].rename({"source": "target", "target": "source"})
    both = pl.concat([tables["edges"], turned.select(tables["edges"].columns)])
    edges = both.with_columns(pl.Series("position", range(3), both["position"].dtype))
    [skeleton] = Objects.of(Catalog(**{**tables, "edges": edges})).skeletons  # type: ignore[arg-type]
    assert skeleton.symmetry_names == [("a", "b"), ("b", "c")]


def test_skeleton_says_what_it_has() -> None:
    skeleton = Skeleton(["a", "b"], edges=[("a", "b")])
    a, b = skeleton
    assert skeleton.has_node("a")
    assert skeleton.has_node(b)
    assert not skeleton.has_node("c")
    assert skeleton.has_edge("a", "b")
    assert skeleton.has_edge(a, b)
    assert not skeleton.has_edge("b", "a")
    assert not skeleton.has_edge("a", "c")


def test_nodes_are_copied_free() -> None:
    skeleton = Skeleton([Node("a", 0.5)])
    skeleton.freeze()
    copy = skeleton.nodes[0].copy()
    copy.name = "b"
    assert (skeleton.node_names, copy.weight) == (["a"], 0.5)
    with pytest.raises(ReadOnlyError, match=r"skeleton\.copy"):
        skeleton.nodes[0].name = "c"


def test_matching_skeletons_are_told_by_names_and_edges_also_when_frozen() -> None:
    one, turned = Skeleton(["a", "b"], [("a", "b")]), Skeleton(["b", "a"], [("a", "b")])
    for _ in range(2):
        assert one.matches(turned)
        assert not one.matches(Skeleton(["a", "b"], [("b", "a")]))
        assert one.places_in(one) is None
        one.freeze()
        turned.freeze()
    turned = turned.copy()
    turned.add_node("c")
    assert not turned.matches(one)


def test_suggestions_are_at_whole_frames() -> None:
    with pytest.raises(TypeError, match=r"2\.5.*whole"):
        SuggestionFrame(Video("a.mp4"), 2.5)  # type: ignore[arg-type]  # the mistake
