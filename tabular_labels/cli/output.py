"""Tables, messages, JSON and progress on a terminal, a pipe or in a file."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "error_console",
    "output_console",
    "plain",
    "print_facts",
    "print_json",
    "print_line",
    "print_lines",
    "print_rows",
    "print_table",
    "progress_bar",
    "size_text",
    "time_text",
    "working",
]

_PIPE_WIDTH = 120
_WIDEST_CELL = 48


class _Console(Console):
    """A console that leaves it to the command's edge what a closed pipe means."""

    def on_broken_pipe(self) -> NoReturn:
        """Raise again, instead of exiting with an error."""
        raise BrokenPipeError


def output_console() -> Console:
    """Return a console on standard output; NO_COLOR and COLUMNS are respected."""
    fixed = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return _Console(width=fixed, highlight=False, markup=False, emoji=False)


def error_console() -> Console:
    """Return a console on standard error."""
    return Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)


def plain(value: object) -> str:
    r"""Return text that cannot steer a terminal: unprintable characters are spelled out.

    Examples:
        >>> print(plain("red\x1b[31m"))
        red\x1b[31m
    """
    text = str(value)
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def print_json(value: object) -> None:
    """Print a value as JSON (ASCII, two spaces deep)."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def print_lines(lines: Iterable[str]) -> None:
    """Print lines as they are, however long, for other programs to read."""
    sys.stdout.writelines(f"{line}\n" for line in lines)


def print_line(text: str, style: str | None = None) -> None:
    """Print one line of text, however long."""
    output_console().print(plain(text), style=style, soft_wrap=True)


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names and values in two columns."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold")
    grid.add_column(overflow="fold")
    for name, value in facts.items():
        grid.add_row(plain(name), plain(value))
    output_console().print(grid)


def print_rows(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str = "",
    right: Sequence[str] = (),
) -> None:
    """Print a small table whole; columns named in ``right`` are set to the right."""
    table = _new_table(title)
    for name in header:
        justify: Any = "right" if name in right else "left"
        table.add_column(Text(name), justify=justify, overflow="fold")
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    output_console().print(table)


def print_table(table: pl.DataFrame, *, title: str = "", most_rows: int = 40) -> None:
    """Print a polars table as far as it fits, and say what was left out.

    Nulls are shown as a dash. Nothing is shortened silently: a last line counts rows and
    names columns that are not shown.
    """
    console = output_console()
    shown = table.head(most_rows)
    columns = {name: _cells(shown[name]) for name in shown.columns}
    fitting = _fitting(columns, console.width)
    rich_table = _new_table(title)
    for name in fitting:
        justify: Any = "right" if table[name].dtype.is_numeric() else "left"
        rich_table.add_column(Text(plain(name)), justify=justify, overflow="fold")
    for row in zip(*(columns[name] for name in fitting), strict=True):
        rich_table.add_row(*map(Text, row))
    console.print(rich_table)
    left = [plain(name) for name in table.columns if name not in fitting]
    if left:
        console.print(f"and {len(left)} more columns: {', '.join(left)}", style="dim")
    if table.height > shown.height:
        console.print(f"and {table.height - shown.height:,} more rows", style="dim")


def _new_table(title: str) -> Table:
    return Table(
        title=Text(title, style="bold") if title else None,
        title_justify="left",
        box=box.SIMPLE_HEAD,
        header_style="bold cyan",
        pad_edge=False,
    )


def _cells(column: pl.Series) -> list[str]:
    values = column.to_list()
    if column.dtype.is_float():
        known = [abs(v) for v in values if v is not None and math.isfinite(v)]
        digits = 3 if max(known, default=1) >= 0.01 else 6
        return ["-" if v is None else f"{v:,.{digits}f}" for v in values]
    return [_shortened("-" if v is None else plain(v)) for v in values]


def _shortened(text: str) -> str:
    # The end of a path says more than its beginning.
    return text if len(text) <= _WIDEST_CELL else f"…{text[1 - _WIDEST_CELL :]}"


def _fitting(columns: Mapping[str, list[str]], width: int) -> list[str]:
    """Name the leading columns that fit a width, at least one."""
    fitting: list[str] = []
    used = -1  # edges, less one gap
    for name, cells in columns.items():
        used += max(map(len, [plain(name), *cells])) + 3
        if fitting and used > width:
            break
        fitting.append(name)
    return fitting


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something takes its time, on a terminal's standard error only."""
    if not sys.stderr.isatty():
        yield
        return
    with error_console().status(f"{what} …"):
        yield


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Yield a callback (done, total) that moves a bar, on a terminal's standard error only."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    bar = Progress(*columns, TimeElapsedColumn(), console=error_console(), transient=True)
    with bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def size_text(n_bytes: float) -> str:
    """Say a number of bytes with three digits.

    Examples:
        >>> size_text(812), size_text(1_234_567)
        ('812 B', '1.23 MB')
    """
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 999.5 or unit == "GB":
            break
        n_bytes /= 1000
    return f"{n_bytes:.0f} B" if unit == "B" else f"{n_bytes:.3g} {unit}"


def time_text(seconds: float) -> str:
    """Say a duration.

    Examples:
        >>> time_text(0.0123), time_text(2.5)
        ('12 ms', '2.5 s')
    """
    return f"{seconds * 1000:.0f} ms" if seconds < 0.9995 else f"{seconds:,.1f} s"
