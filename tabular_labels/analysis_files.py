"""Analysis files of labels: one video each, by track, as HDF5 arrays or CSV rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Literal, TypeAlias

import numpy as np
import polars as pl

from tabular_labels._types import PathLike
from tabular_labels.errors import LeftOutWarning, UntrackedInstancesWarning
from tabular_labels.model.objects import Objects, catalog_tables
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.tables import Catalog, LabelTables
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.origins import refuse_to_replace
from tabular_labels.queries.analysis import (
    AnalysisBlock,
    AnalysisLayout,
    Untracked,
    analysis_blocks,
    analysis_layout,
)
from tabular_labels.queries.from_dense import DenseVideo, tables_of_dense
from tabular_labels.store.snapshot import Snapshot

__all__ = [
    "AnalysisRules",
    "export_csv",
    "export_hdf5",
    "save_analysis",
    "tables_of_analysis",
]

Progress: TypeAlias = Callable[[int, int], object]


@dataclass(frozen=True)
class AnalysisRules:
    """What goes into analysis files, see `exchange.write_analysis`."""

    all_frames: bool = True
    untracked: Untracked = "drop"
    min_occupancy: float = 0.0


def save_analysis(
    snapshot: Snapshot,
    path: PathLike,
    form: Literal["analysis", "analysis_csv"],
    *,
    all_frames: bool = True,
    untracked: Untracked = "drop",
    min_occupancy: float = 0.0,
    transpose: bool = True,
    pad_frames: bool = False,
    escape_formulas: bool = False,
    progress: Progress | None = None,
) -> list[Path]:
    """Write all videos, see `exchange.write_analysis` and `exchange.write_analysis_csv`."""
    rules = AnalysisRules(all_frames, untracked, min_occupancy)
    if form == "analysis":
        return export_hdf5(
            snapshot, path, None, rules, transpose=transpose, labels_path=None, progress=progress
        )
    return export_csv(
        snapshot,
        path,
        None,
        rules,
        pad_frames=pad_frames,
        escape_formulas=escape_formulas,
        progress=progress,
    )


@dataclass(frozen=True)
class _Job:
    """One video and the file it goes to."""

    video_id: int
    path: Path
    layout: AnalysisLayout


def export_hdf5(
    snapshot: Snapshot,
    path: PathLike,
    video_id: int | None,
    rules: AnalysisRules,
    *,
    transpose: bool,
    labels_path: PathLike | None,
    progress: Progress | None,
) -> list[Path]:
    """Write an HDF5 file for each video, see `exchange.write_analysis`."""
    from tabular_labels.io.analysis_write import AnalysisHeader, write_analysis

    structure, catalog = snapshot.structure, snapshot.catalog
    objects = Objects.of(catalog)
    jobs = _jobs(snapshot, path, video_id, rules)

    def header(job: _Job) -> AnalysisHeader:
        layout, video = job.layout, objects.video_by_id[job.video_id]
        skeleton = _skeleton(objects, layout)
        return AnalysisHeader(
            n_frames=layout.n_frames,
            n_tracks=len(layout.tracks),
            frames_at_once=layout.frames_at_once,
            node_names=skeleton.node_names,
            track_names=_track_names(catalog, layout, rules.untracked),
            edges=skeleton.edge_inds,
            video_path=video.filename,
            video_ind=objects.videos.index(video),
            labels_path=None if labels_path is None else str(Path(labels_path)),
            provenance=catalog.provenance,
            first_frame=layout.first_frame,
            n_untracked=int((layout.tracks < 0).sum()) if rules.untracked == "keep" else 0,
            skeleton_name=skeleton.name,
            symmetries=skeleton.symmetry_names,
        )

    def write(job: _Job, temporary: Path, told: Callable[[int], object]) -> None:
        blocks = analysis_blocks(structure, job.layout, snapshot.read_points)
        write_analysis(temporary, header(job), blocks, transpose=transpose, progress=told)

    return _write_all(jobs, write, progress)


def export_csv(
    snapshot: Snapshot,
    path: PathLike,
    video_id: int | None,
    rules: AnalysisRules,
    *,
    pad_frames: bool,
    escape_formulas: bool,
    progress: Progress | None,
) -> list[Path]:
    """Write a CSV file for each video, see `exchange.write_analysis_csv`."""
    from tabular_labels.io.table_files import write_batches

    objects = Objects.of(snapshot.catalog)
    jobs = _jobs(snapshot, path, video_id, rules)

    def write(job: _Job, temporary: Path, told: Callable[[int], object]) -> None:
        names = _track_names(snapshot.catalog, job.layout, rules.untracked, csv=True)
        nodes = _skeleton(objects, job.layout).node_names

        def batches() -> Iterator[pl.DataFrame]:
            blocks = analysis_blocks(snapshot.structure, job.layout, snapshot.read_points)
            for block in blocks:
                table = _csv_rows(block, job.layout, names, nodes)
                yield _padded(table, block, job.layout) if pad_frames else table
                told(block.stop)

        schema = _csv_rows(None, job.layout, names, nodes).schema
        write_batches(temporary, "csv", schema, batches(), escape_formulas=escape_formulas)

    return _write_all(jobs, write, progress)


def _jobs(
    snapshot: Snapshot, path: PathLike, video_id: int | None, rules: AnalysisRules
) -> list[_Job]:
    """Settle which videos are written where, and say what has no place."""
    refuse_to_replace(snapshot, path)
    frames, videos = snapshot.structure.frames, snapshot.catalog.videos
    labelled = set(frames["video_id"].unique())
    wanted = [video_id] if video_id is not None else videos["video_id"].to_list()
    wanted = [key for key in wanted if key in labelled]
    if not wanted:
        message = f"{path}: found no labelled frames to write, expected some. Choose another video."
        raise ValueError(message)
    jobs = []
    for key in wanted:
        layout = analysis_layout(
            snapshot.structure,
            snapshot.catalog,
            key,
            all_frames=rules.all_frames,
            untracked=rules.untracked,
            min_occupancy=rules.min_occupancy,
        )
        place = videos["video_id"].to_list().index(key)
        target = Path(path)
        if len(wanted) > 1:
            target = _named_for(target, place, str(videos["filename"][place]))
        jobs.append(_Job(key, target, layout))
    _warn(str(path), [job.layout for job in jobs])
    return jobs


def _named_for(path: Path, place: int, video: str) -> Path:
    """Put the video's place and name before the suffix, as the classic program does."""
    suffix = next((s for s in (".analysis.h5", ".analysis.csv") if path.name.endswith(s)), "")
    suffix = suffix or path.suffix
    stem = path.name.removesuffix(suffix)
    return path.with_name(f"{stem}.{place:03}_{PureWindowsPath(video).stem}{suffix}")


