"""`Match`: what of two labels is the same, to look at and to change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from tabular_labels.errors import MergeError
from tabular_labels.model.arguments import as_index
from tabular_labels.model.objects import Objects
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.tables import Catalog
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video
from tabular_labels.queries.match import CatalogMatch, match_catalogs
from tabular_labels.queries.match_tracks import TrackRule
from tabular_labels.queries.match_videos import VideoRule
from tabular_labels.video_marks import mark_videos

if TYPE_CHECKING:
    from tabular_labels.labels_core import LabelsCore

__all__ = ["Match", "TrackMatching", "VideoMatching", "as_text", "match_labels", "match_snapshots"]

VideoMatching: TypeAlias = VideoRule | Mapping[Any, Any]
TrackMatching: TypeAlias = TrackRule | Mapping[Any, Any]

_VIDEO_RULES = ("auto", "classic", "name", "shape", "none")
_TRACK_RULES = ("lineage", "name_and_spawned_on", "name", "classic", "none")
_ROWS_SHOWN = 30


class Match:
    """What of other labels is the same as what of these.

    Prints as tables. What was found can be changed before it is used: `set_video`,
    `set_skeleton`, `set_track`.

    Examples:
        >>> import tabular_labels as tl
        >>> ours = tl.Labels([tl.LabeledFrame(tl.Video("/lab/day1/left.mp4"), 0)])
        >>> theirs = tl.Labels([tl.LabeledFrame(tl.Video("/lab/day2/left.mp4"), 0)])
        >>> match = ours.match(theirs)
        >>> match.videos["by"].to_list()
        ['ambiguous']
        >>> match.set_video(theirs.video, ours.video)
        >>> match.videos["by"].to_list()
        ['given']
    """

    def __init__(self, found: CatalogMatch, base: Objects, new: Objects) -> None:
        self._found = found
        self._base = base
        self._new = new

    @property
    def found(self) -> CatalogMatch:
        """The match of the small tables."""
        return self._found

    @property
    def new_objects(self) -> Objects:
        """The objects of the other labels."""
        return self._new

    @property
    def videos(self) -> pl.DataFrame:
        """One row per video of the other labels, see `queries.match_videos.match_videos`."""
        return self._found.videos

    @property
    def skeletons(self) -> pl.DataFrame:
        """One row per skeleton of the other labels."""
        return self._found.skeletons

    @property
    def nodes(self) -> pl.DataFrame:
        """One row per node of the other labels; those without a match will be added."""
        return self._found.nodes

    @property
    def tracks(self) -> pl.DataFrame:
        """One row per track of the other labels."""
        return self._found.tracks

    @property
    def video_map(self) -> dict[Video, Video | None]:
        """Videos of these labels, or None, by videos of the others."""
        return self._map("videos", self._new.video_by_id, self._base.video_by_id)

    @property
    def skeleton_map(self) -> dict[Skeleton, Skeleton | None]:
        """Skeletons of these labels, or None, by skeletons of the others."""
        return self._map("skeletons", self._new.skeleton_by_id, self._base.skeleton_by_id)

    @property
    def track_map(self) -> dict[Track, Track | None]:
        """Tracks of these labels, or None, by tracks of the others."""
        return self._map("tracks", self._new.track_by_id, self._base.track_by_id)

    def _map(self, things: str, new: Mapping[int, Any], base: Mapping[int, Any]) -> dict[Any, Any]:
        keys = self._found.keys(things)
        return {thing: base[keys[key]] if key in keys else None for key, thing in new.items()}

    def set_video(self, video: Any, same_as: Any) -> None:
        """Say which video of these labels a video of the others is; None for none.

        Args:
            video: Of the other labels: a `Video`, its place in their list, or its filename.
            same_as: Of these labels, likewise.

        Raises:
            MergeError: There is no such video, or several have that filename.
        """
        self._set("videos", _key_of_video, video, same_as)

    def set_skeleton(self, skeleton: Any, same_as: Any) -> None:
        """Say which skeleton of these labels a skeleton of the others is; None for none.

        Args:
            skeleton: Of the other labels: a `Skeleton`, its place in their list, or its name.
            same_as: Of these labels, likewise. Nodes are matched by their names.

        Raises:
            MergeError: There is no such skeleton, or several have that name.
        """
        self._set("skeletons", _key_of_skeleton, skeleton, same_as)

    def set_track(self, track: Any, same_as: Any) -> None:
        """Say which track of these labels a track of the others is; None for none.

        Args:
            track: Of the other labels: a `Track`, its place in their list, or its name.
            same_as: Of these labels, likewise.

        Raises:
            MergeError: There is no such track, or several have that name.
        """
        self._set("tracks", _key_of_track, track, same_as)

    def _set(self, things: str, key_of: Callable[[Objects, Any], int], new: Any, base: Any) -> None:
        here = None if base is None else key_of(self._base, base)
        self._found = self._found.with_keys(things, {key_of(self._new, new): here})

    def __str__(self) -> str:
        """Show all tables but that of nodes that keep their names and places."""
        added = self.nodes.filter(
            pl.col("base_skeleton_id").is_not_null() & pl.col("base_node_id").is_null()
        )
        tables = {"videos": self.videos, "skeletons": self.skeletons, "tracks": self.tracks}
        if added.height:
            tables["nodes to be added"] = added.select("skeleton_id", "name")
        return "\n".join(f"{name}:\n{as_text(table)}" for name, table in tables.items())

    __repr__ = __str__


def as_text(table: pl.DataFrame) -> str:
    """Write a table for people."""
    with pl.Config(
        tbl_rows=_ROWS_SHOWN,
        tbl_cols=-1,
        fmt_str_lengths=60,
        tbl_width_chars=160,
        tbl_hide_column_data_types=True,
        tbl_formatting="UTF8_BORDERS_ONLY",
    ):
        return str(table)


def match_labels(
    base: LabelsCore,
    new: LabelsCore,
    videos: VideoMatching = "auto",
    tracks: TrackMatching = "lineage",
) -> Match:
    """Match two labels, see `Labels.match`."""
    return match_snapshots(base._catalog, base._objects, new, videos, tracks)


def match_snapshots(
    catalog: Catalog,
    objects: Objects,
    new: LabelsCore,
    videos: VideoMatching,
    tracks: TrackMatching,
) -> Match:
    """Match labels with small tables and their objects."""
    video_rule: Any = _rule("videos", videos, _VIDEO_RULES, "auto")
    track_rule: Any = _rule("tracks", tracks, _TRACK_RULES, "lineage")
    marks = mark_videos(objects, new._objects)
    found = match_catalogs(catalog, new._catalog, videos=video_rule, tracks=track_rule, marks=marks)
    match = Match(found, objects, new._objects)
    for given, put in ((videos, match.set_video), (tracks, match.set_track)):
        if isinstance(given, Mapping):
            for theirs, ours in given.items():
                put(theirs, ours)
    return match


def _rule(what: str, given: object, rules: tuple[str, ...], default: str) -> str:
    if isinstance(given, Mapping):
        return default
    if isinstance(given, str) and given in rules:
        return given
    message = (
        f"{what}: found {given!r}, expected one of {', '.join(rules)}, or a mapping from those of "
        "the other labels to those of these. Choose one."
    )
    raise MergeError(message)


def _key_of_video(objects: Objects, video: Any) -> int:
    return _key_of("video", objects.video_by_id, video, lambda one: one.filename)


def _key_of_skeleton(objects: Objects, skeleton: Any) -> int:
    return _key_of("skeleton", objects.skeleton_by_id, skeleton, lambda one: one.name)


def _key_of_track(objects: Objects, track: Any) -> int:
    return _key_of("track", objects.track_by_id, track, lambda one: one.name)


def _key_of(
    what: str, by_id: Mapping[int, Any], given: Any, name_of: Callable[[Any], str | None]
) -> int:
    """Return the key of an object, of its place in the list, or of its name."""
    place = as_index(given)
    keys = list(by_id)
    if place is not None and -len(keys) <= place < len(keys):
        return keys[place]
    same = [key for key, thing in by_id.items() if thing is given or name_of(thing) == given]
    if len(same) == 1:
        return same[0]
    names = [name_of(thing) for thing in by_id.values()][:8]
    message = (
        f"{what}: found {given!r}, which {len(same)} of the labels' {len(keys)} are, expected "
        f"one of {names}. Pass the object itself, or its place in the list."
    )
    raise MergeError(message)
