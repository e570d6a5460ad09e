"""`tabular-labels split` writes parts, says what leaks, and replaces nothing untold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import tabular_labels as tl
from tests.cli.conftest import Run, make_labels


def make_long(path: Path) -> Path:
    """Write one video of 100 frames, every tenth of which a person has labelled."""
    fly, video = tl.Skeleton(["head"]), tl.Video("a.mp4")
    frames = [
        tl.LabeledFrame(
            video,
            k,
            [
                tl.PredictedInstance(fly, [[k, 2, 0.5]], 0.5),
                *([tl.Instance(fly, [[k, 1]])] if k % 10 == 0 else []),
            ],
        )
        for k in range(100)
    ]
    tl.write_slp(tl.Labels(frames), path)
    return path


def test_a_split_without_a_folder_only_reports(run: Run, tmp_path: Path) -> None:
    path = make_long(tmp_path / "a.slp")
    before = sorted(tmp_path.iterdir()), path.read_bytes()
    result = run("split", path)
    assert result.exit_code == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == f"{path}: 100 frames, seed 0"
    assert ["train", "80", "80.0", "%"] in [line.split() for line in lines]
    assert "20 of 20 frames of val (100.0 %) are within 5 of a frame of train" in lines
    assert (sorted(tmp_path.iterdir()), path.read_bytes()) == before


def test_parts_are_those_of_the_library(run: Run, tmp_path: Path) -> None:
    path = make_long(tmp_path / "a.slp")
    out = tmp_path / "parts"
    arguments = ["--fractions", "0.6, 0.2,-1", "--blocks", 10, "--gap", 2, "--seed", 3]
    result = run("split", path, *arguments, "--out", out, "--json")
    assert result.exit_code == 0, result.stderr
    told = json.loads(result.stdout)
    files = [out / f"{name}.slp" for name in ("train", "val", "test")]
    assert [part["file"] for part in told["parts"]] == [str(file) for file in files]
    parts = tl.split_labels(tl.load_file(path), [0.6, 0.2, -1], seed=3, blocks=10, gap=2)
    for file, part, said in zip(files, parts, told["parts"], strict=True):
        assert tl.load_file(file).equals(part)
        assert said["frames"] == len(part)
    assert told["left_out"] == 100 - sum(map(len, parts)) > 0
    assert set(told["leakage"]) == {"val", "test"}
    assert told["leakage"]["val"][0]["within_1"] == 0
    assert "in none" in run("split", path, *arguments).stdout


def test_parts_of_a_project_are_projects(run: Run, project: Path, tmp_path: Path) -> None:
    out = tmp_path / "parts"
    arguments = ["split", project, "--by", "video", "--fractions", "0.5", "--names", "one,two"]
    assert run(*arguments, "--out", out).exit_code == 0
    first, _ = tl.split_labels(make_labels(), [0.5, -1], seed=0, by="video")
    assert tl.read_parquet(out / "one.parquet").equals(first)
    result = run(*arguments, "--out", out)
    assert result.exit_code == 1
    assert "add --overwrite" in result.stderr
    assert run(*arguments, "--out", out, "--overwrite").exit_code == 0
    assert json.loads(run("show", out / "one.parquet", "--json").stdout)["versions"] == [1, 2]
    assert run(*arguments, "--out", out, "--format", "slp").exit_code == 0
    assert tl.load_file(out / "one.slp").equals(first)


def test_only_what_a_person_labelled(run: Run, tmp_path: Path) -> None:
    path = make_long(tmp_path / "a.slp")
    result = run("split", path, "--user-only", "--out", tmp_path / "parts")
    assert result.exit_code == 0, result.stderr
    train = tl.load_file(tmp_path / "parts" / "train.slp")
    assert len(train) == 8
    assert len(train.predicted_instances) == 0


@pytest.mark.parametrize("by", ["track", "video", "frame_idx // 2"])
def test_groups_are_named_or_in_sql(run: Run, slp: Path, by: str) -> None:
    result = run("split", slp, "--by", by, "--fractions", "0.5", "--json")
    if by == "track":  # one animal is everywhere
        assert "found 1 group of frames" in result.stderr
        return
    assert [part["frames"] for part in json.loads(result.stdout)["parts"]] == [4, 4]


@pytest.mark.parametrize("stratify", ["kind", "video", "frame_idx % 2"])
def test_strata_are_named_or_in_sql(run: Run, slp: Path, stratify: str) -> None:
    result = run("split", slp, "--stratify", stratify, "--json")
    assert [part["frames"] for part in json.loads(result.stdout)["parts"]] == [7, 1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--fractions", "a"], "--fractions: found 'a'"),
        (["--fractions", ""], "found no fractions"),
        (["--fractions", "0.9,0.9"], "expected 8 at most"),
        (["--within", "0.5"], "--within: found '0.5'"),
        (["--within=-1"], "within: found -1"),
        (["--by", "frame_idx +"], "--by: found 'frame_idx +'"),
        (["--by", "nothing"], "cannot be answered"),
        (["--stratify", "sum("], "--stratify: found 'sum('"),
        (["--names", "a"], "--names: found ['a'], expected 2"),
        (["--names", "a,A"], "expected 2 different ones"),
        (["--names", "a,../b"], "found '../b', expected a plain name"),
        (["--gap", "-1"], "gap: found -1"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    run: Run, slp: Path, arguments: list[str], said: str
) -> None:
    result = run("split", slp, *arguments, "--out", slp.parent / "parts")
    assert result.exit_code == 1
    assert said in result.stderr
    assert not (slp.parent / "parts").exists()


def test_what_is_there_stays(run: Run, slp: Path) -> None:
    before = slp.read_bytes()
    named = ["--names", f"{slp.stem},rest", "--overwrite"]
    result = run("split", slp, "--out", slp.parent, *named)
    assert (result.exit_code, slp.read_bytes()) == (1, before)
    assert "is what is split" in result.stderr
    assert "expected a folder" in run("split", slp, "--out", slp).stderr
    assert "Make the folder first" in run("split", slp, "--out", slp.parent / "no" / "no").stderr
    assert sorted(slp.parent.iterdir()) == [slp]
