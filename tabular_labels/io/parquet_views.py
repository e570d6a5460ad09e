"""SQL views that give DuckDB the current rows of a version, edited or not."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import polars as pl

from tabular_labels._types import PathLike
from tabular_labels.io.manifest import LARGE_TABLES, DataFile, Manifest
from tabular_labels.io.project_versions import read_manifest
from tabular_labels.model.schema import CATALOG, TABLES, TableSchema

__all__ = ["render_views", "views_sql"]

_SQL_TYPES: dict[type[pl.DataType], str] = {
    pl.Boolean: "BOOLEAN",
    pl.UInt16: "USMALLINT",
    pl.UInt32: "UINTEGER",
    pl.Int64: "BIGINT",
    pl.Float32: "FLOAT",
    pl.Float64: "DOUBLE",
    pl.String: "VARCHAR",
    pl.Enum: "VARCHAR",
}
_KEY = "video_id, frame_idx"


def views_sql(path: PathLike, *, version: int | None = None) -> str:
    """Render the views of a project with absolute paths, to run from anywhere.

    Args:
        path: The project's directory.
        version: Which version; None for the newest.

    Returns:
        DuckDB statements that create one view per table. Rows come in no particular
        order; ``ORDER BY video_id, frame_idx, ...`` as needed.

    Raises:
        FileNotFoundError: There is nothing at the path.
        FileFormatError: Not a project, or a damaged manifest.

    Examples:
        >>> import tempfile
        >>> from tabular_labels.io.parquet_write import write_parquet
        >>> from tabular_labels.model.tables import LabelTables
        >>> folder = Path(tempfile.mkdtemp()) / "mice"
        >>> write_parquet(LabelTables(), folder)
        >>> views_sql(folder).count("CREATE OR REPLACE VIEW")
        10
    """
    return render_views(read_manifest(path, version), Path(path).absolute())


def render_views(manifest: Manifest, root: Path | None = None) -> str:
    """Render the views; without ``root`` they work from the project's directory."""
    head = "-- Current rows of one version for DuckDB; run it "
    head += "from the project's directory." if root is None else "from anywhere."
    small = [_view(each.name, _values(each, manifest)) for each in CATALOG]
    edited = _edits(manifest, root) if manifest.deltas else []
    large = [_view(name, _rows(name, manifest, root)) for name in LARGE_TABLES]
    return "\n".join([head, *small, *edited, *large]) + "\n"


def _view(name: str, query: str) -> str:
    return f"CREATE OR REPLACE VIEW {name} AS\n{query};"


def _values(table: TableSchema, manifest: Manifest) -> str:
    """Select the rows of a small table, written out."""
    rows = manifest.catalog.tables()[table.name].rows()
    if not rows:
        return _no_rows(table)
    names = [f'"{name}"' for name in table.columns]
    columns = ", ".join(
        f"CAST({name} AS {_sql_type(dtype)}) AS {name}"
        for name, dtype in zip(names, table.columns.values(), strict=True)
    )
    lines = ",\n  ".join(f"({', '.join(map(_literal, row))})" for row in rows)
    return f"SELECT {columns} FROM (VALUES\n  {lines}\n) AS v({', '.join(names)})"


def _no_rows(table: TableSchema) -> str:
    columns = ", ".join(
        f'CAST(NULL AS {_sql_type(dtype)}) AS "{name}"'
        for name, dtype in table.disk_columns.items()
    )
    return f"SELECT {columns} WHERE false"


def _sql_type(dtype: pl.DataType | type[pl.DataType]) -> str:
    return _SQL_TYPES[dtype.base_type()]


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, float):
        # As text: a decimal literal would be rounded on its way to a double.
        return f"'{value!r}'" if math.isfinite(value) else f"'{value}'"
    return str(value) if isinstance(value, int) else _quoted(str(value))


def _quoted(text: str) -> str:
    """Write a text literal: only the quote is special, and no statement may hold a NUL."""
    parts = ["'" + part.replace("'", "''") + "'" for part in text.split("\0")]
    return parts[0] if len(parts) == 1 else "(" + " || chr(0) || ".join(parts) + ")"


def _rows(name: str, manifest: Manifest, root: Path | None) -> str:
    """Select the current rows of a large table."""
    columns = ", ".join(TABLES[name].disk_columns)
    base = _parquet([shard.file(name) for shard in manifest.shards], root)
    if not manifest.deltas:
        return _no_rows(TABLES[name]) if base is None else f"SELECT {columns} FROM {base}"
    if name == "points":
        return _points(columns, base, manifest, root)
    parts = [
        f"SELECT {columns} FROM {_parquet([delta.file(name)], root)}\n"
        f"  SEMI JOIN (FROM edited_frames WHERE delta = {number}) USING ({_KEY})"
        for number, delta in enumerate(manifest.deltas)
    ]
    if base is not None:
        kept = f"SELECT {columns} FROM {base}\n  ANTI JOIN edited_frames USING ({_KEY})"
        parts = [kept, *parts]
    return "\nUNION ALL ".join(parts)


def _points(columns: str, base: str | None, manifest: Manifest, root: Path | None) -> str:
    """Select the current points: where they were last kept, but for removed instances."""
    parts = [
        f"SELECT {columns} FROM {_parquet([delta.points], root)}\n"
        f"  SEMI JOIN (FROM edited_frames WHERE points_delta = {number}) USING ({_KEY})\n"
        f"  ANTI JOIN (FROM removed_instances WHERE part = {number}) USING (instance_id)"
        for number, delta in enumerate(manifest.deltas)
    ]
    if base is not None:
        kept = (
            f"SELECT {columns} FROM {base}\n"
            f"  ANTI JOIN (FROM edited_frames WHERE points_delta IS NOT NULL) USING ({_KEY})\n"
            "  ANTI JOIN (FROM removed_instances WHERE part IS NULL) USING (instance_id)"
        )
        parts = [kept, *parts]
    return "\nUNION ALL ".join(parts)


def _edits(manifest: Manifest, root: Path | None) -> list[str]:
    """Render what the deltas replace, and where the rows are that count.

    ``edited_frames`` says which delta holds the frames and instances of a place (the
    newest that names it), and which its points; ``removed_instances`` which instances
    are gone from points that were left where they were. Null stands for the shards.
    """
    lists = "\n  UNION ALL ".join(
        f"SELECT {_KEY}, points, removed, {number} AS delta FROM {_parquet([delta.replaced], root)}"
        for number, delta in enumerate(manifest.deltas)
    )
    newest = "max(delta) AS delta, max(delta) FILTER (WHERE points) AS points_delta"
    removed = (
        "SELECT points_delta AS part, unnest(removed) AS instance_id\n"
        f"  FROM edits e JOIN edited_frames f USING ({_KEY})\n"
        "  WHERE NOT e.points AND e.delta > coalesce(f.points_delta, -1)"
    )
    return [
        _view("edits", lists),
        _view("edited_frames", f"SELECT {_KEY}, {newest} FROM edits GROUP BY {_KEY}"),
        _view("removed_instances", removed),
    ]


def _parquet(files: Iterable[DataFile], root: Path | None) -> str | None:
    names = [_quoted(_place(file, root)) for file in files]
    if not names:
        return None
    return f"read_parquet([{', '.join(names)}], hive_partitioning = false)"


def _place(file: DataFile, root: Path | None) -> str:
    """Name a file for DuckDB, which would expand wildcards in a directory's name."""
    if root is None:
        return file.path
    folder = "".join(f"[{c}]" if c in "*?[" else c for c in root.as_posix())
    return f"{folder}/{file.path}"
