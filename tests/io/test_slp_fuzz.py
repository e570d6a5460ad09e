"""Damaged files never crash, hang, or are read as something unsound."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from tabular_labels.io.slp_write import write_slp
from tabular_labels.testing.builders import make_tables
from tests.imports import ROOT
from tests.io.slp_cases import SYMMETRY, small_parts, write_parts

PROGRAM = Path(__file__).with_name("slp_fuzzing.py")


def write_beyond(file: h5py.File) -> None:
    text = h5py.string_dtype()
    file.create_dataset("masks", data=np.zeros(2, [("instance", "i4"), ("score", "f4")]))
    file.create_dataset("mask_rle", data=np.arange(9, dtype="u1"), chunks=(3,), compression=1)
    file.create_dataset("identity/name", data=["Ann", "Bob"], dtype=text, maxshape=(None,))
    file.create_dataset("video0/video", data=np.zeros((2, 5), np.int8))
    source = json.dumps({"backend": {"filename": "a.mp4", "shape": [9, 4, 4, 1]}})
    file.create_group("video0/source_video").attrs["json"] = source
    file["negative_frames"] = np.array([(0, 5)], [("video_id", "<u4"), ("frame_idx", "<u8")])


def seeds(folder: Path) -> None:
    """Write sound files of every layout: few bytes, so that many of them matter."""
    parts = small_parts(1.0)
    links = parts["metadata"]["skeletons"][0]["links"]
    links += [{"key": 0, "source": 0, "target": 1, "type": SYMMETRY}]
    write_parts(folder / "classic.slp", parts, chunks=(2,), maxshape=(None,))
    write_parts(folder / "packed.slp", parts, chunks=(2,), compression="gzip", shuffle=True)
    rich: dict[str, Any] = parts | {"format_id": 2.7, "x": write_beyond}
    rich["videos_json"] = [{"backend": {"filename": ".", "dataset": "video0/video"}}]
    write_parts(folder / "rich.slp", rich)
    tables = make_tables(12, n_videos=2, n_nodes=3, user_fraction=0.3, shuffled=True)
    write_slp(tables, folder / "today.slp")
    plain = {
        name: np.stack([table[column].astype(float) for column in table.dtype.names], axis=1)
        for name, table in parts.items()
        if name in ("frames", "instances", "points", "pred_points")
    }
    write_parts(folder / "plain.slp", parts | plain)


def run(folder: Path, start: int, stop: int, seconds: int) -> dict[str, int]:
    command = [sys.executable, str(PROGRAM), str(folder), str(start), str(stop)]
    ran = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False,
        env={"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-200:] + ran.stderr[-2000:]
    answers = ran.stdout.splitlines()[1::2]
    assert len(answers) == stop - start
    return {answer: answers.count(answer) for answer in set(answers)}


def test_damaged_files_are_read_soundly_or_refused(tmp_path: Path) -> None:
    seeds(tmp_path)
    answers = run(tmp_path, 0, 600, seconds=300)
    # Both must happen, or nothing is being tested.
    assert answers["FileFormatError"] > 50
    assert answers["tables"] > 50


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_many_more_damaged_files(tmp_path: Path, part: int) -> None:
    seeds(tmp_path)
    run(tmp_path, 1000 * (part + 1), 1000 * (part + 2), seconds=600)
