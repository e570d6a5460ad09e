"""A small project on disk, and a way to run commands on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
from typer.testing import CliRunner, Result

import tabular_labels as tl
from tabular_labels.cli.commands import app
from tests.imports import ROOT

Run: TypeAlias = Callable[..., Result]
Start: TypeAlias = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process."""
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.delenv("TABULAR_LABELS_TRACEBACK", raising=False)

    def call(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return call


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start a command in a process of its own."""

    def call(*arguments: object, before: str = "") -> subprocess.Popen[str]:
        code = f"import sys\n{before}\nfrom tabular_labels.cli.commands import main\nmain()"
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, *(str(a) for a in arguments)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "MPLBACKEND": "Agg", "COLUMNS": "140"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    return call


def make_labels() -> tl.Labels:
    """Two videos; names that try to steer terminals, markup and formulas."""
    fly = tl.Skeleton(["head", "tail"], edges=[("head", "tail")], name="fly")
    videos = [tl.Video.from_filename("a.mp4", height=48, width=64), tl.Video("b.mp4")]
    tracks = [tl.Track(0, "[red]one\x1b[31m"), tl.Track(0, "$two_")]
    frames = [
        tl.LabeledFrame(
            video,
            frame_idx,
            [
                tl.Instance(fly, [[frame_idx, 2.5], [3, 4]], tracks[0]),
                tl.PredictedInstance(fly, [[5, 6, 0.5], [7, 8, 0.25]], 0.5, track=tracks[1]),
            ],
        )
        for video in videos
        for frame_idx in range(4)
    ]
    return tl.Labels(frames, videos, [fly], tracks=tracks)


@pytest.fixture
def slp(tmp_path: Path) -> Path:
    path = tmp_path / "flies.slp"
    tl.write_slp(make_labels(), path)
    return path


@pytest.fixture
def project(tmp_path: Path) -> Path:
    path = tmp_path / "flies.parquet"
    tl.write_parquet(make_labels(), path)
    return path
