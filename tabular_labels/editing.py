"""Edits of frames and instances: what setting something on a view does."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from tabular_labels.errors import DanglingReferenceWarning
from tabular_labels.frame_instances import checked_instances
from tabular_labels.model.arguments import require_index, require_type
from tabular_labels.model.checks import FRAME_IDX_STOP
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.owned import keys_of, keys_of_origin
from tabular_labels.points import PredictedPoint
from tabular_labels.store.catalog_edits import skeleton_key, track_key, video_key
from tabular_labels.store.records import (
    GONE,
    NONE,
    FrameRecord,
    InstanceRecord,
    PointValues,
)
from tabular_labels.store.rows import PREDICTED, Rows
from tabular_labels.store.store import Store
from tabular_labels.values import InstanceValues, PointLike, as_point, as_score

__all__ = [
    "INSTANCES_PER_FRAME",
    "add_frame",
    "remove_frame",
    "remove_instance",
    "set_frame_idx",
    "set_frame_video",
    "set_instances",
    "set_is_negative",
    "set_origin",
    "set_point",
    "set_point_value",
    "set_score",
    "set_track",
    "set_tracking_score",
]

INSTANCES_PER_FRAME = 2**16 - 1
"""Places within a frame are 16 bits wide."""

_AXES = {"x": 0, "y": 1}


# Values of one instance


def set_track(store: Store, handle: int, track: Track | None) -> None:
    """Set the track of an instance; a track that is not known yet is added."""
    if track is not None:
        require_type(track, Track, "track of an instance", "Pass a `Track`, or None.")
    record = store.instance_record(handle)
    with store.step():
        store.put_instance(handle, record._replace(track_id=track_key(store, track)))


def set_score(store: Store, handle: int, score: float | None) -> None:
    """Set the confidence of a prediction."""
    _set(store, handle, score=_number(score, "score"))


def set_tracking_score(store: Store, handle: int, score: float | None) -> None:
    """Set the confidence of the track assignment."""
    _set(store, handle, tracking_score=_number(score, "tracking_score"))


def _number(score: float | None, what: str) -> float:
    value = as_score(score, what)
    # In the precision of the tables, so that nothing changes when they are made.
    return math.nan if value is None else float(np.float32(value))


def set_origin(store: Store, handle: int, prediction: Any) -> None:
    """Set what an instance was made from: a prediction of these labels, or None."""
    origin = NONE
    if prediction is not None:
        home, row = _home(prediction)
        if home is not store:
            message = (
                "from_predicted: found a prediction that is not of these labels, expected one "
                "that is. Add it to its frame first (`frame.instances.append(...)`)."
            )
            raise ValueError(message)
        store.instance_id(row)  # says so when it is gone
        origin = row
    _set(store, handle, origin=origin)


def _home(instance: Any) -> tuple[Store | None, int]:
    source = instance._source
    if not isinstance(source, Rows):
        return None, 0
    return source.open_instance(instance._row)


def _set(store: Store, handle: int, **values: Any) -> None:
    record = store.instance_record(handle)
    with store.step():
        store.put_instance(handle, record._replace(**values))


# Points


def set_point(store: Store, handle: int, node: int, point: PointLike) -> None:
    """Set one node's point; a pair of coordinates will do."""
    record = store.instance_record(handle)
    given = as_point(point, predicted=record.kind == PREDICTED)
    values = store.point_record(handle).copy()
    values.xy[node] = given.x, given.y
    values.visible[node] = given.visible
    values.complete[node] = given.complete
    values.score[node] = given.score if isinstance(given, PredictedPoint) else np.nan
    with store.step():
        store.put_instance(handle, record._replace(points=values))


def set_point_value(store: Store, handle: int, node: int, name: str, value: float | bool) -> None:
    """Set one value of a node's point: ``x``, ``y``, ``visible``, ``complete``, ``score``."""
    record = store.instance_record(handle)
    values = store.point_record(handle).copy()
    axis = _AXES.get(name)
    column = values.column(name) if axis is None else values.xy[:, axis]
    column[node] = value
    with store.step():
        store.put_instance(handle, record._replace(points=values))


# Frames


def set_is_negative(store: Store, handle: int, is_negative: bool) -> None:
    """Mark a frame as showing no animal, or take the mark away."""
    record = store.frame_record(handle)
    with store.step():
        store.put_frame(handle, record._replace(is_negative=bool(is_negative)))


def set_frame_idx(store: Store, handle: int, frame_idx: int) -> None:
    """Move a frame to another index of its video."""
    index = _frame_idx(frame_idx)
    record = store.frame_record(handle)
    with store.step():
        store.put_frame(handle, record._replace(frame_idx=index))


def _frame_idx(frame_idx: int) -> int:
    index = require_index(frame_idx, "frame_idx of a frame")
    if not 0 <= index < FRAME_IDX_STOP:
        message = (
            f"frame_idx of a frame: found {index}, expected 0 to {FRAME_IDX_STOP - 1}. "
            "Pass an index within the video."
        )
        raise ValueError(message)
    return index


def set_frame_video(store: Store, handle: int, video: Video) -> None:
    """Move a frame to another video, which is added if it is not known yet."""
    remedy = "Pass a `Video`, such as `Video.from_filename(...)`."
    require_type(video, Video, "video of a frame", remedy)
    record = store.frame_record(handle)
    with store.step():
        store.put_frame(handle, record._replace(video_id=video_key(store, video)))


