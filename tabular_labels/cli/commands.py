"""The command ``tabular-labels``: its commands, and how it starts and ends.

Commands parse and call, and leave the rest to others. What is heavy is imported inside
them, so that ``--help`` is quick.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import tabular_labels
from tabular_labels.cli.commands_convert import convert, remap
from tabular_labels.cli.commands_draw import plot, render
from tabular_labels.cli.commands_look import demo, query, show
from tabular_labels.cli.commands_merge import merge, split
from tabular_labels.cli.commands_project import compact, diff, files, history, vacuum, validate
from tabular_labels.cli.edge import INTERRUPTED, wants_traceback
from tabular_labels.cli.output import print_lines

__all__ = ["app", "main"]

app = typer.Typer(
    name="tabular-labels",
    help="Pose-tracking labels as tables: look into projects, query, convert and check them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


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


# In the order of the help.
for command in (
    demo, show, convert, merge, remap, split, query, plot, render,
    files, validate, history, diff, compact, vacuum,
):  # fmt: skip
    app.command()(command)
