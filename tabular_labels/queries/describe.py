"""Counts that say what is in a project."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

import polars as pl

from tabular_labels.model.source import Counts
from tabular_labels.model.tables import Catalog, Structure
from tabular_labels.queries.find import count_kind
from tabular_labels.queries.names import name_rows
from tabular_labels.queries.places import instance_places

__all__ = ["count_by_video", "describe_lines", "describe_nodes", "html_summary"]

_SHOWN = 20


def count_by_video(catalog: Catalog, structure: Structure) -> pl.DataFrame:
    """Count frames, instances and tracks of each video.

    Args:
        catalog: Videos, in list order.
        structure: Frames and instances in canonical order.

    Returns:
        One row per video in list order: ``video_id``, ``video`` (Enum), ``n_frames``,
        ``n_user``, ``n_predicted``, ``n_tracks`` (Int64, 0 where there are none), and
        ``first``, ``last`` frame index (Int64, null where there are no frames).

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> tables = LabelTables()
        >>> count_by_video(tables.catalog, tables.structure).height
        0
    """
    frames = structure.frames.select("video_id", "frame_idx").with_columns(
        pl.Series("n_user", count_kind(structure, "user"), dtype=pl.Int64),
        pl.Series("n_predicted", count_kind(structure, "predicted"), dtype=pl.Int64),
    )
    of_frames = frames.group_by("video_id").agg(
        pl.len().cast(pl.Int64).alias("n_frames"),
        pl.col("n_user", "n_predicted").sum(),
        pl.col("frame_idx").min().alias("first"),
        pl.col("frame_idx").max().alias("last"),
    )
    tracks = instance_places(structure, ["video_id"]).with_columns(structure.instances["track_id"])
    of_tracks = tracks.group_by("video_id").agg(
        pl.col("track_id").drop_nulls().n_unique().cast(pl.Int64).alias("n_tracks")
    )
    videos = catalog.videos.select("video_id").with_columns(
        name_rows(catalog.videos["filename"]).alias("video")
    )
    counted = ("n_frames", "n_user", "n_predicted", "n_tracks")
    return (
        videos.join(of_frames, on="video_id", how="left", validate="1:1", maintain_order="left")
        .join(of_tracks, on="video_id", how="left", validate="1:1", maintain_order="left")
        .with_columns(pl.col(counted).fill_null(0))
        .select("video_id", "video", *counted, "first", "last")
    )


def describe_nodes(catalog: Catalog, structure: Structure, points: pl.DataFrame) -> pl.DataFrame:
    """Summarise the points of each node.

    Args:
        catalog: Nodes of each skeleton.
        structure: Instances in canonical order.
        points: All points in canonical order, with ``x``, ``y``, ``visible``, ``score``.

    Returns:
        One row per node of each skeleton: ``skeleton_id``, ``node_id``, ``node``,
        ``n_points`` (Int64), ``missing`` and ``invisible`` (shares of the points,
        Float64, null without points; a missing point is not counted as invisible) and
        ``score`` (mean of the scores there are).

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> tables = LabelTables()
        >>> describe_nodes(tables.catalog, tables.structure, tables.points).height
        0
    """
    n_nodes = structure.n_nodes
    skeletons = structure.instances["skeleton_id"].to_numpy()
    made: list[dict[str, float | None]] = []
    flags = points.select(
        missing=pl.col("x").is_null() | pl.col("y").is_null(),
        visible="visible",
        score="score",
    ).with_columns(invisible=~pl.col("missing") & ~pl.col("visible"))
    starts = structure.point_offsets[:-1]
    for skeleton_id, node_id in catalog.nodes.select("skeleton_id", "node_id").iter_rows():
        if len(n_nodes) == 1:
            of_node = flags.gather_every(int(n_nodes[0]), node_id)
        else:
            of_node = flags[starts[skeletons == skeleton_id] + node_id]
        made.append(
            {
                "n_points": of_node.height,
                "missing": of_node["missing"].mean(),  # type: ignore[dict-item]  # of booleans
                "invisible": of_node["invisible"].mean(),  # type: ignore[dict-item]  # of booleans
                "score": of_node["score"].mean(),  # type: ignore[dict-item]  # of floats
            }
        )
    schema = {
        "n_points": pl.Int64,
        "missing": pl.Float64,
        "invisible": pl.Float64,
        "score": pl.Float64,
    }
    nodes = catalog.nodes.select("skeleton_id", "node_id", node="name")
    return nodes.hstack(pl.DataFrame(made, schema=schema))


def describe_lines(catalog: Catalog, structure: Structure) -> list[str]:
    """Say in a few lines what a project holds.

    Args:
        catalog: The small tables.
        structure: Frames and instances in canonical order.

    Returns:
        Lines of text: totals, skeletons, tracks, and counts of each video.

    Examples:
        >>> from tabular_labels.model.tables import LabelTables
        >>> tables = LabelTables()
        >>> describe_lines(tables.catalog, tables.structure)[0]
        'Labels: 0 frames, 0 user and 0 predicted instances'
    """
    videos = count_by_video(catalog, structure)
    n_user, n_predicted = int(videos["n_user"].sum()), int(videos["n_predicted"].sum())
    lines = [
        f"Labels: {structure.frames.height:,} frames, {n_user:,} user and "
        f"{n_predicted:,} predicted instances"
    ]
    n_negative = int(structure.frames["is_negative"].sum())
    untracked = structure.instances["track_id"].null_count()
    lines += [f"Negative frames: {n_negative:,}"] if n_negative else []
    lines += [f"Untracked instances: {untracked:,}"] if untracked else []
    for skeleton_id, name in catalog.skeletons.select("skeleton_id", "name").iter_rows():
        nodes = catalog.nodes.filter(pl.col("skeleton_id") == skeleton_id)["name"].to_list()
        lines.append(f"Skeleton {name or skeleton_id}: {len(nodes)} nodes ({_some(nodes)})")
    tracks = catalog.tracks["name"].to_list()
    lines += [f"Tracks: {len(tracks):,} ({_some(tracks)})"] if tracks else []
    lines += [f"Suggestions: {catalog.suggestions.height:,}"] if catalog.suggestions.height else []
    lines.append(f"Videos: {videos.height:,}")
    lines += [_video_line(row) for row in videos.head(_SHOWN).iter_rows(named=True)]
    if videos.height > _SHOWN:
        lines.append(f"  ... and {videos.height - _SHOWN:,} more")
    carried = catalog.attachments.counts
    lines += [f"Carried along: {_pairs(carried)}"] if carried else []
    return lines


def _video_line(row: Mapping[str, object]) -> str:
    if not row["n_frames"]:
        return f"  {row['video']}: no frames"
    return (
        f"  {row['video']}: {row['n_frames']:,} frames ({row['first']} to {row['last']}), "
        f"{row['n_user']:,} user and {row['n_predicted']:,} predicted instances, "
        f"{row['n_tracks']:,} tracks"
    )


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return f"{shown}, ... and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else shown


def _pairs(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def html_summary(catalog: Catalog, counts: Counts) -> str:
    """Count what is in a project, as a small HTML table; nothing is read for it.

    Examples:
        >>> html_summary(Catalog(), Counts(1, 2, 30))[:15]
        '<table><caption'
    """
    small = {name: table.height for name, table in catalog.tables().items() if table.height}
    rows = {"frames": counts.frames, "instances": counts.instances, "points": counts.points}
    cells = "".join(
        f"<tr><th>{escape(name.replace('_', ' '))}</th><td>{count:,}</td></tr>"
        for name, count in {**rows, **small}.items()
    )
    return f"<table><caption>Labels</caption>{cells}</table>"
