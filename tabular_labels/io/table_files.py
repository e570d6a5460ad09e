"""Write tables that arrive in pieces as one CSV, Parquet or JSON lines file."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, TypeAlias

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["TableFormat", "escaped", "write_batches"]

TableFormat: TypeAlias = Literal["csv", "ndjson", "parquet"]

_FORMULA = r"^[=+\-@\t\r\n]"
"""What makes a spreadsheet take a text for a formula, or for something before one."""

_LEVEL = 3


def write_batches(
    path: Path,
    form: TableFormat,
    schema: Mapping[str, pl.DataType],
    batches: Iterable[pl.DataFrame],
    *,
    escape_formulas: bool = False,
) -> None:
    r"""Write one file at a path where nothing is yet.

    Args:
        path: Where.
        form: ``"csv"``, ``"ndjson"`` (one JSON object a line), or ``"parquet"``.
        schema: Columns and dtypes of every batch.
        batches: The rows, piece by piece.
        escape_formulas: In CSV, put an apostrophe before names and texts that a
            spreadsheet would take for formulas; numbers stay as they are.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.csv"
        >>> table = pl.DataFrame({"track": ["=1+1"], "x": [-1.0]})
        >>> write_batches(path, "csv", table.schema, [table], escape_formulas=True)
        >>> path.read_text()
        "track,x\n'=1+1,-1.0\n"
    """
    kinds: dict[str, type[_CsvFile] | type[_LinesFile] | type[_ParquetFile]] = {
        "csv": _CsvFile,
        "ndjson": _LinesFile,
        "parquet": _ParquetFile,
    }
    first = pl.DataFrame(schema=dict(schema))
    with kinds[form](path, escaped(first) if escape_formulas else first) as file:
        for batch in batches:
            file.write(escaped(batch) if escape_formulas else batch)


def escaped(table: pl.DataFrame) -> pl.DataFrame:
    """Put an apostrophe before names and texts that look like formulas.

    Examples:
        >>> escaped(pl.DataFrame({"@a": ["+1", "b", None]})).to_dict(as_series=False)
        {"'@a": ["'+1", 'b', None]}
    """
    texts = [name for name, dtype in table.schema.items() if _is_text(dtype)]
    table = table.with_columns(
        pl.col(name).cast(pl.String).str.replace(f"({_FORMULA})", "'${1}") for name in texts
    )
    named = pl.Series(table.columns, dtype=pl.String).str.replace(f"({_FORMULA})", "'${1}")
    return table.rename(dict(zip(table.columns, named, strict=True)))


def _is_text(dtype: pl.DataType) -> bool:
    return dtype in (pl.String, pl.Categorical) or isinstance(dtype, pl.Enum)


class _CsvFile:
    """A header, then rows. Missing is nothing, an empty text is two quotes."""

    def __init__(self, path: Path, first: pl.DataFrame) -> None:
        self.file = path.open("xb")
        header = io.BytesIO()
        first.write_csv(header)
        self.file.write(header.getvalue())

    def write(self, table: pl.DataFrame) -> None:
        table.write_csv(self.file, include_header=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.file.close()


class _LinesFile(_CsvFile):
    """One JSON object a line."""

    def __init__(self, path: Path, first: pl.DataFrame) -> None:
        del first
        self.file = path.open("xb")

    def write(self, table: pl.DataFrame) -> None:
        if table.height:
            table.write_ndjson(self.file)


class _ParquetFile:
    """One row group for each piece."""

    def __init__(self, path: Path, first: pl.DataFrame) -> None:
        self.schema = first.to_arrow().schema
        self.writer = pq.ParquetWriter(
            path, self.schema, compression="zstd", compression_level=_LEVEL
        )

    def write(self, table: pl.DataFrame) -> None:
        if table.height:
            rows: pa.Table = table.to_arrow()
            self.writer.write_table(rows.cast(self.schema))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.writer.close()
