"""Versions of projects on the command line: history, differences, cleaning up."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import tabular_labels as tl
from tabular_labels.cli.edge import UserError
from tabular_labels.cli.output import print_line, print_rows, print_table, size_text
from tabular_labels.differences import diff_sources
from tabular_labels.io.detect import detect_format
from tabular_labels.io.parquet_scan import open_parquet
from tabular_labels.io.parquet_vacuum import Vacuumed
from tabular_labels.io.project_versions import list_versions, read_history
from tabular_labels.model.source import Source
from tabular_labels.queries.diff import Changes

__all__ = [
    "clean",
    "compare",
    "describe_changes",
    "describe_vacuumed",
    "list_history",
    "print_changes",
    "print_history",
    "print_vacuumed",
]

_LISTED = 20


def list_history(project: Path) -> list[dict[str, Any]]:
    """List versions as plain values."""
    return [{**vars(info), "rows": vars(info.rows)} for info in read_history(project)]


def print_history(project: Path) -> None:
    """Print one row per version, newest first."""
    rows = [
        (version, f"{created:%Y-%m-%d %H:%M:%S}", *(f"{n:,}" for n in counts), message)
        for version, _, created, message, *counts in reversed(tl.history(project).rows())
    ]
    numbers = ("version", "frames", "instances", "points")
    header = ("version", "created (UTC)", *numbers[1:], "message")
    print_rows(header, rows, right=numbers)


def compare(old: Path, new: Path | None, first: int | None, second: int | None) -> Changes:
    """Compare two files, or two versions of a project; without more, the newest with its parent."""
    if new is None:
        if detect_format(old) != "parquet":
            message = f"{old}: found a file without versions. Name a second file to compare with."
            raise UserError(message)
        versions = list_versions(old)
        second = versions[-1] if second is None else second
        if first is None:
            earlier = [version for version in versions if version < second]
            if not earlier:
                message = (
                    f"{old}: found nothing before version {second}. Name two with --from, --to."
                )
                raise UserError(message)
            first = earlier[-1]
    before, after = _open(old, first), _open(old if new is None else new, second)
    return diff_sources(before, after, by_content=True)


def _open(path: Path, version: int | None) -> Source:
    if detect_format(path) == "parquet":
        return open_parquet(path, version=version)
    if version is not None:
        message = f"{path}: found a file without versions. Leave out the version."
        raise UserError(message)
    return tl.scan_slp(path)._snapshot.source


def describe_changes(changes: Changes, *, with_rows: bool) -> dict[str, Any]:
    """Return counts, or rows, as plain values."""
    if with_rows:
        return {
            name: {kind: json.loads(table.write_json()) for kind, table in vars(each).items()}
            for name, each in changes.items()
        }
    return {row.pop("table"): row for row in changes.counts().to_dicts()}


def print_changes(changes: Changes, *, with_rows: bool) -> None:
    """Print how many rows of each table differ, and the first of them if asked."""
    if changes.is_empty:
        print_line("no differences")
        return
    counts = [row for row in changes.counts().rows() if any(row[1:])]
    numbers = ("added", "removed", "changed")
    cells = [(name, *(f"{n:,}" for n in row)) for name, *row in counts]
    print_rows(("table", *numbers), cells, right=numbers)
    for name, *_ in counts if with_rows else ():
        for kind, table in vars(changes[name]).items():
            if table.height:
                print_table(table, title=f"{name}, {kind}", most_rows=_LISTED)


def clean(project: Path, keep: int | None, hours: float, *, dry_run: bool) -> Vacuumed:
    """Delete what no version needs."""
    return tl.vacuum(project, keep=keep, older_than=timedelta(hours=hours), dry_run=dry_run)


def describe_vacuumed(done: Vacuumed) -> dict[str, Any]:
    """Return what was deleted as plain values."""
    return {"files": list(done.files), "versions": list(done.versions), "bytes": done.bytes}


def print_vacuumed(project: Path, done: Vacuumed, *, dry_run: bool) -> None:
    """Say what was deleted, or would be."""
    verb = "would delete" if dry_run else "deleted"
    n, v = len(done.files), len(done.versions)
    of = f" and {v:,} version{'s' * (v != 1)}" if v else ""
    text = f"{project}: {verb} {n:,} file{'s' * (n != 1)}{of}, {size_text(done.bytes)}"
    print_line(text)
    for file in done.files if dry_run else ():
        print_line(f"  {file}")
