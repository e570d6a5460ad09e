"""Files that appear whole or not at all."""

from __future__ import annotations

import errno
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tabular_labels._types import PathLike
from tabular_labels.errors import ConflictError, MissingDirectoryError

__all__ = ["atomic_path", "create_exclusively", "sync_directory", "sync_file"]

# What file systems answer that cannot do what was asked, rather than failing at it.
_UNSUPPORTED = frozenset(
    {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EPERM, errno.EACCES}
)


@contextmanager
def atomic_path(path: PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block succeeds.

    The caller creates the file at the temporary path and closes it inside the block.
    When the block raises, the temporary file is removed and what was at ``path``
    stays as it was. A symbolic link at ``path`` stays a link: its target is replaced.

    Args:
        path: The file to write. Its directory must exist.

    Yields:
        A path in the same directory where nothing exists yet.

    Raises:
        MissingDirectoryError: There is no such directory; the block is not run.
        FileNotFoundError: The block ended without creating the file.

    Examples:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> with atomic_path(target) as temporary:
        ...     _ = temporary.write_text("whole")
        >>> target.read_text(), len(list(target.parent.iterdir()))
        ('whole', 1)
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        # Otherwise the first to write would name the temporary file, of which nobody knows.
        raise MissingDirectoryError(os.fspath(path), os.fspath(target.parent))
    temporary = _temporary_beside(target)
    try:
        yield temporary
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o7777)
        sync_file(temporary)
        temporary.replace(target)
    except BaseException:
        # On Windows a handle left open forbids removal; the first error matters more.
        with suppress(OSError):
            temporary.unlink()
        raise
    sync_directory(target.parent)


def create_exclusively(path: PathLike, data: bytes) -> None:
    """Create a file with these bytes; of several writers exactly one succeeds.

    Readers see the whole file or none.

    Args:
        path: The file to create. Its directory must exist.
        data: Its content.

    Raises:
        ConflictError: The file exists already; it was left as it was.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "00000001.json"
        >>> create_exclusively(path, b"first")
        >>> create_exclusively(path, b"second")
        Traceback (most recent call last):
            ...
        tabular_labels.errors.ConflictError: ...
        >>> path.read_bytes()
        b'first'
    """
    target = Path(path)
    temporary = _temporary_beside(target)
    try:
        temporary.write_bytes(data)
        sync_file(temporary)
        try:
            _publish(temporary, target)
        except FileExistsError as error:
            message = (
                f"{target}: found {error.filename2 or error.filename} already there, expected to "
                "create it: another writer was first and nothing was changed. "
                "Open the newest version and apply your changes to it again."
            )
            raise ConflictError(message) from error
    finally:
        with suppress(OSError):
            temporary.unlink()
    sync_directory(target.parent)


def sync_file(path: PathLike) -> None:
    """Wait until a file's bytes are on the disk."""
    with Path(path).open("rb+") as file:  # Windows syncs only what may be written
        os.fsync(file.fileno())


def sync_directory(path: PathLike) -> None:
    """Wait until a directory's entries are on the disk, where the system offers that."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows does not open directories
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
    finally:
        os.close(descriptor)


def _temporary_beside(target: Path) -> Path:
    # Names may hold 255 bytes; 40 characters leave room for the rest.
    return target.with_name(f".{target.name[:40]}.{uuid.uuid4().hex}.tmp")


def _publish(temporary: Path, target: Path) -> None:
    """Give the file its name unless the name is taken: FileExistsError."""
    if os.name == "nt":
        temporary.rename(target)  # refuses an existing target there
        return
    try:
        os.link(temporary, target)
    except FileExistsError:
        # A network file system may answer a repeated request after the first succeeded.
        if temporary.stat().st_nlink < 2:
            raise
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        _publish_without_links(temporary, target)


def _publish_without_links(temporary: Path, target: Path) -> None:
    """Let the creator of a claim file rename; for file systems without hard links."""
    claim = target.with_name(f".{target.name[:40]}.claim")
    with claim.open("xb"):
        pass
    try:
        if target.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
        temporary.replace(target)
    finally:
        claim.unlink()
