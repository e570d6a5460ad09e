"""The labels of a JSON document as columns: frames, instances and points in list order.

Each kind of value is taken out of all rows at once and judged by the set of its types;
only when something is wrong the rows are looked through to name the first.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from operator import methodcaller
from typing import Any, NoReturn

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.errors import UnsafeFileError
from tabular_labels.hdf5.guard import as_finite, broken, shown
from tabular_labels.io.json_links import resolve_links
from tabular_labels.io.slp_layout import LARGEST_FRAME_IDX
from tabular_labels.model.assemble import ListedFrames
from tabular_labels.model.buffers import nullable
from tabular_labels.model.offsets import offsets_of_counts
from tabular_labels.model.schema import KIND
from tabular_labels.model.tables import Catalog

__all__ = ["LabelsReader", "ListedRows"]

_FRAME_KEYS = frozenset({"video", "frame_idx", "_instances", "instances", "is_negative"})
_INSTANCE_KEYS = frozenset(
    {"skeleton", "track", "from_predicted", "_points", "score", "tracking_score"}
)
_POINT_KEYS = frozenset({"x", "y", "visible", "complete", "score"})
_NONE = type(None)


@dataclass(frozen=True)
class ListedRows:
    """Rows as `model.assemble.assemble` takes them."""

    frames: ListedFrames
    instances: pl.DataFrame
    points: pl.DataFrame


class LabelsReader:
    """Reads the list ``labels`` of a document.

    Args:
        catalog: What the document says of videos, skeletons and tracks.
        document: The document.
        path: The file, for messages.
    """

    def __init__(self, catalog: Catalog, document: Mapping[str, Any], path: str) -> None:
        self.catalog, self.path = catalog, path
        self.labels: Any = document.get("labels", [])
        self.node_names = [node["name"] for node in document.get("nodes", [])]
        self.left_out: dict[str, int] = {}
        self.dangling = 0

    def read(self) -> ListedRows:
        """Read all rows.

        Raises:
            FileFormatError: Something is missing or broken.
            UnsafeFileError: A tag of ``jsonpickle`` stands among the labels.
        """
        labels = self._rows(self.labels, dict, "labels")
        self._know(labels, _FRAME_KEYS, "labels", "values of frames")
        lists = [f["_instances"] if "_instances" in f else f.get("instances", []) for f in labels]
        self._rows(lists, list, "labels: _instances")
        counts = np.fromiter(map(len, lists), np.int64, len(lists))
        instances = list(chain.from_iterable(lists))
        negative = [frame.get("is_negative", False) for frame in labels]
        frames = ListedFrames(
            self._places([f.get("video") for f in labels], self.catalog.videos.height, "video"),
            self._frame_indices([f.get("frame_idx") for f in labels]),
            counts,
            self._truths(negative, "is_negative"),
        )
        table, points = self._read_instances(instances)
        nested = [one.get("from_predicted") for one in instances]
        links = self._links(nested, counts, table, points)
        return ListedRows(frames, table.with_columns(from_predicted=links), points)

    def _links(
        self, nested: list[Any], counts: IntArray, table: pl.DataFrame, points: pl.DataFrame
    ) -> pl.Series:
        given = [row for row, value in enumerate(nested) if value is not None]
        links = np.full(len(nested), -1, np.int64)
        if given:
            origins = self._rows([nested[row] for row in given], dict, "from_predicted")
            of, at = self._read_instances(origins)
            rows = np.array(given)
            links[rows] = resolve_links(rows, (of, at), (table, points), counts, self.catalog)
            self.dangling = int((links[rows] < 0).sum())
        found = pl.Series("from_predicted", links)
        return found.set(found < 0, None)

    def _read_instances(self, instances: list[dict[str, Any]]) -> tuple[pl.DataFrame, pl.DataFrame]:
        self._rows(instances, dict, "_instances")
        self._know(instances, _INSTANCE_KEYS, "_instances", "values of instances")
        listed = self._rows([one.get("_points") for one in instances], dict, "_points")
        predicted = np.fromiter(("score" in one for one in instances), bool, len(instances))
        tracks = [one.get("track") for one in instances]
        n_tracks, n_skeletons = self.catalog.tracks.height, self.catalog.skeletons.height
        skeleton = self._places([one.get("skeleton") for one in instances], n_skeletons, "skeleton")
        table = pl.DataFrame(
            {
                "skeleton_id": skeleton,
                "track_id": _nullable(self._places(tracks, n_tracks, "track", nullable=True)),
                "kind": pl.Series(predicted.astype(np.uint8)).cat.to(KIND),
                **{
                    name: nullable(name, self._numbers([i.get(name) for i in instances], name))
                    for name in ("score", "tracking_score")
                },
            }
        )
        return table, self._read_points(listed, skeleton, predicted)

    def _read_points(
        self, listed: list[dict[str, Any]], skeleton: IntArray, predicted: BoolArray
    ) -> pl.DataFrame:
        counts = np.fromiter(map(len, listed), np.int64, len(listed))
        values = list(chain.from_iterable(map(methodcaller("values"), listed)))
        self._rows(values, dict, "_points")
        self._know(values, _POINT_KEYS, "_points", "values of points")
        n_nodes = self.catalog.n_nodes[skeleton]
        rows = self._node_rows(listed, np.repeat(skeleton, counts))
        rows += np.repeat(offsets_of_counts(n_nodes)[:-1], counts)
        in_order = bool((rows[1:] > rows[:-1]).all())
        if not in_order and int(np.bincount(rows).max()) > 1:
            self._fail("_points", "two points of one node in an instance", "each node once")
        # What is not listed is missing, with the marks that classic programs give it.
        score = np.where(np.repeat(predicted, n_nodes), 0.0, math.nan)
        n, nan = len(score), math.nan
        xy = [self._numbers([self._value(p, name) for p in values], name) for name in ("x", "y")]
        visible = self._truths([p.get("visible", True) for p in values], "visible")
        complete = self._truths([p.get("complete", False) for p in values], "complete")
        scores = self._numbers([p.get("score") for p in values], "score")
        return pl.DataFrame(
            [
                nullable("x", _placed(np.full(n, nan), rows, xy[0])),
                nullable("y", _placed(np.full(n, nan), rows, xy[1])),
                pl.Series("visible", _placed(np.ones(n, bool), rows, visible)),
                pl.Series("complete", _placed(np.zeros(n, bool), rows, complete)),
                nullable("score", _placed(score, rows, scores)),
            ]
        )

    def _node_rows(self, listed: list[dict[str, Any]], skeleton: IntArray) -> IntArray:
        """Return the place in the skeleton of each listed point's node."""
        keys = list(chain.from_iterable(listed))
        code = {key: code for code, key in enumerate(dict.fromkeys(keys))}
        place = np.full((self.catalog.skeletons.height, max(len(code), 1)), -1, np.int64)
        known = {
            (skeleton_id, name): node_id
            for skeleton_id, node_id, name in self.catalog.nodes.select(
                "skeleton_id", "node_id", "name"
            ).iter_rows()
        }
        for key, column in code.items():
            name = self.node_names[self._reference(key, len(self.node_names), "_points")]
            for row in range(len(place)):
                place[row, column] = known.get((row, name), -1)
        codes = np.fromiter(map(code.__getitem__, keys), np.int64, len(keys))
        rows = place[skeleton, codes] if len(place) else codes
        if len(rows) and int(rows.min()) < 0:
            key = keys[int(rows.argmin())]
            self._fail("_points", f"node {key!r} in an instance", "a node of its skeleton")
        return rows

    def _rows(self, values: Any, kind: type, place: str) -> Any:
        """Check that this is a list of objects, or of lists."""
        if not isinstance(values, list):
            self._fail(place, shown(values), "a list")
        if not set(map(type, values)) <= {kind}:
            row = next(i for i, value in enumerate(values) if type(value) is not kind)
            expected = "an object" if kind is dict else "a list"
            self._fail(f"{place}, item {row}", shown(values[row]), expected)
        return values

    def _know(
        self, rows: Sequence[dict[str, Any]], known: frozenset[str], place: str, what: str
    ) -> None:
        """Count rows with more than the tables hold; refuse tags of pickled objects."""
        other = set(chain.from_iterable(rows)) - known
        tags = sorted(key for key in other if key.startswith("py/"))
        if tags:
            raise UnsafeFileError(
                self.path,
                place=place,
                found=f"the tag {tags[0]!r} of a pickled object",
                expected="plain values",
                remedy="Do not trust this file; ask for the labels from their source.",
            )
        if other:
            count = sum(not other.isdisjoint(row) for row in rows)
            self.left_out[what] = self.left_out.get(what, 0) + count

    def _places(self, values: list[Any], n: int, place: str, *, nullable: bool = False) -> IntArray:
        """Turn references, numbers or their texts, into places; -1 for null."""
        self._require_types(values, {int, str} | ({_NONE} if nullable else set()), place)
        known = {
            value: -1 if value is None else self._reference(value, n, place)
            for value in dict.fromkeys(values)
        }
        return np.fromiter(map(known.__getitem__, values), np.int64, len(values))

    def _reference(self, value: Any, n: int, place: str) -> int:
        if isinstance(value, str) and value.isdecimal() and len(value) < 10:
            value = int(value)
        if type(value) is not int or not 0 <= value < n:
            self._fail(place, shown(value), f"one of {n}")
        return value

    def _frame_indices(self, values: list[Any]) -> IntArray:
        self._require_types(values, {int, float}, "frame_idx")
        if any(type(value) is float and not value.is_integer() for value in values):
            self._fail("frame_idx", "a broken number", "a whole number")
        low, high = min(values, default=0), max(values, default=0)
        if low < 0 or high > LARGEST_FRAME_IDX:
            found = shown(low if low < 0 else high)
            self._fail("frame_idx", found, f"a whole number from 0 to {LARGEST_FRAME_IDX}")
        return np.array(values, np.int64)

    def _value(self, point: dict[str, Any], name: str) -> Any:
        try:
            return point[name]
        except KeyError:
            self._fail("_points", f"a point without {name}", "x and y")

    def _numbers(self, values: list[Any], place: str) -> FloatArray:
        """Read numbers; null is NaN."""
        self._require_types(values, {float, int, _NONE}, place)
        try:
            # Of None numpy makes NaN.
            return np.array(values, np.float64)
        except OverflowError:
            large = next(v for v in values if type(v) is int and as_finite(v) is None)
            self._fail(place, shown(large), "a number")

    def _truths(self, values: list[Any], place: str) -> Any:
        self._require_types(values, {bool}, place)
        return np.array(values, bool)

    def _require_types(self, values: Iterable[Any], kinds: set[type], place: str) -> None:
        if not set(map(type, values)) <= kinds:
            wrong = next(value for value in values if type(value) not in kinds)
            names = sorted("null" if kind is _NONE else kind.__name__ for kind in kinds)
            self._fail(place, shown(wrong), " or ".join(names))

    def _fail(self, place: str, found: str, expected: str) -> NoReturn:
        raise broken(self.path, place, found, expected)


def _placed(
    column: np.ndarray[Any, Any], rows: IntArray, values: np.ndarray[Any, Any]
) -> np.ndarray[Any, Any]:
    """Put values into rows of a column."""
    column[rows] = values
    return column


def _nullable(places: IntArray) -> pl.Series:
    series = pl.Series(places)
    return series.set(series < 0, None)
