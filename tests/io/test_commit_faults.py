"""Whatever fails, and wherever: the project is at the old or the new version, and whole."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from shutil import copytree
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tabular_labels.io.parquet_commit import append_delta
from tabular_labels.io.parquet_rewrite import compact
from tabular_labels.io.parquet_scan import ParquetSource, open_parquet
from tabular_labels.io.parquet_vacuum import vacuum
from tabular_labels.io.parquet_write import write_parquet
from tabular_labels.io.project_versions import list_versions, read_history
from tabular_labels.io.validate import validate_project
from tabular_labels.testing.builders import make_tables
from tests.io.committed import add_frame
from tests.io.faults import FAILURES, CrashError, Faults

NOW = timedelta(0)
FAR = 10_000


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three shards and a live delta, so that the next commit merges two."""
    path = tmp_path_factory.mktemp("faults") / "mice"
    write_parquet(make_tables(12, n_videos=1, n_nodes=2), path, points_per_shard=40)
    source = open_parquet(path)
    append_delta(source, add_frame(source, (0, FAR), 1.0))
    return path


def commit(path: Path) -> ParquetSource:
    source = open_parquet(path)
    return append_delta(source, add_frame(source, (0, FAR + 1), 2.0), message="mine")


def commit_onto_newer(path: Path) -> ParquetSource:
    source = open_parquet(path, version=1)
    return append_delta(source, add_frame(source, (0, FAR + 1), 2.0), message="mine", rebase=True)


WORKS: dict[str, Callable[[Path], ParquetSource]] = {
    "a commit": commit,
    "a commit onto a newer version": commit_onto_newer,
    "compaction": lambda path: compact(path, message="mine"),
}


SHORT = ("a commit", "a full disk")


def points(path: Path, version: int | None = None) -> pl.DataFrame:
    return open_parquet(path, version=version).load().points


# A crash stops at every call; what fails otherwise differs little, and takes as long.
CASES = [
    pytest.param(
        WORKS[work],
        *FAILURES[failure],
        id=f"{failure}, {work}",
        marks=() if failure == "a crash" or (work, failure) == SHORT else pytest.mark.slow,
    )
    for work in WORKS
    for failure in FAILURES
]


@pytest.mark.parametrize(("work", "code", "only"), CASES)
def test_the_version_is_the_old_or_the_new_one(
    origin: Path, tmp_path: Path, work: Callable[[Path], Any], code: int | None, only: Any
) -> None:
    done = copytree(origin, tmp_path / "done")
    with Faults(only=only).injected() as counted:
        work(done)
    after, before = points(done), points(origin)
    assert len(counted.calls) >= (5 if only == ("fsync",) else 8)
    outcomes = set()
    for number in range(len(counted.calls)):
        path = copytree(origin, tmp_path / f"{number}")
        is_done = False
        with Faults(number, code, only).injected() as faults:
            try:
                work(path)
                is_done = True
            except (OSError, CrashError):
                pass
        assert len(faults.calls) > number
        versions = list_versions(path)
        assert versions in ([1, 2], [1, 2, 3])
        if is_done:
            assert versions == [1, 2, 3]
        outcomes.add(len(versions))
        assert_frame_equal(points(path), after if versions[-1] == 3 else before)
        assert validate_project(path) == []
        assert [info.version for info in read_history(path)] == versions
        vacuum(path, older_than=NOW)
        assert unlisted(path) == set()
        if number % 8 == 0:
            source = open_parquet(path)
            append_delta(source, add_frame(source, (0, FAR + 9), 3.0))
            assert points(path).height == source.counts.points + 4
    assert outcomes == {2, 3} or only is not None


def unlisted(path: Path) -> set[str]:
    """Name files that no version lists, of those that are data."""
    manifests = [open_parquet(path, version=version).manifest for version in list_versions(path)]
    listed = {file.path for manifest in manifests for file in manifest.files()}
    found = {
        file.relative_to(path).as_posix()
        for folder in ("data", "edits", "staging")
        for file in (path / folder).rglob("*")
    }
    hidden = {file.name for file in path.rglob(".*")}
    return (found - listed) | hidden


def test_a_vacuum_that_stops_leaves_whole_versions(origin: Path, tmp_path: Path) -> None:
    base = copytree(origin, tmp_path / "base")
    commit(base)
    compact(base)
    done = copytree(base, tmp_path / "done")
    removing = ("unlink", "rmdir")
    with Faults(only=removing).injected() as counted:
        vacuum(done, keep=1)
    assert list_versions(done) == [4]
    assert len(counted.calls) > 10
    for number in range(len(counted.calls)):
        path = copytree(base, tmp_path / f"{number}")
        with Faults(number, None, removing).injected(), pytest.raises(CrashError):
            vacuum(path, keep=1)
        assert list_versions(path)[-1] == 4
        for version in list_versions(path):
            assert validate_project(path, version=version) == []
        vacuum(path, keep=1, older_than=NOW)
        assert list_versions(path) == [4]
        assert unlisted(path) == set()


def test_a_damaged_file_is_named_and_other_versions_open(origin: Path, tmp_path: Path) -> None:
    path = copytree(origin, tmp_path / "mice")
    whole = points(path, 1)
    commit(path)
    (delta,) = open_parquet(path).manifest.deltas
    file = path / delta.points.path
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 4
    file.write_bytes(data)
    (problem,) = validate_project(path)
    assert file.name in str(problem)
    assert validate_project(path, version=1) == []
    assert_frame_equal(points(path, 1), whole)