def _warn(path: str, layouts: list[AnalysisLayout]) -> None:
    n_untracked = sum(layout.n_untracked for layout in layouts)
    if n_untracked:
        message = (
            f"{path}: {n_untracked} instances without a track have no column and were left out; "
            'untracked="keep" gives them columns'
        )
        warnings.warn(message, UntrackedInstancesWarning, stacklevel=5)
    n_outdone = sum(layout.n_outdone for layout in layouts)
    n_other = sum(layout.n_other for layout in layouts)
    reasons = {
        "instances in the place of another": n_outdone,
        "instances of other skeletons than the first": n_other,
    }
    left_out = [f"{what} ({n})" for what, n in reasons.items() if n]
    if left_out:
        message = f"{path}: left out on writing: {', '.join(left_out)}"
        warnings.warn(message, LeftOutWarning, stacklevel=5)


def _write_all(
    jobs: list[_Job],
    write: Callable[[_Job, Path, Callable[[int], object]], None],
    progress: Progress | None,
) -> list[Path]:
    """Write every file beside its place, then let all appear."""
    from tabular_labels.io.atomic import atomic_path

    total, done = sum(job.layout.n_frames for job in jobs), 0
    with ExitStack() as stack:
        for job in jobs:
            temporary = stack.enter_context(atomic_path(job.path))

            def told(rows: int, before: int = done) -> None:
                if progress is not None:
                    progress(before + rows, total)

            write(job, temporary, told)
            done += job.layout.n_frames
    return [job.path for job in jobs]


