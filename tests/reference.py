"""Slow, obvious, row-by-row versions of the queries, to hold the fast ones against.

Everything here works on plain Python rows as `rows_of` makes them: a list of frames in
canonical order, each a dict with its ``instances``, each of those with its ``points``.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Container
from typing import Any, TypeAlias

import polars as pl

from tabular_labels.model.schema import FRAMES, INSTANCES, POINTS, TABLES
from tabular_labels.model.tables import Catalog, LabelTables

Row: TypeAlias = dict[str, Any]  # a value of any column
Run: TypeAlias = tuple[int, int | None, int, int]


def rows_of(tables: LabelTables) -> list[Row]:
    """List the frames with their instances with their points."""
    nodes: dict[int, list[str]] = {}
    for node in tables.catalog.nodes.sort("skeleton_id", "node_id").to_dicts():
        nodes.setdefault(node["skeleton_id"], []).append(node["name"])
    points = iter(tables.points.to_dicts())
    instances: dict[int, list[Row]] = {}
    for row, instance in enumerate(tables.instances.to_dicts()):
        names = nodes.get(instance["skeleton_id"], [])
        own = [{**next(points), "node": name, "node_id": k} for k, name in enumerate(names)]
        instance |= {"row": row, "points": own}
        instances.setdefault(instance["frame_id"], []).append(instance)
    assert next(points, None) is None
    frames = tables.frames.to_dicts()
    return [
        frame | {"row": row, "instances": instances.get(frame["frame_id"], [])}
        for row, frame in enumerate(frames)
    ]


def tables_of(catalog: Catalog, frames: list[Row]) -> LabelTables:
    """Put frames back into tables."""
    instances = [instance for frame in frames for instance in frame["instances"]]
    points = [point for instance in instances for point in instance["points"]]
    empty = LabelTables()
    return LabelTables(
        catalog,
        *(
            pl.DataFrame(
                {name: [row[name] for row in rows] for name in table.columns}, schema=table.schema
            )
            for table, rows in (
                (empty.frames, frames),
                (empty.instances, instances),
                (empty.points, points),
            )
        ),
    )


def in_list_order(frames: list[Row]) -> list[Row]:
    """Sort frames as the classic list has them."""
    return sorted(frames, key=lambda frame: int(frame["position"]))


def instances_with_frames(frames: list[Row]) -> list[tuple[Row, Row]]:
    return [(frame, instance) for frame in frames for instance in frame["instances"]]


# Occupancy


def find_runs(frames: list[Row], *, untracked: bool = False) -> list[Run]:
    """Walk through each track's frames and start a run after each gap."""
    seen: dict[tuple[int, int | None], set[int]] = {}
    for frame, instance in instances_with_frames(frames):
        if instance["track_id"] is not None or untracked:
            key = (frame["video_id"], instance["track_id"])
            seen.setdefault(key, set()).add(frame["frame_idx"])
    runs: list[Run] = []
    for (video_id, track_id), indices in seen.items():
        for index in sorted(indices):
            if runs and runs[-1][:2] == (video_id, track_id) and runs[-1][3] == index:
                runs[-1] = (video_id, track_id, runs[-1][2], index + 1)
            else:
                runs.append((video_id, track_id, index, index + 1))
    return sorted(runs, key=lambda run: (run[0], run[1] is None, run[1] or 0, run[2]))


def find_tracks_of_video(frames: list[Row], video_id: int) -> list[int | None]:
    """List the tracks of a video as they first appear."""
    tracks: list[int | None] = []
    for frame, instance in instances_with_frames(frames):
        if frame["video_id"] == video_id and instance["track_id"] not in tracks:
            tracks.append(instance["track_id"])
    return tracks


# Dense arrays


