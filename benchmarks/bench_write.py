"""Write ``.slp`` files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import tabular_labels as tl
from benchmarks import limits_slp, peers
from benchmarks.bench import Bench, Peer, Way

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
