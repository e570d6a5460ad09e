"""What is wrong with a file or project, in sentences."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tabular_labels.cli.edge import UserError
from tabular_labels.errors import FileFormatError, InvariantError
from tabular_labels.io.detect import detect_format
from tabular_labels.io.slp_read import read_slp
from tabular_labels.io.validate import validate_project
from tabular_labels.model.checks import check_tables

__all__ = ["check_path"]


def check_path(
    path: Path, version: int | None, progress: Callable[[int, int], None]
) -> tuple[str, list[str]]:
    """Check a file or project.

    Returns:
        Its format, and what is wrong with it.

    Raises:
        FileNotFoundError: There is nothing at the path.
        FileFormatError: It is neither a project nor a .slp file.
        UserError: A version of a .slp file was asked for.
    """
    form = detect_format(path)
    if form == "parquet":
        problems = validate_project(path, version=version, progress=progress)
        return form, [str(problem) for problem in problems]
    if version is not None:
        message = f"{path}: a .slp file has no versions. Leave out --version."
        raise UserError(message)
    try:
        return form, [str(violation) for violation in check_tables(read_slp(path))]
    except FileFormatError as error:
        return form, [str(error)]
    except InvariantError as error:
        return form, [str(violation) for violation in error.violations]
