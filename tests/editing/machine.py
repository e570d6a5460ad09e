"""Labels, and the lists that they should be like: what all rules share."""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

import tabular_labels as tl
from tabular_labels import bulk, differences, levels, setting, tracking
from tabular_labels.errors import DanglingReferenceWarning, LeftOutWarning
from tabular_labels.io import delta_tables, parquet_points, parquet_rewrite, parquet_structure
from tabular_labels.model import checks, offsets
from tabular_labels.model.tables import LabelTables
from tabular_labels.queries import diff, select, tracks, unequal
from tabular_labels.store import columns, keyed_scan, snapshot, store
from tabular_labels.testing.strategies import label_tables
from tests import reference
from tests.editing.model import Model
from tests.editing.model_rows import MISSING, FrameRow, InstanceRow, PointRow, State
from tests.io.slp_cases import content
from tests.reference import Row, rows_of

T = TypeVar("T")

# Above these sizes labels go other ways; small ones lead there with few rows.
LIMITS: dict[tuple[Any, str], tuple[int, ...]] = {
    (bulk, "SINGLE_EDITS"): (500, 0, 2),
    (tracking, "SINGLE_FRAMES"): (200, 0, 2),
    (store, "RECORDS_KEPT"): (4096, 0, 4),
    (columns, "BLOCK_INSTANCES"): (512, 1, 3),
    (columns, "BLOCKS_KEPT"): (64, 1, 2),
    (columns, "MEMORY_BLOCK_INSTANCES"): (4096, 1, 3),
    (levels, "CHUNK_INSTANCES"): (65_536, 1, 3),
    (keyed_scan, "CHUNK_INSTANCES"): (131_072, 1, 3),
    (diff, "_CHUNK"): (8192, 1, 2),
    (unequal, "_PIECE"): (4096, 1, 2),
    (differences, "_AT_ONCE"): (16_384, 1, 2),
    (setting, "_AT_ONCE"): (16_384, 1, 2),
    (snapshot, "FEW_OF"): (64, 0, 1),
    (select, "_STEP"): (65_536, 1, 2),
    (checks, "_STEP"): (2**18, 1, 3),
    (offsets, "_COUNTED"): (2**20, 1, 2),
    (bulk, "_STEP"): (2**18, 1, 2),
    (tracks, "_PIECE"): (2**18, 1, 2),
    (delta_tables, "_INSTANCES_AT_ONCE"): (8192, 1, 2),
    (parquet_points, "ROWS_AT_ONCE"): (2**18, 2, 5),
    (parquet_rewrite, "_POINTS_AT_ONCE"): (2**18, 1, 7),
    (parquet_structure, "_MOST_SLICES"): (4096, 0, 3),
    (parquet_structure, "_STEP"): (2**18, 1, 3),
}
OPENED = ("memory", "scanned slp", "scanned parquet")
VIEWS_KEPT = 12

POINTS: tuple[PointRow, ...] = (
    MISSING,
    (0.0, 0.0, True, False, None),
    (-1.5, 1e6, True, True, 0.5),
    (3.25, None, True, False, None),
    (7.0, 8.0, False, True, 0.25),
)
SCORES = (None, 0.0, 0.5, 0.1)

SKELETONS = [
    tl.Skeleton(["a", "b"], edges=[("a", "b")]),
    tl.Skeleton(["head", "tail", "a"], name="mouse"),
]
VIDEOS = [tl.Video("new 0.mp4"), tl.Video("new 1.mp4", n_frames=30)]
ARRAYS = [np.full((2, 1, 2, 1), value, np.uint8) for value in (0, 0, 1)]
ARRAYS_KEPT = 4

number = st.integers(0, 60)
instance_specs = st.tuples(
    st.booleans(),  # predicted
    st.integers(0, 3),  # skeleton
    st.integers(0, 5),  # track
    st.integers(0, 3),  # scores
    st.integers(0, 5**3 - 1),  # points
    st.integers(0, 5),  # what it was made from
)
frame_specs = st.tuples(
    st.integers(0, 4), st.integers(0, 7), st.booleans(), st.lists(instance_specs, max_size=3)
)


def warned_of_arrays(change: Callable[[], object], videos: Iterable[tl.Video]) -> None:
    """Write something, and be warned just where pictures of videos are in memory only."""
    if all(video.array is None for video in videos):
        change()
        return
    with pytest.warns(LeftOutWarning, match="arrays in memory"):
        change()


class DeliberateError(Exception):
    """What ends a transaction half way."""


def single(value: float | None) -> float | None:
    """Round to the precision of scores."""
    return None if value is None else float(np.float32(value))


def nan(value: float | None) -> float:
    return math.nan if value is None else value


def none(value: float) -> float | None:
    return None if math.isnan(value) else value


