"""The commands that draw make the pictures and clips they promise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="drawing is an optional extra")

import tabular_labels as tl
from tabular_labels.video.reader import read_frames
from tabular_labels.video.writer import write_video
from tests.cli.conftest import Run, make_labels


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Return a folder with the labels, and the first video in another folder."""
    tl.write_slp(make_labels(), tmp_path / "flies.slp")
    tl.write_parquet(make_labels(), tmp_path / "flies.parquet")
    moved = tmp_path / "moved"
    moved.mkdir()
    levels = (np.full((48, 64, 3), 25 * k, np.uint8) for k in range(9))
    write_video(moved / "a.mp4", levels, fps=10)
    return tmp_path


@pytest.mark.parametrize("kind", ["frame", "occupancy", "scores", "score-time", "coverage"])
@pytest.mark.parametrize("name", ["flies.slp", "flies.parquet"])
def test_each_picture_is_drawn(run: Run, files: Path, kind: str, name: str) -> None:
    out = files / "picture.png"
    result = run("plot", files / name, kind, "--out", out, "--videos", files / "moved")
    assert result.exit_code == 0, result.stderr
    assert out.read_bytes().startswith(b"\x89PNG")
    assert f"wrote {out}" in result.stdout


def test_a_missing_video_is_warned_of_and_found_in_folders(run: Run, files: Path) -> None:
    arguments = ["plot", files / "flies.slp", "--frame", 2, "--overwrite", "--out", files / "f.png"]
    result = run(*arguments)
    assert result.exit_code == 0
    assert "frame 2 is drawn without its picture" in result.stderr
    assert run(*arguments, "--videos", files / "moved").stderr == ""
    shutil.copy(files / "moved" / "a.mp4", files / "a.mp4")
    assert run(*arguments).stderr == ""  # beside the labels


def test_pictures_are_not_replaced_unless_asked(run: Run, files: Path) -> None:
    out = files / "p.svg"
    out.write_text("mine")
    result = run("plot", files / "flies.slp", "coverage", "--out", out)
    assert result.exit_code == 1
    assert "--overwrite" in result.stderr
    assert out.read_text() == "mine"
    done = run("plot", files / "flies.slp", "coverage", "--out", out, "--overwrite", "--json")
    assert json.loads(done.stdout)["picture"] == str(out)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--frame", 77], "no labels at frame"),
        (["--frame", 1, "--video", 9], "expected 0 to 1"),
        (["--out", "none/x.png"], "folder does not exist"),
        (["--out", "x.doc"], "suffix '.doc'"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    run: Run, files: Path, arguments: list[object], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(files)
    result = run("plot", files / "flies.slp", *arguments, "--videos", files / "moved")
    assert result.exit_code == 1
    assert message in result.stderr
    assert not list(files.glob("*.png"))


@pytest.mark.parametrize("name", ["flies.slp", "flies.parquet"])
def test_a_clip_has_the_frames_asked_for(run: Run, files: Path, name: str) -> None:
    out = files / "clip.mp4"
    asked = ["--start", 2, "--stop", 7, "--videos", files / "moved", "--json"]
    result = run("render", files / name, "--out", out, *asked)
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["frames"] == 5
    images = read_frames(out, range(5))
    levels = images[:, 30:, 30:].mean(axis=(1, 2, 3))  # away from the flies
    assert np.abs(levels - 25 * np.arange(2, 7)).max() < 4


def test_a_clip_of_a_missing_video_fails_and_leaves_nothing(run: Run, files: Path) -> None:
    result = run("render", files / "flies.slp", "--out", files / "clip.mp4")
    assert result.exit_code == 1
    assert "a.mp4" in result.stderr
    assert not list(files.glob("*clip*"))
