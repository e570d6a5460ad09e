"""What drawings of a frame are made of: arrays and names, gathered from its instances."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import PureWindowsPath
from typing import TYPE_CHECKING

import numpy as np

from tabular_labels._types import FloatArray
from tabular_labels.errors import FileFormatError, MissingPictureWarning, MissingVideoError
from tabular_labels.model.pixels import Image
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.track import Track
from tabular_labels.views import Instance, LabeledFrame

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Colouring", "DrawnInstances", "draw_frame", "read_picture"]


class Colouring:
    """Numbers by which tracks are told apart, the same in every frame.

    Args:
        tracks: Tracks in order; untracked instances are numbered after them, by place.
    """

    def __init__(self, tracks: Sequence[Track]) -> None:
        self._numbers = {track: number for number, track in enumerate(tracks)}

    def number(self, track: Track | None, place: int) -> int:
        """Return the number of a track, or that of an instance without one."""
        untracked = len(self._numbers) + place
        return untracked if track is None else self._numbers.get(track, untracked)


@dataclass(frozen=True)
class DrawnInstances:
    """The instances of one frame, as drawings take them.

    Attributes:
        xy: float64 (n_instances, n_nodes, 2), pixels, NaN = missing or invisible. With
            several skeletons the nodes of each have places of their own.
        edges: Pairs of those places.
        node_names: One per place.
        track_names: One per instance; None = untracked.
        colour_numbers: One per instance.
        is_predicted: One per instance.
    """

    xy: FloatArray
    edges: list[tuple[int, int]] = field(default_factory=list)
    node_names: list[str] = field(default_factory=list)
    track_names: list[str | None] = field(default_factory=list)
    colour_numbers: list[int] = field(default_factory=list)
    is_predicted: list[bool] = field(default_factory=list)

    @classmethod
    def of(cls, instances: Sequence[Instance], colouring: Colouring) -> DrawnInstances:
        """Gather instances, in order."""
        skeletons: dict[Skeleton, int] = {}
        edges: list[tuple[int, int]] = []
        names: list[str] = []
        for instance in instances:
            if instance.skeleton not in skeletons:
                start = skeletons[instance.skeleton] = len(names)
                names += instance.skeleton.node_names
                edges += [(start + a, start + b) for a, b in instance.skeleton.edge_inds]
        xy = np.full((len(instances), len(names), 2), np.nan)
        for place, instance in enumerate(instances):
            start, points = skeletons[instance.skeleton], instance.numpy()
            xy[place, start : start + len(points)] = points
        tracks = [instance.track for instance in instances]
        return cls(
            xy,
            edges,
            names,
            [None if track is None else track.name for track in tracks],
            [colouring.number(track, place) for place, track in enumerate(tracks)],
            [instance._is_predicted for instance in instances],
        )


def draw_frame(frame: LabeledFrame, colouring: Colouring, *, with_image: bool = True) -> Figure:
    """Draw a frame over its picture, or without where the video cannot be read.

    Predictions that a person has corrected are left out.

    Warns:
        MissingPictureWarning: The frame is drawn without its picture; it says why.
    """
    from tabular_labels.plot.canvas import name_text
    from tabular_labels.plot.frame import plot_frame

    image, reason = read_picture(frame) if with_image else (None, None)
    drawn = DrawnInstances.of(frame.instances_to_show, colouring)
    name = PureWindowsPath(frame.video.filename).name or "video without a name"
    if reason is not None:
        # The caller of the facade's method is two steps up.
        warnings.warn(
            f"frame {frame.frame_idx} is drawn without its picture: {reason}",
            MissingPictureWarning,
            stacklevel=3,
        )
    return plot_frame(
        image,
        drawn.xy,
        edges=drawn.edges,
        node_names=drawn.node_names,
        track_names=drawn.track_names,
        colour_numbers=drawn.colour_numbers,
        is_predicted=drawn.is_predicted,
        title=f"Frame {frame.frame_idx:,}",
        note=name_text(name, 60) + (", drawn without its picture" if reason else ""),
    )


def read_picture(frame: LabeledFrame) -> tuple[Image | None, str | None]:
    """Return a frame's picture, or None and the reason why there is none."""
    try:
        return frame.image, None
    except (MissingVideoError, FileFormatError) as error:
        return None, str(error)
