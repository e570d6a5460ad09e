"""Add to the small tables, and look up the keys of what is there."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from tabular_labels.model.objects import Objects, catalog_tables
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.store.records import NONE
from tabular_labels.store.store import Store

__all__ = ["known_skeleton", "known_video", "skeleton_key", "track_key", "video_key"]


def track_key(store: Store, track: Track | None) -> int:
    """Return a track's key, -1 for none; a track that is not known yet is added.

    Tracks are told apart by identity: two animals may share a name.
    """
    if track is None:
        return NONE
    objects = store.objects
    key = objects.track_ids.get(track)
    if key is None:
        key = objects.aliases.get(track)
        if key is not None and key in objects.track_by_id:
            return key
        store.own_objects()
        key = store.new_id("track")
        store.put("track", key, track)
    return key


def known_video(store: Store, video: Video) -> int | None:
    """Return the key of a video: of itself, or of the only one that it matches."""
    objects = store.objects
    key = objects.video_ids.get(video, objects.aliases.get(video))
    if key in objects.video_by_id:
        return key
    same = [key for key, mine in objects.video_by_id.items() if mine.matches(video)]
    return same[0] if len(same) == 1 else None


def video_key(store: Store, video: Video) -> int:
    """Return a video's key; one that is not known yet is added."""
    key = known_video(store, video)
    if key is not None:
        return key
    objects, catalog = store.objects, store.catalog
    key = max(objects.video_by_id, default=-1) + 1
    row = catalog_tables([video], [], [])["videos"]
    video.freeze()
    made = _with(objects, videos={**objects.video_by_id, key: video})
    rows = row.with_columns(video_id=pl.lit(key, pl.UInt32))
    store.put_catalog(replace(catalog, videos=catalog.videos.vstack(rows)), made)
    return key


def known_skeleton(store: Store, skeleton: Skeleton) -> int | None:
    """Return the key of a skeleton: of itself, or of the only one that is built like it."""
    objects = store.objects
    key = objects.skeleton_ids.get(skeleton, objects.aliases.get(skeleton))
    if key in objects.skeleton_by_id:
        return key
    same = [
        key
        for key, mine in objects.skeleton_by_id.items()
        if mine.node_names == skeleton.node_names and mine.matches(skeleton)
    ]
    return same[0] if len(same) == 1 else None


def skeleton_key(store: Store, skeleton: Skeleton) -> int:
    """Return a skeleton's key; one that is not known yet is added."""
    key = known_skeleton(store, skeleton)
    if key is not None:
        return key
    objects, catalog = store.objects, store.catalog
    key = max(objects.skeleton_by_id, default=-1) + 1
    skeleton.freeze()
    made = _with(objects, skeletons={**objects.skeleton_by_id, key: skeleton})
    rows = catalog_tables([], [skeleton], [])
    new = {
        name: getattr(catalog, name).vstack(
            rows[name].with_columns(skeleton_id=pl.lit(key, pl.UInt16))
        )
        for name in ("skeletons", "nodes", "edges")
    }
    store.put_catalog(replace(catalog, **new), made)
    return key


def _with(
    objects: Objects,
    videos: dict[int, Video] | None = None,
    skeletons: dict[int, Skeleton] | None = None,
) -> Objects:
    made = Objects(
        videos or objects.video_by_id,
        skeletons or objects.skeleton_by_id,
        dict(objects.track_by_id),
    )
    made.aliases = objects.aliases
    made.is_shared = False
    return made
