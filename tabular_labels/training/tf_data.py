"""Examples as `tf.data` datasets. The only module that imports TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.errors import MissingExtraError
from tabular_labels.training.batches import Batches
from tabular_labels.training.examples import Arrays
from tabular_labels.training.reading import FrameReading, LabelsReading

try:
    import tensorflow as tf
except ModuleNotFoundError:
    raise MissingExtraError(
        package="tensorflow", extra="tensorflow", purpose="A tf.data dataset"
    ) from None

__all__ = ["batch_dataset", "example_dataset"]

# Examples without images that one call of Python gathers.
_AT_ONCE = 1024
_OF_INSTANCES = ("instances", "skeleton_inds", "track_inds")

Gather = Callable[[IntArray], Arrays]


def batch_dataset(batches: Batches) -> Any:
    """Return a dataset of batches, with the same values as iterating over ``batches``.

    Each iteration over it is one epoch, in an order of its own if batches are shuffled. Points
    are gathered a thousand examples at a time, whatever the size of a batch.

    Args:
        batches: What to yield.

    Returns:
        A ``tf.data.Dataset`` of dictionaries of tensors, with static shapes but for the size
        of a last, smaller batch. Of ragged batches ``instances``, ``skeleton_inds`` and
        ``track_inds`` are ragged tensors.
    """
    order = batches.order
    n_batches = 1 if batches.images is not None else max(1, _AT_ONCE // order.batch_size)
    n_rows = n_batches * order.batch_size

    def epoch() -> Iterator[IntArray]:
        rows = order.rows(batches.epoch)
        batches.set_epoch(batches.epoch + 1)
        for start in range(0, len(rows), n_rows):
            yield rows[start : start + n_rows]

    index = tf.data.Dataset.from_generator(epoch, output_signature=tf.TensorSpec([None], tf.int64))
    is_even = order.drop_remainder and n_batches == 1
    size = order.batch_size if is_even else None
    dataset = index.map(
        _gathering(batches.take, size=size, is_ragged=batches.is_ragged),
        num_parallel_calls=1 if batches.images is None else tf.data.AUTOTUNE,
        deterministic=True,
    )
    if n_batches > 1:
        dataset = dataset.rebatch(order.batch_size, drop_remainder=order.drop_remainder)
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
    return dataset.prefetch(tf.data.AUTOTUNE)


def example_dataset(reading: FrameReading | LabelsReading, indices: Any) -> Any:
    """Return a dataset of single examples.

    Args:
        reading: Makes batches of examples by their numbers.
        indices: The numbers, as a sequence or as a dataset of them.

    Returns:
        A ``tf.data.Dataset`` of dictionaries of tensors, the instances of each being
        (n_instances, ...). Static shapes are set where all examples agree.
    """
    n_examples = None
    if not isinstance(indices, tf.data.Dataset):
        rows = np.asarray(indices, np.int64)
        n_examples = len(rows)
        indices = tf.data.Dataset.from_tensor_slices(rows)
    chunks = indices.map(lambda row: tf.cast(row, tf.int64)).batch(reading.at_once)
    dataset = chunks.map(
        _gathering(reading.gather, size=None, is_ragged=True), num_parallel_calls=1
    )
    dataset = dataset.prefetch(1).unbatch().map(partial(_single, reading))
    if n_examples is not None:
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(n_examples))
    return dataset


def _single(reading: FrameReading | LabelsReading, example: Mapping[str, Any]) -> dict[str, Any]:
    """Take what an example has, and its image out of what was added beside and below."""
    single = {key: example[key] for key in reading.keys}
    if not reading.is_even:
        height, width, _ = tf.unstack(example["raw_image_size"])
        single["image"] = example["image"][:height, :width]
    return single


def _gathering(
    gather: Gather, *, size: int | None, is_ragged: bool
) -> Callable[[Any], Mapping[str, Any]]:
    """Make a function of tensors from one of arrays.

    An empty batch tells keys, dtypes and shapes.
    """
    like = gather(np.zeros(0, np.int64))
    keys = list(like)
    dtypes = [tf.as_dtype(like[key].dtype) for key in keys]

    def of_rows(rows: Any) -> list[Any]:
        made = gather(rows)
        return [made[key] for key in keys]

    def of_tensors(rows: Any) -> dict[str, Any]:
        made = dict(zip(keys, tf.numpy_function(of_rows, [rows], dtypes), strict=True))
        for key, tensor in made.items():
            is_flat = is_ragged and key in _OF_INSTANCES
            tensor.set_shape([None if is_flat else size, *like[key].shape[1:]])
        if is_ragged and "instances" in made:
            for key in _OF_INSTANCES:
                lengths = made["n_instances"]
                made[key] = tf.RaggedTensor.from_row_lengths(made[key], lengths, validate=False)
        return made

    return of_tensors
