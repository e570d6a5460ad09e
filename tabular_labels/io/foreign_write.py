"""Write formats of other programs through sleap-io; what cannot be held is said or refused."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import PathLike
from tabular_labels.errors import (
    ExportError,
    LeftOutWarning,
    MissingVideoError,
    UnmodelledDataWarning,
)
from tabular_labels.io.atomic import atomic_path
from tabular_labels.io.foreign_read import read_foreign
from tabular_labels.io.sleap_io_inert import unopened_videos
from tabular_labels.io.sleap_io_write import require_sleap_io, sleap_io_labels
from tabular_labels.model.source import Readable

__all__ = ["FOLDERS", "JABS_NODES", "LOSSES", "write_foreign"]

FOLDERS = frozenset({"ultralytics"})
"""Formats that are folders."""

JABS_NODES = 12
"""Nodes of the only skeleton that JABS knows."""

_ALWAYS = ("links to predictions", "negative frames", "suggestions", "symmetries")
_HIDDEN = "places of invisible points"
_PICTURES = ("kinds of instances", "scores", "names of tracks", "frame indices")
LOSSES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "coco": (*_PICTURES, _HIDDEN, *_ALWAYS),
        "dlc": ("kinds of instances", "scores", "edges", "frame indices", _HIDDEN, *_ALWAYS),
        "jabs": (
            "kinds of instances",
            "scores",
            "names of tracks",
            "names of nodes",
            "edges",
            "fractions of pixels",
            *_ALWAYS,
        ),
        "labelstudio": ("kinds of instances", "scores", "tracks", "edges", *_ALWAYS),
        "nwb": ("kinds of instances", "scores", "tracks", _HIDDEN, *_ALWAYS),
        "ultralytics": ("kinds of instances", "scores", "tracks", "frame indices", *_ALWAYS),
    }
)
"""What a format has no place for, by what may be there to be lost."""


def write_foreign(labels: Readable, path: PathLike, form: str, **options: Any) -> None:
    """Write labels in a format of another program; it appears whole or not at all.

    Args:
        labels: What to write.
        path: The file, or for a format of many files the folder, which must not exist.
        form: The format.
        **options: Of sleap-io's function for the format.

    Raises:
        ExportError: The format cannot hold labels like these.
        MissingExtraError: sleap-io is not installed.
        MissingVideoError: The format holds pictures, and a video is not there.
        FileExistsError: There is a folder already.

    Warns:
        UnmodelledDataWarning: The format has no place for something, as the message says.
        LeftOutWarning: Instances or frame indices are not read back as they were (NWB).
    """
    target = Path(path)
    require_sleap_io(f"writing {target.name} ({form})")
    if form in FOLDERS and target.exists():
        message = f"{target}: found something there, expected nothing. Choose another name."
        raise FileExistsError(message)
    _CHECKS.get(form, _accept)(labels, target)
    _warn_of_losses(labels, form, target)
    with warnings.catch_warnings():
        # What the format loses has been said, and sleap-io's own model is only between.
        warnings.simplefilter("ignore", UnmodelledDataWarning)
        made = sleap_io_labels(labels)
    unopened_videos(made)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name[:40]}.") as folder:
        temporary = Path(folder) / target.name
        with _explained(target, form):
            _WRITERS[form](made, temporary, options)
        if form == "nwb":
            _warn_of_changes(labels, temporary, target)
        if form in FOLDERS:
            temporary.rename(target)
        else:
            with atomic_path(target) as beside:
                shutil.move(temporary, beside)


@contextmanager
def _explained(path: Path, form: str) -> Iterator[None]:
    """Turn what sleap-io says against labels into our error; leave out its asides."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ValueError, LookupError, TypeError, AssertionError, AttributeError) as error:
        raise ExportError(path, form, f"{type(error).__name__}: {error}") from error


def _accept(labels: Readable, path: Path) -> None:
    """Accept all labels."""


def _warn_of_losses(labels: Readable, form: str, path: Path) -> None:
    there = _what_is_there(labels, form)
    found = ", ".join(f"{what} ({there[what]})" for what in LOSSES[form] if there[what])
    if found:
        message = f"{path}: {form} has no place for some of the data, which stays behind: {found}"
        warnings.warn(message, UnmodelledDataWarning, stacklevel=5)


