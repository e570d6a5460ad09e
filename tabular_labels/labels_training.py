"""Labels to train from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from tabular_labels._types import IntArray, PathLike, Progress
from tabular_labels.labels_core import LabelsCore
from tabular_labels.loading import MEMORY, BatchOptions, make_batches

if TYPE_CHECKING:
    from tabular_labels.training.batches import Batches
    from tabular_labels.training.torch_data import TorchBatches

__all__ = ["LabelsTraining"]


class LabelsTraining(LabelsCore):
    """Batches of frames with their images, for numpy, TensorFlow and PyTorch."""

    def batches(
        self,
        batch_size: int = 32,
        *,
        images: bool = True,
        cache: PathLike | None = MEMORY,
        encoding: str = "auto",
        grayscale: bool | None = None,
        shuffle: bool = False,
        seed: int | None = None,
        drop_remainder: bool = False,
        shard: tuple[int, int] = (0, 1),
        ragged: bool = False,
        example_indices: Sequence[int] | IntArray | None = None,
        user_instances_only: bool = False,
        with_track_only: bool = False,
        progress_callback: Progress | None = None,
    ) -> Batches:
        """Make batches of frames as dictionaries of numpy arrays.

        Points are gathered from columns. Images are decoded in one pass over each video
        and kept, so that a shuffled epoch reads no video. Later edits do not change batches.

        Args:
            batch_size: Frames in a batch.
            images: Whether batches have images; without, no video is opened.
            cache: Where images are kept: ``"memory"``; the path of a file on disk, which
                is made or gets what it lacks, and is used again the next time; or None to
                decode them whenever they are wanted, which suits frames in their order.
            encoding: How images are kept: ``"raw"``, ``"png"`` (every pixel too), ``"jpg"``
                (with loss); ``"auto"`` is raw in memory up to 1 GiB, PNG otherwise.
            grayscale: True for brightness alone, False for RGB, None as the videos are.
            shuffle: Whether each epoch has an order of its own.
            seed: The same seed gives the same orders on every machine; None draws one.
            drop_remainder: Leave out frames that fill no batch.
            shard: ``(index, count)``: which of how many workers this is for. Together they
                have each frame once; with ``drop_remainder`` equally many batches.
            ragged: Put the instances of a batch one after the other instead of padding them.
            example_indices: Places in the list of frames; None for all.
            user_instances_only: Leave predicted instances out.
            with_track_only: Leave untracked instances out.
            progress_callback: Called with images done and in all; False cancels.

        Returns:
            An iterable of batches, one epoch each time, with ``len``. A batch of ``b`` frames:

            - ``image`` uint8 (b, height, width, channels); images of smaller videos stand in
              the upper left corner. ``raw_image_size`` int32 (b, 3): their own size.
            - ``example_ind`` int64 (b,): places in the list of frames; ``video_ind`` int32
              (b,) in the list of videos; ``frame_ind`` int64 (b,).
            - ``instances`` float32 (b, most, n_nodes, 2): pixels, NaN for missing and
              invisible points and for places without an instance; ``n_instances`` int32 (b,).
              Instances without a visible point are left out.
            - ``skeleton_inds``, ``track_inds`` int32 (b, most), -1 for none; ``n_tracks``
              int32 (b,); ``scale`` float32 (b, 2), which is 1.

            Ragged ones have ``instances`` (n, n_nodes, 2), ``skeleton_inds`` and
            ``track_inds`` (n,), ``n`` being the sum of ``n_instances``.

        Raises:
            IndexError: There is no frame at a place.
            QueryError: A size, shard or encoding is not possible, or some videos have colours
                and others have not. A ``ValueError``.
            MissingVideoError: A video's file is not there.
            MissingFrameError: A video ends before a frame.
            FileFormatError: A video, or the file of kept images, is damaged.
            ExportCancelledError: The callback returned False.

        Examples:
            >>> import numpy as np
            >>> import tabular_labels as tl
            >>> video = tl.Video.from_numpy(np.zeros((9, 32, 48, 1), np.uint8))
            >>> fly = tl.Skeleton(["head"])
            >>> frames = [tl.LabeledFrame(video, k, [tl.Instance(fly, [[k, 1]])]) for k in range(9)]
            >>> batches = tl.Labels(frames).batches(4, shuffle=True, seed=0)
            >>> [batch["image"].shape for batch in batches]
            [(4, 32, 48, 1), (4, 32, 48, 1), (1, 32, 48, 1)]
            >>> batches.take(np.array([7]))["instances"].tolist()
            [[[[7.0, 1.0]]]]
        """
        return make_batches(
            self._snapshot,
            self._objects.videos,
            batch_size,
            images=images,
            cache=cache,
            encoding=encoding,
            grayscale=grayscale,
            shuffle=shuffle,
            seed=seed,
            drop_remainder=drop_remainder,
            shard=shard,
            ragged=ragged,
            example_indices=example_indices,
            user_instances_only=user_instances_only,
            with_track_only=with_track_only,
            progress_callback=progress_callback,
        )

    def to_tf_dataset(self, batch_size: int = 32, **options: Unpack[BatchOptions]) -> Any:
        """Make a ``tf.data.Dataset`` of batches.

        Args:
            batch_size: Frames in a batch.
            **options: As `batches` takes them.

        Returns:
            A dataset of dictionaries of tensors with the values of `batches`, each iteration
            over it one epoch. Ragged ``instances``, ``skeleton_inds`` and ``track_inds`` are
            ragged tensors. `KeyMapper` renames its keys to those of a model.

        Raises:
            MissingExtraError: TensorFlow is not installed.

        Also raises as `batches` does.
        """
        from tabular_labels.training.tf_data import batch_dataset

        return batch_dataset(self.batches(batch_size, **options))

    def to_torch_dataset(
        self, batch_size: int = 32, **options: Unpack[BatchOptions]
    ) -> TorchBatches:
        """Make a PyTorch ``IterableDataset`` of batches.

        Give it to ``DataLoader(dataset, batch_size=None, num_workers=...)``. Workers take
        the batches in turns.

        Args:
            batch_size: Frames in a batch.
            **options: As `batches` takes them. With many workers keep images in a file, which
                they share.

        Returns:
            Dictionaries of tensors with the values of `batches`. ``set_epoch`` says which
            epoch comes next, where workers are started anew for each.

        Raises:
            MissingExtraError: PyTorch is not installed.

        Also raises as `batches` does.
        """
        from tabular_labels.training.torch_data import TorchBatches

        return TorchBatches(self.batches(batch_size, **options))
