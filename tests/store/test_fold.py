"""Edits and the snapshot below become one snapshot, and the old one stays as it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import tabular_labels as tl
from tabular_labels.model.checks import check_tables
from tabular_labels.model.tables import LabelTables
from tabular_labels.store import snapshot
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.testing.builders import make_tables
from tests.reference import Row, rows_of, tables_of


def open_labels(tables: LabelTables, how: str, folder: Path) -> tl.Labels:
    labels = tl.Labels.from_tables(tables)
    if how == "slp":
        tl.write_slp(labels, folder / "a.slp")
        return tl.scan_slp(folder / "a.slp")
    if how == "parquet":
        tl.write_parquet(labels, folder / "a")
        return tl.scan_parquet(folder / "a")
    return labels


@pytest.fixture
def tables() -> LabelTables:
    return make_tables(
        40, n_nodes=3, n_skeletons=2, user_fraction=0.3, untracked_fraction=0.2, shuffled=True
    )


def assert_rows(labels: tl.Labels, expected: list[Row]) -> None:
    """Compare with rows in which every table is written anew."""
    found = labels._snapshot.tables()
    wanted = tables_of(found.catalog, expected)
    assert check_tables(found) == []
    for name in ("frames", "instances", "points"):
        assert getattr(found, name).equals(getattr(wanted, name)), name
        assert getattr(found, name).schema == getattr(wanted, name).schema
    assert found.instance_offsets.tolist() == wanted.instance_offsets.tolist()
    assert found.point_offsets.tolist() == wanted.point_offsets.tolist()


@pytest.mark.parametrize("how", ["memory", "slp", "parquet"])
@pytest.mark.parametrize("few_of", [0, 64])
def test_values_that_were_set_stand_in_the_rows_they_were_set_in(
    how: str, few_of: int, tables: LabelTables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "FEW_OF", few_of)
    labels = open_labels(tables, how, tmp_path)
    expected = rows_of(labels._snapshot.tables())
    places = sorted(range(40), key=lambda k: expected[k]["position"])
    before = labels._snapshot
    rng = np.random.default_rng(0)
    for k in rng.integers(0, 40, 25).tolist():
        view, row = labels[k][0], expected[places[k]]["instances"][0]
        track = rng.choice([0, 1, 2])
        view.track = None if track == 2 else labels.tracks[track]
        row["track_id"] = None if track == 2 else int(track)
        view.tracking_score = row["tracking_score"] = float(rng.integers(0, 4) / 4)
        if k % 2:
            view[0] = tl.PredictedPoint(1.0, np.nan, False, True, 0.5)
            row["points"][0] |= {
                "x": 1.0, "y": None, "visible": False, "complete": True, "score": 0.5
            }  # fmt: skip
    assert labels._store.frame_records == {}
    assert_rows(labels, expected)
    after = rows_of(before.tables())
    assert all(labels.undo() for _ in labels._store._undo.copy())
    assert_rows(labels, after)


def test_a_link_that_was_set_and_cut_shows_in_its_column(tables: LabelTables) -> None:
    labels = tl.Labels.from_tables(tables)
    expected = rows_of(tables)
    frame = labels.find(labels.videos[0], 0)[0]
    one, other = frame[0], frame[1]
    assert isinstance(other, tl.PredictedInstance)
    one.from_predicted = other
    expected[0]["instances"][0]["from_predicted"] = expected[0]["instances"][1]["instance_id"]
    assert_rows(labels, expected)
    one.from_predicted = None
    expected[0]["instances"][0]["from_predicted"] = None
    assert_rows(labels, expected)


def test_columns_and_offsets_of_what_was_not_set_are_shared(tables: LabelTables) -> None:
    labels = tl.Labels.from_snapshot(Snapshot.of(tables))
    before = labels._snapshot
    offsets = before.structure.point_offsets  # made where they are asked for
    labels[0][0].track = labels.tracks[1]
    after = labels._snapshot
    assert after is not before
    assert after.structure.frames is before.structure.frames
    assert after.structure.instance_offsets is before.structure.instance_offsets
    assert after.structure.point_offsets is offsets
    assert after.frames is before.frames
    assert after.tables().points is before.tables().points


@pytest.mark.parametrize("how", ["memory", "slp", "parquet"])
def test_frames_come_and_go_and_move(how: str, tables: LabelTables, tmp_path: Path) -> None:
    labels = open_labels(tables, how, tmp_path)
    expected = rows_of(labels._snapshot.tables())
    in_list = sorted(expected, key=lambda frame: int(frame["position"]))
    gone = {in_list[k]["frame_id"] for k in (0, 7, 39)}
    for k in (39, 7, 0):
        del labels[k]
    moved = in_list[3]
    labels[2].frame_idx = 900
    moved["frame_idx"] = 900
    left = [frame for frame in expected if frame["frame_id"] not in gone]
    left.sort(key=lambda frame: (frame["video_id"], frame["frame_idx"], frame["position"]))
    ids = {one["instance_id"] for frame in left for one in frame["instances"]}
    for frame in left:
        for one in frame["instances"]:
            if one["from_predicted"] not in ids:
                one["from_predicted"] = None
    assert_rows(labels, left)
