"""Files and projects in and out of labels: what is scanned is written piece by piece."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import tabular_labels as tl
from tabular_labels.errors import (
    ChecksumError,
    LeftOutWarning,
    UnmodelledDataError,
    UnmodelledDataWarning,
)
from tabular_labels.io import slp_write_points
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.testing.builders import make_tables
from tests.io.slp_cases import small_parts, write_parts
from tests.io.test_slp_write_pieces import members


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slp_write_points, "POINTS_AT_ONCE", 500)


def scan_slp(labels: tl.Labels, folder: Path) -> tl.Labels:
    tl.write_slp(labels, folder / "some.slp")
    return tl.scan_slp(folder / "some.slp")


def scan_parquet(labels: tl.Labels, folder: Path) -> tl.Labels:
    tl.write_parquet(labels, folder / "some.parquet")
    return tl.scan_parquet(folder / "some.parquet")


def scan_deltas(labels: tl.Labels, folder: Path) -> tl.Labels:
    """A project whose newest version has edits beside its shards."""
    first = scan_parquet(labels, folder)
    edit(first)
    first.commit()
    return tl.scan_parquet(folder / "some.parquet")


def as_it_is(labels: tl.Labels) -> tl.Labels:
    return labels


def edit(labels: tl.Labels) -> tl.Labels:
    full = [place for place, frame in enumerate(labels) if len(frame) > 1]
    labels[full[3]][0][0] = (1.0, 2.0)
    labels[full[60]][1].track = None
    labels.remove_instance(labels[full[1]], labels[full[1]][0])
    skeleton, source = labels.skeletons[0], labels[full[20]][0]
    points = np.arange(2.0 * len(skeleton)).reshape(-1, 2)
    corrected = tl.Instance(skeleton, points, from_predicted=source)
    labels.add_instance(labels[full[20]], corrected)
    del labels[full[10]]
    labels.insert(5, tl.LabeledFrame(labels.videos[1], 2000, [tl.PredictedInstance(skeleton)]))
    return labels


def filtered(labels: tl.Labels) -> tl.Labels:
    return labels.filter(instances=pl.col("instance_idx") != 1, points=pl.col("score") > 0.3)


def backwards(labels: tl.Labels) -> tl.Labels:
    return labels.extract(range(len(labels) - 1, -1, -2))


def a_part(labels: tl.Labels) -> tl.Labels:
    return labels.split(0.5, seed=1)[0]


def merged(labels: tl.Labels) -> tl.Labels:
    return tl.merge([labels.extract(range(80)), labels.extract(range(40, 120))])


def with_a_node_more(labels: tl.Labels) -> tl.Labels:
    labels.add_node("hat", labels.skeletons[0])
    return labels


@pytest.mark.parametrize("scan", [scan_slp, scan_parquet, scan_deltas])
@pytest.mark.parametrize(
    "change", [as_it_is, edit, filtered, backwards, a_part, merged, with_a_node_more]
)
def test_scanned_labels_become_the_file_of_collected_ones(
    scan: Callable[[tl.Labels, Path], tl.Labels],
    change: Callable[[tl.Labels], tl.Labels],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tables = make_tables(
        120, n_videos=2, n_nodes=4, n_skeletons=2, negative_fraction=0.1, shuffled=True, seed=3
    )
    labels = change(scan(tl.Labels.from_tables(tables), tmp_path))
    assert labels.is_scanned
    labels.copy().collect().save(tmp_path / "held.slp")

    def refuse(_: Snapshot) -> None:
        message = "everything was read into memory"
        raise AssertionError(message)

    monkeypatch.setattr(Snapshot, "tables", refuse)
    labels.save(tmp_path / "scanned.slp")
    assert members(tmp_path / "scanned.slp") == members(tmp_path / "held.slp")
    labels.copy().save(tmp_path / "scanned.parquet")
    assert labels.is_scanned
    monkeypatch.undo()
    project = tl.read_parquet(tmp_path / "scanned.parquet")
    assert project.diff(labels.collect(), by_content=True).is_empty


def test_writing_says_how_far_it_is(tmp_path: Path) -> None:
    labels = scan_parquet(tl.Labels.from_tables(make_tables(50)), tmp_path)
    told: list[tuple[int, int]] = []

    def note(done: int, total: int) -> None:
        told.append((done, total))

    tl.write_slp(labels, tmp_path / "some.slp", progress=note)
    first, told = told, []
    labels.save(tmp_path / "some.slp", progress=note)
    assert len(first) > 3
    assert first[-1] == (50, 50)
    assert told == first


def test_a_damaged_project_is_not_written_on(tmp_path: Path) -> None:
    labels = scan_parquet(tl.Labels.from_tables(make_tables(50)), tmp_path)
    file = next((tmp_path / "some.parquet").glob("data/points-*.parquet"))
    damaged = bytearray(file.read_bytes())
    damaged[100] ^= 1
    file.write_bytes(damaged)
    for write in (tl.write_slp, tl.write_parquet):
        with pytest.raises(ChecksumError, match=file.name):
            write(labels, tmp_path / "copy")
        assert not (tmp_path / "copy").exists()


def test_a_strict_scan_refuses_rows_of_no_frame_when_they_are_read(tmp_path: Path) -> None:
    parts = small_parts()
    parts["frames"] = parts["frames"][:1]
    path = write_parts(tmp_path / "some.slp", parts)
    with pytest.warns(UnmodelledDataWarning, match=r"instances in no frame \(1\)"):
        assert len(tl.scan_slp(path)[0]) == 2
    labels = tl.scan_slp(path, strict=True)
    with pytest.raises(UnmodelledDataError, match=r"instances in no frame \(1\)"):
        tl.write_slp(labels, tmp_path / "copy.slp")
    assert not (tmp_path / "copy.slp").exists()


def labels_of_an_array() -> tl.Labels:
    video = tl.Video.from_numpy(np.zeros((3, 4, 4, 1), np.uint8))
    instance = tl.Instance(tl.Skeleton(["head"]), {"head": tl.Point(1, 2)})
    return tl.Labels([tl.LabeledFrame(v, 0, [instance]) for v in (video, tl.Video("a.mp4"))])


@pytest.mark.parametrize("name", ["a.slp", "a.parquet", "a.json"])
def test_pictures_that_no_file_holds_are_named(name: str, tmp_path: Path) -> None:
    writers: dict[str, Callable[[tl.Labels, Path], None]] = {
        "slp": tl.write_slp,
        "parquet": tl.write_parquet,
        "json": tl.write_json,
    }
    labels = labels_of_an_array()
    message = f"{name}: the pictures of 1 of 2 videos are arrays"
    with pytest.warns(LeftOutWarning, match=message):
        labels.save(tmp_path / name)
    with pytest.warns(LeftOutWarning, match="arrays in memory"):
        writers[name[2:]](labels, tmp_path / "b")
    # What is read back has no array any more.
    read = tl.load_file(tmp_path / name)
    assert read.videos[0].shape == (3, 4, 4, 1)
    read.save(tmp_path / f"again {name}")


def test_nothing_is_said_where_no_pictures_are_expected_or_they_are_there(tmp_path: Path) -> None:
    labels = labels_of_an_array()
    labels.save(tmp_path / "points.csv")
    labels.extract([0]).save(tmp_path / "package.slp", with_images=True)
    labels.remove_video(0)
    labels.save(tmp_path / "a.slp")


def test_a_commit_names_new_pictures_once(tmp_path: Path) -> None:
    labels = tl.Labels(videos=[tl.Video("a.mp4")])
    labels.save(tmp_path / "a.parquet")
    labels.add_video(labels_of_an_array().videos[0])
    with pytest.warns(LeftOutWarning, match="pictures of 1 of 1 videos"):
        labels.commit()
    labels.add_suggestion(labels.videos[1], 2)
    labels.commit()
    labels.replace_video(labels.videos[0], tl.Video.from_numpy(np.ones((3, 4, 4, 1), np.uint8)))
    with pytest.warns(LeftOutWarning, match="pictures of 1 of 1 videos"):
        labels.commit()
