"""Change the small tables, and look up the keys of what is there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import polars as pl

from tabular_labels.model.objects import catalog_tables
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.store.records import NONE
from tabular_labels.store.store import Store

__all__ = [
    "add_skeleton",
    "add_video",
    "known_skeleton",
    "known_video",
    "put_tables",
    "remove_skeleton",
    "remove_video_row",
    "rename_skeleton",
    "replace_videos",
    "set_tracks",
    "skeleton_key",
    "track_key",
    "video_key",
]


# Tracks


def track_key(store: Store, track: Track | None) -> int:
    """Return a track's key, -1 for none; a track that is not known yet is added.

    Tracks are told apart by identity: two animals may share a name.
    """
    if track is None:
        return NONE
    key = store.objects.key_of_track(track)
    if key is None:
        store.own_objects()
        key = store.new_id("track")
        store.put("track", key, track)
    return key


def set_tracks(store: Store, tracks: dict[int, Track]) -> None:
    """Make these the tracks, by key in list order; instances stay as they are.

    A track with the key of another stands in its place.
    """
    objects, catalog = store.objects, store.catalog
    rows = [(key, track.name, track.spawned_on) for key, track in tracks.items()]
    table = pl.DataFrame(rows, schema=catalog.tracks.schema, orient="row")
    former: dict[object, int] = {}
    for key, track in tracks.items():
        old = objects.track_by_id.get(key)
        if old is not None and old is not track:
            former |= {old: key, track: key}
    with store.step():
        store.put_catalog(
            replace(catalog, tracks=table), objects.changed(tracks=tracks, former=former)
        )


# Videos


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
    return add_video(store, video) if key is None else key


def add_video(store: Store, video: Video) -> int:
    """Add a video at the end of the list, and return its key."""
    objects, catalog = store.objects, store.catalog
    key = store.new_id("video")
    videos = catalog.videos.vstack(_video_row(video, key))
    with store.step():
        store.put_catalog(
            replace(catalog, videos=videos),
            objects.changed(videos={**objects.video_by_id, key: video}),
        )
    return key


def replace_videos(store: Store, videos: dict[int, Video]) -> None:
    """Put other videos in the place of some."""
    objects, catalog = store.objects, store.catalog
    table = catalog.videos
    rows = [
        _video_row(videos[key], key) if key in videos else table.slice(row, 1)
        for row, key in enumerate(table["video_id"].to_list())
    ]
    former: dict[object, int] = {objects.video_by_id[key]: key for key in videos}
    former |= {video: key for key, video in videos.items()}
    made = objects.changed(videos={**objects.video_by_id, **videos}, former=former)
    with store.step():
        store.put_catalog(replace(catalog, videos=pl.concat(rows)), made)


def remove_video_row(store: Store, key: int) -> None:
    """Take a video without frames out, with its suggestions and negative anchors."""
    objects, catalog = store.objects, store.catalog
    tables = {
        name: getattr(catalog, name).filter(pl.col("video_id") != key)
        for name in ("videos", "suggestions", "negative_anchors")
    }
    left = {other: video for other, video in objects.video_by_id.items() if other != key}
    with store.step():
        store.put_catalog(replace(catalog, **tables), objects.changed(videos=left))


def _video_row(video: Video, key: int) -> pl.DataFrame:
    row = catalog_tables([video], [], [])["videos"]
    return row.with_columns(video_id=pl.lit(key, pl.UInt32))


# Skeletons


def known_skeleton(store: Store, skeleton: Skeleton) -> int | None:
    """Return the key of a skeleton: of itself, or of the only one that is built like it.

    What a skeleton was before edits stands for it too, as long as all its nodes are there.
    """
    objects = store.objects
    key = objects.skeleton_ids.get(skeleton)
    if key is not None:
        return key
    key = objects.aliases.get(skeleton)
    if key in objects.skeleton_by_id and _is_within(skeleton, objects.skeleton_by_id[key]):
        return key
    same = [
        key
        for key, mine in objects.skeleton_by_id.items()
        if mine.node_names == skeleton.node_names and mine.matches(skeleton)
    ]
    return same[0] if len(same) == 1 else None


def _is_within(former: Skeleton, skeleton: Skeleton) -> bool:
    return {node.origin for node in former.nodes} <= {node.origin for node in skeleton.nodes}


def skeleton_key(store: Store, skeleton: Skeleton) -> int:
    """Return a skeleton's key; one that is not known yet is added."""
    key = known_skeleton(store, skeleton)
    return add_skeleton(store, skeleton) if key is None else key


def add_skeleton(store: Store, skeleton: Skeleton) -> int:
    """Add a skeleton at the end of the list, and return its key."""
    objects, catalog = store.objects, store.catalog
    key = store.new_id("skeleton")
    rows = catalog_tables([], [skeleton], [])
    new = {
        name: getattr(catalog, name).vstack(
            rows[name].with_columns(skeleton_id=pl.lit(key, pl.UInt16))
        )
        for name in ("skeletons", "nodes", "edges")
    }
    made = objects.changed(skeletons={**objects.skeleton_by_id, key: skeleton})
    with store.step():
        store.put_catalog(replace(catalog, **new), made)
    return key


def remove_skeleton(store: Store, key: int) -> None:
    """Take a skeleton out that no instance has."""
    objects, catalog = store.objects, store.catalog
    tables = {
        name: getattr(catalog, name).filter(pl.col("skeleton_id") != key)
        for name in ("skeletons", "nodes", "edges")
    }
    left = {other: one for other, one in objects.skeleton_by_id.items() if other != key}
    changed, folded = replace(catalog, **tables), store.folded
    with store.step():
        store.put_catalog(changed, objects.changed(skeletons=left))
        # Like every change of how many points instances of a skeleton have.
        store.rebase(replace(folded, snapshot=folded.snapshot.with_catalog(changed)))


def rename_skeleton(store: Store, key: int, name: str | None) -> None:
    """Give a skeleton another name."""
    objects, catalog = store.objects, store.catalog
    old = objects.skeleton_by_id[key]
    new = Skeleton(old.nodes, old.edge_inds, old.symmetry_inds, name)
    is_meant = pl.col("skeleton_id") == key
    renamed = pl.when(is_meant).then(pl.lit(name, pl.String)).otherwise("name")
    table = catalog.skeletons.with_columns(name=renamed)
    made = objects.changed(
        skeletons={**objects.skeleton_by_id, key: new}, former={old: key, new: key}
    )
    with store.step():
        store.put_catalog(replace(catalog, skeletons=table), made)


# What no object stands for


def put_tables(store: Store, **values: Any) -> None:
    """Replace suggestions, negative anchors or provenance."""
    with store.step():
        store.put_catalog(replace(store.catalog, **values))
