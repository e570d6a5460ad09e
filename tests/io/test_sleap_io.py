"""Labels go to sleap-io's objects and come back; lazily loaded ones by their arrays."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels.errors import (
    DanglingReferenceWarning,
    FileFormatError,
    InvariantError,
    UnmodelledDataError,
    UnmodelledDataWarning,
)
from tabular_labels.model.checks import check_tables
from tabular_labels.model.schema import NEGATIVE_ANCHORS
from tabular_labels.model.tables import Attachments, LabelTables
from tabular_labels.queries.compare import tables_equal
from tabular_labels.testing.builders import make_tables
from tabular_labels.testing.strategies import label_tables

sio = pytest.importorskip("sleap_io")

KINDS: list[dict[str, Any]] = [
    {},
    {"user_fraction": 0.4, "n_skeletons": 2, "shuffled": True},
    {"gap_fraction": 0.3, "untracked_fraction": 0.4, "missing_fraction": 0.5},
    {"empty_fraction": 0.3, "negative_fraction": 0.3, "absent_fraction": 0.2},
    {"user_fraction": 1.0, "n_skeletons": 3, "n_nodes": 4},
    {"n_frames": 0},
    {"n_frames": 0, "n_videos": 0},
]


def as_sleap_io_holds(tables: LabelTables) -> LabelTables:
    """Leave out what sleap-io has no place for."""
    catalog = tables.catalog
    catalog = replace(
        catalog,
        tracks=catalog.tracks.with_columns(spawned_on=pl.lit(0, pl.Int64)),
        nodes=catalog.nodes.with_columns(weight=pl.lit(1.0)),
        negative_anchors=NEGATIVE_ANCHORS.empty(),
        attachments=Attachments(),
    )
    is_predicted = pl.col("kind") == "predicted"
    instances = tables.instances.with_columns(score=pl.when(is_predicted).then(pl.col("score")))
    return LabelTables(catalog, tables.frames, instances, tables.points)


def tables_of(labels: tl.Labels) -> LabelTables:
    tables: LabelTables = labels._snapshot.tables()
    assert check_tables(tables) == []
    return tables


def there(tables: LabelTables) -> Any:
    """Turn tables into sleap-io's objects, without a word about what they cannot hold."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnmodelledDataWarning)
        return tl.Labels.from_tables(tables).to_sleap_io()


def load(path: Path, *, lazy: bool) -> Any:
    return sio.load_slp(str(path), open_videos=False, lazy=lazy)


def without_filename(tables: LabelTables) -> LabelTables:
    """Leave out where sleap-io says that it has read the labels from."""
    provenance = {k: v for k, v in tables.catalog.provenance.items() if k != "filename"}
    catalog = replace(tables.catalog, provenance=provenance)
    return LabelTables(catalog, tables.frames, tables.instances, tables.points)


@given(label_tables())
@settings(max_examples=60)
def test_what_goes_to_sleap_io_comes_back(tables: LabelTables) -> None:
    expected = as_sleap_io_holds(tables)
    back = tables_of(tl.Labels.from_sleap_io(there(tables)))
    assert tables_equal(back, expected)
    assert back.catalog.project_id == tables.catalog.project_id
    for name in ("frames", "instances", "points"):
        assert getattr(back, name).schema == getattr(expected, name).schema


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_lazy_and_eager_labels_say_what_reading_the_file_says(
    tmp_path: Path, kind: dict[str, Any]
) -> None:
    tables = make_tables(**kind)
    path = tmp_path / "labels.slp"
    tl.write_slp(tl.Labels.from_tables(tables), path)
    expected = as_sleap_io_holds(tables_of(tl.read_slp(path)))
    for lazy in (True, False):
        found = without_filename(tables_of(tl.Labels.from_sleap_io(load(path, lazy=lazy))))
        assert tables_equal(found, expected)
        if not kind.get("shuffled"):
            assert_frame_equal(found.instances, expected.instances)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_objects_are_those_that_sleap_io_builds_of_the_file(
    tmp_path: Path, kind: dict[str, Any]
) -> None:
    tables = make_tables(**kind)
    path = tmp_path / "labels.slp"
    tl.write_slp(tl.Labels.from_tables(tables), path)
    assert told(there(tables)) == told(load(path, lazy=False))


