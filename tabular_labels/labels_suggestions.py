"""Suggested frames of `Labels`: the list of them, and where to go next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import polars as pl

from tabular_labels.catalog_editing import suggestion_rows, suggestions_of
from tabular_labels.catalog_lists import SuggestionList
from tabular_labels.labels_core import LabelsCore, VideoLike
from tabular_labels.model.suggestion import SuggestionFrame
from tabular_labels.model.video import Video
from tabular_labels.queries.suggestions import is_unlabeled, next_suggestion
from tabular_labels.store.catalog_edits import put_tables

__all__ = ["LabelsSuggestions"]


class LabelsSuggestions(LabelsCore):
    """Suggestions as something to read and to change."""

    @property
    def suggestions(self) -> SuggestionList:
        """Suggested frames, in order; changing the list changes the labels."""
        return SuggestionList(
            lambda: suggestions_of(self._catalog, self._objects), self.set_suggestions
        )

    @suggestions.setter
    def suggestions(self, suggestions: Iterable[SuggestionFrame | tuple[VideoLike, int]]) -> None:
        self.set_suggestions(suggestions)

    def set_suggestions(
        self, suggestions: Iterable[SuggestionFrame | tuple[VideoLike, int]]
    ) -> None:
        """Make these the suggestions; a `Video` that is not of these labels is added.

        Args:
            suggestions: `SuggestionFrame` objects, or pairs of video and frame index.

        Source:
            ``Labels.set_suggestions``.
        """
        with self._store.step():
            table = suggestion_rows(self._store, suggestions, self._require_video)
            if not table.equals(self._catalog.suggestions):
                put_tables(self._store, suggestions=table)

    def add_suggestion(self, video: VideoLike, frame_idx: int, group: int | None = None) -> None:
        """Suggest a frame; nothing happens when it is suggested already.

        Source:
            ``Labels.add_suggestion``.
        """
        if isinstance(video, Video):
            suggested: Any = SuggestionFrame(video, frame_idx, group)
        else:
            own = self._objects.video_by_id[self._require_video(video)]
            suggested = SuggestionFrame(own, frame_idx, group)
        self.append_suggestions([suggested])

    def append_suggestions(
        self, suggestions: Iterable[SuggestionFrame | tuple[VideoLike, int]]
    ) -> None:
        """Add suggestions, leaving out frames that are suggested already.

        Source:
            ``Labels.append_suggestions``, which added them again.
        """
        with self._store.step():
            new = suggestion_rows(self._store, suggestions, self._require_video)
            place = ["video_id", "frame_idx"]
            new = new.unique(place, keep="first", maintain_order=True)
            there = self._catalog.suggestions
            # Places are never null; rows keep their order.
            new = new.join(there, on=place, how="anti", maintain_order="left")
            if new.height:
                put_tables(self._store, suggestions=there.vstack(new))

    def remove_suggestion(self, video: VideoLike, frame_idx: int) -> None:
        """Take a suggested frame out of the list; nothing happens when it is not there.

        Raises:
            UnknownVideoError: The video is not of these labels.

        Source:
            ``Labels.remove_suggestion``.
        """
        key = self._require_video(video)
        self._drop_suggestions((pl.col("video_id") == key) & (pl.col("frame_idx") == frame_idx))

    def delete_suggestions(self, video: VideoLike) -> None:
        """Take all suggestions of a video out of the list.

        Raises:
            UnknownVideoError: The video is not of these labels.

        Source:
            ``Labels.delete_suggestions``.
        """
        self._drop_suggestions(pl.col("video_id") == self._require_video(video))

    def clear_suggestions(self) -> None:
        """Take all suggestions out of the list.

        Source:
            ``Labels.clear_suggestions``.
        """
        self._drop_suggestions(pl.lit(value=True))

    def _drop_suggestions(self, which: pl.Expr) -> None:
        table = self._catalog.suggestions
        left = table.filter(~which)
        if left.height < table.height:
            put_tables(self._store, suggestions=left)

    @property
    def unlabeled_suggestions(self) -> list[SuggestionFrame]:
        """Suggestions of frames without user instances, in order.

        Source:
            ``Labels.unlabeled_suggestions``.
        """
        table = self._catalog.suggestions
        which = is_unlabeled(table, self._snapshot.structure)
        return [one for one, free in zip(self.suggestions, which, strict=True) if free]

    def get_video_suggestions(self, video: VideoLike | None = None) -> list[Any]:
        """Return suggested frame indices of a video, or all suggestions.

        Args:
            video: The video; None for every suggestion.

        Returns:
            Frame indices in list order; `SuggestionFrame` objects without a video.
        """
        if video is None:
            return list(self.suggestions)
        key = self._video_key(video)
        table = self._catalog.suggestions
        return [] if key is None else table.filter(video_id=key)["frame_idx"].to_list()

    def get_next_suggestion(
        self, video: VideoLike, frame_idx: int, seek_direction: int = 1
    ) -> SuggestionFrame | None:
        """Return the next suggestion, seen from a frame.

        Args:
            video: Where we are.
            frame_idx: Where we are.
            seek_direction: 1 for the next, -1 for the previous.

        Returns:
            The neighbour in list order if we stand on a suggestion, else the nearest
            in the video, else the first of the videos after it (last of those
            before), wrapping around; None if there is none or the video is unknown.

        Raises:
            ValueError: ``seek_direction`` is neither 1 nor -1.
        """
        if seek_direction not in (-1, 1):
            message = f"found seek_direction {seek_direction}, expected 1 or -1. Use one of them."
            raise ValueError(message)
        key = self._video_key(video)
        if key is None:
            return None
        place = next_suggestion(
            self._catalog.suggestions,
            list(self._objects.video_by_id),
            key,
            frame_idx,
            seek_direction,
        )
        return None if place is None else self.suggestions[place]
