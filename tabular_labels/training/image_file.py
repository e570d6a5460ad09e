"""Images of examples, kept in a file on disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tabular_labels._types import IntArray, PathLike, Progress
from tabular_labels.errors import FileFormatError
from tabular_labels.io.atomic import atomic_path
from tabular_labels.model.counting import Counter
from tabular_labels.model.pictures import PictureFormat
from tabular_labels.training.image_store import KeptImages, as_form, keep_images, read_video
from tabular_labels.training.wanted import WantedImages
from tabular_labels.video.frames import Frames

__all__ = ["ImageFile", "open_images"]

_MARK, _VERSION, _FORM = b"tabular_labels.images", b"1", b"form"
_AT_ONCE = 64
_REMEDY = "Delete it, or give the path of a new file."


class ImageFile:
    """The values of one Arrow file of images, mapped into memory. Pickles as its path.

    A column ``image`` of bytes, beside ``key`` (which video, in which state), ``frame_idx``,
    ``height``, ``width``, ``channels`` (0 for encoded pictures), ``is_swapped``.

    Args:
        path: The file.

    Raises:
        FileFormatError: It is no such file, or is damaged.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = os.fspath(path)
        table = _read(self.path)
        self.form = table.schema.metadata[_FORM].decode()
        names = ("frame_idx", "height", "width", "channels")
        self.keys: list[str] = table["key"].to_pylist()
        self.frame_inds, *sizes = (table[name].to_numpy() for name in names)
        self.shapes: IntArray = np.stack(sizes, axis=1)
        self.is_swapped: npt.NDArray[np.bool_] = table["is_swapped"].to_numpy()
        # Views of the mapped file: no pyarrow call is needed to read an image.
        chunks = [_buffers(chunk) for chunk in table["image"].chunks]
        self._bytes = [values for _, values in chunks]
        self._offsets = [offsets for offsets, _ in chunks]
        self._first = np.cumsum([0, *(len(offsets) - 1 for offsets in self._offsets)])

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, row: int) -> npt.NDArray[np.uint8]:
        chunk = int(np.searchsorted(self._first, row, side="right")) - 1
        place = row - int(self._first[chunk])
        start, stop = self._offsets[chunk][place : place + 2]
        return self._bytes[chunk][start:stop]

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.path,)


@dataclass(frozen=True)
class _Chosen:
    """Some images of a file, by number."""

    file: ImageFile
    rows: IntArray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> npt.NDArray[np.uint8]:
        return self.file[int(self.rows[number])]


def open_images(
    path: PathLike, wanted: WantedImages, encoding: str = "auto", progress: Progress | None = None
) -> KeptImages:
    """Open a file of images, after adding those that it lacks.

    A video that was changed since is read again. What is added is written with what there
    is into a new file, which takes the place of the old one whole or not at all.

    Args:
        path: An Arrow file; made when it is not there. Its directory must exist.
        wanted: Which images.
        encoding: ``"png"`` (also for ``"auto"``), ``"jpg"`` or ``"raw"``.
        progress: Called with images done and in all; False cancels.

    Raises:
        FileFormatError: There is another file, or one in another encoding; it stays as it is.
        ExportCancelledError: It was cancelled; the file stays as it was.
        MissingVideoError: A video that must be read is not there.
        MissingFrameError: A video has no such frame.
    """
    form = "png" if encoding == "auto" else as_form(encoding, wanted)
    old = ImageFile(path) if Path(path).exists() else None
    if old is not None and old.form != form:
        raise FileFormatError(
            os.fspath(path),
            place="the file",
            found=f"images kept as {old.form or 'raw'!r}",
            expected=repr(form or "raw"),
            remedy=_REMEDY,
        )
    keys = {video: _key(wanted.sources[video], video) for video, _ in wanted.runs()}
    rows = _rows_of(old, wanted, keys)
    if (rows < 0).any():
        there = () if old is None else _kept(old, keys.values())
        _write(path, form, chain(there, _lacking(wanted, keys, rows, form, progress)))
        old = ImageFile(path)
        rows = _rows_of(old, wanted, keys)
    if old is None:  # and nothing is wanted
        return keep_images(wanted)
    is_grey = np.zeros(len(wanted), np.bool_)
    for video, run in wanted.runs():
        is_grey[run] = wanted.sources[video].shape[3] == 1
    chosen = _Chosen(old, rows)
    return KeptImages(chosen, old.shapes[rows], is_grey, old.is_swapped[rows], old.path)


