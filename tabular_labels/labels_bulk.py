"""Edits of `Labels` by query: many rows at once, each a step of undo."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, IntArray, Level
from tabular_labels.bulk import keep_rows
from tabular_labels.errors import QueryError
from tabular_labels.labels_core import LabelsCore
from tabular_labels.labels_edit import LabelsEdit
from tabular_labels.model.arguments import require_type
from tabular_labels.queries.blank import blank_instances
from tabular_labels.queries.find import count_kind
from tabular_labels.queries.match_videos import match_lineage
from tabular_labels.queries.places import repeat_frames
from tabular_labels.queries.select import select_instances, without_empty
from tabular_labels.queries.tracks import instances_of_tracks, named_tracks, summarise_tracks
from tabular_labels.setting import chosen_rows, set_rows, set_values
from tabular_labels.tracking import drop_tracks
from tabular_labels.video_marks import mark_videos
from tabular_labels.views import LabeledFrame

__all__ = ["LabelsBulk"]


class LabelsBulk(LabelsEdit):
    """Set operations: what is to change is said by an expression, not by a loop."""

    def update(
        self,
        *,
        frames: Mapping[str, Any] | None = None,
        instances: Mapping[str, Any] | None = None,
        points: Mapping[str, Any] | None = None,
        where: pl.Expr | None = None,
    ) -> int:
        """Set columns of all rows for which an expression is true.

        Args:
            frames: ``is_negative``.
            instances: ``track`` (a `Track`, a name, None, or an expression of names),
                ``track_id``, ``score``, ``tracking_score``.
            points: ``x``, ``y`` (pixels; null for missing), ``visible``, ``complete``,
                ``score``.
            where: Chooses rows; sees the columns of `to_polars` of the level whose columns
                are set. None for all rows; a null answer does not choose.

        A value is a constant, or an expression over the chosen rows. A name that no track
        has makes a new track.

        Returns:
            How many rows were chosen.

        Raises:
            QueryError: Not exactly one level was given, or an expression is not valid.

        Examples:
            >>> import tabular_labels as tl
            >>> fly = tl.Skeleton(["head"])
            >>> frames = [
            ...     tl.LabeledFrame(tl.Video("a.mp4"), 0, [tl.Instance(fly, [[k, 0]])])
            ...     for k in range(3)
            ... ]
            >>> labels = tl.Labels(frames)
            >>> labels.update(points={"x": pl.col("x") * 10}, where=pl.col("x") > 0)
            2
            >>> labels.to_polars("points")["x"].to_list()
            [0.0, 10.0, 20.0]
        """
        given = {"frames": frames, "instances": instances, "points": points}
        levels = [level for level, values in given.items() if values is not None]
        if len(levels) != 1:
            message = (
                f"found values for {levels or 'no level'}, expected one of frames, instances and "
                "points. Call update once for each."
            )
            raise QueryError(message)
        level: Any = levels[0]
        return set_values(self._store, level, given[level] or {}, where)

    def remove(
        self,
        value: LabeledFrame | None = None,
        *,
        where: pl.Expr | None = None,
        level: Level = "instances",
    ) -> int:
        """Remove a frame, or all rows for which an expression is true.

        Args:
            value: A frame of these labels, or
            where: an expression over the columns of `to_polars`; a null answer keeps.
            level: What to remove: ``"frames"`` with their instances, ``"instances"``
                (their frames stay), or ``"points"`` (they become missing, as rows are
                dense).

        Returns:
            How many rows of the level were removed.

        Raises:
            ValueError: The frame is not of these labels.
            QueryError: Neither a frame nor an expression was given, or both.

        Examples:
            >>> import tabular_labels as tl
            >>> labels = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), k) for k in range(5)])
            >>> labels.remove(where=pl.col("frame_idx") >= 3, level="frames"), len(labels)
            (2, 3)
        """
        if (value is None) == (where is None):
            message = "expected either a frame or `where=`. Pass one of them."
            raise QueryError(message)
        if value is not None:
            self.remove_frame(value)
            return 1
        store = self._store
        chosen = chosen_rows(store.snapshot, level, where)
        if level == "points":
            set_rows(store, "points", {"x": None, "y": None}, chosen)
            return len(chosen)
        kept = np.ones(getattr(store.snapshot.counts, level), np.bool_)
        kept[chosen] = False
        masks = (kept, None) if level == "frames" else (None, kept)
        keep_rows(store, *masks)
        return len(chosen)

    # The classic names

    def remove_predictions(self, new_labels: LabelsCore | None = None) -> int:
        """Remove predicted instances; their frames stay.

        Args:
            new_labels: Only from frames that these labels have predictions in. Videos
                are the same if they are one object, or of one origin (as `merge` has it),
                or match (see `Video.matches`).

        Returns:
            How many were removed.

        Raises:
            AmbiguousVideoError: Several videos match one of ``new_labels``, and no origin
                decides.
            TypeError: ``new_labels`` are no labels.

        Source:
            ``Labels.remove_predictions``.
        """
        return self._remove_kind("predicted", new_labels)

    def remove_user_instances(self, new_labels: LabelsCore | None = None) -> int:
        """Remove instances that a person made; their frames stay.

        Args:
            new_labels: Only from frames that these labels have user instances in. Videos
                are the same if they are one object, or of one origin (as `merge` has it),
                or match (see `Video.matches`).

        Returns:
            How many were removed.

        Raises:
            AmbiguousVideoError: Several videos match one of ``new_labels``, and no origin
                decides.
            TypeError: ``new_labels`` are no labels.

        Source:
            ``Labels.remove_user_instances``.
        """
        return self._remove_kind("user", new_labels)

    def _remove_kind(self, kind: str, others: LabelsCore | None) -> int:
        structure = self._snapshot.structure
        gone = (structure.instances["kind"] == kind).to_numpy()
        if others is not None:
            gone = gone & repeat_frames(structure, self._is_also_in(others, kind))
        return self._without_instances(gone)

    def _is_also_in(self, others: LabelsCore, kind: str) -> BoolArray:
        """Tell which frames other labels have too, with instances of a kind."""
        require_type(others, LabelsCore, "new_labels", "Pass `Labels`.")
        theirs = others._snapshot.structure
        known = np.flatnonzero(count_kind(theirs, kind))
        video = theirs.frames["video_id"][known]
        # What a video means is asked only where something hangs on it: it may be ambiguous.
        keys = self._keys_of_others(others, video.unique().to_list())
        video = video.replace_strict(keys, return_dtype=pl.Int64)
        index = theirs.frames["frame_idx"].to_numpy()[known]
        there = video.is_not_null().to_numpy()
        wanted = _packed(video.fill_null(0).to_numpy()[there], index[there])
        frames = self._snapshot.structure.frames
        mine = _packed(frames["video_id"].to_numpy(), frames["frame_idx"].to_numpy())
        found: BoolArray = np.isin(mine, wanted)
        return found

    def _keys_of_others(self, others: LabelsCore, keys: list[int]) -> dict[int, int | None]:
        """Find what videos of other labels are here: by identity, by origin, by what they say."""
        videos, mine = others._objects.video_by_id, self._video_keys
        if all(videos[key] in mine for key in keys):
            return {key: mine[videos[key]] for key in keys}
        marks = mark_videos(self._objects, others._objects)
        known = match_lineage(self._catalog, others._catalog, marks)
        known |= {key: mine[videos[key]] for key in keys if videos[key] in mine}
        return {key: known[key] if key in known else self._video_key(videos[key]) for key in keys}

    def remove_untracked_instances(self, remove_empty_frames: bool = True) -> int:
        """Remove instances without a track.

        Args:
            remove_empty_frames: Remove frames without instances too, see
                `remove_empty_frames`.

        Returns:
            How many instances were removed.

        Source:
            ``Labels.remove_untracked_instances``.
        """
        gone = self._snapshot.structure.instances["track_id"].is_null().to_numpy()
        with self._store.step():
            count = self._without_instances(gone)
            if remove_empty_frames:
                self.remove_empty_frames()
        return count

    def remove_empty_instances(self, keep_empty_frames: bool = True) -> int:
        """Remove instances that have no point.

        Args:
            keep_empty_frames: Keep frames that have no instances, see
                `remove_empty_frames`.

        Returns:
            How many instances were removed.

        Source:
            ``Labels.remove_empty_instances``.
        """
        snapshot = self._snapshot
        gone = blank_instances(
            snapshot.structure, lambda rows: snapshot.read_points(("x", "y"), rows)
        )
        with self._store.step():
            count = self._without_instances(gone)
            if not keep_empty_frames:
                self.remove_empty_frames()
        return count

    def remove_empty_frames(self, keep_negative: bool = True) -> int:
        """Remove frames without instances.

        Args:
            keep_negative: Keep frames that are marked as showing no animal.

        Returns:
            How many were removed.

        Source:
            ``Labels.remove_empty_frames``.
        """
        structure = self._snapshot.structure
        kept = without_empty(structure)
        if not keep_negative:
            kept = np.diff(structure.instance_offsets) > 0
        keep_rows(self._store, kept, None)
        return int((~kept).sum())

    def _without_instances(self, gone: BoolArray) -> int:
        keep_rows(self._store, None, ~gone)
        return int(gone.sum())

    def with_user_labels_only(
        self,
        user_instances_only: bool = True,
        with_track_only: bool = False,
        copy: bool = True,
    ) -> Self:
        """Return labels with the frames that have user instances.

        Args:
            user_instances_only: Leave predictions out.
            with_track_only: Leave frames and instances out that have no tracked user
                instance, or no track.
            copy: Kept for compatibility: tables are immutable.

        Returns:
            New labels; these stay as they are.

        Source:
            ``Labels.with_user_labels_only``.
        """
        del copy
        structure = self._snapshot.structure
        is_user = structure.is_user
        tracked = structure.instances["track_id"].is_not_null().to_numpy()
        wanted = is_user & tracked if with_track_only else is_user
        offsets = np.zeros(len(wanted) + 1, np.int64)
        np.cumsum(wanted, out=offsets[1:])
        frames = np.diff(offsets[structure.instance_offsets]) > 0
        kept = np.ones(len(wanted), np.bool_)
        kept &= is_user if user_instances_only else True
        kept &= tracked if with_track_only else True
        return self._with_snapshot(
            self._snapshot.restricted(select_instances(structure, frames, kept))
        )

    # Tracks

    def track_table(self) -> pl.DataFrame:
        """Summarise each track in each video: length, occupancy, gaps, scores.

        Returns:
            One row per video and track, sorted by them: ``video``, ``video_id``,
            ``track``, ``track_id``, ``n_instances``, ``n_frames``, ``start``, ``stop``
            (half-open), ``occupancy`` (frames of ``start:stop`` that have the track),
            ``max_gap`` (frame indices), ``mean_score`` (null for user instances).
        """
        snapshot = self._snapshot
        return named_tracks(snapshot.catalog, summarise_tracks(snapshot.structure))

    def prune_tracks(
        self,
        *,
        min_frames: int | None = None,
        min_occupancy: float | None = None,
        min_mean_score: float | None = None,
        max_gap: int | None = None,
        where: pl.Expr | None = None,
        untrack: bool = False,
    ) -> pl.DataFrame:
        """Remove tracks that are too short, too sparse, too unsure or too broken.

        A track is judged in each video by itself. It goes where any limit is broken, or
        where ``where`` is true.

        Args:
            min_frames: Fewest frames it must be in.
            min_occupancy: Smallest part of the frames between its first and last.
            min_mean_score: Lowest mean score; tracks without scores pass.
            max_gap: Most frame indices in a row that may be missing.
            where: An expression over the columns of `track_table`.
            untrack: Keep the instances, without a track, instead of removing them.

        Returns:
            The rows of `track_table` that were pruned. Tracks that have no instances left
            are no longer in `tracks`.

        Raises:
            QueryError: No limit was given, or ``where`` is not valid.
        """
        limits = {
            "n_frames": None if min_frames is None else pl.col("n_frames") < min_frames,
            "occupancy": None if min_occupancy is None else pl.col("occupancy") < min_occupancy,
            "mean_score": None if min_mean_score is None else pl.col("mean_score") < min_mean_score,
            "max_gap": None if max_gap is None else pl.col("max_gap") > max_gap,
            "where": where,
        }
        rules = [rule for rule in limits.values() if rule is not None]
        if not rules:
            message = "found no limit, expected at least one. Pass, for example, min_frames=10."
            raise QueryError(message)
        table = self.track_table()
        try:
            pruned = table.filter(pl.any_horizontal(rules).fill_null(value=False))
        except pl.exceptions.PolarsError as error:
            message = f"where: {str(error).splitlines()[0]}. Columns: {table.columns}."
            raise QueryError(message) from error
        if not pruned.height:
            return pruned
        structure = self._snapshot.structure
        gone = instances_of_tracks(structure, pruned)
        del structure  # which may be let go, column by column
        with self._store.step():
            if untrack:
                set_rows(self._store, "instances", {"track": None}, np.flatnonzero(gone))
            else:
                keep_rows(self._store, None, ~gone)
            left = set(self._snapshot.structure.instances["track_id"].drop_nulls().unique())
            drop_tracks(self._store, set(pruned["track_id"]) - left)
        return pruned

    def assign_tracks(self, table: pl.DataFrame) -> int:
        """Set the tracks of many instances from a table.

        Args:
            table: ``instance_id``, each once, and ``track`` (names; a new name makes a
                new track) or ``track_id``; null for untracked.

        Returns:
            How many instances are in the table.

        Raises:
            QueryError: Columns are missing, or an instance is listed twice or unknown.
        """
        name = next((n for n in ("track_id", "track") if n in table.columns), None)
        if name is None or "instance_id" not in table.columns:
            message = (
                f"found columns {table.columns}, expected instance_id and track or track_id. "
                "Rename them."
            )
            raise QueryError(message)
        ids = table["instance_id"]
        known = self._snapshot.structure.instances["instance_id"]
        if ids.is_duplicated().any() or not ids.is_in(known.implode()).all():
            message = (
                f"instance_id: found {int(ids.is_duplicated().sum())} repeats and "
                f"{int((~ids.is_in(known.implode())).sum())} unknown keys, expected keys of "
                '`to_polars("instances")`, each once. Leave the others out.'
            )
            raise QueryError(message)
        mapping = pl.col("instance_id").replace_strict(ids, table[name])
        chosen = pl.col("instance_id").is_in(ids.implode())
        return self.update(instances={name: mapping}, where=chosen)


def _packed(video: IntArray, index: IntArray) -> IntArray:
    packed: IntArray = (video.astype(np.int64) << 32) | index.astype(np.int64)
    return packed
