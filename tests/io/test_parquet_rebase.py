"""Edits of an older version are applied to the newest, when both fit together."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from tabular_labels.errors import ConflictError
from tabular_labels.io import parquet_files
from tabular_labels.io.parquet_commit import append_delta
from tabular_labels.io.parquet_rewrite import compact
from tabular_labels.io.parquet_scan import ParquetSource, open_parquet
from tabular_labels.io.project_versions import publish, read_history
from tabular_labels.io.validate import validate_project
from tabular_labels.model.schema import NEGATIVE_ANCHORS, SUGGESTIONS, TRACKS
from tabular_labels.model.tables import Catalog, LabelTables
from tabular_labels.testing.builders import make_tables
from tests.io.committed import add_frame, assert_holds
from tests.io.project_edits import (
    PLACE,
    Edit,
    Rows,
    at,
    count,
    disk_rows,
    draw_edit,
    make_edited_project,
    replaced,
)

FAR = 10_000


@pytest.fixture(scope="module")
def full() -> LabelTables:
    return make_tables(160, n_nodes=3, user_fraction=0.3, shuffled=True)


@pytest.fixture
def path(full: LabelTables, tmp_path: Path) -> Path:
    make_edited_project(tmp_path / "mice", full, points_per_shard=400, seed=0, n_deltas=0)
    return tmp_path / "mice"


def two_edits(source: ParquetSource, *, seed: int, overlap: int = 0) -> tuple[Rows, Edit, Edit]:
    """Draw two edits of one version, at different places but for some."""
    rng = np.random.default_rng(seed)
    rows = disk_rows(source.load())
    places = rows["frames"].select(PLACE).unique(maintain_order=True)
    order = rng.permutation(places.height)
    first, second = np.sort(order[:30]), np.sort(order[30 - overlap : 60])
    one, two = (
        draw_edit(rows, rows, places[chosen], rng, number)
        for number, chosen in enumerate((first, second), start=1)
    )
    return rows, one, two


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("is_compacted", [False, True])
def test_edits_of_different_places_both_count(
    path: Path, full: LabelTables, seed: int, is_compacted: bool
) -> None:
    base = open_parquet(path)
    rows, mine, theirs = two_edits(base, seed=seed)
    append_delta(base, theirs.edit_set(full))
    if is_compacted:
        compact(path)
    after = append_delta(base, mine.edit_set(full), rebase=True)
    both = replaced(theirs.rows, mine.replaced, mine.new)
    assert count(both) != count(rows)
    assert_holds(after, both, full)
    assert validate_project(path) == []


def test_edits_of_one_place_conflict_and_are_named(path: Path, full: LabelTables) -> None:
    base = open_parquet(path)
    _, mine, theirs = two_edits(base, seed=1, overlap=3)
    append_delta(base, theirs.edit_set(full))
    before = sorted(path.rglob("*"))
    with pytest.raises(ConflictError, match=r"both sides edited 3 places .*first: \(\d") as caught:
        append_delta(base, mine.edit_set(full), rebase=True)
    place = mine.replaced.join(theirs.replaced, on=PLACE, how="semi").select(PLACE).row(0)
    assert str(place) in str(caught.value)
    assert "version 2" in str(caught.value)
    assert sorted(path.rglob("*")) == before


def test_places_that_others_edited_and_restored_do_not_conflict(
    path: Path, full: LabelTables
) -> None:
    base = open_parquet(path)
    rows, mine, theirs = two_edits(base, seed=2, overlap=5)
    then = append_delta(base, theirs.edit_set(full))
    back = Edit(
        theirs.replaced.with_columns(
            points=pl.lit(value=True), removed=pl.lit([], pl.List(pl.UInt32))
        ),
        at(rows, theirs.replaced),
        rows,
    )
    append_delta(then, back.edit_set(full))
    after = append_delta(base, mine.edit_set(full), rebase=True)
    assert_holds(after, mine.rows, full)


def test_places_merged_into_one_delta_are_told_apart(path: Path, full: LabelTables) -> None:
    """A delta that holds earlier edits too says nothing about who edited what since."""
    base = open_parquet(path)
    _, first, second = two_edits(base, seed=3)
    base = append_delta(base, first.edit_set(full))
    places, rng = first.replaced.select(PLACE), np.random.default_rng(0)
    mine = draw_edit(first.rows, first.rows, places, rng, 5)
    after_both = count(replaced(first.rows, second.replaced, second.new))
    append_delta(base, replace(second.edit_set(full), counts=after_both))
    assert len(open_parquet(path).manifest.deltas) == 1
    after = append_delta(base, mine.edit_set(full), rebase=True)
    both = replaced(mine.rows, second.replaced, second.new)
    assert_holds(after, both, full)


def test_new_rows_of_both_sides_get_ids_of_their_own(path: Path) -> None:
    base = open_parquet(path)
    append_delta(base, add_frame(base, (0, FAR), 1.0))
    after = append_delta(base, add_frame(base, (0, FAR + 1), 7.0), rebase=True)
    first, second = (after.find_frame(0, index) for index in (FAR, FAR + 1))
    for key, name in (("frame_id", "frames"), ("instance_id", "instances"), ("position", "frames")):
        theirs, mine = (getattr(tables, name)[key].to_list() for tables in (first, second))
        assert max(theirs) < min(mine)
    for tables in (first, second):
        ids = tables.instances["instance_id"].to_list()
        assert tables.instances["from_predicted"].to_list() == [None, ids[0]]
        assert (
            tables.instances["frame_id"].unique().to_list() == tables.frames["frame_id"].to_list()
        )
    assert (first.points["x"][0], second.points["x"][0]) == (1.0, 7.0)
    assert after.counts.frames == base.counts.frames + 2
    assert validate_project(path) == []


def with_tracks(catalog: Catalog, *names: str) -> Catalog:
    first = int(catalog.tracks["track_id"].to_numpy().max(initial=0)) + 1
    rows = [(first + k, name, 0) for k, name in enumerate(names)]
    added = pl.DataFrame(rows, schema=TRACKS.columns, orient="row")
    return replace(catalog, tracks=pl.concat([catalog.tracks, added]))


def test_tracks_that_both_sides_added_stay_two(path: Path) -> None:
    base = open_parquet(path)
    theirs = with_tracks(base.catalog, "anna")
    append_delta(base, add_frame(base, (0, FAR), 1.0, catalog=theirs))
    mine = with_tracks(base.catalog, "bob", "carl")
    edits = add_frame(base, (1, FAR), 2.0, catalog=mine)
    bob = mine.tracks.filter(name="bob")["track_id"]
    tracked = edits.instances.with_columns(track_id=pl.lit(bob[0], pl.UInt32))
    after = append_delta(base, replace(edits, instances=tracked), rebase=True)
    names = after.catalog.tracks["name"].to_list()
    assert sorted(names[-3:]) == ["anna", "bob", "carl"]
    assert after.catalog.tracks["track_id"].is_unique().all()
    bobs = after.catalog.tracks.filter(name="bob")["track_id"]
    assert after.find_frame(1, FAR).instances["track_id"].to_list() == [bobs[0]] * 2
    assert validate_project(path) == []


def suggest(catalog: Catalog, *indices: int) -> Catalog:
    rows = [(0, index, None) for index in indices]
    added = pl.DataFrame(rows, schema=SUGGESTIONS.columns, orient="row")
    return replace(catalog, suggestions=pl.concat([catalog.suggestions, added]))


def anchor(catalog: Catalog, index: int) -> Catalog:
    added = pl.DataFrame([(0, index, 1.0, 2.0)], schema=NEGATIVE_ANCHORS.columns, orient="row")
    return replace(catalog, negative_anchors=pl.concat([catalog.negative_anchors, added]))


def noted(catalog: Catalog, **facts: object) -> Catalog:
    return replace(catalog, provenance={**catalog.provenance, **facts})


def commit_both(path: Path, theirs: Any, mine: Any) -> Catalog:
    base = open_parquet(path)
    append_delta(base, add_frame(base, (0, FAR), 1.0, catalog=theirs(base.catalog)))
    edits = add_frame(base, (1, FAR), 1.0, catalog=mine(base.catalog))
    return append_delta(base, edits, rebase=True).catalog


def test_what_both_sides_add_to_lists_is_kept(path: Path) -> None:
    before = open_parquet(path).catalog.suggestions.height
    catalog = commit_both(path, lambda c: suggest(c, 1, 2), lambda c: suggest(c, 2, 3))
    assert catalog.suggestions["frame_idx"].to_list()[before:] == [1, 2, 3]


def test_one_side_may_change_a_list_freely(path: Path) -> None:
    def cleared(catalog: Catalog) -> Catalog:
        return replace(catalog, suggestions=catalog.suggestions.clear())

    catalog = commit_both(path, cleared, lambda c: anchor(noted(c, who="me"), 5))
    assert catalog.suggestions.height == 0
    assert catalog.negative_anchors["frame_idx"].to_list()[-1] == 5
    assert catalog.provenance["who"] == "me"


def renamed(catalog: Catalog, name: str) -> Catalog:
    tracks = catalog.tracks
    names = pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(name)).otherwise("name")
    return replace(catalog, tracks=tracks.with_columns(name=names))


def fewer_tracks(catalog: Catalog) -> Catalog:
    return replace(catalog, tracks=catalog.tracks[1:])


def with_other_nodes(catalog: Catalog, name: str) -> Catalog:
    names = pl.concat_str(pl.lit(name), "name")
    return replace(catalog, nodes=catalog.nodes.with_columns(name=names))


CONFLICTS = {
    "one track renamed twice": (
        lambda c: renamed(c, "a"),
        lambda c: renamed(c, "b"),
        r"both sides changed tracks \(0,\)",
    ),
    "a member of the provenance": (
        lambda c: noted(c, who="a"),
        lambda c: noted(c, who="b"),
        "both sides changed 'who' of the provenance",
    ),
    "a list changed twice": (
        lambda c: replace(suggest(c, 1), suggestions=suggest(c, 1).suggestions[1:]),
        lambda c: suggest(c, 2),
        "both sides changed the suggestions",
    ),
    "nodes renamed twice": (
        lambda c: with_other_nodes(c, "a"),
        lambda c: with_other_nodes(c, "b"),
        "both sides changed nodes",
    ),
}


@pytest.mark.parametrize(("theirs", "mine", "message"), CONFLICTS.values(), ids=CONFLICTS)
def test_small_tables_that_both_sides_changed_conflict(
    path: Path, theirs: Any, mine: Any, message: str
) -> None:
    base = open_parquet(path)
    seed = suggest(base.catalog, 7, 8)
    append_delta(base, add_frame(base, (2, FAR), 1.0, catalog=seed))
    with pytest.raises(ConflictError, match=message):
        commit_both(path, theirs, mine)
    assert validate_project(path) == []


def test_a_change_that_both_sides_made_alike_is_no_conflict(path: Path) -> None:
    catalog = commit_both(path, lambda c: renamed(c, "a"), lambda c: renamed(c, "a"))
    assert catalog.tracks["name"][0] == "a"


def test_a_track_that_others_still_need_is_not_removed(path: Path) -> None:
    base = open_parquet(path)
    append_delta(base, add_frame(base, (0, FAR), 1.0))
    edits = add_frame(base, (1, FAR), 1.0, catalog=fewer_tracks(base.catalog))
    with pytest.raises(ConflictError, match=r"\d+ instances that others left need tracks"):
        append_delta(base, edits, rebase=True)
    assert validate_project(path) == []


def test_a_lost_race_is_run_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    base = open_parquet(path)
    rivals = iter(range(3))

    def publish_second(root: Path, manifest: Any) -> None:
        if (rival := next(rivals, None)) is not None:
            with monkeypatch.context() as patch:
                patch.setattr(parquet_files, "publish", publish)
                newest = open_parquet(path)
                append_delta(newest, add_frame(newest, (2, FAR + rival), 1.0), message="rival")
        publish(root, manifest)

    monkeypatch.setattr(parquet_files, "publish", publish_second)
    after = append_delta(base, add_frame(base, (0, FAR), 1.0), message="mine", rebase=True)
    assert after.manifest.info.version == 5
    assert [info.message for info in read_history(path)][1:] == ["rival"] * 3 + ["mine"]
    assert after.counts.frames == base.counts.frames + 4
    files = {
        file.path
        for version in range(1, 6)
        for file in open_parquet(path, version=version).manifest.files()
    }
    assert {f"edits/{file.name}" for file in (path / "edits").iterdir()} <= files
    assert_frame_equal(after.load().frames, open_parquet(path).load().frames)
