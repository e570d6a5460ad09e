"""The command ``tabular-labels``: parse, call, and leave the rest to others.

What is heavy is imported inside the commands, so that ``--help`` is quick.
"""

from __future__ import annotations

import sys
import time
import warnings
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import tabular_labels
from tabular_labels.cli.edge import INTERRUPTED, UserError, guarded, wants_traceback
from tabular_labels.cli.output import (
    error_console,
    output_console,
    plain,
    print_json,
    print_lines,
    progress_bar,
    size_text,
    time_text,
    working,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="tabular-labels",
    help="Pose-tracking labels as tables: look into projects, query, convert and check them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")]


class Compat(StrEnum):
    """Layouts of .slp files."""

    TODAY = "today"
    CLASSIC = "classic"


class AnswerFormat(StrEnum):
    """Forms of a query's answer."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class FileForm(StrEnum):
    """Formats of the files that a command makes."""

    SLP = "slp"
    PARQUET = "parquet"


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


class Picture(StrEnum):
    """Pictures of a labels file."""

    FRAME = "frame"
    OCCUPANCY = "occupancy"
    SCORES = "scores"
    SCORE_TIME = "score-time"
    COVERAGE = "coverage"


class LargeTable(StrEnum):
    """Tables that are kept in files of their own."""

    FRAMES = "frames"
    INSTANCES = "instances"
    POINTS = "points"


def main() -> None:
    """Run the command line, and exit with 0, 1 (mistake), 2 (usage) or 130 (interrupted)."""
    for stream in (sys.stdout, sys.stderr):
        # Names that a terminal cannot write should not end a command.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        app(prog_name="tabular-labels")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _print_version(asked: bool) -> None:
    if asked:
        print_lines([f"tabular-labels {tabular_labels.__version__}"])
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    show_traceback: Annotated[
        bool, typer.Option("--traceback", help="When something fails, show where.")
    ] = False,
) -> None:
    """Pose-tracking labels as tables: look into projects, query, convert and check them."""
    wants_traceback.set(show_traceback)


@app.command()
@guarded
def demo(
    file: Annotated[
        Path | None, typer.Argument(help="A labels file of yours; made-up labels without.")
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="Folder for what is made; empty or not there yet.")
    ] = Path("tabular-labels-demo"),
    as_json: Json = False,
) -> None:
    """Take a tour: load, query, split, keep as Parquet, draw. Your file stays as it is."""
    from tabular_labels.cli.demo import run_demo

    report = run_demo(file, out, is_quiet=as_json)
    if as_json:
        print_json(report)


@app.command()
@guarded
def show(
    file: Annotated[Path, typer.Argument(help="A .slp file or a Parquet project.")],
    as_json: Json = False,
) -> None:
    """Say what is in a file: videos, skeletons, tracks, counts."""
    from tabular_labels.cli.summary import print_summary, summarise

    with working(f"reading {plain(file)}"):
        summary = summarise(file)
    if as_json:
        print_json(summary.json())
    else:
        print_summary(summary)


@app.command()
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

    form = _output_format(destination)
    if compat is Compat.CLASSIC and form != "slp":
        message = "--compat classic is a layout of .slp files"
        raise typer.BadParameter(message)
    _check_destination(destination, form, overwrite=overwrite)
    from tabular_labels.cli.summary import measure

    began = time.perf_counter()
    with working(f"reading {plain(source)}"):
        labels = read_for(form, source, strict=strict)
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
        _print_line(
            f"wrote {', '.join(map(str, written))}: {len(labels):,} frames, {size_text(n_bytes)}, "
            f"in {time_text(seconds)}"
        )


def _output_format(path: Path) -> str:
    from tabular_labels.files import SUFFIXES, format_of

    form = format_of(path)
    if form is None and path.suffix:
        message = (
            f"{path}: found suffix {path.suffix!r}, expected one of {', '.join(SUFFIXES)}, or none "
            "for a Parquet project"
        )
        raise typer.BadParameter(message)
    return form or "parquet"


def _check_destination(path: Path, form: str, *, overwrite: bool) -> None:
    from tabular_labels.io.manifest import is_project

    if not path.absolute().parent.is_dir():
        message = f"{path}: its folder does not exist. Make the folder first."
        raise UserError(message)
    if overwrite:
        return
    if form != "parquet" and path.exists():
        message = f"{path}: found a file there. Choose another name, or add --overwrite."
        raise UserError(message)
    if form == "parquet" and is_project(path):
        message = (
            f"{path}: found a project there. Choose another name, or add --overwrite for a new "
            "version of it (earlier ones stay readable)."
        )
        raise UserError(message)


@app.command()
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
        _check_destination(out, _output_format(out), overwrite=overwrite)
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
            if _output_format(out) == "slp":
                tabular_labels.write_slp(merged, out)
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
        _print_line(f"wrote {out}: {len(merged):,} frames")


@app.command()
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
        _check_destination(out, _output_format(out), overwrite=overwrite)
    with working(f"renaming videos of {plain(file)}"):
        moves = remap_file(file, (old, new), out, only_existing=only_existing, overwrite=overwrite)
    if as_json:
        print_json(moves)
    else:
        print_moves(moves, out)


@app.command()
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


@app.command()
@guarded
def query(
    file: Annotated[Path, typer.Argument(help="A .slp file or a Parquet project.")],
    sql: Annotated[
        str,
        typer.Argument(
            metavar="SQL",
            help="A SELECT on points, instances, frames, videos, skeletons, nodes, edges, tracks "
            "or suggestions.",
        ),
    ],
    form: Annotated[
        AnswerFormat | None,
        typer.Option("--format", help="Default: the suffix of --out, else a table."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the answer to a file.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Answer a SQL query, such as "SELECT node, avg(score) FROM points GROUP BY node"."""
    from tabular_labels.cli.answers import ask, choose_format, print_answer, save_answer
    from tabular_labels.cli.summary import open_labels

    asked = "json" if as_json and form is None else form and form.value
    chosen = choose_format(asked, out)
    with working("asking"):
        answer = ask(open_labels(file), sql)
    if out is None:
        print_answer(answer, chosen)
        return
    save_answer(answer, chosen, out, overwrite=overwrite)
    error_console().print(plain(f"wrote {out}: {answer.height:,} rows"))


