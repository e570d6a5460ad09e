"""Analysis files: the classic layout, the same numbers as row by row, and back again."""

import json
import math
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels.errors import (
    FileFormatError,
    LeftOutWarning,
    UnsafeFileError,
    UntrackedInstancesWarning,
)
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries import analysis
from tabular_labels.queries.analysis import analysis_blocks, analysis_layout
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.testing.builders import make_tables
from tabular_labels.testing.strategies import label_tables
from tests import reference

NAN = math.nan
FLY = tl.Skeleton(["head", "tail"], edges=[("head", "tail")], symmetries=[("head", "tail")])


def small_labels(*, tracked: bool = True) -> tl.Labels:
    """Two videos; in the first a user instance beside its prediction, and an untracked one."""
    one, two = tl.Video.from_filename("one.mp4"), tl.Video.from_filename("two.mp4")
    left, right = (tl.Track(0, "left"), tl.Track(0, "right")) if tracked else (None, None)
    predicted = tl.PredictedInstance(
        FLY, [[1, 2], [3, 4]], track=left, score=0.5, tracking_score=0.25
    )
    user = tl.Instance(FLY, [[1.5, 2.5], [NAN, NAN]], track=left)
    loose = tl.PredictedInstance(FLY, [[7, 8], [9, 10]], score=0.75)
    other = tl.PredictedInstance(FLY, [[5, 6], [7, 8]], track=right, score=1.0)
    frames = [
        tl.LabeledFrame(one, 1, [predicted]),
        tl.LabeledFrame(one, 3, [predicted.copy(), user, loose]),
        tl.LabeledFrame(two, 2, [other]),
    ]
    tracks = [tl.Track(0, "unused")] if tracked else []
    return tl.Labels(frames, tracks=tracks)


def test_the_layout_is_the_classic_one(tmp_path: Path) -> None:
    labels = small_labels()
    with pytest.warns(UntrackedInstancesWarning, match="1 instances without a track"):
        [path] = tl.write_analysis(labels, tmp_path / "a.h5", 0)
    assert path == tmp_path / "a.h5"
    with h5py.File(path) as file:
        assert set(file) == {
            "track_occupancy", "tracks", "point_scores", "instance_scores", "tracking_scores",
            "node_names", "track_names", "edge_names", "edge_inds", "labels_path", "video_path",
            "video_ind", "provenance",
        }  # fmt: skip
        arrays = {name: item[()] for name, item in file.items()}
        assert file["tracks"].compression == "gzip"
    tracks = np.full((1, 2, 2, 4), NAN)
    tracks[0, :, :, 1] = [[1, 3], [2, 4]]
    tracks[0, :, 0, 3] = [1.5, 2.5]
    np.testing.assert_array_equal(arrays["tracks"], tracks, strict=True)
    occupancy = np.array([[0], [1], [0], [1]], np.uint8)
    np.testing.assert_array_equal(arrays["track_occupancy"], occupancy, strict=True)
    # A user instance has no scores.
    np.testing.assert_array_equal(arrays["instance_scores"], [[NAN, 0.5, NAN, NAN]])
    np.testing.assert_array_equal(arrays["tracking_scores"], [[NAN, 0.25, NAN, NAN]])
    assert arrays["point_scores"].shape == (1, 2, 4)
    assert arrays["track_names"].tolist() == [b"left"]
    assert arrays["node_names"].tolist() == [b"head", b"tail"]
    assert arrays["edge_names"].tolist() == [[b"head", b"tail"]]
    assert arrays["edge_inds"].tolist() == [[0, 1]]
    assert arrays["edge_inds"].dtype == np.int64
    assert (arrays["video_path"], arrays["labels_path"]) == (b"one.mp4", b"None")
    assert int(arrays["video_ind"]) == 0
    assert json.loads(arrays["provenance"]) == {}


def test_without_tracks_there_is_one_column_without_a_name(tmp_path: Path) -> None:
    with pytest.warns(LeftOutWarning, match=r"in the place of another \(2\)"):
        tl.write_analysis(small_labels(tracked=False), tmp_path / "a.h5", 0)
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["tracks"].shape == (1, 2, 2, 4)
        assert file["track_names"].shape == (0,)
        assert file["tracks"][0, :, 0, 3].tolist() == [1.5, 2.5]
    back = tl.load_file(tmp_path / "a.h5")
    assert back.tracks == []
    assert [one.track for one in back.all_instances] == [None, None]


