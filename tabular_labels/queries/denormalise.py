"""The named columns of points, instances and frames, by repetition and never by joins.

Only the asked columns of the asked rows are made; a column that is kept at a higher
level is repeated onto the rows below it by their counts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from tabular_labels._types import IntArray, Level
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.schema import FRAMES, INSTANCES, KIND, POINTS
from tabular_labels.model.tables import Catalog, Structure
from tabular_labels.queries.names import name_enum, name_ids, name_rows
from tabular_labels.queries.places import Rows, frame_rows, frames_of_instances, instances_of_frames
from tabular_labels.queries.spread import Spread, lay_blocks
from tabular_labels.queries.wide import (
    OF_INSTANCE,
    count_visible,
    node_columns,
    part_of,
    place_columns,
    read_for,
)

__all__ = [
    "frame_columns",
    "frame_schema",
    "instance_columns",
    "instance_schema",
    "needed_points",
    "point_columns",
    "point_schema",
    "wide_frame_schema",
]

_COUNTS = ("n_instances", "n_user", "n_predicted", "n_tracked")
_OF_FRAME = ("video", "video_id", "frame_idx", "frame_id", "position", "is_negative")
_KEYS = ("instance_id", "instance_idx", "kind", "skeleton", "track", "track_id")
_SCORES = {"instance_score": "score"}
"""Columns that are called otherwise at the points' level."""


def point_schema(catalog: Catalog) -> pl.Schema:
    """Columns and dtypes of the points with their names.

    Examples:
        >>> list(point_schema(Catalog()))[:4]
        ['video', 'video_id', 'frame_idx', 'frame_id']
    """
    columns = dict(instance_schema(catalog))
    return pl.Schema(
        {
            **{name: columns[name] for name in (*_OF_FRAME, *_KEYS)},
            "node": name_enum(catalog.nodes["name"]),
            "node_id": pl.UInt16(),
            **{name: POINTS.columns[name] for name in ("x", "y", "visible", "complete", "score")},
            "instance_score": INSTANCES.columns["score"],
            "tracking_score": INSTANCES.columns["tracking_score"],
            "from_predicted": INSTANCES.columns["from_predicted"],
        }
    )


def instance_schema(catalog: Catalog) -> pl.Schema:
    """Columns and dtypes of the instances with their names and points.

    Examples:
        >>> list(instance_schema(Catalog()))[-2:]
        ['from_predicted', 'n_visible']
    """
    nodes = catalog.nodes["name"].unique(maintain_order=True)
    return pl.Schema(
        {
            **{name: dict(frame_schema(catalog))[name] for name in _OF_FRAME},
            "instance_id": pl.UInt32(),
            "instance_idx": pl.UInt16(),
            "kind": KIND,
            "skeleton": name_enum(catalog.skeletons["name"]),
            "track": name_enum(catalog.tracks["name"]),
            "track_id": pl.UInt32(),
            "score": pl.Float32(),
            "tracking_score": pl.Float32(),
            "from_predicted": pl.UInt32(),
            "n_visible": pl.UInt16(),
            **{f"{node}.{value}": pl.Float64() for node in nodes for value in ("x", "y", "score")},
        }
    )


def frame_schema(catalog: Catalog) -> pl.Schema:
    """Columns and dtypes of the frames with their counts.

    Examples:
        >>> list(frame_schema(Catalog()))[-1]
        'n_tracked'
    """
    return pl.Schema(
        {
            "video": name_enum(catalog.videos["filename"]),
            **{name: FRAMES.columns[name] for name in _OF_FRAME[1:]},
            **dict.fromkeys(_COUNTS, pl.UInt32()),
        }
    )


def wide_frame_schema(catalog: Catalog, structure: Structure) -> pl.Schema:
    """Columns and dtypes of the frames with ``inst{k}...`` for as many as a frame has.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> tables = LabelTables()
        >>> wide_frame_schema(tables.catalog, tables.structure) == frame_schema(tables.catalog)
        True
    """
    of_instance = instance_schema(catalog)
    nodes = catalog.nodes["name"].unique(maintain_order=True)
    parts = [*OF_INSTANCE, *(f"{node}.{value}" for node in nodes for value in ("x", "y"))]
    most = int(np.diff(structure.instance_offsets).max(initial=0))
    return pl.Schema(
        {
            **frame_schema(catalog),
            **{f"inst{k}.{part}": of_instance[part] for k in range(most) for part in parts},
        }
    )


