"""The points of a video of `Labels` as a dense array."""

from __future__ import annotations

import warnings

from tabular_labels._types import FloatArray, IntArray
from tabular_labels.errors import UntrackedInstancesWarning
from tabular_labels.labels_core import LabelsCore, VideoLike
from tabular_labels.queries.dense import DenseLayout, dense_layout, scatter

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
        layout = self._dense_layout(video, all_frames=all_frames, untracked=untracked)
        return self._dense(layout, scores=return_confidence)

    def _dense_layout(
        self, video: VideoLike | None, *, all_frames: bool, untracked: bool
    ) -> DenseLayout:
        key = self._require_video(0 if video is None else video)
        layout = dense_layout(
            self._snapshot.structure,
            self._snapshot.catalog,
            key,
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
        return layout

    def _dense(self, layout: DenseLayout, *, scores: bool) -> FloatArray:
        columns = ["x", "y", "visible", *(["score"] if scores else [])]
        found = layout.instance_rows
        rows: slice | IntArray = found
        # Rows ascend, so that their ends tell whether they are one run.
        if len(found) and int(found[-1]) - int(found[0]) == len(found) - 1:
            rows = slice(int(found[0]), int(found[-1]) + 1)
        return scatter(layout, self._snapshot.read_points(columns, rows))