def fill_dense(
    frames: list[Row],
    catalog: Catalog,
    video_id: int,
    *,
    all_frames: bool,
    untracked: bool,
    length: int | None,
    scores: bool,
) -> tuple[tuple[int, ...], dict[tuple[int, int, int], tuple[float, ...]]]:
    """Return the shape, and the values by frame, track and node; NaN elsewhere."""
    mine = in_list_order([frame for frame in frames if frame["video_id"] == video_id])
    tracks = catalog.tracks["track_id"].to_list()
    n_nodes = max(catalog.nodes.group_by("skeleton_id").len()["len"].to_list(), default=0)
    shown = []
    for frame in mine:
        users = [i for i in frame["instances"] if i["kind"] == "user"]
        shown.append(users or frame["instances"])
    most = max(map(len, shown), default=0)
    by_place = untracked or most == 1
    first = min((frame["frame_idx"] for frame in mine), default=0)
    stop = max((frame["frame_idx"] + 1 for frame in mine), default=0)
    if all_frames and mine:
        first, stop = 0, max(stop, length or 0)
    values: dict[tuple[int, int, int], tuple[float, ...]] = {}
    for frame, instances in zip(mine, shown, strict=True):
        for place, instance in enumerate(instances):
            if by_place:
                column = place
            elif instance["track_id"] is None:
                continue
            else:
                column = tracks.index(instance["track_id"])
            for node in range(n_nodes):
                values.pop((frame["frame_idx"] - first, column, node), None)
            for point in instance["points"]:
                key = (frame["frame_idx"] - first, column, point["node_id"])
                values[key] = _dense_values(instance, point, scores=scores)
    shape = (stop - first, most if by_place else len(tracks), n_nodes, 3 if scores else 2)
    return shape, values


def _dense_values(instance: Row, point: Row, *, scores: bool) -> tuple[float, ...]:
    shown = [point[name] if point["visible"] else None for name in ("x", "y")]
    if scores:
        shown.append(point["score"] if instance["kind"] == "predicted" else None)
    return tuple(math.nan if value is None else value for value in shown)


# Named columns


def name_frames(frames: list[Row], catalog: Catalog, n_wide: int = 0) -> list[Row]:
    """Write each frame with its names and counts, and its instances side by side."""
    videos = dict(catalog.videos.select("video_id", "filename").iter_rows())
    named = []
    for frame in frames:
        instances = frame["instances"]
        row = {
            "video": videos[frame["video_id"]],
            **{n: frame[n] for n in ("video_id", "frame_idx", "frame_id", "position")},
            "is_negative": frame["is_negative"],
            "n_instances": len(instances),
            "n_user": sum(i["kind"] == "user" for i in instances),
            "n_predicted": sum(i["kind"] == "predicted" for i in instances),
            "n_tracked": sum(i["track_id"] is not None for i in instances),
        }
        if n_wide:
            own = name_instances([frame], catalog)
            nodes = [name for name in wide_names(catalog) if not name.endswith(".score")]
            for k in range(n_wide):
                for name in ("track", "kind", "score", *nodes):
                    row[f"inst{k}.{name}"] = own[k][name] if k < len(own) else None
        named.append(row)
    return named


def wide_names(catalog: Catalog) -> list[str]:
    """Name a column per node and value."""
    nodes = list(dict.fromkeys(catalog.nodes["name"].to_list()))
    return [f"{node}.{value}" for node in nodes for value in ("x", "y", "score")]


def name_instances(frames: list[Row], catalog: Catalog) -> list[Row]:
    """Write each instance with the names around it and its nodes side by side."""
    tracks = dict(catalog.tracks.select("track_id", "name").iter_rows())
    skeletons = dict(catalog.skeletons.select("skeleton_id", "name").iter_rows())
    named = []
    for frame in frames:
        of_frame = name_frames([frame], catalog)[0]
        for instance in frame["instances"]:
            row = {
                name: of_frame[name] for name in of_frame if name not in ("n_user", "n_predicted")
            }
            del row["n_instances"], row["n_tracked"]
            row |= {n: instance[n] for n in ("instance_id", "instance_idx", "kind")}
            row["skeleton"] = skeletons[instance["skeleton_id"]]
            row["track"] = tracks.get(instance["track_id"])
            row |= {n: instance[n] for n in ("track_id", "score", "tracking_score")}
            row["from_predicted"] = instance["from_predicted"]
            row["n_visible"] = sum(
                p["visible"] and p["x"] is not None and p["y"] is not None
                for p in instance["points"]
            )
            row |= dict.fromkeys(wide_names(catalog))
            for point in instance["points"]:
                row |= {f"{point['node']}.{n}": point[n] for n in ("x", "y", "score")}
            named.append(row)
    return named


