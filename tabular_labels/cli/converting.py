"""Read and write for ``convert``: what can be streamed is never read whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tabular_labels as tl
from tabular_labels.files import open_source, save_snapshot
from tabular_labels.store.snapshot import Snapshot

__all__ = ["read_for", "write_as"]

_QUIET = frozenset({"coco", "dlc", "jabs", "labelstudio", "nwb", "ultralytics"})
"""Formats whose writers, sleap-io's, do not say how far they are."""


def read_for(source: Path, destination: Path, *, strict: bool) -> tl.Labels:
    """Open a file, or read it whole where it will be replaced."""
    if destination.exists() and source.exists() and source.samefile(destination):
        return tl.load_file(source, strict=strict)
    return tl.Labels.from_snapshot(Snapshot(open_source(source, strict=strict)))


def write_as(
    form: str,
    labels: tl.Labels,
    path: Path,
    progress: Callable[[int, int], None],
    *,
    compat: str,
    overwrite: bool,
) -> list[Path]:
    """Write labels in a format, and return the files; most say how far they are."""
    options: dict[str, Any] = {} if form in _QUIET else {"progress": progress}
    if form == "slp":
        options["compat"] = compat
    if form == "parquet":
        options["overwrite"] = overwrite
    return save_snapshot(labels._snapshot, path, **options)
