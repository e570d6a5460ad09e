"""Counting what is done of long work, for those who watch and may cancel it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tabular_labels._types import Progress
from tabular_labels.errors import ExportCancelledError

__all__ = ["Counter"]

T = TypeVar("T")


class Counter:
    """Counts over several streams, and asks whether to go on.

    Args:
        progress: Called with done and total after each one; None asks nobody.
        n_total: How many there are in all, as far as that is known.

    Examples:
        >>> list(Counter(lambda done, total: print(done, "of", total), 2).counted("ab"))
        1 of 2
        2 of 2
        ['a', 'b']
    """

    def __init__(self, progress: Progress | None, n_total: int = 0) -> None:
        self.progress, self.n_done, self.n_total = progress, 0, n_total

    def counted(self, items: Iterable[T]) -> Iterator[T]:
        """Yield what there is, and count it once it was used.

        Raises:
            ExportCancelledError: The answer was False.
        """
        for item in items:
            yield item
            self.n_done += 1
            if self.progress is not None and self.progress(self.n_done, self.n_total) is False:
                raise ExportCancelledError(self.n_done, self.n_total)
