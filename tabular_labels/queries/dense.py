"""One video as a dense array of frames, tracks and nodes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.errors import QueryError
from tabular_labels.model.buffers import any_hidden, float_columns, key_values, shown_columns
from tabular_labels.model.offsets import rows_of_ids
from tabular_labels.model.tables import Catalog, Structure
from tabular_labels.queries.places import instances_of_frames, rows_of_video

__all__ = ["DenseLayout", "dense_layout", "scatter"]

# From this share of a video's instances on, one run of points is read rather than many.
READ_ALL = 0.75
_BLOCK = 4096
# So many points are copied sooner than looked through for what needs no copy.
_FEW = 65_536


@dataclass(frozen=True)
class DenseLayout:
    """Which instances go where in a dense array.

    Attributes:
        shape: ``(n_frames, n_tracks, n_nodes)``.
        first_frame: Frame index of the array's first row.
        instance_rows: Instance rows whose points to read: int64, ascending.
        slots: Place of each of them in the flattened first two axes, each at most once;
            -1 for those read only because that is cheaper than leaving them out.
        counts: Number of nodes of each of them.
        is_user: Which of them are user instances.
        is_by_track: Whether columns are tracks; places in the frame otherwise.
        n_left_out: Number of untracked instances that have no column.
    """

    shape: tuple[int, int, int]
    first_frame: int
    instance_rows: IntArray
    slots: IntArray
    counts: IntArray
    is_user: BoolArray
    is_by_track: bool = True
    n_left_out: int = 0


def dense_layout(
    structure: Structure,
    catalog: Catalog,
    video_id: int,
    *,
    all_frames: bool = True,
    untracked: bool = False,
    n_video_frames: int | None = None,
) -> DenseLayout:
    """Decide the shape of one video's dense array, and which instance goes where.

    Where a frame has user instances its predicted ones are left out. Columns follow the
    list of tracks, and untracked instances are left out; with ``untracked``, or when no
    frame has more than one instance, columns are places among the frame's instances.
    Two instances that claim one place: the later in list order is kept. That holds for
    several frames at one index, too.

    Args:
        structure: Frames and instances in canonical order.
        catalog: Tracks and skeletons.
        video_id: Key of the video.
        all_frames: Begin at frame 0 and run to the video's length, or to the last frame
            when that is later or the length is unknown; otherwise from the first to
            the last frame.
        untracked: One column per place in the frame.
        n_video_frames: Length of the video, None if unknown.

    Returns:
        The layout; ``n_nodes`` is that of the largest skeleton. A video without frames
        has no rows, and one without instances has the columns of the tracks.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> tables = LabelTables()
        >>> dense_layout(tables.structure, tables.catalog, 0).shape
        (0, 0, 0)

    Source:
        ``Labels.numpy``, which opened the video to learn its length.
    """
    frames = rows_of_video(structure, video_id)
    rows = instances_of_frames(structure, frames)
    index = structure.frames["frame_idx"].to_numpy()[frames]
    first, n_frames = _extent(index, n_video_frames, all_frames=all_frames)

    is_user = structure.is_user[rows]
    offsets = structure.instance_offsets[frames.start : frames.stop + 1] - rows.start
    counts = np.diff(offsets)
    n_user = _count(is_user, offsets)
    chosen = is_user | np.repeat(n_user == 0, counts)
    kept = np.where(n_user > 0, n_user, counts)
    most = int(kept.max(initial=0))

    is_by_track = not (untracked or most == 1)
    n_left_out = 0
    if not is_by_track:
        n_columns = most
        column = np.arange(int(kept.sum())) - np.repeat(np.cumsum(kept) - kept, kept)
        slots = np.repeat((index - first) * n_columns, kept) + column
    else:
        n_columns = catalog.tracks.height
        track = key_values(structure.instances["track_id"].slice(rows.start, len(is_user)))
        # -1 is no key, so that untracked instances stand in no column.
        column = rows_of_ids(catalog.tracks["track_id"].to_numpy(), track)
        has_column = column >= 0
        n_left_out = int(np.count_nonzero(chosen & ~has_column))
        chosen &= has_column
        slots = np.repeat((index - first) * n_columns, counts)
        slots += column
        slots = slots[chosen]
    at = np.flatnonzero(chosen)
    last = _last_of_each(slots, n_frames * n_columns)
    if last is not None:
        slots, at = slots[last], at[last]
    if len(at) > READ_ALL * len(is_user):
        everywhere = np.full(len(is_user), -1, np.int64)
        everywhere[at] = slots
        slots, at = everywhere, np.arange(len(is_user))
    shape = (n_frames, n_columns, int(structure.n_nodes.max(initial=0)))
    if len(structure.n_nodes) == 1:
        nodes = np.broadcast_to(structure.n_nodes, at.shape)
    else:
        nodes = structure.n_nodes[structure.instances["skeleton_id"].to_numpy()[rows][at]]
    return DenseLayout(
        shape, first, at + rows.start, slots, nodes, is_user[at], is_by_track, n_left_out
    )


def _extent(index: IntArray, length: int | None, *, all_frames: bool) -> tuple[int, int]:
    """Return the first frame index and the number of rows."""
    if not len(index):
        return 0, 0
    low, stop = int(index[0]), int(index[-1]) + 1
    if all_frames:
        # A negative index is odd but must not be lost.
        low, stop = min(low, 0), max(stop, length or 0)
    return low, stop - low


def _last_of_each(slots: IntArray, n_slots: int) -> IntArray | None:
    """Return the last place of each slot, or None when none is claimed twice."""
    if not len(slots) or bool((slots[1:] > slots[:-1]).all()):
        return None
    if int(np.bincount(slots, minlength=n_slots).max()) == 1:
        return None
    order = np.argsort(slots, kind="stable")
    is_last = np.append(np.diff(slots[order]) > 0, values=True)
    return np.sort(order[is_last])


def scatter(layout: DenseLayout, points: pl.DataFrame, out: FloatArray | None = None) -> FloatArray:
    """Fill a dense array with points.

    Args:
        layout: Where each instance goes.
        points: Points of ``layout.instance_rows`` in that order: ``x``, ``y`` (missing
            is null), ``visible`` if invisible points shall count as missing, and
            ``score`` to get it as a third value.
        out: Array to fill, float32 of the right shape; a new one by default.

    Returns:
        float32, shape ``(n_frames, n_tracks, n_nodes, 2)``, or 3 with scores; pixels,
        NaN = missing. Scores of user instances are NaN.

    Raises:
        QueryError: ``out`` has another shape or dtype.

    Examples:
        >>> layout = DenseLayout(
        ...     (1, 1, 2), 0, np.array([0]), np.array([0]), np.array([2]), np.array([True])
        ... )
        >>> scatter(layout, pl.DataFrame({"x": [1.0, None], "y": [2.0, None]})).tolist()
        [[[[1.0, 2.0], [nan, nan]]]]
    """
    names = [name for name in ("x", "y", "score") if name in points.columns]
    n_frames, n_tracks, n_nodes = layout.shape
    shape = (n_frames, n_tracks, n_nodes, len(names))
    if out is None:
        out = np.empty(shape, np.float32)
    elif out.shape != shape or out.dtype != np.float32 or not out.flags.c_contiguous:
        message = (
            f"found an array of shape {out.shape} and dtype {out.dtype} to fill, expected a "
            f"contiguous one of shape {shape} and float32. Leave `out` away to get a new one."
        )
        raise QueryError(message)
    flat = out.reshape(n_frames * n_tracks, n_nodes, len(names))
    source = _sources(layout)
    is_even = bool((layout.counts == n_nodes).all())
    for k, values in enumerate(_values(points, names)):
        # Smaller skeletons are padded: every instance is a row of n_nodes values.
        even = values if is_even else _padded(layout, values, n_nodes)
        _fill(flat[:, :, k], source, even)
    empty = np.flatnonzero(source < 0)
    if len(empty):
        flat[empty] = np.nan
    if "score" in names:
        of_users = layout.slots[layout.is_user & (layout.slots >= 0)]
        flat[of_users, :, names.index("score")] = np.nan
    return out


def _sources(layout: DenseLayout) -> IntArray:
    """Return which of the read instances fills each slot, -1 for none."""
    # Those without a slot, -1, write to one more at the end.
    source = np.full(layout.shape[0] * layout.shape[1] + 1, -1, np.int64)
    source[layout.slots] = np.arange(len(layout.slots))
    return source[:-1]


def _fill(out: FloatArray, source: IntArray, values: FloatArray) -> None:
    """Write one value of all instances, ``out`` being ``(n_slots, n_nodes)``.

    Slot by slot, so that each is written once and in order, in blocks that stay in the
    processor's cache.
    """
    if not values.size:
        out.fill(np.nan)
        return
    rows = values.reshape(-1, out.shape[1])
    for low in range(0, len(out), _BLOCK):
        out[low : low + _BLOCK] = rows.take(source[low : low + _BLOCK], 0, mode="clip")


def _padded(layout: DenseLayout, column: FloatArray, n_nodes: int) -> FloatArray:
    padded = np.full((len(layout.counts), n_nodes), np.nan)
    padded[np.arange(n_nodes) < layout.counts[:, None]] = column
    return padded


def _values(points: pl.DataFrame, names: Sequence[str]) -> list[FloatArray]:
    """Return columns with NaN for missing, and for invisible where that is known."""
    if 0 < points.height <= _FEW:
        shown = points["visible"] if "visible" in points.columns else None
        made = shown_columns([points[name] for name in names if name != "score"], shown)
        return made + (shown_columns([points["score"]]) if "score" in names else [])
    made = float_columns([points[name] for name in names])
    if "visible" not in points.columns:
        return made
    if not any_hidden(points["visible"], points["x"], points["y"]):
        return made
    visible = points["visible"].to_numpy()
    return [
        values if name == "score" else np.where(visible, values, np.nan)
        for name, values in zip(names, made, strict=True)
    ]


def _count(is_user: BoolArray, offsets: IntArray) -> IntArray:
    """Count the user instances of each frame, whose instances begin at some offsets."""
    if not is_user.any():
        return np.zeros(max(len(offsets) - 1, 0), np.int64)
    before = np.zeros(len(is_user) + 1, np.int64)
    np.cumsum(is_user, out=before[1:])
    return np.diff(before[offsets])
