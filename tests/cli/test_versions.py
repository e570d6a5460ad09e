"""The commands history, diff, compact and vacuum."""

import json
from pathlib import Path

import polars as pl
import pytest

import tabular_labels as tl
from tabular_labels.io.parquet_commit import append_delta
from tabular_labels.io.parquet_scan import open_parquet
from tabular_labels.model.edits import EditSet
from tests.cli.conftest import Run


@pytest.fixture
def edited(project: Path) -> Path:
    """Two versions: in the second, one instance has another score."""
    source = open_parquet(project)
    frame = source.find_frame(0, 2)
    scores = pl.Series("score", [None, 0.75], dtype=pl.Float32)
    replaced = frame.frames.select(
        "video_id",
        "frame_idx",
        points=pl.lit(value=False),
        removed=pl.lit([], pl.List(pl.UInt32)),
    )
    instances = frame.instances.with_columns(scores)
    edits = EditSet(
        source.catalog, replaced, frame.frames, instances, frame.points.clear(), source.counts
    )
    append_delta(source, edits, message="[bold]better\x1b[31m")
    return project


def test_history_lists_versions_newest_first(run: Run, edited: Path) -> None:
    result = run("history", edited)
    assert result.exit_code == 0, result.stderr
    assert r"[bold]better\x1b[31m" in result.stdout
    numbers = [line.split()[0] for line in result.stdout.splitlines() if line.strip()[:1].isdigit()]
    assert numbers == ["2", "1"]
    listed = json.loads(run("history", edited, "--json").stdout)
    assert [row["version"] for row in listed] == [1, 2]
    assert listed[1]["parent"] == 1
    assert listed[1]["rows"] == {"frames": 8, "instances": 16, "points": 32}


def test_diff_compares_the_newest_version_with_the_one_before(run: Run, edited: Path) -> None:
    result = run("diff", edited)
    assert result.exit_code == 0, result.stderr
    assert "instances" in result.stdout
    assert "frames" not in result.stdout
    counted = json.loads(run("diff", edited, "--json").stdout)
    assert counted["instances"] == {"added": 0, "removed": 0, "changed": 1}
    assert counted["points"] == {"added": 0, "removed": 0, "changed": 0}
    rows = json.loads(run("diff", edited, "--rows", "--json").stdout)
    (changed,) = rows["instances"]["changed"]
    assert (changed["score_old"], changed["score_new"]) == (0.5, 0.75)
    shown = run("diff", edited, "--rows").stdout
    assert "instances, changed" in shown


def test_diff_takes_versions_and_other_files(run: Run, edited: Path, slp: Path) -> None:
    back = json.loads(run("diff", edited, "--from", 2, "--to", 1, "--rows", "--json").stdout)
    assert back["instances"]["changed"][0]["score_new"] == 0.5
    assert "no differences" in run("diff", edited, "--from", 2, "--to", 2).stdout
    same = json.loads(run("diff", slp, edited, "--to", 1, "--json").stdout)
    assert not any(same[name]["changed"] for name in ("frames", "instances", "points"))
    other = json.loads(run("diff", slp, edited, "--json").stdout)
    assert other["instances"]["changed"] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--from", "7"], "found versions 1 to 2, expected 7"),
        (["--to", "1"], "found nothing before version 1"),
    ],
)
def test_versions_that_are_not_there_are_named(
    run: Run, edited: Path, arguments: list[str], message: str
) -> None:
    result = run("diff", edited, *arguments)
    assert result.exit_code == 1
    assert message in " ".join(result.stderr.split())


def test_a_file_without_versions_needs_another(run: Run, slp: Path) -> None:
    for arguments in ([slp], [slp, slp, "--from", "1"]):
        result = run("diff", *arguments)
        assert result.exit_code == 1
        assert "without versions" in result.stderr


def test_compact_and_vacuum(run: Run, edited: Path) -> None:
    assert json.loads(run("compact", edited, "--json").stdout)["version"] == 3
    assert open_parquet(edited).manifest.deltas == ()
    assert "version 3" in run("compact", edited).stdout
    would = run("vacuum", edited, "--keep", 1, "--dry-run")
    assert "would delete" in would.stdout
    assert "versions/00000001.json" in would.stdout
    assert tl.history(edited).height == 3
    done = json.loads(run("vacuum", edited, "--keep", 1, "--json").stdout)
    assert done["versions"] == [1, 2]
    assert done["bytes"] > 0
    assert "deleted 0 files, 0 B" in run("vacuum", edited).stdout
    assert len(tl.scan_parquet(edited)) == 8


def test_vacuum_refuses_to_keep_nothing(run: Run, edited: Path) -> None:
    result = run("vacuum", edited, "--keep", 0)
    assert result.exit_code == 1
    assert "keep: found 0" in result.stderr
