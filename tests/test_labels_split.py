"""Labels are split into parts that do not leak, in memory and scanned alike."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

import tabular_labels as tl
from tabular_labels.errors import ForkedProcessError, QueryError
from tabular_labels.testing.builders import make_tables

SPARSE = {
    "gap_fraction": 0.2,
    "absent_fraction": 0.3,
    "untracked_fraction": 0.2,
    "user_fraction": 0.2,
    "shuffled": True,
}
OPTIONS: dict[str, dict[str, Any]] = {
    "frames": {},
    "by video": {"by": "video"},
    "by an expression": {"by": pl.col("frame_idx") // 7},
    "gap": {"gap": 3},
    "gap and expression": {"gap": 2, "by": pl.col("frame_idx") // 7},
    "blocks": {"blocks": 6},
    "blocks and gap": {"blocks": 6, "gap": 4},
    "by kind": {"stratify": "kind"},
    "by number": {"stratify": "n_instances"},
    "by an expression's values": {"stratify": pl.col("is_negative")},
    "blocks of each video": {"blocks": 6, "gap": 4, "stratify": "video"},
}


def make_labels(n_frames: int = 240, **more: Any) -> tl.Labels:
    return tl.Labels.from_tables(make_tables(n_frames, n_nodes=3, **{**SPARSE, **more}))


@pytest.fixture(scope="module")
def labels() -> tl.Labels:
    return make_labels()


@pytest.fixture(params=["memory", "slp", "parquet"])
def anywhere(request: pytest.FixtureRequest, labels: tl.Labels, tmp_path: Path) -> tl.Labels:
    """Return the labels in memory, and scanned from either format."""
    if request.param == "memory":
        return labels
    if request.param == "slp":
        tl.write_slp(labels, tmp_path / "a.slp")
        return tl.scan_slp(tmp_path / "a.slp")
    tl.write_parquet(labels, tmp_path / "a.parquet")
    return tl.scan_parquet(tmp_path / "a.parquet")


def places(labels: tl.Labels) -> list[tuple[str, int]]:
    return labels.to_polars("frames", ["video", "frame_idx"]).rows()


def steps(one: tl.Labels, other: tl.Labels) -> int:
    """Return the smallest distance in a video."""
    nearest = tl.leakage_report(one, other)["nearest"].min()
    assert isinstance(nearest, int)
    return nearest


@pytest.mark.parametrize("options", OPTIONS.values(), ids=list(OPTIONS))
def test_a_split_is_the_same_in_memory_and_scanned(
    anywhere: tl.Labels, labels: tl.Labels, options: dict[str, Any]
) -> None:
    parts = anywhere.split(0.7, seed=5, **options)
    expected = labels.split(0.7, seed=5, **options)
    for part, other in zip(parts, expected, strict=True):
        assert part.is_scanned == anywhere.is_scanned
        assert len(part) == len(other)
        assert part.videos == anywhere.videos
        assert part.collect().equals(other)
        assert list(part)[:5] == list(other)[:5]
    assert not set(places(parts[0])) & set(places(parts[1]))
    whole = sorted(places(parts[0]) + places(parts[1]))
    if options.get("blocks") and options.get("gap"):
        assert set(whole) < set(places(labels))
    else:
        assert whole == sorted(places(labels))


@pytest.mark.parametrize("options", OPTIONS.values(), ids=list(OPTIONS))
def test_sizes_are_as_asked_or_as_near_as_groups_allow(
    labels: tl.Labels, options: dict[str, Any]
) -> None:
    first, second = labels.split(0.75, seed=1, **options)
    assert abs(len(second) - 60) <= 12
    if set(options) <= {"stratify"}:
        assert (len(first), len(second)) == (180, 60)


def test_parts_keep_the_order_of_the_list(labels: tl.Labels) -> None:
    wanted = [(frame.video, frame.frame_idx) for frame in labels]
    for part in labels.split(0.5, seed=0):
        mine = [(frame.video, frame.frame_idx) for frame in part]
        assert mine == [place for place in wanted if place in set(mine)]


@pytest.mark.parametrize("form", ["slp", "parquet"])
def test_a_scan_reads_no_instances_before_the_parts_are_looked_at(
    labels: tl.Labels, tmp_path: Path, form: str
) -> None:
    labels.save(tmp_path / f"a.{form}")
    scanned = (
        tl.scan_slp(tmp_path / "a.slp")
        if form == "slp"
        else tl.scan_parquet(tmp_path / "a.parquet")
    )
    parts = scanned.split(0.8, seed=0, blocks=5, gap=2)
    assert sum(map(len, parts)) < 240
    assert not any(part._snapshot.has_structure for part in (scanned, *parts))
    again = [pickle.loads(pickle.dumps(part)) for part in parts]
    assert [len(part) for part in again] == [len(part) for part in parts]
    repr(parts[0])
    assert parts[0]._snapshot.has_structure
    assert [a.collect().equals(b.collect()) for a, b in zip(again, parts, strict=True)] == [
        True
    ] * 2


@pytest.mark.parametrize(
    "options",
    [
        {"by": "track"},
        {"by": "track", "gap": 0},
        {"stratify": "kind"},
        {"stratify": "n_instances"},
        {"by": pl.col("n_tracked").cast(pl.Int64) + pl.col("frame_idx") // 50},
        {"stratify": (pl.col("n_user") > 1) | (pl.col("video") == "b.mp4")},
    ],
)
@pytest.mark.parametrize("form", ["slp", "parquet"])
def test_tracks_and_counts_of_a_scan_are_read_in_pieces(
    tmp_path: Path, form: str, options: dict[str, Any]
) -> None:
    whole = chains()
    whole.save(tmp_path / f"a.{form}")
    scan = tl.scan_slp if form == "slp" else tl.scan_parquet
    scanned = scan(tmp_path / f"a.{form}")
    parts, expected = (one.split(0.5, seed=4, **options) for one in (scanned, whole))
    assert not any(part._snapshot.has_structure for part in (scanned, *parts))
    assert all(a.collect().equals(b) for a, b in zip(parts, expected, strict=True))
    # Edits count as soon as they are made.
    for one in (scanned, whole):
        for frame in one[200::3]:
            frame.instances[0].track = one.tracks[0]
            one.add_instance(frame, tl.PredictedInstance(one.skeletons[0]))
        del one[7]
    edited, expected = (one.split(0.5, seed=4, **options) for one in (scanned, whole))
    assert all(a.collect().equals(b) for a, b in zip(edited, expected, strict=True))


def test_a_part_of_a_scan_can_be_filtered_split_and_saved(
    labels: tl.Labels, tmp_path: Path
) -> None:
    tl.write_slp(labels, tmp_path / "a.slp")
    part, _ = tl.scan_slp(tmp_path / "a.slp").split(0.5, seed=2)
    mine, _ = labels.split(0.5, seed=2)
    above = pl.col("x") > 300
    assert part.filter(points=above).collect().equals(mine.filter(points=above))
    deeper = part.split(0.5, seed=3)[0].extract([3, 1])
    assert deeper.collect().equals(mine.split(0.5, seed=3)[0].extract([3, 1]))
    part.save(tmp_path / "b.slp")
    assert tl.load_file(tmp_path / "b.slp").equals(mine)


def test_edited_labels_are_split_and_their_parts_edited(labels: tl.Labels, tmp_path: Path) -> None:
    def work(whole: tl.Labels) -> list[tl.Labels]:
        add(whole, 0, 5_000)
        part, rest = whole.split(0.5, seed=1)
        add(part, 1, 6_000)
        deeper, _ = part.split(0.7, seed=2)
        add(deeper, 2, 7_000)
        return [whole, part, rest, deeper]

    tl.write_parquet(labels, tmp_path / "a.parquet")
    made = work(tl.scan_parquet(tmp_path / "a.parquet"))
    assert all(one.is_scanned for one in made)
    for one, expected in zip(made, work(labels.copy()), strict=True):
        assert one.collect().equals(expected)
        added = one.to_polars("points", ["frame_idx", "x"]).filter(pl.col("frame_idx") >= 5_000)
        assert added["x"].to_list() == added["frame_idx"].cast(pl.Float64).to_list()
    assert len(labels) == 240


def add(labels: tl.Labels, video: int, start: int) -> None:
    """Append frames whose points tell where they belong."""
    skeleton = labels.skeletons[0]
    for k in range(start, start + 10):
        points = [[k, node] for node in range(len(skeleton))]
        labels.append(tl.LabeledFrame(labels.videos[video], k, [tl.Instance(skeleton, points)]))


def test_videos_stay_whole(labels: tl.Labels) -> None:
    first, second = labels.split(0.75, seed=0, by="video")
    assert [len({f.video for f in part}) for part in (first, second)] == [3, 1]
    every = {next(iter(labels.split(0.75, seed=s, by="video")[1])).video for s in range(12)}
    assert len(every) > 2  # which one it is, the seed decides


def chains() -> tl.Labels:
    """Two animals at a time, the second of which is the first of the next ten frames.

    But where the recording was interrupted.
    """
    fly, video = tl.Skeleton(["head"]), tl.Video("a.mp4")
    tracks = [tl.Track(k, str(k)) for k in range(30)]
    frames = []
    for index in range(300):
        here = [tracks[index // 10]]
        if index % 50 < 40:
            here.append(tracks[index // 10 + 1])
        frames.append(tl.LabeledFrame(video, index, [tl.Instance(fly, track=t) for t in here]))
    return tl.Labels(frames)


def test_tracks_stay_whole() -> None:
    first, second = chains().split(0.5, seed=0, by="track")
    assert {f.frame_idx // 50 for f in first} & {f.frame_idx // 50 for f in second} == set()
    assert {len(first), len(second)} in ({150}, {100, 200})
    one, other = ({i.track for i in part.all_instances} for part in (first, second))
    assert not one & other


def test_a_gap_keeps_parts_apart(labels: tl.Labels) -> None:
    for seed in range(5):
        assert steps(*labels.split(0.8, seed=seed, blocks=5, gap=4)) > 4
        assert steps(*labels.split(0.8, seed=seed, gap=2)) > 2
        assert steps(*labels.split(0.8, seed=seed)) == 1


def test_a_gap_takes_frames_from_the_larger_part(labels: tl.Labels) -> None:
    without = labels.split(0.8, seed=0, blocks=5)
    cleared = labels.split(0.8, seed=0, blocks=5, gap=6)
    assert cleared[1].equals(without[1])
    assert len(cleared[0]) < len(without[0])
    smaller = labels.split(0.2, seed=0, blocks=5), labels.split(0.2, seed=0, blocks=5, gap=6)
    assert smaller[0][0].equals(smaller[1][0])
    assert len(smaller[1][1]) < len(smaller[0][1])


def test_frames_at_one_index_stay_together_with_a_gap_of_none() -> None:
    video = tl.Video("a.mp4")
    labels = tl.Labels([tl.LabeledFrame(video, k // 2) for k in range(40)])
    assert steps(*labels.split(0.5, seed=0)) == 0
    assert steps(*labels.split(0.5, seed=0, gap=0)) == 1


def test_each_kind_of_frame_gets_its_share() -> None:
    labels = make_labels(1_000, user_fraction=0.02, empty_fraction=0.1)
    first, _ = labels.split(0.9, seed=4, stratify="kind")
    for kind in ("n_user", "n_predicted"):
        whole, mine = (int((one.to_polars("frames")[kind] > 0).sum()) for one in (labels, first))
        assert 20 < whole < 980
        assert abs(mine - 0.9 * whole) < 3


def test_each_video_gets_its_share_of_blocks() -> None:
    labels = make_labels(400)
    for seed in range(5):
        _, validation = labels.split(0.8, seed=seed, blocks=5, stratify="video")
        assert [len(validation.find(k)) for k in range(4)] == [20] * 4


def test_folds_validate_every_frame_once(anywhere: tl.Labels) -> None:
    pairs = list(anywhere.k_folds(5, seed=0))
    assert [(len(t), len(v)) for t, v in pairs] == [(192, 48)] * 5
    assert all(part.is_scanned == anywhere.is_scanned for pair in pairs for part in pair)
    validated = [place for _, validation in pairs for place in places(validation)]
    assert sorted(validated) == sorted(places(anywhere))
    for training, validation in pairs:
        assert not set(places(training)) & set(places(validation))
        assert len(places(training) + places(validation)) == 240


def test_folds_of_blocks_leave_frames_of_the_gap_out_of_training(labels: tl.Labels) -> None:
    pairs = list(labels.k_folds(4, seed=0, blocks=4, gap=5, stratify="video"))
    assert sum(len(validation) for _, validation in pairs) == 240
    for training, validation in pairs:
        assert steps(training, validation) > 5
        assert 150 < len(training) < 180


def test_what_folds_cannot_do_is_said_before_the_first_is_taken(labels: tl.Labels) -> None:
    with pytest.raises(QueryError, match="found 4 groups"):
        labels.k_folds(5, by="video")
    with pytest.raises(QueryError, match="folds"):
        labels.k_folds(1)
    with pytest.raises(QueryError, match="found no frames"):
        tl.Labels().k_folds(2)


def test_one_frame_is_in_both_parts() -> None:
    labels = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), 3)])
    for options in OPTIONS.values():
        first, second = labels.split(0.8, **options)
        assert list(first) == list(second) == list(labels)
    with pytest.raises(QueryError, match="found 1 frames for 2 folds"):
        labels.k_folds(2)


BAD: list[tuple[dict[str, Any], str]] = [
    ({"by": "kind"}, 'found by=\'kind\', expected "video", "track" or'),
    ({"by": "track"}, "found 1 group of frames that stay together"),
    ({"by": "video", "blocks": 3}, "found by='video' and blocks=3, expected one"),
    ({"by": pl.col("nothing")}, "by: the expression .* cannot be answered"),
    ({"by": pl.col("frame_idx", "video")}, "by: the expression .* cannot be answered"),
    ({"by": pl.col("frame_idx").head(3)}, "gives 1 columns of 3 values"),
    ({"by": pl.col("frame_idx").max()}, "found 1 group of"),
    ({"gap": 10**6, "by": pl.lit(1)}, "found 1 group of"),
    ({"gap": -1}, "gap: found -1"),
    ({"gap": 1.5}, "gap: found 1.5"),
    ({"blocks": 0}, "blocks: found 0"),
    ({"blocks": 10, "gap": 10**9, "stratify": "video"}, "a gap of 1000000000 leaves no frame"),
    ({"stratify": "user"}, "found stratify='user', expected one of"),
    ({"stratify": "kind", "by": "video"}, "found 4 groups whose frames are of several strata"),
    ({"seed": 0.5}, "found seed 0.5"),
    ({"seed": "today"}, "found seed 'today'"),
]


@pytest.mark.parametrize(("options", "message"), BAD)
def test_what_cannot_be_is_refused(
    labels: tl.Labels, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(QueryError, match=message):
        make_labels(untracked_fraction=0.0, absent_fraction=0.0).split(0.8, **options)
    assert len(labels) == 240


def test_no_frames_cannot_be_split() -> None:
    for options in OPTIONS.values():
        with pytest.raises(ValueError, match="found no frames"):
            tl.Labels().split(0.5, **options)


def test_without_a_seed_each_split_is_another(labels: tl.Labels) -> None:
    assert len({tuple(places(labels.split(0.5)[0])) for _ in range(4)}) == 4


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tabular_labels.model.buffers._LOADED_IN", os.getpid() + 1)


@pytest.mark.usefixtures("forked")
def test_a_forked_process_is_told_that_it_cannot_split(labels: tl.Labels) -> None:
    with pytest.raises(ForkedProcessError):
        labels.split(0.5)
    with pytest.raises(ForkedProcessError):
        labels.k_folds(2)


def test_numbers_of_numpy_do(labels: tl.Labels) -> None:
    plain = labels.split(10, seed=3, blocks=20, gap=1)
    numbers: Any = np.int64(10), np.int64(3), np.int32(20), np.uint8(1)
    n, seed, blocks, gap = numbers
    other = labels.split(n, seed=seed, blocks=blocks, gap=gap)
    assert [part.equals(same) for part, same in zip(plain, other, strict=True)] == [True, True]
