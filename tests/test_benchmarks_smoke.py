"""Every benchmark runs at a tiny size; what it measures is not judged here."""

import gc
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from benchmarks.bench import Bench, Peer, Way, check_same
from benchmarks.files import Files
from benchmarks.measure import fresh_process, measure
from benchmarks.report import Row, at_most, render, times_limit, times_result
from benchmarks.run import BENCHMARKS, main

N_FRAMES = 200
NEEDS = {"sleap_io": "sleap_io", "training": "tensorflow"}


@pytest.fixture(scope="module", autouse=True)
def nothing_old_to_collect() -> Iterator[None]:
    """Spare the collector, which runs before each measurement, what the imports left."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    return Files(tmp_path_factory.mktemp("benchmarks"), N_FRAMES)


def tiny(files: Files, *, peers: bool = False) -> Bench:
    return Bench(files, str(N_FRAMES), peers=peers, seconds=0.0)


@pytest.mark.parametrize("name", BENCHMARKS)
def test_a_benchmark_checks_its_answers_and_gives_rows(name: str, files: Files) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    bench = tiny(files)
    BENCHMARKS[name](bench)
    assert bench.rows
    assert bench.checked
    assert all(row.ours >= 0 and row.peer is None for row in bench.rows)
    table = render(bench.rows, bench.size)
    assert all(row.work in table for row in bench.rows)


# sleap-io and what it imports may warn as they like.
@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(find_spec("sleap_io") is None, reason="sleap-io is not installed")
@pytest.mark.parametrize(
    "name", ["read", "tables", "find", "occupancy", "dense", "write", "split", "merge", "formats"]
)
def test_a_benchmark_agrees_with_sleap_io(name: str, files: Files) -> None:
    bench = tiny(files, peers=True)
    gc.freeze()  # sleap-io was imported
    BENCHMARKS[name](bench)
    assert any("sleap-io" in work for work in bench.checked)
    assert any(row.peer is not None for row in bench.rows)


def test_the_command_prints_one_table_and_writes_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = tmp_path / "found.json"
    arguments = ["--size", str(N_FRAMES), "--only", "find", "--no-peers", "--once"]
    assert main([*arguments, "--json", str(found), "--work", str(tmp_path)]) == 0
    assert "find(video, idx), 4 videos" in capsys.readouterr().out
    assert '"ratio"' in found.read_text()


def test_ways_that_answer_differently_are_refused(files: Files) -> None:
    bench = tiny(files)
    with pytest.raises(AssertionError, match=r"1 is not 2") as caught:
        bench.compare("count", Way(lambda: lambda: 1), Way(lambda: lambda: 2))
    assert caught.value.__notes__ == ["in count"]
    assert not bench.rows


def test_a_peer_that_takes_too_long_is_left_out(files: Files) -> None:
    def forever() -> int:
        while True:
            pass

    bench = tiny(files)
    bench.peers, bench.budget = True, 0.05
    peer = Peer("slow", lambda: forever, int, int)
    row = bench.compare("wait", Way(lambda: lambda: 1), peers=[peer])
    assert row.peer is None
    assert row.details["peer left out"] == "> 0.05 s"


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (pl.DataFrame({"a": [1.0]}), pl.DataFrame({"a": [1.0000001]})),
        (pl.DataFrame({"a": [1]}), pl.DataFrame({"a": [1]}, schema={"a": pl.Int32})),
        (np.zeros(2), np.zeros(2, np.float32)),
        ({"a": [np.ones(1)]}, {"a": [np.ones(1), np.ones(1)]}),
        ([(1, "a")], [(1, "b")]),
    ],
    ids=["values", "dtypes", "arrays", "lengths", "rows"],
)
def test_answers_that_differ_are_told_apart(found: object, expected: object) -> None:
    check_same("itself", expected, expected)
    with pytest.raises(AssertionError):
        check_same("the other", found, expected)


def test_memory_at_the_peak_is_seen_after_it_was_freed() -> None:
    # Larger than what an allocator keeps from earlier work and hands out again.
    cost, total = measure(lambda: int(np.ones(40_000_000).sum()))
    assert total == 40_000_000
    if cost.extra is not None:
        assert cost.extra > 200_000_000


def test_a_bound_is_judged_at_its_size_and_bracketed_at_others() -> None:
    row = Row("work", 3.0, limit=2.0)
    row.judge([times_limit(1.2), at_most(4.0, "< 4 s", "S")])
    assert [holds for _, holds, _ in row.verdicts] == [False, True]
    assert "NO; (yes)" in render([row], "M")
    assert "(no); yes" in render([row], "S")
    assert Row.from_json(row.to_json()) == row


def test_memory_is_taken_from_the_run_that_can_see_it() -> None:
    row, again = Row("work", 1.0, limit=1.0, extra=0), Row("work", 9.0, limit=1.0, extra=300)
    row.result = again.result = 100
    for one in (row, again):
        one.judge([times_limit(2.0), times_result(2.5)])
    row.take_memory(again)
    assert row.extra == 300
    assert [holds for _, holds, _ in row.verdicts] == [True, False]


def test_importing_is_measured_in_a_fresh_process() -> None:
    found = fresh_process("benchmarks.probes", "imports")
    assert found["cpu"] > 0