@pytest.mark.parametrize("tracked", [True, False])
def test_untracked_instances_may_be_kept_in_columns(tracked: bool, tmp_path: Path) -> None:
    labels = small_labels(tracked=tracked)
    tl.write_analysis(labels, tmp_path / "a.h5", 0, untracked="keep")
    back = tl.read_analysis(tmp_path / "a.h5")
    assert [track.name for track in back.tracks] == (["left"] if tracked else [])
    xy = back.to_polars(columns=["frame_idx", "x", "y"]).drop_nulls().rows()
    assert (3, 7.0, 8.0) in xy
    assert len(back.all_instances) == (3 if tracked else 4)


def test_every_video_gets_a_file_of_its_own(tmp_path: Path) -> None:
    with pytest.warns(UntrackedInstancesWarning):
        paths = tl.write_analysis(small_labels(), tmp_path / "a.analysis.h5")
    assert [path.name for path in paths] == ["a.000_one.analysis.h5", "a.001_two.analysis.h5"]
    assert sorted(tmp_path.iterdir()) == paths
    videos = [tl.load_file(path).video.filename for path in paths]
    assert videos == ["one.mp4", "two.mp4"]


def test_tracks_that_are_rarely_there_are_left_out_on_request(tmp_path: Path) -> None:
    labels = tl.Labels.from_tables(make_tables(20, n_videos=1, n_nodes=2, absent_fraction=0.5))
    tl.write_analysis(labels, tmp_path / "all.h5")
    tl.write_analysis(labels, tmp_path / "some.h5", min_occupancy=0.5)
    with h5py.File(tmp_path / "all.h5") as every, h5py.File(tmp_path / "some.h5") as some:
        share = every["track_occupancy"][:].mean(axis=0)
        assert 0 < (share >= 0.5).sum() < len(share)
        np.testing.assert_array_equal(some["tracks"], every["tracks"][:][share >= 0.5])
        np.testing.assert_array_equal(some["track_names"], every["track_names"][:][share >= 0.5])


