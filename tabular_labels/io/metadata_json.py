"""The small tables as the JSON values that ``.slp`` and ``.json`` files share."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import IntArray, Json, PathLike
from tabular_labels.hdf5.guard import broken
from tabular_labels.io.skeleton_json import dump_skeletons, skeleton_facts
from tabular_labels.io.slp_layout import PROJECT_ID_KEY
from tabular_labels.model.offsets import rows_of_ids
from tabular_labels.model.tables import Catalog

__all__ = [
    "dump_metadata",
    "dump_provenance",
    "dump_suggestions",
    "json_text",
    "leftover",
    "video_rows",
]


def dump_metadata(catalog: Catalog, *, symmetry_both_ways: bool) -> Json:
    """Render skeletons, nodes, anchors, provenance, and what was carried beside them.

    Args:
        catalog: The small tables.
        symmetry_both_ways: Write two links for each symmetry, as the classic programs do.

    Returns:
        The metadata; its lists of videos, tracks and suggestions are empty.
    """
    skeletons, nodes = dump_skeletons(
        skeleton_facts(catalog, leftover(catalog, "skeletons")),
        symmetry_both_ways=symmetry_both_ways,
    )
    return {
        **leftover(catalog, "metadata"),
        "version": "2.0.0",
        "skeletons": skeletons,
        "nodes": nodes,
        "videos": [],
        "tracks": [],
        "suggestions": [],
        "negative_anchors": _anchors(catalog),
        "provenance": dump_provenance(catalog),
    }


def dump_provenance(catalog: Catalog) -> Json:
    """Return the provenance with the project's id in it."""
    return {**catalog.provenance, PROJECT_ID_KEY: catalog.project_id}


def dump_suggestions(catalog: Catalog) -> list[Json]:
    """Render the suggestions, with the values that were carried beside them."""
    others = leftover(catalog, "suggestions_json")
    suggestions = catalog.suggestions
    rows = video_rows(catalog, suggestions["video_id"])
    made = []
    places = suggestions.select("frame_idx", "group").rows()
    for i, (video, (index, group)) in enumerate(zip(rows.tolist(), places, strict=True)):
        rest = dict(others.get(str(i), {}))
        if rest.pop("of", None) != [video, index]:
            rest = {}
        made.append({"video": str(video), "frame_idx": index, "group": group, **rest})
    return made


def leftover(catalog: Catalog, place: str) -> Mapping[str, Any]:
    """Return what a file held at a place beyond the tables; empty when nothing is carried."""
    values = catalog.attachments.metadata.get(place, {})
    return values if isinstance(values, Mapping) else {}


def video_rows(catalog: Catalog, video_id: pl.Series) -> IntArray:
    """Return the places of videos in their list."""
    return rows_of_ids(catalog.videos["video_id"].to_numpy(), video_id.to_numpy())


def json_text(value: object, path: PathLike, place: str) -> str:
    """Render a value as JSON without spaces.

    Raises:
        FileFormatError: It is none that JSON knows.
    """
    try:
        return json.dumps(value, separators=(",", ":"), default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        remedy = "Keep texts, numbers, lists and dicts only."
        raise broken(path, place, f"a value ({error})", "JSON values", remedy) from error


def _plain(value: object) -> object:
    """Write paths as text with slashes, and numbers of numpy as numbers."""
    if isinstance(value, os.PathLike):
        return Path(value).as_posix()
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(type(value).__name__)


def _anchors(catalog: Catalog) -> dict[str, list[list[Any]]]:
    anchors: dict[str, list[list[Any]]] = {}
    rows = video_rows(catalog, catalog.negative_anchors["video_id"])
    places = catalog.negative_anchors.select("frame_idx", "x", "y").rows()
    for video, (index, *xy) in zip(rows.tolist(), places, strict=True):
        place = [math.nan if value is None else value for value in xy]
        anchors.setdefault(str(video), []).append([index, *place])
    return anchors
