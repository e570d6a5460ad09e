"""What is written as the classic JSON is what its layout says, and is read again."""

import json
import math
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from polars.testing import assert_frame_equal

import tabular_labels as tl
from tabular_labels.errors import UnmodelledDataWarning
from tabular_labels.io import json_frames
from tabular_labels.io.json_read import parse_document, read_json
from tabular_labels.io.json_write import json_document, write_json
from tabular_labels.model.checks import check_tables
from tabular_labels.model.tables import LabelTables
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.testing.builders import make_tables
from tabular_labels.testing.strategies import label_tables
from tests.io.slp_cases import content
from tests.parity.test_real_files import FILES
from tests.reference import json_labels


def written(tables: LabelTables, path: Path, **options: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnmodelledDataWarning)  # marks of missing points
        write_json(Snapshot.of(tables), path, **options)
    return path


def as_text(value: object) -> str:
    """Text, in which NaN is equal to itself; scores in their own precision."""
    return json.dumps(value, sort_keys=True)


def in_single_precision(labels: list[Any]) -> list[Any]:
    """Round scores of instances as they are kept."""
    for frame in labels:
        for one in frame["_instances"]:
            for row in filter(None, (one, one["from_predicted"])):
                row |= {
                    k: float(np.float32(row[k])) for k in ("score", "tracking_score") if k in row
                }
    return labels


@given(tables=label_tables())
def test_the_text_is_what_the_layout_says(tables: LabelTables) -> None:
    document = json.loads(json_document(Snapshot.of(tables)))
    found = in_single_precision(document["labels"])
    assert as_text(found) == as_text(in_single_precision(json_labels(tables)))


