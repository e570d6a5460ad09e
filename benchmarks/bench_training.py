"""Feed training: points alone, and points with their images, as `tf.data` datasets.

The peer is the classic design: a `py_function` for every example, which looks the frame up in
a list of objects (those of sleap-io) and seeks to its image. The limit holds every value as a
dense tensor and batches it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import tabular_labels as tl
from benchmarks.bench import Bench, Peer, Way
from benchmarks.bench_video import make_movie
from benchmarks.files import labels_of
from benchmarks.report import times_limit, times_peer
from tabular_labels.testing import builders

__all__ = ["run"]

Array = npt.NDArray[Any]
_BATCH = 32
_MOST_EXAMPLES = 20_000
_MOST_IMAGES = 100


def run(bench: Bench) -> None:
    if find_spec("tensorflow") is None:
        return
    _points(bench)
    _images(bench)


@dataclass
class _Fed:
    """A dataset that was iterated over once, and how many elements there were."""

    dataset: Any
    n: int


def _feed(dataset: Any) -> _Fed:
    return _Fed(dataset, sum(1 for _ in dataset))


def _points(bench: Bench) -> None:
    n = min(bench.files.n_frames, _MOST_EXAMPLES)
    labels = labels_of(builders.make_tables(n))
    frozen = labels.batches(_BATCH, images=False).take(np.arange(n))
    peers = [Peer("py_function", partial(_classic_points, labels), _by_example, _by_example)]
    for name, is_ragged in (("padded", False), ("ragged", True)):
        options: Any = {"images": False, "ragged": is_ragged}
        bench.compare(
            f"points of {n} examples in batches of {_BATCH}, {name}",
            Way(partial(_epoch, labels, options), _by_example),
            None if is_ragged else Way(partial(_dense, frozen), _by_example),
            peers if bench.peers else [],
            [times_peer(20, "M"), *([] if is_ragged else [times_limit(1 / 0.7, "M")])],
        )


def _epoch(labels: tl.Labels, options: dict[str, Any]) -> Callable[[], _Fed]:
    dataset = labels.to_tf_dataset(_BATCH, **options)
    return partial(_feed, dataset)


def _dense(values: dict[str, Array]) -> Callable[[], _Fed]:
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices(values).batch(_BATCH).prefetch(tf.data.AUTOTUNE)
    return partial(_feed, dataset)


def _classic_points(labels: tl.Labels) -> Callable[[], _Fed]:
    theirs = labels.to_sleap_io()
    return partial(_feed, _py_dataset(theirs, range(len(theirs)), None))


def _py_dataset(labels: Any, order: Any, read: Callable[[int], Array] | None) -> Any:
    """Make a dataset of one call of Python for every example."""
    import tensorflow as tf

    skeletons, tracks = list(labels.skeletons), list(labels.tracks)

    def fetch(number: Any) -> tuple[Array, ...]:
        frame = labels.labeled_frames[int(number)]
        instances = [one for one in frame.instances if not one.is_empty]
        points = np.full((len(instances), len(skeletons[0]), 2), np.nan, np.float32)
        for row, instance in enumerate(instances):
            points[row] = instance.numpy()
        inds = [-1 if one.track is None else tracks.index(one.track) for one in instances]
        image = np.zeros((1, 1, 1), np.uint8) if read is None else read(frame.frame_idx)
        return points, np.array(inds, np.int32), np.int64(frame.frame_idx), image  # type: ignore[return-value]

    types = (tf.float32, tf.int32, tf.int64, tf.uint8)

    def example(number: Any) -> dict[str, Any]:
        points, inds, frame, image = tf.py_function(fetch, [number], types)
        return {
            "example_ind": number,
            "instances": points,
            "track_inds": inds,
            "frame_ind": frame,
            "image": image,
        }

    indices = tf.data.Dataset.from_tensor_slices(np.asarray(order, np.int64))
    return indices.map(example).prefetch(tf.data.AUTOTUNE)


def _by_example(fed: _Fed) -> dict[int, list[Any]]:
    """Bring single examples or batches into the same form: points and tracks, without padding."""
    return dict(sorted(_examples(fed.dataset)))


def _examples(dataset: Any) -> Iterator[tuple[int, list[Any]]]:
    for element in dataset:
        numbers, frames = (np.atleast_1d(element[key]) for key in ("example_ind", "frame_ind"))
        is_single = element["example_ind"].ndim == 0
        for row, number in enumerate(numbers.tolist()):
            inds, points = (
                np.asarray(element[key] if is_single else element[key][row])
                for key in ("track_inds", "instances")
            )
            kept = ~np.isnan(points).all(axis=(1, 2))
            image = (
                np.asarray(element["image"] if is_single else element["image"][row])
                if ("image" in element)
                else np.zeros((1, 1, 1))
            )
            yield (
                number,
                [
                    int(frames[row]),
                    inds[kept].tolist(),
                    np.nan_to_num(points[kept]).tolist(),
                    int(image.sum(dtype=np.int64)),
                ],
            )


def _images(bench: Bench) -> None:
    n_frames = min(bench.files.n_frames, 10 * _MOST_IMAGES)
    movie = bench.files.other("g250.mp4", partial(make_movie, n_frames, 250))
    labels = _labels(movie, n_frames)
    order = np.random.default_rng(0).permutation(len(labels))
    peers = [
        Peer(name, partial(_classic_images, labels, movie, order, read), _by_example, _by_example)
        for name, read in _readers().items()
    ]
    what = f"{len(labels)} of {n_frames} images with points, shuffled"
    for name, prepare, times in (
        (f"{what}, first epoch", partial(_first_epoch, labels), 1.5),
        (f"{what}, later epochs", partial(_later_epoch, labels, {}), 4),
        (f"{what}, later epochs, PNG", partial(_later_epoch, labels, {"encoding": "png"}), 4),
    ):
        bench.compare(
            name,
            Way(prepare, _by_example),
            None,
            peers if bench.peers else [],
            [times_peer(times, "M")],
        )


def _labels(movie: Path, n_frames: int) -> tl.Labels:
    fly = tl.Skeleton(["head", "tail"])
    video = tl.Video.from_filename(movie, grayscale=False)
    frames = [
        tl.LabeledFrame(video, k, [tl.Instance(fly, [[k, 1], [2, 3]])])
        for k in range(0, n_frames, 10)
    ]
    return tl.Labels(frames)


def _first_epoch(labels: tl.Labels) -> Callable[[], _Fed]:
    return lambda: _feed(labels.to_tf_dataset(_BATCH, shuffle=True, seed=0))


def _later_epoch(labels: tl.Labels, options: dict[str, Any]) -> Callable[[], _Fed]:
    return partial(_feed, labels.to_tf_dataset(_BATCH, shuffle=True, seed=0, **options))


def _readers() -> dict[str, Callable[[Path], Callable[[int], Array]]]:
    readers: dict[str, Callable[[Path], Callable[[int], Array]]] = {}
    if find_spec("cv2"):
        readers["py_function, OpenCV"] = _opencv
    readers["py_function, PyAV"] = _sleap_io
    return readers


def _sleap_io(movie: Path) -> Callable[[int], Array]:
    import sleap_io

    video = sleap_io.Video.from_filename(str(movie), plugin="pyav", grayscale=False)
    return lambda frame_idx: video[frame_idx]


def _opencv(movie: Path) -> Callable[[int], Array]:
    import cv2

    capture = cv2.VideoCapture(str(movie))

    def read(frame_idx: int) -> Array:
        capture.set(cv2.CAP_PROP_POS_FRAMES, frame_idx)
        _, image = capture.read()
        return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)  # type: ignore[no-any-return]

    return read


def _classic_images(
    labels: tl.Labels,
    movie: Path,
    order: Array,
    reader: Callable[[Path], Callable[[int], Array]],
) -> Callable[[], _Fed]:
    return partial(_feed, _py_dataset(labels.to_sleap_io(), order, reader(movie)))
