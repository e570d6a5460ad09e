"""The classic providers of training examples: from labels, and from whole videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from secrets import randbits
from typing import TYPE_CHECKING, Any

import numpy as np

from tabular_labels._types import IntArray, PathLike
from tabular_labels.errors import NothingToExportError
from tabular_labels.labels import Labels
from tabular_labels.loading import open_sources
from tabular_labels.model.arguments import as_places, require_places
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.queries.split_assign import split_positions
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.views import LabeledFrame

if TYPE_CHECKING:
    from tabular_labels.training.reading import LabelsReading

__all__ = ["LabelsReader", "VideoReader", "split_labels_reader"]

Indices = Sequence[int] | IntArray
_OF_FRAMES = ["image", "raw_image_size", "example_ind", "video_ind", "frame_ind", "scale"]
_OF_INSTANCES = ["instances", "skeleton_inds", "track_inds", "n_tracks"]


@dataclass(eq=False)
class LabelsReader:
    """Makes datasets of one example per labelled frame.

    Args:
        labels: What to read; the state it has when a dataset is made.
        example_indices: Places in the list of frames, in the order of the examples; None
            for all.
        user_instances_only: Leave predicted instances out. Their frames stay.
        with_track_only: Leave untracked instances out. Their frames stay.

    Examples:
        >>> import tabular_labels as tl
        >>> video = tl.Video("a.mp4", height=32, width=48, channels=1)
        >>> fly = tl.Skeleton(["head"])
        >>> frames = [tl.LabeledFrame(video, k, [tl.Instance(fly, [[k, 1]])]) for k in range(4)]
        >>> reader = LabelsReader(tl.Labels(frames), example_indices=[3, 1])
        >>> len(reader), reader.max_height_and_width
        (2, (32, 48))

    Source:
        ``sleap.nn.data.providers.LabelsReader``.
    """

    labels: Labels = field(repr=False)
    example_indices: Indices | None = None
    user_instances_only: bool = False
    with_track_only: bool = False

    @classmethod
    def from_user_instances(cls, labels: Labels, with_track_only: bool = False) -> LabelsReader:
        """Read the frames that have user instances, and only these instances.

        Args:
            labels: Any labels; they stay as they are.
            with_track_only: Leave untracked instances out, and frames without others.

        Raises:
            NothingToExportError: There are none. A ``ValueError``.
        """
        mine = labels.with_user_labels_only(with_track_only=with_track_only)
        if not len(mine):
            kind = "tracked user instances" if with_track_only else "user instances"
            raise _nothing(kind, f"{labels}", "Label frames first, or read all of `labels`.")
        return cls(mine, user_instances_only=True, with_track_only=with_track_only)

    @classmethod
    def from_unlabeled_suggestions(cls, labels: Labels) -> LabelsReader:
        """Read the suggested frames that have no user instances, in order, without instances.

        Args:
            labels: Any labels; they stay as they are.

        Raises:
            NothingToExportError: There are none. A ``ValueError``.
        """
        places = dict.fromkeys((one.video, one.frame_idx) for one in labels.unlabeled_suggestions)
        if not places:
            kind = "unlabelled suggestions"
            raise _nothing(kind, f"{labels}", "Add suggestions first.")
        frames = [LabeledFrame(video, frame_idx) for video, frame_idx in places]
        made = Labels(
            frames, videos=labels.videos, skeletons=labels.skeletons, tracks=labels.tracks
        )
        return cls(made)

    @classmethod
    def from_filename(cls, filename: PathLike, user_instances: bool = True) -> LabelsReader:
        """Read a file of labels, see `Labels.load_file`.

        Args:
            filename: A file of any known format.
            user_instances: Read frames with user instances only, as `from_user_instances`.

        Raises:
            NothingToExportError: There are no user instances. A ``ValueError``.

        Also raises as `Labels.load_file` does.
        """
        labels = Labels.load_file(filename)
        return cls.from_user_instances(labels) if user_instances else cls(labels)

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.labels) if self.example_indices is None else len(self.example_indices)

    @property
    def output_keys(self) -> list[str]:
        """Keys of the examples."""
        return [*_OF_FRAMES, *_OF_INSTANCES]

    @property
    def videos(self) -> Sequence[Video]:
        """Videos of the labels, into which ``video_ind`` points."""
        return self.labels.videos

    @property
    def tracks(self) -> Sequence[Track]:
        """Tracks of the labels, into which ``track_inds`` point."""
        return self.labels.tracks

    @property
    def max_height_and_width(self) -> tuple[int, int]:
        """Largest height and width of any video, in pixels."""
        return _largest(self.videos)

    @property
    def is_from_multi_size_videos(self) -> bool:
        """Whether videos differ in height, width or channels."""
        return len({_size(video) for video in self.videos}) > 1

    def make_dataset(self, ds_index: Any = None) -> Any:
        """Make a ``tf.data.Dataset`` of examples, one after the other.

        Points are gathered from columns and images are decoded some at a time, so that
        neighbouring frames are decoded together. `Labels.to_tf_dataset` makes whole batches
        and keeps images, which is much faster from the second epoch on.

        Args:
            ds_index: Places in the list of frames to read instead of ``example_indices``: a
                dataset of integers, or a sequence.

        Returns:
            A dataset of dictionaries:

            - ``image`` uint8 (height, width, channels); ``raw_image_size`` int32 (3,).
            - ``example_ind`` int64 (): place in the list of frames; ``video_ind`` int32 ();
              ``frame_ind`` int64 (); ``scale`` float32 (2,), which is 1.
            - ``instances`` float32 (n_instances, n_nodes, 2): pixels, NaN for missing and
              invisible points; instances without a visible point are left out.
            - ``skeleton_inds``, ``track_inds`` int32 (n_instances,), -1 for no track;
              ``n_tracks`` int32 ().

            Shapes are static where all videos agree; a sequence of pictures has the size of
            its first. A smaller picture then stands in the upper left corner, with zeros
            beside and below, and where videos differ it has its own size; in both cases
            ``raw_image_size`` is its own. An image that is larger, or cannot be read, raises
            a TensorFlow error that names file, frame and remedy.

        Raises:
            IndexError: There is no frame at a place.
            MissingVideoError: A video's file is not there.
            MissingFrameError: A video ends before a frame.
            MissingExtraError: TensorFlow is not installed.
        """
        from tabular_labels.training.tf_data import example_dataset

        is_open = ds_index is not None and hasattr(ds_index, "element_spec")
        chosen = self.example_indices if ds_index is None else ds_index
        places = None if chosen is None or is_open else as_places(chosen)
        reading = self._reading(self.labels._snapshot, places)
        rows = ds_index if is_open else np.arange(len(reading.examples))
        return example_dataset(reading, rows)

    def _reading(self, snapshot: Snapshot, places: IntArray | None) -> LabelsReading:
        from tabular_labels.training.examples import read_examples
        from tabular_labels.training.reading import LabelsReading

        examples = read_examples(
            snapshot,
            places,
            user_instances_only=self.user_instances_only,
            with_track_only=self.with_track_only,
        )
        return LabelsReading(examples, open_sources(self.videos), tuple(self.output_keys))


@dataclass(eq=False)
class VideoReader:
    """Makes datasets of one example per frame of a video.

    Args:
        video: What to read.
        example_indices: Frame indices, in the order of the examples; None for all.
        video_ind: What the examples say of themselves.

    Examples:
        >>> import numpy as np
        >>> import tabular_labels as tl
        >>> reader = VideoReader(tl.Video.from_numpy(np.zeros((9, 32, 48, 1), np.uint8)))
        >>> len(reader), reader.output_keys[-1]
        (9, 'scale')

    Source:
        ``sleap.nn.data.providers.VideoReader``.
    """

    video: Video
    example_indices: Indices | None = None
    video_ind: int = 0

    @classmethod
    def from_filepath(
        cls,
        filename: PathLike,
        example_indices: Indices | None = None,
        *,
        dataset: str | None = None,
        input_format: str = "channels_last",
        grayscale: bool | None = None,
    ) -> VideoReader:
        """Read a video file.

        Args:
            filename: A video of any kind.
            example_indices: Frame indices; None for all.
            dataset: Name of the dataset in an HDF5 file.
            input_format: ``"channels_last"`` or ``"channels_first"``, for HDF5 arrays.
            grayscale: True for brightness alone, False for RGB, None as it is kept.
        """
        if dataset is not None:
            facts: dict[str, Any] = {"input_format": input_format, "grayscale": grayscale}
            return cls(Video.from_hdf5(filename, dataset, **facts), example_indices)
        return cls(Video.from_filename(filename, grayscale=grayscale), example_indices)

    def __len__(self) -> int:
        """Number of examples. Opens the video if ``example_indices`` is None."""
        return len(self._frame_inds())

    def _frame_inds(self) -> IntArray:
        if self.example_indices is not None:
            return as_places(self.example_indices)
        inds: IntArray = open_sources([self.video])[0].frame_inds
        return inds

    @property
    def output_keys(self) -> list[str]:
        """Keys of the examples."""
        return list(_OF_FRAMES)

    @property
    def videos(self) -> list[Video]:
        """The video."""
        return [self.video]

    @property
    def max_height_and_width(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return _largest(self.videos)

    def make_dataset(self, ds_index: Any = None) -> Any:
        """Make a ``tf.data.Dataset`` of examples, in their order.

        Args:
            ds_index: Frame indices to read instead of ``example_indices``: a dataset of
                integers, or a sequence.

        Returns:
            A dataset of dictionaries: ``image`` uint8 (height, width, channels),
            ``raw_image_size`` int32 (3,), ``example_ind`` int64 () and ``frame_ind`` int64 ():
            the frame index, ``video_ind`` int32 (), ``scale`` float32 (2,), which is 1.

        Raises:
            MissingVideoError: The file is not there.
            MissingFrameError: The video has no such frame.
            MissingExtraError: TensorFlow is not installed.
        """
        from tabular_labels.training.reading import FrameReading
        from tabular_labels.training.tf_data import example_dataset
        from tabular_labels.training.wanted import require_frames

        is_open = ds_index is not None and hasattr(ds_index, "element_spec")
        rows = self._frame_inds() if ds_index is None else ds_index
        source = open_sources([self.video])[0]
        if not is_open:
            rows = as_places(rows, "frame indices")
            require_frames(source, rows)
        reading = FrameReading(source, self.video_ind, tuple(self.output_keys))
        return example_dataset(reading, rows)


def split_labels_reader(
    labels_reader: LabelsReader, split_fractions: Sequence[float], *, seed: int | None = None
) -> tuple[LabelsReader, ...]:
    """Split a reader into several with random parts of its examples, none of them twice.

    Args:
        labels_reader: What to split; it stays as it is.
        split_fractions: As `split_labels` takes them, of the examples of the reader.
        seed: The same seed gives the same split on every machine; None draws one.

    Returns:
        As many readers as fractions, of the same labels, with different
        ``example_indices``, in the order in which the reader has them.

    Raises:
        QueryError: The fractions cannot be met. A ``ValueError``.
        IndexError: There is no frame at a place of the reader.

    Examples:
        >>> import tabular_labels as tl
        >>> video = tl.Video("a.mp4")
        >>> reader = LabelsReader(tl.Labels([tl.LabeledFrame(video, k) for k in range(10)]))
        >>> [len(part) for part in split_labels_reader(reader, [0.5, 0.25, -1], seed=0)]
        [5, 3, 2]

    Source:
        ``sleap.nn.data.training.split_labels_reader``.
    """
    reader, frames = labels_reader, labels_reader.labels._snapshot.structure.frames
    given = None if reader.example_indices is None else as_places(reader.example_indices)
    if given is not None:
        require_places(given, frames.height)
    parts = split_positions(frames, split_fractions, randbits(32) if seed is None else seed, given)
    return tuple(
        LabelsReader(
            reader.labels, part.tolist(), reader.user_instances_only, reader.with_track_only
        )
        for part in parts
    )


def _nothing(kind: str, where: str, remedy: str) -> NothingToExportError:
    return NothingToExportError(f"found no {kind} in {where}, expected at least one. {remedy}")


def _largest(videos: Sequence[Video]) -> tuple[int, int]:
    sizes = [_size(video)[:2] for video in videos]
    heights, widths = zip(*sizes, strict=True) if sizes else ((0,), (0,))
    return max(heights), max(widths)


def _size(video: Video) -> tuple[int, int, int]:
    """Return height, width and channels, from what is stored or else from the file."""
    stored = video.shape or ()
    known = [int(size) for size in stored[1:] if size]
    height, width, channels = known if len(known) == 3 else video.read_shape()[1:]
    return height, width, channels
