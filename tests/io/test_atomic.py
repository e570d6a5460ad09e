import errno
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from tabular_labels.errors import ConflictError, MissingDirectoryError
from tabular_labels.io.atomic import atomic_path, create_exclusively


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_successful_write_replaces_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "labels.slp"
    target.write_bytes(b"old")
    with atomic_path(target) as temporary:
        assert temporary.parent == tmp_path
        assert not temporary.exists()
        temporary.write_bytes(b"new")
        assert target.read_bytes() == b"old"
    assert target.read_bytes() == b"new"
    assert names(tmp_path) == ["labels.slp"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, OSError])
def test_a_failed_write_leaves_what_was_there(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "labels.slp"
    target.write_bytes(b"old")

    def write_half() -> None:
        with atomic_path(target) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        write_half()
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["labels.slp"]


def test_a_write_that_creates_nothing_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "labels.slp"):
        pass
    assert names(tmp_path) == []


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gone" / "note.txt"
    with (
        pytest.raises(MissingDirectoryError, match=r"note\.txt: found no directory .*gone'"),
        atomic_path(path),
    ):
        pytest.fail("nothing can be written")
    again = pickle.loads(pickle.dumps(MissingDirectoryError("a/b.txt", "a")))
    assert (again.path, again.directory) == ("a/b.txt", "a")


def test_a_failed_replacement_leaves_no_temporary(tmp_path: Path) -> None:
    (tmp_path / "labels.slp").mkdir()
    with pytest.raises(OSError), atomic_path(tmp_path / "labels.slp") as temporary:  # noqa: PT011 - each system raises its own kind
        temporary.write_bytes(b"new")
    assert names(tmp_path) == ["labels.slp"]


@pytest.mark.skipif(os.name == "nt", reason="permissions and links as POSIX knows them")
def test_permissions_and_links_stay(tmp_path: Path) -> None:
    target, link = tmp_path / "labels.slp", tmp_path / "link.slp"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    with atomic_path(link) as temporary:
        temporary.write_bytes(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640


def test_long_names_leave_room_for_the_temporary(tmp_path: Path) -> None:
    target = tmp_path / ("é" * 120 + ".slp")
    with atomic_path(target) as temporary:
        temporary.write_bytes(b"new")
    assert target.read_bytes() == b"new"


def test_an_exclusive_file_is_created_once(tmp_path: Path) -> None:
    path = tmp_path / "00000001.json"
    create_exclusively(path, b"first")
    with pytest.raises(ConflictError, match="another writer was first"):
        create_exclusively(path, b"second")
    assert path.read_bytes() == b"first"
    assert names(tmp_path) == ["00000001.json"]


def refuse_links(*_: object) -> NoReturn:
    raise OSError(errno.EPERM, "no links here")


@pytest.mark.parametrize("has_links", [True, False])
def test_of_many_writers_exactly_one_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool
) -> None:
    if not has_links:
        monkeypatch.setattr(os, "link", refuse_links)

    def create(writer: int, path: Path) -> bool:
        try:
            create_exclusively(path, bytes([writer]) * 1000)
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        for version in range(20):
            path = tmp_path / f"{version:08}.json"
            won = list(pool.map(lambda writer, path=path: create(writer, path), range(8)))
            assert won.count(True) == 1
            assert path.read_bytes() == bytes([won.index(True)]) * 1000
    assert len(names(tmp_path)) == 20


def test_an_answer_lost_by_the_network_is_no_conflict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def link_twice(source: Path, target: Path) -> None:
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, "link", link_twice)
    create_exclusively(tmp_path / "00000001.json", b"mine")
    assert (tmp_path / "00000001.json").read_bytes() == b"mine"


def test_other_failures_of_publishing_are_raised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> NoReturn:
        raise OSError(errno.EIO, "broken disk")

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(OSError, match="broken disk"):
        create_exclusively(tmp_path / "00000001.json", b"mine")
    assert names(tmp_path) == []
