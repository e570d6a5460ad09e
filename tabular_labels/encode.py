"""From frames as objects to tables."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import polars as pl

from tabular_labels.errors import DanglingReferenceWarning
from tabular_labels.model import schema
from tabular_labels.model.arguments import require_type
from tabular_labels.model.objects import Objects, catalog_tables
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.suggestion import SuggestionFrame
from tabular_labels.model.tables import Catalog, LabelTables
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.owned import keys_of, keys_of_origin
from tabular_labels.views import Instance, LabeledFrame

__all__ = ["encode"]

# Places within a frame are 16 bits wide.
INSTANCES_PER_FRAME = 2**16 - 1


class _Register:
    """Things of one class in first-appearance order, by identity."""

    def __init__(self, given: Iterable[Any], cls: type) -> None:
        self.cls = cls
        self.things: list[Any] = []
        self.places: dict[int, int] = {}
        for thing in given:
            self.place(thing)

    def place(self, thing: Any) -> int:
        place = self.places.get(id(thing))
        if place is None:
            name = self.cls.__name__
            require_type(thing, self.cls, f"{name.lower()} of labels", f"Pass a `{name}`.")
            place = self.places[id(thing)] = len(self.things)
            self.things.append(thing)
        return place


def encode(
    frames: Iterable[LabeledFrame],
    videos: Iterable[Video] = (),
    skeletons: Iterable[Skeleton] = (),
    tracks: Iterable[Track] = (),
    suggestions: Iterable[SuggestionFrame | tuple[Video, int]] = (),
    negative_anchors: Mapping[Video, Sequence[Sequence[float]]] | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> tuple[LabelTables, Objects]:
    """Encode frames as tables; the objects are left free.

    Videos, skeletons and tracks that frames use and the lists lack are appended in
    first-appearance order. A ``from_predicted`` that is in none of the frames
    becomes null, with a warning that counts them.

    Args:
        frames: In list order; that order becomes ``position``.
        videos: Known videos, first in the list of videos.
        skeletons: Known skeletons.
        tracks: Known tracks.
        suggestions: Suggested frames, or pairs of video and frame index.
        negative_anchors: ``(frame_idx, x, y)`` by video.
        provenance: JSON-able facts.

    Returns:
        The tables, and the objects they were made from under the tables' ids.

    Raises:
        TypeError: Something is of another class than said here.
        ValueError: An instance has points of nodes that its skeleton lost, or a frame
            has more instances than the tables can number.

    Warns:
        DanglingReferenceWarning: References to predictions in no frame.
    """
    frames = [_checked_frame(place, frame) for place, frame in enumerate(frames)]
    suggested = [_as_suggestion(suggestion) for suggestion in suggestions]
    known = _Register(videos, Video), _Register(skeletons, Skeleton), _Register(tracks, Track)
    for suggestion in suggested:
        known[0].place(suggestion.video)
    for video in negative_anchors or {}:
        known[0].place(video)
    rows = [(known[0].place(f.video), f.frame_idx, f.is_negative) for f in frames]
    per_frame = [list(frame.instances) for frame in frames]
    _require_room(frames, per_frame)
    table, points = _instance_columns(per_frame, known[1], known[2])
    small = catalog_tables(
        known[0].things, known[1].things, known[2].things, suggested, negative_anchors
    )
    catalog = replace(Catalog(provenance=dict(provenance or {})), **small)  # type: ignore[arg-type]  # tables only
    counts = np.array([len(group) for group in per_frame], np.int64)
    tables = _in_canonical_order(catalog, rows, counts, table, points)
    objects = Objects(*(dict(enumerate(register.things)) for register in known))
    return tables, objects


def _checked_frame(place: int, frame: object) -> LabeledFrame:
    remedy = "Pass `LabeledFrame(video, frame_idx, instances)`."
    return require_type(frame, LabeledFrame, f"item {place} of the frames", remedy)


def _as_suggestion(given: Any) -> SuggestionFrame:
    if isinstance(given, SuggestionFrame):
        return given
    if isinstance(given, tuple) and len(given) == 2:
        return SuggestionFrame(*given)
    return require_type(
        given, SuggestionFrame, "suggestion", "Pass `SuggestionFrame(video, frame_idx)`."
    )


def _require_room(frames: Sequence[LabeledFrame], per_frame: Sequence[list[Instance]]) -> None:
    for frame, group in zip(frames, per_frame, strict=True):
        if len(group) > INSTANCES_PER_FRAME:
            message = (
                f"frame {frame.frame_idx} of {frame.video.filename!r}: found {len(group)} "
                f"instances, expected at most {INSTANCES_PER_FRAME}. Leave some out."
            )
            raise ValueError(message)


def _instance_columns(
    per_frame: Sequence[list[Instance]], skeletons: _Register, tracks: _Register
) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    instances = list(chain.from_iterable(per_frame))
    table: dict[str, Any] = {
        "skeleton_id": [skeletons.place(i.skeleton) for i in instances],
        "track_id": [None if i.track is None else tracks.place(i.track) for i in instances],
        "kind": ["predicted" if i._is_predicted else "user" for i in instances],
        "score": [i.score for i in instances],
        "tracking_score": [i.tracking_score for i in instances],
        "from_predicted": _origins(per_frame),
    }
    xy = [i.numpy(invisible_as_nan=False) for i in instances]
    points = {"xy": np.concatenate(xy) if xy else np.empty((0, 2))}
    for name, dtype in (("visible", bool), ("complete", bool), ("score", np.float64)):
        columns = [i._source.point_values(i._row, name) for i in instances]
        points[name] = np.concatenate(columns).astype(dtype) if columns else np.empty(0, dtype)
    return table, points


def _origins(per_frame: Sequence[list[Instance]]) -> list[int | None]:
    """Return the place of each instance's prediction among all instances."""
    instances = list(chain.from_iterable(per_frame))
    origins = [i.from_predicted for i in instances]
    if not any(origin is not None for origin in origins):
        return [None] * len(instances)
    anywhere = _places_by_key(instances, 0)
    found: list[int | None] = []
    for group in per_frame:
        first = len(found)
        mine = origins[first : first + len(group)]
        has_links = any(origin is not None for origin in mine)
        # One's own frame first: a frame may be there twice, or beside a copy of it.
        here = _places_by_key(group, first) if has_links else {}
        found += [None if o is None else _place_of(o, here, anywhere) for o in mine]
    dangling = sum(o is not None and f is None for o, f in zip(origins, found, strict=True))
    if dangling:
        message = (
            f"{dangling} from_predicted links name predictions in no frame; they were dropped. "
            "Add the predictions to their frames to keep the links."
        )
        warnings.warn(message, DanglingReferenceWarning, stacklevel=4)
    return found


def _places_by_key(instances: Sequence[Instance], first: int) -> dict[object, int]:
    """Return places of instances by their own keys, then by those they are copies of."""
    keys = [keys_of(instance) for instance in instances]
    places: dict[object, int] = {}
    for place, (own, *_) in enumerate(keys, first):
        places.setdefault(own, place)
    for place, (_, *copied) in enumerate(keys, first):
        for key in copied:
            places.setdefault(key, place)
    return places


def _place_of(origin: Instance, here: dict[object, int], anywhere: dict[object, int]) -> int | None:
    for key in keys_of_origin(origin):
        place = here.get(key, anywhere.get(key))
        if place is not None:
            return place
    return None


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
