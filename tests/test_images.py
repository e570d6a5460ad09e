"""Labels with their pictures: packages, frame data, images and points for training."""

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

import tabular_labels as tl
from tabular_labels.errors import (
    ExportCancelledError,
    FileFormatError,
    MissingExtraError,
    MissingFrameError,
    MissingVideoError,
    NothingToExportError,
    ProjectExistsError,
    UnmodelledDataWarning,
)
from tabular_labels.images import FrameChoice
from tabular_labels.model.pictures import EncodedPictures
from tabular_labels.video import encoding
from tabular_labels.video.pictures import PictureDecoder, encode_picture
from tests.video.movies import encode, read_number

FLY = tl.Skeleton(["head", "tail", "wing"], edges=[("head", "tail")])
RNG = np.random.default_rng(4)
ARRAY = RNG.integers(0, 256, (30, 20, 28, 3)).astype(np.uint8)
USER, ALL, SUGGESTED = [3, 7, 21], [3, 5, 7, 21], [9, 21]


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("movie") / "a.mp4", 30, bf=2, g=10)


def user(x: float, track: tl.Track | None = None) -> tl.Instance:
    return tl.Instance(FLY, [[x, 1], [x, 2], [np.nan, np.nan]], track=track)


def labels_of(*videos: tl.Video) -> tl.Labels:
    """Build the same frames for each video, not in order; one has only a prediction."""
    track = tl.Track(0, "a")
    frames = []
    for k, video in enumerate(videos):
        guess = tl.PredictedInstance(FLY, [[0, 0]] * 3)
        frames += [
            tl.LabeledFrame(video, 21, [user(21 + k), user(5, track), guess]),
            tl.LabeledFrame(video, 3, [user(3 + k)]),
            tl.LabeledFrame(video, 5, [guess]),
            tl.LabeledFrame(video, 7, [guess, user(7 + k)]),
        ]
    suggestions = [(videos[0], k) for k in SUGGESTED]
    return tl.Labels(frames, videos=videos, suggestions=suggestions)


@pytest.fixture
def labels(movie: Path) -> tl.Labels:
    other = tl.Video.from_filename(movie.parent / "gone.mp4", n_frames=50, height=4, width=4)
    made = labels_of(tl.Video.from_filename(movie, n_frames=30))
    return tl.Labels(made, videos=[*made.videos, other], suggestions=made.suggestions)


def array_labels() -> tl.Labels:
    return labels_of(tl.Video.from_numpy(ARRAY))


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, USER),
        ({"all_labels": True}, ALL),
        ({"suggested": True}, sorted({*USER, *SUGGESTED})),
        ({"all_labels": True, "suggested": True}, sorted({*ALL, *SUGGESTED})),
    ],
)
def test_a_package_holds_the_frames_that_are_asked_for(
    labels: tl.Labels, tmp_path: Path, options: dict[str, Any], expected: list[int]
) -> None:
    labels.save(tmp_path / "deep" / "a.pkg.slp", with_images=True, **options)
    read = tl.read_slp(tmp_path / "deep" / "a.pkg.slp")
    assert read.videos[0].embedded_frame_inds == expected
    assert read.videos[1].embedded_frame_inds == []
    assert [read_number(image) for image in read.videos[0][expected]] == expected
    assert [frame.frame_idx for frame in read] == [21, 3, 5, 7]
    assert read.videos[0].shape == (30, 64, 192, 3)
    assert read.videos[1].n_frames == 50


@pytest.mark.parametrize("compat", ["today", "classic"])
def test_pictures_of_a_package_are_those_of_the_video(
    labels: tl.Labels, tmp_path: Path, compat: str
) -> None:
    labels.save(tmp_path / "a.pkg.slp", with_images=True, compat=compat)
    for read in (tl.read_slp(tmp_path / "a.pkg.slp"), tl.scan_slp(tmp_path / "a.pkg.slp")):
        assert np.array_equal(read[0].image, labels[0].image)
        assert np.array_equal(read.videos[0][USER], labels.videos[0][USER])
        # Frames that are not in it come from the source.
        assert read_number(read.videos[0].get_frame(11)) == 11
        with pytest.raises(MissingFrameError, match=r"source video .*gone\.mp4 is not there"):
            read.videos[1].get_frame(0)


