"""Records that are in memory already, read as those of a file are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np

from tabular_labels.hdf5.guard import broken
from tabular_labels.io.hdf5_extents import Extents
from tabular_labels.io.hdf5_records import FileState, RecordReader, Records

__all__ = ["HeldRecords", "hold_records"]


@dataclass(frozen=True)
class HeldRecords(Records):
    """A record table in memory: what reads and checks files does it for arrays too."""

    held: np.ndarray[Any, Any]

    def locate(self, file: h5py.File | None = None) -> Extents | None:
        """Say that there are no bytes in a file."""
        return None

    @contextmanager
    def reader(self, extents: Extents | None) -> Iterator[RecordReader]:
        """Open the table for reading."""
        yield _HeldReader(self)


class _HeldReader(RecordReader):
    records: HeldRecords

    def read(self, start: int, stop: int) -> np.ndarray[Any, Any]:
        """Return records ``start:stop`` as they stand, uncopied."""
        return self.records.held[start:stop]


def hold_records(
    array: np.ndarray[Any, Any],
    name: str,
    layout: np.dtype[Any],
    origin: str,
    optional: Sequence[str] = (),
) -> HeldRecords:
    """Wrap a structured array as a record table.

    Args:
        array: One record a row; truth values as bool or bytes.
        name: What the table is called in messages.
        layout: The fields it should have, as far as names go; widths may differ.
        origin: Where the array comes from, for messages.
        optional: Fields that may be missing.

    Raises:
        FileFormatError: A field is missing.

    Examples:
        >>> layout = np.dtype([("x", "f8")])
        >>> hold_records(np.zeros(3, layout), "points", layout, "an array").rows
        3
    """
    names = array.dtype.names or ()
    wanted = layout.names or ()
    missing = [column for column in wanted if column not in names and column not in optional]
    if missing:
        raise broken(origin, f"/{name}", f"columns {list(names)}", f"also {', '.join(missing)}")
    fields = {column: column for column in wanted if column in names}
    state = FileState(origin, array.nbytes, 0)
    return HeldRecords(state, name, len(array), array.dtype, fields, array)
