"""Videos, skeletons and tracks as objects, and back to tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from operator import itemgetter
from typing import Any

import polars as pl

from tabular_labels.model import schema
from tabular_labels.model.arguments import require_index
from tabular_labels.model.skeleton import Node, Skeleton
from tabular_labels.model.suggestion import SuggestionFrame
from tabular_labels.model.tables import Catalog
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video

__all__ = ["Objects", "build_skeleton", "catalog_tables"]


class Objects:
    """The objects of one catalog: the same object each time it is asked for.

    Examples:
        >>> Objects.of(Catalog()).videos
        []
    """

    def __init__(
        self,
        videos: dict[int, Video],
        skeletons: dict[int, Skeleton],
        tracks: dict[int, Track],
    ) -> None:
        self.video_by_id = videos
        self.skeleton_by_id = skeletons
        self.track_by_id = tracks
        self.aliases: dict[object, int] = {}
        """Keys of objects that were replaced by others, as when they were renamed."""
        self.is_shared = True
        """Whether other labels may use this too, so that tracks may not be added here."""

    @classmethod
    def of(cls, catalog: Catalog) -> Objects:
        """Build the objects that a catalog's rows describe."""
        made = cls(
            _videos(catalog.videos),
            _skeletons(catalog.skeletons, _nodes(catalog.nodes), catalog.edges),
            _tracks(catalog.tracks),
        )
        made.freeze()
        return made

    def freeze(self) -> None:
        """Refuse later changes, which would never reach the tables."""
        for things in (self.video_by_id, self.skeleton_by_id, self.track_by_id):
            for thing in things.values():
                thing.freeze()

    def copy(self) -> Objects:
        """Return another set of the same objects, which may be added to."""
        made = Objects(dict(self.video_by_id), dict(self.skeleton_by_id), dict(self.track_by_id))
        made.aliases = self.aliases
        made.is_shared = False
        return made

    def changed(
        self,
        *,
        videos: dict[int, Video] | None = None,
        skeletons: dict[int, Skeleton] | None = None,
        tracks: dict[int, Track] | None = None,
        former: Mapping[Any, int] | None = None,
    ) -> Objects:
        """Return objects with other videos, skeletons or tracks; these stay as they are.

        Args:
            videos: Instead of the videos of now, in list order.
            skeletons: Instead of the skeletons of now.
            tracks: Instead of the tracks of now.
            former: Keys of what was replaced, and of what replaces it.
        """
        made = self.copy()
        made.video_by_id = made.video_by_id if videos is None else videos
        made.skeleton_by_id = made.skeleton_by_id if skeletons is None else skeletons
        made.track_by_id = made.track_by_id if tracks is None else tracks
        made.aliases = {**self.aliases, **(former or {})}
        made.freeze()
        return made

    def knowing(self, aliases: dict[object, int]) -> Objects:
        """Return these objects, with what is known of objects that stood in their places."""
        if aliases is self.aliases or aliases.keys() <= self.aliases.keys():
            return self
        made = self.copy()
        made.aliases = {**aliases, **self.aliases}
        return made

    def put_track(self, key: int, track: Track | None) -> Track | None:
        """Add a track at the end of the list, or take it away; return what was there."""
        old = self.track_by_id.pop(key, None)
        if old is not None:
            self.track_ids.pop(old, None)
        if track is not None:
            track.freeze()
            self.track_by_id[key] = track
            self.track_ids[track] = key
        self.__dict__.pop("tracks", None)
        return old

    def key_of_track(self, track: Track) -> int | None:
        """Return the key of a track, or of what took its place; None for another track."""
        key = self.track_ids.get(track)
        if key is not None:
            return key
        key = self.aliases.get(track)
        return key if key in self.track_by_id else None

    def key_of_skeleton(self, skeleton: Skeleton) -> int | None:
        """Return the key of a skeleton, or of what it became; None for another skeleton."""
        key = self.skeleton_ids.get(skeleton)
        if key is not None:
            return key
        key = self.aliases.get(skeleton)
        return key if key in self.skeleton_by_id else None

    @cached_property
    def videos(self) -> list[Video]:
        """Videos in list order."""
        return list(self.video_by_id.values())

    @cached_property
    def skeletons(self) -> list[Skeleton]:
        """Skeletons in list order."""
        return list(self.skeleton_by_id.values())

    @cached_property
    def tracks(self) -> list[Track]:
        """Tracks in list order."""
        return list(self.track_by_id.values())

    @cached_property
    def nodes(self) -> list[Node]:
        """Nodes of all skeletons, in skeleton order."""
        return [node for skeleton in self.skeletons for node in skeleton.nodes]

    @cached_property
    def video_ids(self) -> dict[Video, int]:
        """Key of each video."""
        return {video: key for key, video in self.video_by_id.items()}

    @cached_property
    def skeleton_ids(self) -> dict[Skeleton, int]:
        """Key of each skeleton."""
        return {skeleton: key for key, skeleton in self.skeleton_by_id.items()}

    @cached_property
    def track_ids(self) -> dict[Track, int]:
        """Key of each track."""
        return {track: key for key, track in self.track_by_id.items()}


