"""Tables as sleap-io's objects: points in a few large arrays, of which instances hold slices."""

from __future__ import annotations

import json
import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import IntArray, Json
from tabular_labels.errors import MissingExtraError, UnmodelledDataWarning
from tabular_labels.io.metadata_json import dump_provenance
from tabular_labels.io.slp_videos import dump_videos
from tabular_labels.model.offsets import offsets_of_counts, ranges, rows_of_ids
from tabular_labels.model.source import Readable
from tabular_labels.model.tables import Catalog, order_of_list

__all__ = ["require_sleap_io", "sleap_io_labels"]

_TARGET = "sleap-io labels"
_NONE = -1


def sleap_io_labels(labels: Readable) -> Any:
    """Build sleap-io's ``Labels``; no video is opened.

    Frames stand in list order. Missing points and scores are NaN, as sleap-io reads them
    from ``.slp`` files. Instances of one kind hold slices of one array, which lives as
    long as one of them does.

    Args:
        labels: What to convert.

    Returns:
        A ``sleap_io.Labels`` of objects of its own.

    Raises:
        MissingExtraError: sleap-io is not installed.

    Warns:
        UnmodelledDataWarning: sleap-io has no place for something, as the message says.
    """
    require_sleap_io("to_sleap_io")
    import sleap_io

    catalog = labels.catalog
    _warn_of_losses(labels)
    videos = [
        _video(json.loads(row)) for row in dump_videos(catalog.videos, _TARGET, {}, classic=False)
    ]
    skeletons = _skeletons(catalog)
    tracks = [sleap_io.Track(name=name) for name in catalog.tracks["name"].to_list()]
    frames = _frames(labels, videos, _instances(labels, skeletons, tracks))
    rows = rows_of_ids(
        catalog.videos["video_id"].to_numpy(), catalog.suggestions["video_id"].to_numpy()
    )
    places = catalog.suggestions.select("frame_idx", "group").rows()
    suggestions = [
        sleap_io.SuggestionFrame(videos[row], index, metadata={"group": group})
        for row, (index, group) in zip(rows.tolist(), places, strict=True)
    ]
    return sleap_io.Labels(
        labeled_frames=frames,
        videos=videos,
        skeletons=skeletons,
        tracks=tracks,
        suggestions=suggestions,
        provenance=dump_provenance(catalog),
    )


def require_sleap_io(purpose: str) -> None:
    """Raise when sleap-io is not installed.

    Raises:
        MissingExtraError: It is not; the message says what needs it.
    """
    if find_spec("sleap_io") is None:
        package, extra = "sleap-io", "formats"
        raise MissingExtraError(package, extra, purpose)


def _warn_of_losses(labels: Readable) -> None:
    catalog, instances = labels.catalog, labels.structure.instances
    has_score = instances["score"].is_not_null() & (instances["kind"] == "user")
    lost = {
        "spawned_on of tracks": int((catalog.tracks["spawned_on"] != 0).sum()),
        "weights of nodes": int((catalog.nodes["weight"] != 1).sum()),
        "negative anchors": catalog.negative_anchors.height,
        "scores of user instances": int(has_score.sum()),
        **catalog.attachments.counts,
    }
    found = ", ".join(f"{what} ({n})" for what, n in lost.items() if n)
    if found:
        message = f"sleap-io has no place for some of the data, which stays behind: {found}"
        warnings.warn(message, UnmodelledDataWarning, stacklevel=4)


def _video(row: Json) -> Any:
    """Refer to a video; the entry keeps its own spelling of names."""
    import sleap_io

    backend = dict(row["backend"])
    names = backend.get("filenames") or row.get("filename") or backend.get("filename", "")
    source = row.get("source_video", row.get("original_video"))
    if not isinstance(source, dict) or not isinstance(source.get("backend"), dict):
        source = None
    return sleap_io.Video(
        filename=_slashed(names),
        backend_metadata=backend,
        source_video=None if source is None else _video(source),
        open_backend=False,
    )


def _slashed(names: Any) -> Any:
    if isinstance(names, list):
        return [_slashed(name) for name in names]
    return str(names).replace("\\", "/")


def _skeletons(catalog: Catalog) -> list[Any]:
    import sleap_io

    made = []
    for key, name in catalog.skeletons.select("skeleton_id", "name").rows():
        of_skeleton = pl.col("skeleton_id") == key
        names = catalog.nodes.filter(of_skeleton)["name"].to_list()
        pairs = catalog.edges.filter(of_skeleton).sort("position", maintain_order=True)
        edges, symmetries = (
            pairs.filter(pl.col("kind") == kind).select("source", "target").rows()
            for kind in ("edge", "symmetry")
        )
        # The tables may hold a pair both ways; for sleap-io it is one.
        once = {frozenset(pair): pair for pair in symmetries}.values()
        made.append(
            sleap_io.Skeleton(nodes=names, edges=list(edges), symmetries=list(once), name=name)
        )
    return made


