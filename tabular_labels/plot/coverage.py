"""How often each node is present, as a picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tabular_labels.plot.canvas import INK
from tabular_labels.plot.heat import (
    MOST_NAMES,
    dress,
    empty_figure,
    name_rows,
    shade,
    stacked_figure,
)
from tabular_labels.queries.charts import Coverage

__all__ = ["plot_coverage"]


def plot_coverage(videos: Sequence[Coverage], *, max_videos: int = 12) -> Figure:
    """Draw how often each node is present: a panel per video, a row per node.

    The darker a bin of frames, the larger the part of its instances in which the node is
    visible and has coordinates. Bins without instances stay clear. The share over all
    frames stands at the right.

    Args:
        videos: Bins of each video.
        max_videos: Panels to draw; the title says how many videos are left out.

    Returns:
        A matplotlib figure that belongs to nobody else; `save_figure` saves it.

    Examples:
        >>> from tabular_labels.queries.binning import FrameBins
        >>> counts = np.array([[2, 2], [2, 2]])
        >>> bins = FrameBins.over(0, 2, most=10)
        >>> present = np.array([[2, 1], [2, 0]])
        >>> video = Coverage("a.mp4", ["head", "tail"], bins, counts, present)
        >>> [text.get_text() for text in plot_coverage([video]).axes[0].texts]
        ['100 %', '25 %']
    """
    title = "Coverage of nodes"
    shown = [video for video in videos if len(video.nodes)][:max_videos]
    if not shown:
        return empty_figure(title, "no instances with nodes")
    if len(videos) > len(shown):
        title += f" (the first {len(shown)} of {len(videos)} videos)"
    heights = [0.7 + min(max(0.24 * len(video.nodes), 0.5), 6.0) for video in shown]
    figure, axes = stacked_figure(heights, title)
    for axis, video in zip(axes, shown, strict=True):
        _draw_panel(axis, video)
    axes[-1].set_xlabel("frame index", fontsize=10, color=INK)
    return figure


def _draw_panel(axis: Axes, video: Coverage) -> None:
    bins, n_nodes = video.bins, len(video.nodes)
    with np.errstate(invalid="ignore"):
        share = video.n_present / video.n_instances
        overall = video.n_present.sum(axis=0) / video.n_instances.sum(axis=0)
    right = bins.first + bins.n_bins * bins.width
    extent = (bins.first - 0.5, right - 0.5, n_nodes - 0.5, -0.5)
    axis.imshow(shade(share.T), extent=extent, aspect="auto", interpolation="nearest")
    axis.set_xlim(bins.first - 0.5, bins.stop - 0.5)
    name_rows(axis, list(video.nodes), "node")
    if n_nodes <= MOST_NAMES:
        for node, part in enumerate(overall.tolist()):
            text = "none" if np.isnan(part) else _percent(part)
            axis.annotate(
                text, (1, node), (5, 0), xycoords=("axes fraction", "data"),
                textcoords="offset points", va="center", fontsize=9, color=INK,
            )  # fmt: skip
    n_instances = int(video.n_instances.max(axis=1).sum())
    per_bin = f", {bins.width:,} frames a column" if bins.width > 1 else ""
    plural = "s" * (n_instances != 1)
    dress(axis, video.video, f"{n_instances:,} instance{plural}{per_bin}", of_frames=True)


def _percent(part: float) -> str:
    """Say a share; only what is complete or absent is 100 or 0."""
    if 0 < part < 0.001:
        return "< 0.1 %"
    if 0.999 < part < 1:
        return "> 99.9 %"
    digits = 0 if part in (0, 1) or 0.1 <= part < 0.99 else 1
    return f"{100 * part:.{digits}f} %"
