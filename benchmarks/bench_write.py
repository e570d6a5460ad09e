"""Write ``.slp`` files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import tabular_labels as tl
from benchmarks import limits_slp, peers
from benchmarks.bench import Bench, Peer, Way
from benchmarks.measure import fresh_process
from benchmarks.report import Row, at_most

__all__ = ["run"]


def run(bench: Bench) -> None:
    labels, like = bench.files.labels(), bench.files.slp(4)
    mine, other, theirs = (bench.files.scratch(".slp") for _ in range(3))

    def ours() -> Callable[[], Path]:
        return _fresh(mine, lambda: tl.write_slp(labels, mine))

    def by_hand() -> Callable[[], Path]:
        return _fresh(other, lambda: limits_slp.write_slp(bench.files.tables(), other, like))

    try:
        bench.compare(
            "write_slp",
            Way(ours, limits_slp.read_slp),
            Way(by_hand, limits_slp.read_slp),
            [_peer(like, theirs, lazy=lazy) for lazy in (True, False)] if bench.peers else [],
        )
    finally:
        for path in (mine, other, theirs):
            path.unlink(missing_ok=True)
    _from_disk(bench)


def _from_disk(bench: Bench) -> None:
    """Write scanned labels, in a process of its own, whose whole memory counts."""
    like, project = bench.files.slp(4), bench.files.parquet(4)
    bench.files.forget()
    lean = at_most(700e6, "< 700 MB resident", "L")
    for name, path in (("scan_parquet", project), ("scan_slp", like)):
        out = bench.files.scratch(".slp")
        try:
            found = fresh_process("benchmarks.probes", "write", str(path), str(out))
            work = f"write_slp of {name}"
            bench.check(work, limits_slp.read_slp(out), limits_slp.read_slp(like))
        finally:
            out.unlink(missing_ok=True)
        bench.add(Row(work, float(found["cpu"]), details=found))
        bench.add(Row(f"{work}: resident", float(found["resident"]), "B", details=found), [lean])


def _fresh(path: Path, write: Callable[[], object]) -> Callable[[], Path]:
    path.unlink(missing_ok=True)

    def call() -> Path:
        write()
        return path

    return call


def _peer(like: Path, path: Path, *, lazy: bool) -> Peer:
    """Lazy labels are copied from table to table; eager ones are what an edit leaves."""

    def prepare() -> Callable[[], Path]:
        labels = peers.kept_labels(like, lazy=lazy)
        return _fresh(path, lambda: peers.save(labels, path))

    name = "lazy" if lazy else "eager"
    return Peer(name, prepare, limits_slp.read_slp, limits_slp.read_slp)
