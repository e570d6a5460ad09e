"""`tabular-labels merge`: plans and reports of merging files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

import tabular_labels as tl
from tabular_labels.cli.edge import UserError
from tabular_labels.cli.output import output_console, plain, print_table
from tabular_labels.cli.summary import open_labels

__all__ = ["merge_files", "print_plan", "report_json", "require_output"]

_SHOWN = 20


def require_output(files: Sequence[Path], out: Path | None) -> Path:
    """Return where to write, which must be none of what is read.

    Raises:
        UserError: It is, or there is nowhere.
    """
    if out is None:
        message = "found no --out, expected where to write. Add --out FILE, or --plan to only look."
        raise UserError(message)
    if any(out.resolve() == file.resolve() for file in files):
        message = f"{out}: is one of the files to be merged. Choose another --out."
        raise UserError(message)
    return out


def merge_files(
    files: Sequence[Path],
    *,
    strategy: str,
    tolerance: float,
    videos: str,
    tracks: str,
) -> tuple[tl.Labels, list[tl.MergePlan]]:
    """Merge files into the first one's labels.

    Returns:
        The merged labels, and the plan of each step, which was carried out.

    Raises:
        UserError: There is one file only.
        MergeError: The projects cannot be merged.
    """
    if len(files) < 2:
        message = f"found {len(files)} file, expected two at least. Name what is to be merged."
        raise UserError(message)
    options: Any = {"tolerance": tolerance, "videos": videos, "tracks": tracks}
    rule: Any = strategy
    merged = open_labels(files[0])
    plans = []
    for file in files[1:]:
        plan = merged.merge_plan(open_labels(file), rule, **options)
        merged.apply_merge(plan)
        plans.append(plan)
    return merged, plans


def print_plan(file: Path, plan: tl.MergePlan, *, in_full: bool) -> None:
    """Print what a merge does; in full also what matched and each conflict."""
    console = output_console()
    if in_full:
        match = plan.match
        shown = {"videos": match.videos.drop("candidates"), "skeletons": match.skeletons}
        shown["tracks"] = match.tracks
        for name, table in shown.items():
            if table.height:
                print_table(table, title=f"{name} of {plain(file)}", most_rows=_SHOWN)
    counts = plan.report.table().filter(pl.col("n") > 0)
    print_table(counts, title=f"{plain(file)}: {plan.report.strategy}")
    if not plan.report.changes:
        console.print("nothing changes")
    if plan.report.n_namesakes:
        console.print(
            f"{plan.report.n_namesakes} tracks are kept apart from one of the same name; "
            "if they are the same animals, pass --tracks name"
        )
    at_odds = plan.instances.filter(pl.col("status") == "conflicting") if in_full else None
    if at_odds is not None and at_odds.height:
        columns = at_odds.select(
            "video", "frame_idx", "instance_id", "kind", "action", "base_instance_id", "distance"
        )
        print_table(columns, title="conflicts (distance in pixels)", most_rows=_SHOWN)


def report_json(file: Path, plan: tl.MergePlan) -> dict[str, Any]:
    """Return what `--json` prints of one file."""
    report, match = plan.report, plan.match
    return {
        "file": str(file),
        "strategy": report.strategy,
        "tolerance": report.tolerance,
        "changes": report.changes,
        "counts": vars(report.counts),
        "tracks_kept_apart_from_namesakes": report.n_namesakes,
        "conflicts": [list(place) for place in report.conflicts],
        "videos": match.videos.to_dicts(),
        "skeletons": match.skeletons.to_dicts(),
        "tracks": match.tracks.to_dicts(),
    }