def _key(source: Frames, video: int) -> str:
    """Name a video in its present state; what depends on memory is never known again."""
    path = Path(source.name)
    if not path.is_file():
        return json.dumps([source.name, video, os.getpid(), id(source)])
    state = path.stat()
    dataset = getattr(getattr(source, "backend", None), "dataset", "")
    facts = [os.path.realpath(path), dataset, source.shape[3], state.st_size, state.st_mtime_ns]
    return json.dumps(facts)


def _rows_of(file: ImageFile | None, wanted: WantedImages, keys: dict[int, str]) -> IntArray:
    """Return the row of each image in a file, -1 for those that are not there."""
    rows = np.full(len(wanted), -1)
    if file is None:
        return rows
    places = zip(file.keys, file.frame_inds.tolist(), strict=True)
    known = {place: row for row, place in enumerate(places)}
    for video, run in wanted.runs():
        inds = wanted.frame_inds[run].tolist()
        rows[run] = [known.get((keys[video], frame_idx), -1) for frame_idx in inds]
    return rows


Row = tuple[str, int, tuple[int, int, int], bool, Any]


def _lacking(
    wanted: WantedImages,
    keys: dict[int, str],
    rows: IntArray,
    form: PictureFormat,
    progress: Progress | None,
) -> Iterator[Row]:
    """Read the images that have no row."""
    lacking = np.flatnonzero(rows < 0)
    chosen = WantedImages(
        wanted.sources, wanted.video_inds[lacking], wanted.frame_inds[lacking], lacking
    )
    counter = Counter(progress, len(lacking))
    for video, run in chosen.runs():
        inds = chosen.frame_inds[run].tolist()
        images = counter.counted(read_video(chosen, video, run, form))
        for frame_idx, (image, is_swapped) in zip(inds, images, strict=True):
            shape = (0, 0, 0) if isinstance(image, bytes) else image.shape
            data = image if isinstance(image, bytes) else image.tobytes()
            yield keys[video], frame_idx, shape, is_swapped, data


def _kept(file: ImageFile, keys: Iterable[str]) -> Iterator[Row]:
    """Yield what is there, but for videos that have changed since."""
    current = set(keys)
    names = {json.loads(key)[0] for key in current}
    is_good = {key: key in current or json.loads(key)[0] not in names for key in set(file.keys)}
    sizes = file.shapes.tolist()
    for row, key in enumerate(file.keys):
        if is_good[key]:
            height, width, channels = sizes[row]
            shape = (height, width, channels)
            yield key, int(file.frame_inds[row]), shape, bool(file.is_swapped[row]), file[row]


def _schema(form: PictureFormat) -> Any:
    import pyarrow as pa

    columns = {
        "key": pa.string(),
        "frame_idx": pa.int64(),
        "height": pa.int32(),
        "width": pa.int32(),
        "channels": pa.int32(),
        "is_swapped": pa.bool_(),
        "image": pa.large_binary(),
    }
    return pa.schema(columns, {_MARK: _VERSION, _FORM: form.encode()})


def _write(path: PathLike, form: PictureFormat, rows: Iterator[Row]) -> None:
    import pyarrow as pa

    schema = _schema(form)
    with atomic_path(path) as temporary, pa.ipc.new_file(os.fspath(temporary), schema) as writer:
        while some := list(islice(rows, _AT_ONCE)):
            keys, inds, shapes, swapped, data = zip(*some, strict=True)
            heights, widths, channels = zip(*shapes, strict=True)
            columns = (keys, inds, heights, widths, channels, swapped, data)
            arrays = [pa.array(*pair) for pair in zip(columns, schema.types, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))


def _read(path: str) -> Any:
    """Map a file and check that it is what it says."""
    import pyarrow as pa

    try:
        with pa.memory_map(path) as mapped:
            table = pa.ipc.open_file(mapped).read_all()
        table.validate(full=True)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise _other(path, f"a damaged file ({str(error)[:200]})") from error
    metadata = table.schema.metadata or {}
    form = metadata.get(_FORM, b"?").decode(errors="replace")
    if metadata.get(_MARK) != _VERSION or form not in ("", "png", "jpg"):
        raise _other(path, "an Arrow file of something else")
    if table.schema != _schema(form) or any(table[n].null_count for n in table.schema.names):
        raise _other(path, "other columns")
    return table


def _other(path: str, found: str) -> FileFormatError:
    expected = "images kept by tabular_labels"
    return FileFormatError(path, place="the file", found=found, expected=expected, remedy=_REMEDY)


def _buffers(chunk: Any) -> tuple[IntArray, npt.NDArray[np.uint8]]:
    """Return the offsets and the bytes of an Arrow column, as they are mapped."""
    _, offsets, values = chunk.buffers()
    starts = np.frombuffer(offsets, np.int64)[chunk.offset : chunk.offset + len(chunk) + 1]
    return starts, np.frombuffer(values or b"", np.uint8)
