"""Batches as a PyTorch dataset. The only module that imports PyTorch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tabular_labels.errors import MissingExtraError
from tabular_labels.training.batches import Batches

try:
    import torch
    from torch.utils.data import IterableDataset, get_worker_info
except ModuleNotFoundError:
    raise MissingExtraError(package="torch", extra=None, purpose="A PyTorch dataset") from None

__all__ = ["TorchBatches"]


class TorchBatches(IterableDataset):  # type: ignore[misc]  # PyTorch may be absent
    """An ``IterableDataset`` of batches: dictionaries of tensors.

    Give it to ``DataLoader(dataset, batch_size=None, num_workers=...)``: workers take the
    batches in turns, so that there are the same ones in the same order with any number of
    workers. An epoch begins with each iteration. Workers that are started anew for each
    epoch do not know how many there were: call `set_epoch` before each, as samplers of
    PyTorch want it too.

    Args:
        batches: What to yield.
    """

    def __init__(self, batches: Batches) -> None:
        super().__init__()
        self.batches = batches

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next."""
        self.batches.set_epoch(epoch)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self.batches)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        info = get_worker_info()
        worker, n_workers = (0, 1) if info is None else (info.id, info.num_workers)
        epoch = self.batches.epoch
        self.batches.set_epoch(epoch + 1)
        for batch in self.batches.of_epoch(epoch, worker, n_workers):
            yield {key: torch.from_numpy(values) for key, values in batch.items()}
