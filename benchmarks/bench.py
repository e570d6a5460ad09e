"""Compare ways to do one work: check that they answer the same, then time them in turn."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from polars.testing import assert_frame_equal

from benchmarks.files import Files
from benchmarks.measure import Timing, measure, rounds
from benchmarks.peers import has_peers
from benchmarks.report import Bound, Row, best_of_peers

__all__ = ["Bench", "Peer", "Way", "check_same"]

_TIMED_SECONDS = 3.0
_SHORT = 1.0  # a peer below these seconds is timed more than once


@dataclass(frozen=True)
class Way:
    """One way to do a work.

    Attributes:
        prepare: Returns the call to be timed; what it does itself is not.
        answer: Brings the result into the form that is compared.
    """

    prepare: Callable[[], Callable[[], Any]]
    answer: Callable[[Any], Any] = field(default=lambda result: result)


@dataclass(frozen=True)
class Peer:
    """How sleap-io does it, and how our result looks in its terms.

    Attributes:
        name: ``lazy`` or ``eager``.
        prepare: Returns the call to be timed.
        answer: Brings its result into the form that is compared.
        expected: Brings our result into that form.
    """

    name: str
    prepare: Callable[[], Callable[[], Any]]
    answer: Callable[[Any], Any]
    expected: Callable[[Any], Any]


class Bench:
    """Collects rows of one size.

    Args:
        files: Input files.
        size: ``S``, ``M``, ``L``, or another number of frames.
        peers: Whether to measure sleap-io.
        budget: Seconds that sleap-io may take for one work, loading included.
        seconds: How long to time one work; 0 for a single call of each way.
    """

    def __init__(
        self,
        files: Files,
        size: str,
        *,
        peers: bool = True,
        budget: float = 60.0,
        seconds: float = _TIMED_SECONDS,
    ) -> None:
        self.files = files
        self.size = size
        self.peers = peers and has_peers()
        self.budget = budget
        self.seconds = seconds
        self.rows: list[Row] = []
        self.checked: list[str] = []

    @property
    def is_large(self) -> bool:
        """Whether tables of every point no longer fit twice into an ordinary memory."""
        return self.files.n_frames > 200_000

    @property
    def repeats(self) -> int:
        """How often a fresh process is started."""
        return 5 if self.seconds else 1

    @property
    def many_videos(self) -> int:
        """500 videos, or as many as have ten frames each."""
        return min(500, max(self.files.n_frames // 10, 1))

    @property
    def variants(self) -> tuple[int, ...]:
        """Other numbers of videos than four; none at the largest size."""
        return () if self.is_large else (1, self.many_videos)

    def add(self, row: Row, bounds: Sequence[Bound] = ()) -> None:
        """Take a row that was measured otherwise."""
        row.judge(bounds)
        self.rows.append(row)

    def check(self, work: str, found: Any, expected: Any) -> None:
        """Check that two answers are the same, and note that it was done."""
        check_same(work, found, expected)
        self.checked.append(work)

    def compare(
        self,
        work: str,
        ours: Way,
        limit: Way | None = None,
        peers: Sequence[Peer] = (),
        bounds: Sequence[Bound] = (),
        *,
        result_bytes: Callable[[Any], int] | None = None,
    ) -> Row:
        """Check that all ways answer the same, then time them, and add a row.

        Args:
            work: What is done.
            ours: Our way, whose first call is watched for memory.
            limit: The best hand-written way.
            peers: How sleap-io does it; the faster one is shown.
            bounds: What the row must keep.
            result_bytes: Size of our result, for a bound on memory.
        """
        row = Row(work, 0.0)
        cost, result = measure(ours.prepare())
        row.extra = cost.extra
        row.result = None if result_bytes is None else result_bytes(result)
        row.details["first"] = cost.cpu
        if limit is not None:
            cost, other = measure(limit.prepare())
            row.details["limit extra"], row.details["limit first"] = cost.extra, cost.cpu
            self.check(work, ours.answer(result), limit.answer(other))
            del other
        if self.peers and peers:
            self._measure_peers(row, result, peers)
        del result
        ways = [way.prepare for way in (ours, limit) if way is not None]
        timings = rounds(ways, self.seconds)
        row.ours = timings[0].median
        row.details["ours"] = _seconds(timings[0])
        if limit is not None:
            row.limit = timings[1].median
            row.details["limit"] = _seconds(timings[1])
        self.add(row, bounds)
        return row

    def _measure_peers(self, row: Row, result: Any, peers: Sequence[Peer]) -> None:
        taken: dict[str, float] = {}
        left = self.budget
        for peer in peers:
            if peer.name == "eager" and self.is_large:
                continue  # an object for every point
            spent, cpu = self._measure_peer(row.work, result, peer, left)
            left -= spent
            if cpu is None:
                row.details["peer left out"] = f"> {self.budget:g} s"
            else:
                taken[peer.name] = cpu
        row.details["peers"] = taken
        best = best_of_peers(taken)
        if best is not None:
            row.peer_name, row.peer = best

    def _measure_peer(
        self, work: str, result: Any, peer: Peer, seconds: float
    ) -> tuple[float, float | None]:
        """Return the seconds spent, and the CPU seconds of the call unless time ran out."""
        cpu: float | None = None

        def run() -> Any:
            nonlocal cpu
            call = peer.prepare()
            cost, answer = measure(call)
            cpu = cost.cpu
            if cpu < _SHORT and self.seconds:
                cpu = min(cpu, rounds([peer.prepare], _SHORT, most=5)[0].median)
            return answer

        if seconds <= 0:
            return 0.0, None
        start = time.perf_counter()
        try:
            with _time_limit(seconds):
                answer = run()
        except _OutOfTimeError:
            return seconds, None
        self.check(f"{work}, sleap-io {peer.name}", peer.expected(result), peer.answer(answer))
        return time.perf_counter() - start, cpu


def check_same(work: str, found: Any, expected: Any) -> None:
    """Raise AssertionError when two answers differ in a value, a dtype or the order.

    Args:
        work: Named in the error.
        found: Tables, arrays, or dicts and lists of them, or plain values.
        expected: The same.
    """
    try:
        _check(found, expected)
    except AssertionError as error:
        error.add_note(f"in {work}")
        raise


def _check(found: Any, expected: Any) -> None:
    if isinstance(expected, pl.DataFrame):
        assert_frame_equal(found, expected, check_exact=True)
    elif isinstance(expected, np.ndarray):
        np.testing.assert_array_equal(found, expected, strict=True)
    elif isinstance(expected, dict):
        assert list(found) == list(expected), f"{list(found)} are not {list(expected)}"
        for key, value in expected.items():
            _check(found[key], value)
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected), f"{len(found)} are not {len(expected)}"
        for mine, theirs in zip(found, expected, strict=True):
            _check(mine, theirs)
    else:
        assert found == expected, f"{found} is not {expected}"


def _seconds(timing: Timing) -> dict[str, Any]:
    low, high = timing.spread
    return {"median": timing.median, "fastest": low, "slowest": high, "n": len(timing.seconds)}


class _OutOfTimeError(BaseException):  # sleap-io catches exceptions while it merges
    """A peer took too long."""


@contextmanager
def _time_limit(seconds: float) -> Iterator[None]:
    """Stop what runs after some seconds, where the system can."""
    if not hasattr(signal, "setitimer") or threading.current_thread() is not _MAIN:
        yield
        return

    def stop(_number: int, _frame: object) -> None:
        raise _OutOfTimeError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


_MAIN = threading.main_thread()
