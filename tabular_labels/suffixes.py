"""The formats that the ends of names stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from tabular_labels._types import PathLike

__all__ = ["SUFFIXES", "SaveFormat", "format_of"]

SaveFormat: TypeAlias = Literal[
    "slp",
    "json",
    "analysis",
    "analysis_csv",
    "csv",
    "ndjson",
    "parquet",
    "coco",
    "dlc",
    "jabs",
    "labelstudio",
    "nwb",
    "ultralytics",
]

SUFFIXES: dict[str, SaveFormat] = {
    ".slp": "slp",
    ".h5": "slp",
    ".hdf5": "slp",
    ".json": "json",
    ".json.zip": "json",
    ".analysis.h5": "analysis",
    ".analysis.csv": "analysis_csv",
    ".csv": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".tabular": "parquet",
    ".nwb": "nwb",
    ".coco.json": "coco",
    ".labelstudio.json": "labelstudio",
    ".dlc.csv": "dlc",
    ".ultralytics": "ultralytics",
    "_pose_est_v2.h5": "jabs",
    "_pose_est_v3.h5": "jabs",
    "_pose_est_v4.h5": "jabs",
    "_pose_est_v5.h5": "jabs",
}
"""Formats by the ends of names; of several that fit the longest counts."""


def format_of(path: PathLike) -> SaveFormat | None:
    """Return the format that a name asks for, None when it has no known suffix.

    Examples:
        >>> format_of("day1.json.zip"), format_of("day1.v2.slp"), format_of("day1.xyz")
        ('json', 'slp', None)
    """
    name = Path(path).name.lower()
    fitting = [suffix for suffix in SUFFIXES if name.endswith(suffix)]
    return SUFFIXES[max(fitting, key=len)] if fitting else None
