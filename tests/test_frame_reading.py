"""Frames of scans are counted and grouped piece by piece as if their instances were held."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal

from tabular_labels.errors import FileFormatError, InvariantError
from tabular_labels.frame_reading import frame_places, make_columns, track_leaders
from tabular_labels.io import hdf5_records, parquet_tables
from tabular_labels.io.parquet_files import write_table
from tabular_labels.io.parquet_scan import open_parquet
from tabular_labels.io.parquet_write import write_parquet
from tabular_labels.io.project_versions import publish, read_manifest
from tabular_labels.io.slp_scan import open_slp
from tabular_labels.io.slp_write import write_slp
from tabular_labels.model.source import Source
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries.denormalise import frame_columns, frame_schema
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.testing.builders import make_tables
from tabular_labels.testing.strategies import label_tables
from tests import reference
from tests.io.project_edits import draw_edit, in_memory, make_edited_project
from tests.reference import rows_of


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hdf5_records, "_BLOCK_BYTES", 500)
    monkeypatch.setattr(parquet_tables, "_ROWS_AT_ONCE", 7)


def some_tables(seed: int = 0) -> LabelTables:
    return make_tables(
        60,
        n_videos=3,
        n_nodes=2,
        n_skeletons=2,
        n_instances=6,
        user_fraction=0.3,
        gap_fraction=0.1,
        untracked_fraction=0.4,
        absent_fraction=0.5,
        empty_fraction=0.1,
        negative_fraction=0.5,
        shuffled=True,
        seed=seed,
    )


def as_slp(tables: LabelTables, folder: Path) -> Source:
    write_slp(tables, folder / "a.slp")
    return open_slp(folder / "a.slp")


def as_parquet(tables: LabelTables, folder: Path) -> Source:
    write_parquet(tables, folder / "a.parquet", points_per_shard=50)
    return open_parquet(folder / "a.parquet")


SCANS = [as_slp, as_parquet]


def require_same(source: Source) -> None:
    """Compare what is read piece by piece with the whole structure."""
    snapshot, structure = Snapshot(source), source.load_structure()
    names = list(frame_schema(source.catalog))
    frames = frame_places(snapshot, whole=True)
    assert_frame_equal(frames, structure.frames.select(frames.columns))
    found = make_columns(snapshot, frames, names)
    assert_frame_equal(found, frame_columns(source.catalog, structure, names))
    for name in names:  # any column alone, too
        assert_frame_equal(make_columns(snapshot, frames, [name]), found.select(name))
    leaders = track_leaders(snapshot, frames)
    assert not snapshot.has_structure
    tables = source.load()
    assert leaders.tolist() == reference.lead_tracks(rows_of(tables))
    known = reference.name_frames(rows_of(tables), source.catalog)
    counts = ["n_instances", "n_user", "n_predicted", "n_tracked"]
    assert found.select(counts).rows() == [tuple(row[name] for name in counts) for row in known]


@pytest.mark.parametrize("scan", SCANS)
@pytest.mark.parametrize("seed", range(3))
def test_a_scan_is_counted_and_grouped_without_its_structure(
    scan: Callable[[LabelTables, Path], Source], seed: int, tmp_path: Path
) -> None:
    require_same(scan(some_tables(seed), tmp_path))


@settings(max_examples=25)
@given(tables=label_tables(max_frames=8))
def test_any_scan_is_counted_and_grouped_as_pair_by_pair(tables: LabelTables) -> None:
    for scan in SCANS:
        with TemporaryDirectory() as folder:
            require_same(scan(tables, Path(folder)))


@pytest.mark.parametrize(("points_per_shard", "seed"), [(10**6, 0), (40, 1), (40, 2), (1, 3)])
def test_edits_count_on_the_disk_and_beside_it(
    points_per_shard: int, seed: int, tmp_path: Path
) -> None:
    full = some_tables(seed)
    project = make_edited_project(
        tmp_path / "mice", full, points_per_shard=points_per_shard, seed=seed
    )
    source = open_parquet(project.path)
    assert source.counts.instances == project.expected.instances.height
    require_same(source)
    places = project.rows["frames"].select("video_id", "frame_idx").unique(maintain_order=True)
    rng = np.random.default_rng(seed)
    chosen = places.filter(rng.random(places.height) < 0.3)
    edit = draw_edit(project.rows, project.rows, chosen, rng, 9)
    edited = source.with_edits(edit.edit_set(project.expected))
    expected = in_memory(edit.rows, full)
    assert_frame_equal(edited.load_structure().frames, expected.frames)
    require_same(edited)


def test_what_is_in_memory_is_not_read_piece_by_piece() -> None:
    snapshot = Snapshot.of(some_tables())
    assert snapshot.instance_pieces(["frame_id"]) is None
    frames = frame_places(snapshot, whole=True)
    assert make_columns(snapshot, frames, ["n_user"])["n_user"].sum() > 0
    assert track_leaders(snapshot, frames).tolist() == reference.lead_tracks(
        rows_of(snapshot.tables())
    )


def with_instances(path: Path, change: Callable[[pl.DataFrame], pl.DataFrame]) -> Source:
    """Write a version whose first shard has other instances."""
    before = read_manifest(path)
    shard = before.shards[0]
    table = change(pl.read_parquet(path / shard.instances.path))
    file = write_table(table, path / "data" / f"instances-{uuid.uuid4().hex}.parquet")
    file = replace(file, rows=shard.instances.rows)
    info = replace(before.info, version=2, parent=1)
    shards = (replace(shard, instances=file), *before.shards[1:])
    publish(path, replace(before, info=info, shards=shards))
    return open_parquet(path)


def test_an_instance_of_no_frame_is_an_error(tmp_path: Path) -> None:
    as_parquet(some_tables(), tmp_path)
    source = with_instances(
        tmp_path / "a.parquet",
        lambda table: table.with_columns(frame_id=pl.lit(999_999, pl.UInt32)),
    )
    for ask in (lambda s, f: make_columns(s, f, ["n_user"]), track_leaders):
        snapshot = Snapshot(source)
        with pytest.raises(InvariantError, match="frame_id"):
            ask(snapshot, frame_places(snapshot, whole=True))


def test_a_track_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    as_parquet(some_tables(), tmp_path)
    source = with_instances(
        tmp_path / "a.parquet",
        lambda table: table.with_columns(track_id=pl.lit(77, pl.UInt32)),
    )
    snapshot = Snapshot(source)
    with pytest.raises(InvariantError, match="track_id"):
        track_leaders(snapshot, frame_places(snapshot, whole=True))


@pytest.mark.parametrize("more", [False, True])
def test_another_number_of_instances_is_an_error(tmp_path: Path, *, more: bool) -> None:
    as_parquet(some_tables(), tmp_path)
    source = with_instances(
        tmp_path / "a.parquet",
        lambda table: pl.concat([table, table[-1:]]) if more else table[:-1],
    )
    snapshot = Snapshot(source)
    with pytest.raises(FileFormatError, match="as the manifest says"):
        track_leaders(snapshot, frame_places(snapshot, whole=True))


def test_a_file_cut_short_is_an_error(tmp_path: Path) -> None:
    source = as_parquet(some_tables(), tmp_path)
    file = next((tmp_path / "a.parquet" / "data").glob("instances-0000*"))
    file.write_bytes(file.read_bytes()[:-20])
    snapshot = Snapshot(source)
    with pytest.raises(FileFormatError):
        make_columns(snapshot, frame_places(snapshot, whole=True), ["n_instances"])
