"""Offsets say what joins and loops would."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tabular_labels.model.offsets import (
    instance_offsets,
    offsets_of_counts,
    point_offsets,
    ranges,
    rows_of_ids,
)
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.strategies import label_tables

small = st.integers(0, 20)
counts_of = st.lists(st.integers(0, 5), max_size=8)


@given(counts_of)
def test_offsets_are_running_sums(counts: list[int]) -> None:
    offsets = offsets_of_counts(np.array(counts, np.int64))
    assert offsets.tolist() == [sum(counts[:k]) for k in range(len(counts) + 1)]
    assert offsets.dtype == np.int64


@given(small, small)
def test_offsets_of_one_number_for_all_are_its_multiples(n: int, length: int) -> None:
    repeated = np.broadcast_to(np.uint8(n * 10), length)
    assert offsets_of_counts(repeated).tolist() == [n * 10 * k for k in range(length + 1)]
    assert offsets_of_counts(repeated).dtype == np.int64


def test_offsets_of_small_integers_do_not_wrap() -> None:
    assert offsets_of_counts(np.full(3, 200, np.uint8)).tolist() == [0, 200, 400, 600]


@given(st.lists(small, unique=True, max_size=10), st.lists(st.integers(-3, 25), max_size=10))
def test_rows_of_ids_are_the_places_in_the_list(ids: list[int], wanted: list[int]) -> None:
    rows = rows_of_ids(np.array(ids, np.uint32), np.array(wanted, np.int64))
    assert rows.tolist() == [ids.index(key) if key in ids else -1 for key in wanted]


@given(st.integers(0, 10), st.lists(st.integers(-3, 25), max_size=10))
def test_rows_of_counting_ids_are_the_ids(n: int, wanted: list[int]) -> None:
    rows = rows_of_ids(np.arange(n, dtype=np.uint32), np.array(wanted, np.int64))
    assert rows.tolist() == [key if 0 <= key < n else -1 for key in wanted]


@pytest.mark.parametrize("ids", [[0, 2, 1, 3], [0, 0, 2], [0, 3, 3, 3]])
def test_ids_that_only_begin_and_end_like_counting_are_looked_up(ids: list[int]) -> None:
    rows = rows_of_ids(np.array(ids, np.uint32), np.array(ids, np.uint32))
    assert np.array(ids)[rows].tolist() == ids


def test_the_largest_ids_are_found() -> None:
    ids = np.array([2**32 - 1, 0], np.uint32)
    assert rows_of_ids(ids, ids).tolist() == [0, 1]
    assert rows_of_ids(ids, np.array([-1])).tolist() == [-1]


@given(st.lists(st.tuples(small, st.integers(0, 4)), max_size=8))
def test_ranges_are_concatenated(pairs: list[tuple[int, int]]) -> None:
    starts = np.array([start for start, _ in pairs], np.int64)
    counts = np.array([count for _, count in pairs], np.int64)
    expected = [row for start, count in pairs for row in range(start, start + count)]
    assert ranges(starts, counts).tolist() == expected


@given(label_tables())
def test_a_frame_finds_its_instances(tables: LabelTables) -> None:
    offsets = instance_offsets(tables.frames, tables.instances)
    ids = tables.instances["frame_id"].to_list()
    for row, frame_id in enumerate(tables.frames["frame_id"]):
        assert ids[offsets[row] : offsets[row + 1]] == [frame_id] * ids.count(frame_id)
    assert offsets[-1] == tables.instances.height


@given(st.lists(st.integers(0, 6)), st.sampled_from([1, 2, 5]))
def test_instances_are_counted_in_steps_and_in_any_order(of: list[int], step: int) -> None:
    frames = pl.DataFrame({"frame_id": range(7)}, schema={"frame_id": pl.UInt32})
    instances = pl.DataFrame({"frame_id": of}, schema={"frame_id": pl.UInt32})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tabular_labels.model.offsets._COUNTED", step)
        counts = np.diff(instance_offsets(frames, instances))
    assert counts.tolist() == [of.count(row) for row in range(7)]


@given(label_tables())
def test_an_instance_finds_its_points(tables: LabelTables) -> None:
    nodes = tables.catalog.nodes["skeleton_id"].to_list()
    offsets = point_offsets(tables.instances, tables.catalog.n_nodes)
    expected = [nodes.count(skeleton_id) for skeleton_id in tables.instances["skeleton_id"]]
    assert np.diff(offsets).tolist() == expected
    assert offsets[0] == 0
    assert offsets[-1] == tables.points.height


def test_instances_of_unknown_frames_are_left_to_the_checks() -> None:
    frames = pl.DataFrame({"frame_id": [4]})
    instances = pl.DataFrame({"frame_id": [4, 9, 4]})
    assert instance_offsets(frames, instances).tolist() == [0, 2]


def test_no_frames_have_no_instances() -> None:
    empty = pl.DataFrame({"frame_id": []}, schema={"frame_id": pl.UInt32})
    assert instance_offsets(empty, empty).tolist() == [0]
