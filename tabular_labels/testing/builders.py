"""Seeded projects of any size: the same arguments give the same tables.

Animals wander on smooth paths and turn as they go; most instances are predictions,
whose values are float32 numbers kept as float64, and a few have a corrected copy
made by a person. Everything is computed for whole columns at once.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import polars as pl

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.model import schema
from tabular_labels.model.objects import catalog_tables
from tabular_labels.model.offsets import offsets_of_counts, ranges
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.tables import Attachments, Catalog, LabelTables
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video

__all__ = ["SIZES", "make_catalog", "make_skeleton", "make_tables"]

SIZES: Mapping[str, int] = MappingProxyType({"S": 5_000, "M": 100_000, "L": 1_000_000})
"""Frames of the three named sizes; M has 404,000 instances and 6,060,000 points."""

_SIDE = 1024  # pixels; videos are square
_NODES = (
    "head", "thorax", "abdomen", "wingL", "wingR", "forelegL", "forelegR", "midlegL", "midlegR",
    "hindlegL", "hindlegR", "eyeL", "eyeR", "antennaL", "antennaR",
)  # fmt: skip
# Frames computed at a time: temporaries stay small beside the tables.
_BLOCK = 50_000


def make_skeleton(n_nodes: int = 15, *, number: int = 0) -> Skeleton:
    """Build a skeleton whose nodes hang in a chain, with left and right counterparts.

    Args:
        n_nodes: How many nodes.
        number: Told apart by name from other skeletons.

    Examples:
        >>> skeleton = make_skeleton(5)
        >>> skeleton.node_names
        ['head', 'thorax', 'abdomen', 'wingL', 'wingR']
        >>> skeleton.edge_inds, skeleton.symmetry_inds
        ([(0, 1), (1, 2), (1, 3), (1, 4)], [(3, 4)])
    """
    names = [_NODES[i] if i < len(_NODES) else f"node{i}" for i in range(n_nodes)]
    body = [(i, i + 1) for i in range(min(2, n_nodes - 1))]
    limbs = [(1, i) for i in range(3, n_nodes)]
    pairs = [(i, i + 1) for i in range(3, min(n_nodes, len(_NODES)) - 1, 2)]
    return Skeleton(names, body + limbs, pairs, name=f"fly{number}")


def make_catalog(
    n_videos: int = 4,
    *,
    n_tracks: int = 4,
    n_nodes: int = 15,
    n_skeletons: int = 1,
    n_frames: int = 100,
    n_suggestions: int = 2,
    negative_anchors: Mapping[int, list[tuple[float, float, float]]] | None = None,
    project_id: str | None = None,
) -> Catalog:
    """Build the small tables.

    Args:
        n_videos: Videos, each of its own file (which does not exist).
        n_tracks: Tracks, for the whole project.
        n_nodes: Nodes of the first skeleton; each further one has one fewer.
        n_skeletons: Skeletons.
        n_frames: Length of every video.
        n_suggestions: Suggestions in every video.
        negative_anchors: ``(frame_idx, x, y)`` by place of the video.
        project_id: The project's id; otherwise it is a new one.

    Examples:
        >>> make_catalog(2, n_skeletons=2, n_nodes=3).n_nodes.tolist()
        [3, 2]
    """
    videos = [_make_video(number, n_frames) for number in range(n_videos)]
    skeletons = [make_skeleton(max(n_nodes - k, 1), number=k) for k in range(n_skeletons)]
    tracks = [Track(0, f"track_{number}") for number in range(n_tracks)]
    tables = catalog_tables(videos, skeletons, tracks)
    step = max(n_frames // max(n_suggestions, 1), 1)
    tables["suggestions"] = _suggestions(n_videos, n_suggestions, step)
    anchors = [
        (video, int(frame_idx), x, y)
        for video, rows in (negative_anchors or {}).items()
        for frame_idx, x, y in rows
    ]
    tables["negative_anchors"] = pl.DataFrame(
        anchors, schema=schema.NEGATIVE_ANCHORS.memory_columns, orient="row"
    )
    return Catalog(
        **tables,
        provenance={"model": {"name": "made up", "epochs": 200}, "note": "synthetic"},
        project_id=project_id or str(uuid.uuid4()),
        attachments=Attachments(),
    )


def make_tables(
    n_frames: int = 100,
    *,
    n_videos: int = 4,
    n_instances: int = 4,
    n_nodes: int = 15,
    n_skeletons: int = 1,
    user_fraction: float = 0.01,
    missing_fraction: float = 0.02,
    gap_fraction: float = 0.0,
    untracked_fraction: float = 0.0,
    absent_fraction: float = 0.0,
    empty_fraction: float = 0.0,
    negative_fraction: float = 0.0,
    shuffled: bool = False,
    seed: int = 0,
) -> LabelTables:
    """Build a valid project of tracked predictions with some user corrections.

    Args:
        n_frames: Labelled frames, spread evenly over the videos.
        n_videos: Videos.
        n_instances: Animals, thus tracks, and predictions in a frame.
        n_nodes: Nodes of the first skeleton; each further one has one fewer.
        n_skeletons: Skeletons, which the animals use in turn.
        user_fraction: Share of predictions with a corrected copy in their frame.
        missing_fraction: Share of points that are missing.
        gap_fraction: Share of frames after which 1 to 20 frames are not labelled.
        untracked_fraction: Share of predictions without a track.
        absent_fraction: Share of predictions left out, as if the animal was not seen.
        empty_fraction: Share of frames without instances.
        negative_fraction: Share of frames without instances marked negative.
        shuffled: Whether the classic list order is a random one.
        seed: Of the random numbers.

    Returns:
        Tables with dense ids, which pass `check_tables`.

    Examples:
        >>> tables = make_tables(100)
        >>> tables.frames.height, tables.instances.height, tables.points.height
        (100, 404, 6060)
    """
    arguments = dict(sorted(locals().items()))
    if n_frames and not n_videos:
        message = f"found {n_frames} frames and no videos, expected a video for them. Ask for one."
        raise ValueError(message)
    rng = np.random.default_rng(seed)
    place = _make_frames(rng, n_frames, n_videos, gap_fraction)
    no_instances = rng.random(n_frames)
    is_negative = no_instances < negative_fraction
    present = rng.random((n_frames, n_instances)) >= absent_fraction
    present[no_instances < negative_fraction + empty_fraction] = False
    frames = pl.DataFrame(
        {
            "frame_id": np.arange(n_frames, dtype=np.uint32),
            **place,
            "position": (rng.permutation(n_frames) if shuffled else np.arange(n_frames)).astype(
                np.uint32
            ),
            "is_negative": is_negative,
        }
    )
    cast = _cast_instances(rng, present, user_fraction, max(n_skeletons, 1))
    catalog = make_catalog(
        n_videos,
        n_tracks=n_instances,
        n_nodes=n_nodes,
        n_skeletons=n_skeletons,
        n_frames=int(place["frame_idx"].max(initial=-1)) + 1,
        negative_anchors=_make_anchors(rng, frames),
        # Equal arguments make the same project, others another one.
        project_id=str(uuid.uuid5(uuid.NAMESPACE_OID, f"tabular_labels {arguments}")),
    )
    starts = offsets_of_counts(catalog.n_nodes[cast.skeleton])
    return LabelTables(
        catalog,
        frames,
        _make_instances(rng, cast, untracked_fraction),
        _make_points(rng, cast, starts, place, missing_fraction),
    )


@dataclass(frozen=True)
class _Cast:
    """Who is in which frame; one value per instance row.

    ``prediction`` is the row a user instance was copied from, -1 for predictions.
    """

    frame: IntArray
    animal: IntArray
    skeleton: IntArray
    prediction: IntArray
    instance_idx: IntArray

    @property
    def is_user(self) -> BoolArray:
        return self.prediction >= 0


def _make_video(number: int, n_frames: int) -> Video:
    filename = f"recordings/day{number // 4}/video{number}.mp4"
    backend: dict[str, Any] = {
        "filename": filename,
        "grayscale": True,
        "bgr": True,
        "dataset": "",
        "input_format": "",
    }
    return Video(
        filename, backend, n_frames=n_frames, height=_SIDE, width=_SIDE, channels=1, fps=30.0
    )


def _suggestions(n_videos: int, count: int, step: int) -> pl.DataFrame:
    columns = {
        "video_id": np.repeat(np.arange(n_videos, dtype=np.uint32), count),
        "frame_idx": np.tile(np.arange(count, dtype=np.int64) * step, n_videos),
        "group": np.zeros(n_videos * count, np.int64),
    }
    return pl.DataFrame(columns, schema=schema.SUGGESTIONS.memory_columns)


def _make_frames(
    rng: np.random.Generator, n_frames: int, n_videos: int, gap_fraction: float
) -> dict[str, IntArray]:
    counts = np.full(n_videos, n_frames // max(n_videos, 1))
    counts[: n_frames - int(counts.sum())] += 1
    first = offsets_of_counts(counts)[:-1]
    has_gap = rng.random(n_frames) < gap_fraction
    steps = 1 + has_gap * rng.integers(1, 21, n_frames)
    passed = offsets_of_counts(steps)
    return {
        "video_id": np.repeat(np.arange(n_videos, dtype=np.uint32), counts),
        "frame_idx": passed[:-1] - np.repeat(passed[first], counts),
    }


def _make_anchors(
    rng: np.random.Generator, frames: pl.DataFrame
) -> dict[int, list[tuple[float, float, float]]]:
    """Put one anchor in each negative frame, of which there are few."""
    anchors: dict[int, list[tuple[float, float, float]]] = {}
    for video, frame_idx in frames.filter("is_negative").select("video_id", "frame_idx").rows():
        x, y = rng.uniform(0, _SIDE, 2).tolist()
        anchors.setdefault(video, []).append((frame_idx, x, y))
    return anchors


def _cast_instances(
    rng: np.random.Generator, present: BoolArray, user_fraction: float, n_skeletons: int
) -> _Cast:
    """Place predictions, then corrected copies, in each frame by counting."""
    frame, animal = np.nonzero(present)
    n = len(frame)
    chosen = np.sort(rng.choice(n, round(n * user_fraction), replace=False, shuffle=False))
    n_frames = len(present)
    n_users = np.bincount(frame[chosen], minlength=n_frames)
    users_before = offsets_of_counts(n_users)
    predictions_until = np.cumsum(present.sum(axis=1))
    row = np.arange(n) + users_before[frame]
    copy_row = predictions_until[frame[chosen]] + np.arange(len(chosen))

    source = np.empty(n + len(chosen), np.int64)  # the prediction, counted without copies
    source[row] = np.arange(n)
    source[copy_row] = chosen
    prediction = np.full(len(source), -1, np.int64)
    prediction[copy_row] = row[chosen]
    animal = animal[source]
    counts = n_users + present.sum(axis=1)
    return _Cast(
        frame=frame[source],
        animal=animal,
        skeleton=animal % n_skeletons,
        prediction=prediction,
        instance_idx=ranges(np.zeros(n_frames, np.int64), counts),
    )


def _make_instances(
    rng: np.random.Generator, cast: _Cast, untracked_fraction: float
) -> pl.DataFrame:
    n, is_user = len(cast.frame), cast.is_user
    source = np.where(is_user, cast.prediction, np.arange(n))
    has_track = (rng.random(n) >= untracked_fraction)[source]
    scores = rng.uniform(0.3, 1.0, (2, n)).astype(np.float32)
    scores[:, is_user] = np.nan
    columns = {
        "instance_id": np.arange(n, dtype=np.uint32),
        "frame_id": cast.frame.astype(np.uint32),
        "instance_idx": cast.instance_idx.astype(np.uint16),
        "skeleton_id": cast.skeleton.astype(np.uint16),
        "track_id": cast.animal.astype(np.uint32),
        "kind": np.where(is_user, 0, 1).astype(np.uint8),
        "score": scores[0],
        "tracking_score": scores[1],
        "from_predicted": np.maximum(cast.prediction, 0).astype(np.uint32),
        "has_track": has_track,
        "is_user": is_user,
    }
    return pl.DataFrame(columns).select(
        "instance_id",
        "frame_id",
        "instance_idx",
        "skeleton_id",
        pl.when("has_track").then("track_id"),
        pl.col("kind").cat.to(schema.KIND),
        pl.col("score", "tracking_score").fill_nan(None),
        pl.when("is_user").then("from_predicted"),
    )


def _make_points(
    rng: np.random.Generator,
    cast: _Cast,
    starts: IntArray,
    place: Mapping[str, IntArray],
    missing_fraction: float,
) -> pl.DataFrame:
    n = int(starts[-1])
    x, y, score = np.empty(n), np.empty(n), np.empty(n)
    missing, complete = np.empty(n, np.bool_), np.zeros(n, np.bool_)
    paths = _Paths(rng, int(cast.animal.max(initial=-1)) + 1)
    # Predictions first, block by block, since copies read them.
    for low in range(0, len(cast.frame), _BLOCK):
        rows = np.arange(low, min(low + _BLOCK, len(cast.frame)))
        rows = rows[~cast.is_user[rows]]
        counts = starts[rows + 1] - starts[rows]
        at = ranges(starts[rows], counts)
        frame = cast.frame[rows]
        gone = rng.random(len(at), np.float32) < missing_fraction
        when = place["frame_idx"][frame] + place["video_id"][frame].astype(np.int64) * 1_000
        x[at], y[at] = paths.follow(rng, cast.animal[rows], when, counts)
        score[at] = np.where(gone, np.float32(0), rng.uniform(0.3, 1.0, len(at)).astype(np.float32))
        missing[at] = gone
    users = np.flatnonzero(cast.is_user)
    counts = starts[users + 1] - starts[users]
    at, origin = ranges(starts[users], counts), ranges(starts[cast.prediction[users]], counts)
    x[at] = x[origin] + rng.normal(0, 0.5, len(at))
    y[at] = y[origin] + rng.normal(0, 0.5, len(at))
    score[at] = np.nan
    missing[at] = missing[origin]
    complete[at] = ~missing[at]
    x[missing] = y[missing] = np.nan
    values = {"x": x, "y": y, "visible": ~missing, "complete": complete, "score": score}
    return pl.DataFrame(values).with_columns(pl.col("x", "y", "score").fill_nan(None))


class _Paths:
    """Where each animal is at any time: slow sinusoids, and a body that turns."""

    def __init__(self, rng: np.random.Generator, n_animals: int) -> None:
        waves = (n_animals, 2, 3)
        self.centre = rng.uniform(0.35, 0.65, (n_animals, 2)) * _SIDE
        self.size = rng.uniform(20, 90, waves)
        self.speed = 2 * np.pi / rng.uniform(150, 4_000, waves)
        self.phase = rng.uniform(0, 2 * np.pi, waves)
        self.turn = rng.uniform(-0.02, 0.02, n_animals)

    def follow(
        self, rng: np.random.Generator, animal: IntArray, when: IntArray, counts: IntArray
    ) -> tuple[FloatArray, FloatArray]:
        """Compute float32 x and y of every node of instances, flat."""
        angles = self.speed[animal] * when[:, None, None] + self.phase[animal]
        centre = self.centre[animal] + (self.size[animal] * np.sin(angles)).sum(axis=2)
        heading = (self.turn[animal] * when).astype(np.float32)
        node = ranges(np.zeros(len(counts), np.int64), counts)
        along, across = _body(int(counts.max(initial=0)))
        cos, sin = np.repeat(np.cos(heading), counts), np.repeat(np.sin(heading), counts)
        middle = np.repeat(centre.astype(np.float32), counts, axis=0)
        noise = rng.standard_normal((2, len(node)), np.float32) * np.float32(0.4)
        x = middle[:, 0] + cos * along[node] - sin * across[node] + noise[0]
        y = middle[:, 1] + sin * along[node] + cos * across[node] + noise[1]
        return x, y


def _body(n_nodes: int) -> tuple[FloatArray, FloatArray]:
    """Place nodes relative to the centre: a line of three, then limbs on both sides."""
    node = np.arange(n_nodes)
    is_limb = node >= 3
    along = np.where(is_limb, 14.0 - 3.0 * (node // 2), 18.0 - 16.0 * node)
    across = np.where(is_limb, np.where(node % 2, 12.0, -12.0), 0.0)
    return along.astype(np.float32), across.astype(np.float32)
