"""Hypothesis strategies: small valid projects with every oddity real ones have.

What is drawn is a recipe of few whole numbers, so that drawing is fast and a failing
example shrinks: fewer frames, fewer instances, coordinates that count 0, 1, 2, ...
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import polars as pl
from hypothesis import strategies as st

from tabular_labels._types import BoolArray, FloatArray, IntArray
from tabular_labels.model import schema
from tabular_labels.model.objects import catalog_tables
from tabular_labels.model.schema import TableSchema
from tabular_labels.model.skeleton import Skeleton
from tabular_labels.model.tables import Attachments, Catalog, LabelTables
from tabular_labels.model.track import Track
from tabular_labels.model.video import Video

__all__ = ["NAMES", "label_tables", "skeletons", "tracks", "videos"]

NAMES = (
    "a", "b", "head", "tail base", "Flügel", "触角", "é", "e\u0301", "x/y.z", 'say "hi"', "🐭", "A",
)  # fmt: skip
"""Names that differ in case, in normal form, and in what files make of them."""

_FILENAMES = (
    "a.mp4", "day1/left.mp4", "day2/left.mp4", "C:\\lab\\left.mp4", "données/souris 1.avi",
    "🐭.mp4",
)  # fmt: skip
_KNOWN: dict[str, Any] = {"n_frames": 60, "height": 48, "width": 64, "channels": 1, "fps": 29.97}
_PROVENANCE: tuple[dict[str, Any], ...] = (
    {},
    {"model": "centroid", "args": {"peak_threshold": 0.2, "tracker": None}},
    {"naïve": [1, 2.5, "三", {"nested": [True, []]}], "": ""},
)
_STYLES = ("dense", "gaps", "backwards", "large")

_T = TypeVar("_T")


def tracks() -> st.SearchStrategy[Track]:
    """Draw free tracks; names repeat often.

    Examples:
        >>> from hypothesis import find
        >>> find(tracks(), lambda track: track.spawned_on > 1)
        Track(spawned_on=2, name='a')
    """
    return st.builds(Track, st.integers(0, 9), st.sampled_from(NAMES))


def videos() -> st.SearchStrategy[Video]:
    """Draw free videos, of known and unknown shape; no such files exist.

    Examples:
        >>> from hypothesis import find
        >>> find(videos(), lambda video: video.n_frames is not None)
        Video('a.mp4', shape=(60, 48, 64, 1))
    """
    return st.builds(_make_video, st.sampled_from(_FILENAMES), st.integers(0, 5))


def skeletons(max_nodes: int = 4) -> st.SearchStrategy[Skeleton]:
    """Draw free skeletons of 1 to ``max_nodes`` nodes, some with edges and symmetries.

    Each node has at most one counterpart.

    Examples:
        >>> from hypothesis import find
        >>> find(skeletons(), lambda skeleton: len(skeleton.edges) > 0)
        Skeleton(name=None, nodes=['a', 'b'], edges=1, symmetries=0)
    """
    names = st.lists(st.sampled_from(NAMES), min_size=1, max_size=max_nodes, unique=True)
    links = st.lists(st.integers(0, max_nodes**2 - 1), max_size=max_nodes)
    title = st.sampled_from((None, *NAMES[:3]))
    return st.builds(_make_skeleton, names, links, st.integers(0, max_nodes // 2), title)


def label_tables(
    max_frames: int = 6,
    *,
    min_frames: int = 0,
    max_instances: int = 3,
    max_videos: int = 3,
    max_skeletons: int = 3,
    max_nodes: int = 4,
    max_tracks: int = 4,
    max_frame_idx: int = 12,
    duplicates: bool = True,
    dense_ids: bool = False,
) -> st.SearchStrategy[LabelTables]:
    """Draw small projects that keep every invariant.

    There may be no frames, no videos, no skeletons, no tracks; empty and negative
    frames; several frames of one ``(video_id, frame_idx)``; ids with gaps, going down,
    or large; untracked instances and several of one track in a frame; links to
    predictions of the same and of other frames; missing, half-missing and invisible
    points; null scores; coordinates that are huge or negative; any list order;
    suggestions with and without a group; negative anchors (by video, in list order).

    Args:
        max_frames: Most frames.
        min_frames: Fewest frames.
        max_instances: Most instances in a frame.
        max_videos: Most videos, up to 6.
        max_skeletons: Most skeletons.
        max_nodes: Most nodes of a skeleton, up to 12.
        max_tracks: Most tracks.
        max_frame_idx: Largest frame index, also of suggestions. Videos of known length
            have 60 frames.
        duplicates: Whether two frames may have the same place.
        dense_ids: Whether ids are row numbers.

    Examples:
        >>> from hypothesis import given, settings
        >>> from tabular_labels.model.checks import check_tables
        >>> @settings(max_examples=5, database=None, deadline=None)
        ... @given(label_tables(max_frames=3))
        ... def test_small_projects_are_sound(tables):
        ...     assert tables.frames.height <= 3
        ...     assert check_tables(tables) == []
        >>> test_small_projects_are_sound()
    """
    number, frame_idx = st.integers(0, 11), st.integers(0, max_frame_idx)
    instances = st.lists(st.integers(0, 2**16 - 1), max_size=max_instances)
    # None at all is an odd case among many, not every third one.
    lists = ("skeletons", "tracks") if min_frames else ("videos", "skeletons", "tracks", "frames")
    coordinate = st.sampled_from((None, 0.0, -1.5, 1e6))
    styles = st.sampled_from(_STYLES[:1] if dense_ids else _STYLES)
    recipe = st.builds(
        _Recipe,
        videos=_some(number, max_videos),
        skeletons=_some(skeletons(max_nodes), max_skeletons),
        tracks=_some(tracks(), max_tracks),
        frames=_some(st.tuples(number, frame_idx, instances), max_frames, min_frames),
        suggestions=st.lists(
            st.tuples(number, frame_idx, st.sampled_from((None, 0, 3))), max_size=3
        ),
        anchors=st.lists(st.tuples(number, frame_idx, coordinate, coordinate), max_size=2),
        styles=st.tuples(styles, styles, styles, styles, styles),
        without=st.sampled_from(("",) * 12 + lists),
        provenance=st.sampled_from(_PROVENANCE),
        is_sorted=st.booleans(),
        duplicates=st.just(duplicates),
        where=st.sampled_from(("counting", "somewhere", "huge")),
        missing=st.sampled_from((0.0, 0.4, 1.0)),
        seed=st.integers(0, 2**16),
    )
    return recipe.map(_Recipe.leave_out).map(_Recipe.make)


def _some(things: st.SearchStrategy[_T], most: int, least: int = 1) -> st.SearchStrategy[list[_T]]:
    return st.lists(things, min_size=min(max(least, 1), most), max_size=most)


def _make_video(filename: str, number: int) -> Video:
    backend = {
        "filename": filename,
        "grayscale": (None, True, False)[number % 3],
        "bgr": True,
        "dataset": "",
        "input_format": "",
    }
    return Video(filename, backend, **(_KNOWN if number % 2 else {}))


def _make_skeleton(
    names: list[str], links: list[int], n_symmetries: int, title: str | None
) -> Skeleton:
    n = len(names)
    pairs = [(link // n % n, link % n) for link in links]
    edges = dict.fromkeys((a, b) for a, b in pairs if a != b)
    symmetries = [(2 * k, 2 * k + 1) for k in range(min(n_symmetries, n // 2))]
    return Skeleton(names, edges, symmetries, title)


def _ids(style: str, n: int) -> IntArray:
    """Number rows in one of the ways that are legal."""
    rows = np.arange(n, dtype=np.int64)
    if style == "gaps":
        return 3 * rows + 2
    if style == "backwards":
        return (2 * rows + 1)[::-1].copy()
    # No larger: a test that lists every id to the largest should fail, not fill the memory.
    return rows + 60_000 if style == "large" else rows


@dataclass(frozen=True)
class _Recipe:
    """What was drawn. Numbers mean places in lists, counted round."""

    videos: list[int]
    skeletons: list[Skeleton]
    tracks: list[Track]
    frames: list[tuple[int, int, list[int]]]
    suggestions: list[tuple[int, int, int | None]]
    anchors: list[tuple[int, int, float | None, float | None]]
    styles: tuple[str, str, str, str, str]
    without: str
    provenance: dict[str, Any]
    is_sorted: bool
    duplicates: bool
    where: str
    missing: float
    seed: int

    def leave_out(self) -> _Recipe:
        nothing: dict[str, Any] = {self.without: []} if self.without else {}
        return dataclasses.replace(self, **nothing)

    def make(self) -> LabelTables:
        rng = np.random.default_rng(self.seed)
        catalog = self._make_catalog()
        frames, contents = self._make_frames(self._ids_of("videos"))
        instances = self._make_instances(rng, frames["frame_id"].to_numpy(), contents)
        n_nodes = catalog.n_nodes[instances["skeleton_id"].to_numpy()]
        is_user = np.repeat((instances["kind"] == "user").to_numpy(), n_nodes)
        points = _make_points(rng, is_user, self.where, self.missing)
        return LabelTables(catalog, frames, instances, points)

    def _ids_of(self, name: str) -> IntArray:
        place = ("videos", "skeletons", "tracks").index(name)
        return _ids(self.styles[place], len(getattr(self, name)))

    def _make_catalog(self) -> Catalog:
        first = sum(self.videos)  # so that the first video is not always the same
        n = len(_FILENAMES)
        videos = [
            _make_video(_FILENAMES[(first + k) % n], number) for k, number in enumerate(self.videos)
        ]
        tables = catalog_tables(videos, self.skeletons, self.tracks)
        video_ids, skeleton_ids = self._ids_of("videos"), self._ids_of("skeletons")
        tables["videos"] = _renumber(tables["videos"], "video_id", video_ids)
        tables["tracks"] = _renumber(tables["tracks"], "track_id", self._ids_of("tracks"))
        for name in ("skeletons", "nodes", "edges"):
            tables[name] = _renumber(tables[name], "skeleton_id", skeleton_ids)
        tables["nodes"] = tables["nodes"].sort("skeleton_id", "node_id")
        tables["edges"] = tables["edges"].sort("skeleton_id", "kind", "position")
        anchors = sorted(self.anchors, key=lambda row: row[0] % max(len(videos), 1))
        tables["suggestions"] = _mark(schema.SUGGESTIONS, video_ids, self.suggestions)
        tables["negative_anchors"] = _mark(schema.NEGATIVE_ANCHORS, video_ids, anchors)
        # Another content is another project: equal ids would claim a common origin.
        content = [self, [(s.node_names, s.edge_inds, s.symmetry_inds) for s in self.skeletons]]
        return Catalog(
            **tables,
            provenance=self.provenance,
            project_id=str(uuid.uuid5(uuid.NAMESPACE_OID, repr(content))),
            attachments=Attachments(),
        )

    def _make_frames(self, video_ids: IntArray) -> tuple[pl.DataFrame, list[list[int]]]:
        """Number frames as drawn, which is list order, and sort them."""
        places = self._places(video_ids)
        drawn = self.frames[: len(places)]
        order = sorted(range(len(drawn)), key=lambda at: (*places[at], at))
        contents = [drawn[at][2] if self.skeletons else [] for at in order]
        columns = {
            "frame_id": _ids(self.styles[3], len(order)),
            "video_id": [places[at][0] for at in order],
            "frame_idx": [places[at][1] for at in order],
            "position": range(len(order)) if self.is_sorted else order,
            "is_negative": [not drawn[at][2] and drawn[at][0] % 2 == 1 for at in order],
        }
        return pl.DataFrame(columns, schema=schema.FRAMES.memory_columns), contents

    def _places(self, video_ids: IntArray) -> list[tuple[int, int]]:
        """Video and frame index of each frame; a taken place makes way to the next."""
        places: list[tuple[int, int]] = []
        for number, frame_idx, _ in self.frames if len(video_ids) else ():
            place = int(video_ids[number % len(video_ids)]), frame_idx
            while not self.duplicates and place in places:
                place = place[0], place[1] + 1
            places.append(place)
        return places

    def _make_instances(
        self, rng: np.random.Generator, frame_ids: IntArray, contents: list[list[int]]
    ) -> pl.DataFrame:
        """Read what each drawn number says of its instance."""
        counts = [len(codes) for codes in contents]
        code = np.array([value for codes in contents for value in codes], np.int64)
        n, frame = len(code), np.repeat(np.arange(len(counts)), counts)
        track_ids, skeleton_ids = self._ids_of("tracks"), self._ids_of("skeletons")
        instance_ids = _ids(self.styles[4], n)
        is_predicted = code % 2 == 1
        track = code // 2 % (len(track_ids) + 1) - 1
        links = _link(code // 64, frame, is_predicted)
        has_score = is_predicted & (code // 512 % 4 > 0)
        scores = np.where(has_score, rng.random((2, n), np.float32), np.float32(np.nan))
        columns = {
            "instance_id": instance_ids,
            "frame_id": frame_ids[frame],
            "instance_idx": [place for count in counts for place in range(count)],
            "skeleton_id": skeleton_ids[code // 16 % max(len(skeleton_ids), 1)],
            "track_id": _pick(track_ids, track),
            "kind": ["predicted" if flag else "user" for flag in is_predicted],
            "score": scores[0],
            "tracking_score": scores[1],
            "from_predicted": _pick(instance_ids, links),
        }
        return pl.DataFrame(columns, schema=schema.INSTANCES.memory_columns).with_columns(
            pl.col("score", "tracking_score").fill_nan(None)
        )


def _renumber(table: pl.DataFrame, column: str, ids: IntArray) -> pl.DataFrame:
    new = pl.Series(column, ids[table[column].to_numpy()], dtype=table.schema[column])
    return table.with_columns(new)


def _mark(
    table_schema: TableSchema, video_ids: IntArray, rows: Sequence[tuple[Any, ...]]
) -> pl.DataFrame:
    """Say something of places in videos, if there are any."""
    n = len(video_ids)
    named = [(int(video_ids[row[0] % n]), *row[1:]) for row in rows] if n else []
    return pl.DataFrame(named, schema=table_schema.memory_columns, orient="row")


def _pick(ids: IntArray, places: Iterable[int]) -> list[int | None]:
    return [int(ids[place]) if place >= 0 else None for place in places]


def _link(code: IntArray, frame: IntArray, is_predicted: BoolArray) -> list[int]:
    """Choose the prediction each user instance came from: of its frame, of any, or none."""
    links = [-1] * len(code)
    for row in np.flatnonzero(~is_predicted & (code % 4 > 0)).tolist():
        choices = np.flatnonzero(is_predicted & ((frame == frame[row]) | (code[row] % 4 == 3)))
        if len(choices):
            links[row] = int(choices[code[row] // 4 % len(choices)])
    return links


def _make_points(
    rng: np.random.Generator, is_user: BoolArray, where: str, missing: float
) -> pl.DataFrame:
    n = len(is_user)
    xy = _make_coordinates(rng, n, where)
    # Of the points to be touched, half lose both coordinates, and a quarter either one.
    fate = np.where(rng.random(n) < missing, rng.integers(0, 4, n), -1)
    xy[0, (fate >= 0) & (fate < 3)] = np.nan
    xy[1, (fate >= 0) & (fate != 2)] = np.nan
    score = rng.random(n)
    score[is_user | (rng.random(n) < missing / 2)] = np.nan
    values = {
        "x": xy[0],
        "y": xy[1],
        "visible": rng.random(n) >= missing / 2,
        "complete": rng.random(n) < missing,
        "score": score,
    }
    return pl.DataFrame(values, schema=schema.POINTS.memory_columns).with_columns(
        pl.col("x", "y", "score").fill_nan(None)
    )


def _make_coordinates(rng: np.random.Generator, n: int, where: str) -> FloatArray:
    if where == "counting":
        return np.arange(2 * n, dtype=np.float64).reshape(2, n)
    if where == "somewhere":
        return rng.uniform(-5, 70, (2, n))
    return rng.normal(0, 1e9, (2, n))