@given(tables=label_tables())
def test_any_project_is_read_as_it_was_written(
    tables: LabelTables, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("json") / "any.json"
    found = read_json(written(tables, path, keep_missing=True))
    assert check_tables(found) == []
    assert without_links(content(found)) == without_links(content(tables))
    # A link is known by its contents, and equal predictions are one to JSON.
    mine, theirs = (in_single_precision(json_labels(t)) for t in (found, tables))
    assert as_text(mine) == as_text(theirs)
    assert found.catalog.project_id == tables.catalog.project_id


def without_links(values: dict[str, Any]) -> dict[str, Any]:
    """Leave out which prediction an instance is from."""
    frames = [
        (*place, [row | {"from_predicted": None} for row in rows])
        for *place, rows in values["frames"]
    ]
    return values | {"frames": frames}


@pytest.mark.parametrize("points", [1, 40, 100_000])
def test_chunks_join_without_a_seam(
    points: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_frames, "_POINTS_AT_ONCE", points)
    tables = make_tables(
        40, n_nodes=4, user_fraction=0.3, empty_fraction=0.2, missing_fraction=0.5, shuffled=True
    )
    document = json.loads(written(tables, tmp_path / "a.json").read_bytes())
    found = in_single_precision(document["labels"])
    assert as_text(found) == as_text(in_single_precision(json_labels(tables)))


def test_a_text_without_missing_points_is_plain_json() -> None:
    tables = make_tables(10, missing_fraction=0.5, user_fraction=0.2)

    def refuse(name: str) -> float:
        raise AssertionError(name)

    json.loads(json_document(Snapshot.of(tables)), parse_constant=refuse)


def test_infinite_and_half_missing_coordinates_come_back(tmp_path: Path) -> None:
    tables = make_tables(4, n_nodes=3, missing_fraction=0.0)
    n = tables.points.height
    x = pl.Series("x", [math.inf, -math.inf, None, *range(n - 3)], dtype=pl.Float64)
    odd = LabelTables(
        tables.catalog, tables.frames, tables.instances, tables.points.with_columns(x)
    )
    found = read_json(written(odd, tmp_path / "a.json"))
    assert_frame_equal(found.points, odd.points)


@pytest.mark.parametrize("points", [1, 100_000])
def test_scores_that_are_no_numbers_are_written_as_words(
    points: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_frames, "_POINTS_AT_ONCE", points)
    tables = make_tables(12, n_nodes=2, user_fraction=0.5)
    n = tables.instances.height
    odd = [math.inf, -math.inf, None, 0.5, 1.0] * n
    scores = {
        "score": pl.Series(odd[:n], dtype=pl.Float32),
        "tracking_score": pl.Series(odd[2 : n + 2], dtype=pl.Float32),
    }
    instances = tables.instances.with_columns(**scores)
    tables = LabelTables(tables.catalog, tables.frames, instances, tables.points)
    text = json_document(Snapshot.of(tables))
    assert "-Infinity" in text
    found = in_single_precision(json.loads(text)["labels"])
    assert as_text(found) == as_text(in_single_precision(json_labels(tables)))


def test_marks_of_missing_points_are_counted_when_they_are_left_out(tmp_path: Path) -> None:
    tables = make_tables(4, n_nodes=3, missing_fraction=1.0)
    marked = tables.points.with_columns(complete=True)
    tables = LabelTables(tables.catalog, tables.frames, tables.instances, marked)
    message = rf"marks of missing points \({tables.points.height}\)"
    with pytest.warns(UnmodelledDataWarning, match=message):
        write_json(Snapshot.of(tables), tmp_path / "a.json")
    assert read_json(tmp_path / "a.json").points["complete"].sum() == 0


def test_an_archive_holds_the_same_text(tmp_path: Path) -> None:
    tables = make_tables(20, n_nodes=3)
    written(tables, tmp_path / "a.json")
    written(tables, tmp_path / "a.json.zip")
    with zipfile.ZipFile(tmp_path / "a.json.zip") as archive:
        assert archive.namelist() == ["a.json"]
        assert archive.read("a.json") == (tmp_path / "a.json").read_bytes()
    assert content(read_json(tmp_path / "a.json.zip")) == content(read_json(tmp_path / "a.json"))


def test_a_project_without_rows_is_written(tmp_path: Path) -> None:
    found = read_json(written(LabelTables(), tmp_path / "a.json"))
    assert content(found) == content(LabelTables())


def test_what_the_tables_do_not_hold_goes_along(tmp_path: Path) -> None:
    document = json.loads(json_document(Snapshot.of(make_tables(3, n_nodes=2))))
    document["made_by"] = {"program": "x"}
    document["suggestions"][0]["note"] = "look"
    with pytest.warns(UnmodelledDataWarning, match="made_by|metadata keys"):
        tables = parse_document(document)
    write_json(Snapshot.of(tables), tmp_path / "a.json")
    again = json.loads((tmp_path / "a.json").read_bytes())
    assert again["made_by"] == {"program": "x"}
    assert again["suggestions"][0]["note"] == "look"


def test_cancelling_leaves_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "a.json"
    target.write_text("old")

    def cancel(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_json(Snapshot.of(make_tables(10)), target, progress=cancel)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("name", FILES)
def test_real_file_goes_through_json_and_back(name: str, shared_data: Path, tmp_path: Path) -> None:
    labels = tl.load_file(shared_data / name)
    labels.save(tmp_path / "a.json")
    assert tl.load_file(tmp_path / "a.json").equals(labels)
    tl.write_json(tl.scan_slp(shared_data / name), tmp_path / "scanned.json.zip")
    assert tl.load_file(tmp_path / "scanned.json.zip").equals(labels)
    assert tl.Labels.from_json(labels.to_json()).equals(labels)
    assert tl.Labels.from_json(labels.to_dict()).equals(labels)


def test_the_classic_file_says_what_its_slp_says(shared_data: Path) -> None:
    old = tl.read_json(shared_data / "minimal_instance.json")
    new = tl.read_slp(shared_data / "minimal_instance.slp")
    columns = ["frame_idx", "instance_idx", "kind", "track", "node", "x", "y", "visible"]
    assert_frame_equal(old.to_polars(columns=columns), new.to_polars(columns=columns))
