"""Run benchmarks and print one table: ``python -m benchmarks.run --help``."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType

from benchmarks import (
    bench_commit,
    bench_dense,
    bench_edit,
    bench_embed,
    bench_filter,
    bench_find,
    bench_formats,
    bench_import,
    bench_merge,
    bench_occupancy,
    bench_parquet,
    bench_read,
    bench_sleap_io,
    bench_split,
    bench_tables,
    bench_training,
    bench_video,
    bench_write,
)
from benchmarks.bench import Bench
from benchmarks.files import Files
from benchmarks.measure import ROOT, describe_environment
from benchmarks.report import Row, render
from tabular_labels.testing.builders import SIZES

__all__ = ["BENCHMARKS", "main"]

BENCHMARKS: Mapping[str, Callable[[Bench], None]] = MappingProxyType(
    {
        "import": bench_import.run,
        "read": bench_read.run,
        "tables": bench_tables.run,
        "find": bench_find.run,
        "occupancy": bench_occupancy.run,
        "dense": bench_dense.run,
        "parquet": bench_parquet.run,
        "write": bench_write.run,
        "formats": bench_formats.run,
        "filter": bench_filter.run,
        "video": bench_video.run,
        "embed": bench_embed.run,
        "training": bench_training.run,
        "split": bench_split.run,
        "merge": bench_merge.run,
        "sleap_io": bench_sleap_io.run,
        "edit": bench_edit.run,
        "commit": bench_commit.run,
    }
)


def main(arguments: list[str] | None = None) -> int:
    """Measure what is asked for and print it."""
    options = _read_options(arguments)
    chosen = options.only or list(BENCHMARKS)
    with ExitStack() as stack:
        if options.work is None:
            options.work = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        options.work.mkdir(parents=True, exist_ok=True)
        if options.together:
            rows = _run_here(options, chosen)
        else:
            rows = [row for name in chosen for row in _run_apart(options, name)]
    if options.json is not None:
        found = {
            "environment": describe_environment(),
            "size": options.size,
            "rows": [row.to_json() for row in rows],
        }
        options.json.write_text(json.dumps(found, indent=1))
    if not options.quiet:
        print(describe_environment())
        print(f"size {options.size}: {_n_frames(options.size):,} frames; CPU seconds, medians\n")
        print(render(rows, options.size))
    return 0


def _read_options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--size", default="S", help="S, M, L or a number of frames")
    parser.add_argument("--only", action="append", choices=list(BENCHMARKS), help="may be repeated")
    parser.add_argument("--no-peers", action="store_true", help="leave sleap-io out")
    parser.add_argument(
        "--budget", type=float, default=60.0, help="seconds sleap-io may take for one work"
    )
    parser.add_argument("--json", type=Path, help="write all that was measured to this file")
    parser.add_argument("--work", type=Path, help="keep the input files in this directory")
    parser.add_argument(
        "--together", action="store_true", help="in one process: faster, memory less exact"
    )
    parser.add_argument("--once", action="store_true", help="call everything once only")
    parser.add_argument("--quiet", action="store_true", help="print no table")
    return parser.parse_args(arguments)


def _n_frames(size: str) -> int:
    return SIZES[size] if size in SIZES else int(size)


def _run_here(options: argparse.Namespace, chosen: list[str]) -> list[Row]:
    bench = Bench(
        Files(options.work, _n_frames(options.size)),
        options.size,
        peers=not options.no_peers,
        budget=options.budget,
        **({"seconds": 0.0} if options.once else {}),
    )
    for name in chosen:
        BENCHMARKS[name](bench)
    return bench.rows


def _run_apart(options: argparse.Namespace, name: str) -> list[Row]:
    """Run one benchmark in a process of its own, and again for its memory."""
    print(f"... {name}", file=sys.stderr, flush=True)
    flags = ["--budget", str(options.budget)]
    flags += ["--no-peers"] * options.no_peers + ["--once"] * options.once
    rows = _run_child(options, name, flags, {})
    again = _run_child(options, name, ["--once", "--no-peers"], _GIVE_BACK)
    memory = {row.work: row for row in again}
    for row in rows:
        row.take_memory(memory[row.work])  # the same works, whatever is measured of them
    return rows


# Allocators keep freed memory for a while, and then nothing is seen of its next use.
_GIVE_BACK = {
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:0,muzzy_decay_ms:0",
    "MALLOC_MMAP_THRESHOLD_": "131072",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
}


def _run_child(
    options: argparse.Namespace, name: str, flags: list[str], environment: Mapping[str, str]
) -> list[Row]:
    found = options.work / f"{name}.json"
    command = [sys.executable, "-m", "benchmarks.run", "--together", "--quiet", "--only", name]
    command += ["--size", options.size, "--work", str(options.work), "--json", str(found), *flags]
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, **environment})
    return [Row.from_json(row) for row in json.loads(found.read_text())["rows"]]


if __name__ == "__main__":
    sys.exit(main())
