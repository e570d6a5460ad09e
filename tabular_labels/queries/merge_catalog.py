"""The small tables of two projects as those of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from tabular_labels._types import IntArray
from tabular_labels.errors import MergeError
from tabular_labels.model.layout import NodeMap
from tabular_labels.model.tables import Catalog
from tabular_labels.queries.match import CatalogMatch

__all__ = ["Keys", "MergedCatalog", "merge_catalogs"]


@dataclass(frozen=True)
class Keys:
    """What the keys of one project become in the merged one.

    Attributes:
        videos: ``video_id`` there by ``video_id`` here.
        tracks: ``track_id`` there by ``track_id`` here.
        skeletons: What each skeleton becomes, by ``skeleton_id`` here.
    """

    videos: Mapping[int, int]
    tracks: Mapping[int, int]
    skeletons: Mapping[int, NodeMap]

    @property
    def moves_nodes(self) -> bool:
        """Whether some points get another place."""
        return any(nodes.nodes is not None for nodes in self.skeletons.values())


@dataclass(frozen=True)
class MergedCatalog:
    """The merged small tables, and what the keys of both projects become in them."""

    catalog: Catalog
    base: Keys
    new: Keys


def merge_catalogs(match: CatalogMatch, first: Mapping[str, int] | None = None) -> MergedCatalog:
    """Merge the small tables of two projects.

    Videos, skeletons, nodes, tracks, suggestions and negative anchors of ``new`` that
    ``base`` does not have are appended, in their order. Everything of ``base`` keeps its
    key, and so do its provenance, project id and attachments. Added nodes bring the
    edges and symmetries that lead to them; other edges stay as ``base`` has them.

    Args:
        match: What is the same in both.
        first: Keys of a ``video``, ``track`` or ``skeleton`` below these are not given:
            others may still name what they stood for.

    Returns:
        The merged catalog and the keys.

    Raises:
        MergeError: The match joins what cannot be one, or there are more keys than fit.

    Examples:
        >>> from tabular_labels.queries.match import match_catalogs
        >>> merge_catalogs(match_catalogs(Catalog(), Catalog())).catalog.videos.height
        0
    """
    match.require_sound()
    base, new = match.base, match.new
    first = first or {}
    videos, all_videos = _append(match, "video", 2**32 - 1, first)
    tracks, all_tracks = _append(match, "track", 2**32 - 1, first)
    skeletons, all_skeletons = _append(match, "skeleton", 2**16 - 1, first)
    places, nodes = _merge_nodes(match, skeletons)
    edges = _merge_edges(match, skeletons, places)
    catalog = replace(
        base,
        videos=all_videos,
        tracks=all_tracks,
        skeletons=all_skeletons,
        nodes=nodes,
        edges=edges,
        suggestions=_merge_marks(base.suggestions, new.suggestions, videos, 2),
        negative_anchors=_merge_marks(base.negative_anchors, new.negative_anchors, videos, 4),
    )
    same = {key: key for key in base.skeletons["skeleton_id"].to_list()}
    own = {key: dict(enumerate(range(_count(base, key)))) for key in same}
    return MergedCatalog(
        catalog,
        Keys(
            {key: key for key in base.videos["video_id"].to_list()},
            {key: key for key in base.tracks["track_id"].to_list()},
            _node_maps(base, catalog, same, own),
        ),
        Keys(videos, tracks, _node_maps(new, catalog, skeletons, places)),
    )


def _append(
    match: CatalogMatch, thing: str, most: int, firsts: Mapping[str, int]
) -> tuple[dict[int, int], pl.DataFrame]:
    """Give rows without a match new keys behind those of the base."""
    key, things = f"{thing}_id", f"{thing}s"
    here, there = getattr(match.base, things), getattr(match.new, things)
    known = match.keys(things)
    first = max((int(here[key].max()) + 1) if here.height else 0, firsts.get(thing, 0))
    added = [k for k in there[key].to_list() if k not in known]
    if first + len(added) > most + 1:
        message = (
            f"{things}: found keys up to {first - 1} and {len(added)} more to be added, expected "
            f"keys up to {most}. Write the base project and read it again: keys count from 0 then."
        )
        raise MergeError(message)
    keys = {**known, **{k: first + place for place, k in enumerate(added)}}
    if not added:
        return keys, here
    rows = there.filter(pl.col(key).is_in(pl.Series(added, dtype=there.schema[key]).implode()))
    new_keys = pl.Series(key, [keys[k] for k in rows[key].to_list()], dtype=there.schema[key])
    return keys, pl.concat([here, rows.with_columns(new_keys)])


def _count(catalog: Catalog, skeleton_id: int) -> int:
    n_nodes = catalog.n_nodes
    return int(n_nodes[skeleton_id]) if skeleton_id < len(n_nodes) else 0


def _merge_nodes(
    match: CatalogMatch, skeletons: Mapping[int, int]
) -> tuple[dict[int, dict[int, int]], pl.DataFrame]:
    """Place each node of ``new``; nodes without a match follow those of the skeleton."""
    places: dict[int, dict[int, int]] = {key: {} for key in skeletons}
    added = []
    weights = match.new.nodes.rows_by_key(["skeleton_id", "node_id"], unique=True)
    counts = {there: _count(match.base, there) for there in skeletons.values()}
    made: dict[tuple[int, str], int] = {}
    for row in match.nodes.to_dicts():
        key, node = row["skeleton_id"], row["node_id"]
        there, place = skeletons[key], row["base_node_id"]
        name, weight = weights[key, node][-2:]
        if place is None and (there, name) in made:
            place = made[there, name]
        elif place is None:
            place = made[there, name] = counts[there]
            counts[there] += 1
            added.append((there, place, name, weight))
        places[key][node] = place
    table = match.base.nodes
    if added:
        rows = pl.DataFrame(added, schema=table.schema, orient="row")
        table = pl.concat([table, rows]).sort("skeleton_id", "node_id", maintain_order=True)
    return places, table


def _merge_edges(
    match: CatalogMatch, skeletons: Mapping[int, int], places: Mapping[int, Mapping[int, int]]
) -> pl.DataFrame:
    """Add the edges of added skeletons, and those that lead to added nodes."""
    table = match.base.edges
    known = {row[:4] for row in table.iter_rows()}
    next_place: dict[tuple[int, str], int] = {}
    for key, kind, _, _, position in table.iter_rows():
        next_place[key, kind] = max(next_place.get((key, kind), 0), position + 1)
    added = []
    for key, kind, source, target, _ in match.new.edges.sort(
        "skeleton_id", "kind", "position"
    ).iter_rows():
        there = skeletons[key]
        ends = places[key][source], places[key][target]
        row = (there, kind, *ends)
        reverse = (there, kind, *ends[::-1])
        is_known = row in known or (kind == "symmetry" and reverse in known)
        if max(ends) < _count(match.base, there) or is_known:
            continue
        place = next_place.get((there, kind), 0)
        next_place[there, kind] = place + 1
        known.add(row)
        added.append((*row, place))
    if not added:
        return table
    rows = pl.DataFrame(added, schema=table.schema, orient="row")
    order = ("skeleton_id", "kind", "position")
    return pl.concat([table, rows]).sort(order, maintain_order=True)


def _node_maps(
    before: Catalog,
    after: Catalog,
    skeletons: Mapping[int, int],
    places: Mapping[int, Mapping[int, int]],
) -> dict[int, NodeMap]:
    maps = {}
    for key, there in skeletons.items():
        n_before, n_after = _count(before, key), _count(after, there)
        nodes: IntArray = np.full(n_after, -1, np.int64)
        for mine, place in places[key].items():
            nodes[place] = mine
        is_same = n_before == n_after and bool((nodes == np.arange(n_after)).all())
        maps[key] = NodeMap(there, None if is_same else nodes, n_before)
    return maps


def _merge_marks(
    mine: pl.DataFrame, theirs: pl.DataFrame, videos: Mapping[int, int], width: int
) -> pl.DataFrame:
    """Append what is said of places that the first ``width`` columns do not say yet."""
    known = {row[:width] for row in mine.iter_rows()}
    added = [(videos[row[0]], *row[1:]) for row in theirs.iter_rows()]
    added = [row for row in added if row[:width] not in known]
    return pl.concat([mine, pl.DataFrame(added, schema=mine.schema, orient="row")])
