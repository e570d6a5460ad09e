"""Projects for each format of other programs, and what of them comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import tabular_labels as tl
from tabular_labels._types import FloatArray
from tabular_labels.model.objects import catalog_tables
from tabular_labels.testing.builders import make_tables
from tests.video.movies import BITS, BLOCK, encode

__all__ = ["CASES", "Case", "project", "told", "what_comes_back"]

N_FRAMES = 8


@dataclass(frozen=True)
class Case:
    """A format with labels that it can hold.

    Attributes:
        title: The format, for people.
        suffix: What our names of such files end with.
        labels: ``all``, ``user``, ``predicted``, ``one video`` (predictions of it), or
            ``one animal`` (of these).
        save: How sleap-io writes it: labels and path.
        load: How sleap-io reads it.
        options: What `Labels.save` is told to write it.
        has_order_of_nodes: Whether sleap-io writes the nodes in their order.
    """

    title: str
    suffix: str
    labels: str
    save: Callable[[Any, str], Any]
    load: Callable[[str], Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    has_order_of_nodes: bool = True


def _sio() -> Any:
    import sleap_io

    return sleap_io


def _save_jabs(labels: Any, path: str, version: int) -> None:
    folder, name = str(Path(path).parent), Path(path).name
    labels.videos[0].filename = name.replace(f"_pose_est_v{version}.h5", ".avi")
    labels.skeletons[0].name = "Mouse"
    _sio().save_jabs(labels, version, folder)


def _save_coco(labels: Any, path: str) -> None:
    _sio().save_coco(labels, path)


def _csv_case(title: str, suffix: str, labels: str, form: str, **more: Any) -> Case:
    return Case(
        title,
        suffix,
        labels,
        lambda labels, path: _sio().save_csv(labels, path, format=form),
        lambda path: _sio().load_csv(path),
        **more,
    )


def _analysis_case(title: str, preset: str, **options: Any) -> Case:
    return Case(
        title,
        ".analysis.h5",
        "one video",
        lambda labels, path: _sio().save_analysis_h5(labels, path, preset=preset),
        lambda path: _sio().load_analysis_h5(path),
        options,
    )


def _jabs_case(version: int) -> Case:
    return Case(
        f"JABS {version}",
        f"_pose_est_v{version}.h5",
        "one animal" if version == 2 else "one video",
        lambda labels, path: _save_jabs(labels, path, version),
        lambda path: _sio().load_jabs(path),
    )


CASES = [
    Case(
        "SLEAP",
        ".slp",
        "all",
        lambda labels, path: _sio().save_slp(labels, path, verbose=False),
        lambda path: _sio().load_slp(path, open_videos=False),
    ),
    _analysis_case("analysis HDF5", "matlab"),
    _analysis_case("analysis HDF5, frames first", "standard", transpose=False),
    _csv_case("analysis CSV", ".analysis.csv", "one video", "sleap", has_order_of_nodes=False),
    _csv_case("CSV of points", ".csv", "predicted", "points", options={"names": "sleap-io"}),
    _csv_case(
        "CSV of instances",
        ".csv",
        "predicted",
        "instances",
        options={"level": "instances", "names": "sleap-io"},
    ),
    Case(
        "NWB, predictions",
        ".nwb",
        "predicted",
        lambda labels, path: _sio().save_nwb(labels, path),
        lambda path: _sio().load_nwb(path),
    ),
    Case(
        "NWB, user labels",
        ".nwb",
        "user",
        lambda labels, path: _sio().save_nwb(labels, path),
        lambda path: _sio().load_nwb(path),
    ),
    Case("COCO", ".coco.json", "all", _save_coco, lambda path: _sio().load_coco(path)),
    Case(
        "Label Studio",
        ".labelstudio.json",
        "all",
        lambda labels, path: _sio().save_labelstudio(labels, path),
        lambda path: _sio().load_labelstudio(path),
    ),
    Case(
        "DeepLabCut",
        ".dlc.csv",
        "user",
        lambda labels, path: _sio().save_csv(labels, path, format="dlc", include_score=False),
        lambda path: _sio().load_dlc(path, config=False),
    ),
    *map(_jabs_case, (2, 3, 4, 5)),
    Case(
        "Ultralytics",
        ".ultralytics",
        "user",
        lambda labels, path: _sio().save_ultralytics(
            labels, path, split_ratios={"train": 1.0}, verbose=False
        ),
        lambda path: _sio().load_ultralytics(path),
    ),
]


def project(folder: Path, labels: str) -> tl.Labels:
    """Make labels of movies in a folder; the same each time."""
    n_videos, n_nodes = (1, 12) if labels.startswith("one") else (2, 3)
    tables = make_tables(N_FRAMES, n_videos=n_videos, n_nodes=n_nodes, user_fraction=0.4)
    shape: dict[str, Any] = {
        "height": 64,
        "width": BITS * BLOCK,
        "channels": 3,
        "n_frames": N_FRAMES,
        "fps": 30.0,
    }
    videos = []
    for k in range(n_videos):
        path = folder / f"movie{k}.mp4"
        if not path.exists():
            encode(path, N_FRAMES)
        videos.append(tl.Video.from_filename(path.as_posix(), **shape))
    rows = catalog_tables(videos, [], [])["videos"]
    catalog = replace(tables.catalog, videos=rows)
    whole = tl.Labels.from_tables(replace(tables, catalog=catalog))
    if labels == "all":
        return whole
    if labels == "one animal":
        return whole.filter(instances=(pl.col("kind") == "predicted") & (pl.col("track_id") == 0))
    kind = "user" if labels == "user" else "predicted"
    return whole.filter(instances=pl.col("kind") == kind)


def told(labels: tl.Labels) -> list[Any]:
    """Say all of the frames, without the order of instances in them."""
    return [
        (frame.video.filename, frame.frame_idx, sorted(map(_of_instance, frame), key=repr))
        for frame in labels
    ]


def _of_instance(one: Any) -> Any:
    track = None if one.track is None else one.track.name
    scores = (one.score if isinstance(one, tl.PredictedInstance) else None, one.tracking_score)
    return (
        type(one).__name__,
        track,
        list(one.skeleton.node_names),
        repr(np.round(one.numpy(invisible_as_nan=False), 9).tolist()),
        scores,
    )


def what_comes_back(before: tl.Labels, after: tl.Labels) -> dict[str, str]:
    """Compare labels with what was read of the file that they were written to."""
    frames, others = in_order(before), in_order(after)
    pairs = _pairs(frames, others) if len(frames) == len(others) else []
    ours, theirs = before._catalog, after._catalog
    edges = [
        table.edges.filter(pl.col("kind") == "edge").select("source", "target").rows()
        for table in (ours, theirs)
    ]
    names = [sorted(table.nodes["name"].to_list()) for table in (ours, theirs)]
    return {
        "frames": f"{len(after)} of {len(before)}",
        "videos": _answer([f.video.filename for f in frames] == [f.video.filename for f in others]),
        "frame indices": _answer([f.frame_idx for f in frames] == [f.frame_idx for f in others]),
        "instances": f"{_count(after)} of {_count(before)}",
        "kinds": _all_same(pairs, lambda one: type(one).__name__),
        "tracks": _tracks(pairs),
        "x, y": _distance(pairs),
        "scores": _all_same(pairs, _scores),
        "nodes": _answer(names[0] == names[1]),
        "edges": _answer(edges[0] == edges[1]),
        "suggestions": _answer(ours.suggestions.height == theirs.suggestions.height),
    }


def _count(labels: tl.Labels) -> int:
    return sum(map(len, labels))


def in_order(labels: tl.Labels) -> list[Any]:
    """Frames by video and index: some formats sort them otherwise."""
    return sorted(labels, key=lambda frame: (labels.videos.index(frame.video), frame.frame_idx))


def _pairs(before: list[Any], after: list[Any]) -> list[tuple[Any, Any]]:
    """Pair instances that are nearest to each other, frame by frame."""
    found = []
    for mine, theirs in zip(before, after, strict=True):
        left = list(theirs)
        for one in mine:
            if left:
                k = int(np.argmin([_apart(one, other) for other in left]))
                found.append((one, left.pop(k)))
    return found


def _apart(one: Any, other: Any) -> float:
    difference = _points(one, other) - _points(other, other)
    distance = float(np.nanmax(np.abs(difference))) if np.isfinite(difference).any() else 0.0
    # Copies at one place are told apart by what made them, where that is kept.
    return distance + 1e-6 * (type(one) is not type(other))


def _points(one: Any, like: Any) -> FloatArray:
    """Points in the order of the other's nodes."""
    order = (
        [one.skeleton.node_names.index(name) for name in like.skeleton.node_names]
        if set(like.skeleton.node_names) == set(one.skeleton.node_names)
        else range(len(one.skeleton.node_names))
    )
    points: FloatArray = one.numpy(invisible_as_nan=False)[list(order)]
    return points


