"""What tests of ``.slp`` files share: plain values of tables, and files built by hand."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tabular_labels.io.slp_layout import FRAMES, INSTANCES, POINTS, PRED_POINTS
from tabular_labels.model.tables import LabelTables

NAN = float("nan")
BODY = {"py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [1]}]}
SYMMETRY = {"py/reduce": [{"py/type": "sleap.skeleton.EdgeType"}, {"py/tuple": [2]}]}


def content(tables: LabelTables, *, classic: bool = False) -> dict[str, Any]:
    """Tell a project in plain values and list places, whatever its ids.

    What ``.slp`` cannot tell apart is told alike: a user instance's score of 0 is none, and
    which node of a symmetry comes first.
    """
    catalog = tables.catalog
    places = {
        name: {key: row for row, key in enumerate(table[f"{name[:-1]}_id"])}
        for name, table in catalog.tables().items()
        if name in ("videos", "skeletons", "tracks")
    }
    videos = catalog.videos.drop("video_id")
    skeletons = [
        (
            name,
            [row[2:] for row in catalog.nodes.rows() if row[0] == key],
            [_link(*row[1:4]) for row in catalog.edges.rows() if row[0] == key],
        )
        for key, name in catalog.skeletons.rows()
    ]
    return {
        "videos": videos.select("filename").rows() if classic else _videos(videos),
        "skeletons": skeletons,
        "tracks": catalog.tracks.drop("track_id").rows(),
        "suggestions": [(places["videos"][v], *r) for v, *r in catalog.suggestions.rows()],
        "anchors": [(places["videos"][v], *r) for v, *r in catalog.negative_anchors.rows()],
        "provenance": dict(catalog.provenance),
        "frames": _frames(tables, places, classic),
    }


def _videos(videos: Any) -> list[Any]:
    return [{**row, "backend": json.loads(row["backend"])} for row in videos.to_dicts()]


def _link(kind: str, source: int, target: int) -> tuple[str, int, int]:
    is_turned = kind == "symmetry" and source > target
    return (kind, target, source) if is_turned else (kind, source, target)


def _frames(
    tables: LabelTables, places: Mapping[str, Mapping[int, int]], classic: bool
) -> list[Any]:
    offsets, points = tables.instance_offsets, tables.point_offsets
    frames = sorted(enumerate(tables.frames.to_dicts()), key=lambda item: item[1]["position"])
    instances = tables.instances.to_dicts()
    order = [row for at, _ in frames for row in range(offsets[at], offsets[at + 1])]
    rank = {instances[row]["instance_id"]: k for k, row in enumerate(order)}
    values = tables.points.rows()
    told = []
    for at, frame in frames:
        inside = []
        for row in range(offsets[at], offsets[at + 1]):
            one = instances[row]
            is_user = one["kind"] == "user"
            score = None if is_user and one["score"] == 0 else one["score"]
            inside.append(
                {
                    "kind": one["kind"],
                    "skeleton": places["skeletons"][one["skeleton_id"]],
                    "track": places["tracks"].get(one["track_id"]),
                    "score": score,
                    "tracking_score": one["tracking_score"],
                    "from_predicted": rank.get(one["from_predicted"]),
                    "points": values[points[row] : points[row + 1]],
                }
            )
        is_negative = None if classic else frame["is_negative"]
        told.append((places["videos"][frame["video_id"]], frame["frame_idx"], is_negative, inside))
    return told


def records(layout: np.dtype[Any], rows: list[tuple[Any, ...]]) -> np.ndarray[Any, Any]:
    return np.array(rows, layout)


def small_parts(format_id: float | None = 1.2) -> dict[str, Any]:
    """The members of a small sound file, to be changed and written by `write_parts`.

    Two frames: a user instance that comes from the prediction beside it, and a second
    prediction; two tracks, one skeleton of two nodes, one suggestion.
    """
    instances = [
        (0, 0, 0, 0, 0, 1, NAN, 0, 2, NAN),
        (1, 1, 0, 0, 0, -1, 0.75, 0, 2, 0.5),
        (2, 1, 1, 0, 1, -1, 0.25, 2, 4, NAN),
    ]
    skeleton = {
        "directed": True,
        "graph": {"name": "fly", "num_edges_inserted": 1},
        "links": [{"edge_insert_idx": 0, "key": 0, "source": 0, "target": 1, "type": BODY}],
        "multigraph": True,
        "nodes": [{"id": 0}, {"id": 1}],
    }
    nodes = [{"name": "head", "weight": 1.0}, {"name": "tail", "weight": 1.0}]
    return {
        "format_id": format_id,
        "metadata": {
            "version": "2.0.0",
            "skeletons": [skeleton],
            "nodes": nodes,
            "videos": [],
            "tracks": [],
            "suggestions": [],
            "negative_anchors": {"0": [[3, 1.5, 2.5]]},
            "provenance": {"model": "a"},
        },
        "videos_json": [{"backend": {"filename": "a.mp4", "grayscale": True}}],
        "tracks_json": [[0, "one"], [4, "two"]],
        "suggestions_json": [{"video": "0", "frame_idx": 7, "group": None}],
        "frames": records(FRAMES, [(0, 0, 3, 0, 2), (1, 0, 5, 2, 3)]),
        "instances": records(INSTANCES, instances),
        "points": records(POINTS, [(1.0, 2.0, True, True), (NAN, NAN, False, False)]),
        "pred_points": records(
            PRED_POINTS,
            [
                (1.5, 2.5, True, False, 0.9),
                (3.5, NAN, True, False, NAN),
                (5.0, 6.0, True, False, 0.5),
                (NAN, NAN, False, False, 0.1),
            ],
        ),
    }


def write_parts(
    path: Path, parts: Mapping[str, Any], *, opened: Mapping[str, Any] | None = None, **storage: Any
) -> Path:
    """Write members with h5py alone; a member that is None is left out.

    Args:
        path: The file.
        parts: Members by name; a function writes what it likes.
        opened: How the file is opened.
        storage: How tables are stored.
    """
    with h5py.File(path, "w", **(opened or {})) as file:
        group = file.create_group("metadata")
        for name, value in parts.items():
            if value is None:
                continue
            if name == "format_id":
                group.attrs["format_id"] = value
            elif name == "metadata":
                text = value if isinstance(value, str | bytes) else json.dumps(value)
                group.attrs["json"] = np.bytes_(text)
            elif name.endswith("_json"):
                rows = [row if isinstance(row, str) else json.dumps(row) for row in value]
                data = np.array(rows, "S") if rows else np.zeros(0)
                file.create_dataset(name, data=data, maxshape=(None,))
            elif callable(value):
                value(file)
            else:
                file.create_dataset(name, data=value, **storage)
    return path


def changed(table: np.ndarray[Any, Any], row: int, **values: Any) -> np.ndarray[Any, Any]:
    """Copy a table with some fields of one row changed."""
    table = table.copy()
    for column, value in values.items():
        table[column][row] = value
    return table
