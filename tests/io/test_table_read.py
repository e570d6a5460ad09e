"""Tables of labels in files are told by their content and read as they were written."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import polars as pl
import pytest
from hypothesis import given
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels._types import Level
from tabular_labels.errors import FileFormatError, LeftOutWarning, QueryError
from tabular_labels.io.detect import detect_format
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import make_tables
from tabular_labels.testing.strategies import label_tables

WRITERS: dict[str, Callable[..., None]] = {
    "csv": tl.write_csv,
    "ndjson": tl.write_ndjson,
    "table": tl.write_parquet_table,
}


def some_labels(**options: Any) -> tl.Labels:
    given = {"n_nodes": 3, "untracked_fraction": 0.3, "user_fraction": 0.3, "shuffled": True}
    return tl.Labels.from_tables(make_tables(40, **{**given, **options}))


def written(
    folder: Path, form: str, labels: tl.Labels, level: Level = "points", **how: Any
) -> Path:
    # No name tells the format.
    WRITERS[form](labels, folder / "file", level, **how)
    return folder / "file"


def as_text(labels: tl.Labels) -> pl.DataFrame:
    return labels.to_polars().with_columns(pl.col(pl.Enum).cast(pl.String))


@pytest.mark.parametrize("level", get_args(Level))
@pytest.mark.parametrize("form", WRITERS)
@pytest.mark.parametrize("is_scanned", [False, True])
def test_a_table_of_ours_is_read_as_the_same_table_in_memory(
    form: str, level: Level, is_scanned: bool, tmp_path: Path
) -> None:
    labels = some_labels(n_videos=1) if level == "frames" else some_labels()
    wide = level == "frames"
    expected = tl.Labels.from_polars(labels.to_polars(level, wide=wide))
    if is_scanned:
        tl.write_slp(labels, tmp_path / "a.slp")
        labels = tl.scan_slp(tmp_path / "a.slp")
    path = written(tmp_path, form, labels, level, wide=wide)
    assert detect_format(path) == form
    found = tl.load_file(path)
    assert_frame_equal(as_text(found), as_text(expected))
    assert found.equals(expected)


@given(tables=label_tables())
def test_any_project_comes_back_from_json_lines(
    tables: LabelTables, tmp_path_factory: pytest.TempPathFactory
) -> None:
    labels = tl.Labels.from_tables(tables)
    if labels.to_polars().is_empty():
        return  # no row says nothing
    path = written(tmp_path_factory.mktemp("lines"), "ndjson", labels)
    expected = tl.Labels.from_polars(labels.to_polars())
    assert detect_format(path) == "ndjson"
    assert tl.load_file(path).equals(expected)


def test_objects_that_a_table_only_names_are_given_beside_it(tmp_path: Path) -> None:
    labels = some_labels()
    path = written(tmp_path, "ndjson", labels)
    found = tl.read_ndjson(
        path, videos=labels.videos, skeletons=labels.skeletons, tracks=labels.tracks
    )
    assert found.videos[0].shape == labels.videos[0].shape
    assert found.skeletons[0].edge_inds == labels.skeletons[0].edge_inds
    assert_frame_equal(as_text(found).drop("frame_id"), as_text(labels).drop("frame_id"))


def lines(folder: Path, *texts: str) -> Path:
    path = folder / "a.jsonl"
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def test_lines_may_lack_keys_and_have_more(tmp_path: Path) -> None:
    path = lines(
        tmp_path,
        '{"frame_idx": 2, "node": "head", "x": 1, "y": 2.5, "colour": [1, {"a": 2}]}',
        "",
        '{"y": 3, "x": null, "node": "tail", "frame_idx": 2, "track": "one"}',
        '{"frame_idx": 7, "node": "head", "track": "one"}',
    )
    labels = tl.load_file(path)
    assert [frame.frame_idx for frame in labels] == [2, 7]
    assert [[one.track and one.track.name for one in frame] for frame in labels] == [
        [None, "one"],
        ["one"],
    ]
    assert labels[0][0]["head"].y == 2.5


def test_nodes_that_later_lines_name_first_are_not_lost(tmp_path: Path) -> None:
    rows = [f'{{"frame_idx": {k}, "a.x": 1, "a.y": 2}}' for k in range(300)]
    path = lines(tmp_path, *rows, '{"frame_idx": 300, "b.x": 3, "b.y": 4}')
    labels = tl.load_file(path)
    assert labels.skeleton.node_names == ["a", "b"]
    assert labels[300][0]["b"].x == 3


def test_one_long_line_is_a_table(tmp_path: Path) -> None:
    values = ", ".join(
        f'"inst{k}.node{n}.{axis}": 1.5' for k in range(40) for n in range(60) for axis in "xy"
    )
    path = lines(tmp_path, f'{{"frame_idx": 3, {values}}}')
    assert path.stat().st_size > 65_536
    assert len(tl.load_file(path)[0]) == 40


@pytest.mark.parametrize(
    "text",
    [
        '{"frame_idx": 0, "node": "a", "x": "one", "y": 2}',
        '{"frame_idx": 0.5, "node": "a", "x": 1, "y": 2}',
        '{"frame_idx": 0, "node": "a", "x": 1, "x": 2, "y": 2}',
        '{"frame_idx": 0, "node": "a", "x": 1, "y": [2]}',
        '{"frame_idx": 0, "node": "a", "x": 1, "y": 2, "visible": "yes"}',
        '{"frame_idx": 0, "node": "a", "x": 1, "y": 2}\n{"frame_idx": 1, "node": "a", ',
        '{"frame_idx": 0, "node": "a", "x": 1, "y": 2}\n[1, 2]',
        '{"frame_idx": 0, "a.x": 1, "a.y": 2}\n{"frame_idx": 1, "a.x": "one", "a.y": 2}',
        '{"frame_idx": 0, "a.x": 1, "a.y": 2}\n{"frame_idx": 1, "b.x": "one", "b.y": 2}',
    ],
)
def test_broken_lines_are_refused(text: str, tmp_path: Path) -> None:
    path = lines(tmp_path, text)
    for read in (tl.load_file, tl.read_ndjson):
        with pytest.raises(FileFormatError, match="expected") as caught:
            read(path)
        assert caught.value.path == str(path)


@pytest.mark.parametrize(
    "text", ["{}", '{"frame_idx": 0}', "[" * 100_000, '{"a":' * 100_000, '{"frame_idx": {"x": 1}}']
)
def test_other_json_is_no_table(text: str, tmp_path: Path) -> None:
    path = lines(tmp_path, text)
    for read in (tl.load_file, tl.read_ndjson):
        with pytest.raises(FileFormatError):
            read(path)


def test_a_broken_parquet_file_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "table", some_labels())
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(FileFormatError, match="the rows"):
        tl.load_file(path)


def test_infinite_numbers_have_no_word_in_json(tmp_path: Path) -> None:
    tables = make_tables(10, n_nodes=3, missing_fraction=0.0)
    n = tables.points.height
    x = pl.Series("x", [math.inf, -math.inf, *range(n - 2)], dtype=pl.Float64)
    odd = tl.Labels.from_tables(replace(tables, points=tables.points.with_columns(x)))
    with pytest.warns(LeftOutWarning, match=r"infinite numbers \(2\)"):
        path = written(tmp_path, "ndjson", odd)
    assert tl.load_file(path).to_polars()["x"].null_count() == 2
    tl.write_csv(odd, tmp_path / "a.csv")
    assert tl.load_file(tmp_path / "a.csv").to_polars()["x"].is_infinite().sum() == 2


def test_columns_are_named_for_sleap_io(tmp_path: Path) -> None:
    labels = some_labels()
    tl.write_csv(labels, tmp_path / "a.csv", names="sleap-io")
    names = ["frame_idx", "node", "x", "y", "video_path", "track", "track_score"]
    assert pl.read_csv(tmp_path / "a.csv").columns == [*names, "instance_score", "score"]
    tl.write_csv(labels, tmp_path / "b.csv", columns=["video", "x"], names="sleap-io")
    assert pl.read_csv(tmp_path / "b.csv").columns == ["video_path", "x"]
    with pytest.raises(QueryError, match="'frames', expected points or instances"):
        tl.write_csv(labels, tmp_path / "c.csv", "frames", names="sleap-io")
    with pytest.raises(QueryError, match="found names 'theirs'"):
        tl.write_csv(labels, tmp_path / "c.csv", names="theirs")  # type: ignore[arg-type]  # so
    assert not (tmp_path / "c.csv").exists()
