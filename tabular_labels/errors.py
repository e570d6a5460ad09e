"""Every error and warning the package raises, on one screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "AmbiguousNameError",
    "AmbiguousVideoError",
    "ChecksumError",
    "CircularReferenceWarning",
    "ConflictError",
    "DanglingReferenceWarning",
    "ExportCancelledError",
    "ExportError",
    "FileFormatError",
    "ForkedProcessError",
    "FormatVersionError",
    "InvariantError",
    "LeftOutWarning",
    "MergeError",
    "MissingDirectoryError",
    "MissingExtraError",
    "MissingFrameError",
    "MissingVideoError",
    "NoProjectError",
    "NothingToExportError",
    "ProjectExistsError",
    "QueryError",
    "ReadOnlyError",
    "SchemaMismatchError",
    "StaleViewError",
    "TabularLabelsError",
    "TabularLabelsWarning",
    "UnknownNodeError",
    "UnknownSkeletonError",
    "UnknownTrackError",
    "UnknownVideoError",
    "UnmodelledDataError",
    "UnmodelledDataWarning",
    "UnsafeFileError",
    "UntrackedInstancesWarning",
    "Violation",
]


class TabularLabelsError(Exception):
    """Root of every error this package raises on purpose."""


class FileFormatError(TabularLabelsError, ValueError):
    """A file does not hold what its format promises.

    Args:
        path: The file or directory.
        place: Where in it (a dataset, a JSON key, a row).
        found: What is there.
        expected: What should be there.
        remedy: What the reader of this message can do next.
    """

    def __init__(
        self, path: str | Path, *, place: str, found: str, expected: str, remedy: str
    ) -> None:
        self.path = str(path)
        self.place = place
        self.found = found
        self.expected = expected
        self.remedy = remedy
        super().__init__(f"{path}: {place}: found {found}, expected {expected}. {remedy}")

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the facts, so that the error crosses process borders."""
        return _rebuild, (type(self), self.path, self.place, self.found, self.expected, self.remedy)


def _rebuild(
    cls: type[FileFormatError], path: str, place: str, found: str, expected: str, remedy: str
) -> FileFormatError:
    return cls(path, place=place, found=found, expected=expected, remedy=remedy)


class FormatVersionError(FileFormatError):
    """The file's format version is not one we read."""


class ChecksumError(FileFormatError):
    """A file's bytes are not the ones that were written."""


class UnsafeFileError(FileFormatError):
    """The file asks for something a data file must not ask for."""


class UnmodelledDataError(FileFormatError):
    """With ``strict=True``: the file holds data that this package does not model."""


class ExportError(TabularLabelsError, ValueError):
    """A format cannot hold labels like these; nothing was written."""

    def __init__(self, path: str | Path, form: str, reason: str) -> None:
        self.path, self.form, self.reason = str(path), form, reason
        super().__init__(f"{path}: {form} cannot hold these labels: {reason}")

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the facts."""
        return type(self), (self.path, self.form, self.reason)


class MissingFrameError(FileFormatError, IndexError):
    """A video does not have the frame that was asked for."""


class MissingDirectoryError(TabularLabelsError, FileNotFoundError):
    """A file was to be written into a directory that is not there."""

    def __init__(self, path: str, directory: str) -> None:
        self.path, self.directory = path, directory
        super().__init__(
            f"{path}: found no directory {directory!r}, expected one to write into. Make it "
            "first, or give another path."
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the facts."""
        return type(self), (self.path, self.directory)


