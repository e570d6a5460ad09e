"""What formats of other programs cannot hold is refused, and nothing is opened."""

from __future__ import annotations

import json
import socket
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import polars as pl
import pytest

import tabular_labels as tl
from tabular_labels.errors import (
    ExportError,
    FileFormatError,
    MissingVideoError,
    UnmodelledDataWarning,
    UnsafeFileError,
)
from tabular_labels.io.detect import detect_format
from tabular_labels.testing.builders import make_tables

sio = pytest.importorskip("sleap_io")


def labels_of(**facts: Any) -> tl.Labels:
    return tl.Labels.from_tables(make_tables(**{"n_frames": 6, "user_fraction": 0.5, **facts}))


def coco(*names: str) -> dict[str, Any]:
    images = [{"id": k, "file_name": n, "height": 9, "width": 9} for k, n in enumerate(names)]
    keypoints = [
        {"id": k, "image_id": k, "category_id": 1, "keypoints": [1, 2, 2]}
        for k in range(len(names))
    ]
    categories = [{"id": 1, "name": "fly", "keypoints": ["head"], "skeleton": []}]
    return {"images": images, "annotations": keypoints, "categories": categories}


def written(folder: Path, name: str, content: Any) -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_frames_whose_pictures_are_not_there_are_kept(tmp_path: Path) -> None:
    path = written(tmp_path, "a.json", coco("1.png", "sub/2.png"))
    labels = tl.load_file(path)
    assert [frame.frame_idx for frame in labels] == [0, 1]
    names = [Path(name).name for name in labels.videos[0].backend["filenames"]]
    assert names == ["1.png", "2.png"]
    assert labels.videos[0].shape == (2, 9, 9, 3)


def test_tables_of_deeplabcut_keep_frames_without_pictures(shared_data: Path) -> None:
    labels = tl.load_file(shared_data / "dlc_testdata.csv")
    assert [len(frame) for frame in labels] == [1, 1, 0, 1]
    assert labels[1][0].numpy()[0].tolist() == [12, 13]
    assert np.isnan(labels[1][0].numpy()[1]).all()


def test_pictures_of_alphatracker_are_named(shared_data: Path) -> None:
    labels = tl.load_file(shared_data / "at_testdata.json")
    assert (len(labels), len(labels[0]), len(labels.skeleton)) == (4, 2, 3)


def test_spots_become_instances_with_one_node(tmp_path: Path) -> None:
    header = "LABEL,ID,TRACK_ID,QUALITY,POSITION_X,POSITION_Y,POSITION_Z,POSITION_T,FRAME"
    rows = ["Label", "x", "x", "ID1,1,0,0.5,3.5,4.5,0,0,2", "ID2,2,0,0.25,5,6,0,0,7"]
    path = written(tmp_path, "a_spots.csv", "\n".join([header, *rows[:3], *rows[3:]]))
    labels = tl.load_file(path)
    assert [frame.frame_idx for frame in labels] == [2, 7]
    one = labels[0][0]
    assert (one.numpy().tolist(), one.score, one.track and one.track.name) == (
        [[3.5, 4.5]],
        0.5,
        "Track_0",
    )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", {"images": [], "annotations": [], "categories": 3}),
        ("a.json", coco("1.png") | {"images": [{"id": 0}]}),
        ("a.json", '{"images": [{"id": 0, '),
        ("a.json", '[{"class": "Face", "annotations": '),
        ("a.json", [{"annotations": [{"result": [{"type": "relation"}]}]}]),
        ("a.csv", "scorer,A\nbodyparts,B\ncoords,x\n1,2,3,4,5\n"),
        ("a.csv", "LABEL,ID,TRACK_ID,QUALITY\nx\n"),
    ],
)
def test_damaged_files_are_refused_with_the_path(tmp_path: Path, name: str, content: Any) -> None:
    path = written(tmp_path, name, content)
    with pytest.raises(FileFormatError, match=str(path)) as caught:
        tl.load_file(path)
    assert caught.value.path == str(path)


