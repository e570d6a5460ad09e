"""How videos open their files: `Video` is below the layer that can."""

from __future__ import annotations

from tabular_labels.model.pixels import PixelSource
from tabular_labels.model.video import Video

__all__ = ["open_video_pixels"]


def open_video_pixels(video: Video) -> PixelSource:
    """Return a video's pictures; its file is opened when one is asked for.

    The layer of pixels loads PyAV and h5py, which importing the package must not.
    """
    if video.array is not None:
        from tabular_labels.video.arrays import ArrayFrames

        return ArrayFrames(video.array, grayscale=video.backend.grayscale)
    from tabular_labels.video.backends import open_frames

    return open_frames(video.filename, video.backend, grayscale=video.grayscale)
