"""Export analysis files, a CSV of points, and JSON, beside sleap-io."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import polars as pl

import tabular_labels as tl
from benchmarks import peers
from benchmarks.bench import Bench, Peer, Way
from benchmarks.files import remove
from benchmarks.report import times_peer

__all__ = ["run"]

_ARRAYS = ("tracks", "track_occupancy", "point_scores", "instance_scores", "tracking_scores")
# sleap-io's table of points has these columns, in this order, under other names.
_POINTS = (
    "frame_idx", "node", "x", "y", "track", "tracking_score", "instance_score", "score", "video",
)  # fmt: skip


def run(bench: Bench) -> None:
    if bench.is_large:
        return  # an object for every point would take tens of GB
    path = bench.files.slp(4)
    _compare(bench, "write_analysis, 4 videos", _analysis, _analysis_of_peer, path, _arrays_of)
    _compare(bench, "write_csv of points", _csv, _csv_of_peer, path, _points_of)
    _compare(bench, "write_json", _json, _json_of_peer, path, _document_of)


def _compare(
    bench: Bench,
    work: str,
    ours: Callable[[tl.Labels, Path], Path],
    theirs: Callable[[Any, Path], Path],
    path: Path,
    answer: Callable[[Path], Any],
) -> None:
    """Let both write the same labels; what is read back from their files must agree."""
    tables = bench.files.tables(4)
    # Users' instances are told apart by other means in either program's files.
    labels = tl.Labels.from_tables(tables).filter(instances=pl.col("kind") == "predicted")
    made: list[Path] = []

    def target() -> Path:
        while made:
            remove(made.pop())
        made.append(bench.files.scratch(""))
        made[-1].mkdir()
        return made[-1]

    def prepare() -> Callable[[], Path]:
        folder = target()
        return lambda: ours(labels, folder)

    def prepare_theirs() -> Callable[[], Path]:
        loaded = _kept(path, bench)
        folder = bench.files.scratch("")
        folder.mkdir()
        return lambda: theirs(loaded, folder)

    def answer_and_remove(folder: Path) -> Any:
        found = answer(folder)
        remove(folder)
        return found

    bench.check(f"{work}, read back", _read_back(prepare()()), _told(labels))
    peer = Peer("eager", prepare_theirs, answer_and_remove, answer)
    bench.compare(work, Way(prepare), None, [peer] if bench.peers else [], [times_peer(20)])
    while made:
        remove(made.pop())


def _read_back(folder: Path) -> pl.DataFrame:
    """Read all files, one video after the other."""
    return pl.concat([_told(tl.load_file(file)) for file in sorted(folder.iterdir())])


def _told(labels: tl.Labels) -> pl.DataFrame:
    columns = ["video", "frame_idx", "track", "node", "x", "y", "instance_score"]
    return labels.to_polars(columns=columns).with_columns(pl.col(pl.Enum).cast(pl.String))


def _kept(path: Path, bench: Bench) -> Any:
    """Load a file of the predictions alone, once."""
    only = path.with_name(f"{path.stem}-predicted.slp")
    if not only.exists():
        labels = tl.Labels.from_tables(bench.files.tables(4))
        tl.write_slp(labels.filter(instances=pl.col("kind") == "predicted"), only)
    return peers.kept_labels(only, lazy=False)


def _analysis(labels: tl.Labels, folder: Path) -> Path:
    tl.write_analysis(labels, folder / "a.analysis.h5")
    return folder


def _analysis_of_peer(labels: Any, folder: Path) -> Path:
    import sleap_io

    for k in range(len(labels.videos)):
        sleap_io.save_analysis_h5(labels, str(folder / f"a.{k:03}.analysis.h5"), video=k)
    return folder


def _arrays_of(folder: Path) -> list[dict[str, Any]]:
    found = []
    for path in sorted(folder.iterdir()):
        with h5py.File(path) as file:
            arrays: dict[str, Any] = {name: file[name][()] for name in _ARRAYS}
            # sleap-io fills up to the video's length, the classic layout to the last frame.
            last = int(np.flatnonzero(arrays["track_occupancy"].any(axis=1))[-1]) + 1
            arrays = {
                k: v[:last] if k == "track_occupancy" else v[..., :last] for k, v in arrays.items()
            }
            arrays["names"] = [name.decode() for name in file["track_names"][()]]
            found.append(arrays)
    return found


def _csv(labels: tl.Labels, folder: Path) -> Path:
    tl.write_csv(labels, folder / "a.csv", columns=_POINTS)
    return folder


def _csv_of_peer(labels: Any, folder: Path) -> Path:
    import sleap_io

    sleap_io.save_csv(labels, str(folder / "a.csv"), format="points", save_metadata=False)
    return folder


def _points_of(folder: Path) -> pl.DataFrame:
    table = pl.read_csv(folder / "a.csv", infer_schema_length=None)
    table = table.rename({"video_path": "video", "track_score": "tracking_score"}, strict=False)
    numbers = ("x", "y", "tracking_score", "instance_score", "score")
    table = table.select(
        "frame_idx", "node", "track", "video", pl.col(numbers).cast(pl.Float64, strict=False)
    )
    # Either writes scores in its own precision.
    scores = pl.col("tracking_score", "instance_score").cast(pl.Float32)
    return table.with_columns(pl.col(numbers).fill_nan(None)).with_columns(scores)


def _json(labels: tl.Labels, folder: Path) -> Path:
    tl.write_json(labels, folder / "a.json")
    return folder


def _json_of_peer(labels: Any, folder: Path) -> Path:
    from sleap_io.codecs.dictionary import to_dict

    with (folder / "a.json").open("w") as file:
        json.dump(to_dict(labels), file)
    return folder


def _document_of(folder: Path) -> dict[str, Any]:
    """Bring either document to what both say: frames, tracks and placed points."""
    document = json.loads((folder / "a.json").read_bytes())
    rows = _of_classic(document) if "labels" in document else _of_peer(document)
    columns = (list(column) for column in zip(*rows, strict=True))
    video, frame_idx, track, score, node, x, y = columns
    return {
        "video": np.array(video),
        "frame_idx": np.array(frame_idx),
        "track": np.array(track),
        "score": np.array(score, np.float32),
        "node": np.array(node),
        "x": np.array(x),
        "y": np.array(y),
    }


def _of_classic(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (int(f["video"]), f["frame_idx"], int(i["track"]), i["score"], int(node), p["x"], p["y"])
        for f in document["labels"]
        for i in f["_instances"]
        for node, p in i["_points"].items()
    ]


def _of_peer(document: dict[str, Any]) -> list[tuple[Any, ...]]:
    return [
        (f["video_idx"], f["frame_idx"], i["track_idx"], i["score"], node, p["x"], p["y"])
        for f in document["labeled_frames"]
        for i in f["instances"]
        for node, p in enumerate(i["points"])
        if p["x"] == p["x"]
    ]
