"""Read formats of other programs through sleap-io."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import h5py

from tabular_labels._types import PathLike
from tabular_labels.errors import (
    FileFormatError,
    MissingExtraError,
    UnmodelledDataWarning,
    UnsafeFileError,
)
from tabular_labels.hdf5.guard import broken, check_dataset, translated
from tabular_labels.io.foreign_detect import ForeignFormat
from tabular_labels.io.sleap_io_inert import inert_videos, named_pictures
from tabular_labels.io.sleap_io_read import tables_of_sleap_io
from tabular_labels.io.sleap_io_write import require_sleap_io
from tabular_labels.io.slp_videos import video_table
from tabular_labels.io.video_search import VideoSearch, apply_video_search
from tabular_labels.model.tables import LabelTables

__all__ = ["read_foreign"]

_HDF5 = frozenset({"jabs", "nwb"})
_SPLITS = ("train", "val", "test")
# What readers raise at a file that is not as they expect it.
_DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def read_foreign(
    path: PathLike,
    form: ForeignFormat,
    *,
    strict: bool = False,
    video_search: VideoSearch | None = None,
) -> LabelTables:
    """Read a file or folder of another program; no video is opened or looked for.

    Args:
        path: The file or folder.
        form: Its format, as `detect_foreign` tells it.
        strict: Raise instead of warning when it holds more than our tables.
        video_search: How to find videos that moved.

    Returns:
        The tables.

    Raises:
        MissingExtraError: sleap-io, or what it needs for the format, is not installed.
        FileFormatError: The file is damaged, or not what it seems.
        UnsafeFileError: It refers to other files.

    Warns:
        UnmodelledDataWarning: It holds more than our tables.
    """
    path = Path(path)
    require_sleap_io(f"reading {path.name} ({form})")
    # Files of MATLAB 7.3 are HDF5 too, after a header of their own.
    if form in _HDF5 or (form == "leap" and h5py.is_hdf5(path)):
        _require_self_contained(path)
    with _explained(path, form), _relayed(path), inert_videos(with_sizes=form == "ultralytics"):
        labels = _READERS[form](path)
    try:
        tables = tables_of_sleap_io(labels, strict=strict)
    except FileFormatError as error:
        error.add_note(f"while reading {path}")
        raise
    return tables if video_search is None else _searched(tables, video_search, path)


def _require_self_contained(path: Path) -> None:
    """Refuse HDF5 files with links or data in other files, which sleap-io would follow.

    Links inside the file are as these formats have them.
    """
    with translated(path, "the file"), h5py.File(path, "r", locking="best-effort") as file:
        waiting: list[h5py.Group] = [file]
        seen: set[object] = set()
        while waiting:
            group = waiting.pop()
            for name in group:
                place = f"{group.name.rstrip('/')}/{name}"
                kind = group.get(name, getclass=True, getlink=True)
                if kind is h5py.ExternalLink:
                    raise _unsafe(path, place, "a link to another file")
                if kind is not h5py.HardLink:
                    continue
                found = group[name]
                if isinstance(found, h5py.Dataset):
                    check_dataset(found.id, path, place)
                elif isinstance(found, h5py.Group) and found.id not in seen:
                    seen.add(found.id)
                    waiting.append(found)


def _unsafe(path: Path, place: str, found: str) -> UnsafeFileError:
    expected = "everything in one place"
    remedy = "Ask whoever sent it for one that holds its data itself."
    return UnsafeFileError(path, place=place, found=found, expected=expected, remedy=remedy)


@contextmanager
def _explained(path: Path, form: str) -> Iterator[None]:
    """Turn what readers say about a damaged file into our error."""
    try:
        yield
    except ImportError as error:
        # sleap-io names what reads MATLAB's files in its message only.
        package = error.name or ("pymatreader" if form == "leap" else "a package of sleap-io")
        purpose = f"reading {path.name} ({form})"
        raise MissingExtraError(package, "formats", purpose) from error
    except FileFormatError:
        raise
    except _DAMAGE as error:
        found = f"what sleap-io cannot read ({type(error).__name__}: {error})"
        raise broken(path, f"the {form} file", found[:400], "a whole file") from error


@contextmanager
def _relayed(path: Path) -> Iterator[None]:
    """Pass on what is said about the labels; leave out what is said to programmers."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    said = {str(w.message) for w in caught if issubclass(w.category, UserWarning)}
    for message in sorted(said):
        warnings.warn(f"{path}: {message}", UnmodelledDataWarning, stacklevel=4)


def _searched(tables: LabelTables, search: VideoSearch, path: Path) -> LabelTables:
    backends = map(json.loads, tables.catalog.videos["backend"].to_list())
    entries = [{"backend": backend} for backend in backends]
    apply_video_search(entries, search, path)
    catalog = replace(tables.catalog, videos=video_table(entries, path))
    return replace(tables, catalog=catalog)


