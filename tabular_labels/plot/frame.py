"""One labelled frame, as a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib.patheffects as effects
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.plot.canvas import INK, MUTED, colour, name_text, new_figure

__all__ = ["plot_frame"]


def plot_frame(
    image: npt.NDArray[Any] | None,
    xy: FloatArray,
    *,
    edges: IntArray | Sequence[tuple[int, int]] = (),
    node_names: Sequence[str] = (),
    track_names: Sequence[str | None] = (),
    colour_numbers: Sequence[int] | None = None,
    is_predicted: BoolArray | Sequence[bool] = (),
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw instances over their frame: edges, nodes, and a legend of tracks.

    User instances have solid edges and filled nodes, predicted ones dashed edges and
    hollow nodes. Missing points, and edges to them, are left out. Where the animals are
    small in the picture, a close-up stands beside it.

    Args:
        image: (height, width), (height, width, 1) or (height, width, 3), uint8 or float
            in 0 to 1; None draws on an empty ground.
        xy: float (n_instances, n_nodes, 2): pixels, x right, y down, the centre of the
            first pixel at (0, 0); NaN = missing.
        edges: int (n_edges, 2), pairs of node numbers.
        node_names: One per node; written beside the nodes of the largest instance, as far as
            there is room.
        track_names: One per instance; None = untracked. Default: all untracked.
        colour_numbers: One per instance, such as track numbers, so that a track keeps its
            colour from frame to frame. Default: the order of the instances.
        is_predicted: One per instance. Default: all user instances.
        title: Above the picture.
        note: Smaller, below the title.

    Returns:
        A matplotlib figure that belongs to nobody else; `save_figure` saves it.

    Examples:
        >>> points = np.array([[[10.0, 20.0], [30.0, 25.0]]])
        >>> figure = plot_frame(None, points, edges=[(0, 1)], track_names=["mouse"])
        >>> figure.axes[0].get_ylabel()
        'y (pixels)'
    """
    n_instances = len(xy)
    tracks = list(track_names) or [None] * n_instances
    numbers = list(colour_numbers) if colour_numbers is not None else list(range(n_instances))
    predicted = [bool(is_guess) for is_guess in is_predicted] or [False] * n_instances
    pairs = np.asarray(edges, dtype=np.int64).reshape(-1, 2)

    panels = _choose_panels(image, xy)
    figure = new_figure(*_figure_size(panels))
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, limits in zip(axes, panels, strict=True):
        _draw_ground(axis, image, limits)
        for points, number, is_guess in zip(xy, numbers, predicted, strict=True):
            _draw_instance(axis, points, pairs, colour(number), is_predicted=is_guess)
    if len(panels) > 1:
        _mark_close_up(axes[0], axes[1], panels[1])
    if node_names and n_instances:
        _name_nodes(axes[-1], xy, node_names)
    _draw_legend(figure, tracks, numbers, predicted)
    if title:
        figure.suptitle(title, x=0.012, ha="left", fontsize=13, fontweight="bold", color=INK)
    axes[0].set_title(note, loc="left", fontsize=10, color=MUTED, pad=8)
    return figure