@pytest.mark.parametrize("suffix", [".nwb", "_pose_est_v5.h5"])
def test_hdf5_files_cut_short_are_refused(tmp_path: Path, suffix: str) -> None:
    labels = labels_of(n_videos=1, n_nodes=12, user_fraction=0)
    path = tmp_path / f"a{suffix}"
    with pytest.warns(UnmodelledDataWarning):
        labels.save(path)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(FileFormatError, match=str(path)):
        tl.load_file(path)


@pytest.mark.parametrize("suffix", [".nwb", "_pose_est_v5.h5"])
def test_links_to_other_files_are_refused(tmp_path: Path, suffix: str) -> None:
    labels = labels_of(n_videos=1, n_nodes=12, user_fraction=0)
    path = tmp_path / f"a{suffix}"
    with pytest.warns(UnmodelledDataWarning):
        labels.save(path)
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["secret"] = [1, 2, 3]
    with h5py.File(path, "r+") as file:
        group = file["processing" if suffix == ".nwb" else "poseest"]
        group["extra"] = h5py.ExternalLink("secret.h5", "secret")
    with pytest.raises(UnsafeFileError, match="link to another file"):
        tl.load_file(path)


@pytest.mark.parametrize("name", ["../other", "/etc", "train/../../other"])
def test_datasets_that_point_out_of_their_folder_are_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "set"
    for where in (folder, tmp_path / "other" / "images", tmp_path / "other" / "labels"):
        where.mkdir(parents=True, exist_ok=True)
    written(folder, "data.yaml", f"train: {name}/images\nkpt_shape: [1, 3]\n")
    with pytest.raises(UnsafeFileError, match=r"data\.yaml"):
        tl.load_file(folder)


def test_yaml_builds_no_objects(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    written(tmp_path, "data.yaml", f'train: !!python/object/apply:os.mkdir ["{marker}"]\n')
    with pytest.raises(FileFormatError, match="YAML of plain values"):
        tl.load_file(tmp_path)
    assert not marker.exists()


def test_no_video_is_opened_and_no_address_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        message = "something was opened"
        raise AssertionError(message)

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(sio.Video, "open", refuse)
    monkeypatch.setattr(sio.Video, "exists", refuse)
    address = "http://example.invalid/a.mp4"
    task = {
        "meta": {"video": {"filename": address, "frame_idx": 3, "shape": [9, 9, 9, 1]}},
        "annotations": [{"result": []}],
    }
    labels = tl.load_file(written(tmp_path, "a.json", [task]))
    assert (labels.videos[0].filename, labels.videos[0].shape) == (address, (9, 9, 9, 1))
    assert len(tl.load_file(written(tmp_path, "b.json", coco(address)))) == 1


@pytest.mark.parametrize("suffix", [".nwb", ".coco.json", ".labelstudio.json", ".dlc.csv"])
@pytest.mark.parametrize("name", ["movie.mp4", "1.png"])
def test_no_video_of_unknown_shape_is_opened_on_writing(
    suffix: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).write_bytes(b"no picture")  # there, so that it would be opened
    source = [str(tmp_path / name)] if name.endswith("png") else str(tmp_path / name)
    skeleton = tl.Skeleton(["head", "tail"])
    one = tl.Instance(skeleton, [[1, 2], [3, 4]], tl.Track(0, "one"))
    labels = tl.Labels([tl.LabeledFrame(tl.Video.from_filename(source), 0, [one])])
    opened: list[object] = []
    readers = sio.io.video_reading
    for kind in (readers.VideoBackend, readers.ImageVideo, readers.MediaVideo):
        for method in ("_read_frame", "read_test_frame", "get_frame"):
            monkeypatch.setattr(kind, method, lambda *a, **_: opened.append(a))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnmodelledDataWarning)
        labels.save(tmp_path / f"a{suffix}")
        assert len(tl.load_file(tmp_path / f"a{suffix}")[0]) == 1
    assert not opened


def test_a_video_is_as_it_was_after_reading(tmp_path: Path) -> None:
    before = sio.Video.__attrs_post_init__, sio.Video.__dict__["from_filename"]
    with pytest.raises(FileFormatError):
        tl.load_file(written(tmp_path, "a.json", '{"images": [{"id": 0, '))
    assert before == (sio.Video.__attrs_post_init__, sio.Video.__dict__["from_filename"])