def name_points(frames: list[Row], catalog: Catalog) -> list[Row]:
    """Write each point with the names around it."""
    instances = [instance for _, instance in instances_with_frames(frames)]
    named = []
    for instance, of_instance in zip(instances, name_instances(frames, catalog), strict=True):
        for point in instance["points"]:
            row = {n: of_instance[n] for n in list(of_instance)[:12]}
            row |= {n: point[n] for n in ("node", "node_id", "x", "y", "visible", "complete")}
            row["score"] = point["score"]
            row["instance_score"] = of_instance["score"]
            row |= {n: of_instance[n] for n in ("tracking_score", "from_predicted")}
            named.append(row)
    return named


# Filters and selections


def keep_rows(frames: list[Row], kept_frames: set[int], kept_instances: set[int]) -> list[Row]:
    """Drop frames and instances by row, then number places anew and cut loose ends."""
    left = [
        frame | {"instances": [i for i in frame["instances"] if i["row"] in kept_instances]}
        for frame in frames
        if frame["row"] in kept_frames
    ]
    return _renumbered(left)


def _renumbered(frames: list[Row]) -> list[Row]:
    ids = {instance["instance_id"] for _, instance in instances_with_frames(frames)}
    place = {frame["row"]: k for k, frame in enumerate(in_list_order(frames))}
    return [
        frame
        | {
            "position": place[frame["row"]],
            "instances": [
                instance
                | {
                    "instance_idx": k,
                    "from_predicted": instance["from_predicted"]
                    if instance["from_predicted"] in ids
                    else None,
                }
                for k, instance in enumerate(frame["instances"])
            ],
        }
        for frame in frames
    ]


def take_frames(frames: list[Row], rows: list[int]) -> list[Row]:
    """Take frames by row; their place in the list becomes their position."""
    taken = [frames[row] | {"position": k} for k, row in enumerate(rows)]
    taken.sort(key=lambda frame: (frame["video_id"], frame["frame_idx"], frame["position"]))
    return _renumbered(taken)


# Finding


def filtered_rows(frames: list[Row], filter: str) -> list[int]:
    """List the rows of frames that pass a classic filter."""
    return [
        frame["row"]
        for frame in frames
        if not filter or any(i["kind"] == filter for i in frame["instances"])
    ]


def rotate(indices: list[int], start: int, *, reverse: bool) -> list[int]:
    """Begin beside an index and wrap around."""
    ordered = sorted(indices, reverse=reverse)
    ahead = [i for i in ordered if (i < start if reverse else i > start)]
    return ahead + [i for i in ordered if not (i < start if reverse else i > start)]


def find_track(
    frames: list[Row],
    video_id: int,
    track_id: int | None,
    place: int | None,
    wanted: Container[int] | None,
) -> list[int]:
    """List the rows of a track's or a pseudo-track's instances in frame list order."""
    found = []
    for frame, instance in instances_with_frames(in_list_order(frames)):
        if frame["video_id"] != video_id:
            continue
        if wanted is not None and frame["frame_idx"] not in wanted:
            continue
        if track_id is not None:
            fits = instance["track_id"] == track_id
        else:
            fits = instance["track_id"] is None and instance["instance_idx"] == place
        if fits:
            found.append(instance["row"])
    return found


def seek_suggestion(
    suggestions: list[tuple[int, int]],
    videos: list[int],
    here: tuple[int, int],
    direction: int,
) -> int | None:
    """Look through the suggestions one by one."""
    listed = list(dict.fromkeys(suggestions))
    if here[0] not in videos:
        return None
    if here in listed:
        return suggestions.index(listed[(listed.index(here) + direction) % len(listed)])
    at = videos.index(here[0])
    around = [videos[(at + direction * k) % len(videos)] for k in range(1, len(videos) + 1)]
    inside = [s for s in listed if s[0] == here[0] and (s[1] - here[1]) * direction > 0]
    for candidates in (inside, *([s for s in listed if s[0] == video] for video in around)):
        if candidates:
            return suggestions.index(min(candidates, key=lambda s: s[1] * direction))
    return None


