"""Measurements that need a process of their own; each prints one JSON object.

Imports stand inside the functions: what a process has loaded is part of what is measured.
"""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def imports() -> dict[str, Any]:
    """Import the package after polars and numpy."""
    import numpy
    import polars

    loaded = {numpy.__name__, polars.__name__}
    cpu, wall = time.process_time(), time.perf_counter()
    import tabular_labels

    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {"cpu": cpu, "wall": wall, "answer": len(loaded | {tabular_labels.__name__})}


def scan(path: str) -> dict[str, Any]:
    """Open a ``.slp`` file."""
    labels, cost = _scanned(path)
    return {**cost, "answer": len(labels), "resident": _peak()}


def structure(path: str) -> dict[str, Any]:
    """Open a ``.slp`` file and find a frame, for which frames and instances are read."""
    labels, cost = _scanned(path)
    start = time.perf_counter()
    frame = labels.find(0, 0)[0]
    wall = cost["wall"] + time.perf_counter() - start
    resident = _peak()
    answer = [len(frame), round(float(frame[0].numpy()[0, 0]), 6)]
    return {
        **cost,
        "wall": wall,
        "answer": answer,
        "resident": resident,
        "resident with points": _peak(),
    }


def split(path: str, how: str) -> dict[str, Any]:
    """Open a file or project and split it."""
    import tabular_labels as tl

    ways: dict[str, dict[str, Any]] = {
        "": {},
        "by video": {"by": "video"},
        "in blocks": {"blocks": 10, "gap": 30},
    }
    labels = tl.scan_slp(path) if path.endswith(".slp") else tl.scan_parquet(path)
    cpu = time.process_time()
    parts = labels.split(0.8, seed=0, **ways[how])
    cpu = time.process_time() - cpu
    return {
        "cpu": cpu,
        "answer": [len(part) for part in parts],
        "scanned": all(part.is_scanned for part in parts),
        "resident": _peak(),
    }


def edits(path: str, count: str) -> dict[str, Any]:
    """Scan a project, edit it here and there, ask where its tracks are, swap two of them."""
    import numpy as np

    import tabular_labels as tl

    labels = tl.scan_parquet(path)
    places = np.random.default_rng(0).integers(0, len(labels), int(count)).tolist()
    for place in places:
        labels[place][0].track = labels.tracks[1]
    for place in places[:100]:
        labels[place][0][0] = (1.0, 2.0)
    for video in labels.videos:
        labels.get_track_occupancy(video)
    labels.track_swap(labels.videos[0], labels.tracks[0], labels.tracks[1], (0, 100_000))
    return {"answer": len(places), "resident": _peak()}


def bulk(path: str, level: str) -> dict[str, Any]:
    """Scan a project, edit one frame in twenty by a query, commit that."""
    import polars as pl

    import tabular_labels as tl

    labels = tl.scan_parquet(path)
    here = pl.col("frame_idx") % 20 == 0
    if level == "points":
        n = labels.update(points={"x": pl.col("x") + 1}, where=here & (pl.col("node_id") == 0))
    elif level == "tracks":
        n = labels.update(instances={"track": None}, where=here)
    else:
        n = labels.remove(where=here & (pl.col("instance_idx") == 0), level="instances")
    labels.commit("bulk")
    return {"answer": [n, labels.version], "resident": _peak()}


def clean(path: str) -> dict[str, Any]:
    """Scan a project, clean its tracks, set a few points, commit, compare with before."""
    import tabular_labels as tl

    labels = tl.scan_parquet(path)
    n_tracks = len(labels.tracks)
    labels.prune_tracks(min_frames=10)
    labels.track_swap(labels.videos[0], labels.tracks[0], labels.tracks[1], (0, 50_000))
    for place in range(0, len(labels), len(labels) // 10):
        if len(labels[place]):
            labels[place][0][0] = (1.0, 2.0)
    labels.get_track_occupancy(labels.videos[0])
    version = labels.commit("clean")
    changes = labels.diff(version - 1)
    gone = [n_tracks - len(labels.tracks), changes["tracks"].removed.height]
    return {"answer": gone, "resident": _peak()}


def merge(base: str, new: str, out: str) -> dict[str, Any]:
    """Merge two Parquet projects into a third."""
    import tabular_labels as tl
    from tabular_labels.io import parquet_write

    module = parquet_write.__name__  # loading modules is not merging
    cpu = time.process_time()
    merged = tl.merge([tl.scan_parquet(base), tl.scan_parquet(new)])
    tl.write_parquet(merged, out)
    cpu = time.process_time() - cpu
    return {"cpu": cpu, "answer": len(merged), "resident": _peak(), "module": module}


def write(path: str, out: str) -> dict[str, Any]:
    """Scan a file or project and write it as a ``.slp`` file."""
    import tabular_labels as tl
    from tabular_labels.io import slp_write

    module = slp_write.__name__  # loading modules is not writing
    labels = tl.scan_slp(path) if path.endswith(".slp") else tl.scan_parquet(path)
    cpu, wall = time.process_time(), time.perf_counter()
    tl.write_slp(labels, out)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return {
        "cpu": cpu, "wall": wall, "answer": len(labels), "resident": _peak(), "module": module,
    }  # fmt: skip


def _scanned(path: str) -> tuple[Any, dict[str, Any]]:
    import tabular_labels as tl
    from tabular_labels.io import slp_scan  # loading modules is not opening a file

    before = _peak()
    start = time.perf_counter()
    labels = tl.scan_slp(path)
    wall = time.perf_counter() - start
    return labels, {"wall": wall, "resident after imports": before, "module": slp_scan.__name__}


def _peak() -> int:
    """Return the bytes that were resident at the peak, 0 where the system does not say."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0


PROBES: dict[str, Callable[..., dict[str, Any]]] = {
    "imports": imports,
    "scan": scan,
    "structure": structure,
    "split": split,
    "edits": edits,
    "bulk": bulk,
    "clean": clean,
    "merge": merge,
    "write": write,
}

if __name__ == "__main__":
    print(json.dumps(PROBES[sys.argv[1]](*sys.argv[2:])))
