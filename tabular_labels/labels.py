"""`Labels`: a project of pose-tracking labels, as one object."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import IntArray, PathLike, Progress
from tabular_labels.encode import encode
from tabular_labels.files import (
    is_for_projects,
    project_at,
    read_tables,
    save_snapshot,
    warn_of_arrays,
    with_suffix,
)
from tabular_labels.filtering import filtered_snapshot
from tabular_labels.images import FrameChoice, save_package
from tabular_labels.labels_bulk import LabelsBulk
from tabular_labels.labels_catalog import LabelsCatalog
from tabular_labels.labels_dense import LabelsDense
from tabular_labels.labels_edit import LabelsEdit
from tabular_labels.labels_find import LabelsFind
from tabular_labels.labels_formats import LabelsFormats
from tabular_labels.labels_images import LabelsImages
from tabular_labels.labels_instances import LabelsInstances
from tabular_labels.labels_merge import LabelsMerge
from tabular_labels.labels_merge_classic import LabelsMergeClassic
from tabular_labels.labels_nodes import LabelsNodes
from tabular_labels.labels_occupancy import LabelsOccupancy
from tabular_labels.labels_plot import LabelsPlot
from tabular_labels.labels_split import LabelsSplit
from tabular_labels.labels_suggestions import LabelsSuggestions
from tabular_labels.labels_tables import LabelsTables
from tabular_labels.labels_tracks import LabelsTracks
from tabular_labels.labels_training import LabelsTraining
from tabular_labels.labels_versions import LabelsVersions
from tabular_labels.model.checks import check_tables, require
from tabular_labels.model.skeleton import Node, Skeleton
from tabular_labels.model.source import MemorySource
from tabular_labels.model.suggestion import SuggestionFrame
from tabular_labels.model.tables import LabelTables
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.queries.compare import tables_equal
from tabular_labels.queries.describe import describe_lines, html_summary
from tabular_labels.queries.filter import select_frames
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.views import LabeledFrame

__all__ = ["Labels"]


class Labels(
    LabelsTraining,
    LabelsPlot,
    LabelsImages,
    LabelsMergeClassic,
    LabelsMerge,
    LabelsFormats,
    LabelsSplit,
    LabelsVersions,
    LabelsBulk,
    LabelsSuggestions,
    LabelsCatalog,
    LabelsNodes,
    LabelsTracks,
    LabelsEdit,
    LabelsTables,
    LabelsDense,
    LabelsOccupancy,
    LabelsInstances,
    LabelsFind,
):
    """A project of pose-tracking labels: videos, skeletons, tracks, frames, instances.

    Rows live in tables; frames and instances are views of them, made when they are
    looked at. Everything works alike on labels in memory and on scanned ones, whose
    rows are read from disk when they are needed. Safe to read from several threads,
    picklable.

    Args:
        labeled_frames: Frames, in list order. Attached frames of other labels are copied.
        videos: Videos; those that frames use are added.
        skeletons: Skeletons; those that instances use are added.
        nodes: Kept for compatibility: nodes belong to skeletons.
        tracks: Tracks; those that instances use are added.
        suggestions: Suggested frames, or pairs of video and frame index.
        negative_anchors: ``(frame_idx, x, y)`` of background samples, by video.
        provenance: JSON-able facts about where the labels come from.

    Raises:
        InvariantError: The frames break a rule that tables must keep, such as a
            negative frame index.

    Examples:
        >>> fly, video = Skeleton(["head", "tail"]), Video("fly.mp4")
        >>> from tabular_labels.views import Instance
        >>> labels = Labels([LabeledFrame(video, 7, [Instance(fly, [[1, 2], [3, 4]])])])
        >>> labels
        Labels(1 frames, 1 instances (1 user, 0 predicted), 1 videos, 1 skeletons, 0 tracks)
        >>> labels.find(video, 7)[0][0]["tail"].x
        3.0

    Source:
        ``sleap.io.dataset.Labels``.
    """

    def __init__(
        self,
        labeled_frames: Iterable[LabeledFrame] = (),
        videos: Iterable[Video] = (),
        skeletons: Iterable[Skeleton] = (),
        nodes: Iterable[Node] = (),
        tracks: Iterable[Track] = (),
        suggestions: Iterable[SuggestionFrame | tuple[Video, int]] = (),
        negative_anchors: Mapping[Video, Sequence[Sequence[float]]] | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        del nodes  # they come with their skeletons
        tables, objects = encode(
            labeled_frames, videos, skeletons, tracks, suggestions, negative_anchors, provenance
        )
        require(check_tables(tables))
        self._attach(Snapshot.of(tables), objects)

    @classmethod
    def from_tables(cls, tables: LabelTables) -> Labels:
        """Wrap tables.

        Args:
            tables: Tables in canonical order, see `LabelTables`.

        Raises:
            InvariantError: The tables break a rule; it names rules, counts and rows.

        Examples:
            >>> len(Labels.from_tables(LabelTables()))
            0
        """
        require(check_tables(tables))
        return cls.from_snapshot(Snapshot.of(tables))

    @classmethod
    def load_file(
        cls,
        filename: PathLike,
        video_search: Callable[[list[dict[str, Any]]], Any] | Sequence[str] | None = None,
        *,
        strict: bool = False,
    ) -> Labels:
        """Read a file or project into memory; the format is told from the content.

        Args:
            filename: A file of any known format, or a Parquet project.
            video_search: Where to look for videos that moved: a list of folders, or a
                callback that edits the list of video dicts in place.
            strict: Refuse a file that holds data we do not model, instead of warning.

        Raises:
            FileNotFoundError: There is nothing at the path.
            FileFormatError: It is no labels file, or a broken one.
        """
        tables = read_tables(filename, video_search=video_search, strict=strict)
        labels = cls.from_snapshot(Snapshot.of(tables))
        project = project_at(filename)
        if project is not None:
            labels._follow(project)
        return labels

    @classmethod
    def save_file(
        cls, labels: Labels, filename: PathLike, default_suffix: str = "", **options: Any
    ) -> None:
        """Write labels; the format follows the suffix.

        Args:
            labels: What to write.
            filename: Its suffix says the format, see `save`.
            default_suffix: Used when the name has no known suffix; the dot may be left out.
            **options: As `Labels.save` takes them.

        Raises:
            ValueError: Unknown suffix.
        """
        labels.save(with_suffix(filename, default_suffix), **options)

    def save(
        self,
        path: PathLike,
        with_images: bool = False,
        *,
        format: str = "png",
        all_labels: bool = False,
        suggested: bool = False,
        progress_callback: Progress | None = None,
        **options: Any,
    ) -> None:
        """Write to a path; the format follows the suffix.

        A file is replaced whole or not at all. A path with the suffix ``.parquet``,
        ``.tabular`` or none becomes a Parquet project, a directory. Missing folders on
        the way are made. ``docs/formats.md`` lists the suffixes.

        Args:
            path: Where to write.
            with_images: Make a training package: a ``.slp`` file that holds the pictures
                of its frames, see `save_frame_data_hdf5`. The rest of the arguments is for
                packages.
            format: ``"png"`` (every pixel), ``"jpg"`` (with loss) or ``""`` (arrays).
            all_labels: Pictures of all frames; otherwise of those with user instances.
            suggested: Also of suggested frames.
            progress_callback: Called with frames done and in all; False cancels.
            **options: Of `write_slp` (``compat``), `write_parquet` (``overwrite``), or
                the format's other function.

        Raises:
            ValueError: Unknown suffix or format, pictures for another file than ``.slp``,
                or scanned labels would replace the file that they are read from.
            ExportCancelledError: The callback returned False; nothing is written.
            MissingVideoError: The file of a video with pictures to be kept is not there.
            FileFormatError: Such a video is damaged, or has no such frame.

        Warns:
            LeftOutWarning: Pictures of videos made from arrays are not written.
        """
        if not with_images:
            if is_for_projects(path):
                warn_of_arrays(self.videos, path)
            save_snapshot(self._snapshot, Path(path), **options)
            project = project_at(path)
            if project is not None:
                self._follow(project)
            return
        if Path(path).suffix.lower() != ".slp":
            message = (
                f"{path}: found suffix {Path(path).suffix!r} for labels with images, expected "
                "'.slp'. Change the name, or save without images."
            )
            raise ValueError(message)
        choice = FrameChoice(all_labels, suggested)
        save_package(
            self._snapshot, self._objects, path, choice, format, progress_callback, **options
        )

    def extract(self, inds: Sequence[int] | IntArray, copy: bool = False) -> Labels:
        """Return labels with the frames at these positions, in this order.

        Videos, skeletons, tracks, suggestions and provenance are kept whole.

        Args:
            inds: Positions in the list of frames.
            copy: Kept for compatibility: tables are immutable, nothing is shared that
                could change.

        Returns:
            New labels. Scanned labels stay scanned.
        """
        del copy
        chosen = self._places_at(inds)
        return self._with_frames(np.asarray(self._snapshot.list_order)[chosen])

    def _with_frames(self, rows: IntArray) -> Labels:
        structure = select_frames(self._snapshot.structure, rows)
        return Labels.from_snapshot(self._snapshot.restricted(structure), self._lent_objects)

    def copy(self) -> Labels:
        """Return labels that share these tables, which never change."""
        return Labels.from_snapshot(self._snapshot, self._lent_objects)

    def filter(
        self,
        *,
        frames: pl.Expr | None = None,
        instances: pl.Expr | None = None,
        points: pl.Expr | None = None,
        drop_empty: bool = False,
    ) -> Labels:
        """Return labels with only the rows for which expressions hold.

        An expression sees the columns of `to_polars` of its level. A null answer keeps
        the row when it comes from a missing score, which user instances do not have,
        and drops it otherwise.

        Args:
            frames: Keeps frames.
            instances: Keeps instances; frames that lose all of theirs stay.
            points: Keeps points; the others become missing, since rows stay dense.
            drop_empty: Leave out frames without instances, unless they are negative.

        Returns:
            New labels; scanned labels stay scanned.

        Examples:
            >>> labels = Labels([LabeledFrame(Video("a.mp4"), k) for k in range(5)])
            >>> len(labels.filter(frames=pl.col("frame_idx") >= 3))
            2
        """
        snapshot = filtered_snapshot(
            self._snapshot, frames, instances, points, drop_empty=drop_empty
        )
        return Labels.from_snapshot(snapshot, self._lent_objects)

    def equals(self, other: object) -> bool:
        """Tell whether both hold the same rows, up to the numbering of keys.

        Compared: every table and the provenance; not the project id. Anything that is
        no `Labels` is not equal.
        """
        if not isinstance(other, Labels):
            return False
        return tables_equal(self._snapshot.tables(), other._snapshot.tables())

    def collect(self) -> Labels:
        """Read scanned labels into memory."""
        source = MemorySource(self._snapshot.tables())
        snapshot = Snapshot(source, self._snapshot.lineage)
        labels = Labels.from_snapshot(snapshot, self._lent_objects)
        if self._project is not None and not self.has_changes:
            labels._follow(self._project)
        return labels

    def describe(self) -> str:
        """Return a text that says what is in the labels."""
        return "\n".join(describe_lines(self._snapshot.catalog, self._snapshot.structure))

    def __repr__(self) -> str:
        """Count what is in the labels."""
        counts, catalog = self._snapshot.counts, self._snapshot.catalog
        kinds = ""
        if self._snapshot.has_structure:
            n_user = int((self._snapshot.structure.instances["kind"] == "user").sum())
            kinds = f" ({n_user} user, {counts.instances - n_user} predicted)"
        return (
            f"Labels({counts.frames} frames, {counts.instances} instances{kinds}, "
            f"{catalog.videos.height} videos, {catalog.skeletons.height} skeletons, "
            f"{catalog.tracks.height} tracks{', scanned' if self.is_scanned else ''})"
        )

    def _repr_html_(self) -> str:
        return html_summary(self._snapshot.catalog, self._snapshot.counts)

    def __eq__(self, other: object) -> bool:
        """Compare by identity, like the classic class; see `equals` for contents."""
        return self is other

    __hash__ = object.__hash__

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the snapshot and the objects."""
        return {"snapshot": self._snapshot, "objects": self._lent_objects}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Attach to them again."""
        self._attach(state["snapshot"], state["objects"])