# Splitting


def hash_place(keys: tuple[int, ...], seed: int) -> int:
    """Hash integers one after the other, in Python's integers."""
    state = _mix(seed % 2**64)
    for key in keys:
        state = _mix(state ^ (key % 2**64))
    return state


def _mix(value: int) -> int:
    mixed = (value + 0x9E3779B97F4A7C15) % 2**64
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
    return mixed ^ mixed >> 31


def shuffled_rows(frames: list[Row], seed: int) -> list[int]:
    """Sort frame rows by the hash of their place."""
    hashes = []
    seen: dict[tuple[int, int], int] = {}
    for frame in frames:
        place = (frame["video_id"], frame["frame_idx"])
        seen[place] = seen.get(place, -1) + 1
        hashes.append((hash_place((*place, seen[place]), seed), frame["row"]))
    return [row for _, row in sorted(hashes)]


def lead_groups(n: int, together: Callable[[int, int], bool]) -> list[int]:
    """Give each thing the smallest one that it is connected with, by looking at all pairs."""
    leaders = list(range(n))
    changed = True
    while changed:
        changed = False
        for one in range(n):
            for other in range(one):
                if leaders[one] != leaders[other] and together(one, other):
                    leaders[one] = leaders[other] = min(leaders[one], leaders[other])
                    changed = True
    return leaders


def lead_neighbours(frames: list[Row], gap: int) -> list[int]:
    """Group frames of a video that are no further apart than a gap."""

    def together(one: int, other: int) -> bool:
        return are_near(frames[one], frames[other], gap)

    return lead_groups(len(frames), together)


def are_near(one: Row, other: Row, gap: int) -> bool:
    is_same = one["video_id"] == other["video_id"]
    return bool(is_same and abs(one["frame_idx"] - other["frame_idx"]) <= gap)


def lead_tracks(frames: list[Row]) -> list[int]:
    """Group frames that share a track."""
    tracks = [{i["track_id"] for i in f["instances"]} - {None} for f in frames]
    return lead_groups(len(frames), lambda one, other: bool(tracks[one] & tracks[other]))


def lead_blocks(frames: list[Row], n_blocks: int) -> list[int]:
    """Cut the places of each video into blocks."""
    names: list[tuple[int, int]] = []
    for frame in frames:
        mine = [f for f in frames if f["video_id"] == frame["video_id"]]
        places = sorted({f["frame_idx"] for f in mine})
        block = places.index(frame["frame_idx"]) * min(n_blocks, len(frames)) // len(places)
        names.append((frame["video_id"], block))
    return [names.index(name) for name in names]


def deal_frames(
    frames: list[Row],
    sizes: list[int],
    seed: int,
    leaders: list[int] | None,
    strata: list[int] | None,
) -> list[int]:
    """Deal frames or groups out, one after the other."""
    given = leaders or list(range(len(frames)))
    weights = {leader: given.count(leader) for leader in sorted(set(given))}
    order = [row for row in shuffled_rows(frames, seed) if row in weights]
    if strata is not None:
        counts = sizes if leaders is None else _scaled(sizes, len(frames), len(order))
        order.sort(key=lambda row: strata[row])
        of_groups = _step_by_step(order, counts, seed)
    elif leaders is None:
        numbers = [k for k, size in enumerate(sizes) for _ in range(size)]
        of_groups = dict.fromkeys(order, -1) | dict(zip(order, numbers, strict=False))
    else:
        of_groups = _by_need(frames, order, weights, sizes, seed)
    return [of_groups[leader] for leader in given]


def _scaled(sizes: list[int], total: int, n_groups: int) -> list[int]:
    stops: list[int] = []
    for k in range(len(sizes)):
        stop = round(sum(sizes[: k + 1]) * (n_groups / total))
        stop = max(stop, (stops[-1] if stops else 0) + 1)
        stops.append(stop)
    stops = [min(stop, n_groups - len(sizes) + 1 + k) for k, stop in enumerate(stops)]
    return [stop - start for start, stop in zip([0, *stops], stops, strict=False)]


