"""The dataframe side of `Labels`: tables, named columns, SQL, filters, other libraries."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, get_args

import numpy as np
import polars as pl
from polars.io.plugins import register_io_source

from tabular_labels._types import Level
from tabular_labels.errors import ForkedProcessError, MissingExtraError, QueryError
from tabular_labels.labels_core import VideoLike
from tabular_labels.labels_dense import LabelsDense
from tabular_labels.levels import LevelReader
from tabular_labels.model.buffers import is_forked, key_values
from tabular_labels.model.schema import TABLES
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.occupied import all_runs
from tabular_labels.queries.dense_layout import DenseLayout
from tabular_labels.queries.occupancy import named_runs, track_runs
from tabular_labels.store.snapshot import Snapshot

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    import xarray as xr

__all__ = ["LabelsTables", "ProjectTables"]


class ProjectTables:
    """The project's tables as polars LazyFrames, with all their keys.

    Attributes are the names of the schema: ``videos``, ``skeletons``, ``nodes``,
    ``edges``, ``tracks``, ``suggestions``, ``negative_anchors``, ``frames``,
    ``instances`` and ``points``. The last two also have ``video_id`` and ``frame_idx``.

    Examples:
        >>> import tabular_labels as tl
        >>> tl.Labels().tables.tracks.collect_schema().names()
        ['track_id', 'name', 'spawned_on']
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def __getattr__(self, name: str) -> pl.LazyFrame:
        """Return one table."""
        if name not in TABLES:
            message = f"found table {name!r}, expected one of {list(TABLES)}. Use one of those."
            raise AttributeError(message)
        return self._snapshot.scan(name)

    def __dir__(self) -> list[str]:
        """List the tables."""
        return [*super().__dir__(), *TABLES]

    def __repr__(self) -> str:
        """List tables with their rows."""
        counts, small = self._snapshot.counts, self._snapshot.catalog.tables()
        rows = {name: table.height for name, table in small.items()} | vars(counts)
        return "ProjectTables(" + ", ".join(f"{name}: {n}" for name, n in rows.items()) + ")"


