"""Save training packages: labels with the pictures of their frames."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

import tabular_labels as tl
from benchmarks import peers
from benchmarks.bench import Bench, Peer, Way
from benchmarks.bench_video import make_movie
from benchmarks.report import times_peer

__all__ = ["run"]


def run(bench: Bench) -> None:
    n_frames = min(bench.files.n_frames, 1000)
    movie = bench.files.other("g250.mp4", partial(make_movie, n_frames, 250))
    mine, other, theirs = (bench.files.scratch(".pkg.slp") for _ in range(3))
    plain = bench.files.scratch(".slp")
    labels = _labels(movie, n_frames)
    labels.save(plain)
    try:
        bench.compare(
            f"save with {n_frames} pictures",
            Way(partial(partial, _save, labels, mine), _pictures),
            None,
            [_peer(plain, theirs)] if bench.peers else [],
            [times_peer(3, "S")],
        )
        package = tl.read_slp(mine)
        bench.check("copied bytes", _encoded(_save(package, other)), _encoded(mine))
        bench.compare(
            f"save {n_frames} pictures of a package elsewhere",
            Way(partial(partial, _save, package, other), _pictures),
            None,
            [_peer(mine, theirs)] if bench.peers else [],
            [times_peer(1, "S")],
        )
    finally:
        for path in (mine, other, theirs, plain):
            path.unlink(missing_ok=True)


def _labels(movie: Path, n_frames: int) -> tl.Labels:
    fly = tl.Skeleton(["head", "tail"])
    video = tl.Video.from_filename(movie, grayscale=False)
    frames = [
        tl.LabeledFrame(video, k, [tl.Instance(fly, [[k, 1], [2, 3]])]) for k in range(n_frames)
    ]
    return tl.Labels(frames)


def _save(labels: tl.Labels, path: Path) -> Path:
    labels.save(path, with_images=True)
    return path


def _pictures(path: Path) -> npt.NDArray[np.uint8]:
    """Read some of the pictures."""
    video = tl.read_slp(path).video
    return video[video.embedded_frame_inds[::20]]


def _encoded(path: Path) -> list[bytes]:
    import h5py

    with h5py.File(path) as file:
        return [row.tobytes() for row in file["video0/video"][::20]]


def _peer(like: Path, path: Path) -> Peer:
    def prepare() -> Any:
        import sleap_io

        labels = sleap_io.load_slp(str(like))
        return partial(_save_theirs, labels, path)

    assert peers.has_peers()
    return Peer("sleap-io", prepare, _pictures, _pictures)


def _save_theirs(labels: Any, path: Path) -> Path:
    path.unlink(missing_ok=True)
    labels.save(str(path), embed="user", verbose=False)
    return path