def _step_by_step(order: list[int], counts: list[int], seed: int) -> dict[int, int]:
    part = dict.fromkeys(order, -1)
    for number, count in enumerate(counts):
        n = len(order)
        level = hash_place((number,), seed) % n
        left = []
        for row in order:
            level += count
            if level >= n:
                level -= n
                part[row] = number
            else:
                left.append(row)
        order = left
    return part


def _by_need(
    frames: list[Row], order: list[int], weights: dict[int, int], sizes: list[int], seed: int
) -> dict[int, int]:
    total = len(frames)
    need = [*sizes, total - sum(sizes)] if total > sum(sizes) else list(sizes)
    large = [row for row in order if weights[row] * 128 > total]
    small = [row for row in order if weights[row] * 128 <= total]
    best: dict[int, int] = {}
    if large:
        deals = []
        for turn in range(64):
            turned = sorted(large, key=lambda row: _turned(frames, row, seed, turn))
            deals.append(_deal_large(turned, weights, list(need), len(sizes), len(small)))
        least = min(excess for excess, _ in deals)
        best = next(deal for excess, deal in deals if excess * 50 <= least * 50 + total)
        for row, number in best.items():
            need[number] -= weights[row]
    part = dict(best)
    wanted = [max(n, 0) for n in need]
    weight_of_small = sum(weights[row] for row in small)
    filled = place = 0
    for number in range(len(need)):
        target = sum(wanted[: number + 1]) * weight_of_small // max(sum(wanted), 1)
        is_needed = number < len(sizes) and number not in best.values()
        later = sum(k not in best.values() for k in range(number + 1, len(sizes)))
        least = place + is_needed
        while place < len(small) - later:
            weight = weights[small[place]]
            if place >= least and filled + weight - target > target - filled:
                break
            part[small[place]] = number
            filled += weight
            place += 1
    return {row: -1 if number == len(sizes) else number for row, number in part.items()}


def _turned(frames: list[Row], row: int, seed: int, turn: int) -> int:
    here = frames[row]["video_id"], frames[row]["frame_idx"]
    rank = sum((f["video_id"], f["frame_idx"]) == here for f in frames[:row])
    return hash_place((*here, rank, turn) if turn else (*here, rank), seed)


def _deal_large(
    order: list[int], weights: dict[int, int], need: list[int], n_parts: int, n_small: int
) -> tuple[int, dict[int, int]]:
    part: dict[int, int] = {}
    for place, row in enumerate(order):
        empty = [k for k in range(n_parts) if k not in part.values()]
        left = len(order) - place + n_small
        choices = empty if len(empty) >= left else range(len(need))
        part[row] = max(choices, key=lambda k: need[k])  # the first of equal ones
        need[part[row]] -= weights[row]
    return sum(max(-n, 0) for n in need), part


def clear_near(frames: list[Row], part: list[int], gap: int, ranking: list[int]) -> list[int]:
    """Leave frames out that are near a frame of a stronger part, from the strongest on."""
    cleared = list(part)
    for place, number in enumerate(ranking):
        stronger = [f for f in frames if cleared[f["row"]] in ranking[:place]]
        for frame in frames:
            if part[frame["row"]] == number and any(are_near(frame, f, gap) for f in stronger):
                cleared[frame["row"]] = -1
    return cleared


def steps_to_nearest(training: list[Row], validation: list[Row]) -> list[int]:
    """Look at every training frame of the video."""
    found = []
    for frame in validation:
        mine = [f for f in training if f["video_id"] == frame["video_id"]]
        steps = [abs(f["frame_idx"] - frame["frame_idx"]) for f in mine]
        found.append(min(steps, default=-1))
    return found


# The classic JSON


