"""CPU time, wall time and peak memory of calls, and facts about where they were measured."""

from __future__ import annotations

import gc
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

__all__ = [
    "ROOT",
    "Cost",
    "Timing",
    "describe_environment",
    "fresh_process",
    "measure",
    "median_call",
    "rounds",
]

ROOT = Path(__file__).parents[1]
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Cost:
    """What one call took.

    Attributes:
        cpu: User and system seconds of the process, all threads.
        wall: Seconds on the clock.
        extra: Bytes of resident memory at the peak beyond those before; None if unknown.
    """

    cpu: float
    wall: float
    extra: int | None = None


@dataclass(frozen=True)
class Timing:
    """CPU seconds of several calls."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one."""
        return median(self.seconds)

    @property
    def spread(self) -> tuple[float, float]:
        """The fastest and the slowest."""
        return min(self.seconds), max(self.seconds)


def measure(call: Callable[[], Any]) -> tuple[Cost, Any]:
    """Call once; return what it took and what it returned."""
    gc.collect()
    before = _restart_peak()
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = None if before is None else _resident("VmHWM")
    extra = None if before is None or peak is None else max(peak - before, 0)
    return Cost(cpu, wall, extra), result


def rounds(
    ways: Sequence[Callable[[], Callable[[], object]]], seconds: float, *, most: int = 15
) -> list[Timing]:
    """Time several ways in turn, so that what else the machine does falls on all of them.

    Args:
        ways: Each prepares, untimed, the call to be timed.
        seconds: About how long to go on; every way is called at least three times,
            or once when there is no time at all.
        most: Calls of each way at most.
    """
    taken: list[list[float]] = [[] for _ in ways]
    gc.collect()
    end = time.perf_counter() + seconds
    least = 3 if seconds else 1
    while len(taken[0]) < least or (time.perf_counter() < end and len(taken[0]) < most):
        for way, costs in zip(ways, taken, strict=True):
            call = way()
            start = time.process_time()
            call()
            costs.append(time.process_time() - start)
            del call
    return [Timing(tuple(costs)) for costs in taken]


def median_call(call: Callable[..., object], arguments: Sequence[tuple[Any, ...]]) -> float:
    """Return the median seconds on the clock of one call, over many arguments."""
    clock = time.perf_counter_ns
    taken = []
    gc.collect()
    for argument in arguments:
        start = clock()
        call(*argument)
        taken.append(clock() - start)
    return median(taken) / 1e9


def fresh_process(module: str, *arguments: str) -> dict[str, Any]:
    """Run a module in a process of its own and return the JSON object it prints."""
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def describe_environment() -> str:
    """Name machine and versions in one line."""
    names = ("polars", "numpy", "pyarrow", "h5py", "sleap-io")
    found = [f"{name} {_version(name)}" for name in names]
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    ours = _version("tabular-labels", "from source")
    found.insert(0, f"tabular-labels {ours}")
    return f"{machine}, Python {platform.python_version()}, {', '.join(found)}"


def _version(package: str, otherwise: str = "not installed") -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return otherwise


def _restart_peak() -> int | None:
    """Make the kernel count the peak of resident memory anew; return what is resident now."""
    with suppress(OSError):
        _CLEAR.write_text("5")
        return _resident("VmRSS")
    return None


def _resident(field: str) -> int | None:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    return None
