"""Suggestions and negative anchors between tables and what callers pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

import polars as pl

from tabular_labels.catalog_lists import AnchorList, Anchors
from tabular_labels.model.arguments import as_index, require_index
from tabular_labels.model.checks import FRAME_IDX_STOP
from tabular_labels.model.objects import Objects
from tabular_labels.model.schema import SUGGESTIONS
from tabular_labels.model.suggestion import SuggestionFrame
from tabular_labels.model.tables import Catalog
from tabular_labels.model.video import Video
from tabular_labels.store.catalog_edits import video_key
from tabular_labels.store.store import Store

__all__ = [
    "anchor_rows",
    "anchors_of",
    "require_frame_idx",
    "suggestion_rows",
    "suggestions_of",
    "with_anchors",
]

AnchorRow: TypeAlias = tuple[int, int, float, float]
"""``video_id``, ``frame_idx``, ``x``, ``y``."""


def require_frame_idx(value: Any, what: str) -> int:
    """Return a frame index that tables can hold.

    Raises:
        TypeError: It is not whole.
        ValueError: It is negative, or too large.
    """
    index = require_index(value, what)
    if not 0 <= index < FRAME_IDX_STOP:
        message = (
            f"{what}: found {index}, expected 0 to {FRAME_IDX_STOP - 1}. "
            "Pass an index within the video."
        )
        raise ValueError(message)
    return index


def suggestions_of(catalog: Catalog, objects: Objects) -> list[SuggestionFrame]:
    """Build the suggestions, in order."""
    videos = objects.video_by_id
    return [
        SuggestionFrame(videos[key], frame_idx, group)
        for key, frame_idx, group in catalog.suggestions.iter_rows()
    ]


def suggestion_rows(
    store: Store, suggestions: Iterable[Any], find_video: Callable[[Any], int]
) -> pl.DataFrame:
    """Encode suggestions; a `Video` that is not known yet is added.

    Args:
        store: The labels' rows, inside a step.
        suggestions: `SuggestionFrame` objects, or pairs of video and frame index.
        find_video: Gives the key of a video that is given by place or name.

    Raises:
        TypeError: One is neither.
    """
    rows = []
    for given in suggestions:
        video, index, group = _parts(given)
        key = video_key(store, video) if isinstance(video, Video) else find_video(video)
        what = "frame_idx of a suggestion"
        rows.append((key, require_frame_idx(index, what), group))
    return pl.DataFrame(rows, schema=dict(SUGGESTIONS.columns), orient="row")


def _parts(given: Any) -> tuple[Any, Any, int | None]:
    if isinstance(given, SuggestionFrame):
        return given.video, given.frame_idx, given.group
    if isinstance(given, tuple) and len(given) == 2:
        return *given, None
    message = (
        f"suggestion: found {given!r:.60}, expected a SuggestionFrame. Pass "
        "`SuggestionFrame(video, frame_idx)` or the pair."
    )
    raise TypeError(message)


def anchors_of(catalog: Catalog, objects: Objects) -> Anchors:
    """Build the negative anchors by video."""
    found: dict[Video, list[tuple[int, float, float]]] = {}
    for key, *anchor in catalog.negative_anchors.iter_rows():
        found.setdefault(objects.video_by_id[key], []).append(tuple(anchor))
    return Anchors({video: AnchorList(anchors) for video, anchors in found.items()})


def anchor_rows(anchors: Iterable[Sequence[float]]) -> list[tuple[int, float, float]]:
    """Check ``(frame_idx, x, y)`` of negative anchors.

    Raises:
        ValueError: One has another length, or a frame index that cannot be.
    """
    rows = []
    for given in anchors:
        if len(given) != 3:
            message = (
                f"negative anchor: found {tuple(given)!r}, expected (frame_idx, x, y). Pass a "
                "frame index and two coordinates."
            )
            raise ValueError(message)
        index, x, y = given
        what = "frame_idx of a negative anchor"
        whole = as_index(index)
        rows.append(
            (require_frame_idx(index if whole is None else whole, what), float(x), float(y))
        )
    return rows


def with_anchors(table: pl.DataFrame, rows: Sequence[AnchorRow], objects: Objects) -> pl.DataFrame:
    """Add negative anchors, those of each video together, in the order of the list."""
    new = pl.DataFrame(rows, schema=table.schema, orient="row").with_columns(
        pl.col("x", "y").fill_nan(None)
    )
    place = {key: place for place, key in enumerate(objects.video_by_id)}
    of_video = pl.col("video_id").replace_strict(place, return_dtype=pl.Int64)
    return table.vstack(new).sort(of_video, maintain_order=True)
