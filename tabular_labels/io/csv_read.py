"""Read CSV tables of labels: ours, SLEAP's analysis CSV, and those of sleap-io."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl

from tabular_labels._types import PathLike
from tabular_labels.hdf5.guard import broken
from tabular_labels.io.detect import csv_form

__all__ = ["read_table"]

_REMEDY = "Repair the file, or export it again."
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


def read_table(path: PathLike) -> pl.DataFrame:
    """Read the columns that labels are made from.

    Args:
        path: The file, in UTF-8 with a header.

    Returns:
        One row per row; numbers as Float64 or Int64, missing as null.

    Raises:
        FileNotFoundError: There is no such file.
        FileFormatError: It is no table of labels, or a value is not what its column has.
    """
    with Path(path).open("rb") as file:
        head = file.read(_HEADER_BYTES)
    if csv_form(head) is None:
        found = f"a file that begins with {head[:40]!r}"
        raise broken(path, "the header", found, "frame_idx, and nodes with x and y", _REMEDY)
    first = head.decode("utf-8-sig", "ignore").splitlines()[0]
    names = next(csv.reader([first]))
    if len(set(names)) < len(names):
        raise broken(path, "the header", "a column twice", "each once", _REMEDY)
    kinds = {name: kind for name in names if (kind := _kind(name)) is not None}
    try:
        table = pl.read_csv(
            Path(path),
            columns=list(kinds),
            schema_overrides=kinds,
        )
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        said = str(error).strip().splitlines()[0][:200]
        raise broken(path, "the rows", f"what is no table ({said})", "values", _REMEDY) from error
    truths = [name for name in kinds if name in _TRUTHS]
    return table.with_columns(pl.col(name).str.to_lowercase() == "true" for name in truths)


def _kind(name: str) -> type[pl.DataType] | None:
    """Return the type of a known column; frames hold ``inst{k}.`` before the names."""
    place, _, rest = name.partition(".")
    if place.removeprefix("inst").isdecimal() and place.startswith("inst") and rest:
        name = rest
    if name in _TEXTS or name in _TRUTHS:
        return pl.String
    if name in _WHOLE:
        return pl.Int64
    if name in _NUMBERS or name.endswith((".x", ".y", ".score")):
        return pl.Float64
    return None
