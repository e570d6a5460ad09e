"""Commit edits: a new version that shares every file of the last one and adds a delta."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.errors import ConflictError, QueryError, Violation
from tabular_labels.io.atomic import sync_directory
from tabular_labels.io.delta_tables import DeltaTables, merge_deltas, read_delta
from tabular_labels.io.manifest import Delta
from tabular_labels.io.parquet_edits import KEY, packed_key
from tabular_labels.io.parquet_files import (
    new_version,
    next_version,
    write_pieces,
)
from tabular_labels.io.parquet_rebase import rebase_edits
from tabular_labels.io.parquet_scan import ParquetSource, open_parquet
from tabular_labels.io.project_files import verify_file
from tabular_labels.io.project_versions import list_versions
from tabular_labels.model.checks import check_catalog, require
from tabular_labels.model.edits import EditSet, check_edits, packed_places, place_bounds
from tabular_labels.model.offsets import instance_offsets, ranges
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import Structure

__all__ = ["append_delta"]


def append_delta(
    base: ParquetSource,
    edits: EditSet,
    *,
    message: str = "",
    rebase: bool = False,
    structure: Structure | None = None,
) -> ParquetSource:
    """Commit edits as a new version; only what changed is written.

    The version appears whole, when everything it needs is on the disk, or not at all.

    Args:
        base: The version that was edited.
        edits: Relative to that version as it is on the disk.
        message: Why, for the history.
        rebase: When others committed meanwhile, apply the edits to the newest version,
            and try again as often as another writer is first, see `rebase_edits`.
        structure: Frames and instances of ``base``, or of another version of its shards,
            where they were read already: rows are counted there, and not in the files.

    Returns:
        The new version.

    Raises:
        ConflictError: There is a newer version than ``base``, or another writer was
            first; with ``rebase``, both sides edited one place or one row of a small
            table. Nothing was written.
        InvariantError: The edits break rules.
        QueryError: They change the nodes of a skeleton, which all its points depend on.
    """
    _require_sound(base, edits)
    _require_counts(base, edits, structure)
    while True:
        newest = _newest(base, rebase=rebase)
        try:
            if newest is base:
                return _publish(base, edits, message)
            rebased = rebase_edits(base, edits, newest)
            _require_sound(newest, rebased)
            return _publish(newest, rebased, message)
        except ConflictError:
            # When another writer was first there is a newer version: look again.
            if not rebase or newest.manifest.info.version == list_versions(base.path)[-1]:
                raise


def _newest(base: ParquetSource, *, rebase: bool) -> ParquetSource:
    version, newest = base.manifest.info.version, list_versions(base.path)[-1]
    if newest == version:
        return base
    if not rebase:
        text = (
            f"{base.path}: found version {newest}, expected {version}, which was edited: another "
            "writer committed meanwhile and nothing was written. Commit with rebase=True to "
            "apply the edits to the newest version, or open that and edit it again."
        )
        raise ConflictError(text)
    return open_parquet(base.path)


def _require_sound(base: ParquetSource, edits: EditSet) -> None:
    require(check_catalog(edits.catalog))
    require(check_edits(edits))
    _require_predictions(base, edits)
    if edits.catalog.project_id != base.manifest.catalog.project_id:
        text = (
            f"{base.path}: found edits of project {edits.catalog.project_id}, expected "
            f"{base.manifest.catalog.project_id}. Write another project with write_parquet."
        )
        raise QueryError(text)
    before, after = base.manifest.catalog.n_nodes, edits.catalog.n_nodes
    n = min(len(before), len(after))
    if len(after) < len(before) or bool((before[:n] != after[:n]).any()):
        text = (
            f"{base.path}: found {after.tolist()} nodes in the skeletons, expected "
            f"{before.tolist()} as on the disk. Nodes are added and removed by a bulk edit."
        )
        raise QueryError(text)


def _require_counts(base: ParquetSource, edits: EditSet, structure: Structure | None) -> None:
    """Refuse counts that are not those of the new state: nobody could read it."""
    before, n_nodes = base.manifest.info.rows, edits.catalog.n_nodes
    frames, skeletons = _rows_at(base, edits.replaced, structure)
    mine = n_nodes[edits.instances["skeleton_id"].to_numpy()]
    expected = Counts(
        before.frames - frames + edits.frames.height,
        before.instances - len(skeletons) + edits.instances.height,
        before.points - int(n_nodes[skeletons].sum()) + int(mine.sum()),
    )
    if edits.counts != expected:
        sample = (f"found {edits.counts}", f"expected {expected}")
        require([Violation("counts", "they are those of the new state", 1, sample)])


def _rows_at(
    base: ParquetSource, places: pl.DataFrame, structure: Structure | None
) -> tuple[int, IntArray]:
    """Count the frames at places, and name the skeletons of their instances."""
    if structure is None:
        keys = places.select(packed_key()).to_series().implode()
        here = packed_key().is_in(keys)
        plans = [
            base.scan("frames").filter(here).select(pl.len()),
            base.scan("instances").filter(here).select("skeleton_id"),
        ]
        frames, instances = pl.collect_all(plans)
        return int(frames.item()), instances["skeleton_id"].to_numpy()
    wanted = packed_places(places)
    if not base.manifest.deltas:
        return _rows_in(structure.frames, structure.instances, structure.instance_offsets, wanted)
    # What deltas hold is read from these; the rest is as in any version of the same shards.
    edited = base.current_rows
    in_delta = np.isin(wanted, edited.keys)
    kept, skeletons = _rows_in(
        structure.frames, structure.instances, structure.instance_offsets, wanted[~in_delta]
    )
    offsets = instance_offsets(edited.frames, edited.instances)
    more, others = _rows_in(edited.frames, edited.instances, offsets, wanted[in_delta])
    return kept + more, np.concatenate([skeletons, others])


def _rows_in(
    frames: pl.DataFrame, instances: pl.DataFrame, offsets: IntArray, wanted: IntArray
) -> tuple[int, IntArray]:
    first, stop = place_bounds(frames, wanted)
    rows = ranges(offsets[first], offsets[stop] - offsets[first])
    return int((stop - first).sum()), instances["skeleton_id"].gather(rows).to_numpy()


def _require_predictions(base: ParquetSource, edits: EditSet) -> None:
    """Refuse links to predictions that are neither among the new rows nor elsewhere."""
    ids, links = edits.instances["instance_id"], edits.instances["from_predicted"].drop_nulls()
    away = links.filter(~links.is_in(ids.implode()))
    if not len(away):
        return
    elsewhere = base.scan("instances").join(edits.replaced.lazy(), on=KEY, how="anti")
    found = elsewhere.filter(pl.col("instance_id").is_in(away.implode())).select("instance_id")
    lost = away.filter(~away.is_in(found.collect().to_series().implode()))
    if len(lost):
        sample = tuple(f"from_predicted={key}" for key in lost.head(5))
        rule = "from_predicted names a row of instances"
        require([Violation("instances", rule, len(lost), sample)])


def _publish(base: ParquetSource, edits: EditSet, message: str) -> ParquetSource:
    root, before = base.path, base.manifest
    with new_version(root) as version:
        deltas = _with_delta(root, before.deltas, DeltaTables.of(edits), version.created)
        if version.created:
            sync_directory(root / "edits")
        manifest = replace(
            before,
            info=next_version(before.info.version, message, edits.counts),
            catalog=edits.catalog,
            next_ids=before.next_ids.above(edits.frames, edits.instances),
            deltas=deltas,
        )
        version.publish(manifest)
    return ParquetSource(root, manifest)


def _with_delta(
    root: Path, deltas: tuple[Delta, ...], tables: DeltaTables, created: list[Path]
) -> tuple[Delta, ...]:
    """Write one more delta, and make one of neighbours that were made of as many commits."""
    if not tables.replaced.height:
        return deltas
    commits = 1
    while deltas and deltas[-1].commits <= commits:
        for file in deltas[-1].files():
            verify_file(root, file)
        tables = merge_deltas(read_delta(root, deltas[-1]), tables)
        commits += deltas[-1].commits
        deltas = deltas[:-1]
    return (*deltas, _write_delta(root, tables, commits, created))


def _write_delta(root: Path, tables: DeltaTables, commits: int, created: list[Path]) -> Delta:
    token = uuid.uuid4().hex
    files = {}
    for name in ("frames", "instances", "points", "replaced"):
        path = root / "edits" / f"{name}-{token}.parquet"
        created.append(path)
        files[name] = write_pieces(tables.pieces(name), path)
    places = tables.replaced.select(KEY)
    return Delta(places.row(0), places.row(-1), **files, commits=commits)
