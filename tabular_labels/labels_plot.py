"""Labels as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, TypeAlias, cast, get_args

from tabular_labels._types import PathLike
from tabular_labels.charting import bin_coverage, bin_frame_scores, bin_node_scores
from tabular_labels.drawing import Colouring, draw_frame
from tabular_labels.errors import UnknownFrameError
from tabular_labels.labels_core import VideoLike
from tabular_labels.labels_find import LabelsFind
from tabular_labels.labels_tables import LabelsTables
from tabular_labels.model.arguments import as_index
from tabular_labels.rendering import Progress, render_clip
from tabular_labels.views import LabeledFrame

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LabelsPlot"]

_By: TypeAlias = Literal["node", "frame"]


class LabelsPlot(LabelsTables, LabelsFind):
    """Drawings with matplotlib (extra ``plot``), readable at any size.

    Each returns a figure that no global list of figures holds: notebooks show it, and
    ``figure.savefig`` saves it.
    """

    def plot(
        self,
        frame: LabeledFrame | SupportsIndex | tuple[VideoLike, int] = 0,
        *,
        with_image: bool = True,
    ) -> Figure:
        """Draw a frame: its picture, and skeletons, nodes and tracks in colours.

        User instances have solid edges and filled nodes, predicted ones dashed edges and
        hollow nodes; predictions that a person has corrected are left out, and so are
        missing and invisible points. A track has one colour in all frames. Where the
        animals are small in the picture, a close-up stands beside it.

        Args:
            frame: A frame, its place in the list, or ``(video, frame_idx)``.
            with_image: Read the video; otherwise draw on an empty ground.

        Returns:
            A matplotlib figure; axes are in pixels (x right, y down, pixel centres at
            integers).

        Raises:
            UnknownFrameError: There are no labels at that place.
            MissingExtraError: matplotlib is not installed.

        Warns:
            MissingPictureWarning: The video cannot be read; the frame is drawn without
                its picture, and the drawing says so too.

        Examples:
            >>> import tabular_labels as tl
            >>> fly = tl.Skeleton(["head", "tail"], edges=[("head", "tail")])
            >>> frame = tl.LabeledFrame(tl.Video("a.mp4"), 3, [tl.Instance(fly, [[1, 2], [3, 4]])])
            >>> tl.Labels([frame]).plot(0, with_image=False).get_suptitle()
            'Frame 3'
        """
        shown = self._frame_to_draw(frame)
        return draw_frame(shown, Colouring(self.tracks), with_image=with_image)

    def plot_occupancy(self, *, max_videos: int = 12) -> Figure:
        """Draw where each track is present: one panel per video, one row per track.

        Runs are binned to the picture's resolution: a bar is pale where the track is
        present in some frames of a bin, and with over 400 tracks a row stands for several.
        Untracked instances are left out.

        Args:
            max_videos: Panels to draw; the title says how many videos are left out.

        Returns:
            A matplotlib figure.

        Raises:
            MissingExtraError: matplotlib is not installed.

        Examples:
            >>> import tabular_labels as tl
            >>> fly, track = tl.Skeleton(["head"]), tl.Track(0, "queen")
            >>> frame = tl.LabeledFrame(tl.Video("a.mp4"), 3, [tl.Instance(fly, track=track)])
            >>> axis = tl.Labels([frame]).plot_occupancy().axes[0]
            >>> axis.get_title(loc="right")
            '1 track, 1 run'
        """
        from tabular_labels.plot.occupancy import plot_occupancy

        return plot_occupancy(self.occupancy(), max_videos=max_videos)

    def plot_scores(self, by: _By = "node", *, max_videos: int = 12) -> Figure:
        """Draw how scores are spread: those of points by node, or of instances over time.

        Every score is counted, in bins; user instances have none. Scores of missing and
        invisible points are left out. Medians and percentiles are exact to one of 256 levels.

        Args:
            by: ``"node"``: scores of points, a row for each node. ``"frame"``: scores of
                instances along the frame index, a panel for each video.
            max_videos: Panels to draw; the title says how many videos are left out.

        Returns:
            A matplotlib figure.

        Raises:
            ValueError: ``by`` is neither.
            MissingExtraError: matplotlib is not installed.
            ForkedProcessError: In a forked process.

        Examples:
            >>> import tabular_labels as tl
            >>> fly = tl.Skeleton(["head"])
            >>> guess = tl.PredictedInstance(fly, [[1, 2, 0.5]], 0.25)
            >>> labels = tl.Labels([tl.LabeledFrame(tl.Video("a.mp4"), 3, [guess])])
            >>> labels.plot_scores().axes[0].get_title(loc="right")
            '1 point'
        """
        from tabular_labels.plot.scores import plot_frame_scores, plot_node_scores

        if by not in get_args(_By):
            message = f"found by={by!r}, expected 'node' or 'frame'. Use one of those."
            raise ValueError(message)
        if by == "node":
            return plot_node_scores(bin_node_scores(self._snapshot))
        return plot_frame_scores(bin_frame_scores(self._snapshot), max_videos=max_videos)

    def plot_coverage(self, *, max_videos: int = 12) -> Figure:
        """Draw in which part of the instances each node is visible and has coordinates.

        A panel for each video, a row for each node, frames along the axis in bins; the
        share over all frames stands at the right. User and predicted instances count
        alike; ``labels.filter(instances=...)`` chooses.

        Args:
            max_videos: Panels to draw; the title says how many videos are left out.

        Returns:
            A matplotlib figure.

        Raises:
            MissingExtraError: matplotlib is not installed.
            ForkedProcessError: In a forked process.

        Examples:
            >>> import tabular_labels as tl
            >>> fly, gone = tl.Skeleton(["head", "tail"]), [float("nan")] * 2
            >>> frame = tl.LabeledFrame(tl.Video("a.mp4"), 3, [tl.Instance(fly, [[1, 2], gone])])
            >>> [text.get_text() for text in tl.Labels([frame]).plot_coverage().axes[0].texts]
            ['100 %', '0 %']
        """
        from tabular_labels.plot.coverage import plot_coverage

        return plot_coverage(bin_coverage(self._snapshot), max_videos=max_videos)

    def render(
        self,
        path: PathLike,
        video: VideoLike = 0,
        *,
        start: int | None = None,
        stop: int | None = None,
        fps: float | None = None,
        scale: float = 1.0,
        progress: Progress | None = None,
    ) -> int:
        """Write a clip of a video with skeletons, nodes and tracks drawn into the pictures.

        Every frame of the range is in the clip, also those without labels. Colours, and
        what is drawn, are those of `plot`. One picture is in memory at a time; the file
        appears when it is whole, and an existing one is replaced.

        Args:
            path: The clip, ending in ``.mp4``, ``.mkv``, ``.mov`` or ``.avi``.
            video: A `Video`, its place in `videos`, or its filename.
            start: First frame index; the first labelled frame without.
            stop: One past the last; one past the last labelled frame without.
            fps: Frames per second; those of the video without.
            scale: Size of the clip relative to the video; odd sizes lose a row or column.
            progress: Called with frames done and in all.

        Returns:
            The number of frames written.

        Raises:
            UnknownVideoError: The video is not of these labels.
            NothingToExportError: There are no frames between start and stop.
            MissingVideoError: The video's file is not there.
            FileFormatError: The video is damaged or ends before a frame, or the clip's
                name has no known suffix.
            MissingExtraError: matplotlib is not installed.

        Examples:
            >>> import tempfile
            >>> import numpy as np
            >>> import tabular_labels as tl
            >>> video = tl.Video.from_numpy(np.zeros((9, 32, 48, 1), np.uint8))
            >>> fly = tl.Skeleton(["head"])
            >>> frame = tl.LabeledFrame(video, 3, [tl.Instance(fly, [[10, 20]])])
            >>> tl.Labels([frame]).render(tempfile.mkdtemp() + "/clip.mp4", start=1, stop=6)
            5
        """
        own = self._objects.video_by_id[self._require_video(video)]
        return render_clip(
            path,
            own,
            self.find(own),
            Colouring(self.tracks),
            start=start,
            stop=stop,
            fps=fps,
            scale=scale,
            progress=progress,
        )

    def _frame_to_draw(self, frame: Any) -> LabeledFrame:
        if isinstance(frame, LabeledFrame):
            return frame
        if as_index(frame) is None and not (isinstance(frame, tuple) and len(frame) == 2):
            raise UnknownFrameError(frame)
        found = self.get(frame)
        if found is None:
            raise UnknownFrameError(frame)
        return cast("LabeledFrame", found)
