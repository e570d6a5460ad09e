"""Where exceptions end: one clear message and an exit code.

0 is fine, 1 a mistake or invalid data, 2 wrong usage (typer's), 130 interrupted.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ParamSpec

import typer
from rich.text import Text

from tabular_labels.cli.output import error_console, plain
from tabular_labels.errors import TabularLabelsError, TabularLabelsWarning

__all__ = ["INTERRUPTED", "UserError", "guarded", "shown_warnings", "wants_traceback"]

P = ParamSpec("P")

INTERRUPTED = 130
_VARIABLE = "TABULAR_LABELS_TRACEBACK"

wants_traceback: ContextVar[bool] = ContextVar("wants_traceback", default=False)

_NEXT_STEPS = {
    errno.ENOENT: "Check the path.",
    errno.EACCES: "Check who may read and write there.",
    errno.EPERM: "Check who may read and write there.",
    errno.EROFS: "Choose a place that can be written to.",
    errno.ENOSPC: "Free some space and try again.",
    errno.EDQUOT: "Free some space and try again.",
    errno.ENOTDIR: "Check the path: a part of it is a file.",
    errno.EISDIR: "Name a file, not a directory.",
    errno.EEXIST: "Choose another path.",
}


class UserError(TabularLabelsError):
    """What was asked for on the command line cannot be done; the message says why."""


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Turn what a command raises into a message on standard error and an exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with shown_warnings():
                command(*args, **kwargs)
                sys.stdout.flush()  # a closed pipe shows here, not at exit
        except BrokenPipeError:
            _silence_output()
        except KeyboardInterrupt:
            _say("interrupted", "yellow", "")
            raise typer.Exit(INTERRUPTED) from None
        except (typer.Exit, typer.BadParameter):
            raise
        except Exception as error:
            _report(error)
            raise typer.Exit(1) from None

    return run


def _report(error: Exception) -> None:
    if wants_traceback.get() or os.environ.get(_VARIABLE, "0") not in {"", "0"}:
        traceback.print_exception(error)
    elif isinstance(error, TabularLabelsError):
        _say("error:", "bold red", _with_notes(error))
    elif isinstance(error, OSError):
        _say("error:", "bold red", _describe_os_error(error))
    else:
        # Ours to mend: say how to see where it happened.
        _say("unexpected error:", "bold red", f"{type(error).__name__}: {error}")
        _say("", "", f"Set {_VARIABLE}=1 or give --traceback before the command to see where.")


def _with_notes(error: BaseException) -> str:
    return "\n".join([str(error), *getattr(error, "__notes__", [])])


def _describe_os_error(error: OSError) -> str:
    if error.errno is None or error.strerror is None:
        return str(error)  # raised with a message of our own
    where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
    step = _NEXT_STEPS.get(error.errno, "")
    return f"{where}{error.strerror.lower()}. {step}".rstrip()


def _say(head: str, style: str, message: str) -> None:
    # Line by line: a message may come from a file, and must not steer the terminal.
    body = "\n".join(plain(line) for line in message.splitlines())
    text = Text.assemble((head, style), " " if head and body else "", body)
    error_console().print(text)


@contextmanager
def shown_warnings() -> Iterator[None]:
    """Show our warnings on standard error, without source lines."""

    def show(
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: object = None,
        line: str | None = None,
    ) -> None:
        if issubclass(category, TabularLabelsWarning):
            _say("warning:", "bold yellow", str(message))
        else:
            default(message, category, filename, lineno, None, line)

    with warnings.catch_warnings():
        default = warnings.showwarning
        warnings.simplefilter("always", TabularLabelsWarning)
        warnings.showwarning = show
        yield


def _silence_output() -> None:
    """Send what is left in the buffers nowhere, so that exiting cannot fail."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
