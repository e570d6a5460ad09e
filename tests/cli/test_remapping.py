"""The command ``remap`` renames videos in files, and says what it would do without."""

from __future__ import annotations

import json
from pathlib import Path

import tabular_labels as tl
from tabular_labels.testing.builders import make_tables
from tests.cli.conftest import Run


def written(folder: Path) -> Path:
    path = folder / "a.slp"
    tl.Labels.from_tables(make_tables(8)).save(path)
    return path


def test_without_out_nothing_is_written(run: Run, tmp_path: Path) -> None:
    path = written(tmp_path)
    before = path.read_bytes()
    result = run("remap", path, "recordings", "/data")
    assert result.exit_code == 0, result.stderr
    assert "4 videos renamed; nothing was written" in result.stdout
    assert "/data/day0/video0.mp4" in result.stdout
    assert path.read_bytes() == before


def test_files_and_projects_are_written(run: Run, tmp_path: Path) -> None:
    path = written(tmp_path)
    for name in ("b.slp", "b.parquet"):
        result = run("remap", path, "recordings", "D:\\data", "--out", tmp_path / name, "--json")
        assert result.exit_code == 0, result.stderr
        moves = json.loads(result.stdout)
        assert [move["exists"] for move in moves] == [False] * 4
        loaded = tl.load_file(tmp_path / name)
        assert [video.filename for video in loaded.videos] == [move["new"] for move in moves]
    refused = run("remap", path, "recordings", "/data", "--out", tmp_path / "b.slp")
    assert refused.exit_code == 1
    assert "--overwrite" in refused.stderr


def test_show_names_missing_videos_of_any_format(run: Run, tmp_path: Path) -> None:
    labels = tl.Labels([tl.LabeledFrame(tl.Video("gone.mp4"), 3)])
    for name in ("a.slp", "a.json"):
        labels.save(tmp_path / name)
        result = run("show", tmp_path / name)
        assert result.exit_code == 0, result.stderr
        assert "1 of 1 videos: gone.mp4" in result.stdout
