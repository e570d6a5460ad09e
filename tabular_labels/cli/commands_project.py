"""Commands for Parquet projects: their files, versions and soundness."""

from __future__ import annotations

import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import tabular_labels
from tabular_labels.cli.edge import guarded
from tabular_labels.cli.options import Json
from tabular_labels.cli.output import (
    plain,
    print_json,
    print_line,
    print_lines,
    progress_bar,
    working,
)

__all__ = ["compact", "diff", "files", "history", "vacuum", "validate"]


class LargeTable(StrEnum):
    """Tables that are kept in files of their own."""

    FRAMES = "frames"
    INSTANCES = "instances"
    POINTS = "points"


@guarded
def files(
    project: Annotated[Path, typer.Argument(help="A Parquet project.")],
    table: Annotated[
        LargeTable | None, typer.Argument(help="Files of this table only.", show_default=False)
    ] = None,
    version: Annotated[
        int | None, typer.Option("--version", help="Which version; the newest without.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the Parquet files that one version of a project consists of, one per line."""
    from tabular_labels.io.parquet_scan import project_files

    paths = project_files(project, table and table.value, version)
    if as_json:
        print_json(paths)
    else:
        print_lines(paths)


@guarded
def validate(
    path: Annotated[Path, typer.Argument(help="A Parquet project or a .slp file.")],
    version: Annotated[
        int | None, typer.Option("--version", help="Version of a project; the newest without.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check every byte and every rule; exit with 1 when something is wrong."""
    from tabular_labels.cli.checking import check_path

    with warnings.catch_warnings(record=as_json) as caught, progress_bar("checking") as progress:
        form, problems = check_path(path, version, progress)
    if as_json:
        print_json(
            {
                "path": str(path),
                "format": form,
                "is_valid": not problems,
                "problems": problems,
                "warnings": [str(warning.message) for warning in caught or ()],
            }
        )
    elif not problems:
        print_line(f"{path}: all is well")
    else:
        print_line(f"{path}: {len(problems):,} problem{'s' * (len(problems) != 1)}", "bold red")
        for problem in problems:
            for k, line in enumerate(problem.splitlines()):
                print_line(f"  {line}" if k else f"- {line}")
    if problems:
        raise typer.Exit(1)


@guarded
def history(
    project: Annotated[Path, typer.Argument(help="A Parquet project.")], as_json: Json = False
) -> None:
    """List the versions of a project: when they came, what they hold, and why."""
    from tabular_labels.cli import versions

    if as_json:
        print_json(versions.list_history(project))
    else:
        versions.print_history(project)


@guarded
def diff(
    old: Annotated[Path, typer.Argument(help="A Parquet project or a .slp file.")],
    new: Annotated[
        Path | None, typer.Argument(help="Another one; without, another version of the first.")
    ] = None,
    first: Annotated[
        int | None, typer.Option("--from", help="Version of OLD; without NEW, the one before.")
    ] = None,
    second: Annotated[
        int | None, typer.Option("--to", help="Version of NEW (or OLD); the newest without.")
    ] = None,
    with_rows: Annotated[bool, typer.Option("--rows", help="Show the rows, not only counts.")] = (
        False
    ),
    as_json: Json = False,
) -> None:
    """Say which rows two versions, or two files, do not share."""
    from tabular_labels.cli import versions

    with working("comparing"):
        changes = versions.compare(old, new, first, second)
    if as_json:
        print_json(versions.describe_changes(changes, with_rows=with_rows))
    else:
        versions.print_changes(changes, with_rows=with_rows)


@guarded
def compact(
    project: Annotated[Path, typer.Argument(help="A Parquet project.")],
    message: Annotated[str, typer.Option(help="Kept with the version.")] = "compact",
    as_json: Json = False,
) -> None:
    """Fold edits into the larger files of a project, as a new version that says the same."""
    with working(f"compacting {plain(project)}"):
        version = tabular_labels.compact(project, message=message)
    if as_json:
        print_json({"project": str(project), "version": version})
    else:
        print_line(f"{project}: version {version} has its edits in its larger files")


@guarded
def vacuum(
    project: Annotated[Path, typer.Argument(help="A Parquet project.")],
    keep: Annotated[
        int | None,
        typer.Option(help="Delete all but so many of the newest versions.", show_default="all"),
    ] = None,
    hours: Annotated[
        float, typer.Option("--older-than", help="Hours for which unlisted files are left alone.")
    ] = 1.0,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would be deleted.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Delete files of a project that no version needs, and old versions if asked."""
    from tabular_labels.cli import versions

    done = versions.clean(project, keep, hours, dry_run=dry_run)
    if as_json:
        print_json(versions.describe_vacuumed(done))
    else:
        versions.print_vacuumed(project, done, dry_run=dry_run)