class LabelsTables(LabelsDense):
    """Labels as tables, and as the objects of other libraries."""

    @property
    def tables(self) -> ProjectTables:
        """The project's tables, lazily: ``labels.tables.points`` and so on."""
        return ProjectTables(self._snapshot)

    def lazy(self, level: Level = "points", *, wide: bool = False) -> pl.LazyFrame:
        """Return the named columns of a level lazily; only used columns are made.

        Args:
            level: ``"points"``, ``"instances"`` or ``"frames"``, see `to_polars`.
            wide: For frames, add the columns of each instance.

        Returns:
            A LazyFrame with the columns of `to_polars`, in canonical order.
        """
        reader = LevelReader(self._snapshot, level, wide=wide)
        return register_io_source(reader, schema=reader.schema, is_pure=True, explain_name=level)

    def to_polars(
        self, level: Level = "points", columns: Sequence[str] | None = None, *, wide: bool = False
    ) -> pl.DataFrame:
        """Return labels as one table with named columns.

        Rows are in canonical order (video, frame index, place in the frame, node).
        Users' and predicted rows are told apart by ``kind``; untracked instances are
        kept with a null ``track``; missing is null.

        Args:
            level: ``"points"``: one row per node of each instance. ``"instances"``: one
                row per instance with ``{node}.x``, ``{node}.y`` and ``{node}.score`` for
                each node name. ``"frames"``: one row per frame with counts.
            columns: Only these columns, in this order; None for all.
            wide: For frames, add ``inst{k}.track``, ``inst{k}.{node}.x`` and so on.

        Returns:
            The table; coordinates in pixels (x right, y down), Float64.

        Raises:
            QueryError: Unknown level or column.

        Examples:
            >>> import tabular_labels as tl
            >>> fly = tl.Skeleton(["head"])
            >>> frame = tl.LabeledFrame(tl.Video("a.mp4"), 3, [tl.Instance(fly, [[1, 2]])])
            >>> tl.Labels([frame]).to_polars(columns=["frame_idx", "node", "x", "y"]).rows()
            [(3, 'head', 1.0, 2.0)]
        """
        reader = LevelReader(self._snapshot, level, wide=wide)
        return reader.whole(columns)

    def to_pandas(
        self, level: Level = "points", columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return `to_polars` as a pandas DataFrame (names become categoricals).

        Raises:
            MissingExtraError: pandas is not installed.
        """
        if find_spec("pandas") is None:
            package, purpose = "pandas", "to_pandas"
            raise MissingExtraError(package, None, purpose)
        return self.to_polars(level, columns).to_pandas()

    def to_arrow(self, level: Level = "points", columns: Sequence[str] | None = None) -> pa.Table:
        """Return `to_polars` as a pyarrow Table."""
        return self.to_polars(level, columns).to_arrow()

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Hand the points table to any Arrow library."""
        stream: object = self.to_polars("points").__arrow_c_stream__(requested_schema)
        return stream

    def sql(self, query: str) -> pl.DataFrame:
        """Answer a SQL query over the project's tables.

        The tables ``points``, ``instances`` and ``frames`` have the columns of
        `to_polars`; ``videos``, ``skeletons``, ``nodes``, ``edges``, ``tracks``,
        ``suggestions`` and ``negative_anchors`` those of `tables`. As in SQL, a
        comparison with null is not true: ``score > 0.5`` drops user instances, which
        have no score.

        Args:
            query: One SELECT statement, in polars' SQL.

        Returns:
            The answer.

        Raises:
            QueryError: The query names something else, or is not valid.

        Examples:
            >>> import tabular_labels as tl
            >>> tl.Labels().sql("SELECT count(*) AS n FROM points").item()
            0
        """
        tables: dict[str, pl.LazyFrame] = {level: self.lazy(level) for level in get_args(Level)}
        for name, table in self._snapshot.catalog.tables().items():
            tables[name] = table.lazy()
        _refuse_other_statements(query)
        _refuse_table_functions(query)
        try:
            with pl.SQLContext(tables, eager=False) as context:
                return context.execute(query).collect()
        except pl.exceptions.PolarsError as error:
            reason = str(error).partition("\n")[0].rstrip(".")
            message = (
                f"the query could not be answered: {reason}. Tables: {sorted(tables)}; "
                'columns: labels.lazy("points").collect_schema().'
            )
            raise QueryError(message) from error

    def occupancy(self) -> pl.DataFrame:
        """Return where each track is present, as runs of consecutive frames.

        Returns:
            Columns ``video``, ``video_id``, ``track``, ``track_id``, ``start``, ``stop``
            (Int64, half-open), sorted by video, track and start; untracked instances
            are left out.

        Raises:
            ForkedProcessError: In a forked process; `get_track_occupancy` answers there.
        """
        if is_forked():
            what = "occupancy()"
            raise ForkedProcessError(what)
        if self._store_made is not None or self._opened.has_structure:
            runs = all_runs(self._opened, self._store_made)
        else:
            needed = ["video_id", "track_id", "frame_idx"]
            runs = track_runs(self._snapshot.scan("instances").select(needed)).collect()
        return named_runs(self._catalog, runs)

    def to_xarray(self, video: VideoLike | None = None) -> xr.Dataset:
        """Return one video as a dataset in the form movement uses.

        Args:
            video: The video; None for the first.

        Returns:
            ``position`` (time, space, keypoints, individuals) and ``confidence`` (time,
            keypoints, individuals), float32, NaN = missing; times in seconds when the
            video's frame rate is known, else in frames.

        Raises:
            MissingExtraError: xarray is not installed.
            UnknownVideoError: The video is not of these labels.

        Warns:
            UntrackedInstancesWarning: Untracked instances have no column.
        """
        if find_spec("xarray") is None:
            package, purpose = "xarray", "to_xarray"
            raise MissingExtraError(package, None, purpose)
        import xarray as xr

        layout, dense = self._dense(video, scores=True)
        owner = self._objects.video_by_id[self._require_video(0 if video is None else video)]
        n_frames, _, n_nodes, _ = dense.shape
        times = np.arange(n_frames) / owner.fps if owner.fps else np.arange(n_frames)
        largest = max(self._objects.skeletons, key=len, default=Skeleton())
        return xr.Dataset(
            {
                "position": (_SPACE, dense[..., :2].transpose(0, 3, 2, 1)),
                "confidence": (_SPACE[:1] + _SPACE[2:], dense[..., 2].transpose(0, 2, 1)),
            },
            coords={
                "time": times,
                "space": ["x", "y"],
                "keypoints": largest.node_names[:n_nodes],
                "individuals": self._individuals(layout),
            },
            attrs={
                "source_software": "SLEAP",
                "ds_type": "poses",
                "source_file": owner.filename,
                "video_file": owner.filename,
                "time_unit": "seconds" if owner.fps else "frames",
                **({"fps": owner.fps} if owner.fps else {}),
            },
        )

    def _individuals(self, layout: DenseLayout) -> list[str]:
        """Name the columns of a dense array: by track, if that says which is which."""
        n_columns = layout.shape[1]
        names = [track.name for track in self._objects.tracks]
        if not layout.is_by_track:
            tracks = self._snapshot.structure.instances["track_id"][layout.narrowed().rows]
            present = np.unique(key_values(tracks))
            is_one = n_columns == 1 and len(present) == 1 and int(present[0]) >= 0
            names = [self._objects.track_by_id[int(present[0])].name] if is_one else []
        if len(set(names)) != n_columns or len(names) != n_columns:
            names = [f"id_{k}" for k in range(n_columns)]
        return names


_SPACE = ("time", "space", "keypoints", "individuals")


def _refuse_other_statements(query: str) -> None:
    first = query.split(maxsplit=1)[0].lower() if query.strip() else "nothing"
    if not first.startswith(("select", "with", "(", "values", "from")):
        message = (
            f"found a query that begins with {first!r}, expected SELECT or WITH. "
            "Labels are asked by SQL, not changed."
        )
        raise QueryError(message)


# Comments and quotes may stand between such a name and its bracket, so that the word alone
# is refused, wherever it stands.
_READS_FILES = re.compile(
    r"\b(?:read|scan)_(?:avro|csv|database|delta|excel|iceberg|ipc|json|lines|ndjson|parquet"
    r"|pyarrow_dataset|text)\b",
    re.IGNORECASE,
)


def _refuse_table_functions(query: str) -> None:
    """Refuse SQL functions that read files: a query sees the project's tables only."""
    found = _READS_FILES.search(query)
    if found is not None:
        message = (
            f"found {found[0]} in the query, expected only the project's tables. "
            "Read other files with polars and join them there."
        )
        raise QueryError(message)
