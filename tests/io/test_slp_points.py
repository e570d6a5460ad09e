"""Points are read alike, however they are stored and wherever they stand."""

import math
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tabular_labels.errors import FileFormatError
from tabular_labels.io import hdf5_records, slp_points
from tabular_labels.io.hdf5_find import find_records
from tabular_labels.io.hdf5_records import FileState
from tabular_labels.io.slp_layout import POINTS, PRED_POINTS
from tabular_labels.io.slp_points import PointTable, read_points
from tabular_labels.model import schema
from tests.io.slp_cases import small_parts, write_parts

COLUMNS = tuple(schema.POINTS.memory_columns)
N_ROWS = 120


def table_of(layout: np.dtype[Any]) -> np.ndarray[Any, Any]:
    """Rows that are all different, some of them missing."""
    rng = np.random.default_rng(layout.itemsize)
    rows = np.zeros(N_ROWS, layout)
    for name in layout.names or ():
        rows[name] = (
            rng.random(N_ROWS) * 9 if layout[name].kind == "f" else rng.random(N_ROWS) < 0.5
        )
    for name in ("x", "y"):
        rows[name][rng.random(N_ROWS) < 0.2] = np.nan
    return rows


CHUNKS = {"chunks": (7,), "maxshape": (None,)}
STORAGES: list[dict[str, Any]] = [{}, CHUNKS, CHUNKS | {"compression": "gzip"}]


@pytest.fixture(scope="module", params=STORAGES, ids=["contiguous", "chunked", "gzip"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    parts = small_parts() | {"points": table_of(POINTS), "pred_points": table_of(PRED_POINTS)}
    return write_parts(tmp_path_factory.mktemp("points") / "some.slp", parts, **request.param)


def point_tables(path: Path, shift: float = 0.0) -> list[PointTable]:
    state = FileState.of(path)
    with h5py.File(path) as file:
        found = [
            find_records(file, state, name, layout)
            for name, layout in (("points", POINTS), ("pred_points", PRED_POINTS))
        ]
    shifts = (shift, 0.0)
    return [
        PointTable(records, records.locate(), by) for records, by in zip(found, shifts, strict=True)
    ]


def one_by_one(path: Path, ranges: list[tuple[int, int, int]], shift: float = 0.0) -> pl.DataFrame:
    """The rows of some ranges, read by h5py and told one after the other."""
    with h5py.File(path) as file:
        tables = [file["points"][:], file["pred_points"][:]]
    rows = [
        {
            "x": _told(row["x"] + (0 if part else shift)),
            "y": _told(row["y"] + (0 if part else shift)),
            "visible": bool(row["visible"]),
            "complete": bool(row["complete"]),
            "score": _told(row["score"]) if part else None,
        }
        for part, start, count in ranges
        for row in tables[part][start : start + count]
    ]
    return pl.DataFrame(rows, schema=schema.POINTS.memory_columns)


def _told(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def read(path: Path, ranges: list[tuple[int, int, int]], shift: float = 0.0) -> pl.DataFrame:
    part, start, count = np.array(ranges, np.int64).reshape(-1, 3).T
    return read_points(point_tables(path, shift), part, start, count, COLUMNS)


@st.composite
def following_ranges(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Ranges of both tables that follow each other in the file, one now and then left out."""
    at = [draw(st.integers(0, 3)), draw(st.integers(0, 3))]
    ranges = []
    shapes = st.tuples(st.integers(0, 1), st.integers(0, 12), st.sampled_from([0, 0, 0, 0, 2]))
    for part, count, gap in draw(st.lists(shapes, max_size=16)):
        start = at[part] + gap
        at[part] = start + count
        if at[part] <= N_ROWS:
            ranges.append((part, start, count))
    return ranges


@st.composite
def any_ranges(draw: st.DrawFn) -> list[tuple[int, int, int]]:
    """Ranges in any order, which may overlap."""
    shapes = st.tuples(st.integers(0, 1), st.integers(0, N_ROWS - 9), st.integers(0, 9))
    return draw(st.lists(shapes, max_size=12))


@contextmanager
def small_blocks(long_run: int, bytes_at_once: int | None) -> Iterator[None]:
    """Make blocks and pieces so small that a few rows fill many of them."""

    def read_little(reader: Any, pieces: deque[memoryview], address: int) -> int:
        reader._raw.seek(address)
        return int(reader._raw.readinto(pieces[0][:bytes_at_once]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slp_points, "BLOCK", 10)
        patch.setattr(slp_points, "_LONG_RUN", long_run)
        patch.setattr(slp_points, "_GAP", 1)
        patch.setattr(hdf5_records, "_MOST_PIECES", 2)
        if bytes_at_once is not None:
            patch.setattr(hdf5_records._RawReader, "_read_some", read_little)
        yield


@given(
    ranges=following_ranges() | following_ranges().flatmap(st.permutations) | any_ranges(),
    long_run=st.sampled_from([0, 4, 10**6]),
    bytes_at_once=st.sampled_from([None, 5, 300]),
    shift=st.sampled_from([0.0, -0.5]),
)
def test_ranges_are_read_as_one_by_one(
    path: Path,
    ranges: list[tuple[int, int, int]],
    long_run: int,
    bytes_at_once: int | None,
    shift: float,
) -> None:
    with small_blocks(long_run, bytes_at_once):
        found = read(path, ranges, shift)
    assert_frame_equal(found, one_by_one(path, ranges, shift))


def test_long_runs_with_a_few_rows_between_are_read_apart(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the law above would say nothing of that way."""
    taken: list[int] = []
    apart = slp_points._copy_apart

    def note(reader: Any, table: Any, runs: Any, arrays: Any) -> None:
        taken.append(len(runs.start))
        apart(reader, table, runs, arrays)

    monkeypatch.setattr(slp_points, "_LONG_RUN", 8)
    monkeypatch.setattr(slp_points, "_copy_apart", note)
    ranges = [(1, 0, 40), (0, 3, 2), (1, 40, 30), (0, 9, 1), (1, 70, 50)]
    assert_frame_equal(read(path, ranges), one_by_one(path, ranges))
    with h5py.File(path) as file:
        assert taken == ([3] if file["points"].compression is None else [])


def test_a_file_that_ends_early_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tables = point_tables(write_parts(tmp_path / "some.slp", small_parts()))
    monkeypatch.setattr(hdf5_records._RawReader, "_read_some", lambda *_: 0)
    with pytest.raises(FileFormatError, match="78 bytes early"):
        read_points(tables, 1, np.array([0]), np.array([3]), ["x"])
