"""Labels as batches and datasets to train from.

The layer of training loads PyAV, and its bridges TensorFlow and PyTorch, so they are imported
where they are called.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

from tabular_labels._types import IntArray, PathLike, Progress
from tabular_labels.model.arguments import as_places
from tabular_labels.model.video import Video
from tabular_labels.pixels import open_video_pixels
from tabular_labels.store.snapshot import Snapshot

if TYPE_CHECKING:
    from tabular_labels.training.batches import Batches, ExampleImages
    from tabular_labels.training.examples import Examples

__all__ = ["BatchOptions", "make_batches", "open_sources"]

MEMORY = "memory"


class BatchOptions(TypedDict, total=False):
    """What `Labels.batches` takes beside the size of batches."""

    images: bool
    cache: PathLike | None
    encoding: str
    grayscale: bool | None
    shuffle: bool
    seed: int | None
    drop_remainder: bool
    shard: tuple[int, int]
    ragged: bool
    example_indices: Sequence[int] | IntArray | None
    user_instances_only: bool
    with_track_only: bool
    progress_callback: Progress | None


def make_batches(
    snapshot: Snapshot,
    videos: Sequence[Video],
    batch_size: int,
    *,
    images: bool,
    cache: PathLike | None,
    encoding: str,
    grayscale: bool | None,
    shuffle: bool,
    seed: int | None,
    drop_remainder: bool,
    shard: tuple[int, int],
    ragged: bool,
    example_indices: Sequence[int] | IntArray | None,
    user_instances_only: bool,
    with_track_only: bool,
    progress_callback: Progress | None,
) -> Batches:
    """Make batches, see `Labels.batches`."""
    from tabular_labels.training.batches import Batches
    from tabular_labels.training.examples import read_examples
    from tabular_labels.training.order import BatchOrder

    places = None if example_indices is None else as_places(example_indices)
    examples = read_examples(
        snapshot,
        places,
        user_instances_only=user_instances_only,
        with_track_only=with_track_only,
    )
    order = BatchOrder(
        len(examples),
        batch_size,
        shuffle=shuffle,
        seed=secrets.randbits(32) if seed is None else seed,
        drop_remainder=drop_remainder,
        shard=shard,
    )
    pictures = None
    if images:
        pictures = _images(examples, videos, cache, encoding, grayscale, progress_callback)
    return Batches(examples, order, pictures, is_ragged=ragged)


def _images(
    examples: Examples,
    videos: Sequence[Video],
    cache: PathLike | None,
    encoding: str,
    grayscale: bool | None,
    progress: Progress | None,
) -> ExampleImages:
    from tabular_labels.training.batches import ExampleImages
    from tabular_labels.training.image_cache import open_images
    from tabular_labels.training.image_store import ImageStore, VideoImages, keep_images
    from tabular_labels.training.wanted import WantedImages

    wanted = WantedImages.by(examples, open_sources(videos, grayscale))
    # Looks at videos first, so that what is wrong is said before long work.
    made = ExampleImages.of(wanted, VideoImages(wanted))
    store: ImageStore = made.store
    if cache == MEMORY:
        store = keep_images(wanted, encoding, progress)
    elif cache is not None:
        store = open_images(cache, wanted, encoding, progress)
    return made.on(store)


def open_sources(videos: Sequence[Video], grayscale: bool | None = None) -> list[Any]:
    """Return the pictures of videos; no file is opened.

    Args:
        videos: Videos.
        grayscale: True for brightness alone, False for RGB, None as each video says.
    """
    sources: list[Any] = []
    for video in videos:
        source: Any = open_video_pixels(video)
        if grayscale is not None:
            source.grayscale = grayscale
        sources.append(source)
    return sources
