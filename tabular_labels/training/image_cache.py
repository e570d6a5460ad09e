"""Images of examples, kept in a file on disk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tabular_labels._types import IntArray, PathLike, Progress
from tabular_labels.errors import FileFormatError
from tabular_labels.model.counting import Counter
from tabular_labels.model.pictures import PictureFormat
from tabular_labels.training.image_file import ImageFile, ImageRow, write_images
from tabular_labels.training.image_store import KeptImages, as_form, keep_images, read_video
from tabular_labels.training.video_state import is_older, video_key
from tabular_labels.training.wanted import WantedImages

__all__ = ["ChosenImages", "open_images"]


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
        MissingDirectoryError: The directory is not there.
        FileFormatError: There is another file, or one in another encoding; it stays as it is.
        ExportCancelledError: It was cancelled; the file stays as it was.
        MissingVideoError: A video that must be read is not there.
        MissingFrameError: A video has no such frame.
    """
    form = "png" if encoding == "auto" else as_form(encoding, wanted)
    file = ImageFile(path, form) if Path(path).exists() else None
    by_video = {video: video_key(wanted.sources[video]) for video, _ in wanted.runs()}
    keys = [by_video[video] for video in wanted.video_inds.tolist()]
    rows = np.full(len(keys), -1) if file is None else file.rows_of(keys, wanted.frame_inds)
    while (rows < 0).any():  # again, when another process has put its own file there meanwhile
        there = () if file is None else _kept(file, by_video.values())
        write_images(path, form, chain(there, _lacking(wanted, by_video, rows, form, progress)))
        file = ImageFile(path, form)
        rows = file.rows_of(keys, wanted.frame_inds)
    if file is None:  # and nothing is wanted
        return keep_images(wanted)
    is_grey = np.zeros(len(wanted), np.bool_)
    for video, run in wanted.runs():
        is_grey[run] = wanted.sources[video].shape[3] == 1
    chosen = ChosenImages(file, rows, keys, wanted.frame_inds)
    return KeptImages(chosen, file.shapes[rows], is_grey, file.is_swapped[rows], file.path)


@dataclass(frozen=True)
class ChosenImages:
    """Some images of a file, by number.

    Looked up again where they are unpickled, since the file may have got others by then.

    Attributes:
        file: The file.
        rows: int64 (n_images,): the row of each in the file.
        keys: Which video, in which state, each is from.
        frame_inds: int64 (n_images,): its frame index.
    """

    file: ImageFile
    rows: IntArray
    keys: Sequence[str]
    frame_inds: IntArray

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, number: int) -> npt.NDArray[np.uint8]:
        return self.file[int(self.rows[number])]

    def __reduce__(self) -> tuple[object, ...]:
        return _choose_again, (self.file.path, self.file.form, self.keys, self.frame_inds)


def _choose_again(
    path: str, form: PictureFormat, keys: Sequence[str], frame_inds: IntArray
) -> ChosenImages:
    file = ImageFile(path, form)
    rows = file.rows_of(keys, frame_inds)
    n_found = int(np.count_nonzero(rows >= 0))
    if n_found < len(rows):
        raise FileFormatError(
            path,
            place="the file",
            found=f"{n_found} of {len(rows)} images",
            expected="all of them, as it was when the batches were made",
            remedy="Make the batches again: a video or the file was changed since.",
        )
    return ChosenImages(file, rows, keys, frame_inds)


def _lacking(
    wanted: WantedImages,
    keys: dict[int, str],
    rows: IntArray,
    form: PictureFormat,
    progress: Progress | None,
) -> Iterator[ImageRow]:
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


def _kept(file: ImageFile, current: Iterable[str]) -> Iterator[ImageRow]:
    """Yield what is there, but for videos that have changed since."""
    current = list(current)
    is_old = {key: is_older(key, current) for key in set(file.keys)}
    sizes = file.shapes.tolist()
    for row, key in enumerate(file.keys):
        if not is_old[key]:
            height, width, channels = sizes[row]
            size = (height, width, channels)
            yield (
                key,
                int(file.frame_inds[row]),
                size,
                bool(file.is_swapped[row]),
                file[row].tobytes(),
            )
