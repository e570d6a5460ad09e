from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tabular_labels.queries.occupancy import RUNS, runs_of_video, track_runs
from tabular_labels.queries.places import instance_places
from tabular_labels.testing.builders import make_tables

SCHEMA = {"video_id": pl.UInt32, "track_id": pl.UInt32, "frame_idx": pl.Int64}


def runs(*rows: tuple[int, int | None, int], untracked: bool = True) -> list[tuple[object, ...]]:
    table = pl.LazyFrame(rows, schema=SCHEMA, orient="row")
    return track_runs(table, untracked=untracked).collect().rows()


def test_no_instances_make_no_runs_of_the_same_schema() -> None:
    empty = track_runs(pl.LazyFrame(schema=SCHEMA)).collect()
    assert_frame_equal(empty, pl.DataFrame(schema=RUNS))


def test_only_untracked_instances_make_runs_only_when_asked() -> None:
    assert runs((3, None, 1), (3, None, 2), untracked=False) == []
    assert runs((3, None, 1), (3, None, 2)) == [(3, None, 1, 3)]


def test_a_track_that_goes_on_in_the_next_video_is_cut() -> None:
    assert runs((0, 0, 4), (1, 0, 5)) == [(0, 0, 4, 5), (1, 0, 5, 6)]


def test_a_track_that_ends_where_the_next_begins_is_cut() -> None:
    assert runs((0, 0, 4), (0, 1, 5), (0, 1, 0)) == [(0, 0, 4, 5), (0, 1, 0, 1), (0, 1, 5, 6)]


@pytest.mark.parametrize("far", [2**32 - 1, 70_000])
def test_ids_and_indices_of_any_size_are_exact(far: int) -> None:
    index = 2**62
    assert runs((far, far, index), (0, 0, 0), (far, far, index + 1), (far, None, 7)) == [
        (0, 0, 0, 1),
        (far, far, index, index + 2),
        (far, None, 7, 8),
    ]


def test_places_far_apart_take_no_memory_between_them() -> None:
    far = 10**15  # bytes, if each place took one
    assert runs((0, 0, far), (0, 0, 3)) == [(0, 0, 3, 4), (0, 0, far, far + 1)]


def test_negative_indices_are_kept() -> None:
    assert runs((0, 0, -2), (0, 0, -1), (0, 0, 1)) == [(0, 0, -2, 0), (0, 0, 1, 2)]


def test_a_scan_is_answered_lazily_and_reads_three_columns(tmp_path: Path) -> None:
    tables = make_tables(40, gap_fraction=0.3, untracked_fraction=0.2)
    instances = tables.instances.with_columns(instance_places(tables.structure))
    instances.sample(fraction=1, shuffle=True, seed=1).write_parquet(tmp_path / "instances.parquet")
    plan = track_runs(pl.scan_parquet(tmp_path / "instances.parquet"))
    assert f"PROJECT 3/{instances.width}" in plan.explain()
    expected = track_runs(instances.lazy()).collect()
    assert expected.height > 16
    assert_frame_equal(plan.collect(), expected)
    of_video = plan.filter(pl.col("video_id") == 1).select("start").collect()
    assert of_video["start"].to_list() == expected.filter(video_id=1)["start"].to_list()


def test_runs_of_an_unknown_video_are_none() -> None:
    assert runs_of_video(make_tables(8).structure, 99).height == 0