def _warn_of_changes(labels: Readable, written: Path, path: Path) -> None:
    """Count what stands in a file of NWB otherwise than it should.

    sleap-io rounds the rate of a track that is seen at regular gaps, down to nothing, and
    numbers the frames that there are.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnmodelledDataWarning)
        back = read_foreign(written, "nwb")
    places, found = (
        np.unique(table["frame_idx"].to_numpy()) for table in (labels.structure.frames, back.frames)
    )
    n_lost = labels.structure.instances.height - back.instances.height
    n_moved = len(np.setdiff1d(places, found))
    if n_lost or n_moved:
        message = (
            f"{path}: nwb as sleap-io writes it does not give everything back: {n_lost} of "
            f"{labels.structure.instances.height} instances and {n_moved} of {len(places)} frame "
            "indices differ. Keep a copy in another format, such as .slp"
        )
        warnings.warn(message, LeftOutWarning, stacklevel=5)


def _what_is_there(labels: Readable, form: str) -> Counter[str]:
    """Count what formats may lose."""
    catalog, structure = labels.catalog, labels.structure
    instances, frames = structure.instances, structure.frames
    points = labels.read_points(("x", "visible"))
    n_user = int(structure.is_user.sum())
    # All become what the format holds; NWB holds predictions where there is nothing else.
    n_other = n_user if form == "jabs" else instances.height - n_user
    n_other = 0 if form == "nwb" and not n_user else n_other
    return Counter(
        {
            "kinds of instances": n_other,
            "fractions of pixels": instances.height,
            "scores": int(instances["score"].is_not_null().sum()),
            _HIDDEN: points.filter(pl.col("x").is_not_null(), ~pl.col("visible")).height,
            "tracks": int(instances["track_id"].is_not_null().sum()),
            "edges": int((catalog.edges["kind"] == "edge").sum()),
            "symmetries": int((catalog.edges["kind"] == "symmetry").sum()),
            "frame indices": frames.height,
            "negative frames": int(frames["is_negative"].sum()),
            "suggestions": catalog.suggestions.height,
            "links to predictions": int(instances["from_predicted"].is_not_null().sum()),
            "names of nodes": catalog.nodes.height,
            "names of tracks": catalog.tracks.height,
        }
    )


def _check_one_skeleton(labels: Readable, path: Path) -> None:
    n = labels.catalog.skeletons.height
    if n != 1:
        raise ExportError(path, path.suffix, f"found {n} skeletons, expected one")


def _check_jabs(labels: Readable, path: Path) -> None:
    _check_one_skeleton(labels, path)
    n = labels.catalog.videos.height
    if n != 1:
        found = f"found {n} videos, expected one: save `labels.filter(...)` of each"
        raise ExportError(path, "JABS", found)
    nodes = labels.catalog.nodes.height
    if nodes != JABS_NODES:
        found = f"found {nodes} nodes, expected the {JABS_NODES} of its mouse"
        raise ExportError(path, "JABS", found)
    n_untracked = labels.structure.instances["track_id"].null_count()
    if n_untracked:
        found = f"found {n_untracked} untracked instances, expected a track for each"
        raise ExportError(path, "JABS", found)
    n_tracks = labels.structure.instances["track_id"].n_unique()
    if _jabs_version(path) == 2 and n_tracks > 1:
        found = f"found {n_tracks} tracks, expected one: versions from 3 on hold several mice"
        raise ExportError(path, "JABS 2", found)


def _jabs_version(path: Path) -> int:
    return int(path.stem.rpartition("_v")[2])


def _check_dlc(labels: Readable, path: Path) -> None:
    """Refuse labels of which some instances would overwrite others."""
    _check_one_skeleton(labels, path)
    instances = labels.structure.instances
    is_single = labels.catalog.tracks.height <= 1
    place = ["frame_id"] if is_single else ["frame_id", "track_id"]
    n_twice = instances.height - instances.select(pl.struct(place).n_unique()).item()
    n_untracked = 0 if is_single else instances["track_id"].null_count()
    if n_twice or n_untracked:
        found = (
            f"found {n_untracked} untracked instances and {n_twice} more than one of a track in a "
            "frame, expected one of each track: filter them, or give them tracks"
        )
        raise ExportError(path, "DeepLabCut", found)
    _require_stems(labels, path)


def _require_stems(labels: Readable, path: Path) -> None:
    """Refuse videos that could not be told apart by the stems of their names."""
    stems = Counter(map(_stem, labels.catalog.videos["filename"].to_list()))
    twice = [stem for stem, n in stems.items() if n > 1]
    if twice:
        found = f"found several videos called {twice[0]!r}, expected different names"
        raise ExportError(path, "DeepLabCut", found)


def _check_ultralytics(labels: Readable, path: Path) -> None:
    _check_one_skeleton(labels, path)
    used = labels.structure.frames["video_id"].unique()
    videos = labels.catalog.videos.filter(pl.col("video_id").is_in(used.implode()))
    for filename in videos["filename"].to_list():
        if not Path(filename).exists():
            raise MissingVideoError(filename)


def _stem(filename: str) -> str:
    return PurePosixPath(filename.replace("\\", "/")).stem


def _write_nwb(labels: Any, path: Path, options: dict[str, Any]) -> None:
    import sleap_io

    # NWB wants a name for each, which a skeleton of ours need not have.
    for number, skeleton in enumerate(labels.skeletons):
        skeleton.name = skeleton.name or f"Skeleton-{number}"
    sleap_io.save_nwb(labels, str(path), **options)


def _write_coco(labels: Any, path: Path, options: dict[str, Any]) -> None:
    """Write one picture name for each frame; videos of one name are told apart."""
    import sleap_io

    stems = [_stem(_first_name(video)) for video in labels.videos]
    repeated = {stem for stem, n in Counter(stems).items() if n > 1}
    prefixes = {
        id(video): f"{stem}_{k}" if stem in repeated else stem
        for k, (video, stem) in enumerate(zip(labels.videos, stems, strict=True))
    }
    names = [_picture_name(frame, prefixes) for frame in labels.labeled_frames]
    sleap_io.save_coco(labels, str(path), **{"image_filenames": names, **options})


def _picture_name(frame: Any, prefixes: dict[int, str]) -> str:
    names = frame.video.filename
    if isinstance(names, list) and frame.frame_idx < len(names):
        return str(names[frame.frame_idx])
    return f"{prefixes[id(frame.video)]}_frame_{frame.frame_idx:06d}.png"


def _first_name(video: Any) -> str:
    names = video.filename
    return next(iter(names), "") if isinstance(names, list) else names


def _write_label_studio(labels: Any, path: Path, options: dict[str, Any]) -> None:
    import sleap_io

    sleap_io.save_labelstudio(labels, str(path), **options)


def _write_dlc(labels: Any, path: Path, options: dict[str, Any]) -> None:
    import sleap_io

    sleap_io.save_csv(labels, str(path), format="dlc", **{"include_score": False, **options})


def _write_jabs(labels: Any, path: Path, options: dict[str, Any]) -> None:
    """Write the file of one video, whose name sleap-io makes of the video's."""
    import sleap_io

    stem = path.stem.rpartition("_pose_est_v")[0]
    labels.videos[0].filename = f"{stem}.avi"
    labels.skeletons[0].name = "Mouse"
    sleap_io.save_jabs(labels, _jabs_version(path), str(path.parent), **options)


def _write_ultralytics(labels: Any, path: Path, options: dict[str, Any]) -> None:
    import sleap_io

    for video in labels.videos:
        video.backend = None
        video.open()
    given = {"split_ratios": {"train": 1.0}, "verbose": False, **options}
    sleap_io.save_ultralytics(labels, str(path), **given)


_CHECKS: Mapping[str, Callable[[Readable, Path], None]] = MappingProxyType(
    {"jabs": _check_jabs, "dlc": _check_dlc, "ultralytics": _check_ultralytics}
)
_WRITERS: Mapping[str, Callable[[Any, Path, dict[str, Any]], None]] = MappingProxyType(
    {
        "coco": _write_coco,
        "dlc": _write_dlc,
        "jabs": _write_jabs,
        "labelstudio": _write_label_studio,
        "nwb": _write_nwb,
        "ultralytics": _write_ultralytics,
    }
)
