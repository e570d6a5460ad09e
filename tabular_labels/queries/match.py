"""What of one project is the same as what of another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import polars as pl

from tabular_labels.errors import MergeError
from tabular_labels.model.tables import Catalog
from tabular_labels.queries.match_skeletons import match_nodes, match_skeletons
from tabular_labels.queries.match_tracks import TrackRule, match_tracks
from tabular_labels.queries.match_videos import VideoRule, match_videos
from tabular_labels.queries.video_marks import NO_MARKS, VideoMarks

__all__ = ["CatalogMatch", "match_catalogs"]


@dataclass(frozen=True)
class CatalogMatch:
    """Which videos, skeletons, nodes and tracks of ``new`` are which ones of ``base``.

    Attributes:
        base: The project that takes the other in.
        new: The project to be taken in.
        videos: See `match_videos`.
        skeletons: See `match_skeletons`.
        nodes: See `match_nodes`.
        tracks: See `match_tracks`.
    """

    base: Catalog
    new: Catalog
    videos: pl.DataFrame
    skeletons: pl.DataFrame
    nodes: pl.DataFrame
    tracks: pl.DataFrame

    def keys(self, things: str) -> dict[int, int]:
        """Return keys of ``base`` by keys of ``new``, without those that have no match.

        Args:
            things: ``videos``, ``skeletons`` or ``tracks``.
        """
        key = f"{things[:-1]}_id"
        pairs = getattr(self, things).select(key, f"base_{key}").iter_rows()
        return {there: here for there, here in pairs if here is not None}

    def with_keys(self, things: str, keys: Mapping[int, int | None]) -> CatalogMatch:
        """Say which are the same, whatever was found.

        Args:
            things: ``videos``, ``skeletons`` or ``tracks``.
            keys: Keys of ``base``, or None for no match, by keys of ``new``.

        Returns:
            A new match, in which ``by`` of these rows says ``given``.

        Raises:
            MergeError: There is no such key, or two videos would become one.
        """
        key = f"{things[:-1]}_id"
        table: pl.DataFrame = getattr(self, things)
        here: pl.DataFrame = getattr(self.base, things)
        text = "filename" if things == "videos" else "name"
        named = dict(here.select(key, text).iter_rows())
        unknown = sorted(set(keys) - set(table[key].to_list()))
        lost = sorted({k for k in keys.values() if k is not None} - set(named))
        if unknown or lost:
            where, wrong = ("new", unknown) if unknown else ("base", lost)
            message = (
                f"{things}: found keys {wrong[:5]}, expected keys of the {where} project. "
                f"Look at the {things} of the match for those there are."
            )
            raise MergeError(message)
        changed = {there: (here, named.get(here), "given") for there, here in keys.items()}
        rows = [
            {**row, f"base_{key}": found[0], f"base_{text}": found[1], "by": found[2]}
            if (found := changed.get(row[key]))
            else row
            for row in table.to_dicts()
        ]
        made = replace(self, **{things: pl.DataFrame(rows, schema=table.schema)})  # type: ignore[arg-type]  # a table
        if things == "skeletons":
            made = replace(made, nodes=match_nodes(self.base, self.new, made.keys("skeletons")))
        return made

    def require_sound(self) -> None:
        """Refuse a match in which different things would become one.

        Raises:
            MergeError: Two videos of ``new`` are the same one of ``base``; or two
                skeletons share no node that could be matched.
        """
        pairs = self.videos.drop_nulls("base_video_id")
        twice = pairs.filter(pl.col("base_video_id").is_duplicated())
        if twice.height:
            names = twice["filename"].to_list()
            message = (
                f"{twice.height} videos of the new project, {names[:4]}, would become the video "
                f"{twice['base_filename'][0]!r}; expected one at most. Give the others no match."
            )
            raise MergeError(message)
        nodes = self.nodes.drop_nulls("base_skeleton_id")
        common = set(nodes.drop_nulls("base_node_id")["skeleton_id"].to_list())
        for there, here in self.keys("skeletons").items():
            n_nodes = self.base.nodes.filter(skeleton_id=here).height
            if there not in common and n_nodes and nodes.filter(skeleton_id=there).height:
                message = (
                    f"skeletons {there} (new) and {here} (base) have no node name in common, "
                    "expected one at least. Give the new skeleton no match, to keep both."
                )
                raise MergeError(message)


def match_catalogs(
    base: Catalog,
    new: Catalog,
    *,
    videos: VideoRule = "auto",
    tracks: TrackRule = "lineage",
    marks: VideoMarks = NO_MARKS,
) -> CatalogMatch:
    """Find what of one project is the same as what of another.

    Args:
        base: The project that takes the other in.
        new: The project to be taken in.
        videos: See `match_videos`.
        tracks: See `match_tracks`.
        marks: What only the videos themselves can say, see `match_videos`.

    Examples:
        >>> match_catalogs(Catalog(), Catalog()).videos.height
        0
    """
    skeletons = match_skeletons(base, new)
    keys = dict(skeletons.select("skeleton_id", "base_skeleton_id").drop_nulls().iter_rows())
    return CatalogMatch(
        base,
        new,
        match_videos(base, new, videos, marks),
        skeletons,
        match_nodes(base, new, keys),
        match_tracks(base, new, tracks),
    )
