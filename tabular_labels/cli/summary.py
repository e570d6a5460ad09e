"""What is in a file or project, as facts to show or to print as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import polars as pl

import tabular_labels as tl
from tabular_labels.cli.output import plain, print_facts, print_rows, size_text
from tabular_labels.io.detect import detect_format
from tabular_labels.io.project_versions import list_versions

__all__ = ["Summary", "measure", "open_labels", "print_summary", "summarise"]

_MOST_LISTED = 30


@dataclass(frozen=True)
class Summary:
    """Facts about a file or project; ``json`` has the form that `--json` prints."""

    path: str
    format: str
    bytes: int
    versions: list[int]
    frames: int
    negative_frames: int
    user_instances: int
    predicted_instances: int
    untracked_instances: int
    suggestions: int
    videos: list[dict[str, Any]]
    skeletons: list[dict[str, Any]]
    tracks: list[str]
    provenance: dict[str, Any] = field(default_factory=dict)

    def json(self) -> dict[str, Any]:
        """Return the facts as JSON-able values."""
        return asdict(self)


def open_labels(path: Path) -> tl.Labels:
    """Open a file or project of any format; points of those that can be scanned stay unread."""
    form = detect_format(path)
    if form == "parquet":
        return tl.scan_parquet(path)
    return tl.scan_slp(path) if form == "slp" else tl.load_file(path)


def measure(path: Path) -> int:
    """Return the bytes of a file, or of all files in a directory."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def summarise(path: Path) -> Summary:
    """Collect what `tabular-labels show` shows."""
    labels = open_labels(path)
    counted = ["video_id", "frame_idx", "is_negative", "n_user", "n_predicted", "n_tracked"]
    frames = labels.to_polars("frames", counted)
    n_user, n_predicted, n_tracked, n_negative = (
        int(frames[name].sum()) for name in ("n_user", "n_predicted", "n_tracked", "is_negative")
    )
    form = detect_format(path)
    return Summary(
        path=str(path),
        format=form,
        bytes=measure(path),
        versions=list_versions(path) if form == "parquet" else [],
        frames=len(labels),
        negative_frames=n_negative,
        user_instances=n_user,
        predicted_instances=n_predicted,
        untracked_instances=n_user + n_predicted - n_tracked,
        suggestions=len(labels.suggestions),
        videos=_summarise_videos(labels, frames),
        skeletons=[
            {
                "name": skeleton.name,
                "nodes": list(skeleton.node_names),
                "edges": [list(edge) for edge in skeleton.edge_inds],
            }
            for skeleton in labels.skeletons
        ],
        tracks=[track.name for track in labels.tracks],
        provenance=dict(labels.provenance),
    )


def _summarise_videos(labels: tl.Labels, frames: pl.DataFrame) -> list[dict[str, Any]]:
    by_video = frames.group_by("video_id").agg(
        pl.len().alias("frames"),
        pl.col("frame_idx").min().alias("first"),
        pl.col("frame_idx").max().alias("last"),
        pl.col("n_user", "n_predicted").sum(),
    )
    counts = {row.pop("video_id"): row for row in by_video.iter_rows(named=True)}
    tracks = labels.occupancy().group_by("video_id").agg(pl.col("track_id").n_unique())
    n_tracks = dict(tracks.iter_rows())
    ids = labels.tables.videos.collect()["video_id"].to_list()
    empty = {"frames": 0, "first": None, "last": None, "n_user": 0, "n_predicted": 0}
    return [
        {
            "filename": video.filename,
            "exists": video.exists(),
            "n_frames": video.n_frames,
            "height": video.height,
            "width": video.width,
            "channels": video.channels,
            "fps": video.fps,
            "labelled_frames": of_video["frames"],
            "first": of_video["first"],
            "last": of_video["last"],
            "user_instances": of_video["n_user"],
            "predicted_instances": of_video["n_predicted"],
            "tracks": n_tracks.get(key, 0),
        }
        for key, video in zip(ids, labels.videos, strict=True)
        for of_video in [counts.get(key, empty)]
    ]


def print_summary(summary: Summary) -> None:
    """Print the facts for people."""
    known = {"slp": "SLEAP project (.slp)", "parquet": "Parquet project"}
    kind = known.get(summary.format, f"{summary.format} file")
    versions = f", version {summary.versions[-1]}" if summary.versions else ""
    tracked = f", {summary.untracked_instances:,} untracked" if summary.untracked_instances else ""
    negative = f" ({summary.negative_frames:,} negative)" if summary.negative_frames else ""
    facts: dict[str, object] = {
        "file": summary.path,
        "format": f"{kind}{versions}, {size_text(summary.bytes)}",
        "frames": f"{summary.frames:,}{negative}",
        "instances": f"{summary.user_instances:,} user, "
        f"{summary.predicted_instances:,} predicted{tracked}",
    }
    for skeleton in summary.skeletons:
        nodes = skeleton["nodes"]
        n_edges = len(skeleton["edges"])
        label = f"{len(nodes)} nodes, {n_edges} edge{'s' * (n_edges != 1)}: {_listed(nodes)}"
        name = "skeleton" if len(summary.skeletons) == 1 else f"skeleton {skeleton['name']}"
        facts[plain(name)] = label
    facts["tracks"] = f"{len(summary.tracks):,}" + (
        f": {_listed(summary.tracks)}" if summary.tracks else ""
    )
    if summary.suggestions:
        facts["suggestions"] = f"{summary.suggestions:,}"
    missing = [video["filename"] for video in summary.videos if not video["exists"]]
    if missing:
        facts["missing"] = f"{len(missing):,} of {len(summary.videos):,} videos: {_listed(missing)}"
    print_facts(facts)
    _print_videos(summary.videos)


def _print_videos(videos: list[dict[str, Any]]) -> None:
    numbers = ("frames", "user", "predicted", "tracks")
    header = ("video", "size", *numbers, "frame indices", "file")
    rows = [
        (
            video["filename"],
            _shape(video),
            f"{video['labelled_frames']:,}",
            f"{video['user_instances']:,}",
            f"{video['predicted_instances']:,}",
            f"{video['tracks']:,}",
            "-" if video["first"] is None else f"{video['first']:,} to {video['last']:,}",
            "found" if video["exists"] else "not here",
        )
        for video in videos[:_MOST_LISTED]
    ]
    more = f" (the first {_MOST_LISTED} of {len(videos):,})" if len(videos) > len(rows) else ""
    print_rows(header, rows, title=f"\nVideos{more}", right=numbers)


def _shape(video: dict[str, Any]) -> str:
    if video["width"] is None or video["height"] is None:
        return "-"
    return f"{video['width']} x {video['height']}"


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED:,} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more
