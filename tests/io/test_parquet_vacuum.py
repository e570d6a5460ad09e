"""What no version needs is deleted, and nothing else."""

import os
import time
from datetime import timedelta
from pathlib import Path

import pytest

from tabular_labels.errors import FileFormatError, QueryError
from tabular_labels.io.parquet_commit import append_delta
from tabular_labels.io.parquet_rewrite import compact
from tabular_labels.io.parquet_scan import open_parquet
from tabular_labels.io.parquet_vacuum import vacuum
from tabular_labels.io.project_versions import list_versions, read_history, version_path
from tabular_labels.io.validate import validate_project
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import make_tables
from tests.io.committed import draw_edits
from tests.io.project_edits import make_edited_project

NOW = timedelta(0)


@pytest.fixture(scope="module")
def full() -> LabelTables:
    return make_tables(120, n_nodes=3, user_fraction=0.3)


@pytest.fixture
def path(full: LabelTables, tmp_path: Path) -> Path:
    """Six versions: one written, four committed, one compacted."""
    path = tmp_path / "mice"
    make_edited_project(path, full, points_per_shard=200, seed=0, n_deltas=0)
    source = open_parquet(path)
    for edit in draw_edits(path, full, 4, share=0.05):
        source = append_delta(source, edit.edit_set(full))
    compact(path)
    return path


def files(path: Path) -> set[str]:
    return {file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file()}


def leave(path: Path, name: str, *, hours: float = 2) -> str:
    """Leave a file as an interrupted writer would."""
    file = path / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"half")
    when = time.time() - 3600 * hours
    os.utime(file, (when, when))
    return name


def test_a_sound_project_loses_nothing(path: Path) -> None:
    before = files(path)
    assert vacuum(path, older_than=NOW).files == ()
    assert files(path) == before


def test_leftovers_are_deleted_when_they_are_old(path: Path) -> None:
    before = files(path)
    left = [
        leave(path, "data/points-0000-ab.parquet"),
        leave(path, "data/attachments-ab.h5"),
        leave(path, "edits/frames-ab.parquet"),
        leave(path, "staging/ab/points-0000-cd.parquet"),
        leave(path, "versions/.00000007.json.0123.tmp"),
        leave(path, "versions/.00000007.json.claim"),
        leave(path, "versions/00000099.views.sql"),
        leave(path, "history/00000099.json"),
    ]
    leave(path, "data/young.parquet", hours=0.5)
    leave(path, "staging/cd/old.parquet")
    leave(path, "staging/cd/young.parquet", hours=0.1)
    leave(path, "data/notes.txt")
    assert vacuum(path, dry_run=True).files == tuple(sorted(left))
    done = vacuum(path)
    assert done.files == tuple(sorted(left))
    assert done.bytes == 4 * len(left)
    assert files(path) - before == {
        "data/young.parquet",
        "data/notes.txt",
        "staging/cd/old.parquet",
        "staging/cd/young.parquet",
    }
    assert not (path / "staging" / "ab").exists()
    assert validate_project(path) == []


@pytest.mark.parametrize("keep", [1, 2, 5])
def test_old_versions_go_with_their_files(path: Path, keep: int) -> None:
    before = files(path)
    done = vacuum(path, keep=keep, dry_run=True)
    assert files(path) == before
    assert vacuum(path, keep=keep) == done
    assert before - files(path) == set(done.files)
    assert done.versions == tuple(range(1, 7 - keep))
    assert list_versions(path) == list(range(7 - keep, 7))
    assert [info.version for info in read_history(path)] == list(range(7 - keep, 7))
    listed = {
        f.path for v in list_versions(path) for f in open_parquet(path, version=v).manifest.files()
    }
    assert {f for f in files(path) if f.startswith(("data/", "edits/"))} == listed
    for version in list_versions(path):
        assert validate_project(path, version=version) == []


def test_more_versions_than_there_are_may_be_kept(path: Path) -> None:
    assert vacuum(path, keep=100).files == ()


def test_a_damaged_version_that_stays_stops_everything(path: Path) -> None:
    leave(path, "data/left.parquet")
    version_path(path, 3).write_text("{")
    before = files(path)
    with pytest.raises(FileFormatError):
        vacuum(path)
    assert files(path) == before
    assert vacuum(path, keep=3).versions == (1, 2, 3)


def test_senseless_wishes_are_refused(path: Path) -> None:
    with pytest.raises(QueryError, match="keep: found 0"):
        vacuum(path, keep=0)
    with pytest.raises(QueryError, match="older_than"):
        vacuum(path, older_than=timedelta(seconds=-1))
