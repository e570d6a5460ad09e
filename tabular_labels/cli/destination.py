"""What a command may write: the format that a name stands for, and nothing that is there."""

from __future__ import annotations

from pathlib import Path

import typer

from tabular_labels.cli.edge import UserError
from tabular_labels.suffixes import SUFFIXES, format_of

__all__ = ["check_destination", "output_format", "require_new"]


def output_format(path: Path) -> str:
    """Return the format that a name's suffix stands for; a Parquet project without one."""
    form = format_of(path)
    if form is None and path.suffix:
        message = (
            f"{path}: found suffix {path.suffix!r}, expected one of {', '.join(SUFFIXES)}, or none "
            "for a Parquet project"
        )
        raise typer.BadParameter(message)
    return form or "parquet"


def check_destination(path: Path, form: str, *, overwrite: bool) -> None:
    """Refuse to replace what is there, or to write where no folder is.

    Raises:
        UserError: So it is.
    """
    if form != "parquet":
        require_new(path, overwrite=overwrite)
        return
    from tabular_labels.io.project_versions import is_project

    _require_folder(path)
    if not overwrite and is_project(path):
        message = (
            f"{path}: found a project there. Choose another name, or add --overwrite for a new "
            "version of it (earlier ones stay readable)."
        )
        raise UserError(message)


def require_new(path: Path, *, overwrite: bool) -> None:
    """Refuse to replace a file that is there, or to write where no folder is.

    Raises:
        UserError: So it is.
    """
    _require_folder(path)
    if path.exists() and not overwrite:
        message = f"{path}: found a file there. Choose another name, or add --overwrite."
        raise UserError(message)


def _require_folder(path: Path) -> None:
    if not path.absolute().parent.is_dir():
        message = f"{path}: its folder does not exist. Make the folder first."
        raise UserError(message)