def _skeleton(objects: Objects, layout: AnalysisLayout) -> Skeleton:
    if layout.skeleton_id is None:
        return Skeleton()
    return objects.skeleton_by_id[layout.skeleton_id]


def _track_names(
    catalog: Catalog, layout: AnalysisLayout, untracked: Untracked, *, csv: bool = False
) -> list[str]:
    """Name the columns; a project without tracks has no names, as in the classic layout."""
    if catalog.tracks.is_empty() and untracked == "drop" and not csv:
        return []
    names = catalog.tracks["name"].to_list()
    n_untracked = int((layout.tracks < 0).sum())
    made_up = ["" if csv else f"untracked_{k}" for k in range(n_untracked)]
    return [names[place] for place in layout.tracks if place >= 0] + made_up


def _csv_rows(
    block: AnalysisBlock | None, layout: AnalysisLayout, names: list[str], nodes: list[str]
) -> pl.DataFrame:
    """Make a row for each instance with a point; columns as the classic program names them."""
    if block is None:
        shape = (0, len(names))
        nothing = np.empty((*shape, len(nodes)))
        block = AnalysisBlock(
            0,
            0,
            np.empty(shape, np.uint8),
            np.empty((*nothing.shape, 2)),
            nothing,
            np.empty(shape),
            np.empty(shape),
        )
    frame, column = np.nonzero(~np.isnan(block.xy).all(axis=(2, 3)))
    xy, scores = block.xy[frame, column], block.point_scores[frame, column]
    track = pl.Series([name or None for name in names], dtype=pl.String)
    made: dict[str, pl.Series] = {
        "track": track.gather(column),
        "frame_idx": pl.Series(frame + block.start + layout.first_frame, dtype=pl.Int64),
        "instance.score": _nullable(block.instance_scores[frame, column]),
    }
    for k, node in enumerate(nodes):
        made[f"{node}.x"] = _nullable(xy[:, k, 0])
        made[f"{node}.y"] = _nullable(xy[:, k, 1])
        made[f"{node}.score"] = _nullable(scores[:, k])
    return pl.DataFrame(made)


def _nullable(values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> pl.Series:
    return pl.Series(np.ascontiguousarray(values)).fill_nan(None)


def _padded(table: pl.DataFrame, block: AnalysisBlock, layout: AnalysisLayout) -> pl.DataFrame:
    """Add a row for each frame without instances."""
    every = np.arange(block.start, block.stop) + layout.first_frame
    missing = np.setdiff1d(every, table["frame_idx"].to_numpy())
    pads = pl.DataFrame({"frame_idx": missing})
    return pl.concat([table, pads], how="diagonal").sort("frame_idx", maintain_order=True)


def tables_of_analysis(path: PathLike, video: Video | PathLike | None = None) -> LabelTables:
    """Read an analysis file, see `exchange.read_analysis`."""
    from tabular_labels.io.analysis_read import read_analysis

    arrays = read_analysis(path)
    if not isinstance(video, Video):
        video = Video.from_filename(arrays.video_path if video is None else video)
    names = [name for name in arrays.track_names if name is not None]
    small = catalog_tables([video], [arrays.skeleton], [Track(0, name) for name in names])
    catalog = Catalog(**small, provenance=arrays.provenance)  # type: ignore[arg-type]  # tables only
    places = iter(range(len(names)))
    tracks = np.array([-1 if name is None else next(places) for name in arrays.track_names], int)
    dense = DenseVideo(
        0,
        arrays.xy,
        tracks,
        arrays.first_frame,
        arrays.present,
        arrays.scores.get("point_scores"),
        arrays.scores.get("instance_scores"),
        arrays.scores.get("tracking_scores"),
    )
    return tables_of_dense(catalog, [dense], 0)
