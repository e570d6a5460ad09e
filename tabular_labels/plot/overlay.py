"""Skeletons drawn into the pictures of a video, pixel by pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.figure import Figure

from tabular_labels._types import FloatArray
from tabular_labels.plot.canvas import colour

__all__ = ["Overlay"]

_DOTS_PER_INCH = 72  # so that a point of line width is a pixel


class Overlay:
    """Draws instances into pictures of one size; made once for a clip.

    User instances have solid edges, predicted ones dashed. Points outside the picture, and
    missing ones, are left out.

    Args:
        height: Of the pictures, in pixels.
        width: Of the pictures, in pixels.
        scale: Size of what comes out, relative to the picture. Odd sizes lose one row or
            column, which video formats want.

    Examples:
        >>> overlay = Overlay(40, 60, scale=2)
        >>> image = np.zeros((40, 60, 1), np.uint8)
        >>> drawn = overlay.draw(image, np.array([[[10.0, 10.0]]]))
        >>> drawn.shape, bool(drawn[21, 21].any()), bool(drawn[60, 60].any())
        ((80, 120, 3), True, False)
    """

    def __init__(self, height: int, width: int, *, scale: float = 1.0) -> None:
        self.height, self.width = height, width
        # Even sizes: colour is kept for every second pixel.
        self.shape = _even(height * scale), _even(width * scale)
        out_height, out_width = self.shape
        # A little more than whole, as the canvas rounds down.
        size = ((out_width + 0.01) / _DOTS_PER_INCH, (out_height + 0.01) / _DOTS_PER_INCH)
        figure = Figure(figsize=size, dpi=_DOTS_PER_INCH)
        figure.patch.set_alpha(0)
        self._canvas = FigureCanvasAgg(figure)
        self._axis = figure.add_axes((0, 0, 1, 1))
        self._axis.set_axis_off()
        self._axis.set_xlim(-0.5, width - 0.5)
        self._axis.set_ylim(height - 0.5, -0.5)
        self._line = float(np.clip(min(self.shape) / 240, 1.2, 4))
        turn = np.linspace(0, 2 * np.pi, 25)[:-1, np.newaxis]
        size_of_pixel = np.array([width / out_width, height / out_height])
        unit: FloatArray = np.concatenate([np.cos(turn), np.sin(turn)], axis=1)
        self._circle = unit * (1.3 * self._line * size_of_pixel)
        rows = (np.arange(out_height) + 0.5) * (height / out_height)
        columns = (np.arange(out_width) + 0.5) * (width / out_width)
        self._rows = rows.astype(np.intp)
        self._columns = columns.astype(np.intp)

    def draw(
        self,
        image: npt.NDArray[np.uint8],
        xy: FloatArray,
        *,
        edges: Sequence[tuple[int, int]] = (),
        colour_numbers: Sequence[int] | None = None,
        is_predicted: Sequence[bool] = (),
    ) -> npt.NDArray[np.uint8]:
        """Draw instances into a picture.

        Args:
            image: uint8 (height, width, 1) or (height, width, 3).
            xy: float (n_instances, n_nodes, 2), pixels of the picture; NaN = missing.
            edges: Pairs of node numbers.
            colour_numbers: One per instance. Default: the order of the instances.
            is_predicted: One per instance. Default: all user instances.

        Returns:
            uint8 ``(*shape, 3)``, RGB; pixels that nothing was drawn on are the picture's.
        """
        ground = np.empty((*self.shape, 3), np.uint8)
        ground[:] = image[self._rows[:, np.newaxis], self._columns]
        if not np.isfinite(xy).all(axis=-1).any():
            return ground
        numbers = list(range(len(xy))) if colour_numbers is None else list(colour_numbers)
        guesses = [bool(guess) for guess in is_predicted] or [False] * len(xy)
        artists: list[Any] = []
        for points, number, is_guess in zip(xy, numbers, guesses, strict=True):
            artists += self._add_instance(points, edges, colour(number), is_predicted=is_guess)
        self._canvas.draw()  # type: ignore[no-untyped-call]  # matplotlib types some of itself
        ink = np.asarray(self._canvas.buffer_rgba())  # type: ignore[no-untyped-call]  # the same
        _blend(ground, ink)
        for artist in artists:
            artist.remove()
        return ground

    def _add_instance(
        self,
        points: FloatArray,
        edges: Sequence[tuple[int, int]],
        shade: str,
        *,
        is_predicted: bool,
    ) -> list[Any]:
        pairs = np.asarray(edges, np.int64).reshape(-1, 2)
        segments = points[pairs]
        segments = segments[np.isfinite(segments).all(axis=(1, 2))]
        style: Any = (0, (2.2, 1.4)) if is_predicted else "solid"
        lines = LineCollection(
            list(segments), colors=shade, linewidths=self._line, linestyles=style
        )
        self._axis.add_collection(lines, autolim=False)
        known = points[np.isfinite(points).all(axis=1)]
        # Outlines, since markers would be moved to whole pixels.
        nodes = PolyCollection(
            list(known[:, np.newaxis] + self._circle),
            facecolors="white" if is_predicted else shade,
            edgecolors=shade if is_predicted else "white",
            linewidths=0.5 * self._line,
            zorder=3,
        )
        self._axis.add_collection(nodes, autolim=False)
        return [lines, nodes]


def _even(size: float) -> int:
    return max(round(size) // 2 * 2, 2)


def _blend(ground: npt.NDArray[np.uint8], ink: npt.NDArray[np.uint8]) -> None:
    """Lay ink (RGBA, not premultiplied) over a picture, where there is any."""
    covered = ink[..., 3] > 0
    alpha = ink[covered][:, 3:].astype(np.uint32)
    below = ground[covered].astype(np.uint32)
    mixed = (ink[covered][:, :3] * alpha + below * (255 - alpha) + 127) // 255
    ground[covered] = mixed.astype(np.uint8)
