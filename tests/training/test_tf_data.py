"""Datasets of TensorFlow: the values of batches and examples, with static shapes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tabular_labels as tl
from tabular_labels.errors import MissingFrameError, MissingVideoError
from tabular_labels.video.pictures import encode_picture
from tests import training_reference as reference
from tests.training.scenes import FLY, labels_on, random_images, random_video
from tests.video.movies import encode, read_number

tf = pytest.importorskip("tensorflow")

OF_INSTANCES = ("instances", "skeleton_inds", "track_inds")


def arrays(example: Any) -> dict[str, Any]:
    """Return the values of tensors, ragged ones as one array."""
    return {
        key: (value.values if isinstance(value, tf.RaggedTensor) else value).numpy()
        for key, value in example.items()
    }


def specs(dataset: Any) -> dict[str, tuple[list[int | None], str]]:
    return {
        key: (spec.shape.as_list(), spec.dtype.name) for key, spec in dataset.element_spec.items()
    }


def even_labels() -> tl.Labels:
    return labels_on(random_video(1), random_video(2))


def uneven_labels() -> tl.Labels:
    return labels_on(random_video(1, size=(16, 24, 3)), random_video(2, size=(9, 11, 3)))


# Batches


@pytest.mark.parametrize("images", [True, False])
@pytest.mark.parametrize("ragged", [True, False])
@pytest.mark.parametrize("drop_remainder", [True, False])
def test_a_dataset_has_the_values_of_batches(
    images: bool, ragged: bool, drop_remainder: bool
) -> None:
    options: dict[str, Any] = {
        "images": images, "ragged": ragged, "drop_remainder": drop_remainder,
        "shuffle": True, "seed": 6,
    }  # fmt: skip
    dataset = even_labels().to_tf_dataset(5, **options)
    batches = even_labels().batches(5, **options)
    assert dataset.cardinality().numpy() == len(batches) == (2 if drop_remainder else 3)
    orders = []
    for _ in range(2):  # epochs
        found = list(dataset)
        for one, expected in zip(found, batches, strict=True):
            reference.assert_equal(arrays(one), expected)
            if ragged:
                lengths = one["instances"].row_lengths().numpy()
                assert lengths.tolist() == expected["n_instances"].tolist()
        orders.append([one["example_ind"].numpy().tolist() for one in found])
    assert orders[0] != orders[1]


def test_batches_have_static_shapes() -> None:
    dropped = even_labels().to_tf_dataset(5, drop_remainder=True)
    for dataset, n in ((dropped, 5), (even_labels().to_tf_dataset(5), None)):
        assert specs(dataset) == {
            "image": ([n, 16, 24, 3], "uint8"),
            "raw_image_size": ([n, 3], "int32"),
            "example_ind": ([n], "int64"),
            "video_ind": ([n], "int32"),
            "frame_ind": ([n], "int64"),
            "scale": ([n, 2], "float32"),
            "n_instances": ([n], "int32"),
            "n_tracks": ([n], "int32"),
            "instances": ([n, 2, 3, 2], "float32"),
            "skeleton_inds": ([n, 2], "int32"),
            "track_inds": ([n, 2], "int32"),
        }


def test_ragged_batches_have_ragged_tensors() -> None:
    dataset = even_labels().to_tf_dataset(5, ragged=True, images=False)
    for key in OF_INSTANCES:
        assert isinstance(dataset.element_spec[key], tf.RaggedTensorSpec)
    assert dataset.element_spec["instances"].shape.as_list() == [None, None, 3, 2]


def test_no_frames_make_an_empty_dataset() -> None:
    dataset = tl.Labels().to_tf_dataset(4)
    assert dataset.cardinality().numpy() == 0
    assert list(dataset) == []


def test_large_datasets_of_points_keep_their_batches() -> None:
    labels = labels_on(random_video(n_frames=1300, size=(1, 1, 1)), n_frames=1300)
    found = [batch["frame_ind"].numpy() for batch in labels.to_tf_dataset(500, images=False)]
    assert [len(batch) for batch in found] == [500, 500, 300]
    assert np.concatenate(found).tolist() == list(range(1300))


# Examples


@pytest.mark.parametrize("make", [even_labels, uneven_labels])
@pytest.mark.parametrize("ds_index", [None, "list", "dataset", "int32 dataset"])
def test_examples_are_those_made_row_by_row(make: Any, ds_index: str | None) -> None:
    labels, places = make(), [7, 0, 11, 0, 3]
    reader = tl.LabelsReader(labels, None if ds_index else places)
    index: Any = places if ds_index == "list" else None
    if ds_index and "dataset" in ds_index:
        dtype = tf.int32 if "int32" in ds_index else tf.int64
        index = tf.data.Dataset.from_tensor_slices(tf.constant(places, dtype))
    dataset = reader.make_dataset(index)
    assert list(dataset.element_spec) == reader.output_keys
    for _ in range(2):
        for found, place in zip(dataset, places, strict=True):
            expected = reference.example(labels, place, images=True)
            del expected["n_instances"]
            reference.assert_equal(arrays(found), expected)
    if index is None or ds_index == "list":
        assert dataset.cardinality().numpy() == len(places)


@pytest.mark.parametrize("make", [even_labels, uneven_labels])
def test_examples_have_static_shapes_where_videos_agree(make: Any) -> None:
    size = [16, 24, 3] if make is even_labels else [None, None, 3]
    assert specs(tl.LabelsReader(make()).make_dataset()) == {
        "image": (size, "uint8"),
        "raw_image_size": ([3], "int32"),
        "example_ind": ([], "int64"),
        "video_ind": ([], "int32"),
        "frame_ind": ([], "int64"),
        "scale": ([2], "float32"),
        "instances": ([None, 3, 2], "float32"),
        "skeleton_inds": ([None], "int32"),
        "track_inds": ([None], "int32"),
        "n_tracks": ([], "int32"),
    }


def picture_labels(folder: Path, *heights: int) -> tuple[tl.Labels, list[Any]]:
    """Label pictures of these heights, and return them as well."""
    images = [random_images(k, 1, (height, 6, 3))[0] for k, height in enumerate(heights)]
    names = [folder / f"{k}.png" for k in range(len(images))]
    for name, image in zip(names, images, strict=True):
        name.write_bytes(encode_picture(image, "png"))
    return labels_on(tl.Video.from_image_filenames(names), n_frames=len(images)), images


def test_smaller_pictures_of_a_sequence_are_padded_where_shapes_are_static(tmp_path: Path) -> None:
    labels, images = picture_labels(tmp_path, 7, 5, 7, 2)
    dataset = tl.LabelsReader(labels).make_dataset()
    assert specs(dataset)["image"] == ([7, 6, 3], "uint8")
    for example, image in zip(dataset, images, strict=True):
        height = len(image)
        assert example["raw_image_size"].numpy().tolist() == [height, 6, 3]
        np.testing.assert_array_equal(example["image"].numpy()[:height], image)
        assert not example["image"].numpy()[height:].any()


def test_smaller_pictures_have_their_own_size_where_videos_differ(tmp_path: Path) -> None:
    labels, images = picture_labels(tmp_path, 7, 5, 2)
    labels.append(tl.LabeledFrame(random_video(1, size=(9, 11, 3)), 0))
    dataset = tl.LabelsReader(labels).make_dataset()
    assert specs(dataset)["image"] == ([None, None, 3], "uint8")
    found = list(dataset)
    assert len(found) == 4
    for example, image in zip(found, images, strict=False):
        assert example["raw_image_size"].numpy().tolist() == list(image.shape)
        np.testing.assert_array_equal(example["image"].numpy(), image)
    assert found[3]["image"].shape == (9, 11, 3)


def test_larger_pictures_of_a_sequence_are_refused(tmp_path: Path) -> None:
    labels, _ = picture_labels(tmp_path, 5, 7)
    with pytest.raises(tf.errors.OpError, match="Make all pictures of a video of one size"):
        list(tl.LabelsReader(labels).make_dataset())


def test_readers_leave_instances_out_as_they_are_told() -> None:
    labels = even_labels()
    for flags in ({"user_instances_only": True}, {"with_track_only": True}):
        dataset = tl.LabelsReader(labels, **flags).make_dataset()  # type: ignore[arg-type]
        for place, found in enumerate(dataset):
            expected = reference.example(labels, place, images=True, **flags)
            del expected["n_instances"]
            reference.assert_equal(arrays(found), expected)


def test_suggestions_are_examples_without_instances() -> None:
    labels = even_labels()
    video = labels.videos[0]
    labels.add_suggestion(video, 0)  # which has no user instance
    labels.add_suggestion(video, 1)  # which has one
    found = list(tl.LabelsReader.from_unlabeled_suggestions(labels).make_dataset())
    assert [example["frame_ind"].numpy() for example in found] == [0]
    assert found[0]["instances"].shape == (0, 3, 2)


@pytest.mark.parametrize("places", [[12], [0, -1]])
def test_places_outside_are_refused(places: list[int]) -> None:
    reader = tl.LabelsReader(even_labels())
    with pytest.raises(IndexError, match="expected places"):
        reader.make_dataset(places)
    with pytest.raises(IndexError, match="expected places"):
        tl.LabelsReader(even_labels(), places).make_dataset()
    index = tf.data.Dataset.from_tensor_slices(np.array(places))
    with pytest.raises(tf.errors.OpError, match="expected places"):
        list(reader.make_dataset(index))


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("movie") / "a.mp4", 12, bf=2, g=5)


def test_missing_and_short_videos_are_named_before_iterating(movie: Path, tmp_path: Path) -> None:
    gone = labels_on(tl.Video.from_filename(tmp_path / "gone.mp4"))
    with pytest.raises(MissingVideoError, match=r"gone\.mp4"):
        tl.LabelsReader(gone).make_dataset()
    with pytest.raises(MissingVideoError, match=r"gone\.mp4"):
        tl.VideoReader(gone.videos[0], [0]).make_dataset()
    for video in (tl.Video.from_filename(movie), random_video(n_frames=12)):
        short = tl.Labels([tl.LabeledFrame(video, k) for k in (3, 12)])
        with pytest.raises(MissingFrameError, match="frame 12"):
            tl.LabelsReader(short).make_dataset()
        assert len(list(tl.LabelsReader(short, [0]).make_dataset())) == 1
        with pytest.raises(MissingFrameError, match="frame 12"):
            tl.VideoReader(video, [12]).make_dataset()
        with pytest.raises(MissingFrameError, match="frame -1"):
            tl.VideoReader(video, [-1]).make_dataset()


@pytest.mark.parametrize("kind", ["batches", "LabelsReader", "VideoReader"])
def test_what_goes_wrong_later_names_file_frame_and_remedy(
    movie: Path, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "b.mp4"
    path.write_bytes(movie.read_bytes())
    video = tl.Video.from_filename(path)
    labels = tl.Labels([tl.LabeledFrame(video, k) for k in (4, 7)])
    dataset = {
        "batches": lambda: labels.to_tf_dataset(2, cache=None),
        "LabelsReader": lambda: tl.LabelsReader(labels).make_dataset(),
        "VideoReader": lambda: tl.VideoReader(video, [4, 7]).make_dataset(),
    }[kind]()
    path.unlink()
    with pytest.raises(tf.errors.OpError) as caught:
        list(dataset)
    for part in ("b.mp4", "frame 4", "video_search"):
        assert part in str(caught.value)


# Whole videos


def test_whole_videos_are_read_frame_by_frame(movie: Path) -> None:
    reader = tl.VideoReader.from_filepath(movie)
    dataset = reader.make_dataset()
    assert len(reader) == dataset.cardinality().numpy() == 12
    assert specs(dataset) == {
        "image": ([64, 192, 3], "uint8"),
        "raw_image_size": ([3], "int32"),
        "example_ind": ([], "int64"),
        "video_ind": ([], "int32"),
        "frame_ind": ([], "int64"),
        "scale": ([2], "float32"),
    }
    for k, found in enumerate(dataset):
        assert read_number(found["image"].numpy()) == k
        assert found["frame_ind"].numpy() == found["example_ind"].numpy() == k
        assert found["raw_image_size"].numpy().tolist() == [64, 192, 3]
        assert found["video_ind"].numpy() == 0
        assert found["scale"].numpy().tolist() == [1, 1]


def test_some_frames_of_a_video_are_read_in_their_order(movie: Path) -> None:
    reader = tl.VideoReader.from_filepath(movie, [9, 2, 9], grayscale=True)
    assert len(reader) == 3
    found = list(reader.make_dataset())
    assert [one["frame_ind"].numpy() for one in found] == [9, 2, 9]
    assert found[0]["image"].shape == (64, 192, 1)
    index = tf.data.Dataset.range(3, 5)
    assert [one["frame_ind"].numpy() for one in reader.make_dataset(index)] == [3, 4]
    assert [one["frame_ind"].numpy() for one in reader.make_dataset([5])] == [5]


# Into a model


def test_keys_of_datasets_are_mapped() -> None:
    dataset = tl.LabelsReader(even_labels()).make_dataset()
    mapper = tl.KeyMapper([{"image": "x"}, {"frame_ind": "k", "image": "again"}])
    mapped = mapper.transform_dataset(dataset)
    assert [list(spec) for spec in mapped.element_spec] == [["x"], ["k", "again"]]
    for (one, two), original in zip(mapped, dataset, strict=True):
        assert np.array_equal(one["x"], original["image"])
        assert np.array_equal(two["again"], original["image"])
        assert two["k"].numpy() == original["frame_ind"].numpy()
    with pytest.raises(KeyError, match=r"found no 'points' among the keys \['image', "):
        tl.KeyMapper({"points": "x"}).transform_dataset(dataset)


def test_a_small_model_is_trained_from_labels() -> None:
    xy = [[1, 2], [3, 4], [5, 6]]
    video = random_video(size=(8, 8, 1))
    labels = tl.Labels([tl.LabeledFrame(video, k, [tl.Instance(FLY, xy)]) for k in range(6)])
    inputs = tf.keras.Input((8, 8, 1), name="pixels")
    layer = tf.keras.layers.Flatten()(tf.keras.layers.Rescaling(1 / 255)(inputs))
    outputs = tf.keras.layers.Dense(6, kernel_initializer="zeros", name="points")(layer)
    model = tf.keras.Model({"pixels": inputs}, {"points": outputs})
    model.compile(optimizer=tf.keras.optimizers.Adam(0.3), loss="mse")
    mapper = tl.KeyMapper([{"image": "pixels"}, {"instances": "points"}])
    parts = tl.split_labels_reader(tl.LabelsReader(labels), [0.5, -1], seed=0)

    def flat(x: dict[str, Any], y: dict[str, Any]) -> Any:
        return x, {"points": tf.reshape(y["points"], [6])}

    train, check = (mapper.transform_dataset(part.make_dataset()).map(flat) for part in parts)
    history = model.fit(
        train.batch(2), validation_data=check.batch(2), epochs=8, shuffle=False, verbose=0
    ).history
    assert history["loss"][-1] < history["loss"][0] / 2
    assert len(history["val_loss"]) == 8
