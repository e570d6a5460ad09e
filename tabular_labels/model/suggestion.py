"""A frame suggested for labelling or review."""

from __future__ import annotations

from collections.abc import Iterator

from tabular_labels.model.arguments import require_index
from tabular_labels.model.video import Video

__all__ = ["SuggestionFrame"]


class SuggestionFrame:
    """A frame suggested for labelling or review; unpacks as ``(video, frame_idx)``.

    Examples:
        >>> video, frame_idx = SuggestionFrame(Video("a.mp4"), 7, group=1)
        >>> frame_idx
        7

    Source:
        ``sleap.io.dataset.SuggestionFrame``.
    """

    __slots__ = ("frame_idx", "group", "video")

    def __init__(self, video: Video, frame_idx: int, group: int | None = None) -> None:
        self.video = video
        self.frame_idx = require_index(frame_idx, "frame_idx of a suggestion")
        self.group = group

    def __iter__(self) -> Iterator[Video | int]:
        """Unpack as ``(video, frame_idx)``."""
        return iter((self.video, self.frame_idx))

    def __eq__(self, other: object) -> bool:
        """Compare video (by identity), frame index and group."""
        if not isinstance(other, SuggestionFrame):
            return NotImplemented
        return (
            self.video is other.video
            and self.frame_idx == other.frame_idx
            and self.group == other.group
        )

    def __hash__(self) -> int:
        """Hash video, frame index and group."""
        return hash((id(self.video), self.frame_idx, self.group))

    def __repr__(self) -> str:
        """Show the values."""
        return f"SuggestionFrame({self.video!r}, {self.frame_idx}, group={self.group})"
