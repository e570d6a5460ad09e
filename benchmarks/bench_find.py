"""Find frames one by one, with all they hold, and iterate over all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import tabular_labels as tl
from benchmarks import limits, peers
from benchmarks.bench import Bench, Way
from benchmarks.files import Files
from benchmarks.measure import median_call
from benchmarks.report import Row, at_most
from tabular_labels.testing.builders import SIZES

__all__ = ["run"]

_CALLS = 5_000


def run(bench: Bench) -> None:
    for n_videos in (4, *bench.variants):
        _find_one(bench, n_videos)
    _other_size(bench)
    _everything(bench)
    _all_of_a_video(bench)


def _find_one(bench: Bench, n_videos: int) -> None:
    tables, labels = bench.files.tables(n_videos), bench.files.labels(n_videos)
    by_hand = limits.open_frames(tables)
    places = _places(tables, _calls(bench))
    work = f"find(video, idx), {n_videos} videos"
    bench.check(
        work,
        [len(labels.find(*place)[0]) for place in places],
        [stop - start for start, stop in (by_hand(*place) or (0, 0) for place in places)],
    )
    row = Row(work, _per_call(labels.find, places))
    row.limit = _per_call(by_hand, places)
    if bench.peers and n_videos == 4:
        _measure_peers(bench, row, labels, places)
    bench.add(row, [at_most(5e-6, "< 5 us median", "L")])


def _other_size(bench: Bench) -> None:
    """Show that the number of frames does not matter."""
    n_frames = min(SIZES["S"], bench.files.n_frames)
    small = Files(bench.files.folder, n_frames)
    tables, labels = small.tables(), small.labels()
    row = Row(f"find(video, idx), {n_frames:,} frames", 0.0)
    row.ours = _per_call(labels.find, _places(tables, _calls(bench)))
    bench.add(row)


def _everything(bench: Bench) -> None:
    tables, labels = bench.files.tables(), bench.files.labels()
    find, read = limits.open_frames(tables), limits.read_instances(tables)
    places = _places(tables, _calls(bench))

    def by_hand(video: int, frame_idx: int) -> list[tuple[Any, ...]]:
        return read(find(video, frame_idx) or (0, 0))

    work = "find(video, idx), all values of its instances"
    some = places[:50]
    bench.check(
        work,
        [[values[-1] for values in _read_all(labels, *place)] for place in some],
        [[values[-1] for values in by_hand(*place)] for place in some],
    )
    row = Row(work, _per_call(lambda video, index: _read_all(labels, video, index), places))
    row.limit = _per_call(by_hand, places)
    bench.add(row, [at_most(40e-6, "< 40 us median", "L")])


def _read_all(labels: tl.Labels, video: int, frame_idx: int) -> list[tuple[Any, ...]]:
    frame = labels.find(video, frame_idx)[0]
    return [
        (
            instance.track,
            instance.score,
            instance.tracking_score,
            instance.skeleton,
            instance.from_predicted,
            instance.frame,
            instance.frame_idx,
            instance.video,
            instance.numpy(),
        )
        for instance in frame
    ]


def _all_of_a_video(bench: Bench) -> None:
    labels = bench.files.labels()
    labels.find(0, 0)  # what is derived once is not part of finding
    n_frames = int((bench.files.tables().frames["video_id"] == 0).sum())
    work = "find(video)"
    bench.check(work, len(labels.find(0)), n_frames)
    bench.add(Row(work, _per_call(labels.find, [(0,)] * 100)), [at_most(1e-3, "< 1 ms")])

    def iterate() -> int:
        return sum(1 + sum(1 for _ in frame) for frame in labels)

    objects = labels._snapshot.counts.frames + labels._snapshot.counts.instances
    row = bench.compare("iterate over frames and instances", Way(lambda: iterate))
    bench.check(row.work, iterate(), objects)
    per_object = Row(f"{row.work}, an object", row.ours / objects)
    bench.add(per_object, [at_most(3e-6, "< 3 us an object")])


def _places(tables: tl.LabelTables, count: int) -> list[tuple[int, int]]:
    """Draw frames at random."""
    rows = np.random.default_rng(0).integers(0, tables.frames.height, count)
    chosen = tables.frames.select("video_id", "frame_idx")[rows]
    return [(video, index) for video, index in chosen.rows()]


def _calls(bench: Bench) -> int:
    return _CALLS if bench.seconds else 50


def _per_call(call: Callable[..., object], places: list[Any]) -> float:
    call(*places[0])
    return median_call(call, places)


def _measure_peers(
    bench: Bench, row: Row, labels: tl.Labels, places: list[tuple[int, int]]
) -> None:
    """Measure sleap-io on few frames: a search of its lazy labels goes through all of them."""
    path = bench.files.slp(4)
    taken: dict[str, float] = {}
    for name in ("lazy",) if bench.is_large else ("lazy", "eager"):
        theirs = peers.kept_labels(path, lazy=name == "lazy")
        some = [(theirs.videos[video], index) for video, index in places[:100]]
        bench.check(
            f"{row.work}, sleap-io {name}",
            [peers.frame_values(labels.find(*place)[0]) for place in places[:5]],
            [peers.frame_values(theirs.find(*place)[0]) for place in some[:5]],
        )
        taken[name] = _per_call(theirs.find, some)
    row.details["peers"] = taken
    row.peer_name, row.peer = min(taken.items(), key=lambda item: item[1])