@dataclass(frozen=True)
class _Limits:
    """What a panel shows, in pixels."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top


def _choose_panels(image: npt.NDArray[Any] | None, xy: FloatArray) -> list[_Limits]:
    """Show the whole picture, and a close-up where the animals are small in it."""
    known = xy.reshape(-1, 2)
    known = known[np.isfinite(known).all(axis=1)]
    if image is None:
        return [_around(known) if len(known) else _Limits(0, 0, 100, 100)]
    height, width = image.shape[:2]
    whole = _Limits(-0.5, -0.5, width - 0.5, height - 0.5)
    if not len(known):
        return [whole]
    near = _around(known)
    # A square as high as the whole picture is drawn.
    side = max(near.width, near.height)
    x, y = (near.left + near.right) / 2, (near.top + near.bottom) / 2
    square = _Limits(x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    return [whole, square] if side < 0.45 * min(width, height) else [whole]


def _around(known: FloatArray) -> _Limits:
    low, high = known.min(axis=0), known.max(axis=0)
    margin = max(float((high - low).max()) * 0.15, 10)
    (left, top), (right, bottom) = (low - margin).tolist(), (high + margin).tolist()
    return _Limits(left, top, right, bottom)


def _figure_size(panels: list[_Limits]) -> tuple[float, float]:
    width = 9.5 if len(panels) == 1 else 12.5
    ratios = sum(panel.width / panel.height for panel in panels)
    return width, float(np.clip((width - 0.9 * len(panels)) / ratios, 2.5, 9)) + 1.75


def _mark_close_up(whole: Axes, near: Axes, limits: _Limits) -> None:
    """Outline in the whole picture what the close-up shows."""
    frame = Rectangle(
        (limits.left, limits.top), limits.width, limits.height,
        fill=False, edgecolor="white", linewidth=1.4, zorder=6,
    )  # fmt: skip
    frame.set_path_effects([effects.withStroke(linewidth=2.6, foreground=INK)])
    whole.add_patch(frame)
    near.set_title("close-up", loc="left", fontsize=10, color=MUTED, pad=8)
    near.set_ylabel("")


def _draw_ground(axis: Axes, image: npt.NDArray[Any] | None, limits: _Limits) -> None:
    if image is not None:
        grey = image.ndim == 2 or image.shape[2] == 1
        shown = image.reshape(image.shape[:2]) if grey else image
        top = 255 if image.dtype == np.uint8 else 1
        axis.imshow(shown, cmap="gray" if grey else None, vmin=0, vmax=top)
    else:
        axis.set_aspect("equal")
        axis.grid(color="white", linewidth=1.2)
        axis.set_axisbelow(True)
    axis.set_facecolor("#F3F5F7")
    axis.set_xlim(limits.left, limits.right)
    axis.set_ylim(limits.bottom, limits.top)
    axis.set_xlabel("x (pixels)", fontsize=10, color=INK)
    axis.set_ylabel("y (pixels)", fontsize=10, color=INK)
    axis.xaxis.set_major_locator(MaxNLocator(6))
    axis.tick_params(labelsize=9, labelcolor=INK, color=MUTED, length=3)
    axis.spines[:].set_visible(False)


def _draw_instance(
    axis: Axes, points: FloatArray, edges: IntArray, shade: str, *, is_predicted: bool
) -> None:
    halo = [effects.Stroke(linewidth=4, foreground="white", alpha=0.75), effects.Normal()]
    segments = points[edges]
    segments = segments[np.isfinite(segments).all(axis=(1, 2))]
    style: Any = (0, (2.2, 1.6)) if is_predicted else "solid"
    lines = LineCollection(list(segments), colors=shade, linewidths=2, linestyles=style, zorder=3)
    lines.set_path_effects(halo if not is_predicted else [])
    axis.add_collection(lines, autolim=False)
    known = points[np.isfinite(points).all(axis=1)]
    axis.plot(known[:, 0], known[:, 1], zorder=4, **_marker(shade, is_predicted=is_predicted))


def _marker(shade: str, *, is_predicted: bool) -> dict[str, Any]:
    return {
        "linestyle": "none",
        "marker": "o",
        "markersize": 6,
        "markerfacecolor": "white" if is_predicted else shade,
        "markeredgecolor": shade if is_predicted else "white",
        "markeredgewidth": 1.6 if is_predicted else 1.0,
    }


def _name_nodes(axis: Axes, xy: FloatArray, node_names: Sequence[str]) -> None:
    """Write node names beside the largest instance, away from its middle."""
    known: BoolArray = np.asarray(np.isfinite(xy).all(axis=2))
    if not known.any():
        return
    spread = [
        np.ptp(p[k], axis=0).max() if k.any() else -1.0 for p, k in zip(xy, known, strict=True)
    ]
    largest = int(np.argmax(spread))
    points = xy[largest]
    middle = points[known[largest]].mean(axis=0)
    named = [k for k in range(min(len(points), len(node_names))) if known[largest][k]]
    size = 8 if len(named) <= 14 else 6.5
    taken: list[_Limits] = []
    # From the tips inwards: names of crowded nodes in the middle are left out.
    for k in sorted(named, key=lambda k: -float(np.abs(points[k] - middle).sum())):
        right, above = bool(points[k, 0] >= middle[0]), bool(points[k, 1] < middle[1])
        name = name_text(node_names[k], 18)
        box = _name_box(axis, points[k], len(name) * size, size, right=right, above=above)
        if any(_overlap(box, other) for other in taken):
            continue
        taken.append(box)
        text = axis.annotate(
            name,
            (float(points[k, 0]), float(points[k, 1])),
            (7 if right else -7, 5 if above else -5),
            textcoords="offset points",
            ha="left" if right else "right",
            va="bottom" if above else "top",
            fontsize=size,
            color=INK,
            zorder=5,
            clip_on=True,
        )
        text.set_path_effects([effects.withStroke(linewidth=2.2, foreground="white", alpha=0.85)])


def _name_box(
    axis: Axes, point: FloatArray, letters: float, size: float, *, right: bool, above: bool
) -> _Limits:
    """Estimate where a name will stand, in pixels of the picture."""
    width, height = axis.get_figure(root=True).get_size_inches() * 72  # type: ignore[union-attr]  # it has one
    (left, limit), (bottom, top) = axis.get_xlim(), axis.get_ylim()
    pixels = max(abs(limit - left) / width, abs(bottom - top) / height)  # per point, about
    x, y = float(point[0]), float(point[1])
    x0 = x + 7 * pixels if right else x - (7 + 0.6 * letters) * pixels
    y0 = y - (5 + size) * pixels if above else y + 5 * pixels
    return _Limits(x0, y0, x0 + 0.6 * letters * pixels, y0 + size * pixels)


def _overlap(one: _Limits, other: _Limits) -> bool:
    beside = one.right <= other.left or other.right <= one.left
    return not (beside or one.bottom <= other.top or other.bottom <= one.top)


def _draw_legend(
    figure: Figure,
    tracks: Sequence[str | None],
    numbers: Sequence[int],
    predicted: Sequence[bool],
) -> None:
    handles = [
        Line2D(
            [],
            [],
            color=colour(number),
            linewidth=2,
            label=f"{name_text(track) if track is not None else 'untracked'}"
            f" ({'predicted' if is_guess else 'user'})",
            **{**_marker(colour(number), is_predicted=is_guess), "linestyle": style},
        )
        for track, number, is_guess in zip(tracks, numbers, predicted, strict=True)
        for style in [(0, (2.2, 1.6)) if is_guess else "solid"]
    ]
    shown, n_more = handles[:12], max(len(handles) - 12, 0)
    if n_more:
        shown.append(Line2D([], [], linestyle="none", label=f"and {n_more} more"))
    if shown:
        figure.legend(
            handles=shown, loc="outside lower left", ncols=4, fontsize=9, frameon=False,
            labelcolor=INK, handlelength=2.6,
        )  # fmt: skip
