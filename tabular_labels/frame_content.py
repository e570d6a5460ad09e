"""What a frame says of itself, and how it compares, copies and pickles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

from tabular_labels import editing
from tabular_labels.instance_content import InstanceContent
from tabular_labels.model.pixels import Image
from tabular_labels.model.video import Video
from tabular_labels.portable import itself, portable_frame
from tabular_labels.selection import InstanceSelection
from tabular_labels.store.rows import Rows
from tabular_labels.values import FrameValues

__all__ = ["FrameContent"]

AnyInstance = TypeVar("AnyInstance", bound=InstanceContent)
Prediction = TypeVar("Prediction")


class FrameContent(InstanceSelection[AnyInstance, Prediction]):
    """What a frame says; `LabeledFrame` adds how it is made and which instances it has.

    Values are asked of a source, by row: `Rows` of labels, or `FrameValues`, which
    answer the same questions.
    """

    __slots__ = ("_row", "_source")
    _source: Any
    _row: int

    @property
    def is_attached(self) -> bool:
        """Whether this is a view of a row of labels."""
        return isinstance(self._source, Rows)

    @property
    def video(self) -> Video:
        """The video."""
        video: Video = self._source.video(self._row)
        return video

    @video.setter
    def video(self, video: Video) -> None:
        source = self._source
        if isinstance(source, Rows):
            editing.set_frame_video(*source.open_frame(self._row), video)
        else:
            source.set_video(video)

    @property
    def frame_idx(self) -> int:
        """0-based index in the video."""
        index: int = self._source.frame_idx(self._row)
        return index

    @frame_idx.setter
    def frame_idx(self, frame_idx: int) -> None:
        source = self._source
        if isinstance(source, Rows):
            editing.set_frame_idx(*source.open_frame(self._row), frame_idx)
        else:
            source.set_frame_idx(frame_idx)

    @property
    def image(self) -> Image:
        """The picture, read from the video: uint8 ``(height, width, channels)``.

        Raises:
            MissingVideoError: The video's file is not there.
            MissingFrameError: The video has no such frame.
            FileFormatError: It is not a video, or is damaged.
        """
        return self.video.get_frame(self.frame_idx)

    @property
    def is_negative(self) -> bool:
        """Whether a person marked the frame as showing no animal."""
        negative: bool = self._source.is_negative(self._row)
        return negative

    @is_negative.setter
    def is_negative(self, is_negative: bool) -> None:
        source = self._source
        if isinstance(source, Rows):
            editing.set_is_negative(*source.open_frame(self._row), is_negative)
        else:
            source.is_negative_value = bool(is_negative)

    def copy(self) -> Any:
        """Return a detached copy; links between its own instances are kept."""
        raise NotImplementedError

    def __copy__(self) -> Any:
        """Copy as `copy` does."""
        return self.copy()

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickle a view as a detached frame, not with all that it is a view of."""
        if isinstance(self._source, FrameValues):
            return super().__reduce_ex__(protocol)
        return itself, (portable_frame(self),)

    def __len__(self) -> int:
        """Return the number of instances."""
        source = self._source
        if isinstance(source, FrameValues):
            return len(source.instances)
        source, row = source.located_frame(self._row)
        return len(source.instances_of(row))

    def __bool__(self) -> bool:
        """Be true, also without instances."""
        return True

    def __iter__(self) -> Iterator[AnyInstance]:
        """Iterate over the instances."""
        return iter(self.instances)

    def __getitem__(self, place: int) -> AnyInstance:
        """Return one instance by its place."""
        found: AnyInstance = self.instances[place]
        return found

    def index(self, instance: AnyInstance) -> int:
        """Return the place of an instance: of itself, or of the first that is equal."""
        mine = self.instances
        same = [place for place, one in enumerate(mine) if one is instance]
        return same[0] if same else mine.index(instance)

    def __eq__(self, other: object) -> bool:
        """Compare rows within one project, contents otherwise."""
        if self is other:
            return True
        if not isinstance(other, FrameContent):
            return NotImplemented
        mine, theirs = self._source, other._source
        if isinstance(mine, Rows) and isinstance(theirs, Rows) and mine.shares_rows(theirs):
            return mine.frame_id(self._row) == theirs.frame_id(other._row)
        return (
            self.frame_idx == other.frame_idx
            and self.is_negative == other.is_negative
            and (self.video is other.video or self.video.matches(other.video))
            and list(self.instances) == list(other.instances)
        )

    def __hash__(self) -> int:
        """Hash the place, which equal frames share."""
        return hash((self.frame_idx, self.video.filename))

    def __repr__(self) -> str:
        """Say where it is and what it holds."""
        return (
            f"LabeledFrame(video={self.video.filename!r}, frame_idx={self.frame_idx}, "
            f"user={self.n_user_instances}, predicted={self.n_predicted_instances})"
        )