def _answer(is_same: bool) -> str:
    return "yes" if is_same else "no"


def _all_same(pairs: list[tuple[Any, Any]], of: Callable[[Any], Any]) -> str:
    return _answer(bool(pairs) and all(of(a) == of(b) for a, b in pairs))


def _scores(one: Any) -> Any:
    return one.score if isinstance(one, tl.PredictedInstance) else None


def _tracks(pairs: list[tuple[Any, Any]]) -> str:
    """Tell tracks with their names from tracks with other names, and from none."""
    names = [tuple(None if one.track is None else one.track.name for one in pair) for pair in pairs]
    if all(a == b for a, b in names):
        return "yes"
    known = {(a, b) for a, b in names}
    is_renamed = len(known) == len({a for a, _ in known}) == len({b for _, b in known})
    return "renamed" if is_renamed and all(b is not None for _, b in known) else "no"


def _distance(pairs: list[tuple[Any, Any]]) -> str:
    worst, is_same_gaps = 0.0, True
    for mine, theirs in pairs:
        a, b = _points(mine, theirs), _points(theirs, theirs)
        is_same_gaps &= bool((np.isnan(a) == np.isnan(b)).all())
        if np.isfinite(a - b).any():
            worst = max(worst, float(np.nanmax(np.abs(a - b))))
    exact = "exact" if worst == 0 else "rounded" if worst < 1e-3 else "to the pixel"
    exact = exact if worst < 1 else f"off by {worst:.0f}"
    return exact if is_same_gaps else f"{exact}, missing ones not"
