"""Commands do what they say, for people and for programs, and end with the right code."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import polars as pl
import pytest

import tabular_labels as tl
from tests.cli.conftest import Run, Start, make_labels

ESCAPE = re.compile("\x1b")


def test_version_and_help(run: Run) -> None:
    assert run("--version").stdout == f"tabular-labels {tl.__version__}\n"
    helped = run("--help")
    assert helped.exit_code == 0
    for command in ("demo", "show", "convert", "query", "files", "validate", "split", "merge"):
        assert command in helped.stdout
        assert run(command, "--help").exit_code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["show"],
        ["show", "a.slp", "--nonsense"],
        ["files", "a", "nodes"],
        ["query", "a.slp", "SELECT 1", "--format", "xml"],
        ["convert", "a.slp", "b.slp", "--compat", "older"],
        ["convert", "a.slp", "b.doc"],
        ["split", "a.slp", "--seed", "x"],
        ["split", "a.slp", "--format", "csv"],
        ["convert", "a.slp", "b.parquet", "--compat", "classic"],
    ],
)
def test_wrong_usage_ends_with_2(run: Run, arguments: list[str]) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert "Usage" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("fixture", ["slp", "project"])
def test_show_says_what_is_there(run: Run, request: pytest.FixtureRequest, fixture: str) -> None:
    path: Path = request.getfixturevalue(fixture)
    result = run("show", path)
    assert result.exit_code == 0, result.stderr
    assert "8 user, 8 predicted" in result.stdout
    assert "2 nodes, 1 edge: head, tail" in result.stdout
    assert "64 x 48" in result.stdout
    assert r"[red]one\x1b[31m" in result.stdout
    assert not ESCAPE.search(result.stdout)


@pytest.mark.parametrize("fixture", ["slp", "project"])
def test_show_gives_json(run: Run, request: pytest.FixtureRequest, fixture: str) -> None:
    path: Path = request.getfixturevalue(fixture)
    shown = json.loads(run("show", path, "--json").stdout)
    assert shown["path"] == str(path)
    assert shown["format"] == ("slp" if fixture == "slp" else "parquet")
    assert shown["versions"] == ([] if fixture == "slp" else [1])
    assert (shown["frames"], shown["user_instances"], shown["predicted_instances"]) == (8, 8, 8)
    assert shown["tracks"] == ["[red]one\x1b[31m", "$two_"]
    assert shown["skeletons"] == [{"name": "fly", "nodes": ["head", "tail"], "edges": [[0, 1]]}]
    video = shown["videos"][1]
    assert (video["filename"], video["exists"], video["first"], video["last"]) == (
        "b.mp4", False, 0, 3,
    )  # fmt: skip
    assert (video["labelled_frames"], video["user_instances"], video["tracks"]) == (4, 4, 2)


def test_show_of_empty_labels(run: Run, tmp_path: Path) -> None:
    tl.write_slp(tl.Labels(), tmp_path / "none.slp")
    result = run("show", tmp_path / "none.slp")
    assert result.exit_code == 0, result.stderr
    assert json.loads(run("show", tmp_path / "none.slp", "--json").stdout)["frames"] == 0


@pytest.mark.parametrize("command", ["show", "validate", "demo"])
def test_nothing_at_the_path_is_said(run: Run, tmp_path: Path, command: str) -> None:
    out = ["--out", tmp_path / "out"] if command == "demo" else []
    result = run(command, tmp_path / "gone.slp", *out)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"error: {tmp_path / 'gone.slp'}: found nothing there")
    assert "Check the path" in result.stderr
    assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_labels_file_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.slp").write_text("hello")
    for arguments in (["show"], ["validate"], ["query"]):
        sql = ["SELECT 1"] if arguments == ["query"] else []
        result = run(*arguments, tmp_path / "a.slp", *sql)
        assert result.exit_code == 1
        assert "expected a .slp file" in result.stderr


def test_a_file_that_may_not_be_read_is_said(
    run: Run, slp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    result = run("show", slp)
    assert result.exit_code == 1
    assert result.stderr == (
        f"error: {slp}: permission denied. Check who may read and write there.\n"
    )


def test_query_prints_a_table(run: Run, project: Path) -> None:
    result = run("query", project, "SELECT track, count(*) AS n FROM instances GROUP BY track")
    assert result.exit_code == 0, result.stderr
    assert r"[red]one\x1b[31m" in result.stdout
    assert "n" in result.stdout.split()
    assert not ESCAPE.search(result.stdout)


def test_query_says_what_it_does_not_show(run: Run, slp: Path) -> None:
    many = "SELECT a.x, b.y FROM points AS a CROSS JOIN points AS b"
    assert "and 984 more rows" in run("query", slp, many).stdout
    wide = run("query", slp, "SELECT * FROM points").stdout
    assert re.search(r"and \d+ more columns: .*tracking_score", wide.replace("\n", " "))


def test_query_gives_json_csv_and_parquet(run: Run, slp: Path, tmp_path: Path) -> None:
    sql = "SELECT frame_idx, x, score FROM points WHERE node = 'head' AND video = 'b.mp4'"
    expected = make_labels().sql(sql)
    assert json.loads(run("query", slp, sql, "--json").stdout) == expected.to_dicts()
    printed = run("query", slp, sql, "--format", "csv")
    assert printed.stdout == expected.write_csv()
    for name in ("a.csv", "a.json", "a.parquet"):
        result = run("query", slp, sql, "--out", tmp_path / name)
        assert result.exit_code == 0, result.stderr
        assert result.stdout == ""
        assert "8 rows" in result.stderr
    assert (tmp_path / "a.csv").read_text() == expected.write_csv()
    assert json.loads((tmp_path / "a.json").read_text()) == expected.to_dicts()
    assert pl.read_parquet(tmp_path / "a.parquet").equals(expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "parquet"], "Add --out"),
        (["--out", "a.txt"], "expected .csv, .json or .parquet"),
        (["--out", "a.csv", "--format", "table"], "for the screen"),
        (["--out", "taken.csv"], "add --overwrite"),
    ],
)
def test_an_answer_that_cannot_be_kept_so_is_refused(
    run: Run,
    slp: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken.csv").write_text("mine")
    result = run("query", slp, "SELECT 1 AS one", *options)
    assert result.exit_code == 1
    assert said in result.stderr
    assert (tmp_path / "taken.csv").read_text() == "mine"


def test_lists_do_not_go_into_csv(run: Run, slp: Path) -> None:
    sql = "SELECT node, array_agg(x) AS all_x FROM points GROUP BY node"
    result = run("query", slp, sql, "--format", "csv")
    assert result.exit_code == 1
    assert "all_x" in result.stderr
    assert run("query", slp, sql, "--json").exit_code == 0


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("SELEC x", "SELEC"),
        ("SELECT nope FROM points", "nope"),
        ("SELECT * FROM nowhere", "nowhere"),
        ("SELECT * FROM read_csv('/etc/passwd')", "read_csv"),
        ("SELECT x + track FROM points", "query"),
        ("", "query"),
    ],
)
def test_a_query_that_cannot_be_answered_is_said_in_one_message(
    run: Run, slp: Path, sql: str, said: str
) -> None:
    result = run("query", slp, sql)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: ")
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert "PYTHON" not in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("name", ["b.parquet", "b.tabular", "b", "b.slp"])
def test_convert_keeps_everything(run: Run, slp: Path, tmp_path: Path, name: str) -> None:
    result = run("convert", slp, tmp_path / name, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["frames"] == 8
    assert told["format"] == ("slp" if name == "b.slp" else "parquet")
    assert told["bytes"] > 0
    assert tl.load_file(tmp_path / name).equals(tl.load_file(slp))


def test_convert_replaces_only_when_told(run: Run, slp: Path, tmp_path: Path) -> None:
    for name in ("b.slp", "b.parquet"):
        assert run("convert", slp, tmp_path / name).exit_code == 0
        result = run("convert", slp, tmp_path / name)
        assert result.exit_code == 1
        assert "add --overwrite" in result.stderr
        result = run("convert", slp, tmp_path / name, "--overwrite")
        assert result.exit_code == 0
        assert "8 frames" in result.stdout
    assert json.loads(run("show", tmp_path / "b.parquet", "--json").stdout)["versions"] == [1, 2]


def test_convert_to_slp_reads_piece_by_piece(
    run: Run, slp: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: object) -> None:
        message = "everything was read into memory"
        raise AssertionError(message)

    monkeypatch.setattr("tabular_labels.store.snapshot.Snapshot.tables", refuse)
    for source in (slp, project):
        result = run("convert", source, slp.with_name(f"{source.name}.again.slp"))
        assert result.exit_code == 0, result.stderr


def test_convert_may_replace_what_it_reads(run: Run, slp: Path) -> None:
    before = tl.load_file(slp)
    assert run("convert", slp, slp, "--compat", "classic", "--overwrite").exit_code == 0
    assert tl.load_file(slp).to_polars().equals(before.to_polars())


def test_convert_to_the_classic_layout(run: Run, project: Path, tmp_path: Path) -> None:
    result = run("convert", project, tmp_path / "b.slp", "--compat", "classic")
    assert result.exit_code == 0, result.stderr
    again = tl.load_file(tmp_path / "b.slp").to_polars("points", ["frame_idx", "node", "x", "y"])
    assert again.equals(make_labels().to_polars("points", ["frame_idx", "node", "x", "y"]))


def test_convert_into_no_folder_is_refused(run: Run, slp: Path, tmp_path: Path) -> None:
    result = run("convert", slp, tmp_path / "no" / "b.slp")
    assert result.exit_code == 1
    assert "Make the folder first" in result.stderr


def test_files_lists_paths_one_per_line(run: Run, project: Path) -> None:
    lines = run("files", project, "points").stdout.splitlines()
    assert [pl.read_parquet(line).height for line in lines] == [32]
    every = run("files", project).stdout.splitlines()
    assert set(lines) < set(every)
    assert all(Path(line).is_file() for line in every)
    assert json.loads(run("files", project, "points", "--json").stdout) == lines


def test_files_of_an_older_version(run: Run, project: Path) -> None:
    first = run("files", project, "points").stdout
    tl.write_parquet(tl.Labels(), project, overwrite=True)
    assert run("files", project, "points", "--version", 1).stdout == first
    assert run("files", project, "points").stdout != first
    result = run("files", project, "points", "--version", 7)
    assert result.exit_code == 1
    assert "versions 1 to 2" in result.stderr


def test_files_of_what_is_no_project(run: Run, slp: Path) -> None:
    result = run("files", slp.parent, "points")
    assert result.exit_code == 1
    assert "expected a Parquet project" in result.stderr


def test_validate_is_quiet_about_what_is_well(run: Run, slp: Path, project: Path) -> None:
    for path in (slp, project):
        result = run("validate", path)
        assert result.exit_code == 0
        assert result.stdout == f"{path}: all is well\n"
        told = json.loads(run("validate", path, "--json").stdout)
        assert told["is_valid"]
        assert told["problems"] == []
    assert run("validate", slp, "--version", 1).exit_code == 1


def test_validate_names_a_changed_byte(run: Run, project: Path) -> None:
    (file,) = (project / "data").glob("points*")
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    result = run("validate", project)
    assert result.exit_code == 1
    assert "1 problem" in result.stdout
    assert file.name in result.stdout
    told = json.loads(run("validate", project, "--json").stdout)
    assert not told["is_valid"]
    assert file.name in told["problems"][0]


def test_validate_names_what_is_wrong_in_a_slp_file(run: Run, slp: Path) -> None:
    slp.write_bytes(slp.read_bytes()[:-2000])
    result = run("validate", slp)
    assert result.exit_code == 1
    assert str(slp) in result.stdout + result.stderr


def test_warnings_are_told_without_source_lines(run: Run, slp: Path) -> None:
    import h5py

    with h5py.File(slp, "a") as file:
        file["something_else"] = [1, 2, 3]
    result = run("show", slp)
    assert result.exit_code == 0
    assert result.stderr.startswith("warning: ")
    assert ".py" not in result.stderr
    assert json.loads(run("validate", slp, "--json").stdout)["warnings"]
    assert run("convert", slp, slp.with_name("b.slp"), "--strict").exit_code == 1


def test_an_unexpected_error_is_short_and_says_how_to_see_more(
    run: Run, slp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        message = "the sky fell"
        raise ZeroDivisionError(message)

    monkeypatch.setattr("tabular_labels.cli.summary.summarise", fail)
    result = run("show", slp)
    assert result.exit_code == 1
    assert "ZeroDivisionError: the sky fell" in result.stderr
    assert "--traceback" in result.stderr
    assert "Traceback (most" not in result.stderr
    assert "Traceback (most" in run("--traceback", "show", slp).stderr
    monkeypatch.setenv("TABULAR_LABELS_TRACEBACK", "1")
    assert "Traceback (most" in run("show", slp).stderr


def test_a_command_of_its_own_process_ends_with_its_code(start: Start, slp: Path) -> None:
    process = start("show", slp)
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (0, "")
    assert "8 user, 8 predicted" in stdout
    process = start("show", slp.with_name("gone"))
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (1, "")
    assert stderr.startswith("error: ")


@pytest.mark.parametrize("form", ["csv", "json", "table"])
def test_a_closed_pipe_is_no_error(start: Start, slp: Path, form: str) -> None:
    many = "SELECT a.* FROM points AS a CROSS JOIN points AS b CROSS JOIN instances AS c"
    process = start("query", slp, many, "--format", form)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 0
    process.stderr.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT for a child alone")
def test_ctrl_c_ends_with_130(start: Start, tmp_path: Path) -> None:
    process = start("demo", "--out", "out")
    assert process.stdout is not None
    assert process.stderr is not None
    for line in process.stdout:
        if line.startswith("1. "):
            break
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted" in stderr
    assert "Traceback" not in stderr
    assert [p.name for p in (tmp_path / "out").iterdir() if not p.name.startswith(".tab")] == []


def test_help_loads_nothing_heavy(start: Start) -> None:
    process = start(
        "--version",
        before="import atexit\n"
        "atexit.register(lambda: print(sorted({'av', 'h5py', 'pyarrow', 'matplotlib', 'pandas'}"
        " & set(sys.modules))))",
    )
    stdout, _ = process.communicate(timeout=60)
    assert stdout.splitlines()[-1] == "[]"


def test_colours_are_for_terminals_that_want_them(
    start: Start, slp: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    stdout, stderr = start("show", slp).communicate(timeout=60)
    assert not ESCAPE.search(stdout + stderr)
