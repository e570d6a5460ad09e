"""Dense arrays do not depend on what was worked out together, and follow every edit."""

import warnings
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tabular_labels as tl
from tabular_labels import dense_runs
from tabular_labels._types import FloatArray
from tabular_labels.dense_runs import dense_array
from tabular_labels.model.tables import Catalog, LabelTables, Structure
from tabular_labels.queries.dense import scatter
from tabular_labels.queries.dense_layout import DenseLayouts, dense_layout
from tabular_labels.store.snapshot import Snapshot
from tabular_labels.testing.builders import make_tables
from tabular_labels.testing.strategies import label_tables

UNTRACKED = "ignore:.*untracked instances have no column"

Call = tuple[int, bool, bool, bool]
CALLS = st.lists(st.tuples(st.integers(0, 9), *[st.booleans()] * 3), max_size=8)


def alone(tables: LabelTables, call: Call) -> FloatArray:
    """Make the array of one video from a table of its points."""
    video_id, all_frames, untracked, scores = call
    snapshot = Snapshot.of(tables)
    layout = dense_layout(
        tables.structure, tables.catalog, video_id, all_frames=all_frames, untracked=untracked
    )
    names = ["x", "y", "visible", *(["score"] if scores else [])]
    return scatter(layout, snapshot.read_points(names, layout.instance_rows))


def asked(snapshot: Snapshot, call: Call) -> FloatArray:
    video_id, all_frames, untracked, scores = call
    names = ("x", "y", "score") if scores else ("x", "y")
    return dense_array(snapshot, video_id, names, all_frames=all_frames, untracked=untracked)[1]


@given(tables=label_tables(), calls=CALLS, most=st.sampled_from((1, 4, 1000)))
def test_videos_asked_for_in_any_order_are_as_alone(
    tables: LabelTables, calls: list[Call], most: int
) -> None:
    ids = tables.catalog.videos["video_id"].to_list()
    half = tables.points.height // 2
    pieces = [tables.points.head(half), tables.points.slice(half)]
    chunked = pl.concat(pieces, rechunk=False)
    in_pieces = LabelTables.on(tables.structure, tables.catalog, chunked)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dense_runs, "MOST_AHEAD", most)
        for snapshot in (Snapshot.of(tables), Snapshot.of(in_pieces)):
            # In their order at first, so that later ones are looked at ahead.
            in_order = [(video_id, True, False, False) for video_id in ids]
            others = [(ids[k % len(ids)], *options) for k, *options in calls if ids]
            for call in [*in_order, *others, (2**32 - 1, True, False, True)]:
                np.testing.assert_array_equal(asked(snapshot, call), alone(tables, call))


@given(tables=label_tables(), data=st.data())
@pytest.mark.filterwarnings(UNTRACKED)
def test_arrays_follow_every_edit(tables: LabelTables, data: st.DataObject) -> None:
    labels = tl.Labels.from_tables(tables)
    for _ in range(data.draw(st.integers(1, 4))):
        _edit(labels, data)
        now = tl.Labels.from_tables(labels._snapshot.tables())
        for video, same in zip(labels.videos, now.videos, strict=True):
            np.testing.assert_array_equal(labels.numpy(video), now.numpy(same))


def _edit(labels: tl.Labels, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["track", "point", "remove", "drop", "undo"]))
    if kind == "undo":
        labels.undo()
    elif kind == "drop":
        labels.remove_predictions()
    elif len(labels):
        frame = labels[data.draw(st.integers(0, len(labels) - 1))]
        if kind == "remove" or not len(frame):
            labels.remove_frame(frame)
        elif kind == "track":
            frame[0].track = data.draw(st.sampled_from([None, *labels.tracks]))
        elif len(frame[0].points):
            frame[0].points[0].x = 77.0


@pytest.mark.parametrize("kind", ["memory", "slp", "parquet"])
def test_few_runs_are_made_of_videos_in_their_order(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = tl.Labels.from_tables(make_tables(200, n_videos=40, user_fraction=0.0))
    if kind == "slp":
        tl.write_slp(labels, tmp_path / "a.slp")
        labels = tl.scan_slp(tmp_path / "a.slp")
    elif kind == "parquet":
        tl.write_parquet(labels, tmp_path / "a.parquet")
        labels = tl.scan_parquet(tmp_path / "a.parquet")
    made: list[int] = []
    init = DenseLayouts.__init__

    def noted(
        self: DenseLayouts, structure: Structure, catalog: Catalog, frames: slice, **options: bool
    ) -> None:
        init(self, structure, catalog, frames, **options)
        made.append((frames.stop - frames.start) // 5)

    monkeypatch.setattr(DenseLayouts, "__init__", noted)
    forwards = [labels.numpy(k) for k in range(40)]
    assert made == [1, 2, 4, 8, 16, 9]
    made.clear()
    backwards = [labels.numpy(k) for k in range(30, -1, -1)]
    assert made == [1] * 31
    np.testing.assert_array_equal(forwards[30::-1], backwards)


def test_what_is_looked_at_ahead_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense_runs, "MOST_AHEAD", 50)
    labels = tl.Labels.from_tables(make_tables(200, n_videos=40, user_fraction=0.0))
    sizes = set()
    for k in range(40):
        labels.numpy(k)
        run = labels._snapshot.once("dense run", dense_runs._Latest).run
        assert run is not None
        sizes.add(run.n_instances)
    assert sizes == {20, 40}  # one video of 20 instances, or two


def test_a_large_video_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dense_runs, "MOST_AHEAD", 3)
    labels = tl.Labels.from_tables(make_tables(20, n_videos=2))
    labels.numpy(0)
    assert labels._snapshot.once("dense run", dense_runs._Latest).run is None


def test_edited_points_are_not_copied_together() -> None:
    labels = tl.Labels.from_tables(make_tables(40, n_videos=2, user_fraction=0.0))
    labels[3][0].points[0].x = 5.0
    labels.numpy(0)
    assert labels._snapshot.tables().points["x"].n_chunks() > 1
    assert labels._snapshot.once("shown columns", dict) == {}


INHERITED: list[tl.Labels] = []


def _sum_of(place: int) -> float:
    labels = INHERITED[place]
    return sum(float(np.nansum(labels.numpy(video))) for video in labels.videos)


@pytest.mark.filterwarnings("ignore:.*fork:RuntimeWarning", "ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("is_edited", [False, True])
def test_a_forked_process_may_be_the_first_to_ask(is_edited: bool) -> None:
    tables = make_tables(40, n_videos=4)
    labels, other = tl.Labels.from_tables(tables), tl.Labels.from_tables(tables)
    if is_edited:
        for edited in (labels, other):
            edited[3][0].points[0].x = 5.0
            edited.to_polars("frames")  # brings the edits into a snapshot
    INHERITED[:] = [labels, other]
    with get_context("fork").Pool(1) as pool:
        assert pool.apply_async(_sum_of, (0,)).get(60) == _sum_of(1)


def test_untracked_instances_are_named_of_every_video() -> None:
    labels = tl.Labels.from_tables(make_tables(60, n_videos=6, untracked_fraction=0.5))
    for video in labels.videos:
        shown = [frame.user_instances or frame.instances for frame in labels.find(video)]
        n = sum(instance.track is None for instances in shown for instance in instances)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            labels.numpy(video)
        assert [str(w.message).split()[0] for w in caught] == ([str(n)] if n else [])
        assert all(w.filename == __file__ for w in caught)
