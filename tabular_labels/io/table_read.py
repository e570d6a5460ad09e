"""Read tables of labels from files: ours, SLEAP's analysis CSV, and those of sleap-io."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import polars as pl

from tabular_labels._types import PathLike
from tabular_labels.hdf5.guard import broken
from tabular_labels.io.detect import csv_form, lines_form, names_of_lines

__all__ = ["read_table"]

_REMEDY = "Repair the file, or export it again."
_EXPECTED = "frame_idx, and nodes with x and y"
_HEADER_BYTES = 1 << 20
_TEXTS = frozenset({"video", "video_path", "skeleton", "track", "node", "node_name", "kind"})
_TRUTHS = frozenset({"visible", "complete", "is_negative"})
_WHOLE = frozenset(
    {"video_id", "frame_idx", "frame_id", "position", "instance_id", "instance_idx"}
    | {"track_id", "node_id", "from_predicted"}
)
_NUMBERS = frozenset(
    {"x", "y", "score", "instance_score", "instance.score", "tracking_score", "track_score"}
)


def read_table(path: PathLike, form: Literal["csv", "ndjson", "table"]) -> pl.DataFrame:
    """Read the columns that labels are made from.

    Args:
        path: The file, in UTF-8; a CSV has a header.
        form: ``"csv"``; ``"ndjson"`` for a JSON object a line, of which any may lack keys,
            whose values are missing then; or ``"table"`` for a Parquet file.

    Returns:
        One row per row; numbers as Float64 or Int64, missing as null.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is no table of labels, or a value is not what its column has.
    """
    with Path(path).open("rb") as file:
        head = file.read(_HEADER_BYTES)
    if form == "table":
        with _told(path):
            table = pl.read_parquet(Path(path), glob=False)
    else:
        table = _read_csv(path, head) if form == "csv" else _read_lines(path, head)
    return table.select(name for name in table.columns if _kind(name) is not None)


def _read_csv(path: PathLike, head: bytes) -> pl.DataFrame:
    if csv_form(head) is None:
        found = f"a file that begins with {head[:40]!r}"
        raise broken(path, "the header", found, _EXPECTED, _REMEDY)
    first = head.decode("utf-8-sig", "ignore").splitlines()[0]
    kinds = _kinds(path, next(csv.reader([first])))
    truths = [name for name, kind in kinds.items() if kind is pl.Boolean]
    as_read = {name: pl.String if name in truths else kind for name, kind in kinds.items()}
    with _told(path):
        table = pl.read_csv(Path(path), columns=list(kinds), schema_overrides=as_read)
    return table.with_columns(pl.col(name).str.to_lowercase() == "true" for name in truths)


def _read_lines(path: PathLike, head: bytes) -> pl.DataFrame:
    if lines_form(head) is None:
        found = f"a file that begins with {head[:40]!r}"
        raise broken(path, "the first line", found, f"an object with {_EXPECTED}", _REMEDY)
    names = names_of_lines(head)
    with _told(path):
        # Nodes are keys where instances are rows, and one may appear in later lines first.
        more = [] if lines_form(head) == "points" else _every_name(path)
        known = dict.fromkeys([*names, *more, *_TEXTS, *_TRUTHS, *_WHOLE, *_NUMBERS])
        kinds = _kinds(path, known, twice=len(set(names)) < len(names))
        table = pl.read_ndjson(Path(path), schema=kinds)
    # Columns that no line has are not of this table.
    absent = {name for name in table.columns if name not in names and _is_empty(table[name])}
    return table.drop(absent)


def _every_name(path: PathLike) -> list[str]:
    return pl.scan_ndjson(Path(path), infer_schema_length=None).collect_schema().names()


def _is_empty(column: pl.Series) -> bool:
    return column.null_count() == len(column)


def _kinds(
    path: PathLike, names: Iterable[str], *, twice: bool = False
) -> Mapping[str, type[pl.DataType]]:
    """Return the types of known columns."""
    listed = list(names)
    if twice or len(set(listed)) < len(listed):
        raise broken(path, "the header", "a column twice", "each once", _REMEDY)
    return {name: kind for name in listed if (kind := _kind(name)) is not None}


@contextmanager
def _told(path: PathLike) -> Iterator[None]:
    """Turn what polars says about the rows into our error."""
    try:
        yield
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        said = str(error).strip().splitlines()[0][:200]
        raise broken(path, "the rows", f"what is no table ({said})", "values", _REMEDY) from error


def _kind(name: str) -> type[pl.DataType] | None:
    """Return the type of a known column; frames hold ``inst{k}.`` before the names."""
    place, _, rest = name.partition(".")
    if place.removeprefix("inst").isdecimal() and place.startswith("inst") and rest:
        name = rest
    if name in _TRUTHS:
        return pl.Boolean
    if name in _TEXTS:
        return pl.String
    if name in _WHOLE:
        return pl.Int64
    if name in _NUMBERS or name.endswith((".x", ".y", ".score")):
        return pl.Float64
    return None