def _frames(labels: Readable, videos: list[Any], instances: list[Any]) -> list[Any]:
    """Build frames in list order, of instances in canonical order."""
    from sleap_io import LabeledFrame

    structure = labels.structure
    table, offsets = structure.frames, structure.instance_offsets
    start, stop = offsets[:-1], offsets[1:]
    order = order_of_list(table)
    if order is not None:
        table, start, stop = table[order], start[order], stop[order]
    rows = rows_of_ids(labels.catalog.videos["video_id"].to_numpy(), table["video_id"].to_numpy())
    columns = (rows, table["frame_idx"], start, stop, table["is_negative"])
    return [
        LabeledFrame(
            video=videos[video],
            frame_idx=index,
            instances=instances[first:last],
            is_negative=is_negative,
        )
        for video, index, first, last, is_negative in zip(
            *(
                column.tolist() if isinstance(column, np.ndarray) else column.to_list()
                for column in columns
            ),
            strict=True,
        )
    ]


def _instances(labels: Readable, skeletons: list[Any], tracks: list[Any]) -> list[Any]:
    """Build instances in canonical order."""
    from sleap_io import Instance, PredictedInstance

    catalog, structure = labels.catalog, labels.structure
    table = structure.instances
    of_skeleton = _chosen(skeletons, catalog.skeletons["skeleton_id"], table["skeleton_id"])
    of_track = _chosen(tracks, catalog.tracks["track_id"], table["track_id"])
    scores = table["score"].fill_null(np.nan).to_list()
    tracking = table["tracking_score"].fill_null(np.nan).to_list()
    points = _points(labels)
    made = [
        Instance(some, skeleton, track, tracking_score)
        if is_user
        else PredictedInstance(
            points=some, skeleton=skeleton, score=score, track=track, tracking_score=tracking_score
        )
        for some, skeleton, track, score, tracking_score, is_user in zip(
            points, of_skeleton, of_track, scores, tracking, structure.is_user.tolist(), strict=True
        )
    ]
    sources = table["from_predicted"]
    linked = sources.is_not_null().arg_true()
    if len(linked):
        rows = rows_of_ids(table["instance_id"].to_numpy(), sources.drop_nulls().to_numpy())
        for row, source in zip(linked.to_list(), rows.tolist(), strict=True):
            made[row].from_predicted = made[source]
    return made


def _chosen(items: list[Any], keys: pl.Series, wanted: pl.Series) -> list[Any]:
    """Return the object that each key means; null means None."""
    asked = wanted.cast(pl.Int64).fill_null(_NONE).to_numpy()
    rows = rows_of_ids(keys.cast(pl.Int64).to_numpy(), asked)
    several = [*items, None]
    return [several[row] for row in rows.tolist()]


def _points(labels: Readable) -> list[Any]:
    """Return the points of each instance, as slices of one array for each kind."""
    from sleap_io.model.instance import PointsArray, PredictedPointsArray

    structure = labels.structure
    counts = np.diff(structure.point_offsets)
    columns = labels.read_points(["x", "y", "visible", "complete", "score"])
    names, first = _names(labels.catalog)
    found: list[Any] = [None] * len(counts)
    for kind, is_mine in (
        (PointsArray, structure.is_user),
        (PredictedPointsArray, ~structure.is_user),
    ):
        rows = np.flatnonzero(is_mine)
        if not len(rows):
            continue
        of_points = (
            None
            if len(rows) == len(counts)
            else ranges(structure.point_offsets[:-1][rows], counts[rows])
        )
        some = columns if of_points is None else columns[of_points]
        array = kind.empty(some.height)
        array["xy"][:, 0] = some["x"].fill_null(np.nan).to_numpy()
        array["xy"][:, 1] = some["y"].fill_null(np.nan).to_numpy()
        array["visible"] = some["visible"].to_numpy()
        array["complete"] = some["complete"].to_numpy()
        if "score" in array.dtype.names:
            array["score"] = some["score"].fill_null(np.nan).to_numpy()
        skeleton = structure.instances["skeleton_id"].to_numpy()[rows]
        array["name"] = names[ranges(first[skeleton], counts[rows])]
        for row, piece in zip(rows.tolist(), _slices(array, counts[rows]), strict=True):
            found[row] = piece
    return found


def _names(catalog: Catalog) -> tuple[np.ndarray[Any, Any], IntArray]:
    """Return the names of all nodes, and the first of each skeleton by its key."""
    names = np.empty(catalog.nodes.height, object)
    names[:] = catalog.nodes["name"].to_list()
    return names, offsets_of_counts(catalog.n_nodes)


def _slices(array: Any, counts: IntArray) -> list[Any]:
    """Cut an array into pieces; equal ones are cut by numpy."""
    if len(counts) and int(counts.min()) == int(counts.max()) > 0:
        return list(array.reshape(-1, int(counts[0])))
    ends = np.cumsum(counts)
    return [array[a:b] for a, b in zip((ends - counts).tolist(), ends.tolist(), strict=True)]
