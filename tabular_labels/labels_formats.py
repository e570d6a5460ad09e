"""Labels in the forms of other programs and libraries: JSON, analysis files, tables, arrays."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import polars as pl

from tabular_labels._types import FloatArray, Json, PathLike
from tabular_labels.exporting import write_analysis, write_analysis_csv
from tabular_labels.labels_core import LabelsCore
from tabular_labels.model.moved import Remap
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.tables import LabelTables
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.remapping import remap_videos, video_callback
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.table_input import tables_of_arrays, tables_of_dataset, tables_of_table

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import xarray as xr

__all__ = ["LabelsFormats"]


class LabelsFormats(LabelsCore):
    """Labels to and from dicts, JSON and other libraries' tables."""

    @classmethod
    def _of_tables(cls, tables: LabelTables) -> Self:
        return cls.from_snapshot(Snapshot.of(tables))

    def to_dict(self, skip_labels: bool = False) -> Json:
        """Return everything as dicts, lists, texts and numbers, as the classic JSON has it.

        Frames are in list order. Points that are missing are left out, with their marks
        and scores.

        Args:
            skip_labels: Leave out ``labels``, the frames.

        Returns:
            ``version``, ``skeletons``, ``nodes``, ``videos``, ``tracks``, ``suggestions``,
            ``negative_anchors``, ``provenance`` and ``labels``. References are places in
            those lists, as text.

        Examples:
            >>> import tabular_labels as tl
            >>> frame = tl.LabeledFrame(tl.Video("a.mp4"), 3)
            >>> tl.Labels([frame]).to_dict()["labels"]
            [{'video': '0', 'frame_idx': 3, '_instances': []}]

        Source:
            ``Labels.to_dict``.
        """
        from tabular_labels.io.json_write import json_document  # loads h5py

        document: Json = json.loads(json_document(self._snapshot, skip_labels=skip_labels))
        document.pop("format_id")
        return document

    def to_json(self) -> str:
        """Return `to_dict` as JSON text.

        Examples:
            >>> import tabular_labels as tl
            >>> tl.Labels.from_json(tl.Labels().to_json())
            Labels(0 frames, 0 instances (0 user, 0 predicted), 0 videos, 0 skeletons, 0 tracks)

        Source:
            ``Labels.to_json``.
        """
        from tabular_labels.io.json_write import json_document  # loads h5py

        return json_document(self._snapshot)

    @classmethod
    def from_json(cls, data: str | bytes | Mapping[str, Any]) -> Self:
        """Build labels from JSON of any classic version.

        Args:
            data: The text, or what `to_dict` returns. `load_file` reads files.

        Returns:
            The labels. Points that an instance does not list are missing.

        Raises:
            FileFormatError: It is no such JSON, or a broken one.
            UnsafeFileError: It asks for objects to be built.

        Warns:
            UnmodelledDataWarning: There is more than labels hold.
            DanglingReferenceWarning: Instances come from predictions in no frame.

        Source:
            ``Labels.from_json``.
        """
        from tabular_labels.io.json_read import parse_document, parse_text  # loads h5py

        if isinstance(data, Mapping):
            return cls._of_tables(parse_document(dict(data)))
        return cls._of_tables(parse_text(data))

    @classmethod
    def from_sleap_io(cls, labels: Any, *, strict: bool = False) -> Self:
        """Take over sleap-io's labels.

        Lazily loaded ones are read by their arrays, without an object for each instance.
        Videos are referred to by name, with what is known of their shape; none is opened.

        Args:
            labels: A ``sleap_io.Labels``; it stays as it is.
            strict: Refuse labels that hold more than ours, instead of warning.

        Returns:
            Labels in memory, with frames in the same order.

        Raises:
            FileFormatError: A reference is out of bounds, or the like.
            UnmodelledDataError: With ``strict``: they hold more than ours.

        Warns:
            UnmodelledDataWarning: They hold more than ours, which stays behind.
            DanglingReferenceWarning: Instances come from predictions in no frame.

        Examples:
            >>> import sleap_io, tabular_labels as tl
            >>> labels = sleap_io.Labels(videos=[sleap_io.Video("fly.mp4")])
            >>> tl.Labels.from_sleap_io(labels).videos
            [Video('fly.mp4', shape=None)]
        """
        from tabular_labels.io.sleap_io_read import tables_of_sleap_io  # loads h5py

        return cls._of_tables(tables_of_sleap_io(labels, strict=strict))

    def to_sleap_io(self) -> Any:
        """Return everything as sleap-io's objects.

        Missing coordinates and scores are NaN there. Points of instances are slices of
        large arrays of their own; what is changed in them does not reach these labels.

        Returns:
            A ``sleap_io.Labels``; its videos are not opened.

        Raises:
            MissingExtraError: sleap-io is not installed.

        Warns:
            UnmodelledDataWarning: sleap-io has no place for something, as the message says.
        """
        from tabular_labels.io.sleap_io_write import sleap_io_labels  # loads h5py

        return sleap_io_labels(self._snapshot)

    def export(self, filename: PathLike, **options: Any) -> list[Path]:
        """Write analysis files (HDF5), see `write_analysis`.

        Source:
            ``Labels.export``, which wrote the first video only.
        """
        return write_analysis(self, filename, **options)

    def export_csv(self, filename: PathLike, **options: Any) -> list[Path]:
        """Write analysis files as CSV, see `write_analysis_csv`.

        Source:
            ``Labels.export_csv``, which wrote the first video only.
        """
        return write_analysis_csv(self, filename, **options)

    @classmethod
    def from_polars(
        cls,
        table: pl.DataFrame | pl.LazyFrame,
        *,
        videos: Sequence[Video] = (),
        skeletons: Sequence[Skeleton] = (),
        tracks: Sequence[Track] = (),
    ) -> Self:
        """Build labels from named columns, such as `to_polars` returns.

        A table has points in its rows (``frame_idx``, ``node``, ``x``, ``y``), instances
        (``frame_idx``, ``{node}.x``, ``{node}.y``) or frames (``inst{k}.{node}.x``). More
        columns of `to_polars` are used where they are there: ``video``, ``track``, ``kind``,
        ``score``, ``instance_id``, ``position`` and so on; others are ignored. Without
        ``kind``, instances with a score are predicted. Without ``instance_id``, points
        that agree in every other column of instances are of one; where a node repeats,
        the next begins. Frames stand in the order of ``position``, else of appearance.

        Args:
            table: The table; NaN is missing.
            videos: Videos by their filenames; without, they are made from the names.
            skeletons: One skeleton, or several by their names; without, they are made of
                the nodes in order of appearance, without edges.
            tracks: Tracks by their names; without, they are made from the names.

        Returns:
            The labels. Nodes that an instance does not have are missing.

        Raises:
            QueryError: Columns are missing or of a wrong type, or an instance has a node
                twice.
            InvariantError: The rows break a rule, such as a negative frame index.

        Examples:
            >>> import tabular_labels as tl
            >>> table = pl.DataFrame({"frame_idx": [3], "node": ["head"], "x": [1.0], "y": [2.0]})
            >>> tl.Labels.from_polars(table)[0][0]["head"].y
            2.0
        """
        rows = table.collect() if isinstance(table, pl.LazyFrame) else table
        return cls._of_tables(tables_of_table(rows, videos, skeletons, tracks))

    @classmethod
    def from_pandas(cls, table: pd.DataFrame, **objects: Any) -> Self:
        """Build labels from a pandas DataFrame, see `from_polars`."""
        rows = pl.from_pandas(table.reset_index() if table.index.names != [None] else table)
        return cls.from_polars(rows, **objects)

    @classmethod
    def from_arrow(cls, table: pa.Table, **objects: Any) -> Self:
        """Build labels from a pyarrow Table, or whatever is an Arrow stream; see `from_polars`."""
        return cls.from_polars(pl.DataFrame(table), **objects)

    @classmethod
    def from_numpy(
        cls,
        arrays: FloatArray | Sequence[FloatArray],
        videos: Video | Sequence[Video],
        skeleton: Skeleton,
        *,
        tracks: Sequence[Track] | None = None,
        first_frame: int = 0,
        kind: Literal["user", "predicted"] = "predicted",
    ) -> Self:
        """Build labels from dense arrays, such as `numpy` returns.

        Args:
            arrays: ``(n_frames, n_tracks, n_nodes, 2)``, or 3 with scores of points; NaN
                = missing. One for each video.
            videos: The videos.
            skeleton: Its nodes are those of the arrays.
            tracks: One for each column; None leaves instances untracked.
            first_frame: Frame index of the first row.
            kind: What made the instances; users' ones have no scores.

        Returns:
            Labels with an instance wherever a coordinate is there.

        Raises:
            QueryError: Shapes do not fit.

        Examples:
            >>> import tabular_labels as tl
            >>> array = np.array([[[[1.0, 2.0]]], [[[np.nan, np.nan]]]])
            >>> tl.Labels.from_numpy(array, Video("a.mp4"), Skeleton(["head"]))
            Labels(1 frames, 1 instances (0 user, 1 predicted), 1 videos, 1 skeletons, 0 tracks)
        """
        several = [arrays] if isinstance(arrays, np.ndarray) else list(arrays)
        of_videos = [videos] if isinstance(videos, Video) else list(videos)
        tables = tables_of_arrays(
            several, of_videos, skeleton, tracks, first_frame=first_frame, kind=kind
        )
        return cls._of_tables(tables)

    @classmethod
    def from_xarray(cls, dataset: xr.Dataset, *, video: Video | None = None) -> Self:
        """Build labels from a dataset in the form movement uses, such as `to_xarray` returns.

        Args:
            dataset: ``position`` (time, space, keypoints, individuals) and, if there,
                ``confidence``; dimensions in any order. Times are frame indices, or seconds
                with ``fps`` among the attributes.
            video: The video; None for the one that the attribute ``video_file`` names, else
                ``source_file`` if that is no file of labels.

        Returns:
            Labels with predicted instances, and a track for each individual.

        Raises:
            QueryError: It has another form, or times that are no frames.
        """
        return cls._of_tables(tables_of_dataset(dataset, video))

    # Videos that moved

    def remap_videos(
        self, rule: Remap, *, only_existing: bool = False, dry_run: bool = False
    ) -> dict[str, str]:
        """Give videos that moved their new names, as one edit that can be undone.

        Parts of names are compared whole, with slashes or backslashes. Lists of pictures,
        packages and the videos that pictures were taken from are renamed too. No file is
        opened, and none is looked at unless asked.

        Args:
            rule: ``{old: new}`` names or folders, of which the longest that fits counts;
                one such pair; or a function that returns the new name of a name.
            only_existing: Take a new name only where there is a file.
            dry_run: Change nothing, only say what would change.

        Returns:
            New names by old ones, of the videos that change.

        Raises:
            ValueError: The rule is none of these.

        Examples:
            >>> import tabular_labels as tl
            >>> labels = tl.Labels(videos=[tl.Video("C:/lab/day1/a.mp4")])
            >>> labels.remap_videos(("C:/lab", "/data"))
            {'C:/lab/day1/a.mp4': '/data/day1/a.mp4'}
            >>> labels.videos[0].filename, labels.undo(), labels.videos[0].filename
            ('/data/day1/a.mp4', True, 'C:/lab/day1/a.mp4')
        """
        return remap_videos(self._store, rule, only_existing=only_existing, dry_run=dry_run)

    @property
    def missing_videos(self) -> list[Video]:
        """Videos whose file or folder is not there; a look at the disk for each."""
        return [video for video in self._objects.videos if video.filename and not video.exists()]

    @staticmethod
    def make_video_callback(
        search_paths: Sequence[PathLike] | None = None, use_gui: bool = False
    ) -> Callable[[list[Json]], bool | None]:
        """Make a function that finds missing videos, for `load_file` and the readers.

        It goes over the entries of videos and edits ``["backend"]["filename"]`` of those
        whose file is missing: first where others of the same folder were found, then by
        the last part of the name in each of the folders. As many files as there are
        videos, with the same endings, are taken in turn for those not found.

        Args:
            search_paths: Folders; a file stands for its folder.
            use_gui: Ask for what is not found in a window; closing it stops the reading.

        Returns:
            The function; it returns True to stop.

        Raises:
            MissingExtraError: There is no tkinter, which draws the window.

        Examples:
            >>> import tabular_labels as tl
            >>> videos = [{"backend": {"filename": "gone/a.mp4"}}]
            >>> tl.Labels.make_video_callback(["no folder"])(videos), videos
            (None, [{'backend': {'filename': 'gone/a.mp4'}}])

        Source:
            ``Labels.make_video_callback``.
        """
        return video_callback(search_paths, use_gui=use_gui)