def told(labels: Any) -> dict[str, Any]:
    """All that sleap-io's labels say, with places instead of objects."""
    ids = {id(one): k for k, one in enumerate(i for f in labels.labeled_frames for i in f)}
    return {
        "frames": [
            {
                "video": labels.videos.index(frame.video),
                "frame_idx": frame.frame_idx,
                "is_negative": frame.is_negative,
                "instances": [instance_of(labels, one, ids) for one in frame.instances],
            }
            for frame in labels.labeled_frames
        ],
        "videos": [(v.filename, v.shape and list(v.shape), v.fps) for v in labels.videos],
        "skeletons": [
            (s.name, s.node_names, s.edge_inds, sorted(s.symmetry_inds)) for s in labels.skeletons
        ],
        "tracks": [track.name for track in labels.tracks],
        "suggestions": [
            (labels.videos.index(s.video), s.frame_idx, s.metadata) for s in labels.suggestions
        ],
        "provenance": {k: v for k, v in labels.provenance.items() if k != "filename"},
    }


def instance_of(labels: Any, one: Any, ids: dict[int, int]) -> dict[str, Any]:
    is_predicted = type(one) is sio.PredictedInstance
    return {
        "kind": type(one).__name__,
        "points": type(one.points).__name__,
        "dtype": one.points.dtype,
        "skeleton": labels.skeletons.index(one.skeleton),
        "track": labels.tracks.index(one.track) if one.track else None,
        "score": repr(float(one.score)) if is_predicted else None,
        "tracking_score": repr(float(one.tracking_score)),
        "from_predicted": ids[id(one.from_predicted)] if one.from_predicted else None,
        "values": repr([tuple(map(plain, point)) for point in one.points]),
    }


def plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value


def test_scanned_labels_become_the_same_objects(tmp_path: Path) -> None:
    tables = make_tables(60, user_fraction=0.3, shuffled=True)
    path = tmp_path / "labels.parquet"
    tl.write_parquet(tl.Labels.from_tables(tables), path)
    scanned = tl.scan_parquet(path)
    assert scanned.is_scanned
    assert told(scanned.to_sleap_io()) == told(there(tables))


def test_objects_may_be_changed_and_the_labels_stay() -> None:
    tables = make_tables(5)
    labels = tl.Labels.from_tables(tables)
    made = there(tables)
    before = labels[0][0].numpy().copy()
    made.labeled_frames[0].instances[0].points["xy"][:] = -7
    assert np.array_equal(labels[0][0].numpy(), before, equal_nan=True)
    assert made.labeled_frames[0].instances[1].points["xy"][0, 0] != -7


def test_what_sleap_io_cannot_hold_is_named() -> None:
    labels = tl.Labels(
        videos=[video := tl.Video("a.mp4")],
        skeletons=[tl.Skeleton([tl.Node("head", 2.0)])],
        tracks=[tl.Track(7, "one")],
        negative_anchors={video: [(3, 1.0, 2.0)]},
    )
    found = r"spawned_on of tracks \(1\), weights of nodes \(1\), negative anchors \(1\)"
    with pytest.warns(UnmodelledDataWarning, match=found):
        labels.to_sleap_io()


def test_what_our_tables_cannot_hold_is_named_once(tmp_path: Path) -> None:
    skeleton = sio.Skeleton(["head"])
    video = sio.Video("a.mp4", open_backend=False)
    instance = sio.Instance.from_numpy(np.ones((1, 2)), skeleton, identity=sio.Identity("Ann"))
    centroid = sio.UserCentroid(1.0, 2.0)
    frame = sio.LabeledFrame(video, 3, [instance], centroids=[centroid])
    labels = sio.Labels([frame], suggestions=[sio.SuggestionFrame(video, 1, {"why": "dark"})])
    found = (
        r"identities \(1\), centroids \(1\), identity of instances \(1\), "
        r"values of suggestions \(1\)"
    )
    with pytest.warns(UnmodelledDataWarning, match=found) as caught:
        taken = tl.Labels.from_sleap_io(labels)
    assert len(caught) == 1
    assert [len(frame) for frame in taken] == [1]
    with pytest.raises(UnmodelledDataError, match="centroids"):
        tl.Labels.from_sleap_io(labels, strict=True)
    path = tmp_path / "labels.slp"
    sio.save_slp(labels, str(path), verbose=False)
    with pytest.warns(UnmodelledDataWarning, match="centroids"):
        lazy = tl.Labels.from_sleap_io(load(path, lazy=True))
    assert [len(frame) for frame in lazy] == [1]


def test_a_link_to_a_prediction_in_no_frame_is_null_and_counted() -> None:
    skeleton = sio.Skeleton(["head"])
    gone = sio.PredictedInstance.from_numpy(np.ones((1, 2)), skeleton)
    instance = sio.Instance.from_numpy(np.ones((1, 2)), skeleton, from_predicted=gone)
    frame = sio.LabeledFrame(sio.Video("a.mp4", open_backend=False), 3, [instance])
    with pytest.warns(DanglingReferenceWarning, match="1 instances"):
        labels = tl.Labels.from_sleap_io(sio.Labels([frame]))
    assert labels[0][0].from_predicted is None


