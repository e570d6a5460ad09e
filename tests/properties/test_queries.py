"""Each vectorised query answers as its slow twin in `tests.reference`."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from tabular_labels._types import BoolArray
from tabular_labels.model import shown
from tabular_labels.model.source import MemorySource
from tabular_labels.model.tables import LabelTables, Structure
from tabular_labels.queries import denormalise, dense, occupancy
from tabular_labels.queries.dense import scatter
from tabular_labels.queries.dense_layout import dense_layout
from tabular_labels.queries.filter import filter_tables, keep_mask
from tabular_labels.queries.find import (
    filtered_frame_rows,
    find_track_instances,
    rotated,
    user_frame_rows,
)
from tabular_labels.queries.occupancy import (
    named_runs,
    runs_of_structure,
    runs_of_video,
    track_runs,
)
from tabular_labels.queries.places import frame_rows, instance_places, repeat_frames
from tabular_labels.queries.select import select_frames, select_instances, select_points
from tabular_labels.queries.split import split_order
from tabular_labels.queries.suggestions import next_suggestion
from tabular_labels.testing.strategies import label_tables
from tests import reference
from tests.reference import Row, rows_of, tables_of

POINT_VALUES = ("x", "y", "visible", "complete", "score")


def places_with_tracks(tables: LabelTables) -> pl.DataFrame:
    return instance_places(tables.structure).with_columns(tables.instances["track_id"])


def read_points(
    tables: LabelTables, structure: Structure, rows: Any, columns: list[str]
) -> pl.DataFrame:
    """Read the points of instance rows as a facade would."""
    offsets = structure.point_offsets
    start = offsets[:-1] if structure.point_start is None else structure.point_start
    return MemorySource(tables).read_points(None, start[rows], np.diff(offsets)[rows], columns)


def as_tables(tables: LabelTables, structure: Structure) -> LabelTables:
    """Join a structure with the points it refers to."""
    points = read_points(tables, structure, slice(None), list(POINT_VALUES))
    return LabelTables(tables.catalog, structure.frames, structure.instances, points)


def assert_same(made: LabelTables, expected: LabelTables) -> None:
    for name in ("frames", "instances", "points"):
        assert_frame_equal(getattr(made, name), getattr(expected, name), check_exact=True)


def some_rows(data: st.DataObject, n: int) -> Any:
    """Draw rows of a table: all, a slice, or numbers in any order."""
    kind = data.draw(st.sampled_from(("all", "slice", "numbers")))
    if kind == "all":
        return None
    if kind == "numbers":
        numbers = data.draw(st.lists(st.integers(0, n - 1), max_size=6)) if n else []
        return np.array(numbers, np.int64)
    start = data.draw(st.integers(0, n))
    return slice(start, data.draw(st.integers(start, n)))


def some_mask(data: st.DataObject, n: int) -> BoolArray | None:
    drawn = data.draw(st.none() | st.lists(st.booleans(), min_size=n, max_size=n))
    return None if drawn is None else np.array(drawn, np.bool_)


def video_ids(tables: LabelTables) -> list[int]:
    return [*tables.catalog.videos["video_id"].to_list(), 999_999]


@given(tables=label_tables(), data=st.data())
def test_frames_are_repeated_onto_any_instances(tables: LabelTables, data: st.DataObject) -> None:
    structure = tables.structure
    rows = some_rows(data, tables.instances.height)
    of_frame = [f["row"] for f, _ in reference.instances_with_frames(rows_of(tables))]
    expected = np.array(of_frame, np.int64)[slice(None) if rows is None else rows]
    assert frame_rows(structure, rows).tolist() == expected.tolist()
    index = tables.frames["frame_idx"].to_numpy()
    assert repeat_frames(structure, index, rows).tolist() == index[expected].tolist()


@given(tables=label_tables(), untracked=st.booleans(), seed=st.integers(0, 99))
def test_track_runs_equal_the_slow_ones_in_any_row_order(
    tables: LabelTables, untracked: bool, seed: int
) -> None:
    places = places_with_tracks(tables).sample(fraction=1, shuffle=True, seed=seed)
    expected = reference.find_runs(rows_of(tables), untracked=untracked)
    for room in (0, 2**10):  # keys are sorted, or marked in an array of all places
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(occupancy, "_ROOM", room)
            runs = track_runs(places.lazy(), untracked=untracked).collect()
            assert runs.rows() == expected
            if not untracked:
                assert runs_of_structure(tables.structure).rows() == expected
    videos = dict(tables.catalog.videos.select("video_id", "filename").iter_rows())
    tracks = dict(tables.catalog.tracks.select("track_id", "name").iter_rows())
    assert named_runs(tables.catalog, runs).rows() == [
        (videos[v], v, tracks.get(t), t, start, stop) for v, t, start, stop in runs.iter_rows()
    ]


@given(label_tables())
def test_track_runs_do_not_depend_on_how_large_ids_are(tables: LabelTables) -> None:
    places = places_with_tracks(tables)
    # Far apart, three columns no longer fit one packed integer.
    far = places.with_columns(
        pl.when(pl.col("track_id").rank("dense") % 2 == 0)
        .then(pl.col("track_id") + 4_000_000_000)
        .otherwise("track_id")
        .cast(pl.UInt32),
        (pl.col("video_id").cast(pl.Int64) * 70_000).cast(pl.UInt32),
        pl.col("frame_idx") * 10**12,
    )
    groups = far.group_by("video_id", "track_id").agg(pl.col("frame_idx").n_unique())
    runs = track_runs(far.lazy(), untracked=True).collect()
    assert runs.height == groups["frame_idx"].sum()
    expected = far.select("video_id", "track_id", start="frame_idx").unique()
    found = runs.select("video_id", "track_id", "start")
    assert_frame_equal(found, expected, check_row_order=False)
    assert runs.rows() == sorted(runs.rows(), key=lambda r: (r[0], r[1] is None, r[1] or 0, r[2]))


@given(label_tables())
def test_runs_of_a_video_list_tracks_as_they_first_appear(tables: LabelTables) -> None:
    frames = rows_of(tables)
    everything = reference.find_runs(frames, untracked=True)
    for video_id in video_ids(tables):
        order = reference.find_tracks_of_video(frames, video_id)
        expected = [
            (track, start, stop, order.index(track))
            for v, track, start, stop in everything
            if v == video_id
        ]
        found = runs_of_video(tables.structure, video_id)
        assert found.rows() == sorted(expected, key=lambda run: (run[3], run[1]))


@given(
    tables=label_tables(max_frames=8),
    all_frames=st.booleans(),
    untracked=st.booleans(),
    scores=st.booleans(),
    length=st.sampled_from((None, 0, 5, 20)),
)
def test_dense_arrays_hold_what_the_slow_ones_hold(
    tables: LabelTables, all_frames: bool, untracked: bool, scores: bool, length: int | None
) -> None:
    for video_id in video_ids(tables):
        shape, values = reference.fill_dense(
            rows_of(tables),
            tables.catalog,
            video_id,
            all_frames=all_frames,
            untracked=untracked,
            length=length,
            scores=scores,
        )
        expected = np.full(shape, np.nan, np.float32)
        for place, value in values.items():
            expected[place] = value
        layout = dense_layout(
            tables.structure,
            tables.catalog,
            video_id,
            all_frames=all_frames,
            untracked=untracked,
            n_video_frames=length,
        )
        columns = ["x", "y", "visible", *(["score"] if scores else [])]
        points = read_points(tables, tables.structure, layout.instance_rows, columns)
        for chunk, block in product((8, shown.CHUNK), (1, 2, dense._BLOCK)):
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(shown, "CHUNK", chunk)
                patch.setattr(dense, "_BLOCK", block)
                np.testing.assert_array_equal(scatter(layout, points), expected)


def named(
    tables: LabelTables, level: str, columns: list[str] | None = None, rows: Any = None
) -> pl.DataFrame:
    """Make named columns as a facade would."""
    catalog, structure = tables.catalog, tables.structure
    schema: pl.Schema = {
        "points": denormalise.point_schema(catalog),
        "instances": denormalise.instance_schema(catalog),
        "frames": denormalise.wide_frame_schema(catalog, structure),
    }[level]
    wanted = list(schema) if columns is None else columns
    needed = denormalise.needed_points(catalog, level, wanted)  # type: ignore[arg-type]  # a level
    of = slice(None) if rows is None else rows
    if level == "frames" and rows is not None:
        of = np.flatnonzero(np.isin(frame_rows(structure), np.arange(tables.frames.height)[rows]))
    points = read_points(tables, structure, of, needed) if needed else None
    if level == "frames":
        made = denormalise.frame_columns(catalog, structure, wanted, rows, points)
    elif level == "instances":
        made = denormalise.instance_columns(catalog, structure, points, wanted, rows)
    else:
        made = denormalise.point_columns(catalog, structure, points, wanted, rows)
    assert made.schema == pl.Schema({name: schema[name] for name in wanted})
    return made


@pytest.mark.parametrize("level", ["points", "instances", "frames"])
@given(tables=label_tables())
def test_named_columns_hold_what_the_slow_ones_hold(level: str, tables: LabelTables) -> None:
    frames = rows_of(tables)
    n_wide = max((len(frame["instances"]) for frame in frames), default=0)
    expected: list[Row] = {
        "points": lambda: reference.name_points(frames, tables.catalog),
        "instances": lambda: reference.name_instances(frames, tables.catalog),
        "frames": lambda: reference.name_frames(frames, tables.catalog, n_wide),
    }[level]()
    made = named(tables, level)
    assert made.to_dicts() == expected
    assert not expected or list(expected[0]) == made.columns


@pytest.mark.parametrize("level", ["points", "instances", "frames"])
@given(tables=label_tables(), data=st.data())
def test_some_rows_and_columns_are_those_of_the_whole(
    level: str, tables: LabelTables, data: st.DataObject
) -> None:
    whole = named(tables, level)
    columns = data.draw(st.lists(st.sampled_from(whole.columns), min_size=1, unique=True))
    n = tables.frames.height if level == "frames" else tables.instances.height
    start = data.draw(st.integers(0, n))
    rows = slice(start, data.draw(st.integers(start, n)))
    part = named(tables, level, columns, rows)
    if level == "points":
        offsets = tables.point_offsets
        rows = slice(int(offsets[rows.start]), int(offsets[rows.stop]))
    assert_frame_equal(part, whole[rows].select(columns))


@given(tables=label_tables(), data=st.data())
def test_instances_in_any_order_have_their_own_names(
    tables: LabelTables, data: st.DataObject
) -> None:
    if not tables.instances.height:
        return
    rows = np.array(data.draw(st.permutations(range(tables.instances.height))), np.int64)
    expected = named(tables, "instances")[rows]
    assert_frame_equal(named(tables, "instances", rows=rows), expected)


@given(tables=label_tables(), data=st.data())
def test_selecting_by_masks_keeps_what_the_slow_one_keeps(
    tables: LabelTables, data: st.DataObject
) -> None:
    of_frames = some_mask(data, tables.frames.height)
    of_instances = some_mask(data, tables.instances.height)
    everything = np.ones(max(tables.frames.height, tables.instances.height), np.bool_)
    kept = reference.keep_rows(
        rows_of(tables),
        set(np.flatnonzero(everything[: tables.frames.height] if of_frames is None else of_frames)),
        set(
            np.flatnonzero(
                everything[: tables.instances.height] if of_instances is None else of_instances
            )
        ),
    )
    made = select_instances(tables.structure, of_frames, of_instances)
    expected = tables_of(tables.catalog, kept)
    assert_same(as_tables(tables, made), expected)
    again = select_instances(made, np.ones(made.frames.height, np.bool_), None)
    assert_same(as_tables(tables, again), expected)


@given(tables=label_tables(), data=st.data())
def test_selecting_frames_keeps_the_order_of_the_list(
    tables: LabelTables, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(tables.frames.height)))
    rows = order[: data.draw(st.integers(0, len(order)))]
    if data.draw(st.booleans()):
        rows = sorted(rows)
    made = select_frames(tables.structure, np.array(rows, np.int64))
    expected = tables_of(tables.catalog, reference.take_frames(rows_of(tables), rows))
    assert_same(as_tables(tables, made), expected)


@given(tables=label_tables(), data=st.data())
def test_frames_taken_twice_are_two_frames_with_links_of_their_own(
    tables: LabelTables, data: st.DataObject
) -> None:
    n = tables.frames.height
    rows = data.draw(st.lists(st.integers(0, n - 1), max_size=8)) if n else []
    made = as_tables(tables, select_frames(tables.structure, np.array(rows, np.int64)))
    assert made.frames["frame_id"].n_unique() == len(rows)
    assert made.instances["instance_id"].n_unique() == made.instances.height
    frames, taken = rows_of(tables), reference.in_list_order(rows_of(made))
    origin = {i["instance_id"]: (f["row"], i) for f, i in reference.instances_with_frames(frames)}
    copies = {i["instance_id"]: (f, i) for f, i in reference.instances_with_frames(taken)}
    for frame, row in zip(taken, rows, strict=True):
        old = frames[row]
        assert (frame["video_id"], frame["frame_idx"]) == (old["video_id"], old["frame_idx"])
        for new, source in zip(frame["instances"], old["instances"], strict=True):
            assert new["points"] == source["points"]
            linked = origin.get(source["from_predicted"])
            if linked is None or linked[0] not in rows:
                assert new["from_predicted"] is None
                continue
            of_frame, target = copies[new["from_predicted"]]
            assert target["points"] == linked[1]["points"]
            assert target["instance_idx"] == linked[1]["instance_idx"]
            assert of_frame is frame or linked[0] != row


@given(tables=label_tables(), data=st.data())
def test_points_are_selected_alike_by_mask_and_by_rows(
    tables: LabelTables, data: st.DataObject
) -> None:
    mask = some_mask(data, tables.instances.height)
    mask = np.zeros(tables.instances.height, np.bool_) if mask is None else mask
    by_mask = select_points(tables.points, tables.point_offsets, mask)
    backwards = np.flatnonzero(mask)[::-1]
    by_rows = select_points(tables.points, tables.point_offsets, backwards)
    counts = np.diff(tables.point_offsets)[backwards]
    starts = np.cumsum(counts) - counts
    turned = [by_rows.slice(start, n) for start, n in zip(starts, counts, strict=True)]
    assert_frame_equal(pl.concat([by_rows.clear(), *turned[::-1]]), by_mask)


@given(tables=label_tables(), drop_empty=st.booleans())
def test_filters_keep_what_the_slow_rule_keeps(tables: LabelTables, drop_empty: bool) -> None:
    made = filter_tables(
        tables,
        frames=pl.col("frame_idx") < 9,
        instances=pl.col("score") > 0.5,
        points=(pl.col("score") > 0.3) & (pl.col("x") > 0),
        drop_empty=drop_empty,
    )
    frames = rows_of(tables)
    for _, instance in reference.instances_with_frames(frames):
        for point in instance["points"]:
            score_fits = point["score"] is None or point["score"] > 0.3
            if not (score_fits and point["x"] is not None and point["x"] > 0):
                point |= {"x": None, "y": None}
    kept_instances = {
        i["row"]
        for _, i in reference.instances_with_frames(frames)
        if i["score"] is None or i["score"] > 0.5
    }
    kept_frames = {
        f["row"]
        for f in frames
        if f["frame_idx"] < 9
        and (
            not drop_empty
            or f["is_negative"]
            or any(i["row"] in kept_instances for i in f["instances"])
        )
    }
    expected = reference.keep_rows(frames, kept_frames, kept_instances)
    assert_same(made, tables_of(tables.catalog, expected))


@given(
    st.lists(
        st.tuples(*[st.none() | st.integers(0, 2)] * 3),
        max_size=6,
    )
)
def test_a_null_answer_keeps_only_for_want_of_a_score(rows: list[tuple[int | None, ...]]) -> None:
    table = pl.DataFrame(
        rows, schema=dict.fromkeys(("score", "x", "other"), pl.Int64), orient="row"
    )
    mask = keep_mask(table, (pl.col("score") > 0) & (pl.col("x") > 0))
    assert mask.tolist() == [
        (score is None or score > 0) and x is not None and x > 0 for score, x, _ in rows
    ]


@given(label_tables())
def test_classic_filters_find_the_same_frames(tables: LabelTables) -> None:
    frames = rows_of(tables)
    for name in ("", "user", "predicted"):
        found = filtered_frame_rows(tables.structure, name)
        assert found.tolist() == reference.filtered_rows(frames, name)
    assert user_frame_rows(tables.structure).tolist() == reference.filtered_rows(frames, "user")


@given(
    indices=st.lists(st.integers(0, 9), max_size=6),
    start=st.integers(-1, 10),
    reverse=st.booleans(),
)
def test_rotation_goes_once_around(indices: list[int], start: int, reverse: bool) -> None:
    index = np.array(sorted(indices), np.int64)
    places = rotated(index, start, reverse=reverse)
    assert sorted(places.tolist()) == list(range(len(indices)))
    assert index[places].tolist() == reference.rotate(indices, start, reverse=reverse)


@given(tables=label_tables(), data=st.data())
def test_tracks_and_pseudo_tracks_are_found_in_list_order(
    tables: LabelTables, data: st.DataObject
) -> None:
    start, stop = data.draw(st.tuples(st.integers(0, 12), st.integers(0, 12)))
    asked, wanted = data.draw(
        st.sampled_from(
            (
                (None, None),
                ((start, stop), range(start, stop)),
                (range(start, stop), range(start, stop)),
                (range(start, stop, 2), range(start, stop, 2)),
                ({start, stop}, {start, stop}),
            )
        )
    )
    track_ids = [None, *tables.catalog.tracks["track_id"].to_list(), 999_999]
    frames = rows_of(tables)
    for video_id, track_id, place in product(video_ids(tables), track_ids, (None, 0, 1)):
        found = find_track_instances(
            tables.structure, video_id, track_id, pseudo_track=place, frame_range=asked
        )
        assert found.tolist() == reference.find_track(frames, video_id, track_id, place, wanted)


@given(
    places=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6)), max_size=6),
    here=st.tuples(st.integers(0, 4), st.integers(0, 6)),
    direction=st.sampled_from((1, -1)),
    videos=st.permutations(range(4)),
)
def test_suggestions_are_sought_as_one_by_one(
    places: list[tuple[int, int]], here: tuple[int, int], direction: int, videos: list[int]
) -> None:
    schema = {"video_id": pl.UInt32, "frame_idx": pl.Int64}
    table = pl.DataFrame(places, schema=schema, orient="row")
    found = next_suggestion(table, videos, *here, direction)
    assert found == reference.seek_suggestion(places, videos, here, direction)


@given(tables=label_tables(), seed=st.integers(-(2**70), 2**70))
def test_split_order_follows_the_documented_hash(tables: LabelTables, seed: int) -> None:
    assert split_order(tables.frames, seed).tolist() == reference.shuffled_rows(
        rows_of(tables), seed
    )


@given(label_tables())
def test_queries_change_nothing(tables: LabelTables) -> None:
    before = tables_of(tables.catalog, rows_of(tables))
    filter_tables(tables, instances=pl.col("kind") == "user", points=pl.col("x") > 3)
    select_frames(tables.structure, np.arange(tables.frames.height)[::-1])
    track_runs(places_with_tracks(tables).lazy(), untracked=True).collect()
    for video_id in video_ids(tables):
        layout = dense_layout(tables.structure, tables.catalog, video_id)
        columns = ["x", "y", "visible", "score"]
        scatter(layout, read_points(tables, tables.structure, layout.instance_rows, columns))
    assert_same(tables, before)