def _read_nwb(path: Path) -> Any:
    import sleap_io

    return sleap_io.load_nwb(str(path))


def _read_coco(path: Path) -> Any:
    import sleap_io

    return sleap_io.load_coco(str(path))


def _read_label_studio(path: Path) -> Any:
    """Read tasks, each of which names its video; those of one name are one video."""
    import sleap_io

    labels = sleap_io.load_labelstudio(str(path))
    kept: dict[str, Any] = {}
    for frame in labels.labeled_frames:
        key = json.dumps([frame.video.filename, frame.video.backend], default=list)
        frame.video = kept.setdefault(key, frame.video)
    labels.videos = list(kept.values())
    return labels


def _read_alphatracker(path: Path) -> Any:
    import sleap_io

    return sleap_io.load_alphatracker(str(path))


def _read_jabs(path: Path) -> Any:
    import sleap_io

    return sleap_io.load_jabs(str(path))


def _read_leap(path: Path) -> Any:
    import sleap_io

    return sleap_io.load_leap(str(path))


def _read_dlc(path: Path) -> Any:
    """Read a table of DeepLabCut."""
    import sleap_io

    return _with_all_pictures(lambda: sleap_io.load_dlc(str(path), config=False))


def _read_dlc_project(path: Path) -> Any:
    """Read all tables of a project of DeepLabCut."""
    import sleap_io

    return _with_all_pictures(lambda: sleap_io.load_dlc_project(str(path)))


def _with_all_pictures(read: Callable[[], Any]) -> Any:
    """Read once more if pictures are not there, without which frames would be left out."""
    found = read()
    with named_pictures():
        named = read()
    return found if _n_pictures(found) == _n_pictures(named) else named


def _n_pictures(labels: Any) -> int:
    return sum(len(video.filename) for video in labels.videos)


def _read_trackmate(path: Path) -> Any:
    """Read spots as instances with one node, each in its track."""
    import sleap_io

    labels = sleap_io.load_trackmate(str(path))
    skeleton = sleap_io.Skeleton(["centroid"], name="centroid")
    video = next(iter(labels.videos), None)
    if video is None:
        video = sleap_io.Video(filename="", open_backend=False)
    for frame in labels.labeled_frames:
        frame.video = video
        frame.instances = [centroid.to_pose(skeleton) for centroid in frame.centroids]
        for centroid, instance in zip(frame.centroids, frame.instances, strict=True):
            instance.points["score"] = centroid.score
        frame.centroids = []
    return labels


def _read_ultralytics(path: Path) -> Any:
    """Read all splits of a dataset, one after the other."""
    import sleap_io

    root = path.parent if path.is_file() else path
    config = _read_yaml(root / "data.yaml")
    splits = [name for name in _SPLITS if isinstance(config, dict) and name in config]
    _require_inside(root, [str(config[name]) for name in splits])
    read = [
        sleap_io.load_ultralytics(str(root), split=name)
        for name in splits
        if (root / str(config[name])).is_dir()
    ]
    if not read:
        found, expected = f"no folder of {', '.join(splits) or 'any split'}", "pictures and labels"
        raise broken(path, "data.yaml", found, expected)
    return _together(read)


def _read_yaml(path: Path) -> Any:
    """Read a YAML file as plain values."""
    import yaml

    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise broken(path, "the file", str(error)[:200], "YAML of plain values") from error


def _together(read: list[Any]) -> Any:
    """Put labels of one skeleton, read apart, one after the other."""
    import sleap_io

    first = read[0]
    for labels in read[1:]:
        tracks = {track.name: track for track in first.tracks}
        for frame in labels.labeled_frames:
            for instance in frame.instances:
                instance.skeleton = first.skeletons[0]
                if instance.track is not None:
                    instance.track = tracks.setdefault(instance.track.name, instance.track)
    return sleap_io.Labels(
        [frame for labels in read for frame in labels.labeled_frames],
        skeletons=first.skeletons,
        provenance=dict(first.provenance),
    )


def _require_inside(root: Path, names: Iterable[str]) -> None:
    """Refuse folders that are not below the one that names them."""
    inside = root.resolve()
    for name in names:
        if not (inside / name).resolve().is_relative_to(inside):
            raise _unsafe(root, "data.yaml", f"the folder {name!r}, which is elsewhere")


_READERS: Mapping[str, Callable[[Path], Any]] = MappingProxyType(
    {
        "alphatracker": _read_alphatracker,
        "coco": _read_coco,
        "dlc": _read_dlc,
        "dlc_project": _read_dlc_project,
        "jabs": _read_jabs,
        "labelstudio": _read_label_studio,
        "leap": _read_leap,
        "nwb": _read_nwb,
        "trackmate": _read_trackmate,
        "ultralytics": _read_ultralytics,
    }
)