def _videos(table: pl.DataFrame) -> dict[int, Video]:
    """Build videos; a loop over videos, of which there are few."""
    facts = ("n_frames", "height", "width", "channels", "fps")
    return {
        key: Video(
            filename,
            json.loads(backend),
            n_frames=n_frames,
            height=height,
            width=width,
            channels=channels,
            fps=fps,
        )
        for key, filename, backend, n_frames, height, width, channels, fps in table.select(
            "video_id", "filename", "backend", *facts
        ).iter_rows()
    }


def _tracks(table: pl.DataFrame) -> dict[int, Track]:
    ids, names, spawned = (table[name].to_list() for name in ("track_id", "name", "spawned_on"))
    return {key: Track(on, name) for key, name, on in zip(ids, names, spawned, strict=True)}


def build_skeleton(catalog: Catalog, key: int, nodes: Sequence[Node]) -> Skeleton:
    """Build the skeleton of a key anew, of these nodes."""
    of_key = pl.col("skeleton_id") == key
    made = _skeletons(
        catalog.skeletons.filter(of_key), {key: list(nodes)}, catalog.edges.filter(of_key)
    )
    return made[key]


def _nodes(table: pl.DataFrame) -> dict[int, list[Node]]:
    nodes: dict[int, list[Node]] = {}
    for key, name, weight in table.select("skeleton_id", "name", "weight").iter_rows():
        nodes.setdefault(key, []).append(Node(name, weight))
    return nodes


def _skeletons(
    skeletons: pl.DataFrame, nodes: Mapping[int, list[Node]], edges: pl.DataFrame
) -> dict[int, Skeleton]:
    pairs: dict[tuple[int, str], list[tuple[int, int]]] = {}
    columns = ("skeleton_id", "kind", "source", "target", "position")
    rows = edges.select(columns).rows()
    for key, kind, source, target, _ in sorted(rows, key=itemgetter(4)):
        pairs.setdefault((key, kind), []).append((source, target))
    made = {}
    for key, name in skeletons.select("skeleton_id", "name").iter_rows():
        # The tables may hold a pair both ways; for objects it is one.
        symmetries: dict[frozenset[int], tuple[int, int]] = {}
        for pair in pairs.get((key, "symmetry"), []):
            symmetries.setdefault(frozenset(pair), pair)
        directed = pairs.get((key, "edge"), [])
        made[key] = Skeleton(nodes.get(key, []), directed, symmetries.values(), name)
    return made


def catalog_tables(
    videos: Sequence[Video],
    skeletons: Sequence[Skeleton],
    tracks: Sequence[Track],
    suggestions: Sequence[SuggestionFrame] = (),
    negative_anchors: Mapping[Video, Iterable[Sequence[float]]] | None = None,
) -> dict[str, pl.DataFrame]:
    """Encode objects as the small tables; ids are list places.

    Args:
        videos: In list order.
        skeletons: In list order.
        tracks: In list order.
        suggestions: Of those videos.
        negative_anchors: ``(frame_idx, x, y)`` by video.

    Returns:
        Tables by name, as `Catalog` takes them.
    """
    places = {id(video): place for place, video in enumerate(videos)}
    anchors = [
        (places[id(video)], *_anchor(entry))
        for video, entries in (negative_anchors or {}).items()
        for entry in entries
    ]
    return {
        "videos": _table(
            schema.VIDEOS,
            [
                (i, v.filename, json.dumps(v.plain_backend()), *_shape(v), v.fps)
                for i, v in enumerate(videos)
            ],
        ),
        "skeletons": _table(schema.SKELETONS, [(i, s.name) for i, s in enumerate(skeletons)]),
        "nodes": _table(
            schema.NODES,
            [
                (i, k, node.name, node.weight)
                for i, s in enumerate(skeletons)
                for k, node in enumerate(s.nodes)
            ],
        ),
        "edges": _table(
            schema.EDGES, [row for i, s in enumerate(skeletons) for row in _links(i, s)]
        ),
        "tracks": _table(schema.TRACKS, [(i, t.name, t.spawned_on) for i, t in enumerate(tracks)]),
        "suggestions": _table(
            schema.SUGGESTIONS, [(places[id(s.video)], s.frame_idx, s.group) for s in suggestions]
        ),
        "negative_anchors": _table(schema.NEGATIVE_ANCHORS, anchors),
    }


def _anchor(entry: Sequence[float]) -> tuple[int, float, float]:
    if len(entry) != 3:
        message = (
            f"negative anchor: found {entry!r}, expected (frame_idx, x, y). "
            "Pass three numbers for each."
        )
        raise ValueError(message)
    frame_idx, x, y = entry
    return require_index(frame_idx, "frame_idx of a negative anchor"), float(x), float(y)


def _table(table_schema: schema.TableSchema, rows: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict(table_schema.columns), orient="row")


def _shape(video: Video) -> tuple[int | None, int | None, int | None, int | None]:
    return video.shape or (None, None, None, None)


def _links(key: int, skeleton: Skeleton) -> list[tuple[int, str, int, int, int]]:
    edges = [(key, "edge", a, b, k) for k, (a, b) in enumerate(skeleton.edge_inds)]
    pairs = [(key, "symmetry", a, b, k) for k, (a, b) in enumerate(skeleton.symmetry_inds)]
    return edges + pairs
