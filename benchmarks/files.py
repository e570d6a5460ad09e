"""Input files of every size, made once and kept in a directory outside the project."""

from __future__ import annotations

import hashlib
import inspect
import shutil
import uuid
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

import h5py

import tabular_labels as tl
from tabular_labels.io import parquet_write, slp_write, slp_write_points, slp_write_rows
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.testing import builders

__all__ = ["Files", "Layout", "file_bytes", "labels_of", "remove"]

Layout: TypeAlias = Literal["contiguous", "chunked"]

_MAKERS = (builders, slp_write, slp_write_points, slp_write_rows, parquet_write)
_TABLES = ("frames", "instances", "points", "pred_points")
_BLOCK = 1 << 20  # rows copied at a time


class Files:
    """Projects with a number of frames, four tracked predictions each, fifteen nodes.

    Args:
        folder: Where files are kept; they are made when they are missing.
        n_frames: Frames of every project.
    """

    def __init__(self, folder: Path, n_frames: int) -> None:
        self.folder = folder
        self.n_frames = n_frames

    def tables(self, n_videos: int = 4) -> tl.LabelTables:
        """Build the tables; the last ones asked for stay in memory."""
        return _build(self.n_frames, n_videos)

    def labels(self, n_videos: int = 4) -> tl.Labels:
        """Return labels in memory with nothing derived yet."""
        return labels_of(self.tables(n_videos))

    def slp(self, n_videos: int = 4, layout: Layout = "contiguous") -> Path:
        """Return a ``.slp`` file, contiguous as sleap-io writes or chunked as SLEAP does."""

        def make(path: Path) -> None:
            if layout == "contiguous":
                slp_write.write_slp(self.tables(n_videos), path)
            else:
                _write_chunked(self.tables(n_videos), path)

        return self._kept(f"{n_videos}-{layout}.slp", make)

    def parquet(self, n_videos: int = 4) -> Path:
        """Return a Parquet project."""
        return self._kept(
            f"{n_videos}.parquet", lambda path: tl.write_parquet(self.labels(n_videos), path)
        )

    def other(self, name: str, make: Callable[[Path], Any]) -> Path:
        """Return a file that is made as told, under a name of its own."""
        return self._kept(name, make)

    def forget(self) -> None:
        """Let go of the tables in memory."""
        _built.clear()

    def scratch(self, suffix: str) -> Path:
        """Return a path for something to be written."""
        return self.folder / f"scratch-{uuid.uuid4().hex}{suffix}"

    def _kept(self, name: str, make: Callable[[Path], Any]) -> Path:
        path = self.folder / f"{self.n_frames}-{_recipe()}-{name}"
        if not path.exists():
            half = self.scratch(Path(name).suffix)
            make(half)
            half.rename(path)
        return path


def labels_of(tables: tl.LabelTables) -> tl.Labels:
    """Wrap tables without what was derived from them before, such as offsets."""
    fresh = tl.LabelTables(tables.catalog, tables.frames, tables.instances, tables.points)
    return tl.Labels.from_snapshot(Snapshot.of(fresh))


def file_bytes(path: Path) -> int:
    """Return the size of a file, or of all files in a directory."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def remove(path: Path) -> None:
    """Remove a file or a directory."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


_built: dict[tuple[int, int], tl.LabelTables] = {}


def _build(n_frames: int, n_videos: int) -> tl.LabelTables:
    key = (n_frames, n_videos)
    if key not in _built:
        _built.clear()  # at most one project is in memory
        _built[key] = builders.make_tables(n_frames, n_videos=n_videos)
    return _built[key]


@cache
def _recipe() -> str:
    """Digest the code that makes the files, so that kept ones are of today's."""
    sources = [inspect.getsource(module) for module in _MAKERS]
    return hashlib.blake2b("".join(sources).encode(), digest_size=4).hexdigest()


def _write_chunked(tables: tl.LabelTables, path: Path) -> None:
    """Write the classic layout, with the chunks that h5py guesses, as the classic program."""
    plain = path.with_name(f"{path.name}-plain")
    slp_write.write_slp(tables, plain, compat="classic")
    with h5py.File(plain, "r") as source, h5py.File(path, "w-") as target:
        for name in source:
            if name not in _TABLES:
                source.copy(name, target)
                continue
            rows = source[name]
            made = target.create_dataset(
                name, shape=rows.shape, dtype=rows.dtype, maxshape=(None,), chunks=True
            )
            for at in range(0, len(rows), _BLOCK):
                made[at : at + _BLOCK] = rows[at : at + _BLOCK]
    plain.unlink()
