"""Shaded bins, and what charts of them share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tabular_labels._types import FloatArray
from tabular_labels.plot.canvas import INK, MUTED, colour, name_text, new_figure

__all__ = ["MOST_NAMES", "dress", "empty_figure", "name_rows", "shade", "stacked_figure"]

MOST_NAMES = 40


def shade(strength: FloatArray, number: int = 1) -> npt.NDArray[np.float64]:
    """Return colours for strengths from 0 to 1.

    Args:
        strength: float (n_rows, n_columns); NaN is left clear, 0 is faint.
        number: Which of the colours.

    Returns:
        float64 (n_rows, n_columns, 4): red, green, blue, alpha.
    """
    image = np.ones((*strength.shape, 4))
    image[..., :3] = to_rgb(colour(number))
    image[..., 3] = np.where(np.isnan(strength), 0, 0.06 + 0.94 * np.nan_to_num(strength))
    return image


def stacked_figure(heights: list[float], title: str) -> tuple[Figure, list[Axes]]:
    """Return a figure with panels of these heights (inches) below each other."""
    figure = new_figure(10, 0.75 + sum(heights))
    figure.suptitle(title, fontsize=13, fontweight="bold", color=INK, x=0.01, ha="left")
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    return figure, list(axes)


def empty_figure(title: str, text: str) -> Figure:
    """Return a figure that says that there is nothing to draw."""
    figure, (axis,) = stacked_figure([1.3], title)
    axis.set_axis_off()
    axis.text(0.5, 0.5, text, ha="center", color=MUTED, fontsize=11)
    return figure


def name_rows(axis: Axes, names: list[str], what: str) -> None:
    """Name the rows of an image, or number them where they are too many."""
    if len(names) <= MOST_NAMES:
        axis.set_yticks(range(len(names)), [name_text(name) for name in names], fontsize=9)
        for row in range(1, len(names)):
            axis.axhline(row - 0.5, color="white", linewidth=2)
    else:
        axis.set_ylabel(f"{what} number", fontsize=9, color=INK)
        axis.yaxis.set_major_locator(MaxNLocator(6, integer=True))


def dress(axis: Axes, title: str, note: str, *, of_frames: bool) -> None:
    """Give a panel its titles, and axes that do not stand out."""
    axis.set_title(name_text(title, 80), loc="left", fontsize=10, color=INK)
    axis.set_title(note, loc="right", fontsize=9, color=MUTED)
    if of_frames:
        axis.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        axis.xaxis.set_major_formatter(FuncFormatter(lambda frame, _: f"{round(frame):,}"))
    axis.tick_params(labelcolor=INK, labelsize=9, length=3, color=MUTED)
    axis.tick_params(axis="y", length=0)
    axis.set_facecolor("#F3F5F7")
    axis.spines[:].set_visible(False)
