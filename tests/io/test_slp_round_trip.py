"""What is written as ``.slp`` is read again, in both layouts."""

import warnings
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.errors import UnmodelledDataWarning
from tabular_labels.io.slp_read import read_slp
from tabular_labels.io.slp_scan import open_slp
from tabular_labels.io.slp_write import write_slp
from tabular_labels.model.checks import check_tables
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import make_tables
from tabular_labels.testing.strategies import label_tables
from tests.io.slp_cases import content

Compat = Literal["today", "classic"]
COMPATS: list[Compat] = ["today", "classic"]


@given(tables=label_tables(), compat=st.sampled_from(COMPATS))
def test_any_project_is_read_as_it_was_written(
    tables: LabelTables, compat: Compat, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("slp") / "any.slp"
    with warnings.catch_warnings():
        # The classic layout has no place for negative frames, and says so.
        warnings.simplefilter("ignore", UnmodelledDataWarning)
        write_slp(tables, path, compat=compat)
    found = read_slp(path)
    is_classic = compat == "classic"
    assert check_tables(found) == []
    assert content(found, classic=is_classic) == content(tables, classic=is_classic)
    if not is_classic:
        assert found.catalog.project_id == tables.catalog.project_id


@given(tables=label_tables())
def test_a_second_copy_is_equal_to_the_first(
    tables: LabelTables, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("slp")
    write_slp(tables, folder / "first.slp")
    first = read_slp(folder / "first.slp")
    write_slp(first, folder / "second.slp")
    second = read_slp(folder / "second.slp")
    for name in ("frames", "instances", "points"):
        assert getattr(first, name).equals(getattr(second, name))
    assert first.catalog.tables().keys() == second.catalog.tables().keys()
    for name, table in first.catalog.tables().items():
        assert table.equals(second.catalog.tables()[name])


@pytest.mark.parametrize("compat", COMPATS)
@pytest.mark.parametrize("user_fraction", [0.0, 0.01, 0.5, 1.0])
def test_projects_of_several_blocks_are_read_as_they_were_written(
    tmp_path: Path, compat: Compat, user_fraction: float
) -> None:
    tables = make_tables(
        3000, n_nodes=9, n_skeletons=2, user_fraction=user_fraction, gap_fraction=0.1,
        untracked_fraction=0.2, missing_fraction=0.2, shuffled=True,
    )  # fmt: skip
    write_slp(tables, tmp_path / "many.slp", compat=compat)
    found = read_slp(tmp_path / "many.slp")
    assert check_tables(found) == []
    # Canonical order is the same; ids are counted anew in list order.
    assert found.points.equals(tables.points)
    columns = ["video_id", "frame_idx", "position", "is_negative"]
    assert found.frames.select(columns).equals(tables.frames.select(columns))
    linked = ["instance_id", "frame_id", "from_predicted"]
    assert found.instances.drop(linked).equals(tables.instances.drop(linked))


def test_missing_floats_have_nan_under_their_nulls(tmp_path: Path) -> None:
    write_slp(make_tables(50, missing_fraction=0.3), tmp_path / "some.slp")
    found = read_slp(tmp_path / "some.slp")
    for column in (found.points["x"], found.points["score"], found.instances["score"]):
        values = np.frombuffer(column.to_arrow().buffers()[1], column.to_numpy().dtype)
        np.testing.assert_array_equal(values[: len(column)], column.to_numpy())


@pytest.mark.parametrize("compat", COMPATS)
def test_a_scan_reads_what_a_load_reads(tmp_path: Path, compat: Compat) -> None:
    tables = make_tables(500, n_skeletons=2, user_fraction=0.3, shuffled=True)
    write_slp(tables, tmp_path / "some.slp", compat=compat)
    found, source = read_slp(tmp_path / "some.slp"), open_slp(tmp_path / "some.slp")
    structure = source.load_structure()
    assert structure.frames.equals(found.frames)
    assert structure.instances.equals(found.instances)
    assert source.load().points.equals(found.points)
