"""A bounded number of files stays open, and nobody shares one."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from tabular_labels.video.pool import FILES, HandlePool
from tabular_labels.video.reader import MediaFrames
from tests.video.movies import encode, read_number


class Door:
    def __init__(self) -> None:
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


def test_a_handle_is_kept_for_the_next_question() -> None:
    pool = HandlePool(limit=2)
    with pool.borrow("a", Door) as first:
        pass
    with pool.borrow("a", Door) as again:
        pass
    assert first is again
    assert again.is_open


def test_the_longest_unused_is_closed_first() -> None:
    pool, doors = HandlePool(limit=2), {}
    for key in "abac":
        with pool.borrow(key, Door) as doors[key]:
            pass
    assert {key: door.is_open for key, door in doors.items()} == {"a": True, "b": False, "c": True}
    assert pool.n_idle == 2


def test_two_borrowers_of_one_key_have_a_handle_each() -> None:
    pool = HandlePool(limit=2)
    with pool.borrow("a", Door) as one, pool.borrow("a", Door) as other:
        assert one is not other
    assert pool.n_idle == 2


def test_a_handle_that_failed_is_closed() -> None:
    pool = HandlePool(limit=2)
    with pytest.raises(RuntimeError, match="damage"), pool.borrow("a", Door) as door:
        raise RuntimeError("damage")  # noqa: EM101 - the message is the test's
    assert not door.is_open
    assert pool.n_idle == 0


def test_closing_closes_what_nobody_uses() -> None:
    pool = HandlePool(limit=2)
    with pool.borrow("a", Door) as used:
        with pool.borrow("b", Door) as idle:
            pass
        pool.close()
        assert (used.is_open, idle.is_open) == (True, False)


def test_a_forked_process_leaves_inherited_handles_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = HandlePool(limit=2)
    with pool.borrow("a", Door) as inherited:
        pass
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pool.borrow("a", Door) as own:
        assert own is not inherited
    assert inherited.is_open


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning", "ignore:.*fork:DeprecationWarning")
def test_a_video_is_read_after_a_fork(tmp_path: Path) -> None:
    frames = MediaFrames(encode(tmp_path / "a.mp4", 40, bf=2, g=10))
    assert read_number(frames.read_one(25)) == 25
    child = os.fork()
    if not child:  # leave without the cleaning up that is the parent's
        os._exit(read_number(frames.read_one(26)))
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 26
    assert read_number(frames.read_one(27)) == 27


def test_threads_read_one_video_at_once(tmp_path: Path) -> None:
    frames = MediaFrames(encode(tmp_path / "a.mp4", 60, bf=2, g=15))
    start = threading.Barrier(4)

    def read(seed: int) -> bool:
        start.wait()
        asked = np.random.default_rng(seed).integers(0, 60, 40)
        return all(read_number(frames.read_one(int(k))) == k for k in asked)

    with ThreadPoolExecutor(4) as executor:
        assert all(executor.map(read, range(4)))


def test_many_videos_leave_few_files_open(tmp_path: Path) -> None:
    FILES.close()
    for i in range(FILES.limit + 4):
        MediaFrames(encode(tmp_path / f"{i}.mp4", 2)).read_one(1)
    assert FILES.n_idle == FILES.limit
    FILES.close()


def test_an_unfinished_iteration_gives_its_file_back(tmp_path: Path) -> None:
    FILES.close()
    frames = MediaFrames(encode(tmp_path / "a.mp4", 20))
    for frame_idx, _ in frames.iterate():
        if frame_idx == 3:
            break
    assert FILES.n_idle == 1
    assert [read_number(image) for image in frames.read([4, 3])] == [4, 3]