VideoFolders = Annotated[
    list[Path] | None,
    typer.Option("--videos", help="Folder of videos that moved; may be given several times."),
]
WhichVideo = Annotated[int, typer.Option("--video", help="Place of the video in the labels.")]


@app.command()
@guarded
def plot(
    file: Annotated[Path, typer.Argument(help="A labels file or a Parquet project.")],
    kind: Annotated[Picture, typer.Argument(help="What to draw.")] = Picture.FRAME,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="NAME.png, .svg, .pdf or .jpg; FILE-KIND.png here without."),
    ] = None,
    video: WhichVideo = 0,
    frame: Annotated[
        int | None,
        typer.Option("--frame", help="Frame index; without, a frame that shows much."),
    ] = None,
    videos: VideoFolders = None,
    dpi: Annotated[float, typer.Option(help="Dots per inch.", min=10, max=1200)] = 150,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the picture.")] = False,
    as_json: Json = False,
) -> None:
    """Draw a frame, track occupancy, scores, or how often each node is present."""
    from tabular_labels.cli import drawing

    path = Path(f"{file.name.split('.')[0]}-{kind.value}.png") if out is None else out
    drawing.require_new(path, overwrite=overwrite)
    with working(f"drawing {plain(path)}"):
        labels = drawing.open_with_videos(file, videos or [])
        drawing.save_drawing(labels, kind.value, path, video=video, frame_idx=frame, dpi=dpi)
    if as_json:
        print_json({"file": str(file), "picture": str(path), "kind": kind.value})
    else:
        _print_line(f"wrote {path}")


@app.command()
@guarded
def render(
    file: Annotated[Path, typer.Argument(help="A labels file or a Parquet project.")],
    out: Annotated[Path, typer.Option("--out", help="NAME.mp4, .mkv, .mov or .avi.")],
    video: WhichVideo = 0,
    start: Annotated[
        int | None, typer.Option(help="First frame index; the first labelled one without.")
    ] = None,
    stop: Annotated[
        int | None, typer.Option(help="One past the last; past the last labelled one without.")
    ] = None,
    fps: Annotated[
        float | None, typer.Option(help="Frames per second; those of the video without.")
    ] = None,
    scale: Annotated[float, typer.Option(help="Size relative to the video.")] = 1.0,
    videos: VideoFolders = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the clip.")] = False,
    as_json: Json = False,
) -> None:
    """Write a clip of a video with its labels drawn into the pictures."""
    from tabular_labels.cli import drawing

    drawing.require_new(out, overwrite=overwrite)
    labels = drawing.open_with_videos(file, videos or [])
    shown = drawing.show_video(labels, video)
    with progress_bar(f"writing {plain(out)}") as progress:
        n_frames = labels.render(
            out, shown, start=start, stop=stop, fps=fps, scale=scale, progress=progress
        )
    if as_json:
        print_json({"file": str(file), "clip": str(out), "frames": n_frames})
    else:
        _print_line(f"wrote {out}: {n_frames:,} frames")


@app.command()
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


@app.command()
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
        _print_line(f"{path}: all is well")
    else:
        _print_line(f"{path}: {len(problems):,} problem{'s' * (len(problems) != 1)}", "bold red")
        for problem in problems:
            for k, line in enumerate(problem.splitlines()):
                _print_line(f"  {line}" if k else f"- {line}")
    if problems:
        raise typer.Exit(1)


@app.command()
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


@app.command()
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


@app.command()
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
        _print_line(f"{project}: version {version} has its edits in its larger files")


@app.command()
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


def _print_line(text: str, style: str | None = None) -> None:
    output_console().print(plain(text), style=style, soft_wrap=True)