def json_labels(tables: LabelTables) -> list[Any]:
    """Write the list of frames as the classic program's dicts; missing points are left out."""
    catalog = tables.catalog
    video, track, skeleton = (
        {key: str(place) for place, key in enumerate(table)}
        for table in (
            catalog.videos["video_id"],
            catalog.tracks["track_id"],
            catalog.skeletons["skeleton_id"],
        )
    )
    first_node: dict[int, int] = {}
    for key in catalog.skeletons["skeleton_id"]:
        first_node[key] = sum(catalog.nodes["skeleton_id"].is_in(list(first_node)))
    frames = rows_of(tables)
    by_id = {one["instance_id"]: one for _, one in instances_with_frames(frames)}

    def number(value: float | None) -> float:
        return math.nan if value is None else value

    def point(row: Row, kind: str) -> Row:
        made = {"visible": row["visible"], "complete": row["complete"]}
        made |= {"x": number(row["x"]), "y": number(row["y"])}
        has_score = kind == "predicted" or row["score"] is not None
        return made | ({"score": number(row["score"])} if has_score else {})

    def instance(row: Row, *, is_nested: bool = False) -> Row:
        origin = None if is_nested else by_id.get(row["from_predicted"])
        made: Row = {
            "skeleton": skeleton[row["skeleton_id"]],
            "track": track.get(row["track_id"]),
            "from_predicted": None if origin is None else instance(origin, is_nested=True),
            "_points": {
                str(first_node[row["skeleton_id"]] + p["node_id"]): point(p, row["kind"])
                for p in row["points"]
                if p["x"] is not None or p["y"] is not None
            },
        }
        if row["kind"] == "predicted":
            made["score"] = number(row["score"])
        if row["kind"] == "predicted" or row["tracking_score"] is not None:
            made["tracking_score"] = number(row["tracking_score"])
        return made

    return [
        {
            "video": video[frame["video_id"]],
            "frame_idx": frame["frame_idx"],
            **({"is_negative": True} if frame["is_negative"] else {}),
            "_instances": [instance(one) for one in frame["instances"]],
        }
        for frame in in_list_order(frames)
    ]


def user_samples(frames: list[Row], skeleton_id: int) -> tuple[list[int], list[list[int]], int]:
    """List frames with user instances of a skeleton, these instances, and count the others.

    Rows of the frames in list order, rows of the instances frame by frame.
    """
    chosen, inside, n_others = [], [], 0
    for frame in sorted(frames, key=lambda frame: frame["position"]):
        users = [one for one in frame["instances"] if one["kind"] == "user"]
        mine = [one["row"] for one in users if one["skeleton_id"] == skeleton_id]
        n_others += len(users) - len(mine)
        if mine:
            chosen.append(frame["row"])
            inside.append(mine)
    return chosen, inside, n_others


# Differences


def keyed_rows(tables: LabelTables) -> dict[str, dict[Any, Row]]:
    """Every row of a project under its table and key; rows without keys are counted."""
    found: dict[str, dict[Any, Row]] = {}
    for name, table in tables.catalog.tables().items():
        key, rows = TABLES[name].key, table.to_dicts()
        if key:
            found[name] = {tuple(row[part] for part in key): row for row in rows}
            continue
        seen: Counter[Any] = Counter()
        found[name] = {}
        for row in rows:
            values = tuple(row.values())
            found[name][values, seen[values]] = row
            seen[values] += 1
    found |= {"frames": {}, "instances": {}, "points": {}}
    for frame in rows_of(tables):
        place = {"video_id": frame["video_id"], "frame_idx": frame["frame_idx"]}
        found["frames"][frame["frame_id"]] = {k: frame[k] for k in FRAMES.columns}
        for one in frame["instances"]:
            own = {name: one[name] for name in INSTANCES.columns}
            found["instances"][one["instance_id"]] = place | own
            for node, point in enumerate(one["points"]):
                keys = place | {"instance_id": one["instance_id"], "node_id": node}
                own = {name: point[name] for name in POINTS.memory_columns}
                found["points"][one["instance_id"], node] = keys | own
    return found


