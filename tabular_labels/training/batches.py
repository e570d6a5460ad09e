"""Batches of examples as numpy arrays."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.errors import FileFormatError, QueryError
from tabular_labels.model.pixels import Image
from tabular_labels.training.examples import Arrays, Examples
from tabular_labels.training.image_store import ImageStore
from tabular_labels.training.order import BatchOrder
from tabular_labels.training.wanted import WantedImages

__all__ = ["Batches", "ExampleImages"]


@dataclass(frozen=True)
class ExampleImages:
    """The image of each example.

    Attributes:
        store: Where images are.
        of_examples: int64 (n_examples,): the image of each.
        size: Height, width and channels of all images in a batch: the largest there are.
            None when there are no examples.
        is_even: Whether all images have that size.
    """

    store: ImageStore
    of_examples: IntArray
    size: tuple[int, int, int] | None
    is_even: bool

    @classmethod
    def of(cls, wanted: WantedImages, store: ImageStore) -> ExampleImages:
        """Look at the sizes of the videos that are wanted.

        Raises:
            QueryError: Some videos have colours and some have not. A ``ValueError``.
            MissingVideoError: A file is not there.
            FileFormatError: A file is damaged, or has no such frame.
        """
        sizes = wanted.sizes()
        if not sizes:
            return cls(store, wanted.of_examples, None, is_even=True)
        different = set(sizes.values())
        if len({channels for _, _, channels in different}) > 1:
            found = ", ".join(f"{wanted.sources[k].name} {size}" for k, size in sizes.items())
            message = (
                f"found images with one channel and with three (height, width, channels): {found}; "
                "expected one kind. Pass `grayscale=True` to take brightness alone, or False."
            )
            raise QueryError(message)
        heights, widths, channels = zip(*different, strict=True)
        size = max(heights), max(widths), channels[0]
        return cls(store, wanted.of_examples, size, is_even=len(different) == 1)

    def on(self, store: ImageStore) -> ExampleImages:
        """Take the same images from elsewhere."""
        return replace(self, store=store)

    def batch(self, rows: IntArray) -> Arrays:
        """Gather images: ``image`` uint8 (n_rows, *size), and ``raw_image_size`` int32 (n_rows, 3).

        Smaller images stand in the upper left corner, with zeros beside and below.
        """
        images = self.store.read(self.of_examples[rows])
        sizes = np.array([image.shape for image in images], np.int32).reshape(-1, 3)
        size = (0, 0, 1) if self.size is None else self.size
        if images and bool((sizes == size).all()):
            return {"image": np.stack(images), "raw_image_size": sizes}
        stacked = np.zeros((len(images), *size), np.uint8)
        for place, image in enumerate(images):
            height, width, channels = image.shape
            if height > size[0] or width > size[1] or channels != size[2]:
                raise _too_large(image, size)
            stacked[place, :height, :width] = image
        return {"image": stacked, "raw_image_size": sizes}


def _too_large(image: Image, size: tuple[int, int, int]) -> FileFormatError:
    return FileFormatError(
        "the images",
        place="a batch",
        found=f"an image of shape {image.shape}",
        expected=f"at most {size}, which is what the videos say of themselves",
        remedy="Make all pictures of a video of one size.",
    )


@dataclass
class Batches:
    """Batches of examples: iterate over it once for every epoch, or pick them with `take`.

    Each batch is a dictionary of arrays: ``image`` uint8 (batch, height, width, channels) and
    ``raw_image_size`` int32 (batch, 3), unless they are made without images; and what
    `Examples.padded` or, if they are ragged, `Examples.ragged` returns. The next batch is
    made while the last one is used. May be pickled; a process then has its own.

    Attributes:
        examples: What there is.
        order: In which order it is taken.
        images: Where images come from; None for points alone.
        is_ragged: Whether instances stand one after the other instead of being padded.
        epoch: Which epoch comes next. Counts on by itself; see `set_epoch`.
    """

    examples: Examples
    order: BatchOrder
    images: ExampleImages | None = None
    is_ragged: bool = False
    epoch: int = field(default=0)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.order.n_batches

    def __iter__(self) -> Iterator[Arrays]:
        epoch, self.epoch = self.epoch, self.epoch + 1
        return self.of_epoch(epoch)

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next; the same epoch has the same order every time."""
        self.epoch = epoch

    def of_epoch(self, epoch: int, worker: int = 0, n_workers: int = 1) -> Iterator[Arrays]:
        """Yield the batches of one epoch.

        Args:
            epoch: Which epoch.
            worker: Which of several workers this is, that take batches in turns.
            n_workers: How many there are.
        """
        batches = islice(self.order.batches(epoch), worker, None, n_workers)
        if self.images is None:
            yield from map(self.take, batches)
            return
        with ThreadPoolExecutor(1, "batch") as executor:
            waiting = None
            for rows in batches:
                following = executor.submit(self.take, rows)
                if waiting is not None:
                    yield waiting.result()
                waiting = following
            if waiting is not None:
                yield waiting.result()

    def take(self, rows: IntArray) -> Arrays:
        """Gather the examples of some rows as one batch."""
        gather = self.examples.ragged if self.is_ragged else self.examples.padded
        images = {} if self.images is None else self.images.batch(rows)
        return {**images, **gather(rows)}

    def __repr__(self) -> str:
        of_images = "no images" if self.images is None else f"images {self.images.size}"
        size, n = self.order.batch_size, len(self.examples)
        return f"Batches({len(self)} of {size}, {n} examples, {of_images})"