@pytest.mark.parametrize("form", ["png", ""])
def test_a_package_keeps_every_pixel(tmp_path: Path, form: str) -> None:
    array_labels().save(tmp_path / "a.pkg.slp", with_images=True, format=form)
    video = tl.read_slp(tmp_path / "a.pkg.slp").video
    assert np.array_equal(video[USER], ARRAY[USER])
    assert video.shape == ARRAY.shape


def test_a_package_of_jpeg_is_smaller_and_near(movie: Path, tmp_path: Path) -> None:
    labels = labels_of(tl.Video.from_filename(movie))
    labels.save(tmp_path / "a.pkg.slp", with_images=True, format="jpg")
    video = tl.read_slp(tmp_path / "a.pkg.slp").video
    assert [read_number(image) for image in video[USER]] == USER


@pytest.mark.parametrize("form", ["png", "jpg", ""])
def test_grey_videos_stay_grey(movie: Path, tmp_path: Path, form: str) -> None:
    labels = labels_of(tl.Video.from_filename(movie, grayscale=True))
    labels.save(tmp_path / "a.pkg.slp", with_images=True, format=form)
    video = tl.read_slp(tmp_path / "a.pkg.slp").video
    assert video[USER].shape == (3, 64, 192, 1)
    difference = video[USER].astype(int) - labels.video[USER]
    assert np.abs(difference).max() <= (6 if form == "jpg" else 0)


def test_standard_decoders_see_right_colours(tmp_path: Path) -> None:
    array_labels().save(tmp_path / "a.pkg.slp", with_images=True)
    with h5py.File(tmp_path / "a.pkg.slp") as file:
        pictures = file["video0/video"]
        assert pictures.attrs["channel_order"] == "RGB"
        data = pictures[0].tobytes()
        assert json.loads(file["video0/source_video"].attrs["json"])["backend"]
    image = PictureDecoder().decode(data, "a", "b", grey=None)
    assert np.array_equal(image, ARRAY[USER[0]])


def stored_bytes(path: Path, number: int = 0) -> list[bytes]:
    with h5py.File(path) as file:
        return [row.tobytes().rstrip(b"\0") for row in file[f"video{number}/video"]]


def swap_colours(path: Path) -> None:
    """Make a package what the classic program wrote: R and B swapped, nothing said."""
    with h5py.File(path, "r+") as file:
        pictures = file["video0/video"]
        for row in range(len(pictures)):
            data = pictures[row].tobytes()
            image = PictureDecoder().decode(data, "a", "b", grey=None)
            swapped = encode_picture(np.ascontiguousarray(image[..., ::-1]), "png")
            pictures[row] = np.frombuffer(swapped, np.int8)
        del pictures.attrs["channel_order"]


