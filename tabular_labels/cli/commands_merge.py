"""Commands that bring files together, and take them apart: merge and split."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import tabular_labels
from tabular_labels.cli.destination import check_destination, output_format
from tabular_labels.cli.edge import guarded
from tabular_labels.cli.options import Json
from tabular_labels.cli.output import plain, print_json, print_line, progress_bar, working

__all__ = ["merge", "split"]


class MergeStrategy(StrEnum):
    """What happens to instances that are at odds."""

    KEEP_BOTH = "keep_both"
    KEEP_BASE = "keep_base"
    KEEP_NEW = "keep_new"
    USER_OVER_PREDICTED = "user_over_predicted"
    REPLACE_PREDICTIONS = "replace_predictions"
    UPDATE_TRACKS = "update_tracks"


class VideoMatch(StrEnum):
    """Ways to match videos."""

    AUTO = "auto"
    CLASSIC = "classic"
    NAME = "name"
    SHAPE = "shape"
    NONE = "none"


class TrackMatch(StrEnum):
    """Ways to match tracks."""

    LINEAGE = "lineage"
    NAME_AND_SPAWNED_ON = "name_and_spawned_on"
    NAME = "name"
    CLASSIC = "classic"
    NONE = "none"


class FileForm(StrEnum):
    """Formats of the files that a command makes."""

    SLP = "slp"
    PARQUET = "parquet"


@guarded
def merge(
    files: Annotated[
        list[Path], typer.Argument(metavar="BASE OTHER...", help="Files or projects to merge.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", help="What to write: NAME.slp, or a Parquet project.")
    ] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="Only show what would be done; nothing is written.")
    ] = False,
    strategy: Annotated[
        MergeStrategy, typer.Option(help="What happens in frames that both have.")
    ] = MergeStrategy.KEEP_BOTH,
    tolerance: Annotated[
        float, typer.Option(help="Poses this many pixels apart are versions of one; 0 is exact.")
    ] = 0.0,
    videos: Annotated[VideoMatch, typer.Option(help="How videos are matched.")] = VideoMatch.AUTO,
    tracks: Annotated[
        TrackMatch, typer.Option(help="How tracks are matched.")
    ] = TrackMatch.LINEAGE,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace a .slp file, or add a version to a project."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Merge files into one, and say what was added, redundant and in conflict."""
    from tabular_labels.cli import merging

    if not plan:
        out = merging.require_output(files, out)
        check_destination(out, output_format(out), overwrite=overwrite)
    with working("merging"):
        merged, plans = merging.merge_files(
            files,
            strategy=strategy.value,
            tolerance=tolerance,
            videos=videos.value,
            tracks=tracks.value,
        )
    if not plan and out is not None:
        with progress_bar(f"writing {plain(out)}") as progress:
            if output_format(out) == "slp":
                tabular_labels.write_slp(merged, out, progress=progress)
            else:
                tabular_labels.write_parquet(merged, out, overwrite=overwrite, progress=progress)
    if as_json:
        print_json(
            {
                "base": str(files[0]),
                "out": None if plan else str(out),
                "frames": len(merged),
                "merged": [
                    merging.report_json(file, one)
                    for file, one in zip(files[1:], plans, strict=True)
                ],
            }
        )
        return
    for file, one in zip(files[1:], plans, strict=True):
        merging.print_plan(file, one, in_full=plan)
    if not plan:
        print_line(f"wrote {out}: {len(merged):,} frames")


@guarded
def split(
    file: Annotated[Path, typer.Argument(help="A .slp file or a Parquet project.")],
    fractions: Annotated[
        str, typer.Option(help="Share of each part, with commas between; -1 is what is left.")
    ] = "0.8",
    seed: Annotated[int, typer.Option(help="The same seed gives the same parts.")] = 0,
    by: Annotated[
        str | None,
        typer.Option(help='Keep together: "video", "track", or SQL on columns of frames.'),
    ] = None,
    blocks: Annotated[
        int | None, typer.Option(help="Keep together: so many contiguous blocks of each video.")
    ] = None,
    gap: Annotated[
        int | None, typer.Option(help="Frames of two parts are more than so many frames apart.")
    ] = None,
    stratify: Annotated[
        str | None,
        typer.Option(help='Shares hold for each "kind", "n_instances", "video", or value of SQL.'),
    ] = None,
    user_only: Annotated[
        bool, typer.Option("--user-only", help="Without predictions, and frames with nothing else.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder for the parts; without, only a report.")
    ] = None,
    names: Annotated[
        str, typer.Option(help="Names of the parts; train,val or train,val,test without.")
    ] = "",
    form: Annotated[
        FileForm | None, typer.Option("--format", help="Of the parts; that of FILE without.")
    ] = None,
    within: Annotated[
        str, typer.Option(help="Distances in frames at which leaks are counted.")
    ] = "0,1,5,30",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace .slp files, add versions to projects.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Split frames into training and validation parts, and say how much leaks between them."""
    from tabular_labels.cli import splitting

    shares = splitting.read_numbers(fractions, float, "--fractions")
    called = [name.strip() for name in names.split(",") if name.strip()]
    with working(f"splitting {plain(file)}"):
        report = splitting.split_file(
            file,
            shares,
            called,
            seed=seed,
            by=by,
            blocks=blocks,
            gap=gap,
            stratify=stratify,
            is_user_only=user_only,
            within=splitting.read_numbers(within, int, "--within"),
        )
    paths: list[Path] = []
    if out is not None:
        asked = form and form.value
        paths = splitting.choose_files(report.names, file, out, asked, overwrite=overwrite)
        with working(f"writing {plain(out)}"):
            splitting.save_parts(report, paths, overwrite=overwrite)
    if as_json:
        print_json(report.json(paths))
    else:
        splitting.print_report(report, paths)
