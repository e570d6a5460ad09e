"""Edits of small tables of `Labels`: videos, negative anchors and provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from tabular_labels._types import PathLike
from tabular_labels.bulk import keep_rows
from tabular_labels.catalog_editing import (
    anchor_rows,
    anchors_of,
    with_anchors,
)
from tabular_labels.catalog_lists import (
    Anchors,
    CatalogList,
    Provenance,
    as_provenance,
)
from tabular_labels.labels_core import LabelsCore, VideoLike
from tabular_labels.model.arguments import require_type
from tabular_labels.model.video import Video
from tabular_labels.relocating import changed_video
from tabular_labels.store.catalog_edits import (
    add_video,
    put_tables,
    remove_video_row,
    replace_videos,
    video_key,
)

__all__ = ["LabelsCatalog"]


class LabelsCatalog(LabelsCore):
    """Videos, negative anchors and provenance as something to change."""

    # Videos

    @property
    def videos(self) -> CatalogList[Video]:
        """Videos, in order; some may have no labelled frames.

        Always shows how things stand. `append` adds a video to the labels, also a second
        one of the same file.
        """
        return CatalogList(
            lambda: self._objects.videos,
            self._append_video,
            lambda: self._store.step(),
            "Use `labels.remove_video`, `labels.update_video` or `labels.replace_video`.",
        )

    @videos.setter
    def videos(self, videos: Iterable[Video]) -> None:
        self.videos.become(videos)

    def _append_video(self, video: Video) -> None:
        require_type(video, Video, "video", "Pass a `Video`.")
        objects = self._objects
        if objects.video_ids.get(video, objects.aliases.get(video)) not in objects.video_by_id:
            add_video(self._store, video)

    def add_video(self, video: Video) -> Video:
        """Add a video; nothing happens when it, or one that matches it, is there.

        Returns:
            The video of the labels.

        Examples:
            >>> import tabular_labels as tl
            >>> labels = tl.Labels(videos=[tl.Video("a.mp4")])
            >>> labels.add_video(tl.Video("a.mp4")) is labels.videos[0]
            True

        Source:
            ``Labels.add_video``, which only knew the very same object.
        """
        require_type(video, Video, "video", "Pass a `Video`.")
        key = video_key(self._store, video)
        return self._objects.video_by_id[key]

    def remove_video(self, video: VideoLike) -> None:
        """Remove a video with its frames, suggestions and negative anchors; tracks stay.

        Raises:
            UnknownVideoError: The video is not of these labels; a `KeyError`.

        Source:
            ``Labels.remove_video``, which kept the occupancy of its tracks.
        """
        key = self._require_video(video)
        store = self._store
        frames = store.snapshot.structure.frames
        with store.step():
            keep_rows(store, (frames["video_id"] != key).to_numpy(), None)
            remove_video_row(store, key)

    def update_video(
        self,
        video: VideoLike,
        filename: PathLike | Sequence[PathLike] | None = None,
        *,
        backend: Mapping[str, Any] | None = None,
        **facts: Any,
    ) -> Video:
        """Change what a video's entry says: where it is, how to open it, its shape.

        `remap_videos` changes the names of many at once.

        Args:
            video: The video.
            filename: Where it is now; for a sequence of pictures a list of all. It takes
                the place of the old one in the backend, too.
            backend: Instead of everything stored about opening it.
            **facts: ``n_frames``, ``height``, ``width``, ``channels``, ``fps``; None for
                unknown.

        Returns:
            The new object in `videos`; the old one still stands for it.

        Raises:
            UnknownVideoError: The video is not of these labels.
            TypeError: A fact has another name.
            ValueError: One filename is given for several pictures.

        Examples:
            >>> import tabular_labels as tl
            >>> labels = tl.Labels(videos=[tl.Video.from_filename("old/a.mp4")])
            >>> labels.update_video(0, "new/a.mp4", fps=30.0)
            Video('new/a.mp4', shape=None)
            >>> labels.video.fps, labels.video.backend["filename"]
            (30.0, 'new/a.mp4')
        """
        key = self._require_video(video)
        old = self._objects.video_by_id[key]
        new = changed_video(old, filename, backend, facts)
        replace_videos(self._store, {key: new})
        return new

    def replace_video(self, video: VideoLike, new_video: Video) -> None:
        """Put another video in the place of one; its frames become frames of that.

        Raises:
            UnknownVideoError: The video is not of these labels.
            ValueError: The new one is another video of these labels.
        """
        key = self._require_video(video)
        require_type(new_video, Video, "new_video", "Pass a `Video`.")
        there = self._objects.video_ids.get(new_video)
        if there is not None and there != key:
            message = (
                f"found {new_video!r}, which is another video of these labels, expected a new one. "
                "Merge the labels of both instead."
            )
            raise ValueError(message)
        if there is None:
            replace_videos(self._store, {key: new_video})

    # Negative anchors

    @property
    def negative_anchors(self) -> Anchors:
        """``(frame_idx, x, y)`` of points to sample as background, by video; pixels.

        Read-only; use `add_negative_anchor`, or assign a new mapping.
        """
        return anchors_of(self._catalog, self._objects)

    @negative_anchors.setter
    def negative_anchors(self, anchors: Mapping[VideoLike, Iterable[Sequence[float]]]) -> None:
        rows = [
            (self._require_video(video), *anchor)
            for video, listed in anchors.items()
            for anchor in anchor_rows(listed)
        ]
        table = self._catalog.negative_anchors
        self._put_tables(negative_anchors=with_anchors(table.clear(), rows, self._objects))

    def add_negative_anchor(self, video: VideoLike, frame_idx: int, where: Sequence[float]) -> None:
        """Add a point to sample as background.

        Args:
            video: The video.
            frame_idx: The frame.
            where: ``(x, y)`` in pixels.

        Raises:
            UnknownVideoError: The video is not of these labels.
            ValueError: ``where`` is no pair.

        Source:
            ``Labels.add_negative_anchor``, which ignored an unknown video.
        """
        key = self._require_video(video)
        ((index, x, y),) = anchor_rows([(frame_idx, *where)])
        table = self._catalog.negative_anchors
        self._put_tables(negative_anchors=with_anchors(table, [(key, index, x, y)], self._objects))

    def remove_negative_anchors(self, video: VideoLike, frame_idx: int | None = None) -> None:
        """Remove the points of a frame, or with None of the whole video.

        Raises:
            UnknownVideoError: The video is not of these labels.

        Source:
            ``Labels.remove_negative_anchors``.
        """
        gone = pl.col("video_id") == self._require_video(video)
        if frame_idx is not None:
            gone = gone & (pl.col("frame_idx") == frame_idx)
        table = self._catalog.negative_anchors
        left = table.filter(~gone)
        if left.height < table.height:
            self._put_tables(negative_anchors=left)

    # Provenance

    @property
    def provenance(self) -> Provenance:
        """Facts about where the labels come from (JSON-able); setting one changes the labels."""
        return Provenance(lambda: self._catalog.provenance, self.set_provenance)

    @provenance.setter
    def provenance(self, facts: Mapping[str, Any]) -> None:
        self.set_provenance(facts)

    def set_provenance(self, facts: Mapping[str, Any]) -> None:
        """Make these the facts about where the labels come from.

        Raises:
            TypeError: They hold what JSON cannot.
        """
        made = as_provenance(facts)
        if made != dict(self._catalog.provenance):
            self._put_tables(provenance=made)

    def _put_tables(self, **values: Any) -> None:
        """Replace small tables whose objects stay as they are."""
        put_tables(self._store, **values)
