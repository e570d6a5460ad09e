"""Pairs of projects that are versions of one another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
from hypothesis import strategies as st

from tabular_labels.model.checks import check_tables
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.strategies import label_tables
from tests.reference import Row, rows_of, tables_of

__all__ = ["edited", "pairs"]


def pairs(*, same_origin: bool | None = None) -> st.SearchStrategy[tuple[LabelTables, LabelTables]]:
    """Draw a project and an edited copy of it, with the same or another project id."""

    def make(
        tables: LabelTables, seed: int, is_same: bool, other_nodes: bool
    ) -> tuple[LabelTables, LabelTables]:
        copy = edited(tables, seed)
        if other_nodes:
            copy = reordered(copy)
        if not is_same:
            copy = replace(copy, catalog=replace(copy.catalog, project_id="another"))
        return tables, copy

    origin = st.booleans() if same_origin is None else st.just(same_origin)
    return st.builds(make, label_tables(max_frames=5), st.integers(0, 2**16), origin, st.booleans())


def edited(tables: LabelTables, seed: int) -> LabelTables:
    """Leave frames and instances out, move, copy and change others, as people do."""
    rng = np.random.default_rng(seed)
    tracks = [None, *tables.catalog.tracks["track_id"].to_list()]
    frames: list[Row] = []
    for frame in rows_of(tables):
        fate = rng.integers(0, 8)
        if fate == 0:
            continue
        if fate == 1:
            frame["frame_idx"] = int(rng.integers(0, 13))
        if fate == 2:
            frame["is_negative"] = not frame["is_negative"]
        frame["instances"] = [
            change(rng, instance, tracks) for instance in frame["instances"] if rng.random() < 0.85
        ]
        frames.append(frame)
        if fate == 3:
            frames.append(frame | {"instances": [dict(one) for one in frame["instances"][:1]]})
    return renumbered(tables, frames, rng)


def change(rng: np.random.Generator, instance: Row, tracks: list[int | None]) -> Row:
    instance = dict(instance)
    fate = rng.integers(0, 9)
    if fate == 0:
        instance["track_id"] = tracks[rng.integers(0, len(tracks))]
    if fate == 1:
        instance["kind"] = "user" if instance["kind"] == "predicted" else "predicted"
        instance["from_predicted"] = None
    if fate in (2, 3, 4):
        far = (0.5, 3.0, 200.0)[fate - 2]
        instance["points"] = [
            point | {"x": None if point["x"] is None else point["x"] + far * rng.random()}
            for point in instance["points"]
        ]
    if fate == 5:
        instance["score"] = 0.125
        instance["tracking_score"] = 0.5
    return instance


def renumbered(tables: LabelTables, frames: list[Row], rng: np.random.Generator) -> LabelTables:
    """Give rows keys of their own, and drop links that lead nowhere any more."""
    position = rng.permutation(len(frames)) if rng.random() < 0.5 else range(len(frames))
    frames = [f | {"position": int(p)} for f, p in zip(frames, position, strict=True)]
    frames.sort(key=lambda f: (f["video_id"], f["frame_idx"], f["position"]))
    keys: dict[int, tuple[int, str]] = {}
    number = 5
    made: list[Row] = []
    for place, frame in enumerate(frames):
        own = []
        for k, one in enumerate(frame["instances"]):
            keys.setdefault(one["instance_id"], (number, one["kind"]))
            own.append(one | {"new": number, "frame_id": 2 * place, "instance_idx": k})
            number += 1
        made.append(frame | {"frame_id": 2 * place, "instances": own})
    for frame in made:
        for one in frame["instances"]:
            target = keys.get(one["from_predicted"])
            fits = target is not None and "predicted" in (target[1], one["kind"])
            one["from_predicted"] = target[0] if target is not None and fits else None
            one["instance_id"] = one["new"]
    result = tables_of(tables.catalog, made)
    result = replace(
        result, instances=nan_backed(result.instances), points=nan_backed(result.points)
    )
    assert check_tables(result) == []
    return result


def nan_backed(table: pl.DataFrame) -> pl.DataFrame:
    return table.with_columns(pl.selectors.float().fill_null(float("nan")).fill_nan(None))


def reordered(tables: LabelTables) -> LabelTables:
    """Turn the nodes of every skeleton around."""
    counts = tables.catalog.n_nodes
    flip: Any = lambda name: (  # noqa: E731
        pl.Series(counts).gather(pl.Series(tables.catalog.edges["skeleton_id"])).cast(pl.Int64)
        - 1
        - tables.catalog.edges[name].cast(pl.Int64)
    ).cast(pl.UInt16)
    edges = tables.catalog.edges.with_columns(source=flip("source"), target=flip("target"))
    nodes = tables.catalog.nodes.with_columns(
        name=pl.col("name").reverse().over("skeleton_id"),
        weight=pl.col("weight").reverse().over("skeleton_id"),
    )
    frames = rows_of(tables)
    for frame in frames:
        for instance in frame["instances"]:
            instance["points"] = instance["points"][::-1]
    catalog = replace(tables.catalog, nodes=nodes, edges=edges)
    made = tables_of(catalog, frames)
    made = replace(made, instances=nan_backed(made.instances), points=nan_backed(made.points))
    assert check_tables(made) == []
    return made
