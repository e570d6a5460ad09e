"""Open files, kept for the next question: a few, each used by one thread at a time."""

from __future__ import annotations

import atexit
import os
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Any, Protocol, TypeVar

__all__ = ["FILES", "Handle", "HandlePool"]


class Handle(Protocol):
    """Something open that can be closed."""

    def close(self) -> None:
        """Give back what it holds."""
        ...


H = TypeVar("H", bound=Handle)


class HandlePool:
    """Keeps files open that nobody uses, up to a limit; the longest unused is closed first.

    Who borrows a file has it alone, so several threads that read one video have a file
    each. After a fork the child opens its own: an inherited one shares its place in the
    file with the parent, and its decoder waits for threads that the child does not have.

    Args:
        limit: Most files kept open while nobody uses them.

    Examples:
        >>> import io
        >>> pool = HandlePool(limit=1)
        >>> for key in "aba":
        ...     with pool.borrow(key, io.BytesIO) as file:
        ...         pass
        >>> pool.n_idle, file.closed
        (1, False)
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._start()

    def _start(self) -> None:
        self._process = os.getpid()
        self._lock = Lock()
        # From the longest unused to the last used; a number tells apart handles of one key.
        self._idle: OrderedDict[tuple[Hashable, int], Any] = OrderedDict()

    @property
    def n_idle(self) -> int:
        """Files that are open and not in use."""
        return len(self._idle)

    @contextmanager
    def borrow(self, key: Hashable, opener: Callable[[], H]) -> Iterator[H]:
        """Yield an open file for this thread alone.

        When the block raises, the file is closed; otherwise it is kept.

        Args:
            key: What is open: the same key gives a file of the same content.
            opener: Opens one when none is idle.
        """
        self._notice_fork()
        handle: H | None = self._take(key)
        handle = opener() if handle is None else handle
        try:
            yield handle
        except GeneratorExit:  # who iterated had enough
            self._keep(key, handle)
            raise
        except BaseException:
            handle.close()
            raise
        self._keep(key, handle)

    def close(self) -> None:
        """Close every file that is not in use."""
        self._notice_fork()
        with self._lock:
            unused = list(self._idle.values())
            self._idle.clear()
        for handle in unused:
            handle.close()

    def _notice_fork(self) -> None:
        if self._process != os.getpid():
            _INHERITED.append(self._idle)
            self._start()

    def _take(self, key: Hashable) -> Any:
        with self._lock:
            found = next((place for place in reversed(self._idle) if place[0] == key), None)
            return None if found is None else self._idle.pop(found)

    def _keep(self, key: Hashable, handle: Handle) -> None:
        if self._process != os.getpid():  # borrowed before a fork, in the middle of it
            _INHERITED.append(handle)
            return
        surplus = []
        with self._lock:
            self._idle[key, id(handle)] = handle
            while len(self._idle) > self.limit:
                surplus.append(self._idle.popitem(last=False)[1])
        for other in surplus:
            other.close()


# Never closed: a child process must not touch the files that it shares with its parent.
_INHERITED: list[object] = []

FILES = HandlePool(limit=16)
"""The files that this process keeps open."""

# Before the interpreter takes apart what closes them.
atexit.register(FILES.close)
