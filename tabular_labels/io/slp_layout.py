"""Names, record layouts and format ids of ``.slp`` files."""

from __future__ import annotations

import re

import numpy as np

__all__ = [
    "CLASSIC_FORMAT",
    "CORE",
    "FRAMES",
    "INSTANCES",
    "JSON_LISTS",
    "LARGEST_FRAME_IDX",
    "METADATA_KEYS",
    "MID_PIXEL_FORMAT",
    "NEGATIVE_FRAMES",
    "NEWEST_FORMAT",
    "POINTS",
    "PRED_POINTS",
    "PROJECT_ID_KEY",
    "TODAY_FORMAT",
    "embedded_number",
]

FRAMES = np.dtype(
    [
        ("frame_id", "<u8"),
        ("video", "<u4"),
        ("frame_idx", "<u8"),
        ("instance_id_start", "<u8"),
        ("instance_id_end", "<u8"),
    ]
)
# tracking_score came with format 1.2; older files end before it.
INSTANCES = np.dtype(
    [
        ("instance_id", "<i8"),
        ("instance_type", "u1"),
        ("frame_id", "<u8"),
        ("skeleton", "<u4"),
        ("track", "<i4"),
        ("from_predicted", "<i8"),
        ("score", "<f4"),
        ("point_id_start", "<u8"),
        ("point_id_end", "<u8"),
        ("tracking_score", "<f4"),
    ]
)
POINTS = np.dtype([("x", "<f8"), ("y", "<f8"), ("visible", "?"), ("complete", "?")])
PRED_POINTS = np.dtype([*POINTS.descr, ("score", "<f8")])
NEGATIVE_FRAMES = np.dtype([("video_id", "<u4"), ("frame_idx", "<u8")])
# Ours adds frame_id, the row in /frames, where several frames share a place.

CLASSIC_FORMAT = 1.2
TODAY_FORMAT = 1.4
"""What a file gets that holds nothing beyond our tables."""

MID_PIXEL_FORMAT = 1.1
"""Before it, user points count from a pixel's corner: half a pixel is taken off."""

NEWEST_FORMAT = 3.0
"""Formats from here on are not known; 2.x differ from 1.x only by what they add."""

LARGEST_FRAME_IDX = 2**32 - 2
"""Frame indices are packed into 32 bits, and need room for one past the last."""

PROJECT_ID_KEY = "tabular_labels.project_id"
"""Where a project's id travels inside the provenance."""

JSON_LISTS = ("videos_json", "tracks_json", "suggestions_json")
CORE = frozenset(
    {
        "metadata",
        "frames",
        "instances",
        "points",
        "pred_points",
        "negative_frames",
        "provenance_json",
        *JSON_LISTS,
    }
)
"""Members of a file that the tables hold."""

METADATA_KEYS = frozenset(
    {
        "version",
        "skeletons",
        "nodes",
        "videos",
        "tracks",
        "suggestions",
        "negative_anchors",
        "provenance",
    }
)
"""Keys of the metadata JSON that the tables hold."""

_EMBEDDED = re.compile(r"video(\d{1,9})(?:/video)?")


def embedded_number(name: object) -> int | None:
    """Return k of a member ``video<k>`` or a dataset ``video<k>/video``, else None.

    Examples:
        >>> embedded_number("video12/video"), embedded_number("videos_json")
        (12, None)
    """
    match = _EMBEDDED.fullmatch(name) if isinstance(name, str) else None
    return int(match[1]) if match else None
