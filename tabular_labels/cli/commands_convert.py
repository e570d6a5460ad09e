"""Commands that write a file again: in another format, or with other names of videos."""

from __future__ import annotations

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tabular_labels.cli.destination import check_destination, output_format
from tabular_labels.cli.edge import guarded
from tabular_labels.cli.options import Json
from tabular_labels.cli.output import (
    plain,
    print_json,
    print_line,
    progress_bar,
    size_text,
    time_text,
    working,
)

__all__ = ["convert", "remap"]


class Compat(StrEnum):
    """Layouts of .slp files."""

    TODAY = "today"
    CLASSIC = "classic"


@guarded
def convert(
    source: Annotated[Path, typer.Argument(metavar="SRC", help="A file or project to read.")],
    destination: Annotated[
        Path,
        typer.Argument(
            metavar="DST",
            help="What to write: NAME.slp, .json, .json.zip, .csv, .ndjson, .analysis.h5, "
            ".analysis.csv, or a Parquet project (NAME.parquet).",
        ),
    ],
    compat: Annotated[
        Compat, typer.Option(help="Layout of a .slp file; classic is read by every version.")
    ] = Compat.TODAY,
    strict: Annotated[
        bool, typer.Option("--strict", help="Fail on data that is not modelled, do not warn.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace a file, or add a version to a project."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Convert between formats; the one to write follows DST's suffix."""
    from tabular_labels.cli.converting import read_for, write_as
    from tabular_labels.cli.summary import measure

    form = output_format(destination)
    if compat is Compat.CLASSIC and form != "slp":
        message = "--compat classic is a layout of .slp files"
        raise typer.BadParameter(message)
    check_destination(destination, form, overwrite=overwrite)
    began = time.perf_counter()
    with working(f"reading {plain(source)}"):
        labels = read_for(source, destination, strict=strict)
    with progress_bar(f"writing {plain(destination)}") as progress:
        written = write_as(
            form, labels, destination, progress, compat=compat.value, overwrite=overwrite
        )
    seconds, n_bytes = time.perf_counter() - began, sum(map(measure, written))
    if as_json:
        print_json(
            {
                "source": str(source),
                "destination": str(destination),
                "files": [str(path) for path in written],
                "format": form,
                "frames": len(labels),
                "bytes": n_bytes,
                "seconds": seconds,
            }
        )
    else:
        print_line(
            f"wrote {', '.join(map(str, written))}: {len(labels):,} frames, {size_text(n_bytes)}, "
            f"in {time_text(seconds)}"
        )


@guarded
def remap(
    file: Annotated[Path, typer.Argument(help="A file or project of any format.")],
    old: Annotated[str, typer.Argument(help="Folder or name in FILE, of any system.")],
    new: Annotated[str, typer.Argument(help="Folder or name that it has now.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="What to write; without, only a report.")
    ] = None,
    only_existing: Annotated[
        bool, typer.Option("--only-existing", help="Take a new name only where there is a file.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a file, or add a version to a project.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Give videos that moved their new names; nothing is written without --out."""
    from tabular_labels.cli.remapping import print_moves, remap_file

    if out is not None:
        check_destination(out, output_format(out), overwrite=overwrite)
    with working(f"renaming videos of {plain(file)}"):
        moves = remap_file(file, (old, new), out, only_existing=only_existing, overwrite=overwrite)
    if as_json:
        print_json(moves)
    else:
        print_moves(moves, out)