def test_lists_that_were_not_kept_up_to_date_are_completed() -> None:
    skeleton = sio.Skeleton(["head"])
    instance = sio.Instance.from_numpy(np.ones((1, 2)), skeleton)
    frame = sio.LabeledFrame(sio.Video("a.mp4", open_backend=False), 3, [instance])
    labels = sio.Labels([frame])
    labels.videos.clear()
    labels.skeletons.clear()
    instance.track = sio.Track("late")
    taken = tl.Labels.from_sleap_io(labels)
    assert [video.filename for video in taken.videos] == ["a.mp4"]
    assert taken[0][0].track is taken.tracks[0]


@pytest.mark.parametrize(
    ("frame_idx", "n_points"), [(-1, 1), (2**32 - 1, 1), (0, 2)], ids=["below", "above", "points"]
)
def test_what_breaks_a_rule_is_refused(frame_idx: int, n_points: int) -> None:
    skeleton = sio.Skeleton(["head"])
    instance = sio.Instance.from_numpy(np.ones((1, 2)), skeleton)
    instance.points = sio.Instance.from_numpy(
        np.ones((n_points, 2)), sio.Skeleton(["a"] * n_points)
    ).points
    frame = sio.LabeledFrame(sio.Video("a.mp4", open_backend=False), frame_idx, [instance])
    with pytest.raises(FileFormatError, match="sleap-io labels"):
        tl.Labels.from_sleap_io(sio.Labels([frame]))


def test_nodes_of_one_name_are_refused() -> None:
    with pytest.raises(InvariantError, match="name is unique"):
        tl.Labels.from_sleap_io(sio.Labels(skeletons=[sio.Skeleton(["a", "a"])]))


def test_a_video_keeps_what_is_known_and_is_not_opened(
    shared_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = (shared_data / "small_robot_3_frame.mp4").as_posix()
    opened = sio.load_video(name)
    known = sio.load_video(name)
    assert known.shape == (3, 320, 560, 3)

    def refuse(*args: object, **kwargs: object) -> None:
        message = "a picture was read"
        raise AssertionError(message)

    for backend in {type(opened.backend), *type(opened.backend).__mro__}:
        for method in ("get_frame", "_read_frame", "read_test_frame"):
            if method in vars(backend):
                monkeypatch.setattr(backend, method, refuse)
    taken = tl.Labels.from_sleap_io(sio.Labels(videos=[opened, known])).videos
    assert [video.filename for video in taken] == [name, name]
    assert [video.shape for video in taken] == [None, (3, 320, 560, 3)]


def test_pictures_in_a_package_are_still_found(tmp_path: Path, shared_data: Path) -> None:
    source = sio.load_slp((shared_data / "minimal_instance.slp").as_posix(), open_videos=False)
    source.replace_filenames(
        new_filenames=[(shared_data / "centered_pair_low_quality.mp4").as_posix()]
    )
    package = tmp_path / "labels.pkg.slp"
    source.save(package.as_posix(), embed="user", verbose=False)
    for lazy in (True, False):
        labels = tl.Labels.from_sleap_io(load(package, lazy=lazy))
        assert labels.videos[0].filename == package.as_posix()
        picture = labels.videos[0].get_frame(labels[0].frame_idx)
        assert picture.shape == (384, 384, 1)
        again = labels.to_sleap_io()
        again.videos[0].open()
        assert np.array_equal(again.videos[0][labels[0].frame_idx], picture)


@pytest.mark.parametrize(
    ("stored", "named"),
    [("C:\\lab\\a.mp4", "C:/lab/a.mp4"), ("/lab/a.mp4", "/lab/a.mp4"), ("", "")],
)
def test_names_of_videos_keep_their_spelling(stored: str, named: str) -> None:
    labels = tl.Labels(videos=[tl.Video(stored)])
    there = labels.to_sleap_io()
    assert there.videos[0].filename == named
    assert tl.Labels.from_sleap_io(there).videos[0].filename == stored


def test_a_renamed_video_is_taken_by_its_new_name() -> None:
    labels = tl.Labels(videos=[tl.Video("old.mp4"), tl.Video.from_filename(["1.png", "2.png"])])
    there = labels.to_sleap_io()
    there.videos[0].replace_filename("new.mp4", open=False)
    there.videos[1].replace_filename(["x/1.png", "x/2.png"], open=False)
    taken = tl.Labels.from_sleap_io(there).videos
    assert [video.filename for video in taken] == ["new.mp4", "x/1.png"]
    assert list(taken[1].backend["filenames"]) == ["x/1.png", "x/2.png"]
