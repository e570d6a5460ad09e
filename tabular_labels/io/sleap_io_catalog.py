"""The small tables from sleap-io's objects."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import Json
from tabular_labels.io.metadata_json import json_text
from tabular_labels.io.skeleton_json import SkeletonFacts
from tabular_labels.io.slp_catalog import catalog_of_skeletons
from tabular_labels.io.slp_layout import PROJECT_ID_KEY
from tabular_labels.io.slp_videos import video_table
from tabular_labels.model.schema import SUGGESTIONS, TRACKS
from tabular_labels.model.tables import Catalog

__all__ = ["Places", "catalog_of_sleap_io"]

_CROP = frozenset({"crop", "crop_fill", "source_shape"})


class Places:
    """The places of objects in lists; those that no list has are added at the end.

    Examples:
        >>> first, second = object(), object()
        >>> places = Places([first])
        >>> places.of(second), places.of(first), len(places.items)
        (1, 0, 2)
    """

    def __init__(self, items: Iterable[Any]) -> None:
        # One object stands once, or its second place would never be used.
        self.items = list({id(item): item for item in items}.values())
        self._places = {id(item): place for place, item in enumerate(self.items)}

    def of(self, item: Any) -> int:
        """Return an object's place."""
        place = self._places.get(id(item))
        if place is None:
            place = self._places[id(item)] = len(self.items)
            self.items.append(item)
        return place


def catalog_of_sleap_io(
    labels: Any,
    videos: Sequence[Any],
    skeletons: Sequence[Any],
    tracks: Sequence[Any],
    origin: str,
) -> tuple[Catalog, dict[str, int]]:
    """Build the small tables; ids are places in the lists.

    Args:
        labels: sleap-io's ``Labels``, for suggestions and provenance.
        videos: Its videos, which suggestions may refer to.
        skeletons: Its skeletons.
        tracks: Its tracks.
        origin: Where the labels come from, for messages.

    Returns:
        The tables, and how many of what they have no place for.
    """
    beyond: Counter[str] = Counter()
    known = Places(videos)
    suggestions = _suggestions(labels.suggestions, known, beyond)
    entries = [{"backend": _video_entry(video, beyond)} for video in known.items]
    provenance = _plain(dict(labels.provenance), origin, "provenance")
    project_id = provenance.pop(PROJECT_ID_KEY, None)
    good = isinstance(project_id, str) and 0 < len(project_id) <= 100
    of_skeletons = catalog_of_skeletons([_skeleton_facts(skeleton) for skeleton in skeletons])
    catalog = Catalog(
        videos=video_table(_plain(entries, origin, "videos"), origin),
        skeletons=of_skeletons["skeletons"],
        nodes=of_skeletons["nodes"],
        edges=of_skeletons["edges"],
        tracks=_track_table(tracks),
        suggestions=suggestions,
        provenance=provenance,
        project_id=project_id if good else str(uuid.uuid4()),
    )
    return catalog, dict(beyond)


def _plain(value: Any, origin: str, place: str) -> Any:
    """Return a copy made of what JSON knows."""
    return json.loads(json_text(value, origin, place))


def _skeleton_facts(skeleton: Any) -> SkeletonFacts:
    return SkeletonFacts(
        None if skeleton.name is None else str(skeleton.name),
        tuple((str(name), 1.0) for name in skeleton.node_names),
        tuple(dict.fromkeys((a, b) for a, b in skeleton.edge_inds)),
        tuple(dict.fromkeys((a, b) for a, b in skeleton.symmetry_inds)),
    )


def _track_table(tracks: Sequence[Any]) -> pl.DataFrame:
    n = len(tracks)
    columns = {
        "track_id": np.arange(n, dtype=np.uint32),
        "name": [str(track.name) for track in tracks],
        "spawned_on": np.zeros(n, np.int64),
    }
    return pl.DataFrame(columns, schema=TRACKS.memory_columns)


def _suggestions(suggestions: Iterable[Any], videos: Places, beyond: Counter[str]) -> pl.DataFrame:
    rows = []
    for suggestion in suggestions:
        facts = dict(suggestion.metadata or {})
        group = facts.pop("group", None)
        if group is not None and (type(group) is not int or not -(2**63) <= group < 2**63):
            facts["group"], group = group, None
        beyond["values of suggestions"] += bool(facts)
        rows.append((videos.of(suggestion.video), int(suggestion.frame_idx), group))
    beyond += Counter()  # drops what was counted 0 times
    return pl.DataFrame(rows, schema=SUGGESTIONS.memory_columns, orient="row")


def _video_entry(video: Any, beyond: Counter[str]) -> Json:
    """Say how a video is opened, as files do; what is not known yet is not looked up."""
    stated = dict(video.backend_metadata or {})
    if stated.get("crop") is not None:
        beyond["video crops"] += 1
        if stated.get("source_shape") is not None:
            stated["shape"] = stated["source_shape"]
    entry = {key: value for key, value in stated.items() if key not in _CROP}
    _add_backend(entry, video.backend)
    _add_names(entry, video.filename)
    shape = entry.get("shape")
    if shape is not None and len(shape) == 4:
        entry["shape"] = [None if size is None else int(size) for size in shape]
    if video.source_video is not None:
        source = _video_entry(video.source_video, beyond)
        entry["source_video"] = {"filename": source["filename"], "backend": source}
    return entry


def _add_backend(entry: Json, backend: Any) -> None:
    """Add what an open backend knows without reading a picture."""
    if backend is None:
        return
    if isinstance(backend, list | tuple):  # a reader of sleap-io puts the shape there
        entry.setdefault("shape", backend)
        return
    backend = getattr(backend, "inner", backend)  # the uncropped one
    known: dict[str, Any] = {"type": type(backend).__name__}
    for key, name in _OF_BACKEND.items():
        value = getattr(backend, name, None)
        if value is not None:
            known[key] = value
    for key, value in known.items():
        if entry.get(key) is None:
            entry[key] = value


_OF_BACKEND = {
    "shape": "_cached_shape",
    "fps": "_fps",
    "grayscale": "grayscale",
    "dataset": "dataset",
    "input_format": "input_format",
}


def _add_names(entry: Json, filename: Any) -> None:
    """Make the entry name the files that the video does, in the entry's own spelling."""
    if isinstance(filename, list | tuple):
        names = [str(name) for name in filename]
        if _slashed(entry.get("filenames")) != _slashed(names):
            entry["filenames"] = names
        first = next(iter(entry["filenames"]), "")
        if _slashed(entry.get("filename")) != _slashed(first):
            entry["filename"] = first
        return
    if _slashed(entry.get("filename")) != _slashed(str(filename)):
        entry["filename"] = str(filename)


def _slashed(names: Any) -> Any:
    if isinstance(names, str):
        return names.replace("\\", "/")
    return [_slashed(name) for name in names] if isinstance(names, list | tuple) else names
