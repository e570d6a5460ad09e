"""The command that merges files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tabular_labels as tl
from tests.cli.conftest import Run


@pytest.fixture
def edited(slp: Path, tmp_path: Path) -> Path:
    """A copy of the file in which one point moved and one frame is new."""
    labels = tl.load_file(slp)
    labels[0][0]["head"].x = 11
    skeleton = labels.skeleton
    labels.append(tl.LabeledFrame(labels.videos[1], 9, [tl.Instance(skeleton, [[1, 1], [2, 2]])]))
    path = tmp_path / "edited.slp"
    labels.save(path)
    return path


@pytest.mark.parametrize("name", ["out.slp", "out.parquet"])
def test_files_are_merged_into_one(run: Run, slp: Path, edited: Path, name: str) -> None:
    out = slp.parent / name
    done = run("merge", slp, edited, "--out", out)
    assert done.exit_code == 0, done.output
    assert "instances conflicting" in done.stdout
    assert "9 frames" in done.stdout
    merged = tl.load_file(out)
    assert [len(frame) for frame in merged] == [3, 2, 2, 2, 2, 2, 2, 2, 1]
    assert len(merged.tracks) == 2
    again = run("merge", out, edited, "--plan", "--json")
    assert json.loads(again.stdout)["merged"][0]["changes"] is False


def test_a_plan_writes_nothing(run: Run, slp: Path, edited: Path) -> None:
    before = {path: path.read_bytes() for path in slp.parent.iterdir()}
    done = run("merge", slp, edited, "--plan", "--strategy", "keep_new")
    assert done.exit_code == 0, done.output
    for text in ("videos of", "lineage", "conflicts", "instances dropped", "keep_new"):
        assert text in done.stdout
    assert "\x1b" not in done.stdout
    assert {path: path.read_bytes() for path in slp.parent.iterdir()} == before


def test_the_report_is_json(run: Run, slp: Path, edited: Path) -> None:
    done = run("merge", slp, edited, slp, "--plan", "--json", "--tracks", "name")
    report = json.loads(done.stdout)
    first, second = report["merged"]
    assert first["counts"]["frames_added"] == 1
    assert first["conflicts"] == [["a.mp4", 0]]
    assert [row["by"] for row in first["tracks"]] == ["lineage", "lineage"]
    assert second["changes"] is False
    assert (report["out"], report["frames"]) == (None, 9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["flies.slp"], "found 1 file, expected two"),
        (["flies.slp", "edited.slp"], "found no --out"),
        (["flies.slp", "edited.slp", "--out", "edited.slp"], "one of the files to be merged"),
        (["flies.slp", "missing.slp", "--plan"], "missing.slp"),
        (["flies.slp", "edited.slp", "--plan", "--tolerance", "-1"], "tolerance: found -1.0"),
    ],
)
def test_mistakes_are_said(
    run: Run,
    slp: Path,
    edited: Path,
    arguments: list[str],
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert edited.exists()
    monkeypatch.chdir(slp.parent)
    if len(arguments) == 1:
        arguments = [*arguments, "--plan"]
    done = run("merge", *arguments)
    assert done.exit_code == 1
    assert message in " ".join(done.stderr.split())
