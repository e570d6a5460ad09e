"""What a file holds beyond the tables goes with the labels wherever they go."""

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import polars as pl
import pytest

import tabular_labels as tl
from tabular_labels.errors import UnmodelledDataError, UnmodelledDataWarning
from tabular_labels.testing.builders import make_tables

SURE = pl.col("score") > 0.5


@pytest.fixture
def richer(tmp_path: Path) -> Path:
    path = tmp_path / "richer.slp"
    tl.write_slp(tl.Labels.from_tables(make_tables(8, n_videos=1, n_nodes=3)), path)
    with h5py.File(path, "r+") as file:
        file["masks"] = np.arange(6, dtype=np.int16).reshape(2, 3)
        file["masks"].attrs["unit"] = "pixels"
        file["new/group/thing"] = np.array([b"text"])
    return path


@pytest.mark.parametrize("opener", [tl.read_slp, tl.scan_slp])
def test_unmodelled_data_goes_through_parquet_and_back(
    opener: Callable[[Path], tl.Labels], richer: Path, tmp_path: Path
) -> None:
    with pytest.warns(UnmodelledDataWarning, match="masks"):
        labels = opener(richer)
    labels.save(tmp_path / "p.parquet")
    richer.unlink()
    tl.scan_parquet(tmp_path / "p.parquet").save(tmp_path / "back.slp")
    with h5py.File(tmp_path / "back.slp") as file:
        np.testing.assert_array_equal(file["masks"][:], np.arange(6).reshape(2, 3))
        assert file["masks"].attrs["unit"] == "pixels"
        assert file["new/group/thing"][0] == b"text"


@pytest.mark.parametrize(
    "change", [lambda labels: labels, lambda labels: labels.filter(points=SURE)]
)
def test_what_names_instances_by_other_numbers_does_not_come_back_through_parquet(
    change: Callable[[tl.Labels], tl.Labels], richer: Path, tmp_path: Path
) -> None:
    with h5py.File(richer, "r+") as file:
        instances = file["instances"][:]
        instances["instance_id"] += 100
        instances["from_predicted"] = -1
        file["instances"][:] = instances
    with pytest.warns(UnmodelledDataWarning, match="masks"):
        change(tl.scan_slp(richer)).save(tmp_path / "p.parquet")
    with pytest.warns(UnmodelledDataWarning, match="left out.*masks.*other row numbers"):
        tl.scan_parquet(tmp_path / "p.parquet").save(tmp_path / "back.slp")


def test_unmodelled_data_is_left_out_loudly_when_rows_were_renumbered(
    richer: Path, tmp_path: Path
) -> None:
    with pytest.warns(UnmodelledDataWarning, match="masks"):
        fewer = tl.read_slp(richer).extract([3, 1])
    with pytest.warns(UnmodelledDataWarning, match="masks"):
        fewer.save(tmp_path / "fewer.slp")
    with h5py.File(tmp_path / "fewer.slp") as file:
        assert "masks" not in file


def test_unmodelled_data_is_an_error_when_asked_for(richer: Path) -> None:
    with pytest.raises(UnmodelledDataError, match="masks"):
        tl.load_file(richer, strict=True)
    with pytest.raises(UnmodelledDataError, match="masks"):
        tl.scan_slp(richer, strict=True)
