"""Let the n-th call to the system fail, or the process end there."""

import errno
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

CALLS = ("fsync", "link", "replace", "rename", "open", "mkdir", "utime")
CLEANING = ("unlink", "rmdir")


class CrashError(BaseException):
    """The process ends: nothing after it runs, cleaning up neither."""


class Faults:
    """Counts calls that change the disk, and lets one of them fail.

    Args:
        fail_at: Number of the call that fails, None for none.
        code: Its errno; None to crash there, after which every call fails.
        only: Names of the calls that count; None for all.
    """

    def __init__(
        self,
        fail_at: int | None = None,
        code: int | None = None,
        only: tuple[str, ...] | None = None,
    ) -> None:
        self.fail_at, self.code, self.only = fail_at, code, only
        self.calls: list[str] = []
        self.has_crashed = False

    def meet(self, name: str) -> None:
        """Count a call, and raise when it is to fail."""
        if self.has_crashed:
            raise CrashError
        if self.only is not None and name not in self.only:
            return
        self.calls.append(name)
        if len(self.calls) - 1 != self.fail_at:
            return
        if self.code is None:
            self.has_crashed = True
            raise CrashError
        raise OSError(self.code, os.strerror(self.code))

    @contextmanager
    def injected(self) -> Iterator["Faults"]:
        """Stand between the package and the system."""
        with pytest.MonkeyPatch.context() as patch:
            for name in (*CALLS, *CLEANING):
                patch.setattr(os, name, self._wrapped(name, getattr(os, name)))
            patch.setattr(io, "open", self._opener(io.open))
            writer = pq.ParquetWriter
            patch.setattr(writer, "write_table", self._rows_writer(writer.write_table))
            patch.setattr(writer, "close", self._file_closer(writer.close))
            yield self

    def _wrapped(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            # What only cleans up does not fail by itself, but a dead process does not clean.
            if name in CLEANING and (self.only is None or name not in self.only):
                if self.has_crashed:
                    raise CrashError
            else:
                self.meet(name)
            return call(*arguments, **options)

        return run

    def _opener(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
            opened = call(file, mode, *arguments, **options)
            if not any(letter in mode for letter in "wxa"):
                return opened
            return _HalfWriter(opened, self)

        return run

    def _rows_writer(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(writer: Any, rows: Any, **options: Any) -> None:
            self.meet("write_table")
            call(writer, rows, **options)

        return run

    def _file_closer(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(writer: Any) -> None:
            was_open = writer.is_open
            call(writer)
            if not was_open:
                return
            try:
                self.meet("write_table")
            except BaseException:
                path = Path(writer.where)
                os.truncate(path, path.stat().st_size // 2)
                raise

        return run


class _HalfWriter:
    """A file whose write may stop in the middle."""

    def __init__(self, file: Any, faults: Faults) -> None:
        self._file, self._faults = file, faults

    def write(self, data: Any) -> int:
        try:
            self._faults.meet("write")
        except BaseException:
            self._file.write(data[: len(data) // 2])
            raise
        written: int = self._file.write(data)
        return written

    def __enter__(self) -> "_HalfWriter":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


FAILURES = {
    "a crash": (None, None),
    "a full disk": (errno.ENOSPC, None),
    "a broken disk": (errno.EIO, None),
    "a sync that fails": (errno.EIO, ("fsync",)),
    "a directory that is read-only": (
        errno.EROFS,
        ("open", "write", "write_table", "mkdir", "link"),
    ),
    "a lack of permission": (errno.EACCES, ("write", "write_table", "mkdir", "replace", "rename")),
}
