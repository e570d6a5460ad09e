"""What all pictures share: figures without global state, colours, names, saving."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from matplotlib.figure import Figure

from tabular_labels._types import PathLike
from tabular_labels.errors import FileFormatError
from tabular_labels.io.atomic import atomic_path

__all__ = ["COLOURS", "INK", "MUTED", "colour", "name_text", "new_figure", "save_figure"]

# Told apart by people with the common colour blindnesses, on light and dark pictures alike
# (after Okabe and Ito, with a lighter blue for black).
COLOURS = (
    "#E69F00",
    "#0091DA",
    "#2FB28A",
    "#E0679F",
    "#D55E00",
    "#56CCF2",
    "#B8A000",
    "#8C6BB1",
)
INK = "#22262B"
MUTED = "#6B7480"


def colour(number: int) -> str:
    """Return the colour of a track by its number; colours repeat."""
    return COLOURS[number % len(COLOURS)]


def name_text(name: str, longest: int = 28) -> str:
    r"""Return a name as matplotlib should show it: short, and never read as a formula.

    Examples:
        >>> name_text("a/very/long/path/to/some/video.mp4", 20)
        '…h/to/some/video.mp4'
        >>> name_text("$x$")
        '\\$x\\$'
    """
    shown = " ".join(name.split()) or "(no name)"
    if len(shown) > longest:
        shown = "…" + shown[1 - longest :]
    # A leading underscore would hide the name from legends.
    return (" " if shown.startswith("_") else "") + shown.replace("$", r"\$")


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure (inches) that no global list knows."""
    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def save_figure(figure: Figure, path: PathLike, *, dpi: float = 150) -> None:
    """Save a figure; the file appears when it is whole.

    Args:
        figure: Any matplotlib figure.
        path: Ending in ``.png``, ``.svg``, ``.pdf`` or ``.jpg``. Its directory must exist.
        dpi: Dots per inch of the figure's size.

    Raises:
        FileFormatError: The suffix names no format that can be drawn.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "empty.png"
        >>> save_figure(new_figure(2, 1), path)
        >>> path.read_bytes()[1:4]
        b'PNG'
    """
    known = sorted(figure.canvas.get_supported_filetypes())
    suffix = Path(path).suffix.lower().lstrip(".")
    if suffix not in known:
        raise FileFormatError(
            os.fspath(path),
            place="the name",
            found=f"suffix {Path(path).suffix!r}",
            expected=f"one of {', '.join(known)}",
            remedy="Give the picture a name with one of those; .png always works.",
        )
    with atomic_path(path) as temporary, warnings.catch_warnings():
        # Names in scripts that the font lacks are drawn as boxes.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        figure.savefig(temporary, format=suffix, dpi=dpi)