class MissingVideoError(TabularLabelsError, FileNotFoundError):
    """Pictures were asked for, and the file that should hold them is not there."""

    def __init__(self, path: str, frame_idx: int | None = None) -> None:
        self.path, self.frame_idx = path, frame_idx
        place = "" if frame_idx is None else f"frame {frame_idx}: "
        super().__init__(
            f"{path}: {place}found no such file, expected a video. Labels keep the path at which "
            "the video was when they were made: restore it there, or load them with "
            "`video_search` and the folder in which it is now."
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the facts."""
        return type(self), (self.path, self.frame_idx)


@dataclass(frozen=True)
class Violation:
    """One broken rule: how often, and the first few offending keys."""

    table: str
    rule: str
    count: int
    sample: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Read as one line of a report."""
        first = f" (first: {', '.join(self.sample)})" if self.sample else ""
        return f"{self.table}: {self.rule}: {self.count} rows{first}"


class InvariantError(TabularLabelsError, ValueError):
    """Tables break rules they must keep; ``violations`` lists each rule with counts."""

    def __init__(self, violations: Sequence[Violation]) -> None:
        self.violations = tuple(violations)
        lines = "\n  ".join(str(violation) for violation in self.violations)
        super().__init__(
            f"{len(self.violations)} broken rules, expected none. "
            f"Repair the rows named here, or read the original file again:\n  {lines}"
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the facts."""
        return type(self), (self.violations,)


class SchemaMismatchError(TabularLabelsError, ValueError):
    """A table does not have the columns or dtypes of its schema."""

    def __init__(self, table: str, found: str, expected: str) -> None:
        self.table, self.found, self.expected = table, found, expected
        super().__init__(
            f"table {table!r}: found {found}, expected {expected}. "
            "Cast or rename the columns; tabular_labels.model.schema lists them."
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the facts."""
        return type(self), (self.table, self.found, self.expected)


class _UnknownError(TabularLabelsError, KeyError):
    """Something asked for by key is not in the project."""

    thing = "key"

    def __init__(self, key: object, known: Sequence[object] = ()) -> None:
        self.key, self.known = key, tuple(known)
        super().__init__(key, self.known)

    def __str__(self) -> str:
        """Say what was asked for and what there is."""
        some = ", ".join(repr(k) for k in self.known[:8])
        more = f" and {len(self.known) - 8} more" if len(self.known) > 8 else ""
        there = f"the project has {some}{more}" if self.known else "the project has none"
        return f"unknown {self.thing} {self.key!r}: {there}. Ask for one of those."


class AmbiguousNameError(TabularLabelsError, ValueError):
    """Several of the project's tracks, or skeletons, are meant by one name."""

    def __init__(self, thing: str, name: str, count: int) -> None:
        self.thing, self.name, self.count = thing, name, count
        super().__init__(
            f"{count} {thing}s of the project are named {name!r}, expected one. "
            f"Ask for one of `labels.{thing}s`."
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the facts."""
        return type(self), (self.thing, self.name, self.count)


class UnknownVideoError(_UnknownError):
    """The video is not one of the project's."""

    thing = "video"


class AmbiguousVideoError(TabularLabelsError, ValueError):
    """Several of the project's videos are meant by one name."""

    def __init__(self, video: object, count: int) -> None:
        self.video, self.count = video, count
        super().__init__(
            f"{count} videos of the project are {video!r}, expected one. "
            "Ask for one of `labels.videos`, or by its index there."
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the facts."""
        return type(self), (self.video, self.count)


class UnknownTrackError(_UnknownError):
    """The track is not one of the project's."""

    thing = "track"


class UnknownSkeletonError(_UnknownError):
    """The skeleton is not one of the project's."""

    thing = "skeleton"


class UnknownNodeError(_UnknownError):
    """The node is not one of the skeleton's."""

    thing = "node"


class UnknownFrameError(_UnknownError):
    """There are no labels at the place."""

    thing = "frame"

    def __str__(self) -> str:
        """Say what was asked for."""
        return (
            f"found no labels at frame {self.key!r}, expected a labelled frame. Ask for one "
            "of `labels.labeled_frames`, by its place in the list or as (video, frame_idx)."
        )


class QueryError(TabularLabelsError, ValueError):
    """A query cannot be answered as it was asked."""


class MergeError(TabularLabelsError, ValueError):
    """Two projects cannot be merged as it was asked."""


class ForkedProcessError(TabularLabelsError, RuntimeError):
    """A forked process was asked for what needs polars' threads, and would wait for ever."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(
            f"{what} needs threads that a forked process does not have, expected a fresh one. "
            'Start processes with the "spawn" or "forkserver" method, or ask before forking.'
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the facts."""
        return type(self), (self.what,)


class StaleViewError(TabularLabelsError, RuntimeError):
    """A view was used after its row was removed."""


class ReadOnlyError(TabularLabelsError, TypeError):
    """Something was assigned that cannot be assigned here."""


class ConflictError(TabularLabelsError, RuntimeError):
    """Another writer committed first; nothing of ours was written."""


class NoProjectError(TabularLabelsError, ValueError):
    """Labels that are of no Parquet project were to be committed, or asked for a version."""

    def __init__(self) -> None:
        super().__init__(
            "found labels that are of no Parquet project, expected some that were opened from one "
            "or saved as one. Save them first: `labels.save('mice.parquet')`."
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle without the message, which is always the same."""
        return type(self), ()


class ProjectExistsError(TabularLabelsError, FileExistsError):
    """There is a project already, and nobody said to write a new version of it."""

    def __init__(self, path: str) -> None:
        self.path = path
        super().__init__(
            f"{path}: found a project, expected nothing there. Write with overwrite=True to add a "
            "version (earlier ones stay readable), or choose another path."
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the facts."""
        return type(self), (self.path,)


class ExportCancelledError(TabularLabelsError, RuntimeError):
    """A progress callback asked to stop; nothing was written."""

    def __init__(self, n_done: int, n_total: int) -> None:
        self.n_done, self.n_total = n_done, n_total
        super().__init__(
            f"the export was cancelled after {n_done} of {n_total} frames, expected all of them. "
            "Nothing was written; export again with a callback that does not return False."
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the facts."""
        return type(self), (self.n_done, self.n_total)


class NothingToExportError(TabularLabelsError, ValueError):
    """There are no frames of the kind that an export is made of."""


class MissingExtraError(TabularLabelsError, ImportError):
    """An optional dependency is needed; the message says how to install it."""

    def __init__(self, package: str, extra: str | None, purpose: str) -> None:
        self.package, self.extra, self.purpose = package, extra, purpose
        wanted = package if extra is None else f'"tabular-labels[{extra}]"'
        super().__init__(
            f"{purpose} needs {package}, which is not installed. "
            f"Install it with: python -m pip install {wanted}"
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Rebuild from the facts."""
        return type(self), (self.package, self.extra, self.purpose)


class TabularLabelsWarning(UserWarning):
    """Root of the package's warnings."""


class UnmodelledDataWarning(TabularLabelsWarning):
    """A file holds data we carry along or leave behind without modelling it."""


class LeftOutWarning(TabularLabelsWarning):
    """Rows have no place in the layout of a format; the message counts them."""


class UntrackedInstancesWarning(TabularLabelsWarning):
    """Instances without a track have no place in a dense array with a column per track."""


class DanglingReferenceWarning(TabularLabelsWarning):
    """References to rows that do not exist were read as null."""


class CircularReferenceWarning(TabularLabelsWarning):
    """Instances come from one another in a circle; the message names the first places."""


class MissingPictureWarning(TabularLabelsWarning):
    """A frame is drawn without its picture; the message says why."""
