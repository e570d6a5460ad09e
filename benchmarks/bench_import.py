"""Import the package, beyond what polars and numpy take."""

from __future__ import annotations

from statistics import median

from benchmarks.bench import Bench
from benchmarks.measure import fresh_process
from benchmarks.report import Row, at_most

__all__ = ["run"]


def run(bench: Bench) -> None:
    work = "import tabular_labels"
    found = [fresh_process("benchmarks.probes", "imports") for _ in range(bench.repeats)]
    bench.check(work, found[0]["answer"], 3)
    row = Row(
        work, median(one["cpu"] for one in found), details={"wall": [one["wall"] for one in found]}
    )
    bench.add(row, [at_most(0.15, "< 0.15 s", bench.size)])
