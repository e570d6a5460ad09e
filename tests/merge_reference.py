"""Merging, slow and obvious: place by place, instance by instance."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import tabular_labels as tl
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries.merge_catalog import Keys, MergedCatalog
from tests.reference import Row, in_list_order, rows_of, tables_of

PREDICTED = "predicted"


def merge(
    base: LabelTables, new: LabelTables, catalog: MergedCatalog, strategy: str, tolerance: float
) -> LabelTables:
    """Merge two projects whose keys are decided."""
    ours, theirs = rekeyed(base, catalog.base, catalog), rekeyed(new, catalog.new, catalog)
    merged = _Merge(ours, theirs, strategy, tolerance).run()
    return tables_of(catalog.catalog, merged)


def rekeyed(tables: LabelTables, keys: Keys, catalog: MergedCatalog) -> list[Row]:
    """Write rows with the keys and the nodes of the merged project."""
    names: dict[int, list[str]] = {}
    for row in catalog.catalog.nodes.to_dicts():
        names.setdefault(row["skeleton_id"], []).append(row["name"])
    frames = rows_of(tables)
    for frame in frames:
        frame["video_id"] = keys.videos[frame["video_id"]]
        for instance in frame["instances"]:
            instance["frame"] = frame
            instance["skeleton_id"] = keys.skeletons[instance["skeleton_id"]].skeleton_id
            if instance["track_id"] is not None:
                instance["track_id"] = keys.tracks[instance["track_id"]]
            by_name = {point["node"]: point for point in instance["points"]}
            instance["points"] = [
                by_name.get(name, missing_point(name, place))
                for place, name in enumerate(names.get(instance["skeleton_id"], []))
            ]
    return sorted(frames, key=lambda f: (f["video_id"], f["frame_idx"], f["position"]))


def missing_point(name: str, place: int) -> Row:
    gone = dict.fromkeys(("x", "y", "score"))
    return {**gone, "visible": False, "complete": False, "node": name, "node_id": place}


def are_equal(a: Row, b: Row) -> bool:
    """Compare kind, skeleton, track and points."""
    if any(a[name] != b[name] for name in ("kind", "skeleton_id", "track_id")):
        return False
    for mine, theirs in zip(a["points"], b["points"], strict=True):
        if (mine["x"], mine["y"]) != (theirs["x"], theirs["y"]):
            return False
        if mine["x"] is None or mine["y"] is None:
            continue
        if any(mine[name] != theirs[name] for name in ("visible", "complete", "score")):
            return False
    return True


def distance(a: Row, b: Row) -> float | None:
    """Measure the largest distance between nodes that both have."""
    found = [
        math.hypot(mine["x"] - theirs["x"], mine["y"] - theirs["y"])
        for mine, theirs in zip(a["points"], b["points"], strict=True)
        if None not in (mine["x"], mine["y"], theirs["x"], theirs["y"])
    ]
    return max(found, default=None)


class _Merge:
    def __init__(self, ours: list[Row], theirs: list[Row], strategy: str, tolerance: float) -> None:
        self.ours, self.theirs = ours, theirs
        self.strategy, self.tolerance = strategy, tolerance
        self.added: list[Row] = []  # instances, in order
        self.dropped: list[Row] = []
        self.partner: dict[int, Row] = {}  # by id() of the new instance
        self.redundant: set[int] = set()
        self.twin: dict[int, Row] = {}
        self.frames: list[Row] = list(ours)

    def run(self) -> list[Row]:
        places: dict[tuple[int, int], list[Row]] = {}
        for frame in self.theirs:
            places.setdefault((frame["video_id"], frame["frame_idx"]), []).append(frame)
        new_frames: list[Row] = []
        next_frame = max((frame["frame_id"] for frame in self.ours), default=-1) + 1
        for place, frames in sorted(places.items()):
            here = [f for f in self.ours if (f["video_id"], f["frame_idx"]) == place]
            incoming = self._incoming(frames)
            if here:
                added = self._merge_place(here, incoming)
                self._mark(here, frames, added)
                here[-1].setdefault("extra", []).extend(added)
            else:
                added = incoming
                lead = dict(frames[0])
                lead |= {"frame_id": next_frame + len(new_frames), "instances": [], "extra": added}
                lead["is_negative"] = any(frame["is_negative"] for frame in frames)
                new_frames.append(lead)
            self.added += added
        behind = max((frame["position"] for frame in self.ours), default=-1) + 1
        for k, frame in enumerate(in_list_order(new_frames)):
            frame["position"] = behind + k
        return self._finish(new_frames)

    def _incoming(self, frames: list[Row]) -> list[Row]:
        """Let the first frame take the later ones in."""
        taken: list[Row] = []
        for frame in frames:
            fresh = []
            for instance in frame["instances"]:
                twins = [one for one in taken if are_equal(one, instance)]
                if twins:
                    self.twin[id(instance)] = twins[0]
                else:
                    fresh.append(instance)
            taken += fresh
        return taken

    def _merge_place(self, here: list[Row], incoming: list[Row]) -> list[Row]:
        ours = [instance for frame in here for instance in frame["instances"]]
        met: list[Row] = []
        left = []
        for rank, instance in enumerate(incoming):
            equal = [one for one in ours if are_equal(one, instance)]
            if rank < len(ours) and are_equal(ours[rank], instance):
                self.partner[id(instance)] = ours[rank]
            elif equal:
                self.partner[id(instance)] = equal[0]
            else:
                left.append(instance)
                continue
            self.redundant.add(id(instance))
        met = [one for one in ours if any(are_equal(one, instance) for instance in incoming)]
        unmet = [one for one in ours if not any(one is other for other in met)]
        pairs = self._pairs(unmet, left)
        for mine, theirs, _ in pairs:
            self.partner[id(theirs)] = mine
        at_odds = [theirs for mine, theirs, _ in pairs if mine["kind"] == theirs["kind"]]
        in_conflict = [mine for mine, theirs, _ in pairs if mine["kind"] == theirs["kind"]]
        if self.tolerance == 0:
            for kind in ("user", PREDICTED):
                a = [one for one in unmet if one["kind"] == kind]
                b = [one for one in left if one["kind"] == kind]
                if a and b:
                    in_conflict += a
                    at_odds += b
        return self._decide(unmet, left, pairs, at_odds, in_conflict)

    def _pairs(self, ours: list[Row], theirs: list[Row]) -> list[tuple[Row, Row, float | None]]:
        found: list[tuple[Row, Row, float | None]] = []

        def is_free(a: int, b: int) -> bool:
            return not any(ours[a] is m or theirs[b] is t for m, t, _ in found)

        near = [
            (far, a, b)
            for a, mine in enumerate(ours)
            for b, other in enumerate(theirs)
            if mine["skeleton_id"] == other["skeleton_id"]
            and (far := distance(mine, other)) is not None
            and far <= self.tolerance
        ]
        for same_kind in (True, False):
            for far, a, b in sorted(near):
                if (ours[a]["kind"] == theirs[b]["kind"]) is same_kind and is_free(a, b):
                    found.append((ours[a], theirs[b], far))
        tried = set()
        for mine in ours:
            what = tuple(mine[name] for name in ("kind", "skeleton_id", "track_id"))
            is_paired = any(mine is m for m, _, _ in found)
            if mine["track_id"] is None or what in tried or is_paired:
                continue
            tried.add(what)
            for b, other in enumerate(theirs):
                same = tuple(other[name] for name in ("kind", "skeleton_id", "track_id")) == what
                if same and not any(other is t for _, t, _ in found):
                    found.append((mine, theirs[b], None))
                    break
        return found

    def _decide(
        self,
        unmet: list[Row],
        left: list[Row],
        pairs: list[tuple[Row, Row, float | None]],
        at_odds: list[Row],
        in_conflict: list[Row],
    ) -> list[Row]:
        if self.strategy == "keep_both":
            return left
        if self.strategy == "keep_base":
            return [one for one in left if not has(at_odds, one)]
        if self.strategy == "keep_new":
            self.dropped += in_conflict
            return left
        if self.strategy == "user_over_predicted":
            loses = [theirs for mine, theirs, _ in pairs if mine["kind"] == "user"]
            self.dropped += [mine for mine, _, _ in pairs if mine["kind"] == PREDICTED]
            return [one for one in left if not has(loses, one)]
        if self.strategy == "replace_predictions":
            self.dropped += [one for one in unmet if one["kind"] == PREDICTED]
            return [one for one in left if one["kind"] == PREDICTED]
        for mine, theirs, far in pairs:
            if far is not None and theirs["track_id"] is not None:
                mine["track_id"] = theirs["track_id"]
                mine["tracking_score"] = theirs["tracking_score"]
        return []

    def _mark(self, here: list[Row], frames: list[Row], added: list[Row]) -> None:
        target = here[-1]
        kept = [one for one in target["instances"] if not has(self.dropped, one)]
        is_said = any(frame["is_negative"] for frame in frames)
        is_known = any(frame["is_negative"] for frame in here)
        if is_said and not is_known and not any(one["kind"] == "user" for one in kept):
            target["is_negative"] = True
        if any(one["kind"] == "user" for one in added):
            target["is_negative"] = False

    def _finish(self, new_frames: list[Row]) -> list[Row]:
        ours = [one for frame in self.ours for one in frame["instances"]]
        theirs = [one for frame in self.theirs for one in frame["instances"]]
        first = max((one["instance_id"] for one in ours), default=-1) + 1
        # Keys are given by place; a frame's own instances come in their order.
        keys = {id(one): first + k for k, one in enumerate(self.added)}
        by_id = {one["instance_id"]: one for one in ours}
        new_by_id = {one["instance_id"]: one for one in theirs}

        def stand_in(one: Row) -> Row | None:
            """Return what stands for an instance in the merged project."""
            if id(one) in keys:
                return one
            if has(ours, one):
                if not has(self.dropped, one):
                    return one
                takers = [
                    a for a in self.added if id(a) in self.partner and self.partner[id(a)] is one
                ]
                return takers[0] if takers else None
            if id(one) in self.twin:
                return stand_in(self.twin[id(one)])
            return stand_in(self.partner[id(one)]) if id(one) in self.partner else None

        def link(one: Row, known: dict[int, Row]) -> int | None:
            if one["from_predicted"] is None:
                return None
            found = stand_in(known[one["from_predicted"]])
            if found is None or (found["kind"] == "user" and one["kind"] == "user"):
                return None
            key: int = keys[id(found)] if id(found) in keys else found["instance_id"]
            return key

        frames = sorted(
            self.ours + new_frames, key=lambda f: (f["video_id"], f["frame_idx"], f["position"])
        )
        merged = []
        for frame in frames:
            kept = [one for one in frame["instances"] if not has(self.dropped, one)]
            rows = [one | {"from_predicted": link(one, by_id)} for one in kept]
            rows += [
                one | {"instance_id": keys[id(one)], "from_predicted": link(one, new_by_id)}
                for one in frame.get("extra", [])
            ]
            placed = [
                row | {"frame_id": frame["frame_id"], "instance_idx": place}
                for place, row in enumerate(rows)
            ]
            merged.append(frame | {"instances": placed})
        return merged


def has(rows: list[Row], one: Row) -> bool:
    return any(row is one for row in rows)


def contents(tables: LabelTables) -> list[tuple[Any, ...]]:
    """List what each instance says and where, without keys, sorted: a multiset."""
    videos = dict(tables.catalog.videos.select("video_id", "filename").iter_rows())
    tracks = dict(tables.catalog.tracks.select("track_id", "name").iter_rows())
    return sorted(
        (
            repr(
                (
                    videos[frame["video_id"]],
                    frame["frame_idx"],
                    instance["kind"],
                    tracks.get(instance["track_id"]),
                    [say(point) for point in sorted(instance["points"], key=name_of)],
                )
            ),
        )
        for frame in rows_of(tables)
        for instance in frame["instances"]
    )


def name_of(point: Row) -> str:
    return str(point["node"])


def say(point: Row) -> tuple[Any, ...]:
    """Tell a point; nothing more of one that is missing."""
    place = (point["node"], point["x"], point["y"])
    if None in place:
        return place
    return (*place, point["visible"], point["complete"], point["score"])


def without_provenance(tables: LabelTables) -> LabelTables:
    return replace(tables, catalog=replace(tables.catalog, provenance={}))


# The classic merge


def classic(
    base: LabelTables, new: LabelTables, catalog: MergedCatalog
) -> tuple[list[Any], list[Any], list[Any], list[Any]]:
    """Merge as `complex_merge_between`, frame by frame; return what stays and what is held.

    Each list has ``(video_id, frame_idx)`` and what the instances say.
    """
    ours, theirs = rekeyed(base, catalog.base, catalog), rekeyed(new, catalog.new, catalog)
    added, extra_base, extra_new, kept = [], [], [], []
    places: dict[tuple[int, int], list[Row]] = {}
    for frame in theirs:
        places.setdefault((frame["video_id"], frame["frame_idx"]), []).append(frame)
    incoming = {place: _unlike(frames) for place, frames in places.items()}
    for frame in ours:
        place = frame["video_id"], frame["frame_idx"]
        here = [i for f in ours if (f["video_id"], f["frame_idx"]) == place for i in f["instances"]]
        fresh = [i for i in incoming.get(place, []) if not any(are_equal(o, i) for o in here)]
        lonely = [o for o in here if not any(are_equal(o, i) for i in incoming.get(place, []))]
        kinds = {o["kind"] for o in lonely} & {i["kind"] for i in fresh}
        stays = [o for o in frame["instances"] if not (kinds and has(lonely, o))]
        kept += [(place, told(one)) for one in stays]
        is_last = not any(
            f is not frame and (f["video_id"], f["frame_idx"]) == place
            and f["position"] > frame["position"]
            for f in ours
        )  # fmt: skip
        if kinds:
            extra_base += [(place, told(one)) for one in frame["instances"] if has(lonely, one)]
            extra_new += [(place, told(one)) for one in fresh if is_last]
        elif is_last:
            added += [(place, told(one)) for one in fresh]
    taken = {(frame["video_id"], frame["frame_idx"]) for frame in ours}
    for place, instances in incoming.items():
        if place not in taken:
            added += [(place, told(one)) for one in instances]
    return added, extra_base, extra_new, kept


def _unlike(frames: list[Row]) -> list[Row]:
    taken: list[Row] = []
    for frame in frames:
        fresh = [i for i in frame["instances"] if not any(are_equal(o, i) for o in taken)]
        taken += fresh
    return taken


def told(instance: Row) -> str:
    points = [say(point) for point in instance["points"]]
    return repr((instance["kind"], instance["track_id"], instance["skeleton_id"], points))


def tracks_by_value(catalog: MergedCatalog) -> tuple[MergedCatalog, bool]:
    """Let tracks that say the same have one key, by which the slow way compares.

    Also tell whether all tracks say something different.
    """
    rows = catalog.catalog.tracks.select("track_id", "name", "spawned_on").rows()
    first: dict[Any, int] = {}
    same = {key: first.setdefault(said, key) for key, *rest in rows for said in [tuple(rest)]}
    by_value = replace(
        catalog,
        base=replace(catalog.base, tracks={k: same[v] for k, v in catalog.base.tracks.items()}),
        new=replace(catalog.new, tracks={k: same[v] for k, v in catalog.new.tracks.items()}),
    )
    return by_value, len(first) == len(same)


def told_labels(labels: tl.Labels) -> list[Any]:
    return sorted(
        ((frame["video_id"], frame["frame_idx"]), told(one))
        for frame in rows_of(labels._snapshot.tables())
        for one in frame["instances"]
    )


def told_frames(frames: Any) -> list[Any]:
    if not len(frames):
        return []
    return told_labels(tl.Labels.from_snapshot(frames._rows.snapshot, frames._rows.objects))
