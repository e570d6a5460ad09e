"""Labels as pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, SupportsIndex, cast

from tabular_labels.drawing import Colouring, draw_frame
from tabular_labels.errors import UnknownFrameError
from tabular_labels.labels_core import VideoLike
from tabular_labels.labels_images import LabelsImages
from tabular_labels.model.arguments import as_index
from tabular_labels.views import LabeledFrame

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LabelsPlot"]


class LabelsPlot(LabelsImages):
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

    def _frame_to_draw(self, frame: Any) -> LabeledFrame:
        if isinstance(frame, LabeledFrame):
            return frame
        if as_index(frame) is None and not (isinstance(frame, tuple) and len(frame) == 2):
            raise UnknownFrameError(frame)
        found = self.get(frame)
        if found is None:
            raise UnknownFrameError(frame)
        return cast("LabeledFrame", found)
