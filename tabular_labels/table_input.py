"""Labels from tables of other libraries, and from dense arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import polars as pl

from tabular_labels._types import FloatArray, IntArray
from tabular_labels.errors import QueryError, UnknownNodeError, UnknownTrackError, UnknownVideoError
from tabular_labels.model.assemble import ListedFrames, assemble
from tabular_labels.model.checks import check_tables, require
from tabular_labels.model.objects import catalog_tables
from tabular_labels.model.offsets import offsets_of_counts
from tabular_labels.model.schema import KIND
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.tables import Catalog, LabelTables
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.queries.from_dense import DenseVideo, tables_of_dense
from tabular_labels.queries.from_table import TableRows, numbered, table_rows
from tabular_labels.suffixes import format_of

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["tables_of_arrays", "tables_of_dataset", "tables_of_table"]

_NODES, _ANIMALS = ("keypoints", "keypoint"), ("individuals", "individual")


def tables_of_table(
    table: pl.DataFrame,
    videos: Sequence[Video] = (),
    skeletons: Sequence[Skeleton] = (),
    tracks: Sequence[Track] = (),
) -> LabelTables:
    """Build tables from named columns, see `Labels.from_polars`."""
    rows = table_rows(table)
    every = pl.concat([rows.instances, rows.empty])
    video, videos = _videos(every, videos)
    track, tracks = _tracks(rows.instances, tracks)
    skeleton, skeletons = _skeletons(rows, skeletons)
    catalog = Catalog(**catalog_tables(videos, skeletons, tracks))  # type: ignore[arg-type]  # tables only
    return _assembled(catalog, rows, every, video, track, skeleton, skeletons)


def _assembled(
    catalog: Catalog,
    rows: TableRows,
    every: pl.DataFrame,
    video: IntArray,
    track: IntArray,
    skeleton: IntArray,
    skeletons: Sequence[Skeleton],
) -> LabelTables:
    n = rows.instances.height
    of_frame, frames = _frames(every, video)
    order = np.argsort(of_frame[:n], kind="stable")
    counts = np.bincount(of_frame[:n], minlength=len(frames.frame_idx))
    listed = ListedFrames(frames.video_id, frames.frame_idx, counts, frames.is_negative)
    place = np.empty(n, np.int64)
    place[order] = np.arange(n)
    instances = rows.instances[order]
    table = pl.DataFrame(
        {
            "skeleton_id": skeleton[order],
            "track_id": _nullable(track[order]),
            "kind": instances["kind"].cast(KIND),
            "score": instances["score"],
            "tracking_score": instances["tracking_score"],
            "from_predicted": _links(rows.instances, place, order),
        }
    )
    points = _dense_points(catalog, rows, place, skeleton, order, skeletons)
    tables = assemble(catalog, listed, table, points)
    require(check_tables(tables))
    return tables


def _frames(every: pl.DataFrame, video: IntArray) -> tuple[IntArray, ListedFrames]:
    """Number the frames in list order; return the frame of each row."""
    table = pl.DataFrame(
        {
            "video": video,
            "frame_idx": every["frame_idx"],
            "frame_id": every["frame_id"],
            "position": every["position"],
            "is_negative": every["is_negative"].fill_null(value=False),
            "row": np.arange(len(video)),
        }
    )
    by_id = every["frame_id"].null_count() == 0 and every.height > 0
    keys = ["frame_id"] if by_id else ["video", "frame_idx"]
    frames = table.unique(keys, keep="first", maintain_order=True)
    frames = frames.sort("position", "row", nulls_last=True).with_row_index("number")
    joined = table.join(
        frames.select(*keys, "number"), on=keys, how="left", maintain_order="left", validate="m:1"
    )
    listed = ListedFrames(
        frames["video"].to_numpy(),
        frames["frame_idx"].to_numpy(),
        np.zeros(frames.height, np.int64),
        frames["is_negative"].to_numpy(),
    )
    return joined["number"].to_numpy().astype(np.int64), listed


def _links(instances: pl.DataFrame, place: IntArray, order: IntArray) -> pl.Series:
    """Turn keys of predictions into rows; those of instances that are not there into null."""
    origin = instances["from_predicted"]
    ids = pl.DataFrame({"key": instances["instance_id"], "row": place})
    ids = ids.filter(pl.col("key").is_not_null()).unique("key", keep="first")
    if origin.null_count() == len(origin) or ids.is_empty():
        return pl.Series([None], dtype=pl.Int64).new_from_index(0, len(order))
    rows = origin.replace_strict(ids["key"], ids["row"], default=None, return_dtype=pl.Int64)
    return rows.gather(order)


def _dense_points(
    catalog: Catalog,
    rows: TableRows,
    place: IntArray,
    skeleton: IntArray,
    order: IntArray,
    skeletons: Sequence[Skeleton],
) -> pl.DataFrame:
    """Give every node of every instance a row; those that were not told are missing."""
    start = offsets_of_counts(catalog.n_nodes[skeleton[order]] if len(order) else skeleton)
    code, names = numbered(pl.Series([None] * len(rows.node), dtype=pl.Int64), rows.node)
    node_of = np.full((len(skeletons) or 1, len(names) or 1), -1, np.int64)
    for k, one in enumerate(skeletons):
        known = {name: at for at, name in enumerate(one.node_names)}
        node_of[k, : len(names)] = [known.get(name, -1) for name in names]
    node = node_of[skeleton[rows.owner], code] if len(code) else code
    if len(node) and int(node.min()) < 0:
        wrong = int(node.argmin())
        raise UnknownNodeError(
            rows.node[wrong], skeletons[int(skeleton[rows.owner[wrong]])].node_names
        )
    at = start[place[rows.owner]] + node
    n = int(start[-1])
    made = []
    for name, dtype in rows.points.schema.items():
        fill = False if dtype == pl.Boolean else None
        column = pl.Series(name, [fill], dtype=dtype).new_from_index(0, n)
        is_whole = len(at) == n and bool((at[1:] > at[:-1]).all())
        made.append(rows.points[name] if is_whole else column.scatter(at, rows.points[name]))
    return pl.DataFrame(made)


def _videos(every: pl.DataFrame, given: Sequence[Video]) -> tuple[IntArray, Sequence[Video]]:
    place, names = numbered(every["video_id"], every["video"])
    if not given:
        nameless = bool((place < 0).any())
        videos = [Video.from_filename(name) for name in names]
        videos += [Video()] if nameless else []
        return np.where(place < 0, len(names), place), videos
    if not names and len(given) == 1:
        return np.zeros(len(place), np.int64), given
    known = [video.filename for video in given]
    found = [_found(name, known, UnknownVideoError) for name in names]
    if (place < 0).any():
        raise UnknownVideoError(None, known)
    return np.array(found, np.int64)[place] if len(place) else place, given


def _tracks(instances: pl.DataFrame, given: Sequence[Track]) -> tuple[IntArray, Sequence[Track]]:
    place, names = numbered(instances["track_id"], instances["track"])
    if not given:
        return place, [Track(0, name) for name in names]
    known = [track.name for track in given]
    found = np.array([*(_found(name, known, UnknownTrackError) for name in names), -1], np.int64)
    return found[place], given


def _skeletons(rows: TableRows, given: Sequence[Skeleton]) -> tuple[IntArray, Sequence[Skeleton]]:
    """Settle the skeleton of each instance: the only one, or that of its name."""
    n = rows.instances.height
    nothing = pl.Series([None], dtype=pl.Int64).new_from_index(0, n)
    place, names = numbered(nothing, rows.instances["skeleton"])
    if len(given) == 1:
        return np.zeros(n, np.int64), given
    if given:
        if not names or (place < 0).any():
            message = (
                f"found {len(given)} skeletons and instances that name none, expected a column "
                "'skeleton'. Add it, or pass one skeleton."
            )
            raise QueryError(message)
        known = [skeleton.name for skeleton in given]
        found = [_found(name, known, UnknownNodeError) for name in names]
        return np.array(found, np.int64)[place], given
    if (place < 0).any() or not names:
        place = place + 1  # the first is the one without a name
        titles: list[str | None] = [None, *names]
    else:
        titles = list(names)
    of_points = place[rows.owner]
    made = []
    for k, title in enumerate(titles):
        nodes = rows.node.filter(pl.Series(of_points == k)).unique(maintain_order=True)
        made.append(Skeleton(nodes.to_list(), name=title))
    return place, made if n else []


def _found(name: str, known: Sequence[str | None], error: type[Any]) -> int:
    if known.count(name) != 1:
        raise error(name, known)
    return known.index(name)


def _nullable(places: IntArray) -> pl.Series:
    series = pl.Series(places)
    return series.set(series < 0, None)


def tables_of_arrays(
    arrays: Sequence[FloatArray],
    videos: Sequence[Video],
    skeleton: Skeleton,
    tracks: Sequence[Track] | None,
    *,
    first_frame: int = 0,
    kind: Literal["user", "predicted"] = "predicted",
) -> LabelTables:
    """Build tables from dense arrays, see `Labels.from_numpy`."""
    for array in arrays:
        expected = f"(n_frames, n_tracks, {len(skeleton)}, 2 or 3)"
        if array.ndim != 4 or array.shape[2] != len(skeleton) or array.shape[3] not in (2, 3):
            message = f"found an array of shape {array.shape}, expected {expected}. Reshape it."
            raise QueryError(message)
    most = max((array.shape[1] for array in arrays), default=0)
    if tracks is not None and len(tracks) < most:
        message = f"found {len(tracks)} tracks for {most} columns, expected one each. Pass them."
        raise QueryError(message)
    small = catalog_tables(videos, [skeleton], tracks or [])
    catalog = Catalog(**small)  # type: ignore[arg-type]  # tables only
    columns = np.full(most, -1) if tracks is None else np.arange(most)
    dense = [
        DenseVideo(
            k,
            array[..., :2],
            columns[: array.shape[1]],
            first_frame,
            point_scores=array[..., 2] if array.shape[3] == 3 else None,
        )
        for k, array in enumerate(arrays)
    ]
    tables = tables_of_dense(catalog, dense, 0, kind=kind)
    require(check_tables(tables))
    return tables


def tables_of_dataset(dataset: xr.Dataset, video: Video | None) -> LabelTables:
    """Build tables from a dataset in movement's form, see `Labels.from_xarray`."""
    position = dataset.get("position")
    dims = () if position is None else position.dims
    nodes = next((name for name in _NODES if name in dims), None)
    animals = next((name for name in _ANIMALS if name in dims), None)
    if position is None or nodes is None or animals is None or not {"time", "space"} <= set(dims):
        message = (
            f"found the variables {list(dataset)} with dimensions {dims}, expected position with "
            "time, space, keypoints and individuals. Rename them."
        )
        raise QueryError(message)
    xy = position.transpose("time", animals, nodes, "space").sel(space=["x", "y"]).to_numpy()
    score = None
    if "confidence" in dataset:
        score = dataset["confidence"].transpose("time", animals, nodes).to_numpy()
    frame_idx = _frame_indices(dataset)
    if video is None:
        fps = dataset.attrs.get("fps")
        video = Video.from_filename(_video_name(dataset), fps=None if fps is None else float(fps))
    skeleton = Skeleton([str(name) for name in dataset[nodes].to_numpy()])
    tracks = [Track(0, str(name)) for name in dataset[animals].to_numpy()]
    small = catalog_tables([video], [skeleton], tracks)
    first = int(frame_idx[0]) if len(frame_idx) else 0
    dense = DenseVideo(0, xy, np.arange(len(tracks)), first, point_scores=score)
    catalog = Catalog(**small)  # type: ignore[arg-type]  # tables only
    tables = tables_of_dense(catalog, [dense], 0)
    if len(frame_idx) and bool((np.diff(frame_idx) != 1).any()):
        rows = tables.frames["frame_idx"].to_numpy() - first
        frames = tables.frames.with_columns(frame_idx=pl.Series(frame_idx[rows], dtype=pl.Int64))
        tables = LabelTables(catalog, frames, tables.instances, tables.points)
    require(check_tables(tables))
    return tables


def _video_name(dataset: xr.Dataset) -> str:
    """Return the name of the video; movement names the file that it read the poses from."""
    name = dataset.attrs.get("video_file")
    if name is None:
        name = str(dataset.attrs.get("source_file") or "")
        name = "" if format_of(name) is not None else name
    return str(name)


def _frame_indices(dataset: xr.Dataset) -> IntArray:
    """Turn times into frame indices: seconds by the frame rate, else they are indices."""
    n = dataset.sizes["time"]
    if "time" not in dataset.coords:
        return np.arange(n)
    times = dataset["time"].to_numpy().astype(np.float64)
    fps = dataset.attrs.get("fps")
    in_seconds = dataset.attrs.get("time_unit", "seconds" if fps else "frames") == "seconds"
    if in_seconds and not fps:
        message = "found times in seconds without fps, expected attrs['fps']. Set it."
        raise QueryError(message)
    indices = times * float(fps) if in_seconds and fps else times
    rounded = np.round(indices)
    if not bool((np.diff(rounded) > 0).all()) or bool((np.abs(indices - rounded) > 0.1).any()):
        message = (
            "found times that are no rising whole numbers of frames, expected such. Check fps."
        )
        raise QueryError(message)
    return rounded.astype(np.int64)
