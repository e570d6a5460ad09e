"""Which rows of earlier projects became which rows here: what merges leave in provenance."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from typing import Any

from tabular_labels.model.tables import Catalog

__all__ = ["LINEAGE_KEY", "PROJECTS_KEPT", "known_keys", "with_lineage"]

LINEAGE_KEY = "tabular_labels.lineage"
PROJECTS_KEPT = 64
"""Provenance keeps the lineage of so many projects, the latest ones."""


def known_keys(base: Catalog, new: Catalog, things: str) -> dict[int, int]:
    """Return which keys of two projects have one origin.

    Equal project ids mean equal keys; otherwise what an earlier merge wrote down, in
    either project, is used.

    Args:
        base: One project.
        new: Another.
        things: ``videos`` or ``tracks``.

    Returns:
        Keys of ``base`` by keys of ``new``. The rows themselves may have changed since,
        or may be gone: who uses them compares what they say.

    Examples:
        >>> known_keys(Catalog(), Catalog(), "tracks")
        {}
    """
    if base.project_id == new.project_id:
        key = f"{things[:-1]}_id"
        there = set(getattr(base, things)[key].to_list())
        return {k: k for k in getattr(new, things)[key].to_list() if k in there}
    # What was merged into the base, and what the base was merged into.
    forward = _spread(_entry(base, new.project_id, things))
    backward = _spread(_entry(new, base.project_id, things))
    return {theirs: ours for ours, theirs in backward.items()} | forward


def with_lineage(
    provenance: Mapping[str, Any],
    new: Catalog,
    videos: Mapping[int, int],
    tracks: Mapping[int, int],
) -> dict[str, Any]:
    """Write down what the keys of a merged project became.

    Args:
        provenance: Of the project that takes it in.
        new: The project that was merged.
        videos: Keys of videos here by keys there.
        tracks: Keys of tracks here by keys there.

    Returns:
        A new provenance. The latest `PROJECTS_KEPT` projects are kept.

    Examples:
        >>> new = Catalog(project_id="b")
        >>> with_lineage({}, new, {}, {0: 4, 1: 5, 7: 1})[LINEAGE_KEY]
        {'b': {'videos': [], 'tracks': [[0, 4, 2], [7, 1, 1]]}}
    """
    known = dict(_projects(provenance))
    # What the other project knew of a third one holds here too.
    for project, entry in _projects(new.provenance).items():
        if isinstance(entry, Mapping) and project not in known:
            known[project] = {
                things: _runs(_through(_spread(entry.get(things)), onward))
                for things, onward in (("videos", videos), ("tracks", tracks))
            }
    known.pop(new.project_id, None)
    known[new.project_id] = {"videos": _runs(videos), "tracks": _runs(tracks)}
    return {**provenance, LINEAGE_KEY: dict(list(known.items())[-PROJECTS_KEPT:])}


def _through(first: Mapping[int, int], then: Mapping[int, int]) -> dict[int, int]:
    return {key: then[value] for key, value in first.items() if value in then}


def _projects(provenance: Mapping[str, Any]) -> Mapping[str, Any]:
    found = provenance.get(LINEAGE_KEY)
    return found if isinstance(found, Mapping) else {}


def _entry(catalog: Catalog, project_id: str, things: str) -> object:
    entry = _projects(catalog.provenance).get(project_id)
    return entry.get(things) if isinstance(entry, Mapping) else None


def _runs(keys: Mapping[int, int]) -> list[list[int]]:
    """Write pairs of keys as runs: first key there, first key here, how many."""
    pairs = sorted(keys.items())
    steps = groupby(enumerate(pairs), lambda item: (item[1][0] - item[0], item[1][1] - item[0]))
    return [[*run[0][1], len(run)] for run in (list(group) for _, group in steps)]


def _spread(runs: object) -> dict[int, int]:
    """Read runs of keys; anyone may have written them, so what is none is passed over."""
    keys: dict[int, int] = {}
    for run in runs if isinstance(runs, list) else ():
        if not (isinstance(run, list) and len(run) == 3 and all(type(n) is int for n in run)):
            continue
        there, here, count = run
        if 0 <= there < 2**32 and 0 <= here < 2**32 and 0 < count <= 2**20:
            keys |= dict(zip(range(there, there + count), range(here, here + count), strict=True))
    return keys