def test_labels_without_frames_give_an_error_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no labelled frames"):
        tl.write_analysis(tl.Labels(videos=[tl.Video("a.mp4")]), tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


@given(
    tables=label_tables(min_frames=1),
    all_frames=st.booleans(),
    untracked=st.sampled_from(["drop", "keep"]),
)
def test_arrays_are_those_made_row_by_row(
    tables: LabelTables, all_frames: bool, untracked: Literal["drop", "keep"]
) -> None:
    assume(tables.frames.height and tables.catalog.skeletons.height)
    structure, snapshot = tables.structure, Snapshot.of(tables)
    for video_id in tables.frames["video_id"].unique():
        expected = reference.analysis_arrays(
            tables, video_id, all_frames=all_frames, untracked=untracked
        )
        layout = analysis_layout(
            structure, tables.catalog, video_id, all_frames=all_frames, untracked=untracked
        )
        assert (layout.first_frame, layout.n_frames) == (expected["first"], expected["n_frames"])
        assert layout.n_untracked == expected["lost"]["untracked"]
        assert layout.n_other == expected["lost"]["other"]
        columns = sorted({column for _, column in expected["found"]})
        assert len(layout.tracks) == len(columns)
        for block in analysis_blocks(structure, layout, snapshot.read_points):
            for frame in range(block.start, block.stop):
                for k, column in enumerate(columns):
                    at = frame - block.start, k
                    one = expected["found"].get((frame, column))
                    assert block.occupancy[at] == (one is not None)
                    check_slot(block, at, one)


def check_slot(block: Any, at: tuple[int, int], one: dict[str, Any] | None) -> None:
    """Compare one place of the arrays with an instance, or with nothing."""
    if one is None:
        assert np.isnan(block.xy[at]).all()
        assert np.isnan(block.point_scores[at]).all()
        assert np.isnan(block.instance_scores[at])
        return
    for k, point in enumerate(one["points"]):
        shown = [NAN if v is None or not point["visible"] else v for v in (point["x"], point["y"])]
        np.testing.assert_array_equal(block.xy[at][k], shown)
        has_score = one["kind"] == "predicted" and point["score"] is not None
        np.testing.assert_array_equal(
            block.point_scores[at][k], point["score"] if has_score else NAN
        )
    score = one["score"] if one["kind"] == "predicted" and one["score"] is not None else NAN
    np.testing.assert_array_equal(block.instance_scores[at], score)


@pytest.mark.parametrize("transpose", [True, False])
@pytest.mark.parametrize("all_frames", [True, False])
def test_predictions_come_back(transpose: bool, all_frames: bool, tmp_path: Path) -> None:
    tables = make_tables(50, n_videos=1, n_nodes=3, user_fraction=0.0, gap_fraction=0.3)
    labels = tl.Labels.from_tables(tables)
    late = labels.filter(frames=pl.col("frame_idx") > 20)
    tl.write_analysis(late, tmp_path / "a.h5", transpose=transpose, all_frames=all_frames)
    back = tl.read_analysis(tmp_path / "a.h5")
    columns = ["frame_idx", "kind", "track", "node", "x", "y", "instance_score", "tracking_score"]
    assert_frame_equal(back.to_polars(columns=columns), late.to_polars(columns=columns))
    assert back.skeleton.matches(labels.skeleton)
    assert back.skeleton.symmetry_names == labels.skeleton.symmetry_names


def test_blocks_join_without_a_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = tl.Labels.from_tables(make_tables(200, n_videos=1, n_nodes=2, absent_fraction=0.3))
    tl.write_analysis(labels, tmp_path / "one.h5")
    monkeypatch.setattr(analysis, "_FEWEST_FRAMES", 7)
    monkeypatch.setattr(analysis, "_MOST_FRAMES", 7)
    tl.write_analysis(labels, tmp_path / "many.h5")
    with h5py.File(tmp_path / "one.h5") as one, h5py.File(tmp_path / "many.h5") as many:
        for name in one:
            np.testing.assert_array_equal(one[name][()], many[name][()])


def test_cancelling_leaves_none_of_the_files(tmp_path: Path) -> None:
    def cancel(done: int, total: int) -> None:
        if done == total:
            raise KeyboardInterrupt

    labels = tl.Labels.from_tables(make_tables(20, n_videos=2, n_nodes=2))
    for write in (tl.write_analysis, tl.write_analysis_csv):
        with pytest.raises(KeyboardInterrupt):
            write(labels, tmp_path / "a.h5", progress=cancel)
    assert list(tmp_path.iterdir()) == []


def test_the_real_analysis_file_is_read_and_written_again(
    shared_data: Path, tmp_path: Path
) -> None:
    source = shared_data / "small_robot_3_frame.analysis.h5"
    labels = tl.load_file(source)
    assert labels.video.filename.endswith("small_robot_3_frame.mp4")
    assert labels.skeleton.edge_names == [("top", "front"), ("top", "rear"), ("front", "rear")]
    tl.write_analysis(labels, tmp_path / "a.h5")
    with h5py.File(source) as old, h5py.File(tmp_path / "a.h5") as new:
        for name in old:
            if name not in ("edge_inds", "labels_path", "video_ind"):  # int32 there
                assert old[name].dtype == new[name].dtype
                np.testing.assert_array_equal(old[name][()], new[name][()])
        np.testing.assert_array_equal(old["edge_inds"], new["edge_inds"])


def test_the_real_csv_holds_the_last_instance(shared_data: Path, tmp_path: Path) -> None:
    name = "minimal_instance.000_centered_pair_low_quality.analysis.csv"
    labels = tl.load_file(shared_data / "minimal_instance.slp")
    with pytest.warns(LeftOutWarning):
        tl.write_analysis_csv(labels, tmp_path / "a.csv")
    old, new = (pl.read_csv(path) for path in (shared_data / name, tmp_path / "a.csv"))
    assert new.columns == old.columns
    told = ["frame_idx", "A.x", "A.y", "B.x", "B.y"]
    assert_frame_equal(new.select(told), old.select(told))
    assert len(tl.load_file(shared_data / name)) == 1


def test_csv_has_a_row_for_each_instance_with_a_point(tmp_path: Path) -> None:
    labels = small_labels()
    with pytest.warns(UntrackedInstancesWarning):
        tl.write_analysis_csv(labels, tmp_path / "a.csv", 0)
    assert (tmp_path / "a.csv").read_text().splitlines() == [
        "track,frame_idx,instance.score,head.x,head.y,head.score,tail.x,tail.y,tail.score",
        "left,1,0.5,1.0,2.0,,3.0,4.0,",
        "left,3,,1.5,2.5,,,,",
    ]
    tl.write_analysis_csv(labels, tmp_path / "k.csv", 0, untracked="keep", pad_frames=True)
    rows = pl.read_csv(tmp_path / "k.csv")
    assert rows["frame_idx"].to_list() == [0, 1, 2, 3, 3]
    assert rows["track"].to_list() == [None, "left", None, "left", None]


# Damaged and hostile files


def broken_copy(labels: tl.Labels, path: Path) -> h5py.File:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tl.write_analysis(labels, path, 0)
    return h5py.File(path, "r+")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tracks", np.zeros((1, 3, 2, 4))),
        ("tracks", np.zeros((1, 2, 2))),
        ("tracks", np.array([[[[b"x"]]]])),
        ("track_occupancy", np.zeros((3, 1), np.uint8)),
        ("point_scores", np.zeros((2, 2, 4))),
        ("node_names", np.array([b"head", b"head"])),
        ("node_names", np.array([b"head"])),
        ("track_names", np.array([b"a", b"b"])),
        ("edge_names", np.array([[b"head", b"wing"]])),
        ("edge_names", np.array([b"head"])),
        ("provenance", "[1]"),
        ("provenance", "{"),
        ("provenance", "[" * 5000 + "]" * 5000),
    ],
)
def test_a_broken_file_is_refused(name: str, value: Any, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with broken_copy(small_labels(), path) as file:
        del file[name]
        file[name] = value
    with pytest.raises(FileFormatError, match="expected"):
        tl.read_analysis(path)


def test_links_out_of_the_file_are_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with broken_copy(small_labels(), path) as file:
        del file["tracks"]
        file["tracks"] = h5py.ExternalLink("other.h5", "/tracks")
    with pytest.raises(UnsafeFileError):
        tl.read_analysis(path)


def test_a_size_that_the_file_cannot_hold_is_refused_before_it_is_allocated(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.h5"
    with broken_copy(small_labels(), path) as file:
        del file["tracks"], file["track_occupancy"]
        file.create_dataset("tracks", (1, 2, 2, 2**40), "f8", chunks=(1, 1, 2, 1024))
        file.create_dataset("track_occupancy", (2**40, 1), "u1", chunks=(1024, 1))
    with pytest.raises(FileFormatError, match="stored"):
        tl.read_analysis(path)


# Beside sleap-io

needs_sleap_io = pytest.mark.skipif(find_spec("sleap_io") is None, reason="no sleap-io")


@needs_sleap_io
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("transpose", [True, False])
def test_sleap_io_reads_the_same_numbers(transpose: bool, tmp_path: Path) -> None:
    import sleap_io as sio

    tables = make_tables(30, n_videos=1, n_nodes=3, user_fraction=0.0)
    labels = tl.Labels.from_tables(tables)
    tl.write_analysis(labels, tmp_path / "a.h5", transpose=transpose)
    theirs = sio.load_analysis_h5(str(tmp_path / "a.h5"))
    np.testing.assert_array_equal(theirs.numpy(), labels.numpy().astype(np.float64)[:30])
    assert [track.name for track in theirs.tracks] == [track.name for track in labels.tracks]
    assert theirs.skeletons[0].edge_inds == labels.skeleton.edge_inds


@needs_sleap_io
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("preset", ["matlab", "standard"])
def test_files_of_sleap_io_are_read(preset: str, tmp_path: Path) -> None:
    import sleap_io as sio

    labels = tl.Labels.from_tables(make_tables(30, n_videos=1, n_nodes=3, user_fraction=0.0))
    tl.write_slp(labels, tmp_path / "a.slp")
    theirs = sio.load_slp(str(tmp_path / "a.slp"), open_videos=False)
    sio.save_analysis_h5(theirs, str(tmp_path / "a.h5"), preset=preset)
    back = tl.load_file(tmp_path / "a.h5")
    columns = ["frame_idx", "track", "node", "x", "y", "instance_score"]
    assert_frame_equal(back.to_polars(columns=columns), labels.to_polars(columns=columns))
