"""Read a whole ``.slp`` file into tables."""

from __future__ import annotations

from tabular_labels._types import PathLike
from tabular_labels.io.slp_scan import load_slp
from tabular_labels.io.video_search import VideoSearch
from tabular_labels.model.tables import LabelTables

__all__ = ["read_slp"]


def read_slp(
    path: PathLike, *, strict: bool = False, video_search: VideoSearch | None = None
) -> LabelTables:
    """Read a ``.slp`` file, of any format from the oldest to 2.x.

    No video is opened. Frames keep their place in the file as ``position``; frame and
    instance ids are rows of the file. NaN becomes null, and user points of formats
    before 1.1 are moved by half a pixel, so that pixel centres are at integers.

    Args:
        path: The file.
        strict: Raise instead of warning when the file holds more than our tables.
        video_search: How to find videos that moved: a function that edits the list of
            video entries in place, or folders to look in.

    Returns:
        The tables. What the file holds beyond them is in ``catalog.attachments``.

    Raises:
        FileNotFoundError: There is no such file.
        FormatVersionError: The file's format is not one we know.
        UnsafeFileError: It refers to other files, or needs plugins.
        FileFormatError: It is broken in another way.
        UnmodelledDataError: With ``strict``: it holds more than our tables.

    Warns:
        UnmodelledDataWarning: The file holds more than our tables.
        DanglingReferenceWarning: Instances come from predictions that are in no frame.
    """
    return load_slp(path, strict=strict, video_search=video_search)