def needed_points(catalog: Catalog, level: Level, columns: Sequence[str]) -> list[str]:
    """Name the point columns that must be read to make columns of a level.

    Examples:
        >>> needed_points(Catalog(), "points", ["node", "x"])
        ['x']
        >>> needed_points(Catalog(), "instances", ["n_visible"])
        ['x', 'y', 'visible']
    """
    del catalog  # the names alone say it
    if level == "points":
        return [name for name in POINTS.memory_columns if name in columns]
    if level == "frames":
        return read_for([part_of(name)[1] for name in columns if "." in name])
    return read_for(columns)


def frame_columns(
    catalog: Catalog,
    structure: Structure,
    columns: Sequence[str],
    rows: Rows = None,
    points: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Make named columns of frames.

    Args:
        catalog: Names.
        structure: Frames and instances in canonical order.
        columns: Names from `frame_schema` or `wide_frame_schema`, in the wanted order.
        rows: Frame rows; None for all.
        points: For ``inst{k}.{node}...``: the `needed_points` of the instances of those
            frames, in order.

    Returns:
        One row per frame.
    """
    rows = slice(0, structure.frames.height) if rows is None else rows
    frames = structure.frames[rows]
    made: dict[str, pl.Series] = {}
    wide = [name for name in columns if "." in name]
    if wide:
        made = _side_by_side(catalog, structure, points, wide, rows)
    for name in columns:
        if name in made:
            continue
        if name == "video":
            videos = catalog.videos
            made[name] = name_ids(videos["filename"], videos["video_id"], frames["video_id"])
        elif name in _COUNTS:
            made[name] = pl.Series(_counts(structure, name)[rows], dtype=pl.UInt32)
        else:
            made[name] = frames[name]
    return pl.DataFrame({name: made[name] for name in columns})


def _side_by_side(
    catalog: Catalog,
    structure: Structure,
    points: pl.DataFrame | None,
    names: Sequence[str],
    rows: slice | IntArray,
) -> dict[str, pl.Series]:
    """Make the columns of instances once, then lay them out by their place."""
    counts = np.diff(structure.instance_offsets)[rows]
    of_instances: Rows
    if isinstance(rows, slice):
        of_instances = instances_of_frames(structure, rows)
    else:
        of_instances = ranges(structure.instance_offsets[rows], counts)
    parts = list(dict.fromkeys(part_of(name)[1] for name in names))
    instances = instance_columns(catalog, structure, points, parts, of_instances)
    return place_columns(instances, counts, names)


def _counts(structure: Structure, name: str) -> IntArray:
    """Count the instances of each frame: all, of one kind, or those with a track."""
    offsets = structure.instance_offsets
    if name == "n_instances":
        return np.diff(offsets)
    instances = structure.instances
    if name == "n_tracked":
        counted = instances["track_id"].is_not_null()
    else:
        counted = instances["kind"] == name.removeprefix("n_")
    return np.diff(offsets_of_counts(counted.to_numpy())[offsets])


def instance_columns(
    catalog: Catalog,
    structure: Structure,
    points: pl.DataFrame | None,
    columns: Sequence[str],
    rows: Rows = None,
) -> pl.DataFrame:
    """Make named columns of instances.

    Args:
        catalog: Names.
        structure: Frames and instances in canonical order.
        points: The `needed_points` of those instances, in order; None if none are.
        columns: Names from `instance_schema`, in the wanted order.
        rows: Instance rows; None for all.

    Returns:
        One row per instance. ``n_visible`` counts points that are visible and not
        missing; ``{node}.x`` and so on are null where the instance's skeleton has no
        such node.
    """
    rows = slice(0, structure.instances.height) if rows is None else rows
    instances = structure.instances[rows]
    made: dict[str, pl.Series] = {}
    of_frame = [name for name in columns if name in _OF_FRAME]
    if of_frame:
        made |= _of_frames(catalog, structure, of_frame, rows)
    skeletons = instances["skeleton_id"].to_numpy()
    nodes = [name for name in columns if "." in name]
    if points is not None and nodes:
        made |= node_columns(catalog, points, skeletons, nodes)
    for name in columns:
        if name in made:
            continue
        if name == "track":
            tracks = catalog.tracks
            made[name] = name_ids(tracks["name"], tracks["track_id"], instances["track_id"])
        elif name == "skeleton":
            table = catalog.skeletons
            made[name] = name_ids(table["name"], table["skeleton_id"], instances["skeleton_id"])
        elif name == "n_visible" and points is not None:
            made[name] = count_visible(points, structure.n_nodes[skeletons])
        else:
            made[name] = instances[name]
    return pl.DataFrame({name: made[name] for name in columns})


def _of_frames(
    catalog: Catalog, structure: Structure, columns: Sequence[str], rows: slice | IntArray
) -> dict[str, pl.Series]:
    """Make columns of the frame that each instance is in."""
    if not isinstance(rows, slice):
        at = frame_rows(structure, rows)
        return frame_columns(catalog, structure, columns, at).to_dict()
    of_frames, counts = frames_of_instances(structure, rows)
    spread = Spread(counts)
    frames = frame_columns(catalog, structure, columns, of_frames)
    return {name: spread(frames[name]) for name in columns}


def point_columns(
    catalog: Catalog,
    structure: Structure,
    points: pl.DataFrame | None,
    columns: Sequence[str],
    rows: Rows = None,
) -> pl.DataFrame:
    """Make named columns of points.

    Args:
        catalog: Names.
        structure: Frames and instances in canonical order.
        points: The asked ones of the columns kept with points, of those instances in
            order; None if none were asked. They are passed on as they are.
        columns: Names from `point_schema`, in the wanted order.
        rows: Instance rows; None for all.

    Returns:
        One row per node of each instance. ``score`` is the point's; ``instance_score``
        and ``tracking_score`` are the instance's.
    """
    rows = slice(0, structure.instances.height) if rows is None else rows
    own = [name for name in columns if name in POINTS.memory_columns]
    made = {} if points is None else {name: points[name] for name in own}
    skeletons = structure.instances["skeleton_id"].to_numpy()[rows]
    spread = Spread(structure.n_nodes[skeletons])
    rest = [name for name in columns if name not in made]
    of_node = [name for name in rest if name in ("node", "node_id")]
    if of_node:
        made |= _nodes(catalog, structure, of_node, skeletons, spread.counts)
    above = [name for name in rest if name not in made]
    if above:
        wanted = [_SCORES.get(name, name) for name in above]
        instances = instance_columns(catalog, structure, None, wanted, rows)
        for name, source in zip(above, wanted, strict=True):
            made[name] = spread(instances[source])
    return pl.DataFrame({name: made[name] for name in columns})


def _nodes(
    catalog: Catalog,
    structure: Structure,
    columns: Sequence[str],
    skeletons: IntArray,
    width: int | IntArray,
) -> dict[str, pl.Series]:
    """List the nodes of each instance's skeleton; ``width`` is how many it has."""
    nodes, n_nodes = catalog.nodes, structure.n_nodes
    source = {"node": name_rows(nodes["name"]), "node_id": nodes["node_id"]}
    starts = offsets_of_counts(n_nodes)[:-1]
    if not isinstance(width, int) or width == 0:
        rows = pl.Series(ranges(starts[skeletons], n_nodes[skeletons]))
        return {name: source[name].gather(rows) for name in columns}
    # One block for each skeleton; those of another width, cut off here, are not laid.
    at = np.minimum(starts[:, None] + np.arange(width), nodes.height - 1)
    blocks = pl.Series(at.ravel())
    return {name: lay_blocks(source[name].gather(blocks), width, skeletons) for name in columns}
