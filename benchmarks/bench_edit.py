"""Edits one by one, by place, over ranges, and queries over them."""

from __future__ import annotations

import gc
import shutil
import time
from collections.abc import Callable, Iterable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import tabular_labels as tl
from benchmarks import peers
from benchmarks.bench import Bench, Way
from benchmarks.files import Files, remove
from benchmarks.measure import fresh_process
from benchmarks.report import Bound, Row, at_most, times_limit

__all__ = ["run"]

_SMALL = 10_000  # frames of the project that edits are compared with
_AT_MOST_OF_SMALL = 1.5


def run(bench: Bench) -> None:
    _single_edits(bench)
    _interleaved(bench)
    _scanned(bench)
    _queries(bench)
    _occupancy(bench)
    _swap(bench)
    _memory(bench)


def _calls(bench: Bench) -> int:
    return 10_000 if bench.seconds else 20  # the few of a smoke run are not judged


def _places(labels: tl.Labels, count: int) -> list[tuple[int, int]]:
    """Draw frames at random, each once if there are enough."""
    frames = labels._snapshot.structure.frames.select("video_id", "frame_idx")
    rng = np.random.default_rng(0)
    rows = rng.choice(frames.height, count, replace=count > frames.height)
    return [(video, index) for video, index in frames[rows].rows()]


def _each(call: Callable[..., object], arguments: Iterable[tuple[Any, ...]]) -> np.ndarray:
    """Return the CPU seconds of this thread that each call took."""
    clock, taken = time.thread_time_ns, []
    gc.collect()
    for argument in arguments:
        start = clock()
        call(*argument)
        taken.append(clock() - start)
    return np.array(taken) / 1e9


# One at a time, in memory


def _single_edits(bench: Bench) -> None:
    small = Files(bench.files.folder, min(_SMALL, bench.files.n_frames))
    before = dict(_edits(small.labels(), _calls(bench)))
    labels = bench.files.labels()
    for work, taken in _edits(labels, _calls(bench)):
        is_by_place = work.startswith("by place")
        most = 3e-3 if is_by_place else 100e-6
        row = Row(work, float(np.median(taken)), limit=float(np.median(before[work])))
        text = "< 3 ms" if is_by_place else "< 100 us"
        bounds = [at_most(most, text, "L")]
        if not is_by_place:
            bounds.append(times_limit(_AT_MOST_OF_SMALL, "L"))
        bench.add(row, bounds)
        rare = Row(f"{work}, p99.9", float(np.quantile(taken, 0.999)))
        bench.add(rare, [] if is_by_place else [at_most(1e-3, "< 1 ms", "L")])
    _check_edits(bench)


