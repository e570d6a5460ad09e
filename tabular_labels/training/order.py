"""In which order examples are taken, and in which batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tabular_labels._types import IntArray
from tabular_labels.errors import QueryError
from tabular_labels.model.arguments import require_index
from tabular_labels.queries.split import hash_keys

__all__ = ["BatchOrder"]


@dataclass(frozen=True)
class BatchOrder:
    """The batches of every epoch, as rows of examples.

    A shuffled epoch takes examples by a hash of their row, of the epoch and of the seed, so
    that it is the same on every machine and in every version. Shards are taken in turns
    from the order of all, so that together they have every example once.

    Attributes:
        n_examples: How many there are in all.
        batch_size: How many are in a batch; the last one of an epoch may have fewer.
        shuffle: Whether every epoch has an order of its own; otherwise the given one.
        seed: Any integer.
        drop_remainder: Leave out examples that fill no batch; all shards have equally
            many batches then.
        shard: Which of how many workers this is for, ``(0, 1)`` for a single one.

    Raises:
        QueryError: The size of batches or the shard is not possible. A ``ValueError``.
        TypeError: A number is not whole.

    Examples:
        >>> order = BatchOrder(5, 2, shuffle=True, seed=7)
        >>> [rows.tolist() for rows in order.batches(epoch=0)], order.n_batches
        ([[3, 2], [0, 1], [4]], 3)
    """

    n_examples: int
    batch_size: int
    shuffle: bool = False
    seed: int = 0
    drop_remainder: bool = False
    shard: tuple[int, int] = (0, 1)

    def __post_init__(self) -> None:
        if require_index(self.batch_size, "batch_size") < 1:
            message = f"batch_size: found {self.batch_size}, expected 1 or more."
            raise QueryError(message)
        shard = [require_index(number, "shard") for number in self.shard]
        if len(shard) != 2 or not 0 <= shard[0] < shard[1]:
            message = (
                f"shard: found {self.shard}, expected (index, count) with index from 0 to "
                "count - 1. Worker 0 of 4 takes (0, 4)."
            )
            raise QueryError(message)

    @property
    def n_taken(self) -> int:
        """Examples of this shard in an epoch."""
        index, count = self.shard
        if self.drop_remainder:
            return self.n_examples // count // self.batch_size * self.batch_size
        return len(range(index, self.n_examples, count))

    @property
    def n_batches(self) -> int:
        """Batches of this shard in an epoch."""
        return -(-self.n_taken // self.batch_size)

    def rows(self, epoch: int) -> IntArray:
        """Return the examples of this shard in the order of an epoch: int64 (n_taken,)."""
        rows = np.arange(self.n_examples)
        if self.shuffle:
            keys = hash_keys([np.full(self.n_examples, epoch), rows], self.seed)
            rows = np.argsort(keys, kind="stable")
        index, count = self.shard
        return rows[index::count][: self.n_taken]

    def batches(self, epoch: int) -> Iterator[IntArray]:
        """Yield the rows of each batch: int64 (batch_size,)."""
        rows = self.rows(epoch)
        for start in range(0, len(rows), self.batch_size):
            yield rows[start : start + self.batch_size]
