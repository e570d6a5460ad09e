"""Which images examples want."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.training.examples import Examples
from tabular_labels.video.frames import Frames, missing_frame
from tabular_labels.video.reader import MediaFrames

__all__ = ["WantedImages", "require_frames"]

Size = tuple[int, int, int]


@dataclass(frozen=True)
class WantedImages:
    """Images, each once, sorted by video and frame; and which one each example wants.

    Attributes:
        sources: The project's videos.
        video_inds: int64 (n_images,): places in ``sources``.
        frame_inds: int64 (n_images,): frame indices.
        of_examples: int64 (n_examples,): the image of each example.
    """

    sources: Sequence[Frames]
    video_inds: IntArray
    frame_inds: IntArray
    of_examples: IntArray

    @classmethod
    def by(cls, examples: Examples, sources: Sequence[Frames]) -> WantedImages:
        """List the images of examples."""
        places = np.stack([examples.video_ind, examples.frame_ind], axis=1).astype(np.int64)
        unique, inverse = np.unique(places, axis=0, return_inverse=True)
        return cls(sources, unique[:, 0], unique[:, 1], inverse.reshape(-1))

    def __len__(self) -> int:
        return len(self.video_inds)

    def runs(self) -> Iterator[tuple[int, slice]]:
        """Yield each video that is wanted, and its images."""
        starts = np.flatnonzero(np.diff(self.video_inds, prepend=-1)).tolist()
        for start, stop in pairwise([*starts, len(self)]):
            yield int(self.video_inds[start]), slice(start, stop)

    def sizes(self) -> dict[int, Size]:
        """Look into the videos that are wanted: height, width and channels of each.

        Raises:
            MissingVideoError: A file is not there.
            MissingFrameError: A video has no such frame.
            FileFormatError: A file is no video, or is damaged.
        """
        found = {}
        for video, run in self.runs():
            source = self.sources[video]
            require_frames(source, self.frame_inds[run])
            _, height, width, channels = source.shape
            found[video] = (height, width, channels)
        return found


def require_frames(source: Frames, wanted: IntArray) -> None:
    """Look whether a video has frames, before they are read.

    Args:
        source: A video.
        wanted: int64: frame indices, in any order.

    Raises:
        MissingFrameError: It has not. Also raises as reading a frame does.
    """
    if not len(wanted):
        return
    first, last = int(wanted.min()), int(wanted.max())
    if isinstance(source, MediaFrames) and first >= 0:
        if last >= source.n_frames:
            raise missing_frame(source.name, last, source.n_frames)
        return
    absent = np.setdiff1d(wanted, source.frame_inds)
    if len(absent):
        # A package's source video may have it; otherwise this says why there is none.
        source.read_one(int(absent[0] if first < 0 else absent[-1]))
