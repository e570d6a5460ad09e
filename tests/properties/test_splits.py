"""Splits answer as their slow twins in `tests.reference`, and keep their laws."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tabular_labels as tl
from tabular_labels._types import IntArray
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries.leakage import count_leaks, nearest_steps
from tabular_labels.queries.pieces import COUNTED, count_pieces, pair_pieces
from tabular_labels.queries.split_assign import assign_frames, split_positions
from tabular_labels.queries.split_gap import clear_gap
from tabular_labels.queries.split_groups import (
    connect,
    group_blocks,
    group_neighbours,
    group_values,
    group_videos,
    unite_groups,
)
from tabular_labels.queries.split_sizes import fraction_sizes, group_counts
from tabular_labels.queries.split_tracks import group_pairs, group_tracks
from tabular_labels.testing.strategies import label_tables
from tests import reference
from tests.reference import Row, rows_of

PLACES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 12)), min_size=1, max_size=24)
SEEDS = st.integers(-(2**70), 2**70)


def frames_at(places: list[tuple[int, int]]) -> tuple[pl.DataFrame, list[Row]]:
    """Make frames at places in canonical order, as a table and as rows."""
    schema = {"video_id": pl.UInt32, "frame_idx": pl.Int64}
    table = pl.DataFrame(sorted(places), schema=schema, orient="row").with_columns(
        position=pl.int_range(pl.len(), dtype=pl.UInt32)
    )
    return table, table.with_row_index("row").to_dicts()


def some_sizes(data: st.DataObject, total: int) -> list[int]:
    """Draw sizes of at least one frame, of all frames or less."""
    wishes = data.draw(st.lists(st.integers(1, total), min_size=1, max_size=4))
    sizes: list[int] = []
    for wish in wishes:
        left = total - sum(sizes)
        if left:
            sizes.append(min(wish, left))
    return sizes


@given(places=PLACES, gap=st.integers(0, 5), n_blocks=st.integers(1, 30) | st.just(2**80))
def test_places_are_grouped_as_pair_by_pair(
    places: list[tuple[int, int]], gap: int, n_blocks: int
) -> None:
    frames, rows = frames_at(places)
    assert group_videos(frames).tolist() == reference.lead_neighbours(rows, 99)
    assert group_neighbours(frames, gap).tolist() == reference.lead_neighbours(rows, gap)
    assert group_blocks(frames, n_blocks).tolist() == reference.lead_blocks(rows, n_blocks)


@given(tables=label_tables(max_frames=8))
def test_frames_are_grouped_by_track_as_pair_by_pair(tables: LabelTables) -> None:
    found = group_tracks(tables.structure, tables.catalog.tracks)
    assert found.tolist() == reference.lead_tracks(rows_of(tables))


@given(tables=label_tables(max_frames=8), data=st.data())
def test_frames_are_grouped_and_counted_in_any_pieces(
    tables: LabelTables, data: st.DataObject
) -> None:
    n = tables.instances.height
    order = data.draw(st.permutations(range(n)))
    cuts = sorted(data.draw(st.lists(st.integers(0, n), max_size=12)))
    rows = tables.instances[order]
    pieces = [rows[a:b] for a, b in pairwise([0, *cuts, n])]
    frame_id, track_id = tables.frames["frame_id"], tables.catalog.tracks["track_id"]
    expected = rows_of(tables)
    found = group_pairs(len(frame_id), len(track_id), pair_pieces(frame_id, track_id, pieces))
    assert found.tolist() == reference.lead_tracks(expected)
    named = reference.name_frames(expected, tables.catalog)
    for name, counts in count_pieces(frame_id, pieces, list(COUNTED)).items():
        assert counts.to_list() == [row[name] for row in named]


@given(st.lists(st.none() | st.integers(0, 3), max_size=12))
def test_values_are_grouped_as_one_by_one(values: list[int | None]) -> None:
    assert group_values(pl.Series(values, dtype=pl.Int64)).tolist() == list(
        map(values.index, values)
    )


@given(n=st.integers(1, 30), data=st.data())
def test_what_is_connected_is_found_as_pair_by_pair(n: int, data: st.DataObject) -> None:
    number = st.integers(0, n - 1)
    pairs = data.draw(st.lists(st.tuples(number, number), max_size=40))
    ends = np.array(pairs, np.int64).reshape(-1, 2)
    known = {*pairs, *((b, a) for a, b in pairs)}
    expected = reference.lead_groups(n, lambda one, other: (one, other) in known)
    assert connect(n, ends[:, 0], ends[:, 1]).tolist() == expected


@given(places=PLACES, gap=st.integers(0, 3), data=st.data())
def test_groups_unite_as_pair_by_pair(
    places: list[tuple[int, int]], gap: int, data: st.DataObject
) -> None:
    frames, rows = frames_at(places)
    n = len(rows)
    colours = data.draw(st.lists(st.integers(0, 5), min_size=n, max_size=n))
    united = unite_groups(group_values(pl.Series(colours)), group_neighbours(frames, gap))
    assert united.tolist() == reference.lead_groups(
        n,
        lambda one, other: (
            colours[one] == colours[other] or reference.are_near(rows[one], rows[other], gap)
        ),
    )


@given(places=PLACES, seed=SEEDS, data=st.data())
def test_frames_are_dealt_out_as_one_by_one(
    places: list[tuple[int, int]], seed: int, data: st.DataObject
) -> None:
    frames, rows = frames_at(places)
    sizes = some_sizes(data, len(rows))
    strata = some_strata(data, frames)
    part = assign_frames(frames, sizes, seed, strata=strata)
    assert part.tolist() == reference.deal_frames(rows, sizes, seed, None, listed(strata))
    assert np.bincount(part[part >= 0]).tolist() == sizes


@given(places=PLACES, gap=st.integers(0, 3), seed=SEEDS, data=st.data())
def test_groups_are_dealt_out_as_one_by_one(
    places: list[tuple[int, int]], gap: int, seed: int, data: st.DataObject
) -> None:
    frames, rows = frames_at(places)
    leaders = group_neighbours(frames, gap)
    n_groups = len(np.unique(leaders))
    sizes = some_sizes(data, len(rows))[:n_groups]
    strata = group_videos(frames) if data.draw(st.booleans()) else None
    part = assign_frames(frames, sizes, seed, leaders=leaders, strata=strata)
    expected = reference.deal_frames(rows, sizes, seed, leaders.tolist(), listed(strata))
    assert part.tolist() == expected
    assert part.tolist() == part[leaders].tolist()
    assert set(part.tolist()) - {-1} == set(range(len(sizes)))


# Of 400 frames, more than 3 are a large group.
LENGTHS = {
    "large and small": [60, 40, 30, 20, 20, *[5] * 9, 4, *[3] * 20, *[2] * 30, *[1] * 61],
    "small": [2] * 200,
    "one that is nearly all": [390, *[1] * 10],
}


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=list(LENGTHS))
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("sizes", [[320, 80], [200, 100, 50], [398, 1, 1], [1, 1, 398], [2, 398]])
def test_large_and_small_groups_are_dealt_out_as_one_by_one(
    sizes: list[int], seed: int, lengths: list[int]
) -> None:
    starts = np.cumsum([0, *lengths])[:-1]
    frames, rows = frames_at([(0, index) for index in range(400)])
    leaders = np.repeat(starts, lengths)
    part = assign_frames(frames, sizes, seed, leaders=leaders)
    assert part.tolist() == reference.deal_frames(rows, sizes, seed, leaders.tolist(), None)
    if max(lengths) < 100:
        assert max(np.abs(np.bincount(part[part >= 0]) - sizes)) <= 3


@given(places=PLACES, gap=st.integers(0, 20), data=st.data())
def test_a_gap_is_cleared_as_frame_by_frame(
    places: list[tuple[int, int]], gap: int, data: st.DataObject
) -> None:
    frames, rows = frames_at(places)
    n = len(rows)
    part = data.draw(st.lists(st.integers(-1, 2), min_size=n, max_size=n))
    ranking = data.draw(st.permutations(range(3)))
    expected = reference.clear_near(rows, part, gap, ranking)
    lost = set(part) - set(expected) - {-1}
    missing = set(range(3)) - set(part)
    if lost or missing - {ranking[0]}:
        with pytest.raises(ValueError, match=f"a gap of {gap} leaves no frame"):
            clear_gap(frames, np.array(part), gap, ranking)
        return
    cleared = clear_gap(frames, np.array(part), gap, ranking)
    assert cleared.tolist() == expected
    steps = [
        nearest_steps(frames.filter(cleared == one), frames.filter(cleared == other))
        for one in range(3)
        for other in range(3)
        if one != other
    ]
    assert all(bool(((found < 0) | (found > gap)).all()) for found in steps)


@given(training=PLACES, validation=PLACES, within=st.lists(st.integers(0, 15), max_size=3))
def test_leaks_are_counted_as_frame_by_frame(
    training: list[tuple[int, int]], validation: list[tuple[int, int]], within: list[int]
) -> None:
    (known, known_rows), (tested, tested_rows) = frames_at(training), frames_at(validation)
    steps = reference.steps_to_nearest(known_rows, tested_rows)
    assert nearest_steps(known, tested).tolist() == steps
    for row in count_leaks(known, tested, within).to_dicts():
        video = row["video_id"]
        mine = [s for s, f in zip(steps, tested_rows, strict=True) if f["video_id"] == video]
        assert row["n_training"] == sum(f["video_id"] == video for f in known_rows)
        assert row["n_validation"] == len(mine)
        assert row["nearest"] == min((s for s in mine if s >= 0), default=None)
        for n in within:
            assert row[f"within_{n}"] == sum(0 <= s <= n for s in mine)


@given(places=PLACES, data=st.data())
def test_strata_get_their_share_to_within_one_frame(
    places: list[tuple[int, int]], data: st.DataObject
) -> None:
    frames, rows = frames_at(places)
    n = len(rows)
    size = data.draw(st.integers(1, n))
    strata = group_values(pl.Series(data.draw(st.lists(st.integers(0, 2), min_size=n, max_size=n))))
    part = assign_frames(frames, [size], data.draw(SEEDS), strata=strata)
    for stratum in np.unique(strata):
        here = part[strata == stratum]
        assert abs((here == 0).sum() - len(here) * size / n) < 1


@given(
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=5),
    unused=st.integers(0, 9),
    more=st.integers(0, 50),
)
def test_every_part_gets_groups_and_none_twice(sizes: list[int], unused: int, more: int) -> None:
    n_groups = len(sizes) + more
    counts = group_counts(sizes, sum(sizes) + unused, n_groups)
    assert len(counts) == len(sizes)
    assert min(counts) >= 1
    assert sum(counts) <= n_groups


@given(total=st.integers(1, 200), percents=st.lists(st.integers(0, 100), min_size=1, max_size=4))
def test_sizes_are_decimal_fractions_rounded_up(total: int, percents: list[int]) -> None:
    expected = [max(-(-percent * total // 100), 1) for percent in percents]
    fractions = [percent / 100 for percent in percents]
    if sum(expected) > total:
        with pytest.raises(ValueError, match="expected"):
            fraction_sizes(total, fractions)
    else:
        assert fraction_sizes(total, fractions) == expected
        if sum(expected) < total:
            assert fraction_sizes(total, [*fractions, -1]) == [*expected, total - sum(expected)]


@given(places=PLACES, seed=SEEDS, data=st.data())
def test_places_in_the_list_are_split_as_their_frames(
    places: list[tuple[int, int]], seed: int, data: st.DataObject
) -> None:
    frames, _ = frames_at(places)
    n = frames.height
    position = data.draw(st.permutations(range(n)))
    listed = frames.with_columns(position=pl.Series(position, dtype=pl.UInt32))
    whole = split_positions(listed, [0.5, -1] if n > 1 else [1], seed)
    assert sorted(place for part in whole for place in part.tolist()) == list(range(n))
    by_row = assign_frames(frames, [len(part) for part in whole], seed)
    for number, part in enumerate(whole):
        assert sorted(part) == sorted(np.array(position)[by_row == number])
    given_places = np.array(data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=9)))
    some = split_positions(listed, [-1], seed, given_places)
    assert [part.tolist() for part in some] == [given_places.tolist()]


@given(tables=label_tables(min_frames=2), n=st.floats(0, 1), seed=st.integers())
def test_a_split_holds_every_frame_once_and_unites_to_the_whole(
    tables: LabelTables, n: float, seed: int
) -> None:
    labels = tl.Labels.from_tables(tables)
    before = tables_as_they_are(tables)
    first, second = labels.split(n, seed=seed)
    assert len(first) + len(second) == len(labels)
    assert len(first) == min(max(round(n * len(labels)), 1), len(labels) - 1)
    for name in ("frame_id", "instance_id"):
        table = name.removesuffix("_id") + "s"
        keys = [getattr(part._snapshot.tables(), table)[name] for part in (first, second)]
        assert pl.concat(keys).sort().equals(getattr(tables, table)[name].sort())
    assert first.videos == second.videos == labels.videos
    assert first.tracks == labels.tracks
    assert first.provenance == labels.provenance
    assert tables_as_they_are(tables) == before


def tables_as_they_are(tables: LabelTables) -> list[Any]:
    return [table.to_dicts() for table in (tables.frames, tables.instances, tables.points)]


def some_strata(data: st.DataObject, frames: pl.DataFrame) -> IntArray | None:
    n = frames.height
    drawn = data.draw(st.none() | st.lists(st.integers(0, 2), min_size=n, max_size=n))
    return None if drawn is None else group_values(pl.Series(drawn))


def listed(leaders: IntArray | None) -> list[int] | None:
    return None if leaders is None else leaders.tolist()
