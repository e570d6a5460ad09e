"""Videos that moved get their new names; missing ones stop nothing but their pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import tabular_labels as tl
from tabular_labels import remapping
from tabular_labels.errors import FileFormatError, MissingExtraError, MissingVideoError
from tabular_labels.testing.builders import make_tables


def entry(name: str) -> dict[str, Any]:
    return {"backend": {"filename": name}}


def names(entries: list[dict[str, Any]]) -> list[str]:
    return [video["backend"]["filename"] for video in entries]


@pytest.fixture
def labels() -> tl.Labels:
    return tl.Labels.from_tables(make_tables(12))


def test_renaming_is_one_edit_that_can_be_undone(labels: tl.Labels) -> None:
    old = [video.filename for video in labels.videos]
    before, frame = labels.videos[1], labels[3]
    changed = labels.remap_videos(lambda name: f"/new/{name}")
    assert changed == {name: f"/new/{name}" for name in old}
    assert [video.filename for video in labels.videos] == [f"/new/{name}" for name in old]
    assert [v.backend.filename for v in labels.videos] == [f"/new/{name}" for name in old]
    assert labels.videos[1].shape == before.shape
    assert frame.video in labels.videos
    assert len(labels.find(before)) == len(labels.find(labels.videos[1])) > 0
    assert labels.undo()
    assert labels.videos[1].filename == before.filename
    assert not labels.undo()
    assert labels.redo()
    assert labels.videos[1].filename == f"/new/{before.filename}"


def test_a_dry_run_changes_nothing(labels: tl.Labels) -> None:
    before = [video.filename for video in labels.videos]
    changed = labels.remap_videos(("recordings", "/data"), dry_run=True)
    assert list(changed) == before
    assert [video.filename for video in labels.videos] == before
    assert not labels.undo()


def test_what_fits_nothing_is_no_edit(labels: tl.Labels) -> None:
    assert labels.remap_videos({"/nowhere": "/data"}) == {}
    assert not labels.undo()


def test_no_file_is_looked_at_unless_asked(
    labels: tl.Labels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = Path(labels.videos[0].filename).name
    with monkeypatch.context() as patched:
        patched.setattr(Path, "exists", lambda *_: pytest.fail("a file was looked at"))
        patched.setattr(Path, "stat", lambda *_: pytest.fail("a file was looked at"))
        labels.remap_videos(("nothing", "/data"))
        labels.remap_videos(("recordings", "/data"), dry_run=True)
    (tmp_path / name).touch()
    folder = labels.videos[0].filename.rpartition("/")[0]
    rule = {folder: tmp_path.as_posix(), "recordings": "/gone"}
    changed = labels.remap_videos(rule, only_existing=True)
    assert changed == {f"{folder}/{name}": (tmp_path / name).as_posix()}


@pytest.mark.parametrize("suffix", [".slp", ".json", ".parquet"])
def test_new_names_are_kept_in_files(labels: tl.Labels, tmp_path: Path, suffix: str) -> None:
    labels.remap_videos(("recordings", "D:\\data"))
    path = tmp_path / f"a{suffix}"
    labels.save(path)
    again = tl.load_file(path)
    assert [v.filename for v in again.videos] == [v.filename for v in labels.videos]
    assert all(video.filename.startswith("D:\\data\\") for video in again.videos)


def test_scanned_labels_stay_scanned(labels: tl.Labels, tmp_path: Path) -> None:
    labels.save(tmp_path / "a.slp")
    scanned = tl.scan_slp(tmp_path / "a.slp")
    scanned.remap_videos(("recordings", "/data"))
    assert scanned.is_scanned
    assert scanned.videos[0].filename.startswith("/data/")
    scanned.save(tmp_path / "b.slp")
    assert tl.read_slp(tmp_path / "b.slp").videos[0].filename.startswith("/data/")


def test_pictures_and_sources_are_renamed_too() -> None:
    source = {"filename": "/a/x.mp4", "backend": {"filename": "/a/x.mp4"}}
    package = tl.Video(
        "/a/b.slp", {"filename": "/a/b.slp", "dataset": "video0/video", "source_video": source}
    )
    labels = tl.Labels(videos=[tl.Video.from_filename(["/a/1.png", "/a/2.png"]), package])
    labels.remap_videos(("/a", "/z"))
    pictures, package = labels.videos
    assert list(pictures.backend["filenames"]) == ["/z/1.png", "/z/2.png"]
    assert package.backend["source_video"]["backend"]["filename"] == "/z/x.mp4"


def test_missing_videos_are_named_and_stop_only_pictures(labels: tl.Labels, tmp_path: Path) -> None:
    assert [video.filename for video in labels.missing_videos] == [
        video.filename for video in labels.videos
    ]
    labels.save(tmp_path / "a.slp")
    loaded = tl.load_file(tmp_path / "a.slp")
    assert loaded.numpy(video=0).size > 0
    with pytest.raises(MissingVideoError):
        loaded.videos[0].get_frame(0)


def test_a_callback_looks_into_folders_and_follows_what_it_found(tmp_path: Path) -> None:
    for name in ("a.mp4", "day2/b.mp4", "day2/c.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    there = (tmp_path / "a.mp4").as_posix()
    entries = [
        entry("C:\\lab\\day2\\b.mp4"),
        entry("C:\\lab\\day1\\a.mp4"),
        entry(there),
        entry("C:\\lab\\day2\\c.mp4"),
        entry("C:\\lab\\gone.mp4"),
        entry("."),
    ]
    callback = tl.Labels.make_video_callback([tmp_path / "day2" / "b.mp4", str(tmp_path)])
    assert callback(entries) is None
    assert names(entries) == [
        str(tmp_path / "day2" / "b.mp4"),
        str(tmp_path / "a.mp4"),
        there,
        names(entries)[3],
        "C:\\lab\\gone.mp4",
        ".",
    ]
    assert Path(names(entries)[3]) == tmp_path / "day2" / "c.mp4"


def test_what_was_found_says_where_its_neighbours_are(tmp_path: Path) -> None:
    for name in ("new/x/a.mp4", "new/y/b.mp4"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    entries = [entry("/old/x/a.mp4"), entry("/old/y/b.mp4")]
    tl.Labels.make_video_callback([tmp_path / "new" / "x"])(entries)
    assert [Path(name) for name in names(entries)] == [
        tmp_path / "new" / "x" / "a.mp4",
        tmp_path / "new" / "y" / "b.mp4",
    ]


def test_as_many_files_as_videos_are_taken_in_turn(tmp_path: Path) -> None:
    files = [tmp_path / "1.mp4", tmp_path / "2.avi"]
    for file in files:
        file.touch()
    entries = [entry("/old/a.mp4"), entry("/old/b.avi")]
    tl.Labels.make_video_callback(files)(entries)
    assert names(entries) == [str(file) for file in files]
    other = [entry("/old/a.mp4"), entry("/old/b.mp4")]
    tl.Labels.make_video_callback(files)(other)
    assert names(other) == ["/old/a.mp4", "/old/b.mp4"]


def test_a_window_that_is_closed_stops_the_reading(
    labels: tl.Labels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.slp"
    labels.save(path)
    monkeypatch.setattr(remapping, "find_spec", lambda _: object())
    callback = tl.Labels.make_video_callback(use_gui=True)
    monkeypatch.setattr(remapping, "_ask_for", lambda _: None)
    with pytest.raises(FileFormatError, match="asked to stop"):
        tl.load_file(path, video_search=callback)
    monkeypatch.setattr(remapping, "_ask_for", lambda name: f"/chosen/{Path(name).name}")
    loaded = tl.load_file(path, video_search=callback)
    assert all(video.filename.startswith("/chosen/") for video in loaded.videos)


def test_without_tkinter_a_window_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remapping, "find_spec", lambda _: None)
    with pytest.raises(MissingExtraError, match="use_gui=True"):
        tl.Labels.make_video_callback(use_gui=True)
