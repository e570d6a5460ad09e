"""Many writers and readers at once, and writers that are killed."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from shutil import copytree
from statistics import median

import numpy as np
import pytest

from tabular_labels.io.parquet_scan import open_parquet
from tabular_labels.io.parquet_vacuum import vacuum
from tabular_labels.io.parquet_write import write_parquet
from tabular_labels.io.project_versions import (
    list_versions,
    read_history,
    read_manifest,
    version_path,
)
from tabular_labels.io.validate import validate_project
from tabular_labels.testing.builders import make_tables
from tests.imports import ROOT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_parquet(make_tables(12, n_videos=1, n_nodes=2), tmp_path / "mice", points_per_shard=40)
    return tmp_path / "mice"


class Process:
    """A process of its own; what it says goes to a file, so that a kill loses nothing."""

    def __init__(self, folder: Path, *command: object) -> None:
        self.said = folder / f"said-{uuid.uuid4().hex}"
        with self.said.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.io.commit_processes", *map(str, command)],
                cwd=ROOT,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    def wait_until_ready(self) -> None:
        while not self.said.read_text().startswith("ready\n"):
            assert self.process.poll() is None, self.said.read_text()
            time.sleep(0.01)

    def numbers(self) -> list[int]:
        """Return what was said in whole lines."""
        whole, _, _ = self.said.read_text().rpartition("\n")
        return [int(line) for line in whole.splitlines()[1:]]

    def finish(self, seconds: float) -> list[int]:
        assert self.process.wait(seconds) == 0, self.said.read_text()
        return self.numbers()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def started(folder: Path, *commands: tuple[object, ...]) -> Iterator[list[Process]]:
    """Start processes, and wait until each is ready."""
    processes = [Process(folder, *command) for command in commands]
    try:
        for process in processes:
            process.wait_until_ready()
        yield processes
    finally:
        for process in processes:
            process.kill()


@pytest.mark.parametrize(
    ("n_commits", "seconds"),
    [(2, 4), pytest.param(25, 120, marks=pytest.mark.slow)],
    ids=["short", "long"],
)
def test_eight_writers_and_eight_readers(path: Path, n_commits: int, seconds: float) -> None:
    writers = [("write", path, writer, n_commits) for writer in range(8)]
    readers = [("read", path, seconds)] * 8
    before = open_parquet(path).counts
    with started(path.parent, *readers, *writers) as processes:
        said = [process.finish(20 * seconds + 60) for process in processes]
    acknowledged = [place for places in said[8:] for place in places]
    assert len(acknowledged) == 8 * n_commits
    assert all(n_reads > 0 for (n_reads,) in said[:8])
    tables = open_parquet(path).load()
    assert set(acknowledged) <= set(tables.frames["frame_idx"].to_list())
    assert tables.frames.height == before.frames + len(acknowledged)
    assert len(list_versions(path)) == 1 + len(acknowledged)
    messages = [int(info.message) for info in read_history(path)[1:]]
    assert sorted(messages) == sorted(acknowledged)
    assert len(open_parquet(path).manifest.deltas) <= np.log2(len(acknowledged)) + 1
    assert validate_project(path) == []
    assert vacuum(path, older_than=timedelta(0), dry_run=True).files == ()


def test_of_writers_that_race_each_loses_nothing(path: Path) -> None:
    with started(path.parent, ("race", path, 0, 3), ("race", path, 1, 3)) as processes:
        acknowledged = {place for process in processes for place in process.finish(60)}
    assert len(acknowledged) == 6
    assert acknowledged <= set(open_parquet(path).load().frames["frame_idx"].to_list())
    assert list_versions(path) == list(range(1, 8))


@pytest.mark.parametrize("n_kills", [2, pytest.param(25, marks=pytest.mark.slow)])
def test_what_was_acknowledged_survives_a_kill(path: Path, n_kills: int) -> None:
    rng = np.random.default_rng(0)
    acknowledged: set[int] = set()
    for number in range(n_kills):
        with started(path.parent, ("write", path, number, 1000)) as (process,):
            time.sleep(0.15 + 0.4 * rng.random())
            process.kill()
        acknowledged |= set(process.numbers())
        there = set(open_parquet(path).load().frames["frame_idx"].to_list())
        assert acknowledged <= there
        assert validate_project(path) == []
    assert acknowledged
    vacuum(path, older_than=timedelta(0))
    files = {file.name for folder in ("data", "edits") for file in (path / folder).iterdir()}
    listed = {
        Path(file.path).name
        for version in list_versions(path)
        for file in read_manifest(path, version).files()
    }
    assert files == listed
    assert validate_project(path) == []


def test_opening_one_of_a_thousand_versions_takes_hardly_longer(path: Path) -> None:
    many = path.with_name("many")
    copytree(path, many)
    document = json.loads(version_path(path, 1).read_bytes())
    for number in range(2, 1001):
        text = json.dumps({**document, "version": number, "parent": number - 1})
        version_path(many, number).write_text(text)
        version_path(many, number, ".views.sql").write_text("-- views")
    assert open_parquet(many).manifest.info.version == 1000

    def seconds(project: Path) -> float:
        start = time.process_time()
        for _ in range(20):
            open_parquet(project)
        return time.process_time() - start

    taken = [(seconds(many), seconds(path)) for _ in range(7)]
    assert min(a for a, _ in taken) <= 2 * median(b for _, b in taken)
