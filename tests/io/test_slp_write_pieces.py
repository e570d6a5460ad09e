"""Labels on the disk become the same ``.slp`` file, piece by piece, as tables in memory."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import h5py
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tabular_labels._types import IntArray
from tabular_labels.errors import InvariantError, UnmodelledDataWarning
from tabular_labels.io import slp_write_points, slp_write_rows
from tabular_labels.io.parquet_scan import open_parquet
from tabular_labels.io.parquet_write import write_parquet
from tabular_labels.io.slp_read import read_slp
from tabular_labels.io.slp_scan import open_slp
from tabular_labels.io.slp_write import write_slp
from tabular_labels.model.tables import Catalog, LabelTables, Structure
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.testing.builders import make_tables
from tabular_labels.testing.strategies import label_tables
from tests.io.slp_cases import content, write_parts
from tests.io.test_slp_attachments import assert_carried, rich_parts

Compat = Literal["today", "classic"]
COMPATS: list[Compat] = ["today", "classic"]


def members(path: Path) -> dict[str, Any]:
    """Tell all that a file holds: layouts, attributes and the bytes of every value."""
    told: dict[str, Any] = {}

    def visit(name: str, found: h5py.Group | h5py.Dataset) -> None:
        told[f"{name} attributes"] = {key: repr(value) for key, value in found.attrs.items()}
        if isinstance(found, h5py.Dataset):
            values = found[()]
            is_plain = isinstance(values, np.ndarray) and not values.dtype.hasobject
            told[name] = values.tobytes() if is_plain else repr(values)
            told[f"{name} layout"] = found.dtype, found.shape, found.chunks, found.maxshape

    with h5py.File(path) as file:
        visit("/", file)
        file.visititems(visit)
    return told


@contextmanager
def small_pieces(points: int = 7, rows: int = 5) -> Iterator[None]:
    """Read so many points together, and write so many rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slp_write_points, "POINTS_AT_ONCE", points)
        for module in (slp_write_points, slp_write_rows):
            patch.setattr(module, "BLOCK", rows)
        yield


class Watched:
    """Tables that can only be read piece by piece; notes which instances were."""

    def __init__(self, tables: LabelTables) -> None:
        self.catalog: Catalog = tables.catalog
        self.structure: Structure = tables.structure
        self.read: list[list[int]] = []
        self._snapshot = Snapshot.of(tables)

    def read_points(
        self, columns: Sequence[str], rows: slice | IntArray | None = None
    ) -> pl.DataFrame:
        assert rows is not None
        self.read.append(np.arange(self.structure.instances.height)[rows].tolist())
        return self._snapshot.read_points(columns, rows)


@pytest.mark.parametrize("compat", COMPATS)
@settings(max_examples=60)
@given(tables=label_tables(max_frames=12), points=st.integers(1, 30), rows=st.integers(1, 30))
def test_pieces_give_the_file_that_tables_in_one_go_give(
    compat: Compat, tables: LabelTables, points: int, rows: int
) -> None:
    with TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", UnmodelledDataWarning)
        whole, held, read = (Path(folder) / f"{name}.slp" for name in ("whole", "held", "read"))
        write_slp(tables, whole, compat=compat)
        with small_pieces(points, rows):
            write_slp(tables, held, compat=compat)
            write_slp(Watched(tables), read, compat=compat)
        expected = members(whole)
        assert members(held) == expected
        assert members(read) == expected
        # What is compared is right: a row-by-row reading of it gives the tables.
        classic = compat == "classic"
        assert content(read_slp(read), classic=classic) == content(tables, classic=classic)


@pytest.mark.parametrize("compat", COMPATS)
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_parquet_scan_gives_the_file_of_its_tables(
    compat: Compat, shuffled: bool, tmp_path: Path
) -> None:
    tables = make_tables(300, n_videos=3, shuffled=shuffled)
    write_parquet(tables, tmp_path / "mice", points_per_shard=4000)
    write_slp(tables, tmp_path / "held.slp", compat=compat)
    with small_pieces(5000, 700):
        scan = Snapshot(open_parquet(tmp_path / "mice"))
        write_slp(scan, tmp_path / "scanned.slp", compat=compat)
    assert members(tmp_path / "scanned.slp") == members(tmp_path / "held.slp")


@pytest.mark.parametrize("compat", COMPATS)
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_slp_scan_gives_the_file_of_its_tables(
    compat: Compat, shuffled: bool, tmp_path: Path
) -> None:
    write_slp(make_tables(300, n_videos=3, shuffled=shuffled), tmp_path / "mice.slp")
    write_slp(read_slp(tmp_path / "mice.slp"), tmp_path / "held.slp", compat=compat)
    with small_pieces(5000, 700):
        scan = Snapshot(open_slp(tmp_path / "mice.slp"))
        write_slp(scan, tmp_path / "scanned.slp", compat=compat)
    assert members(tmp_path / "scanned.slp") == members(tmp_path / "held.slp")


@given(label_tables(max_frames=12, min_frames=1), st.integers(1, 30))
def test_every_instance_is_read_once_in_the_order_of_the_disk(
    tables: LabelTables, points: int
) -> None:
    watched = Watched(tables)
    with TemporaryDirectory() as folder, small_pieces(points), warnings.catch_warnings():
        warnings.simplefilter("ignore", UnmodelledDataWarning)
        write_slp(watched, Path(folder) / "some.slp")
    structure = tables.structure
    assert [row for rows in watched.read for row in rows] == list(range(tables.instances.height))
    frame = np.repeat(np.arange(tables.frames.height), np.diff(structure.instance_offsets))
    counts = np.diff(structure.point_offsets)
    for rows in watched.read:
        # A single frame may be larger than what is read together.
        assert counts[rows].sum() <= points or len(set(frame[rows].tolist())) == 1


