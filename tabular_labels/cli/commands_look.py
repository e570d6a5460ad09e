"""Commands that look: a tour, what is in a file, and what it answers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tabular_labels.cli.edge import guarded
from tabular_labels.cli.options import Json
from tabular_labels.cli.output import error_console, plain, print_json, working

__all__ = ["demo", "query", "show"]


class AnswerFormat(StrEnum):
    """Forms of a query's answer."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


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
