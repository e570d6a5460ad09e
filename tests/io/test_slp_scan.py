"""A ``.slp`` file as a source: little is read before it is asked for."""

import pickle
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tabular_labels.io.slp_read import read_slp
from tabular_labels.io.slp_scan import SlpSource, open_slp
from tabular_labels.io.slp_write import write_slp
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import make_tables
from tests.imports import ROOT

COLUMNS = ("x", "y", "visible", "complete", "score")


def rewrite(path: Path, **storage: Any) -> None:
    """Store the rows of a file in another way."""
    with h5py.File(path, "r+") as file:
        for name in ("frames", "instances", "points", "pred_points"):
            data = file[name][:]
            del file[name]
            file.create_dataset(name, data=data, **storage)


STORAGES: list[dict[str, Any]] = [
    {},
    {"chunks": (333,), "maxshape": (None,)},
    {"chunks": (500,), "compression": "gzip"},
]


@pytest.fixture(scope="module", params=STORAGES, ids=["contiguous", "chunked", "gzip"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    tables = make_tables(
        2000, n_nodes=7, n_skeletons=2, user_fraction=0.3, missing_fraction=0.2, shuffled=True
    )
    path = tmp_path_factory.mktemp("scan") / "some.slp"
    write_slp(tables, path)
    if request.param:
        rewrite(path, **request.param)
    return path


@pytest.fixture(scope="module")
def tables(path: Path) -> LabelTables:
    return read_slp(path)


def where(source: SlpSource, rows: Any) -> tuple[Any, Any, Any]:
    """Parts, starts and counts of the points of some instances."""
    structure = source.load_structure()
    assert structure.part is not None
    assert structure.point_start is not None
    counts = np.diff(structure.point_offsets)
    return structure.part[rows], structure.point_start[rows], counts[rows]


def expected(tables: LabelTables, rows: Any) -> Any:
    offsets = tables.point_offsets
    wanted = [k for row in rows for k in range(offsets[row], offsets[row + 1])]
    return tables.points[np.array(wanted, np.int64)]


def test_counts_need_no_reading(path: Path, tables: LabelTables) -> None:
    large = (tables.frames, tables.instances, tables.points)
    assert open_slp(path).counts == Counts(*(table.height for table in large))
    source = open_slp(path)
    assert source.find_frame(0, 0) is None
    assert source.scan("points") is None


def test_structure_and_points_are_those_of_a_load(path: Path, tables: LabelTables) -> None:
    source = open_slp(path)
    structure = source.load_structure()
    assert structure.frames.equals(tables.frames)
    assert structure.instances.equals(tables.instances)
    everything = np.arange(tables.instances.height)
    assert source.read_points(*where(source, everything), COLUMNS).equals(tables.points)
    assert source.load().points.equals(tables.points)


def test_frames_are_read_without_instances(path: Path) -> None:
    source = open_slp(path)
    frames = source.scan("frames")
    assert frames is not None
    expected = source.load_structure().frames
    assert_frame_equal(frames.collect(), expected)
    late = pl.col("frame_idx") > 300
    some = frames.filter(late).select("position", "video_id").head(7).collect()
    assert_frame_equal(some, expected.filter(late).select("position", "video_id").head(7))
    assert frames.select(pl.len()).collect().item() == expected.height
    assert source.scan("instances") is None


@given(data=st.data())
def test_any_rows_are_read_in_the_order_asked(
    path: Path, tables: LabelTables, data: st.DataObject
) -> None:
    n = tables.instances.height
    near = st.integers(0, 40)
    rows = data.draw(st.lists(st.one_of(near, st.integers(0, n - 1)), max_size=30))
    columns = data.draw(st.lists(st.sampled_from(COLUMNS), min_size=1, unique=True))
    source = open_slp(path)
    found = source.read_points(*where(source, np.array(rows, np.int64)), columns)
    assert found.columns == columns
    assert found.equals(expected(tables, rows).select(columns))


def test_rows_asked_for_twice_come_twice(path: Path, tables: LabelTables) -> None:
    source = open_slp(path)
    part, start, count = where(source, np.array([3, 4, 3]))
    assert source.read_points(part, start, count, ["x"]).equals(
        expected(tables, [3, 4, 3]).select("x")
    )
    # A long range and a short one inside it.
    n = int((tables.instances["kind"] == "predicted").sum())
    first, many = np.zeros(2, np.int64), np.array([5 * n, 7])
    found = source.read_points(np.ones(2, np.int8), first, many, ["y"])
    assert found.height == many.sum()
    assert found["y"][:7].equals(found["y"][-7:])


def test_nothing_is_read_of_no_rows(path: Path) -> None:
    none = np.zeros(0, np.int64)
    found = open_slp(path).read_points(none, none, none, COLUMNS)
    assert found.shape == (0, 5)


def test_of_one_kind_no_parts_are_told(tmp_path: Path) -> None:
    for user_fraction in (0.0, 1.0):
        tables = make_tables(300, n_instances=2, user_fraction=user_fraction)
        if user_fraction:
            is_user = tables.instances["kind"] == "user"
            instances = tables.instances.filter(is_user).with_columns(
                instance_idx=np.arange(int(is_user.sum()), dtype=np.uint16) % 2,
                from_predicted=None,
            )
            keep = np.repeat(is_user.to_numpy(), 15)
            points = tables.points.filter(keep)
            schema = tables.instances.schema
            tables = LabelTables(tables.catalog, tables.frames, instances.cast(schema), points)
        write_slp(tables, tmp_path / "some.slp")
        source = open_slp(tmp_path / "some.slp")
        structure = source.load_structure()
        assert structure.part is None
        assert structure.point_start is None
        starts = structure.point_offsets[:-1]
        found = source.read_points(None, starts[7:9], np.full(2, 15), COLUMNS)
        assert found.equals(tables.points[105:135])


def test_threads_read_the_same(path: Path, tables: LabelTables) -> None:
    source = open_slp(path)
    part, start, count = where(source, np.arange(tables.instances.height))

    def read(row: int) -> bool:
        rows = slice(row, row + 50)
        found = source.read_points(part[rows], start[rows], count[rows], COLUMNS)
        return found.equals(expected(tables, range(row, row + 50)))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(0, 8000, 40)))


def test_a_pickled_source_reads_on(path: Path, tables: LabelTables) -> None:
    source = pickle.loads(pickle.dumps(open_slp(path)))
    assert source.load_structure().frames.equals(tables.frames)
    assert source.load().points.equals(tables.points)
    assert source.catalog.project_id == open_slp(path).catalog.project_id


def test_opening_loads_neither_points_nor_pyarrow(tmp_path: Path) -> None:
    write_slp(make_tables(20_000, n_nodes=30), tmp_path / "large.slp")
    program = """
        import sys
        from tabular_labels.io.slp_scan import open_slp
        before = open("/proc/self/status").read() if sys.platform == "linux" else ""
        source = open_slp(sys.argv[1])
        assert source.counts.points == 2_424_000, source.counts
        assert "pyarrow" not in sys.modules
        if before:
            import re
            peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
            assert peak < 150_000, peak
    """
    command = [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "large.slp")]
    subprocess.run(command, check=True, cwd=ROOT)
