"""Which tracks of two projects are the same animal."""

from __future__ import annotations

from typing import Literal, TypeAlias

import polars as pl

from tabular_labels.model.tables import Catalog
from tabular_labels.queries.lineage import known_keys

__all__ = ["TRACK_MATCHES", "TrackRule", "match_tracks"]

TrackRule: TypeAlias = Literal["lineage", "name_and_spawned_on", "name", "classic", "none"]

TRACK_MATCHES: dict[str, pl.DataType | type[pl.DataType]] = {
    "track_id": pl.UInt32,
    "name": pl.String,
    "spawned_on": pl.Int64,
    "base_track_id": pl.UInt32,
    "base_name": pl.String,
    "by": pl.String,
}
"""Columns of the table of matched tracks; ``base_track_id`` is null where there is none."""

_Key: TypeAlias = tuple[object, ...]


def match_tracks(base: Catalog, new: Catalog, rule: TrackRule = "lineage") -> pl.DataFrame:
    """Find for each track of a project the same one of another.

    Trackers number their tracks, so equal names say little: by default only tracks of
    one origin are the same, those of projects with one project id, or those that an
    earlier merge wrote down, if name and ``spawned_on`` are still equal. All others stay
    apart, which can be seen and mended; what was joined cannot be told apart again.

    Args:
        base: The project to find them in.
        new: The project whose tracks are looked for.
        rule: Beside those of one origin, ``name_and_spawned_on`` or ``name`` match tracks
            that are equal in these, if there is one on each side (otherwise ``by`` says
            ``ambiguous``). ``classic`` takes the first equal in both, whatever the origin;
            ``none`` matches nothing.

    Returns:
        One row per track of ``new``, in its order: ``track_id``, ``name``,
        ``spawned_on``, ``base_track_id`` and ``base_name`` (null without a match), ``by``.

    Examples:
        >>> from tabular_labels.model.objects import catalog_tables
        >>> from tabular_labels.model.track import Track
        >>> ours = Catalog(**catalog_tables([], [], [Track(0, "female")]))
        >>> theirs = Catalog(**catalog_tables([], [], [Track(5, "female")]))
        >>> [match_tracks(ours, theirs, rule)["by"][0] for rule in ("lineage", "name")]
        ['none', 'name']

    Source:
        ``Track.matches`` of the classic library.
    """
    columns = ("track_id", "name", "spawned_on")
    mine = list(base.tracks.select(columns).iter_rows())
    theirs = list(new.tracks.select(columns).iter_rows())
    by_key = {row[0]: row for row in mine}
    found: dict[int, tuple[int | None, str]] = {}
    if rule not in ("classic", "none"):
        for there, here in known_keys(base, new, "tracks").items():
            found[there] = here, "lineage"
        said = {row[0]: row[1:] for row in theirs}
        found = {k: v for k, v in found.items() if _says(by_key, v[0]) == said.get(k)}
    if rule in ("name", "name_and_spawned_on", "classic"):
        width = 2 if rule == "name" else 3
        taken = {here for here, _ in found.values()}
        free = _by_value([row for row in mine if row[0] not in taken], width)
        asking = _by_value([row for row in theirs if row[0] not in found], width)
        for value, keys in asking.items():
            fitting = free.get(value, [])
            if rule == "classic" and fitting:
                found |= dict.fromkeys(keys, (fitting[0], "name_and_spawned_on"))
            elif len(fitting) == len(keys) == 1:
                found[keys[0]] = fitting[0], rule
            elif fitting:
                found |= dict.fromkeys(keys, (None, "ambiguous"))
    rows = [
        (*row, here, None if here is None else by_key[here][1], by)
        for row in theirs
        for here, by in [found.get(row[0], (None, "none"))]
    ]
    return pl.DataFrame(rows, schema=TRACK_MATCHES, orient="row")


def _says(by_key: dict[int, tuple[int, str, int]], key: int | None) -> _Key | None:
    return by_key[key][1:] if key is not None and key in by_key else None


def _by_value(rows: list[tuple[int, str, int]], width: int) -> dict[_Key, list[int]]:
    groups: dict[_Key, list[int]] = {}
    for row in rows:
        groups.setdefault(row[1:width], []).append(row[0])
    return groups
