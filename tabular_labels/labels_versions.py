"""Versions of a project: commits of what was edited, and what differs between two."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from tabular_labels.differences import StateAt, changed_at, diff_at, diff_version, read_at, state_of
from tabular_labels.errors import NoProjectError
from tabular_labels.files import warn_of_arrays
from tabular_labels.labels_core import LabelsCore
from tabular_labels.labels_tables import LabelsTables, ProjectTables
from tabular_labels.model.edits import packed_places, rows_at
from tabular_labels.model.source import Source
from tabular_labels.model.tables import Catalog
from tabular_labels.model.video import Video
from tabular_labels.queries.diff import Changes, changed_places, find_changes
from tabular_labels.store.edit_set import edit_set, note_links
from tabular_labels.store.edits_between import edits_between
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.store.store import Store

if TYPE_CHECKING:
    from tabular_labels.io.parquet_scan import ParquetSource

__all__ = ["LabelsVersions"]

# A commit that changes a larger part of the frames writes shards anew: reading many
# frames from a delta costs more than reading them from their shard.
MOST_IN_DELTA = 0.1
FEW_IN_DELTA = 1000


class LabelsVersions(LabelsTables):
    """Labels that came from a Parquet project, or were saved as one, and follow it."""

    _project: ParquetSource | None = None
    _committed: Snapshot | None = None
    _committed_catalog: Catalog | None = None
    _edited_tables: tuple[ParquetSource, int, ProjectTables] | None = None

    def _follow(self, project: ParquetSource) -> None:
        """Commit to this version of a project from now on: the rows of now are its rows."""
        self._project = project
        store = self._store_made
        made = self._opened if store is None else store.snapshot_if_made
        self._committed = None if made is None else made.unread()
        self._committed_catalog = self._catalog
        if store is not None:
            self._watch(store, project)

    @staticmethod
    def _watch(store: Store, project: ParquetSource) -> None:
        next_ids = project.manifest.next_ids
        store.keep_above(
            frame=next_ids.frame_id, instance=next_ids.instance_id, position=next_ids.position
        )
        if not store.has_whole_positions:
            store.settle()
        store.watch()

    def _use_store(self, store: Store) -> None:
        super()._use_store(store)
        if self._project is not None:
            self._watch(store, self._project)

    @property
    def tables(self) -> ProjectTables:
        """The project's tables, lazily: ``labels.tables.points`` and so on."""
        store = self._store_made
        if self._project is None or store is None or not self.is_scanned or not self.has_changes:
            return super().tables
        if store.was_rebased or not store.has_whole_positions:
            return super().tables
        if not _has_nodes_of(self._project, store.catalog):
            return super().tables
        known = self._edited_tables
        if known is None or known[:2] != (self._project, store.n_changes):
            # The project reads what was not edited; filters reach its files.
            edits = edit_set(store, self._project.counts)
            tables = ProjectTables(Snapshot(self._project.with_edits(edits)))
            known = self._edited_tables = self._project, store.n_changes, tables
        return known[2]

    @property
    def version(self) -> int | None:
        """The version of the project that edits are relative to; None without a project."""
        return None if self._project is None else self._project.manifest.info.version

    @property
    def has_changes(self) -> bool:
        """Whether something was edited that is in no version of the project yet."""
        store = self._store_made
        if store is None:
            return False
        if self._project is None:
            return store.is_edited
        is_moved = store.was_rebased or bool(store.touched)
        return is_moved or store.catalog is not self._committed_catalog

    def commit(self, message: str = "", *, rebase: bool = False) -> int:
        """Write what was edited as a new version of the project.

        Only what changed is written; earlier versions stay as they are. After single
        edits that is a small delta, after bulk edits the shards that they touched.
        Without edits nothing is written.

        Args:
            message: Why, for `history`.
            rebase: When others committed meanwhile, apply the edits to the newest version,
                if they are of other frames. These labels then show the edits of both
                sides, and `undo` begins anew.

        Returns:
            The number of the version.

        Raises:
            NoProjectError: The labels are of no Parquet project; save them as one first.
            ConflictError: There is a newer version, or with ``rebase`` its edits touch the
                same frames. Nothing was written, and nothing is lost.

        Warns:
            LeftOutWarning: Pictures of new videos made from arrays are not written.

        Examples:
            >>> import tabular_labels as tl, tempfile
            >>> labels = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), k) for k in range(3)])
            >>> labels.save(tempfile.mkdtemp() + "/mice.parquet")
            >>> del labels[0]
            >>> labels.commit("the first frame was blurred")
            2
        """
        project = self._project
        if project is None:
            raise NoProjectError
        if not self.has_changes:
            return project.manifest.info.version
        added = self._videos_unlike(project)
        newer = self._write(project, message, rebase=rebase)
        warn_of_arrays(added, project.path)
        if newer.manifest.info.parent == project.manifest.info.version:
            self._follow(newer)
        else:
            self._reopen(newer)
        return newer.manifest.info.version

    def _videos_unlike(self, project: ParquetSource) -> list[Video]:
        """List the videos that a version has not, or has otherwise."""
        now, before = self._store.catalog.videos, project.manifest.catalog.videos
        unlike = now.join(before, on=now.columns, how="anti", nulls_equal=True)
        return [self._objects.video_by_id[key] for key in unlike["video_id"]]

    def _write(self, project: ParquetSource, message: str, *, rebase: bool) -> ParquetSource:
        from tabular_labels.io.parquet_commit import append_delta

        store = self._store
        has_nodes = _has_nodes_of(project, store.catalog)
        if has_nodes and not store.was_rebased and store.has_whole_positions:
            edits = edit_set(store, project.counts)
            known = store.base.structure if self._same_shards(store, project) else None
            return append_delta(project, edits, message=message, rebase=rebase, structure=known)
        # What was committed last is on the disk, if not in memory.
        now, touched = self._snapshot, self._touched_places(store)
        before, after = self._committed_at(project), state_of(now)
        if touched is None:
            changed = changed_places(state_of(self._committed or Snapshot(project)), after)
        else:
            changed = changed_at(before, after.at, touched)
        if has_nodes and _fits_delta(now, changed):
            old = before(changed).structure
            edits = edits_between(old, now, changed)
            return append_delta(project, edits, message=message, rebase=rebase, structure=old)
        from tabular_labels.io.parquet_rewrite import rewrite

        return rewrite(project, now.source, changed, message=message)

    def _committed_at(self, project: ParquetSource) -> StateAt:
        """Return how to look up rows as they were committed last."""
        committed = self._committed
        if committed is not None and committed.has_structure:
            return state_of(committed).at
        return partial(read_at, project)

    @staticmethod
    def _same_shards(store: Store, project: ParquetSource) -> bool:
        """Tell whether the snapshot below is a version of the shards of another version."""
        manifest = getattr(store.base.source, "manifest", None)
        return manifest is not None and manifest.shards == project.manifest.shards

    @staticmethod
    def _touched_places(store: Store) -> pl.DataFrame | None:
        """List the places that may differ from what was committed, None if unknown."""
        if store.moved is None or not store.has_whole_positions:
            return None
        note_links(store)
        single = [video << 32 | index for video, index in store.touched or ()]
        keys = np.unique(np.concatenate([*store.moved, np.array(single, np.int64)]))
        return pl.DataFrame(
            {
                "video_id": pl.Series(keys >> 32, dtype=pl.UInt32),
                "frame_idx": pl.Series(keys & (2**32 - 1), dtype=pl.Int64),
            }
        )

    def _reopen(self, project: ParquetSource) -> None:
        """Show a version that others had a part in."""
        source: Source = project
        snapshot = Snapshot(source) if self.is_scanned else Snapshot.of(source.load())
        self._store.close()
        self._attach(snapshot)
        self._follow(project)

    def diff(self, other: LabelsCore | int, *, by_content: bool | None = None) -> Changes:
        """Compare these labels with others, or with a version of their project.

        Args:
            other: What they were before: labels, or the number of a version.
            by_content: Compare rows by what they say instead of by their keys; None for
                keys within one project, content otherwise.

        Returns:
            By table (``frames``, ``instances``, ``points``, ``tracks``, ...): the rows that
            were ``added``, ``removed``, and ``changed`` with old and new values.

        Raises:
            NoProjectError: A version was asked for, of labels that are of no project.
            QueryError: The project has no such version.

        Examples:
            >>> import tabular_labels as tl
            >>> labels = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), k) for k in range(3)])
            >>> before = labels.copy()
            >>> del labels[0]
            >>> labels.diff(before)["frames"].removed["frame_idx"].to_list()
            [0]
        """
        now = self._snapshot
        if isinstance(other, LabelsCore):
            return find_changes(state_of(other._snapshot), state_of(now), by_content=by_content)
        project = self._project
        if project is None:
            raise NoProjectError
        touched = None if by_content else self._touched_places(self._store)
        if other == project.manifest.info.version:
            if touched is not None:
                return diff_at(self._committed_at(project), state_of(now).at, touched)
            old = state_of(self._committed or Snapshot(project))
            return find_changes(old, state_of(now), by_content=by_content)
        from tabular_labels.io.parquet_scan import open_parquet

        version = open_parquet(project.path, version=other)
        if touched is not None:
            return diff_version(version, project, now, touched)
        return find_changes(state_of(Snapshot(version)), state_of(now), by_content=by_content)


def _has_nodes_of(project: ParquetSource, catalog: Catalog) -> bool:
    """Tell whether skeletons still have as many nodes; only then a delta says all."""
    before, after = project.manifest.catalog.n_nodes, catalog.n_nodes
    n = len(before)
    return len(after) >= n and bool((after[:n] == before).all())


def _fits_delta(snapshot: Snapshot, changed: pl.DataFrame) -> bool:
    """Tell whether a delta does, or so much changed that shards are better written anew."""
    if changed.height > max(snapshot.n_frames * MOST_IN_DELTA, FEW_IN_DELTA):
        return False
    _, rows = rows_at(snapshot.structure, packed_places(changed.filter("points")))
    return len(rows) <= max(snapshot.counts.instances * MOST_IN_DELTA, FEW_IN_DELTA)
