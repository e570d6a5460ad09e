"""Labels with their pictures."""

from __future__ import annotations

from tabular_labels._types import FloatArray, PathLike, Progress
from tabular_labels.images import (
    FrameChoice,
    export_training_data,
    save_frame_data,
    save_stores,
    training_arrays,
)
from tabular_labels.labels_core import LabelsCore
from tabular_labels.model.pixels import Image
from tabular_labels.model.video import Video

__all__ = ["LabelsImages"]


class LabelsImages(LabelsCore):
    """The exports that read pictures."""

    def generate_training_data(self) -> tuple[Image | list[Image], list[FloatArray]]:
        """Read the images of all frames with user instances, and the points of these.

        Instances of the first skeleton are taken, predicted ones are not.

        Returns:
            Images, uint8 ``(n_samples, height, width, channels)``, or a list of arrays when
            sizes differ; and points of each sample, float64 ``(n_instances, n_nodes, 2)``
            in pixels, NaN for missing and invisible ones. In list order. All images are in
            memory; each is decoded once.

        Raises:
            NothingToExportError: There are no such frames.
            MissingVideoError: A video's file is not there.
            FileFormatError: A video is damaged, or has no such frame.

        Warns:
            UnmodelledDataWarning: User instances of other skeletons were left out.

        Source:
            ``Labels.generate_training_data``.
        """
        return training_arrays(self._snapshot, self._objects)

    def export_training_data(
        self, save_path: PathLike, *, progress_callback: Progress | None = None
    ) -> None:
        """Write images and points for training as an HDF5 file without SLEAP's own data.

        It appears whole or not at all. ``imgs`` uint8 (n_samples, height, width,
        channels); ``video_inds``, ``frame_inds`` (n_samples,); ``peaks/xy`` float32
        (n_peaks, 2) in pixels, NaN = missing or invisible, with ``peaks/sample``,
        ``peaks/instance``, ``peaks/channel`` (the node) and ``peaks/track`` (place in
        the tracks, NaN = untracked); ``skeleton/node_names``, ``n_nodes``, ``edges``;
        ``videos/filepath``, ``dataset``, ``shape``, ``image_data_format``.

        Args:
            save_path: The file. Its directory must exist.
            progress_callback: Called with frames done and in all; False cancels.

        Raises:
            NothingToExportError: There are no frames with user instances.
            ValueError: Videos differ in size.
            ExportCancelledError: The callback returned False; nothing is written.
            MissingVideoError: A video's file is not there.
            FileFormatError: A video is damaged, or has no such frame.

        Warns:
            UnmodelledDataWarning: User instances of other skeletons were left out.

        Source:
            ``Labels.export_training_data``.
        """
        export_training_data(self._snapshot, self._objects, save_path, progress_callback)

    def save_frame_data_hdf5(
        self,
        output_path: PathLike,
        format: str = "png",
        all_labels: bool = False,
        suggested: bool = False,
        progress_callback: Progress | None = None,
    ) -> list[Video]:
        """Write the pictures of labelled frames into an HDF5 file, one group for each video.

        Frames are encoded in parallel, a few in memory at a time; pictures that a package
        holds in the same format are copied as they are. Existing files are replaced, whole
        or not at all.

        Args:
            output_path: The file. Its directory must exist.
            format: ``"png"`` (every pixel), ``"jpg"`` (with loss) or ``""`` (arrays).
            all_labels: All frames of the labels; otherwise those with user instances.
            suggested: Also suggested frames.
            progress_callback: Called with frames done and in all; False cancels.

        Returns:
            One video of the file for each of the project's, ready to read; empty where
            there are no frames. Frame indices stay what they were.

        Raises:
            ValueError: Unknown format.
            ExportCancelledError: The callback returned False; nothing is written.
            MissingVideoError: A video's file is not there.
            FileFormatError: A video is damaged, or has no such frame.

        Source:
            ``Labels.save_frame_data_hdf5``.
        """
        choice = FrameChoice(all_labels, suggested)
        return save_frame_data(
            self._snapshot, self._objects, output_path, choice, format, progress_callback
        )

    def save_frame_data_imgstore(
        self,
        output_dir: PathLike = "./",
        format: str = "png",
        all_labels: bool = False,
        suggested: bool = False,
        progress_callback: Progress | None = None,
    ) -> list[Video]:
        """Write the pictures of labelled frames as imgstores, one folder for each video.

        Needs the packages imgstore and opencv-python-headless.

        Args:
            output_dir: Where the folders ``frame_data_vid<k>`` are made.
            format: As imgstore knows them: ``"png"`` (every pixel), ``"jpg"`` (with loss).
            all_labels: All frames of the labels; otherwise those with user instances.
            suggested: Also suggested frames.
            progress_callback: Called with frames done and in all; False cancels.

        Returns:
            One video of a store for each of the project's; empty where there are no frames.

        Raises:
            MissingExtraError: A package is not installed.
            ProjectExistsError: There is such a folder already.
            ExportCancelledError: The callback returned False; nothing is written.
            MissingVideoError: A video's file is not there.
            FileFormatError: A video is damaged, or has no such frame.

        Source:
            ``Labels.save_frame_data_imgstore``.
        """
        choice = FrameChoice(all_labels, suggested)
        return save_stores(
            self._snapshot, self._objects, output_dir, choice, format, progress_callback
        )
