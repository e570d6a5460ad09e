"""Frames and instances are checked alike, in whatever blocks they are read."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.errors import FileFormatError
from tabular_labels.io import hdf5_records
from tabular_labels.io.slp_layout import FRAMES, INSTANCES, POINTS, PRED_POINTS
from tabular_labels.io.slp_read import read_slp
from tests.io.slp_cases import NAN, records, small_parts, write_parts

N_NODES = 2
N_POINTS = 24

Rows = list[tuple[int, int, int]]


def parts_of(rows: Rows) -> dict[str, Any]:
    """One frame with instances of some kind, first point and source."""
    instances = [
        (i, kind, 0, 0, -1, source, NAN, start, start + N_NODES, NAN)
        for i, (kind, start, source) in enumerate(rows)
    ]
    x = np.arange(N_POINTS, dtype=float)
    points, predicted = np.zeros(N_POINTS, POINTS), np.zeros(N_POINTS, PRED_POINTS)
    points["x"], predicted["x"] = x, 100 + x
    return small_parts() | {
        "frames": records(FRAMES, [(0, 0, 3, 0, len(rows))]),
        "instances": records(INSTANCES, instances),
        "points": points,
        "pred_points": predicted,
    }


def overlap(rows: Rows) -> bool:
    for of_kind in (0, 1):
        starts = sorted(start for kind, start, _ in rows if kind == of_kind)
        if any(later < earlier + N_NODES for earlier, later in pairwise(starts)):
            return True
    return False


def linked(rows: Rows) -> list[int | None]:
    """Where each instance comes from: a row, between a person's and a prediction."""
    return [
        source if 0 <= source < len(rows) and (kind == 1 or rows[source][0] == 1) else None
        for kind, _, source in rows
    ]


@st.composite
def instance_rows(draw: st.DrawFn) -> Rows:
    """Instances whose points mostly follow each other."""
    at, rows = [0, 0], []
    sources = st.integers(-1, 13) | st.sampled_from([-(2**63), -2, 2**32 - 2, 2**32, 2**63 - 1])
    shapes = st.tuples(st.integers(0, 1), st.sampled_from([0, 0, 0, 0, 0, 1, 2, -1, -2]), sources)
    for kind, jump, source in draw(st.lists(shapes, max_size=12)):
        start = min(max(at[kind] + jump, 0), N_POINTS - N_NODES)
        at[kind] = start + N_NODES
        rows.append((kind, start, source))
    return rows


@pytest.mark.filterwarnings("ignore::tabular_labels.errors.DanglingReferenceWarning")
@pytest.mark.filterwarnings("ignore::tabular_labels.errors.UnmodelledDataWarning")
@given(rows=instance_rows(), block=st.sampled_from([1, 2, 3, 100]))
def test_points_and_sources_are_checked_across_blocks(
    tmp_path_factory: pytest.TempPathFactory, rows: Rows, block: int
) -> None:
    path = write_parts(tmp_path_factory.mktemp("rows") / "some.slp", parts_of(rows))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hdf5_records, "_BLOCK_BYTES", block * INSTANCES.itemsize)
        if overlap(rows):
            with pytest.raises(FileFormatError, match="the same points in both"):
                read_slp(path)
            return
        tables = read_slp(path)
    expected = [100 * kind + start + k for kind, start, _ in rows for k in range(N_NODES)]
    assert tables.points["x"].to_list() == expected
    assert tables.instances["from_predicted"].to_list() == linked(rows)


@pytest.mark.parametrize("dtype", ["<i8", ">i8", "<u8", ">u8", "<u4", ">i4", "<i2", "u1", "<f8"])
def test_whole_numbers_of_every_width_are_read(tmp_path: Path, dtype: str) -> None:
    """The file decides how wide a column of numbers is."""
    parts = small_parts()
    expected = read_slp(write_parts(tmp_path / "plain.slp", parts))
    for table in ("frames", "instances"):
        rows = parts[table]
        is_signed = np.dtype(dtype).kind != "u"
        names = [
            name
            for name in rows.dtype.names
            if "score" not in name and (is_signed or name not in ("track", "from_predicted"))
        ]
        layout = [(name, dtype if name in names else rows.dtype[name]) for name in rows.dtype.names]
        parts[table] = rows.astype(layout)
    found = read_slp(write_parts(tmp_path / "other.slp", parts))
    assert found.frames.equals(expected.frames)
    assert found.instances.equals(expected.instances)
    assert found.points.equals(expected.points)
