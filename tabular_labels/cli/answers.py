"""Answers to queries: on the terminal, or in a file that appears whole."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import polars as pl

import tabular_labels as tl
from tabular_labels.cli.edge import UserError
from tabular_labels.cli.output import print_table
from tabular_labels.errors import QueryError
from tabular_labels.io.atomic import atomic_path
from tabular_labels.model.schema import CATALOG

__all__ = ["FORMATS", "ask", "choose_format", "encode_answer", "print_answer", "save_answer"]

_TABLES = ("points", "instances", "frames", *(table.name for table in CATALOG))

FORMATS = ("table", "csv", "json", "parquet")


def ask(labels: tl.Labels, sql: str) -> pl.DataFrame:
    """Answer a query.

    Raises:
        UserError: It is not valid, or names what is not there.
    """
    try:
        return labels.sql(sql)
    except QueryError as error:
        if not isinstance(error.__cause__, pl.exceptions.PolarsError):
            raise
        # After what is wrong, polars prints its plan.
        said = " ".join(str(error.__cause__).partition("Resolved plan")[0].split()).rstrip(".")
        message = (
            f"the query could not be answered: {said}. Tables are {', '.join(_TABLES)}; "
            'see the columns of one with "SELECT * FROM points LIMIT 1".'
        )
        raise UserError(message) from error


def choose_format(asked: str | None, out: Path | None) -> str:
    """Settle the format: what was asked, else the suffix of the file, else a table."""
    if asked is None and out is not None:
        asked = out.suffix.lower().lstrip(".")
        if asked not in FORMATS[1:]:
            message = (
                f"{out}: found suffix {out.suffix!r}, expected .csv, .json or .parquet. "
                "Change the name, or say --format."
            )
            raise UserError(message)
    form = asked or "table"
    if form == "parquet" and out is None:
        message = "--format parquet needs a file to write. Add --out PATH."
        raise UserError(message)
    if form == "table" and out is not None:
        message = f"{out}: a table is for the screen. Say --format csv, json or parquet."
        raise UserError(message)
    return form


def print_answer(answer: pl.DataFrame, form: str) -> None:
    """Print an answer; CSV and JSON are whole and in UTF-8, whatever the terminal speaks."""
    if form == "table":
        print_table(answer)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(encode_answer(answer, form))
    sys.stdout.buffer.flush()


def save_answer(answer: pl.DataFrame, form: str, out: Path, *, overwrite: bool) -> None:
    """Write an answer to a file.

    Raises:
        UserError: The file exists and ``overwrite`` is false.
    """
    if out.exists() and not overwrite:
        message = f"{out}: there is a file already. Choose another name, or add --overwrite."
        raise UserError(message)
    data = encode_answer(answer, form)
    with atomic_path(out) as temporary:
        temporary.write_bytes(data)


def encode_answer(answer: pl.DataFrame, form: str) -> bytes:
    """Encode an answer as CSV, JSON (a list of objects) or Parquet."""
    if form == "json":
        return (answer.write_json() + "\n").encode()
    if form == "parquet":
        buffer = io.BytesIO()
        answer.write_parquet(buffer)
        return buffer.getvalue()
    nested = [name for name, dtype in answer.schema.items() if dtype.is_nested()]
    if nested:
        message = (
            f"columns {nested} hold lists or structs, which CSV cannot. "
            "Choose --format json or parquet, or select their parts."
        )
        raise UserError(message)
    return answer.write_csv().encode()
