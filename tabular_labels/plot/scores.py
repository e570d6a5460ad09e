"""Scores of points by node, and of instances over time, as pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tabular_labels._types import FloatArray, IntArray
from tabular_labels.plot.canvas import INK, colour
from tabular_labels.plot.heat import (
    MOST_NAMES,
    dress,
    empty_figure,
    name_rows,
    shade,
    stacked_figure,
)
from tabular_labels.queries.binning import level_quantiles
from tabular_labels.queries.charts import FrameScores, NodeScores

__all__ = ["plot_frame_scores", "plot_node_scores"]

_PARTS = (0.1, 0.5, 0.9)


def plot_node_scores(scores: NodeScores) -> Figure:
    """Draw how the scores of points are spread: a row per node.

    The darker, the more of the node's points have that score; a line runs from the 10th to
    the 90th percentile, with a mark at the median, which also stands at the right.

    Args:
        scores: Counts by node and level.

    Returns:
        A matplotlib figure that belongs to nobody else; `save_figure` saves it.

    Examples:
        >>> scores = NodeScores(["head"], np.array([[0, 0, 1, 3]]), top=1.0)
        >>> axis = plot_node_scores(scores).axes[0]
        >>> [text.get_text() for text in axis.texts]
        ['0.88']
    """
    title = "Scores of points"
    n_nodes, n_points = len(scores.nodes), int(scores.counts.sum())
    if not n_points:
        return empty_figure(title, "no points with scores")
    figure, (axis,) = stacked_figure([0.8 + min(max(0.3 * n_nodes, 0.7), 8.0)], title)
    shown, right = _used_levels(scores.counts, scores.top)
    extent = (0, right, n_nodes - 0.5, -0.5)
    axis.imshow(shade(_relative(shown)), extent=extent, aspect="auto", interpolation="nearest")
    name_rows(axis, list(scores.nodes), "node")
    low, middle, high = level_quantiles(scores.counts, _PARTS, top=scores.top).T
    rows = np.arange(n_nodes)
    if n_nodes <= MOST_NAMES:
        axis.hlines(rows, low, high, color=INK, linewidth=1.6)
        axis.plot(middle, rows, "|", color=colour(4), markersize=13, markeredgewidth=2.6)
        for row, median in enumerate(middle.tolist()):
            axis.annotate(
                "none" if np.isnan(median) else f"{median:.2f}", (1, row), (5, 0),
                xycoords=("axes fraction", "data"), textcoords="offset points",
                va="center", fontsize=9, color=INK,
            )  # fmt: skip
    dress(
        axis,
        "by node; line: 10 to 90 %, mark: median",
        f"{n_points:,} point{'s' * (n_points != 1)}",
        of_frames=False,
    )
    axis.set_xlim(0, right)
    axis.set_xlabel("score", fontsize=10, color=INK)
    return figure


def plot_frame_scores(videos: Sequence[FrameScores], *, max_videos: int = 12) -> Figure:
    """Draw the scores of instances over time: a panel per video.

    The darker, the more of the instances in a bin of frames have that score. A line runs
    through the medians.

    Args:
        videos: Counts of each video by bin of frames and level.
        max_videos: Panels to draw; the title says how many videos are left out.

    Returns:
        A matplotlib figure that belongs to nobody else; `save_figure` saves it.

    Examples:
        >>> from tabular_labels.queries.binning import FrameBins
        >>> counts = np.array([[0, 1], [1, 0]])
        >>> video = FrameScores("a.mp4", FrameBins.over(0, 2, most=9), counts, top=1.0)
        >>> plot_frame_scores([video]).axes[0].lines[0].get_ydata().tolist()
        [0.75, 0.25]
    """
    title = "Scores of instances"
    shown = list(videos)[:max_videos]
    if not shown:
        return empty_figure(title, "no instances with scores")
    if len(videos) > len(shown):
        title += f" (the first {len(shown)} of {len(videos)} videos)"
    figure, axes = stacked_figure([2.4 if len(shown) < 4 else 1.7] * len(shown), title)
    for axis, video in zip(axes, shown, strict=True):
        _draw_panel(axis, video)
    axes[-1].set_xlabel("frame index", fontsize=10, color=INK)
    return figure


def _draw_panel(axis: Axes, video: FrameScores) -> None:
    bins = video.bins
    counts, top = _used_levels(video.counts, video.top)
    # Single frames have few scores each; fewer levels are easier to see.
    n_levels = counts.shape[1]
    step = max(n_levels // 48, 1)
    counts = np.add.reduceat(counts, np.arange(0, n_levels, step), axis=1)
    drawn_top = top * counts.shape[1] * step / n_levels
    right = bins.first + bins.n_bins * bins.width
    image = shade(np.where(counts == 0, np.nan, _relative(counts)))
    axis.imshow(
        image.transpose(1, 0, 2), extent=(bins.first - 0.5, right - 0.5, 0, drawn_top),
        origin="lower", aspect="auto", interpolation="nearest",
    )  # fmt: skip
    middle = level_quantiles(video.counts, (0.5,), top=video.top)[:, 0]
    centres = bins.first + (np.arange(bins.n_bins) + 0.5) * bins.width - 0.5
    is_known = ~np.isnan(middle)
    axis.plot(centres[is_known], middle[is_known], color=colour(4), linewidth=1.2)
    n_instances = int(video.counts.sum())
    per_bin = f", {bins.width:,} frames a column" if bins.width > 1 else ""
    plural = "s" * (n_instances != 1)
    dress(axis, video.video, f"{n_instances:,} instance{plural}{per_bin}", of_frames=True)
    axis.set_xlim(bins.first - 0.5, bins.stop - 0.5)
    axis.set_ylim(0, top)
    axis.set_ylabel("score", fontsize=9, color=INK)


def _used_levels(counts: IntArray, top: float) -> tuple[IntArray, float]:
    """Leave out levels above all scores, but for those up to 1."""
    n_levels = counts.shape[1]
    used = int(np.flatnonzero(counts.any(axis=0))[-1]) + 1
    kept = min(max(used, round(n_levels / top)), n_levels)
    return counts[:, :kept], top * kept / n_levels


def _relative(counts: IntArray) -> FloatArray:
    """Return counts relative to the largest of their row."""
    most: FloatArray = counts.max(axis=1, keepdims=True)
    share: FloatArray = counts / np.maximum(most, 1)
    return share