@pytest.mark.parametrize("held", [True, False])
def test_progress_counts_frames_up_to_all(held: bool, tmp_path: Path) -> None:
    tables = make_tables(50, shuffled=True)
    told: list[tuple[int, int]] = []
    with small_pieces(200):
        write_slp(
            tables if held else Watched(tables),
            tmp_path / "some.slp",
            progress=lambda done, total: told.append((done, total)),
        )
    assert len(told) > 5
    assert told == sorted(set(told))
    assert told[-1] == (50, 50)
    assert {total for _, total in told} == {50}


def test_progress_counts_frames_without_instances(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    tables = make_tables(5, n_instances=0)
    write_slp(tables, tmp_path / "some.slp", progress=lambda *now: told.append(now))
    assert told == [(5, 5)]


@pytest.mark.parametrize("held", [True, False])
def test_what_progress_raises_leaves_what_was_there(held: bool, tmp_path: Path) -> None:
    tables = make_tables(50)
    (tmp_path / "some.slp").write_text("what was there")

    def cancel(done: int, _total: int) -> None:
        if done > 20:
            raise KeyboardInterrupt

    with small_pieces(200), pytest.raises(KeyboardInterrupt):
        write_slp(tables if held else Watched(tables), tmp_path / "some.slp", progress=cancel)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("some.slp", "what was there")]


def test_points_that_break_a_rule_are_refused_with_their_keys(tmp_path: Path) -> None:
    tables = make_tables(50)
    is_wrong = pl.Series(np.arange(tables.points.height) == 300)
    x = pl.when(is_wrong).then(float("nan")).otherwise("x")
    points = tables.points.with_columns(x=x)
    wrong = LabelTables(tables.catalog, tables.frames, tables.instances, points)
    row = int(np.searchsorted(tables.point_offsets, 300, side="right")) - 1
    key = f"instance_id={tables.instances['instance_id'][row]}"
    with small_pieces(200), pytest.raises(InvariantError, match=f"x is not NaN.*{key}"):
        write_slp(Watched(wrong), tmp_path / "some.slp")
    assert not list(tmp_path.iterdir())


def test_rows_that_break_a_rule_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    tables = make_tables(5)
    instances = tables.instances.with_columns(track_id=pl.lit(77, pl.UInt32))
    watched = Watched(LabelTables(tables.catalog, tables.frames, instances, tables.points))
    with pytest.raises(InvariantError, match="track_id names a row of tracks"):
        write_slp(watched, tmp_path / "some.slp")
    assert watched.read == []
    assert not list(tmp_path.iterdir())


def test_what_is_attached_to_a_scan_is_carried(tmp_path: Path) -> None:
    path = write_parts(tmp_path / "rich.slp", rich_parts())
    with pytest.warns(UnmodelledDataWarning, match="masks"):
        scan = Snapshot(open_slp(path))
    with small_pieces(1, 1):
        write_slp(scan, tmp_path / "copy.slp")
    assert_carried(tmp_path / "copy.slp")
    write_slp(scan.tables(), tmp_path / "held.slp")
    assert members(tmp_path / "copy.slp") == members(tmp_path / "held.slp")


def test_columns_of_points_that_are_attached_go_along_in_any_order(tmp_path: Path) -> None:
    tables = make_tables(20, n_videos=2, shuffled=True)
    write_slp(tables, tmp_path / "plain.slp")
    with h5py.File(tmp_path / "plain.slp") as file:
        parts = {name: file[name][()] for name in ("frames", "instances", "points", "pred_points")}
    more = np.zeros(len(parts["pred_points"]), [*parts["pred_points"].dtype.descr, ("place", "i8")])
    for name in parts["pred_points"].dtype.names:
        more[name] = parts["pred_points"][name]
    more["place"] = np.arange(len(more))
    with h5py.File(tmp_path / "plain.slp", "r+") as file:
        del file["pred_points"]
        file["pred_points"] = more
    with pytest.warns(UnmodelledDataWarning, match="columns of pred_points"):
        scan = Snapshot(open_slp(tmp_path / "plain.slp"))
    with small_pieces(100, 17):
        write_slp(scan, tmp_path / "copy.slp")
    with h5py.File(tmp_path / "copy.slp") as file:
        assert file["pred_points"][()].tobytes() == more.tobytes()


def test_a_scan_with_other_instance_ids_leaves_what_refers_to_them(tmp_path: Path) -> None:
    parts = rich_parts()
    parts["instances"]["instance_id"] = [5, 6, 7]
    parts["instances"]["from_predicted"] = [6, -1, -1]
    path = write_parts(tmp_path / "rich.slp", parts)
    with pytest.warns(UnmodelledDataWarning, match="masks"):
        scan = Snapshot(open_slp(path))
    with pytest.warns(UnmodelledDataWarning, match=r"left out.*masks \(2\).*other row numbers"):
        write_slp(scan, tmp_path / "copy.slp")
    with h5py.File(tmp_path / "copy.slp") as file:
        assert "masks" not in file
        assert list(file["instances"]["from_predicted"]) == [1, -1, -1]
