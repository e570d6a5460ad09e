"""Merging what is not as it should be: a documented result or a clear error, inputs unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tabular_labels as tl
from tabular_labels.errors import CircularReferenceWarning, MergeError
from tabular_labels.model.tables import LabelTables
from tabular_labels.testing.builders import make_tables

FLY = tl.Skeleton(["head", "tail"], edges=[("head", "tail")])
VIDEO = tl.Video.from_filename("fly.mp4")


def pose(x: float, skeleton: tl.Skeleton = FLY) -> tl.Instance:
    return tl.Instance(skeleton, [[x, k] for k in range(len(skeleton.nodes))])


@contextmanager
def unchanged(*projects: tl.Labels) -> Iterator[None]:
    before = [one.copy() for one in projects]
    yield
    for one, copy in zip(projects, before, strict=True):
        assert one.equals(copy)


def linked(links: list[int | None]) -> tl.Labels:
    """Make predictions, one in a frame, with these ``from_predicted``."""
    tables = make_tables(len(links), n_videos=1, n_instances=1, user_fraction=0)
    column = pl.Series("from_predicted", links, dtype=pl.UInt32)
    instances = tables.instances.with_columns(column)
    return tl.Labels.from_tables(
        LabelTables(tables.catalog, tables.frames, instances, tables.points)
    )


def links_of(labels: tl.Labels) -> list[int | None]:
    return labels._snapshot.tables().instances["from_predicted"].to_list()


def by_method(ours: tl.Labels, theirs: tl.Labels) -> tl.Labels:
    ours = ours.copy()
    ours.merge(theirs)
    return ours


def by_plan(ours: tl.Labels, theirs: tl.Labels) -> tl.Labels:
    ours = ours.copy()
    ours.apply_merge(ours.merge_plan(theirs))
    return ours


def by_function(ours: tl.Labels, theirs: tl.Labels) -> tl.Labels:
    return tl.merge([ours, theirs])


def by_classic(ours: tl.Labels, theirs: tl.Labels) -> tl.Labels:
    ours = ours.copy()
    tl.Labels.complex_merge_between(ours, theirs)
    return ours


ways = pytest.mark.parametrize("merge", [by_method, by_plan, by_function, by_classic])


@ways
@pytest.mark.parametrize("links", [[0, None], [1, 0, None], [1, 2, 0, 0]])
def test_links_in_a_circle_are_kept_and_named(
    merge: Callable[[tl.Labels, tl.Labels], tl.Labels], links: list[int | None]
) -> None:
    ours, theirs = linked([]), linked(links)
    n = 3 if links[-1] == 0 else len(links) - 1
    with unchanged(ours, theirs), pytest.warns(CircularReferenceWarning) as found:
        merged = merge(ours, theirs)
    assert links_of(merged) == links
    message = str(found[0].message)
    assert message.startswith(f"{n} merged instances come from one another in a circle (at ")
    assert all(f":{k}" in message for k in range(n))
    assert found[0].filename == __file__


def test_a_circle_is_no_change_by_itself() -> None:
    ours, theirs = linked([1, 0]), linked([1, 0])
    with unchanged(ours, theirs):
        assert not ours.merge(theirs).changes


def test_many_circles_are_named_by_the_first_places() -> None:
    theirs = linked(list(range(9)))
    with pytest.warns(CircularReferenceWarning, match=r"9 merged instances .*:4, \.\.\.\)"):
        linked([]).merge(theirs)


def test_chains_without_a_circle_give_no_warning() -> None:
    ours, theirs = linked([]), linked([1, 2, 3, None])
    ours.merge(theirs)
    assert links_of(ours) == [1, 2, 3, None]


@given(st.lists(st.none() | st.integers(0, 5), min_size=6, max_size=6))
def test_what_circles_there_are_is_the_same_after_a_merge(links: list[int | None]) -> None:
    theirs = linked(links)
    with pytest.warns(CircularReferenceWarning) if leads_back(links) else unchanged(theirs):
        merged = by_method(linked([]), theirs)
    assert links_of(merged) == links


def leads_back(links: list[int | None]) -> bool:
    for first in range(len(links)):
        at: int | None = first
        for _ in links:
            at = None if at is None else links[at]
        if at is not None:
            return True
    return False


def test_skeletons_that_cannot_be_one_stay_two() -> None:
    mouse = tl.Skeleton(["nose", "ear"])
    ours = tl.Labels([tl.LabeledFrame(VIDEO, 0, [pose(1)])])
    theirs = tl.Labels([tl.LabeledFrame(VIDEO, 0, [pose(1, mouse)])])
    merged = ours.copy()
    with unchanged(ours, theirs):
        merged.merge(theirs)
    assert [skeleton.node_names for skeleton in merged.skeletons] == [
        ["head", "tail"],
        ["nose", "ear"],
    ]
    assert [one.skeleton.node_names for one in merged[0]] == [["head", "tail"], ["nose", "ear"]]


def test_nodes_are_never_guessed_from_their_order() -> None:
    ours = tl.Labels([tl.LabeledFrame(VIDEO, 0, [pose(1)])])
    theirs = tl.Labels([tl.LabeledFrame(VIDEO, 0, [pose(1, tl.Skeleton(["tail", "head"]))])])
    ours.merge(theirs)
    assert len(ours.skeletons) == 1
    assert [one.numpy().tolist() for one in ours[0]] == [[[1, 0], [1, 1]], [[1, 1], [1, 0]]]


@pytest.mark.parametrize("call", ["merge_plan", "merge"])
def test_two_videos_that_would_become_one_are_refused(call: str) -> None:
    ours = tl.Labels([tl.LabeledFrame(VIDEO, 0, [pose(1)])])
    videos = [tl.Video.from_filename(name) for name in ("a.mp4", "b.mp4")]
    theirs = tl.Labels([tl.LabeledFrame(video, 0, [pose(k)]) for k, video in enumerate(videos)])
    with (
        unchanged(ours, theirs),
        pytest.raises(MergeError, match=r"2 videos of .* would become the video 'fly\.mp4'"),
    ):
        getattr(ours, call)(theirs, videos={"a.mp4": "fly.mp4", "b.mp4": "fly.mp4"})


EMPTY: dict[str, Callable[[], tl.Labels]] = {
    "no frames": lambda: tl.Labels([]),
    "a video without frames": lambda: tl.Labels([], videos=[VIDEO]),
    "a skeleton and a track": lambda: tl.Labels([], skeletons=[FLY], tracks=[tl.Track(0, "a")]),
    "an empty frame": lambda: tl.Labels([tl.LabeledFrame(VIDEO, 7)]),
}


@ways
@pytest.mark.parametrize("what", EMPTY)
def test_empty_labels_add_nothing_but_what_they_have(
    merge: Callable[[tl.Labels, tl.Labels], tl.Labels], what: str
) -> None:
    one = tl.Labels([tl.LabeledFrame(VIDEO, 0, [pose(1)])])
    empty = EMPTY[what]()
    n_frames = len(one) + len(empty)
    with unchanged(one, empty):
        for merged in (merge(one, empty), merge(empty, one)):
            assert len(merged) == n_frames
            assert [len(frame) for frame in sorted(merged, key=index)] == [1, 0][:n_frames]
        assert len(merge(empty, empty)) == len(empty)


def index(frame: tl.LabeledFrame) -> int:
    found: int = frame.frame_idx
    return found


@ways
def test_one_frame_on_each_side(merge: Callable[[tl.Labels, tl.Labels], tl.Labels]) -> None:
    ours = tl.Labels([tl.LabeledFrame(VIDEO, 3, [pose(1)])])
    theirs = tl.Labels([tl.LabeledFrame(VIDEO, 3, [pose(1)])])
    with unchanged(ours, theirs):
        merged = merge(ours, theirs)
    assert merged.equals(ours)


def test_several_frames_of_one_index_on_both_sides_keep_every_instance_once() -> None:
    ours = tl.Labels([tl.LabeledFrame(VIDEO, 3, [pose(x)]) for x in (1, 2)])
    theirs = tl.Labels([tl.LabeledFrame(VIDEO, 3, [pose(x)]) for x in (2, 5, 5)])
    with unchanged(theirs):
        ours.merge(theirs)
    assert [[one.numpy()[0, 0] for one in frame] for frame in ours] == [[1], [2, 5]]