def differences(old: LabelTables, new: LabelTables) -> dict[str, tuple[list[Row], ...]]:
    """Rows added, removed, and pairs that differ, by table; points differ in their values."""
    before, after = keyed_rows(old), keyed_rows(new)
    found: dict[str, tuple[list[Row], ...]] = {}
    for name, rows in after.items():
        others = before[name]

        def same(a: Row, b: Row, table: str = name) -> bool:
            names = POINTS.memory_columns if table == "points" else a
            return all(a[key] == b[key] for key in names)

        pairs = [(others[key], row) for key, row in rows.items() if key in others]
        found[name] = (
            [row for key, row in rows.items() if key not in others],
            [row for key, row in others.items() if key not in rows],
            [{"old": a, "new": b} for a, b in pairs if not same(a, b)],
        )
    return found


def differing_places(old: LabelTables, new: LabelTables) -> dict[tuple[int, int], bool]:
    """Places of rows that differ, and whether points changed or came there."""
    found: dict[tuple[int, int], bool] = {}
    left = set(new.instances["instance_id"])
    for name, (added, removed, changed) in differences(old, new).items():
        if name not in ("frames", "instances", "points"):
            continue
        sides = [(row, name == "points") for row in added]
        # Points that went from an instance that stays are points that changed.
        sides += [(row, name == "points" and row["instance_id"] in left) for row in removed]
        for pair in changed:
            # A point that is elsewhere now is listed where it is.
            where = (pair["new"],) if name == "points" else (pair["old"], pair["new"])
            sides += [(row, name == "points") for row in where]
        for row, has_points in sides:
            place = row["video_id"], row["frame_idx"]
            found[place] = found.get(place, False) or has_points
    return dict(sorted(found.items()))


# Analysis files


def analysis_arrays(
    tables: LabelTables, video_id: int, *, all_frames: bool, untracked: str
) -> dict[str, Any]:
    """Fill the dense lists of one video instance by instance; None = missing."""
    frames = [frame for frame in rows_of(tables) if frame["video_id"] == video_id]
    tracks = tables.catalog.tracks["track_id"].to_list()
    skeleton = tables.catalog.skeletons["skeleton_id"].to_list()[0]
    first = 0 if all_frames else frames[0]["frame_idx"]
    n_frames = frames[-1]["frame_idx"] + 1 - first
    found: dict[tuple[int, int], Row] = {}
    lost = {"untracked": 0, "outdone": 0, "other": 0}
    for place in range(first, first + n_frames):
        mine = [i for f in frames if f["frame_idx"] == place for i in f["instances"]]
        lost["other"] += sum(i["skeleton_id"] != skeleton for i in mine)
        made_from = {(i["frame_id"], i["from_predicted"]) for i in mine if i["kind"] == "user"}
        n_loose = 0
        for one in (i for i in mine if i["skeleton_id"] == skeleton):
            if one["track_id"] is not None:
                column = tracks.index(one["track_id"])
            elif untracked == "keep":
                corrected = (one["frame_id"], one["instance_id"]) in made_from
                if corrected and one["kind"] == "predicted":
                    continue
                column, n_loose = len(tracks) + n_loose, n_loose + 1
            elif tracks:
                lost["untracked"] += 1
                continue
            else:
                column = 0
            key = (place - first, column)
            if key in found and found[key]["kind"] == "user" and one["kind"] == "predicted":
                continue
            found[key] = one
    winners = {id(one) for one in found.values()}
    return {"first": first, "n_frames": n_frames, "found": found, "lost": lost, "ids": winners}


def rows_that_lead_back(instances: list[Row]) -> list[int]:
    """Follow the links of each instance until they end or repeat."""
    by_id = {one["instance_id"]: one for one in instances}
    found = []
    for row, first in enumerate(instances):
        seen: set[int] = set()
        one: Row | None = first
        while one is not None and one["instance_id"] not in seen:
            seen.add(one["instance_id"])
            one = by_id.get(one["from_predicted"])
        if one is first:
            found.append(row)
    return found


def place_bounds(rows: list[tuple[int, int]], places: list[tuple[int, int]]) -> list[list[int]]:
    """Count the rows before each place, and those up to it."""
    return [[sum(row < one for row in rows), sum(row <= one for row in rows)] for one in places]
