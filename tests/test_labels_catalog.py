"""Videos, suggestions, negative anchors and provenance are edited through labels."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import tabular_labels as tl
from tabular_labels.errors import ReadOnlyError, UnknownVideoError
from tabular_labels.testing.builders import make_tables

FLY = tl.Skeleton(["head"])


def project() -> tuple[tl.Labels, tl.Video, tl.Video]:
    a, b = tl.Video.from_filename("lab/a.mp4", n_frames=9), tl.Video("b.mp4")
    frames = [
        tl.LabeledFrame(v, k, [tl.Instance(FLY, [[k, 0]], track=tl.Track(0, "t"))])
        for v in (a, b)
        for k in range(2)
    ]
    labels = tl.Labels(
        frames,
        suggestions=[(a, 1), (b, 5), (a, 7)],
        negative_anchors={a: [(0, 1.0, 2.0)], b: [(3, 4.0, 5.0)]},
    )
    return labels, a, b


def as_scanned(labels: tl.Labels, folder: Path) -> tl.Labels:
    tl.write_parquet(labels, folder / "some.parquet")
    return tl.scan_parquet(folder / "some.parquet")


# Videos


@pytest.mark.parametrize("scanned", [False, True])
def test_a_removed_video_takes_what_is_of_it(scanned: bool, tmp_path: Path) -> None:
    labels, a, b = project()
    tracks = list(labels.tracks)
    if scanned:
        labels = as_scanned(labels, tmp_path)
        a, b = labels.videos
        tracks = list(labels.tracks)
    view = labels[0]
    labels.remove_video(a)
    assert labels.videos == [b]
    assert [frame.video for frame in labels] == [b, b]
    assert labels.suggestions == [tl.SuggestionFrame(b, 5)]
    assert labels.negative_anchors == {b: [(3, 4.0, 5.0)]}
    assert labels.tracks == tracks
    assert len(labels.find(a)) == 0
    with pytest.raises(tl.errors.StaleViewError):
        len(view)
    with pytest.raises(KeyError, match=r"b\.mp4"):
        labels.remove_video(a)
    labels.remove_video("b.mp4")
    assert (len(labels.videos), len(labels)) == (0, 0)
    labels.undo()
    labels.undo()
    assert labels.videos == [a, b]
    assert view.video is a
    assert len(labels.suggestions) == 3


def test_many_frames_go_with_their_video(tmp_path: Path) -> None:
    labels = as_scanned(tl.Labels.from_tables(make_tables(2400, n_videos=2, n_nodes=2)), tmp_path)
    first, second = labels.videos
    labels.remove_video(first)
    assert {frame.video for frame in labels} == {second}
    tl.write_slp(labels, tmp_path / "made.slp")
    assert tl.load_file(tmp_path / "made.slp").equals(labels.collect())
    labels.undo()
    assert len(labels.find(first)) == 1200


def test_a_new_video_after_a_removed_one_is_another(tmp_path: Path) -> None:
    labels, a, b = project()
    labels.remove_video(b)
    c = tl.Video("c.mp4")
    assert labels.add_video(c) is c
    assert len(labels.find(b)) == len(labels.find(c)) == 0
    labels.append(tl.LabeledFrame(b, 3))
    assert labels.videos == [a, c, b]
    assert labels.find(b) == [labels[-1]]


def test_videos_are_added_once() -> None:
    labels, a, b = project()
    twin = a.copy()
    assert labels.add_video(twin) is a
    assert labels.add_video(b) is b
    labels.videos.append(b)
    assert labels.videos == [a, b]
    labels.videos.append(twin)
    assert labels.videos == [a, b, twin]
    labels.append(tl.LabeledFrame(twin, 77))
    assert labels.find(twin, 77)[0].video is twin
    with pytest.raises(TypeError, match="Pass a `Video`"):
        labels.add_video("c.mp4")  # type: ignore[arg-type]  # on purpose
    with pytest.raises(TypeError, match="Pass a `Video`"):
        labels.videos.append("c.mp4")  # type: ignore[arg-type]  # on purpose


@pytest.mark.parametrize("scanned", [False, True])
def test_an_updated_video_is_known_by_its_old_object(scanned: bool, tmp_path: Path) -> None:
    labels, a, _ = project()
    if scanned:
        labels = as_scanned(labels, tmp_path)
        a = labels.videos[0]
    others = labels.copy()
    new = labels.update_video(a, tmp_path / "moved.mp4", fps=25.0, n_frames=None)
    assert labels.videos[0] is new
    assert (new.filename, new.fps, new.n_frames) == (str(tmp_path / "moved.mp4"), 25.0, None)
    assert new.backend["filename"] == new.filename
    assert (a.filename, a.fps, others.videos[0]) == ("lab/a.mp4", None, a)
    newest = labels.update_video(a, height=3)
    assert (newest.height, newest.fps) == (3, 25.0)
    for known in (a, new, newest, newest.filename, 0):
        assert len(labels.find(known)) == 2
        assert labels.find(known, 1)[0].video is newest
    labels.append(tl.LabeledFrame(a, 50))
    assert labels[-1].video is newest
    assert len(labels.videos) == 2
    tl.write_slp(labels, tmp_path / "made.slp")
    assert tl.load_file(tmp_path / "made.slp").videos[0].matches(newest)
    for _ in range(3):
        labels.undo()
    assert labels.videos[0] is a
    assert len(labels.find(newest)) == 2
    assert labels.suggestions[0].video is a


def test_a_replaced_video_hands_its_frames_on() -> None:
    labels, a, b = project()
    new = tl.Video.from_numpy(np.zeros((9, 2, 3, 1), np.uint8))
    labels.replace_video("lab/a.mp4", new)
    assert labels.videos == [new, b]
    assert labels[0].video is new
    assert list(labels.negative_anchors) == [new, b]
    assert labels.update_video(new, fps=3.0).array is new.array
    with pytest.raises(ValueError, match="another video of these labels"):
        labels.replace_video(b, labels.videos[0])
    labels.replace_video(b, b)
    labels.undo()
    labels.undo()
    assert labels.videos == [a, b]


def test_pictures_of_a_sequence_are_renamed_together() -> None:
    pictures = tl.Video.from_image_filenames(["lab/1.png", "lab/2.png"])
    labels = tl.Labels(videos=[pictures, tl.Video("b.mp4")])
    with pytest.raises(ValueError, match="one filename for 2 pictures"):
        labels.update_video(0, "one.png")
    names = ["x.png", "y.png", "z.png"]
    made = labels.update_video(0, names)
    assert (made.filename, list(made.backend["filenames"])) == ("x.png", names)
    assert labels.update_video(1, backend={"filename": "q.h5", "dataset": "d"}).filename == "q.h5"


def test_a_remapped_video_is_known_by_both_objects_after_undo() -> None:
    labels, a, _ = project()
    labels.remap_videos({"lab": "data"})
    new = labels.videos[0]
    assert new.filename == "data/a.mp4"
    assert labels.find(a) == labels.find(new)
    labels.undo()
    assert labels.videos[0] is a
    assert len(labels.find(new)) == 2


# Suggestions


def test_suggestions_are_added_once_and_removed() -> None:
    labels, a, b = project()
    labels.add_suggestion(a, 1)
    assert len(labels.suggestions) == 3
    labels.add_suggestion("b.mp4", 1, group=4)
    labels.add_suggestion(tl.Video("new.mp4"), 0)
    assert labels.videos[-1].filename == "new.mp4"
    assert labels.suggestions[-2] == tl.SuggestionFrame(b, 1, 4)
    labels.append_suggestions([(a, 1), (a, 2), (a, 2), tl.SuggestionFrame(b, 6)])
    assert labels.get_video_suggestions(a) == [1, 7, 2]
    assert labels.get_video_suggestions(b) == [5, 1, 6]
    labels.remove_suggestion(a, 7)
    labels.remove_suggestion(a, 7)
    labels.delete_suggestions(b)
    assert [(s.video.filename, s.frame_idx) for s in labels.suggestions] == [
        ("lab/a.mp4", 1),
        ("new.mp4", 0),
        ("lab/a.mp4", 2),
    ]
    labels.clear_suggestions()
    assert labels.suggestions == []
    labels.set_suggestions([(1, 3), ("lab/a.mp4", 4)])
    assert labels.suggestions == [tl.SuggestionFrame(b, 3), tl.SuggestionFrame(a, 4)]
    for _ in range(7):
        labels.undo()
    assert labels.suggestions == [
        tl.SuggestionFrame(a, 1),
        tl.SuggestionFrame(b, 5),
        tl.SuggestionFrame(a, 7),
    ]
    assert labels.videos == [a, b]


def test_the_list_of_suggestions_is_the_labels_own(tmp_path: Path) -> None:
    labels, a, b = project()
    labels = as_scanned(labels, tmp_path)
    a, b = labels.videos
    suggestions = labels.suggestions
    new = tl.SuggestionFrame(b, 8, 2)
    suggestions.append(new)
    suggestions.insert(0, tl.SuggestionFrame(a, 0))
    del suggestions[1]
    suggestions[1] = tl.SuggestionFrame(a, 6)
    assert [tuple(s) for s in labels.suggestions] == [(a, 0), (a, 6), (a, 7), (b, 8)]
    suggestions.sort(key=lambda s: -s.frame_idx)
    assert suggestions.pop(0) == new
    suggestions.reverse()
    suggestions.remove(tl.SuggestionFrame(a, 6))
    suggestions += [tl.SuggestionFrame(b, 9)]
    assert [s.frame_idx for s in labels.suggestions] == [0, 7, 9]
    assert labels.get_next_suggestion(a, 7) == suggestions[2]
    labels.suggestions = [(a, 3)]
    assert suggestions == [tl.SuggestionFrame(a, 3)]
    suggestions.extend([new])
    tl.write_parquet(labels, tmp_path / "made.parquet")
    assert [s.frame_idx for s in tl.load_file(tmp_path / "made.parquet").suggestions] == [3, 8]
    suggestions.clear()
    assert labels.suggestions == []
    assert pickle.loads(pickle.dumps(suggestions)) == []


def test_unlabeled_suggestions_follow_edits() -> None:
    labels, a, b = project()
    assert labels.unlabeled_suggestions == [tl.SuggestionFrame(b, 5), tl.SuggestionFrame(a, 7)]
    labels.append(tl.LabeledFrame(b, 5, [tl.Instance(FLY, [[1, 2]])]))
    labels.append(tl.LabeledFrame(a, 7, [tl.PredictedInstance(FLY, [[1, 2]])]))
    assert labels.unlabeled_suggestions == [tl.SuggestionFrame(a, 7)]
    labels.remove_frame(labels.find(a, 1)[0])
    assert [s.frame_idx for s in labels.unlabeled_suggestions] == [1, 7]


# Negative anchors and provenance


def test_negative_anchors_stand_by_video_in_list_order() -> None:
    labels, a, b = project()
    labels.add_negative_anchor(a, 4, (6, 7.5))
    assert labels.negative_anchors == {a: [(0, 1.0, 2.0), (4, 6.0, 7.5)], b: [(3, 4.0, 5.0)]}
    labels.remove_negative_anchors(a, 0)
    labels.remove_negative_anchors(a, 99)
    assert labels.negative_anchors[a] == [(4, 6.0, 7.5)]
    labels.remove_negative_anchors("b.mp4")
    assert list(labels.negative_anchors) == [a]
    labels.negative_anchors = {b: [(1, 2, 3)], 0: [[5, 6, 7]]}
    assert labels.negative_anchors == {a: [(5, 6.0, 7.0)], b: [(1, 2.0, 3.0)]}
    with pytest.raises(ReadOnlyError, match=r"labels\.add_negative_anchor"):
        labels.negative_anchors[a].append((1, 2.0, 3.0))
    with pytest.raises(ReadOnlyError, match=r"labels\.add_negative_anchor"):
        labels.negative_anchors[b] = []
    with pytest.raises(ReadOnlyError):
        labels.negative_anchors.clear()
    assert pickle.loads(pickle.dumps(labels.negative_anchors)).__class__ is dict
    for _ in range(4):
        labels.undo()
    assert labels.negative_anchors == {a: [(0, 1.0, 2.0)], b: [(3, 4.0, 5.0)]}


def test_provenance_is_a_mapping_that_changes_the_labels(tmp_path: Path) -> None:
    labels, _, _ = project()
    others = labels.copy()
    mine = {"by": ["me"], "n": 3}
    labels.provenance["made"] = mine
    mine["n"] = 4
    assert labels.provenance == {"made": {"by": ["me"], "n": 3}}
    assert others.provenance == {}
    with pytest.raises(ReadOnlyError):
        labels.provenance["made"]["n"] = 4
    with pytest.raises(ReadOnlyError):
        labels.provenance["made"]["by"].append("you")
    assert json.loads(json.dumps(labels.provenance["made"])) == {"by": ["me"], "n": 3}
    labels.provenance.update(a=1, b=2)
    del labels.provenance["a"]
    tl.write_slp(labels, tmp_path / "made.slp")
    assert tl.load_file(tmp_path / "made.slp").provenance["b"] == 2
    labels.provenance = {"c": None}
    assert list(labels.provenance) == ["c"]
    labels.provenance.clear()
    assert len(labels.provenance) == 0
    for _ in range(5):
        labels.undo()
    assert labels.provenance == {}
    assert not labels.undo()
    assert repr(labels.provenance) == "{}"
    assert pickle.loads(pickle.dumps(labels.provenance)) == {}


@pytest.mark.parametrize(
    ("edit", "error", "match"),
    [
        (lambda x: x.remove_video("q.mp4"), UnknownVideoError, "q.mp4"),
        (lambda x: x.update_video(7, "q.mp4"), UnknownVideoError, "7"),
        (lambda x: x.update_video(0, colour=3), TypeError, "colour.*n_frames"),
        (lambda x: x.replace_video(0, "q.mp4"), TypeError, "new_video"),
        (lambda x: x.videos.pop(), ReadOnlyError, r"labels\.remove_video"),
        (lambda x: setattr(x.videos[0], "fps", 3), ReadOnlyError, r"labels\.update_video"),
        (lambda x: x.add_suggestion("q.mp4", 0), UnknownVideoError, "q.mp4"),
        (lambda x: x.add_suggestion(0, -1), ValueError, "found -1"),
        (lambda x: x.add_suggestion(0, 1.5), TypeError, "frame_idx of a suggestion"),
        (lambda x: x.append_suggestions([(0, 8), 3]), TypeError, "suggestion: found 3"),
        (
            lambda x: x.append_suggestions([(tl.Video("new.mp4"), 8), (0, -3)]),
            ValueError,
            "found -3",
        ),
        (lambda x: x.remove_suggestion("q.mp4", 0), UnknownVideoError, "q.mp4"),
        (lambda x: x.delete_suggestions("q.mp4"), UnknownVideoError, "q.mp4"),
        (lambda x: x.add_negative_anchor("q.mp4", 0, (1, 2)), UnknownVideoError, "q.mp4"),
        (lambda x: x.add_negative_anchor(0, 0, (1, 2, 3)), ValueError, "two coordinates"),
        (lambda x: x.add_negative_anchor(0, -1, (1, 2)), ValueError, "found -1"),
        (lambda x: x.add_negative_anchor(0, 0.5, (1, 2)), TypeError, "negative anchor"),
        (lambda x: x.remove_negative_anchors("q.mp4"), UnknownVideoError, "q.mp4"),
        (lambda x: x.provenance.update(a={1, 2}), TypeError, "provenance.*set"),
        (lambda x: x.set_provenance({3: 4}), TypeError, "the key 3"),
        (lambda x: x.set_provenance([3, 4]), TypeError, "provenance"),
        (lambda x: x.provenance.pop("q"), KeyError, "q"),
    ],
)
def test_bad_edits_change_nothing(
    edit: Callable[[tl.Labels], object], error: type[Exception], match: str
) -> None:
    labels, a, b = project()
    snapshot = labels._snapshot
    with pytest.raises(error, match=match):
        edit(labels)
    assert labels._snapshot.catalog is snapshot.catalog
    assert labels.videos == [a, b]
    assert not labels.undo()


def edit_points_and_order(labels: tl.Labels) -> None:
    labels[0][0][0] = tl.Point(1, 2)
    labels.reorder_nodes([3, 2, 1, 0])
    labels[1][0][0] = tl.Point(3, 4)


def add_and_remove_skeleton(labels: tl.Labels) -> None:
    labels.add_skeleton(tl.Skeleton(["new"]))
    labels.remove_skeleton(1)


COMMITTED: dict[str, Callable[[tl.Labels], object]] = {
    "rename tracks": lambda x: x.rename_tracks({x.tracks[0]: "new"}),
    "reorder tracks": lambda x: x.reorder_tracks(list(x.tracks)[::-1]),
    "remove a track": lambda x: x.remove_track(x.tracks[1]),
    "merge tracks": lambda x: x.merge_tracks(x.tracks[:2], x.tracks[0], allow_overlap=True),
    "rename nodes": lambda x: x.rename_nodes({0: "new"}),
    "reorder nodes": lambda x: x.reorder_nodes([3, 2, 1, 0]),
    "add a node": lambda x: x.add_node("new"),
    "remove a node": lambda x: x.remove_node(1),
    "merge nodes": lambda x: x.merge_nodes(0, 1),
    "edit points too": edit_points_and_order,
    "add an edge": lambda x: x.add_edge(3, 0),
    "rename a skeleton": lambda x: x.rename_skeleton(0, "new"),
    "add a skeleton": lambda x: x.add_skeleton(tl.Skeleton(["new"])),
    "remove a skeleton": add_and_remove_skeleton,
    "add a video": lambda x: x.add_video(tl.Video("new.mp4")),
    "update a video": lambda x: x.update_video(0, "new.mp4"),
    "remove a video": lambda x: x.remove_video(0),
    "suggest": lambda x: x.add_suggestion(0, 5),
    "anchor": lambda x: x.add_negative_anchor(0, 5, (1, 2)),
    "provenance": lambda x: x.provenance.update(new=1),
}


@pytest.mark.parametrize("edit", COMMITTED.values(), ids=COMMITTED.keys())
def test_edits_are_committed_and_so_is_their_undoing(
    edit: Callable[[tl.Labels], object], tmp_path: Path
) -> None:
    path = tmp_path / "some.parquet"
    tl.write_parquet(tl.Labels.from_tables(make_tables(30, n_videos=2, n_nodes=4)), path)
    labels = tl.scan_parquet(path)
    before = labels.collect()
    edit(labels)
    assert labels.commit("an edit") == 2
    assert tl.read_parquet(path).equals(labels.collect())
    while labels.undo():
        pass
    assert labels.equals(before)
    labels.commit("undone")
    assert tl.read_parquet(path).equals(before)
    assert tl.scan_parquet(path, version=1).equals(before)
    edit(labels)
    expected = labels.collect()
    labels.commit("once more")
    edit_points(labels)
    assert labels.commit("and points") > 3
    assert tl.read_parquet(path).equals(labels.collect())
    assert not labels.equals(expected)


def edit_points(labels: tl.Labels) -> None:
    labels[-1][0][-1] = tl.Point(5, 6)


def test_a_skeleton_that_was_committed_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "some.parquet"
    labels = tl.Labels(skeletons=[FLY, tl.Skeleton(["a", "b"]), tl.Skeleton(["c"])])
    tl.write_parquet(labels, path)
    labels = tl.scan_parquet(path)
    labels.remove_skeleton(1)
    labels.commit("the second")
    labels.remove_skeleton(-1)
    labels.commit("the last")
    assert [one.node_names for one in tl.scan_parquet(path).skeletons] == [["head"]]


def test_what_fails_in_a_transaction_leaves_nothing_behind() -> None:
    labels, a, b = project()

    def half() -> None:
        with labels.transaction():
            labels.remove_video(a)
            labels.rename_nodes(["x"])
            labels.rename_tracks({labels.tracks[0]: "x"})
            labels.provenance["x"] = 1
            labels.reorder_nodes(["x"])
            labels.add_node("y")
            labels.remove_video("q.mp4")

    before = labels.collect()
    with pytest.raises(UnknownVideoError):
        half()
    assert labels.equals(before)
    assert labels.videos == [a, b]
    assert labels.skeleton is FLY


@pytest.mark.parametrize("name", ["videos", "skeletons", "tracks"])
def test_items_are_added_at_the_end_in_one_step(name: str) -> None:
    labels, _, _ = project()
    more: dict[str, list[object]] = {
        "videos": [tl.Video("c.mp4"), tl.Video("d.mp4")],
        "skeletons": [tl.Skeleton(["x"]), tl.Skeleton(["y"])],
        "tracks": [tl.Track(0, "u"), tl.Track(0, "v")],
    }
    before, (one, other) = list(getattr(labels, name)), more[name]
    getattr(labels, name).extend([one, other])
    assert getattr(labels, name) == [*before, one, other]
    assert labels.undo()
    assert getattr(labels, name) == before
    # As `labels.videos += [one]` does: the list is changed, then assigned.
    things = getattr(labels, name)
    things += [one]
    setattr(labels, name, things)
    setattr(labels, name, [*before, one, other])
    assert getattr(labels, name) == [*before, one, other]
    with pytest.raises(TypeError, match="found int"):
        getattr(labels, name).extend([other, 3])
    for wanted in ([], [one, *before], [*before[::-1], other, one]):
        with pytest.raises(ReadOnlyError, match="rows refer to its items"):
            setattr(labels, name, wanted)
    assert getattr(labels, name) == [*before, one, other]
    while labels.undo():
        pass
    assert getattr(labels, name) == before


def test_frames_are_assigned_by_either_name() -> None:
    labels, a, _ = project()
    labels.labels += [tl.LabeledFrame(a, 8)]
    assert [frame.frame_idx for frame in labels] == [0, 1, 0, 1, 8]
    labels.labels = [labels[4], labels[0]]
    assert [frame.frame_idx for frame in labels.labeled_frames] == [8, 0]