def discard(_: object) -> None:
    """Return nothing, where a number would count links that lead nowhere."""


class Machine(RuleBasedStateMachine):
    """Labels, and the lists that they should be like."""

    labels: tl.Labels
    model: Model

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.kept = {key: getattr(*key) for key in LIMITS}
        self.n_files = self.n_names = 0
        self.tracks = [tl.Track(0, "new"), tl.Track(3, "new"), tl.Track(1, "other")]
        self.others: list[tuple[tl.Labels, LabelTables]] = []
        self.arrays: list[tl.Video] = []

    def teardown(self) -> None:
        for transaction, _ in reversed(getattr(self, "open", [])):
            transaction.__exit__(None, None, None)
        for (module, name), value in self.kept.items():
            setattr(module, name, value)
        self.folder.cleanup()

    # Beginning, and beginning anew

    @initialize(
        tables=label_tables(max_frames=5),
        opened=st.sampled_from(OPENED),
        limits=st.lists(st.integers(0, 2), min_size=len(LIMITS), max_size=len(LIMITS)),
    )
    def begin(self, tables: LabelTables, opened: str, limits: list[int]) -> None:
        for ((module, name), values), chosen in zip(LIMITS.items(), limits, strict=True):
            setattr(module, name, values[chosen])
        self.use(tl.Labels.from_tables(tables))
        if opened != "memory":
            self.write_and_open(opened)

    def use(self, labels: tl.Labels) -> None:
        """Go on with other labels, taking what they hold for right."""
        self.labels = labels
        self.model, self.frame_ids, self.instance_ids = Model.of(
            labels._snapshot.tables(), labels.videos, labels.skeletons, labels.tracks
        )
        self.forget()

    def forget(self) -> None:
        self.given: tuple[dict[int, int], dict[int, int]] = ({}, {})  # keys, and of which rows
        self.learn_ids()
        self.project: Path | None = None
        self.committed: LabelTables | None = None
        self.past: list[State] = []
        self.future: list[State] = []
        self.open: list[tuple[Any, State]] = []
        self.views: list[tuple[Any, int]] = []
        self.detached: list[tuple[tl.LabeledFrame, FrameRow]] = []

    def write_and_open(self, opened: str) -> None:
        """Write, and go on with what was written."""
        self.n_files += 1
        path = Path(self.folder.name) / f"{self.n_files}"
        expected = self.expected_tables()
        if opened == "scanned parquet":
            warned_of_arrays(lambda: tl.write_parquet(self.labels, path), self.labels.videos)
            found = tl.scan_parquet(path)
            assert_same_rows(found._snapshot.tables(), rows_of(expected))
            self.labels = found
            self.change_objects()
            self.project, self.committed = path, found._snapshot.tables()
            return
        path = path.with_suffix(".slp")
        warned_of_arrays(lambda: tl.write_slp(self.labels, path), self.labels.videos)
        found = tl.read_slp(path) if opened == "memory" else tl.scan_slp(path)
        written, meant = content(found._snapshot.tables()), content(expected)
        assert {name: written[name] for name in meant if written[name] != meant[name]} == {
            name: meant[name] for name in meant if written[name] != meant[name]
        }
        self.use(found)

    def change_objects(self) -> None:
        """Name the objects of labels that were opened, which hold the same rows."""
        labels, model = self.labels, self.model
        same: dict[Any, Any] = {None: None}
        for name in ("videos", "skeletons", "tracks"):
            pairs = list(zip(getattr(model, name), getattr(labels, name), strict=True))
            for old, new in pairs:
                # Of an array the shape comes back: its pictures are in no file.
                assert new.matches(old) or (name == "videos" and says_as_much(old, new))
            same |= dict(pairs)
            setattr(model, name, list(getattr(labels, name)))
        for frame in model.frames:
            frame.video = same[frame.video]
            for one in frame.instances:
                one.skeleton, one.track = same[one.skeleton], same[one.track]
                one.origin = model.origin_of(one)
        model.suggestions = [(same[video], *rest) for video, *rest in model.suggestions]
        model.anchors = [(same[video], *rest) for video, *rest in model.anchors]
        model.slots = {same[thing]: slot for thing, slot in model.slots.items()}
        if any(old is not new for old, new in same.items()):
            model.former = {}  # nothing here ever stood for what was opened
        self.forget()

    # Edits

    def edit(
        self,
        change: Callable[[], T],
        same: Callable[[], int | None],
        warns: type[Warning] = DanglingReferenceWarning,
    ) -> T:
        """Do something to the labels, and the same to the lists; which count warnings."""
        before = self.model.saved()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            result = change()
        n_warned = same() or 0
        self.model.cut_links()
        assert {w.category for w in caught} == ({warns} if n_warned else set())
        self.learn_ids()
        if not self.open:
            self.note_step(before)
        return result

    def count(self, change: Callable[[], int], same: Callable[[], int]) -> None:
        """Do something that says how many rows it was done to."""
        counts: list[int] = []
        found = self.edit(change, lambda: counts.append(same()))
        assert counts == [found]

    def note_step(self, before: State) -> None:
        made = len(self.labels._store._undo) - len(self.past)
        assert made == 1 or (made == 0 and self.model.is_at(before))
        if made:
            self.past.append(before)
            self.future.clear()

    def refuse(self, change: Callable[[], Any], error: type[Exception], text: str) -> None:
        """Find that something is refused, and nothing changed."""
        with pytest.raises(error, match=text):
            change()

    def learn_ids(self) -> None:
        """Take note of the keys of new rows; those of others must stay, and are given once."""
        for frame, view in zip(self.model.frames, self.labels, strict=True):
            key = view._source.frame_id(view._row)
            assert self.frame_ids.setdefault(frame.uid, key) == key
            assert self.given[0].setdefault(key, frame.uid) == frame.uid
            assert len(frame.instances) == len(view)
            for row, instance in zip(frame.instances, view.instances, strict=True):
                key = instance._source.instance_id(instance._row)
                assert self.instance_ids.setdefault(row.uid, key) == key
                assert self.given[1].setdefault(key, row.uid) == row.uid

    def frame(self, place: int, how: int = 0) -> tuple[tl.LabeledFrame, FrameRow]:
        """Take a view of some frame, in one way or another."""
        row = self.model.frames[place % len(self.model.frames)]
        known = [view for view, uid in self.views if uid == row.uid]
        if how == 1 and known:
            return known[-1], row
        if how == 2:
            there = self.model.find(row.video, row.frame_idx)
            at = next(k for k, frame in enumerate(there) if frame.uid == row.uid)
            found = self.labels.find(row.video, row.frame_idx)
            assert len(found) == len(there)
            view = found[at]
        else:
            view = self.labels[place % len(self.model.frames)]
        self.keep_view(view, row.uid)
        return view, row

    def instance(
        self, place: int, k: int, how: int = 0
    ) -> tuple[tl.Instance, InstanceRow, FrameRow] | None:
        """Take a view of some instance of a frame."""
        view, frame = self.frame(place, how)
        if not frame.instances:
            return None
        row = frame.instances[k % len(frame.instances)]
        known = [view for view, uid in self.views if uid == row.uid]
        if how == 1 and known:
            return known[-1], row, frame
        instance = view.instances[k % len(frame.instances)]
        self.keep_view(instance, row.uid)
        return instance, row, frame

    def keep_view(self, view: Any, uid: int) -> None:
        if len(self.views) >= VIEWS_KEPT:
            self.views.pop(len(self.past) % VIEWS_KEPT)
        self.views.append((view, uid))

    def track(self, k: int) -> tl.Track | None:
        """Choose a track: of the labels, another, or none."""
        choices = [None, *self.model.tracks[:4], *self.tracks]
        return choices[k % len(choices)]

    def known_tracks(self, ks: list[int]) -> list[tl.Track]:
        """Choose tracks of the labels, each once."""
        tracks = self.model.tracks
        return list(dict.fromkeys(tracks[k % len(tracks)] for k in ks)) if tracks else []

    def any_video(self, k: int) -> tl.Video:
        """Choose a video of the labels, of which there must be some."""
        return self.model.videos[k % len(self.model.videos)]

    def new_name(self, what: str) -> str:
        """Return a name that nothing has."""
        self.n_names += 1
        return f"{what} {self.n_names}"

    def video(self, k: int) -> tl.Video:
        """Choose a video: of the labels, or one that is or becomes one of theirs."""
        choices = [*self.model.videos, *VIDEOS, *self.arrays]
        video = choices[k % len(choices)]
        if self.is_ambiguous(video):
            return next(one for one in self.model.videos if one.matches(video))
        return video

    def is_ambiguous(self, video: tl.Video) -> bool:
        """Tell whether a video of others says what several of ours say."""
        mine = self.model.there(self.model.videos, video)
        return mine is None and sum(one.matches(video) for one in self.model.videos) > 1

    def new_instance(self, spec: Any, before: list[Any] | None = None) -> tuple[Any, InstanceRow]:
        """Build an instance that is in no frame."""
        predicted, skeleton_k, track, scores, points_k, link = spec
        choices = [*SKELETONS, *self.model.skeletons]
        skeleton = choices[skeleton_k % len(choices)]
        points = [POINTS[(points_k // 5**n) % 5] for n in range(len(skeleton.nodes))]
        points = [p if predicted else (*p[:4], None) for p in points]
        score, tracking = SCORES[scores], SCORES[3 - scores]
        row = InstanceRow(
            predicted,
            skeleton,
            self.track(track),
            single(score) if predicted else None,
            single(tracking),
            points,
        )
        kwargs: dict[str, Any] = {"track": row.track, "tracking_score": tracking}
        made = {
            node: tl.PredictedPoint(nan(x), nan(y), visible, complete, nan(score))
            if predicted
            else tl.Point(nan(x), nan(y), visible, complete)
            for node, (x, y, visible, complete, score) in zip(
                skeleton.node_names, points, strict=True
            )
        }
        origin, row.origin = self.some_prediction(link, before or [])
        kwargs["from_predicted"] = origin
        if predicted:
            return tl.PredictedInstance(skeleton, made, score=score, **kwargs), row
        return tl.Instance(skeleton, made, **kwargs), row

    def some_prediction(self, link: int, before: list[Any]) -> tuple[Any, int | None]:
        """Choose what an instance was made from: one beside it, of the labels, of nobody."""
        beside = [(one, row.uid) for one, row in before if row.predicted]
        if link == 1 and beside:
            return beside[-1]
        if link in (2, 3):
            rows = [
                (i, k) for i, f in enumerate(self.model.frames)
                for k, one in enumerate(f.instances) if one.predicted
            ]  # fmt: skip
            if rows:
                i, k = rows[link % len(rows)]
                return self.labels[i].instances[k], self.model.frames[i].instances[k].uid
        if link == 4:
            free = tl.PredictedInstance(SKELETONS[0])
            return free, InstanceRow(True, SKELETONS[0], None, 0.0, 0.0, []).uid
        return None, None

    def new_frame(self, spec: Any) -> tuple[tl.LabeledFrame, FrameRow]:
        """Build a frame that is in no labels, or take one that was taken out of them."""
        video_k, frame_idx, is_negative, instances = spec
        if is_negative and frame_idx > 5 and self.detached:
            return self.detached.pop()
        made: list[Any] = []
        for one in instances:
            made.append(self.new_instance(one, made))
        video = self.video(video_k)
        view = tl.LabeledFrame(video, frame_idx, [m for m, _ in made], is_negative=is_negative)
        return view, FrameRow.detached(
            video, frame_idx, [row for _, row in made], is_negative=is_negative
        )

    def some_frame(self, source: int, spec: Any) -> tuple[tl.LabeledFrame, FrameRow]:
        """Take a new frame, or a view of one that is in the labels."""
        if source and self.model.frames:
            return self.frame(source, how=source % 3)
        return self.new_frame(spec)

    def ids(self) -> tuple[dict[Any, int], dict[Any, int], dict[Any, int]]:
        labels, catalog = self.labels, self.labels._catalog
        return (
            dict(zip(labels.videos, catalog.videos["video_id"].to_list(), strict=True)),
            dict(zip(labels.skeletons, catalog.skeletons["skeleton_id"].to_list(), strict=True)),
            dict(zip(labels.tracks, catalog.tracks["track_id"].to_list(), strict=True)),
        )

    def rows(self) -> list[Row]:
        return self.model.rows(self.frame_ids, self.instance_ids, self.ids())

    def expected_tables(self) -> LabelTables:
        return reference.tables_of(self.labels._catalog, self.rows())


def says_as_much(old: tl.Video, new: tl.Video) -> bool:
    """Tell whether a video without a filename came back as what was stored of it."""
    assert not old.filename
    return (new.filename, new.shape, new.backend) == (old.filename, old.shape, old.backend)


def assert_same_rows(tables: LabelTables, expected: list[Row]) -> None:
    """Compare tables with rows; positions count by their order."""
    for table, empty in zip(
        (tables.frames, tables.instances, tables.points),
        (LabelTables().frames, LabelTables().instances, LabelTables().points),
        strict=True,
    ):
        assert table.schema == empty.schema
    found, wanted = (flat(with_ranks(rows)) for rows in (rows_of(tables), expected))
    assert [a for a, b in zip(found, wanted, strict=False) if a != b] == [
        b for a, b in zip(found, wanted, strict=False) if a != b
    ]
    assert len(found) == len(wanted)


def flat(rows: list[Row]) -> list[Row]:
    """List frames, instances and points one after another, each without what is in it."""
    out: list[Row] = []
    for row in rows:
        children = [child for value in row.values() if isinstance(value, list) for child in value]
        # Parts keep the row numbers of the whole in the slow twins.
        own = {name: value for name, value in row.items() if not isinstance(value, list)}
        own.pop("row", None)
        out.append(own)
        out += flat(children)
    return out


def with_ranks(rows: list[Row]) -> list[Row]:
    places = {row["position"]: k for k, row in enumerate(reference.in_list_order(rows))}
    assert len(places) == len(rows)
    return [row | {"position": places[row["position"]]} for row in rows]