def add_frame(store: Store, frame: Any, position: float | None = None) -> int:
    """Add a frame, which becomes a view of its row; a view of labels is copied.

    Args:
        store: The labels' rows.
        frame: A frame.
        position: Where in the list it belongs; None for its end.

    Returns:
        The handle of the new row.
    """
    given = frame.copy() if frame.is_attached else frame
    index = _frame_idx(given.frame_idx)
    with store.step():
        handle = store.new_handle("frame")
        video = video_key(store, given.video)
        if position is None:
            position = store.next_position()
        key = store.new_id("frame")
        record = FrameRecord(key, video, index, position, bool(given.is_negative), ())
        store.put_frame(handle, record)
        if len(given.instances):
            set_instances(store, handle, list(given.instances), of=given)
    if given is frame:
        _adopt(store, frame, handle)
    return handle


def _adopt(store: Store, given: Any, handle: int) -> None:
    """Make what was detached a view of its row; it is detached again if the step fails."""
    store.if_step_fails(partial(_show, given, given._source, given._row))
    _show(given, store, handle)


def _show(view: Any, source: Any, row: int) -> None:
    view._source, view._row = source, row


def remove_frame(store: Store, handle: int) -> None:
    """Remove a frame with its instances."""
    instances = store.instances_of(handle)
    with store.step():
        store.put_frame(handle, GONE)
        for instance in instances:
            store.put_instance(instance, GONE)


# The instances of a frame


def remove_instance(store: Store, handle: int) -> None:
    """Remove one instance; its frame stays."""
    frame = store.frame_row(handle)
    record = store.frame_record(frame)
    left = tuple(other for other in record.instances if other != handle)
    with store.step():
        store.put_frame(frame, record._replace(instances=left))
        store.put_instance(handle, GONE)


def set_instances(store: Store, frame: int, wanted: Iterable[Any], of: Any = None) -> list[int]:
    """Make these the instances of a frame, in this order.

    Instances that are there already stay the same rows. Free ones become views of
    their new rows; what is in another frame, or in other labels, is copied. Links to
    predictions follow what they were copied to.

    Args:
        store: The labels' rows.
        frame: Handle of the frame.
        wanted: Instances.
        of: The detached frame that holds them, if any.

    Returns:
        The handles, in order.

    Warns:
        DanglingReferenceWarning: Links to predictions that are not of these labels.
    """
    instances = checked_instances(wanted)
    record = store.frame_record(frame)
    mine = set(record.instances)
    handles: list[int] = []
    fresh: list[tuple[int, Any, Any]] = []
    for instance in instances:
        home, row = _home(instance)
        if home is store and row in mine and row not in handles:
            handles.append(row)
            continue
        is_free = home is None and (instance._source.frame is None or instance._source.frame is of)
        taken = instance if is_free and not _is_taken(instance, fresh) else instance.copy()
        handle = store.new_handle("instance")
        handles.append(handle)
        fresh.append((handle, instance, taken))
    _require_room(store, frame, handles)
    with store.step():
        new = [(handle, _record(store, frame, taken)) for handle, _, taken in fresh]
        linked = _links(store, fresh, new)
        store.put_frame(frame, record._replace(instances=tuple(handles)))
        for handle in mine.difference(handles):
            store.put_instance(handle, GONE)
        for handle, made in linked:
            store.put_instance(handle, made)
    for handle, _, taken in fresh:
        _adopt(store, taken, handle)
    return handles


def _is_taken(instance: Any, fresh: Sequence[tuple[int, Any, Any]]) -> bool:
    return any(taken is instance for _, _, taken in fresh)


def _require_room(store: Store, frame: int, handles: Sequence[int]) -> None:
    if len(handles) > INSTANCES_PER_FRAME:
        message = (
            f"frame {store.frame_idx(frame)}: found {len(handles)} instances, expected at most "
            f"{INSTANCES_PER_FRAME}. Leave some out."
        )
        raise ValueError(message)


def _record(store: Store, frame: int, instance: Any) -> InstanceRecord:
    """Encode a detached instance, without its link."""
    values: InstanceValues = instance._source
    values.settle()
    given = values.skeleton_object
    skeleton = skeleton_key(store, given)
    columns = values.point_columns
    points = PointValues(
        values.xy_array.copy(),
        np.array(columns["visible"], np.bool_),
        np.array(columns["complete"], np.bool_),
        np.array(columns["score"], np.float64),
    )
    if store.objects.aliases.get(given) == skeleton:
        # Built with what the skeleton was before its nodes were edited.
        own = store.objects.skeleton_by_id[skeleton]
        points = points.laid_out(own.former_places(given))
    return InstanceRecord(
        store.new_id("instance"),
        frame,
        skeleton,
        track_key(store, values.track_object),
        PREDICTED if values.predicted else 0,
        _number(values.score_value, "score"),
        _number(values.tracking_score_value, "tracking_score"),
        NONE,
        points,
    )


def _links(
    store: Store, fresh: Sequence[tuple[int, Any, Any]], new: Sequence[tuple[int, InstanceRecord]]
) -> list[tuple[int, InstanceRecord]]:
    """Lead links to what stands for the predictions they name."""
    here: dict[object, int] = {}
    for handle, given, taken in fresh:
        for key in (*keys_of(given), *keys_of(taken)):
            here.setdefault(key, handle)
    linked, dangling = [], 0
    for (handle, record), (_, _, taken) in zip(new, fresh, strict=True):
        origin = taken._source.from_predicted
        if origin is None:
            linked.append((handle, record))
            continue
        found = next((here[key] for key in keys_of_origin(origin) if key in here), None)
        if found is None:
            home, row = _home(origin)
            found = row if home is store and store.has_instance(row) else None
        dangling += found is None
        linked.append((handle, record._replace(origin=NONE if found is None else found)))
    if dangling:
        message = (
            f"{dangling} from_predicted links name predictions that are not of these labels; they "
            "were dropped. Add the predictions to their frames to keep the links."
        )
        warnings.warn(message, DanglingReferenceWarning, stacklevel=4)
    return linked
