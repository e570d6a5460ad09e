"""Numbers that frames and instances keep while snapshots come and go; see `store.rows`."""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from typing import Any

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.store.records import stale

__all__ = ["Handles"]


class Handles:
    """Which handle each row of a snapshot has; None means that rows are handles."""

    def __init__(self, of_rows: IntArray | None, count: int) -> None:
        if of_rows is not None and int(of_rows.max(initial=0)) < 2**31:
            of_rows = of_rows.astype(np.int32, copy=False)
        self.of_rows = of_rows
        self.count = count
        # Handles below this are rows themselves.
        self.plain_stop = count if of_rows is None else 0

    @cached_property
    def _is_ascending(self) -> bool:
        """Whether rows stand in the order of their handles, as after removals."""
        assert self.of_rows is not None
        return bool((self.of_rows[1:] > self.of_rows[:-1]).all())

    @cached_property
    def _rows(self) -> IntArray:
        assert self.of_rows is not None
        rows = np.full(int(self.of_rows.max(initial=-1)) + 1, -1, np.int32)
        rows[self.of_rows] = np.arange(len(self.of_rows), dtype=np.int32)
        return rows

    @cached_property
    def _handles(self) -> memoryview:
        assert self.of_rows is not None
        return self.of_rows.data

    def row(self, handle: int) -> int:
        """Return a handle's row.

        Raises:
            StaleViewError: It has none.
        """
        found = self.find(handle)
        return stale() if found < 0 else found

    def find(self, handle: int) -> int:
        """Return a handle's row, -1 when it has none."""
        if self.of_rows is None:
            return handle if 0 <= handle < self.count else -1
        if self._is_ascending:
            row = bisect_left(self._handles, handle)
            return row if row < self.count and self._handles[row] == handle else -1
        return int(self._rows[handle]) if 0 <= handle < len(self._rows) else -1

    def of(self, rows: Any) -> Any:
        """Return the handles of rows, given as a sequence or an array."""
        if self.of_rows is None:
            return rows
        return self.of_rows[rows if isinstance(rows, np.ndarray) else np.asarray(rows, np.int64)]

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what the rest is made from."""
        return {"of_rows": self.of_rows, "count": self.count, "plain_stop": self.plain_stop}