def _edits(labels: tl.Labels, n: int) -> Iterable[tuple[str, np.ndarray]]:
    frames = [labels.find(*place)[0] for place in _places(labels, n)]
    track, other = labels.tracks[:2]
    skeleton, video = labels.skeletons[0], labels.videos[0]
    xy = np.ones((len(skeleton), 2))
    new = max(frame.frame_idx for frame in labels.find(video)[-1:]) + 1
    labels[0][0].track = track  # what is made once

    def make(k: int) -> tl.LabeledFrame:
        return tl.LabeledFrame(video, new + k, [tl.Instance(skeleton, xy, track)])

    def set_track(frame: tl.LabeledFrame) -> None:
        frame.instances[0].track = other

    def add(frame: tl.LabeledFrame) -> None:
        labels.add_instance(frame, tl.Instance(skeleton, xy))

    def remove(frame: tl.LabeledFrame) -> None:
        labels.remove_instance(frame, frame.instances[-1])

    def set_point(frame: tl.LabeledFrame) -> None:
        frame.instances[0][0] = (1.0, 2.0)

    each = [(frame,) for frame in frames]
    yield "set a track", _each(set_track, each)
    yield "add an instance", _each(add, each)
    yield "remove an instance", _each(remove, each)
    yield "set a point", _each(set_point, each)
    yield "append a frame", _each(labels.append, [(make(k),) for k in range(n)])
    few = max(n // 30, 1)
    rng = np.random.default_rng(1)
    places = rng.integers(0, len(labels) // 2, (3, few)).tolist()
    new_frames = [make(n + k) for k in range(2 * few)]
    insert = labels.labeled_frames.insert
    yield "by place: insert a frame", _each(insert, zip(places[0], new_frames, strict=False))
    yield "by place: remove a frame", _each(labels.__delitem__, [(k,) for k in places[1]])
    replace = labels.__setitem__
    yield "by place: replace a frame", _each(replace, zip(places[2], new_frames[few:], strict=True))


def _check_edits(bench: Bench) -> None:
    """Check on a small project that tables say what was done."""
    labels = Files(bench.files.folder, min(200, bench.files.n_frames)).labels()
    n = len(labels)
    tracks = labels._snapshot.structure.instances["track_id"].to_numpy().copy()
    first = labels._snapshot.structure.instance_offsets[:-1]
    chosen = np.arange(0, n, 3)
    for frame in labels[chosen]:
        frame[0].track = labels.tracks[1]
    tracks[first[chosen]] = 1
    found = labels.to_polars("instances")["track_id"].to_numpy()
    bench.check("set a track", found, tracks)


def _interleaved(bench: Bench) -> None:
    labels = bench.files.labels()
    n = _calls(bench)
    edited, found = _places(labels, n), _places(labels, n)[::-1]
    tracks = labels.tracks
    labels[0][0].track = tracks[0]

    def go() -> None:
        for k, (place, other) in enumerate(zip(edited, found, strict=True)):
            labels.find(*place)[0][0].track = tracks[k % 2]
            labels.find(*other)

    start = time.thread_time()
    go()
    row = Row("10,000 edits, each between finds", time.thread_time() - start)
    if bench.peers and not bench.is_large:
        theirs = peers.kept_labels(bench.files.slp(4), lazy=False)
        some = [(theirs.videos[video], index) for video, index in edited[:20]]
        start = time.thread_time()
        for place in some:
            theirs.find(*place)[0].instances[0].track = theirs.tracks[1]
        row.peer = (time.thread_time() - start) / len(some) * 2 * n
        row.peer_name = "eager"
        peers.kept_labels.cache_clear()
    bench.add(row, [at_most(1.0, "< 1 s", "L")])


# Of labels on disk


def _scanned(bench: Bench) -> None:
    labels = tl.scan_parquet(bench.files.parquet(4))
    n = _calls(bench)
    frames = [labels.find(*place)[0] for place in _places(labels, n)]
    track = labels.tracks[1]

    def set_track(frame: tl.LabeledFrame) -> None:
        frame[0].track = track

    start = time.process_time()
    for frame in frames:
        set_track(frame)
    taken = time.process_time() - start
    bench.add(Row("scanned: set 10,000 tracks", taken), [at_most(2.0, "< 2 s", "L")])
    bench.check("tracks of scanned labels", {frame[0].track for frame in frames}, {track})

    def touch(frame: tl.LabeledFrame) -> None:
        frame[0][0] = (1.0, 2.0)

    each = [(frame,) for frame in frames[: max(n // 50, 1)]]
    first = Row("scanned: set a point for the first time", float(np.median(_each(touch, each))))
    bench.add(first, [at_most(3e-3, "< 3 ms", "L")])


def _edit_scattered(labels: tl.Labels, n: int) -> None:
    track = labels.tracks[1]
    for place in _places(labels, n):
        labels.find(*place)[0][0].track = track


def _queries(bench: Bench) -> None:
    """Ask labels with 1,000 scattered edits, beside labels without."""
    path = bench.files.parquet(4)
    plain, edited = tl.scan_parquet(path), tl.scan_parquet(path)
    n = min(1_000, max(len(plain) // 10, 1))
    _edit_scattered(edited, n)
    points: dict[str, Callable[[tl.Labels], Any]] = {
        "mean of points": lambda labels: _mean(labels.tables.points),
        "instances by video and kind": lambda labels: _by_kind(labels.tables.instances),
    }
    for name, ask in points.items():
        bench.compare(
            f"scanned, {n:,} edits: {name}, beside none",
            Way(lambda ask=ask: lambda: ask(edited)),  # type: ignore[misc]  # bound now
            Way(lambda ask=ask: lambda: ask(plain)),  # type: ignore[misc]  # bound now
            bounds=[times_limit(1.6, "L")],
        )
    here = (pl.col("video_id") == 0) & pl.col("frame_idx").is_between(100, 199)
    work = f"scanned, {n:,} edits: points of 100 frames, beside none"
    bench.compare(
        work,
        Way(lambda: lambda: edited.tables.points.filter(here).collect()),
        Way(lambda: lambda: plain.tables.points.filter(here).collect()),
        bounds=[at_most(0.04, "< 40 ms", "L")],
    )
    _fold(bench)


def _mean(points: pl.LazyFrame) -> pl.DataFrame:
    # Whole sums, which do not depend on the order they are added in.
    return points.select(pl.col("x", "y").floor().sum(), pl.col("visible").sum()).collect()


def _by_kind(instances: pl.LazyFrame) -> pl.DataFrame:
    counts = instances.group_by("video_id", "kind").agg(pl.len(), pl.col("frame_id").sum())
    return counts.sort("video_id", "kind").collect()


def _fold(bench: Bench) -> None:
    """Bring edits into the tables: of values, and of frames that come and go."""
    n = len(bench.files.labels())
    for n_edits in sorted({min(most, n // 4) for most in (1, 1_000, 14_000)}):

        def with_values(n_edits: int = n_edits) -> Callable[[], int]:
            labels = bench.files.labels()
            _edit_scattered(labels, n_edits)
            return lambda: labels._snapshot.structure.instances.height

        def with_frames(n_edits: int = n_edits) -> Callable[[], int]:
            labels = bench.files.labels()
            for place in _places(labels, n_edits):
                labels.remove_frame(labels.find(*place)[0])
            return lambda: labels._snapshot.structure.frames.height

        bounds = [at_most(1.0, "< 1 s", "L")]
        bench.compare(
            f"bring {n_edits:,} set tracks into the tables", Way(with_values), bounds=bounds
        )
        row = bench.compare(
            f"bring {n_edits:,} removals into the tables", Way(with_frames), bounds=bounds
        )
        bench.check(row.work, with_frames()(), n - n_edits)


# Tracks


def _occupancy(bench: Bench) -> None:
    for n_videos in (4, *(() if bench.is_large else (1,))):
        labels = bench.files.labels(n_videos)
        labels.get_track_occupancy(0)  # what is made once
        ask = _ask_after_an_edit(labels)
        row = bench.compare(f"occupancy after an edit, {n_videos} videos", Way(ask))
        most = 5e-3 if n_videos == 4 else 15e-3
        row.judge([at_most(most, f"< {most * 1e3:.0f} ms")])
        fresh = tl.Labels.from_tables(labels._snapshot.tables())
        mine, theirs = (
            {track.name if track else None: list(runs) for track, runs in found.items()}
            for found in (labels.get_track_occupancy(0), fresh.get_track_occupancy(0))
        )
        bench.check(row.work, mine, theirs)


def _ask_after_an_edit(labels: tl.Labels) -> Callable[[], Callable[[], Any]]:
    number = count()

    def ask() -> Any:
        labels[10][0].track = labels.tracks[next(number) % 2]
        return labels.get_track_occupancy(0)

    return lambda: ask


def _swap(bench: Bench) -> None:
    """Swap two tracks over a long range, beside doing so on the bare column."""
    labels = bench.files.labels()
    n = min(100_000, len(labels) // 4)
    column = labels._snapshot.structure.instances["track_id"].to_numpy()
    stop = int(labels._snapshot.structure.instance_offsets[n])
    one, other = labels.tracks[:2]

    def by_hand() -> Any:
        tracks = column.copy()
        part = tracks[:stop]
        first, second = part == 0, part == 1
        part[first], part[second] = 1, 0
        return tracks

    def ours() -> Any:
        labels.track_swap(labels.videos[0], one, other, (0, n))
        return labels._snapshot.structure.instances["track_id"]

    def prepare() -> Callable[[], Any]:
        # Each time the same tracks are swapped.
        while labels.undo():
            pass
        return ours

    bench.compare(
        f"swap two tracks over {n:,} frames",
        Way(prepare, lambda found: found.to_numpy()),
        Way(lambda: by_hand),
        bounds=[at_most(0.05, "< 50 ms", "L")],
    )


def _memory(bench: Bench) -> None:
    path: Path = bench.files.parquet(4)
    bench.files.forget()
    answer = fresh_process("benchmarks.probes", "edits", str(path), str(_calls(bench)))
    bench.check("edits in a process of their own", answer["answer"], _calls(bench))
    most = Bound("< 500 MB", lambda row: row.ours < 500e6, "L")
    bench.add(Row("scanned: edits, peak of memory", answer["resident"], "B"), [most])
    for level in ("points", "tracks", "instances"):
        copy = bench.files.scratch(".parquet")
        shutil.copytree(path, copy)
        answer = fresh_process("benchmarks.probes", "bulk", str(copy), level)
        n, version = answer["answer"]
        bench.check(f"bulk edit of {level} is committed", (n > 0, version), (True, 2))
        row = Row(f"scanned: bulk edit of {level} and commit, peak", answer["resident"], "B")
        bench.add(row, [most])
        remove(copy)
    copy = bench.files.scratch(".parquet")
    shutil.copytree(path, copy)
    n_short = _add_short_tracks(copy)
    answer = fresh_process("benchmarks.probes", "clean", str(copy))
    bench.check("short tracks are pruned, and listed", answer["answer"], [n_short, n_short])
    what = "scanned: prune, swap, points, commit and difference, peak"
    bench.add(Row(what, answer["resident"], "B"), [most])
    remove(copy)


def _add_short_tracks(path: Path) -> int:
    """Commit a track of five frames now and then, as a tracker leaves when it loses one."""
    labels = tl.scan_parquet(path)
    before, every = len(labels.tracks), max(len(labels) // 300, 10)
    names = pl.lit("short ") + (pl.col("frame_idx") // every).cast(pl.String)
    here = (pl.col("frame_idx") % every < 5) & (pl.col("instance_idx") == 1)
    labels.update(instances={"track": names}, where=here & (pl.col("video_id") == 0))
    added = len(labels.tracks) - before
    labels.commit("as tracked")
    return added
