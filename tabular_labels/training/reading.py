"""Single examples with their images, read from the videos as they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.model.arguments import require_places
from tabular_labels.training.batches import ExampleImages
from tabular_labels.training.examples import Arrays, Examples
from tabular_labels.training.image_store import VideoImages
from tabular_labels.training.wanted import WantedImages
from tabular_labels.video.frames import Frames

__all__ = ["FrameReading", "LabelsReading"]

# Bytes of images, and examples, that are read at once.
_BYTES = 2**26
_MOST_AT_ONCE = 32


def _at_once(size: tuple[int, ...] | None) -> int:
    n_bytes = int(np.prod(size or (1,)))
    return max(1, min(_MOST_AT_ONCE, _BYTES // max(n_bytes, 1)))


@dataclass(frozen=True)
class LabelsReading:
    """Labelled frames as examples.

    Attributes:
        examples: All but the images.
        sources: The project's videos.
        keys: What an example has.

    Raises:
        MissingVideoError: A video's file is not there.
        MissingFrameError: A video ends before a frame.
    """

    examples: Examples
    sources: Sequence[Frames]
    keys: tuple[str, ...]

    @cached_property
    def images(self) -> ExampleImages:
        """The images."""
        wanted = WantedImages.by(self.examples, self.sources)
        return ExampleImages.of(wanted, VideoImages(wanted))

    @property
    def at_once(self) -> int:
        """How many examples are read together."""
        return _at_once(self.images.size)

    @property
    def is_even(self) -> bool:
        """Whether all images have one size."""
        return self.images.is_even

    def gather(self, rows: IntArray) -> Arrays:
        """Gather examples; their instances stand one after the other.

        Raises:
            IndexError: There is no such example.
        """
        require_places(rows, len(self.examples))
        made = {**self.images.batch(rows), **self.examples.ragged(rows)}
        return {key: made[key] for key in (*self.keys, "n_instances")}


@dataclass(frozen=True)
class FrameReading:
    """Frames of one video as examples.

    Attributes:
        source: The video.
        video_ind: What examples say of themselves.
        keys: What an example has.
    """

    source: Frames
    video_ind: int
    keys: tuple[str, ...]
    is_even = True

    @cached_property
    def shape(self) -> tuple[int, int, int, int]:
        """The video's shape. Opens the file."""
        return self.source.shape

    @property
    def at_once(self) -> int:
        """How many examples are read together."""
        return _at_once(self.shape[1:])

    def gather(self, frame_inds: IntArray) -> Arrays:
        """Gather examples by their frame index."""
        n = len(frame_inds)
        images = self.source.read(frame_inds)
        sizes = np.tile(np.array(images.shape[1:], np.int32), (n, 1))
        return {
            "image": images,
            "raw_image_size": sizes,
            "example_ind": frame_inds,
            "video_ind": np.full(n, self.video_ind, np.int32),
            "frame_ind": frame_inds,
            "scale": np.ones((n, 2), np.float32),
        }
