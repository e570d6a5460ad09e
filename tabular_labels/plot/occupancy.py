"""Where each track is present, as a picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from tabular_labels._types import IntArray
from tabular_labels.plot.canvas import INK, MUTED, colour, name_text, new_figure
from tabular_labels.plot.heat import MOST_NAMES, dress

__all__ = ["bin_runs", "plot_occupancy"]

_MOST_COLUMNS = 1600
_MOST_ROWS = 400


def plot_occupancy(
    runs: pl.DataFrame, *, title: str = "Track occupancy", max_videos: int = 12
) -> Figure:
    """Draw where each track is present: one panel per video, one row per track.

    Runs are binned to the picture's resolution, so a million frames or ten thousand
    tracks take about as long as a hundred. A pale bar is a bin where the track is
    present in some frames. With over 400 tracks a row stands for several, and its shade
    says how many of them are present.

    Args:
        runs: The table of `Labels.occupancy`: ``video``, ``track`` (names), ``start``,
            ``stop`` (0-based frame indices, half-open). ``video_id`` and ``track_id``,
            where present, tell apart what has one name. Panels and rows come in order of
            first appearance.
        title: Title of the whole picture.
        max_videos: Panels to draw; the title says how many videos are left out.

    Returns:
        A matplotlib figure that belongs to nobody else; `save_figure` saves it.

    Examples:
        >>> runs = pl.DataFrame(
        ...     {"video": ["a.mp4"], "track": ["mouse"], "start": [0], "stop": [50]}
        ... )
        >>> figure = plot_occupancy(runs)
        >>> figure.axes[0].get_title(loc="left")
        'a.mp4'
    """
    by = "video_id" if "video_id" in runs.columns else "video"
    # One colour for a track in all panels.
    track = pl.col("track_id" if "track_id" in runs.columns else "track")
    numbered = runs.with_columns(number=track.rank("dense").cast(pl.Int64) - 1)
    panels = [_Panel.of(part) for part in numbered.partition_by(by, maintain_order=True)]
    shown, n_more = panels[:max_videos], max(len(panels) - max_videos, 0)
    heights = [0.62 + min(max(0.26 * panel.n_rows, 0.5), 4.2) for panel in shown] or [1.5]
    figure = new_figure(10, 0.55 + sum(heights))
    more = f" (the first {max_videos} of {len(panels)} videos)" if n_more else ""
    figure.suptitle(title + more, fontsize=13, fontweight="bold", color=INK, x=0.01, ha="left")
    axes = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axis, panel in zip(axes, shown, strict=False):
        _draw_panel(axis, panel)
    if not shown:
        axes[0].set_axis_off()
        axes[0].text(0.5, 0.5, "no tracked instances", ha="center", color=MUTED, fontsize=11)
    else:
        axes[-1].set_xlabel("frame index", fontsize=10, color=INK)
    return figure


@dataclass(frozen=True)
class _Panel:
    """One video: its name, tracks in order, and runs by row."""

    video: str
    tracks: list[str]
    numbers: IntArray
    rows: IntArray
    start: IntArray
    stop: IntArray

    @classmethod
    def of(cls, runs: pl.DataFrame) -> _Panel:
        tracks = runs.unique("number", keep="first", maintain_order=True)
        numbers = tracks["number"]
        rows = runs["number"].replace_strict(numbers, np.arange(len(numbers)))
        return cls(
            str(runs["video"][0]),
            [str(name) for name in tracks["track"]],
            numbers.to_numpy(),
            rows.to_numpy(),
            runs["start"].to_numpy(),
            runs["stop"].to_numpy(),
        )

    @property
    def n_rows(self) -> int:
        return min(len(self.tracks), _MOST_ROWS)


def bin_runs(
    rows: IntArray, start: IntArray, stop: IntArray, shape: tuple[int, int], stretch: float
) -> npt.NDArray[np.float64]:
    """Add up how much of each bin the runs of each row cover.

    Args:
        rows: Row of each run.
        start: First frame of each run, counted from the first bin.
        stop: One past its last frame.
        shape: (n_rows, n_bins).
        stretch: Frames per bin.

    Returns:
        float64 (n_rows, n_bins): covered frames divided by frames per bin, so 1 where one
        run covers a whole bin, 2 where two do.

    Examples:
        >>> one_run = (np.array([0]), np.array([1]), np.array([5]))
        >>> bin_runs(*one_run, shape=(1, 3), stretch=2).tolist()
        [[0.5, 1.0, 0.5]]
    """
    n_rows, n_bins = shape
    wide = n_bins + 2  # a run may end just past the last bin
    steps = np.zeros(n_rows * wide)
    for ends, sign in ((start, 1.0), (stop, -1.0)):
        place = ends / stretch
        first = np.minimum(place.astype(np.int64), n_bins)
        part = place - first
        flat = rows * wide + first
        # A step at `place` is a partial step in its bin and the rest in the next.
        steps += np.bincount(flat, sign * (1 - part), minlength=len(steps))
        steps += np.bincount(flat + 1, sign * part, minlength=len(steps))
    covered: npt.NDArray[np.float64] = steps.reshape(n_rows, wide).cumsum(axis=1)[:, :n_bins]
    return covered.clip(min=0)


def _draw_panel(axis: Axes, panel: _Panel) -> None:
    first, last = int(panel.start.min()), int(panel.stop.max())
    n_bins = min(last - first, _MOST_COLUMNS)
    stretch = (last - first) / n_bins
    group = -(-len(panel.tracks) // _MOST_ROWS)  # tracks per row
    n_rows = -(-len(panel.tracks) // group)
    covered = bin_runs(
        panel.rows // group, panel.start - first, panel.stop - first, (n_rows, n_bins), stretch
    )
    extent = (first - 0.5, last - 0.5, n_rows - 0.5, -0.5)
    image = _shade(covered) if group > 1 else _paint(covered, panel.numbers)
    axis.imshow(image, extent=extent, aspect="auto", interpolation="nearest")
    _dress(axis, panel, n_rows, group)


def _paint(covered: npt.NDArray[np.float64], numbers: IntArray) -> npt.NDArray[np.float64]:
    """Give each row its track's colour, paler where a bin is covered in part."""
    colours = np.array([to_rgb(colour(int(number))) for number in numbers])
    image = np.ones((*covered.shape, 4))
    image[..., :3] = colours[:, None]
    # A single frame of a long video should still be seen.
    image[..., 3] = np.where(covered > 1e-9, 0.25 + 0.75 * np.minimum(covered, 1), 0)
    return image


def _shade(covered: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Shade rows that stand for several tracks by how many are present."""
    image = np.ones((*covered.shape, 4))
    image[..., :3] = to_rgb(colour(1))
    strength = covered / max(float(covered.max()), 1e-9)
    image[..., 3] = np.where(covered > 1e-9, 0.2 + 0.8 * strength, 0)
    return image


def _dress(axis: Axes, panel: _Panel, n_rows: int, group: int) -> None:
    n_tracks, n_runs = len(panel.tracks), len(panel.rows)
    counted = f"{n_tracks:,} track{'s' * (n_tracks != 1)}, {n_runs:,} run{'s' * (n_runs != 1)}"
    several = f", {group} tracks a row" if group > 1 else ""
    dress(axis, panel.video, counted + several, of_frames=True)
    if n_tracks <= MOST_NAMES:
        axis.set_yticks(range(n_rows), [name_text(name) for name in panel.tracks], fontsize=9)
        for row in range(1, n_rows):
            axis.axhline(row - 0.5, color="white", linewidth=3)
    else:
        axis.set_ylabel("track number", fontsize=9, color=INK)
        axis.yaxis.set_major_locator(MaxNLocator(6, integer=True))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda row, _: f"{round(row * group):,}"))
