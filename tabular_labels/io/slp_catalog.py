"""The small tables of a ``.slp`` file: skeletons, videos, tracks, suggestions, provenance."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

import h5py
import numpy as np
import polars as pl

from tabular_labels._types import Json
from tabular_labels.errors import FormatVersionError
from tabular_labels.hdf5.guard import (
    as_finite,
    broken,
    member,
    parse_json,
    parse_json_rows,
    read_attribute,
    read_text,
    read_texts,
    shown,
    translated,
)
from tabular_labels.io.hdf5_records import FileState
from tabular_labels.io.skeleton_json import SkeletonFacts
from tabular_labels.io.skeleton_parse import parse_skeletons
from tabular_labels.io.slp_layout import (
    LARGEST_FRAME_IDX,
    METADATA_KEYS,
    NEWEST_FORMAT,
    PROJECT_ID_KEY,
)
from tabular_labels.io.slp_videos import read_video_rows, video_table
from tabular_labels.model.schema import (
    EDGES,
    NEGATIVE_ANCHORS,
    NODES,
    SKELETONS,
    SUGGESTIONS,
    TRACKS,
)
from tabular_labels.model.tables import Catalog

__all__ = ["Header", "catalog_of_skeletons", "read_header", "read_metadata"]

_OF_SUGGESTION = frozenset({"video", "frame_idx", "group"})
_LARGEST_COUNT = 2**16 - 1  # skeletons have 16-bit ids


@dataclass(frozen=True)
class Header:
    """What a file says before its large tables.

    Attributes:
        format_id: The file's format.
        catalog: The small tables, without attachments.
        videos: The videos' entries, from which the catalog's table was made.
        leftovers: JSON values that the tables do not model, by their place.
        counts: How many of them there are, for warnings.
    """

    format_id: float
    catalog: Catalog
    videos: list[Json]
    leftovers: Mapping[str, Any]
    counts: Mapping[str, int]


def read_header(file: h5py.File, state: FileState) -> Header:
    """Read everything but frames, instances and points.

    Args:
        file: The open file.
        state: The same file.

    Raises:
        FormatVersionError: The file's format is not one we know.
        FileFormatError: Something is missing or broken.
    """
    return _HeaderReader(file, state.path).read()


def read_metadata(metadata: Mapping[str, Any], path: str) -> Header:
    """Read the small tables from JSON alone, as files of nothing but JSON hold them.

    Args:
        metadata: ``skeletons``, ``nodes``, ``videos``, ``tracks`` and so on.
        path: The file, for messages.

    Raises:
        FileFormatError: Something is missing or broken.

    Examples:
        >>> metadata = {"skeletons": [], "nodes": [], "videos": [], "tracks": [[0, "a"]]}
        >>> read_metadata(metadata, "labels.json").catalog.tracks["name"].to_list()
        ['a']
    """
    return _HeaderReader(None, path).read_json(metadata, 1.0)


class _HeaderReader:
    """Reads one file's metadata; collects what the tables have no place for."""

    def __init__(self, file: h5py.File | None, path: str) -> None:
        self.file, self.path = file, path
        self.leftovers: dict[str, Any] = {}
        self.counts: dict[str, int] = {}

    def read(self) -> Header:
        group = self._member("metadata")
        if not isinstance(group, h5py.Group):
            raise broken(self.path, "/metadata", "no such group", "the project's metadata")
        format_id = self._format_id(group)
        return self.read_json(self._metadata(group), format_id)

    def _member(self, name: str) -> Any:
        return None if self.file is None else member(self.file, name, self.path)

    def read_json(self, metadata: Mapping[str, Any], format_id: float) -> Header:
        skeletons = parse_skeletons(metadata.get("skeletons"), metadata.get("nodes"), self.path)
        if len(skeletons) > _LARGEST_COUNT:
            self._fail("metadata, skeletons", f"{len(skeletons)}", f"at most {_LARGEST_COUNT}")
        rows, others = read_video_rows(self._rows("videos", metadata), self.file, self.path)
        self._leave("videos_json", others, "values of videos")
        provenance, project_id = self._provenance(metadata)
        self._leave_skeletons(skeletons)
        self._leave(
            "metadata", {k: metadata[k] for k in metadata.keys() - METADATA_KEYS}, "metadata keys"
        )
        tables = catalog_of_skeletons(skeletons)
        catalog = Catalog(
            videos=video_table(rows, self.path),
            skeletons=tables["skeletons"],
            nodes=tables["nodes"],
            edges=tables["edges"],
            tracks=self._tracks(metadata),
            suggestions=self._suggestions(metadata, len(rows)),
            negative_anchors=self._anchors(metadata, len(rows)),
            provenance=provenance,
            project_id=project_id,
        )
        return Header(format_id, catalog, rows, self.leftovers, self.counts)

    def _format_id(self, group: h5py.Group) -> float:
        with translated(self.path, "/metadata, attribute format_id"):
            value = read_attribute(group, "format_id", self.path)
            value = 1.0 if value is None else value
            value = value.decode() if isinstance(value, bytes) else value
            try:
                number = float(np.asarray(value).reshape(()))
            except (TypeError, ValueError):
                number = math.nan
        if 1.0 <= number < NEWEST_FORMAT:
            return number
        raise FormatVersionError(
            self.path,
            place="/metadata, attribute format_id",
            found=f"format {shown(value)}",
            expected=f"1.0 up to, not including, {NEWEST_FORMAT}",
            remedy="Use a newer tabular_labels, or save the file in an older format.",
        )

    def _metadata(self, group: h5py.Group) -> dict[str, Any]:
        place = "/metadata, attribute json"
        value = read_attribute(group, "json", self.path)
        if value is None:
            self._fail(place, "no such attribute", "the project's metadata")
        metadata = parse_json(read_text(value, self.path, place), self.path, place)
        if not isinstance(metadata, dict):
            self._fail(place, type(metadata).__name__, "an object")
        return metadata

    def _rows(self, name: str, metadata: Mapping[str, Any]) -> list[Any]:
        """Rows of a JSON list, from its dataset or, in old files, from the metadata."""
        dataset = self._member(f"{name}_json")
        if dataset is not None:
            return parse_json_rows(read_texts(dataset, self.path), self.path, f"{name}_json")
        rows = metadata.get(name)
        if rows is None and name != "suggestions":
            self._fail(f"/{name}_json", "no such dataset", f"the list of {name}")
        if name == "suggestions" and isinstance(rows, dict):
            # Frame indices by video is how the oldest files have it.
            return [
                {"video": video, "frame_idx": index}
                for video, indices in rows.items()
                for index in (indices if isinstance(indices, list) else [indices])
            ]
        if not isinstance(rows or [], list):
            self._fail(f"metadata, {name}", type(rows).__name__, "a list")
        return rows or []

    def _provenance(self, metadata: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        place, value = "/provenance_json", metadata.get("provenance")
        dataset = self._member("provenance_json")
        if dataset is not None:
            with translated(self.path, place):
                text = read_text(dataset[()], self.path, place)
            value = parse_json(text, self.path, place)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            self._fail(place, type(value).__name__, "an object")
        provenance = dict(value)
        project_id = provenance.pop(PROJECT_ID_KEY, None)
        good = isinstance(project_id, str) and 0 < len(project_id) <= 100
        return provenance, project_id if good else str(uuid.uuid4())

    def _tracks(self, metadata: Mapping[str, Any]) -> pl.DataFrame:
        spawned: list[int] = []
        names: list[str] = []
        for i, row in enumerate(self._rows("tracks", metadata)):
            place = f"tracks_json, row {i}"
            if isinstance(row, dict):
                row = [row.get("spawned_on", 0), row.get("name", "")]
            if not isinstance(row, list) or len(row) < 2:
                self._fail(place, shown(row), "the frame it begins on, and a name")
            name = "" if row[1] is None else row[1]
            if not isinstance(name, str):
                self._fail(place, f"the name {shown(name)}", "text")
            spawned.append(self._whole(row[0] or 0, place, -(2**63), 2**63 - 1))
            names.append(name)
        columns = {"track_id": np.arange(len(names), dtype=np.uint32)}
        return pl.DataFrame(
            {**columns, "name": names, "spawned_on": spawned}, schema=TRACKS.memory_columns
        )

    def _suggestions(self, metadata: Mapping[str, Any], n_videos: int) -> pl.DataFrame:
        videos: list[int] = []
        indices: list[int] = []
        groups: list[int | None] = []
        others: dict[str, Any] = {}
        # There may be many; nearly all of them are as they should be.
        numbers = {str(number): number for number in range(n_videos)}
        for i, row in enumerate(self._rows("suggestions", metadata)):
            if not isinstance(row, dict):
                self._fail(f"suggestions_json, row {i}", shown(row), "an object")
            video, index, group = row.get("video"), row.get("frame_idx"), row.get("group")
            number = numbers.get(video) if type(video) is str else None
            if number is None:
                number = self._video(video, f"suggestions_json, row {i}", n_videos)
            if type(index) is not int or not 0 <= index <= LARGEST_FRAME_IDX:
                index = self._frame_idx(index, f"suggestions_json, row {i}")
            left = {} if row.keys() <= _OF_SUGGESTION else _without(row, _OF_SUGGESTION)
            if group is not None and (type(group) is not int or not -(2**63) <= group < 2**63):
                left |= {"group": group}
                group = None
            if left:
                others[str(i)] = {"of": [number, index], **left}
            videos.append(number)
            indices.append(index)
            groups.append(group)
        self._leave("suggestions_json", others, "values of suggestions")
        columns = dict(zip(SUGGESTIONS.columns, (videos, indices, groups), strict=True))
        return pl.DataFrame(columns, schema=SUGGESTIONS.memory_columns)

    def _anchors(self, metadata: Mapping[str, Any], n_videos: int) -> pl.DataFrame:
        columns: dict[str, list[Any]] = {name: [] for name in NEGATIVE_ANCHORS.columns}
        anchors = metadata.get("negative_anchors") or {}
        if not isinstance(anchors, dict):
            self._fail("metadata, negative_anchors", type(anchors).__name__, "an object")
        for key, rows in anchors.items():
            place = f"metadata, negative_anchors of video {key}"
            video = self._video(key, place, n_videos)
            for row in rows if isinstance(rows, list) else [rows]:
                if not isinstance(row, list) or len(row) != 3:
                    self._fail(place, shown(row), "frame, x and y")
                values = video, self._frame_idx(row[0], place), *self._place(row[1:], place)
                for column, value in zip(columns, values, strict=True):
                    columns[column].append(value)
        return pl.DataFrame(columns, schema=NEGATIVE_ANCHORS.memory_columns)

    def _place(self, values: list[Any], place: str) -> list[float | None]:
        numbers = [as_finite(value) for value in values]
        for value, number in zip(values, numbers, strict=True):
            is_missing = value is None or (isinstance(value, float) and math.isnan(value))
            if number is None and not is_missing:
                self._fail(place, f"the coordinate {shown(value)}", "a number")
        return numbers

    def _video(self, value: object, place: str, n_videos: int) -> int:
        if isinstance(value, str) and value.isdecimal() and len(value) < 10:
            value = int(value)
        return self._whole(value, f"{place}, video", 0, n_videos - 1)

    def _frame_idx(self, value: object, place: str) -> int:
        return self._whole(value, f"{place}, frame_idx", 0, LARGEST_FRAME_IDX)

    def _whole(self, value: object, place: str, low: int, high: int) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if type(value) is not int or not low <= value <= high:
            self._fail(place, shown(value), f"a whole number from {low} to {high}")
        return value

    def _leave(self, place: str, values: Mapping[str, Any], what: str) -> None:
        if values:
            self.leftovers[place] = dict(values)
            self.counts[what] = len(values)

    def _leave_skeletons(self, skeletons: list[SkeletonFacts]) -> None:
        extras = {
            str(i): {"of": skeleton.name, **skeleton.extra}
            for i, skeleton in enumerate(skeletons)
            if skeleton.extra
        }
        self._leave("skeletons", extras, "skeletons with descriptions")

    def _fail(self, place: str, found: str, expected: str) -> NoReturn:
        raise broken(self.path, place, found[:200], expected)


def _without(row: Mapping[str, Any], keys: frozenset[str]) -> dict[str, Any]:
    return {key: row[key] for key in row.keys() - keys}


def catalog_of_skeletons(skeletons: list[SkeletonFacts]) -> dict[str, pl.DataFrame]:
    """Build the tables of skeletons, nodes and edges; ids are places in the list."""
    names = {"skeleton_id": range(len(skeletons)), "name": [s.name for s in skeletons]}
    nodes = [
        (i, k, name, weight)
        for i, skeleton in enumerate(skeletons)
        for k, (name, weight) in enumerate(skeleton.nodes)
    ]
    edges = [
        (i, kind, source, target, position)
        for i, skeleton in enumerate(skeletons)
        for kind, pairs in (("edge", skeleton.edges), ("symmetry", skeleton.symmetries))
        for position, (source, target) in enumerate(pairs)
    ]
    return {
        "skeletons": pl.DataFrame(names, schema=SKELETONS.memory_columns),
        "nodes": pl.DataFrame(nodes, schema=NODES.memory_columns, orient="row"),
        "edges": pl.DataFrame(edges, schema=EDGES.memory_columns, orient="row"),
    }
