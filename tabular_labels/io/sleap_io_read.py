"""sleap-io's labels as tables: lazily loaded ones by their arrays, others gathered."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np

from tabular_labels._types import BoolArray, IntArray
from tabular_labels.errors import DanglingReferenceWarning
from tabular_labels.io.attachments import report
from tabular_labels.io.held_records import hold_records
from tabular_labels.io.sleap_io_catalog import Places, catalog_of_sleap_io
from tabular_labels.io.slp_layout import (
    FRAMES,
    INSTANCES,
    MID_PIXEL_FORMAT,
    POINTS,
    PRED_POINTS,
)
from tabular_labels.io.slp_points import PointTable, read_points
from tabular_labels.io.slp_references import Known
from tabular_labels.io.slp_structure import read_structure
from tabular_labels.io.slp_videos import embedded_numbers
from tabular_labels.model.checks import check_catalog, require
from tabular_labels.model.schema import POINTS as POINT_SCHEMA
from tabular_labels.model.tables import Catalog, LabelTables

__all__ = ["tables_of_sleap_io"]

_ORIGIN = "sleap-io labels"
_OF_LABELS = ("sessions", "identities", "categories", "event_types", "events")
_OF_FRAME = ("centroids", "bboxes", "masks", "label_images", "rois")
_OF_INSTANCE = ("identity", "identity_embedding", "category", "category_embedding")
_OF_STORE = {
    "centroids": "centroid",
    "bboxes": "bbox",
    "masks": "mask",
    "label_images": "label_image",
    "rois": "roi",
}
_LINKS = {
    "identity": "_instance_identities",
    "identity_embedding": "_instance_embeddings",
    "category": "_instance_categories",
    "category_embedding": "_instance_category_embeddings",
}
# A source that is in no frame: above every row, and not the number for none.
_GONE = 2**32 - 2


class _Rows:
    """The large tables in the layout of ``.slp`` files, in list order."""

    def __init__(self, **arrays: np.ndarray[Any, Any]) -> None:
        self.frames, self.instances = arrays["frames"], arrays["instances"]
        self.points, self.pred_points = arrays["points"], arrays["pred_points"]
        self.negative: IntArray = np.zeros((0, 3), np.int64)
        self.is_old = False

    def embedded(self, catalog: Catalog) -> dict[int, int]:
        """Say which videos numbers mean that are no places in the list, see `resolve_videos`."""
        if int(self.frames["video"].max(initial=0)) < catalog.videos.height:
            return {}
        backends = map(json.loads, catalog.videos["backend"].to_list())
        return embedded_numbers([{"backend": backend} for backend in backends])


def tables_of_sleap_io(labels: Any, *, strict: bool = False) -> LabelTables:
    """Turn sleap-io's ``Labels`` into tables; no video is opened, nothing is changed.

    Lazily loaded labels stay so: their arrays are read, no object is made. Frames keep
    their order. What both kinds say of coordinates is taken as it is, also where sleap-io
    moves predicted points of the oldest files by half a pixel.

    Args:
        labels: A ``sleap_io.Labels``.
        strict: Raise instead of warning when they hold more than our tables.

    Returns:
        The tables.

    Raises:
        FileFormatError: A frame, an instance or a reference is out of bounds.
        UnmodelledDataError: With ``strict``: they hold more than our tables.
        InvariantError: A skeleton has two nodes of one name, or the like.

    Warns:
        UnmodelledDataWarning: They hold more than our tables.
        DanglingReferenceWarning: Instances come from predictions that are in no frame.
    """
    store = getattr(labels, "_lazy_store", None)
    beyond: Counter[str] = Counter({name: len(getattr(labels, name, ())) for name in _OF_LABELS})
    beyond["rois"] += len(getattr(labels, "static_rois", ()))
    if store is None:
        gathered = _Gathered(labels, beyond)
        lists, rows = gathered.lists, gathered.rows
    else:
        lists = list(labels.videos), list(labels.skeletons), list(labels.tracks)
        rows = _rows_of_store(labels, store, beyond)
    catalog, more = catalog_of_sleap_io(labels, *lists, _ORIGIN)
    require(check_catalog(catalog))
    return _tables(catalog, rows, dict(+(beyond + Counter(more))), strict=strict)


def _tables(catalog: Catalog, rows: _Rows, beyond: dict[str, int], *, strict: bool) -> LabelTables:
    held = {
        "frames": hold_records(rows.frames, "frames", FRAMES, _ORIGIN),
        "instances": hold_records(
            rows.instances, "instances", INSTANCES, _ORIGIN, ("tracking_score",)
        ),
        "points": hold_records(rows.points, "points", POINTS, _ORIGIN),
        "pred_points": hold_records(rows.pred_points, "pred_points", PRED_POINTS, _ORIGIN),
    }
    known = Known(
        catalog.videos.height,
        catalog.tracks.height,
        catalog.n_nodes[: catalog.skeletons.height],
        (len(rows.points), len(rows.pred_points)),
        rows.embedded(catalog),
        rows.negative,
    )
    structure, left = read_structure(held["frames"], held["instances"], known, (None, None))
    report(_ORIGIN, {**beyond, **left.counts}, strict=strict, stacklevel=5)
    if left.dangling:
        message = (
            f"{_ORIGIN}: {left.dangling} instances come from no prediction of any frame; "
            "their from_predicted is null"
        )
        warnings.warn(message, DanglingReferenceWarning, stacklevel=5)
    shift = -0.5 if rows.is_old else 0.0
    tables = [PointTable(held[name], None, shift) for name in ("points", "pred_points")]
    part = structure.part if structure.part is not None else int(not len(rows.points))
    columns = tuple(POINT_SCHEMA.memory_columns)
    points = read_points(tables, part, *structure.point_runs(slice(None)), columns)
    return LabelTables(catalog, structure.frames, structure.instances, points)


def _rows_of_store(labels: Any, store: Any, beyond: Counter[str]) -> _Rows:
    """Take the arrays of lazily loaded labels, and the frames that only hold annotations."""
    more = getattr(labels.labeled_frames, "_supplementary", ())
    frames = np.asarray(store.frames_data)
    if len(more):
        videos = Places(store.videos)
        added = np.zeros(len(more), frames.dtype)
        added["video"] = [videos.of(frame.video) for frame in more]
        added["frame_idx"] = [frame.frame_idx for frame in more]
        frames = np.concatenate([frames, added])
    rows = _Rows(
        frames=frames,
        instances=np.asarray(store.instances_data),
        points=_as_bytes(store.points_data),
        pred_points=_as_bytes(store.pred_points_data),
    )
    rows.is_old = float(store.format_id) < MID_PIXEL_FORMAT
    negative = [(video, index, -1) for video, index in store._negative_frames]
    rows.negative = np.array(negative, np.int64).reshape(-1, 3)
    for name, stem in _OF_STORE.items():
        beyond[name] += sum(map(len, getattr(store, f"_{stem}_by_frame", {}).values()))
        beyond[name] += len(getattr(store, f"_undistributed_{name}", ()))
    for name, links in _LINKS.items():
        beyond[f"{name} of instances"] += len(getattr(store, links, ()))
    return rows


def _as_bytes(points: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """View truth values as bytes, as files are read."""
    points = np.ascontiguousarray(points)
    fields: Mapping[str, Any] = points.dtype.fields or {}
    kinds = {name: np.dtype("u1") if f[0].kind == "b" else f[0] for name, f in fields.items()}
    return points.view(
        np.dtype(
            {
                "names": list(kinds),
                "formats": list(kinds.values()),
                "offsets": [field[1] for field in fields.values()],
                "itemsize": points.dtype.itemsize,
            }
        )
    )


class _Gathered:
    """Columns gathered from objects, with one look at each object for each column."""

    def __init__(self, labels: Any, beyond: Counter[str]) -> None:
        from sleap_io.model.instance import PredictedInstance

        self.frames = list(labels.labeled_frames)
        inside = [frame.instances for frame in self.frames]
        self.instances = list(chain.from_iterable(inside))
        videos, skeletons, tracks = (
            Places(items) for items in (labels.videos, labels.skeletons, labels.tracks)
        )
        self.is_predicted = _array(
            (isinstance(one, PredictedInstance) for one in self.instances), bool, self.instances
        )
        points = [one.points for one in self.instances]
        users, predicted = _split(points, self.is_predicted)
        frames = self._frame_rows(videos, [len(some) for some in inside])
        self.rows = _Rows(
            frames=frames,
            instances=self._instance_rows(skeletons, tracks, [len(some) for some in points]),
            points=_joined(users),
            pred_points=_joined(predicted, is_predicted=True),
        )
        self.rows.negative = self._negative(frames)
        self.lists = videos.items, skeletons.items, tracks.items
        for name in _OF_FRAME:
            beyond[name] += sum(map(len, map(attrgetter(name), self.frames)))
        for name in _OF_INSTANCE:
            values = map(attrgetter(name), self.instances)
            beyond[f"{name} of instances"] += sum(value is not None for value in values)

    def _frame_rows(self, videos: Places, counts: Sequence[int]) -> np.ndarray[Any, Any]:
        frames = self.frames
        rows = np.zeros(len(frames), FRAMES)
        rows["frame_id"] = np.arange(len(frames))
        rows["video"] = [videos.of(frame.video) for frame in frames]
        rows["frame_idx"] = _array((frame.frame_idx for frame in frames), np.int64, frames)
        rows["instance_id_end"] = np.cumsum(counts)
        rows["instance_id_start"] = rows["instance_id_end"] - np.array(counts, np.uint64)
        return rows

    def _instance_rows(
        self, skeletons: Places, tracks: Places, counts: Sequence[int]
    ) -> np.ndarray[Any, Any]:
        instances = self.instances
        rows = np.zeros(len(instances), INSTANCES)
        rows["instance_id"] = np.arange(len(instances))
        rows["instance_type"] = self.is_predicted
        rows["skeleton"] = [skeletons.of(one.skeleton) for one in instances]
        rows["track"] = [-1 if one.track is None else tracks.of(one.track) for one in instances]
        rows["from_predicted"] = self._sources()
        rows["tracking_score"] = _numbers(one.tracking_score for one in instances)
        which = np.flatnonzero(self.is_predicted)
        rows["score"][which] = _numbers(instances[k].score for k in which.tolist())
        n = np.array(counts, np.uint64)
        for kind in (False, True):
            mine = self.is_predicted == kind
            stop = np.cumsum(n[mine])
            rows["point_id_end"][mine], rows["point_id_start"][mine] = stop, stop - n[mine]
        return rows

    def _sources(self) -> IntArray:
        """Rows of the predictions that instances come from; few come from any."""
        sources = [one.from_predicted for one in self.instances]
        linked = [row for row, source in enumerate(sources) if source is not None]
        rows = np.full(len(sources), -1, np.int64)
        if linked:
            row_of = {id(one): row for row, one in enumerate(self.instances)}
            rows[linked] = [row_of.get(id(sources[row]), _GONE) for row in linked]
        return rows

    def _negative(self, rows: np.ndarray[Any, Any]) -> IntArray:
        """Video, frame index and row of each negative frame."""
        which = [row for row, frame in enumerate(self.frames) if frame.is_negative]
        some = rows[which]
        return np.array([some["video"], some["frame_idx"], which], np.int64).T.reshape(-1, 3)


def _array(values: Iterable[Any], dtype: Any, like: Sequence[Any]) -> np.ndarray[Any, Any]:
    return np.fromiter(values, dtype, len(like))


def _numbers(values: Iterable[Any]) -> list[float]:
    """Say NaN where there is no number."""
    return [np.nan if value is None else value for value in values]


def _split(points: list[Any], is_second: BoolArray) -> tuple[list[Any], list[Any]]:
    chosen = is_second.tolist()
    return (
        [one for one, second in zip(points, chosen, strict=True) if not second],
        [one for one, second in zip(points, chosen, strict=True) if second],
    )


def _joined(arrays: list[Any], *, is_predicted: bool = False) -> np.ndarray[Any, Any]:
    """Join the points of instances into one table, with ``x`` and ``y`` side by side.

    Bytes are joined: sleap-io's records hold the name of each node as an object, which
    makes joining records many times slower. Nobody looks at those bytes afterwards.
    """
    from sleap_io.model.instance import PointsArray, PredictedPointsArray

    kind = PredictedPointsArray if is_predicted else PointsArray
    dtype = kind.empty(0).dtype
    if any(array.dtype != dtype for array in arrays):
        arrays = [kind.from_array(array) for array in arrays]
    fields = dtype.fields or {}
    names = ["x", "y", *(name for name in ("visible", "complete", "score") if name in fields)]
    start = fields["xy"][1]
    offsets = [start, start + 8, *(fields[name][1] for name in names[2:])]
    formats = ["<f8", "<f8", *("u1" if fields[n][0].kind == "b" else "<f8" for n in names[2:])]
    record = np.dtype(
        {"names": names, "formats": formats, "offsets": offsets, "itemsize": dtype.itemsize}
    )
    return np.frombuffer(b"".join([array.tobytes() for array in arrays]), record)
