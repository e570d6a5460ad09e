import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from tabular_labels.errors import ChecksumError, FileFormatError, Violation
from tabular_labels.io.manifest import Manifest
from tabular_labels.io.parquet_files import write_table
from tabular_labels.io.parquet_scan import open_parquet, read_parquet
from tabular_labels.io.parquet_write import write_parquet
from tabular_labels.io.project_versions import publish, read_manifest, version_path
from tabular_labels.io.validate import validate_project
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import make_tables
from tests.io.project_edits import make_edited_project


@pytest.fixture(scope="module")
def full() -> LabelTables:
    return make_tables(120, n_nodes=3, user_fraction=0.3)


@pytest.fixture
def project(full: LabelTables, tmp_path: Path) -> Path:
    make_edited_project(tmp_path / "mice", full, points_per_shard=300, seed=0)
    return tmp_path / "mice"


def test_a_sound_project_has_no_problems(project: Path) -> None:
    for version in (1, 2, 3, 4, None):
        assert validate_project(project, version=version) == []


def test_progress_reaches_its_total(project: Path) -> None:
    seen: list[tuple[int, int]] = []
    validate_project(project, progress=lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == list(range(1, len(seen) + 1))
    assert seen[-1] == (len(seen), len(seen))


def every_file(project: Path) -> list[Path]:
    return [project / file.path for file in read_manifest(project).files()]


@pytest.mark.parametrize("number", range(12))
def test_a_flipped_bit_is_found_and_its_file_named(project: Path, number: int) -> None:
    files = every_file(project)
    path = files[number * len(files) // 12]
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    (problem,) = validate_project(project)
    assert isinstance(problem, ChecksumError)
    assert path.name in str(problem)


@pytest.mark.parametrize("number", range(12))
def test_a_flipped_bit_is_met_by_reading_everything(project: Path, number: int) -> None:
    files = every_file(project)
    path = files[number * len(files) // 12]
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 128
    path.write_bytes(data)
    with pytest.raises(ChecksumError, match=path.name):
        read_parquet(project)


def test_damage_that_a_single_read_meets_is_named(project: Path) -> None:
    path = project / read_manifest(project, 1).shards[0].points.path
    source = open_parquet(project, version=1)
    path.write_bytes(bytes(path.stat().st_size))
    first = source.manifest.shards[0].first
    with pytest.raises(ChecksumError, match=path.name):
        source.find_frame(*first)
    path.unlink()
    with pytest.raises(FileFormatError, match=f"{path.name}.*no such file"):
        source.read_points(None, np.array([0]), np.array([3]), ["x"])


def test_a_missing_file_and_a_cut_file_are_both_named(project: Path) -> None:
    first, second = every_file(project)[:2]
    first.unlink()
    second.write_bytes(second.read_bytes()[:100])
    found = [str(problem) for problem in validate_project(project)]
    assert len(found) == 2
    assert first.name in found[0]
    assert second.name in found[1]


def test_a_damaged_manifest_is_the_problem(project: Path) -> None:
    version_path(project, 4).write_text("{")
    (problem,) = validate_project(project)
    assert isinstance(problem, FileFormatError)
    assert validate_project(project, version=3) == []


def test_what_is_no_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match=r"tabular-labels\.json"):
        validate_project(tmp_path)


def rewrite(
    project: Path, part: int, table: str, change: Callable[[pl.DataFrame], pl.DataFrame]
) -> str:
    """Publish a version in which one file is another one, with the right checksum."""
    manifest = read_manifest(project)
    parts: list[Any] = [*manifest.shards, *manifest.deltas]
    old = parts[part].file(table)
    path = project / old.path
    rows = change(pl.read_parquet(path))
    new = write_table(rows, path.with_name(f"changed-{path.name}"))
    parts[part] = replace(parts[part], **{table: new})
    _publish_next(project, manifest, parts)
    return new.path


def _publish_next(project: Path, manifest: Manifest, parts: Sequence[Any]) -> None:
    n = len(manifest.shards)
    rows = manifest.info.rows
    if not manifest.deltas:
        total = [sum(p.file(t).rows for p in parts) for t in ("frames", "instances", "points")]
        rows = type(rows)(*total)
    info = replace(manifest.info, version=manifest.info.version + 1, rows=rows)
    publish(project, replace(manifest, info=info, shards=tuple(parts[:n]), deltas=tuple(parts[n:])))


def shifted(column: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    return lambda table: table.with_columns(pl.col(column) + pl.lit(1, table.schema[column]))


def with_value(column: str, value: float | None) -> Callable[[pl.DataFrame], pl.DataFrame]:
    def change(table: pl.DataFrame) -> pl.DataFrame:
        is_third = pl.int_range(pl.len()) == 2
        return table.with_columns(
            pl.when(is_third)
            .then(pl.lit(value, table.schema[column]))
            .otherwise(column)
            .alias(column)
        )

    return change


WRONG: dict[str, tuple[str, Callable[[pl.DataFrame], pl.DataFrame], str]] = {
    "another video on points": ("points", shifted("video_id"), "video_id is what place"),
    "another frame on points": ("points", shifted("frame_idx"), "frame_idx is what place"),
    "another instance on points": ("points", shifted("instance_id"), "instance_id is what place"),
    "other nodes": ("points", shifted("node_id"), "node_id is what place"),
    "another frame on instances": ("instances", shifted("frame_idx"), "frame_idx is what place"),
    "NaN": ("points", with_value("x", float("nan")), "x is not NaN"),
    "visible without value": ("points", with_value("visible", None), "visible is not null"),
    "a point less": ("points", lambda table: table[:-1], "one row for each node"),
    "an instance twice": (
        "instances",
        lambda table: pl.concat([table, table[-1:]]),
        "one row for each node",
    ),
    "frames in another order": ("frames", lambda table: table.reverse(), "places"),
    "frames of another video": ("frames", shifted("video_id"), "places go from|delta replaces"),
    "a frame before the first": ("frames", with_value("frame_idx", -5), "frame_idx is at least 0"),
    "no such frames": ("instances", shifted("frame_id"), "grouped by frame"),
    "a column too many": ("points", lambda table: table.with_columns(z=1.0), "columns"),
    "another dtype": ("points", lambda table: table.cast({"x": pl.Float32}), "columns"),
}


@pytest.mark.parametrize("part", [0, 2, -1])
@pytest.mark.parametrize(("table", "change", "rule"), WRONG.values(), ids=WRONG)
def test_rows_that_break_a_rule_are_named_with_their_file(
    project: Path,
    part: int,
    table: str,
    change: Callable[[pl.DataFrame], pl.DataFrame],
    rule: str,
) -> None:
    rewrite(project, part, table, change)
    problems = validate_project(project)
    assert any(re.search(rule, str(problem)) for problem in problems)
    assert all(".parquet" in str(problem) for problem in problems)


def test_a_list_of_edits_that_is_wrong_is_named(project: Path) -> None:
    for change, rule in (
        (lambda table: table.reverse(), "sorted and unique"),
        (lambda table: pl.concat([table, table[-1:]]), "sorted and unique"),
        (lambda table: table[:-1], "places go from"),
        (lambda table: table[::3], "one that the delta replaces"),
        (lambda table: table.clear(), "places go from"),
    ):
        path = rewrite(project, -1, "replaced", change)
        found = [str(problem) for problem in validate_project(project)]
        assert any(rule in text for text in found)
        assert any(path in text for text in found) or "replaces" in rule
        _drop_newest(project)


def _drop_newest(project: Path) -> None:
    version_path(project, read_manifest(project).info.version).unlink()
    for path in project.rglob("changed-*"):
        path.unlink()


def test_rules_across_files_are_checked(full: LabelTables, tmp_path: Path) -> None:
    path = tmp_path / "mice"
    write_parquet(full, path, points_per_shard=300)
    rewrite(path, 1, "frames", lambda table: table.with_columns(position=pl.lit(0, pl.UInt32)))
    problems = validate_project(path)
    assert problems
    assert all(isinstance(problem, Violation) for problem in problems)
    assert any("position is unique" in str(problem) for problem in problems)


def test_rows_the_manifest_does_not_know_are_an_error(full: LabelTables, tmp_path: Path) -> None:
    path = tmp_path / "mice"
    write_parquet(full, path, points_per_shard=300)
    manifest = read_manifest(path)
    shard = manifest.shards[0]
    points = replace(shard.points, rows=shard.points.rows + 1)
    _publish_next(path, manifest, [replace(shard, points=points), *manifest.shards[1:]])
    with pytest.raises(FileFormatError, match="points"):
        read_parquet(path)
    assert any("as the manifest says" in str(problem) for problem in validate_project(path))
