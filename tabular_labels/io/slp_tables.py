"""The record tables of a ``.slp`` file that is being written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
from h5py import h5s

from tabular_labels.io.attachments import extra_fields

__all__ = ["NewFile", "NewTable"]

_CLASSIC_CHUNK = 16_384  # rows


@dataclass(frozen=True)
class NewFile:
    """A ``.slp`` file that is being written.

    Attributes:
        file: The file.
        image: What is attached to the labels, opened; None when nothing is.
        classic: Whether its layout is that of the original program.
    """

    file: h5py.File
    image: h5py.File | None
    classic: bool

    def table(self, name: str, layout: np.dtype[Any], rows: int) -> NewTable:
        """Create a table; further columns from the attachments follow those of the layout."""
        extra = {} if self.image is None else extra_fields(self.image, name, layout, rows)
        fields = [*layout.descr, *((column, data.dtype) for column, data in extra.items())]
        record = np.dtype(fields) if extra else layout
        storage: dict[str, Any] = {}
        if self.classic:
            storage = {"maxshape": (None,), "chunks": (max(1, min(rows, _CLASSIC_CHUNK)),)}
        records = self.file.create_dataset(name, shape=(rows,), dtype=record, **storage)
        return NewTable(records, extra)


class NewTable:
    """A table of records, written some rows at a time.

    Args:
        records: The table.
        extra: Columns beyond its layout, of which each row has a value already.
    """

    def __init__(self, records: h5py.Dataset, extra: Mapping[str, h5py.Dataset]) -> None:
        self.records = records
        self._extra = extra
        self._buffer = np.empty(0, records.dtype)

    def write(
        self, columns: Mapping[str, np.ndarray[Any, Any]], runs: Iterable[tuple[int, int]]
    ) -> None:
        """Write rows.

        Args:
            columns: Values of all columns of the layout.
            runs: Where the rows go, in order: first row in the file, and number of rows.
        """
        n = len(next(iter(columns.values())))
        if len(self._buffer) < n:
            self._buffer = np.empty(n, self.records.dtype)
        block = self._buffer[:n]
        for name, values in columns.items():
            block[name] = values
        at = 0
        for start, count in runs:
            run = block[at : at + count]
            for name, data in self._extra.items():
                run[name] = data[start : start + count]
            self._put(run, start)
            at += count

    def _put(self, run: np.ndarray[Any, Any], start: int) -> None:
        # Below the library's arrays: their indexing takes three times as long as a short run.
        space = self.records.id.get_space()
        space.select_hyperslab((start,), run.shape)
        self.records.id.write(h5s.create_simple(run.shape), space, run)
