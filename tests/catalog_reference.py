"""Edits of the small tables, row by row, to hold the fast ones against."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from tabular_labels.model.tables import Catalog, LabelTables
from tests.reference import Row, instances_with_frames, rows_of, tables_of


def edit_nodes(
    tables: LabelTables,
    skeleton_id: int,
    nodes: list[tuple[str, float, int | None]],
    merged: tuple[int, int] | None = None,
) -> LabelTables:
    """Give a skeleton these nodes: name, weight, and place before; instance by instance."""
    catalog = tables.catalog
    frames = rows_of(tables)
    for _, instance in instances_with_frames(frames):
        if instance["skeleton_id"] == skeleton_id:
            old = instance["points"]
            missing = {"x": None, "y": None, "visible": False, "complete": False, "score": None}
            new = [missing if place is None else old[place] for _, _, place in nodes]
            if merged is not None:
                stays, goes = (old[place] for place in merged)
                poor = stays["x"] is None or stays["y"] is None or not stays["visible"]
                if poor and goes["x"] is not None and goes["y"] is not None:
                    new[[place for _, _, place in nodes].index(merged[0])] = goes
            instance["points"] = new
    after = {
        "skeleton_id": [skeleton_id] * len(nodes),
        "node_id": list(range(len(nodes))),
        "name": [name for name, _, _ in nodes],
        "weight": [weight for _, weight, _ in nodes],
    }
    other = pl.col("skeleton_id") != skeleton_id
    made = pl.DataFrame(after, schema=catalog.nodes.schema)
    table = pl.concat([catalog.nodes.filter(other), made]).sort("skeleton_id", "node_id")
    links = _edit_links(catalog, skeleton_id, [place for _, _, place in nodes], merged)
    edges = pl.concat([catalog.edges.filter(other), links])
    return tables_of(replace(catalog, nodes=table, edges=edges), frames)


def _edit_links(
    catalog: Catalog, skeleton_id: int, places: list[int | None], merged: tuple[int, int] | None
) -> pl.DataFrame:
    mine = [row for row in catalog.edges.to_dicts() if row["skeleton_id"] == skeleton_id]
    mine.sort(key=lambda row: int(row["position"]))
    pairs = [{row["source"], row["target"]} for row in mine if row["kind"] == "symmetry"]
    kept: list[Row] = []
    for row in mine:
        ends = [row["source"], row["target"]]
        if merged is not None and merged[1] in ends:
            if row["kind"] == "symmetry" and any(merged[0] in pair for pair in pairs):
                continue
            became = [merged[0] if end == merged[1] else end for end in ends]
            if became[0] == became[1] and ends[0] != ends[1]:
                continue
            ends = became
        if any(end not in places for end in ends):
            continue
        source, target = (places.index(end) for end in ends)
        key = (row["kind"], source, target)
        if key in [(one["kind"], one["source"], one["target"]) for one in kept]:
            continue
        position = len([one for one in kept if one["kind"] == row["kind"]])
        kept.append(row | {"source": source, "target": target, "position": position})
    return pl.DataFrame(kept, schema=catalog.edges.schema)


def drop_video(tables: LabelTables, video_id: int) -> LabelTables:
    """Leave a video out, with all that is of it; links into it are no longer there."""
    frames = [frame for frame in rows_of(tables) if frame["video_id"] != video_id]
    left = {instance["instance_id"] for _, instance in instances_with_frames(frames)}
    for _, instance in instances_with_frames(frames):
        if instance["from_predicted"] not in left:
            instance["from_predicted"] = None
    small = {
        name: getattr(tables.catalog, name).filter(pl.col("video_id") != video_id)
        for name in ("videos", "suggestions", "negative_anchors")
    }
    return tables_of(replace(tables.catalog, **small), frames)


def move_tracks(tables: LabelTables, gone: set[int], into: int | None) -> LabelTables:
    """Give the instances of some tracks to another, and leave those tracks out."""
    frames = rows_of(tables)
    for _, instance in instances_with_frames(frames):
        if instance["track_id"] in gone:
            instance["track_id"] = into
    tracks = [row for row in tables.catalog.tracks.to_dicts() if row["track_id"] not in gone]
    table = pl.DataFrame(tracks, schema=tables.catalog.tracks.schema)
    return tables_of(replace(tables.catalog, tracks=table), frames)


def count_overlaps(frames: list[Row], tracks: set[int]) -> int:
    """Count the frames that have several of some tracks."""
    return sum(
        len({i["track_id"] for i in frame["instances"] if i["track_id"] in tracks}) > 1
        for frame in frames
    )


def unlabeled_suggestions(tables: LabelTables) -> list[tuple[int, int, int | None]]:
    """List the suggestions of places where no person has labelled anything."""
    labeled = [
        (frame["video_id"], frame["frame_idx"])
        for frame, instance in instances_with_frames(rows_of(tables))
        if instance["kind"] == "user"
    ]
    return [row for row in tables.catalog.suggestions.rows() if row[:2] not in labeled]
