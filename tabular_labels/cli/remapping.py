"""New names for videos in files and projects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tabular_labels as tl
from tabular_labels.cli.output import print_line, print_rows
from tabular_labels.cli.summary import open_labels
from tabular_labels.suffixes import format_of

__all__ = ["print_moves", "remap_file"]


def remap_file(
    file: Path, pair: tuple[str, str], out: Path | None, *, only_existing: bool, overwrite: bool
) -> list[dict[str, Any]]:
    """Rename videos, write the labels where that is asked for, and list what changed."""
    labels = open_labels(file) if out is None else tl.load_file(file)
    changed = labels.remap_videos(pair, only_existing=only_existing, dry_run=out is None)
    if out is not None:
        if format_of(out) in (None, "parquet"):
            tl.write_parquet(labels, out, overwrite=overwrite)
        else:
            labels.save(out)
    return [{"old": old, "new": new, "exists": Path(new).exists()} for old, new in changed.items()]


def print_moves(moves: list[dict[str, Any]], out: Path | None) -> None:
    """Print the moves for people."""
    rows = [(move["old"], move["new"], "found" if move["exists"] else "not here") for move in moves]
    if rows:
        print_rows(("old name", "new name", "file"), rows)
    said = "nothing was written; add --out" if out is None else f"wrote {out}"
    n = len(moves)
    print_line(f"{n:,} video{'s' * (n != 1)} renamed; {said}")
