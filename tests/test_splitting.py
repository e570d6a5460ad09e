"""The classic splitting functions, and how much leaks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

import tabular_labels as tl
from tabular_labels.errors import AmbiguousVideoError, QueryError
from tabular_labels.testing.builders import make_tables


@pytest.fixture(scope="module")
def labels() -> tl.Labels:
    tables = make_tables(120, n_nodes=3, user_fraction=0.2, shuffled=True, gap_fraction=0.2)
    return tl.Labels.from_tables(tables)


def places(labels: tl.Labels) -> list[tuple[str, int]]:
    return labels.to_polars("frames", ["video", "frame_idx"]).rows()


def test_split_labels_gives_as_many_labels_as_fractions(labels: tl.Labels) -> None:
    parts = tl.split_labels(labels, [0.55, 0.1, -1], seed=0)
    assert [len(part) for part in parts] == [66, 12, 42]
    assert sorted(place for part in parts for place in places(part)) == sorted(places(labels))
    assert all(part.videos == labels.videos for part in parts)
    assert all(part.provenance == labels.provenance for part in parts)


def test_split_labels_may_leave_frames_over(labels: tl.Labels) -> None:
    parts = tl.split_labels(labels, (0.5, 0.25), seed=0)
    assert [len(part) for part in parts] == [60, 30]
    assert len({*places(parts[0]), *places(parts[1])}) == 90


def test_the_first_parts_are_the_same_whatever_follows(labels: tl.Labels) -> None:
    first, _ = tl.split_labels(labels, [0.5, 0.25], seed=9)
    again, _ = labels.split(0.5, seed=9)
    assert first.equals(again)


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ([0.8, 0.4], "found 144 frames, expected 120 at most"),
        ([-1, 0.5, -1], "found -1 2 times"),
        ([1.0, -1], "found 121 frames"),
        ([], "found no fractions"),
        ([2], "found fractions"),
    ],
)
def test_fractions_that_cannot_be_met_are_refused(
    labels: tl.Labels, fractions: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        tl.split_labels(labels, fractions)


def test_three_parts_keep_apart(labels: tl.Labels) -> None:
    parts = tl.split_labels(labels, [0.6, 0.2, 0.2], seed=1, blocks=5, gap=2)
    for one in parts:
        for other in parts:
            if one is not other:
                report = tl.leakage_report(one, other, within=[2])
                assert report["within_2"].sum() == 0
    assert sum(map(len, parts)) < 120


def test_training_and_validation_come_with_their_places(labels: tl.Labels) -> None:
    train, idx_train, val, idx_val = tl.split_labels_train_val(labels, 0.15, seed=3)
    assert (len(idx_train), len(idx_val)) == (102, 18)
    assert sorted(idx_train + idx_val) == list(range(120))
    assert idx_train == sorted(idx_train)
    assert labels[idx_train] == train[:]
    assert labels[idx_val] == val[:]
    assert train.videos == val.videos == labels.videos
    assert train.tracks == val.tracks == labels.tracks
    assert train.provenance == val.provenance == labels.provenance


def test_places_are_right_on_scans_too(labels: tl.Labels, tmp_path: Path) -> None:
    tl.write_slp(labels, tmp_path / "a.slp")
    tl.write_parquet(labels, tmp_path / "a.parquet")
    options: dict[str, Any] = {"seed": 3, "blocks": 4, "gap": 1}
    _, idx_train, _, idx_val = tl.split_labels_train_val(labels, 0.25, **options)
    assert len(idx_train) + len(idx_val) < 120
    for scanned in (tl.scan_slp(tmp_path / "a.slp"), tl.scan_parquet(tmp_path / "a.parquet")):
        train, mine, val, others = tl.split_labels_train_val(scanned, 0.25, **options)
        assert (mine, others) == (idx_train, idx_val)
        assert train.is_scanned
        assert scanned[mine] == train[:]
        assert scanned[others] == val[:]


@pytest.mark.parametrize(("fraction", "n_val"), [(0.0, 1), (1.0, 119), (0.5, 60), (1e-9, 1)])
def test_both_sides_have_at_least_one_frame(labels: tl.Labels, fraction: float, n_val: int) -> None:
    _, idx_train, _, idx_val = tl.split_labels_train_val(labels, fraction)
    assert (len(idx_train), len(idx_val)) == (120 - n_val, n_val)


def test_one_frame_is_on_both_sides() -> None:
    labels = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), 3)])
    assert tl.split_labels_train_val(labels, 0.5) == (labels, [0], labels, [0])
    with pytest.raises(QueryError, match="found size"):
        tl.split_labels_train_val(labels, float("nan"))


def test_no_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="found no frames"):
        tl.split_labels_train_val(tl.Labels(), 0.5)
    with pytest.raises(ValueError, match="found no frames"):
        tl.split_labels(tl.Labels(), [0.5])


def test_leaks_are_reported_by_video(labels: tl.Labels) -> None:
    training, validation = labels.split(0.8, seed=0)
    report = tl.leakage_report(training, validation, within=[1, 1000])
    assert report.columns == [
        "video", "n_training", "n_validation", "nearest", "median", "within_1", "within_1000",
    ]  # fmt: skip
    assert report["video"].to_list() == [video.filename for video in labels.videos]
    assert report["n_training"].sum() == 96
    assert report["within_1000"].to_list() == report["n_validation"].to_list()
    blocked = tl.leakage_report(*labels.split(0.8, seed=0, blocks=5, gap=9), within=[9])
    assert blocked["within_9"].sum() == 0


def test_the_report_prints_all_its_columns(labels: tl.Labels) -> None:
    report = tl.leakage_report(*labels.split(0.8, seed=0))
    assert report.columns[4:] == ["median", "within_0", "within_1", "within_30"]
    with pl.Config(restore_defaults=True):
        header = str(report).splitlines()[2]
    assert header.count("┆") + 1 == report.width
    assert "…" not in header


def test_videos_of_files_are_matched(labels: tl.Labels, tmp_path: Path) -> None:
    training, validation = labels.split(0.8, seed=0)
    expected = tl.leakage_report(training, validation)
    for part, name in ((training, "train.slp"), (validation, "val.slp")):
        part.save(tmp_path / name)
    found = tl.leakage_report(
        tl.load_file(tmp_path / "train.slp"), tl.scan_slp(tmp_path / "val.slp")
    )
    assert found.equals(expected)


def test_a_video_without_training_frames_leaks_nothing() -> None:
    training = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), 3)])
    validation = tl.Labels([tl.LabeledFrame(tl.Video("b.mp4"), 3)])
    report = tl.leakage_report(training, validation, within=[0])
    expected = [("a.mp4", 1, 0, None, None, 0), ("b.mp4", 0, 1, None, None, 0)]
    assert report.rows() == expected


def test_a_video_that_may_be_either_of_two_is_refused() -> None:
    twins = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), k) for k in range(2)])
    other = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), 3)])
    with pytest.raises(AmbiguousVideoError):
        tl.leakage_report(twins, other)
    part, rest = twins.split(0.5, seed=0)
    assert tl.leakage_report(part, rest, within=[0])["within_0"].to_list() == [0, 0]


def test_nothing_leaks_from_nothing() -> None:
    report = tl.leakage_report(tl.Labels(), tl.Labels(), within=[])
    assert report.height == 0
    assert report.columns == ["video", "n_training", "n_validation", "nearest", "median"]
    assert isinstance(report.schema["video"], pl.Enum)
