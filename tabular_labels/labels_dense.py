"""The points of a video of `Labels` as a dense array."""

from __future__ import annotations

import warnings

from tabular_labels._types import FloatArray
from tabular_labels.dense_runs import dense_array
from tabular_labels.errors import UntrackedInstancesWarning
from tabular_labels.labels_core import LabelsCore, VideoLike
from tabular_labels.queries.dense_layout import DenseLayout

__all__ = ["LabelsDense"]


class LabelsDense(LabelsCore):
    """`numpy`, and what other dense arrays are made from."""

    def numpy(
        self,
        video: VideoLike | None = None,
        all_frames: bool = True,
        untracked: bool = False,
        return_confidence: bool = False,
    ) -> FloatArray:
        """Return the points of one video as a dense array.

        User instances win over predicted ones on the same frame; invisible points
        count as missing. No video is opened.

        Args:
            video: The video; None for the first.
            all_frames: Begin at frame 0 and run to the stored length of the video, or
                to the last labelled frame when the length is unknown; otherwise from
                the first to the last labelled frame.
            untracked: One column per place in the frame instead of per track. Without
                it, columns follow `tracks` (unless no frame has more than one instance).
            return_confidence: Add point scores as a third value; NaN for user instances.

        Returns:
            float32, shape ``(n_frames, n_tracks, n_nodes, 2)`` (or 3), pixels, NaN =
            missing; shape ``(0, ...)`` for a video without frames.

        Raises:
            UnknownVideoError: The video is not of these labels, or there is none.

        Warns:
            UntrackedInstancesWarning: Untracked instances have no column.
        """
        return self._dense(
            video, all_frames=all_frames, untracked=untracked, scores=return_confidence
        )[1]

    def _dense(
        self,
        video: VideoLike | None,
        *,
        all_frames: bool = True,
        untracked: bool = False,
        scores: bool = False,
    ) -> tuple[DenseLayout, FloatArray]:
        """Return what `numpy` returns, and which instances are where in it."""
        key = self._require_video(0 if video is None else video)
        layout, dense = dense_array(
            self._snapshot,
            key,
            ("x", "y", "score") if scores else ("x", "y"),
            all_frames=all_frames,
            untracked=untracked,
            n_video_frames=self._objects.video_by_id[key].n_frames,
        )
        if layout.n_left_out:
            message = (
                f"{layout.n_left_out} untracked instances have no column in an array with a "
                "column per track. Pass untracked=True to numpy() for a column per place."
            )
            warnings.warn(message, UntrackedInstancesWarning, stacklevel=3)
        return layout, dense