def test_videos_that_moved_are_searched_for(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a.mp4").touch()
    task = {
        "meta": {"video": {"filename": "C:\\old\\a.mp4", "frame_idx": 3, "shape": None}},
        "annotations": [{"result": []}],
    }
    path = written(tmp_path, "a.json", [task])
    labels = tl.load_file(path, video_search=[str(tmp_path / "here")])
    assert labels.videos[0].filename == str(tmp_path / "here" / "a.mp4")


REFUSED: dict[str, tuple[str, Callable[[], tl.Labels], str]] = {
    "skeletons": (".dlc.csv", lambda: labels_of(n_skeletons=2), "2 skeletons"),
    "tracks": (".dlc.csv", labels_of, "more than one of a track"),
    "untracked": (
        ".dlc.csv",
        lambda: labels_of(untracked_fraction=0.9, user_fraction=0),
        "untracked",
    ),
    "videos": ("_pose_est_v5.h5", lambda: labels_of(n_nodes=12), "4 videos"),
    "nodes": ("_pose_est_v4.h5", lambda: labels_of(n_videos=1), "15 nodes"),
    "not tracked": (
        "_pose_est_v3.h5",
        lambda: labels_of(n_videos=1, n_nodes=12, untracked_fraction=0.9),
        "untracked",
    ),
    "animals": (
        "_pose_est_v2.h5",
        lambda: labels_of(n_videos=1, n_nodes=12, untracked_fraction=0.0),
        "4 tracks",
    ),
    "no skeleton": (".ultralytics", tl.Labels, "0 skeletons"),
}


@pytest.mark.parametrize(("suffix", "make", "found"), REFUSED.values(), ids=REFUSED)
def test_labels_that_a_format_would_lose_without_a_word_are_refused(
    tmp_path: Path, suffix: str, make: Callable[[], tl.Labels], found: str
) -> None:
    with pytest.raises(ExportError, match=found):
        make().save(tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_what_a_format_has_no_place_for_is_named(tmp_path: Path) -> None:
    labels = labels_of()
    with pytest.warns(UnmodelledDataWarning, match=r"kinds of instances \(24\), scores \(24\)"):
        labels.save(tmp_path / "a.coco.json")


def test_pictures_are_needed_where_a_format_holds_them(tmp_path: Path) -> None:
    with pytest.raises(MissingVideoError, match="found no such file"):
        labels_of().save(tmp_path / "a.ultralytics")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_file_stays_when_writing_fails(tmp_path: Path) -> None:
    path = written(tmp_path, "a.nwb", "kept")
    labels = labels_of().filter(instances=pl.lit(value=False))
    with (
        pytest.warns(UnmodelledDataWarning, match="suggestions"),
        pytest.raises(ExportError, match="nwb"),
    ):
        labels.save(path)
    assert path.read_text() == "kept"
    assert [found.name for found in tmp_path.iterdir()] == ["a.nwb"]


def test_a_folder_that_is_there_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.ultralytics").mkdir()
    with pytest.raises(FileExistsError, match="expected nothing"):
        labels_of().save(tmp_path / "a.ultralytics")


def test_formats_are_told_by_content(tmp_path: Path) -> None:
    labels = labels_of(n_videos=1, n_nodes=12, user_fraction=0)
    suffixes = {
        ".nwb": "nwb",
        ".coco.json": "coco",
        ".labelstudio.json": "labelstudio",
        ".dlc.csv": "dlc",
        "_pose_est_v5.h5": "jabs",
        ".slp": "slp",
        ".json": "json",
        ".csv": "csv",
    }
    for k, (suffix, form) in enumerate(suffixes.items()):
        path = tmp_path / f"{k}{suffix}"
        if suffix in (".slp", ".json", ".csv"):
            labels.save(path)
        else:
            with pytest.warns(UnmodelledDataWarning):
                labels.save(path)
        renamed = path.rename(tmp_path / f"{k}.data")
        assert detect_format(renamed) == form
