"""What writers and readers do in processes of their own."""

import sys
import time
from pathlib import Path

import numpy as np

from tabular_labels.errors import ConflictError
from tabular_labels.io.parquet_commit import append_delta
from tabular_labels.io.parquet_scan import open_parquet
from tests.io.committed import add_frame


def write(path: Path, writer: int, n: int) -> None:
    """Commit frames, and say of each when it is acknowledged."""
    print("ready", flush=True)
    source = open_parquet(path)
    for k in range(n):
        place = (0, 1000 * (writer + 1) + k)
        edits = add_frame(source, place, float(writer))
        source = append_delta(source, edits, message=f"{place[1]}", rebase=True)
        print(place[1], flush=True)


def read(path: Path, seconds: float) -> None:
    """Read versions until time is up; each must be whole, and what was there must stay."""
    print("ready", flush=True)
    end, seen, n = time.monotonic() + seconds, set[int](), 0
    while time.monotonic() < end:
        source = open_parquet(path)
        tables = source.load()
        counts = (tables.frames.height, tables.instances.height, tables.points.height)
        assert counts == tuple(vars(source.counts).values()), "a torn read"
        added = tables.frames["frame_idx"].to_numpy()
        now = set(added[added >= 1000].tolist())
        assert seen <= now, f"lost {seen - now}"
        first = tables.instance_offsets[:-1][added >= 1000]
        writers = tables.points["x"].to_numpy()[tables.point_offsets[:-1][first]]
        assert bool((writers == added[added >= 1000] // 1000 - 1).all()), "mixed rows"
        seen, n = now, n + 1
    print(n, flush=True)


def race(path: Path, writer: int, n: int) -> None:
    """Commit without rebasing: open again whenever another was first."""
    print("ready", flush=True)
    done = 0
    while done < n:
        source = open_parquet(path)
        edits = add_frame(source, (0, 1000 * (writer + 1) + done), float(writer))
        try:
            append_delta(source, edits)
        except ConflictError:
            time.sleep(float(np.random.default_rng().random()) / 100)
            continue
        print(1000 * (writer + 1) + done, flush=True)
        done += 1


if __name__ == "__main__":
    kind, folder, *numbers = sys.argv[1:]
    if kind == "read":
        read(Path(folder), float(numbers[0]))
    else:
        {"write": write, "race": race}[kind](Path(folder), *map(int, numbers))
