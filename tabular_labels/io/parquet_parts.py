"""The parts of one version of a project: its shards, its deltas, and edits not on the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import NoReturn

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.errors import FileFormatError
from tabular_labels.io.delta_tables import DeltaTables
from tabular_labels.io.manifest import LARGE_TABLES, DataFile, Key, Manifest, Shard
from tabular_labels.io.parquet_edits import Edits, read_edits, scan_files
from tabular_labels.io.project_files import WORKERS, verify_file
from tabular_labels.model.edits import EditSet
from tabular_labels.model.offsets import offsets_of_counts
from tabular_labels.model.schema import TABLES
from tabular_labels.model.source import Counts
from tabular_labels.model.tables import Catalog

__all__ = ["ProjectParts"]


@dataclass
class _Known:
    """What is known of the files of one version, whatever edits stand above them."""

    verified: set[str] = field(default_factory=set)
    edits: Edits | None = None


class ProjectParts:
    """What a version consists of, numbered: shards, then deltas, oldest first.

    Edits that are not on the disk are the last part.

    Args:
        path: The project's directory.
        manifest: The version's.
        uncommitted: Edits that are not on the disk.
    """

    def __init__(self, path: Path, manifest: Manifest, uncommitted: EditSet | None = None) -> None:
        self.path = path
        self.manifest = manifest
        self.uncommitted = uncommitted
        self._known = _Known()

    def with_edits(self, edits: EditSet | None) -> ProjectParts:
        """Return the same files with these edits above them."""
        made = ProjectParts(self.path, self.manifest, edits)
        made._known = self._known
        return made

    @property
    def catalog(self) -> Catalog:
        """The small tables."""
        return (self.uncommitted or self.manifest).catalog

    @property
    def counts(self) -> Counts:
        """Rows of the large tables, as the manifest says."""
        return self.manifest.info.rows if self.uncommitted is None else self.uncommitted.counts

    @property
    def shards(self) -> Sequence[Shard]:
        """The shards, which are the first parts."""
        return self.manifest.shards

    @cached_property
    def edits(self) -> Edits:
        """Which places the deltas replace."""
        known, deltas = self._known, self.manifest.deltas
        if known.edits is None:
            with self.reading([delta.replaced for delta in deltas]):
                known.edits = read_edits(self.path, deltas)
        if self.uncommitted is None:
            return known.edits
        return known.edits.followed_by(self.uncommitted.replaced, len(deltas))

    @property
    def n_parts(self) -> int:
        """Number of parts."""
        files = len(self.manifest.shards) + len(self.manifest.deltas)
        return files + (self.uncommitted is not None)

    @property
    def memory_part(self) -> int | None:
        """Number of the part that is not on the disk, None if there is none."""
        return None if self.uncommitted is None else self.n_parts - 1

    @property
    def n_deltas(self) -> int:
        """Number of deltas, with that which is not on the disk."""
        return self.n_parts - len(self.shards)

    @cached_property
    def in_memory(self) -> Mapping[str, pl.DataFrame]:
        """The large tables of the edits that are not on the disk."""
        assert self.uncommitted is not None
        made = DeltaTables.of(self.uncommitted)
        return {name: pl.concat(made.pieces(name)) for name in LARGE_TABLES}

    @cached_property
    def point_rows(self) -> IntArray:
        """Rows of points of each part."""
        rows = [file.rows for file in self.manifest.files("points")]
        if self.uncommitted is not None:
            rows.append(self.uncommitted.points.height)
        return np.array(rows, dtype=np.int64)

    @cached_property
    def point_edges(self) -> IntArray:
        """First row of each part, of all parts together, and the total."""
        return offsets_of_counts(self.point_rows)

    def plan(self, number: int, table: str) -> pl.LazyFrame:
        """Lazily read one part, with all keys."""
        if number == self.memory_part:
            return self.in_memory[table].lazy()
        return self.plan_shards([(*self.shards, *self.manifest.deltas)[number]], table)

    def plan_shards(self, shards: Sequence[Shard], table: str) -> pl.LazyFrame:
        """Lazily read shards one after the other."""
        files = [self.path / shard.file(table).path for shard in shards]
        return scan_files(files, dict(TABLES[table].disk_columns))

    def files(self, number: int, tables: Sequence[str]) -> list[DataFile]:
        """Name the files of one part, for messages."""
        if number == self.memory_part:
            return []
        part = (*self.shards, *self.manifest.deltas)[number]
        return [part.file(table) for table in tables]

    def that_hold(self, key: Key) -> tuple[int | None, int | None]:
        """Return the parts that may hold a frame and its points, None where none does."""
        shards = self.shards
        numbers = range(len(shards))
        shard = next((n for n in numbers if shards[n].first <= key <= shards[n].last), None)
        owner = self.edits.owner(key) if self.n_deltas else None
        if owner is None:
            return shard, shard
        rows, points = owner
        return len(shards) + rows, shard if points is None else len(shards) + points

    def node_counts(self, instances: pl.DataFrame) -> IntArray:
        """Count the nodes of each instance; skeletons nobody knows are an error."""
        n_nodes, ids = self.catalog.n_nodes, instances["skeleton_id"].to_numpy()
        if len(ids) and int(ids.max()) >= len(n_nodes):
            self.refuse("instances.skeleton_id", str(ids.max()), f"below {len(n_nodes)}")
        counts: IntArray = n_nodes[ids]
        return counts

    def check_points(self, expected: int, found: int) -> None:
        """Refuse another number of points than was expected."""
        if expected != found:
            self.refuse("points", f"{found} rows", f"{expected}, one per instance and node")

    def verify(self, files: Sequence[DataFile]) -> None:
        """Compare files with their checksums, each once."""
        new = [file for file in files if file.path not in self._known.verified]
        with ThreadPoolExecutor(WORKERS) as pool:
            for file, _ in zip(new, pool.map(partial(verify_file, self.path), new), strict=True):
                self._known.verified.add(file.path)

    @contextmanager
    def reading(self, files: Sequence[DataFile]) -> Iterator[None]:
        """Turn what polars says about damaged files into our error, naming the file."""
        try:
            yield
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
            for file in files:
                verify_file(self.path, file)
            found = f"something polars cannot read ({str(error).splitlines()[0][:200]})"
            self.refuse(f"Parquet files of version {self.manifest.info.version}", found, "rows")

    def refuse(self, place: str, found: str, expected: str) -> NoReturn:
        """Say what is wrong with the project."""
        raise FileFormatError(
            str(self.path),
            place=place,
            found=found,
            expected=expected,
            remedy="Run validate_project to see what is damaged; earlier versions may be whole.",
        )