@pytest.mark.parametrize("classic", [False, True])
def test_from_package_to_package_bytes_are_copied(
    tmp_path: Path, classic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    array_labels().save(tmp_path / "a.pkg.slp", with_images=True)
    if classic:
        swap_colours(tmp_path / "a.pkg.slp")
    labels = tl.read_slp(tmp_path / "a.pkg.slp")

    def refuse(*_: object, **__: object) -> bytes:
        raise AssertionError

    monkeypatch.setattr(encoding, "encode_picture", refuse)
    monkeypatch.setattr(PictureDecoder, "decode", refuse)
    labels.save(tmp_path / "b.pkg.slp", with_images=True)
    labels.save(tmp_path / "a.pkg.slp", with_images=True)  # over itself
    monkeypatch.undo()
    assert stored_bytes(tmp_path / "b.pkg.slp") == stored_bytes(tmp_path / "a.pkg.slp")
    for name in "ab":
        read = tl.read_slp(tmp_path / f"{name}.pkg.slp")
        assert np.array_equal(read.video[USER], ARRAY[USER])
        assert read.video.backend["source_video"]["backend"]["type"] == "NumpyVideo"


def test_a_package_gains_frames_of_its_source(movie: Path, tmp_path: Path) -> None:
    video = tl.Video.from_filename(movie)
    labels_of(video).save(tmp_path / "a.pkg.slp", with_images=True)
    swap_colours(tmp_path / "a.pkg.slp")
    before = stored_bytes(tmp_path / "a.pkg.slp")
    labels = tl.read_slp(tmp_path / "a.pkg.slp")
    labels.save(tmp_path / "b.pkg.slp", with_images=True, all_labels=True)
    assert [one for one in stored_bytes(tmp_path / "b.pkg.slp") if one in before] == before
    read = tl.read_slp(tmp_path / "b.pkg.slp").video
    assert read.embedded_frame_inds == ALL
    assert np.array_equal(read[ALL], video[ALL])


def test_another_format_is_encoded_again(tmp_path: Path) -> None:
    array_labels().save(tmp_path / "a.pkg.slp", with_images=True, format="")
    labels = tl.read_slp(tmp_path / "a.pkg.slp")
    labels.save(tmp_path / "b.pkg.slp", with_images=True)
    assert np.array_equal(tl.read_slp(tmp_path / "b.pkg.slp").video[USER], ARRAY[USER])


def test_labels_saved_without_images_refer_to_the_package(tmp_path: Path) -> None:
    array_labels().save(tmp_path / "a.pkg.slp", with_images=True)
    tl.read_slp(tmp_path / "a.pkg.slp").save(tmp_path / "b.slp")
    assert np.array_equal(tl.read_slp(tmp_path / "b.slp").video[USER], ARRAY[USER])


def test_sleap_io_reads_our_packages(tmp_path: Path) -> None:
    pytest.importorskip("sleap_io")
    import sleap_io

    array_labels().save(tmp_path / "a.pkg.slp", with_images=True)
    theirs = sleap_io.load_slp(str(tmp_path / "a.pkg.slp"))
    for k in USER:
        assert np.array_equal(theirs.videos[0][k], ARRAY[k])


def test_we_read_what_sleap_io_embeds(movie: Path, tmp_path: Path) -> None:
    pytest.importorskip("sleap_io")
    import sleap_io

    labels = labels_of(tl.Video.from_filename(movie))
    labels.save(tmp_path / "a.slp")
    theirs = sleap_io.load_slp(str(tmp_path / "a.slp"))
    theirs.save(str(tmp_path / "b.pkg.slp"), embed="user", verbose=False)
    read = tl.read_slp(tmp_path / "b.pkg.slp")
    assert read.video[USER].shape[3] == 1  # it found out that the movie is grey
    assert np.array_equal(read.video.get_frames(USER, grayscale=False), labels.video[USER])


def cancel_at(n: int) -> Callable[[int, int], bool]:
    return lambda done, total: done < n


EXPORTS: dict[str, Callable[[tl.Labels, Path, Any], Any]] = {
    "package": lambda labels, folder, callback: labels.save(
        folder / "a.slp", with_images=True, progress_callback=callback
    ),
    "frame data": lambda labels, folder, callback: labels.save_frame_data_hdf5(
        folder / "a.slp", progress_callback=callback
    ),
    "training data": lambda labels, folder, callback: labels.export_training_data(
        folder / "a.slp", progress_callback=callback
    ),
}


@pytest.mark.parametrize("export", EXPORTS)
def test_progress_is_told_and_false_cancels(export: str, tmp_path: Path) -> None:
    labels, seen = array_labels(), list[tuple[int, int]]()
    EXPORTS[export](labels, tmp_path, lambda *counts: seen.append(counts))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    before = (tmp_path / "a.slp").read_bytes()
    with pytest.raises(ExportCancelledError, match="after 2 of 3 frames") as caught:
        EXPORTS[export](labels, tmp_path, cancel_at(2))
    assert pickle.loads(pickle.dumps(caught.value)).n_done == 2
    assert (tmp_path / "a.slp").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.slp"]


@pytest.mark.parametrize("export", EXPORTS)
def test_a_callback_may_cancel_by_raising(export: str, tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        message = f"stopped at {done}"
        raise KeyboardInterrupt(message)

    with pytest.raises(KeyboardInterrupt, match="stopped at 1"):
        EXPORTS[export](array_labels(), tmp_path, stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("export", EXPORTS)
def test_nothing_half_written_stays(export: str, tmp_path: Path) -> None:
    video = tl.Video.from_numpy(ARRAY[:10])  # frame 21 is beyond its end
    with pytest.raises(MissingFrameError, match="frame 21"):
        EXPORTS[export](labels_of(video), tmp_path, None)
    missing = labels_of(tl.Video.from_filename(tmp_path / "gone.mp4"))
    with pytest.raises(MissingVideoError, match=r"gone\.mp4"):
        EXPORTS[export](missing, tmp_path, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("export", EXPORTS)
def test_a_full_disk_leaves_what_was_there(
    export: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.slp").write_bytes(b"before")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tabular_labels.io.atomic.sync_file", full)
    with pytest.raises(OSError, match="No space left"):
        EXPORTS[export](array_labels(), tmp_path, None)
    assert (tmp_path / "a.slp").read_bytes() == b"before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.slp"]


def test_unknown_formats_and_suffixes_are_refused(tmp_path: Path) -> None:
    labels = array_labels()
    with pytest.raises(ValueError, match="found 'gif'"):
        labels.save(tmp_path / "a.slp", with_images=True, format="gif")
    with pytest.raises(ValueError, match=r"expected '\.slp'"):
        labels.save(tmp_path / "a.parquet", with_images=True)
    assert list(tmp_path.iterdir()) == []


def test_scanned_labels_do_not_replace_their_file(tmp_path: Path) -> None:
    array_labels().save(tmp_path / "a.pkg.slp", with_images=True)
    scanned = tl.scan_slp(tmp_path / "a.pkg.slp")
    with pytest.raises(ValueError, match="scanned labels"):
        scanned.save(tmp_path / "a.pkg.slp", with_images=True)
    scanned.save(tmp_path / "b.pkg.slp", with_images=True)
    assert np.array_equal(tl.read_slp(tmp_path / "b.pkg.slp").video[USER], ARRAY[USER])


def test_frame_data_gives_videos_ready_to_read(movie: Path, tmp_path: Path) -> None:
    first, empty = tl.Video.from_filename(movie, fps=30), tl.Video.from_filename("gone.mp4")
    made = labels_of(first, tl.Video.from_numpy(ARRAY))
    labels = tl.Labels(made, videos=[*made.videos, empty])
    videos = labels.save_frame_data_hdf5(tmp_path / "a.h5", all_labels=True)
    assert [type(video.backend) for video in videos] == [tl.HDF5Video] * 3
    assert [video.embedded_frame_inds for video in videos] == [ALL, ALL, []]
    assert [read_number(image) for image in videos[0][ALL]] == ALL
    assert np.array_equal(videos[1][ALL], ARRAY[ALL])
    assert (videos[0].fps, videos[1].shape) == (30, ARRAY.shape)


def test_labels_without_frames_give_empty_files(tmp_path: Path) -> None:
    video = tl.Video.from_filename("gone.mp4")
    labels = tl.Labels(videos=[video])
    (frames,) = labels.save_frame_data_hdf5(tmp_path / "a.h5")
    assert frames.embedded_frame_inds == []
    labels.save(tmp_path / "a.pkg.slp", with_images=True)
    assert tl.read_slp(tmp_path / "a.pkg.slp").video.embedded_frame_inds == []


def test_mixed_sizes_stay_as_they_are_unless_arrays_are_asked_for(tmp_path: Path) -> None:
    paths = [tmp_path / f"{k}.png" for k in range(30)]
    for k, path in enumerate(paths):
        path.write_bytes(encode_picture(np.full((4 + k, 6, 3), k, np.uint8), "png"))
    labels = labels_of(tl.Video.from_image_filenames(paths))
    labels.save(tmp_path / "a.pkg.slp", with_images=True)
    video = tl.read_slp(tmp_path / "a.pkg.slp").video
    assert [video.get_frame(k).shape for k in USER] == [(4 + k, 6, 3) for k in USER]
    with pytest.raises(FileFormatError, match="frame 3: found an image of shape"):
        labels.save(tmp_path / "b.pkg.slp", with_images=True, format="")


def test_training_data_are_images_and_points_of_user_instances(movie: Path) -> None:
    labels = labels_of(tl.Video.from_filename(movie))
    images, points = labels.generate_training_data()
    assert isinstance(images, np.ndarray)
    assert [read_number(image) for image in images] == [21, 3, 7]
    assert [array.shape for array in points] == [(2, 3, 2), (1, 3, 2), (1, 3, 2)]
    expected = [frame.user_instances for frame in labels.user_labeled_frames]
    for array, instances in zip(points, expected, strict=True):
        assert array.dtype == np.float64
        np.testing.assert_array_equal(array, [instance.numpy() for instance in instances])


def test_invisible_points_are_missing_in_training_data() -> None:
    hidden = tl.Instance(FLY, {"head": tl.Point(1, 2, visible=False), "tail": tl.Point(3, 4)})
    labels = tl.Labels([tl.LabeledFrame(tl.Video.from_numpy(ARRAY), 0, [hidden])])
    _, (points,) = labels.generate_training_data()
    np.testing.assert_array_equal(points[0], [[np.nan, np.nan], [3, 4], [np.nan, np.nan]])


def test_images_of_several_sizes_are_a_list(movie: Path) -> None:
    labels = labels_of(tl.Video.from_filename(movie), tl.Video.from_numpy(ARRAY))
    images, points = labels.generate_training_data()
    assert isinstance(images, list)
    assert [image.shape for image in images] == [(64, 192, 3)] * 3 + [(20, 28, 3)] * 3
    assert len(points) == 6
    assert np.array_equal(images[3], ARRAY[21])


def test_without_user_labels_there_is_no_training_data(tmp_path: Path) -> None:
    video = tl.Video.from_numpy(ARRAY)
    guess = tl.LabeledFrame(video, 1, [tl.PredictedInstance(FLY, [[0, 0]] * 3)])
    for labels in (tl.Labels(), tl.Labels([guess]), tl.Labels([tl.LabeledFrame(video, 2)])):
        with pytest.raises(NothingToExportError, match="found no frames with user instances"):
            labels.generate_training_data()
        with pytest.raises(NothingToExportError):
            labels.export_training_data(tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


def test_instances_of_other_skeletons_are_counted_and_left_out() -> None:
    mouse = tl.Skeleton(["nose"])
    video = tl.Video.from_numpy(ARRAY)
    frames = [
        tl.LabeledFrame(video, 4, [user(1), tl.Instance(mouse, [[1, 2]])]),
        tl.LabeledFrame(video, 5, [tl.Instance(mouse, [[1, 2]])]),
    ]
    with pytest.warns(UnmodelledDataWarning, match="2 user instances"):
        images, points = tl.Labels(frames).generate_training_data()
    assert (len(images), len(points), points[0].shape) == (1, 1, (1, 3, 2))


def test_exported_training_data_have_the_intended_layout(tmp_path: Path) -> None:
    numpy_video = tl.Video.from_numpy(ARRAY)
    labels = labels_of(numpy_video, tl.Video.from_numpy(ARRAY[::-1].copy()))
    labels.export_training_data(tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5") as file:
        found: dict[str, Any] = {}
        file.visititems(found.__setitem__)
        data = {name: one[()] for name, one in found.items() if isinstance(one, h5py.Dataset)}
        assert not any(one.attrs for one in found.values())
        assert (file["imgs"].chunks, file["imgs"].compression_opts) == ((1, 20, 28, 3), 1)
    assert np.array_equal(data["imgs"][:3], ARRAY[[21, 3, 7]])
    assert np.array_equal(data["imgs"][3:], ARRAY[::-1][[21, 3, 7]])
    assert data["video_inds"].tolist() == [0, 0, 0, 1, 1, 1]
    assert data["frame_inds"].tolist() == [21, 3, 7] * 2
    assert data["skeleton/node_names"].tolist() == [b"head", b"tail", b"wing"]
    assert data["skeleton/n_nodes"] == 3
    assert data["skeleton/edges"].tolist() == [[0, 1]]
    assert data["videos/shape"].tolist() == [[30, 20, 28, 3]] * 2
    assert data["videos/filepath"].tolist() == [b"", b""]
    sample, instance = data["peaks/sample"], data["peaks/instance"]
    assert sample.tolist() == [0] * 6 + [1] * 3 + [2] * 3 + [3] * 6 + [4] * 3 + [5] * 3
    assert instance[:9].tolist() == [0] * 3 + [1] * 3 + [0] * 3
    assert data["peaks/channel"].tolist() == [0, 1, 2] * 8
    np.testing.assert_array_equal(data["peaks/track"][:9], [np.nan] * 3 + [0] * 3 + [np.nan] * 3)
    xy = data["peaks/xy"]
    assert xy.dtype == np.float32
    np.testing.assert_array_equal(xy[:4], [[21, 1], [21, 2], [np.nan, np.nan], [5, 1]])


def test_exporting_videos_of_several_sizes_names_them(movie: Path, tmp_path: Path) -> None:
    labels = labels_of(tl.Video.from_filename(movie), tl.Video.from_numpy(ARRAY))
    with pytest.raises(ValueError, match=r"several sizes .*a\.mp4 \(64, 192, 3\).*\(20, 28, 3\)"):
        labels.export_training_data(tmp_path / "a.h5")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.filterwarnings("ignore")  # the package's own
def test_imgstores_give_videos_ready_to_read(movie: Path, tmp_path: Path) -> None:
    pytest.importorskip("imgstore")
    first = tl.Video.from_filename(movie, grayscale=True)
    labels = labels_of(first, tl.Video.from_numpy(ARRAY))
    videos = labels.save_frame_data_imgstore(tmp_path, all_labels=True)
    assert [Path(video.filename).name for video in videos] == [
        "frame_data_vid0",
        "frame_data_vid1",
    ]
    assert np.array_equal(videos[0][ALL], first[ALL])
    assert np.array_equal(videos[1][ALL], ARRAY[ALL])
    with pytest.raises(ProjectExistsError):
        labels.save_frame_data_imgstore(tmp_path)
    with pytest.raises(ExportCancelledError):
        labels.save_frame_data_imgstore(tmp_path / "b", progress_callback=cancel_at(4))
    assert list((tmp_path / "b").iterdir()) == []


@pytest.mark.filterwarnings("ignore")
def test_videos_without_frames_give_empty_imgstores(tmp_path: Path) -> None:
    pytest.importorskip("imgstore")
    labels = tl.Labels(videos=[tl.Video.from_filename("gone.mp4")])
    (video,) = labels.save_frame_data_imgstore(tmp_path)
    assert (tmp_path / "frame_data_vid0" / "metadata.yaml").exists()
    assert list(video.iterate_frames()) == []


def test_imgstores_need_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imgstore", None)
    with pytest.raises(MissingExtraError, match="writing imgstores"):
        array_labels().save_frame_data_imgstore(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_pictures_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    read: list[int] = []

    class Watched(np.ndarray[Any, Any]):
        def __getitem__(self, key: Any) -> Any:
            if isinstance(key, int):
                read.append(key)
            return np.asarray(self)[key]

    video = tl.Video.from_numpy(ARRAY)
    frames = [tl.LabeledFrame(video, k, [user(1)]) for k in range(30)]
    object.__setattr__(video, "_array", ARRAY.view(Watched))
    ahead: list[int] = []
    tl.Labels(frames).save_frame_data_hdf5(
        tmp_path / "a.h5", progress_callback=lambda done, _: ahead.append(len(read) - done)
    )
    assert sorted(read) == list(range(30))  # each once
    assert max(ahead) <= 2 * 8 + 1


def test_choices_are_by_video_and_without_repeats() -> None:
    video = tl.Video.from_numpy(ARRAY)
    frames = [tl.LabeledFrame(video, k, [user(1)]) for k in (4, 2, 4)]
    labels = tl.Labels(frames, suggestions=[(video, 2), (video, 0)])
    chosen = FrameChoice(suggested=True).of(labels._snapshot)
    assert {key: inds.tolist() for key, inds in chosen.items()} == {0: [0, 2, 4]}


def test_encoded_pictures_say_what_they_are() -> None:
    made = EncodedPictures(np.array([1]), [(1, b"")], "png", "RGB", (2, 2, 3))
    assert (made.form, made.source, made.fps) == ("png", None, None)
