"""From frames as objects to tables."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from tabular_labels.errors import DanglingReferenceWarning
from tabular_labels.model import schema
from tabular_labels.model.objects import Objects, catalog_tables
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.suggestion import SuggestionFrame
from tabular_labels.model.tables import Catalog, LabelTables
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.views import Instance, LabeledFrame

__all__ = ["encode"]


class _Register:
    """Things in first-appearance order, by identity."""

    def __init__(self, given: Iterable[Any]) -> None:
        self.things: list[Any] = []
        self.places: dict[int, int] = {}
        for thing in given:
            self.place(thing)

    def place(self, thing: Any) -> int:
        place = self.places.get(id(thing))
        if place is None:
            place = self.places[id(thing)] = len(self.things)
            self.things.append(thing)
        return place


def encode(
    frames: Sequence[LabeledFrame],
    videos: Sequence[Video] = (),
    skeletons: Sequence[Skeleton] = (),
    tracks: Sequence[Track] = (),
    suggestions: Sequence[SuggestionFrame] = (),
    negative_anchors: Mapping[Video, Sequence[Sequence[float]]] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> tuple[LabelTables, Objects]:
    """Encode frames as tables.

    Videos, skeletons and tracks that frames use and the lists lack are appended in
    first-appearance order. A ``from_predicted`` that is in none of the frames
    becomes null, with a warning that counts them.

    Args:
        frames: In list order; that order becomes ``position``.
        videos: Known videos, first in the list of videos.
        skeletons: Known skeletons.
        tracks: Known tracks.
        suggestions: Suggested frames.
        negative_anchors: ``(frame_idx, x, y)`` by video.
        provenance: JSON-able facts.

    Returns:
        The tables, and the objects they were made from under the tables' ids.

    Warns:
        DanglingReferenceWarning: References to predictions in no frame.
    """
    known = _Register(videos), _Register(skeletons), _Register(tracks)
    for suggestion in suggestions:
        known[0].place(suggestion.video)
    for video in negative_anchors or {}:
        known[0].place(video)
    rows = [(known[0].place(f.video), f.frame_idx, f.is_negative) for f in frames]
    per_frame = [list(frame.instances) for frame in frames]
    instances = [instance for group in per_frame for instance in group]
    table, points = _instance_columns(instances, known[1], known[2])
    small = catalog_tables(
        known[0].things, known[1].things, known[2].things, suggestions, negative_anchors
    )
    catalog = replace(Catalog(provenance=dict(provenance or {})), **small)  # type: ignore[arg-type]  # tables only
    counts = np.array([len(group) for group in per_frame], np.int64)
    tables = _in_canonical_order(catalog, rows, counts, table, points)
    objects = Objects(*(dict(enumerate(register.things)) for register in known))
    return tables, objects


def _instance_columns(
    instances: Sequence[Instance], skeletons: _Register, tracks: _Register
) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    table: dict[str, Any] = {
        "skeleton_id": [skeletons.place(i.skeleton) for i in instances],
        "track_id": [None if i.track is None else tracks.place(i.track) for i in instances],
        "kind": ["predicted" if i._is_predicted else "user" for i in instances],
        "score": [i.score for i in instances],
        "tracking_score": [i.tracking_score for i in instances],
        "from_predicted": _origins(instances),
    }
    xy = [i.numpy(invisible_as_nan=False) for i in instances]
    points = {"xy": np.concatenate(xy) if xy else np.empty((0, 2))}
    for name, dtype in (("visible", bool), ("complete", bool), ("score", np.float64)):
        columns = [i._source.point_values(i._row, name) for i in instances]
        points[name] = np.concatenate(columns).astype(dtype) if columns else np.empty(0, dtype)
    return table, points


def _origins(instances: Sequence[Instance]) -> list[int | None]:
    """Return the place of each instance's prediction in the same list."""
    origins = [i.from_predicted for i in instances]
    if not any(origin is not None for origin in origins):
        return [None] * len(instances)
    places = {_identity(i): place for place, i in enumerate(instances)}
    found = [None if o is None else places.get(_identity(o)) for o in origins]
    dangling = sum(o is not None and f is None for o, f in zip(origins, found, strict=True))
    if dangling:
        message = (
            f"{dangling} from_predicted links name predictions in no frame; they were dropped. "
            "Add the predictions to their frames to keep the links."
        )
        warnings.warn(message, DanglingReferenceWarning, stacklevel=4)
    return found


def _identity(instance: Instance) -> object:
    """Identify a view by its row, a detached instance by itself."""
    return (id(instance._source), instance._row)


def _in_canonical_order(
    catalog: Catalog,
    frames: list[tuple[int, int, bool]],
    counts: np.ndarray[Any, Any],
    table: dict[str, Any],
    points: dict[str, np.ndarray[Any, Any]],
) -> LabelTables:
    n = len(frames)
    video, index, negative = (np.array([row[k] for row in frames]) for k in range(3))
    order = np.lexsort((np.arange(n), index, video)) if n else np.empty(0, np.int64)
    gather = ranges(offsets_of_counts(counts)[:-1][order], counts[order])
    place = np.empty(len(gather), np.int64)
    place[gather] = np.arange(len(gather))
    origins = [None if o is None else int(place[o]) for o in table["from_predicted"]]
    instances = pl.DataFrame(
        {
            "instance_id": np.arange(len(gather)),
            "frame_id": np.repeat(np.arange(n), counts[order]),
            "instance_idx": ranges(np.zeros(n, np.int64), counts[order]),
            **{
                name: pl.Series(values, dtype=schema.INSTANCES.columns[name])[gather]
                for name, values in {**table, "from_predicted": origins}.items()
            },
        }
    ).cast(dict(schema.INSTANCES.columns))  # type: ignore[arg-type]  # classes and instances
    n_nodes = catalog.n_nodes[np.asarray(table["skeleton_id"], np.int64)]
    rows = ranges(offsets_of_counts(n_nodes)[:-1][gather], n_nodes[gather])
    xy = points["xy"][rows]
    return LabelTables(
        catalog,
        pl.DataFrame(
            {
                "frame_id": np.arange(n),
                "video_id": video[order] if n else [],
                "frame_idx": index[order] if n else [],
                "position": order,
                "is_negative": negative[order] if n else [],
            },
            schema=dict(schema.FRAMES.columns),
            strict=False,
        ),
        instances,
        pl.DataFrame(
            {
                "x": pl.Series(np.ascontiguousarray(xy[:, 0])).fill_nan(None),
                "y": pl.Series(np.ascontiguousarray(xy[:, 1])).fill_nan(None),
                "visible": points["visible"][rows],
                "complete": points["complete"][rows],
                "score": pl.Series(points["score"][rows]).fill_nan(None),
            }
        ),
    )
