"""Small objects: built freely, read-only in a project, the same after a round trip."""

import pickle

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
